-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0015-create-dialog-secret.sql - the secrets under which the requirement of a dialog comes back (Record-Route, pin).

CREATE TABLE trelay.dialog_secret (
    id          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    secret      bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    remark      text,
    CONSTRAINT dialog_secret_pk PRIMARY KEY (id),
    CONSTRAINT dialog_secret_length_ck CHECK (octet_length(secret) BETWEEN 32 AND 64)
);
COMMENT ON TABLE trelay.dialog_secret IS 'What all nodes share to pin dialogs: the requirement with which an INVITE left (policy row, level, expected domain, certificate) comes back in requests of its dialog as the parameter pin of our own Route, with a MAC under one of these. The newest row makes pins, the two newest are read; no row: nothing is pinned. Only trelay_daemon can read the secrets. SELECT trelay.rotate_dialog_secret() makes one.';
COMMENT ON COLUMN trelay.dialog_secret.id IS 'The highest is the newest.';
COMMENT ON COLUMN trelay.dialog_secret.secret IS 'Random bytes, 32 to 64 of them.';
COMMENT ON COLUMN trelay.dialog_secret.created_at IS 'When it was made.';
COMMENT ON COLUMN trelay.dialog_secret.remark IS 'For people.';
COMMENT ON CONSTRAINT dialog_secret_pk ON trelay.dialog_secret IS 'Secrets are numbered.';
COMMENT ON CONSTRAINT dialog_secret_length_ck ON trelay.dialog_secret IS '32 to 64 bytes: fewer could be guessed, more add nothing.';
GRANT INSERT, DELETE, SELECT (id, created_at, remark) ON trelay.dialog_secret TO trelay_admin;
GRANT SELECT (id, created_at, remark) ON trelay.dialog_secret TO trelay_reader;
GRANT SELECT ON trelay.dialog_secret TO trelay_daemon;

-- Made here, so that it is in nobody's history of commands.
CREATE FUNCTION trelay.rotate_dialog_secret() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    new_id bigint;
BEGIN
    INSERT INTO trelay.dialog_secret (secret) VALUES (sha256(
            uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))
        RETURNING id INTO new_id;
    DELETE FROM trelay.dialog_secret WHERE id NOT IN (SELECT s.id FROM trelay.dialog_secret AS s ORDER BY s.id DESC LIMIT 2);
    RETURN new_id;
END $$;
COMMENT ON FUNCTION trelay.rotate_dialog_secret() IS 'Makes a secret for the pins of dialogs, which is used from now on; the one before is still read, older ones go. Call it once to pin dialogs at all, and then no more often than dialogs last (limits.pin_age of trelay.conf).';
GRANT EXECUTE ON FUNCTION trelay.rotate_dialog_secret() TO trelay_admin;

CREATE OR REPLACE FUNCTION trelay.hide_secrets(table_name text, content jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT CASE WHEN table_name IN ('certificate_key', 'dialog_secret') THEN
              (SELECT jsonb_object_agg(key, CASE WHEN value = 'null'
                          OR key = ANY (CASE table_name WHEN 'certificate_key' THEN ARRAY['certificate', 'key_path']
                                                        ELSE ARRAY['id', 'created_at', 'remark'] END)
                          THEN value ELSE '"(secret)"' END)
                 FROM jsonb_each(content))
          ELSE content END $$;

CREATE OR REPLACE FUNCTION trelay.record_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO trelay.change (action, table_name, row_name, new)
        SELECT 'insert', TG_TABLE_NAME,
               CASE WHEN TG_NARGS = 1 THEN content ->> TG_ARGV[0] ELSE trelay.row_label(content, TG_ARGV) END,
               jsonb_strip_nulls(CASE WHEN TG_TABLE_NAME IN ('certificate_key', 'dialog_secret')
                                      THEN trelay.hide_secrets(TG_TABLE_NAME, content) ELSE content END)
          FROM (SELECT to_jsonb(r) AS content FROM new_rows AS r) AS c;
    IF FOUND THEN
        PERFORM trelay.expect_announcement();
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION trelay.record_delete() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO trelay.change (action, table_name, row_name, old)
        SELECT 'delete', TG_TABLE_NAME,
               CASE WHEN TG_NARGS = 1 THEN content ->> TG_ARGV[0] ELSE trelay.row_label(content, TG_ARGV) END,
               jsonb_strip_nulls(CASE WHEN TG_TABLE_NAME IN ('certificate_key', 'dialog_secret')
                                      THEN trelay.hide_secrets(TG_TABLE_NAME, content) ELSE content END)
          FROM (SELECT to_jsonb(r) AS content FROM old_rows AS r) AS c;
    IF FOUND THEN
        PERFORM trelay.expect_announcement();
    END IF;
    RETURN NULL;
END $$;

DO $$
BEGIN
    PERFORM trelay.watch_table('dialog_secret', 'id');
END $$;

ALTER TABLE trelay.transaction_record ADD COLUMN outbound_pinned boolean;
COMMENT ON COLUMN trelay.transaction_record.outbound_pinned IS 'true: a request within a dialog for which outbound_policy is the row that the dialog began with, not the one of its next hop (trelay.dialog_secret).';
COMMENT ON COLUMN trelay.outbound_policy.initial_only IS 'Level domain holds for out-of-dialog requests only; requests within a dialog need the same trust set and level chain. Only of those that bring the pin of their dialog, so trelay.dialog_secret needs a row: without it each request is treated as if it began a dialog.';
