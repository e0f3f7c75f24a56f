#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What a load took is given back when it is over: transactions, connections, and the policies that ruled meanwhile.
# TEST_RATE, TEST_SECONDS: of the load. How far the machine goes is asked by t/940.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Load;
use Trelay::Loopback qw(own_address);

my $rate    = $ENV{TEST_RATE}    // 1000;
my $seconds = $ENV{TEST_SECONDS} // 8;
# Answers over UDP are remembered for 64*T1.
my $t1 = $ENV{TEST_SECONDS} ? 500 : 100;
# A load does not come from the phone, and is too much to be asked about.
my $edge = Trelay::Edge->start(workers => 2, foresee => 0, configuration => <<"END");
limits {
    transactions = 1000000
}
timers {
    test = true
    t1 = $t1
}
END
my $load = Trelay::Load->new;
my $ca   = $edge->pki->authority('federation');
my $us   = $ca->leaf('us', uri => ['sip:atlanta.example']);
my $them = $ca->leaf('them', uri => ['sip:biloxi.example']);
my ($relay, $phone, $partner) = map { own_address($_) } 0 .. 2;
my $server = $load->server("$partner:5061", certificate => $them, authority => $ca);
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $us) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'fed', 'us', '{$partner:5061}');
END

sub memory () { return Trelay::Load::memory_kib($edge->daemon->pid) }

sub returns ($what, $before, $peak) {
    my $after = Trelay::Load::settled_kib($edge->daemon->process, $before, $peak);
    ok(defined $after, "$what: memory returns");
    return diag(sprintf '%s: %.1f MiB before, %.1f at the peak, %.1f after', $what, map { $_ / 1024 } $before, $peak,
        $after // memory());
}

subtest 'transactions' => sub {
    my $before = memory();
    my $report = $load->report($load->client(to => "$relay:5060", local => "$phone:5080", rate => $rate,
            count => $rate * $seconds), 120 + 4 * $seconds);
    my $peak = memory();
    diag("p50 $report->{p50_ms} ms, p99 $report->{p99_ms} ms, resent $report->{resent}, rate $report->{rate}");
    is($report->{failed}, 0, ($rate * $seconds) . ' transactions, none fails');
    cmp_ok($peak - $before, '>', 4096, 'they took some memory');
    cmp_ok(($peak - $before) / ($rate * $seconds), '<', 3, 'less than 3 KiB for each that is answered');
    returns('transactions', $before, $peak);
};

# An answered transaction lives on for 64*T1; the policy that ruled it must not.
subtest 'policies' => sub {
    my $empty = memory();
    $edge->apply("INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) SELECT 'row-' || n, 'd' || n ||"
            . " '.example', 'none', '{$partner:5060}' FROM generate_series(1, 20000) AS n");
    my $one = memory() - $empty;
    cmp_ok($one, '>', 1024, '20000 rows take some memory');
    my $answered = 0;
    for my $n (1 .. 20) {
        $answered += $edge->ask('OPTIONS', 'sip:bob@biloxi.example')->status == 200;
        $edge->apply("UPDATE trelay.outbound_policy SET remark = '$n', priority = $n WHERE name = 'row-1'");
    }
    is($answered, 20, 'a request between any two of 20 changes is answered');
    my $grown = memory() - $empty;
    diag(sprintf 'one policy %.1f MiB, after 20 changes %.1f MiB', $one / 1024, $grown / 1024);
    cmp_ok($grown, '<', 4 * $one, 'they do not pile up');
};

is($load->report($server)->{other}, $rate * $seconds + 20, 'the next hop saw each request once');
$edge->stop;
done_testing;
