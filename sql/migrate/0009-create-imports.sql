-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0009-create-imports.sql - certificates and trust sets from PEM text, in one call each.
-- They run with the rights of the caller; who may not write the tables may not import.

CREATE FUNCTION trelay.import_certificate(name text, chain text, key text, passphrase text DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    is_chain_path CONSTANT boolean := chain LIKE '/%';
    is_key_path CONSTANT boolean := key LIKE '/%';
    is_key_uri CONSTANT boolean := key LIKE 'pkcs11:%';
    c record;
BEGIN
    IF name IS NULL OR chain IS NULL OR key IS NULL THEN
        RAISE EXCEPTION 'name, chain and key are all needed' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT CASE WHEN NOT is_chain_path THEN chain END AS chain_pem, CASE WHEN is_chain_path THEN chain END AS chain_path,
           CASE WHEN NOT is_key_path AND NOT is_key_uri THEN key END AS key_pem, CASE WHEN is_key_path THEN key END AS key_path,
           CASE WHEN is_key_uri THEN key END AS key_uri INTO c;
    UPDATE trelay.certificate AS t SET chain_pem = c.chain_pem, chain_path = c.chain_path WHERE t.name = import_certificate.name;
    IF NOT FOUND THEN
        INSERT INTO trelay.certificate (name, chain_pem, chain_path) VALUES (import_certificate.name, c.chain_pem, c.chain_path);
    END IF;
    -- Not ON CONFLICT: that would need the right to read the key.
    UPDATE trelay.certificate_key AS k SET key_pem = c.key_pem, key_path = c.key_path, key_uri = c.key_uri,
           passphrase = import_certificate.passphrase
     WHERE k.certificate = import_certificate.name;
    IF NOT FOUND THEN
        INSERT INTO trelay.certificate_key (certificate, key_pem, key_path, key_uri, passphrase)
            VALUES (import_certificate.name, c.key_pem, c.key_path, c.key_uri, import_certificate.passphrase);
    END IF;
    RETURN (trelay.pem_fingerprints(c.chain_pem))[1];
END $$;
COMMENT ON FUNCTION trelay.import_certificate(text, text, text, text) IS 'Makes or replaces one of our certificates: name, chain (PEM, or a path), key (PEM, a path, or a pkcs11: URI), passphrase of an encrypted key. Returns the SHA-256 of the certificate (NULL for a path). In psql: \set chain `cat fedA.pem` \set key `cat fedA.key` SELECT trelay.import_certificate(''fedA'', :''chain'', :''key'');';

CREATE FUNCTION trelay.import_trust_set(name text, pem text, replace boolean DEFAULT false)
    RETURNS TABLE (anchor text, sha256 text, action text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_variable
DECLARE
    certificate text;
    given text[] := '{}';
BEGIN
    IF NOT trelay.is_certificate_pem(coalesce(pem, '')) THEN
        RAISE EXCEPTION 'there is no whole PEM certificate in the text'
            USING ERRCODE = 'check_violation', HINT = 'A bundle is a run of -----BEGIN CERTIFICATE----- blocks.';
    END IF;
    INSERT INTO trelay.trust_set (name) VALUES (import_trust_set.name) ON CONFLICT DO NOTHING;
    FOR certificate IN SELECT trelay.pem_certificates(pem) LOOP
        sha256 := (trelay.pem_fingerprints(certificate))[1];
        CONTINUE WHEN sha256 = ANY (given);
        given := given || sha256;
        SELECT a.name INTO anchor FROM trelay.trust_anchor AS a
         WHERE a.trust_set = import_trust_set.name AND trelay.pem_fingerprints(a.pem) = ARRAY[sha256] LIMIT 1;
        action := CASE WHEN FOUND THEN 'kept' ELSE 'added' END;
        IF NOT FOUND THEN
            anchor := left(sha256, 16);
            INSERT INTO trelay.trust_anchor (trust_set, name, pem) VALUES (import_trust_set.name, anchor, certificate);
        END IF;
        RETURN NEXT;
    END LOOP;
    IF replace THEN
        FOR anchor, sha256 IN
            DELETE FROM trelay.trust_anchor AS a WHERE a.trust_set = import_trust_set.name
               AND (a.pem IS NULL OR NOT trelay.pem_fingerprints(a.pem) <@ given)
            RETURNING a.name, (trelay.pem_fingerprints(a.pem))[1]
        LOOP
            action := 'removed';
            RETURN NEXT;
        END LOOP;
    END IF;
END $$;
COMMENT ON FUNCTION trelay.import_trust_set(text, text, boolean) IS 'Adds the certificates of a PEM bundle to a trust set, which is made if it is missing; with replace, removes what is not in the bundle. Twice the same bundle changes nothing. In psql: \set pem `cat federation-ca.pem` SELECT * FROM trelay.import_trust_set(''fedA'', :''pem'');';

REVOKE ALL ON FUNCTION trelay.import_certificate(text, text, text, text), trelay.import_trust_set(text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trelay.import_certificate(text, text, text, text), trelay.import_trust_set(text, text, boolean) TO trelay_admin;
