# Sources of src/policy, in libpure.
libpure_a_SOURCES += \
    src/policy/reason.h src/policy/reason.c \
    src/policy/level.h src/policy/level.c \
    src/policy/verdict.h \
    src/policy/name.h src/policy/name.c \
    src/policy/lookup_order.h src/policy/lookup_order.c \
    src/policy/flag.h src/policy/flag.c \
    src/policy/row.h \
    src/policy/snapshot.h src/policy/snapshot_private.h src/policy/snapshot.c \
    src/policy/row_store.c src/policy/row_key.c src/policy/row_check.c \
    src/policy/row_index.h src/policy/row_index.c \
    src/policy/text_pool.h src/policy/text_pool.c \
    src/policy/builder_private.h src/policy/builder.c src/policy/builder_finish.c \
    src/policy/lookup.h src/policy/lookup.c src/policy/lookup_inbound.c src/policy/lookup_route.c
