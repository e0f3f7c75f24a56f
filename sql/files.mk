# The schema: migrations, roles, checks, examples; installed beside the program that applies them.
trelaysqldir = $(pkgdatadir)/sql
dist_trelaysql_DATA = sql/role.sql sql/verify.sql
trelaymigratedir = $(trelaysqldir)/migrate
dist_trelaymigrate_DATA = \
    sql/migrate/0001-create-schema.sql \
    sql/migrate/0002-create-types.sql \
    sql/migrate/0003-create-flags.sql \
    sql/migrate/0004-create-certificates.sql \
    sql/migrate/0005-create-policy.sql \
    sql/migrate/0006-create-audit.sql \
    sql/migrate/0007-create-operation.sql \
    sql/migrate/0008-create-accounting.sql \
    sql/migrate/0009-create-imports.sql \
    sql/migrate/0010-create-problem-view.sql \
    sql/migrate/0011-create-explain.sql \
    sql/migrate/0012-add-scheme.sql \
    sql/migrate/0013-add-fork-and-peer-terms.sql \
    sql/migrate/0014-say-what-keepalive-does.sql \
    sql/migrate/0015-create-dialog-secret.sql \
    sql/migrate/0016-say-which-keepalive-counts.sql \
    sql/migrate/0017-ask-a-node-to-explain.sql \
    sql/migrate/0018-say-what-connections-show.sql \
    sql/migrate/0019-count-lost-records.sql \
    sql/migrate/0020-say-what-has-no-effect.sql \
    sql/migrate/0021-say-which-revocation-is-refused.sql \
    sql/migrate/0022-say-what-weaken-permits.sql \
    sql/migrate/0023-let-flags-stand-alone.sql \
    sql/migrate/0024-say-which-flags-act.sql \
    sql/migrate/0025-explain-what-is-held.sql \
    sql/migrate/0026-say-whose-silence-counts.sql
dist_bin_SCRIPTS = scripts/trelay-schema

# Tests on a throw-away PostgreSQL cluster: those of src/db, too.
EXTRA_DIST += t/lib/Trelay/Postgres.pm
.PHONY: check-sql
check-sql: all
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(srcdir)/t/3[0-9][0-9]-*.t

trelayexampledir = $(docdir)/example
dist_trelayexample_DATA = sql/example/0-inside.sql sql/example/1-enterprise.sql sql/example/2-federation.sql \
    sql/example/3-bilateral.sql sql/example/4-hosted.sql
trelayadmindir = $(trelaysqldir)/admin
dist_trelayadmin_DATA = sql/admin/connections.sql sql/admin/failures.sql sql/admin/history.sql sql/admin/housekeeping.sql \
    sql/admin/problems.sql
EXTRA_DIST += sql/README.md t/lib/Trelay/Pem.pm
