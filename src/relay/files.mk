# Sources of src/relay, in libedge.
libedge_a_SOURCES += \
    src/relay/settings.h src/relay/settings.c \
    src/relay/own_uri.h src/relay/own_uri.c \
    src/relay/routing.h src/relay/routing.c \
    src/relay/next_hop.h src/relay/next_hop.c \
    src/relay/proxy_rules.h src/relay/proxy_rules.c \
    src/relay/dialog.h src/relay/dialog.c \
    src/relay/outgoing.h src/relay/intake.h src/relay/intake.c \
    src/relay/relay.h src/relay/relay.c \
    src/relay/worker.h src/relay/worker.c src/relay/worker_life.h \
    src/relay/sender.h src/relay/sender.c \
    src/relay/hop.c \
    src/relay/hop_table.h src/relay/hop_table.c \
    src/relay/exchange.c src/relay/receive.c src/relay/request.c \
    src/relay/decision_log.h src/relay/decision_log.c src/relay/held.h src/relay/held.c \
    src/relay/t_relay.c src/relay/outgoing.c src/relay/transmit.c \
    src/relay/operations.c src/relay/question.c src/relay/probe.c \
    src/relay/live.h src/relay/live.c
