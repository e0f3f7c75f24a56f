#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A next hop whose name cannot be normalised (a label of 64 letters) is refused: it would be ruled by the default row,
# although it stands under a domain whose own row asks for more (INV-14).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address free_port);
use Trelay::SIP::Server;

my $edge  = Trelay::Edge->start(configuration => qq{lookup = "dst+default"\n});
my $ca    = $edge->pki->authority('federation');
my $plain = Trelay::SIP::Server->start(host => own_address(2));
my ($weak, $shut) = (own_address(2) . ':' . $plain->port, own_address(3) . ':' . free_port(own_address(3)));
$edge->apply($edge->trust_sql('fed', $ca)
        . 'INSERT INTO trelay.outbound_policy (name, domain, is_default, level, trust_set, next_hop) VALUES'
        . " ('strong', '*.biloxi.example', false, 'domain', 'fed', '{$shut}'),"
        . " ('rest', NULL, true, 'none', NULL, '{$weak}')");

is($edge->ask('MESSAGE', 'sip:bob@elsewhere.example')->status, 200, 'the default row rules other names');
is($edge->record($edge->ask('MESSAGE', 'sip:bob@' . 'a' x 63 . '.biloxi.example'))->{outbound_policy}, 'strong',
    'the longest label there may be is under the domain');
my $reply = $edge->ask('MESSAGE', 'sip:bob@' . 'a' x 64 . '.biloxi.example');
is($reply->status, 500, 'a longer one is refused');
is($edge->record($reply)->{reason}, 'no-address', 'accounting');
is(scalar(my @seen = $plain->messages), 1, 'and seen by nobody');

$edge->stop;
is($plain->stop, 0, 'the neighbour ends well');
done_testing;
