-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0008-create-accounting.sql - one record for each finished transaction, both legs, partitioned by day (UTC).
-- Few constraints, on purpose: what happened must be recorded, whatever the words in it.

CREATE TABLE trelay.transaction_record (
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    node            text NOT NULL,
    call_id         text,
    method          text,
    request_uri     text,
    from_uri        text,
    to_uri          text,
    status          integer,
    reason          text,
    duration_ms     bigint,
    flags           text,
    inbound_transport       text,
    inbound_source_address  inet,
    inbound_source_port     integer,
    inbound_listener        text,
    inbound_peer            text,
    inbound_tls_version     text,
    inbound_cipher          text,
    inbound_certificate_subject     text,
    inbound_certificate_issuer      text,
    inbound_certificate_sans        text[],
    inbound_certificate_serial      text,
    inbound_certificate_sha256      text,
    inbound_certificate_not_before  timestamptz,
    inbound_certificate_not_after   timestamptz,
    inbound_verified_domain text,
    inbound_reason          text,
    outbound_address        inet,
    outbound_port           integer,
    outbound_transport      text,
    outbound_domain         text,
    outbound_policy         text,
    outbound_route          text,
    outbound_decision       text,
    outbound_key_digest     text,
    outbound_connection_id  text,
    outbound_tls_version    text,
    outbound_cipher         text,
    outbound_own_certificate        text,
    outbound_own_certificate_sha256 text,
    outbound_sni            text,
    outbound_certificate_subject    text,
    outbound_certificate_issuer     text,
    outbound_certificate_sans       text[],
    outbound_certificate_serial     text,
    outbound_certificate_sha256     text,
    outbound_certificate_not_before timestamptz,
    outbound_certificate_not_after  timestamptz,
    outbound_level          text,
    outbound_expected_domain text,
    outbound_verified_domain text
) PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE trelay.transaction_record IS 'Accounting: one row for each transaction that ended, with how it came in and how it went out. Holds personal data: remove old days with trelay.drop_records(). Each day (UTC) is a partition.';
COMMENT ON COLUMN trelay.transaction_record.recorded_at IS 'When the transaction ended.';
COMMENT ON COLUMN trelay.transaction_record.node IS 'The node that relayed it.';
COMMENT ON COLUMN trelay.transaction_record.call_id IS 'Call-ID.';
COMMENT ON COLUMN trelay.transaction_record.method IS 'Method.';
COMMENT ON COLUMN trelay.transaction_record.request_uri IS 'Request-URI as received.';
COMMENT ON COLUMN trelay.transaction_record.from_uri IS 'URI of From.';
COMMENT ON COLUMN trelay.transaction_record.to_uri IS 'URI of To.';
COMMENT ON COLUMN trelay.transaction_record.status IS 'SIP status of the final response that went upstream; NULL: none did.';
COMMENT ON COLUMN trelay.transaction_record.reason IS 'Reason word when the relay itself refused or failed it ("wrong-identity"); "none" else.';
COMMENT ON COLUMN trelay.transaction_record.duration_ms IS 'Milliseconds from request to final response.';
COMMENT ON COLUMN trelay.transaction_record.flags IS 'Relay flags in effect.';
COMMENT ON COLUMN trelay.transaction_record.inbound_transport IS 'Transport on which it came: udp, tcp, tls.';
COMMENT ON COLUMN trelay.transaction_record.inbound_source_address IS 'Address of the sender.';
COMMENT ON COLUMN trelay.transaction_record.inbound_source_port IS 'Port of the sender.';
COMMENT ON COLUMN trelay.transaction_record.inbound_listener IS 'Listener on which it came.';
COMMENT ON COLUMN trelay.transaction_record.inbound_peer IS 'The peer row that accepted the sender.';
COMMENT ON COLUMN trelay.transaction_record.inbound_tls_version IS 'TLS version of the inbound connection.';
COMMENT ON COLUMN trelay.transaction_record.inbound_cipher IS 'Cipher suite of the inbound connection.';
COMMENT ON COLUMN trelay.transaction_record.inbound_certificate_subject IS 'Subject of the sender''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.inbound_certificate_issuer IS 'Issuer of the sender''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.inbound_certificate_sans IS 'Subject alternative names of the sender''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.inbound_certificate_serial IS 'Serial number of the sender''s certificate, hexadecimal.';
COMMENT ON COLUMN trelay.transaction_record.inbound_certificate_sha256 IS 'SHA-256 of the sender''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.inbound_certificate_not_before IS 'Start of validity of the sender''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.inbound_certificate_not_after IS 'End of validity of the sender''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.inbound_verified_domain IS 'The sender''s proven identity; NULL: not proven.';
COMMENT ON COLUMN trelay.transaction_record.inbound_reason IS 'Reason word of the verdict on the sender''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.outbound_address IS 'Address to which it went.';
COMMENT ON COLUMN trelay.transaction_record.outbound_port IS 'Port to which it went.';
COMMENT ON COLUMN trelay.transaction_record.outbound_transport IS 'Transport on which it went.';
COMMENT ON COLUMN trelay.transaction_record.outbound_domain IS 'Domain of the next hop.';
COMMENT ON COLUMN trelay.transaction_record.outbound_policy IS 'The outbound policy row that ruled.';
COMMENT ON COLUMN trelay.transaction_record.outbound_route IS 'The route row taken.';
COMMENT ON COLUMN trelay.transaction_record.outbound_decision IS 'reuse, join, upgrade, open, reject, or datagram.';
COMMENT ON COLUMN trelay.transaction_record.outbound_key_digest IS 'SHA-256 of the key of the connection it needed.';
COMMENT ON COLUMN trelay.transaction_record.outbound_connection_id IS 'The connection, as in trelay.connection.id.';
COMMENT ON COLUMN trelay.transaction_record.outbound_tls_version IS 'TLS version of the outbound connection.';
COMMENT ON COLUMN trelay.transaction_record.outbound_cipher IS 'Cipher suite of the outbound connection.';
COMMENT ON COLUMN trelay.transaction_record.outbound_own_certificate IS 'Our client certificate, by name.';
COMMENT ON COLUMN trelay.transaction_record.outbound_own_certificate_sha256 IS 'SHA-256 of our client certificate.';
COMMENT ON COLUMN trelay.transaction_record.outbound_sni IS 'The server name we sent.';
COMMENT ON COLUMN trelay.transaction_record.outbound_certificate_subject IS 'Subject of the next hop''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.outbound_certificate_issuer IS 'Issuer of the next hop''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.outbound_certificate_sans IS 'Subject alternative names of the next hop''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.outbound_certificate_serial IS 'Serial number of the next hop''s certificate, hexadecimal.';
COMMENT ON COLUMN trelay.transaction_record.outbound_certificate_sha256 IS 'SHA-256 of the next hop''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.outbound_certificate_not_before IS 'Start of validity of the next hop''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.outbound_certificate_not_after IS 'End of validity of the next hop''s certificate.';
COMMENT ON COLUMN trelay.transaction_record.outbound_level IS 'The level that was asked of the next hop.';
COMMENT ON COLUMN trelay.transaction_record.outbound_expected_domain IS 'The identity that was asked of the next hop.';
COMMENT ON COLUMN trelay.transaction_record.outbound_verified_domain IS 'The next hop''s proven identity; NULL: not proven.';
CREATE INDEX transaction_record_recorded_at_ix ON trelay.transaction_record (recorded_at);
CREATE INDEX transaction_record_call_id_ix ON trelay.transaction_record (call_id);
COMMENT ON INDEX trelay.transaction_record_recorded_at_ix IS 'Records by time.';
COMMENT ON INDEX trelay.transaction_record_call_id_ix IS 'The records of one call.';

CREATE TABLE trelay.transaction_record_default PARTITION OF trelay.transaction_record DEFAULT;
COMMENT ON TABLE trelay.transaction_record_default IS 'Records of days that have no partition yet, so that none is lost; make_partition() moves them.';

CREATE FUNCTION trelay.make_partition(day date) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    partition CONSTANT text := 'transaction_record_' || to_char(day, 'YYYYMMDD');
    first_moment CONSTANT timestamptz := day::timestamp AT TIME ZONE 'UTC';
    last_moment CONSTANT timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF day IS NULL OR day NOT BETWEEN DATE '2000-01-01' AND DATE '2999-12-31' THEN
        RAISE EXCEPTION 'no partition for %: a day between 2000 and 2999 is needed', coalesce(day::text, 'NULL');
    END IF;
    IF to_regclass(format('trelay.%I', partition)) IS NOT NULL THEN
        RETURN partition;
    END IF;
    -- Several nodes come at midnight. A lock on a table, because waiting for it also brings the catalog up to date.
    LOCK TABLE trelay.transaction_record IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(format('trelay.%I', partition)) IS NOT NULL THEN
        RETURN partition;
    END IF;
    -- What came early stands in the default partition; it moves before the new one takes its days.
    EXECUTE format('CREATE TABLE trelay.%I (LIKE trelay.transaction_record INCLUDING DEFAULTS)', partition);
    LOCK TABLE trelay.transaction_record_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('WITH early AS (DELETE FROM trelay.transaction_record_default WHERE recorded_at >= $1 AND recorded_at < $2 RETURNING *) '
                   'INSERT INTO trelay.%I SELECT * FROM early', partition) USING first_moment, last_moment;
    EXECUTE format('ALTER TABLE trelay.transaction_record ATTACH PARTITION trelay.%I FOR VALUES FROM (%L) TO (%L)',
                   partition, first_moment, last_moment);
    EXECUTE format('COMMENT ON TABLE trelay.%I IS %L', partition, format('Records of %s (UTC).', day));
    RETURN partition;
END $$;
COMMENT ON FUNCTION trelay.make_partition(date) IS 'Makes the partition of trelay.transaction_record for a day (UTC), if it is missing, and returns its name. The daemons call it ahead of each day.';

CREATE FUNCTION trelay.drop_records(before date) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    partition text;
BEGIN
    FOR partition IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'trelay.transaction_record'::regclass AND c.relname ~ '^transaction_record_[0-9]{8}$'
           AND to_date(right(c.relname, 8), 'YYYYMMDD') < before ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE trelay.%I', partition);
        RETURN NEXT partition;
    END LOOP;
    DELETE FROM trelay.transaction_record_default WHERE recorded_at < before::timestamp AT TIME ZONE 'UTC';
END $$;
COMMENT ON FUNCTION trelay.drop_records(date) IS 'Removes the accounting records of all days (UTC) before this one and returns the partitions dropped. SELECT trelay.drop_records(current_date - 90);';

REVOKE ALL ON FUNCTION trelay.make_partition(date), trelay.drop_records(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trelay.make_partition(date) TO trelay_daemon, trelay_admin;
GRANT EXECUTE ON FUNCTION trelay.drop_records(date) TO trelay_admin;
GRANT SELECT ON trelay.transaction_record TO trelay_reader;
GRANT INSERT ON trelay.transaction_record TO trelay_daemon;
