# Unit tests of src/account. Program t/NNN-name.t from t/unit/name.c.
check_PROGRAMS += t/490-account-rows-are-whole.t
t_490_account_rows_are_whole_t_SOURCES = t/unit/account_rows.c t/unit/refused_memory.h \
    t/unit/sip_support.h t/unit/sip_support.c
t_490_account_rows_are_whole_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_490_account_rows_are_whole_t_LDADD = $(EDGE_TEST_LIBS)
t_490_account_rows_are_whole_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
