-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0002-create-types.sql - closed sets as enums, spellings as domains.
-- The words are those of src/policy/level.h; t/302 compares the two.

CREATE TYPE trelay.level AS ENUM ('none', 'encrypt', 'chain', 'domain');
COMMENT ON TYPE trelay.level IS 'How far a next hop must prove itself, stricter is greater. none: plain transports are allowed. encrypt: TLS, the peer is not validated. chain: the chain of its certificate leads to the trust set. domain: chain, and the certificate is for the expected domain (RFC 5922).';
CREATE TYPE trelay.revocation AS ENUM ('off', 'soft', 'hard');
COMMENT ON TYPE trelay.revocation IS 'How revocation is checked. off: not. soft: a revoked certificate is refused, no answer is no objection. hard: no answer is a refusal.';
CREATE TYPE trelay.eku_mode AS ENUM ('tls-role', 'either', 'sip5924');
COMMENT ON TYPE trelay.eku_mode IS 'Which extended key usage the peer needs. tls-role: that of its TLS role (serverAuth or clientAuth; sipDomain, any, or no extension also serve). either: tls-role, and serverAuth serves for a client as well, never the reverse. sip5924: as RFC 5924 section 5 asks.';
CREATE TYPE trelay.tls_version AS ENUM ('1.2', '1.3');
COMMENT ON TYPE trelay.tls_version IS 'TLS versions that trelay speaks.';
CREATE TYPE trelay.upgrade AS ENUM ('never', 'idle');
COMMENT ON TYPE trelay.upgrade IS 'May an unverified connection become a verified one? never: a new connection is opened. idle: a connection with no request under way is verified anew, completely, and then serves.';
CREATE TYPE trelay.permission AS ENUM ('refused', 'allowed');
COMMENT ON TYPE trelay.permission IS 'Whether flags of a transaction may do what the column names.';
CREATE TYPE trelay.client_auth AS ENUM ('none', 'request', 'require');
COMMENT ON TYPE trelay.client_auth IS 'Client certificates on accepted connections. none: not asked for. request: asked for, may be missing. require: no connection without one.';
CREATE TYPE trelay.peer_action AS ENUM ('accept', 'reject');
COMMENT ON TYPE trelay.peer_action IS 'What a peer row does with the sender it matches.';
CREATE TYPE trelay.reload_mode AS ENUM ('drop', 'drain', 'revalidate');
COMMENT ON TYPE trelay.reload_mode IS 'What tls_reload() does with live TLS connections. drop: closes them, transactions move to new ones. drain: lets transactions finish, then closes. revalidate: keeps those whose peer still passes.';

-- Each rule has a constraint of its own, because its name is what the person reads who is refused.
-- They are checked in the order of their names.
CREATE DOMAIN trelay.domain_name AS text
    CONSTRAINT domain_name_ascii_ck CHECK (VALUE COLLATE "C" ~ '^[\x21-\x7e]*$')
    CONSTRAINT domain_name_labels_ck CHECK
        (VALUE COLLATE "C" ~ '^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$')
    CONSTRAINT domain_name_length_ck CHECK (length(VALUE) BETWEEN 1 AND 253)
    CONSTRAINT domain_name_lower_case_ck CHECK (VALUE COLLATE "C" !~ '[A-Z]')
    CONSTRAINT domain_name_no_address_ck CHECK (VALUE COLLATE "C" !~ '(^|\.)([0-9]+|0[xX][0-9A-Fa-f]*)\.?$')
    CONSTRAINT domain_name_no_trailing_dot_ck CHECK (VALUE COLLATE "C" !~ '\.$');
COMMENT ON DOMAIN trelay.domain_name IS 'A domain name as it is compared: A-labels (xn--...), lower case, no trailing dot. What is not in this form is refused, never repaired; trelay.normal_domain() shows the right form.';
COMMENT ON CONSTRAINT domain_name_ascii_ck ON DOMAIN trelay.domain_name IS 'Only visible ASCII: write an internationalised name with A-labels (xn--...).';
COMMENT ON CONSTRAINT domain_name_labels_ck ON DOMAIN trelay.domain_name IS 'Labels of letters, digits, underscores and inner hyphens, 1 to 63 long, parted by single dots.';
COMMENT ON CONSTRAINT domain_name_length_ck ON DOMAIN trelay.domain_name IS 'At most 253 characters, and never empty: leave the column NULL instead.';
COMMENT ON CONSTRAINT domain_name_lower_case_ck ON DOMAIN trelay.domain_name IS 'Lower case only, so that one name has one spelling.';
COMMENT ON CONSTRAINT domain_name_no_address_ck ON DOMAIN trelay.domain_name IS 'The last label is not a number, decimal or 0x...: that would be an IP address.';
COMMENT ON CONSTRAINT domain_name_no_trailing_dot_ck ON DOMAIN trelay.domain_name IS 'No dot at the end.';

-- The same rules behind an optional "*."; written out, because a function for each row is dear in bulk.
CREATE DOMAIN trelay.domain_pattern AS text
    CONSTRAINT domain_pattern_ascii_ck CHECK (VALUE COLLATE "C" ~ '^[\x21-\x7e]*$')
    CONSTRAINT domain_pattern_labels_ck CHECK
        (VALUE COLLATE "C" ~ '^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$')
    CONSTRAINT domain_pattern_length_ck CHECK (length(VALUE) BETWEEN 1 AND CASE WHEN VALUE LIKE '*.%' THEN 255 ELSE 253 END)
    CONSTRAINT domain_pattern_lower_case_ck CHECK (VALUE COLLATE "C" !~ '[A-Z]')
    CONSTRAINT domain_pattern_no_address_ck CHECK (VALUE COLLATE "C" !~ '(^|\.)([0-9]+|0[xX][0-9A-Fa-f]*)\.?$')
    CONSTRAINT domain_pattern_no_trailing_dot_ck CHECK (VALUE COLLATE "C" !~ '\.$');
COMMENT ON DOMAIN trelay.domain_pattern IS 'A domain name ("biloxi.example", that name alone), or "*." and one ("*.biloxi.example", every name below it, not the name itself).';
COMMENT ON CONSTRAINT domain_pattern_ascii_ck ON DOMAIN trelay.domain_pattern IS 'Only visible ASCII: write an internationalised name with A-labels (xn--...).';
COMMENT ON CONSTRAINT domain_pattern_labels_ck ON DOMAIN trelay.domain_pattern IS 'A domain name, or "*." in front of one; no other wildcards.';
COMMENT ON CONSTRAINT domain_pattern_length_ck ON DOMAIN trelay.domain_pattern IS 'At most 253 characters behind "*.", and never empty: leave the column NULL instead.';
COMMENT ON CONSTRAINT domain_pattern_lower_case_ck ON DOMAIN trelay.domain_pattern IS 'Lower case only, so that one name has one spelling.';
COMMENT ON CONSTRAINT domain_pattern_no_address_ck ON DOMAIN trelay.domain_pattern IS 'The last label is not a number, decimal or 0x...: that would be an IP address.';
COMMENT ON CONSTRAINT domain_pattern_no_trailing_dot_ck ON DOMAIN trelay.domain_pattern IS 'No dot at the end.';

CREATE FUNCTION trelay.normal_domain(name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN regexp_replace(translate(name, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), '\.$', '')::trelay.domain_name;
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION '"%" is no domain name', name
        USING ERRCODE = 'check_violation', HINT = 'Letters, digits, hyphens, underscores and dots; internationalised names as A-labels (xn--...).';
END $$;
COMMENT ON FUNCTION trelay.normal_domain(text) IS 'The spelling that the tables want: lower case, without a trailing dot. Fails on what is no domain name.';
GRANT EXECUTE ON FUNCTION trelay.normal_domain(text) TO trelay_admin, trelay_reader;

CREATE DOMAIN trelay.row_name AS text
    CONSTRAINT row_name_ck CHECK (VALUE COLLATE "C" ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$');
COMMENT ON DOMAIN trelay.row_name IS 'The name of a row, by which people, flags, logs and records refer to it.';
COMMENT ON CONSTRAINT row_name_ck ON DOMAIN trelay.row_name IS 'A letter or digit, then letters, digits, ".", "_", "-"; at most 63. Case counts.';

CREATE DOMAIN trelay.fingerprint AS text
    CONSTRAINT fingerprint_ck CHECK (VALUE COLLATE "C" ~ '^[0-9a-f]{64}$');
COMMENT ON DOMAIN trelay.fingerprint IS 'SHA-256 of a certificate (DER): 64 lower-case hexadecimal digits, no colons. From a file: openssl x509 -in FILE -outform DER | sha256sum; from a row: trelay.pem_fingerprints().';
COMMENT ON CONSTRAINT fingerprint_ck ON DOMAIN trelay.fingerprint IS '64 lower-case hexadecimal digits, no colons.';

CREATE DOMAIN trelay.tcp_port AS integer
    CONSTRAINT tcp_port_ck CHECK (VALUE BETWEEN 1 AND 65535);
COMMENT ON DOMAIN trelay.tcp_port IS 'A TCP or UDP port.';
COMMENT ON CONSTRAINT tcp_port_ck ON DOMAIN trelay.tcp_port IS '1 to 65535.';

CREATE FUNCTION trelay.is_endpoint(endpoint text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    parts text[] := regexp_match(endpoint COLLATE "C", '^(\[([0-9a-f:.]+)\]|([0-9.]+)):([1-9][0-9]{0,4})$');
    address inet;
BEGIN
    IF endpoint IS NULL THEN
        RETURN true;
    END IF;
    IF parts IS NULL OR parts[4]::integer > 65535 THEN
        RETURN false;
    END IF;
    address := coalesce(parts[2], parts[3])::inet;
    -- One address, one spelling; and ::ffff:192.0.2.1 is 192.0.2.1.
    RETURN family(address) = CASE WHEN parts[2] IS NULL THEN 4 ELSE 6 END
        AND host(address) = coalesce(parts[2], parts[3])
        AND NOT address <<= '::ffff:0:0/96'::inet
        AND address NOT IN ('0.0.0.0'::inet, '::'::inet, '255.255.255.255'::inet)
        AND NOT address <<= '224.0.0.0/4'::inet AND NOT address <<= 'ff00::/8'::inet;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END $$;
COMMENT ON FUNCTION trelay.is_endpoint(text) IS 'True for an address and port as trelay.endpoint wants them.';
GRANT EXECUTE ON FUNCTION trelay.is_endpoint(text) TO trelay_admin, trelay_daemon, trelay_reader;

CREATE DOMAIN trelay.endpoint AS text
    CONSTRAINT endpoint_ck CHECK (trelay.is_endpoint(VALUE));
COMMENT ON DOMAIN trelay.endpoint IS 'An IP address with port: "192.0.2.1:5061", "[2001:db8::1]:5061".';
COMMENT ON CONSTRAINT endpoint_ck ON DOMAIN trelay.endpoint IS 'A unicast address in its shortest lower-case spelling, IPv6 in brackets, a colon and the port.';

CREATE DOMAIN trelay.duration AS interval
    CONSTRAINT duration_ck CHECK (VALUE >= interval '1 second' AND VALUE <= interval '365 days');
COMMENT ON DOMAIN trelay.duration IS 'A span of time: ''30 minutes'', ''8 hours''.';
COMMENT ON CONSTRAINT duration_ck ON DOMAIN trelay.duration IS 'One second to 365 days.';
