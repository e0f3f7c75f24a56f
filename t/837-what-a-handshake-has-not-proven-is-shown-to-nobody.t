#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# While a caller's handshake is under way, its worker still writes down what it learns; trelayctl and trelay.connection,
# which live in another thread, are told of such a connection that it is there, and nothing that is not yet so (INV-19).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP;

my $edge = Trelay::Edge->start;
my $ca   = $edge->pki->authority('federation');
my $us   = $ca->leaf('us', dns => ['atlanta.example']);
$edge->apply($edge->certificate_sql('us', $us) . "INSERT INTO trelay.server_profile (name) VALUES ('edge');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us')");

my $caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => own_address(3));
sub shown ($state) {
    return $edge->daemon->process->wait_until("a connection that is $state", sub {
        my ($connection) = grep { $_->{state} eq $state } $edge->connections('inbound');
        return $connection;
    });
}
# Accepted and silent, it counts as one whose handshake is under way.
my $early = shown('handshaking');
is($early->{peer}, $caller->host . ':' . $caller->port, 'the caller is there');
is_deeply([ grep { exists $early->{$_} } qw(transport tls suite sni certificate level class identity deadline) ], [],
    'and nothing is said of what it has not shown');

$caller->start_tls({ sni => 'atlanta.example' }, 0);
my $late = shown('ready');
is($late->{id}, $early->{id}, 'when the handshake is done it is the same one');
is("$late->{transport} $late->{certificate} $late->{class}", 'tls us unverified', 'of which everything is told');

$edge->stop;
done_testing;
