-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0003-create-flags.sql - the flags of t_relay as PostgreSQL knows them, so that a wrong one is refused where it is written.
-- Words, bits and conflicts are those of src/policy/flag.[ch]; t/303 compares the two.

CREATE FUNCTION trelay.flag_names()
    RETURNS TABLE (flag text, bit_number integer, value text, excludes text[], meaning text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ VALUES
        ('tls',             0, NULL,              NULL::text[],                                        'TLS or nothing: never a plain transport'),
        ('verify-chain',    1, NULL,              '{no-verify}',                                       'raise the level to chain'),
        ('verify-domain',   2, 'optional domain', '{no-verify}',                                       'raise the level to domain'),
        ('no-verify',       3, NULL,              '{verify-chain,verify-domain,trust,ocsp-hard}',      'lower the level to encrypt, where the row permits it'),
        ('cert',            4, 'certificate',     '{no-cert}',                                         'client certificate to present'),
        ('no-cert',         5, NULL,              '{cert}',                                            'present no client certificate'),
        ('sni',             6, 'domain',          '{no-sni}',                                          'server name to send'),
        ('no-sni',          7, NULL,              '{sni}',                                             'send no server name'),
        ('trust',           8, 'trust set',       '{no-verify}',                                       'trust set to validate against, where the row permits it'),
        ('crl',             9, NULL,              NULL,                                                'check CRLs at least softly'),
        ('ocsp',           10, NULL,              NULL,                                                'check OCSP at least softly'),
        ('ocsp-hard',      11, NULL,              '{no-verify}',                                       'check OCSP; no answer is a refusal'),
        ('no-conn-reuse',  12, NULL,              '{no-connect}',                                      'open a fresh connection'),
        ('no-connect',     13, NULL,              '{no-conn-reuse}',                                   'reuse a connection or fail'),
        ('no-upgrade',     14, NULL,              NULL,                                                'never upgrade a connection for this transaction'),
        ('initial-only',   15, NULL,              NULL,                                                'domain validation for out-of-dialog requests only'),
        ('max-age',        16, 'duration',        NULL,                                                'lower the connection''s maximum age'),
        ('lookup',         17, 'look-ups',        NULL,                                                'which policy look-ups, in which order'),
        ('no-dns-failover', 18, NULL,             NULL,                                                'only the first address of the next hop'),
        ('no-auto-477',    19, NULL,              NULL,                                                'no response of the relay''s own when sending fails'),
        ('no-100',         20, NULL,              NULL,                                                'no 100 Trying of the relay''s own')
    $$;
COMMENT ON FUNCTION trelay.flag_names() IS 'The relay flags: name, stable bit, the kind of its value (NULL: none), the flags it cannot stand beside, meaning. SELECT * FROM trelay.flag_names();';

CREATE FUNCTION trelay.lookup_order(words text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known CONSTANT text[] := '{dst,ruri,src,addr,peer,default,live,none}';
    steps text[] := string_to_array(words, '+');
    word text;
BEGIN
    FOREACH word IN ARRAY steps LOOP
        IF word <> ALL (known) THEN
            RAISE EXCEPTION '"%" is no look-up of the relay flag lookup', word
                USING ERRCODE = 'check_violation', HINT = 'There are: ' || array_to_string(known, ', ') || '; several are joined by "+".';
        END IF;
    END LOOP;
    IF cardinality(steps) <> (SELECT count(DISTINCT step) FROM unnest(steps) AS step) THEN
        RAISE EXCEPTION 'a look-up stands twice in "%"', words USING ERRCODE = 'check_violation';
    ELSIF 'none' = ANY (steps) AND cardinality(steps) > 1 THEN
        RAISE EXCEPTION 'the look-up "none" excludes every other look-up' USING ERRCODE = 'check_violation';
    ELSIF steps IN ('{live}', '{}') THEN
        RAISE EXCEPTION 'the relay flag lookup names no look-up' USING ERRCODE = 'check_violation',
            HINT = 'live says how to look up, not what: add dst, addr, default or another.';
    END IF;
    RETURN steps;
END $$;
COMMENT ON FUNCTION trelay.lookup_order(text) IS 'The look-ups in the value of the flag lookup ("dst+addr+default"); fails on what is none.';

CREATE FUNCTION trelay.duration_seconds(value text) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT CASE WHEN value COLLATE "C" ~ '^[0-9]{1,10}[smhd]?$' THEN
              nullif(rtrim(value, 'smhd')::bigint, 0) * CASE right(value, 1) WHEN 'm' THEN 60 WHEN 'h' THEN 3600 WHEN 'd' THEN 86400 ELSE 1 END END $$;
COMMENT ON FUNCTION trelay.duration_seconds(text) IS 'Seconds of a duration as flags have it: 30s, 10m, 1h, 2d or plain seconds; NULL for anything else.';

CREATE FUNCTION trelay.flags_parse(flags text)
    RETURNS TABLE (flag text, value text)
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    item text;
    word text;
    given text; -- value, NULL when there is no "="
    kind text;
    excluded text[];
    seen text[] := '{}';
    other text;
BEGIN
    IF btrim(coalesce(flags, ''), E' \t') = '' THEN
        RETURN;
    END IF;
    FOREACH item IN ARRAY string_to_array(flags, ',') LOOP
        word := btrim(split_part(item, '=', 1), E' \t');
        given := CASE WHEN strpos(item, '=') > 0 THEN btrim(substr(item, strpos(item, '=') + 1), E' \t') END;
        SELECT f.value, f.excludes INTO kind, excluded FROM trelay.flag_names() AS f WHERE f.flag = word;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'unknown relay flag "%"', word
                USING ERRCODE = 'check_violation',
                      HINT = 'There are: ' || (SELECT string_agg(f.flag, ', ' ORDER BY f.bit_number) FROM trelay.flag_names() AS f) || '.';
        ELSIF word = ANY (seen) THEN
            RAISE EXCEPTION 'the relay flag "%" stands twice', word USING ERRCODE = 'check_violation';
        ELSIF kind IS NULL AND given IS NOT NULL THEN
            RAISE EXCEPTION 'the relay flag "%" takes no value', word USING ERRCODE = 'check_violation';
        ELSIF given IS NULL AND kind NOT LIKE 'optional %' THEN
            RAISE EXCEPTION 'the relay flag "%" needs a value', word
                USING ERRCODE = 'check_violation', HINT = format('Write %s=%s.', word, upper(kind));
        ELSIF kind LIKE '%domain' AND given IS NOT NULL THEN
            given := trelay.normal_domain(given);
        ELSIF kind IN ('certificate', 'trust set') THEN
            given := given::trelay.row_name;
        ELSIF kind = 'duration' AND coalesce(trelay.duration_seconds(given), 0) NOT BETWEEN 1 AND 4294967295 THEN
            RAISE EXCEPTION 'the relay flag "%" takes a duration, not "%"', word, given
                USING ERRCODE = 'check_violation', HINT = 'Such as 30s, 10m, 1h, 2d.';
        ELSIF kind = 'look-ups' THEN
            PERFORM trelay.lookup_order(given);
        END IF;
        FOREACH other IN ARRAY seen LOOP
            IF other = ANY (excluded) THEN
                RAISE EXCEPTION 'the relay flags "%" and "%" contradict each other', other, word
                    USING ERRCODE = 'check_violation';
            END IF;
        END LOOP;
        seen := seen || word;
        flag := word;
        value := given;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION trelay.flags_parse(text) IS 'The flags in a comma-separated text with their values. Fails, and names the flag, on one that is unknown, doubled, contradicting or has a bad value.';

CREATE FUNCTION trelay.flags_are_valid(flags text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT count(*) >= 0 FROM trelay.flags_parse(flags) $$;
COMMENT ON FUNCTION trelay.flags_are_valid(text) IS 'True for relay flags that can be used (and for NULL and an empty text); fails on others with the reason.';

GRANT EXECUTE ON FUNCTION trelay.flag_names(), trelay.lookup_order(text), trelay.duration_seconds(text), trelay.flags_parse(text),
    trelay.flags_are_valid(text) TO trelay_admin, trelay_daemon, trelay_reader;

CREATE DOMAIN trelay.relay_flags AS text
    CONSTRAINT relay_flags_ck CHECK (trelay.flags_are_valid(VALUE));
COMMENT ON DOMAIN trelay.relay_flags IS 'Flags of t_relay: "verify-domain=biloxi.example,cert=fedA,no-conn-reuse". SELECT * FROM trelay.flag_names() lists them.';
COMMENT ON CONSTRAINT relay_flags_ck ON DOMAIN trelay.relay_flags IS 'Known flags with good values, no contradictions.';
