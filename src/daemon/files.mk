# Sources of src/daemon: the two programs, and the unit that starts the first.
libedge_a_SOURCES += \
    src/daemon/configuration_file.h src/daemon/configuration_file.c \
    src/daemon/options.h src/daemon/options.c \
    src/daemon/service.h src/daemon/service.c \
    src/daemon/descriptors.h src/daemon/descriptors.c \
    src/daemon/memory_return.h src/daemon/memory_return.c \
    src/daemon/policy_watch.h src/daemon/policy_watch.c \
    src/daemon/connection_row.h src/daemon/connection_row.c \
    src/daemon/daemon.h src/daemon/daemon.c

sbin_PROGRAMS = trelayd
trelayd_SOURCES = src/daemon/main.c
trelayd_LDADD = $(EDGE_LIBS)

bin_PROGRAMS = trelayctl
trelayctl_SOURCES = src/daemon/ctl_main.c
trelayctl_LDADD = $(EDGE_LIBS)

nodist_systemdsystemunit_DATA = src/daemon/trelayd.service
src/daemon/trelayd.service: src/daemon/trelayd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) src/daemon && $(SED) 's|[@]sbindir[@]|$(sbindir)|' '$(srcdir)/src/daemon/trelayd.service.in' > $@
EXTRA_DIST += src/daemon/trelayd.service.in
CLEANFILES += src/daemon/trelayd.service
