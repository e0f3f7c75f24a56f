# SPDX-License-Identifier: GPL-2.0-or-later
# Process.pm - a program under test: started, watched, ended; never left behind.
# In:  a command. Out: what it printed (both streams), its exit status. Waits end at a deadline with what was printed.
#
#   my $p = Trelay::Process->start(command => [ 'trelayd', '-f', $file ], name => 'trelayd');
#   $p->wait_for_line(qr/ready/);
#   is($p->stop, 0);                          # SIGTERM; 128 + n when signal n ended it
package Trelay::Process;

use v5.36;

use File::Temp ();
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

# Seconds. A build with a sanitizer is slower: TEST_PATIENCE multiplies.
sub patience ($seconds) { return $seconds * ($ENV{TEST_PATIENCE} // 1) }

my %running; # pid => object

# Options: command, or code (a sub that runs in the child); name; environment => {}; directory;
# input (file, default /dev/null).
sub start ($class, %options) {
    my $self = bless {
        command => $options{command},
        name    => $options{name} // $options{command}[0] =~ s{.*/}{}r,
        output  => File::Temp->new(TEMPLATE => 'trelay-output-XXXXXX', TMPDIR => 1),
        seen    => 0,
        owner   => $$,
    }, $class;
    $self->{pid} = fork // die "fork: $!\n";
    $self->become(\%options) if $self->{pid} == 0;
    $running{ $self->{pid} } = $self;
    return $self;
}

# In the child: a process group of its own, so that its children end with it.
sub become ($self, $options) {
    my $file = $self->{output}->filename;
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    setpgrp 0, 0;
    end_with_parent();
    my $is_set = open(STDIN, '<', $options->{input} // '/dev/null') && open(STDOUT, '>>', $file)
        && open(STDERR, '>>&', \*STDOUT) && (!defined $options->{directory} || chdir $options->{directory});
    if ($is_set) {
        %ENV = (%ENV, %{ $options->{environment} // {} });
        run_code($options->{code}) if $options->{code};
        exec { $self->{command}[0] } @{ $self->{command} };
    }
    syswrite STDOUT, "$self->{command}[0]: $!\n";
    POSIX::_exit(127);
}

# Even when the test is ended by SIGKILL: prctl(PR_SET_PDEATHSIG, SIGKILL), where its number is known.
sub end_with_parent () {
    state %prctl = (x86_64 => 157, aarch64 => 167);
    my $number = $prctl{ (POSIX::uname())[4] };
    syscall $number, 1, 9, 0, 0, 0 if $number;
    return;
}

# The child of a test must not hold the test's output open, else prove waits for it.
sub run_code ($code) {
    STDOUT->autoflush(1);
    if (my $stack = Test2::API->can('test2_stack')) {
        my $format = $stack->()->top->format;
        close $_ for $format && $format->can('handles') ? @{ $format->handles } : ();
    }
    my $is_done = eval { $code->(); 1 };
    print "$@" if !$is_done;
    POSIX::_exit($is_done ? 0 : 1);
}

sub pid ($self)  { return $self->{pid} }
sub name ($self) { return $self->{name} }

# How much was printed so far.
sub output_length ($self) { return -s $self->{output}->filename }

# All that was printed so far.
sub output ($self) {
    open my $in, '<:raw', $self->{output}->filename or die "$self->{name}: $!\n";
    local $/ = undef;
    return scalar(<$in>) // '';
}

sub is_alive ($self) {
    return 0 if defined $self->{status};
    my $pid = waitpid $self->{pid}, WNOHANG;
    return 1 if $pid == 0;
    $self->{status} = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    delete $running{ $self->{pid} };
    kill 'KILL', -$self->{pid}; # children that it left
    return 0;
}

# Waits until CONDITION gives something true, and returns that; dies at the deadline. The one place that polls.
sub wait_until ($self, $what, $condition, $seconds = 20) {
    my $deadline = time + patience($seconds);
    while (1) {
        my $was_alive = $self->is_alive;
        my $result = $condition->();
        return $result if $result;
        die "$self->{name} ended with status $self->{status} before $what. It said:\n" . $self->output . "\n" if !$was_alive;
        die "$self->{name}: no $what in $seconds s. It said:\n" . $self->output . "\n" if time > $deadline;
        sleep 0.01;
    }
}

# The first whole line after those already waited for that matches: the line, or the first capture when there is one.
sub wait_for_line ($self, $pattern, $seconds = 20) {
    return $self->wait_until("line $pattern", sub {
        my $text = $self->output;
        while ($text =~ /\G([^\n]*)\n/g || 0) {
            my ($line, $end) = ($1, pos $text);
            next if $end <= $self->{seen};
            next if $line !~ $pattern;
            my $found = $1 // $line;
            $self->{seen} = $end;
            return [$found];
        }
        return;
    }, $seconds)->[0];
}

# Until something listens at a path or at HOST:PORT.
sub wait_for_socket ($self, $address, $seconds = 20) {
    $self->wait_until("socket $address", sub {
        my $socket = $address =~ m{^/}
            ? IO::Socket::UNIX->new(Peer => $address)
            : IO::Socket::INET->new(PeerAddr => $address, Proto => 'tcp');
        return defined $socket;
    }, $seconds);
    return;
}

sub signal ($self, $signal) {
    kill $signal, $self->{pid} if $self->is_alive;
    return;
}

# Its exit status, once it has ended by itself.
sub wait_for_exit ($self, $seconds = 20) {
    my $deadline = time + patience($seconds);
    while ($self->is_alive) {
        die "$self->{name} did not end in $seconds s. It said:\n" . $self->output . "\n" if time > $deadline;
        sleep 0.01;
    }
    return $self->{status};
}

# Ends it: SIGNAL, then SIGKILL when that takes too long. Its exit status.
sub stop ($self, $signal = 'TERM', $seconds = 20) {
    $self->signal($signal);
    my $deadline = time + patience($seconds);
    while ($self->is_alive) {
        if (time > $deadline) {
            kill 'KILL', -$self->{pid};
            $deadline += 3600;
        }
        sleep 0.01;
    }
    return $self->{status};
}

# What a sanitizer had to say, or ''.
sub sanitizer_report ($self) {
    my ($report) = $self->output =~ /((?:==\d+==ERROR: |WARNING: )\w+Sanitizer.*|[^\n]*: runtime error: .*)/s;
    return $report // '';
}

END {
    my $status = $?;
    $_->{owner} == $$ && $_->stop('TERM', 2) for values %running;
    $? = $status;
}

# A test that is interrupted still cleans up.
$SIG{$_} //= sub { exit 1 } for qw(INT TERM HUP);

1;
