#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A second trelayd that was started under the name of a running one, and ended, leaves trelay.connection to the first one
# with all that lives: the first one says that another process has its row, once, waits until that one is silent, and
# then registers again.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Daemon;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP::Server;

my $edge   = Trelay::Edge->start(foresee => 0);
my $ca     = $edge->pki->authority('federation');
my $biloxi = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
    tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) });
my $place = $biloxi->host . ':' . $biloxi->port;
$edge->apply($edge->trust_sql('fed', $ca) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'fed', '{$place}');
END
my $process = $edge->daemon->process;

sub owner () { return $edge->sql("SELECT process_id FROM trelay.node WHERE name = 'edge'") }
sub shown () { return $edge->sql("SELECT coalesce(string_agg(policy, ' '), '') FROM trelay.connection WHERE node = 'edge'") }
sub lines () { return scalar(() = $edge->daemon->log =~ /another process is registered as this node/g) }

is($edge->ask('OPTIONS', 'sip:bob@biloxi.example')->status, 200, 'a connection is opened');
$process->wait_until('its row, as it stays', sub {
    $edge->sql("SELECT count(*) FROM trelay.connection WHERE state = 'ready' AND requests = 1 AND in_flight = 0") });
is(owner(), $edge->daemon->pid, 'the node is registered');

my $second = Trelay::Daemon->start(postgres => $edge->{postgres}, values => { HERE => own_address(3) },
    configuration => <<'END');
node = "edge"
database { connection = "@DATABASE@" }
control { socket = "@DIRECTORY@/control" }
listener "inside" {
    transport = "udp"
    address = "@HERE@"
}
END
$process->wait_until('the registration of the second one', sub { owner() eq $second->pid });
$process->wait_until('the first one notices', sub { lines() });
is(shown(), '', 'the table has what the second one has');
$second->stop;

# What would happen after four heartbeats of silence.
$edge->sql("UPDATE trelay.node SET seen_at = now() - interval '1 hour'");
$process->wait_until('the first one registers again', sub { owner() eq $edge->daemon->pid });
$process->wait_until('its connections', sub { shown() ne '' });
is(shown(), 'biloxi', 'and its connection is shown again');
is(lines(), 1, 'one line of the log for all that') or diag($edge->daemon->log);
is($edge->ask('OPTIONS', 'sip:bob@biloxi.example')->status, 200, 'the connection serves');

$edge->stop;
is($biloxi->stop, 0, 'the partner ends well');
done_testing;
