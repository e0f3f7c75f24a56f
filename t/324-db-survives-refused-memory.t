#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Whichever allocation finds no memory, nothing ends, nothing becomes weaker, and all is as it should be as soon as there
# is memory again (INV-21, ADV-25).
use v5.36;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::DbProbe;
use Trelay::Pem;
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my $ca = Trelay::Pem::authority('CA one');
my @leaf = map { Trelay::Pem::leaf($ca, 'atlanta.example') } 1 .. 2;
sub admin ($sql) { $pg->run($sql, user => 'test_admin'); return }

admin(<<SQL);
SELECT trelay.import_trust_set('fed', '$ca->{cert}');
SELECT trelay.import_certificate('fed', '$leaf[0]{cert}', '$leaf[0]{key}');
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, pins) VALUES ('a', 'a.example', 'domain', 'fed', 'fed', '{$ca->{sha256}}');
INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('rest', '*.example', 'encrypt');
INSERT INTO trelay.peer (name, trust_set, action, flags) VALUES ('p', 'fed', 'accept', 'no-100');
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('s', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate VALUES ('s', 'fed');
INSERT INTO trelay.route (name, flags) VALUES ('r', 'lookup=dst+default');
SQL
my $right = "allow|none|a|domain|a.example|fed|a.example|fed|{$ca->{sha256}}|off|off|";
my $probe = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge1', poll_ms => 100);
$probe->wait_until('the policy', sub { $probe->ask('explain|a.example|||192.0.2.1|||tls') eq $right });

my ($records, $round) = (0, 0);
for my $every (2, 3, 4, 5, 7, 11, 17, 29, 47, 97, 199) {
    $round++;
    $probe->ask("memory|$every");
    admin("SELECT trelay.import_certificate('fed', '$leaf[$round % 2]{cert}', '$leaf[$round % 2]{key}');
        UPDATE trelay.route SET priority = $round; SELECT trelay.tls_reload();");
    $pg->run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trelayd/edge1'") if $round % 3 == 0;
    $probe->say((map { "record|r$round-$_|200" } 1 .. 50), (map { "put|c$round-$_|ready" } 1 .. 20), ('reload', 'ask') x 3, "live|xx");
    # What the relay would do meanwhile: by the policy it has, or refuse; never by the row behind.
    my %said = map { $probe->ask('explain|a.example|||192.0.2.1|||tls') => 1 } 1 .. 20;
    is join("\n", grep { $_ ne $right && !/^reject/ && !/^flags/ } keys %said), '', "one in $every refused: nothing weaker";
    $probe->ask('memory|0');
    $probe->say('reload');
    $probe->wait_until('the new certificate', sub { $probe->ask('objects|fed|fed') =~ /leaf=$leaf[$round % 2]{sha256}/ });
    is $probe->ask('explain|a.example|||192.0.2.1|||tls'), $right, 'with memory again: as it should be';
    $probe->wait_until('registration', sub {
        $pg->value("SELECT n.policy_version = v.version FROM trelay.node AS n, trelay.policy_version AS v") eq 't' });
    $records += 50;
    $probe->wait_until('records', sub { $probe->ask('records') =~ /waiting=0$/ });
    my $refused = () = $probe->output =~ /^record refused/mg;
    is $pg->value('SELECT count(DISTINCT call_id) FROM trelay.transaction_record') + $refused, $records, 'each record is written, or its caller knows';
}
$pg->run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trelayd/edge1'");
$probe->wait_until('the live connections', sub { $pg->value("SELECT string_agg(id, ' ' ORDER BY id) FROM trelay.connection") eq 'live-0 live-1' });
pass 'after the next session the table of connections is right';
is $probe->stop, '', 'ends in order';
done_testing;
