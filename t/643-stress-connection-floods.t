#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Connections that never say anything, stop in the middle of a handshake, or send a byte now and then: no more than
# the limits allow, each ended in time, and a partner is served meanwhile (ADV-42, A24).
# TEST_CONNECTIONS: how many silent ones (t/943 asks for 5,000).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::IP;
use Test::More;
use Trelay::Edge;
use Trelay::Load;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my $count = $ENV{TEST_CONNECTIONS} // 600;
my $each  = int $count / 2;
my $edge = Trelay::Edge->start(configuration => <<"END");
limits {
    connections_each = $each
    handshake_timeout = 4000
    message_timeout = 3000
}
END
my ($relay, $phone, $partner, $flooder) = map { own_address($_) } 0 .. 3;
my $ca   = $edge->pki->authority('federation');
my $us   = $ca->leaf('us', uri => ['sip:atlanta.example']);
my $them = $ca->leaf('them', uri => ['sip:biloxi.example']);
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $us) . <<"END");
INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('biloxi', 'fed', 'biloxi.example', 'accept');
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');
INSERT INTO trelay.route (name, domain, next_hop) VALUES ('in', 'atlanta.example', 'sip:$phone:@{[$edge->phone->port]}');
END

# A partner asks the phone: the answer.
sub served ($what) {
    my $stream = Trelay::SIP::Stream->connect(host => $relay, port => 5061, from => $partner, tls => { certificate => $them });
    $stream->send(request('OPTIONS', 'sip:alice@atlanta.example', via => $stream->via));
    my $seen;
    1 while ($seen = $edge->phone->receive) && !$seen->method;
    $edge->phone->reply($seen, response($seen, 200, 'OK')) if $seen;
    my $answer;
    1 while ($answer = $stream->receive) && $answer->status < 200;
    is($answer && $answer->status, 200, "$what: a partner is served");
    $stream->close;
    return;
}

sub flood ($number) {
    return grep { defined } map {
        IO::Socket::IP->new(PeerHost => $relay, PeerPort => 5061, LocalHost => $flooder, Proto => 'tcp')
    } 1 .. $number;
}

# How many of them the relay has ended.
sub ended (@sockets) {
    my $ended = 0;
    for my $socket (@sockets) {
        next if !IO::Select->new($socket)->can_read(0);
        my $length = sysread $socket, my $byte, 1;
        $ended++ if !$length;
    }
    return $ended;
}

sub wait_until_ended ($what, @sockets) {
    my $process = $edge->daemon->process;
    my @left = @sockets;
    my $done = eval {
        $process->wait_until($what, sub {
            @left = grep { !ended($_) } @left;
            return !@left;
        }, 30);
    };
    return ok($done, "$what: all are ended") || diag(scalar(@left) . ' of ' . scalar(@sockets) . ' are left');
}

served('before');
my $before = Trelay::Load::memory_kib($edge->daemon->pid);
my @silent = flood($count);
is(scalar @silent, $count, "$count connections that say nothing");
served('beside silent connections');
my @here = grep { $_->{state} ne 'ready' } $edge->connections('inbound');
cmp_ok(scalar @here, '<=', $each, 'A24: no more of one address than the limit');
my $flooded = Trelay::Load::memory_kib($edge->daemon->pid);
diag(sprintf '%d connections: %.1f KiB each', scalar @here, @here ? ($flooded - $before) / @here : 0);
wait_until_ended('silent', @silent);

# A ClientHello stops after its head, and one comes byte by byte.
my @stalled = flood(50);
syswrite $_, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" for @stalled;
served('beside stalled handshakes');
my $dripping = Trelay::Process->start(name => 'dripping', code => sub {
    my @slow = flood(50);
    local $SIG{PIPE} = 'IGNORE';
    my @hello = split //, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . 'x' x 200;
    print "ready\n";
    for my $byte (@hello) {
        syswrite $_, $byte for @slow;
        select undef, undef, undef, 0.1;
        next if ended(@slow) < @slow;
        print "all ended\n";
        return;
    }
    print "some are open\n";
});
$dripping->wait_for_line(qr/ready/);
served('beside handshakes of one byte at a time');
wait_until_ended('stalled', @stalled);
is($dripping->wait_for_line(qr/^(all ended|some are open)/, 40), 'all ended', 'A24: drops do not keep a handshake alive');

# After the handshake: a message that never ends.
my @partial = map {
    Trelay::SIP::Stream->connect(host => $relay, port => 5061, from => $partner, tls => { certificate => $them })
} 1 .. 10;
$_->send("OPTIONS sip:alice\@atlanta.example SIP/2.0\r\nVia: ") for @partial;
served('beside messages that do not end');
is(scalar(grep { $_->wait_for_close(20) } @partial), 10, 'A24: each of them is ended');
my $left = $edge->daemon->process->wait_until('nothing is left', sub { return !(my @open = $edge->connections('inbound')) });
ok($left, 'nothing is left of it');
served('behind it all');
$edge->stop;
done_testing;
