# SPDX-License-Identifier: GPL-2.0-or-later
# SIP.pm - SIP as a test speaks it: messages, and endpoints over UDP, TCP and TLS that show what they were given.
# In:  bytes as the test wants them, right or wrong. Out: messages, and what the TLS peer presented.
# Never: repairs, retransmits or answers by itself (Trelay::SIP::Server does the answering).
#
#   my $udp = Trelay::SIP::UDP->new(host => own_address(1));
#   $udp->send(request('OPTIONS', 'sip:bob@biloxi.example', via => $udp->via), $relay_host, 5060);
#   my $reply = $udp->receive;                      # Trelay::SIP::Message, or undef at the deadline
#   is($reply->status, 200);
#
#   my $tls = Trelay::SIP::Stream->connect(host => ..., port => 5061, tls => { certificate => $leaf, sni => 'a.example' });
#   my $listener = Trelay::SIP::Listener->new(host => ..., port => ..., tls => { certificate => $leaf });
#   my $connection = $listener->accept;             # a Trelay::SIP::Stream
package Trelay::SIP;

use v5.36;

use Exporter 'import';

our @EXPORT_OK = qw(request response parse branch);

my $count = 0;
sub token ($prefix) { return sprintf '%s%x-%d', $prefix, $$, ++$count }
sub branch ()       { return token('z9hG4bK') }

sub text ($first, $headers, $body) {
    my $has_length = grep { $_->[0] =~ /^(?:Content-Length|l)$/i } @$headers;
    my @all = (@$headers, $has_length ? () : [ 'Content-Length', length $body ]);
    return join '', "$first\r\n", (map { "$_->[0]: $_->[1]\r\n" } @all), "\r\n", $body;
}

# The text of a request. Options: via (as an endpoint's via() gives it; "" for none), from, to, call_id, cseq (number),
# max_forwards, contact, headers ([[name, value]...], after the others), body.
sub request ($method, $uri, %options) {
    my $via  = $options{via} // 'SIP/2.0/UDP test.invalid;branch=' . branch();
    my @headers = (
        $via eq '' ? () : [ Via => $via ],
        [ 'Max-Forwards' => $options{max_forwards} // 70 ],
        [ From           => $options{from}    // '<sip:alice@atlanta.example>;tag=' . token('f') ],
        [ To             => $options{to}      // "<$uri>" ],
        [ 'Call-ID'      => $options{call_id} // token('c') . '@test.invalid' ],
        [ CSeq           => ($options{cseq} // 1) . " $method" ],
        defined $options{contact} ? [ Contact => $options{contact} ] : (),
        @{ $options{headers} // [] },
    );
    return text("$method $uri SIP/2.0", \@headers, $options{body} // '');
}

# The text of a response to a Trelay::SIP::Message: its Via, From, To, Call-ID, CSeq, Record-Route copied.
# Options: to_tag (default: one of its own for more than 100), contact, headers, body.
sub response ($request, $status, $reason = 'Whatever', %options) {
    my @headers;
    for my $header (@{ $request->{headers} }) {
        my ($name, $value) = @$header;
        my $full = Trelay::SIP::Message::full_name($name);
        next if $full !~ /^(?:via|from|to|call-id|cseq|record-route)$/;
        next if $full eq 'record-route' && $status < 101;
        $value .= ';tag=' . ($options{to_tag} // token('t')) if $full eq 'to' && $status > 100 && $value !~ /;\s*tag\s*=/i;
        push @headers, [ $name, $value ];
    }
    push @headers, [ Contact => $options{contact} ] if defined $options{contact};
    push @headers, @{ $options{headers} // [] };
    return text("SIP/2.0 $status $reason", \@headers, $options{body} // '');
}

sub parse ($text) { return Trelay::SIP::Message->new($text) }

package Trelay::SIP::Message;

use v5.36;

my %FULL = (
    v => 'via', f => 'from', t => 'to', i => 'call-id', m => 'contact', l => 'content-length', c => 'content-type',
    k => 'supported', s => 'subject', e => 'content-encoding', o => 'event', r => 'refer-to', u => 'allow-events',
);
sub full_name ($name) { return $FULL{ lc $name } // lc $name }

# A message as text, with where it came from (host:port, or a Stream).
sub new ($class, $text, $source = undef) {
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($first, @lines) = split /\r\n(?![ \t])/, $head // '';
    my @headers = map { /^([^:\s]+)\s*:\s*(.*?)\s*\z/s ? [ $1, $2 ] : () } @lines;
    return bless { text => $text, first => $first // '', headers => \@headers, body => $body // '', source => $source },
        $class;
}

sub text ($self)       { return $self->{text} }
sub first_line ($self) { return $self->{first} }
sub body ($self)       { return $self->{body} }
sub source ($self)     { return $self->{source} }
sub status ($self)     { return $self->{first} =~ m{^SIP/2\.0 (\d{3})} ? $1 : undef }
sub reason ($self)     { return $self->{first} =~ m{^SIP/2\.0 \d{3} (.*)} ? $1 : undef }
sub method ($self)     { return $self->{first} =~ m{^(\S+) \S+ SIP/2\.0$} ? $1 : undef }
sub uri ($self)        { return $self->{first} =~ m{^\S+ (\S+) SIP/2\.0$} ? $1 : undef }

# Header values of a name, its compact form included: the first, or in list context all, as they stand.
sub header ($self, $name) {
    my $wanted = full_name($name);
    my @values = map { $_->[1] } grep { full_name($_->[0]) eq $wanted } @{ $self->{headers} };
    return wantarray ? @values : $values[0];
}

sub branch ($self)  { return ($self->header('Via')     // '') =~ /;\s*branch\s*=\s*([^;,\s]+)/i ? $1 : undef }
sub to_tag ($self)  { return ($self->header('To')      // '') =~ /;\s*tag\s*=\s*([^;,\s]+)/i    ? $1 : undef }
sub call_id ($self) { return scalar $self->header('Call-ID') }
sub cseq ($self)    { return scalar $self->header('CSeq') }

package Trelay::SIP::UDP;

use v5.36;

use IO::Select ();
use IO::Socket::IP ();
use Trelay::Process ();

# Options: host (an address), port (default: any).
sub new ($class, %options) {
    my $socket = IO::Socket::IP->new(
        LocalHost => $options{host} // '127.0.0.1',
        LocalPort => $options{port} // 0,
        Proto     => 'udp',
    ) or die "UDP $options{host}: $@\n";
    return bless { socket => $socket, host => $socket->sockhost, port => $socket->sockport }, $class;
}

sub host ($self) { return $self->{host} }
sub port ($self) { return $self->{port} }

sub via ($self, $branch = Trelay::SIP::branch()) {
    my $host = $self->{host} =~ /:/ ? "[$self->{host}]" : $self->{host};
    return "SIP/2.0/UDP $host:$self->{port};branch=$branch;rport";
}

sub send ($self, $text, $host, $port) {
    my $sent = send $self->{socket}, $text, 0, Trelay::SIP::Address::pack($host, $port);
    defined $sent && $sent == length $text or die "UDP to $host:$port: $!\n";
    return $self;
}

sub close ($self) { CORE::close($self->{socket}); return }

# Sends back to where a message came from.
sub reply ($self, $message, $text) { return $self->send($text, @{ $message->source }) }

# The next message, or undef when none comes. SECONDS 0 does not wait.
sub receive ($self, $seconds = 10) {
    my $wait = $seconds ? Trelay::Process::patience($seconds) : 0;
    IO::Select->new($self->{socket})->can_read($wait) or return;
    my $from = recv $self->{socket}, my $text, 65536, 0;
    defined $from or return;
    return Trelay::SIP::Message->new($text, [ Trelay::SIP::Address::unpack($from) ]);
}

package Trelay::SIP::Address;

use v5.36;

use Socket qw(getaddrinfo getnameinfo AI_NUMERICHOST NI_NUMERICHOST NI_NUMERICSERV SOCK_DGRAM);

sub pack ($host, $port) {
    my ($error, $found) = getaddrinfo($host, $port, { flags => AI_NUMERICHOST, socktype => SOCK_DGRAM });
    die "$host: $error\n" if $error;
    return $found->{addr};
}

sub unpack ($packed) {
    my ($error, $host, $port) = getnameinfo($packed, NI_NUMERICHOST | NI_NUMERICSERV);
    die "$error\n" if $error;
    return ($host, $port);
}

package Trelay::SIP::Stream;

use v5.36;

use Digest::SHA qw(sha256_hex);
use IO::Select ();
use IO::Socket::IP ();
use IO::Socket::SSL ();
use Time::HiRes qw(time);
use Trelay::Process ();

$SIG{PIPE} = 'IGNORE'; # a peer that is gone is an error of the call

# What tls => {} may hold, for IO::Socket::SSL. Nothing is verified unless asked: a test looks for itself.
#   certificate   a Trelay::PKI certificate to present, or { '' => default, 'a.example' => by server name } (server)
#   trust         path of CA certificates: the peer must chain to them, else the handshake fails
#   ask           (server) ask for a client certificate, take whatever comes; with trust, one is required
#   sni           (client) server name to send; default none
#   version       IO::Socket::SSL's SSL_version, as 'TLSv1_2'
#   ciphers, session (SSL_reuse_ctx), options (further SSL_... options)
sub ssl_options ($tls, $is_server) {
    my %ssl = (SSL_server => $is_server, SSL_verify_mode => 0, SSL_verifycn_scheme => 'none', %{ $tls->{options} // {} });
    my $certificate = $tls->{certificate};
    if (ref $certificate eq 'HASH') {
        $ssl{SSL_cert_file} = { map { $_ => $certificate->{$_}->chain } keys %$certificate };
        $ssl{SSL_key_file}  = { map { $_ => $certificate->{$_}->key } keys %$certificate };
    }
    elsif ($certificate) {
        @ssl{qw(SSL_cert_file SSL_key_file)} = ($certificate->chain, $certificate->key);
    }
    $ssl{SSL_use_cert} = 1 if $certificate;
    $ssl{SSL_ca_file} = $tls->{trust} if $tls->{trust};
    my $verify = $tls->{trust} ? 1 : 0;
    if ($is_server && $tls->{ask}) {
        $ssl{SSL_verify_mode} = $verify ? 3 : 1;
        $ssl{SSL_verify_callback} = sub { return 1 } if !$verify;
    }
    else {
        $ssl{SSL_verify_mode} = $verify;
    }
    $ssl{SSL_hostname} = $tls->{sni} // '' if !$is_server;
    $ssl{SSL_version}  = $tls->{version} if $tls->{version};
    $ssl{SSL_cipher_list} = $tls->{ciphers} if $tls->{ciphers};
    return %ssl;
}

# Options: host, port, from (local address), tls. Dies when it cannot connect; error() of a failed handshake is in $@.
sub connect ($class, %options) {
    my $socket = IO::Socket::IP->new(
        PeerHost => $options{host},
        PeerPort => $options{port},
        $options{from} ? (LocalHost => $options{from}) : (),
        Proto    => 'tcp',
        Timeout  => Trelay::Process::patience(10),
    ) or die "TCP $options{host}:$options{port}: $@\n";
    my $self = $class->over($socket);
    $self->start_tls($options{tls}, 0) if $options{tls};
    return $self;
}

sub over ($class, $socket) {
    setsockopt $socket, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;
    return bless { socket => $socket, buffer => '', host => $socket->sockhost, port => $socket->sockport,
        peer => [ $socket->peerhost, $socket->peerport ] }, $class;
}

# The handshake over the connection as it is. Dies with the library's words when it fails.
sub start_tls ($self, $tls, $is_server) {
    my %ssl = ssl_options($tls, $is_server);
    my $done = IO::Socket::SSL->start_SSL($self->{socket}, %ssl, Timeout => Trelay::Process::patience(10));
    defined $done or die "TLS: $IO::Socket::SSL::SSL_ERROR\n";
    $self->{is_tls} = 1;
    return $self;
}

sub host ($self) { return $self->{host} }
sub port ($self) { return $self->{port} }
sub peer ($self) { return $self->{peer} } # [address, port] of the other side

sub via ($self, $branch = Trelay::SIP::branch()) {
    my $transport = $self->{is_tls} ? 'TLS' : 'TCP';
    my $host = $self->{host} =~ /:/ ? "[$self->{host}]" : $self->{host};
    return "SIP/2.0/$transport $host:$self->{port};branch=$branch;rport";
}

# What the TLS peer presented and what was agreed.
sub peer_certificate_der ($self) {
    my $x509 = $self->{socket}->peer_certificate or return;
    my ($base64) = Net::SSLeay::PEM_get_string_X509($x509) =~ /BEGIN CERTIFICATE-----(.*?)-----END/s;
    require MIME::Base64;
    return MIME::Base64::decode_base64($base64);
}
sub peer_sha256 ($self) { my $der = $self->peer_certificate_der; return defined $der ? sha256_hex($der) : undef }
sub sni ($self)         { return $self->{socket}->get_servername }                 # asked for by the client
sub is_resumed ($self)  { return $self->{socket}->get_session_reused ? 1 : 0 }
sub tls_version ($self) { return $self->{socket}->get_sslversion }
sub cipher ($self)      { return $self->{socket}->get_cipher }

# Sends bytes as they are.
sub send ($self, $text) {
    my $at = 0;
    while ($at < length $text) {
        my $count = syswrite $self->{socket}, $text, length($text) - $at, $at;
        defined $count or die "send: " . ($self->{is_tls} ? $IO::Socket::SSL::SSL_ERROR : $!) . "\n";
        $at += $count;
    }
    return $self;
}

# More bytes into the buffer: true when some came, 0 at the end of the stream, undef at the deadline.
sub fill ($self, $deadline) {
    my $socket = $self->{socket};
    while (1) {
        my $pending = $self->{is_tls} && $socket->pending;
        my $wait = $deadline - time;
        return if !$pending && !IO::Select->new($socket)->can_read($wait > 0 ? $wait : 0);
        $socket->blocking(0);
        my $count = sysread $socket, $self->{buffer}, 65536, length $self->{buffer};
        my $would_block = !defined $count && ($!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR});
        $socket->blocking(1);
        next if $would_block;
        return $self->{is_closed} = 0 if !$count;
        return $count;
    }
}

# The next message, framed by Content-Length; undef at the deadline or the end of the stream (is_closed tells).
# CRLF between messages counts in pings().
sub receive ($self, $seconds = 10) {
    my $deadline = time + ($seconds ? Trelay::Process::patience($seconds) : 0);
    while (1) {
        $self->{pings} += length($1) / 2 if $self->{buffer} =~ s/\A((?:\r\n)+)//;
        if ($self->{buffer} =~ /\r\n\r\n/) {
            my $head_length = $+[0];
            my $length = substr($self->{buffer}, 0, $head_length) =~ /^(?:Content-Length|l)\s*:\s*(\d+)/im ? $1 : 0;
            if (length $self->{buffer} >= $head_length + $length) {
                my $text = substr $self->{buffer}, 0, $head_length + $length, '';
                return Trelay::SIP::Message->new($text, $self);
            }
        }
        return if !$self->fill($deadline);
    }
}

sub pings ($self) { return $self->{pings} // 0 }

# What came and was not a whole message.
sub rest ($self) { return $self->{buffer} }

# True when the other side closes the connection before the deadline; whatever it sends until then is kept.
sub wait_for_close ($self, $seconds = 10) {
    my $deadline = time + Trelay::Process::patience($seconds);
    while (1) {
        my $count = $self->fill($deadline);
        return defined $count if !$count;
    }
}

sub close ($self) {
    $self->{socket}->close($self->{is_tls} ? (SSL_no_shutdown => 0) : ());
    return;
}

# Ends it with a TCP reset and no TLS alert.
sub reset ($self) {
    setsockopt $self->{socket}, Socket::SOL_SOCKET(), Socket::SO_LINGER(), CORE::pack('ii', 1, 0);
    $self->{is_tls} ? $self->{socket}->close(SSL_no_shutdown => 1) : CORE::close($self->{socket});
    return;
}

package Trelay::SIP::Listener;

use v5.36;

use IO::Select ();
use IO::Socket::IP ();
use Trelay::Process ();

# Options: host, port (default: any), tls. Takes connections one by one, by hand.
sub new ($class, %options) {
    my $socket = IO::Socket::IP->new(
        LocalHost => $options{host} // '127.0.0.1',
        LocalPort => $options{port} // 0,
        Proto     => 'tcp',
        Listen    => 128,
        ReuseAddr => 1,
    ) or die "listen $options{host}: $@\n";
    return bless { socket => $socket, tls => $options{tls}, host => $socket->sockhost, port => $socket->sockport }, $class;
}

sub host ($self) { return $self->{host} }
sub port ($self) { return $self->{port} }

# The next TCP connection without a handshake, or undef at the deadline.
sub accept_plain ($self, $seconds = 10) {
    IO::Select->new($self->{socket})->can_read($seconds ? Trelay::Process::patience($seconds) : 0) or return;
    my $socket = $self->{socket}->accept or return;
    return Trelay::SIP::Stream->over($socket);
}

# The next connection, its handshake done; dies when the handshake fails.
sub accept ($self, $seconds = 10) {
    my $stream = $self->accept_plain($seconds) // return;
    return $self->{tls} ? $stream->start_tls($self->{tls}, 1) : $stream;
}

sub close ($self) { CORE::close($self->{socket}); return }

1;
