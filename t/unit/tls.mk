# Unit tests of src/tls. Program t/NNN-name.t from t/unit/name.c.
check_PROGRAMS += t/420-tls-client-hello.t t/421-tls-settings.t
t_420_tls_client_hello_t_SOURCES = t/unit/tls_client_hello.c
t_420_tls_client_hello_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_420_tls_client_hello_t_LDADD = $(EDGE_TEST_LIBS)
t_421_tls_settings_t_SOURCES = t/unit/tls_settings.c
t_421_tls_settings_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_421_tls_settings_t_LDADD = $(EDGE_TEST_LIBS)
