#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Keep-alives of RFC 5626 on streams: those of peers are answered, those of a policy row are sent, and who leaves one
# unanswered is gone.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my $pki = Trelay::PKI->new;
my $ca  = $pki->authority('federation');
my %leaf = map { $_ => $ca->leaf($_, uri => ["sip:$_.example"]) } qw(atlanta biloxi caller);
my $edge = Trelay::Edge->start(pki => $pki, configuration => <<'END');
listener "inside-tcp" {
    transport = "tcp"
    address = "@RELAY@"
}
END
my $hand    = Trelay::SIP::Listener->new(host => own_address(2), tls => { certificate => $leaf{biloxi} });
my $still   = Trelay::SIP::Listener->new(host => own_address(2), tls => { certificate => $leaf{biloxi} });
my %address = (pinged => $hand, quiet => $still);
$_ = own_address(2) . ':' . $_->port for values %address;
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('atlanta', $leaf{atlanta})
        . "INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'atlanta');"
        . "INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('caller', 'fed', 'caller.example', 'accept');"
        . 'INSERT INTO trelay.outbound_policy (name, domain, expected_domain, level, trust_set, next_hop, keepalive) VALUES'
        . " ('pinged', 'pinged.example', 'biloxi.example', 'domain', 'fed', '{$address{pinged}}', '1 second'),"
        . " ('quiet', 'quiet.example', 'biloxi.example', 'domain', 'fed', '{$address{quiet}}', NULL)");
my %phone = (pinged => $edge->phone, quiet => Trelay::SIP::UDP->new(host => own_address(1)));

sub refused ($stream, $call_id, $more = '') {
    my $text = request('OPTIONS', 'sip:bob@nowhere.example', via => $stream->via, call_id => $call_id, max_forwards => 0,
        body => $more);
    return $text;
}
# The answers that come up to the last one of these, in order: "pong" or a Call-ID.
sub heard ($stream, $last) {
    my @heard;
    while (my $message = $stream->receive) {
        my $pings = $stream->pings;
        push @heard, ('pong') x ($pings - ($stream->{heard} // 0)), $message->call_id;
        $stream->{heard} = $pings;
        return "@heard" if $message->call_id eq $last;
    }
    return "@heard, and no more";
}

for my $kind ('TLS', 'TCP') {
    subtest "J01 J02: $kind, pings of a peer" => sub {
        my $stream = Trelay::SIP::Stream->connect(host => $edge->host,
            $kind eq 'TLS' ? (port => 5061, from => own_address(3), tls => { certificate => $leaf{caller} })
            : (port => 5060, from => own_address(1)));
        $stream->send("\r\n\r\n" . refused($stream, 'one'));
        is(heard($stream, 'one'), 'pong one', 'J01: CRLFCRLF is answered with one CRLF, and the request behind it');
        $stream->send("\r\n\r\n" x 3 . refused($stream, 'two'));
        is(heard($stream, 'two'), 'pong pong pong two', 'J01: each');
        $stream->send("\r\n" . refused($stream, 'three'));
        is(heard($stream, 'three'), 'three', 'J02 A05: a CRLF alone is noise');
        $stream->send($_) for "\r", "\n", "\r", "\n", refused($stream, 'four');
        is(heard($stream, 'four'), 'pong four', 'J02: one ping, in four pieces');
        $stream->send(refused($stream, 'five', "\r\n\r\n\r\n\r\n") . refused($stream, 'six'));
        is(heard($stream, 'six'), 'five six', 'J02: in a body they are none');
        for my $n (1 .. 7) {
            $stream->send("\r\n" x $n . refused($stream, "behind-$n"));
            is(heard($stream, "behind-$n"), join(' ', ('pong') x int($n / 2), "behind-$n"), "A05: $n times CRLF, and a request");
        }
        $stream->send($_) for split //, refused($stream, 'drops', "\r\n\r\n");
        $stream->send(refused($stream, 'behind'));
        is(heard($stream, 'behind'), 'drops behind', 'A01: a request in reads of one byte is one request');
        $stream->close;
    };
}

subtest 'J03 J04: pings of a row' => sub {
    my $sent   = $edge->send('OPTIONS', 'sip:bob@pinged.example');
    my $stream = $hand->accept;
    my $seen   = $stream->receive;
    $stream->send(response($seen, 200));
    is($edge->final($sent)->status, 200, 'a request is answered');
    # Answered three times, each on its own.
    for my $n (1 .. 3) {
        while (length $stream->rest < 4) { $stream->fill(time + 20) // last }
        is($stream->rest, "\r\n\r\n", "J04: ping $n, and nothing but it");
        $stream->{buffer} = '';
        $stream->send("\r\n");
    }
    my $waiting = $edge->send('INVITE', 'sip:bob@pinged.example');
    my $invite  = $stream->receive;
    is($invite && $invite->method, 'INVITE', 'J03: they were answered: the connection is used on');
    ok($stream->wait_for_close(40), 'J03: from now on they are not: the relay hangs up');
    ok($edge->daemon->wait_for_log(qr/connection-closed .*detail="a keep-alive was not answered"/), 'J03: and says why');
    is($edge->final($waiting)->status, 500, 'J03: a request that waited there has failed');
};

subtest 'J04: no interval, no ping' => sub {
    my %sent    = map { $_ => $edge->send('OPTIONS', "sip:bob\@$_.example", from_socket => $phone{$_}) } qw(quiet pinged);
    my $quiet   = $still->accept;
    my $pinged  = $hand->accept;
    my $request = $quiet->receive;
    is($pinged->receive->call_id, $sent{pinged}->call_id, 'J04: a request on each');
    $pinged->fill(time + 20);
    is($pinged->rest, "\r\n\r\n", 'J04: the one has been pinged');
    $quiet->send(response($request, 200));
    is($edge->final($sent{quiet}, $phone{quiet})->status, 200, 'J04: an answer on the other');
    is($quiet->rest, '', 'J04: which has heard nothing');

    $edge->apply("UPDATE trelay.outbound_policy SET keepalive = '1 second' WHERE name = 'quiet'");
    $sent{quiet} = $edge->send('OPTIONS', 'sip:bob@quiet.example', from_socket => $phone{quiet});
    $quiet->send(response($quiet->receive, 200));
    is($edge->final($sent{quiet}, $phone{quiet})->status, 200, 'J04: the row gets an interval, the connection stays');
    while (length $quiet->rest < 4) { $quiet->fill(time + 20) || last }
    is($quiet->rest, "\r\n\r\n", 'J04: and from its next request on it is pinged');
};

$edge->stop;
done_testing;
