-- SPDX-License-Identifier: GPL-2.0-or-later
-- problems.sql - the morning look: what is wrong, what expires, which nodes are there. psql -d trelay -f problems.sql
\echo 'Problems (empty is good):'
SELECT severity, table_name, row_name, problem, node FROM trelay.problem ORDER BY severity, table_name, row_name;
\echo 'Nodes:'
SELECT n.name, n.version, date_trunc('second', now() - n.seen_at) AS last_seen, n.policy_version, v.version AS latest_policy,
       n.connections, n.transactions
  FROM trelay.node AS n, trelay.policy_version AS v ORDER BY n.name;
\echo 'Certificates by end of validity:'
SELECT DISTINCT table_name, row_name, subject, not_after FROM trelay.loaded_certificate ORDER BY not_after LIMIT 20;
