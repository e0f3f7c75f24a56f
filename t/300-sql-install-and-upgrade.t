#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The schema installs into any database, twice is once, older ones are brought up, and a migration that has
# been applied can no longer change.
use strict;
use warnings;
use File::Temp qw(tempdir);
use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->new;
my $sql = Trelay::Postgres::top_srcdir() . '/sql';
my @migrations = sort glob "$sql/migrate/*.sql";
my $fingerprint = <<'SQL';
SELECT md5(string_agg(x, E'\n' ORDER BY x)) FROM (
    SELECT c.oid::regclass || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || coalesce(col_description(c.oid, a.attnum), '')
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
     WHERE c.relnamespace = 'trelay'::regnamespace AND a.attnum > 0
    UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'trelay'::regnamespace
    UNION ALL SELECT pg_get_functiondef(oid) || coalesce(proacl::text, '') FROM pg_proc WHERE pronamespace = 'trelay'::regnamespace
    UNION ALL SELECT relname || coalesce(relacl::text, '') FROM pg_class WHERE relnamespace = 'trelay'::regnamespace
    UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT tgisinternal) AS t (x)
SQL

# A copy of sql/ with the first COUNT migrations; EDIT may change the text of one.
sub some_migrations {
    my ($count, $edit) = @_;
    my $directory = tempdir('trelay-sql-XXXXXX', DIR => '/tmp', CLEANUP => 1);
    chmod 0755, $directory;
    mkdir "$directory/migrate";
    copy("$sql/$_", "$directory/$_") or die for qw(role.sql verify.sql);
    for my $path (@migrations[0 .. $count - 1]) {
        my ($name) = $path =~ m{([^/]+)$};
        open my $in, '<', $path or die;
        local $/;
        my $text = <$in>;
        $text = $edit->($name, $text) if $edit;
        open my $out, '>', "$directory/migrate/$name" or die;
        print $out $text;
        close $out or die;
    }
    return $directory;
}

{
    open my $in, '<', "$sql/files.mk" or die "$sql/files.mk: $!";
    local $/;
    my @named = <$in> =~ m{\bsql/(migrate/\S+\.sql)}g;
    is join(' ', sort @named), join(' ', map { s{^\Q$sql\E/}{}r } @migrations), 'make install brings each migration';
}

subtest 'a fresh database' => sub {
    my ($status, $out, $error) = $pg->schema('status');
    is $status, 1, 'status of an empty database is not well';
    like $error, qr/migrations are missing; use trelay-schema install/, 'and says what to do';
    ($status, $out, $error) = $pg->schema('upgrade');
    is $status, 1, 'there is nothing to upgrade';
    like $error, qr/no schema trelay in this database/, 'and it says so';
    ($status, $out, $error) = $pg->schema('install');
    is $status, 0, 'installs' or diag $error;
    is $error, '', 'without a word of warning';
    is scalar(split /\n/, $out), scalar(@migrations), 'each migration is told once';
    ($status, $out, $error) = $pg->schema('install');
    is "$status$out$error", '0', 'again: nothing to do, nothing said';
    ($status, $out, $error) = $pg->schema('verify');
    is $status, 0, 'verifies' or diag $error;
    is $pg->value('SELECT count(*) FROM trelay.migration'), scalar(@migrations), 'each is recorded';
    is $pg->value('SELECT count(*) FROM trelay.outbound_policy'), 0, 'a fresh schema allows nothing: no policy row';
    is $pg->value('SELECT count(*) FROM trelay.route'), 0, 'and no route';
};

my $fresh = $pg->value($fingerprint);

subtest 'an older schema is brought up to date' => sub {
    for my $count (1 .. @migrations - 1) {
        $pg->run("CREATE DATABASE older_$count");
        my ($status, undef, $error) = $pg->schema('install', database => "older_$count", sql => some_migrations($count));
        is $status, 0, "$count migrations install" or diag $error;
        ($status, undef, $error) = $pg->schema('upgrade', database => "older_$count");
        is $status, 0, 'the others follow' or diag $error;
        is $pg->value($fingerprint, database => "older_$count"), $fresh, 'the result is that of a fresh install';
    }
};

subtest 'a changed migration is refused' => sub {
    my $changed = some_migrations(scalar @migrations, sub { my ($name, $text) = @_; $name =~ /^0002/ ? "$text-- a word\n" : $text });
    for my $command (qw(install upgrade status verify)) {
        my ($status, undef, $error) = $pg->schema($command, sql => $changed);
        is $status, 1, "$command refuses";
        like $error, qr/0002-create-types.sql is not what was applied/, 'and names the file';
    }
};

subtest 'a newer database is refused' => sub {
    my ($status, undef, $error) = $pg->schema('upgrade', sql => some_migrations(@migrations - 1));
    is $status, 1, 'refused';
    like $error, qr/made by a newer one/, 'and the reason is told';
};

subtest 'a migration that fails leaves nothing behind' => sub {
    $pg->run('CREATE DATABASE broken');
    my $broken = some_migrations(4, sub { my ($name, $text) = @_; $name =~ /^0004/ ? "$text\nSELECT 1/0;\n" : $text });
    my ($status, undef, $error) = $pg->schema('install', database => 'broken', sql => $broken);
    is $status, 1, 'the installation stops';
    like $error, qr/division by zero.*0004-create-certificates failed; nothing of it was kept/s, 'and says where';
    is $pg->value("SELECT to_regclass('trelay.certificate') IS NULL", database => 'broken'), 't', 'the half-made table is gone';
    is $pg->value('SELECT max(number) FROM trelay.migration', database => 'broken'), 3, 'the earlier ones stay';
    ($status) = $pg->schema('install', database => 'broken');
    is $status, 0, 'the right files finish the work';
    is $pg->value($fingerprint, database => 'broken'), $fresh, 'with the same result';
};

subtest 'two installers at once' => sub {
    $pg->run('CREATE DATABASE race');
    my @pids = map {
        my $pid = fork // die;
        if ($pid == 0) {
            my ($status) = $pg->schema('install', database => 'race');
            require POSIX;
            POSIX::_exit($status);
        }
        $pid
    } 1 .. 2;
    for my $pid (@pids) {
        waitpid $pid, 0;
        is $? >> 8, 0, 'succeeds';
    }
    is $pg->value($fingerprint, database => 'race'), $fresh, 'one schema comes out';
};

subtest 'an owner who is no superuser' => sub {
    $pg->run('CREATE ROLE hoster LOGIN; CREATE DATABASE hosted OWNER hoster');
    my ($status, undef, $error) = $pg->schema('install', database => 'hosted', user => 'hoster');
    is $status, 1, 'is refused while no member of trelay_owner';
    like $error, qr/hoster is no member of trelay_owner.*Let a superuser run "GRANT trelay_owner TO hoster"/s, 'with the remedy';
    $pg->run('GRANT trelay_owner TO hoster; GRANT CREATE ON DATABASE hosted TO hoster');
    ($status, undef, $error) = $pg->schema('install', database => 'hosted', user => 'hoster');
    is $status, 0, 'installs as a member' or diag $error;
    is $pg->value($fingerprint, database => 'hosted'), $fresh, 'the same schema';
};

subtest 'without the right to make roles' => sub {
    my $other = Trelay::Postgres->new;
    $other->run('CREATE ROLE hoster LOGIN; CREATE DATABASE hosted OWNER hoster');
    my ($status, undef, $error) = $other->schema('install', database => 'hosted', user => 'hoster');
    is $status, 1, 'refused';
    like $error, qr/the role trelay_owner is missing and hoster may not create roles/, 'and the reason is told';
};

subtest 'verify sees what was tampered with' => sub {
    my %tampering = (
        'GRANT SELECT ON trelay.peer TO PUBLIC' => qr/everybody \(PUBLIC\) has SELECT on trelay.peer/,
        'GRANT SELECT ON trelay.certificate_key TO trelay_reader' => qr/trelay_reader may read private keys/,
        'GRANT SELECT (key_pem) ON trelay.certificate_key TO trelay_admin' => qr/trelay_admin may read the column key_pem/,
        'GRANT SELECT ON trelay.dialog_secret TO trelay_reader' => qr/trelay_reader may read the secrets of dialogs/,
        'GRANT SELECT (secret) ON trelay.dialog_secret TO trelay_admin' => qr/trelay_admin may read the secrets of dialogs/,
        'ALTER TABLE trelay.route DISABLE TRIGGER USER' => qr/table route does not record its changes/,
        'ALTER FUNCTION trelay.make_partition(date) RESET search_path' => qr/make_partition\(date\) sets no search_path/,
        'ALTER TABLE trelay.peer OWNER TO postgres' => qr/trelay.peer belongs to postgres/,
    );
    my $count = 0;
    for my $tampering (sort keys %tampering) {
        my $database = 'tampered_' . ++$count;
        $pg->run("CREATE DATABASE $database TEMPLATE race");
        $pg->run($tampering, database => $database);
        my ($status, undef, $error) = $pg->schema('verify', database => $database);
        is $status, 1, $tampering;
        like $error, $tampering{$tampering}, 'is noticed';
    }
};

done_testing;
