#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Five thousand connections that never say anything.
use v5.36;

use FindBin;

$ENV{TEST_CONNECTIONS} //= 5000;
my $script = "$FindBin::Bin/643-stress-connection-floods.t";
do $script or die $@ || "$script: $!\n";
