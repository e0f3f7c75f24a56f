#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# trelay.problem shows what nodes report and what the tables show; nothing in a healthy database.
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
$pg->run(<<SQL, user => 'test_admin');
SELECT trelay.import_trust_set('fed', '$ca->{cert}');
SELECT trelay.import_certificate('fed', '$leaf->{cert}', '$leaf->{key}');
INSERT INTO trelay.peer (name, trust_set, action) VALUES ('fed', 'fed', 'accept');
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate) VALUES ('fed', 'fed.example', 'domain', 'fed', 'fed');
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('fed', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate VALUES ('fed', 'fed');
INSERT INTO trelay.route (name, peer, flags) VALUES ('fed', 'fed', 'cert=fed,trust=fed');
SQL
$pg->run("INSERT INTO trelay.node (name, started_at, policy_version) SELECT 'edge1', now(), version FROM trelay.policy_version", user => 'test_daemon');
is $pg->value('SELECT * FROM trelay.problem', user => 'test_reader'), '', 'a healthy database has none';

# what is done, as whom => table, row, problem
my @cases = (
    [admin => "INSERT INTO trelay.certificate (name, chain_path) VALUES ('x', '/x'); INSERT INTO trelay.outbound_policy (name, domain, level, certificate) VALUES ('x', 'x.example', 'encrypt', 'x')",
        'error|outbound_policy|x', qr/certificate x has no key/],
    [admin => "INSERT INTO trelay.trust_set VALUES ('x'); INSERT INTO trelay.outbound_policy (name, domain, level, trust_set) VALUES ('x', 'x.example', 'chain', 'x')",
        'error|outbound_policy|x', qr/trust set x has no anchors/],
    [admin => "INSERT INTO trelay.trust_set VALUES ('x'); INSERT INTO trelay.peer (name, trust_set, action) VALUES ('x', 'x', 'accept')",
        'error|peer|x', qr/trust set x has no anchors/],
    [admin => "INSERT INTO trelay.server_profile (name, server_name) VALUES ('x', 'x.example')", 'error|server_profile|x', qr/has no certificate/],
    [admin => "UPDATE trelay.peer SET enabled = false", 'warning|route|fed', qr/peer fed, which is disabled/],
    [admin => "INSERT INTO trelay.route (name, flags) VALUES ('x', 'cert=nobody')", 'error|route|x', qr/certificate nobody, which does not exist/],
    [admin => "INSERT INTO trelay.outbound_policy (name, domain, level, expected_domain) VALUES ('x', 'x.example', 'encrypt', 'y.example')",
        'warning|outbound_policy|x', qr/expected_domain y.example has no effect/],
    [admin => "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, priority) VALUES ('x', 'fed.example', 'chain', 'fed', 101)",
        'warning|outbound_policy|x', qr/never rules: fed has the same match/],
    [admin => "INSERT INTO trelay.outbound_policy (name, address, level, trust_set) VALUES ('x', '192.0.2.0/24', 'domain', 'fed')",
        'warning|outbound_policy|x', qr/next hops given as addresses are refused/],
    [admin => "INSERT INTO trelay.outbound_policy (name, domain, level, max_age, revalidate_every) VALUES ('x', 'x.example', 'encrypt', '1 hour', '2 hours')",
        'warning|outbound_policy|x', qr/revalidate_every is not below max_age/],
    [admin => "INSERT INTO trelay.outbound_policy (name, domain, level, initial_only) VALUES ('x', 'x.example', 'encrypt', true)",
        'warning|outbound_policy|x', qr/initial_only has no effect/],
    [admin => "INSERT INTO trelay.route (name, flags) VALUES ('x', 'tls,crl,no-auto-477,lookup=dst+live')",
        'note|route|x', qr/its flags crl have no effect in this version/],
    [admin => "INSERT INTO trelay.peer (name, address, action, flags) VALUES ('x', '192.0.2.1', 'accept', 'ocsp')",
        'note|peer|x', qr/its flags ocsp have no effect/],
    [admin => "INSERT INTO trelay.route (name, flags) VALUES ('x', 'verify-domain,lookup=none')",
        'warning|route|x', qr/its flags have lookup=none without trust: where no other row's flags have it, requests are refused/],
    [admin => "UPDATE trelay.route SET flags = 'ocsp-hard'", 'error|route|fed', qr/its flags have ocsp-hard, which this version lacks/],
    [admin => "UPDATE trelay.outbound_policy SET alias = true", 'note|outbound_policy|fed', qr/alias has no effect/],
    [admin => "UPDATE trelay.outbound_policy SET crl = 'hard', ocsp = 'hard'",
        'error|outbound_policy|fed', qr/it has crl=hard,ocsp=hard, which this version lacks: requests are refused$/],
    [admin => "UPDATE trelay.outbound_policy SET crl = 'soft', ocsp = 'hard'",
        'error|outbound_policy|fed', qr/it has ocsp=hard, which this version lacks: requests are refused$/],
    [admin => "UPDATE trelay.outbound_policy SET crl = 'soft', ocsp = 'hard'",
        'note|outbound_policy|fed', qr/its crl=soft has no effect in this version/],
    [admin => "UPDATE trelay.server_profile SET ocsp = 'hard'",
        'error|server_profile|fed', qr/it has ocsp=hard, which this version lacks: connections are refused$/],
    [admin => "UPDATE trelay.server_profile SET crl = 'hard', client_auth = 'request'",
        'error|server_profile|fed', qr/it has crl=hard, which this version lacks: no client certificate is accepted$/],
    [admin => "UPDATE trelay.server_profile SET crl = 'hard', client_auth = 'none', trust_set = NULL",
        'note|server_profile|fed', qr/its crl=hard has no effect in this version$/],
    [admin => "UPDATE trelay.server_profile SET crl = 'soft', ocsp = 'soft'",
        'note|server_profile|fed', qr/its crl=soft,ocsp=soft has no effect in this version$/],
    [daemon => "UPDATE trelay.node SET records_lost = 7", 'warning|node|edge1', qr/7 accounting records are lost since/],
    [daemon => "INSERT INTO trelay.node_problem VALUES ('edge1', 'certificate', 'fed', 'the key does not belong to it')", 'error|certificate|fed', qr/the key does not belong/],
    [daemon => "INSERT INTO trelay.loaded_certificate (node, table_name, row_name, sha256, subject, not_after) VALUES ('edge1', 'certificate', 'fed', 'ab', 'CN=a', now() + interval '7 days')",
        'warning|certificate|fed', qr/expires CN=a/],
    [daemon => "INSERT INTO trelay.loaded_certificate (node, table_name, row_name, sha256, subject, not_after) VALUES ('edge1', 'trust_anchor', 'fed/a', 'ab', 'CN=a', now() - interval '1 s')",
        'error|trust_anchor|fed/a', qr/expired CN=a/],
    [daemon => "UPDATE trelay.node SET seen_at = now() - interval '1 hour'", 'error|node|edge1', qr/not seen for 01:00:00/],
);
for my $case (@cases) {
    my ($user, $sql, $row, $problem) = @$case;
    my $shown = $pg->value("BEGIN; SET LOCAL SESSION AUTHORIZATION test_$user; $sql; SET LOCAL SESSION AUTHORIZATION test_reader;
        SELECT severity, table_name, row_name, problem FROM trelay.problem; ROLLBACK;");
    like $shown, qr/^\Q$row\E\|.*$problem/m, "$row: $problem";
}
$pg->run("UPDATE trelay.node SET seen_at = now(), heartbeat_every = '1 hour'; UPDATE trelay.policy_version SET version = version + 1, changed_at = now() - interval '10 minutes'");
like $pg->value('SELECT severity, row_name, problem FROM trelay.problem'), qr/^warning\|edge1\|works by policy version \d+, the latest is \d+$/, 'a node that is behind';
done_testing;
