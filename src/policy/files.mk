# Sources of src/policy, in libpure.
libpure_a_SOURCES += \
    src/policy/reason.h src/policy/reason.c \
    src/policy/level.h src/policy/level.c \
    src/policy/verdict.h \
    src/policy/name.h src/policy/name.c \
    src/policy/lookup_order.h \
    src/policy/flag.h \
    src/policy/row.h \
    src/policy/snapshot.h \
    src/policy/lookup.h
