# SPDX-License-Identifier: GPL-2.0-or-later
# Wire.pm - the agents of a scenario at real sockets: UDP, TCP and TLS; what comes for each waits in order.
# In:  agents of a Trelay::Scenario, their certificates, where the relay listens. Out: messages.
# Never: answers anything; what is sent and what it means is others' matter.
#
# An agent is { name, transport, address, port, listener, connections => [streams that it opened], accepted => [streams],
# waiting, received, sent => [Trelay::SIP::Message] }.
package Trelay::Scenario::Wire;

use v5.36;

use IO::Select ();
use Time::HiRes qw(time);
use Trelay::Process ();
use Trelay::SIP ();

# Options: scenario; certificates { agent's name => Trelay::PKI certificate }.
sub new ($class, %options) {
    my $scenario = $options{scenario};
    my $self = bless { certificates => $options{certificates}, agents => {}, listeners => {} }, $class;
    for (@{ $scenario->{listeners} }) {
        my ($address, $port) = $_->word(3) =~ /^(.*):(\d+)$/;
        $self->{listeners}{ $_->word(1) } = { address => $address =~ s/[\[\]]//gr, port => $port };
    }
    $self->add_agent($_) for @{ $scenario->{agents} };
    return $self;
}

sub add_agent ($self, $statement) {
    my ($name, $transport, $place, $listener) = map { $statement->word($_) } 1 .. 4;
    my ($address, $port) = split /:/, $place;
    my $agent = $self->{agents}{$name} = { name => $name, transport => $transport, address => $address, port => $port,
        to => $self->{listeners}{$listener}, connections => [], accepted => [], map { $_ => [] } qw(waiting received sent) };
    my $unreachable = $statement->value('unreachable') // '';
    $agent->{is_deaf} = $statement->has('slow') || $unreachable eq 'connect-failed';
    if ($transport eq 'udp') {
        $agent->{socket} = Trelay::SIP::UDP->new(host => $address, port => $port);
    }
    elsif ($unreachable ne 'connect-failed') {
        $agent->{listener} = Trelay::SIP::Listener->new(host => $address, port => $port, tls => $self->tls($agent));
    }
    return;
}

sub tls ($self, $agent) {
    return $agent->{transport} eq 'tls' ? { certificate => $self->{certificates}{ $agent->{name} } } : undef;
}

sub agent ($self, $name) { return $self->{agents}{$name} // die "no agent $name\n" }
sub agents ($self)       { return map { $self->{agents}{$_} } sort keys %{ $self->{agents} } }

# A stream that the agent opens, the N-th; N counts those that are gone.
sub opened ($self, $agent, $n) {
    my $stream = $agent->{connections}[ $n - 1 ];
    return $stream if $stream;
    $stream = Trelay::SIP::Stream->connect(host => $agent->{to}{address}, port => $agent->{to}{port},
        from => $agent->{address}, tls => $self->tls($agent));
    $stream->{number} = $n;
    return $agent->{connections}[ $n - 1 ] = $stream;
}

# Where something new goes: over the connection of that number, or the one that is there, or a new one.
sub stream_for ($self, $agent, $n) {
    return $agent->{last} = $self->opened($agent, $n) if defined $n;
    return $agent->{last} if $agent->{last} && !defined $agent->{last}{is_closed};
    return $agent->{last} = $self->opened($agent, @{ $agent->{connections} } + 1);
}

# A response goes back on the connection of its request when that is still there (18.2.2).
sub send ($self, $agent, $text, %options) {
    my $n = $options{connection};
    if ($agent->{transport} eq 'udp') {
        $agent->{socket}->send($text, $agent->{to}{address}, $agent->{to}{port});
        return $agent->{socket};
    }
    my $back = $options{answers} && $options{answers}->source;
    my $stream = $back && !defined $back->{is_closed} ? $back : $self->stream_for($agent, $n);
    $stream->send($text);
    return $stream;
}

sub handles ($self) {
    my @handles;
    for my $agent ($self->agents) {
        push @handles, [ $agent->{socket}{socket}, $agent, $agent->{socket} ] if $agent->{socket};
        push @handles, [ $agent->{listener}{socket}, $agent ] if $agent->{listener} && !$agent->{is_deaf};
        push @handles, map { [ $_->{socket}, $agent, $_ ] } grep { $_ && !defined $_->{is_closed} }
            @{ $agent->{connections} }, @{ $agent->{accepted} };
    }
    return @handles;
}

sub accept ($self, $agent) {
    my $stream = eval { $agent->{listener}->accept } // return; # a handshake that fails is the relay's to tell
    push @{ $agent->{accepted} }, $stream;
    $agent->{last} = $stream;
    $stream->{is_used} = 1; # a request follows
    return;
}

sub take ($self, $agent, $endpoint) {
    while (my $message = $endpoint->receive(0)) {
        next if $self->{meant} && $self->{meant}->($message, $endpoint);
        push @{ $agent->{waiting} }, $message;
    }
    return;
}

# Takes what has come, for all; waits for something until DEADLINE. False: nothing came.
sub poll ($self, $deadline) {
    my @handles = $self->handles;
    my $wait = $deadline - time;
    my %ready = map { $_ => 1 } IO::Select->new(map { $_->[0] } @handles)->can_read($wait > 0 ? $wait : 0);
    for (grep { $ready{ $_->[0] } } @handles) {
        my (undef, $agent, $endpoint) = @$_;
        $endpoint ? $self->take($agent, $endpoint) : $self->accept($agent);
    }
    return scalar %ready;
}

# Polls until CONDITION holds, and gives what that gave; undef at the deadline.
sub wait_until ($self, $condition, $seconds = 10) {
    my $deadline = time + Trelay::Process::patience($seconds);
    while (1) {
        my $result = $condition->();
        return $result if $result;
        return if time > $deadline;
        $self->poll($deadline);
    }
}

# Takes what comes for that long.
sub pass ($self, $seconds) {
    my $deadline = time + $seconds;
    $self->poll($deadline) while time < $deadline;
    return;
}

# All that the relay made of what was sent has come: it has answered what was sent behind it, on each connection in use,
# and on those that it opened for it.
sub settle ($self) {
    while (1) {
        1 while $self->poll(0);
        my @used = map { my $agent = $_; map { [ $agent, $_ ] } grep { $_ && $_->{is_used} && !defined $_->{is_closed} }
            $agent->{socket}, @{ $agent->{connections} }, @{ $agent->{accepted} } } $self->agents;
        return if !@used;
        for (@used) {
            $_->[1]{is_used} = 0;
            $self->echo(@$_);
        }
    }
}

# What has no CSeq makes no transaction: it is answered 400 at once.
sub echo ($self, $agent, $endpoint) {
    my $via = $endpoint->via;
    my ($branch) = $via =~ /branch=([^;]+)/;
    my $text = Trelay::SIP::request('OPTIONS', 'sip:echo.invalid', via => $via) =~ s/^CSeq:.*\r\n//mr;
    my $is_back;
    local $self->{meant} = sub ($message, $) { return ($message->branch // '') eq $branch && ++$is_back };
    $agent->{socket} ? $endpoint->send($text, $agent->{to}{address}, $agent->{to}{port}) : $endpoint->send($text);
    $self->wait_until(sub { return $is_back || defined $endpoint->{is_closed} }) or die "$agent->{name}: no echo\n";
    return;
}

# From now on it takes what waits for it.
sub connect ($self, $agent) { $agent->{is_deaf} = 0; return }

sub lose ($self, $agent) {
    for my $stream (grep { $_ && !defined $_->{is_closed} } @{ $agent->{connections} }, @{ $agent->{accepted} }) {
        $stream->close;
        $stream->{is_closed} = 1;
    }
    return;
}

sub close ($self) {
    for my $agent ($self->agents) {
        for (grep { $_ && !defined $_->{is_closed} } @{ $agent->{connections} }, @{ $agent->{accepted} }) {
            eval { $_->reset };
        }
        $_ && $_->close for @$agent{qw(socket listener)};
    }
    return;
}

1;
