#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The age of a connection counts from its proof: those who waited for a slow handshake are served however short max_age
# is. A connection that a certificate would end at once is not opened (INV-37).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep);
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(response);

my $edge = Trelay::Edge->start(configuration => "limits {\n    handshake_timeout = 60000\n}\n");
my $ca   = $edge->pki->authority('federation');
my $us   = $ca->leaf('us', uri => ['sip:atlanta.example']);
my $leaf = $ca->leaf('biloxi', uri => ['sip:biloxi.example']);
my $biloxi = Trelay::SIP::Listener->new(host => own_address(2), tls => { certificate => $leaf, ask => 1 });
my $columns = 'name, domain, expected_domain, level, trust_set, certificate, next_hop, max_age';
my $terms   = "'biloxi.example', 'domain', 'fed', 'us', '{" . $biloxi->host . ':' . $biloxi->port . "}', '1 s'";
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $us)
        . "INSERT INTO trelay.outbound_policy ($columns) VALUES ('biloxi', 'biloxi.example', $terms)");

my @sent = map { $edge->send('OPTIONS', 'sip:bob@biloxi.example') } 1 .. 3;
my $stream = $biloxi->accept_plain // die "no connection\n";
sleep 2.1; # longer than the connection may live
$stream->start_tls($biloxi->{tls}, 1);
for my $sent (@sent) {
    my $request = $stream->receive // last;
    $stream->send(response($request, 200, 'OK'));
}
is($edge->final($_)->status, 200, 'who waited is served') for @sent;
is_deeply([ map { $edge->record($_)->{outbound_decision} } @sent ], [qw(open join join)], 'all on the one connection');
ok($stream->wait_for_close, 'whose life has an end');

# Valid for a moment, less than the margin for clocks that differ.
my $ending = $ca->leaf('ending', uri => ['sip:biloxi.example'], not_after => 3);
my $sent = $edge->send('OPTIONS', 'sip:bob@biloxi.example');
$stream = $biloxi->accept_plain // die "no connection\n";
eval { $stream->start_tls({ certificate => $ending, ask => 1 }, 1); 1 } or note("handshake: $@");
is($edge->final($sent)->status, 502, 'a certificate that ends in a moment opens nothing');
is($edge->record($sent)->{reason}, 'certificate-expired', 'and is named as the reason');
is($stream->rest, '', 'no byte was sent to it');

$edge->stop;
done_testing;
