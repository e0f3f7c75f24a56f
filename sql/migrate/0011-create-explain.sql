-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0011-create-explain.sql - which row rules for a next hop, and what it and the flags ask for, from the tables alone.
-- The same rules as src/policy/lookup.c and src/decide/requirement.c have; t/314 compares the two over random cases.

CREATE FUNCTION trelay.has_usable_key(certificate text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT EXISTS (SELECT FROM trelay.certificate_key AS k WHERE k.certificate = has_usable_key.certificate AND k.key_uri IS NULL) $$;
COMMENT ON FUNCTION trelay.has_usable_key(text) IS 'Whether a certificate has a key of a kind that this version can use.';

CREATE FUNCTION trelay.has_anchors(trust_set text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT EXISTS (SELECT FROM trelay.trust_anchor AS a WHERE a.trust_set = has_anchors.trust_set) $$;
COMMENT ON FUNCTION trelay.has_anchors(text) IS 'Whether a trust set exists and is not empty.';

CREATE FUNCTION trelay.policy_for_domain(domain text) RETURNS SETOF trelay.outbound_policy
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    -- "a.b.c" is looked for as "a.b.c", then "*.b.c", then "*.c".
    SELECT o.* FROM trelay.outbound_policy AS o
     WHERE o.enabled AND o.domain IS NOT NULL
       AND o.domain = ANY (ARRAY[policy_for_domain.domain] || ARRAY(
           SELECT '*.' || array_to_string(labels[first:], '.')
             FROM (SELECT string_to_array(policy_for_domain.domain, '.') AS labels) AS l,
                  generate_series(2, cardinality(labels)) AS first))
     ORDER BY o.domain LIKE '*.%', length(o.domain) DESC, o.priority LIMIT 1
    $$;
COMMENT ON FUNCTION trelay.policy_for_domain(text) IS 'The enabled row of trelay.outbound_policy that rules for a domain: exact, else longest suffix, then lowest priority.';

CREATE FUNCTION trelay.policy_for_address(address inet) RETURNS SETOF trelay.outbound_policy
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT o.* FROM trelay.outbound_policy AS o
     WHERE o.enabled AND o.address IS NOT NULL
       AND o.address = ANY (ARRAY(SELECT network(set_masklen(policy_for_address.address, length))
                                    FROM generate_series(0, CASE family(policy_for_address.address) WHEN 4 THEN 32 ELSE 128 END) AS length))
     ORDER BY masklen(o.address) DESC, o.priority LIMIT 1
    $$;
COMMENT ON FUNCTION trelay.policy_for_address(inet) IS 'The enabled row of trelay.outbound_policy that rules for an address: longest prefix, then lowest priority.';

CREATE FUNCTION trelay.explain(
    destination     text,
    source          text DEFAULT NULL,
    flags           text DEFAULT '',
    address         inet DEFAULT NULL,
    peer            text DEFAULT NULL,
    request_domain  text DEFAULT NULL,
    transport       text DEFAULT 'tls')
    RETURNS TABLE (action text, reason text, detail text, policy text, looked_up text, level text, expected_domain text,
        certificate text, sni text, trust_set text, pins text[], crl text, ocsp text, flags_in_effect text)
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
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION trelay.explain(text, text, text, inet, text, text, text) IS 'What the tables say about a next hop: SELECT * FROM trelay.explain(''biloxi.example'', flags => ''verify-domain''); destination is a domain, an address, or a SIP URI; source the domain of From; address what DNS says of the destination; peer the inbound peer; request_domain that of the Request-URI; transport udp, tcp or tls. action is allow, reject, or needs-address (the answer depends on the address: give it). The reason is the word of logs and accounting. What a running node makes of it, with the key of the connection, says trelayctl explain.';
GRANT EXECUTE ON FUNCTION trelay.has_usable_key(text), trelay.has_anchors(text), trelay.policy_for_domain(text), trelay.policy_for_address(inet),
    trelay.explain(text, text, text, inet, text, text, text) TO trelay_admin, trelay_reader;
