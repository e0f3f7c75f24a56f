#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The protocol by which workers share connections (src/flow/pool.pml), exhausted in a small scope: no message is on a
# connection of another key, no placement is lost. Each fault that the model knows is found, so the properties can fail;
# and each step of the model is a function that exists. Larger scopes: t/960.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir slurp functions_of);
use Trelay::Spin;

plan skip_all => 'Spin is not installed' if !Trelay::Spin->is_there;

my $model = slurp(top_srcdir() . '/src/flow/pool.pml');

subtest 'steps are functions' => sub {
    my ($table) = slurp(top_srcdir() . '/src/flow/README') =~ /^  step +function +file\n(.*?)\n\n/ms;
    my %is_mapped;
    for (split /\n/, $table) {
        my ($step, $function, $file) = split ' ';
        $is_mapped{$step} = 1;
        like($model, qr/^(?:inline|#define) \Q$step\E\(/m, "$step is a step of the model");
        my %defined = map { $_->{name} => 1 } functions_of(slurp(top_srcdir() . "/$file"));
        ok($defined{$function}, "$step: $function() is in $file");
    }
    cmp_ok(scalar(keys %is_mapped), '>', 20, 'there are steps');
    my ($others) = slurp(top_srcdir() . '/src/flow/README') =~ /^No function of ours.*?:(.*?)\.\n\n/ms;
    my %is_other = map { $_ => 1 } $others =~ /\w+/g;
    my @steps = $model =~ /^inline (\w+)\(/mg;
    is(join(' ', grep { !$is_mapped{$_} && !$is_other{$_} } @steps), '', 'each step of the model is in the table');
    my %is_step = map { $_ => 1 } @steps;
    is(join(' ', grep { !$is_step{$_} || $is_mapped{$_} } sort keys %is_other), '', 'what is no function is a step');
};

sub holds ($what, $least, @scope) {
    my $run = Trelay::Spin->run('src/flow/pool.pml', @scope);
    is($run->error, undef, $what) or diag($run->output);
    ok($run->is_complete, 'in all states');
    cmp_ok($run->states, '>', $least, 'and they are many: ' . $run->states);
    return $run;
}

my $all = holds('no state breaks a property', 400_000);
is(join("\n", grep { !/-end-/ } $all->unreached(qr/^(?:home|control|judge)$/)), '', 'nothing is there in vain');
holds('orders from control come through, whatever happens between their words', 200_000, 'ORDERS_IN_STEPS', 'ONE_KIND');
holds('an ACK that is sent again comes where its request belongs', 100_000, 'SEND_AGAIN', 'ONE_KIND');

my @faults = do { my %seen; grep { !$seen{$_}++ } $model =~ /\b(FAULT_[A-Z_]+)/g };
cmp_ok(scalar @faults, '>=', 14, 'the model knows faults');
# With what else a fault shows.
my %with = (
    FAULT_HANDLE_WITHOUT_GENERATION     => ['PEER_ASKS'],
    FAULT_NO_CHECK_AT_USE               => ['FAULT_JOINED_BY_DESTINATION'],
    FAULT_ORDERS_ARE_CLEARED_AFTERWARDS => ['ORDERS_IN_STEPS'],
    FAULT_UPGRADE_CHANGES_THE_HANDLE    => ['PEER_ASKS'],
);
for my $fault (@faults) {
    my $run = Trelay::Spin->run('src/flow/pool.pml', $fault, @{ $with{$fault} // [] });
    like($run->error // 'nothing', qr/assertion violated /, "$fault is found");
}

done_testing;
