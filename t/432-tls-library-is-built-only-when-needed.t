#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/build-wolfssl with an apt of our own making: it keeps what is up to date, says by status 3 that there is no
# source, and never leaves half a library.
use v5.36;
use FindBin;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my $script = "$FindBin::Bin/../scripts/build-wolfssl";
my $folder = tempdir('trelay-build-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $calls  = "$folder/calls";

sub write_file ($path, $text, $mode = 0644) {
    open my $out, '>', $path or die "$path: $!\n";
    print {$out} $text;
    close $out or die "$path: $!\n";
    chmod $mode, $path;
    return;
}

sub read_file ($path) {
    open my $in, '<', $path or return '';
    local $/ = undef;
    return scalar(<$in>) // '';
}

# An apt that offers VERSION ('': nothing) and cannot fetch it.
sub offer ($version) {
    make_path "$folder/bin";
    write_file("$folder/bin/apt-get", "#!/bin/sh\necho \"apt-get \$*\" >>$calls\ncase \"\$*\" in *source*) exit 100 ;; esac\n", 0755);
    write_file("$folder/bin/apt-cache", "#!/bin/sh\n" . ($version ne '' ? "echo 'Version: 1.0-1'\necho 'Version: $version'\n" : "exit 100\n"), 0755);
    write_file($calls, '');
    return;
}

# Status and output of the script.
sub run (@arguments) {
    local $ENV{PATH} = "$folder/bin:$ENV{PATH}";
    my $output = join '', map { "$_" } qx('$script' @{[ map { "'$_'" } @arguments ]} 2>&1);
    return ($? >> 8, $output);
}

offer('');
my ($status, $output) = run("$folder/none");
is $status, 3, 'no source package: status 3';
like $output, qr/no archive of this machine offers the source of wolfssl/, '... and a sentence';
ok !-e "$folder/none", '... and nothing made';
($status) = run('--print-stamp');
is $status, 3, 'nor is there a stamp';

($status, $output) = run('--no-such-option');
is $status, 2, 'an unknown option: status 2';
($status, $output) = run('one', 'two');
is $status, 2, 'two prefixes: status 2';

offer('9.9-1+deb12u3');
($status, my $stamp) = run('--print-stamp');
is $status, 0, 'the stamp of what would be built';
like $stamp, qr/^wolfssl 9\.9-1\+deb12u3\n--enable-static .* CPPFLAGS=.* CFLAGS=.*\n$/, '... has version and flags, in two lines';
unlike $stamp, qr/opensslextra(?!=x509small)|enable-(?:all|distro|psk|nullcipher|oldtls|session-ticket|renegotiation|postauth|earlydata)/,
    '... and none of what must be off';

make_path "$folder/prefix/lib";
write_file("$folder/prefix/lib/libwolfssl.a", 'archive');
write_file("$folder/prefix/stamp", $stamp);
($status, $output) = run("$folder/prefix");
is $status, 0, 'an equal stamp: ready';
like $output, qr/up to date/, '... and kept';
unlike read_file($calls), qr/source --only-source --download-only/, '... nothing is fetched';

offer('9.9-1+deb12u4');
($status, $output) = run("$folder/prefix");
is $status, 3, 'a newer version that cannot be fetched: status 3';
like $output, qr/could not be fetched and verified/, '... and a sentence';
is read_file("$folder/prefix/lib/libwolfssl.a"), 'archive', '... the old library stays';
like read_file($calls), qr/source --only-source --download-only wolfssl=9\.9-1\+deb12u4/, '... that version was asked for';
unlike read_file($calls), qr/allow-unauthenticated|force/i, '... with nothing waived';

offer('');
($status, $output) = run("$folder/prefix");
is $status, 0, 'no network, but a library of the same flags: ready';
like $output, qr/stays/, '... and said so';
write_file("$folder/prefix/stamp", $stamp =~ s/--enable-sp /--enable-something /r);
($status) = run("$folder/prefix");
is $status, 3, 'a library of other flags is not taken';

done_testing;
