# Unit tests of src/log and src/loop. Program t/NNN-name.t from t/unit/name.c.
check_PROGRAMS += t/450-log-line-escapes-values.t
t_450_log_line_escapes_values_t_SOURCES = t/unit/log_line.c
t_450_log_line_escapes_values_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_450_log_line_escapes_values_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/451-log-sink-never-waits.t
t_451_log_sink_never_waits_t_SOURCES = t/unit/log_sink.c
t_451_log_sink_never_waits_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_451_log_sink_never_waits_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/455-log-limits-what-strangers-can-cause.t
t_455_log_limits_what_strangers_can_cause_t_SOURCES = t/unit/log_limiter.c
t_455_log_limits_what_strangers_can_cause_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_455_log_limits_what_strangers_can_cause_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/452-loop-timers-fire-in-time.t
t_452_loop_timers_fire_in_time_t_SOURCES = t/unit/loop_wheel.c
t_452_loop_timers_fire_in_time_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_452_loop_timers_fire_in_time_t_LDADD = $(EDGE_TEST_LIBS)

LOOP_FIXTURE = t/unit/loop_fixture.h t/unit/loop_fixture.c

check_PROGRAMS += t/453-loop-turns-have-an-order.t
t_453_loop_turns_have_an_order_t_SOURCES = t/unit/loop_turn.c $(LOOP_FIXTURE)
t_453_loop_turns_have_an_order_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_453_loop_turns_have_an_order_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/454-loop-mailbox-keeps-order.t
t_454_loop_mailbox_keeps_order_t_SOURCES = t/unit/loop_mailbox.c $(LOOP_FIXTURE)
t_454_loop_mailbox_keeps_order_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_454_loop_mailbox_keeps_order_t_LDADD = $(EDGE_TEST_LIBS)
