#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# tls_reload() and close_connection() leave a command for each node, tell the nodes on commit, and keep the answer.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
like $pg->refused('SELECT trelay.tls_reload()', user => 'test_admin'), qr/no node has ever reported/, 'without nodes there is nobody to tell';
$pg->run(<<'SQL', user => 'test_daemon');
INSERT INTO trelay.node (name, started_at) VALUES ('edge1', now()), ('edge2', now());
INSERT INTO trelay.connection (node, id, direction, transport, state, opened_at) VALUES ('edge1', '0.1.7', 'outbound', 'tls', 'ready', now());
SQL

my ($status, $out) = $pg->psql("LISTEN trelay_command;\nSELECT node, command, arguments FROM trelay.tls_reload();", user => 'test_admin');
like $out, qr/^edge1\|tls-reload\|\{"mode": "drop"\}\nedge2\|tls-reload\|\{"mode": "drop"\}$/m, 'one command for each node, drop by default';
like $out, qr/notification "trelay_command"/, 'the nodes are told';
is $pg->value("SELECT node, arguments->>'mode' FROM trelay.tls_reload('drain', 'edge2')", user => 'test_admin'), 'edge2|drain', 'one node';
like $pg->refused("SELECT trelay.tls_reload('drop', 'edge9')", user => 'test_admin'), qr/there is no node "edge9"/, 'no such node';
like $pg->refused("SELECT trelay.tls_reload('gently')", user => 'test_admin'), qr/invalid input value for enum trelay.reload_mode/, 'no such mode';
is $pg->value("SELECT node, command, arguments->>'id', requested_by, done_at FROM trelay.close_connection('edge1', '0.1.7')", user => 'test_admin'),
    'edge1|close-connection|0.1.7|test_admin|', 'a connection';
like $pg->refused("SELECT trelay.close_connection('edge1', '0.1.8')", user => 'test_admin'), qr/node "edge1" has no connection "0.1.8"/, 'no such connection';

my $id = $pg->value("SELECT id FROM trelay.command WHERE command = 'close-connection'");
$pg->run("SELECT trelay.finish_command($id, true, 'closed')", user => 'test_daemon');
is $pg->value("SELECT done_at IS NOT NULL, is_success, result FROM trelay.command WHERE id = $id", user => 'test_reader'), 't|t|closed', 'the answer stands beside it';
$pg->run("SELECT trelay.finish_command($id, false, 'again')", user => 'test_daemon');
is $pg->value("SELECT result FROM trelay.command WHERE id = $id"), 'closed', 'the first answer holds';

for my $call ("trelay.tls_reload()", "trelay.close_connection('edge1', '0.1.7')") {
    like $pg->refused("SELECT $call", user => "test_$_"), qr/permission denied/, "$_ may not $call" for qw(daemon reader);
}
like $pg->refused("INSERT INTO trelay.command (node, command, requested_by) VALUES ('edge1', 'tls-reload', 'other')", user => 'test_admin'),
    qr/permission denied/, 'nobody signs for another';
$pg->run("DELETE FROM trelay.node WHERE name = 'edge1'", user => 'test_admin');
is $pg->value("SELECT count(*) FROM trelay.connection"), 0, 'what a node left goes with its row';
done_testing;
