#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Whether there is a connection to end only its worker knows: trelayctl close and trelay.close_connection() answer what
# it says, "no such connection" of one that has gone, and "closed" when it has.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start(workers => 2);
my $ca   = $edge->pki->authority('federation');
my $far  = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
    tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) });
my $place = $far->host . ':' . $far->port;
$edge->apply($edge->trust_sql('fed', $ca)
        . "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop)"
        . " VALUES ('biloxi', 'biloxi.example', 'domain', 'fed', '{$place}')");

sub opened () {
    $edge->ask('OPTIONS', 'sip:bob@biloxi.example');
    my ($id) = map { $_->{id} } $edge->connections;
    return $id;
}

# What psql is told of the connection of that name, which trelay.connection has.
sub close_by_psql ($id) {
    $edge->daemon->process->wait_until("the row of $id",
        sub { $edge->sql("SELECT count(*) FROM trelay.connection WHERE id = '$id'") == 1 });
    my $command = $edge->sql("SELECT id FROM trelay.close_connection('edge', '$id')");
    return $edge->daemon->process->wait_until("the result of command $command", sub {
        my ($row) = $edge->rows("SELECT * FROM trelay.command WHERE id = $command AND done_at IS NOT NULL");
        return $row && ($row->{is_success} ? 'done: ' : 'failed: ') . $row->{result};
    });
}

my $id = opened();
my $other = $id =~ s/\d+$/999/r; # in the same place
for my $none ($other, '0.999.1', '1.7.1', '9.0.1') {
    my ($status, $said) = $edge->daemon->ctl('close', $none);
    is($status, 1, "trelayctl close $none: refused");
    like($said, qr/no such connection/, 'and why');
}
is_deeply([ map { $_->{id} } $edge->connections ], [$id], 'the one that is there stays');
is_deeply($edge->control('close', $id), { closed => $id }, 'trelayctl close of that one');
is_deeply([ $edge->connections ], [], 'it has ended by the time of the answer');
my ($status) = $edge->daemon->ctl('close', $id);
is($status, 1, 'and a second time there is none');

$edge->sql("INSERT INTO trelay.connection (node, id, direction, transport, state, opened_at)"
        . " VALUES ('edge', '$_', 'outbound', 'tls', 'ready', now())") for $other, '9.0.1';
is(close_by_psql($_), 'failed: no such connection', "close_connection() of $_, whose row is left") for $other, '9.0.1';
is(close_by_psql(opened()), 'done: closed', 'close_connection() of one that is there');
is_deeply([ $edge->connections ], [], 'has ended it');

$edge->stop;
is($far->stop, 0, 'the partner ends well');
done_testing;
