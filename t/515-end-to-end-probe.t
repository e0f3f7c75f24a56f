#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# trelayctl probe makes a real handshake by the row that rules, tells what the peer showed and what it proves, and leaves
# nothing behind: no connection, no back-off, no byte of SIP (INV-49).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start(workers => 2);
my ($ca, $other_ca) = map { $edge->pki->authority($_) } qw(federation other);
my $between = $ca->intermediate('between');
my $biloxi = $between->leaf('biloxi', uri => ['sip:biloxi.example'], dns => ['sip.biloxi.example']);
my $server = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2), tls => { certificate => $biloxi, ask => 1 });
my $plain = Trelay::SIP::Server->start(transport => 'tcp', host => own_address(2));
my ($place, $plain_place) = map { $_->host . ':' . $_->port } $server, $plain;
my $nobody = own_address(2) . ':1';
my @rows = (
    [ 'biloxi.example',  "'domain', 'biloxi.example', 'fed'", $place,       "'us'" ],
    [ 'chicago.example', "'domain', 'chicago.example', 'fed'", $place,      'NULL' ],
    [ 'stranger.example', "'domain', 'biloxi.example', 'elsewhere'", $place, 'NULL' ],
    [ 'lax.example',     "'encrypt', NULL, NULL",              $place,      'NULL' ],
    [ 'plain.example',   "'none', NULL, NULL",                 $plain_place, 'NULL' ],
    [ 'mute.example',    "'chain', NULL, 'fed'",               $plain_place, 'NULL' ],
    [ 'nobody.example',  "'chain', NULL, 'fed'",               $nobody,     'NULL' ],
);
$edge->apply($edge->trust_sql('fed', $ca) . $edge->trust_sql('elsewhere', $other_ca)
        . $edge->certificate_sql('us', $ca->leaf('us', uri => ['sip:atlanta.example']))
        . join '', map { "INSERT INTO trelay.outbound_policy (name, domain, level, expected_domain, trust_set, next_hop, certificate, weaken)
            VALUES ('$_->[0]', '$_->[0]', $_->[1], '{$_->[2]}', $_->[3], 'allowed');" } @rows);

sub probe ($destination, @more) { return $edge->control('probe', $destination, @more)->{probe} }

subtest 'ADV-63: what a good partner shows' => sub {
    my $answer = $edge->control('probe', 'biloxi.example');
    is("$answer->{policy} $answer->{level} $answer->{target}", "biloxi.example domain $place", 'the row, and where it leads');
    my $probe = $answer->{probe};
    is("$probe->{result} $probe->{verdict} $probe->{reason}", 'connected proven none', 'all is well');
    is("$probe->{tls} $probe->{certificate} $probe->{sni}", '1.3 us biloxi.example', 'what was negotiated, and what we showed');
    is($probe->{identity}, 'sip:biloxi.example', 'the identity that matched');
    is_deeply($probe->{identities}, ['biloxi.example'], 'SIP identities of the certificate');
    is("$probe->{crl} $probe->{ocsp}", 'not-checked not-checked', 'revocation was not checked');
    my @chain = $probe->{chain}->@*;
    is(scalar @chain, 2, 'the chain as presented');
    is($chain[0]{sha256}, $biloxi->sha256,  'leaf first');
    is($chain[1]{sha256}, $between->sha256, 'then who issued it');
    is_deeply($chain[0]{names}, [ 'uri:sip:biloxi.example', 'dns:sip.biloxi.example' ], 'its names');
    ok(!$chain[0]{is_ca} && $chain[1]{is_ca}, 'who is an authority');
    is($probe->{anchor}, $ca->sha256, 'the anchor that it leads to');
    like($probe->{proven_until}, qr/\A\d{4}-\d\d-\d\dT/, 'until when');
    is(scalar($server->messages), 0, 'the partner heard nothing');
    $server->wait_for_end(1);
    is(scalar($edge->connections), 0, 'no connection is left');
    my $reply = $edge->ask('OPTIONS', 'sip:bob@biloxi.example');
    is($edge->record($reply)->{outbound_decision}, 'open', 'a request opens its own');
    $edge->control('probe', 'biloxi.example');
    is($edge->ask('OPTIONS', 'sip:bob@biloxi.example')->header('X-Conn'), $reply->header('X-Conn'), 'and keeps it beside a probe');
};

subtest 'what is wrong with others' => sub {
    for my $case (
        [ 'chicago.example',  'failed refused wrong-identity', 2, qr/biloxi\.example/ ],
        [ 'stranger.example', 'failed refused chain-untrusted', 2, undef ],
        [ 'lax.example',      'connected not-taken none',      2, undef ],
        [ 'mute.example',     'failed none tls-timeout',       0, undef ],
        [ 'nobody.example',   'failed none connect-failed',    0, undef ],
    ) {
        my ($destination, $expected, $certificates, $detail) = @$case;
        my $probe = probe($destination);
        is("$probe->{result} $probe->{verdict} $probe->{reason}", $expected, "$destination: the outcome");
        is(scalar $probe->{chain}->@*, $certificates, "$destination: the chain");
        is($probe->{chain}[0]{sha256}, $biloxi->sha256, "$destination: which is the partner's") if $certificates;
        like($probe->{detail}, $detail, "$destination: in words") if $detail;
        is(probe($destination)->{reason}, $probe->{reason}, "$destination: a failure holds nobody off") if $expected =~ /refused|connect/;
    }
    is(probe('chicago.example', 'flags=verify-domain=biloxi.example')->{verdict}, 'proven', 'flags are obeyed');
};

subtest 'what cannot be probed' => sub {
    my $answer = $edge->control('probe', 'plain.example');
    is("$answer->{decision} $answer->{reason}", 'reject plain-transport', 'a plain next hop');
    is($edge->control('probe', own_address(3))->{reason}, 'no-policy', 'no row');
    my ($status, $said) = $edge->daemon->ctl('probe');
    is($status, 2, 'no destination: usage');
    ($status, $said) = $edge->daemon->ctl('probe', 'biloxi.example', 'flags=nonsense');
    is($status, 1, 'a flag that is none');
    like($said, qr/flag/, 'is said');
};

$edge->stop;
is($server->stop, 0, 'the partner ends well');
is($plain->stop,  0, 'the plain one, too');
done_testing;
