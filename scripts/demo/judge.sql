-- SPDX-License-Identifier: GPL-2.0-or-later
-- judge.sql - prints a sentence for everything in atlanta's accounting that is not as the demonstration wants it.
WITH r AS (
    SELECT *, CASE WHEN call_id LIKE 'other-%' THEN split_part(call_id, '-', 1) || '-' || split_part(call_id, '-', 2)
                   ELSE split_part(call_id, '-', 1) END AS call
      FROM trelay.transaction_record WHERE method = 'INVITE'
), w AS (
    SELECT (SELECT count(*) = 6 FROM r) AS is_so, 'there are six INVITEs' AS sentence
    UNION ALL SELECT count(*) = 1, 'the first opened a validated connection' FROM r
     WHERE call = 'first' AND status = 200 AND outbound_decision = 'open' AND outbound_level = 'domain'
       AND outbound_verified_domain = 'biloxi.example' AND outbound_own_certificate = 'federation-a'
    UNION ALL SELECT count(*) = 1, 'the second reused the first connection' FROM r JOIN r AS f ON f.call = 'first'
     WHERE r.call = 'second' AND r.status = 200 AND r.outbound_decision = 'reuse'
       AND r.outbound_connection_id = f.outbound_connection_id
    UNION ALL SELECT count(*) = 1, 'the one without validation has a connection of its own' FROM r
     WHERE call = 'lax' AND status = 200 AND outbound_decision = 'open' AND outbound_level = 'encrypt'
       AND outbound_verified_domain IS NULL
    UNION ALL SELECT count(*) = 1, 'the other certificate has a connection of its own' FROM r
     WHERE call = 'other-certificate' AND status = 200 AND outbound_decision = 'open'
       AND outbound_own_certificate = 'federation-b'
    UNION ALL SELECT count(*) = 1, 'the other domain has a connection of its own' FROM r
     WHERE call = 'other-domain' AND status = 200 AND outbound_decision = 'open'
       AND outbound_verified_domain = 'chicago.example'
    UNION ALL SELECT count(DISTINCT outbound_connection_id) = 4, 'five calls, four connections' FROM r WHERE status = 200
    UNION ALL SELECT count(*) = 1, 'the impostor was refused for its identity' FROM r
     WHERE call = 'impostor' AND status = 502 AND reason = 'wrong-identity'
)
SELECT sentence FROM w WHERE NOT is_so;
