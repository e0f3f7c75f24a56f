-- SPDX-License-Identifier: GPL-2.0-or-later
-- 3-bilateral.sql - each partner has a CA of its own, trusted for that partner only.
-- A certificate of one partner's CA that names the other partner proves nothing: the rows never share a trust set.
BEGIN;
INSERT INTO trelay.certificate (name, chain_path) VALUES ('atlanta', '/etc/trelay/atlanta.pem') ON CONFLICT DO NOTHING;
INSERT INTO trelay.certificate_key (certificate, key_path) VALUES ('atlanta', '/etc/trelay/atlanta.key') ON CONFLICT DO NOTHING;
INSERT INTO trelay.trust_set (name) VALUES ('partner-east'), ('partner-west') ON CONFLICT DO NOTHING;
INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES
    ('partner-east', 'ca', '/etc/trelay/partner-east-ca.pem'),
    ('partner-west', 'ca', '/etc/trelay/partner-west-ca.pem') ON CONFLICT DO NOTHING;

INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop) VALUES
    ('partner-east', 'east.example', 'domain', 'partner-east', 'atlanta', '{192.0.2.10:5061,192.0.2.11:5061}'),
    ('partner-west', 'west.example', 'domain', 'partner-west', 'atlanta', NULL)
    ON CONFLICT DO NOTHING;
-- Each partner calls us under a name of its own, so that its certificate is judged by its own CA.
INSERT INTO trelay.server_profile (name, server_name, client_auth, trust_set) VALUES
    ('partner-east', 'east.interconnect.atlanta.example', 'require', 'partner-east'),
    ('partner-west', 'west.interconnect.atlanta.example', 'require', 'partner-west')
    ON CONFLICT DO NOTHING;
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES
    ('partner-east', 'atlanta'), ('partner-west', 'atlanta') ON CONFLICT DO NOTHING;
INSERT INTO trelay.peer (name, trust_set, san, action, flags) VALUES
    ('partner-east', 'partner-east', 'east.example', 'accept', NULL),
    ('partner-west', 'partner-west', 'west.example', 'accept', 'no-dns-failover')
    ON CONFLICT DO NOTHING;
-- One that misbehaves is refused by name, ahead of the rule that accepts it.
INSERT INTO trelay.peer (name, trust_set, san, action, status, priority, enabled) VALUES
    ('partner-west-blocked', 'partner-west', 'west.example', 'reject', 403, 50, false)
    ON CONFLICT DO NOTHING;
-- Numbers of partner east go there.
INSERT INTO trelay.route (name, domain, user_prefix, next_hop, priority) VALUES
    ('numbers-east', 'atlanta.example', '+1212', 'sips:east.example', 10)
    ON CONFLICT DO NOTHING;
COMMIT;
