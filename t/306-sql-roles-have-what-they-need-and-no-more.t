#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Least privilege: the whole cube of role, table and action is written down here; what is not, must be refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Pem;
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
$pg->run('CREATE ROLE stranger LOGIN');
my @actions = qw(SELECT INSERT UPDATE DELETE TRUNCATE REFERENCES TRIGGER);

# S select, I insert, U update, D delete
my $expected = <<'TABLE';
                              admin  daemon reader
certificate                   SIUD   S      S
certificate_key               IUD    S      -
change                        S      -      S
command                       S      S      S
connection                    S      SIUD   S
crl                           SIUD   S      S
dialog_secret                 ID     S      -
loaded_certificate            S      SIUD   S
migration                     S      S      S
node                          SD     SIUD   S
node_problem                  S      SIUD   S
outbound_policy               SIUD   S      S
peer                          SIUD   S      S
policy_commit                 -      -      -
policy_version                S      S      S
problem                       S      S      S
route                         SIUD   S      S
server_profile                SIUD   S      S
server_profile_certificate    SIUD   S      S
transaction_record            S      I      S
transaction_record_default    -      -      -
trust_anchor                  SIUD   S      S
trust_set                     SIUD   S      S
TABLE
my (undef, @lines) = split /\n/, $expected;
my %expected = map { my ($table, @rights) = split; ($table => { admin => $rights[0], daemon => $rights[1], reader => $rights[2], stranger => '-' }) } @lines;

is $pg->value("SELECT string_agg(relname, ' ' ORDER BY relname COLLATE \"C\") FROM pg_class WHERE relnamespace = 'trelay'::regnamespace AND relkind IN ('r', 'p', 'v')"),
    join(' ', sort keys %expected), 'every table stands in the list';
for my $table (sort keys %expected) {
    for my $role (qw(admin daemon reader stranger)) {
        my $login = $role eq 'stranger' ? $role : "trelay_$role";
        my $answer = $pg->value(join ' UNION ALL ', map { "SELECT CASE WHEN has_table_privilege('$login', 'trelay.$table', '$_') THEN '"
            . ($_ =~ /^(SELECT|INSERT|UPDATE|DELETE)$/ ? substr($_, 0, 1) : "[$_]") . "' ELSE '' END" } @actions);
        $answer =~ s/\n//g;
        (my $right = $expected{$table}{$role}) =~ s/-//;
        is $answer, $right, "$table: $role";
    }
}

is $pg->value(<<'SQL'), join("\n", 'trelay_admin: close_connection drop_records explain_on forget_changes has_unpartitioned_records has_usable_key make_partition rotate_dialog_secret tls_reload',
SELECT r.name || ': ' || string_agg(p.proname, ' ' ORDER BY p.proname COLLATE "C")
  FROM (VALUES ('trelay_admin'), ('trelay_daemon'), ('trelay_reader'), ('stranger')) AS r (name), pg_proc AS p
 WHERE p.pronamespace = 'trelay'::regnamespace AND p.prosecdef AND has_function_privilege(r.name, p.oid, 'EXECUTE')
 GROUP BY r.name ORDER BY r.name COLLATE "C"
SQL
    'trelay_daemon: finish_command has_unpartitioned_records make_partition',
    'trelay_reader: has_unpartitioned_records has_usable_key'), 'who may call the functions that run as the owner';

subtest 'secrets of dialogs' => sub {
    is $pg->value('SELECT trelay.rotate_dialog_secret()', user => 'test_admin'), 1, 'admin makes one';
    is $pg->value('SELECT trelay.rotate_dialog_secret()', user => 'test_admin'), 2, 'and the next one';
    is $pg->value('SELECT trelay.rotate_dialog_secret()', user => 'test_admin'), 3, 'and the next one';
    is $pg->value('SELECT id FROM trelay.dialog_secret ORDER BY id', user => 'test_admin'), "2\n3", 'two stay';
    is $pg->value('SELECT count(DISTINCT secret), min(length(secret)), max(length(secret)) FROM trelay.dialog_secret',
        user => 'test_daemon'), '2|32|32', 'the daemon reads them';
    for my $user (qw(test_admin test_reader stranger)) {
        for my $query ('SELECT secret FROM trelay.dialog_secret', 'SELECT * FROM trelay.dialog_secret',
            'SELECT length(secret) FROM trelay.dialog_secret', 'COPY trelay.dialog_secret TO STDOUT',
            "DELETE FROM trelay.dialog_secret WHERE secret < 'x'",
            "INSERT INTO trelay.dialog_secret (secret) VALUES (pg_catalog.sha256('x')) RETURNING secret") {
            like $pg->refused($query, user => $user), qr/permission denied/, "$user: $query";
        }
    }
    like $pg->refused('SELECT trelay.rotate_dialog_secret()', user => $_), qr/permission denied/, "$_ makes none"
        for qw(test_daemon test_reader stranger);
    is $pg->refused("INSERT INTO trelay.dialog_secret (secret) VALUES (pg_catalog.sha256('x'))", user => 'test_admin'), '',
        'admin may bring one';
};

subtest 'keys' => sub {
    my $ca = Trelay::Pem::authority('CA one');
    my $leaf = Trelay::Pem::leaf($ca, 'atlanta.example');
    is $pg->refused("SELECT trelay.import_certificate('a', '$leaf->{cert}', '$leaf->{key}', 'secret')", user => 'test_admin'), '', 'admin sets one';
    is $pg->refused("SELECT trelay.import_certificate('a', '$leaf->{cert}', '$leaf->{key}')", user => 'test_admin'), '', 'and replaces it';
    for my $user (qw(test_admin test_reader stranger)) {
        for my $query ('SELECT key_pem FROM trelay.certificate_key', 'SELECT * FROM trelay.certificate_key', 'TABLE trelay.certificate_key',
            'SELECT length(key_pem) FROM trelay.certificate_key', 'SELECT passphrase FROM trelay.certificate_key',
            "UPDATE trelay.certificate_key SET passphrase = key_pem RETURNING passphrase",
            "UPDATE trelay.certificate_key SET key_pem = key_pem || ''",
            "DELETE FROM trelay.certificate_key WHERE key_pem LIKE '%A%'",
            "INSERT INTO trelay.certificate_key (certificate, key_pem) VALUES ('a', 'x') ON CONFLICT (certificate) DO UPDATE SET passphrase = certificate_key.key_pem",
            'COPY trelay.certificate_key TO STDOUT') {
            like $pg->refused($query, user => $user), qr/permission denied/, "$user: $query";
        }
    }
    is $pg->value('SELECT certificate FROM trelay.certificate_key', user => 'test_admin'), 'a', 'admin sees which certificates have one';
    unlike $pg->refused("UPDATE trelay.certificate_key SET key_path = '/x' WHERE certificate = 'a'", user => 'test_admin'), qr/BEGIN [A-Z ]*PRIVATE/,
        'nor does a refusal show the row';
    is $pg->value("SELECT key_pem LIKE '%PRIVATE KEY%' FROM trelay.certificate_key", user => 'test_daemon'), 't', 'the daemon reads them';
    is $pg->refused("DELETE FROM trelay.certificate_key WHERE certificate = 'a'", user => 'test_admin'), '', 'admin removes them';
};

subtest 'nobody forges' => sub {
    like $pg->refused("INSERT INTO trelay.change (action, table_name, changed_by) VALUES ('insert', 'peer', 'other')", user => "test_$_"),
        qr/permission denied/, "the record of changes: $_" for qw(admin daemon reader);
    like $pg->refused("UPDATE trelay.policy_version SET version = 0", user => "test_$_"), qr/permission denied/, "the version: $_" for qw(admin daemon reader);
    like $pg->refused("SELECT trelay.expect_announcement()", user => 'test_reader'), qr/permission denied/, 'the announcement';
    like $pg->refused("CREATE TABLE trelay.mine ()", user => "test_$_"), qr/permission denied for schema trelay/, "no new tables: $_" for qw(admin daemon reader);
    like $pg->refused("SELECT * FROM trelay.peer", user => 'stranger'), qr/permission denied for schema trelay/, 'strangers see nothing';
};
done_testing;
