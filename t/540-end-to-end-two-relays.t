#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Two relays, one behind the other: what each writes into Record-Route leads the other one back to it over TLS by the
# records of a real name server, and rows that point at each other end in a loop that is found.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Daemon;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::NameServer;
use Trelay::SIP qw(request response);

plan skip_all => 'knotd is not installed' if !Trelay::NameServer->program;

my ($here, $there) = (own_address(0), own_address(3));
my $bob = Trelay::SIP::UDP->new(host => own_address(2));
my $to_bob = $bob->host . ':' . $bob->port;

# Both names have an address at which nothing is said without TLS; of the second there are SRV records alone.
my $names = Trelay::NameServer->start('atlanta.example' => <<"ATLANTA", 'biloxi.example' => <<"BILOXI");
@          NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp
_sips._tcp SRV   10 0 5061 edge
edge       A     $here
ATLANTA
_sips._tcp SRV   10 0 5061 edge
edge       A     $there
BILOXI

my $edge = Trelay::Edge->start(names => $names->address, names_timeout => 5000, foresee => 0);
my $ca = $edge->pki->authority('federation');
my $us = $ca->leaf('us', uri => [ 'sip:atlanta.example', 'sip:biloxi.example' ]);
# No row asks for TLS: that it is taken comes from what is located.
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $us) . <<"END");
INSERT INTO trelay.server_profile (name) VALUES ('edge');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');
INSERT INTO trelay.peer (name, address, action) VALUES ('over-tls', '127.0.0.1/32', 'accept'),
    ('first', '$here/32', 'accept'), ('second', '$there/32', 'accept'), ('bob', '@{[ $bob->host ]}/32', 'accept');
INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('atlanta', 'atlanta.example', 'none'),
    ('biloxi', 'biloxi.example', 'none');
INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('to-first', '$here/32', 'none'),
    ('to-second', '$there/32', 'none'), ('to-bob', '@{[ $bob->host ]}/32', 'none');
INSERT INTO trelay.route (name, domain, peer, next_hop) VALUES
    ('bob', 'biloxi.example', 'over-tls', 'sip:$to_bob;transport=udp'),
    ('loop-begins', 'loop.example', 'phone', 'sip:$there;transport=udp'),
    ('loop-goes-on', 'loop.example', 'first', 'sip:$here;transport=udp'),
    ('loop-comes-back', 'loop.example', 'second', 'sip:$there;transport=udp');
END
my $alice = 'sip:alice@' . $edge->phone->host . ':' . $edge->phone->port;
my $second = Trelay::Daemon->start(postgres => $edge->{postgres}, configuration => <<'END',
node = "second"
workers = 1
database { connection = "@DATABASE@" }
control { socket = "@DIRECTORY@/control" }
accounting { flush = 10 }
dns { servers = "@NAMES@" timeout = 5000 tries = 1 }
listener "inside" { transport = "udp" address = "@RELAY@" }
listener "edge" { transport = "tls" address = "@RELAY@" advertise = "biloxi.example" }
END
    values => { RELAY => $there, NAMES => $names->address });

# What that node recorded of a message's transaction.
sub record_of ($node, $message) {
    my ($id, $method) = ($message->call_id, $message->cseq =~ s/^\d+\s+//r);
    my $query = "SELECT * FROM trelay.transaction_record"
        . " WHERE node = '$node' AND call_id = '$id' AND method = '$method'";
    return $edge->daemon->process->wait_until("record of $method", sub { return ($edge->rows($query))[0] });
}

sub next_final ($from) {
    while (my $message = $from->receive) {
        return $message if ($message->status // 0) >= 200;
    }
    return;
}

subtest 'B19: Record-Route leads to TLS again, by NAPTR and by SRV' => sub {
    my $invite = $edge->send('INVITE', 'sip:bob@biloxi.example', contact => "<$alice>");
    my $came = $bob->receive or return fail('the call arrives');
    $bob->reply($came, response($came, 200, 'OK', contact => "<sip:bob\@$to_bob>", to_tag => 'bob'));
    my $ok = $edge->final($invite);
    is($ok->status, 200, 'B19: a call through both');
    is(record_of('edge', $ok)->{outbound_transport}, 'tls', 'B19: over TLS between them');
    my @route = map { split /,\s*/ } $ok->header('Record-Route');
    note(join "\n", @route);
    for my $name (qw(atlanta biloxi)) {
        is(scalar(grep { m{^<sip:(?:[^@>;]+@)?$name\.example;lr>$} } @route), 1,
            "B19: Record-Route has the name of $name, and no port and no transport");
    }
    my %dialog = (call_id => $ok->call_id, cseq => 2);
    $names->asked;
    my $info = $edge->send('INFO', "sip:bob\@$to_bob", %dialog, from => scalar $ok->header('From'),
        to => scalar $ok->header('To'), headers => [ map { [ Route => $_ ] } reverse @route ]);
    $came = $bob->receive;
    $came = $bob->receive while $came && $came->method ne 'INFO';
    $bob->reply($came, response($came, 200)) if $came;
    is($edge->final($info)->status, 200, 'B19: INFO of the caller goes by the name of the second');
    is(record_of('edge', $info)->{outbound_transport}, 'tls', 'B19: by SRV alone to TLS');
    my $text = request('BYE', $alice, via => $bob->via, %dialog,
        from => scalar $ok->header('To'), to => scalar $ok->header('From'),
        headers => [ map { [ Route => $_ ] } @route ]);
    $bob->send($text, $there, 5060);
    my $bye = $edge->phone->receive;
    $bye = $edge->phone->receive while $bye && ($bye->method // '') ne 'BYE';
    $edge->phone->reply($bye, response($bye, 200)) if $bye;
    my $reply = next_final($bob);
    is($reply && $reply->status, 200, 'B19: BYE of the other side goes by the name of the first');
    is(record_of('second', $reply)->{outbound_transport}, 'tls', 'B19: by NAPTR to TLS') if $reply;
    is(scalar(grep { /^NAPTR atlanta\.example$/ } $names->asked), 1, 'B19: which was asked for');
};

subtest 'K01: rows of two relays that point at each other' => sub {
    my $reply = $edge->ask('MESSAGE', 'sip:nobody@loop.example');
    is($reply->status, 482, 'K01: the loop is found');
    my $query = "SELECT node, status, reason FROM trelay.transaction_record WHERE call_id = '@{[ $reply->call_id ]}'";
    my @records = @{ $edge->daemon->process->wait_until('records of all', sub {
        my @rows = $edge->rows($query);
        return @rows >= 4 ? \@rows : undef;
    }) };
    is(join(' ', sort map { $_->{node} } @records), 'edge edge second second',
        'K01: where the second has it as it had it before');
    is(scalar(grep { $_->{status} != 482 } @records), 0, 'K01: 482 goes all the way back');
};

$second->stop;
$edge->stop;
$names->stop;
done_testing;
