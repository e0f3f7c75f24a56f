#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A silent connection ends after idle_timeout, but not while an INVITE is under way on it, however long it rings; on the
# caller's side and on the called one's.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my $edge = Trelay::Edge->start(foresee => 0, configuration => <<'END');
limits {
    idle_timeout = 1
}
timers {
    test = true
    t1 = 100
}
listener "inside-tcp" {
    transport = "tcp"
    address = "@RELAY@"
}
END
my $ca = $edge->pki->authority('federation');
my %hand = map {
    $_ => Trelay::SIP::Listener->new(host => own_address(2), tls => { certificate => $ca->leaf($_, uri => ["sip:$_.example"]) })
} qw(rings silent);
my $rows = join ', ', map { "('$_', '$_.example', 'domain', 'fed', '{" . $hand{$_}->host . ':' . $hand{$_}->port . "}')" } sort keys %hand;
$edge->apply($edge->trust_sql('fed', $ca)
        . "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES $rows");

sub caller_stream () { return Trelay::SIP::Stream->connect(host => $edge->host, port => 5060, from => own_address(1)) }

my $caller = caller_stream();
my $invite = request('INVITE', 'sip:bob@rings.example', via => $caller->via, contact => '<sip:alice@' . own_address(1) . '>');
$caller->send($invite);
my $rings = $hand{rings}->accept;
my $seen = $rings->receive;
$rings->send(response($seen, 180, 'Ringing', to_tag => 'bob'));
my $ringing;
1 while ($ringing = $caller->receive) && $ringing->status < 180;
is($ringing->status, 180, 'A18 it rings');

# What was silent for a shorter time is the clock.
my $other = caller_stream();
$other->send(request('OPTIONS', 'sip:bob@silent.example', via => $other->via));
my $silent = $hand{silent}->accept;
$silent->send(response($silent->receive, 200, 'OK'));
is($other->receive->status, 200, 'A18 two connections more');
ok($silent->wait_for_close(20), 'A18 idle_timeout ends that of a next hop on which nothing is under way');
ok($other->wait_for_close(20), "A18 and the caller's");

$rings->send(response($seen, 200, 'OK', to_tag => 'bob', contact => '<sip:bob@rings.example>'));
my $ok = $caller->receive;
is($ok && $ok->status, 200, 'A18 those of the pending INVITE have stood all the while');
$caller->send(request('ACK', 'sip:bob@rings.example', via => $caller->via, call_id => $ok->call_id, from => scalar $ok->header('From'),
    to => scalar $ok->header('To'), headers => [ map { [ Route => $_ ] } reverse map { split /,\s*/ } $ok->header('Record-Route') ]));
is($rings->receive->method, 'ACK', 'A18 and carry the ACK');
ok($rings->wait_for_close(20), 'A18 64*T1 later they are idle as any: the next hop');
ok($caller->wait_for_close(20), 'A18 the caller');

$edge->stop;
done_testing;
