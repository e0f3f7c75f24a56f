#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/lib.sh with an apt of our own making: it asks for what is missing and nothing else, no service is started
# meanwhile, a machine's own policy stays, and where there is no source of wolfSSL the system's library is used and named.
use v5.36;
use FindBin;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my $library = "$FindBin::Bin/../scripts/lib.sh";
my $folder  = tempdir('trelay-scripts-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $policy  = "$folder/policy-rc.d";
make_path("$folder/bin", "$folder/tree/scripts/packages");

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

# Programs that note how they are called. apt-get also notes what policy it finds, and ends with $status.
my $calls  = "$folder/calls";
my $status = 0;

sub make_programs () {
    write_file("$folder/bin/update-rc.d", "#!/bin/sh\necho \"update-rc.d \$*\" >>$calls\n", 0755);
    # As Debian's, which serves the scripts of packages only.
    write_file("$folder/bin/deb-systemd-helper", "#!/bin/sh\n"
            . "test -n \"\$DPKG_MAINTSCRIPT_PACKAGE\" || exit 1\necho \"deb-systemd-helper \$*\" >>$calls\n", 0755);
    write_file("$folder/bin/apt-get", "#!/bin/sh\necho \"apt-get \$*\" >>$calls\n"
        . "case \"\$*\" in *install*) if [ -x $policy ]; then $policy kamailio start; echo \"policy \$?\" >>$calls; fi\n"
        . "exit $status ;; esac\n", 0755);
    write_file("$folder/bin/dpkg-query", "#!/bin/sh\nfor name; do :; done\n[ \$name != have ] || echo installed\n", 0755);
    return;
}

write_file("$folder/tree/scripts/packages/one", "# a list\nhave\nkamailio\n\nlibx-dev # why\n");
write_file("$folder/tree/scripts/packages/two", "libx-dev\n");
write_file("$folder/tree/scripts/packages/three", "have\n");

# TEXT after scripts/lib.sh, with the tree and the policy of this test, as the user that we are.
sub run ($text) {
    make_programs();
    write_file($calls, '');
    local $ENV{PATH} = "$folder/bin:$ENV{PATH}";
    write_file("$folder/script", "set -eu\n. $library\ntop=$folder/tree policy_rc_d=$policy\n"
        . "as_root() { \"\$@\"; }\nneed_root_or_sudo() { :; }\n$text\n");
    my $output = qx(bash $folder/script 2>&1);
    return ($? >> 8, $output, read_file($calls));
}

my ($result, $output, $called) = run('install_packages three; echo after');
is($result, 0, 'all there');
is($output, "== all packages are there\nafter\n", '... is said');
is($called, '', '... and apt is not asked');

($result, $output, $called) = run('install_packages one two; echo after');
is($result, 0, 'two packages are missing');
like($called, qr/^apt-get update .*\napt-get install .* kamailio libx-dev\n/, '... and asked for, once each');
like($called, qr/^policy 101$/m, '... while a policy forbids to start services');
like($called, qr/^deb-systemd-helper disable kamailio\.service$/m, '... and the service is not started at boot');
like($output, qr/^== kamailio: installed for the tests, not started/m, '... which is said');
unlike($called, qr/disable libx/, '... and of no other package');
ok(!-e $policy, '... the policy is gone');
like($output, qr/^after$/m, '... and the script goes on');

$status = 7;
($result, $output, $called) = run('install_packages one; echo after');
is($result, 7, 'apt fails: so does the script');
unlike($output, qr/after/, '... and ends');
unlike($called, qr/disable/, '... with no service touched');
ok(!-e $policy, '... and no policy left');
$status = 0;

write_file($policy, "#!/bin/sh\nexit 42\n", 0755);
($result, $output, $called) = run('install_packages one');
like($called, qr/^policy 42$/m, "a machine's own policy rules");
is(read_file($policy), "#!/bin/sh\nexit 42\n", '... and stays');

($result) = run('rm $policy_rc_d; hold_services; kill -KILL $$');
ok(-e $policy, 'a policy of ours that a killed run left');
($result, $output, $called) = run('install_packages one');
like($called, qr/^policy 101$/m, '... is taken for ours');
ok(!-e $policy, '... and removed by the next');

for my $case ([ 0, qr/^wolfssl=\S+\/var\/wolfssl$/, 'built' ], [ 3, qr/^== no source .* system library is used\nwolfssl=system$/m, 'no source' ]) {
    write_file("$folder/tree/scripts/build-wolfssl", "#!/bin/sh\nexit $case->[0]\n", 0755);
    ($result, $output) = run('prepare_wolfssl; echo "wolfssl=$wolfssl"');
    is($result, 0, "$case->[2]: it goes on");
    like($output, $case->[1], "$case->[2]: with the right library");
}
write_file("$folder/tree/scripts/build-wolfssl", "#!/bin/sh\nexit 1\n", 0755);
($result, $output) = run('prepare_wolfssl; echo after');
is($result, 1, 'a build that fails is not passed over');
unlike($output, qr/after/, '... nor is the system library used then');

done_testing;
