# SPDX-License-Identifier: GPL-2.0-or-later
# Baresip.pm - the user agent baresip (Debian) without sound devices: told what to do, asked what happened.
# In:  who it is, where it listens, its certificate. Out: its events in order, its calls, what it printed.
# Its audio is what it heard itself. Needs the package baresip-core.
#
#   my $bob = Trelay::Baresip->start(user => 'bob', domain => 'biloxi.example', host => own_address(2), port => 5061,
#       transport => 'tls', certificate => $leaf, trust => $ca->certificate, proxy => "$relay:5061");
#   $bob->command('dial', 'sip:alice@atlanta.example');
#   $bob->wait_for('CALL_ESTABLISHED');             # the event, as a hash
#   $bob->stop;
package Trelay::Baresip;

use v5.36;

use Carp qw(croak);
use File::Temp qw(tempdir);
use IO::Select ();
use IO::Socket::IP ();
use JSON::PP ();
use Time::HiRes qw(time);
use Trelay::Process ();
use Trelay::SIP ();

my $PROGRAM = $ENV{BARESIP} // '/usr/bin/baresip';
my @MODULES = qw(g711 aubridge ctrl_tcp);
my @APPLICATIONS = qw(account contact menu);

sub modules () { return (grep { -e "$_/ctrl_tcp.so" } '/usr/lib/baresip/modules', glob '/usr/lib/*/baresip/modules')[0] }
sub is_there ($class) { return -x $PROGRAM && defined modules() }

# Options: user, domain, host, port, transport (udp, tcp, tls), proxy (host:port); certificate (a leaf, for tls),
# trust (file); answer (manual or auto); control (port for the test's commands); contact (whom
# the command "message" writes to); dns (host:port).
sub start ($class, %options) {
    my $self = bless { transport => 'udp', answer => 'manual', control => 4444, contact => '', %options,
        buffer => '', events => [], count => 0 }, $class;
    $self->{directory} = tempdir('trelay-baresip-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    $self->write('config',   $self->configuration);
    $self->write('accounts', $self->account);
    $self->write('contacts', "\"contact\" <$self->{contact}>\n");
    $self->{process} = Trelay::Process->start(
        name    => "baresip $self->{user}",
        command => [ $PROGRAM, '-s', '-f', $self->{directory} ],
    );
    $self->{process}->wait_for_line(qr/baresip is ready/);
    $self->{socket} = IO::Socket::IP->new(PeerHost => $self->{host}, PeerPort => $self->{control}, Proto => 'tcp')
        or die "baresip control: $@\n";
    return $self;
}

sub write ($self, $name, $text) {
    open my $out, '>', "$self->{directory}/$name" or die "$name: $!\n";
    print {$out} $text;
    close $out or die "$name: $!\n";
    return "$self->{directory}/$name";
}

sub configuration ($self) {
    my %value = (
        sip_listen      => "$self->{host}:$self->{port}",
        module_path     => modules(),
        ctrl_tcp_listen => "$self->{host}:$self->{control}",
        audio_source    => 'aubridge,nowhere',
        audio_player    => 'aubridge,nowhere',
        audio_alert     => 'aubridge,nowhere',
        call_max_calls  => 4,
        statmode_default => 'off',
        defined $self->{dns} ? (dns_server => $self->{dns}) : (),
    );
    if ($self->{certificate}) {
        my $text = join '', map { slurp($_) } $self->{certificate}->key, $self->{certificate}->chain;
        $value{sip_certificate} = $self->write('certificate.pem', $text);
    }
    $value{sip_cafile} = $self->{trust} if $self->{trust};
    return join '', (map { "$_ $value{$_}\n" } sort keys %value), (map { "module $_.so\n" } @MODULES),
        (map { "module_app $_.so\n" } @APPLICATIONS);
}

sub account ($self) {
    return "<sip:$self->{user}\@$self->{domain};transport=$self->{transport}>;regint=0;answermode=$self->{answer}"
        . ";outbound=\"sip:$self->{proxy};transport=$self->{transport}\"\n";
}

sub slurp ($file) {
    open my $in, '<:raw', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

# ---- commands and events: netstrings of JSON over TCP ----

sub read_some ($self, $deadline) {
    my $wait = $deadline - time;
    IO::Select->new($self->{socket})->can_read($wait > 0 ? $wait : 0) or return;
    my $count = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
    $count or die "baresip $self->{user} closed its control connection. It said:\n" . $self->output;
    while ($self->{buffer} =~ /\A(\d+):/ && length $self->{buffer} >= length($1) + 2 + $1) {
        my $json = substr $self->{buffer}, length($1) + 1, $1;
        substr $self->{buffer}, 0, length($1) + 2 + $1, '';
        my $message = JSON::PP->new->utf8->decode($json);
        if ($message->{event}) { push @{ $self->{events} }, $message }
        else                   { $self->{answer_to}{ $message->{token} } = $message }
    }
    return 1;
}

# Gives a command and waits for its answer: the text.
sub command ($self, $name, $parameters = undef) {
    my $token = 'c' . ++$self->{count};
    my $json  = JSON::PP->new->canonical->utf8->encode(
        { command => $name, token => $token, defined $parameters ? (params => $parameters) : () });
    syswrite $self->{socket}, length($json) . ":$json," or die "baresip control: $!\n";
    my $deadline = time + Trelay::Process::patience(10);
    while (!$self->{answer_to}{$token}) {
        $self->read_some($deadline) or croak "baresip $self->{user}: no answer to $name. It said:\n" . $self->output;
    }
    my $answer = delete $self->{answer_to}{$token};
    croak "baresip $self->{user}: $name: " . ($answer->{data} // '') if !$answer->{ok};
    return $answer->{data} // '';
}

# The next event of that type (and that matches, a pattern on its parameter), others before it are dropped.
sub wait_for ($self, $type, $pattern = qr//, $seconds = 20) {
    my $deadline = time + Trelay::Process::patience($seconds);
    while (1) {
        while (my $event = shift @{ $self->{events} }) {
            return $event if $event->{type} eq $type && ($event->{param} // '') =~ $pattern;
        }
        next if $self->read_some($deadline);
        croak "baresip $self->{user}: no $type in $seconds s. It said:\n" . $self->output;
    }
}

sub output ($self) { return $self->{process}->output }

# The messages that it was sent so far, in order.
sub received ($self) {
    my $own = quotemeta "$self->{host}:";
    my @texts = $self->output =~ /^(?:UDP|TCP|TLS) \S+ -> $own\d+\n(.*?)\e\[;m/gms;
    return map { Trelay::SIP::parse($_) } @texts;
}

sub wait_for_line ($self, @arguments) { return $self->{process}->wait_for_line(@arguments) }

# Its exit status.
sub stop ($self) {
    close $self->{socket};
    return $self->{process}->stop;
}

1;
