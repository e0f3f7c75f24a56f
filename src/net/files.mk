# Sources of src/net, in libedge.
libedge_a_SOURCES += \
    src/net/socket_address.h \
    src/net/net_scratch.h \
    src/net/udp.h \
    src/net/listener.h \
    src/net/stream.h \
    src/net/service_order.h \
    src/net/resolver.h \
    src/net/locate.h
