#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The endpoints of the test library frame messages and show what the TLS peer presented.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Loopback qw(own_address);
use Trelay::PKI;
use Trelay::SIP qw(request response parse);
use Trelay::SIP::Server;

# Messages.
my $text = request('INVITE', 'sip:bob@biloxi.example', via => 'SIP/2.0/UDP a;branch=z9hG4bK1', call_id => 'c1', body => "v=0\r\n",
    headers => [ [ 'Record-Route', '<sip:r1;lr>' ], [ 'Record-Route', '<sip:r2;lr>' ] ]);
my $invite = parse($text);
is($invite->method, 'INVITE',                 'method');
is($invite->uri,    'sip:bob@biloxi.example', 'Request-URI');
is($invite->branch, 'z9hG4bK1',               'branch');
is($invite->cseq,   '1 INVITE',               'CSeq');
is($invite->header('content-length'), 5, 'Content-Length counts the body');
is_deeply([ $invite->header('Record-Route') ], [ '<sip:r1;lr>', '<sip:r2;lr>' ], 'several headers of one name');
is($invite->status, undef, 'a request has no status');
my $ok = parse(response($invite, 200, 'OK', to_tag => 'x', contact => '<sip:bob@b>'));
is($ok->status, 200,     'status');
is($ok->to_tag, 'x',     'To tag');
is($ok->branch, 'z9hG4bK1', 'Via is copied');
is_deeply([ $ok->header('Record-Route') ], [ '<sip:r1;lr>', '<sip:r2;lr>' ], 'Record-Route is copied');
is(parse(response($invite, 100, 'Trying'))->to_tag, undef, '100 has no To tag');
is(parse("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=z9hG4bKq\r\nt: <sip:a>;\r\n tag=folded\r\n\r\n")->branch, 'z9hG4bKq',
    'compact form');

# UDP.
my $server = Trelay::SIP::Server->start(transport => 'udp', host => own_address(1));
my $udp = Trelay::SIP::UDP->new(host => own_address);
$udp->send(request('OPTIONS', 'sip:bob@biloxi.example', via => $udp->via), $server->host, $server->port);
my $reply = $udp->receive;
is($reply->status, 200, 'UDP: answered');
is_deeply($reply->source, [ $server->host, $server->port ], 'UDP: where from');
is(($server->wait_for_messages(1))[0]->method, 'OPTIONS', 'UDP: in the diary');
is($udp->receive(0), undef, 'UDP: nothing more');
is($server->stop, 0, 'the server ends');

# TCP: one write with two and a half messages.
$server = Trelay::SIP::Server->start(transport => 'tcp', host => own_address(1));
my $tcp = Trelay::SIP::Stream->connect(host => $server->host, port => $server->port);
my @requests = map { request('OPTIONS', 'sip:bob@biloxi.example', via => $tcp->via, call_id => "c$_", body => 'x' x $_) } 1 .. 3;
my $stream = "\r\n\r\n" . join '', @requests;
$tcp->send(substr $stream, 0, -20);
is($tcp->receive->call_id, 'c1', 'TCP: first');
is($tcp->receive->call_id, 'c2', 'TCP: second');
is($tcp->receive(0.1), undef, 'TCP: the third is not whole yet');
$tcp->send(substr $stream, -20);
is($tcp->receive->header('X-Conn'), 1, 'TCP: now it is');
is_deeply([ map { $_->body } $server->wait_for_messages(3) ], [ 'x', 'xx', 'xxx' ], 'TCP: bodies arrived whole');
$tcp->close;
is($server->wait_for_end(1)->{by}, 'them', 'TCP: the close is in the diary');
$server->stop;

# TLS, mutual, with a server name.
my $pki    = Trelay::PKI->new;
my $ca     = $pki->authority('Federation A');
my %leaf   = map { $_ => $ca->leaf("$_.example", dns => ["$_.example"]) } qw(a b client);
$server = Trelay::SIP::Server->start(transport => 'tls', host => own_address(1),
    tls => { certificate => { '' => $leaf{a}, 'b.example' => $leaf{b} }, ask => 1 });
my @address = (host => $server->host, port => $server->port);
my $tls = Trelay::SIP::Stream->connect(@address, tls => { certificate => $leaf{client}, sni => 'b.example' });
is($tls->peer_sha256, $leaf{b}->sha256, 'TLS: the certificate of the server name');
$tls->send(request('OPTIONS', 'sip:bob@biloxi.example', via => $tls->via));
is($tls->receive->header('X-Conn'), 1, 'TLS: answered');
my ($seen) = $server->wait_for_connections(1);
is($seen->{sha256}, $leaf{client}->sha256, 'TLS: the server saw the client certificate');
is($seen->{sni}, 'b.example', 'TLS: and the server name');
is($seen->{version}, 'TLSv1_3', 'TLS: and the version');
ok(!$seen->{is_resumed}, 'TLS: a full handshake');
my $bare = Trelay::SIP::Stream->connect(@address, tls => { version => 'TLSv1_2' });
is($bare->peer_sha256, $leaf{a}->sha256, 'TLS: the default certificate without a server name');
is($bare->tls_version, 'TLSv1_2', 'TLS: the version asked for');
$bare->send(request('OPTIONS', 'sip:bob@biloxi.example', via => $bare->via));
is($bare->receive->header('X-Conn'), 2, 'TLS: a second connection');
($seen) = grep { $_->{n} == 2 } $server->wait_for_connections(2);
is($seen->{sha256}, undef, 'TLS: without client certificate');
is($seen->{sni}, undef, 'TLS: without server name');
$server->stop;

# Trust.
my $other = $pki->authority('Federation B');
$server = Trelay::SIP::Server->start(transport => 'tls', host => own_address(1),
    tls => { certificate => $leaf{a}, ask => 1, trust => $other->certificate, version => 'TLSv1_2' });
@address = (host => $server->host, port => $server->port);
ok(!eval { Trelay::SIP::Stream->connect(@address, tls => { certificate => $leaf{client} }); 1 },
    'TLS: a client of another authority is refused');
like($server->wait_for_end(1)->{why}, qr/certificate verify failed/, 'TLS: as the diary says');
ok(!eval { Trelay::SIP::Stream->connect(@address, tls => {}); 1 }, 'TLS: so is one without certificate');
ok(!eval { Trelay::SIP::Stream->connect(@address, tls => { certificate => $leaf{client}, trust => $other->certificate }); 1 },
    'TLS: a server of another authority is refused, too');
$server->stop;

# Misbehaviour.
sub misbehaves (%options) {
    my $peer = Trelay::SIP::Server->start(transport => 'tls', host => own_address(1), tls => { certificate => $leaf{a} },
        %options);
    return ($peer, host => $peer->host, port => $peer->port);
}
my ($peer, @where) = misbehaves(close => 'accept');
ok(!eval { Trelay::SIP::Stream->connect(@where, tls => {}); 1 }, 'closes before the handshake');
($peer, @where) = misbehaves(before_tls => "SIP/2.0 400 no\r\n\r\n");
ok(!eval { Trelay::SIP::Stream->connect(@where, tls => {}); 1 }, 'plain text before the handshake');
($peer, @where) = misbehaves(close => 'handshake', greeting => "\r\n");
$tls = Trelay::SIP::Stream->connect(@where, tls => {});
ok($tls->wait_for_close, 'closes after the handshake');
is($tls->rest, "\r\n", 'after a greeting');
($peer, @where) = misbehaves(close => 'request', reset => 1);
$tls = Trelay::SIP::Stream->connect(@where, tls => {});
$tls->send(request('OPTIONS', 'sip:bob@biloxi.example', via => $tls->via));
ok($tls->wait_for_close, 'resets after the request');
is(scalar $peer->wait_for_messages(1), 1, 'which it has seen');
($peer, @where) = misbehaves(answer => sub ($message, $n) { return ("SIP/2.0 200 O", "K\r\nl: 0\r\n\r\n", "junk") });
$tls = Trelay::SIP::Stream->connect(@where, tls => {});
$tls->send(request('OPTIONS', 'sip:bob@biloxi.example', via => $tls->via));
is($tls->receive->first_line, 'SIP/2.0 200 OK', 'answers as told');
is($tls->receive(0.1), undef, 'junk is no message');
is($tls->rest, 'junk', 'but kept');

# By hand.
my $listener = Trelay::SIP::Listener->new(host => own_address(2), tls => { certificate => $leaf{a} });
is($listener->accept(0), undef, 'nobody there');
my $client = Trelay::Process->start(
    name => 'client',
    code => sub {
        my $mine = Trelay::SIP::Stream->connect(host => $listener->host, port => $listener->port, tls => { sni => 'x.example' });
        $mine->send(request('OPTIONS', 'sip:bob@biloxi.example', via => $mine->via));
        say $mine->receive->reason;
    },
);
my $accepted = $listener->accept;
is($accepted->sni, 'x.example', 'accepted by hand: server name');
$accepted->send(response($accepted->receive, 486, 'Busy by hand'));
is($client->wait_for_line(qr/(Busy.*)/), 'Busy by hand', 'and answered');

done_testing();
