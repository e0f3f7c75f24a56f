# Unit tests of src/decide. Program t/NNN-name.t from t/unit/name.c.
DECIDE_FIXTURE = t/unit/decide_fixture.h t/unit/decide_fixture.c $(POLICY_FIXTURE)
EXTRA_DIST += t/data/decide/decide.table t/data/decide/upgrade.table t/data/decide/may-send.table \
    t/data/decide/publish.table

check_PROGRAMS += t/150-decide-tables.t
t_150_decide_tables_t_SOURCES = t/unit/decide_cube.c t/unit/decision_table.h t/unit/decision_table.c $(DECIDE_FIXTURE)
t_150_decide_tables_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_150_decide_tables_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/151-decide-key-is-injective.t
t_151_decide_key_is_injective_t_SOURCES = t/unit/decide_key.c $(DECIDE_FIXTURE)
t_151_decide_key_is_injective_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_151_decide_key_is_injective_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/152-decide-requirement-never-below-the-floor.t
t_152_decide_requirement_never_below_the_floor_t_SOURCES = t/unit/decide_requirement.c $(DECIDE_FIXTURE)
t_152_decide_requirement_never_below_the_floor_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_152_decide_requirement_never_below_the_floor_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/153-decide-use-and-explain.t
t_153_decide_use_and_explain_t_SOURCES = t/unit/decide_use.c $(DECIDE_FIXTURE)
t_153_decide_use_and_explain_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_153_decide_use_and_explain_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/154-decide-agrees-with-the-rules.t
t_154_decide_agrees_with_the_rules_t_SOURCES = t/unit/decide_rules.c $(DECIDE_FIXTURE)
t_154_decide_agrees_with_the_rules_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_154_decide_agrees_with_the_rules_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/155-decide-every-flag-with-every-row.t
t_155_decide_every_flag_with_every_row_t_SOURCES = t/unit/decide_flags.c $(DECIDE_FIXTURE)
t_155_decide_every_flag_with_every_row_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_155_decide_every_flag_with_every_row_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/156-decide-odd-input.t
t_156_decide_odd_input_t_SOURCES = t/unit/decide_odd.c $(DECIDE_FIXTURE)
t_156_decide_odd_input_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_156_decide_odd_input_t_LDADD = $(PURE_TEST_LIBS)

# With libcrypto, which makes its MAC.
check_PROGRAMS += t/157-decide-dialog-pin.t
t_157_decide_dialog_pin_t_SOURCES = t/unit/decide_pin.c $(DECIDE_FIXTURE)
t_157_decide_dialog_pin_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_157_decide_dialog_pin_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/158-decide-dialogs-keep-their-requirement.t
t_158_decide_dialogs_keep_their_requirement_t_SOURCES = t/unit/decide_dialog.c $(DECIDE_FIXTURE)
t_158_decide_dialogs_keep_their_requirement_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_158_decide_dialogs_keep_their_requirement_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/159-decide-all-flags.t
t_159_decide_all_flags_t_SOURCES = t/unit/decide_all.c $(DECIDE_FIXTURE)
t_159_decide_all_flags_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_159_decide_all_flags_t_LDADD = $(PURE_TEST_LIBS)
