#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Rows become a snapshot; a row that cannot be used is told and refuses what it rules, it does not hide others and it
# is not passed over for a weaker one (INV-46, INV-47); a commit is seen by NOTIFY, the same content is no new
# generation and unchanged certificates stay the same objects (INV-41).
use v5.36;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::DbProbe;
use Trelay::Pem;
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my $ca = Trelay::Pem::authority('CA one');
my $other_ca = Trelay::Pem::authority('CA two');
my $leaf = Trelay::Pem::leaf($ca, 'atlanta.example');
my $renewed = Trelay::Pem::leaf($ca, 'atlanta.example');
my $locked = Trelay::Pem::leaf($ca, 'locked.example');
my $encrypted = Trelay::Pem::encrypted_key($locked, 'sesame');
my $directory = File::Temp::tempdir('trelay-files-XXXXXX', TMPDIR => 1, CLEANUP => 1);

sub admin ($sql) { $pg->run($sql, user => 'test_admin'); return }

sub write_file ($name, $text) {
    open my $out, '>', "$directory/$name" or die;
    print $out $text;
    close $out or die;
    return "$directory/$name";
}

my $probe = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge1');
like $probe->wait_for(qr/^loaded (.*)/), qr/generation=1 outbound=0 .* unusable=0$/, 'an empty policy is one';
is $probe->ask('explain|biloxi.example|||192.0.2.1|||tls'), 'reject|no-policy|', 'and allows nothing';

admin(<<SQL);
BEGIN;
SELECT trelay.import_trust_set('fed', '$ca->{cert}');
SELECT trelay.import_certificate('fed', '$leaf->{cert}', '$leaf->{key}');
SELECT trelay.import_certificate('locked', '$locked->{cert}', '$encrypted', 'sesame');
INSERT INTO trelay.peer (name, trust_set, san, action, flags) VALUES ('biloxi', 'fed', 'biloxi.example', 'accept', 'no-100');
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, max_age, next_hop, pins) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'fed', 'fed', '90 minutes', '{192.0.2.1:5061,[2001:db8::1]:5061}', '{$ca->{sha256}}'),
    ('locked', 'locked.example', 'domain', 'fed', 'locked', NULL, NULL, NULL),
    ('rest', '*.example', 'encrypt', NULL, NULL, NULL, NULL, NULL);
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('all', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate VALUES ('all', 'fed', 1), ('all', 'locked', 2);
INSERT INTO trelay.route (name, domain, flags) VALUES ('r', 'atlanta.example', 'lookup=dst+default');
COMMIT;
SQL
like $probe->wait_for(qr/^loaded (.*)/),
    qr/^generation=2 outbound=3 peers=1 routes=1 profiles=1 certificates=2 trust_sets=1 unusable=0$/, 'one commit, one reading, all of it';
is $probe->ask('explain|biloxi.example|||192.0.2.1|||tls'),
    "allow|none|biloxi|domain|biloxi.example|fed|biloxi.example|fed|{$ca->{sha256}}|off|off|", 'the row says so';
is $probe->ask('explain|locked.example|||192.0.2.1|||tls'),
    'allow|none|locked|domain|locked.example|locked|locked.example|fed|{}|off|off|', 'an encrypted key opens by its passphrase';
my $objects = $probe->ask('objects|fed|fed');
like $objects, qr/^credential=0x\w+ chain=[0-9a-f]{64} leaf=$leaf->{sha256} trust=0x\w+$/, 'they are made of what was given';

subtest 'the same content is no new generation' => sub {
    admin("UPDATE trelay.outbound_policy SET priority = priority + 1; UPDATE trelay.outbound_policy SET priority = priority - 1");
    # Two commits may be one reading or two; after a word from each the policy is the old one.
    admin("UPDATE trelay.trust_set SET remark = 'a remark is for people'");
    $probe->wait_for(qr/^confirmed now/);
    is $probe->ask('objects|fed|fed'), $objects, 'nothing was made anew';
    $probe->wait_until('version', sub {
        $pg->value('SELECT n.policy_version = v.version FROM trelay.node AS n, trelay.policy_version AS v') eq 't' });
    my ($last) = reverse $probe->output =~ /^loaded generation=(\d+)/mg;
    cmp_ok $last, '<=', 4, 'a change of remarks is no new policy';
};

subtest 'what has not changed stays, what has is new' => sub {
    admin("UPDATE trelay.outbound_policy SET weaken = 'allowed' WHERE name = 'rest'");
    $probe->wait_for(qr/^loaded/);
    is $probe->ask('objects|fed|fed'), $objects, 'another row, the same certificate and trust';
    admin("SELECT trelay.import_certificate('fed', '$renewed->{cert}', '$renewed->{key}')");
    $probe->wait_for(qr/^loaded/);
    my $after = $probe->ask('objects|fed|fed');
    like $after, qr/leaf=$renewed->{sha256}/, 'a renewed certificate is a new object';
    is $after =~ s/.*trust/trust/r, $objects =~ s/.*trust/trust/r, 'its trust set is not';
    admin("SELECT trelay.import_trust_set('fed', '$other_ca->{cert}')");
    $probe->wait_for(qr/^loaded/);
    isnt $probe->ask('objects|fed|fed') =~ s/.*trust/trust/r, $objects =~ s/.*trust/trust/r, 'another anchor, another trust set';
    admin("SELECT trelay.import_trust_set('fed', '$ca->{cert}', true); SELECT trelay.import_certificate('fed', '$leaf->{cert}', '$leaf->{key}')");
    $probe->wait_until('the old content', sub { $probe->ask('objects|fed|fed') =~ /leaf=$leaf->{sha256}/ });
};

subtest 'what cannot be used' => sub {
    my $text = sub ($sql, $row = '') { admin($sql); return $probe->wait_for(qr/^problem ($row.*)/) };
    is $text->("UPDATE trelay.certificate_key SET key_pem = '$locked->{key}' WHERE certificate = 'fed'"),
        'certificate fed: the key does not belong to the first certificate of the chain', 'the key of another';
    $probe->wait_for(qr/^loaded .*unusable=3$/);
    is $probe->ask('explain|biloxi.example|||192.0.2.1|||tls'), 'reject|policy-unusable|biloxi',
        'the row that needs it refuses, the weaker one behind it does not take over';
    is $probe->ask('explain|locked.example|||192.0.2.1|||tls'),
        'allow|none|locked|domain|locked.example|locked|locked.example|fed|{}|off|off|', 'rows that do not need it work';
    $probe->wait_until('the report', sub { $pg->value("SELECT count(*) FROM trelay.problem WHERE node = 'edge1' AND severity = 'error' AND table_name <> 'node'") == 3 });
    is $pg->value("SELECT table_name, row_name FROM trelay.problem WHERE node = 'edge1' AND severity = 'error' AND table_name <> 'node' ORDER BY 1, 2"),
        "certificate|fed\noutbound_policy|biloxi\nserver_profile|all", 'the operator sees what and why';

    like $text->("UPDATE trelay.certificate_key SET passphrase = 'wrong' WHERE certificate = 'locked'", 'certificate locked'),
        qr/^certificate locked: key: /, 'a wrong passphrase';
    $probe->wait_for(qr/^loaded/);
    is $text->("UPDATE trelay.certificate_key SET key_pem = NULL, key_uri = 'pkcs11:token=x' WHERE certificate = 'fed'"),
        'certificate fed: keys in a PKCS#11 module are not supported by this version', 'a key that this version cannot use';
    $probe->wait_for(qr/^loaded/);
    is $text->("DELETE FROM trelay.certificate_key WHERE certificate = 'fed'"), 'certificate fed: there is no key', 'no key';
    $probe->wait_for(qr/^loaded/);
    like $text->("UPDATE trelay.certificate SET chain_pem = NULL, chain_path = '$directory/none.pem' WHERE name = 'fed'"),
        qr/^certificate fed: chain \Q$directory\E\/none.pem: No such file or directory$/, 'no file';
    $probe->wait_for(qr/^loaded/);
    like $text->("DELETE FROM trelay.trust_anchor"), qr/^trust_set fed: /, 'no anchors';
    $probe->wait_for(qr/^loaded/);
    is $probe->ask('explain|locked.example|||192.0.2.1|||tls'), 'reject|policy-unusable|locked', 'refuse';
    is $probe->ask('explain|other.example|||192.0.2.1|||tls'), 'allow|none|rest|encrypt|||other.example||{}|off|off|', 'the others do not';
};

subtest 'files' => sub {
    my $chain = write_file('fed.pem', $leaf->{cert});
    my $key = write_file('fed.key', $leaf->{key});
    my $anchors = write_file('ca.pem', "$ca->{cert}$other_ca->{cert}");
    admin("BEGIN; SELECT trelay.import_certificate('fed', '$chain', '$key');
        INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES ('fed', 'bundle', '$anchors'), ('fed', 'missing', '$directory/none.pem'); COMMIT;");
    is $probe->wait_for(qr/^problem (trust_set.*)/), "trust_set fed: missing: anchor $directory/none.pem: No such file or directory",
        'an anchor that is missing is told';
    $probe->wait_for(qr/^loaded/);
    is $probe->ask('explain|biloxi.example|||192.0.2.1|||tls') =~ s/\|\{.*//r, 'allow|none|biloxi|domain|biloxi.example|fed|biloxi.example|fed',
        'the set serves with those that are there';
    $probe->wait_until('the report', sub { $pg->value("SELECT count(*) FROM trelay.loaded_certificate WHERE row_name = 'fed/bundle'") == 2 });
    is $pg->value("SELECT subject, sha256, not_after > now() FROM trelay.loaded_certificate WHERE table_name = 'certificate' AND row_name = 'fed'"),
        "CN=atlanta.example|$leaf->{sha256}|t", 'and what was loaded is seen';
    my $before = $probe->ask('objects|fed|fed');

    is $probe->say('reload')->wait_for(qr/^reloaded (.*)/), 'true', 'a reload is answered';
    is $probe->ask('objects|fed|fed'), $before, 'reloading unchanged files changes nothing';
    write_file('fed.pem', $renewed->{cert});
    write_file('fed.key', $renewed->{key});
    $probe->say('reload');
    $probe->wait_for(qr/^loaded/);
    is $probe->wait_for(qr/^reloaded (.*)/), 'true', 'who asked is told when it is done';
    like $probe->ask('objects|fed|fed'), qr/leaf=$renewed->{sha256}/, 'changed files are read';
    unlink $key;
    $probe->say('reload');
    like $probe->wait_for(qr/^problem (certificate.*)/), qr/fed: key \Q$key\E: No such file/, 'a key that is gone is told';
    $probe->wait_for(qr/^reloaded true/);
    is $probe->ask('explain|biloxi.example|||192.0.2.1|||tls'), 'reject|policy-unusable|biloxi', 'and its row refuses';
};

subtest 'whether it is the policy of now' => sub {
    # Its own notice is lost, and it looks once an hour.
    my $announce = $pg->value("SELECT pg_get_functiondef('trelay.announce_commit'::regproc)");
    $pg->run($announce =~ s/PERFORM pg_notify\([^;]*;//r);
    my $loaded = () = $probe->output =~ /^loaded/mg;
    is $probe->say('ask')->wait_for(qr/^asked (.*)/), 'true', 'it is';
    admin("INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('of-now', 'now.example', 'encrypt')");
    is scalar(() = $probe->output =~ /^loaded/mg), $loaded, 'a change that nobody told of';
    $probe->say('ask', 'ask', 'ask');
    is $probe->wait_for(qr/^asked (.*)/), 'true', 'is read when somebody asks';
    $probe->wait_for(qr/^asked (.*)/) for 1 .. 2;
    like $probe->ask('explain|now.example|||192.0.2.1|||tls'), qr/^allow\|none\|of-now\|/, 'the row';
    is scalar(() = $probe->output =~ /^loaded/mg), $loaded + 1, 'once, for all who asked';

    $probe->say('reload', 'ask');
    is $probe->wait_for(qr/^asked (.*)/), 'true', 'behind a reading that is under way';
    $pg->run("BEGIN; $announce; COMMIT");
};

is $probe->stop, '', 'ends in order';

subtest 'what could not be used may be usable later, without a change' => sub {
    write_file('fed.key', $renewed->{key});
    unlink "$directory/fed.pem";
    my $patient = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge2', poll_ms => 50);
    like $patient->wait_for(qr/^problem certificate (fed.*)/), qr/No such file/, 'a file is missing';
    write_file('fed.pem', $renewed->{cert});
    $patient->wait_until('the file', sub { $patient->ask('objects|fed|fed') =~ /leaf=$renewed->{sha256}/ });
    is $patient->ask('explain|biloxi.example|||192.0.2.1|||tls') =~ s/\|\{.*//r,
        'allow|none|biloxi|domain|biloxi.example|fed|biloxi.example|fed', 'it is there, and nobody had to say so';
    is $patient->stop, '', 'ends in order';
};
done_testing;
