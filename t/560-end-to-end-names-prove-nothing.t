#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What the name service says leads to addresses and to nothing else: the name that a partner must prove is the domain of
# the URI (RFC 5922 7.3), or the one of the row. Whoever owns the DNS, and a certificate for his own name, gets no SIP
# byte.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::NameServer;
use Trelay::SIP::Server;

plan skip_all => 'knotd is not installed' if !Trelay::NameServer->program;

my ($here, $there) = (own_address(2), own_address(3));

my $pki = Trelay::PKI->new;
my $ca  = $pki->authority('everybody trusts it');
my %leaf = (
    biloxi   => $ca->leaf('of biloxi',   uri => ['sip:biloxi.example']),
    carrier  => $ca->leaf('of carrier',  dns => ['sbc7.carrier.example'], uri => ['sip:sbc7.carrier.example']),
    company  => $ca->leaf('of company',  uri => ['sip:carrier.example']),
    attacker => $ca->leaf('of attacker', uri => ['sip:attacker.example']),
    address  => $ca->leaf('of address',  ip  => [$here]),
);
my %server = map {
    $_ => Trelay::SIP::Server->start(transport => 'tls', host => $here, tls => { certificate => $leaf{$_}, ask => 1 })
} keys %leaf;
my %port = map { $_ => $server{$_}->port } keys %server;

# Records that lead to a server: SRV at NAME, by way of HOST.
sub leads ($name, $server, $host = 'sbc7.carrier.example.') { return "$name SRV 10 0 $port{$server} $host\n" }

my $names = Trelay::NameServer->start(
    'carrier.example' => "sbc7 A $here\n_sips._tcp SRV 10 0 $port{company} sbc7\n",
    'biloxi.example'  => leads('_sips._tcp', 'biloxi') . leads('_sips._tcp.hosted', 'carrier')
        . leads('_sips._tcp.srv', 'attacker', 'sbc.attacker.example.')
        . "naptr NAPTR 10 10 \"s\" \"SIPS+D2T\" \"\" _sips._tcp.attacker.example.\n"
        . "address A $here\n"
        . "_sips._tcp.alias CNAME _sips._tcp.real\n" . leads('_sips._tcp.real', 'attacker', 'host')
        . "host CNAME other\nother A $here\n"
        . leads('_sips._tcp.later 0', 'biloxi') # asked for each time
        . leads('_sips._tcp.row', 'carrier') . leads('_sips._tcp.rows', 'biloxi'),
    'attacker.example' => "sbc A $here\n" . leads('_sips._tcp', 'attacker', 'sbc'),
);

my $edge = Trelay::Edge->start(pki => $pki, names => $names->address, names_timeout => 5000);
my @row_of_uri = map { "('$_', '$_', 'domain', 'all', NULL)" } qw(biloxi.example hosted.biloxi.example srv.biloxi.example
    naptr.biloxi.example address.biloxi.example alias.biloxi.example attacker.example);
push @row_of_uri, "('later', 'later.biloxi.example', 'domain', 'all', 'biloxi.example')";
$edge->apply($edge->trust_sql('all', $ca)
        . 'INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, expected_domain) VALUES '
        . join(",\n", @row_of_uri, "('row', 'row.biloxi.example', 'domain', 'all', 'sbc7.carrier.example')",
            "('rows', 'rows.biloxi.example', 'domain', 'all', 'sbc7.carrier.example')")
        . ";INSERT INTO trelay.outbound_policy (name, address, level, trust_set) VALUES"
        . " ('address', '$here/32', 'domain', 'all');"
        . $edge->certificate_sql('edge', $ca->leaf('edge', uri => ['sip:atlanta.example']))
        . "INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'all');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'edge');"
        . "INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('biloxi', 'all', 'biloxi.example', 'accept')");

my %seen = map { $_ => 0 } keys %server; # SIP messages that each was given

# Asks for URI: who answers, or undef; the reply, its record. Every server is looked at.
sub ask ($uri, %options) {
    my $reply = $edge->ask('OPTIONS', $uri, %options);
    my @who = grep { my $count = () = $server{$_}->messages; my $is_new = $count > $seen{$_}; $seen{$_} = $count; $is_new }
        sort keys %server;
    return ("@who", $reply, $edge->record($reply));
}

sub is_refused ($what, $uri, $status, $reason, %options) {
    my ($who, $reply, $record) = ask($uri, %options);
    is($who, '', "$what: no SIP byte to anybody");
    is($reply->status, $status, "$what: the answer");
    is($record->{reason}, $reason, "$what: accounting");
    like(($reply->header('Warning'))[-1] // '', qr/^399 edge "\Q$reason\E: /, "$what: the warning");
    return ($reply, $record);
}

sub is_served ($what, $uri, $who, $domain, %options) {
    my ($served, $reply, $record) = ask($uri, %options);
    is($reply->status, 200, "$what: served") or diag($edge->daemon->log);
    is($served, $who, "$what: by the right one");
    is($record->{outbound_verified_domain}, $domain, "$what: who proved his name");
    return ($reply, $record);
}

sub last_sni ($server) { return (($server{$server}->connections)[-1] // {})->{sni} }

subtest 'E14 X01: the name that is proven is the one that was asked for' => sub {
    is_served('E14: a certificate for the domain, at the end of SRV', 'sip:bob@biloxi.example', 'biloxi',
        'biloxi.example');
    is(last_sni('biloxi'), 'biloxi.example', 'E14: the server name is that of the URI');
    my ($reply) = is_refused('E14: a certificate for the SRV target alone', 'sip:bob@hosted.biloxi.example', 502,
        'wrong-identity');
    like($reply->header('Warning'), qr/hosted\.biloxi\.example.*sbc7\.carrier\.example/,
        'E14: the warning names whom it expected and who came');
    is_served('E14: his own domain he may have', 'sip:bob@attacker.example', 'attacker', 'attacker.example');
    for my $way (qw(srv naptr alias)) {
        is_refused("E14: $way leads to another's valid certificate", "sip:bob\@$way.biloxi.example", 502, 'wrong-identity');
    }
    is_refused('E14: an address leads there', "sip:bob\@address.biloxi.example:$port{attacker}", 502, 'wrong-identity');
};

subtest 'E15: a row may name the one who proves himself' => sub {
    my ($reply, $record) = is_served('E15: the name of the row', 'sip:bob@row.biloxi.example', 'carrier',
        'sbc7.carrier.example');
    is($record->{outbound_expected_domain}, 'sbc7.carrier.example', 'E15: accounting says so');
    my $call_id = $reply->call_id;
    like($edge->daemon->log, qr/event=decision .*call-id="?\Q$call_id\E"? .*policy=row .*expected=sbc7\.carrier\.example/,
        'E15: so does the log');
    is_refused('E15: then the name of the URI is none', 'sip:bob@rows.biloxi.example', 502, 'wrong-identity');
};

subtest 'E16: maddr leads nowhere else' => sub {
    for my $uri ('sip:bob@biloxi.example;maddr=attacker.example', "sip:bob\@biloxi.example:$port{attacker};maddr=$here",
        'sip:bob@biloxi.example;transport=tls;maddr=attacker.example') {
        is_refused("E16: $uri", $uri, 403, 'no-policy');
    }
    is_refused('E16: maddr in Route', 'sip:bob@biloxi.example', 403, 'no-policy',
        headers => [ [ Route => '<sip:biloxi.example;lr;maddr=attacker.example>' ] ]);
    my $uri = 'sips:bob@biloxi.example;maddr=attacker.example';
    my $caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there,
        tls => { certificate => $leaf{biloxi} });
    $caller->send(Trelay::SIP::request('OPTIONS', $uri, via => $caller->via));
    my $reply = $caller->receive;
    is($reply && $reply->status, 403, 'E16: SIPS from outside');
    is(scalar($server{attacker}->messages), $seen{attacker}, 'E16: the other host sees nothing of it');
};

subtest 'E17: an address proves no name' => sub {
    for my $uri ("sip:bob\@$here:$port{address}", "sip:bob\@$here:$port{address};transport=tls") {
        is_refused("E17: $uri, a certificate for the address", $uri, 500, 'no-expected-domain');
    }
    is_refused('E17: not even when it is named', "sip:bob\@$here:$port{address}", 502, 'no-identity',
        flags => 'verify-domain=biloxi.example');
    is_served('E17: a name that is given by a flag', "sip:bob\@$here:$port{biloxi}", 'biloxi', 'biloxi.example',
        flags => 'verify-domain=biloxi.example');
};

# The name service changes its mind while the relay runs.
subtest 'E14: an answer that is forged later' => sub {
    is_served('E14: the partner as before', 'sip:bob@later.biloxi.example', 'biloxi', 'biloxi.example');
    $names->zone('biloxi.example', leads('_sips._tcp.later', 'attacker', 'sbc.attacker.example.'));
    is_refused('E14: the attacker now', 'sip:bob@later.biloxi.example', 502, 'wrong-identity');
    is(scalar(my @his = $server{attacker}->messages), 1, 'E14: he saw what was his own, and no more');
};

$edge->stop;
is($server{$_}->stop, 0, "$_ ends well") for sort keys %server;
$names->stop;
done_testing;
