#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Policy, database and the end of the process under a minute of load each.
use v5.36;

use FindBin;

$ENV{TEST_SECONDS} //= 60;
my $script = "$FindBin::Bin/644-stress-changes-under-load.t";
do $script or die $@ || "$script: $!\n";
