# SPDX-License-Identifier: GPL-2.0-or-later
# Server.pm - a SIP peer in a process of its own, that answers, or misbehaves as told, and keeps a diary.
# In:  where to listen, what to present, how to behave. Out: per connection what the other side showed and said.
#
#   my $peer = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2), port => 5061,
#       tls => { certificate => $leaf, ask => 1 });
#   ...
#   my ($message) = $peer->wait_for_messages(1);
#   my ($connection) = $peer->connections;     # { n, sni, sha256, is_resumed, version, cipher, from, messages }
#   is($peer->stop, 0);
package Trelay::SIP::Server;

use v5.36;

use Fcntl qw(O_WRONLY O_APPEND);
use File::Temp ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep);
use Trelay::Process ();
use Trelay::SIP qw(response);

# Options:
#   transport     udp, tcp or tls; host; port (default: any); tls as for Trelay::SIP::Stream
#   answer        sub ($message, $n) giving the texts to send; default: 200 with "X-Conn: n" to all but ACK.
#                 What the sub changes stays within the connection's own process.
#   accept_delay, answer_delay   seconds
#   before_tls    bytes sent in plain text before the handshake
#   greeting      bytes sent right after the handshake
#   close         'accept' (before the handshake), 'handshake', 'request' (unanswered) or 'answer': when it hangs up
#   reset         with close: by a TCP reset
sub start ($class, %options) {
    my $transport = $options{transport} // 'udp';
    my $self = bless { %options, diary => File::Temp->new(TEMPLATE => 'trelay-diary-XXXXXX', TMPDIR => 1) }, $class;
    $self->{endpoint} =
        $transport eq 'udp'
        ? Trelay::SIP::UDP->new(host => $options{host}, port => $options{port})
        : Trelay::SIP::Listener->new(host => $options{host}, port => $options{port});
    $self->{process} = Trelay::Process->start(
        name => "$transport peer",
        code => sub { $transport eq 'udp' ? $self->serve_udp : $self->serve_streams },
    );
    $self->{endpoint}->close;
    return $self;
}

sub host ($self) { return $self->{endpoint}->host }
sub port ($self) { return $self->{endpoint}->port }
sub stop ($self) { my $status = $self->{process}->stop; return $status == 128 + 15 ? 0 : $status }

# What follows runs in the child.

# One line of the diary, written at once, so that connections do not mix.
sub note ($self, %event) {
    sysopen my $out, $self->{diary}->filename, O_WRONLY | O_APPEND or die "diary: $!\n";
    syswrite $out, JSON::PP->new->latin1->canonical->encode(\%event) . "\n";
    return;
}

sub answers ($self, $message, $n) {
    return $self->{answer}->($message, $n) if $self->{answer};
    return if !defined $message->method || $message->method eq 'ACK';
    return response($message, 200, 'OK', headers => [ [ 'X-Conn', $n ] ]);
}

sub serve_udp ($self) {
    while (1) {
        my $message = $self->{endpoint}->receive(3600) // next;
        $self->note(event => 'message', n => 0, text => $message->text, from => join ':', @{ $message->source });
        sleep $self->{answer_delay} if $self->{answer_delay};
        $self->{endpoint}->reply($message, $_) for $self->answers($message, 0);
    }
}

sub serve_streams ($self) {
    my $n = 0;
    local $SIG{CHLD} = 'IGNORE';
    while (1) {
        my $stream = $self->{endpoint}->accept_plain(3600) // next;
        $n++;
        my $pid = fork // die "fork: $!\n";
        next if $pid;
        Trelay::Process::end_with_parent();
        eval { $self->serve_stream($stream, $n); 1 } or $self->note(event => 'failed', n => $n, why => "$@");
        POSIX::_exit(0);
    }
}

sub hang_up ($self, $stream, $n) {
    $self->note(event => 'close', n => $n, by => 'us');
    $self->{reset} ? $stream->reset : $stream->close;
    POSIX::_exit(0);
}

sub serve_stream ($self, $stream, $n) {
    my $moment = $self->{close} // '';
    $self->note(event => 'open', n => $n, from => join ':', @{ $stream->peer });
    sleep $self->{accept_delay} if $self->{accept_delay};
    $stream->send($self->{before_tls}) if defined $self->{before_tls};
    $self->hang_up($stream, $n) if $moment eq 'accept';
    if ($self->{tls}) {
        $stream->start_tls($self->{tls}, 1);
        $self->note(
            event => 'tls', n => $n, sni => $stream->sni, sha256 => $stream->peer_sha256, version => $stream->tls_version,
            cipher => $stream->cipher, is_resumed => $stream->is_resumed,
        );
    }
    $stream->send($self->{greeting}) if defined $self->{greeting};
    $self->hang_up($stream, $n) if $moment eq 'handshake';
    while (my $message = $stream->receive(3600)) {
        $self->note(event => 'message', n => $n, text => $message->text);
        $self->hang_up($stream, $n) if $moment eq 'request';
        sleep $self->{answer_delay} if $self->{answer_delay};
        $stream->send($_) for $self->answers($message, $n);
        $self->hang_up($stream, $n) if $moment eq 'answer';
    }
    $self->note(event => 'close', n => $n, by => 'them', rest => $stream->rest);
    return;
}

# What follows runs in the test.

# The diary so far: hashes with event => open, tls, message, close or failed, and n, the connection (0 for UDP).
sub events ($self) {
    open my $in, '<:raw', $self->{diary}->filename or die "diary: $!\n";
    seek $in, $self->{read} //= 0, 0;
    while (my $line = <$in>) {
        last if $line !~ /\n\z/;
        $self->{read} += length $line;
        push @{ $self->{events} }, JSON::PP->new->latin1->decode($line);
    }
    return @{ $self->{events} // [] };
}

sub messages ($self) {
    return map { Trelay::SIP::Message->new($_->{text}, $_->{n}) } grep { $_->{event} eq 'message' } $self->events;
}

# The connections in order, each with what is known of it, and its messages. Those whose handshake failed have "why".
sub connections ($self) {
    my @connections;
    for my $event ($self->events) {
        my $n = $event->{n};
        next if $n == 0;
        my $connection = $connections[ $n - 1 ] //= { n => $n, messages => [], is_tls => 0, is_open => 1 };
        if ($event->{event} eq 'message') {
            push @{ $connection->{messages} }, Trelay::SIP::Message->new($event->{text}, $n);
            next;
        }
        $connection->{is_tls}  = 1 if $event->{event} eq 'tls';
        $connection->{is_open} = 0 if $event->{event} =~ /^(?:close|failed)$/;
        %$connection = (%$connection, map { $_ => $event->{$_} } grep { $_ ne 'event' } keys %$event);
    }
    return @connections;
}

# All messages, once there are COUNT; dies at the deadline. Likewise connections.
sub wait_for_messages ($self, $count, $seconds = 10) {
    return @{ $self->{process}->wait_until("$count messages", sub {
        my @messages = $self->messages;
        return @messages >= $count ? \@messages : undef;
    }, $seconds) };
}

sub wait_for_connections ($self, $count, $seconds = 10) {
    return @{ $self->{process}->wait_until("$count connections", sub {
        my @connections = grep { defined } $self->connections;
        return @connections >= $count ? \@connections : undef;
    }, $seconds) };
}

# Until a connection has ended (or failed): what is known of it.
sub wait_for_end ($self, $n, $seconds = 10) {
    return $self->{process}->wait_until("end of connection $n", sub {
        my ($connection) = grep { defined && $_->{n} == $n && !$_->{is_open} } $self->connections;
        return $connection;
    }, $seconds);
}

1;
