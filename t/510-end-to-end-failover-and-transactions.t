#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What a transaction goes through between a phone over UDP and partners over TLS: next addresses, CANCEL,
# retransmissions, failures that are answered at once, two workers, IPv6, TCP inside.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::IP;
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address free_port);
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

my $v6_port = free_port('::1');
my $edge = Trelay::Edge->start(workers => 2, configuration => <<"END");
listener "inside-tcp" {
    transport = "tcp"
    address = "\@RELAY\@"
}
listener "edge-6" {
    transport = "tls"
    address = "::1"
    port = $v6_port
    advertise = "atlanta.example"
}
END
my $pki   = $edge->pki;
my $ca    = $pki->authority('federation');
my $right = $ca->leaf('biloxi', uri => ['sip:biloxi.example']);
my $wrong = $ca->leaf('impostor', uri => ['sip:impostor.example']);
my $phone = own_address(1) . ':' . $edge->phone->port;
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $ca->leaf('us', uri => ['sip:atlanta.example']))
        . "INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('biloxi', 'fed', 'biloxi.example', 'accept');"
        . "INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');"
        . "INSERT INTO trelay.route (name, domain, next_hop) VALUES ('in', 'atlanta.example', 'sip:$phone')");

sub address ($server) { return ($server->host =~ /:/ ? '[' . $server->host . ']' : $server->host) . ':' . $server->port }
sub tls_server ($leaf, @more) {
    return Trelay::SIP::Server->start(transport => 'tls', host => own_address(2), tls => { certificate => $leaf }, @more);
}

my $count = 0;
# A domain of its own for these addresses: the URI.
sub partner (@addresses) {
    my $domain = 'p' . ++$count . '.example';
    $edge->apply("INSERT INTO trelay.outbound_policy (name, domain, expected_domain, level, trust_set, next_hop) VALUES"
            . " ('$domain', '$domain', 'biloxi.example', 'domain', 'fed', '{" . join(',', @addresses) . "}')");
    return "sip:bob\@$domain";
}

my $good = tls_server($right);
my $bad  = tls_server($wrong);

subtest 'A17: the next address' => sub {
    my $closed = own_address(2) . ':' . free_port(own_address(2));
    my $gone = tls_server($right, close => 'request');
    for my $case (
        [ 'refuses TCP',                        $closed,        'connect-failed' ],
        [ 'presents a wrong certificate',       address($bad),  'wrong-identity' ],
        [ 'hangs up without an answer',         address($gone), 'connection-lost' ],
    ) {
        my ($what, $first, $reason) = @$case;
        my $reply = $edge->ask('INVITE', partner($first, address($good)));
        is($reply->status, 200, "$what: the second one answers");
        my $record = $edge->record($reply);
        is($record->{outbound_port}, $good->port, "$what: accounting names it");
        is($record->{outbound_verified_domain}, 'biloxi.example', "$what: proven as much");
        my $only = $edge->ask('INVITE', partner($first));
        like($only->status, qr/^50[02]$/, "$what: without another the request fails");
        like($edge->record($only)->{reason}, qr/^(?:$reason|backoff)$/, "$what: accounting");
    }
    is(scalar(my @seen = $bad->messages), 0, 'the wrong one saw no message');
    is($gone->stop, 0, 'the one that hangs up ends well');
};

# An address that takes SYNs and answers none: its queue of connections is full. Returns the listener and what fills it.
sub black_hole () {
    my $hole = IO::Socket::IP->new(LocalHost => own_address(3), Proto => 'tcp', Listen => 1) or die "listen: $@\n";
    my @fill;
    while (@fill < 16) {
        my $socket = IO::Socket::IP->new(PeerHost => own_address(3), PeerPort => $hole->sockport, Proto => 'tcp',
            Blocking => 0) or die "connect: $@\n";
        push @fill, $socket;
        return ($hole, \@fill) if !IO::Select->new($socket)->can_write(1);
    }
    die "the queue is never full\n";
}

subtest 'an address that swallows everything' => sub {
    my ($hole, $fill) = black_hole();
    my $swallows = own_address(3) . ':' . $hole->sockport;
    my $reply = $edge->ask('OPTIONS', partner($swallows, address($good)));
    is($reply->status, 200, 'the second one answers');
    my $record = $edge->record($reply);
    is($record->{outbound_port}, $good->port, 'accounting names it');
    is($record->{outbound_verified_domain}, 'biloxi.example', 'proven as much');
    $reply = $edge->ask('OPTIONS', partner($swallows));
    is($reply->status, 500, 'without another the request fails, long before its transaction would');
    like($edge->record($reply)->{reason}, qr/^(?:connect-timeout|backoff)$/, 'accounting');
};

# What arrives on one worker goes out on the other when the destination is that one's, and comes back.
subtest 'calls across workers' => sub {
    my %seen_by;
    my @servers = map {
        Trelay::SIP::Server->start(transport => 'tls', host => "127.0.0.$_", tls => { certificate => $right },
            answer => sub ($message, $n) {
                return if $message->method eq 'ACK';
                my $ok = response($message, 200, 'OK', to_tag => 'callee', contact => '<sip:bob@biloxi.example>');
                return $message->method eq 'INVITE' ? (response($message, 180, 'Ringing', to_tag => 'callee'), $ok) : $ok;
            })
    } 1 .. 8;
    for my $server (@servers) {
        my $uri = partner(address($server));
        my $invite = $edge->send('INVITE', $uri, contact => '<sip:alice@' . own_address(1) . '>');
        my $ok = $edge->final($invite);
        is(join(' ', $ok->status, grep { $_ != 100 } $edge->provisional), '200 180', $server->host . ': ringing, then answered');
        my @route = reverse map { split /,\s*/ } $ok->header('Record-Route');
        my %dialog = (call_id => $ok->call_id, from => scalar $ok->header('From'), to => scalar $ok->header('To'),
            headers => [ map { [ Route => $_ ] } @route ]);
        $edge->send('ACK', $uri, %dialog);
        is($edge->ask('BYE', $uri, %dialog, cseq => 2)->status, 200, $server->host . ': BYE');
        is(join(' ', map { $_->method } $server->wait_for_messages(3)), 'INVITE ACK BYE', $server->host . ': each once, in order');
        my $record = $edge->record($ok);
        is($record->{outbound_verified_domain}, 'biloxi.example', $server->host . ': proven');
        push @{ $seen_by{ $record->{outbound_connection_id} =~ s/\..*//r } }, $server->host;
    }
    is(join(' ', sort keys %seen_by), '0 1', 'both workers have had destinations, and the phone only one of them');
    # The end of a connection is heard on the other worker, too.
    my @answers = map { Trelay::SIP::Listener->new(host => "127.0.0.$_", tls => { certificate => $right }) } 1 .. 8;
    for my $hand (@answers) {
        my $sent = $edge->send('OPTIONS', partner(address($hand)));
        my $stream = $hand->accept;
        is($stream->receive->method, 'OPTIONS', $hand->host . ': a request is on its way');
        $stream->close;
        is($edge->final($sent)->status, 500, $hand->host . ': its connection ends: an answer at once');
        is($edge->record($sent)->{reason}, 'connection-lost', $hand->host . ': accounting');
    }
    is($_->stop, 0, $_->host . ' ends well') for @servers;
};

subtest 'responses of the next hop' => sub {
    my $busy = tls_server($right, answer => sub ($message, $n) {
        return if $message->method eq 'ACK';
        return response($message, $message->header('Subject') // 486, 'So');
    });
    my $uri = partner(address($busy));
    my $invite = $edge->send('INVITE', $uri, headers => [ [ Subject => 486 ] ]);
    my $reply = $edge->final($invite);
    is($reply->status, 486, 'a final response comes back');
    my @seen = grep { $_->call_id eq $invite->call_id } $busy->wait_for_messages(2);
    is(join(' ', map { $_->method } @seen), 'INVITE ACK', 'the relay acknowledges by itself, once');
    is($seen[0]->branch, $seen[1]->branch, 'on the same branch');
    $reply = $edge->ask('INVITE', $uri, headers => [ [ Subject => 503 ] ]);
    is($reply->status, 500, '503 of one hop is not ours to pass on');
    is(scalar $reply->header('Retry-After'), undef, 'nor its Retry-After');
    is($busy->stop, 0, 'the partner ends well');
};

subtest 'CANCEL, 100, retransmissions' => sub {
    my $hand = Trelay::SIP::Listener->new(host => own_address(3), tls => { certificate => $right });
    my $uri = partner(address($hand));
    my $stream;
    my $cancel = sub ($invite) {
        my $text = request('CANCEL', $uri, via => $invite->header('Via'), from => $invite->header('From'),
            to => $invite->header('To'), call_id => $invite->call_id);
        $edge->phone->send($text, $edge->host, 5060);
        return Trelay::SIP::parse($text);
    };
    for my $is_ringing (0, 1) {
        my $invite = $edge->send('INVITE', $uri);
        is($edge->response_to($invite)->status, 100, '100 Trying');
        $stream //= $hand->accept;
        my $seen = $stream->receive;
        is($seen->method, 'INVITE', 'INVITE arrives');
        $edge->phone->send($invite->text, $edge->host, 5060);
        is($edge->response_to($invite)->status, 100, 'retransmitted: the last response again');
        if ($is_ringing) {
            $stream->send(response($seen, 180, 'Ringing', to_tag => 'x'));
            is($edge->response_to($invite)->status, 180, 'ringing');
        }
        is($edge->response_to($cancel->($invite))->status, 200, 'CANCEL is answered by the relay');
        # Before any response it waits for one (RFC 3261 section 9.1).
        $stream->send(response($seen, 100, 'Trying')) if !$is_ringing;
        my $cancelled = $stream->receive;
        is($cancelled->method, 'CANCEL', 'CANCEL goes to the next hop, and no second INVITE before it');
        is($cancelled->branch, $seen->branch, 'on the branch of INVITE');
        $stream->send(response($cancelled, 200, 'OK'));
        $stream->send(response($seen, 487, 'Request Terminated', to_tag => 'x'));
        my $final = $edge->final($invite);
        is($final->status, 487, 'INVITE ends');
        is($stream->receive->method, 'ACK', 'and is acknowledged');
    }
    my $sent = $edge->send('OPTIONS', $uri);
    is($stream->receive->method, 'OPTIONS', 'a request is on its way');
    $stream->close;
    is($edge->final($sent)->status, 500, 'the connection ends before a response: an answer at once');
    is($edge->record($sent)->{reason}, 'connection-lost', 'accounting');
};

subtest 'CANCEL of nothing, and what a CANCEL says' => sub {
    my $hand = Trelay::SIP::Listener->new(host => own_address(3), tls => { certificate => $right });
    my $uri = partner(address($hand));
    my $stranger = Trelay::SIP::UDP->new(host => own_address(2));
    my $cancel = sub ($from, %options) {
        my $text = request('CANCEL', $uri, via => $from->via, %options);
        $from->send($text, $edge->host, 5060);
        return Trelay::SIP::parse($text);
    };
    my $invite = $edge->send('INVITE', $uri);
    my $stream = $hand->accept;
    my $seen = $stream->receive;
    $stream->send(response($seen, 180, 'Ringing', to_tag => 'x'));
    is($edge->final($cancel->($edge->phone))->status, 481, 'C19 a CANCEL of nothing is answered 481');
    my %call = (call_id => $invite->call_id, from => $invite->header('From'), to => $invite->header('To'));
    is($edge->final($cancel->($edge->phone, %call))->status, 481, 'C19 one with a branch of its own, for a call that is, too');
    my $strange = $cancel->($stranger, %call, via => $invite->header('Via'));
    is($edge->final($strange, $stranger)->status, 481, "C19 and somebody else's");
    my $reason = qq{SIP ;cause=487 ;text="a\\\0b"};
    my $own = $cancel->($edge->phone, %call, via => $invite->header('Via'), headers => [ [ Reason => $reason ] ]);
    is($edge->final($own)->status, 200, 'C16 that of the call is taken');
    my $cancelled = $stream->receive;
    is(join(' ', $cancelled->method, $cancelled->branch), 'CANCEL ' . $seen->branch, 'C19 it is the only one that leaves');
    is(scalar $cancelled->header('Reason'), $reason, 'C17 with its reason, a quoted NUL in it');
    $stream->send(response($cancelled, 200, 'OK'));
    $stream->send(response($seen, 487, 'Request Terminated', to_tag => 'x'));
    is($edge->final($invite)->status, 487, 'INVITE ends');
    is($stream->receive->method, 'ACK', 'and is acknowledged');
    $edge->record($invite);
    is($edge->sql("SELECT count(*) FROM trelay.transaction_record WHERE method = 'CANCEL'"), 0, 'C19 a CANCEL has no record');
    $stream->close;
};

subtest 'A08 A19 large bodies, with the default limits' => sub {
    my $echo = tls_server($right, answer => sub ($message, $n) {
        return response($message, 200, 'OK', body => $message->header('Subject') eq 'echo' ? $message->body : '');
    });
    my $uri = partner(address($echo));
    my $tcp = Trelay::SIP::Stream->connect(host => $edge->host, port => 5060, from => own_address(1));
    my $all = join '', map { chr } 0 .. 255;
    # A request of that many bytes, any byte and what looks like ends and beginnings of messages in its body; its answer.
    my $ask = sub ($size, $subject) {
        my $text = request('OPTIONS', $uri, via => $tcp->via, headers => [ [ Subject => $subject ], [ l => '0' x 6 ] ]);
        my $body = substr "\r\n\r\nCANCEL x SIP/2.0\r\nl: 0\r\n\r\n" . $all x ($size / 256), 0, $size - length $text;
        $text =~ s/^l: \K0+/sprintf '%06d', length $body/em;
        $tcp->send($text . $body);
        my $answer;
        1 while ($answer = $tcp->receive) && $answer->status < 200;
        my ($seen) = grep { $_->call_id eq $answer->call_id } $echo->messages;
        return ($answer, $seen && $seen->body eq $body, $answer->body eq $body);
    };
    for my $size (65_535, 65_536 + 1000) {
        my ($answer, $is_there, $is_back) = $ask->($size, 'echo');
        is($answer->status, 200, "A19 $size bytes: answered");
        ok($is_there, "A08 $size bytes: the body arrives, byte for byte");
        ok($is_back, "A08 $size bytes: and comes back so");
    }
    is(join(' ', map { ($ask->(131_072 + $_, 'none'))[0]->status } 0, 1, -1), '200 513 200',
        'A19 the limit is inclusive, and the next message is read');
    my $text = request('OPTIONS', $uri, via => $edge->phone->via, headers => [ [ Subject => 'none' ], [ l => 65_000 ] ]);
    $text =~ s/^l: \K\d+/65_507 - length $text/em;
    my $body = substr $all x 256, 0, 65_507 - length $text;
    $edge->phone->send($text . $body, $edge->host, 5060);
    my $sent = Trelay::SIP::parse($text);
    is($edge->final($sent)->status, 200, 'A19 the largest datagram is answered');
    my ($seen) = grep { $_->call_id eq $sent->call_id } $echo->messages;
    ok($seen && $seen->body eq $body, 'A08 its body arrives, byte for byte');
    is($echo->stop, 0, 'the partner ends well');
};

subtest 'IPv6, TCP, and the way in' => sub {
    my $six = Trelay::SIP::Server->start(transport => 'tls', host => '::1', tls => { certificate => $right });
    my $reply = $edge->ask('OPTIONS', partner(address($six)));
    is($reply->status, 200, 'a next hop with IPv6');
    is($edge->record($reply)->{outbound_address}, '::1', 'accounting');
    my $tcp = Trelay::SIP::Stream->connect(host => $edge->host, port => 5060, from => own_address(1));
    $tcp->send(request('OPTIONS', partner(address($good)), via => $tcp->via));
    my $answer;
    1 while ($answer = $tcp->receive) && $answer->status < 200;
    is($answer && $answer->status, 200, 'from the inside over TCP');
    for my $in ([ $edge->host, 5061 ], [ '::1', $v6_port ]) {
        my $stream = Trelay::SIP::Stream->connect(host => $in->[0], port => $in->[1],
            $in->[0] =~ /:/ ? () : (from => own_address(3)), tls => { certificate => $right });
        $stream->send(request('OPTIONS', 'sip:alice@atlanta.example', via => $stream->via));
        my $request;
        1 while ($request = $edge->phone->receive) && !$request->method;
        is($request && $request->method, 'OPTIONS', "$in->[0]: a partner's request reaches the phone") or next;
        $edge->phone->reply($request, response($request, 200, 'OK'));
        1 while ($answer = $stream->receive) && $answer->status < 200;
        is($answer && $answer->status, 200, "$in->[0]: and the answer the partner");
        my $record = $edge->record($answer);
        is("$record->{inbound_peer} $record->{inbound_verified_domain} $record->{outbound_transport}",
            'biloxi biloxi.example udp', "$in->[0]: accounting");
    }
    is($six->stop, 0, 'the partner ends well');
};

$edge->stop;
is($_->stop, 0, 'a partner ends well') for $good, $bad;
done_testing;
