# Sources of src/flow, in libedge.
libedge_a_SOURCES += \
    src/flow/mail.h \
    src/flow/connection_facts.h src/flow/connection_facts.c \
    src/flow/demand.h src/flow/demand.c \
    src/flow/placement.h src/flow/placement.c \
    src/flow/flow_pool.h src/flow/flow_pool.c src/flow/flow_review.c \
    src/flow/flow_private.h src/flow/flow.c \
    src/flow/flow_limit.c src/flow/backoff.h src/flow/backoff.c src/flow/flow_upgrade.c \
    src/flow/keepalive.h src/flow/keepalive.c \
    src/flow/flow_open.c src/flow/flow_probe.c src/flow/flow_accept.c \
    src/flow/flow_verdict.c src/flow/flow_input.c
EXTRA_DIST += src/flow/pool.pml
