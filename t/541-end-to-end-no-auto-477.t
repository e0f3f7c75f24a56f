#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# no-auto-477: a request that could not be sent has no answer of the relay's own, whoever gave the flag; its record and
# its line say what happened. What was refused, and what a next hop answers, the caller is told as ever.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

# Backoff apart: each request is to try.
my $edge = Trelay::Edge->start(
    configuration => "limits {\n    backoff = 0\n}\ntimers {\n    test = true\n    t1 = 20\n    t2 = 100\n}\n");
my $ca  = $edge->pki->authority('federation');
my $far = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
    tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) },
    answer => sub ($message, $) { return $message->method ne 'ACK' ? response($message, 404, 'Not here') : () });
my ($there, $gone) = (own_address(2) . ':' . $far->port, own_address(3) . ':9');
my $insider = Trelay::SIP::UDP->new(host => own_address(2));
my $insider_address = own_address(2);
$edge->apply($edge->trust_sql('fed', $ca) . <<"END");
INSERT INTO trelay.peer (name, address, flags, action) VALUES ('insider', '$insider_address/32', 'no-auto-477', 'accept');
INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('insider', '$insider_address/32', 'none');
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES
    ('gone', 'gone.example', 'domain', 'fed', '{$gone}'),
    ('there', 'biloxi.example', 'domain', 'fed', '{$there}'),
    ('false', 'false.example', 'domain', 'fed', '{$there}');
INSERT INTO trelay.route (name, domain, next_hop, flags, fork) VALUES
    ('mute', 'mute.example', 'sip:gone.example', 'no-auto-477', false),
    ('ring', 'ring.example', 'sip:gone.example', 'no-auto-477', true),
    ('ring-too', 'ring.example', 'sip:biloxi.example', '', true);
END

# What came for SENT until its record was there.
sub fate ($sent, $socket = $edge->phone) {
    my $record = $edge->record($sent);
    my $last   = $edge->send('OPTIONS', 'sip:bob@biloxi.example', from_socket => $socket);
    my @came;
    while (my $message = $socket->receive) {
        return ($record, @came) if ($message->branch // '') eq $last->branch && $message->status;
        push @came, $message if ($message->branch // '') eq $sent->branch;
    }
    die "the last one has no answer\n";
}

sub is_silent ($what, $method, $uri, %options) {
    my ($record, @came) = fate($edge->send($method, $uri, %options), $options{from_socket} // $edge->phone);
    my %permitted = $method eq 'INVITE' ? (100 => 1) : ();
    is_deeply([ grep { !$permitted{$_} } map { $_->status } @came ], [], "$what: no response but 100 to an INVITE");
    is($record->{status}, undef,            "$what: nor in the record");
    is($record->{reason}, 'connect-failed', "$what: whose reason is what happened");
    is($record->{outbound_policy}, 'gone',  "$what: and its row");
    return;
}

is_silent('flags of the route row', 'INVITE', 'sip:bob@mute.example');
is_silent('flags of the route row, no INVITE', 'MESSAGE', 'sip:bob@mute.example');
is_silent('flags of the peer row', 'INVITE', 'sip:bob@gone.example', from_socket => $insider);
is_silent('flags of the header', 'INVITE', 'sip:bob@gone.example', flags => 'no-auto-477');
is_silent('flags of the Route', 'INVITE', 'sip:bob@gone.example',
    headers => [ [ Route => '<sip:' . own_address(0) . ';lr;no-auto-477>' ] ]);
like($edge->daemon->log, qr/event=decision [^\n]*policy=gone [^\n]*reason=connect-failed/, 'the decision has its line');
unlike($edge->daemon->log, qr/without-effect/, 'it has its effect');

my $told = $edge->ask('INVITE', 'sip:bob@gone.example');
is($told->status, 500, 'without the flag the caller is told');
like($told->header('Warning'), qr/"connect-failed: /, 'and why');
$told = $edge->ask('INVITE', 'sip:bob@false.example', flags => 'no-auto-477');
is($told->status, 502, 'with it, too, whose certificate did not prove its domain');
is($edge->ask('INVITE', 'sip:bob@' . own_address(3), flags => 'no-auto-477')->status, 403, 'and what no row allows');
is($edge->ask('INVITE', 'sip:bob@ring.example')->status, 404, 'of a fork the branch that answers');

# It has a transaction as long as its caller may ask: a repetition goes nowhere, and a CANCEL is answered, and it.
my $sent = $edge->send('INVITE', 'sip:bob@mute.example');
is($edge->response_to($sent)->status, 100, 'a call');
ok($edge->daemon->wait_for_log(qr/event=decision [^\n]*\Q@{[ $sent->call_id ]}\E[^\n]*reason=connect-failed/), 'that failed');
$edge->phone->send($sent->text, $edge->host, 5060);
is($edge->response_to($sent)->status, 100, 'is absorbed when it comes again');
my %same = (via => $sent->header('Via'), from => $sent->header('From'), to => $sent->header('To'), call_id => $sent->call_id);
$edge->phone->send(request('CANCEL', $sent->uri, %same), $edge->host, 5060);
is($edge->final($sent)->status, 487, 'and ends when it is cancelled');
is($edge->record($sent)->{status}, 487, 'which its record says');
is(scalar(() = $edge->daemon->log =~ /event=decision [^\n]*\Q@{[ $sent->call_id ]}\E/g), 1, 'it was sent once');

$edge->daemon->process->wait_until('the last transaction', sub { return !$edge->control('status')->{transactions} });
pass('nothing is left open');
$edge->stop;
done_testing;
