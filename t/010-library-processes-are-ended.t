#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A program under test is watched to its end, and nothing of it is left when the test ends.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use Trelay::House qw(run_command);
use Trelay::Loopback qw(own_address free_port);
use Trelay::Process;

sub shell ($text, %options) { return Trelay::Process->start(command => [ 'sh', '-c', $text ], %options) }

my $talker = shell('echo one; echo two 2 >&2; read line; echo "got $line"; echo three; exit 7');
is($talker->wait_for_line(qr/^one/),      'one', 'a line of standard output');
is($talker->wait_for_line(qr/^two (\d)/), '2',   'the capture in a line of standard error');
is($talker->wait_for_exit, 7, 'the exit status');
is($talker->output, "one\ntwo 2\ngot \nthree\n", 'all that it said; its input is empty');
is($talker->wait_for_line(qr/three/), 'three', 'a line that came before we looked');

my $again = shell('echo a; echo a; sleep 60');
is($again->wait_for_line(qr/a/), 'a', 'a first one') for 1, 2;
ok(!eval { $again->wait_for_line(qr/a/, 0.2); 1 }, 'a line is found once');
like($@, qr/no line .* in 0\.2 s\. It said:\na\na\n/, 'and a deadline tells what was said');
is($again->stop, 128 + 15, 'SIGTERM ends it');

ok(!eval { shell('echo bye; exit 3')->wait_for_line(qr/never/); 1 }, 'a program that ends is not waited for');
like($@, qr/ended with status 3 before line .*bye/s, 'with its status and words');

my $stubborn = shell('trap "" TERM; echo ready; while :; do sleep 1; done');
$stubborn->wait_for_line(qr/ready/);
is($stubborn->stop('TERM', 0.3), 128 + 9, 'SIGKILL follows when SIGTERM is not heard');

is(Trelay::Process->start(command => ['/nonexistent'])->wait_for_exit, 127, 'a program that is not there');
is(shell('test "$WORD" = good && test "$PWD" = /usr', environment => { WORD => 'good' }, directory => '/usr')->wait_for_exit,
    0, 'environment and directory');

my $port = free_port(own_address);
my $server = Trelay::Process->start(
    name => 'server',
    code => sub {
        IO::Socket::INET->new(LocalAddr => own_address, LocalPort => $port, Listen => 1, ReuseAddr => 1) or die "no socket\n";
        sleep 60;
    },
);
ok(!eval { $server->wait_for_socket(own_address . ":$port", 0.3); 1 }, 'a socket that is gone is not there');
$server->stop;
my $held;
$server = Trelay::Process->start(
    name => 'server',
    code => sub {
        $held = IO::Socket::INET->new(LocalAddr => own_address, LocalPort => $port, Listen => 1, ReuseAddr => 1);
        sleep 60;
    },
);
$server->wait_for_socket(own_address . ":$port");
pass('one that listens is');

is(shell('echo "x.c:1:2: runtime error: y"; exit 1')->name, 'sh', 'a name');
my $sick = shell('echo "==77==ERROR: AddressSanitizer: heap"; echo more');
$sick->wait_for_exit;
like($sick->sanitizer_report, qr/AddressSanitizer: heap\nmore/, 'a report of a sanitizer is found');
is($talker->sanitizer_report, '', 'and none where there is none');

# A test that dies leaves nothing: neither the program nor its child.
my ($status, $output) = run_command($^X, "-I$FindBin::Bin/lib", '-MTrelay::Process', '-e', <<'END');
    my $p = Trelay::Process->start(command => [ 'sh', '-c', 'sleep 600 & echo "child $!"; wait' ]);
    print $p->pid, ' ', $p->wait_for_line(qr/child (\d+)/), "\n";
    die "the test fails\n";
END
isnt($status, 0, 'the test that dies fails');
my @pids = $output =~ /^(\d+) (\d+)$/m;
is(scalar @pids, 2, 'its program and child are known');
# Dead and not yet collected by init counts as gone.
sub is_running ($pid) { return (eval { Trelay::House::slurp("/proc/$pid/stat") } // '') =~ /\) [^ZX] / }
# The signal is sent before the test ends; dying takes the machine a moment.
my $deadline = time + Trelay::Process::patience(10);
Time::HiRes::sleep(0.01) while time < $deadline && grep { is_running($_) } @pids;
is_deeply([ grep { is_running($_) } @pids ], [], 'and gone');
ok(is_running($$), 'as one that runs is not');

done_testing();
