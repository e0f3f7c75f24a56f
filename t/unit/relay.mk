# Unit tests of src/relay. Program t/NNN-name.t from t/unit/name.c.
check_PROGRAMS += t/480-relay-routing-follows-route.t
t_480_relay_routing_follows_route_t_SOURCES = t/unit/relay_routing.c t/unit/sip_support.h t/unit/sip_support.c \
    $(POLICY_FIXTURE)
t_480_relay_routing_follows_route_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_480_relay_routing_follows_route_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/485-relay-next-hop-keeps-the-scheme.t
t_485_relay_next_hop_keeps_the_scheme_t_SOURCES = t/unit/relay_next_hop.c $(POLICY_FIXTURE)
t_485_relay_next_hop_keeps_the_scheme_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_485_relay_next_hop_keeps_the_scheme_t_LDADD = $(EDGE_TEST_LIBS)

check_PROGRAMS += t/488-relay-proxy-rules.t
t_488_relay_proxy_rules_t_SOURCES = t/unit/relay_rules.c t/unit/sip_support.h t/unit/sip_support.c $(POLICY_FIXTURE)
t_488_relay_proxy_rules_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_488_relay_proxy_rules_t_LDADD = $(EDGE_TEST_LIBS)

# Scenarios in files (t/data/scenario) on the pure core: a made-up clock and wires.
check_PROGRAMS += t/200-scenarios-run-the-core.t
t_200_scenarios_run_the_core_t_SOURCES = t/unit/scenario.c t/unit/scenario.h t/unit/scenario_file.c \
    t/unit/scenario_relay.c t/unit/scenario_agent.c t/unit/scenario_match.c
t_200_scenarios_run_the_core_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_200_scenarios_run_the_core_t_LDADD = $(EDGE_TEST_LIBS)

# The daemon, short of memory when a test wants it; its slabs ask for each object by itself, so that each can be refused.
noinst_PROGRAMS += t/trelayd-short
t_trelayd_short_SOURCES = src/daemon/main.c src/base/slab.c t/unit/short_memory.c \
    t/unit/refused_memory.h
t_trelayd_short_CPPFLAGS = $(UNIT_CPPFLAGS) -DEACH_BY_ITSELF=true
t_trelayd_short_LDADD = $(EDGE_LIBS)
t_trelayd_short_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
