#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Two route rows of equal flags: the first next hop must prove a domain and presents a wrong certificate, the second one
# would get the request over UDP, TCP or TLS without proving anything: refused, and nobody sees a word of it (INV-34).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP;
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start;
my $ca   = $edge->pki->authority('federation');
my $impostor = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
    tls => { certificate => $ca->leaf('impostor', uri => ['sip:impostor.example']) });
my %lax = (
    (map { $_ => Trelay::SIP::Server->start(transport => $_, host => own_address(3)) } qw(udp tcp)),
    tls => Trelay::SIP::Server->start(transport => 'tls', host => own_address(3),
        tls => { certificate => $ca->leaf('lax', uri => ['sip:lax.example']) }),
);
my $to_impostor = own_address(2) . ':' . $impostor->port;
$edge->apply($edge->trust_sql('fed', $ca) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop)
     VALUES ('strict', 'strict.example', 'domain', 'fed', '{$to_impostor}');
INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES
    ('udp', 'udp.example', 'none', '{@{[$lax{udp}->host]}:@{[$lax{udp}->port]}}'),
    ('tcp', 'tcp.example', 'none', '{@{[$lax{tcp}->host]}:@{[$lax{tcp}->port]}}'),
    ('tls', 'tls.example', 'encrypt', '{@{[$lax{tls}->host]}:@{[$lax{tls}->port]}}');
END

for my $transport (sort keys %lax) {
    my $domain = "from-strict-to-$transport.example";
    $edge->apply("INSERT INTO trelay.route (name, domain, priority, next_hop) VALUES"
            . " ('$domain.1', '$domain', 1, 'sip:strict.example;transport=tls'),"
            . " ('$domain.2', '$domain', 2, 'sip:$transport.example;transport=$transport')");
    my $token = "plaintext-token-$transport";
    my $reply = $edge->ask('MESSAGE', "sip:bob\@$domain", body => $token);
    like($reply->status, qr/^(?:502|403)$/, "$transport: the request fails");
    like($edge->record($reply)->{reason}, qr/^(?:wrong-identity|weaken-refused|backoff)$/, "$transport: accounting");
    like($edge->daemon->log, qr/call-id=\Q@{[$reply->call_id]}\E [^\n]*policy=$transport [^\n]*reason=weaken-refused/,
        "$transport: the second target was there, and refused");

    # It is the order that matters, not the target: alone it is served.
    my $alone = $edge->ask('MESSAGE', "sip:bob\@$transport.example;transport=$transport", body => "alone-$transport");
    is($alone->status, 200, "$transport: alone the second target is served");
    my @seen = map { $_->text } $lax{$transport}->wait_for_messages(1);
    is(scalar(@seen), 1, "$transport: it has seen that request only");
    unlike($seen[0], qr/\Q$token\E/, "$transport: and no token");
}
my @events = $impostor->events;
unlike(join('', map { $_->{text} // $_->{rest} // '' } @events), qr/plaintext-token/, 'nor has the impostor');

$edge->stop;
is($_->stop, 0, 'a neighbour ends well') for $impostor, values %lax;
done_testing;
