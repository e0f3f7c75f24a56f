#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# \d+ is the manual: nothing in the schema is without a comment, and no comment is empty words.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
$pg->run("SELECT trelay.make_partition(DATE '2030-01-01')");

my %missing = (
    'schema' => "SELECT nspname FROM pg_namespace WHERE nspname = 'trelay' AND obj_description(oid, 'pg_namespace') IS NULL",
    'role' => "SELECT rolname FROM pg_roles WHERE rolname LIKE 'trelay\\_%' AND shobj_description(oid, 'pg_authid') IS NULL",
    'table, view or index' => <<'SQL',
SELECT c.oid::regclass FROM pg_class AS c
 WHERE c.relnamespace = 'trelay'::regnamespace AND obj_description(c.oid, 'pg_class') IS NULL
   AND (c.relkind IN ('r', 'p', 'v', 'm')
        OR (c.relkind IN ('i', 'I') AND NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid)))
SQL
    'column' => <<'SQL',
SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'trelay'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
   AND a.attnum > 0 AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL
SQL
    'constraint' => <<'SQL',
SELECT k.conname FROM pg_constraint AS k LEFT JOIN pg_class AS c ON c.oid = k.conrelid
 WHERE k.connamespace = 'trelay'::regnamespace AND k.contype <> 't' AND NOT coalesce(c.relispartition, false)
   AND obj_description(k.oid, 'pg_constraint') IS NULL
SQL
    'function' => "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'trelay'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL",
    'type' => <<'SQL',
SELECT t.oid::regtype FROM pg_type AS t WHERE t.typnamespace = 'trelay'::regnamespace AND t.typtype IN ('e', 'd')
   AND obj_description(t.oid, 'pg_type') IS NULL
SQL
    'trigger' => <<'SQL',
SELECT t.tgname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
 WHERE c.relnamespace = 'trelay'::regnamespace AND NOT t.tgisinternal AND obj_description(t.oid, 'pg_trigger') IS NULL
SQL
);
is $pg->value($missing{$_}), '', "no $_ without a comment" for sort keys %missing;

is $pg->value(<<'SQL'), '', 'every comment is a sentence';
SELECT description FROM pg_description AS d
 WHERE (classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM pg_class WHERE relnamespace = 'trelay'::regnamespace)
        OR classoid = 'pg_constraint'::regclass AND objoid IN (SELECT oid FROM pg_constraint WHERE connamespace = 'trelay'::regnamespace)
        OR classoid = 'pg_proc'::regclass AND objoid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'trelay'::regnamespace))
   AND description !~ '^[A-Za-z"\d].*[.;]$'
SQL

is $pg->value("SELECT description FROM pg_description WHERE description ~ 'however busy'"), '',
    'no comment promises an end that what is under way may put off (doc/decision/0017)';
is $pg->value(<<'SQL'), 2, 'a column that has no effect yet says so';
SELECT count(*) FROM pg_attribute WHERE attrelid IN ('trelay.peer'::regclass, 'trelay.outbound_policy'::regclass)
   AND attname = 'alias' AND col_description(attrelid, attnum) ~ '^Has no effect in this version'
SQL

is $pg->value(<<'SQL'), '', 'constraints carry the name of their table, and say what kind they are';
SELECT c.relname || ': ' || k.conname FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
 WHERE k.connamespace = 'trelay'::regnamespace AND NOT c.relispartition AND k.contype IN ('p', 'f', 'u', 'c')
   AND k.conname !~ ('^' || c.relname || '_([a-z0-9_]+_)?' || CASE k.contype WHEN 'p' THEN 'pk' WHEN 'f' THEN 'fk' WHEN 'u' THEN 'uq' ELSE 'ck' END || '$')
SQL
done_testing;
