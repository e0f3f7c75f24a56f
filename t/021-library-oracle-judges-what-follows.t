#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Trelay::Model::Oracle tells where CANCEL and ACK may go (doc/decision/0012): to the connection of their INVITE, or when that
# has ended to another of its key; and is not blind to what goes elsewhere.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Model::Oracle;

# Peers prove what their leaf is named after, to whoever trusts fed.
package Proofs { sub proves ($self, $leaf, $need) { return $need->{level} eq 'encrypt' || $leaf =~ /^good/ } }

my %row = (name => 'r', domain => 'biloxi.example', level => 'domain', trust_set => 'fed', next_hop => ['a'], priority => 1);

# What is wrong when those things happen. A thing: [ event, peer/number, turn, method or leaf ].
sub wrong (@things) {
    my $world = Trelay::Model::World->new(proofs => bless({}, 'Proofs'), own => {}, trust => { fed => ['fed'] });
    $world->put({ %row, serial => 1 })->put({ %row, serial => 2, name => 'o', domain => 'other.example', level => 'encrypt' });
    my $oracle = Trelay::Model::Oracle->new;
    $oracle->add_world($world, 0);
    $oracle->world_rules(0, 0);
    $oracle->{requests}{$_} = { token => $_, method => 'INVITE', domain => 'biloxi.example', flags => {}, sent => 1, sent_time => 0 }
        for 'call', 'second';
    $oracle->{requests}{plain} = { token => 'plain', method => 'OPTIONS', domain => 'other.example', flags => { sni => 'biloxi.example' },
        sent => 1, sent_time => 0 };
    for my $thing (@things) {
        my ($event, $where, $turn, $what, $token) = @$thing;
        my ($peer, $n) = split m{/}, $where;
        my %event = (event => $event, peer => $peer, n => $n, turn => $turn, time => 0);
        %event = (%event, sni => 'biloxi.example', client => '', leaf => $what, version => '1.3', ask => 'ask', is_resumed => 0) if $event eq 'tls';
        %event = (%event, method => $what, token => $token // 'call', branch => $token // 'call') if $event eq 'message';
        $oracle->absorb(\%event);
    }
    my @awaited = map { $_->{name} } $oracle->ends_to_come;
    $oracle->judge;
    return join "\n", (map { "awaited: $_" } @awaited), map { $_->{what} } @{ $oracle->{violations} };
}

my @rings = ([ tls => 'a/1', 1, 'good' ], [ message => 'a/1', 2, 'INVITE' ]);
my @other = ([ tls => 'a/2', 3, 'good' ], [ message => 'a/2', 5, 'CANCEL' ]);
is(wrong(@rings, [ message => 'a/1', 3, 'CANCEL' ], [ message => 'a/1', 4, 'ACK' ]), '', 'both on the connection of the INVITE');
is(wrong(@rings, [ end => 'a/1', 3 ], @other, [ message => 'a/2', 6, 'ACK' ]), '', 'it has ended: on another');
is(wrong(@rings, @other, [ end => 'a/1', 5 ]), '', 'whose message was noted before that end');
is(wrong(@rings, [ end => 'a/1', 3 ], [ tls => 'a/2', 3, 'good-too' ], [ message => 'a/2', 5, 'CANCEL' ]), '',
    'another certificate that proves the same');
like(wrong(@rings, @other), qr{^awaited: a/1\nS5 CANCEL on a/2 .*where its INVITE is not \(a/1, there}, 'it is there: nowhere else');
like(wrong(@rings, @other, [ message => 'a/1', 7, 'INVITE', 'second' ], [ end => 'a/1', 8 ]), qr/^S5 CANCEL on a\/2 .*a\/1, ended, .*turn 7\)$/,
    'it was used after that, and ended later');
is(wrong(@rings, @other, [ message => 'a/1', 6, 'INVITE', 'second' ], [ end => 'a/1', 6 ]), '', 'what was ready at one time is noted in any order');
like(wrong(@rings, [ end => 'a/1', 3 ], [ tls => 'a/2', 3, 'evil' ], [ message => 'a/2', 5, 'CANCEL' ]), qr/^S5 CANCEL on a\/2/,
    'one that does not prove it');
like(wrong(@rings, [ end => 'a/1', 3 ], [ tls => 'b/2', 3, 'good' ], [ message => 'b/2', 5, 'CANCEL' ]), qr/^S5 CANCEL on b\/2/, 'another peer');
like(wrong(@rings, [ end => 'a/1', 3 ], [ tls => 'a/2', 3, 'good' ], [ message => 'a/2', 4, 'CANCEL' ], [ message => 'a/2', 5, 'OPTIONS', 'plain' ]),
    qr/^S2 seen on a\/2 .*among requests of another key/, 'what comes there later is of its key');
like(wrong(@rings, [ end => 'a/1', 3 ], [ tls => 'a/2', 3, 'good' ], [ message => 'a/2', 4, 'INVITE', 'second' ], [ message => 'a/2', 5, 'CANCEL', 'none' ]),
    qr/^S1 /, 'nobody asked for it');
done_testing;
