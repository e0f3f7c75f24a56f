#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Next hops that are dead, names that lead elsewhere, a name service that is slow or down: who can go on goes on at once,
# the others get an answer that says why, and nobody waits for another's trouble.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::IP ();
use Socket qw(SOCK_STREAM);
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address free_port);
use Trelay::NameServer;
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

plan skip_all => 'knotd is not installed' if !Trelay::NameServer->program;

my ($here, $there) = (own_address(2), own_address(3));
my $pki  = Trelay::PKI->new;
my $ca   = $pki->authority('federation');
my %leaf = map { $_ => $ca->leaf($_, uri => ["sip:$_.example"]) } qw(biloxi impostor);

# A port where connections are begun and never made: its queue of connections that nobody takes is full.
sub blackhole () {
    my $socket = IO::Socket::IP->new(LocalHost => $here, LocalPort => 0, Type => SOCK_STREAM, Listen => 1) or die "listen: $@\n";
    listen $socket, 0 or die "listen: $!\n";
    my @fill;
    while (@fill < 16) {
        my $client = IO::Socket::IP->new(PeerHost => $here, PeerPort => $socket->sockport, Type => SOCK_STREAM,
            Blocking => 0) or die "connect: $@\n";
        push @fill, $client;
        last if !IO::Select->new($client)->can_write(0.3); # the kernel says nothing more
    }
    return { socket => $socket, fill => \@fill, port => $socket->sockport };
}

sub server ($transport, %options) {
    return Trelay::SIP::Server->start(transport => $transport, host => $here,
        $transport eq 'tls' ? (tls => { certificate => $leaf{biloxi} }) : (), %options);
}
my $hole     = blackhole();
my $good     = server('tls');
my $other    = server('tls', answer => sub ($message, $n) {
    return if $message->method eq 'ACK';
    return response($message, $message->method eq 'INVITE' ? 180 : 200, 'So', to_tag => 'callee');
});
my $impostor = server('tls', tls => { certificate => $leaf{impostor} });
my $tarpit   = server('tcp', answer => sub (@) { return }); # takes connections and never says a word of TLS
my $udp      = server('udp');
my $silent   = server('udp', answer => sub (@) { return });
my $closed   = free_port($here);
my %port = (hole => $hole->{port}, good => $good->port, other => $other->port, impostor => $impostor->port,
    tarpit => $tarpit->port, udp => $udp->port, silent => $silent->port, closed => $closed);

# SRV records of NAME for servers in that order; options before the names: TTL.
sub srv ($name, $service, @servers) {
    my $priority = 0;
    return join '', map { sprintf "%s.%s SRV %d 0 %d host\n", $service, $name, $priority += 10, $port{$_} // die } @servers;
}
sub zone ($moving) {
    return "host A $here\n"
        . join('', map { srv($_, '_sips._tcp', $_ =~ s/-.*//r, 'good') } qw(hole hole-2 closed impostor tarpit))
        . join('', map { srv($_, '_sips._tcp', 'good') } 'quick', map { "slow$_" } 1 .. 40)
        . srv('only', '_sips._tcp', 'closed') . srv('own', '_sips._tcp', 'impostor')
        . srv('udp', '_sip._udp', 'silent', 'udp') . srv('mute', '_sip._udp', 'silent')
        . "_sips._tcp.moving 1 SRV 10 0 $port{$moving} host\n";
}
my $names = Trelay::NameServer->start('biloxi.example' => zone('good'));

# A good handshake takes less than its time-out, and a sanitizer makes it slower.
my $SLOWNESS = Trelay::Process::patience(1) > 3 ? 3 : 1;

sub start_edge ($t1, %limits) {
    my %all = (connect_timeout => 400, handshake_timeout => 1200 * $SLOWNESS, backoff => 600000, backoff_max => 600000, %limits);
    my $edge = Trelay::Edge->start(pki => $pki, names => $names->address, names_timeout => 4000,
        configuration => "timers {\n    test = true\n    t1 = $t1\n    t2 = @{[ 8 * $t1 ]}\n}\nlimits {\n"
            . join('', map { "    $_ = $all{$_}\n" } sort keys %all) . "}\n");
    my @rows = map { "('$_', '$_.biloxi.example', 'domain', 'fed', 'biloxi.example')" }
        qw(hole closed impostor tarpit only quick), map { "slow$_" } 1 .. 40;
    my $route = join ', ', map { "('row-$_', 'rows.example', 'sip:$here:$port{$_};transport=udp', "
            . ($_ eq 'silent' ? 1 : 2) . ')' } qw(silent udp);
    $edge->apply($edge->trust_sql('fed', $ca)
            . 'INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, expected_domain) VALUES '
            . join(', ', @rows, "('own', 'own.biloxi.example', 'domain', 'fed', 'impostor.example')") . ';'
            . "INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('hole-2', 'hole-2.biloxi.example', 'encrypt'),"
            . " ('moving', 'moving.biloxi.example', 'encrypt'), ('udp', 'udp.biloxi.example', 'none'),"
            . " ('mute', 'mute.biloxi.example', 'none');"
            . "INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('rows', '$here/32', 'none');"
            . "INSERT INTO trelay.route (name, domain, next_hop, priority) VALUES $route");
    return $edge;
}
# A request has 64 times t1, which is more than a handshake has.
my $edge = start_edge(30 * $SLOWNESS);

# What the relay tried for a request, in order: "SERVER reason" by the names above.
my %name_of = reverse %port;
sub tried ($message) {
    my $call_id = $message->call_id;
    return map { join ' ', $name_of{ /target=\S+:(\d+)/ ? $1 : '' } // '?', /reason=(\S+)/ }
        grep { /\bcall-id="?\Q$call_id\E/ } $edge->daemon->log =~ /^(.*event=decision.*)$/mg;
}
sub ask ($name, $method = 'OPTIONS', %options) { return $edge->ask($method, "sip:bob\@$name.biloxi.example", %options) }
sub is_tried ($what, $reply, $status, @tried) {
    is($reply->status, $status, "$what: the answer") or diag($edge->daemon->log);
    is_deeply([ tried($reply) ], \@tried, "$what: what was tried");
    return;
}

subtest 'D20: a dead first target costs one request its time' => sub {
    is_tried('D20: blackholed', ask('hole'), 200, 'hole connect-timeout', 'good');
    is_tried('D20: the next request passes it over', ask('hole'), 200, 'hole backoff', 'good');
    is_tried('D20: so does one that asks for less there', ask('hole-2'), 200, 'hole backoff', 'good');
    is_tried('D20: a port that is closed', ask('closed'), 200, 'closed connect-failed', 'good');
    is_tried('D20: is known as well', ask('closed', 'INVITE'), 200, 'closed backoff', 'good');
    is_tried('D20: who has no other gets an answer at once', ask('only'), 500, 'closed backoff');
    is_tried('D20: one that never shakes hands', ask('tarpit'), 200, 'tarpit tls-timeout', 'good');
    is_tried('D20: is known by its key', ask('tarpit'), 200, 'tarpit backoff', 'good');
    is_tried('D20: a refused verdict', ask('impostor'), 200, 'impostor wrong-identity', 'good');
    is_tried('D20: is known by its key', ask('impostor'), 200, 'impostor backoff', 'good');
    is_tried('D20: and is not held against another key (INV-20)', ask('own'), 200, 'impostor');
    my $ack = request('ACK', 'sip:bob@closed.biloxi.example', via => $edge->phone->via, call_id => 'ack-of-a-call');
    $edge->phone->send($ack, $edge->host, 5060);
    my ($seen) = $edge->daemon->process->wait_until('ACK', sub {
        return grep { $_->call_id eq 'ack-of-a-call' } $good->messages;
    });
    ok($seen, 'D20: an ACK of its own goes on to the next target, too');
};

subtest 'D20: it is tried again when the operator says so' => sub {
    my $risen = server('tls', port => $closed);
    is_tried('D20: up again', ask('only'), 500, 'closed backoff');
    $edge->control('reload', 'drain');
    $edge->control('connections'); # it has been to every worker, behind the order
    is_tried('D20: after a reload', ask('only'), 200, 'closed');
    is_tried('D20: the first target serves again', ask('closed'), 200, 'closed');
    is($risen->stop, 0, 'it ends well');
};

subtest 'D20: datagrams that nobody answers' => sub {
    is_tried('D20: INVITE goes on after 64 T1', ask('udp', 'INVITE'), 200, 'silent', 'udp');
    is_tried('D20: the next one passes it over', ask('udp', 'INVITE'), 200, 'silent backoff', 'udp');
    is_tried('D20: another method, too', ask('udp'), 200, 'silent backoff', 'udp');
    my $reply = $edge->ask('OPTIONS', 'sip:bob@rows.example');
    is_tried('D20: and another row that leads there', $reply, 200, 'silent backoff', 'udp');
    my $sent = $edge->send('OPTIONS', 'sip:bob@mute.biloxi.example');
    my ($seen) = $edge->daemon->process->wait_until('OPTIONS', sub {
        return grep { $_->call_id eq $sent->call_id } $silent->messages;
    });
    ok($seen, 'D20: who has no other goes there');
};

subtest 'E12 ADV-54: names that lead elsewhere (INV-42)' => sub {
    is_tried('E12: before', ask('moving'), 200, 'good');
    my $move = sub ($to) {
        $names->zone('biloxi.example', zone($to));
        select undef, undef, undef, 1.1; # nothing tells that a TTL is over
    };
    my @connections = grep { $_->{class} eq 'unverified' && $_->{sni} =~ /^moving/ } $edge->connections;
    is($connections[0]{peer}, "$here:$port{good}", 'E12: an unverified connection stays with the old address');
    $move->('other');
    is_tried('E12: after the TTL the new address, though a connection stands at the old one', ask('moving'), 200, 'other');
    my $busy = $edge->send('INVITE', 'sip:bob@moving.biloxi.example');
    is($edge->response_to($busy, 180)->status, 180, 'E12: a call is under way there');
    my $count = () = $other->messages;
    $move->('good');
    is_tried('E12: back again', ask('moving'), 200, 'good') for 1 .. 3;
    is(scalar(my @seen = $other->messages), $count, 'E12: nothing new to the address that it left, busy or not');
    $edge->phone->send(request('CANCEL', $busy->uri, via => $busy->header('Via'), from => $busy->header('From'),
        to => $busy->header('To'), call_id => $busy->call_id), $edge->host, 5060);
    my ($cancel) = $edge->daemon->process->wait_until('CANCEL', sub {
        return grep { $_->method eq 'CANCEL' && $_->call_id eq $busy->call_id } $other->messages;
    });
    ok($cancel, 'E12: what belongs to the call still goes there');
};

$edge->stop;

# Holds of one millisecond: a dead place may be tried again by every request, one at a time.
$edge = start_edge(500, connect_timeout => 3000, backoff => 1, backoff_max => 1);
subtest 'D20: one request finds out whether it works again' => sub {
    is_tried('D20: the first one waits for its time-out', ask('hole'), 200, 'hole connect-timeout', 'good');
    my $probe = $edge->send('OPTIONS', 'sip:bob@hole.biloxi.example');
    my $next  = $edge->send('OPTIONS', 'sip:bob@hole.biloxi.example');
    my @order;
    while (@order < 2) {
        my $reply = $edge->phone->receive // last;
        push @order, $reply if ($reply->status // 0) >= 200;
    }
    is_deeply([ map { $_->call_id } @order ], [ map { $_->call_id } $next, $probe ], 'D20: the others are served meanwhile');
    is_tried('D20: those that do not wait', $order[0], 200, 'hole backoff', 'good');
    is_tried('D20: the one that does', $order[1], 200, 'hole connect-timeout', 'good');
};

subtest 'a name service that says nothing' => sub {
    local $edge->{foresight}; # explain would ask the name servers, too, and what they are asked is the matter
    ask('quick');
    $names->asked;
    $names->mute(1);
    my @slow = map { $edge->send('OPTIONS', "sip:bob\@slow$_.biloxi.example") } 1 .. 10, (11) x 10;
    my $invite = $edge->send('INVITE', 'sip:bob@slow12.biloxi.example');
    is($edge->response_to($invite)->status, 100, 'a call waits for the name');
    my %waits = map { $_->call_id => 1 } @slow;
    for my $n (1 .. 30) { # a known name, and addresses
        my $quick = $edge->send('OPTIONS', $n % 2 ? 'sip:bob@quick.biloxi.example' : "sip:bob\@$here:$port{udp}");
        my $reply;
        while ($reply = $edge->phone->receive) {
            next if !$reply->status || $reply->status < 200;
            last;
        }
        is($reply && $reply->call_id, $quick->call_id, "request $n is served while others wait") or last;
    }
    $edge->phone->send(request('CANCEL', $invite->uri, via => $invite->header('Via'), from => $invite->header('From'),
        to => $invite->header('To'), call_id => $invite->call_id), $edge->host, 5060);
    is($edge->response_to($invite, 487)->status, 487, 'one that waits for a name can be cancelled');
    while (%waits) {
        my $reply = $edge->phone->receive // last;
        next if !$reply->status || $reply->status < 200 || !delete $waits{ $reply->call_id };
        is($reply->status, 500, 'who waited gets an answer') or last;
        like($reply->header('Warning'), qr/^399 edge "dns-failed: name service: /, 'and the reason');
    }
    is_deeply([ sort keys %waits ], [], 'all of them');
    is_deeply([ sort $names->asked ], [ sort map { "NAPTR slow$_.biloxi.example" } 1 .. 12 ],
        'E12: each question went out once, however many waited for it');
    $names->mute(0);
    is(ask('slow20')->status, 200, 'and when it is back names are found');
    is(scalar(grep { $_->method eq 'INVITE' && $_->call_id eq $invite->call_id } $good->messages), 0,
        'the cancelled call went nowhere');
};

# It ends while names are being asked for: a request without a transaction among them.
$names->mute(1);
$edge->phone->send(request($_, 'sip:bob@slow30.biloxi.example', via => $edge->phone->via), $edge->host, 5060) for qw(ACK OPTIONS);
$edge->daemon->process->wait_until('the question', sub { return grep { /slow30/ } $names->asked });
$edge->stop;
is($_->stop, 0, 'a server ends well') for $good, $other, $impostor, $tarpit, $udp, $silent;
$names->stop;
done_testing;
