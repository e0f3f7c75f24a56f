#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The unit for systemd: it starts the program where make install puts it, makes the directory of the control socket,
# and systemd knows every setting in it.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp ();
use Test::More;
use Trelay::House qw(top_srcdir top_builddir make_variable run_command slurp);

my $path = top_builddir() . '/src/daemon/trelayd.service';
my $unit = slurp($path);
my ($start) = $unit =~ /^ExecStart=(.*)$/m;
is($start, make_variable(top_builddir(), 'sbindir') . '/trelayd', 'it starts what is installed');
unlike($unit, qr/@\w+@/, 'no name is left to fill in');
like($unit, qr/^Type=notify$/m, 'it waits until the first policy is loaded');

my ($socket) = slurp(top_srcdir() . '/src/daemon/options.c') =~ /CFG_STR\("socket", "([^"]+)"/;
my ($runtime) = $unit =~ /^RuntimeDirectory=(.*)$/m;
is("/run/$runtime/control", $socket, 'the directory of the control socket is made');

my ($drain) = slurp(top_srcdir() . '/src/daemon/options.c') =~ /\{ NULL, "drain", [^{}]*?, (\d+),\s*"/;
my ($patience) = $unit =~ /^TimeoutStopSec=(\d+)$/m;
cmp_ok($patience, '>', $drain + 3, 'it is let drain by default');

# systemd also wants programs that exist: others stand in for those not installed.
my $copy = File::Temp->newdir('trelay-unit-XXXXXX', TMPDIR => 1);
open my $out, '>', "$copy/trelayd.service" or die "$copy/trelayd.service: $!\n";
print {$out} $unit =~ s{^ExecStart=.*$}{ExecStart=/bin/true}mr =~ s{^Documentation=.*\n}{}mr;
close $out;
SKIP: {
    skip 'systemd-analyze is not installed', 1 if !grep { -x "$_/systemd-analyze" } split /:/, $ENV{PATH};
    my (undef, $said) = run_command('systemd-analyze', 'verify', '--man=no', "$copy/trelayd.service");
    is(join("\n", grep { /trelayd\.service/ } split /\n/, $said), '', 'systemd has no complaint');
}
done_testing;
