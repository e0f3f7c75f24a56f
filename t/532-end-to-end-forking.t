#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Route rows that fork send a request to several next hops at one time, each by its own flags and policy row; the first
# to accept wins, the others are cancelled; none is a way around what another had to prove (INV-33, INV-34).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my $edge = Trelay::Edge->start;
my $ca   = $edge->pki->authority('federation');
my %hand = map {
    $_ => Trelay::SIP::Listener->new(host => own_address(2), tls => { certificate => $ca->leaf($_, uri => ["sip:$_.example"]) })
} qw(one two);
my $desk = Trelay::SIP::UDP->new(host => own_address(3)); # inside: plain
my %address = map { $_ => $hand{$_}->host . ':' . $hand{$_}->port } keys %hand;
my $desk_uri = 'sip:' . $desk->host . ':' . $desk->port . ';transport=udp';
$edge->apply($edge->trust_sql('fed', $ca) . <<"END");
INSERT INTO trelay.peer (name, address, action) VALUES ('desk', '@{[ $desk->host ]}/32', 'accept');
INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('desk', '@{[ $desk->host ]}/32', 'none');
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES
    ('one', 'one.example', 'domain', 'fed', '{$address{one}}'), ('two', 'two.example', 'encrypt', 'fed', '{$address{two}}');
INSERT INTO trelay.route (name, domain, next_hop, fork, flags, priority) VALUES
    ('ring-one',   'ring.example', 'sip:one.example', true, '',             1),
    ('ring-two',   'ring.example', 'sip:two.example', true, 'verify-chain', 1),
    ('ring-desk',  'ring.example', '$desk_uri',       true, '',             1),
    ('last-one',   'last.example', 'sip:one.example', true, '',             1),
    ('last-desk',  'last.example', '$desk_uri',       false, '',            2);
END

my %stream;
sub at ($who) { return $stream{$who} //= $hand{$who}->accept }
my %had;
sub seen_by ($who) {
    return at($who)->receive if $who ne 'desk';
    while (my $message = $desk->receive) { # a datagram may come twice
        return $message if !$had{ $message->method . ' ' . $message->branch }++;
    }
    return;
}
sub answer ($who, $request, @response) {
    my $text = response($request, @response, to_tag => $who);
    return $who eq 'desk' ? $desk->reply($request, $text) : at($who)->send($text);
}
# Takes the CANCEL of what was seen, and ends it.
sub is_cancelled ($who, $invite) {
    my $cancel = seen_by($who);
    is($cancel->method, 'CANCEL', "$who: is cancelled") or return;
    is($cancel->branch, $invite->branch, "$who: on its own branch");
    answer($who, $cancel, 200, 'OK');
    answer($who, $invite, 487, 'Request Terminated');
    return is(seen_by($who)->method, 'ACK', "$who: and its 487 is acknowledged");
}

subtest 'C14 INV-33 several at one time, the first to accept wins, the others are cancelled' => sub {
    my $invite = $edge->send('INVITE', 'sip:bob@ring.example', headers => [ [ 'Max-Breadth' => 31 ] ]);
    my %seen = map { $_ => seen_by($_) } qw(one two desk);
    is($seen{$_}->method, 'INVITE', "$_: has the call") for sort keys %seen;
    my %branch = map { $_->branch => 1 } values %seen;
    is(scalar(keys %branch), 3, 'each has a branch of its own');
    my $breadth = 0;
    $breadth += $_->header('Max-Breadth') for values %seen;
    is($breadth, 31, 'K03 together they have the breadth that came');
    answer('one', $seen{one}, 180, 'Ringing');
    is($edge->response_to($invite, 180)->to_tag, 'one', 'one rings');
    answer('two', $seen{two}, 183, 'Progress');
    is($edge->response_to($invite, 183)->to_tag, 'two', 'two, too');
    answer('desk', $seen{desk}, 200, 'OK');
    is($edge->final($invite)->to_tag, 'desk', 'the desk accepts');
    is_cancelled($_, $seen{$_}) for qw(one two);
    my $record = $edge->record($invite);
    is("$record->{status} $record->{outbound_policy} $record->{outbound_level}", '200 desk none', 'accounting: who won');
    is_deeply([ sort map { "$_->{level} $_->{class}" } $edge->connections ], [ 'chain verified', 'domain verified' ],
        'each proved what its own row and flags ask');
};

subtest 'C07 all refuse: the best of their answers' => sub {
    my $invite = $edge->send('INVITE', 'sip:bob@ring.example');
    my %status = (one => 503, two => 404, desk => 486);
    for my $who (sort keys %status) {
        answer($who, seen_by($who), $status{$who}, 'No');
        is(seen_by($who)->method, 'ACK', "$who: $status{$who} is acknowledged");
    }
    is($edge->final($invite)->status, 404, 'the best one comes back');
};

subtest 'INV-34 ADV-40 what follows a group may not do without what it had to prove' => sub {
    my $invite = $edge->send('INVITE', 'sip:bob@last.example');
    answer('one', seen_by('one'), 503, 'No');
    is(seen_by('one')->method, 'ACK', 'one: refuses');
    my $final = $edge->final($invite);
    is($final->status, 403, 'the plain next hop of priority 2 is no way out');
    is($edge->record($invite)->{reason}, 'weaken-refused', 'accounting says why');
};

subtest 'K03 with a breadth of one they are tried one after the other' => sub {
    my $invite = $edge->send('INVITE', 'sip:bob@ring.example', headers => [ [ 'Max-Breadth' => 1 ] ]);
    my $first = seen_by('one');
    is(scalar $first->header('Max-Breadth'), 1, 'one at a time');
    answer('one', $first, 486, 'Busy');
    is(seen_by('one')->method, 'ACK', 'busy');
    my $second = seen_by('two');
    is($second->method, 'INVITE', 'then the next');
    answer('two', $second, 200, 'OK');
    is($edge->final($invite)->to_tag, 'two', 'which accepts');
    is($edge->ask('INVITE', 'sip:bob@ring.example', headers => [ [ 'Max-Breadth' => 0 ] ])->status, 440, 'none at all: 440');
};

$edge->stop;
done_testing;
