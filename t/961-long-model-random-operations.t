#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Requests, changes and misbehaving peers in random order for an hour, one seed after another.
use v5.36;

use FindBin;

$ENV{TEST_SECONDS} //= 3600;
my $script = "$FindBin::Bin/660-model-random-operations.t";
do $script or die $@ || "$script: $!\n";
