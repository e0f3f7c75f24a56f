#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# SIPS is kept or refused, and SIP is never made SIPS (RFC 5630, RFC 3261 26.2.2): from a caller over TLS to next hops
# that know SIPS, or do not, or are not what they say. Whatever fails, nothing goes out in the clear.
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
my $pki = Trelay::PKI->new;
my $ca  = $pki->authority('federation');
my %leaf = map { $_ => $ca->leaf($_, uri => ["sip:$_.example"]) } qw(biloxi caller atlanta impostor);

# Answers as the Subject of the request says: "302 sip:..." with that Contact, "480 380" with that Warning.
sub answer ($message, $n) {
    return if $message->method eq 'ACK';
    my ($status, $more) = split ' ', $message->header('Subject') // 200;
    return response($message, $status, 'So', to_tag => 'callee', headers => [
        ($more // '') =~ /^\d/ ? [ Warning => "$more biloxi.example \"SIPS\"" ] : defined $more ? [ Contact => "<$more>" ] : (),
    ]);
}
sub server ($transport, %options) {
    return Trelay::SIP::Server->start(transport => $transport, host => $here, answer => \&answer,
        $transport eq 'tls' ? (tls => { certificate => $leaf{biloxi}, ask => 1 }) : (), %options);
}
my $tls      = server('tls');
my $udp      = server('udp');
my $tcp      = server('tcp');
my $other    = server('udp'); # where redirections point to
my %impostor = map { $_ => server('tls', tls => { certificate => $leaf{impostor} }) } qw(sip sips);
my $closed   = free_port($here);
my %port = ((map { ("impostor-$_" => $impostor{$_}->port) } qw(sip sips)), tls => $tls->port, udp => $udp->port, tcp => $tcp->port, closed => $closed);

my $plain = "_sip._udp.%1\$s SRV 10 0 $port{udp} host\n_sip._tcp.%1\$s SRV 10 0 $port{tcp} host\n";
my $names = Trelay::NameServer->start('biloxi.example' => join '',
    "host A $here\n",
    (map { sprintf "%s NAPTR 10 10 \"s\" \"SIP+D2U\" \"\" _sip._udp.%1\$s\n%1\$s NAPTR 20 10 \"s\" \"SIP+D2T\" \"\" _sip._tcp.%1\$s\n$plain",
        $_ } qw(naptr naptr-open)),
    (map { "_sips._tcp.$_ SRV 10 0 $port{tls} host\n" . sprintf $plain, $_ } qw(good sip-only sips-only consistent open)),
    (map { "_sips._tcp.$_ SRV 10 0 $port{$_} host\n" . sprintf $plain, $_ } qw(closed impostor-sip impostor-sips)),
);
my $edge = Trelay::Edge->start(pki => $pki, names => $names->address, names_timeout => 5000);

my @rows = map { "('$_', '$_.biloxi.example', 'domain', 'fed', 'biloxi.example', 'atlanta', '"
        . ({ 'sip-only' => 'sip', 'sips-only' => 'sips', consistent => 'consistent' }->{$_} // 'any') . "')" }
    qw(naptr good sip-only sips-only consistent closed impostor-sip impostor-sips);
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('atlanta', $leaf{atlanta})
        . "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, expected_domain, certificate, scheme) VALUES "
        . join(', ', @rows) . ';'
        . "INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('open', 'open.biloxi.example', 'none'),"
        . " ('naptr-open', 'naptr-open.biloxi.example', 'none');"
        . "INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('inside', '$here/32', 'none');"
        . "INSERT INTO trelay.route (name, domain, next_hop) VALUES"
        . " ('udp', 'udp.example', 'sip:$here:$port{udp};transport=udp'), ('tcp', 'tcp.example', 'sip:$here:$port{tcp};transport=tcp'),"
        . " ('bare', 'bare.example', 'sip:$here:$port{tcp}'), ('sips', 'sips.example', 'sips:good.biloxi.example'),"
        . " ('sip', 'sip.example', 'sip:good.biloxi.example');"
        . "INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'atlanta');"
        . "INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('caller', 'fed', 'caller.example', 'accept')");

my $caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there,
    tls => { certificate => $leaf{caller} });
my @in_the_clear = ($udp, $tcp, $other);

# From the caller over TLS: the final response.
sub ask ($method, $uri, %options) {
    my $text = request($method, $uri, via => $caller->via, contact => '<sips:carol@caller.example>', %options);
    my $sent = Trelay::SIP::parse($text);
    $caller->send($text);
    while (my $reply = $caller->receive) {
        next if !$reply->status || $reply->status < 200 || $reply->branch ne $sent->branch;
        $caller->send(request('ACK', $uri, via => $sent->header('Via'), from => $sent->header('From'),
            to => $reply->header('To'), call_id => $sent->call_id)) if $method eq 'INVITE' && $reply->status >= 300;
        return $reply;
    }
    die "$method $uri: no answer\n" . $edge->daemon->log;
}

sub seen_by ($server, $reply) {
    return grep { $_->call_id eq $reply->call_id && $_->method ne 'ACK' } $server->messages;
}

sub is_refused ($what, $reply, $status, $code = undef) {
    is($reply->status, $status, "$what: the answer");
    my @warnings = $reply->header('Warning');
    if (defined $code) {
        my $text = $code == 380 ? 'SIPS Not Allowed' : 'SIPS Required';
        is($warnings[0], "$code edge \"$text\"", "$what: the warning");
        is($edge->record($reply)->{reason}, $code == 380 ? 'sips-not-allowed' : 'sips-required', "$what: accounting");
    }
    is(scalar(map { seen_by($_, $reply) } $tls, values %impostor, @in_the_clear), 0, "$what: no message to anybody");
    return;
}

sub is_carried ($what, $reply, $uri) {
    is($reply->status, 200, "$what: the answer");
    my ($seen) = seen_by($tls, $reply);
    is($seen && $seen->uri, $uri, "$what: over TLS, the scheme as it was");
    is(scalar(map { seen_by($_, $reply) } @in_the_clear), 0, "$what: and in no other way");
    return $seen;
}

subtest 'F01: SIPS goes on as SIPS, or not at all' => sub {
    my $seen = is_carried('F01: by SRV', ask('INVITE', 'sips:bob@good.biloxi.example'), 'sips:bob@good.biloxi.example');
    is(join(' ', $seen->header('Record-Route')), '<sips:atlanta.example:5061;lr>', 'F01: Record-Route is SIPS as well');
    is_refused('F01: NAPTR of plain services', ask('INVITE', 'sips:bob@naptr.biloxi.example'), 480, 380);
    is_refused('F01: even where plain ones are allowed', ask('OPTIONS', 'sips:bob@naptr-open.biloxi.example'), 480, 380);
    is_refused("F01: to a next hop of SIP, $_", ask('INVITE', "sips:bob\@$_.example"), 480, 380) for qw(udp tcp bare);
    is_refused('F01: Route to SIP', ask('OPTIONS', 'sips:bob@good.biloxi.example',
        headers => [ [ Route => "<sip:$here:$port{udp};lr>" ] ]), 480, 380);
    is_carried('F01 B23: Route to SIP where policy sees to TLS', ask('OPTIONS', 'sips:bob@elsewhere.example',
        headers => [ [ Route => '<sip:good.biloxi.example;lr>' ] ]), 'sips:bob@elsewhere.example');
    is_carried('F01: a row of level none allows TLS', ask('OPTIONS', 'sips:bob@open.biloxi.example'),
        'sips:bob@open.biloxi.example');
    is_refused('F01 E08: SIPS over UDP is nothing', ask('OPTIONS', 'sips:bob@good.biloxi.example;transport=udp'), 400);
    is_refused('F01 E08: nor in Route', ask('OPTIONS', 'sips:bob@good.biloxi.example',
        headers => [ [ Route => '<sips:good.biloxi.example;transport=udp;lr>' ] ]), 400);
    is_refused('F01: under a row that takes none (M04)', ask('INVITE', 'sips:bob@sip-only.biloxi.example'), 480, 380);
};

subtest 'F02 F06: SIP over TLS stays SIP' => sub {
    is_carried('F02: to a next hop of SIPS', ask('INVITE', 'sip:bob@sips.example'), 'sip:bob@sips.example');
    my $warm = ask('OPTIONS', 'sip:bob@good.biloxi.example');
    is_carried('F06: by name', $warm, 'sip:bob@good.biloxi.example');
    is($edge->record($warm)->{outbound_decision}, 'reuse', 'F06: on the connection that SIPS has opened');
    is_carried('F02: under a row that takes SIP only', ask('OPTIONS', 'sip:bob@sip-only.biloxi.example'),
        'sip:bob@sip-only.biloxi.example');
    my $inside = $edge->ask('OPTIONS', 'sip:bob@sip.example');
    is_carried('F02: from inside over UDP', $inside, 'sip:bob@sip.example');
    # To a next hop of SIPS: each side is led back to where it can come (B16), and does.
    my $sent = $edge->send('INVITE', 'sip:bob@sips.example', contact => '<sip:alice@' . own_address(1) . '>');
    my $ok   = $edge->final($sent);
    is_carried('F02: a call from inside to a next hop of SIPS', $ok, 'sip:bob@sips.example');
    my @route = map { split /,\s*/ } $ok->header('Record-Route');
    is($route[0], '<sips:atlanta.example:5061;lr>', 'B16: SIPS to those outside');
    unlike($route[1], qr/sips:/, 'B16: SIP to the caller without TLS');
    my %dialog = (call_id => $ok->call_id, from => scalar $ok->header('From'), to => scalar $ok->header('To'),
        headers => [ map { [ Route => $_ ] } reverse @route ]);
    my $bye = $edge->ask('BYE', 'sip:bob@good.biloxi.example', %dialog, cseq => 2);
    is($bye->status, 200, 'B16: and he comes back by it');
    is((seen_by($tls, $bye))[-1]->method, 'BYE', 'B16: over TLS');
};

subtest 'F03: SIPS only' => sub {
    is_refused('F03: SIP from outside', ask('INVITE', 'sip:bob@sips-only.biloxi.example'), 480, 381);
    is_refused('F03: SIP from inside', $edge->ask('OPTIONS', 'sip:bob@sips-only.biloxi.example'), 480, 381);
    is_carried('F03: SIPS', ask('INVITE', 'sips:bob@sips-only.biloxi.example'), 'sips:bob@sips-only.biloxi.example');
};

subtest 'F04: Contact of a SIPS request' => sub {
    my @sip = (contact => '<sip:carol@caller.example>');
    is_carried('F04: SIP where nobody minds', ask('INVITE', 'sips:bob@good.biloxi.example', @sip),
        'sips:bob@good.biloxi.example');
    is_refused("F04: SIP under a row that is $_", ask('INVITE', "sips:bob\@$_.biloxi.example", @sip), 400)
        for qw(consistent sips-only);
    is_carried('F04: SIPS there', ask('INVITE', 'sips:bob@consistent.biloxi.example'), 'sips:bob@consistent.biloxi.example');
    is_carried('F04: SIP of a SIP request', ask('INVITE', 'sip:bob@consistent.biloxi.example', @sip),
        'sip:bob@consistent.biloxi.example');
};

subtest 'F05: no other scheme is tried' => sub {
    my $elsewhere = 'sip:bob@' . $here . ':' . $other->port . ';transport=udp';
    for my $case ([ 'sips', "302 $elsewhere" ], [ 'sip', '302 sips:bob@open.biloxi.example' ], [ 'sips', 416 ], [ 'sip', 416 ],
        [ 'sips', '480 380' ], [ 'sip', '480 381' ]) {
        my ($scheme, $subject) = @$case;
        my $uri = "$scheme:bob\@good.biloxi.example";
        my $reply = ask('INVITE', $uri, headers => [ [ Subject => $subject ] ]);
        is($reply->status, $subject =~ s/ .*//r, "F05: $uri, $subject: comes back");
        my @seen = seen_by($tls, $reply);
        is(scalar @seen, 1, 'F05: it was asked once');
        is(scalar(map { seen_by($_, $reply) } @in_the_clear), 0, 'F05: and nobody else');
    }
};

subtest 'F07: what fails, fails' => sub {
    for my $scheme (qw(sip sips)) {
        for my $case ([ closed => 500 ], [ "impostor-$scheme" => 502 ]) {
            my ($name, $status) = @$case;
            is_refused("F07: $scheme, $name", ask('INVITE', "$scheme:bob\@$name.biloxi.example"), $status);
        }
    }
    my ($connection) = grep { $_->{is_tls} } $tls->connections;
    is($connection->{sha256}, $leaf{atlanta}->sha256, 'F07: both sides show a certificate');
};

subtest 'F08: SIPS that came in the clear' => sub {
    is_refused('F08: over UDP', $edge->ask('INVITE', 'sips:bob@good.biloxi.example'), 480, 380);
    my $in_clear = $edge->ask('OPTIONS', 'sips:bob@udp.example');
    is_refused('F08: wherever it goes', $in_clear, 480, 380);
};

is(scalar(map { $_->events } $tcp, $other), 0, 'F07: all along, nothing came to those who listen in the clear');
is(scalar(my @plain = $udp->messages), 0, 'F07: nor to UDP');
$edge->stop;
is($_->stop, 0, 'a server ends well') for $tls, values %impostor, @in_the_clear;
$names->stop;
done_testing;
