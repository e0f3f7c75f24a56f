#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Two domains at one address, a connection of its own each: a response to the request for the one that comes on the
# connection of the other is dropped, however well it knows the branch. The answer is the one from the right connection.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(response);

my $edge = Trelay::Edge->start;
my $ca   = $edge->pki->authority('federation');
my $hand = Trelay::SIP::Listener->new(host => own_address(2),
    tls => { certificate => $ca->leaf('both', uri => [ 'sip:one.example', 'sip:two.example' ]) });
my $address = own_address(2) . ':' . $hand->port;
$edge->apply($edge->trust_sql('fed', $ca)
        . 'INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES'
        . join(',', map { " ('$_', '$_.example', 'domain', 'fed', '{$address}')" } qw(one two)));

my %phone = (one => $edge->phone, two => Trelay::SIP::UDP->new(host => own_address(1)));
my (%sent, %stream, %seen);
for my $name (qw(one two)) {
    $sent{$name}   = $edge->send('MESSAGE', "sip:bob\@$name.example", from_socket => $phone{$name});
    $stream{$name} = $hand->accept;
    $seen{$name}   = $stream{$name}->receive;
    is($seen{$name}->call_id, $sent{$name}->call_id, "$name: the request comes on a connection of its own");
}

$stream{two}->send(response($seen{one}, 200, 'Forged', to_tag => 'x'));
$stream{two}->send(response($seen{two}, 202, 'Mine',   to_tag => 'y'));
is($edge->final($sent{two}, $phone{two})->status, 202, 'what came behind the forged response has arrived');
$stream{one}->send(response($seen{one}, 486, 'Right', to_tag => 'z'));
is($edge->final($sent{one}, $phone{one})->status, 486, 'A15 D18: the answer is that of the right connection');

$edge->stop;
done_testing;
