#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Requests, changes of policy and misbehaving peers in random order, against a model of what is permitted: who is seen by
# whom, on which connection, with which identity (INV-1 to INV-50 where a peer can see them); t/lib/Trelay/Model.
#   SEED=n STEPS=n prove -v t/660-...      once more what failed; what the threads make of it is not in the seed
#   REUSE_OFF=1 as well                    with rows that say reuse = false
#   TEST_SECONDS=n                         one seed after another for that long (t/961)
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(sum);
use Test::More;
use Time::HiRes qw(time);
use Trelay::Model::Run;

use constant { SEED_STEPS => 200, TWIN_STEPS => 60, LONG_STEPS => 2000, TOLD => 5 };

my $identities = Trelay::Model::Run->identities;

# One run, of which nothing but what is permitted may be seen; more => whatever Trelay::Model::Run->start takes.
sub run_with ($seed, $steps, %more) {
    my $begin  = time;
    my $run    = Trelay::Model::Run->start(seed => $seed, identities => $identities, %more);
    my $end    = $more{end};
    my $ended  = $run->run($steps, sub { $end && time > $end });
    my @wrong  = $run->finish;
    my $oracle = $run->{oracle};
    my $is_off = $more{is_reuse_off} ? ' without reuse' : '';
    ok($ended && !@wrong, "seed $seed$is_off: nothing but what is permitted");
    diag($_) for @wrong > TOLD ? @wrong[ 0 .. TOLD - 1 ] : @wrong;
    my $text = sprintf 'seed %s%s: %d steps in %.1f s; %d policies, %d requests, %d connections, %d seen by peers, %d followed'
        . ' elsewhere; within calls %d served, %d refused', $seed, $is_off, $run->{step}, time - $begin,
        scalar @{ $oracle->{worlds} }, scalar keys %{ $oracle->{requests} }, $run->connections,
        @$oracle{qw(judged followed)}, @{ $run->{dialogs} }{qw(served refused)};
    $end ? diag($text) : note($text);
    return $run;
}

# M1 (INV-31, ADV-38): what the requests at rest get, and who they meet, is the same when no connection is used twice.
sub run_twice ($seed, $steps) {
    my @runs = map { run_with($seed, $steps, is_reuse_off => $_) } 0, 1;
    my @outcomes = map { $_->{outcomes} } @runs;
    cmp_ok($_->{oracle}{judged}, '>', $steps / 2, "seed $seed: enough of it was seen by peers") for @runs;
    is_deeply(@outcomes, "INV-31 seed $seed: with and without reuse the same answers and identities");
    my @known  = grep { $_ ne '?' } @{ $outcomes[0] };
    my @served = grep { /^(?:200|4\d\d) \w \S+$/ } @known;
    cmp_ok(scalar @served, '>', $steps / 15, "seed $seed: enough of them were served");
    cmp_ok(keys %{ { map { s/^\d+ //r => 1 } @served } }, '>', 1, "seed $seed: not all in one way");
    cmp_ok(@known - @served, '>', $steps / 20, "seed $seed: enough of them were refused");
    cmp_ok($runs[1]->connections, '>', 1.2 * $runs[0]->connections, "seed $seed: one of the two reused connections");
    return @runs;
}

if (my $seconds = $ENV{TEST_SECONDS}) {
    my $end  = time + $seconds;
    my $seed = $ENV{SEED} // int time;
    run_with($seed++, LONG_STEPS, end => $end) while time < $end;
}
elsif (defined $ENV{SEED}) {
    run_with($ENV{SEED}, $ENV{STEPS} // SEED_STEPS, is_reuse_off => $ENV{REUSE_OFF} // 0);
}
else {
    my @runs = (run_with(33, SEED_STEPS), run_twice(17, TWIN_STEPS));
    cmp_ok($runs[0]{dialogs}{$_}, '>', 5, "requests within calls were $_") for qw(served refused);
    my @served = grep { defined $_->{connection} && !$_->{dialog} } map { values %{ $_->{oracle}{requests} } } @runs;
    cmp_ok(scalar(grep { $_->{parameters} ne '' } @served), '>', 5, 'requests with flags in our Route URI were served');
    cmp_ok(scalar(grep { $_->{header}{lookup} } @served), '>', 5, 'and with look-ups of their sender');
    cmp_ok(sum(map { $_->{oracle}{followed} } @runs), '>', 0, 'a CANCEL followed where its connection was lost');
}
done_testing;
