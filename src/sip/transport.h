/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transport.h - transports as Via and the transport parameter name them. */
#ifndef TRELAY_SIP_TRANSPORT_H
#define TRELAY_SIP_TRANSPORT_H

#include "base/slice.h"

#include <stdbool.h>

/* code, name in Via, name in a URI */
#define SIP_TRANSPORT_LIST(X)             \
    X(SIP_TRANSPORT_UDP, "UDP", "udp")    \
    X(SIP_TRANSPORT_TCP, "TCP", "tcp")    \
    X(SIP_TRANSPORT_TLS, "TLS", "tls")    \
    X(SIP_TRANSPORT_SCTP, "SCTP", "sctp") \
    X(SIP_TRANSPORT_TLS_SCTP, "TLS-SCTP", "tls-sctp") \
    X(SIP_TRANSPORT_WS, "WS", "ws")       \
    X(SIP_TRANSPORT_WSS, "WSS", "wss")

enum sip_transport {
    SIP_TRANSPORT_NONE = 0, /* not named */
#define X(code, via, uri) code,
    SIP_TRANSPORT_LIST(X)
#undef X
        SIP_TRANSPORT_OTHER /* named, and unknown */
};

/* Case-insensitive; an absent name gives NONE. */
enum sip_transport sip_transport_from_name(struct slice name);
/* "TLS" and "tls"; "UNKNOWN" and "unknown" for NONE and OTHER. */
const char *sip_transport_via_name(enum sip_transport transport);
const char *sip_transport_uri_name(enum sip_transport transport);
/* Content-Length is required and framing needed. NONE and OTHER: false. */
bool sip_transport_is_stream(enum sip_transport transport);
bool sip_transport_is_tls(enum sip_transport transport);

#endif
