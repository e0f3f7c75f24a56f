-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0023-let-flags-stand-alone.sql - explain() and trelay.problem know lookup=none, which the relay takes: flags that ask for
-- validation and name a trust set, without a row (doc/decision/0019).

CREATE OR REPLACE FUNCTION trelay.find_problems()
    RETURNS TABLE (severity text, table_name text, row_name text, problem text, node text, since timestamptz)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off -- compiling it takes seconds, running it does not
    AS $$
    -- reported
    SELECT 'error', p.table_name, p.row_name, p.reason, p.node::text, p.since
      FROM trelay.node_problem AS p
    UNION ALL
    SELECT CASE WHEN c.not_after <= now() THEN 'error' ELSE 'warning' END, c.table_name, c.row_name,
           format('%s %s on %s: %s', CASE WHEN c.not_after <= now() THEN 'expired' ELSE 'expires' END,
                  CASE WHEN c.subject <> '' THEN c.subject ELSE c.sha256 END, c.not_after, c.sha256),
           c.node::text, c.not_after
      FROM trelay.loaded_certificate AS c WHERE c.not_after < now() + interval '30 days'
    UNION ALL
    SELECT 'error', c.table_name, c.row_name, format('%s is not valid before %s', c.subject, c.not_before), c.node::text, NULL
      FROM trelay.loaded_certificate AS c WHERE c.not_before > now()
    UNION ALL
    SELECT 'error', 'node', n.name, format('not seen for %s', date_trunc('second', now() - n.seen_at)), n.name::text, n.seen_at
      FROM trelay.node AS n WHERE n.seen_at < now() - 4 * n.heartbeat_every
    UNION ALL
    SELECT 'warning', 'node', n.name, format('works by policy version %s, the latest is %s', coalesce(n.policy_version::text, 'none'), v.version),
           n.name::text, v.changed_at
      FROM trelay.node AS n, trelay.policy_version AS v
     WHERE n.policy_version IS DISTINCT FROM v.version AND v.changed_at < now() - interval '1 minute'
       AND n.seen_at >= now() - 4 * n.heartbeat_every
    UNION ALL
    SELECT 'warning', 'node', n.name, format('%s accounting records are lost since %s', n.records_lost, n.started_at), n.name::text, n.started_at
      FROM trelay.node AS n WHERE n.records_lost > 0
    UNION ALL
    -- references
    SELECT 'error', 'outbound_policy', o.name, format('its certificate %s has no key', o.certificate), NULL, NULL
      FROM trelay.outbound_policy AS o
     WHERE o.enabled AND o.certificate IS NOT NULL AND NOT EXISTS (SELECT FROM trelay.certificate_key AS k WHERE k.certificate = o.certificate)
    UNION ALL
    SELECT 'error', 'outbound_policy', o.name, format('its trust set %s has no anchors', o.trust_set), NULL, NULL
      FROM trelay.outbound_policy AS o
     WHERE o.enabled AND o.trust_set IS NOT NULL AND NOT EXISTS (SELECT FROM trelay.trust_anchor AS a WHERE a.trust_set = o.trust_set)
    UNION ALL
    SELECT 'warning', 'outbound_policy', o.name, format('matches the peer %s, which is disabled or rejected', o.peer), NULL, NULL
      FROM trelay.outbound_policy AS o JOIN trelay.peer AS p ON p.name = o.peer WHERE o.enabled AND (NOT p.enabled OR p.action = 'reject')
    UNION ALL
    SELECT 'warning', 'route', r.name, format('matches the peer %s, which is disabled or rejected', r.peer), NULL, NULL
      FROM trelay.route AS r JOIN trelay.peer AS p ON p.name = r.peer WHERE r.enabled AND (NOT p.enabled OR p.action = 'reject')
    UNION ALL
    SELECT 'error', 'peer', p.name, format('its trust set %s has no anchors', p.trust_set), NULL, NULL
      FROM trelay.peer AS p
     WHERE p.enabled AND p.trust_set IS NOT NULL AND NOT EXISTS (SELECT FROM trelay.trust_anchor AS a WHERE a.trust_set = p.trust_set)
    UNION ALL
    SELECT 'error', 'server_profile', s.name, format('its trust set %s has no anchors', s.trust_set), NULL, NULL
      FROM trelay.server_profile AS s
     WHERE s.enabled AND s.trust_set IS NOT NULL AND NOT EXISTS (SELECT FROM trelay.trust_anchor AS a WHERE a.trust_set = s.trust_set)
    UNION ALL
    SELECT 'error', 'server_profile', s.name, 'has no certificate', NULL, NULL
      FROM trelay.server_profile AS s
     WHERE s.enabled AND NOT EXISTS (SELECT FROM trelay.server_profile_certificate AS c WHERE c.server_profile = s.name)
    UNION ALL
    SELECT 'error', 'server_profile', c.server_profile, format('its certificate %s has no key', c.certificate), NULL, NULL
      FROM trelay.server_profile_certificate AS c JOIN trelay.server_profile AS s ON s.name = c.server_profile
     WHERE s.enabled AND NOT EXISTS (SELECT FROM trelay.certificate_key AS k WHERE k.certificate = c.certificate)
    UNION ALL
    SELECT 'error', f.table_name, f.name, format('its flags name the %s %s, which does not exist', CASE g.flag WHEN 'cert' THEN 'certificate' ELSE 'trust set' END, g.value), NULL, NULL
      FROM (SELECT 'route' AS table_name, name, flags FROM trelay.route WHERE enabled AND flags <> ''
            UNION ALL SELECT 'peer', name, flags FROM trelay.peer WHERE enabled AND flags <> '') AS f,
           LATERAL trelay.flags_parse(f.flags) AS g
     WHERE (g.flag = 'cert' AND NOT EXISTS (SELECT FROM trelay.certificate AS c WHERE c.name = g.value))
        OR (g.flag = 'trust' AND NOT EXISTS (SELECT FROM trelay.trust_set AS t WHERE t.name = g.value))
    UNION ALL
    -- contradictions and what does less than it seems to
    SELECT 'warning', 'outbound_policy', o.name, format('expected_domain %s has no effect at level %s unless a flag raises it', o.expected_domain, o.level), NULL, NULL
      FROM trelay.outbound_policy AS o WHERE o.enabled AND o.expected_domain IS NOT NULL AND o.level <> 'domain'
    UNION ALL
    SELECT 'warning', 'outbound_policy', o.name, format('trust set %s has no effect at level %s unless a flag raises it', o.trust_set, o.level), NULL, NULL
      FROM trelay.outbound_policy AS o WHERE o.enabled AND o.level IN ('none', 'encrypt') AND o.trust_set IS NOT NULL
    UNION ALL
    SELECT 'warning', 'outbound_policy', o.name, 'initial_only has no effect below level domain', NULL, NULL
      FROM trelay.outbound_policy AS o WHERE o.enabled AND o.initial_only AND o.level <> 'domain'
    UNION ALL
    SELECT 'warning', 'outbound_policy', o.name, 'level domain without expected_domain: next hops given as addresses are refused', NULL, NULL
      FROM trelay.outbound_policy AS o WHERE o.enabled AND o.level = 'domain' AND o.expected_domain IS NULL AND o.address IS NOT NULL
    UNION ALL
    SELECT 'warning', 'outbound_policy', o.name, 'revalidate_every is not below max_age: the connection ends first', NULL, NULL
      FROM trelay.outbound_policy AS o WHERE o.enabled AND o.revalidate_every >= o.max_age
    UNION ALL
    SELECT 'warning', 'outbound_policy', o.name, format('never rules: %s has the same match and a lower priority', o.ruler), NULL, NULL
      FROM (SELECT name, first_value(name) OVER (PARTITION BY domain, address, source_domain, peer, is_default ORDER BY priority) AS ruler
              FROM trelay.outbound_policy WHERE enabled) AS o
     WHERE o.name <> o.ruler
    UNION ALL
    SELECT 'error', f.table_name, f.name, format('its flags have %s, which this version lacks: requests are refused', g.refused), NULL, NULL
      FROM (SELECT 'route' AS table_name, name, flags FROM trelay.route WHERE enabled AND flags <> ''
            UNION ALL SELECT 'peer', name, flags FROM trelay.peer WHERE enabled AND flags <> '') AS f,
           LATERAL (SELECT string_agg(concat_ws('=', p.flag, p.value), ',' ORDER BY p.flag) AS refused FROM trelay.flags_parse(f.flags) AS p
                     WHERE p.flag = 'ocsp-hard') AS g
     WHERE g.refused IS NOT NULL
    UNION ALL
    SELECT 'warning', f.table_name, f.name, 'its flags have lookup=none without trust: where no other row''s flags have it, requests are refused', NULL, NULL
      FROM (SELECT 'route' AS table_name, name, flags FROM trelay.route WHERE enabled AND flags <> ''
            UNION ALL SELECT 'peer', name, flags FROM trelay.peer WHERE enabled AND flags <> '') AS f
     WHERE EXISTS (SELECT FROM trelay.flags_parse(f.flags) AS p WHERE p.flag = 'lookup' AND p.value = 'none')
       AND NOT EXISTS (SELECT FROM trelay.flags_parse(f.flags) AS p WHERE p.flag = 'trust')
    UNION ALL
    SELECT 'note', f.table_name, f.name, format('its flags %s have no effect in this version', f.idle), NULL, NULL
      FROM (SELECT 'route' AS table_name, name, trelay.flags_without_effect(flags) AS idle FROM trelay.route WHERE enabled AND flags <> ''
            UNION ALL SELECT 'peer', name, trelay.flags_without_effect(flags) FROM trelay.peer WHERE enabled AND flags <> '') AS f
     WHERE f.idle <> ''
    UNION ALL
    SELECT CASE WHEN c.is_refused THEN 'error' ELSE 'note' END, c.table_name, c.name,
           format(CASE WHEN c.is_refused THEN 'it has %s, which this version lacks: %s' ELSE 'its %s has no effect in this version' END,
                  c.asked, c.consequence), NULL, NULL
      FROM (SELECT r.table_name, r.name, r.consequence, v.mode = 'hard' AND r.consequence IS NOT NULL AS is_refused,
                   string_agg(format('%s=%s', v.name, v.mode), ',' ORDER BY v.name) AS asked
              FROM (SELECT 'outbound_policy' AS table_name, name, crl, ocsp, 'requests are refused' AS consequence
                      FROM trelay.outbound_policy WHERE enabled
                    UNION ALL
                    SELECT 'server_profile', name, crl, ocsp,
                           CASE WHEN client_auth = 'require' THEN 'connections are refused'
                                WHEN client_auth = 'request' AND trust_set IS NOT NULL THEN 'no client certificate is accepted' END
                      FROM trelay.server_profile WHERE enabled) AS r,
                   LATERAL (VALUES ('crl', r.crl), ('ocsp', r.ocsp)) AS v (name, mode)
             WHERE v.mode <> 'off'
             GROUP BY 1, 2, 3, 4) AS c
    UNION ALL
    SELECT 'note', a.table_name, a.name, 'alias has no effect in this version', NULL, NULL
      FROM (SELECT 'outbound_policy' AS table_name, name FROM trelay.outbound_policy WHERE enabled AND alias
            UNION ALL SELECT 'peer', name FROM trelay.peer WHERE enabled AND alias) AS a
    UNION ALL
    SELECT 'warning', 'transaction_record', 'transaction_record_default', 'holds records: the partition of their day is missing', NULL, NULL
     WHERE trelay.has_unpartitioned_records()
    $$;

CREATE OR REPLACE FUNCTION trelay.explain(
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
            -- flags alone: what stands for a row permits what the flags name, and lowers nothing
            policy := 'lookup=none'; -- which is no name that a row may have
            row.level := 'encrypt';
            row.scheme := 'any';
            row.send_sni := true;
            row.crl := 'off';
            row.ocsp := 'off';
            row.weaken := 'refused';
            row.trust_flag := 'allowed';
            EXIT;
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
    IF row.name IS NULL AND policy IS NULL THEN
        reason := 'no-policy';
        detail := format('no enabled row matches (looked up %s)', array_to_string(steps, ', '));
        RETURN NEXT;
        RETURN;
    END IF;
    policy := coalesce(policy, row.name);
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
    IF step = 'none' AND array_position(rank, level) < 3 THEN
        reason := 'no-policy';
        detail := 'without a row the flags must ask for validation';
        RETURN NEXT;
        RETURN;
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

COMMENT ON COLUMN trelay.outbound_policy.trust_flag IS 'Whether the flag trust=NAME may choose another trust set; of a sender with lookup=none, too, whom weaken lets past this row.';
COMMENT ON COLUMN trelay.transaction_record.outbound_policy IS 'The outbound policy row that ruled; lookup=none: none did, but the flags.';
