# Files of bench for make dist.

EXTRA_PROGRAMS += bench/sip_parse
bench_sip_parse_SOURCES = bench/sip_parse.c
bench_sip_parse_LDADD = libpure.a
