# SPDX-License-Identifier: GPL-2.0-or-later
# Sipp.pm - SIPp (Debian) over UDP or TCP, playing a scenario of t/data/sipp.
# In:  the scenario, where it listens, whom it calls. Out: its exit status, what went wrong.
#
#   my $uas = Trelay::Sipp->start('uas-call', host => own_address(2), port => 5070);
#   my $uac = Trelay::Sipp->start('uac-call', host => own_address(1), port => 5070, to => "$relay:5060", calls => 10);
#   is($uac->wait_for_exit, 0) or diag($uac->errors);
#   $uas->stop;
package Trelay::Sipp;

use v5.36;

use File::Temp qw(tempdir);
use Socket qw(inet_aton);
use Trelay::House qw(top_srcdir);
use Trelay::Process ();

sub program () { return (grep { -x } map { "$_/sipp" } split(/:/, $ENV{PATH} // ''), '/usr/bin')[0] }
sub is_there ($class) { return defined program() }

# Is there one bound to UDP at this IPv4 address? Before that, callers hear that nobody is there.
sub has_socket ($host, $port) {
    my $name = sprintf '%08X:%04X', unpack('L', inet_aton($host)), $port;
    open my $in, '<', '/proc/net/udp' or die "/proc/net/udp: $!\n";
    return scalar grep { /^\s*\d+: $name / } <$in>;
}

# Options: host, port, to (host:port; none: it is called), calls (then it exits; 1, or none if it is called), rate (a
# second), limit (at one time), transport (u1, t1), seconds (until it gives up), keys => { name => value } for [name] in
# the scenario.
sub start ($class, $scenario, %options) {
    my $self = bless { directory => tempdir('trelay-sipp-XXXXXX', TMPDIR => 1, CLEANUP => 1) }, $class;
    my $calls = $options{calls} // ($options{to} ? 1 : 0);
    my $seconds = int Trelay::Process::patience($options{seconds} // 60);
    my @load = $options{to} ? ('-r', $options{rate} // 10, '-l', $options{limit} // $calls) : ();
    push @load, '-m', $calls if $calls;
    my %keys = %{ $options{keys} // {} };
    $self->{process} = Trelay::Process->start(
        name      => "sipp $scenario",
        directory => $self->{directory},
        command   => [
            program(), $options{to} // (), '-sf', top_srcdir() . "/t/data/sipp/$scenario.xml", '-i', $options{host}, '-p',
            $options{port}, '-t', $options{transport} // 'u1', '-nostdin', '-nd', '-timeout', "${seconds}s",
            '-timeout_error', '-trace_err', '-error_file', "$self->{directory}/errors", @load,
            map { ('-key', $_, $keys{$_}) } sort keys %keys,
        ],
    );
    $self->{process}->wait_until('its socket', sub { has_socket(@options{qw(host port)}) })
        if !$options{to} && ($options{transport} // 'u1') =~ /^u/;
    return $self;
}

sub process ($self) { return $self->{process} }

# 0: every call went as the scenario says.
sub wait_for_exit ($self, $seconds = 60) { return $self->{process}->wait_for_exit($seconds) }

sub errors ($self) {
    open my $in, '<', "$self->{directory}/errors" or return $self->{process}->output;
    local $/ = undef;
    return scalar(<$in>) // '';
}

# One that is called waits until all its calls are over.
sub stop ($self) { return $self->{process}->stop('USR1') }

1;
