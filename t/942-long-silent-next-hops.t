#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A minute beside next hops that are silent in every way.
use v5.36;

use FindBin;

$ENV{TEST_SECONDS} //= 60;
my $script = "$FindBin::Bin/642-stress-silent-next-hops.t";
do $script or die $@ || "$script: $!\n";
