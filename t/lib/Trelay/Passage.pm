# SPDX-License-Identifier: GPL-2.0-or-later
# Passage.pm - a relay with a caller who may send any bytes, and a next hop that keeps all it gets, on each transport.
# In:  bytes. Out: what came back to the caller, what arrived at the next hop.
# Whatever is asked for goes to the next hop "d.example", by the default row of the policy.
#
#   my $passage = Trelay::Passage->new(configuration => "limits { ... }", answer => sub ($message, $n) { ... });
#   $passage->use_next_hop('tls');
#   my $way = $passage->open_way('tcp');
#   $passage->put($way, $bytes);
#   my @came = $passage->drain($way);               # all that came of it
#   my @seen = $passage->seen_with($call_id);       # at the next hop
#   $passage->stop;
package Trelay::Passage;

use v5.36;

use Test::More ();
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

my $LISTENER = <<'END';
listener "inside-tcp" {
    transport = "tcp"
    address = "@RELAY@"
}
END

sub answer ($message, $n) {
    return if !defined $message->method || $message->method eq 'ACK';
    return response($message, 200, 'OK', to_tag => 'd');
}

# Options: configuration (text that is added), answer (of the next hop, as of Trelay::SIP::Server), workers.
sub new ($class, %options) {
    my $edge = Trelay::Edge->start(
        workers       => $options{workers} // 1,
        configuration => qq{lookup = "dst+default"\n} . ($options{configuration} // '') . $LISTENER,
    );
    my $ca   = $edge->pki->authority('federation');
    my $self = bless { edge => $edge, ca => $ca, udp => {}, next_hop => own_address(2) }, $class;
    for my $transport (qw(udp tcp tls)) {
        my %tls = $transport eq 'tls' ? (tls => { certificate => $ca->leaf('d', uri => ['sip:d.example']) }) : ();
        $self->{server}{$transport} = Trelay::SIP::Server->start(transport => $transport, host => own_address(2),
            port => $transport eq 'tls' ? 5061 : 5060, answer => $options{answer} // \&answer, %tls);
    }
    my $leaf = $ca->leaf('us', uri => ['sip:atlanta.example']);
    $edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $leaf) . <<"END");
INSERT INTO trelay.server_profile (name, client_auth) VALUES ('edge', 'none');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');
INSERT INTO trelay.outbound_policy (name, is_default, level, expected_domain, trust_set, next_hop)
    VALUES ('d', true, 'none', 'd.example', 'fed', '{$self->{next_hop}:5060}');
END
    return $self;
}

sub edge ($self)               { return $self->{edge} }
sub authority ($self)          { return $self->{ca} }
sub caller_host ($self)        { return own_address(1) }
sub server ($self, $transport) { return $self->{server}{$transport} }

# The transport of the next hop. With tcp, requests within a dialog and those with a Route still go over UDP, and the
# others get the Route that route_of() gives.
sub use_next_hop ($self, $transport) {
    my $default = $transport eq 'tls' ? "level = 'domain', next_hop = '{$self->{next_hop}:5061}'"
        : "level = 'none', next_hop = '{$self->{next_hop}:5060}'";
    my $sql = "DELETE FROM trelay.route; UPDATE trelay.outbound_policy SET $default, priority = priority + 1 WHERE is_default;";
    $sql .= q{INSERT INTO trelay.route (name, next_hop) VALUES ('tcp', 'sip:d.example;transport=tcp')} if $transport eq 'tcp';
    $self->{transport} = $transport;
    $self->edge->apply($sql);
    return $self;
}

# The Route values that the relay puts into these bytes on their way; undef: none.
sub route_of ($self, $bytes) {
    return if $self->{transport} ne 'tcp' || $bytes =~ /^(?:To:[^\r]*;tag=|Route:)/m;
    return ['<sip:d.example;transport=tcp;lr>'];
}

# The caller's datagram socket with that port.
sub udp_socket ($self, $port = 5060) {
    return $self->{udp}{$port} //= Trelay::SIP::UDP->new(host => own_address(1), port => $port);
}

# A way to the relay: a socket that is always the same, or a new connection.
sub open_way ($self, $transport, %options) {
    return $self->udp_socket if $transport eq 'udp';
    return Trelay::SIP::Stream->connect(host => $self->edge->host, port => $transport eq 'tls' ? 5061 : 5060,
        from => own_address(1), $transport eq 'tls' ? (tls => $options{tls} // {}) : ());
}

sub is_stream ($way) { return !$way->isa('Trelay::SIP::UDP') }

sub put ($self, $way, $bytes) {
    return is_stream($way) ? $way->send($bytes) : $way->send($bytes, $self->edge->host, 5060);
}

# The socket where a response to the message must arrive: the port of sent-by, unless it has rport.
sub answer_way ($self, $way, $message) {
    my $via = $message->header('Via') // '';
    return $way if is_stream($way) || $via =~ /;rport/;
    return $self->udp_socket($via =~ m{^SIP/2\.0/UDP (?:\[[^\]]*\]|[^\s:;]+):(\d+)} ? $1 : 5060);
}

# What came ahead of the answer to a request that is sent now, and so all that came of what was sent before.
sub answered_before ($self, $way, %more) {
    my $probe = request('OPTIONS', 'sip:probe@callee.example', via => $way->via, %more);
    my $id    = Trelay::SIP::parse($probe)->call_id;
    my @before;
    $self->put($way, $probe);
    while (my $message = $way->receive) {
        if (($message->call_id // '') ne $id) { push @before, $message }
        elsif ($message->status == 200)       { return @before }
    }
    die "no answer to the probe\n" . $self->edge->daemon->log;
}

# On both ways to the next hop.
sub drain ($self, $way) {
    return ($self->answered_before($way), $self->answered_before($way, to => '<sip:probe@callee.example>;tag=p'));
}

# Everything that comes at last: the connection is closed by the relay, or serves on, as it must; and others are served.
sub last_words ($self, $transport, $way, $is_to_close) {
    my @words;
    if ($is_to_close) {
        Test::More::ok($way->wait_for_close, 'the connection is closed');
        while (my $message = $way->receive(0)) { push @words, $message }
    }
    else {
        @words = $self->drain($way);
    }
    return @words if $transport eq 'udp';
    $way->close;
    my $fresh = $self->open_way($transport);
    push @words, $self->drain($fresh);
    $fresh->close;
    return @words;
}

# The final response to a request with that Call-ID; undef: without one.
sub final ($self, $way, $id) {
    while (my $message = $way->receive) {
        return $message if ($message->call_id // '') eq ($id // '') && ($message->status // 0) >= 200;
    }
    return;
}

# All that the next hop got.
sub seen ($self) { return map { $self->{server}{$_}->messages } sort keys %{ $self->{server} } }

sub seen_with ($self, $id) { return grep { ($_->call_id // '') eq $id } $self->seen }

sub stop ($self) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->edge->stop;
    Test::More::is($self->{server}{$_}->stop, 0, "the next hop over $_ ends well") for qw(udp tcp tls);
    return;
}

1;
