#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Ten thousand transactions a second for a minute, as far as the machine goes; then memory returns.
use v5.36;

use FindBin;

$ENV{TEST_RATE}    //= 10_000;
$ENV{TEST_SECONDS} //= 60;
my $script = "$FindBin::Bin/640-stress-memory-returns.t";
do $script or die $@ || "$script: $!\n";
