-- SPDX-License-Identifier: GPL-2.0-or-later
-- biloxi.sql - rows of biloxi's edge: callers of both federations by their proven identity, the phone by address.
BEGIN;
INSERT INTO trelay.certificate (name, chain_path) VALUES ('biloxi', :'pki' || '/biloxi.pem');
INSERT INTO trelay.certificate_key (certificate, key_path) VALUES ('biloxi', :'pki' || '/biloxi.key');
INSERT INTO trelay.trust_set (name) VALUES ('federations');
INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES
    ('federations', 'a', :'pki' || '/federation-a-ca.pem'), ('federations', 'b', :'pki' || '/federation-b-ca.pem');
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'federations');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'biloxi');
-- Other server names at the same address get the same certificate.
INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('atlanta', 'federations', 'atlanta.example', 'accept');
INSERT INTO trelay.peer (name, address, action) VALUES ('phone', '127.0.0.21/32', 'accept');
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop) VALUES
    ('atlanta', 'atlanta.example', 'domain', 'federations', 'biloxi', '{127.0.0.10:5061}');
INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('inside', '127.0.0.21/32', 'none');
INSERT INTO trelay.route (name, domain, next_hop) VALUES ('phone', 'biloxi.example', 'sip:127.0.0.21:5060;transport=udp');
COMMIT;
