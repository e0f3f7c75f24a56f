-- SPDX-License-Identifier: GPL-2.0-or-later
-- connections.sql - live TLS connections of all nodes by next hop and class. psql -d trelay -f connections.sql
SELECT c.node, c.direction, c.remote_address, c.class, c.verified_domain, c.certificate, c.policy, c.peer, count(*) AS connections,
       sum(c.requests) AS requests, sum(c.in_flight) AS in_flight, min(c.opened_at) AS oldest, min(c.peer_not_after) AS peer_not_after
  FROM trelay.connection AS c JOIN trelay.node AS n ON n.name = c.node
 WHERE n.seen_at > now() - 4 * n.heartbeat_every
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3;
