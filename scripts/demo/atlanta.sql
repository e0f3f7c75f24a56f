-- SPDX-License-Identifier: GPL-2.0-or-later
-- atlanta.sql - rows of atlanta's edge: two federations, partners by domain, the phone inside by address.
BEGIN;
INSERT INTO trelay.certificate (name, chain_path) VALUES
    ('federation-a', :'pki' || '/atlanta.pem'), ('federation-b', :'pki' || '/atlanta-b.pem');
INSERT INTO trelay.certificate_key (certificate, key_path) VALUES
    ('federation-a', :'pki' || '/atlanta.key'), ('federation-b', :'pki' || '/atlanta-b.key');
INSERT INTO trelay.trust_set (name) VALUES ('federation-a');
INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES ('federation-a', 'root', :'pki' || '/federation-a-ca.pem');
-- weaken: so that the demonstration can ask for an unvalidated connection; no partner's row should have it.
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, weaken, next_hop) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'federation-a', 'federation-a', 'allowed', '{127.0.0.20:5061}'),
    ('denver', 'denver.example', 'domain', 'federation-a', 'federation-a', 'refused', '{127.0.0.40:5061}');
INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('inside', '127.0.0.11/32', 'none');
INSERT INTO trelay.peer (name, address, action) VALUES ('phone', '127.0.0.11/32', 'accept');
INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('biloxi', 'federation-a', 'biloxi.example', 'accept');
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'federation-a');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'federation-a');
INSERT INTO trelay.route (name, domain, next_hop) VALUES ('phone', 'atlanta.example', 'sip:127.0.0.11:5060;transport=udp');
COMMIT;
