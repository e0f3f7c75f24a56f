-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0024-say-which-flags-act.sql - no-auto-477 and lookup=live have their effect, and trelay.problem notes them no more.

CREATE OR REPLACE FUNCTION trelay.flags_without_effect(flags text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT coalesce(string_agg(concat_ws('=', n.flag, p.value), ',' ORDER BY n.bit_number), '')
            FROM trelay.flags_parse(flags) AS p JOIN trelay.flag_names() AS n ON n.flag = p.flag
           WHERE n.flag IN ('crl', 'ocsp') $$;
COMMENT ON FUNCTION trelay.flags_without_effect(text) IS 'Those of the flags that this version carries and that have no effect yet.';
