-- SPDX-License-Identifier: GPL-2.0-or-later
-- verify.sql - one line for each thing that is not as the migrations left it; run by "trelay-schema verify".
WITH schema AS (SELECT n.oid, n.nspowner, n.nspacl FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'trelay'),
relation AS (SELECT c.* FROM pg_catalog.pg_class AS c JOIN schema AS s ON c.relnamespace = s.oid),
routine AS (SELECT p.* FROM pg_catalog.pg_proc AS p JOIN schema AS s ON p.pronamespace = s.oid),
owner AS (SELECT pg_catalog.to_regrole('trelay_owner')::oid AS oid),
complaint AS (
    SELECT pg_catalog.format('%s belongs to %s, not to trelay_owner', r.oid::regclass, pg_catalog.pg_get_userbyid(r.relowner)) AS text
      FROM relation AS r, owner WHERE r.relowner <> owner.oid AND r.relkind IN ('r', 'p', 'v', 'S')
    UNION ALL
    SELECT pg_catalog.format('function %s belongs to %s, not to trelay_owner', p.oid::regprocedure, pg_catalog.pg_get_userbyid(p.proowner))
      FROM routine AS p, owner WHERE p.proowner <> owner.oid
    UNION ALL
    SELECT pg_catalog.format('everybody (PUBLIC) has %s on %s', a.privilege_type, r.oid::regclass)
      FROM relation AS r, pg_catalog.aclexplode(r.relacl) AS a WHERE a.grantee = 0
    UNION ALL
    SELECT pg_catalog.format('everybody (PUBLIC) has %s on function %s', a.privilege_type, p.oid::regprocedure)
      FROM routine AS p, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a WHERE a.grantee = 0
    UNION ALL
    SELECT pg_catalog.format('everybody (PUBLIC) has %s on schema trelay', a.privilege_type)
      FROM schema AS s, pg_catalog.aclexplode(s.nspacl) AS a WHERE a.grantee = 0
    UNION ALL
    SELECT pg_catalog.format('function %s sets no search_path', p.oid::regprocedure)
      FROM routine AS p WHERE NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)
    UNION ALL
    SELECT pg_catalog.format('%s may read private keys', pg_catalog.pg_get_userbyid(a.grantee))
      FROM relation AS r, pg_catalog.aclexplode(r.relacl) AS a
     WHERE r.relname = 'certificate_key' AND a.privilege_type = 'SELECT'
       AND a.grantee NOT IN (r.relowner, pg_catalog.to_regrole('trelay_daemon')::oid)
    UNION ALL
    SELECT pg_catalog.format('%s may read the column %s of certificate_key', pg_catalog.pg_get_userbyid(a.grantee), c.attname)
      FROM relation AS r JOIN pg_catalog.pg_attribute AS c ON c.attrelid = r.oid, pg_catalog.aclexplode(c.attacl) AS a
     WHERE r.relname = 'certificate_key' AND c.attname <> 'certificate' AND a.privilege_type = 'SELECT' AND a.grantee <> r.relowner
    UNION ALL
    SELECT pg_catalog.format('%s may read the secrets of dialogs', pg_catalog.pg_get_userbyid(a.grantee))
      FROM relation AS r, pg_catalog.aclexplode(r.relacl) AS a
     WHERE r.relname = 'dialog_secret' AND a.privilege_type = 'SELECT'
       AND a.grantee NOT IN (r.relowner, pg_catalog.to_regrole('trelay_daemon')::oid)
    UNION ALL
    SELECT pg_catalog.format('%s may read the secrets of dialogs', pg_catalog.pg_get_userbyid(a.grantee))
      FROM relation AS r JOIN pg_catalog.pg_attribute AS c ON c.attrelid = r.oid, pg_catalog.aclexplode(c.attacl) AS a
     WHERE r.relname = 'dialog_secret' AND c.attname = 'secret' AND a.privilege_type = 'SELECT' AND a.grantee <> r.relowner
    UNION ALL
    SELECT pg_catalog.format('table %s does not record its changes', t.name)
      FROM (VALUES ('certificate'), ('certificate_key'), ('trust_set'), ('trust_anchor'), ('crl'), ('peer'), ('outbound_policy'),
                   ('server_profile'), ('server_profile_certificate'), ('route'), ('dialog_secret')) AS t (name)
     WHERE (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger AS g JOIN relation AS r ON r.oid = g.tgrelid
             WHERE r.relname = t.name AND g.tgname LIKE t.name || '\_%' AND g.tgenabled = 'O' AND NOT g.tgisinternal) <> 4
    UNION ALL
    SELECT pg_catalog.format('constraint %s of %s is not validated', k.conname, k.conrelid::regclass)
      FROM pg_catalog.pg_constraint AS k JOIN schema AS s ON k.connamespace = s.oid WHERE NOT k.convalidated
)
SELECT text FROM complaint ORDER BY 1;
