#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# From a URI to a next hop by a real name server, as the partners and the name server see it: what is asked, where
# requests go, what leads to the next target, and that all of one transaction goes to one place.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
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
my $leaf = $ca->leaf('partner', uri => ['sip:biloxi.example']);

sub server ($transport, %options) {
    return Trelay::SIP::Server->start(transport => $transport, host => $here,
        $transport eq 'tls' ? (tls => { certificate => $leaf }) : (), %options);
}
# Answers with the status that the Subject of the request names, or as told for it.
sub answer_subject ($message, $n) {
    return if $message->method eq 'ACK';
    my $subject = $message->header('Subject') // 200;
    return $subject =~ /^\d+$/ ? response($message, $subject, 'So', to_tag => 'callee') : ();
}
my $first  = server('tls', answer => \&answer_subject);
my $second = server('tls');
my $tls    = server('tls', port => 5061);
my $udp    = server('udp');
my $tcp    = server('tcp');
my $default_udp = server('udp', port => 5060);
my $reset  = server('tls', close => 'request', reset => 1);
my $closed = free_port($here);
my %port   = (first => $first->port, second => $second->port, udp => $udp->port, tcp => $tcp->port,
    reset => $reset->port, closed => $closed);

# "first, second" as SRV records of NAME, in that order of priority.
sub srv ($name, @servers) {
    my $priority = 0;
    return join '', map { sprintf "%s SRV %d 0 %d %s\n", $name, $priority += 10, $port{$_} // die, 'host' } @servers;
}
my $v6_closed = free_port('::1');
my $zone = <<"ZONE" . srv('_sips._tcp', 'first') . join '', map { srv("_sips._tcp.then-$_", $_, 'second') } qw(first reset closed);
host           A     $here
port           A     $here
plain          NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp
plain          NAPTR 20 10 "s" "SIP+D2T" "" _sip._tcp
_sip._udp      SRV   10 0 $port{udp} host
_sip._tcp      SRV   10 0 $port{tcp} host
plain          A     $here
both           NAPTR 10 10 "s" "SIP+D2T"  "" _sip._tcp
both           NAPTR 20 10 "s" "SIPS+D2T" "" _sips._tcp
bare           A     $here
_sips._tcp.not SRV   0 0 0 .
not            A     $here
v6             AAAA  ::1
dual           A     $here
dual           AAAA  ::1
_sips._tcp.order SRV 10 0 $v6_closed v6
_sips._tcp.order SRV 20 0 $closed dual
_sips._tcp.order SRV 30 0 $port{second} host
moving         NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.moving
_sips._tcp.moving 0 SRV 10 0 $port{first} host
ZONE
my $names = Trelay::NameServer->start('biloxi.example' => $zone);

my $edge = Trelay::Edge->start(pki => $pki, names => $names->address, names_timeout => 5000, configuration => <<"END");
timers {
    test = true
    t1 = 50
    t2 = 400
    c = 4000
}
listener "edge6" {
    transport = "tls"
    address = "::1"
    port = @{[ free_port('::1') ]}
    advertise = "atlanta.example"
}
END
$edge->apply($edge->trust_sql('fed', $ca)
        . "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, expected_domain) VALUES"
        . " ('biloxi', 'biloxi.example', 'domain', 'fed', 'biloxi.example'),"
        . " ('all-below', '*.biloxi.example', 'domain', 'fed', 'biloxi.example');"
        . "INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('open', 'open.biloxi.example', 'none');"
        . "INSERT INTO trelay.outbound_policy (name, address, level, trust_set, expected_domain) VALUES"
        . " ('tls-by-address', '$here/32', 'domain', 'fed', 'biloxi.example');"
        . "INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('plain-by-address', '$there/32', 'none')");

# What the relay tried for a request, in order: "tls ADDRESS:PORT reason".
sub tried ($message) {
    my $call_id = $message->call_id;
    return map { join ' ', /transport=(\S+) target=(\S+)/, /reason=(\S+)/ }
        grep { /\bcall-id="?\Q$call_id\E/ } $edge->daemon->log =~ /^(.*event=decision.*)$/mg;
}

# The messages of a transaction that a server has, once there are COUNT.
sub wait_for ($server, $of, $count) {
    return @{ $edge->daemon->process->wait_until("$count messages", sub {
        my @messages = grep { $_->call_id eq $of->call_id } $server->messages;
        return @messages >= $count ? \@messages : undef;
    }) };
}

sub nothing_reached ($what, @servers) {
    for my $server (@servers) {
        my @events = $server->events;
        is(scalar @events, 0, "$what: nothing came to " . $server->{transport} . ' ' . $server->port);
    }
    return;
}

subtest 'E03 E09: TLS or nothing' => sub {
    local $edge->{foresight}; # explain would ask the name servers, too, and what they are asked is the matter
    my $reply = $edge->ask('OPTIONS', 'sip:bob@plain.biloxi.example');
    is($reply->status, 500, 'E03: a domain that offers plain services only');
    is($edge->record($reply)->{reason}, 'plain-transport', 'E03: accounting');
    is_deeply([ $names->asked ], ['NAPTR plain.biloxi.example'], 'E03: nothing else is asked for');
    $reply = $edge->ask('OPTIONS', 'sip:bob@both.biloxi.example');
    is($reply->status, 200, 'E02: one that prefers a plain one');
    is_deeply([ tried($reply) ], ["tls $here:$port{first}"], 'E02: by TLS all the same');
    $reply = $edge->ask('OPTIONS', "sip:bob\@$here");
    is($reply->status, 200, 'E09: an address without port or transport');
    is_deeply([ tried($reply) ], ["tls $here:5061"], 'E07 E09: TLS, and its port');
    for my $uri ("sip:bob\@$here;transport=udp", "sip:bob\@$here:5060;transport=udp",
        'sip:bob@biloxi.example;transport=udp') {
        $reply = $edge->ask('OPTIONS', $uri);
        is($reply->status, 500, "E09: $uri where TLS is wanted");
        is($edge->record($reply)->{reason}, 'plain-transport', 'E09: accounting');
    }
    nothing_reached('E03 E09', $udp, $tcp, $default_udp);
};

subtest 'what is asked for' => sub {
    local $edge->{foresight}; # explain would ask the name servers, too, and what they are asked is the matter
    $names->asked;
    my $reply = $edge->ask('OPTIONS', 'sip:bob@bare.biloxi.example');
    is_deeply([ tried($reply) ], ["tls $here:5061"], 'E07: no SRV: the address at 5061');
    is_deeply([ grep { !/^A/ } $names->asked ], [ 'NAPTR bare.biloxi.example', 'SRV _sips._tcp.bare.biloxi.example' ],
        'E01 E04: NAPTR, then SRV of TLS, and of nothing else');
    $edge->ask('OPTIONS', 'sip:bob@bare.biloxi.example:5061');
    $names->asked;
    is_deeply([ tried($edge->ask('OPTIONS', "sip:bob\@port.biloxi.example:$port{second}")) ],
        ["tls $here:$port{second}"], 'E06: a port is where it goes');
    is_deeply([ sort $names->asked ], [ 'A port.biloxi.example', 'AAAA port.biloxi.example' ],
        'E06: addresses are all that is asked for');
    my $dotted = $edge->ask('OPTIONS', 'sip:bob@bare.biloxi.example;transport=tls');
    is($dotted->status, 200, 'E08: transport=tls');
    is(($tls->connections)[0]{sni}, 'biloxi.example', 'E08: the server name that is asked for');
    is_deeply([ $names->asked ], [], 'E05 E08: SRV, which is known, and nothing else');
    $reply = $edge->ask('OPTIONS', 'sip:bob@not.biloxi.example');
    is($reply->status, 500, 'E10: "." is no service');
    is($edge->record($reply)->{reason}, 'no-address', 'E10: accounting');
    is_deeply([ tried($reply) ], [], 'E10: and nothing is tried in its place');
};

subtest 'E11: SRV decides the order, families within a target' => sub {
    my $reply = $edge->ask('OPTIONS', 'sip:bob@order.biloxi.example');
    is($reply->status, 200, 'E11: the last target serves');
    is_deeply([ tried($reply) ], [ "tls [::1]:$v6_closed connect-failed", "tls $here:$closed connect-failed",
        "tls [::1]:$closed connect-failed", "tls $here:$port{second}" ], 'E11: after all before it, in order');
};

subtest 'E12: one transaction, one place' => sub {
    # The record of TTL 0 leads elsewhere as soon as the request is there.
    my $move = sub ($to) {
        $names->zone('biloxi.example', $zone =~ s/^(_sips\._tcp\.moving 0 SRV 10 0) \d+/$1 $port{$to}/mr);
    };
    my $uri = 'sip:bob@moving.biloxi.example';
    my $invite = $edge->send('INVITE', $uri, headers => [ [ Subject => 180 ] ]);
    is($edge->response_to($invite, 180)->status, 180, 'E12: it rings at the first');
    $move->('second');
    my $cancel = request('CANCEL', $uri, via => $invite->header('Via'), from => $invite->header('From'),
        to => $invite->header('To'), call_id => $invite->call_id);
    $edge->phone->send($cancel, $edge->host, 5060);
    my @of_call = wait_for($first, $invite, 2);
    is(join(' ', map { $_->method } @of_call), 'INVITE CANCEL', 'E12: CANCEL goes there as well');
    is($of_call[0]->source, $of_call[1]->source, 'E12: on the connection of INVITE');
    is(scalar(grep { $_->call_id eq $invite->call_id } $second->messages), 0, 'E12: nothing of it to the second');
    my $next = $edge->ask('OPTIONS', $uri);
    is_deeply([ tried($next) ], ["tls $here:$port{second}"], 'E12: the next request goes by the new answer');
    $move->('first');
    my $busy = $edge->ask('INVITE', $uri, headers => [ [ Subject => 486 ] ]);
    $move->('second');
    is($busy->status, 486, 'E12: a refused call');
    is(join(' ', map { $_->method } wait_for($first, $busy, 2)), 'INVITE ACK', 'E12: its ACK goes where INVITE went');
    is(scalar(grep { $_->call_id eq $busy->call_id } $second->messages), 0, 'E12: and not by the new answer');
};

subtest 'E13: what leads to the next target' => sub {
    for my $case (
        [ 'a 503',              'then-first',  'INVITE',  503,      '' ],
        [ 'a 503',              'then-first',  'OPTIONS', 503,      '' ],
        [ 'a refused connection', 'then-closed', 'OPTIONS', 200,    'connect-failed' ],
        [ 'a reset connection', 'then-reset',  'INVITE',  200,      '' ],
        [ 'no response at all', 'then-first',  'INVITE',  'silent', '' ],
    ) {
        my ($what, $name, $method, $subject, $reason) = @$case;
        my $reply = $edge->ask($method, "sip:bob\@$name.biloxi.example", headers => [ [ Subject => $subject ] ]);
        is($reply->status, 200, "E13: $method, $what: the second target answers");
        my @tried = tried($reply);
        is(scalar @tried, 2, 'E13: two were tried');
        is($tried[1], "tls $here:$port{second}", 'E13: the second one last');
        my ($seen) = grep { $_->call_id eq $reply->call_id } $second->messages;
        isnt($seen && $seen->branch, undef, 'E13: it has a branch');
        my ($before) = grep { $_->call_id eq $reply->call_id } $first->messages, $reset->messages;
        ok($before || $name eq 'then-closed', 'E13: the first one has it, where there is one') or next;
        isnt($seen->branch, $before->branch, 'E13: a new one') if $before;
        is($seen->text =~ s/^Via:.*\r\n//mr =~ s/^(?:Content-Length).*\r\n//mr,
            $before->text =~ s/^Via:.*\r\n//mr =~ s/^(?:Content-Length).*\r\n//mr, 'E13: all else is the same') if $before;
    }
    for my $case ([ 500, 'INVITE' ], [ 404, 'OPTIONS' ], [ 603, 'INVITE' ], [ 486, 'INVITE' ]) {
        my ($status, $method) = @$case;
        my $reply = $edge->ask($method, 'sip:bob@then-first.biloxi.example', headers => [ [ Subject => $status ] ]);
        is($reply->status, $status, "E13: $method, $status: it comes back");
        is_deeply([ tried($reply) ], ["tls $here:$port{first}"], 'E13: nobody else is asked');
    }
    my $ringing = $edge->ask('INVITE', 'sip:bob@then-first.biloxi.example', headers => [ [ Subject => 180 ] ]);
    is_deeply([ $edge->provisional ], [ 100, 180 ], 'E13: 180, then silence');
    is($ringing->status, 408, 'E13: ends with timer C');
    is_deeply([ tried($ringing) ], ["tls $here:$port{first}"], 'E13: and without another target');
    my $reply = $edge->ask('OPTIONS', 'sip:bob@then-closed.biloxi.example', flags => 'no-dns-failover');
    is($reply->status, 500, 'E13: a flag forbids it');
};

$edge->stop;
is($_->stop, 0, 'a server ends well') for $first, $second, $tls, $udp, $tcp, $default_udp, $reset;
$names->stop;
done_testing;
