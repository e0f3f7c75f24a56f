#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# explain() says what the tables do not tell, and guesses nothing of it; explain_on() leaves the question for a node, and
# explained() reads the answer, once there is one.
use v5.36;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
$pg->run(<<'SQL', user => 'test_admin');
INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('a', 'a.example', 'encrypt'), ('plain', 'plain.example', 'none');
INSERT INTO trelay.outbound_policy (name, domain, level, scheme) VALUES ('sips', 'sips.example', 'encrypt', 'sips');
INSERT INTO trelay.certificate (name, chain_path) VALUES ('us', '/nowhere');
INSERT INTO trelay.certificate_key (certificate, key_path) VALUES ('us', '/nowhere');
INSERT INTO trelay.outbound_policy (name, domain, level, certificate) VALUES ('shown', 'shown.example', 'encrypt', 'us');
SQL
my %unknown = (
    "'a.example'" => 'allow|lookup,target,key,decision',
    "'a.example', flags => 'lookup=dst'" => 'allow|target,key,decision',
    "'plain.example', transport => 'udp'" => 'allow|lookup,target,key,decision',
    "'shown.example'" => 'allow|lookup,target,key,decision,material',
    "'sips.example'" => 'allow|lookup,scheme,target,key,decision',
    "'sips:a.example'" => 'allow|lookup,scheme,target,key,decision',
    "'b.example'" => 'needs-address|lookup,policy',
    "'b.example', address => '192.0.2.1'" => 'reject|lookup',
    "'b.example', flags => 'lookup=dst'" => 'reject|',
);
is $pg->value("SELECT action, array_to_string(unknown, ',') FROM trelay.explain($_)", user => 'test_reader'), $unknown{$_}, $_
    for sort keys %unknown;

subtest 'a question' => sub {
    like $pg->refused("SELECT trelay.explain_on('edge1', 'a.example')", user => 'test_admin'), qr/there is no node "edge1"/, 'to nobody';
    $pg->run("INSERT INTO trelay.node (name, started_at) VALUES ('edge1', now())", user => 'test_daemon');
    like $pg->refused("SELECT trelay.explain_on('edge1', NULL)", user => 'test_admin'), qr/needs a destination/, 'of nothing';
    like $pg->refused("SELECT trelay.explain_on('edge1', 'a.example', flags => 'tsl')", user => 'test_admin'), qr/tsl/, 'with a flag that is none';
    for my $role (qw(reader daemon)) {
        like $pg->refused("SELECT trelay.explain_on('edge1', 'a.example')", user => "test_$role"), qr/permission denied/, "by $role";
    }
    my ($status, $out) = $pg->psql("LISTEN trelay_command;\nSELECT trelay.explain_on('edge1', 'sip:a.example', 'b.example', call_id => 'c\"1');", user => 'test_admin');
    like $out, qr/^(\d+)$/m, 'by admin: its number';
    like $out, qr/notification "trelay_command" with payload "edge1"/, 'the node is told';
    is $pg->value("SELECT node, command, arguments->>'destination', arguments->>'source', arguments->>'call-id', arguments ? 'pin', requested_by FROM trelay.command"),
        'edge1|explain|sip:a.example|b.example|c"1|f|test_admin', 'what it asks, and nothing else';
};

my $question = $pg->value('SELECT max(id) FROM trelay.command');
subtest 'an answer' => sub {
    like $pg->refused('SELECT * FROM trelay.explained(4711)', user => 'test_admin'), qr/there is no question 4711/, 'to no question';
    like $pg->refused('SELECT * FROM trelay.explained(NULL)', user => 'test_admin'), qr/there is no question NULL/, 'to nothing';
    like $pg->refused("SELECT * FROM trelay.explained($question, '0 seconds')", user => 'test_admin'), qr/node "edge1" has not answered/, 'not yet';
    like $pg->refused("SELECT * FROM trelay.explained(trelay.explain_on('edge1', 'a.example'))", user => 'test_admin'),
        qr/question \d+ is not told before COMMIT/, 'not in one statement';
    my @columns = split /\|/, 'node|decision|reason|status|policy|pinned|level|key_digest|key|connection|upgrade';
    $pg->run("SELECT trelay.finish_command($question, true, '{\"node\":\"edge1\",\"decision\":\"reuse\",\"reason\":\"none\",\"policy\":\"a\",\"pinned\":false,"
            . "\"level\":\"encrypt\",\"key_digest\":\"00\",\"key\":\"role=out\",\"connection\":\"0.1.2\",\"upgrade\":\"not-reached\",\"later\":1}')", user => 'test_daemon');
    is $pg->value('SELECT ' . join(', ', @columns) . " FROM trelay.explained($question)", user => 'test_reader'),
        'edge1|reuse|none||a|f|encrypt|00|role=out|0.1.2|not-reached', 'its columns';
    my $other = $pg->value("SELECT trelay.explain_on('edge1', 'a.example', pin => 'x')", user => 'test_admin');
    $pg->run("SELECT trelay.finish_command($other, false, 'call-id is needed')", user => 'test_daemon');
    like $pg->refused("SELECT * FROM trelay.explained($other)", user => 'test_admin'), qr/ERROR:  call-id is needed/, 'what the node says against it';
    $pg->run("SELECT trelay.tls_reload()", user => 'test_admin');
    like $pg->refused('SELECT * FROM trelay.explained((SELECT max(id) FROM trelay.command))', user => 'test_admin'),
        qr/there is no question \d+/, 'other commands are no questions';
};

subtest 'old questions go' => sub {
    $pg->run("UPDATE trelay.command SET requested_at = now() - interval '25 hours' WHERE id = $question OR command = 'tls-reload'");
    $pg->run("SELECT trelay.explain_on('edge1', 'a.example')", user => 'test_admin');
    is $pg->value("SELECT count(*) FROM trelay.command WHERE id = $question"), 0, 'after a day';
    is $pg->value("SELECT count(*) FROM trelay.command WHERE command = 'tls-reload'"), 1, 'and nothing else does';
};
done_testing;
