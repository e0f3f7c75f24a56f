#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A next hop whose address cannot be found is a line of the log, also where another one serves the request: the operator
# hears that his first choice is never asked. A stranger's request comes to no next hop, and to no such line.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP::Server;

my $edge    = Trelay::Edge->start;
my $partner = Trelay::SIP::Server->start(transport => 'udp', host => own_address(2));
my $address = $partner->host . ':' . $partner->port;
$edge->apply(<<"END");
INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES
    ('gone', 'gone.example', 'none', NULL), ('biloxi', 'biloxi.example', 'none', '{$address}');
INSERT INTO trelay.route (name, priority, domain, next_hop) VALUES
    ('first', 1, 'atlanta.example', 'sip:gone.example'), ('second', 2, 'atlanta.example', 'sip:biloxi.example');
END

my $stranger = Trelay::SIP::UDP->new(host => own_address(3));
$edge->send('OPTIONS', 'sip:bob@atlanta.example', from_socket => $stranger);
is($stranger->receive->status, 403, 'a stranger is refused');
my $reply = $edge->ask('OPTIONS', 'sip:bob@atlanta.example');
is($reply->status, 200, 'the second next hop serves the request');
my @lines = $edge->daemon->log =~ /^.*event=locate-failed .*$/mg;
is(scalar @lines, 1, 'the log tells of the first one, once') or diag($edge->daemon->log);
my $call_id = $reply->call_id;
like($lines[0] // '', qr/\bcall-id=\Q$call_id\E .*policy=gone next-hop=gone\.example reason=dns-failed /,
    'for which request, by which row, where to, and why');

$edge->stop;
is($partner->stop, 0, 'the partner ends well');
done_testing;
