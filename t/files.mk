# How the tests run: every t/*.t under prove, programs built from t/unit among them.
UNIT_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) -I$(srcdir)/t/unit
PURE_TEST_LIBS = libpure.a $(CMOCKA_LIBS)
EDGE_TEST_LIBS = $(EDGE_LIBS) $(CMOCKA_LIBS)

.PHONY: check-unit
check-unit: $(check_PROGRAMS)
	@$(PROVE) $(PROVEFLAGS) $(check_PROGRAMS)
