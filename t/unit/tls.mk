# Unit tests of src/tls. Program t/NNN-name.t from t/unit/name.c.
check_PROGRAMS += t/420-tls-client-hello.t t/421-tls-settings.t t/423-tls-session.t
TLS_BENCH = t/unit/tls_bench.h t/unit/tls_bench.c t/unit/pki.h t/unit/pki.c
t_420_tls_client_hello_t_SOURCES = t/unit/tls_client_hello.c
t_420_tls_client_hello_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_420_tls_client_hello_t_LDADD = $(EDGE_TEST_LIBS)
t_421_tls_settings_t_SOURCES = t/unit/tls_settings.c
t_421_tls_settings_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_421_tls_settings_t_LDADD = $(EDGE_TEST_LIBS)
t_421_tls_settings_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=tls_library_has_fast_aes
t_423_tls_session_t_SOURCES = t/unit/tls_session.c $(TLS_BENCH)
t_423_tls_session_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_423_tls_session_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/424-tls-openssl.t
t_424_tls_openssl_t_SOURCES = t/unit/tls_openssl.c t/unit/tls_peer.h t/unit/tls_peer.c $(TLS_BENCH)
t_424_tls_openssl_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_424_tls_openssl_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/422-tls-credential.t t/425-tls-library.t
t_422_tls_credential_t_SOURCES = t/unit/tls_credential.c $(TLS_BENCH)
t_422_tls_credential_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_422_tls_credential_t_LDADD = $(EDGE_TEST_LIBS)
t_425_tls_library_t_SOURCES = t/unit/tls_library.c $(TLS_BENCH)
t_425_tls_library_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS) $(WOLFSSL_CFLAGS)
t_425_tls_library_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/426-tls-memory-runs-out.t
t_426_tls_memory_runs_out_t_SOURCES = t/unit/tls_memory.c t/unit/refused_memory.h $(TLS_BENCH)
t_426_tls_memory_runs_out_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS) $(WOLFSSL_CFLAGS)
t_426_tls_memory_runs_out_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
t_426_tls_memory_runs_out_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/810-tls-authorities-of-peers-are-not-kept.t
t_810_tls_authorities_of_peers_are_not_kept_t_SOURCES = t/unit/tls_authorities.c $(TLS_BENCH)
t_810_tls_authorities_of_peers_are_not_kept_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_810_tls_authorities_of_peers_are_not_kept_t_LDADD = $(EDGE_TEST_LIBS)

# For the tests with other people's programs.
noinst_PROGRAMS += t/tls-endpoint
t_tls_endpoint_SOURCES = t/unit/tls_endpoint.c
t_tls_endpoint_CPPFLAGS = $(UNIT_CPPFLAGS)
t_tls_endpoint_LDADD = $(EDGE_LIBS)
noinst_PROGRAMS += t/tls-link
t_tls_link_SOURCES = t/unit/tls_link.c
t_tls_link_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
t_tls_link_LDADD = $(EDGE_LIBS)
