#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A client sends each request fifty times: the next hop gets it once, and the client an answer.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

my ($CALLS, $TIMES) = (20, 50);
my $edge  = Trelay::Edge->start;
my $ca    = $edge->pki->authority('federation');
my $far   = Trelay::SIP::Server->start(
    transport => 'tls',
    host      => own_address(2),
    tls       => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) },
    answer    => sub ($message, $n) {
        return if $message->method eq 'ACK';
        my $ok = response($message, 200, 'OK', to_tag => 'callee', contact => '<sip:bob@biloxi.example>');
        return $message->method eq 'INVITE' ? (response($message, 180, 'Ringing', to_tag => 'callee'), $ok) : $ok;
    },
);
my $address = own_address(2) . ':' . $far->port;
$edge->apply($edge->trust_sql('fed', $ca)
        . 'INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop)'
        . " VALUES ('biloxi', 'biloxi.example', 'domain', 'fed', '{$address}')");

my $phone = $edge->phone;
sub storm ($text) {
    $phone->send($text, $edge->host, 5060) for 1 .. $TIMES;
    return Trelay::SIP::parse($text);
}

my ($last, @finals);
for my $n (1 .. $CALLS) {
    my $call = "storm-$n\@test";
    my $invite = storm(request('INVITE', 'sip:bob@biloxi.example', via => $phone->via, call_id => $call,
        contact => '<sip:alice@' . own_address(1) . '>'));
    my $ok = $edge->final($invite);
    my %dialog = (call_id => $call, from => scalar $ok->header('From'), to => scalar $ok->header('To'),
        headers => [ map { [ Route => $_ ] } reverse map { split /,\s*/ } $ok->header('Record-Route') ]);
    $edge->send('ACK', 'sip:bob@biloxi.example', %dialog);
    my $bye = storm(request('BYE', 'sip:bob@biloxi.example', via => $phone->via, cseq => 2, %dialog));
    $last = $edge->final($bye);
    push @finals, $ok->status, $last->status;
}
is_deeply(\@finals, [ (200) x (2 * $CALLS) ], 'D11 D13 D15: each is answered');

my %seen;
push @{ $seen{ $_->call_id } }, $_->method for $far->wait_for_messages(3 * $CALLS);
is(scalar(keys %seen), $CALLS, 'D11: every call has arrived');
is_deeply([ map { "@$_" } values %seen ], [ ('INVITE ACK BYE') x $CALLS ], 'D11 D13 D15: each request once, in order');
my $requests = $edge->control('status')->{requests};
cmp_ok($requests, '>', $TIMES * $CALLS, "D11: of $requests that the relay has read");
is($edge->record($last)->{status}, 200, 'D11: the last has its record');
is($edge->sql('SELECT count(*) FROM trelay.transaction_record'), 2 * $CALLS, 'D11: accounting has each once');

$edge->stop;
done_testing;
