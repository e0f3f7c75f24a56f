#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# max-age of a request holds for connections that another request opened and that may live longer: it gets a new one,
# proven anew, and the old one goes on serving those who allow it (INV-37, ADV-35).
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
        . "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES"
        . " ('biloxi', 'biloxi.example', 'domain', 'fed', '{$address}')");

# What accounting says of one request.
sub ask ($flags) {
    my $reply = $edge->ask('MESSAGE', 'sip:bob@biloxi.example', flags => $flags);
    is($reply->status, 200, "flags \"$flags\": answered");
    return $edge->record($reply);
}

my $first = ask('');
is($first->{outbound_decision}, 'open', 'a connection is opened');
is(ask('max-age=1h')->{outbound_connection_id}, $first->{outbound_connection_id}, 'it is young enough for an hour');
$edge->daemon->process->wait_until('the connection to be older than that', sub {
    return $edge->sql("SELECT extract(epoch FROM now() - '$first->{recorded_at}'::timestamptz) > 5") eq 't';
});
my $second = ask('max-age=4s');
is($second->{outbound_decision}, 'open', 'for four seconds it is too old');
isnt($second->{outbound_connection_id}, $first->{outbound_connection_id}, 'the new one is another');
is(scalar(my @connections = $partner->connections), 2, 'the partner has seen both');
is(ask('')->{outbound_decision}, 'reuse', 'who allows more reuses');

$edge->stop;
is($partner->stop, 0, 'the partner ends well');
done_testing;
