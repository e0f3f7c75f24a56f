# How the tests run: every t/*.t under prove, the programs built from t/unit among them.
#   make check                 all of them;  make check ONLY='4*'  those whose name begins so
#   make check ONLY='0* 1*'    several such; make distcheck takes it as well
#   make check-unit            the C programs;  make check-house  the house rules;  make check-tls  4xx to 6xx, 81x, 83x, 84x
#   make lint                  the house rules and what the tools at hand say
#   make asan ubsan            every test that runs our code in a build folder of its own with that sanitizer
#   make tsan                  likewise those in which there is more than one thread, the daemon's among them
#   make coverage              the same tests built for gcov; prints the coverage of each directory
#   make model                 random operations against the model, MODEL_SECONDS (an hour) for each of asan and tsan;
#                              model-asan, model-tsan: one of them
#   make mutants               are the seeded bugs of t/mutants found? Minutes; in a copy of the tree
UNIT_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) -I$(srcdir)/t/unit
PURE_TEST_LIBS = libpure.a $(CMOCKA_LIBS)
EDGE_TEST_LIBS = $(EDGE_LIBS) $(CMOCKA_LIBS)

ONLY = *
TEST_JOBS = 2
# Loads need the machine for themselves; all else may run side by side. What is skipped is shown.
PROVEFLAGS = -j$(TEST_JOBS) --timer --directives --rules='seq=**t/64*' --rules='par=**'
TEST_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)'

# A cluster with the schema, which tests copy (t/lib/Trelay/Postgres.pm).
CLEANFILES += t/cluster.lock t/cluster-*.tar*

PROGRAM_TESTS = $(filter $(addprefix t/,$(subst *,%,$(ONLY))),$(check_PROGRAMS))
# Those that take long run when they are asked for: make check ONLY='9*'.
LONG_TESTS = $(if $(filter 9%,$(ONLY)),,$(wildcard $(srcdir)/t/9*.t))
SCRIPT_TESTS = $(filter-out $(addprefix $(srcdir)/,$(check_PROGRAMS)) $(LONG_TESTS),\
    $(wildcard $(ONLY:%=$(srcdir)/t/%.t)))
# The tests whose numbers begin with one of those: $(call numbered,4 50)
numbered = $(filter $(foreach number,$(1),t/$(number)% $(srcdir)/t/$(number)%),$(PROGRAM_TESTS) $(SCRIPT_TESTS))
# What tells something about memory: all that runs our code. Left out are the rules of the tree, SQL by itself, the
# model, what measures memory or rules who gets any, and tests of fixtures, of the linker and of scripts.
RUNNING_TESTS = $(filter-out $(call numbered,160 401 431 432 433 640 650 848 849 855 856),$(call numbered,1 2 32 4 5 6 8))
# What tells something about threads.
THREADED_TESTS = $(filter-out $(call numbered,320 431 432 433 440 495 640 650 848 849 855 856),$(call numbered,32 406 42 43 45 46 47 48 49 5 6 8))
# Of those what has the most of them at work on the same things: loops, sockets, connections, calls through the daemon.
CORE_TESTS = $(filter-out $(call numbered,495),$(call numbered,45 46 48 49 500 510 513 514 532))
# What another build of wolfSSL could change, without what never meets it, the long loads and the models.
TLS_TESTS = $(filter-out $(call numbered,401 408 432 433 495 640 641 642 643 650 660),\
    $(call numbered,4 5 6 81 83 840 841 842 844))
# Those that take longest begin first, so that none is waited for alone in the end.
LONGEST_TESTS = $(call numbered,160 300 408 440 545 650 841)
in_order = $(sort $(filter $(LONGEST_TESTS),$(1))) $(sort $(filter-out $(LONGEST_TESTS),$(1)))

.PHONY: check-programs check-unit check-house check-tls check-running check-threaded \
    check-core programs-tls programs-running programs-threaded programs-core lint \
    asan asan-system programs-asan-system ubsan tsan tsan-core programs-tsan-core model model-asan model-tsan programs-model check-model coverage mutants
check-local:
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(call in_order,$(PROGRAM_TESTS) $(SCRIPT_TESTS))

# The libraries and all test programs, nothing run: make -j check-programs. all-am, for all is a make of its own that
# would build the same objects at the same time.
check-programs: all-am $(check_PROGRAMS)

check-unit: $(check_PROGRAMS)
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(PROGRAM_TESTS)

check-house: all-am
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(wildcard $(srcdir)/t/0*.t)

# programs-GROUP builds what check-GROUP runs, in parallel when asked to.
programs-tls: all-am $(filter $(check_PROGRAMS),$(TLS_TESTS))
programs-running: all-am $(filter $(check_PROGRAMS),$(RUNNING_TESTS))
programs-threaded: all-am $(filter $(check_PROGRAMS),$(THREADED_TESTS))
programs-core: all-am $(filter $(check_PROGRAMS),$(CORE_TESTS))

check-tls: programs-tls
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(call in_order,$(TLS_TESTS))

check-running: programs-running
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(call in_order,$(RUNNING_TESTS))

check-core: programs-core
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(sort $(CORE_TESTS))

check-threaded: programs-threaded
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(call in_order,$(THREADED_TESTS))

lint: all
	@$(srcdir)/scripts/lint '$(abs_top_builddir)'

# A report of a sanitizer ends the process with a status that no test expects. What is slower is waited for longer.
SANITIZER_ENVIRONMENT = TEST_PATIENCE=6 \
    ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1:exitcode=99 \
    LSAN_OPTIONS=suppressions='$(abs_top_srcdir)/t/data/leaks.suppressions':print_suppressions=0 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99 \
    TSAN_OPTIONS=suppressions='$(abs_top_srcdir)/t/data/races.suppressions':halt_on_error=1:second_deadlock_stack=1:exitcode=99

# Sanitizers see other paths through the code and warn of what cannot be: warnings are errors in the plain build only.
# $(call build_in,FOLDER,CONFIGURE OPTIONS,GROUP OF TESTS,,WOLFSSL)
define build_in
	$(MKDIR_P) $(1)
	cd $(1) && if test ! -f Makefile; then \
	    '$(abs_top_srcdir)/configure' -q CC='$(CC)' --with-wolfssl='$(or $(5),$(with_wolfssl))' \
	        --disable-hardening $(2); fi
	$(MAKE) -C $(1) -s -j$(TEST_JOBS) programs-$(3)
endef
# $(call build_and_check,FOLDER,CONFIGURE OPTIONS,GROUP OF TESTS,COMMAND TO RUN MAKE WITH,WOLFSSL)
define build_and_check
	$(build_in)
	$(SANITIZER_ENVIRONMENT) $(4) $(MAKE) -C $(1) -s check-$(3)
endef

asan:
	$(call build_and_check,build-asan,--enable-sanitizer=address$(comma)undefined,running)
# Two questions in one build: are the tests of TLS the same with Debian's library, and is memory used well in them?
asan-system:
	$(call build_and_check,build-system,--enable-sanitizer=address$(comma)undefined,tls,,system)
programs-asan-system:
	$(call build_in,build-system,--enable-sanitizer=address$(comma)undefined,tls,,system)
ubsan:
	$(call build_and_check,build-ubsan,--enable-sanitizer=undefined,running)
# Where the kernel scatters mappings wider than the sanitizer expects, it needs them unscattered.
tsan:
	$(call build_and_check,build-tsan,--enable-sanitizer=thread,threaded,$(UNSCATTERED))
tsan-core:
	$(call build_and_check,build-tsan,--enable-sanitizer=thread,core,$(UNSCATTERED))
programs-tsan-core:
	$(call build_in,build-tsan,--enable-sanitizer=thread,core)
# The daemon alone, under both, with random operations for as long as one likes: MODEL_SECONDS=600 SEED=7
MODEL_SECONDS = 3600
programs-model: all-am
check-model: programs-model
	@$(TEST_ENVIRONMENT) TEST_SECONDS=$(MODEL_SECONDS) $(PROVE) -v $(srcdir)/t/961-*.t
model: model-asan model-tsan
model-asan:
	$(call build_and_check,build-asan,--enable-sanitizer=address$(comma)undefined,model)
model-tsan:
	$(call build_and_check,build-tsan,--enable-sanitizer=thread,model,$(UNSCATTERED))
UNSCATTERED = $$(setarch -R true 2>/dev/null && echo setarch -R)
comma = ,

coverage:
	test ! -d build-coverage || find build-coverage -name '*.gcda' -exec rm -f {} +
	$(call build_and_check,build-coverage,--enable-coverage CFLAGS='-O0 -g',running)
	@$(srcdir)/scripts/coverage --at-least sip=100 --at-least decide=100 --at-least transaction=100 build-coverage

mutants:
	@$(srcdir)/scripts/mutants --build build-mutants --configure "CC='$(CC)' --with-wolfssl='$(with_wolfssl)'"
