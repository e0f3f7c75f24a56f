#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Every change of policy is in trelay.change with its author, no key material among it; each commit that changes
# policy counts the version up by one and sends one NOTIFY; one that changes nothing sends none.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Pem;
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my $ca = Trelay::Pem::authority('CA one');
my $leaf = Trelay::Pem::leaf($ca, 'atlanta.example');

sub version { return $pg->value('SELECT version FROM trelay.policy_version') }

# The notifications that psql prints for SQL of its own session.
sub announced {
    my ($sql) = @_;
    my ($status, $out, $error) = $pg->psql("LISTEN trelay_policy;\n$sql\nSELECT 1;", user => 'test_admin');
    die $error if $status;
    return [ $out =~ /notification "trelay_policy" with payload "(\d+)"/g ];
}

subtest 'announcement' => sub {
    my $start = version();
    is_deeply announced("INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('a', 'a.example', 'encrypt');"), [ $start + 1 ], 'one insert, one word';
    is_deeply announced("INSERT INTO trelay.outbound_policy (name, domain, level) SELECT 'b' || n, 'b' || n || '.example', 'encrypt' FROM generate_series(1, 50) AS n;"),
        [ $start + 2 ], 'fifty rows, one word';
    is_deeply announced("BEGIN; UPDATE trelay.outbound_policy SET priority = 7 WHERE name LIKE 'b%'; DELETE FROM trelay.outbound_policy WHERE name = 'b1';
        INSERT INTO trelay.trust_set VALUES ('t'); COMMIT;"), [ $start + 3 ], 'a transaction of many, one word';
    is_deeply announced("BEGIN; DELETE FROM trelay.outbound_policy; ROLLBACK;"), [], 'a rollback: silence';
    is_deeply announced("UPDATE trelay.outbound_policy SET priority = priority;"), [], 'the same values: silence';
    is_deeply announced("DELETE FROM trelay.outbound_policy WHERE name = 'nobody'; INSERT INTO trelay.trust_set SELECT name || 'x' FROM trelay.trust_set WHERE false;"), [], 'no rows: silence';
    is version(), $start + 3, 'the version counts the commits';
    is $pg->value('SELECT count(*) FROM trelay.policy_commit'), 0, 'nothing is left over';
    $pg->run('TRUNCATE trelay.route');
    is version(), $start + 4, 'emptying a table counts';
    is_deeply announced("BEGIN; INSERT INTO trelay.route (name) VALUES ('r1'); SET CONSTRAINTS ALL IMMEDIATE; INSERT INTO trelay.route (name) VALUES ('r2'); COMMIT;"),
        [ $start + 5, $start + 6 ], 'constraints checked early do not lose the later change';
};

subtest 'an open transaction makes nobody wait' => sub {
    my $pid = open my $slow, '|-', "$pg->{bin}/psql", '-X', '-q', '-d', $pg->conninfo or die;
    $slow->autoflush(1);
    print $slow "BEGIN; INSERT INTO trelay.trust_set VALUES ('slow'); SELECT pg_advisory_lock(4711);\n";
    until ($pg->value('SELECT count(*) FROM pg_locks WHERE locktype = \'advisory\' AND objid = 4711')) { select undef, undef, undef, 0.02 }
    my $before = version();
    is $pg->refused("SET lock_timeout = '5s'; INSERT INTO trelay.trust_set VALUES ('quick')", user => 'test_admin'), '', 'another one changes and commits';
    is version(), $before + 1, 'and is counted';
    print $slow "COMMIT;\n";
    close $slow;
    is version(), $before + 2, 'the slow one is counted when it commits';
};

subtest 'record' => sub {
    $pg->run("INSERT INTO trelay.peer (name, address, action) VALUES ('pbx', '192.0.2.0/24', 'accept'); UPDATE trelay.peer SET priority = 5 WHERE name = 'pbx';
        DELETE FROM trelay.peer WHERE name = 'pbx';", user => 'test_admin');
    is $pg->value("SELECT action, changed_by, row_name, old, new->>'address', new->>'priority' FROM trelay.change WHERE table_name = 'peer' AND action <> 'delete' ORDER BY id"),
        join("\n", 'insert|test_admin|pbx||192.0.2.0/24|100', 'update|test_admin|pbx|{"priority": 100}||5'), 'who, what, from, to';
    is $pg->value("SELECT old->>'priority', new FROM trelay.change WHERE table_name = 'peer' AND action = 'delete'"), '5|', 'what was deleted';
    is $pg->value("SELECT count(DISTINCT transaction) FROM trelay.change WHERE table_name = 'outbound_policy' AND action = 'insert'"), 2, 'changes of one transaction go together';
    is $pg->value("SELECT changed_by FROM trelay.change WHERE action = 'truncate'"), 'postgres', 'truncate';
    $pg->run("SET ROLE trelay_admin; INSERT INTO trelay.trust_set VALUES ('as-role')", user => 'test_admin');
    is $pg->value("SELECT changed_by FROM trelay.change WHERE row_name = 'as-role'"), 'test_admin', 'the person, not the role';
    is $pg->value("SELECT trelay.forget_changes('1 day')", user => 'test_admin'), 0, 'young records are kept';
    is $pg->value("SELECT trelay.forget_changes('-1 day') > 50", user => 'test_admin'), 't', 'old ones go';
};

subtest 'no secrets' => sub {
    my $encrypted = Trelay::Pem::encrypted_key($leaf, 'hush-hush');
    $pg->run(<<SQL, user => 'test_admin');
SELECT trelay.import_certificate('fedA', '$leaf->{cert}', '$leaf->{key}');
SELECT trelay.import_certificate('fedA', '$leaf->{cert}', '$encrypted', 'hush-hush');
UPDATE trelay.certificate_key SET passphrase = 'hush-hush-2' WHERE certificate = 'fedA';
UPDATE trelay.certificate_key SET key_pem = NULL, passphrase = NULL, key_uri = 'pkcs11:token=x?pin-value=hush-hush' WHERE certificate = 'fedA';
DELETE FROM trelay.certificate_key WHERE certificate = 'fedA';
SQL
    my $digits = $pg->value("SELECT trelay.rotate_dialog_secret(); SELECT trelay.rotate_dialog_secret(); SELECT trelay.rotate_dialog_secret();
        SELECT substr(encode(secret, 'hex'), 1, 16) FROM trelay.dialog_secret") =~ s/^\d\n//gmr;
    like $digits, qr/^[0-9a-f]{16}\n[0-9a-f]{16}$/, 'two secrets of dialogs';
    is $pg->value("SELECT string_agg(action || coalesce(new ->> 'secret', '') || coalesce(old ->> 'secret', ''), ' ' ORDER BY id)
        FROM trelay.change WHERE table_name = 'dialog_secret'"), 'insert(secret) insert(secret) insert(secret) delete(secret)',
        'each change of them is recorded';
    is $pg->value("SELECT count(*) FROM trelay.change WHERE concat(old, new) ~ '$_'"), 0, 'and does not hold it'
        for split /\n/, $digits;
    is $pg->value("SELECT count(*) FROM trelay.change WHERE table_name = 'certificate_key'"), 5, 'each change of a key is recorded';
    my ($body) = $leaf->{key} =~ /-----\n(.{20})/;
    is $pg->value("SELECT count(*) FROM trelay.change WHERE table_name = 'certificate_key' AND (concat(old, new) ~ 'hush|PRIVATE' OR strpos(concat(old, new), '$body') > 0)"),
        0, 'and none holds the key or its passphrase';
    is $pg->value("SELECT old, new FROM trelay.change WHERE table_name = 'certificate_key' AND action = 'update' ORDER BY id OFFSET 1 LIMIT 1"),
        '{"passphrase": "(secret)"}|{"passphrase": "(secret)"}', 'that something changed is to be seen';
};
done_testing;
