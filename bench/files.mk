# Files of bench for make dist.

EXTRA_PROGRAMS += bench/sip_parse
bench_sip_parse_SOURCES = bench/sip_parse.c
bench_sip_parse_LDADD = libpure.a
EXTRA_PROGRAMS += bench/tls_record
bench_tls_record_SOURCES = bench/tls_record.c
bench_tls_record_LDADD = $(EDGE_LIBS)
EXTRA_PROGRAMS += bench/policy_lookup
bench_policy_lookup_SOURCES = bench/policy_lookup.c
bench_policy_lookup_LDADD = libpure.a
