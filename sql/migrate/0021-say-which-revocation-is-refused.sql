-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0021-say-which-revocation-is-refused.sql - trelay.problem has the rows whose crl and ocsp ask for what this version lacks:
-- hard, which refuses, and soft, which does nothing.

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
                     WHERE p.flag = 'ocsp-hard' OR (p.flag = 'lookup' AND p.value = 'none')) AS g
     WHERE g.refused IS NOT NULL
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
