-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0001-create-schema.sql - the record of migrations, and nothing for PUBLIC.
-- The schema itself is made by trelay-schema, which runs each of these files in one transaction as trelay_owner.

COMMENT ON SCHEMA trelay IS
    'trelay, a SIP TLS interconnect relay. People edit certificate, trust_set, outbound_policy, server_profile, peer and route; they read connection, node, problem, change and transaction_record; they call explain(), tls_reload(), close_connection() and the import functions. \d+ on a table is its manual.';

REVOKE ALL ON SCHEMA trelay FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE trelay_owner REVOKE ALL ON TABLES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE trelay_owner REVOKE ALL ON SEQUENCES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE trelay_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE trelay_owner REVOKE ALL ON TYPES FROM PUBLIC;
GRANT USAGE ON SCHEMA trelay TO trelay_admin, trelay_daemon, trelay_reader;

CREATE TABLE trelay.migration (
    number      integer     NOT NULL CONSTRAINT migration_number_ck CHECK (number > 0),
    name        text        NOT NULL,
    checksum    text        NOT NULL CONSTRAINT migration_checksum_ck CHECK (checksum ~ '^[0-9a-f]{64}$'),
    applied_at  timestamptz NOT NULL DEFAULT now(),
    applied_by  text        NOT NULL DEFAULT session_user,
    CONSTRAINT migration_pk PRIMARY KEY (number)
);
COMMENT ON TABLE trelay.migration IS 'Which migrations made this schema. Written by trelay-schema alone.';
COMMENT ON COLUMN trelay.migration.number IS 'Number of the file under sql/migrate; applied in this order, never twice.';
COMMENT ON COLUMN trelay.migration.name IS 'Name of the file without number and ending.';
COMMENT ON COLUMN trelay.migration.checksum IS 'SHA-256 of the file as it was applied; trelay-schema refuses to go on when the file has changed since.';
COMMENT ON COLUMN trelay.migration.applied_at IS 'When.';
COMMENT ON COLUMN trelay.migration.applied_by IS 'The login role that ran trelay-schema.';
COMMENT ON CONSTRAINT migration_pk ON trelay.migration IS 'A migration is applied once.';
COMMENT ON CONSTRAINT migration_number_ck ON trelay.migration IS 'Numbers start at 1.';
COMMENT ON CONSTRAINT migration_checksum_ck ON trelay.migration IS 'A checksum is 64 lower-case hexadecimal digits.';
GRANT SELECT ON trelay.migration TO trelay_reader, trelay_daemon;
