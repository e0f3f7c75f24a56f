# Unit tests of src/flow. Program t/NNN-name.t from t/unit/name.c.
check_PROGRAMS += t/481-flow-pool-keeps-connections-apart.t
t_481_flow_pool_keeps_connections_apart_t_SOURCES = t/unit/flow_pool.c $(DECIDE_FIXTURE) $(LOOP_FIXTURE)
t_481_flow_pool_keeps_connections_apart_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_481_flow_pool_keeps_connections_apart_t_LDADD = $(EDGE_TEST_LIBS)
