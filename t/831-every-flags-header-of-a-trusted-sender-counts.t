#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Two X-Trelay-Flags headers are one list: a client behind a trusted proxy could otherwise put its own before the
# proxy's, which then did not count. What doubles or contradicts is refused, and none of it leaves.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(response);
use Trelay::SIP::Server;

my $edge    = Trelay::Edge->start(configuration => qq(lookup = "dst+default"\n));
my $ca      = $edge->pki->authority('federation');
my $partner = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
    tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) });
my $address = own_address(2) . ':' . $partner->port;
$edge->apply($edge->trust_sql('fed', $ca)
        . "INSERT INTO trelay.outbound_policy (name, domain, level, weaken, trust_set, next_hop) VALUES"
        . " ('biloxi', 'biloxi.example', 'chain', 'allowed', 'fed', '{$address}')");

sub ask (@flags) {
    return $edge->ask('MESSAGE', 'sip:bob@biloxi.example', headers => [ map { [ 'X-Trelay-Flags' => $_ ] } @flags ]);
}

my $reply = ask('no-upgrade', 'verify-domain');
is($reply->status, 200, 'the second header counts');
is($edge->record($reply)->{outbound_level}, 'domain', 'and raises the level');
$reply = ask('no-verify', 'verify-domain');
is($reply->status, 500, 'a client cannot take back what its proxy asks for');
is($edge->record($reply)->{reason}, 'flag-conflict', 'accounting');
$reply = ask('tls', 'tls');
is($reply->status, 500, 'one flag in two headers stands twice');
$reply = ask('', 'verify-domain', '');
is($edge->record($reply)->{outbound_level}, 'domain', 'empty ones are no flags');

# INV-33: a look-up is a way around a row, and needs its permission.
my $impostor = Trelay::SIP::Server->start(transport => 'tls', host => own_address(3),
    tls => { certificate => $edge->pki->authority('elsewhere')->leaf('impostor', uri => ['sip:biloxi.example']) });
my $there = own_address(3) . ':' . $impostor->port;
$edge->apply("INSERT INTO trelay.outbound_policy (name, is_default, level, next_hop)"
        . " VALUES ('rest', true, 'encrypt', '{$there}');"
        . "INSERT INTO trelay.outbound_policy (name, source_domain, level, next_hop)"
        . " VALUES ('by-source', 'atlanta.example', 'encrypt', '{$there}')");
sub led ($lookup, $weaken) {
    $edge->apply("UPDATE trelay.outbound_policy SET weaken = '$weaken' WHERE name = 'biloxi'");
    my $record = $edge->record(ask("lookup=$lookup"));
    return join ' ', map { $_ // '-' } @$record{qw(status reason outbound_policy)};
}
is(led($_, 'refused'), '403 weaken-refused -', "lookup=$_ leads not past a row that permits no weakening")
    for qw(default src src+dst);
is(led('addr+default', 'refused'), '500 dns-failed -', 'nor where an address is asked for that there is not');
is(scalar(my @heard = $impostor->messages), 0, 'nothing went there');
is(led($_, 'refused'), '200 none biloxi', "lookup=$_ leads to the same row") for qw(dst dst+addr);
is(led('default', 'allowed'), '200 none rest', 'where the row permits it, it leads past it');
is(led('src+dst', 'allowed'), '200 none by-source', 'by the order asked for');
$edge->apply("UPDATE trelay.outbound_policy SET enabled = false WHERE name IN ('biloxi', 'rest')");
is(led('src', 'allowed'), '403 no-policy -', 'without a usual row there is none');
$edge->apply("INSERT INTO trelay.route (name, domain, flags) VALUES ('own', 'biloxi.example', 'lookup=src+dst')");
is($edge->record(ask())->{outbound_policy}, 'by-source', 'in a route row it is the operator\'s own');
is(led('src', 'allowed'), '200 none by-source', 'and what a sender is measured by');
is($impostor->stop, 0, 'the impostor ends well');

# The permission is asked for again by the policy of the moment at which the request would be sent (INV-23).
my $slow = Trelay::SIP::Listener->new(host => own_address(3),
    tls => { certificate => $ca->leaf('slow', uri => ['sip:biloxi.example']) });
my $slowly = own_address(3) . ':' . $slow->port;
$edge->apply("DELETE FROM trelay.route; UPDATE trelay.outbound_policy SET enabled = true;"
        . "UPDATE trelay.outbound_policy SET weaken = 'allowed' WHERE name = 'biloxi';"
        . "UPDATE trelay.outbound_policy SET next_hop = '{$slowly}' WHERE name = 'rest'");
for my $weaken (qw(refused allowed)) {
    my $sent   = $edge->send('MESSAGE', 'sip:bob@biloxi.example', flags => 'lookup=default');
    my $stream = $slow->accept_plain // die "no connection\n";
    $edge->apply("UPDATE trelay.outbound_policy SET weaken = '$weaken', priority = priority + 1 WHERE name = 'biloxi'");
    $stream->start_tls($slow->{tls}, 1);
    if ($weaken eq 'refused') {
        is($stream->receive(1), undef, 'the permission is taken back during the handshake: nothing is sent');
        is($edge->final($sent)->status, 403, 'but refused');
        $edge->apply("UPDATE trelay.outbound_policy SET weaken = 'allowed' WHERE name = 'biloxi'");
        next;
    }
    my $seen = $stream->receive // die "no request\n";
    $stream->send(response($seen, 200, 'OK'));
    is($edge->final($sent)->status, 200, 'it is left: sent');
}

# Whom the operator names is not for the sender to replace, whatever the row's own expected_domain.
my %named = (
    'a route row' => ["INSERT INTO trelay.route (name, domain, flags) VALUES ('own', 'biloxi.example', 'verify-domain=biloxi.example')",
        'DELETE FROM trelay.route'],
    'a peer row' => ["UPDATE trelay.peer SET flags = 'verify-domain=biloxi.example' WHERE name = 'phone'",
        "UPDATE trelay.peer SET flags = NULL WHERE name = 'phone'"],
);
for my $where (sort keys %named) {
    $edge->apply($named{$where}[0]);
    my $served = () = $partner->messages;
    for my $way ([ 'X-Trelay-Flags' => 'verify-domain=other.example' ],
        [ Route => '<sip:' . $edge->host . ';lr;expect=other.example>' ]) {
        $reply = $edge->ask('MESSAGE', 'sip:bob@biloxi.example', headers => [$way]);
        is($reply->status, 500, "$where names the domain: another one in $way->[0] is refused");
        is($edge->record($reply)->{reason}, 'flag-conflict', 'accounting');
    }
    is(scalar(my @seen = $partner->messages), $served, 'nothing was sent');
    for my $same (qw(verify-domain verify-domain=biloxi.example)) {
        $reply = ask($same);
        is($edge->record($reply)->{outbound_verified_domain}, 'biloxi.example', "beside $same the name stands");
    }
    $edge->apply($named{$where}[1]);
}

is(scalar(grep { $_->text =~ /X-Trelay-Flags/i } $partner->messages), 0, 'none of them leaves');
is(scalar(my @seen = $partner->messages), 8, 'the others were not sent');

$edge->stop;
is($partner->stop, 0, 'the partner ends well');
done_testing;
