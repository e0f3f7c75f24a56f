# Unit tests of src/transaction. Program t/NNN-name.t from t/unit/name.c.
TRANSACTION_EDGE = t/unit/transaction_edge.c t/unit/transaction_edge.h

check_PROGRAMS += t/130-transaction-machines-follow-the-rfc.t
t_130_transaction_machines_follow_the_rfc_t_SOURCES = t/unit/transaction_machines.c
t_130_transaction_machines_follow_the_rfc_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_130_transaction_machines_follow_the_rfc_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/131-transaction-timers.t
t_131_transaction_timers_t_SOURCES = t/unit/transaction_timers.c
t_131_transaction_timers_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_131_transaction_timers_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/132-transaction-handles-and-branches.t
t_132_transaction_handles_and_branches_t_SOURCES = t/unit/transaction_names.c
t_132_transaction_handles_and_branches_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_132_transaction_handles_and_branches_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/133-transaction-server.t
t_133_transaction_server_t_SOURCES = t/unit/transaction_server.c $(TRANSACTION_EDGE)
t_133_transaction_server_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_133_transaction_server_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/134-transaction-client.t
t_134_transaction_client_t_SOURCES = t/unit/transaction_client.c $(TRANSACTION_EDGE)
t_134_transaction_client_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_134_transaction_client_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/135-transaction-best-response.t
t_135_transaction_best_response_t_SOURCES = t/unit/transaction_best.c
t_135_transaction_best_response_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_135_transaction_best_response_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/136-transaction-forward.t
t_136_transaction_forward_t_SOURCES = t/unit/transaction_forward.c $(TRANSACTION_EDGE)
t_136_transaction_forward_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_136_transaction_forward_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/137-transaction-cancel.t
t_137_transaction_cancel_t_SOURCES = t/unit/transaction_cancel.c $(TRANSACTION_EDGE)
t_137_transaction_cancel_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_137_transaction_cancel_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/138-transaction-failover.t
t_138_transaction_failover_t_SOURCES = t/unit/transaction_failover.c $(TRANSACTION_EDGE)
t_138_transaction_failover_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_138_transaction_failover_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/140-transaction-memory-runs-out.t
t_140_transaction_memory_runs_out_t_SOURCES = t/unit/transaction_memory.c t/unit/refused_memory.h $(TRANSACTION_EDGE)
t_140_transaction_memory_runs_out_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_140_transaction_memory_runs_out_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
t_140_transaction_memory_runs_out_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/141-transaction-random-scenarios.t
t_141_transaction_random_scenarios_t_SOURCES = t/unit/transaction_random.c $(TRANSACTION_EDGE)
t_141_transaction_random_scenarios_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_141_transaction_random_scenarios_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/142-transaction-odd-moments.t
t_142_transaction_odd_moments_t_SOURCES = t/unit/transaction_seldom.c $(TRANSACTION_EDGE)
t_142_transaction_odd_moments_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_142_transaction_odd_moments_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/143-transaction-calls-within-calls.t
t_143_transaction_calls_within_calls_t_SOURCES = t/unit/transaction_within.c $(TRANSACTION_EDGE)
t_143_transaction_calls_within_calls_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_143_transaction_calls_within_calls_t_LDADD = $(PURE_TEST_LIBS)

check_PROGRAMS += t/144-transaction-quiet-targets.t
t_144_transaction_quiet_targets_t_SOURCES = t/unit/transaction_quiet.c $(TRANSACTION_EDGE)
t_144_transaction_quiet_targets_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_144_transaction_quiet_targets_t_LDADD = $(PURE_TEST_LIBS)
