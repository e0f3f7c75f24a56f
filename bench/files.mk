# Load programs and measurements of single steps: make bench-tools builds them, bench/README says how to use them.
BENCH_TOOLS = bench/siplite bench/tlschurn bench/bare_pipe bench/sip_parse bench/tls_record \
    bench/policy_lookup
EXTRA_PROGRAMS += $(BENCH_TOOLS)
CLEANFILES += $(BENCH_TOOLS)

bench_siplite_SOURCES = bench/siplite.h bench/siplite.c bench/siplite_client.c bench/siplite_server.c \
    bench/endpoint.h bench/endpoint.c bench/tls_peer.h bench/tls_peer.c bench/sip_text.h bench/sip_text.c \
    bench/latency.h bench/latency.c bench/program.h bench/program.c
bench_siplite_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
bench_siplite_LDADD = libpure.a $(CRYPTO_LIBS)

bench_tlschurn_SOURCES = bench/tlschurn.c bench/tls_peer.h bench/tls_peer.c bench/program.h bench/program.c
bench_tlschurn_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
bench_tlschurn_LDADD = libpure.a $(CRYPTO_LIBS)

bench_bare_pipe_SOURCES = bench/bare_pipe.c bench/program.h bench/program.c
bench_bare_pipe_CPPFLAGS = $(AM_CPPFLAGS) $(WOLFSSL_CFLAGS)
bench_bare_pipe_LDADD = libpure.a $(WOLFSSL_LIBS)

bench_sip_parse_SOURCES = bench/sip_parse.c
bench_sip_parse_LDADD = libpure.a

bench_tls_record_SOURCES = bench/tls_record.c
bench_tls_record_LDADD = $(EDGE_LIBS)

bench_policy_lookup_SOURCES = bench/policy_lookup.c
bench_policy_lookup_LDADD = libpure.a

.PHONY: bench-tools
bench-tools: $(BENCH_TOOLS)
