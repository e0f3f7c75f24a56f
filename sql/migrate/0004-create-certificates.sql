-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0004-create-certificates.sql - certificates and their keys, trust sets and their anchors, revocation lists.
-- Keys stand in a table of their own, which only trelay_daemon can read.

CREATE FUNCTION trelay.pem_certificates(pem text) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT found[1] || E'\n' FROM regexp_matches(pem,
          '-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----', 'g') AS found $$;
COMMENT ON FUNCTION trelay.pem_certificates(text) IS 'The certificates in a PEM text, one row each, in their order.';

CREATE FUNCTION trelay.pem_fingerprints(pem text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    certificate text;
    result text[] := '{}';
BEGIN
    FOR certificate IN SELECT trelay.pem_certificates(pem) LOOP
        result := result || encode(sha256(decode(
            regexp_replace(certificate, '-----[^-]+-----|\s', '', 'g'), 'base64')), 'hex');
    END LOOP;
    RETURN result;
END $$;
COMMENT ON FUNCTION trelay.pem_fingerprints(text) IS 'SHA-256 of each certificate in a PEM text, as pins and peer rows want it.';

CREATE FUNCTION trelay.is_certificate_pem(pem text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN pem IS NULL OR cardinality(trelay.pem_fingerprints(pem)) > 0;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false; -- broken base64
END $$;
COMMENT ON FUNCTION trelay.is_certificate_pem(text) IS 'True for text with at least one PEM certificate, all of them whole.';
GRANT EXECUTE ON FUNCTION trelay.pem_certificates(text), trelay.pem_fingerprints(text), trelay.is_certificate_pem(text)
    TO trelay_admin, trelay_daemon, trelay_reader;

CREATE TABLE trelay.certificate (
    name        trelay.row_name NOT NULL,
    chain_pem   text,
    chain_path  text,
    remark      text,
    CONSTRAINT certificate_pk PRIMARY KEY (name),
    CONSTRAINT certificate_chain_pem_or_path_ck CHECK (num_nonnulls(chain_pem, chain_path) = 1),
    CONSTRAINT certificate_chain_pem_holds_certificates_ck CHECK (trelay.is_certificate_pem(chain_pem)),
    CONSTRAINT certificate_chain_pem_holds_no_key_ck CHECK (chain_pem !~ 'PRIVATE KEY'),
    CONSTRAINT certificate_chain_path_absolute_ck CHECK (chain_path ~ '^/[^[:cntrl:]]+$')
);
COMMENT ON TABLE trelay.certificate IS 'Our own certificates, each with its chain. Its private key stands in trelay.certificate_key; a certificate without key cannot be used. SELECT trelay.import_certificate(name, chain, key) fills both.';
COMMENT ON COLUMN trelay.certificate.name IS 'The name by which rows and the flag cert=NAME choose it.';
COMMENT ON COLUMN trelay.certificate.chain_pem IS 'The certificate and its intermediates in PEM, leaf first; the root may be left out.';
COMMENT ON COLUMN trelay.certificate.chain_path IS 'Instead of chain_pem: a file with the same content, on every node; re-read by tls_reload().';
COMMENT ON COLUMN trelay.certificate.remark IS 'For people.';
COMMENT ON CONSTRAINT certificate_pk ON trelay.certificate IS 'Names are unique.';
COMMENT ON CONSTRAINT certificate_chain_pem_or_path_ck ON trelay.certificate IS 'Exactly one of chain_pem and chain_path.';
COMMENT ON CONSTRAINT certificate_chain_pem_holds_certificates_ck ON trelay.certificate IS 'chain_pem holds at least one whole PEM certificate.';
COMMENT ON CONSTRAINT certificate_chain_pem_holds_no_key_ck ON trelay.certificate IS 'Everyone who may look can read this column: private keys go to trelay.certificate_key.';
COMMENT ON CONSTRAINT certificate_chain_path_absolute_ck ON trelay.certificate IS 'Paths start with "/".';

CREATE TABLE trelay.certificate_key (
    certificate trelay.row_name NOT NULL,
    key_pem     text,
    key_path    text,
    key_uri     text,
    passphrase  text,
    CONSTRAINT certificate_key_pk PRIMARY KEY (certificate),
    CONSTRAINT certificate_key_certificate_fk FOREIGN KEY (certificate) REFERENCES trelay.certificate (name)
        ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT certificate_key_one_source_ck CHECK (num_nonnulls(key_pem, key_path, key_uri) = 1),
    CONSTRAINT certificate_key_pem_ck CHECK (key_pem ~ '-----BEGIN [A-Z ]*PRIVATE KEY-----'),
    CONSTRAINT certificate_key_path_absolute_ck CHECK (key_path ~ '^/[^[:cntrl:]]+$'),
    CONSTRAINT certificate_key_uri_ck CHECK (key_uri ~ '^pkcs11:')
);
COMMENT ON TABLE trelay.certificate_key IS 'Private keys of trelay.certificate. Only trelay_daemon can read them; trelay_admin can set and remove them (UPDATE, INSERT, DELETE), not see them.';
COMMENT ON COLUMN trelay.certificate_key.certificate IS 'Whose key it is.';
COMMENT ON COLUMN trelay.certificate_key.key_pem IS 'The key in PEM, as PKCS#8 (may be encrypted, then with passphrase) or the traditional form.';
COMMENT ON COLUMN trelay.certificate_key.key_path IS 'Instead of key_pem: a file with the same content, on every node, readable by trelayd.';
COMMENT ON COLUMN trelay.certificate_key.key_uri IS 'Instead of key_pem: where the key is kept, as a pkcs11: URI (RFC 7512). This version of trelay cannot use such keys yet and reports the row in trelay.problem.';
COMMENT ON COLUMN trelay.certificate_key.passphrase IS 'Opens an encrypted key.';
COMMENT ON CONSTRAINT certificate_key_pk ON trelay.certificate_key IS 'A certificate has one key.';
COMMENT ON CONSTRAINT certificate_key_certificate_fk ON trelay.certificate_key IS 'The key goes with its certificate.';
COMMENT ON CONSTRAINT certificate_key_one_source_ck ON trelay.certificate_key IS 'Exactly one of key_pem, key_path and key_uri.';
COMMENT ON CONSTRAINT certificate_key_pem_ck ON trelay.certificate_key IS 'key_pem holds a PEM private key.';
COMMENT ON CONSTRAINT certificate_key_path_absolute_ck ON trelay.certificate_key IS 'Paths start with "/".';
COMMENT ON CONSTRAINT certificate_key_uri_ck ON trelay.certificate_key IS 'Only pkcs11: URIs.';

CREATE TABLE trelay.trust_set (
    name        trelay.row_name NOT NULL,
    remark      text,
    CONSTRAINT trust_set_pk PRIMARY KEY (name)
);
COMMENT ON TABLE trelay.trust_set IS 'A set of trust anchors under one name: what a row trusts is its set and nothing else, there is no set for all. SELECT trelay.import_trust_set(name, pem) fills it.';
COMMENT ON COLUMN trelay.trust_set.name IS 'The name by which rows and the flag trust=NAME choose it.';
COMMENT ON COLUMN trelay.trust_set.remark IS 'For people.';
COMMENT ON CONSTRAINT trust_set_pk ON trelay.trust_set IS 'Names are unique.';

CREATE TABLE trelay.trust_anchor (
    trust_set   trelay.row_name NOT NULL,
    name        trelay.row_name NOT NULL,
    pem         text,
    path        text,
    remark      text,
    CONSTRAINT trust_anchor_pk PRIMARY KEY (trust_set, name),
    CONSTRAINT trust_anchor_trust_set_fk FOREIGN KEY (trust_set) REFERENCES trelay.trust_set (name)
        ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT trust_anchor_pem_or_path_ck CHECK (num_nonnulls(pem, path) = 1),
    CONSTRAINT trust_anchor_pem_holds_certificates_ck CHECK (trelay.is_certificate_pem(pem)),
    CONSTRAINT trust_anchor_pem_holds_no_key_ck CHECK (pem !~ 'PRIVATE KEY'),
    CONSTRAINT trust_anchor_path_absolute_ck CHECK (path ~ '^/[^[:cntrl:]]+$')
);
COMMENT ON TABLE trelay.trust_anchor IS 'The certificates of certification authorities (or of single peers) in a trust set.';
COMMENT ON COLUMN trelay.trust_anchor.trust_set IS 'The set it belongs to.';
COMMENT ON COLUMN trelay.trust_anchor.name IS 'Its name within the set; import_trust_set() takes the first digits of the fingerprint.';
COMMENT ON COLUMN trelay.trust_anchor.pem IS 'The certificate in PEM; several in one row are all trusted.';
COMMENT ON COLUMN trelay.trust_anchor.path IS 'Instead of pem: a file with the same content, on every node; re-read by tls_reload().';
COMMENT ON COLUMN trelay.trust_anchor.remark IS 'For people.';
COMMENT ON CONSTRAINT trust_anchor_pk ON trelay.trust_anchor IS 'Names are unique within a set.';
COMMENT ON CONSTRAINT trust_anchor_trust_set_fk ON trelay.trust_anchor IS 'Anchors go with their set.';
COMMENT ON CONSTRAINT trust_anchor_pem_or_path_ck ON trelay.trust_anchor IS 'Exactly one of pem and path.';
COMMENT ON CONSTRAINT trust_anchor_pem_holds_certificates_ck ON trelay.trust_anchor IS 'pem holds at least one whole PEM certificate.';
COMMENT ON CONSTRAINT trust_anchor_pem_holds_no_key_ck ON trelay.trust_anchor IS 'A trust anchor is a certificate; its key has no place here.';
COMMENT ON CONSTRAINT trust_anchor_path_absolute_ck ON trelay.trust_anchor IS 'Paths start with "/".';

CREATE TABLE trelay.crl (
    name        trelay.row_name NOT NULL,
    trust_set   trelay.row_name NOT NULL,
    pem         text,
    der         bytea,
    path        text,
    url         text,
    remark      text,
    CONSTRAINT crl_pk PRIMARY KEY (name),
    CONSTRAINT crl_trust_set_fk FOREIGN KEY (trust_set) REFERENCES trelay.trust_set (name)
        ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT crl_one_source_ck CHECK (num_nonnulls(pem, der, path, url) = 1),
    CONSTRAINT crl_pem_ck CHECK (pem ~ '-----BEGIN X509 CRL-----'),
    CONSTRAINT crl_path_absolute_ck CHECK (path ~ '^/[^[:cntrl:]]+$'),
    CONSTRAINT crl_url_ck CHECK (url ~ '^https?://[^[:cntrl:][:space:]]+$')
);
COMMENT ON TABLE trelay.crl IS 'Revocation lists of the authorities in a trust set. Reserved: this version of trelay does not read the table, and refuses what a policy row with crl = hard rules.';
COMMENT ON COLUMN trelay.crl.name IS 'Its name.';
COMMENT ON COLUMN trelay.crl.trust_set IS 'For the authorities of this set.';
COMMENT ON COLUMN trelay.crl.pem IS 'The list in PEM.';
COMMENT ON COLUMN trelay.crl.der IS 'Instead of pem: the list in DER.';
COMMENT ON COLUMN trelay.crl.path IS 'Instead of pem: a file with the list, PEM or DER, on every node.';
COMMENT ON COLUMN trelay.crl.url IS 'Instead of pem: where to fetch it, http or https.';
COMMENT ON COLUMN trelay.crl.remark IS 'For people.';
COMMENT ON CONSTRAINT crl_pk ON trelay.crl IS 'Names are unique.';
COMMENT ON CONSTRAINT crl_trust_set_fk ON trelay.crl IS 'Revocation lists go with their trust set.';
COMMENT ON CONSTRAINT crl_one_source_ck ON trelay.crl IS 'Exactly one of pem, der, path and url.';
COMMENT ON CONSTRAINT crl_pem_ck ON trelay.crl IS 'pem holds a PEM revocation list.';
COMMENT ON CONSTRAINT crl_path_absolute_ck ON trelay.crl IS 'Paths start with "/".';
COMMENT ON CONSTRAINT crl_url_ck ON trelay.crl IS 'An http or https URL.';

GRANT SELECT, INSERT, UPDATE, DELETE ON trelay.certificate, trelay.trust_set, trelay.trust_anchor, trelay.crl TO trelay_admin;
GRANT SELECT ON trelay.certificate, trelay.trust_set, trelay.trust_anchor, trelay.crl TO trelay_daemon, trelay_reader;
GRANT INSERT, UPDATE, DELETE, SELECT (certificate) ON trelay.certificate_key TO trelay_admin;
GRANT SELECT (certificate) ON trelay.certificate_key TO trelay_reader;
GRANT SELECT ON trelay.certificate_key TO trelay_daemon;
