-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0017-ask-a-node-to-explain.sql - explain() says what only a node knows, and explain_on() asks one: the key, the digest
-- of the key, and what its present connections come to. The node answers as "trelayctl explain" does.

DROP FUNCTION trelay.explain(text, text, text, inet, text, text, text);

CREATE FUNCTION trelay.explain(
    destination     text,
    source          text DEFAULT NULL,
    flags           text DEFAULT '',
    address         inet DEFAULT NULL,
    peer            text DEFAULT NULL,
    request_domain  text DEFAULT NULL,
    transport       text DEFAULT 'tls')
    RETURNS TABLE (action text, reason text, detail text, policy text, looked_up text, level text, expected_domain text,
        certificate text, sni text, trust_set text, pins text[], crl text, ocsp text, flags_in_effect text, unknown text[])
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_variable
DECLARE
    host text;
    next_hop_domain text;
    row trelay.outbound_policy;
    step text;
    given jsonb; -- flag => value, JSON null when it has none
    steps text[] := '{dst,addr,default}';
    rank CONSTANT text[] := '{none,encrypt,chain,domain}';
BEGIN
    IF destination IS NULL THEN
        RAISE EXCEPTION 'explain() needs a destination' USING HINT = 'A domain, an address, or a SIP URI.';
    ELSIF transport NOT IN ('udp', 'tcp', 'tls') THEN
        RAISE EXCEPTION '"%" is no transport', transport USING HINT = 'There are udp, tcp, tls.';
    END IF;
    SELECT coalesce(jsonb_object_agg(f.flag, f.value), '{}') INTO given FROM trelay.flags_parse(flags) AS f;
    SELECT string_agg(n.flag || CASE WHEN n.flag = 'max-age' THEN '=' || trelay.duration_seconds(given ->> n.flag) || 's'
                                     ELSE coalesce('=' || (given ->> n.flag), '') END, ',' ORDER BY n.bit_number)
      INTO flags_in_effect FROM trelay.flag_names() AS n WHERE given ? n.flag;
    flags_in_effect := coalesce(flags_in_effect, '');
    unknown := CASE WHEN given ? 'lookup' THEN '{}'::text[] ELSE '{lookup}'::text[] END;

    -- "sips:user@[2001:db8::1]:5061;lr", "192.0.2.1:5061", "biloxi.example"
    host := regexp_replace(regexp_replace(regexp_replace(destination, '^sips?:', '', 'i'), '[;?].*$', ''), '^.*@', '');
    host := coalesce((regexp_match(host, '^\[([0-9A-Fa-f:.]+)\](:[0-9]+)?$'))[1],
                     (regexp_match(host, '^([^:]*):[0-9]+$'))[1], host);
    IF host ~ '^[0-9.]+$' OR host ~ ':' THEN
        address := host::inet;
    ELSE
        next_hop_domain := trelay.normal_domain(host);
    END IF;
    IF address <<= '::ffff:0:0/96' THEN
        address := replace(host(address), '::ffff:', '')::inet;
    END IF;
    address := set_masklen(address, CASE family(address) WHEN 4 THEN 32 ELSE 128 END);
    request_domain := trelay.normal_domain(request_domain);
    source := trelay.normal_domain(source);

    -- the row
    action := 'reject';
    IF given ? 'lookup' THEN
        steps := array_remove(trelay.lookup_order(given ->> 'lookup'), 'live');
    END IF;
    FOREACH step IN ARRAY steps LOOP
        IF step = 'none' THEN
            reason := 'no-policy';
            detail := 'lookup=none asks for no row, and this version relays nothing without one';
            RETURN NEXT;
            RETURN;
        ELSIF step = 'addr' AND address IS NULL THEN
            action := 'needs-address';
            reason := 'none';
            unknown := unknown || '{policy}';
            detail := 'no row for the domain; the rows for its address are next: explain(..., address => ''192.0.2.1'')';
            RETURN NEXT;
            RETURN;
        END IF;
        CASE step
            WHEN 'dst' THEN SELECT * INTO row FROM trelay.policy_for_domain(next_hop_domain);
            WHEN 'ruri' THEN SELECT * INTO row FROM trelay.policy_for_domain(request_domain);
            WHEN 'addr' THEN SELECT * INTO row FROM trelay.policy_for_address(address);
            WHEN 'src' THEN SELECT * INTO row FROM trelay.outbound_policy AS o
                             WHERE o.enabled AND o.source_domain = source ORDER BY o.priority LIMIT 1;
            WHEN 'peer' THEN SELECT * INTO row FROM trelay.outbound_policy AS o
                              WHERE o.enabled AND o.peer = explain.peer ORDER BY o.priority LIMIT 1;
            WHEN 'default' THEN SELECT * INTO row FROM trelay.outbound_policy AS o
                                 WHERE o.enabled AND o.is_default ORDER BY o.priority LIMIT 1;
        END CASE;
        EXIT WHEN row.name IS NOT NULL;
    END LOOP;
    IF row.name IS NULL THEN
        reason := 'no-policy';
        detail := format('no enabled row matches (looked up %s)', array_to_string(steps, ', '));
        RETURN NEXT;
        RETURN;
    END IF;
    policy := row.name;
    looked_up := step;
    IF row.scheme <> 'any' OR destination ~* '^sips:' THEN
        unknown := unknown || '{scheme}';
    END IF;
    IF row.certificate IS NOT NULL AND NOT trelay.has_usable_key(row.certificate) THEN
        reason := 'policy-unusable';
        detail := format('certificate "%s" has no key that can be used', row.certificate);
    ELSIF row.trust_set IS NOT NULL AND NOT trelay.has_anchors(row.trust_set) THEN
        reason := 'policy-unusable';
        detail := format('trust set "%s" has no anchors', row.trust_set);
    END IF;
    IF reason IS NOT NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;

    -- the level: the row is the floor
    level := row.level;
    IF given ? 'verify-domain' THEN
        level := 'domain';
    ELSIF given ?| '{verify-chain,trust}' AND array_position(rank, level) < 3 THEN
        level := 'chain';
    ELSIF given ? 'tls' AND level = 'none' THEN
        level := 'encrypt';
    END IF;
    IF given ? 'no-verify' AND array_position(rank, level) > 2 THEN
        IF row.weaken <> 'allowed' THEN
            reason := 'weaken-refused';
            detail := format('no-verify asks for less than level %s, and the row''s weaken is refused', level);
            RETURN NEXT;
            RETURN;
        END IF;
        level := 'encrypt';
    END IF;
    IF transport <> 'tls' THEN
        IF level <> 'none' OR given ?| '{cert,sni,ocsp-hard}' THEN
            reason := 'plain-transport';
            detail := CASE WHEN level <> 'none' THEN format('level %s needs TLS', level) ELSE 'the flags cert, sni and ocsp-hard need TLS' END;
        ELSE
            action := 'allow';
            reason := 'none';
            unknown := unknown || '{target,key,decision}';
        END IF;
        RETURN NEXT;
        RETURN;
    ELSIF level = 'none' THEN
        level := 'encrypt'; -- over TLS the two are one class
    END IF;

    -- identity
    IF level = 'domain' THEN
        IF given ->> 'verify-domain' <> row.expected_domain AND row.weaken <> 'allowed' THEN
            reason := 'flag-conflict';
            detail := format('verify-domain=%s is not the row''s expected domain %s', given ->> 'verify-domain', row.expected_domain);
            RETURN NEXT;
            RETURN;
        END IF;
        expected_domain := coalesce(given ->> 'verify-domain', row.expected_domain, next_hop_domain);
        IF expected_domain IS NULL THEN
            reason := 'no-expected-domain';
            detail := 'the next hop is an address: expected_domain or verify-domain must name the identity';
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    -- trust
    trust_set := row.trust_set;
    IF given ? 'trust' THEN
        trust_set := given ->> 'trust';
        IF trust_set IS DISTINCT FROM row.trust_set AND row.trust_flag <> 'allowed' THEN
            reason := 'trust-flag-refused';
            detail := format('trust=%s is not the row''s trust set, and its trust_flag is refused', trust_set);
        ELSIF NOT trelay.has_anchors(trust_set) THEN
            reason := 'unknown-trust-set';
            detail := format('trust set "%s" does not exist or is empty', trust_set);
        END IF;
    END IF;
    IF level IN ('chain', 'domain') THEN
        pins := ARRAY(SELECT DISTINCT pin COLLATE "C" FROM unnest(row.pins) AS pin ORDER BY 1);
        IF reason IS NULL AND trust_set IS NULL AND row.pins IS NULL THEN
            reason := 'unknown-trust-set';
            detail := 'validation needs a trust set and the row has none';
        END IF;
    ELSE
        trust_set := NULL;
    END IF;
    IF reason IS NOT NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;
    -- our certificate
    certificate := CASE WHEN given ? 'cert' THEN given ->> 'cert' WHEN given ? 'no-cert' THEN NULL ELSE row.certificate END;
    IF certificate IS NOT NULL AND NOT trelay.has_usable_key(certificate) THEN
        reason := 'unknown-certificate';
        detail := format('certificate "%s" does not exist or has no key that can be used', certificate);
        RETURN NEXT;
        RETURN;
    END IF;
    sni := CASE WHEN given ? 'sni' THEN given ->> 'sni'
                WHEN given ? 'no-sni' OR NOT row.send_sni THEN NULL
                ELSE coalesce(row.sni, expected_domain, row.expected_domain, next_hop_domain) END;
    -- revocation
    crl := 'off';
    ocsp := 'off';
    IF given ? 'ocsp-hard' AND level NOT IN ('chain', 'domain') THEN
        reason := 'flag-conflict';
        detail := 'ocsp-hard needs verify-chain or verify-domain here';
        RETURN NEXT;
        RETURN;
    ELSIF level IN ('chain', 'domain') THEN
        crl := CASE WHEN given ? 'crl' AND row.crl = 'off' THEN 'soft' ELSE row.crl::text END;
        ocsp := CASE WHEN given ? 'ocsp-hard' THEN 'hard' WHEN given ? 'ocsp' AND row.ocsp = 'off' THEN 'soft' ELSE row.ocsp::text END;
        IF 'hard' IN (crl, ocsp) THEN
            reason := 'unsupported-feature';
            detail := 'hard revocation checking is not available in this version';
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    action := 'allow';
    reason := 'none';
    unknown := unknown || '{target,key,decision}';
    IF certificate IS NOT NULL OR trust_set IS NOT NULL THEN
        unknown := unknown || '{material}';
    END IF;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION trelay.explain(text, text, text, inet, text, text, text) IS 'What the tables say about a next hop, with no daemon running: SELECT * FROM trelay.explain(''biloxi.example'', flags => ''verify-domain''); of a request that brings no pin of a dialog. destination is a domain, an address, or a SIP URI; source the domain of From; address what DNS says of the destination; peer the inbound peer; request_domain that of the Request-URI; transport udp, tcp or tls. action is allow, reject, or needs-address (the answer depends on the address: give it). The reason is the word of logs and accounting. unknown names what the tables do not tell: lookup (the order of look-ups of the node''s trelay.conf; dst, addr, default is supposed), policy (the row, for want of an address), scheme (whether the row takes this request of SIP or SIPS), target (addresses, ports and transport), key (the key of the connection and its digest), decision (what there is to reuse, join or upgrade, what was refused a moment ago, limits), material (whether the node can read the certificates). trelay.explain_on() asks a node for those.';
GRANT EXECUTE ON FUNCTION trelay.explain(text, text, text, inet, text, text, text) TO trelay_admin, trelay_reader;

ALTER TABLE trelay.command DROP CONSTRAINT command_known_ck;
ALTER TABLE trelay.command ADD CONSTRAINT command_known_ck CHECK (command IN ('tls-reload', 'close-connection', 'explain'));
COMMENT ON CONSTRAINT command_known_ck ON trelay.command IS 'tls-reload, close-connection or explain.';
COMMENT ON TABLE trelay.command IS 'What nodes were told to do, by tls_reload(), close_connection() and explain_on(), and what came of it. A node does what is open when it next looks; NOTIFY makes that at once.';
COMMENT ON COLUMN trelay.command.command IS 'tls-reload, close-connection or explain.';
COMMENT ON COLUMN trelay.command.arguments IS 'mode, id of the connection, or what the request would bring.';
COMMENT ON COLUMN trelay.command.result IS 'What the node says about it; of explain JSON, which explained() reads.';

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
    to_tag      text DEFAULT NULL)
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
    DELETE FROM trelay.command AS c WHERE c.command = 'explain' AND c.requested_at < now() - interval '1 day';
    INSERT INTO trelay.command (node, command, arguments, expires_at)
        VALUES (explain_on.node, 'explain', jsonb_strip_nulls(jsonb_build_object('destination', destination, 'source', source,
                'flags', flags, 'peer', peer, 'request', request, 'contact', contact, 'pin', pin, 'call-id', call_id,
                'from-tag', from_tag, 'to-tag', to_tag)), now() + interval '1 minute')
        RETURNING id INTO question;
    PERFORM pg_notify('trelay_command', explain_on.node);
    RETURN question;
END $$;
COMMENT ON FUNCTION trelay.explain_on(text, text, text, text, text, text, text, text, text, text, text) IS 'Asks a node what would become of a request now, which is not sent: "SELECT trelay.explain_on(''edge-1'', ''biloxi.example'', flags => ''verify-domain'') AS question \gset" and then, in a statement of its own, "SELECT * FROM trelay.explained(:question)". destination is the next hop, a SIP URI, a domain or an address; source the domain of From; flags all those in effect; peer the inbound peer; request the Request-URI where it is another than the destination; contact the URI of Contact, which matters to requests of SIPS; pin what our Record-Route brought back, as a value or a whole Route URI, with call_id, from_tag and to_tag of the request. As trelayctl explain.';

CREATE FUNCTION trelay.explained(question bigint, patience interval DEFAULT '5 seconds')
    RETURNS TABLE (node text, decision text, reason text, detail text, status integer, policy text, pinned boolean, pin text,
        level text, expected_domain text, certificate text, sni text, trust_set text, flags text, target text, transport text,
        key_digest text, key text, terms text, connection text, upgrade text, passed_over jsonb)
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
            r.upgrade, r.passed_over
        FROM jsonb_to_record(asked.result::jsonb) AS r (node text, decision text, reason text, detail text, status integer,
            policy text, pinned boolean, pin text, level text, expected_domain text, certificate text, sni text, trust_set text,
            flags text, target text, transport text, key_digest text, key text, terms text, connection text, upgrade text,
            passed_over jsonb);
END $$;
COMMENT ON FUNCTION trelay.explained(bigint, interval) IS 'The answer to a question of explain_on(), waited for as long as patience. decision is reuse, join, upgrade, open, datagram or reject, and reason why it is reject, with the SIP status; policy the row that rules, pinned whether by the dialog''s pin; pin what became of that: valid, forged, too-old, malformed, or no-secret; level to terms what is asked of the connection; key and key_digest as in trelay.connection and trelay.transaction_record; connection the one to be used; upgrade what stands between the request and an unvalidated connection; passed_over the addresses that would fail the request at once, and why.';

REVOKE ALL ON FUNCTION trelay.explain_on(text, text, text, text, text, text, text, text, text, text, text),
    trelay.explained(bigint, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trelay.explain_on(text, text, text, text, text, text, text, text, text, text, text) TO trelay_admin;
GRANT EXECUTE ON FUNCTION trelay.explained(bigint, interval) TO trelay_admin, trelay_reader;
