#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# idle_timeout of a row holds for connections that another row's request opened and that may be silent for longer: its
# request gets a new one, proven anew, and the old one ends; explain says so beforehand (INV-37).
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
my $next = '{' . own_address(2) . ':' . $partner->port . '}';
my $columns = 'name, domain, level, trust_set, send_sni, next_hop, idle_timeout';
$edge->apply($edge->trust_sql('fed', $ca) . "INSERT INTO trelay.outbound_policy ($columns) VALUES"
        . " ('patient', 'patient.example', 'chain', 'fed', false, '$next', NULL),"
        . " ('tidy', 'tidy.example', 'chain', 'fed', false, '$next', '3 s')");

# What accounting says of one request.
sub ask ($name) {
    my $reply = $edge->ask('MESSAGE', "sip:bob\@$name.example");
    is($reply->status, 200, "$name is answered");
    return $edge->record($reply);
}

sub foresee ($name) { return $edge->control('explain', "sip:bob\@$name.example") }

my $first = ask('patient');
is($first->{outbound_decision}, 'open', 'a connection is opened');
my $second = ask('patient');
is($second->{outbound_connection_id}, $first->{outbound_connection_id}, 'and used again');
$edge->daemon->process->wait_until('explain: for three seconds of silence it would not do', sub {
    return foresee('tidy')->{decision} eq 'open';
});
is(foresee('patient')->{decision}, 'reuse', 'explain: for who sets no limit it would');
my $third = ask('tidy');
is($third->{outbound_decision}, 'open', 'ADV-35: indeed, whether or not a timer has seen it');
isnt($third->{outbound_connection_id}, $first->{outbound_connection_id}, 'the new one is another');
$partner->wait_for_end(1);
is(ask('patient')->{outbound_connection_id}, $third->{outbound_connection_id}, 'and serves both rows');

$edge->stop;
is($partner->stop, 0, 'the partner ends well');
done_testing;
