#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Ten thousand transactions a second for a minute, as far as the machine goes. First the rate is looked for that it sustains,
# from there downwards, then that is held for a minute, and memory returns; then twice as much is offered, which it cannot
# serve: some are, and when it is over all are again. Says what was offered and served, with which answers, for how much
# processor time and memory. Load, relay, next hop and database share the machine.
# TEST_RATE, TEST_SECONDS: where the search begins, and how long the rate is held.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(max);
use Test::More;
use Trelay::Edge;
use Trelay::Load;
use Trelay::Loopback qw(own_address);

use constant { LOOK_S => 4, LEAST_RATE => 50 };

my $ceiling = $ENV{TEST_RATE}    // 10_000;
my $seconds = $ENV{TEST_SECONDS} // 60;
my $edge = Trelay::Edge->start(workers => 2, foresee => 0, # a million records is more than one look takes
    configuration => "limits {\n    transactions = 1000000\n}\n");
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

# One load: the report of the client, with what it took.
my $peak = 0;
sub offer ($rate, $duration) {
    my %cpu = map { $_->pid => Trelay::Load::cpu_seconds($_->pid) } $edge->daemon->process, $server;
    my $busy = Trelay::Load::busy_seconds();
    my $report = $load->report($load->client(to => "$relay:5060", local => "$phone:5080", rate => $rate,
            count => $rate * $duration), 120 + 4 * $duration);
    $peak = max($peak, memory());
    my %took = (relay => $edge->daemon->process, 'next hop' => $server);
    my $us = sub ($used) { return sprintf '%.0f', $used * 1e6 / ($rate * $duration) };
    my $answers = $report->{answers};
    diag("offered $rate/s for $duration s: ", join(', ', map { "$_: $answers->{$_}" } sort keys %$answers),
        sprintf('; in %.1f s, %.0f/s', $report->{seconds}, ($answers->{200} // 0) / $report->{seconds}),
        "; sent again $report->{resent}; p50 $report->{p50_ms} ms, p99 $report->{p99_ms} ms",
        '; us of processor time each: ',
        join(', ', map { "$_ " . $us->(Trelay::Load::cpu_seconds($took{$_}->pid) - $cpu{ $took{$_}->pid }) } sort keys %took),
        ', load ', $us->($report->{cpu_s}), ', all of the machine ', $us->(Trelay::Load::busy_seconds() - $busy),
        sprintf('; relay %.1f MiB', memory() / 1024));
    return $report;
}

# Nothing fails, and one in a hundred at most has to be asked for twice.
sub is_sustained ($report, $rate, $duration) {
    return $report->{failed} == 0 && $report->{resent} * 100 <= $rate * $duration;
}

sub memory_returns ($before) {
    my $after = Trelay::Load::settled_kib($edge->daemon->process, $before, $peak);
    ok(defined $after, 'memory returns');
    sleep 10; # what is left then is what it keeps
    return diag(sprintf 'memory: %.1f MiB before, %.1f at the peak, %.1f after', map { $_ / 1024 } $before, $peak, memory());
}

my $before = memory();
my $rate   = $ceiling;
while ($rate > LEAST_RATE && !is_sustained(offer($rate, LOOK_S), $rate, LOOK_S)) { $rate = int $rate * 0.7 }
cmp_ok($rate, '>', LEAST_RATE, "a rate that the machine sustains: $rate");

# A little below, for it looked for a few seconds only.
$rate = int $rate * 0.8 if $rate < $ceiling;
subtest "$rate a second for $seconds seconds" => sub {
    my $report = offer($rate, $seconds);
    is($report->{failed}, 0, 'none fails');
    memory_returns($before);
};

subtest 'twice as much' => sub {
    my $report = offer(2 * $rate, LOOK_S);
    cmp_ok($report->{ok}, '>', 0, 'some are served');
    is(join(' ', grep { !/^(?:200|503|none)$/ } keys %{ $report->{answers} }), '', 'the others are not, or told to wait');
    is($edge->ask('OPTIONS', 'sip:bob@biloxi.example')->status, 200, 'and then all is served as before');
    is(offer(int($rate / 2), LOOK_S)->{failed}, 0, 'at half the rate none fails');
    memory_returns($before);
};

my ($lost) = $edge->daemon->log =~ /event=records-lost.*/;
diag($lost ? 'accounting: records were lost' : 'accounting: no record was lost');
$load->report($server);
$edge->stop;
done_testing;
