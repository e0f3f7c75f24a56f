-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0005-create-policy.sql - the rows that people edit: peers, outbound policy, server profiles, routes.
-- Nothing is inserted here: with no rows, nothing is relayed.

CREATE TABLE trelay.peer (
    name        trelay.row_name NOT NULL,
    id          bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    enabled     boolean NOT NULL DEFAULT true,
    priority    integer NOT NULL DEFAULT 100,
    address     cidr,
    fingerprint trelay.fingerprint,
    trust_set   trelay.row_name,
    issuer      text,
    subject     text,
    san         trelay.domain_name,
    action      trelay.peer_action NOT NULL,
    status      smallint,
    flags       trelay.relay_flags,
    alias       boolean NOT NULL DEFAULT false,
    remark      text,
    CONSTRAINT peer_pk PRIMARY KEY (name),
    CONSTRAINT peer_id_uq UNIQUE (id),
    CONSTRAINT peer_trust_set_fk FOREIGN KEY (trust_set) REFERENCES trelay.trust_set (name) ON UPDATE CASCADE,
    CONSTRAINT peer_matches_something_ck CHECK (num_nonnulls(address, fingerprint, trust_set, issuer, subject, san) > 0),
    CONSTRAINT peer_names_need_trust_set_ck CHECK (trust_set IS NOT NULL OR num_nonnulls(issuer, subject, san) = 0),
    CONSTRAINT peer_address_not_mapped_ck CHECK (NOT address <<= '::ffff:0:0/96'::inet),
    CONSTRAINT peer_issuer_not_empty_ck CHECK (issuer <> ''),
    CONSTRAINT peer_subject_not_empty_ck CHECK (subject <> ''),
    CONSTRAINT peer_status_is_a_failure_ck CHECK (status BETWEEN 400 AND 699),
    CONSTRAINT peer_status_of_reject_only_ck CHECK (status IS NULL OR action = 'reject'),
    CONSTRAINT peer_flags_of_accept_only_ck CHECK (action = 'accept' OR (coalesce(flags, '') = '' AND NOT alias))
);
COMMENT ON TABLE trelay.peer IS 'Who may send to us, and what we call them. Rules are tried by priority; the first whose criteria all match decides. A sender that no rule accepts is refused.';
COMMENT ON COLUMN trelay.peer.name IS 'The name that routes, outbound policy, logs and accounting have for whoever matches.';
COMMENT ON COLUMN trelay.peer.id IS 'Number of the row, for machines.';
COMMENT ON COLUMN trelay.peer.enabled IS 'false: as if the row were not there.';
COMMENT ON COLUMN trelay.peer.priority IS 'Lower is tried first.';
COMMENT ON COLUMN trelay.peer.address IS 'Criterion: the sender''s address is in this network.';
COMMENT ON COLUMN trelay.peer.fingerprint IS 'Criterion: SHA-256 of the sender''s certificate. The only one about the certificate that needs no proven chain.';
COMMENT ON COLUMN trelay.peer.trust_set IS 'Criterion: the sender''s chain was proven against this trust set.';
COMMENT ON COLUMN trelay.peer.issuer IS 'Criterion: issuer of the sender''s certificate, whole, as openssl x509 -nameopt RFC2253 -issuer prints it.';
COMMENT ON COLUMN trelay.peer.subject IS 'Criterion: subject of the sender''s certificate, whole, as openssl x509 -nameopt RFC2253 -subject prints it.';
COMMENT ON COLUMN trelay.peer.san IS 'Criterion: a SIP domain identity (RFC 5922) of the sender''s certificate.';
COMMENT ON COLUMN trelay.peer.action IS 'accept or reject.';
COMMENT ON COLUMN trelay.peer.status IS 'SIP status of a rejection; NULL: 403.';
COMMENT ON COLUMN trelay.peer.flags IS 'Relay flags of every request from this peer.';
COMMENT ON COLUMN trelay.peer.alias IS 'The connection may serve for requests to this peer too (RFC 5923), if it fulfils the outbound policy.';
COMMENT ON COLUMN trelay.peer.remark IS 'For people.';
COMMENT ON CONSTRAINT peer_pk ON trelay.peer IS 'Names are unique.';
COMMENT ON CONSTRAINT peer_id_uq ON trelay.peer IS 'Numbers are unique.';
COMMENT ON CONSTRAINT peer_trust_set_fk ON trelay.peer IS 'The trust set exists, and cannot be deleted while it is used here.';
COMMENT ON CONSTRAINT peer_matches_something_ck ON trelay.peer IS 'At least one of address, fingerprint, trust_set, issuer, subject, san.';
COMMENT ON CONSTRAINT peer_names_need_trust_set_ck ON trelay.peer IS 'issuer, subject and san need trust_set: anybody can write a name into a certificate.';
COMMENT ON CONSTRAINT peer_address_not_mapped_ck ON trelay.peer IS 'Write IPv4 networks as IPv4, not as ::ffff:...';
COMMENT ON CONSTRAINT peer_issuer_not_empty_ck ON trelay.peer IS 'No criterion is NULL, not the empty text.';
COMMENT ON CONSTRAINT peer_subject_not_empty_ck ON trelay.peer IS 'No criterion is NULL, not the empty text.';
COMMENT ON CONSTRAINT peer_status_is_a_failure_ck ON trelay.peer IS '400 to 699.';
COMMENT ON CONSTRAINT peer_status_of_reject_only_ck ON trelay.peer IS 'Only a row that rejects has a status.';
COMMENT ON CONSTRAINT peer_flags_of_accept_only_ck ON trelay.peer IS 'Only a row that accepts has flags and alias.';

CREATE TABLE trelay.outbound_policy (
    name                trelay.row_name NOT NULL,
    id                  bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    enabled             boolean NOT NULL DEFAULT true,
    domain              trelay.domain_pattern,
    address             cidr,
    source_domain       trelay.domain_name,
    peer                trelay.row_name,
    is_default          boolean NOT NULL DEFAULT false,
    priority            integer NOT NULL DEFAULT 100,
    level               trelay.level NOT NULL,
    expected_domain     trelay.domain_name,
    certificate         trelay.row_name,
    send_sni            boolean NOT NULL DEFAULT true,
    sni                 trelay.domain_name,
    trust_set           trelay.row_name,
    pins                trelay.fingerprint[],
    eku_mode            trelay.eku_mode NOT NULL DEFAULT 'tls-role',
    cn_fallback         boolean NOT NULL DEFAULT false,
    wildcard            boolean NOT NULL DEFAULT false,
    crl                 trelay.revocation NOT NULL DEFAULT 'off',
    ocsp                trelay.revocation NOT NULL DEFAULT 'off',
    tls_min             trelay.tls_version NOT NULL DEFAULT '1.2',
    tls_max             trelay.tls_version,
    ciphers             text,
    max_age             trelay.duration,
    revalidate_every    trelay.duration,
    idle_timeout        trelay.duration,
    keepalive           trelay.duration,
    upgrade             trelay.upgrade NOT NULL DEFAULT 'idle',
    reuse               boolean NOT NULL DEFAULT true,
    weaken              trelay.permission NOT NULL DEFAULT 'refused',
    trust_flag          trelay.permission NOT NULL DEFAULT 'refused',
    initial_only        boolean NOT NULL DEFAULT false,
    alias               boolean NOT NULL DEFAULT false,
    via_host            trelay.domain_name,
    rr_host             trelay.domain_name,
    transport_tls_param boolean NOT NULL DEFAULT false,
    isolation           trelay.row_name,
    next_hop            trelay.endpoint[],
    remark              text,
    CONSTRAINT outbound_policy_pk PRIMARY KEY (name),
    CONSTRAINT outbound_policy_id_uq UNIQUE (id),
    CONSTRAINT outbound_policy_peer_fk FOREIGN KEY (peer) REFERENCES trelay.peer (name) ON UPDATE CASCADE,
    CONSTRAINT outbound_policy_certificate_fk FOREIGN KEY (certificate) REFERENCES trelay.certificate (name) ON UPDATE CASCADE,
    CONSTRAINT outbound_policy_trust_set_fk FOREIGN KEY (trust_set) REFERENCES trelay.trust_set (name) ON UPDATE CASCADE,
    CONSTRAINT outbound_policy_exactly_one_match_ck
        CHECK (num_nonnulls(domain, address, source_domain, peer) + is_default::integer = 1),
    CONSTRAINT outbound_policy_address_not_mapped_ck CHECK (NOT address <<= '::ffff:0:0/96'::inet),
    CONSTRAINT outbound_policy_trust_set_needed_for_validation_ck
        CHECK (level IN ('none', 'encrypt') OR trust_set IS NOT NULL OR pins IS NOT NULL),
    CONSTRAINT outbound_policy_pins_need_validation_ck CHECK (pins IS NULL OR level IN ('chain', 'domain')),
    CONSTRAINT outbound_policy_hard_revocation_needs_validation_ck
        CHECK (level IN ('chain', 'domain') OR 'hard' NOT IN (crl, ocsp)),
    CONSTRAINT outbound_policy_sni_not_without_send_sni_ck CHECK (send_sni OR sni IS NULL),
    CONSTRAINT outbound_policy_tls_min_not_above_tls_max_ck CHECK (tls_min <= tls_max),
    CONSTRAINT outbound_policy_ciphers_ck CHECK (ciphers COLLATE "C" ~ '^[A-Za-z0-9_:, -]{1,255}$'),
    CONSTRAINT outbound_policy_pins_one_to_four_ck
        CHECK (cardinality(pins) BETWEEN 1 AND 4 AND array_position(pins, NULL) IS NULL),
    CONSTRAINT outbound_policy_next_hop_one_to_sixteen_ck
        CHECK (cardinality(next_hop) BETWEEN 1 AND 16 AND array_position(next_hop, NULL) IS NULL)
);
COMMENT ON TABLE trelay.outbound_policy IS 'With which identity a next hop is reached and how far it must prove its own. Each row has exactly one match (domain, address, source_domain, peer or is_default). Flags of a transaction raise what the row asks for; they lower it only where weaken allows. No row, no relay. SELECT * FROM trelay.explain(''biloxi.example'') shows which row rules.';
COMMENT ON COLUMN trelay.outbound_policy.name IS 'The name that logs and accounting have for the row.';
COMMENT ON COLUMN trelay.outbound_policy.id IS 'Number of the row, for machines.';
COMMENT ON COLUMN trelay.outbound_policy.enabled IS 'false: as if the row were not there.';
COMMENT ON COLUMN trelay.outbound_policy.domain IS 'Match: domain of the next hop (or of the Request-URI, with the flag lookup=ruri). An exact name goes before "*.suffix", a longer suffix before a shorter one.';
COMMENT ON COLUMN trelay.outbound_policy.address IS 'Match: address of the next hop, after DNS. A longer prefix goes before a shorter one.';
COMMENT ON COLUMN trelay.outbound_policy.source_domain IS 'Match: domain of From, the hosted domain; only with the flag lookup=src.';
COMMENT ON COLUMN trelay.outbound_policy.peer IS 'Match: the inbound peer that the request came from; only with the flag lookup=peer.';
COMMENT ON COLUMN trelay.outbound_policy.is_default IS 'Match: whatever no other row matches. There is no such row unless you make one.';
COMMENT ON COLUMN trelay.outbound_policy.priority IS 'Among enabled rows of the same match the lowest number rules; the others wait until it is disabled. Two of one number are refused.';
COMMENT ON COLUMN trelay.outbound_policy.level IS 'How far the next hop must prove itself: none (plain transports allowed), encrypt (TLS, not validated), chain, domain. No default, on purpose.';
COMMENT ON COLUMN trelay.outbound_policy.expected_domain IS 'For level domain: the identity the certificate must have; NULL: the next hop''s domain.';
COMMENT ON COLUMN trelay.outbound_policy.certificate IS 'The client certificate we present; NULL: none.';
COMMENT ON COLUMN trelay.outbound_policy.send_sni IS 'Send a server name (SNI).';
COMMENT ON COLUMN trelay.outbound_policy.sni IS 'The server name sent; NULL: the expected domain, else the next hop''s domain.';
COMMENT ON COLUMN trelay.outbound_policy.trust_set IS 'The trust anchors for this next hop, and no others.';
COMMENT ON COLUMN trelay.outbound_policy.pins IS 'The next hop''s certificate must be one of these.';
COMMENT ON COLUMN trelay.outbound_policy.eku_mode IS 'Which extended key usage the next hop''s certificate needs.';
COMMENT ON COLUMN trelay.outbound_policy.cn_fallback IS 'Take the common name as identity where the certificate has no subject alternative name. For old peers.';
COMMENT ON COLUMN trelay.outbound_policy.wildcard IS 'Accept "*.biloxi.example" in the certificate for one label, which RFC 5922 forbids and public hosters do.';
COMMENT ON COLUMN trelay.outbound_policy.crl IS 'Checking of revocation lists.';
COMMENT ON COLUMN trelay.outbound_policy.ocsp IS 'Checking by OCSP.';
COMMENT ON COLUMN trelay.outbound_policy.tls_min IS 'Oldest TLS version.';
COMMENT ON COLUMN trelay.outbound_policy.tls_max IS 'Newest TLS version; NULL: the newest there is.';
COMMENT ON COLUMN trelay.outbound_policy.ciphers IS 'Cipher suites by IANA or OpenSSL name, parted by ":"; NULL: the built-in list.';
COMMENT ON COLUMN trelay.outbound_policy.max_age IS 'A connection serves no longer than this, however busy; NULL: the node''s default.';
COMMENT ON COLUMN trelay.outbound_policy.revalidate_every IS 'A live connection''s peer is verified anew this often; NULL: never.';
COMMENT ON COLUMN trelay.outbound_policy.idle_timeout IS 'An unused connection is closed after this; NULL: the node''s default.';
COMMENT ON COLUMN trelay.outbound_policy.keepalive IS 'CRLF keep-alives (RFC 5626) are sent this often; NULL: none.';
COMMENT ON COLUMN trelay.outbound_policy.upgrade IS 'Whether an idle unverified connection may become a verified one.';
COMMENT ON COLUMN trelay.outbound_policy.reuse IS 'false: every request opens a connection of its own.';
COMMENT ON COLUMN trelay.outbound_policy.weaken IS 'Whether flags (no-verify) may lower the level to encrypt.';
COMMENT ON COLUMN trelay.outbound_policy.trust_flag IS 'Whether the flag trust=NAME may choose another trust set.';
COMMENT ON COLUMN trelay.outbound_policy.initial_only IS 'Level domain holds for out-of-dialog requests only; within dialogs chain is enough.';
COMMENT ON COLUMN trelay.outbound_policy.alias IS 'An accepted connection of the same identity may serve for requests (RFC 5923).';
COMMENT ON COLUMN trelay.outbound_policy.via_host IS 'Host in our Via towards this next hop; NULL: the listener''s.';
COMMENT ON COLUMN trelay.outbound_policy.rr_host IS 'Host in our Record-Route towards this next hop; NULL: the listener''s.';
COMMENT ON COLUMN trelay.outbound_policy.transport_tls_param IS 'Write transport=tls into our Record-Route, for peers that need it.';
COMMENT ON COLUMN trelay.outbound_policy.isolation IS 'Tag of a tenant: connections are shared only among rows of the same tag.';
COMMENT ON COLUMN trelay.outbound_policy.next_hop IS 'Fixed addresses instead of DNS, tried in order: ''{192.0.2.1:5061,[2001:db8::1]:5061}''.';
COMMENT ON COLUMN trelay.outbound_policy.remark IS 'For people.';
COMMENT ON CONSTRAINT outbound_policy_pk ON trelay.outbound_policy IS 'Names are unique.';
COMMENT ON CONSTRAINT outbound_policy_id_uq ON trelay.outbound_policy IS 'Numbers are unique.';
COMMENT ON CONSTRAINT outbound_policy_peer_fk ON trelay.outbound_policy IS 'The peer exists, and cannot be deleted while it is used here.';
COMMENT ON CONSTRAINT outbound_policy_certificate_fk ON trelay.outbound_policy IS 'The certificate exists, and cannot be deleted while it is used here.';
COMMENT ON CONSTRAINT outbound_policy_trust_set_fk ON trelay.outbound_policy IS 'The trust set exists, and cannot be deleted while it is used here.';
COMMENT ON CONSTRAINT outbound_policy_exactly_one_match_ck ON trelay.outbound_policy IS 'Exactly one of domain, address, source_domain, peer, is_default.';
COMMENT ON CONSTRAINT outbound_policy_address_not_mapped_ck ON trelay.outbound_policy IS 'Write IPv4 networks as IPv4, not as ::ffff:...';
COMMENT ON CONSTRAINT outbound_policy_trust_set_needed_for_validation_ck ON trelay.outbound_policy IS 'Levels chain and domain need trust_set or pins: there is nothing else to validate against.';
COMMENT ON CONSTRAINT outbound_policy_pins_need_validation_ck ON trelay.outbound_policy IS 'pins need level chain or domain: below, nothing is compared.';
COMMENT ON CONSTRAINT outbound_policy_hard_revocation_needs_validation_ck ON trelay.outbound_policy IS 'crl = hard and ocsp = hard need level chain or domain: below, nothing is checked.';
COMMENT ON CONSTRAINT outbound_policy_sni_not_without_send_sni_ck ON trelay.outbound_policy IS 'sni names what is sent; with send_sni false nothing is.';
COMMENT ON CONSTRAINT outbound_policy_tls_min_not_above_tls_max_ck ON trelay.outbound_policy IS 'tls_min is not above tls_max.';
COMMENT ON CONSTRAINT outbound_policy_ciphers_ck ON trelay.outbound_policy IS 'Names of suites parted by ":", at most 255 characters.';
COMMENT ON CONSTRAINT outbound_policy_pins_one_to_four_ck ON trelay.outbound_policy IS 'One to four fingerprints; for none leave pins NULL.';
COMMENT ON CONSTRAINT outbound_policy_next_hop_one_to_sixteen_ck ON trelay.outbound_policy IS 'One to sixteen endpoints; for none leave next_hop NULL.';

-- One row rules: what would be ambiguous is refused here already (INV-47).
CREATE UNIQUE INDEX outbound_policy_domain_priority_uq ON trelay.outbound_policy (domain, priority) WHERE enabled AND domain IS NOT NULL;
CREATE UNIQUE INDEX outbound_policy_address_priority_uq ON trelay.outbound_policy (address, priority) WHERE enabled AND address IS NOT NULL;
CREATE UNIQUE INDEX outbound_policy_source_domain_priority_uq ON trelay.outbound_policy (source_domain, priority) WHERE enabled AND source_domain IS NOT NULL;
CREATE UNIQUE INDEX outbound_policy_peer_priority_uq ON trelay.outbound_policy (peer, priority) WHERE enabled AND peer IS NOT NULL;
CREATE UNIQUE INDEX outbound_policy_default_priority_uq ON trelay.outbound_policy (priority) WHERE enabled AND is_default;
COMMENT ON INDEX trelay.outbound_policy_domain_priority_uq IS 'Enabled rows of one domain differ in priority.';
COMMENT ON INDEX trelay.outbound_policy_address_priority_uq IS 'Enabled rows of one address differ in priority.';
COMMENT ON INDEX trelay.outbound_policy_source_domain_priority_uq IS 'Enabled rows of one source domain differ in priority.';
COMMENT ON INDEX trelay.outbound_policy_peer_priority_uq IS 'Enabled rows of one peer differ in priority.';
COMMENT ON INDEX trelay.outbound_policy_default_priority_uq IS 'Enabled default rows differ in priority.';
CREATE INDEX outbound_policy_certificate_ix ON trelay.outbound_policy (certificate) WHERE certificate IS NOT NULL;
CREATE INDEX outbound_policy_trust_set_ix ON trelay.outbound_policy (trust_set) WHERE trust_set IS NOT NULL;
COMMENT ON INDEX trelay.outbound_policy_certificate_ix IS 'Who uses a certificate, when it is renamed or deleted.';
COMMENT ON INDEX trelay.outbound_policy_trust_set_ix IS 'Who uses a trust set, when it is renamed or deleted.';

CREATE TABLE trelay.server_profile (
    name        trelay.row_name NOT NULL,
    enabled     boolean NOT NULL DEFAULT true,
    listener    trelay.row_name,
    server_name trelay.domain_pattern,
    client_auth trelay.client_auth NOT NULL DEFAULT 'none',
    trust_set   trelay.row_name,
    eku_mode    trelay.eku_mode NOT NULL DEFAULT 'tls-role',
    crl         trelay.revocation NOT NULL DEFAULT 'off',
    ocsp        trelay.revocation NOT NULL DEFAULT 'off',
    tls_min     trelay.tls_version NOT NULL DEFAULT '1.2',
    tls_max     trelay.tls_version,
    ciphers     text,
    remark      text,
    CONSTRAINT server_profile_pk PRIMARY KEY (name),
    CONSTRAINT server_profile_trust_set_fk FOREIGN KEY (trust_set) REFERENCES trelay.trust_set (name) ON UPDATE CASCADE,
    CONSTRAINT server_profile_trust_set_of_client_auth_ck CHECK (client_auth <> 'none' OR trust_set IS NULL),
    CONSTRAINT server_profile_require_needs_trust_set_ck CHECK (client_auth <> 'require' OR trust_set IS NOT NULL),
    CONSTRAINT server_profile_tls_min_not_above_tls_max_ck CHECK (tls_min <= tls_max),
    CONSTRAINT server_profile_ciphers_ck CHECK (ciphers COLLATE "C" ~ '^[A-Za-z0-9_:, -]{1,255}$')
);
COMMENT ON TABLE trelay.server_profile IS 'How TLS connections are accepted: which certificate for which server name (SNI), and whether the caller must show one. Its certificates stand in trelay.server_profile_certificate.';
COMMENT ON COLUMN trelay.server_profile.name IS 'The name that logs have for the row.';
COMMENT ON COLUMN trelay.server_profile.enabled IS 'false: as if the row were not there.';
COMMENT ON COLUMN trelay.server_profile.listener IS 'Name of the listener in trelay.conf; NULL: every TLS listener. A row of the listener goes before one of all.';
COMMENT ON COLUMN trelay.server_profile.server_name IS 'The server name the caller asks for: exact, "*.suffix" for one label, NULL: the default, for callers that ask for none (and for all of them while no profile has a server_name).';
COMMENT ON COLUMN trelay.server_profile.client_auth IS 'Whether the caller is asked for a certificate, and must have one.';
COMMENT ON COLUMN trelay.server_profile.trust_set IS 'The trust anchors for callers'' certificates; NULL: a certificate that is shown proves nothing but its fingerprint.';
COMMENT ON COLUMN trelay.server_profile.eku_mode IS 'Which extended key usage a caller''s certificate needs.';
COMMENT ON COLUMN trelay.server_profile.crl IS 'Checking of revocation lists.';
COMMENT ON COLUMN trelay.server_profile.ocsp IS 'Checking by OCSP.';
COMMENT ON COLUMN trelay.server_profile.tls_min IS 'Oldest TLS version.';
COMMENT ON COLUMN trelay.server_profile.tls_max IS 'Newest TLS version; NULL: the newest there is.';
COMMENT ON COLUMN trelay.server_profile.ciphers IS 'Cipher suites by IANA or OpenSSL name, parted by ":"; NULL: the built-in list.';
COMMENT ON COLUMN trelay.server_profile.remark IS 'For people.';
COMMENT ON CONSTRAINT server_profile_pk ON trelay.server_profile IS 'Names are unique.';
COMMENT ON CONSTRAINT server_profile_trust_set_fk ON trelay.server_profile IS 'The trust set exists, and cannot be deleted while it is used here.';
COMMENT ON CONSTRAINT server_profile_trust_set_of_client_auth_ck ON trelay.server_profile IS 'A trust set is of no use where no certificate is asked for: set client_auth.';
COMMENT ON CONSTRAINT server_profile_require_needs_trust_set_ck ON trelay.server_profile IS 'A required certificate must be validated against something: name a trust set.';
COMMENT ON CONSTRAINT server_profile_tls_min_not_above_tls_max_ck ON trelay.server_profile IS 'tls_min is not above tls_max.';
COMMENT ON CONSTRAINT server_profile_ciphers_ck ON trelay.server_profile IS 'Names of suites parted by ":", at most 255 characters.';
CREATE UNIQUE INDEX server_profile_listener_server_name_uq ON trelay.server_profile
    ((coalesce(listener::text, '')), (coalesce(server_name::text, ''))) WHERE enabled;
COMMENT ON INDEX trelay.server_profile_listener_server_name_uq IS 'One enabled profile for each listener and server name.';

CREATE TABLE trelay.server_profile_certificate (
    server_profile trelay.row_name NOT NULL,
    certificate    trelay.row_name NOT NULL,
    position       smallint NOT NULL DEFAULT 1,
    CONSTRAINT server_profile_certificate_pk PRIMARY KEY (server_profile, certificate),
    CONSTRAINT server_profile_certificate_position_uq UNIQUE (server_profile, position),
    CONSTRAINT server_profile_certificate_server_profile_fk FOREIGN KEY (server_profile) REFERENCES trelay.server_profile (name)
        ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT server_profile_certificate_certificate_fk FOREIGN KEY (certificate) REFERENCES trelay.certificate (name) ON UPDATE CASCADE,
    CONSTRAINT server_profile_certificate_one_to_eight_ck CHECK (position BETWEEN 1 AND 8)
);
COMMENT ON TABLE trelay.server_profile_certificate IS 'The certificates of a server profile: several where there is one for each kind of key (RSA, ECDSA) or each federation. The first that the caller can use is taken.';
COMMENT ON COLUMN trelay.server_profile_certificate.server_profile IS 'The profile.';
COMMENT ON COLUMN trelay.server_profile_certificate.certificate IS 'A certificate of it.';
COMMENT ON COLUMN trelay.server_profile_certificate.position IS 'Order of preference, 1 first.';
COMMENT ON CONSTRAINT server_profile_certificate_pk ON trelay.server_profile_certificate IS 'A certificate stands once in a profile.';
COMMENT ON CONSTRAINT server_profile_certificate_position_uq ON trelay.server_profile_certificate IS 'Each certificate of a profile has a position of its own.';
COMMENT ON CONSTRAINT server_profile_certificate_server_profile_fk ON trelay.server_profile_certificate IS 'The list goes with its profile.';
COMMENT ON CONSTRAINT server_profile_certificate_certificate_fk ON trelay.server_profile_certificate IS 'The certificate exists, and cannot be deleted while it is used here.';
COMMENT ON CONSTRAINT server_profile_certificate_one_to_eight_ck ON trelay.server_profile_certificate IS 'At most eight certificates: positions 1 to 8.';

CREATE TABLE trelay.route (
    name         trelay.row_name NOT NULL,
    id           bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    enabled      boolean NOT NULL DEFAULT true,
    priority     integer NOT NULL DEFAULT 100,
    weight       integer NOT NULL DEFAULT 1,
    domain       trelay.domain_pattern,
    user_prefix  text,
    method       text,
    peer         trelay.row_name,
    header_name  text,
    header_value text,
    next_hop     text,
    flags        trelay.relay_flags,
    remark       text,
    CONSTRAINT route_pk PRIMARY KEY (name),
    CONSTRAINT route_id_uq UNIQUE (id),
    CONSTRAINT route_peer_fk FOREIGN KEY (peer) REFERENCES trelay.peer (name) ON UPDATE CASCADE,
    CONSTRAINT route_weight_ck CHECK (weight BETWEEN 0 AND 65535),
    CONSTRAINT route_user_prefix_ck CHECK (user_prefix ~ '^[^[:space:][:cntrl:]@]+$'),
    CONSTRAINT route_method_upper_case_ck CHECK (method COLLATE "C" ~ '^[A-Z0-9.!%*_+`''~-]+$'),
    CONSTRAINT route_header_name_ck CHECK (header_name COLLATE "C" ~ '^[A-Za-z0-9.!%*_+`''~-]+$'),
    CONSTRAINT route_header_name_with_value_ck CHECK ((header_name IS NULL) = (header_value IS NULL)),
    CONSTRAINT route_next_hop_is_sip_uri_ck CHECK (next_hop ~ '^sips?:[^[:space:][:cntrl:]<>"]+$')
);
COMMENT ON TABLE trelay.route IS 'Where requests go, if no routing script says so. Rows whose criteria all match are tried by priority; a row without criteria matches everything. A route allows nothing: the next hop needs a row in trelay.outbound_policy as well.';
COMMENT ON COLUMN trelay.route.name IS 'The name that logs and accounting have for the row.';
COMMENT ON COLUMN trelay.route.id IS 'Number of the row, for machines.';
COMMENT ON COLUMN trelay.route.enabled IS 'false: as if the row were not there.';
COMMENT ON COLUMN trelay.route.priority IS 'Lower is tried first; the next ones when it fails.';
COMMENT ON COLUMN trelay.route.weight IS 'Among rows of one priority the heavier goes first.';
COMMENT ON COLUMN trelay.route.domain IS 'Criterion: domain of the Request-URI.';
COMMENT ON COLUMN trelay.route.user_prefix IS 'Criterion: the user part of the Request-URI begins with this ("+4930").';
COMMENT ON COLUMN trelay.route.method IS 'Criterion: method of the request.';
COMMENT ON COLUMN trelay.route.peer IS 'Criterion: the inbound peer.';
COMMENT ON COLUMN trelay.route.header_name IS 'Criterion, with header_value: name of a header of the request.';
COMMENT ON COLUMN trelay.route.header_value IS 'Criterion, with header_name: the header''s whole value; case counts.';
COMMENT ON COLUMN trelay.route.next_hop IS 'SIP URI of the next hop ("sip:edge.biloxi.example;transport=tls"); NULL: the Request-URI.';
COMMENT ON COLUMN trelay.route.flags IS 'Relay flags of requests that take this route.';
COMMENT ON COLUMN trelay.route.remark IS 'For people.';
COMMENT ON CONSTRAINT route_pk ON trelay.route IS 'Names are unique.';
COMMENT ON CONSTRAINT route_id_uq ON trelay.route IS 'Numbers are unique.';
COMMENT ON CONSTRAINT route_peer_fk ON trelay.route IS 'The peer exists, and cannot be deleted while it is used here.';
COMMENT ON CONSTRAINT route_weight_ck ON trelay.route IS '0 to 65535.';
COMMENT ON CONSTRAINT route_user_prefix_ck ON trelay.route IS 'Not empty, without spaces and "@".';
COMMENT ON CONSTRAINT route_method_upper_case_ck ON trelay.route IS 'A SIP method, upper case.';
COMMENT ON CONSTRAINT route_header_name_ck ON trelay.route IS 'A header name without colon.';
COMMENT ON CONSTRAINT route_header_name_with_value_ck ON trelay.route IS 'header_name and header_value go together.';
COMMENT ON CONSTRAINT route_next_hop_is_sip_uri_ck ON trelay.route IS 'A sip: or sips: URI without angle brackets.';

GRANT SELECT, INSERT, UPDATE, DELETE ON trelay.peer, trelay.outbound_policy, trelay.server_profile,
    trelay.server_profile_certificate, trelay.route TO trelay_admin;
GRANT SELECT ON trelay.peer, trelay.outbound_policy, trelay.server_profile, trelay.server_profile_certificate, trelay.route
    TO trelay_daemon, trelay_reader;
