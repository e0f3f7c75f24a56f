-- SPDX-License-Identifier: GPL-2.0-or-later
-- role.sql - the four roles of trelay, NOLOGIN: grant them to the people and daemons that log in.
-- Run by trelay-schema ahead of the migrations, as the person who installs. Changes nothing once they exist.
DO $roles$
DECLARE
    roles CONSTANT text[] := ARRAY[
        ['trelay_owner',  'owns the schema trelay and all that is in it; nobody logs in with it'],
        ['trelay_admin',  'people who edit the policy of trelay; grant it to them'],
        ['trelay_daemon', 'what trelayd may do; grant it to the login role of the daemons'],
        ['trelay_reader', 'people who look and change nothing; sees no private key']];
    role_name text;
    role_text text;
BEGIN
    FOR i IN 1 .. pg_catalog.array_length(roles, 1) LOOP
        role_name := roles[i][1];
        role_text := roles[i][2];
        IF pg_catalog.to_regrole(role_name) IS NULL THEN
            BEGIN
                EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
                EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', role_name, role_text);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL; -- made by somebody else at this very moment
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'the role % is missing and % may not create roles', role_name, current_user
                        USING HINT = 'Let a superuser run sql/role.sql, then "GRANT trelay_owner TO '
                            || pg_catalog.quote_ident(current_user) || '", then try again.';
            END;
        END IF;
    END LOOP;
    -- An administrator reads what a reader reads.
    IF NOT pg_catalog.pg_has_role('trelay_admin', 'trelay_reader', 'MEMBER') THEN
        GRANT trelay_reader TO trelay_admin;
    END IF;
    -- What is made is made as trelay_owner; the person who installs must be able to become it.
    IF NOT pg_catalog.pg_has_role(current_user, 'trelay_owner', 'MEMBER') THEN
        BEGIN
            EXECUTE pg_catalog.format('GRANT trelay_owner TO %I', current_user);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION '% is no member of trelay_owner and may not become one', current_user
                USING HINT = 'Let a superuser run "GRANT trelay_owner TO '
                    || pg_catalog.quote_ident(current_user) || '", then try again.';
        END;
    END IF;
END
$roles$;
