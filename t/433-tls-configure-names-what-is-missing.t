#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# configure refuses a wolfSSL that lacks something that trelay builds on, and names it: a property of the build that its
# headers tell, a function that does not link, or the library itself (INV-51).
use v5.36;

use Cwd qw(abs_path);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(slurp run_command);

my $source = abs_path($ENV{top_srcdir}   // "$FindBin::Bin/..");
my $build  = abs_path($ENV{top_builddir} // "$source/build");
plan skip_all => 'the source tree itself is configured' if -e "$source/config.status";

my ($kind) = slurp("$build/config.status") =~ /^S\["with_wolfssl"\]="(.*)"$/m or BAIL_OUT('with_wolfssl is not known');
my $include = $kind eq 'system' ? '/usr/include' : "$kind/include";
my $scratch = tempdir('trelay-configure-XXXXXX', TMPDIR => 1, CLEANUP => 1);

# A library of those headers in which nothing is, built without the features.
sub library ($name, @without) {
    my $prefix = "$scratch/$name";
    make_path("$prefix/include", "$prefix/lib");
    my ($status, $said) = run_command('cp', '-r', "$include/wolfssl", "$prefix/include");
    BAIL_OUT("no headers of wolfSSL: $said") if $status != 0;
    chmod 0644, "$prefix/include/wolfssl/options.h" or die "options.h: $!\n";
    open my $out, '>>', "$prefix/include/wolfssl/options.h" or die "options.h: $!\n";
    print {$out} map { "#undef $_\n" } @without;
    close $out or die "options.h: $!\n";
    run_command('ar', 'cr', "$prefix/lib/libwolfssl.a");
    return $prefix;
}

sub refusal ($with) {
    my $folder = "$scratch/build-" . ($with =~ tr{/}{_}r);
    make_path($folder);
    my ($status, $said) = run_command('sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', $folder,
        "$source/configure", '-q', "--with-wolfssl=$with");
    isnt($status, 0, 'refused') or diag($said);
    my ($error) = $said =~ /^configure: error: (.*)$/m;
    return $error // "no error: $said";
}

my %is_missing = map { $_ => 1 } split ' ',
    refusal(library('poor', qw(HAVE_SNI WOLFSSL_ALWAYS_VERIFY_CB))) =~ s/^this wolfSSL was built without:(.*?)\..*/$1/r;
ok($is_missing{$_}, "$_ is named") for qw(HAVE_SNI WOLFSSL_ALWAYS_VERIFY_CB wolfSSL_UseSNI wolfSSL_get_alert_history);
ok(!$is_missing{$_}, "$_, which is there, is not") for qw(HAVE_ALPN HAVE_ECC WOLFSSL_TLS13);

is(refusal("$scratch/nowhere"),
    "$scratch/nowhere/lib/libwolfssl.a is not there: run scripts/build-wolfssl, or configure --with-wolfssl=system",
    'no library: what to do');
like(refusal('no'), qr/trelay speaks TLS through wolfSSL/, 'none is wanted');

done_testing;
