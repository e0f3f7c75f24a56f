# Unit tests of src/policy. Program t/NNN-name.t from t/unit/name.c.
POLICY_FIXTURE = t/unit/policy_fixture.h t/unit/policy_fixture.c

check_PROGRAMS += t/100-policy-name-has-one-form.t
t_100_policy_name_has_one_form_t_SOURCES = t/unit/policy_name.c $(POLICY_FIXTURE)
t_100_policy_name_has_one_form_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_100_policy_name_has_one_form_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/101-policy-flag-parse-merge-print.t
t_101_policy_flag_parse_merge_print_t_SOURCES = t/unit/policy_flag.c $(POLICY_FIXTURE)
t_101_policy_flag_parse_merge_print_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_101_policy_flag_parse_merge_print_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/102-policy-snapshot-tombstones.t
t_102_policy_snapshot_tombstones_t_SOURCES = t/unit/policy_snapshot.c $(POLICY_FIXTURE)
t_102_policy_snapshot_tombstones_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_102_policy_snapshot_tombstones_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/103-policy-lookup-equals-reading-all-rows.t
t_103_policy_lookup_equals_reading_all_rows_t_SOURCES = t/unit/policy_lookup.c $(POLICY_FIXTURE)
t_103_policy_lookup_equals_reading_all_rows_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_103_policy_lookup_equals_reading_all_rows_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/104-policy-snapshot-memory-fails.t
t_104_policy_snapshot_memory_fails_t_SOURCES = t/unit/policy_memory.c t/unit/refused_memory.h $(POLICY_FIXTURE)
t_104_policy_snapshot_memory_fails_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_104_policy_snapshot_memory_fails_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
t_104_policy_snapshot_memory_fails_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/121-policy-flags-of-two-sources.t
t_121_policy_flags_of_two_sources_t_SOURCES = t/unit/policy_merge.c $(POLICY_FIXTURE)
t_121_policy_flags_of_two_sources_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_121_policy_flags_of_two_sources_t_LDADD = $(PURE_TEST_LIBS)
