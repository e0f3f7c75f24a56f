-- SPDX-License-Identifier: GPL-2.0-or-later
-- 2-federation.sql - member of two federations on one address: each destination sees the certificate of its
-- federation, and a caller whose federation is not known yet gets the certificate it can use.
BEGIN;
INSERT INTO trelay.certificate (name, chain_path) VALUES
    ('fed-a', '/etc/trelay/fed-a.pem'), ('fed-b', '/etc/trelay/fed-b.pem') ON CONFLICT DO NOTHING;
INSERT INTO trelay.certificate_key (certificate, key_path) VALUES
    ('fed-a', '/etc/trelay/fed-a.key'), ('fed-b', '/etc/trelay/fed-b.key') ON CONFLICT DO NOTHING;
INSERT INTO trelay.trust_set (name) VALUES ('fed-a'), ('fed-b') ON CONFLICT DO NOTHING;
INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES
    ('fed-a', 'root', '/etc/trelay/fed-a-ca.pem'), ('fed-b', 'root', '/etc/trelay/fed-b-ca.pem') ON CONFLICT DO NOTHING;

-- One row for each destination: its federation's trust and our certificate in that federation.
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate) VALUES
    ('fed-a-biloxi', 'biloxi.example', 'domain', 'fed-a', 'fed-a'),
    ('fed-a-chicago', 'chicago.example', 'domain', 'fed-a', 'fed-a'),
    ('fed-b-denver', 'denver.example', 'domain', 'fed-b', 'fed-b')
    ON CONFLICT DO NOTHING;
-- Inbound: one profile, both certificates; the caller's hello tells which it can use, the first is the default.
INSERT INTO trelay.trust_set (name, remark) VALUES ('federations', 'all federations we are in, for callers') ON CONFLICT DO NOTHING;
INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES
    ('federations', 'fed-a', '/etc/trelay/fed-a-ca.pem'), ('federations', 'fed-b', '/etc/trelay/fed-b-ca.pem') ON CONFLICT DO NOTHING;
INSERT INTO trelay.server_profile (name, server_name, client_auth, trust_set) VALUES
    ('federations', 'edge.atlanta.example', 'require', 'federations')
    ON CONFLICT DO NOTHING;
INSERT INTO trelay.server_profile_certificate (server_profile, certificate, position) VALUES
    ('federations', 'fed-a', 1), ('federations', 'fed-b', 2) ON CONFLICT DO NOTHING;
-- Callers by their proven identity.
INSERT INTO trelay.peer (name, trust_set, san, action) VALUES
    ('biloxi', 'federations', 'biloxi.example', 'accept'),
    ('denver', 'federations', 'denver.example', 'accept')
    ON CONFLICT DO NOTHING;
COMMIT;
