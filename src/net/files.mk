# Sources of src/net, in libedge.
libedge_a_SOURCES += \
    src/net/socket_address.h src/net/socket_address.c \
    src/net/socket_option.h src/net/socket_option.c \
    src/net/net_scratch.h src/net/net_scratch.c \
    src/net/udp_steering.h src/net/udp_steering.c \
    src/net/udp.h src/net/udp.c \
    src/net/listener.h src/net/listener.c \
    src/net/stream.h src/net/stream.c \
    src/net/service_order.h src/net/service_order.c \
    src/net/dns_answer.h src/net/dns_answer.c \
    src/net/resolver.h src/net/resolver.c \
    src/net/locate.h src/net/locate.c
