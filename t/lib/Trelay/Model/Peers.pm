# SPDX-License-Identifier: GPL-2.0-or-later
# Peers.pm - several TLS peers in one process, that change how they behave when told, and keep one diary.
# In:  names and addresses, certificates by name; orders. Out: per connection what the relay showed and said, in order.
# Never: decides whether what it saw was right (Trelay::Model::Oracle does).
#
#   my $peers = Trelay::Model::Peers->start(leaves => { good => $leaf }, hosts => { a => own_address(2) });
#   $peers->set('a', leaf => 'good', handshake => 'stall');
#   $peers->release;
#   my @events = $peers->events;      # those since the last call
#
# How a peer behaves:
#   leaf        the name of the certificate it presents
#   up          false: nobody listens
#   handshake   normal; stall until release(); close or reset instead of one; plain: bytes that are no TLS; after: hangs
#               up right after it; wait-close: stalls, and closes at release()
#   request     answer, with the status that Subject asks for; hold until release(); close, reset: instead of an answer;
#               last: answers and hangs up; busy: 503
#   ask         none, ask, require: of a client certificate
#   newest      1.2 or 1.3
package Trelay::Model::Peers;

use v5.36;

use Digest::SHA qw(sha256_hex);
use Fcntl qw(O_WRONLY O_APPEND);
use File::Temp ();
use IO::Select ();
use IO::Socket::IP ();
use IO::Socket::SSL ();
use JSON::PP ();
use Socket ();
use Time::HiRes qw(time);
use Trelay::Process ();
use Trelay::SIP qw(response);

my %NORMAL = (up => 1, handshake => 'normal', request => 'answer', ask => 'ask', newest => '1.3');
my $JSON = JSON::PP->new->latin1->canonical;

sub start ($class, %options) {
    my $self = bless {
        leaves => $options{leaves},
        diary  => File::Temp->new(TEMPLATE => 'trelay-diary-XXXXXX', TMPDIR => 1),
        read   => 0,
    }, $class;
    for my $name (sort keys %{ $options{hosts} }) {
        my $listener = listen_at($options{hosts}{$name}, 0);
        $self->{peer}{$name} = { %NORMAL, host => $listener->sockhost, port => $listener->sockport, listener => $listener,
            leaf => (sort keys %{ $options{leaves} })[0], count => 0 };
    }
    socketpair $self->{control}, my $other, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or die "socketpair: $!\n";
    $self->{process} = Trelay::Process->start(name => 'peers', code => sub { close $self->{control}; $self->serve($other) });
    close $other;
    close delete $_->{listener} for values %{ $self->{peer} };
    return $self;
}

sub listen_at ($host, $port) {
    return IO::Socket::IP->new(LocalHost => $host, LocalPort => $port, Proto => 'tcp', Listen => 128, ReuseAddr => 1)
        // die "listen $host:$port: $@\n";
}

# --- In the test ---

sub names ($self) { return sort keys %{ $self->{peer} } }
sub place ($self, $name) { return "$self->{peer}{$name}{host}:$self->{peer}{$name}{port}" }

# An order, carried out when this returns; the answer.
sub order ($self, %order) {
    syswrite $self->{control}, $JSON->encode(\%order) . "\n";
    IO::Select->new($self->{control})->can_read(Trelay::Process::patience(30)) or die "the peers do not answer\n";
    sysread $self->{control}, my $answer, 65536 or die "the peers have ended: " . $self->{process}->output . "\n";
    return $JSON->decode($answer);
}

sub set ($self, $name, %how) { return $self->order(do => 'set', peer => $name, how => \%how) }
# All connections of a peer, or what is held back everywhere.
sub cut ($self, $name, $is_reset) { return $self->order(do => 'cut', peer => $name, reset => $is_reset) }
sub release ($self) { return $self->order(do => 'release') }
sub stop ($self) { my $status = $self->{process}->stop; return $status == 128 + 15 ? 0 : $status }

sub events ($self) {
    open my $in, '<:raw', $self->{diary}->filename or die "diary: $!\n";
    seek $in, $self->{read}, 0;
    my @new;
    while (my $line = <$in>) {
        last if $line !~ /\n\z/;
        $self->{read} += length $line;
        push @new, $JSON->decode($line);
    }
    return @new;
}

# --- In the process of the peers ---

sub note ($self, $connection, $event, %more) {
    my %line = (event => $event, peer => $connection->{peer}, n => $connection->{n}, time => time, turn => $self->{turn}, %more);
    syswrite $self->{out}, $JSON->encode(\%line) . "\n";
    return;
}

sub serve ($self, $control) {
    $SIG{PIPE} = 'IGNORE';
    sysopen $self->{out}, $self->{diary}->filename, O_WRONLY | O_APPEND or die "diary: $!\n";
    $self->{connection} = {};
    for ($self->{turn} = 1;; $self->{turn}++) {
        my %listener = map { fileno $_->{listener} => $_ } grep { $_->{listener} } values %{ $self->{peer} };
        my $wanted = IO::Select->new($control, (map { $_->{listener} } values %listener),
            map { $_->{socket} } grep { $_->{stage} ne 'stalled' } values %{ $self->{connection} });
        for my $ready ($wanted->can_read(3600)) {
            if ($ready == $control) { $self->obey($control) or return }
            elsif (my $peer = $listener{ fileno($ready) // -1 }) { $self->accept($peer) if $peer->{listener} }
            else {
                my ($connection) = grep { $_->{socket} == $ready } values %{ $self->{connection} };
                $self->advance($connection) if $connection;
            }
        }
    }
}

sub obey ($self, $control) {
    sysread $control, my $line, 65536 or return 0;
    my $order = $JSON->decode($line);
    my $peer  = $order->{peer} && $self->{peer}{ $order->{peer} };
    if ($order->{do} eq 'set') {
        %$peer = (%$peer, %{ $order->{how} });
        close delete $peer->{listener} if !$peer->{up} && $peer->{listener};
        $peer->{listener} //= listen_at($peer->{host}, $peer->{port}) if $peer->{up};
    }
    elsif ($order->{do} eq 'cut') {
        $self->hang_up($_, $order->{reset}) for grep { $_->{peer} eq $order->{peer} } $self->all;
    }
    elsif ($order->{do} eq 'release') { $self->let_go($_) for $self->all }
    syswrite $control, $JSON->encode({ done => $order->{do} }) . "\n";
    return 1;
}

sub all ($self) { return map { $self->{connection}{$_} } sort keys %{ $self->{connection} } }

sub let_go ($self, $connection) {
    if ($connection->{stage} eq 'stalled') {
        return $self->hang_up($connection, 0) if $connection->{handshake} eq 'wait-close';
        $connection->{stage} = 'handshake';
        return $self->advance($connection);
    }
    $self->answer($connection, $_, $_->header('Subject') // 200) for splice @{ $connection->{held} };
    return;
}

sub accept ($self, $peer) {
    my $socket = $peer->{listener}->accept or return;
    my ($name) = grep { $self->{peer}{$_} == $peer } keys %{ $self->{peer} };
    setsockopt $socket, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;
    my $connection = { peer => $name, n => ++$peer->{count}, socket => $socket, stage => 'handshake', held => [], in => '',
        map { $_ => $peer->{$_} } qw(leaf handshake ask newest) };
    $self->{connection}{"$name/$connection->{n}"} = $connection;
    $self->note($connection, 'open');
    my $how = $peer->{handshake};
    return $self->hang_up($connection, $how eq 'reset') if $how eq 'close' || $how eq 'reset';
    if ($how eq 'plain') {
        syswrite $socket, "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";
        return $self->hang_up($connection, 0);
    }
    $socket->blocking(0);
    my %verify = (none => 0, ask => 1, require => 3);
    IO::Socket::SSL->start_SSL($socket, SSL_server => 1, SSL_startHandshake => 0,
        SSL_reuse_ctx => $self->context($connection, $verify{ $connection->{ask} }))
        or return $self->fail($connection, $IO::Socket::SSL::SSL_ERROR);
    $connection->{stage} = 'stalled' if $how eq 'stall' || $how eq 'wait-close';
    return;
}

# One for each certificate and manner, so that a session could be resumed if the relay ever offered one.
sub context ($self, $connection, $verify) {
    my $leaf = $self->{leaves}{ $connection->{leaf} };
    return $self->{context}{ join ' ', $connection->{leaf}, $verify, $connection->{newest} } //= IO::Socket::SSL::SSL_Context->new(
        SSL_server => 1, SSL_cert_file => $leaf->chain, SSL_key_file => $leaf->key, SSL_use_cert => 1,
        SSL_verify_mode => $verify, SSL_verify_callback => sub { return 1 }, SSL_verifycn_scheme => 'none',
        SSL_version => $connection->{newest} eq '1.2' ? 'TLSv1_2' : 'SSLv23:!SSLv3:!SSLv2',
    ) // die "context: $IO::Socket::SSL::SSL_ERROR\n";
}

sub advance ($self, $connection) {
    my $socket = $connection->{socket};
    if ($connection->{stage} eq 'handshake') {
        if (!$socket->accept_SSL) {
            my $error = $IO::Socket::SSL::SSL_ERROR;
            return if $error == IO::Socket::SSL::SSL_WANT_READ() || $error == IO::Socket::SSL::SSL_WANT_WRITE();
            return $self->fail($connection, "$error");
        }
        $self->shown($connection);
        return $self->hang_up($connection, 0) if $connection->{handshake} eq 'after';
        $connection->{stage} = 'open';
    }
    while (1) {
        my $count = sysread $socket, $connection->{in}, 65536, length $connection->{in};
        last if !defined $count && ($!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR});
        return $self->ended($connection, defined $count ? 'them' : "error: $IO::Socket::SSL::SSL_ERROR") if !$count;
    }
    while ($connection->{in} =~ s/\A((?:\r\n)*)(.*?\r\n\r\n)//s) {
        my ($head, $length) = ($2, 0);
        $length = $1 if $head =~ /^(?:Content-Length|l)\s*:\s*(\d+)/im;
        if (length $connection->{in} < $length) {
            $connection->{in} = $head . $connection->{in};
            last;
        }
        $self->take($connection, $head . substr $connection->{in}, 0, $length, '');
        return if $connection->{is_gone};
    }
    return;
}

sub shown ($self, $connection) {
    my $socket = $connection->{socket};
    my $x509 = $socket->peer_certificate;
    my $own  = $x509 ? unpack 'H*', Net::SSLeay::X509_digest($x509, Net::SSLeay::EVP_get_digestbyname('sha256')) : '';
    $self->note($connection, 'tls', sni => $socket->get_servername // '', client => $own, leaf => $connection->{leaf},
        ask => $connection->{ask}, version => $socket->get_sslversion =~ /1_2/ ? '1.2' : '1.3', is_resumed => $socket->get_session_reused ? 1 : 0);
    return;
}

sub take ($self, $connection, $text) {
    my $message = Trelay::SIP::parse($text);
    my $how = $self->{peer}{ $connection->{peer} }{request};
    my ($token) = $text =~ /token-(\w+)/;
    $self->note($connection, 'message', method => $message->method, token => $token // '', branch => $message->branch,
        uri => $message->uri);
    my $method = $message->method // return;
    return if $method eq 'ACK';
    return $self->cancel($connection, $message) if $method eq 'CANCEL';
    return $self->hang_up($connection, $how eq 'reset') if $how eq 'close' || $how eq 'reset';
    if ($how eq 'hold') {
        push @{ $connection->{held} }, $message;
        $self->say($connection, $message, 180) if $method eq 'INVITE';
        return;
    }
    $self->answer($connection, $message, $how eq 'busy' ? 503 : $message->header('Subject') // 200);
    $self->hang_up($connection, 0) if $how eq 'last' && !$connection->{is_gone};
    return;
}

sub cancel ($self, $connection, $cancel) {
    $self->say($connection, $cancel, 200);
    my @of = grep { $_->branch eq $cancel->branch } @{ $connection->{held} };
    @{ $connection->{held} } = grep { $_->branch ne $cancel->branch } @{ $connection->{held} };
    $self->answer($connection, $_, 487) for @of;
    # Its connection was cut: the answer goes where it was cancelled, and names where it came.
    my $lost = delete $self->{lost}{ $cancel->branch } // return;
    return $self->say($connection, $lost->{message}, 487, $lost->{connection});
}

sub answer ($self, $connection, $message, $status) { return $self->say($connection, $message, $status) }

sub say ($self, $connection, $message, $status, $came = $connection) {
    return if $connection->{is_gone};
    my ($host, $port) = @{ $self->{peer}{ $connection->{peer} } }{qw(host port)};
    my $text = response($message, $status, 'So', to_tag => "$connection->{peer}$connection->{n}",
        contact => "<sip:$host:$port;transport=tls>",
        headers => [ [ 'X-Conn' => "$came->{peer}/$came->{n}" ] ]);
    syswrite $connection->{socket}, $text;
    return;
}

sub forget ($self, $connection) {
    delete $self->{connection}{"$connection->{peer}/$connection->{n}"};
    $connection->{is_gone} = 1;
    return;
}

sub hang_up ($self, $connection, $is_reset) {
    $self->note($connection, 'end', by => 'us');
    $self->{lost}{ $_->branch } = { message => $_, connection => $connection } for grep { $_->method eq 'INVITE' } @{ $connection->{held} };
    my $socket = $connection->{socket};
    setsockopt $socket, Socket::SOL_SOCKET(), Socket::SO_LINGER(), CORE::pack('ii', 1, 0) if $is_reset;
    $socket->isa('IO::Socket::SSL') ? $socket->close(SSL_no_shutdown => $is_reset ? 1 : 0) : close $socket;
    return $self->forget($connection);
}

sub ended ($self, $connection, $why) {
    $self->note($connection, 'end', by => $why);
    $connection->{socket}->close;
    return $self->forget($connection);
}

sub fail ($self, $connection, $why) {
    $self->note($connection, 'end', by => "handshake: $why");
    close $connection->{socket};
    return $self->forget($connection);
}

1;
