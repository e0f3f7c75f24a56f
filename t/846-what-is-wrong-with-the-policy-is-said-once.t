#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A row that cannot be used is one line of the log for each reading that finds it so; a reading that fails is one line.
# A route whose next hop is no SIP URI is such a row.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;

my $edge = Trelay::Edge->start(foresee => 0); # a route that refuses has no next hop to explain

sub lines ($pattern) { return scalar(() = $edge->daemon->log =~ /event=$pattern/g) }

my $leaf = $edge->pki->authority('federation')->leaf('us', dns => ['atlanta.example']);
$edge->apply("INSERT INTO trelay.certificate (name, chain_path) VALUES ('lost', '" . $leaf->chain . "');"
        . "INSERT INTO trelay.certificate_key (certificate, key_path) VALUES ('lost', '/nonexistent/key.pem')");
$edge->apply("INSERT INTO trelay.trust_set (name) VALUES ('marks-the-end')"); # whatever belongs to the first is there
my $readings = lines('policy-loaded ');
my $first    = () = $edge->daemon->log =~ /event=policy-loaded .*certificates=0/g;
is(lines('policy-problem .*row=lost '), $readings - $first, 'one line for each reading since the row is there')
    or diag($edge->daemon->log);

$edge->apply("INSERT INTO trelay.route (name, domain, next_hop) VALUES ('nowhere', 'nowhere.example', 'sip:x:99999')");
is($edge->ask('OPTIONS', 'sip:bob@nowhere.example')->status, 500, 'a route whose next hop is no SIP URI refuses');
like($edge->daemon->log, qr/event=policy-problem .*row=nowhere /, 'which is a line of the log');
my $problem = '';
$edge->daemon->process->wait_until('the report', sub {
    $problem = $edge->sql("SELECT problem FROM trelay.problem WHERE row_name = 'nowhere'") });
is($problem, 'next_hop is no SIP URI', 'and a row of trelay.problem');

$edge->sql('REVOKE SELECT ON trelay.route FROM trelay_daemon');
my ($status, $said) = $edge->daemon->ctl('reload');
is($status, 1, 'a reading that fails');
like($said, qr/permission denied/, 'trelayctl hears of it');
is(lines('policy-stale '), 1, 'and one line of the log') or diag($edge->daemon->log);
like($edge->daemon->log, qr/event=policy-stale .*permission denied.* confirmed_at=\d+/, 'why, and how old the policy is');

$edge->stop;
done_testing;
