# Unit tests of src/db. Program t/NNN-name.t from t/unit/name.c.
check_PROGRAMS += t/320-db-server-text.t
t_320_db_server_text_t_SOURCES = t/unit/db_server_text.c
t_320_db_server_text_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_320_db_server_text_t_LDADD = $(EDGE_TEST_LIBS)

# All of src/db, for script tests.
noinst_PROGRAMS += t/db-probe
t_db_probe_SOURCES = t/unit/db_probe.c t/unit/refused_memory.h
t_db_probe_LDADD = $(EDGE_LIBS)
t_db_probe_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup \
    -Wl,--wrap=wolfSSL_CTX_use_PrivateKey_buffer
