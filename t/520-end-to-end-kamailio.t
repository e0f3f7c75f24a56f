#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Kamailio as the partner: as TLS next hop that wants our certificate, and as TLS client that presents its own.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Kamailio;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

plan(skip_all => 'no Kamailio with TLS here') if !Trelay::Kamailio->is_there;

my $edge = Trelay::Edge->start;
my $ca   = $edge->pki->authority('federation');
my $us   = $ca->leaf('us', uri => ['sip:atlanta.example']);
my $them = $ca->leaf('them', uri => ['sip:biloxi.example']);
my ($relay, $partner) = (own_address(0), own_address(2));
my $phone = own_address(1) . ':' . $edge->phone->port;

# From outside it answers; what comes over UDP it sends to the relay.
my $kamailio = Trelay::Kamailio->start(host => $partner, certificate => $them, authority => $ca, script => <<"END");
request_route {
    if (\$pr == "udp") {
        \$du = "sip:$relay:5061;transport=tls";
        t_relay();
        exit;
    }
    if (is_method("ACK")) exit;
    append_to_reply("X-Met: \$tls_peer_subject_cn\\r\\n");
    sl_send_reply("200", "Met");
    exit;
}
END

$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $us) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'fed', 'us', '{$partner:5061}'),
    ('denver', 'denver.example', 'domain', 'fed', 'us', '{$partner:5061}'),
    ('nobody', 'nobody.example', 'domain', 'fed', NULL, '{$partner:5061}');
UPDATE trelay.outbound_policy SET expected_domain = 'biloxi.example' WHERE name = 'nobody';
INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('biloxi', 'fed', 'biloxi.example', 'accept');
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');
INSERT INTO trelay.route (name, domain, next_hop) VALUES ('in', 'atlanta.example', 'sip:$phone');
END

for my $decision (qw(open reuse)) {
    my $reply = $edge->ask('INVITE', 'sip:bob@biloxi.example');
    is($reply->status, 200, "as next hop: $decision");
    is(scalar $reply->header('X-Met'), 'us', 'it met our certificate');
    my $record = $edge->record($reply);
    is("$record->{outbound_decision} $record->{outbound_verified_domain}", "$decision biloxi.example", 'accounting');
}
my $refused = $edge->ask('INVITE', 'sip:bob@denver.example');
is($refused->status, 502, 'it is not whom we wanted');
is($edge->record($refused)->{reason}, 'wrong-identity', 'accounting');
my $unknown = $edge->ask('INVITE', 'sip:bob@nobody.example');
is($unknown->status, 500, 'it wants a certificate and gets none');
is($edge->record($unknown)->{outbound_own_certificate}, undef, 'accounting');

my $bob = Trelay::SIP::UDP->new(host => own_address(3));
for my $n (1, 2) {
    my $text = request('OPTIONS', 'sip:alice@atlanta.example', via => $bob->via);
    $bob->send($text, $partner, 5060);
    my $seen;
    1 while ($seen = $edge->phone->receive) && !$seen->method;
    is($seen && $seen->method, 'OPTIONS', "as client: request $n reaches the phone") or next;
    $edge->phone->reply($seen, response($seen, 200, 'OK'));
    my $answer;
    1 while ($answer = $bob->receive) && $answer->status < 200;
    is($answer && $answer->status, 200, 'and the answer comes back through it');
    my $record = $edge->record(Trelay::SIP::parse($text));
    is("$record->{inbound_peer} $record->{inbound_verified_domain}", 'biloxi biloxi.example', 'accounting');
    is($record->{inbound_certificate_sha256}, $them->sha256, 'its certificate');
}
is(scalar(my @in = $edge->connections('inbound')), 1, 'over one connection');

$edge->stop;
is($kamailio->stop, 0, 'Kamailio ends well');
done_testing;
