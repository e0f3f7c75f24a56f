#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The seeded bugs of t/mutants still apply to the tree and name tests that exist, so that `make mutants` can tell
# something. It takes too long to be run here.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir files complaints);

is(complaints('mutants', '--check'), '', 'every patch is whole');
my @seeded = grep { m{/(?:0\d|1[0-5])-} } files(top_srcdir(), qr{^t/mutants/.*\.patch$});
is(scalar @seeded, 15, 'the fifteen bugs of other systems are there');

done_testing;
