# Unit tests of src/pkix. Program t/NNN-name.t from t/unit/name.c.
PKIX_TEST_SOURCES = t/unit/pki.h t/unit/pki.c t/unit/pkix_support.h t/unit/pkix_support.c
PKIX_TEST_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)

check_PROGRAMS += t/400-pkix-fixtures-verdict.t
t_400_pkix_fixtures_verdict_t_SOURCES = t/unit/pkix_fixtures.c $(PKIX_TEST_SOURCES)
t_400_pkix_fixtures_verdict_t_CPPFLAGS = $(PKIX_TEST_CPPFLAGS)
t_400_pkix_fixtures_verdict_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/402-pkix-path-verdict.t
t_402_pkix_path_verdict_t_SOURCES = t/unit/pkix_path.c $(PKIX_TEST_SOURCES)
t_402_pkix_path_verdict_t_CPPFLAGS = $(PKIX_TEST_CPPFLAGS)
t_402_pkix_path_verdict_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/404-pkix-certificate.t
t_404_pkix_certificate_t_SOURCES = t/unit/pkix_certificate.c $(PKIX_TEST_SOURCES)
t_404_pkix_certificate_t_CPPFLAGS = $(PKIX_TEST_CPPFLAGS)
t_404_pkix_certificate_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/405-pkix-private-key.t
t_405_pkix_private_key_t_SOURCES = t/unit/pkix_private_key.c $(PKIX_TEST_SOURCES)
t_405_pkix_private_key_t_CPPFLAGS = $(PKIX_TEST_CPPFLAGS) $(WOLFSSL_CFLAGS)
t_405_pkix_private_key_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/406-pkix-trust-store.t
t_406_pkix_trust_store_t_SOURCES = t/unit/pkix_trust_store.c $(PKIX_TEST_SOURCES)
t_406_pkix_trust_store_t_CPPFLAGS = $(PKIX_TEST_CPPFLAGS)
t_406_pkix_trust_store_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/407-pkix-digest.t
t_407_pkix_digest_t_SOURCES = t/unit/pkix_digest.c $(PKIX_TEST_SOURCES)
t_407_pkix_digest_t_CPPFLAGS = $(PKIX_TEST_CPPFLAGS)
t_407_pkix_digest_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/408-pkix-memory.t
t_408_pkix_memory_t_SOURCES = t/unit/pkix_memory.c t/unit/refused_memory.h $(PKIX_TEST_SOURCES)
t_408_pkix_memory_t_CPPFLAGS = $(PKIX_TEST_CPPFLAGS)
t_408_pkix_memory_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
t_408_pkix_memory_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/409-pkix-limits.t
t_409_pkix_limits_t_SOURCES = t/unit/pkix_limits.c $(PKIX_TEST_SOURCES)
t_409_pkix_limits_t_CPPFLAGS = $(PKIX_TEST_CPPFLAGS)
t_409_pkix_limits_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/410-pkix-mutation.t
t_410_pkix_mutation_t_SOURCES = t/unit/pkix_mutation.c t/fuzz/certificate.c $(PKIX_TEST_SOURCES)
t_410_pkix_mutation_t_CPPFLAGS = $(PKIX_TEST_CPPFLAGS)
t_410_pkix_mutation_t_LDADD = $(EDGE_TEST_LIBS)

# The verdict on files, for script tests.
noinst_PROGRAMS += t/pkix-judge
t_pkix_judge_SOURCES = t/unit/pkix_judge.c
t_pkix_judge_LDADD = $(EDGE_LIBS)
