#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Two X-Trelay-Flags headers are one list: a client behind a trusted proxy could otherwise put its own before the
# proxy's, which then did not count. What doubles or contradicts is refused, and none of it leaves.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP::Server;

my $edge    = Trelay::Edge->start;
my $ca      = $edge->pki->authority('federation');
my $partner = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
    tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) });
my $address = own_address(2) . ':' . $partner->port;
$edge->apply($edge->trust_sql('fed', $ca)
        . "INSERT INTO trelay.outbound_policy (name, domain, level, weaken, trust_set, next_hop) VALUES"
        . " ('biloxi', 'biloxi.example', 'chain', 'allowed', 'fed', '{$address}')");

sub ask (@flags) {
    return $edge->ask('MESSAGE', 'sip:bob@biloxi.example', headers => [ map { [ 'X-Trelay-Flags' => $_ ] } @flags ]);
}

my $reply = ask('no-upgrade', 'verify-domain');
is($reply->status, 200, 'the second header counts');
is($edge->record($reply)->{outbound_level}, 'domain', 'and raises the level');
$reply = ask('no-verify', 'verify-domain');
is($reply->status, 500, 'a client cannot take back what its proxy asks for');
is($edge->record($reply)->{reason}, 'flag-conflict', 'accounting');
$reply = ask('tls', 'tls');
is($reply->status, 500, 'one flag in two headers stands twice');
$reply = ask('', 'verify-domain', '');
is($edge->record($reply)->{outbound_level}, 'domain', 'empty ones are no flags');
is(scalar(grep { $_->text =~ /X-Trelay-Flags/i } $partner->messages), 0, 'none of them leaves');
is(scalar(my @seen = $partner->messages), 2, 'the others were not sent');

$edge->stop;
is($partner->stop, 0, 'the partner ends well');
done_testing;
