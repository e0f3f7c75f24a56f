#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Objects of the same names in schemas of others change nothing in what the functions, triggers and constraints of
# trelay do, whatever the search_path of the session is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
$pg->run(<<'SQL');
CREATE ROLE mallory LOGIN IN ROLE trelay_admin;
CREATE SCHEMA evil AUTHORIZATION mallory;
CREATE TABLE evil.stolen (what text);
GRANT ALL ON evil.stolen TO PUBLIC;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
SQL
# Functions and operators that would run as whoever is lured into them.
$pg->run(<<'SQL', user => 'mallory');
CREATE FUNCTION evil.note(what text) RETURNS boolean LANGUAGE sql AS $$ INSERT INTO evil.stolen VALUES (what || ' as ' || current_user) RETURNING true $$;
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT evil.note('now'); SELECT pg_catalog.now() $$;
CREATE FUNCTION evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS $$ SELECT evil.note('to_jsonb'); SELECT '{}'::jsonb $$;
CREATE FUNCTION evil.length(text) RETURNS integer LANGUAGE sql AS $$ SELECT evil.note('length'); SELECT 5 $$;
CREATE FUNCTION evil.pg_notify(text, text) RETURNS void LANGUAGE sql AS $$ SELECT evil.note('pg_notify') $$;
CREATE FUNCTION evil.text_match(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.note('operator') $$;
CREATE OPERATOR evil.~ (FUNCTION = evil.text_match, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil.= (FUNCTION = evil.text_match, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION evil.format(text, text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT evil.note('format'); SELECT 'DROP SCHEMA trelay'::text $$;
SQL
my @path = (search_path => 'evil,pg_catalog,trelay');
$pg->run(<<'SQL', @path, user => 'test_admin');
INSERT INTO trelay.trust_set VALUES ('t');
INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES ('a', '*.biloxi.example', 'encrypt', '{192.0.2.1:5061}');
UPDATE trelay.outbound_policy SET priority = 5;
INSERT INTO trelay.route (name, flags) VALUES ('r', 'tls,lookup=dst+addr');
DELETE FROM trelay.route;
SELECT trelay.drop_records(DATE '2001-01-01');
SELECT trelay.forget_changes('1 day');
SELECT * FROM trelay.explain('a.biloxi.example', flags => 'max-age=1h');
SELECT * FROM trelay.problem;
SQL
$pg->run("SELECT trelay.make_partition(DATE '2031-05-01'); INSERT INTO trelay.node (name, started_at) VALUES ('edge1', pg_catalog.now());", @path, user => 'test_daemon');
is $pg->value('SELECT string_agg(what, $$, $$) FROM evil.stolen'), '', 'nothing of another schema ran';
is $pg->value("SELECT count(*) FROM trelay.change WHERE changed_by = 'test_admin'"), 5, 'the triggers did their work';
like $pg->refused("INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('x', 'A', 'encrypt')", @path, user => 'test_admin'), qr/domain_pattern_lower_case_ck/, 'the constraints too';
is $pg->value(<<'SQL'), '', 'every function of trelay sets its own search_path';
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'trelay'::regnamespace AND NOT coalesce(proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)
SQL
done_testing;
