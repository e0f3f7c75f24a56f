# SPDX-License-Identifier: GPL-2.0-or-later
# Load.pm - the load programs of bench/ in a test: a server that answers, clients that ask at a steady rate.
# In:  where, over what, how fast. Out: what came of it, as the programs report it; the memory of a process.
#
#   my $load = Trelay::Load->new;                                 # builds the programs
#   my $server = $load->server("$partner:5061", certificate => $leaf, authority => $ca);
#   my $client = $load->client(to => "$relay:5060", local => "$phone:5080", rate => 1000, count => 5000);
#   is($load->report($client)->{failed}, 0);
#   is($load->report($server)->{other}, 5000);                    # ends it
package Trelay::Load;

use v5.36;

use JSON::PP ();
use POSIX ();
use Trelay::House qw(top_builddir run_command);
use Trelay::Process ();

sub new ($class) {
    my $build = top_builddir();
    my ($status, $output) = run_command('make', '-s', '-C', $build, 'bench/siplite', 'bench/tlschurn');
    die "bench tools:\n$output" if $status != 0;
    return bless { build => $build }, $class;
}

sub tls_options (%options) {
    my $leaf = $options{certificate} // return;
    return ('-c', $leaf->chain, '-k', $leaf->key, $options{authority} ? ('-a', $options{authority}->certificate) : ());
}

# Over TLS with certificate (and authority of the others'), else UDP.
sub server ($self, $address, %options) {
    my $server = Trelay::Process->start(name => 'siplite server', command => [
        "$self->{build}/bench/siplite", 'server', '-l', $address, '-t', $options{certificate} ? 'tls' : 'udp',
        tls_options(%options),
    ]);
    $server->wait_for_line(qr/^ready/);
    return $server;
}

# Options: to, local (address:port), rate, count, calls (true: INVITE ... BYE), hold (ms), links, domain, server_name,
# certificate, authority.
sub client ($self, %options) {
    return Trelay::Process->start(name => 'siplite client', command => [
        "$self->{build}/bench/siplite", 'client', '-l', $options{local}, '-d', $options{to},
        '-t', $options{certificate} ? 'tls' : 'udp', '-r', $options{rate} // 1000, '-n', $options{count} // 1000,
        $options{calls} ? ('-s', 'invite', '-w', $options{hold} // 0) : (), '-C', $options{links} // 1,
        '-D', $options{domain} // 'biloxi.example', $options{server_name} ? ('-S', $options{server_name}) : (),
        tls_options(%options),
    ]);
}

# Opens and keeps COUNT connections to an address over TLS; close with stop().
sub idle ($self, %options) {
    my $idle = Trelay::Process->start(name => 'tlschurn', command => [
        "$self->{build}/bench/tlschurn", 'idle', '-n', $options{count}, '-t', $options{to}, '-f', $options{from},
        tls_options(%options),
    ], input => $options{input});
    return $idle;
}

# What a client says when it is done, what a server says when it is told to end.
sub report ($self, $process, $seconds = 120) {
    my $status = $process->name =~ /server/ ? $process->stop : $process->wait_for_exit($seconds);
    my ($line) = $process->output =~ /^(\{.*\})$/m;
    die $process->name . " ended with status $status:\n" . $process->output if $status != 0 || !defined $line;
    return JSON::PP->new->decode($line);
}

# KiB of memory of a process: its own pages, and its share of what others map too.
sub memory_kib ($pid) {
    open my $in, '<', "/proc/$pid/smaps_rollup" or die "memory of $pid: $!\n";
    while (my $line = <$in>) {
        return $1 if $line =~ /^Pss:\s+(\d+) kB/;
    }
    die "memory of $pid: no Pss\n";
}

# Until the memory of a process is back: tables keep the size that they once had, and some chunks stay ready: a tenth of
# what it took, and 3 MiB. What it has then; undef: it does not come back.
sub settled_kib ($process, $before, $peak, $seconds = 90) {
    my $after;
    my $is_back = eval {
        $process->wait_until('memory', sub {
            return ($after = memory_kib($process->pid)) <= $before + 3072 + ($peak - $before) / 10;
        }, $seconds);
    };
    return $is_back ? $after : undef;
}

# Seconds of processor time, user and system: of a process with its threads, and of all that ran on the machine.
sub cpu_seconds ($pid) {
    open my $in, '<', "/proc/$pid/stat" or die "time of $pid: $!\n";
    my @fields = split ' ', <$in> =~ s/^.*\) //r;
    return ($fields[11] + $fields[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}
sub busy_seconds () {
    open my $in, '<', '/proc/stat' or die "time of the machine: $!\n";
    my (undef, $user, $nice, $system, undef, undef, @interrupts) = split ' ', <$in>;
    return ($user + $nice + $system + $interrupts[0] + $interrupts[1]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

1;
