-- SPDX-License-Identifier: GPL-2.0-or-later
-- 4-hosted.sql - many SIP domains on one address: the server certificate by SNI, the client certificate and the names in
-- Via and Record-Route by the hosted domain, and validation of the domain for out-of-dialog requests.
BEGIN;
INSERT INTO trelay.certificate (name, chain_path) VALUES
    ('tenant1', '/etc/trelay/tenant1.pem'), ('tenant2', '/etc/trelay/tenant2.pem') ON CONFLICT DO NOTHING;
INSERT INTO trelay.certificate_key (certificate, key_path) VALUES
    ('tenant1', '/etc/trelay/tenant1.key'), ('tenant2', '/etc/trelay/tenant2.key') ON CONFLICT DO NOTHING;
INSERT INTO trelay.trust_set (name) VALUES ('public') ON CONFLICT DO NOTHING;
INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES ('public', 'bundle', '/etc/ssl/certs/ca-certificates.crt') ON CONFLICT DO NOTHING;

-- Inbound: the name the caller asks for chooses the certificate.
INSERT INTO trelay.server_profile (name, server_name, client_auth, trust_set) VALUES
    ('tenant1', 'tenant1.example', 'request', 'public'),
    ('tenant2', 'tenant2.example', 'request', 'public')
    ON CONFLICT DO NOTHING;
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES
    ('tenant1', 'tenant1'), ('tenant2', 'tenant2') ON CONFLICT DO NOTHING;
-- Outbound: by the domain in From. The route's flags ask for that look-up first.
INSERT INTO trelay.outbound_policy (name, source_domain, level, trust_set, certificate, via_host, rr_host, initial_only, isolation) VALUES
    ('tenant1', 'tenant1.example', 'domain', 'public', 'tenant1', 'tenant1.example', 'tenant1.example', true, 'tenant1'),
    ('tenant2', 'tenant2.example', 'domain', 'public', 'tenant2', 'tenant2.example', 'tenant2.example', true, 'tenant2')
    ON CONFLICT DO NOTHING;
INSERT INTO trelay.route (name, peer, flags, priority, remark) VALUES
    ('hosted-out', NULL, 'lookup=src+dst+default', 900, 'whatever no other route takes, to its Request-URI')
    ON CONFLICT DO NOTHING;
-- initial_only acts on calls that bring their pin: one secret for all nodes.
DO $$
BEGIN
    IF NOT EXISTS (SELECT id FROM trelay.dialog_secret) THEN
        PERFORM trelay.rotate_dialog_secret();
    END IF;
END $$;
COMMIT;
