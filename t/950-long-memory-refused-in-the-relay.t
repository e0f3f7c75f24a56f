#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Memory is gone for a while, from each allocation on in turn.
use v5.36;

use FindBin;

$ENV{TEST_EVERY} //= 1;
my $script = "$FindBin::Bin/650-faults-memory-refused-in-the-relay.t";
do $script or die $@ || "$script: $!\n";
