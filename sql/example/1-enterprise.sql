-- SPDX-License-Identifier: GPL-2.0-or-later
-- 1-enterprise.sql - a private CA: sites are accepted because their certificates lead to it, and so are we by them.
-- Every site is a name under corp.example; a certificate of the private CA for that name is all it needs.
BEGIN;
-- Our certificate, from files on every node (or: SELECT trelay.import_certificate('corp', chain, key)).
INSERT INTO trelay.certificate (name, chain_path) VALUES ('corp', '/etc/trelay/corp.pem') ON CONFLICT DO NOTHING;
INSERT INTO trelay.certificate_key (certificate, key_path) VALUES ('corp', '/etc/trelay/corp.key') ON CONFLICT DO NOTHING;
-- The private CA.
INSERT INTO trelay.trust_set (name, remark) VALUES ('corp-ca', 'the private CA of corp.example') ON CONFLICT DO NOTHING;
INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES ('corp-ca', 'root', '/etc/trelay/corp-ca.pem') ON CONFLICT DO NOTHING;

-- Outbound: whatever is under corp.example must prove its own name to that CA; we show our certificate.
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, max_age) VALUES
    ('corp-sites', '*.corp.example', 'domain', 'corp-ca', 'corp', '8 hours')
    ON CONFLICT DO NOTHING;
-- Inbound: callers must show a certificate of that CA ...
INSERT INTO trelay.server_profile (name, server_name, client_auth, trust_set) VALUES
    ('corp', 'sip.corp.example', 'require', 'corp-ca')
    ON CONFLICT DO NOTHING;
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('corp', 'corp') ON CONFLICT DO NOTHING;
-- ... and whoever has one is the peer "corp-site".
INSERT INTO trelay.peer (name, trust_set, action) VALUES ('corp-site', 'corp-ca', 'accept') ON CONFLICT DO NOTHING;
COMMIT;
