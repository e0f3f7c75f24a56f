#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A connection ends while a transaction still has something to say on it. Responses go nowhere but to the same peer, when
# it asks again on a new connection; CANCEL and ACK go on a new connection that proves the same, or nowhere. What went
# nowhere has its line in the log.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my $pki = Trelay::PKI->new;
my $ca  = $pki->authority('federation');
my %leaf = map { $_ => $ca->leaf($_, uri => ["sip:$_.example"]) } qw(atlanta biloxi caller other);
my $edge = Trelay::Edge->start(pki => $pki, workers => 2,
    configuration => "timers {\n    test = true\n    t1 = 200\n    t2 = 800\n    t4 = 1000\n}\n");
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('atlanta', $leaf{atlanta})
        . "INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'atlanta');"
        . 'INSERT INTO trelay.peer (name, trust_set, san, action) VALUES '
        . join(', ', map { "('$_', 'fed', '$_.example', 'accept')" } qw(caller other)));

my $count = 0;
# A domain of its own at that address, which has to be proven biloxi.example: the URI.
sub partner ($hand, $reuse = 'true') {
    my $domain = 'p' . ++$count . '.example';
    my $address = $hand->host . ':' . $hand->port;
    $edge->apply('INSERT INTO trelay.outbound_policy (name, domain, expected_domain, level, trust_set, next_hop, reuse)'
            . " VALUES ('$domain', '$domain', 'biloxi.example', 'domain', 'fed', '{$address}', $reuse)");
    return "sip:bob\@$domain";
}
sub listener ($host, $leaf = $leaf{biloxi}, $port = undef) {
    return Trelay::SIP::Listener->new(host => $host, port => $port, tls => { certificate => $leaf });
}
sub caller_of ($leaf = $leaf{caller}) {
    return Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => own_address(3),
        tls => { certificate => $leaf });
}
# The next response of at least that status.
sub answer_on ($stream, $status) {
    while (my $message = $stream->receive(30)) {
        return $message if $message->status && $message->status >= $status;
    }
    die "no answer\n" . $edge->daemon->log;
}
sub undeliverable ($what, $message) {
    my $id = quotemeta $message->call_id;
    return $edge->daemon->wait_for_log(qr/message-undeliverable .*what=\Q$what\E .*call-id="?$id/);
}
sub connection_ended ($how_many = 1) {
    state $seen = 0;
    $seen += $how_many;
    my $process = $edge->daemon->process;
    return $process->wait_until('the end of a connection', sub {
        my @ends = $process->output =~ /(connection-closed)/g;
        return @ends >= $seen;
    });
}

subtest 'the caller is gone' => sub {
    my $hand   = listener(own_address(2));
    my $uri    = partner($hand);
    my $caller = caller_of();
    # Where Via says that responses to a lost connection may go.
    my $door = Trelay::SIP::Listener->new(host => own_address(3));
    my $via  = $caller->via =~ s/:\d+;/':' . $door->port . ';'/er;
    my $text = request('INVITE', $uri, via => $via, contact => '<sip:alice@caller.example>');
    $caller->send($text);
    my $far  = $hand->accept;
    my $seen = $far->receive;
    is($seen->method, 'INVITE', 'the INVITE arrives');
    $far->send(response($seen, 180, 'Ringing', to_tag => 'x'));
    is(answer_on($caller, 180)->status, 180, 'it rings');
    $caller->close;
    connection_ended();
    $far->send(response($seen, 183, 'Progress', to_tag => 'x'));
    ok(undeliverable('response', $seen), 'A12: what comes now goes nowhere, and the log says so');
    ok(!$door->accept_plain(0), 'A12: nor to where Via points');

    my $stranger = caller_of($leaf{other});
    $stranger->send($text);
    my $again = $far->receive;
    is($again->method, 'INVITE', 'D16: the same words from somebody else are another request');
    isnt($again->branch, $seen->branch, 'D16: with a branch of its own');
    $far->send(response($again, 486, 'Busy', to_tag => 'z'));
    is($far->receive->method, 'ACK', 'D16: acknowledged');
    is(answer_on($stranger, 180)->status, 486, 'D16: and an answer of its own');

    my $back = caller_of();
    $back->send($text);
    my $ringing = answer_on($back, 101);
    is($ringing->status, 183, 'D14: on a new connection the INVITE again gets what came last');
    $far->send(response($seen, 200, 'OK', to_tag => 'x', contact => '<sip:bob@biloxi.example>'));
    my $ok = answer_on($back, 200);
    is($ok->status, 200, 'D14: and the answer comes there');
    is($ok->call_id, $seen->call_id, 'D14: to that call');
    $far->send(response($seen, 200, 'OK', to_tag => 'x', contact => '<sip:bob@biloxi.example>'));
    is(answer_on($back, 200)->status, 200, 'D14: as often as it comes');
    $back->send(request('BYE', $uri, via => $back->via, call_id => $ok->call_id));
    is($far->receive->method, 'BYE', 'A13: the next hop has seen neither CANCEL nor a second INVITE');
    ok(!$door->accept_plain(0), 'A12: nobody has been called at what Via said');
    $_->close for $stranger, $back, $far;
    connection_ended(3);
};

# A failure of our own finds its connection gone. It waits for who asks again, and its ACK is nobody else's, by whichever
# connection it comes (RFC 3261 17.2.3): what is no ACK of a transaction would be forwarded.
subtest 'the caller of a failure of ours is gone' => sub {
    my $hand   = listener(own_address(2));
    my $uri    = partner($hand);
    my $caller = caller_of();
    my $text   = request('INVITE', $uri, via => $caller->via, contact => '<sip:alice@caller.example>');
    my $sent   = Trelay::SIP::parse($text);
    $caller->send($text);
    my $far = $hand->accept_plain;
    $caller->close;
    connection_ended();
    $far->close; # in the middle of the handshake
    ok(undeliverable('response', $sent), 'A12: the failure goes nowhere');
    my $back = caller_of();
    $back->send($text);
    my $failure = answer_on($back, 200);
    is($failure->status, 500, 'D14: who asks again gets it');
    $back->close;
    connection_ended();
    my $other = listener(own_address(2));
    my ($domain) = $uri =~ /\@(.*)/;
    $edge->apply("UPDATE trelay.outbound_policy SET next_hop = '{" . $other->host . ':' . $other->port
            . "}' WHERE name = '$domain'");
    my $third = caller_of();
    $third->send(request('ACK', $uri, via => $sent->header('Via'), from => $sent->header('From'),
        to => $failure->header('To'), call_id => $sent->call_id));
    $third->send(request('OPTIONS', $uri, via => $third->via));
    my $next = $other->accept;
    is($next->receive->method, 'OPTIONS', 'D12: its ACK is absorbed, though it comes on a third connection');
    $_->close for $third, $next;
    connection_ended(2);
};

# Destinations of both workers.
subtest 'the next hop is gone' => sub {
    for my $host (map { "127.0.0.$_" } 1 .. 4) {
        my $hand   = listener($host);
        my $uri    = partner($hand);
        my $caller = caller_of();
        my $via    = $caller->via;
        $caller->send(request('INVITE', $uri, via => $via, call_id => "$host\@test", from => '<sip:a@caller.example>;tag=1',
            contact => '<sip:alice@caller.example>'));
        my $far  = $hand->accept;
        my $seen = $far->receive;
        $far->send(response($seen, 180, 'Ringing', to_tag => 'x'));
        is(answer_on($caller, 180)->status, 180, "$host: it rings");
        $far->close;
        connection_ended();
        $caller->send(request('CANCEL', $uri, via => $via, call_id => "$host\@test", from => '<sip:a@caller.example>;tag=1'));
        my $new    = $hand->accept;
        my $cancel = $new->receive;
        is($cancel->method, 'CANCEL', "C18: $host: CANCEL comes on a new connection");
        is($cancel->branch, $seen->branch, "C18: $host: of that INVITE");
        $new->send(response($cancel, 200, 'OK', to_tag => 'x'));
        $new->send(response($seen, 487, 'Gone', to_tag => 'x'));
        my $ack = $new->receive;
        is($ack->method, 'ACK', "C18: $host: so does the ACK");
        is($ack->branch, $seen->branch, "C18: $host: of that INVITE");
        my $final = answer_on($caller, 200);
        $final = answer_on($caller, 200) if $final->cseq =~ /CANCEL/;
        is($final->status, 487, "C18: $host: and the answer goes back");
        $caller->send(request('ACK', $uri, via => $via, call_id => "$host\@test", from => '<sip:a@caller.example>;tag=1',
            to => $final->header('To')));
        $_->close for $caller, $new;
        connection_ended(2);
    }
};

# A connection of one request alone ends when that is over; one that a CANCEL has opened is there for its INVITE.
subtest 'what a CANCEL has opened waits for the answer' => sub {
    my $hand   = listener(own_address(2));
    my $uri    = partner($hand, 'false');
    my $caller = caller_of();
    my $via    = $caller->via;
    my %call   = (via => $via, call_id => 'patience@test', from => '<sip:a@caller.example>;tag=1');
    $caller->send(request('INVITE', $uri, %call, contact => '<sip:alice@caller.example>'));
    my $far  = $hand->accept;
    my $seen = $far->receive;
    $far->send(response($seen, 180, 'Ringing', to_tag => 'x'));
    is(answer_on($caller, 180)->status, 180, 'it rings');
    $far->close;
    connection_ended();
    $caller->send(request('CANCEL', $uri, %call));
    my $new    = $hand->accept;
    my $cancel = $new->receive;
    is($cancel->method, 'CANCEL', 'C18: CANCEL comes on a new connection');
    # The pool has looked at all of its connections when it has ended one that carries nobody.
    $caller->send(request('OPTIONS', $uri, via => $caller->via));
    my $idle = $hand->accept;
    $idle->send(response($idle->receive, 200));
    ok($idle->wait_for_close(30), 'a connection on which all is answered ends');
    $new->send(response($cancel, 200, 'OK', to_tag => 'x'));
    $new->send(response($seen, 487, 'Gone', to_tag => 'x'));
    my $ack = $new->receive;
    is($ack && $ack->method, 'ACK', 'C18: that of the CANCEL does not, before the INVITE is answered');
    my $final = answer_on($caller, 200);
    $final = answer_on($caller, 200) while $final->cseq !~ /INVITE/;
    is($final->status, 487, 'C18: and the answer goes back');
    ok($new->wait_for_close(30), 'C18: then it ends as well');
    $caller->close;
    connection_ended(3);
};

subtest 'somebody else is in its place' => sub {
    my $hand   = listener(own_address(2));
    my $uri    = partner($hand);
    my $caller = caller_of();
    my $via    = $caller->via;
    my %call   = (via => $via, call_id => 'impostor@test', from => '<sip:a@caller.example>;tag=1');
    $caller->send(request('INVITE', $uri, %call, contact => '<sip:alice@caller.example>'));
    my $far  = $hand->accept;
    my $seen = $far->receive;
    $far->send(response($seen, 180, 'Ringing', to_tag => 'x'));
    is(answer_on($caller, 180)->status, 180, 'it rings');
    my $port = $hand->port;
    $hand->close;
    $far->close;
    connection_ended();
    my $impostor = listener(own_address(2), $leaf{other}, $port);
    $caller->send(request('CANCEL', $uri, %call));
    my $stream = $impostor->accept_plain;
    my $words  = eval { $stream->start_tls({ certificate => $leaf{other} }, 1); $stream->receive };
    is($words, undef, 'C18: who proves something else hears no word');
    ok($edge->daemon->wait_for_log(qr/message-undeliverable .*what="CANCEL or ACK"/), 'C18: and the log says so');
    my $final = answer_on($caller, 200);
    $final = answer_on($caller, 200) if $final->cseq =~ /CANCEL/;
    is($final->status, 487, 'C18: the caller is answered when time is over');
    $caller->close;
};

# Nobody is answered an ACK (RFC 3261 17.1.1.3): without a line nobody would know.
subtest 'an ACK that goes nowhere' => sub {
    my $hand   = listener(own_address(2));
    my $uri    = partner($hand);
    my $caller = caller_of();
    for my $case ([ 'a next hop without policy', 'sip:bob@nowhere.example' ],
        [ 'a next hop that no address leads to', 'sip:bob@' . $edge->host . ':9;maddr=127.0.0.9' ]) {
        my ($what, $to) = @$case;
        my $ack = request('ACK', $to, via => $caller->via, to => '<sip:bob@biloxi.example>;tag=x');
        $caller->send($ack);
        ok(undeliverable('ACK', Trelay::SIP::parse($ack)), $what);
    }
    my $stranger = caller_of($leaf{biloxi});
    my $ack = request('ACK', $uri, via => $stranger->via, to => '<sip:bob@biloxi.example>;tag=x');
    $stranger->send($ack);
    ok(undeliverable('ACK', Trelay::SIP::parse($ack)), 'a sender that no row accepts');
    $stranger->close;
    # Had it gone anywhere, its connection would be ahead of this one.
    my $own = request('ACK', $uri, via => $caller->via, to => '<sip:bob@biloxi.example>;tag=x');
    $caller->send($own);
    my $far = $hand->accept;
    is($far->receive->call_id, Trelay::SIP::parse($own)->call_id, 'and that of a sender with a row is the first to come');
    $far->close;
    $caller->close;
};

$edge->stop;
done_testing;
