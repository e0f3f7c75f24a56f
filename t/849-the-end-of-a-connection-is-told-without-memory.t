#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A next hop ends its connection while a request of another worker is under way there, and there is no memory at that
# moment: the request is answered then, and does not wait until its timers end.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::Shortage;

use constant { WORKERS => 8, ALLOCATIONS => 9 };

# Timers that end long after the test has given up.
my $memory = Trelay::Shortage->new;
my $edge   = Trelay::Edge->start(workers => WORKERS, configuration => "timers {\n    t1 = 4000\n}\n");
my $ca     = $edge->pki->authority('federation');
my %far    = map { $_ => Trelay::SIP::Listener->new(host => own_address($_),
    tls => { certificate => $ca->leaf("far $_", uri => ["sip:p$_.example"]) }) } 2, 3;
$edge->apply($edge->trust_sql('fed', $ca) . join ';', map {
    "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES"
        . " ('p$_', 'p$_.example', 'domain', 'fed', '{" . $far{$_}->host . ':' . $far{$_}->port . "}')"
} sort keys %far);

# What becomes of a request whose connection ends when the Nth allocation from then on is refused.
sub outcome ($n, $nth) {
    my $sent   = $edge->send('OPTIONS', "sip:bob\@p$n.example");
    my $stream = $far{$n}->accept;
    $stream->receive;
    $memory->refuse($nth);
    $stream->close;
    while (my $message = $edge->phone->receive) {
        next if $message->call_id ne $sent->call_id || $message->status < 200;
        $memory->plenty;
        return $message->status;
    }
    $memory->plenty;
    return 'nothing';
}

for my $n (sort keys %far) {
    my @outcomes = map { outcome($n, $_) } 0 .. ALLOCATIONS - 1;
    is_deeply([ grep { !/^5\d\d$/ } @outcomes ], [], "partner $n: a request that loses its connection is answered (@outcomes)");
}

$edge->stop;
done_testing;
