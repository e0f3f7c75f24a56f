#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A policy that nobody has confirmed for longer than max_stale serves no more: 503, and nothing goes out, until the
# database is back (INV-48, ADV-62).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start(configuration => "database {\n    poll = 1\n    max_stale = 3\n}\n");
my $ca   = $edge->pki->authority('federation');
my $far  = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
    tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) });
my $address = own_address(2) . ':' . $far->port;
$edge->apply($edge->trust_sql('fed', $ca)
        . 'INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop)'
        . " VALUES ('biloxi', 'biloxi.example', 'domain', 'fed', '{$address}')");

# Asks until that is the answer: the last response, and how many asked.
sub ask_until ($status) {
    for my $n (1 .. 300) {
        my $reply = $edge->ask('OPTIONS', 'sip:bob@biloxi.example');
        return ($reply, $n) if $reply->status == $status;
        select undef, undef, undef, 0.1;
    }
    die "never answered $status\n" . $edge->daemon->log;
}

is($edge->ask('OPTIONS', 'sip:bob@biloxi.example')->status, 200, 'with the database');
$edge->{postgres}->stop;
my ($refused) = ask_until(503);
like($refused->header('Warning'), qr/^399 edge "policy-stale: /, 'B31: the policy is too old: 503, and why');
like($refused->header('Retry-After'), qr/^\d+$/, 'B31: it may be better later');
my $invite = $edge->ask('INVITE', 'sip:bob@biloxi.example');
is($invite->status, 503, 'B31: nor is a call forwarded');
$edge->send('ACK', 'sip:bob@biloxi.example');

$edge->{postgres}->start;
my ($served, $asked) = ask_until(200);
ok($served, "B31: the database is back, and so is service ($asked requests)");
my %seen = map { $_->call_id => 1 } $far->messages;
ok(!$seen{ $_->call_id }, 'B31: what was refused has gone nowhere: ' . $_->cseq) for $refused, $invite;
is(scalar(grep { $_->method eq 'ACK' } $far->messages), 0, 'B31: nor has an ACK');

$edge->stop;
done_testing;
