-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0025-explain-what-is-held.sql - explain_on() is told which flags are a sender's, and explained() tells whom workers spare.

DROP FUNCTION trelay.explain_on(text, text, text, text, text, text, text, text, text, text, text);
DROP FUNCTION trelay.explained(bigint, interval);

CREATE FUNCTION trelay.explain_on(
    node        text,
    destination text,
    source      text DEFAULT NULL,
    flags       text DEFAULT NULL,
    peer        text DEFAULT NULL,
    request     text DEFAULT NULL,
    contact     text DEFAULT NULL,
    pin         text DEFAULT NULL,
    call_id     text DEFAULT NULL,
    from_tag    text DEFAULT NULL,
    to_tag      text DEFAULT NULL,
    sender_flags text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    question bigint;
BEGIN
    IF destination IS NULL THEN
        RAISE EXCEPTION 'explain_on() needs a destination' USING HINT = 'A domain, an address, or a SIP URI.';
    ELSIF NOT EXISTS (SELECT FROM trelay.node AS n WHERE n.name = explain_on.node) THEN
        RAISE EXCEPTION 'there is no node "%"', node USING HINT = 'SELECT name, seen_at FROM trelay.node;';
    END IF;
    PERFORM trelay.flags_parse(flags);
    PERFORM trelay.flags_parse(sender_flags);
    DELETE FROM trelay.command AS c WHERE c.command = 'explain' AND c.requested_at < now() - interval '1 day';
    INSERT INTO trelay.command (node, command, arguments, expires_at)
        VALUES (explain_on.node, 'explain', jsonb_strip_nulls(jsonb_build_object('destination', destination, 'source', source,
                'flags', flags, 'peer', peer, 'request', request, 'contact', contact, 'pin', pin, 'call-id', call_id,
                'from-tag', from_tag, 'to-tag', to_tag, 'sender-flags', sender_flags)), now() + interval '1 minute')
        RETURNING id INTO question;
    PERFORM pg_notify('trelay_command', explain_on.node);
    RETURN question;
END $$;
COMMENT ON FUNCTION trelay.explain_on(text, text, text, text, text, text, text, text, text, text, text, text) IS 'Asks a node what would become of a request now, which is not sent: "SELECT trelay.explain_on(''edge-1'', ''biloxi.example'', flags => ''verify-domain'') AS question \gset" and then, in a statement of its own, "SELECT * FROM trelay.explained(:question)". destination is the next hop, a SIP URI, a domain or an address; source the domain of From; flags those in effect by the operator, of the rows of peer and route, and sender_flags what X-Trelay-Flags of a trusted sender brings, of which lookup needs permission; peer the inbound peer; request the Request-URI where it is another than the destination; contact the URI of Contact, which matters to requests of SIPS; pin what our Record-Route brought back, as a value or a whole Route URI, with call_id, from_tag and to_tag of the request. As trelayctl explain.';

CREATE FUNCTION trelay.explained(question bigint, patience interval DEFAULT '5 seconds')
    RETURNS TABLE (node text, decision text, reason text, detail text, status integer, policy text, pinned boolean, pin text,
        level text, expected_domain text, certificate text, sni text, trust_set text, flags text, target text, transport text,
        key_digest text, key text, terms text, connection text, upgrade text, passed_over jsonb, held jsonb)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    asked trelay.command;
    give_up_at CONSTANT timestamptz := clock_timestamp() + patience;
BEGIN
    LOOP
        SELECT * INTO asked FROM trelay.command AS c WHERE c.id = question AND c.command = 'explain';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no question %', coalesce(question::text, 'NULL')
                USING HINT = 'SELECT trelay.explain_on(...) asks one, and the answer is kept for a day.';
        ELSIF asked.requested_at = transaction_timestamp() THEN
            RAISE EXCEPTION 'question % is not told before COMMIT', question
                USING HINT = 'explain_on() and explained() are two transactions.';
        END IF;
        EXIT WHEN asked.done_at IS NOT NULL;
        IF clock_timestamp() >= give_up_at THEN
            RAISE EXCEPTION 'node "%" has not answered', asked.node
                USING HINT = 'Is it there? SELECT name, seen_at FROM trelay.node;';
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    IF NOT asked.is_success THEN
        RAISE EXCEPTION '%', asked.result;
    END IF;
    RETURN QUERY SELECT r.node, r.decision, r.reason, r.detail, r.status, r.policy, r.pinned, r.pin, r.level, r.expected_domain,
            r.certificate, r.sni, r.trust_set, r.flags, r.target, r.transport, r.key_digest, r.key, r.terms, r.connection,
            r.upgrade, r.passed_over, r.held
        FROM jsonb_to_record(asked.result::jsonb) AS r (node text, decision text, reason text, detail text, status integer,
            policy text, pinned boolean, pin text, level text, expected_domain text, certificate text, sni text, trust_set text,
            flags text, target text, transport text, key_digest text, key text, terms text, connection text, upgrade text,
            passed_over jsonb, held jsonb);
END $$;
COMMENT ON FUNCTION trelay.explained(bigint, interval) IS 'The answer to a question of explain_on(), waited for as long as patience. decision is reuse, join, upgrade, open, datagram or reject, and reason why it is reject, with the SIP status; policy the row that rules, pinned whether by the dialog''s pin; pin what became of that: valid, forged, too-old, malformed, or no-secret; level to terms what is asked of the connection; key and key_digest as in trelay.connection and trelay.transaction_record; connection the one to be used; upgrade what stands between the request and an unvalidated connection; passed_over the addresses that would fail the request at once, and why; held, where workers of the node spare the target their requests as long as there is another: why (silent: datagrams had no answer; unavailable: it asked for that with Retry-After), and how many workers, of how many.';

REVOKE ALL ON FUNCTION trelay.explain_on(text, text, text, text, text, text, text, text, text, text, text, text),
    trelay.explained(bigint, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trelay.explain_on(text, text, text, text, text, text, text, text, text, text, text, text) TO trelay_admin;
GRANT EXECUTE ON FUNCTION trelay.explained(bigint, interval) TO trelay_admin, trelay_reader;
