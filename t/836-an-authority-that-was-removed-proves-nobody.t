#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# INV-38: a caller whose authority the policy has ceased to trust is nobody on the connection that it has from before:
# peer rows that go by a proof name the anchors. Another change of policy does not touch it.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my $edge  = Trelay::Edge->start;
my $old   = $edge->pki->authority('old');
my $new   = $edge->pki->authority('new');
my $us    = $old->leaf('us', dns => ['atlanta.example']);
my $there = own_address(3);
my $phone = $edge->phone->host . ':' . $edge->phone->port;
$edge->apply($edge->trust_sql('fed', $old)
        . $edge->certificate_sql('us', $us)
        . "INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');"
        . "INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('biloxi', 'fed', 'biloxi.example', 'accept');"
        . "INSERT INTO trelay.route (name, domain, next_hop) VALUES ('phone', 'atlanta.example', 'sip:$phone;transport=udp')");

my $caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there,
    tls => { certificate => $old->leaf('biloxi', uri => ['sip:biloxi.example']) });

my $count = 0;
sub send_message () {
    my $call_id = ++$count . '@biloxi.example';
    $caller->send(request('MESSAGE', 'sip:alice@atlanta.example', via => $caller->via, call_id => $call_id));
    return $call_id;
}

# The next message of that call that the phone receives; a late answer has been asked for again.
sub heard ($call_id, $seconds) {
    while (my $message = $edge->phone->receive($seconds)) {
        return $message if $message->call_id eq $call_id;
    }
    return undef;
}

sub final () {
    while (my $reply = $caller->receive) {
        return $reply->status if $reply->status >= 200;
    }
    return undef;
}

sub is_served ($what) {
    my $call_id = send_message();
    my $request = heard($call_id, 10);
    is($request && $request->method, 'MESSAGE', "$what: the phone hears it") or return;
    $edge->phone->reply($request, response($request, 200, 'OK'));
    is(final(), 200, "$what: and its answer comes back");
    return;
}

is_served('while its authority is trusted');
$edge->apply("INSERT INTO trelay.trust_set (name) VALUES ('other')");
is_served('after another change');

$edge->apply("UPDATE trelay.trust_anchor SET path = '" . $new->certificate . "' WHERE trust_set = 'fed'");
my $call_id = send_message();
is(final() // 503, 503, 'after its authority was replaced it is refused, or its connection has ended by then');
is(heard($call_id, 1), undef, 'and the phone hears nothing');
is(final(), undef, 'the connection is ended');

# Likewise where the peer row goes by the address and the listener by the certificate, on a connection that has not
# ended, because something is under way on it.
$edge->apply("UPDATE trelay.trust_anchor SET path = '" . $old->certificate . "' WHERE trust_set = 'fed';"
        . "INSERT INTO trelay.peer (name, address, action) VALUES ('by-address', '$there', 'accept')");
$caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there,
    tls => { certificate => $old->leaf('biloxi', uri => ['sip:biloxi.example']) });
my $held_id = send_message();
my $held    = heard($held_id, 10);
ok($held, 'while its authority is trusted: the phone hears it and waits');

# An ACK and a request in one piece: both are judged in one turn, by one policy. The Call-IDs.
sub send_pair () {
    my ($ack_id, $id) = map { ++$count . '@biloxi.example' } 1 .. 2;
    $caller->send(join '', map { request($_->[0], 'sip:alice@atlanta.example', via => $caller->via, call_id => $_->[1]) }
            [ ACK => $ack_id ], [ MESSAGE => $id ]);
    return ($ack_id, $id);
}
my ($ack_id, $with_ack) = send_pair();
my $ack = heard($ack_id, 10);
is($ack && $ack->method, 'ACK', 'and it hears an ACK');
my $behind = heard($with_ack, 10);
$edge->phone->reply($behind, response($behind, 200, 'OK'));
is(final(), 200, 'and what comes behind it');
$edge->apply("UPDATE trelay.trust_anchor SET path = '" . $new->certificate . "' WHERE trust_set = 'fed'");
my $status;
for (1 .. 50) { # a moment until the worker has looked
    ($ack_id, my $id) = send_pair();
    my @heard;
    while (my $message = $edge->phone->receive(0.2)) {
        push @heard, $message;
        $edge->phone->reply($message, response($message, 200, 'OK')) if $message->call_id eq $id;
    }
    $ack = grep { $_->call_id eq $ack_id } @heard;
    $status = final();
    last if ($status // 0) != 200;
}
is($status, 503, 'after its authority was replaced the next one is refused, though the row goes by the address');
ok(!$ack, 'and the ACK ahead of it is not forwarded');
is(final(), undef, 'and the connection ended, whatever is under way');
$caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there,
    tls => { certificate => $new->leaf('biloxi', uri => ['sip:biloxi.example']) });
is_served('on a new connection with what is asked today');

$edge->stop;
done_testing;
