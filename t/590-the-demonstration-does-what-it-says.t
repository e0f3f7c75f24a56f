#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The demonstration of scripts/run: open, reuse, four connections that never mix, an impostor that gets no SIP byte.
use v5.36;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use Test::More;

my $source = abs_path($ENV{top_srcdir}   // '.');
my $build  = abs_path($ENV{top_builddir} // '.');

local $ENV{TRELAY_BUILD} = $build;
local $ENV{TRELAY_DEMO}  = tempdir(CLEANUP => 1);
my $output = qx{'$source/scripts/run' --check 2>&1 </dev/null};
my $status = $? >> 8;
is($status, 0, 'scripts/run --check exits 0') or diag($output);
like($output, qr/SIP bytes that reached the impostor: 0$/m, 'the impostor got nothing');
like($output, qr/^\s*first\s*\|\s*200\s*\|\s*open\b.*\n\s*second\s*\|\s*200\s*\|\s*reuse\b/m, 'open, then reuse');
like($output, qr/^\s*impostor\s*\|\s*502\s*\|.*wrong-identity/m, 'the refusal names its reason');
done_testing;
