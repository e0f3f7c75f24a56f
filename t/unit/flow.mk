# Unit tests of src/flow. Program t/NNN-name.t from t/unit/name.c.
check_PROGRAMS += t/481-flow-pool-keeps-connections-apart.t
t_481_flow_pool_keeps_connections_apart_t_SOURCES = t/unit/flow_pool.c $(DECIDE_FIXTURE) $(LOOP_FIXTURE)
t_481_flow_pool_keeps_connections_apart_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_481_flow_pool_keeps_connections_apart_t_LDADD = $(EDGE_TEST_LIBS)

FLOW_BENCH = t/unit/flow_bench.h t/unit/flow_bench.c t/unit/tls_peer.h t/unit/tls_peer.c $(TLS_BENCH) \
    $(DECIDE_FIXTURE) $(LOOP_FIXTURE)
check_PROGRAMS += t/482-flow-classes-have-budgets-of-their-own.t
t_482_flow_classes_have_budgets_of_their_own_t_SOURCES = t/unit/flow_limit.c $(FLOW_BENCH)
t_482_flow_classes_have_budgets_of_their_own_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_482_flow_classes_have_budgets_of_their_own_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/483-flow-publishes-what-todays-policy-yields.t
t_483_flow_publishes_what_todays_policy_yields_t_SOURCES = t/unit/flow_stale.c $(FLOW_BENCH)
t_483_flow_publishes_what_todays_policy_yields_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_483_flow_publishes_what_todays_policy_yields_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/484-flow-holds-the-floor-against-the-library.t
t_484_flow_holds_the_floor_against_the_library_t_SOURCES = t/unit/flow_floor.c $(FLOW_BENCH)
t_484_flow_holds_the_floor_against_the_library_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS) $(WOLFSSL_CFLAGS)
t_484_flow_holds_the_floor_against_the_library_t_LDFLAGS = $(AM_LDFLAGS) \
    -Wl,--wrap=tls_session_facts,--wrap=wolfSSL_CTX_set_verify,--wrap=wolfSSL_set_verify
t_484_flow_holds_the_floor_against_the_library_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/486-flow-backoff.t
t_486_flow_backoff_t_SOURCES = t/unit/flow_backoff.c
t_486_flow_backoff_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_486_flow_backoff_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/493-flow-keepalive.t
t_493_flow_keepalive_t_SOURCES = t/unit/flow_keepalive.c
t_493_flow_keepalive_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_493_flow_keepalive_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/487-flow-upgrades-what-proves-itself-now.t
t_487_flow_upgrades_what_proves_itself_now_t_SOURCES = t/unit/flow_upgrade.c $(FLOW_BENCH)
t_487_flow_upgrades_what_proves_itself_now_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_487_flow_upgrades_what_proves_itself_now_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=tls_session_facts
t_487_flow_upgrades_what_proves_itself_now_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/489-flow-keeps-apart-what-must-not-meet.t
t_489_flow_keeps_apart_what_must_not_meet_t_SOURCES = t/unit/flow_apart.c $(FLOW_BENCH)
t_489_flow_keeps_apart_what_must_not_meet_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_489_flow_keeps_apart_what_must_not_meet_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/491-flow-holds-connections-against-todays-policy.t
t_491_flow_holds_connections_against_todays_policy_t_SOURCES = t/unit/flow_review.c $(FLOW_BENCH)
t_491_flow_holds_connections_against_todays_policy_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_491_flow_holds_connections_against_todays_policy_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=verdict_take
t_491_flow_holds_connections_against_todays_policy_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/845-a-clock-that-is-set-back-lengthens-no-age.t
t_845_a_clock_that_is_set_back_lengthens_no_age_t_SOURCES = t/unit/flow_clock.c $(FLOW_BENCH)
t_845_a_clock_that_is_set_back_lengthens_no_age_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_845_a_clock_that_is_set_back_lengthens_no_age_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=loop_wall_s,--wrap=loop_now_ms
t_845_a_clock_that_is_set_back_lengthens_no_age_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/492-flow-times-each-message.t
t_492_flow_times_each_message_t_SOURCES = t/unit/flow_message.c $(FLOW_BENCH)
t_492_flow_times_each_message_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_492_flow_times_each_message_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=loop_wall_s,--wrap=loop_now_ms
t_492_flow_times_each_message_t_LDADD = $(EDGE_TEST_LIBS)
check_PROGRAMS += t/494-flow-probe-carries-nobody.t
t_494_flow_probe_carries_nobody_t_SOURCES = t/unit/flow_probe.c $(FLOW_BENCH)
t_494_flow_probe_carries_nobody_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(CRYPTO_CFLAGS)
t_494_flow_probe_carries_nobody_t_LDADD = $(EDGE_TEST_LIBS)

# The model-based test, layer A: the real pool with fakes of loop, net, tls and verdict linked in their place.
FLOW_MODEL = t/unit/model.h t/unit/model_world.c t/unit/model_oracle.c t/unit/model_request.c t/unit/model_inbound.c \
    t/unit/model_loop.c t/unit/model_net.c t/unit/model_tls.c t/unit/model_direct.c \
    t/unit/model_schedule.c t/unit/model_trace.c t/unit/model_memory.c
check_PROGRAMS += t/495-flow-model-sends-only-where-it-may.t
t_495_flow_model_sends_only_where_it_may_t_SOURCES = t/unit/flow_model.c $(FLOW_MODEL)
t_495_flow_model_sends_only_where_it_may_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_495_flow_model_sends_only_where_it_may_t_LDFLAGS = $(AM_LDFLAGS) \
    -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
t_495_flow_model_sends_only_where_it_may_t_LDADD = $(EDGE_TEST_LIBS)
