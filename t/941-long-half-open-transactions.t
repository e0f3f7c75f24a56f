#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A hundred thousand calls that are never answered.
use v5.36;

use FindBin;

$ENV{TEST_HALF_OPEN} //= 100_000;
my $script = "$FindBin::Bin/641-stress-half-open-transactions.t";
do $script or die $@ || "$script: $!\n";
