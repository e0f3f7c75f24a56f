# Sources of src/policy, in libpure.
libpure_a_SOURCES += \
    src/policy/reason.h src/policy/reason.c \
    src/policy/level.h src/policy/level.c \
    src/policy/verdict.h \
    src/policy/name.h src/policy/name.c \
    src/policy/lookup_order.h src/policy/lookup_order.c \
    src/policy/flag.h src/policy/flag.c \
    src/policy/row.h \
    src/policy/snapshot.h src/policy/snapshot.c src/policy/snapshot_private.h src/policy/builder.c \
    src/policy/lookup.h src/policy/lookup.c
