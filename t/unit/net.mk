# Unit tests of src/net. Program t/NNN-name.t from t/unit/name.c.
check_PROGRAMS += t/460-net-udp-reaches-its-worker.t
t_460_net_udp_reaches_its_worker_t_SOURCES = t/unit/net_udp.c $(LOOP_FIXTURE)
t_460_net_udp_reaches_its_worker_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_460_net_udp_reaches_its_worker_t_LDADD = $(EDGE_TEST_LIBS)
t_460_net_udp_reaches_its_worker_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmmsg

check_PROGRAMS += t/461-net-listener-survives-exhaustion.t
t_461_net_listener_survives_exhaustion_t_SOURCES = t/unit/net_listener.c $(LOOP_FIXTURE)
t_461_net_listener_survives_exhaustion_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_461_net_listener_survives_exhaustion_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/462-net-stream-carries-and-ends.t
t_462_net_stream_carries_and_ends_t_SOURCES = t/unit/net_stream.c $(LOOP_FIXTURE)
t_462_net_stream_carries_and_ends_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_462_net_stream_carries_and_ends_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/463-net-service-order.t
t_463_net_service_order_t_SOURCES = t/unit/net_service_order.c
t_463_net_service_order_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_463_net_service_order_t_LDADD = $(EDGE_TEST_LIBS)

# Locating by name against a real name server, for script tests.
noinst_PROGRAMS += t/net-locate
t_net_locate_SOURCES = t/unit/net_locate.c
t_net_locate_LDADD = $(EDGE_LIBS)

check_PROGRAMS += t/464-net-memory-refused.t
t_464_net_memory_refused_t_SOURCES = t/unit/net_memory.c t/unit/refused_memory.h $(LOOP_FIXTURE)
t_464_net_memory_refused_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_464_net_memory_refused_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
t_464_net_memory_refused_t_LDADD = $(EDGE_TEST_LIBS)
