# Unit tests of src/base. Program t/NNN-name.t from t/unit/name.c.

check_PROGRAMS += t/109-base-siphash.t
t_109_base_siphash_t_SOURCES = t/unit/base_siphash.c
t_109_base_siphash_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_109_base_siphash_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/108-base-slab.t
t_108_base_slab_t_SOURCES = t/unit/base_slab.c
t_108_base_slab_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_108_base_slab_t_LDADD = $(PURE_TEST_LIBS)
t_108_base_slab_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=aligned_alloc

check_PROGRAMS += t/107-base-address-prints.t
t_107_base_address_prints_t_SOURCES = t/unit/base_address.c
t_107_base_address_prints_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_107_base_address_prints_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/106-base-never-acts.t
t_106_base_never_acts_t_SOURCES = t/unit/base_never.c
t_106_base_never_acts_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_106_base_never_acts_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/105-base-table-finds-each-entry.t
t_105_base_table_finds_each_entry_t_SOURCES = t/unit/base_table.c
t_105_base_table_finds_each_entry_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_105_base_table_finds_each_entry_t_LDADD = $(PURE_TEST_LIBS)
