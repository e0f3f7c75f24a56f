# How the tests run: every t/*.t under prove, the programs built from t/unit among them.
#   make check                 all of them;  make check ONLY='4*'  those whose name begins so
#   make check-unit            the C programs;  make check-house  the house rules;  make check-tls  4xx to 6xx
#   make lint                  the house rules and what the tools at hand say
#   make asan ubsan tsan       unit, TLS and end-to-end tests in a build folder of their own with that sanitizer
#   make coverage              the same tests built for gcov; prints the coverage of each directory
UNIT_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) -I$(srcdir)/t/unit
PURE_TEST_LIBS = libpure.a $(CMOCKA_LIBS)
EDGE_TEST_LIBS = $(EDGE_LIBS) $(CMOCKA_LIBS)

ONLY = *
TEST_JOBS = 2
# Faults need the machine for themselves; all else may run side by side. What is skipped is shown.
PROVEFLAGS = -j$(TEST_JOBS) --directives --rules='seq=**t/6*' --rules='par=**'
TEST_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)'

PROGRAM_TESTS = $(filter t/$(subst *,%,$(ONLY)),$(check_PROGRAMS))
SCRIPT_TESTS = $(filter-out $(addprefix $(srcdir)/,$(check_PROGRAMS)),$(wildcard $(srcdir)/t/$(ONLY).t))
# What tells something about memory and threads; the house rules read the tree and the plain build.
RUNNING_TESTS = $(check_PROGRAMS) $(filter $(foreach range,2 4 5 6 8,$(srcdir)/t/$(range)%),$(SCRIPT_TESTS))
# What another build of wolfSSL could change.
TLS_TESTS = $(filter $(foreach range,4 5 6,t/$(range)% $(srcdir)/t/$(range)%),$(check_PROGRAMS) $(SCRIPT_TESTS))

.PHONY: check-programs check-unit check-house check-tls check-running lint asan ubsan tsan coverage
check-local:
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(sort $(PROGRAM_TESTS) $(SCRIPT_TESTS))

# The libraries and all test programs, nothing run: make -j check-programs. all-am, for all is a make of its own that
# would build the same objects at the same time.
check-programs: all-am $(check_PROGRAMS)

check-unit: $(check_PROGRAMS)
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(PROGRAM_TESTS)

check-house: all-am
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(wildcard $(srcdir)/t/0*.t)

check-tls: all-am $(check_PROGRAMS)
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(sort $(TLS_TESTS))

check-running: all-am $(check_PROGRAMS)
	@$(TEST_ENVIRONMENT) $(PROVE) $(PROVEFLAGS) $(sort $(RUNNING_TESTS))

lint: all
	@$(srcdir)/scripts/lint '$(abs_top_builddir)'

# A report of a sanitizer ends the process with a status that no test expects.
SANITIZER_ENVIRONMENT = \
    ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1:exitcode=99 \
    LSAN_OPTIONS=suppressions='$(abs_top_srcdir)/t/data/leaks.suppressions':print_suppressions=0 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99 \
    TSAN_OPTIONS=suppressions='$(abs_top_srcdir)/t/data/races.suppressions':halt_on_error=1:second_deadlock_stack=1:exitcode=99

# Sanitizers see other paths through the code and warn of what cannot be: warnings are errors in the plain build only.
# $(call build_and_check,FOLDER,CONFIGURE OPTIONS,COMMAND TO RUN MAKE WITH)
define build_and_check
	$(MKDIR_P) $(1)
	cd $(1) && if test ! -f Makefile; then \
	    '$(abs_top_srcdir)/configure' -q CC='$(CC)' --with-wolfssl='$(with_wolfssl)' \
	        --disable-hardening $(2); fi
	$(MAKE) -C $(1) -s -j$(TEST_JOBS) check-programs
	$(SANITIZER_ENVIRONMENT) $(3) $(MAKE) -C $(1) -s check-running
endef

asan:
	$(call build_and_check,build-asan,--enable-sanitizer=address$(comma)undefined)
ubsan:
	$(call build_and_check,build-ubsan,--enable-sanitizer=undefined)
# Where the kernel scatters mappings wider than the sanitizer expects, it needs them unscattered.
tsan:
	$(call build_and_check,build-tsan,--enable-sanitizer=thread,$$(setarch -R true 2>/dev/null && echo setarch -R))
comma = ,

coverage:
	test ! -d build-coverage || find build-coverage -name '*.gcda' -exec rm -f {} +
	$(call build_and_check,build-coverage,--enable-coverage CFLAGS='-Og -g')
	@$(srcdir)/scripts/coverage build-coverage
