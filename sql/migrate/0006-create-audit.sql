-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0006-create-audit.sql - who changed what, the policy's version, and the word to the daemons on commit.
-- The version is counted when a transaction commits, so that its order is that of the commits and that an
-- open transaction of one person does not make another one wait.

CREATE TABLE trelay.policy_version (
    only_row    boolean     NOT NULL DEFAULT true CONSTRAINT policy_version_only_row_ck CHECK (only_row),
    version     bigint      NOT NULL,
    changed_at  timestamptz NOT NULL,
    CONSTRAINT policy_version_pk PRIMARY KEY (only_row)
);
COMMENT ON TABLE trelay.policy_version IS 'One row: how many transactions have changed the policy. A node whose policy_version in trelay.node is lower has not loaded the latest yet.';
COMMENT ON COLUMN trelay.policy_version.only_row IS 'Always true.';
COMMENT ON COLUMN trelay.policy_version.version IS 'Goes up by one with each commit that changes policy.';
COMMENT ON COLUMN trelay.policy_version.changed_at IS 'When it last did.';
COMMENT ON CONSTRAINT policy_version_pk ON trelay.policy_version IS 'There is one row.';
COMMENT ON CONSTRAINT policy_version_only_row_ck ON trelay.policy_version IS 'There is one row.';
INSERT INTO trelay.policy_version (version, changed_at) VALUES (1, now());

CREATE TABLE trelay.change (
    id          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    changed_by  text        NOT NULL DEFAULT session_user,
    application text        NOT NULL DEFAULT current_setting('application_name'),
    transaction bigint      NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint,
    action      text        NOT NULL CONSTRAINT change_action_ck CHECK (action IN ('insert', 'update', 'delete', 'truncate')),
    table_name  text        NOT NULL,
    row_name    text,
    old         jsonb,
    new         jsonb,
    CONSTRAINT change_pk PRIMARY KEY (id)
);
COMMENT ON TABLE trelay.change IS 'Who changed which policy row, when, from what to what. Written by triggers; private keys and passphrases never stand here. Remove old rows with trelay.forget_changes().';
COMMENT ON COLUMN trelay.change.id IS 'Number of the change.';
COMMENT ON COLUMN trelay.change.changed_at IS 'When the transaction began that made it.';
COMMENT ON COLUMN trelay.change.changed_by IS 'The login role.';
COMMENT ON COLUMN trelay.change.application IS 'What the client called itself ("psql").';
COMMENT ON COLUMN trelay.change.transaction IS 'Changes of one transaction have one number.';
COMMENT ON COLUMN trelay.change.action IS 'insert, update, delete or truncate.';
COMMENT ON COLUMN trelay.change.table_name IS 'The table in the schema trelay.';
COMMENT ON COLUMN trelay.change.row_name IS 'Name of the row (after the change, if it was renamed); NULL for truncate.';
COMMENT ON COLUMN trelay.change.old IS 'The row before; of an update only the columns that changed. "(secret)" stands for key material.';
COMMENT ON COLUMN trelay.change.new IS 'The row after; of an update only the columns that changed.';
COMMENT ON CONSTRAINT change_pk ON trelay.change IS 'Changes are numbered.';
COMMENT ON CONSTRAINT change_action_ck ON trelay.change IS 'insert, update, delete or truncate.';
CREATE INDEX change_row_ix ON trelay.change (table_name, row_name, id);
COMMENT ON INDEX trelay.change_row_ix IS 'The history of one row.';
GRANT SELECT ON trelay.policy_version TO trelay_reader, trelay_daemon;
GRANT SELECT ON trelay.change TO trelay_reader;

-- Holds a row for a transaction that has changed policy, from the change to its commit; nobody ever sees one.
CREATE TABLE trelay.policy_commit (
    transaction bigint NOT NULL,
    CONSTRAINT policy_commit_pk PRIMARY KEY (transaction)
);
COMMENT ON TABLE trelay.policy_commit IS 'Internal: transactions that have changed policy and not yet committed. Looks empty from outside.';
COMMENT ON COLUMN trelay.policy_commit.transaction IS 'The transaction.';
COMMENT ON CONSTRAINT policy_commit_pk ON trelay.policy_commit IS 'A transaction is announced once.';

CREATE FUNCTION trelay.announce_commit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    new_version bigint;
BEGIN
    DELETE FROM trelay.policy_commit WHERE transaction = NEW.transaction;
    UPDATE trelay.policy_version SET version = version + 1, changed_at = clock_timestamp() RETURNING version INTO new_version;
    PERFORM pg_notify('trelay_policy', new_version::text);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION trelay.announce_commit() IS 'Trigger: counts the policy version up and tells the daemons, when the transaction commits.';
CREATE CONSTRAINT TRIGGER policy_commit_announce AFTER INSERT ON trelay.policy_commit
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trelay.announce_commit();
COMMENT ON TRIGGER policy_commit_announce ON trelay.policy_commit IS 'Counts and notifies at commit.';

CREATE FUNCTION trelay.hide_secrets(table_name text, content jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT CASE table_name WHEN 'certificate_key' THEN
              (SELECT jsonb_object_agg(key, CASE WHEN key IN ('certificate', 'key_path') OR value = 'null' THEN value ELSE '"(secret)"' END)
                 FROM jsonb_each(content))
          ELSE content END $$;
COMMENT ON FUNCTION trelay.hide_secrets(text, jsonb) IS 'A row as trelay.change may show it: key material is replaced by "(secret)".';

CREATE FUNCTION trelay.row_label(content jsonb, columns text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT string_agg(content ->> name, '/' ORDER BY position) FROM unnest(columns) WITH ORDINALITY AS c (name, position) $$;
COMMENT ON FUNCTION trelay.row_label(jsonb, text[]) IS 'The name of a row: the named columns, joined by "/".';

CREATE FUNCTION trelay.expect_announcement() RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ INSERT INTO trelay.policy_commit VALUES ((pg_current_xact_id()::text)::bigint) ON CONFLICT DO NOTHING $$;
COMMENT ON FUNCTION trelay.expect_announcement() IS 'Marks this transaction as one that changes policy.';

CREATE FUNCTION trelay.record_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO trelay.change (action, table_name, row_name, new)
        SELECT 'insert', TG_TABLE_NAME,
               CASE WHEN TG_NARGS = 1 THEN content ->> TG_ARGV[0] ELSE trelay.row_label(content, TG_ARGV) END,
               jsonb_strip_nulls(CASE WHEN TG_TABLE_NAME = 'certificate_key' THEN trelay.hide_secrets(TG_TABLE_NAME, content) ELSE content END)
          FROM (SELECT to_jsonb(r) AS content FROM new_rows AS r) AS c;
    IF FOUND THEN
        PERFORM trelay.expect_announcement();
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION trelay.record_insert() IS 'Trigger: writes trelay.change for inserted rows.';

CREATE FUNCTION trelay.record_delete() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO trelay.change (action, table_name, row_name, old)
        SELECT 'delete', TG_TABLE_NAME,
               CASE WHEN TG_NARGS = 1 THEN content ->> TG_ARGV[0] ELSE trelay.row_label(content, TG_ARGV) END,
               jsonb_strip_nulls(CASE WHEN TG_TABLE_NAME = 'certificate_key' THEN trelay.hide_secrets(TG_TABLE_NAME, content) ELSE content END)
          FROM (SELECT to_jsonb(r) AS content FROM old_rows AS r) AS c;
    IF FOUND THEN
        PERFORM trelay.expect_announcement();
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION trelay.record_delete() IS 'Trigger: writes trelay.change for deleted rows.';

CREATE FUNCTION trelay.record_update() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    before CONSTANT jsonb := to_jsonb(OLD);
    after CONSTANT jsonb := to_jsonb(NEW);
BEGIN
    INSERT INTO trelay.change (action, table_name, row_name, old, new)
        SELECT 'update', TG_TABLE_NAME, trelay.row_label(after, TG_ARGV),
               trelay.hide_secrets(TG_TABLE_NAME, jsonb_object_agg(key, value)),
               trelay.hide_secrets(TG_TABLE_NAME, jsonb_object_agg(key, after -> key))
          FROM jsonb_each(before) WHERE value IS DISTINCT FROM after -> key;
    PERFORM trelay.expect_announcement();
    RETURN NULL;
END $$;
COMMENT ON FUNCTION trelay.record_update() IS 'Trigger: writes trelay.change for a changed row.';

CREATE FUNCTION trelay.record_truncate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO trelay.change (action, table_name) VALUES ('truncate', TG_TABLE_NAME);
    PERFORM trelay.expect_announcement();
    RETURN NULL;
END $$;
COMMENT ON FUNCTION trelay.record_truncate() IS 'Trigger: writes trelay.change for an emptied table.';

CREATE FUNCTION trelay.watch_table(table_name text, VARIADIC key_columns text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    arguments CONSTANT text := (SELECT string_agg(quote_literal(name), ', ') FROM unnest(key_columns) AS name);
    row record;
BEGIN
    FOR row IN SELECT * FROM (VALUES
        ('insert', 'AFTER INSERT', 'REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT', 'Records inserted rows in trelay.change.'),
        ('delete', 'AFTER DELETE', 'REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT', 'Records deleted rows in trelay.change.'),
        ('update', 'AFTER UPDATE', 'FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)', 'Records changed rows in trelay.change.'),
        ('truncate', 'AFTER TRUNCATE', 'FOR EACH STATEMENT', 'Records the emptying of the table in trelay.change.'))
        AS t (action, event, scope, meaning)
    LOOP
        EXECUTE format('CREATE TRIGGER %1$I %2$s ON trelay.%3$I %4$s EXECUTE FUNCTION trelay.%5$I(%6$s)',
            table_name || '_' || row.action, row.event, table_name, row.scope, 'record_' || row.action, arguments);
        EXECUTE format('COMMENT ON TRIGGER %I ON trelay.%I IS %L', table_name || '_' || row.action, table_name, row.meaning);
    END LOOP;
END $$;
COMMENT ON FUNCTION trelay.watch_table(text, text[]) IS 'For migrations: puts a policy table under trelay.change and the announcement of its changes. The columns make up the name of a row.';

DO $$
BEGIN
    PERFORM trelay.watch_table('certificate', 'name');
    PERFORM trelay.watch_table('certificate_key', 'certificate');
    PERFORM trelay.watch_table('trust_set', 'name');
    PERFORM trelay.watch_table('trust_anchor', 'trust_set', 'name');
    PERFORM trelay.watch_table('crl', 'name');
    PERFORM trelay.watch_table('peer', 'name');
    PERFORM trelay.watch_table('outbound_policy', 'name');
    PERFORM trelay.watch_table('server_profile', 'name');
    PERFORM trelay.watch_table('server_profile_certificate', 'server_profile', 'certificate');
    PERFORM trelay.watch_table('route', 'name');
END $$;

CREATE FUNCTION trelay.forget_changes(older_than interval) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ WITH gone AS (DELETE FROM trelay.change WHERE changed_at < now() - older_than RETURNING 1) SELECT count(*) FROM gone $$;
COMMENT ON FUNCTION trelay.forget_changes(interval) IS 'Removes the rows of trelay.change that are older, and says how many. SELECT trelay.forget_changes(''2 years'');';
GRANT EXECUTE ON FUNCTION trelay.forget_changes(interval) TO trelay_admin;
