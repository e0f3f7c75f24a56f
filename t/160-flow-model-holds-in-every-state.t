#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The protocol by which workers share connections (src/flow/pool.pml), exhausted in a small scope: no message is on a
# connection of another key, no placement is lost. Each fault that the model knows is found, so the properties can fail;
# and each step of the model is a function that exists.
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
    cmp_ok(scalar(keys %is_mapped), '>', 15, 'there are steps');
};

my $all = Trelay::Spin->run('src/flow/pool.pml');
is($all->error, undef, 'no state breaks a property') or diag($all->output);
ok($all->is_complete, 'all states were seen');
cmp_ok($all->states, '>', 500_000, 'and they are many');
is(join("\n", grep { !/-end-/ } $all->unreached(qr/^(?:home|control|judge)$/)), '', 'nothing is there in vain');

my $letters = Trelay::Spin->run('src/flow/pool.pml', 'ORDERS_IN_STEPS', 'ONE_KIND');
is($letters->error, undef, 'orders from control come through, whatever happens between their words');
ok($letters->is_complete, 'in all states');

my @faults = do { my %seen; grep { !$seen{$_}++ } $model =~ /\b(FAULT_[A-Z_]+)/g };
cmp_ok(scalar @faults, '>=', 12, 'the model knows faults');
# With what else a fault shows.
my %with = (
    FAULT_NO_CHECK_AT_USE               => ['FAULT_JOINED_BY_DESTINATION'],
    FAULT_ORDERS_ARE_CLEARED_AFTERWARDS => ['ORDERS_IN_STEPS'],
);
for my $fault (@faults) {
    my $run = Trelay::Spin->run('src/flow/pool.pml', $fault, @{ $with{$fault} // [] });
    like($run->error // 'nothing', qr/assertion violated \(/, "$fault is found");
}

done_testing;
