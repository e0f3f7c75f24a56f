# Fuzz targets: t/fuzz/NAME.c, libFuzzer with ASan and UBSan, over sources compiled for it.
#   make fuzz                     each target for FUZZ_SECONDS, from its seeds in t/fuzz/corpus/NAME
#   make fuzz FUZZ_TARGETS=NAME   one of them
# Words for it are in t/fuzz/dict/NAME.dict, or in that of the first part of its name.
# What a run finds beyond the seeds stays in build-fuzz/corpus; an input that fails lies in build-fuzz/found.
FUZZ_TARGETS = sip_message sip_framing sip_content_length sip_uri sip_via sip_name_addr sip_route flags connection_key \
    certificate client_hello dialog_pin
FUZZ_SECONDS = 60
FUZZ_CC = clang
FUZZ_CFLAGS = -std=c17 -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all $(WARNING_CFLAGS)
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS) $(WOLFSSL_CFLAGS)
FUZZ_SANITIZERS = address,undefined

EXTRA_DIST += t/fuzz/must.h t/fuzz/dict t/fuzz/corpus \
    t/fuzz/sip_message.c t/fuzz/sip_framing.c t/fuzz/sip_content_length.c t/fuzz/sip_uri.c t/fuzz/sip_via.c \
    t/fuzz/sip_name_addr.c t/fuzz/sip_route.c \
    t/fuzz/flags.c t/fuzz/connection_key.c t/fuzz/certificate.c t/fuzz/certificate_anchor.h t/fuzz/client_hello.c t/fuzz/dialog_pin.c

# All see the pure half; what else a target needs is named here.
fuzz_objects = $(patsubst %.c,build-fuzz/%.o,$(filter $(1),$(2)))
FUZZ_PURE = $(call fuzz_objects,%.c,$(libpure_a_SOURCES))
FUZZ_OBJECTS_certificate = $(call fuzz_objects,src/pkix/%.c,$(libedge_a_SOURCES))
FUZZ_LIBS_certificate = $(CRYPTO_LIBS)
FUZZ_OBJECTS_client_hello = $(call fuzz_objects,$(addprefix src/tls/,client_hello.c tls_settings.c tls_library.c),\
    $(libedge_a_SOURCES))
FUZZ_LIBS_client_hello = $(WOLFSSL_LIBS)
FUZZ_OBJECTS = $(FUZZ_PURE) $(foreach target,$(FUZZ_TARGETS),$(FUZZ_OBJECTS_$(target)))
FUZZ_EXECUTABLES = $(addprefix build-fuzz/,$(FUZZ_TARGETS))

build-fuzz/src/%.o: $(srcdir)/src/%.c
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZERS) $(FUZZ_CPPFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_EXECUTABLES): build-fuzz/%: $(srcdir)/t/fuzz/%.c $(srcdir)/t/fuzz/must.h $(FUZZ_OBJECTS)
	$(AM_V_CCLD)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer,$(FUZZ_SANITIZERS) $(FUZZ_CPPFLAGS) \
	    -I$(srcdir)/t/fuzz -o $@ $< $(FUZZ_PURE) $(FUZZ_OBJECTS_$(@F)) $(FUZZ_LIBS_$(@F))

-include $(FUZZ_OBJECTS:.o=.d)

.PHONY: fuzz fuzz-compiler $(FUZZ_TARGETS:%=fuzz-%)
fuzz-compiler:
	@command -v $(FUZZ_CC) >/dev/null || { echo 'fuzz: $(FUZZ_CC) is not there, and only clang brings libFuzzer'; exit 1; }

fuzz: fuzz-compiler
	@$(MAKE) -s -j$(TEST_JOBS) $(FUZZ_EXECUTABLES)
	@$(MAKE) -s -j$(TEST_JOBS) $(FUZZ_TARGETS:%=fuzz-%)

$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: build-fuzz/%
	@$(MKDIR_P) build-fuzz/found build-fuzz/corpus/$*
	@words=; for name in $* $(firstword $(subst _, ,$*)); do \
	    dict='$(srcdir)'/t/fuzz/dict/$$name.dict; \
	    if test -z "$$words" && test -f "$$dict"; then words=-dict=$$dict; fi; \
	done; \
	build-fuzz/$* -max_total_time=$(FUZZ_SECONDS) $$words -timeout=10 -print_final_stats=1 \
	    -artifact_prefix=build-fuzz/found/$*- build-fuzz/corpus/$* '$(srcdir)'/t/fuzz/corpus/$* \
	    >build-fuzz/$*.log 2>&1 || \
	    { tail -n 60 build-fuzz/$*.log; echo "fuzz: $* failed, its input is in build-fuzz/found"; exit 1; }; \
	echo "fuzz: $*: $$($(SED) -n 's/^stat::number_of_executed_units: *//p' build-fuzz/$*.log) inputs in $(FUZZ_SECONDS) s"
