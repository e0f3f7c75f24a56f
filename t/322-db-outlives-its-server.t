#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# With PostgreSQL away the last snapshot serves; when it is back, the node catches up by itself: policy, commands,
# connections, records (INV-48, ADV-62).
use v5.36;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::DbProbe;
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
sub admin ($sql) { $pg->run($sql, user => 'test_admin'); return }

admin("INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('a', 'a.example', 'encrypt')");
my $probe = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge1');
$probe->wait_for(qr/^loaded generation=1 outbound=1 /);
$probe->wait_until('registration', sub { $pg->value('SELECT count(*) FROM trelay.node WHERE policy_version IS NOT NULL') });
$probe->say('live|xxx', 'put|one|ready');
$probe->wait_until('rows', sub { $pg->value('SELECT count(*) FROM trelay.connection') == 1 });

subtest 'crash' => sub {
    $pg->stop('immediate');
    $probe->wait_for(qr/event=database-lost|database-lost/);
    $probe->wait_until('both sessions gone', sub { $probe->ask('connected') eq 'no' });
    is $probe->ask('explain|a.example|||192.0.2.1|||tls') =~ s/\|\{.*//r, 'allow|none|a|encrypt|||a.example|', 'the last snapshot serves';
    like $probe->say('ask')->wait_for(qr/^asked (.*)/), qr/^false: ./, 'nobody can say that it is the policy of now';
    $probe->say('record|while-away|200', 'put|two|ready', 'remove|one');
    $pg->start;
    admin("UPDATE trelay.outbound_policy SET enabled = false; INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('b', 'b.example', 'encrypt')");
    $probe->wait_until('the new policy', sub { $probe->ask('explain|b.example|||192.0.2.1|||tls') =~ /^allow/ });
    is $probe->ask('explain|a.example|||192.0.2.1|||tls'), 'reject|no-policy|', 'what was taken away meanwhile is gone';
    $probe->wait_until('the record', sub { $pg->value("SELECT count(*) FROM trelay.transaction_record WHERE call_id = 'while-away'") == 1 });
    $probe->wait_until('the live connections', sub { $pg->value("SELECT count(*) FROM trelay.connection") == 3 });
    is $pg->value("SELECT string_agg(id, ' ' ORDER BY id) FROM trelay.connection"), 'live-0 live-1 live-2', 'those that live, and no others';
};

subtest 'sessions ended by an administrator' => sub {
    for my $round (1 .. 3) {
        $pg->run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trelayd/edge1'");
        admin("INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('r$round', 'r$round.example', 'encrypt')");
        $probe->wait_until('catching up', sub { $probe->ask("explain|r$round.example|||192.0.2.1|||tls") =~ /^allow/ });
        pass "round $round: back, and up to date";
    }
};

subtest 'a command waits for its node' => sub {
    $pg->run("ALTER ROLE test_daemon NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trelayd/edge1'");
    $probe->wait_until('both sessions gone', sub { $probe->ask('connected') eq 'no' });
    admin("SELECT trelay.tls_reload('drain')");
    is $pg->value("SELECT done_at FROM trelay.command"), '', 'it is open';
    $pg->run('ALTER ROLE test_daemon LOGIN');
    my $id = $probe->wait_for(qr/^command (\d+) tls-reload drain$/);
    $probe->say("answer|$id|true|drained");
    $probe->wait_until('the answer', sub { $pg->value("SELECT result FROM trelay.command WHERE id = $id") eq 'drained' });
    pass 'and done when the node is back';
};

subtest 'notifications' => sub {
    $probe->wait_until('the live connections', sub { $pg->value("SELECT count(*) FROM trelay.connection") == 3 });
    admin("SELECT trelay.close_connection('edge1', 'live-1')");
    my $id = $probe->wait_for(qr/^command (\d+) close-connection live-1$/);
    $probe->say("answer|$id|false|no such connection");
    $probe->wait_until('the answer', sub { $pg->value("SELECT is_success, result FROM trelay.command WHERE id = $id") eq 'f|no such connection' });
    is scalar(() = $probe->output =~ /^command $id /mg), 1, 'a command is given once';
};

subtest 'the row of the node is deleted' => sub {
    admin("DELETE FROM trelay.node WHERE name = 'edge1'");
    $probe->wait_until('the row', sub { $pg->value("SELECT count(*) FROM trelay.connection") == 3 });
    is $pg->value("SELECT version, connections, transactions FROM trelay.node"), '0|7|4711', 'it comes back with all that belongs to it';
};

subtest 'another process of the same name' => sub {
    my $owner = sub { $pg->value("SELECT process_id FROM trelay.node WHERE name = 'edge1'") };
    my $ids = sub { $pg->value("SELECT string_agg(id, ' ' ORDER BY id) FROM trelay.connection") };
    my $lines = sub { scalar(() = $probe->output =~ /another process is registered as this node/g) };
    my $first = $owner->();
    for my $round (1, 2) {
        my $second = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge1');
        $second->wait_until('its registration', sub { $owner->() != $first });
        my $its = $owner->();
        $probe->wait_until('the first one notices', sub { $lines->() == $round });
        $probe->say("put|not-mine-$round|ready");
        $second->say('live|yy', 'put|its|ready');
        $second->wait_until('its rows', sub { ($ids->() // '') =~ /its/ });
        my $seen = $pg->value("SELECT seen_at FROM trelay.node WHERE name = 'edge1'");
        $second->wait_until('ten heartbeats', sub {
            $pg->value("SELECT seen_at > '$seen'::timestamptz + 10 * heartbeat_every FROM trelay.node WHERE name = 'edge1'") eq 't' });
        is $owner->(), $its, "round $round: while the second one lives the row is its own";
        is $ids->(), 'its', 'and so are the connections';
        is $lines->(), $round, 'one line for one change';
        is $second->stop, '', 'the second one ends in order';
        $probe->wait_until('the first one is registered again', sub { $owner->() == $first });
        $probe->wait_until('its connections', sub { ($ids->() // '') eq 'live-0 live-1 live-2' });
        is $ids->(), 'live-0 live-1 live-2', 'then the first one takes it back, with all its connections';
    }
    my $id = $pg->value("SELECT id FROM trelay.tls_reload('drain', 'edge1')", user => 'test_admin');
    is $probe->wait_for(qr/^command ($id) tls-reload drain$/), $id, 'and gets the commands';
    $probe->say("answer|$id|true|drained");
    $probe->wait_until('the answer', sub { $pg->value("SELECT result FROM trelay.command WHERE id = $id") eq 'drained' });
};

is $probe->stop, '', 'ends in order';

subtest 'no notification at all: polling' => sub {
    $pg->run('CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$');
    my $polling = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge2', poll_ms => 100);
    $polling->wait_for(qr/^loaded/);
    # The commit counts the version and says nothing.
    $pg->run(<<'SQL');
CREATE OR REPLACE FUNCTION trelay.announce_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ BEGIN DELETE FROM trelay.policy_commit; UPDATE trelay.policy_version SET version = version + 1; RETURN NULL; END $$
SQL
    $polling->wait_for(qr/^confirmed now/);
    admin("INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('unheard', 'unheard.example', 'encrypt')");
    $polling->wait_for(qr/^loaded/);
    like $polling->ask('explain|unheard.example|||192.0.2.1|||tls'), qr/^allow/, 'finds the change';
    is $polling->stop, '', 'ends in order';
};

subtest 'a database without schema, or without rights' => sub {
    $pg->run('CREATE DATABASE bare; CREATE ROLE nobody LOGIN');
    my $bare = Trelay::DbProbe->start($pg->conninfo(user => 'nobody', database => 'bare'), 'edge3');
    like $bare->wait_for(qr/^failed (.*)/), qr/relation "trelay.policy_version" does not exist/, 'is told';
    is $bare->ask('explain|a.example|||192.0.2.1|||tls'), 'reject|no-policy|', 'and nothing is allowed';
    is $bare->stop, '', 'ends in order';
    my $stranger = Trelay::DbProbe->start($pg->conninfo(user => 'nobody'), 'edge3');
    like $stranger->wait_for(qr/^failed (.*)/), qr/permission denied for schema trelay/, 'is told';
    is $stranger->stop, '', 'ends in order';
};

subtest 'several hosts' => sub {
    # The first has no socket there, the second answers.
    my $conninfo = $pg->conninfo(user => 'test_daemon') =~ s/host=(\S+)/host=\/nonexistent,$1/r;
    my $probe = Trelay::DbProbe->start($conninfo, 'edge4');
    $probe->wait_for(qr/^loaded/);
    pass 'the next one is taken';
    is $probe->stop, '', 'ends in order';
};
done_testing;
