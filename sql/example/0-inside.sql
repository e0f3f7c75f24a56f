-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0-inside.sql - the neighbours inside: who may send to us without TLS, and that we may send to them so.
-- The other examples stand on this one. Try it: psql -d trelay -f 0-inside.sql; it can be run again.
BEGIN;
INSERT INTO trelay.peer (name, address, action, remark) VALUES
    ('inside-proxy', '10.0.0.0/24', 'accept', 'our own proxies, UDP or TCP')
    ON CONFLICT DO NOTHING;
-- The floor for them: plain transports are allowed, by address and by name.
INSERT INTO trelay.outbound_policy (name, address, level, remark) VALUES
    ('inside-address', '10.0.0.0/24', 'none', 'our own proxies')
    ON CONFLICT DO NOTHING;
INSERT INTO trelay.outbound_policy (name, domain, level, remark) VALUES
    ('inside-domain', 'proxy.atlanta.internal', 'none', 'our own proxies, by name')
    ON CONFLICT DO NOTHING;
-- Requests for our own domain go inside.
INSERT INTO trelay.route (name, domain, next_hop) VALUES
    ('to-inside', 'atlanta.example', 'sip:proxy.atlanta.internal;transport=udp')
    ON CONFLICT DO NOTHING;
COMMIT;
