/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transport.c - names of transports; see transport.h. */
#include "sip/transport.h"

enum sip_transport sip_transport_from_name(struct slice name)
{
    if (name.data == NULL)
        return SIP_TRANSPORT_NONE;
#define X(code, via, uri)                                \
    if (slice_equal_nocase(name, SLICE_LITERAL(via))) \
        return code;
    SIP_TRANSPORT_LIST(X)
#undef X
    return SIP_TRANSPORT_OTHER;
}

const char *sip_transport_via_name(enum sip_transport transport)
{
    switch (transport) {
#define X(code, via, uri) \
    case code:            \
        return via;
        SIP_TRANSPORT_LIST(X)
#undef X
    case SIP_TRANSPORT_NONE:
    case SIP_TRANSPORT_OTHER:
        break;
    }
    return "UNKNOWN";
}

const char *sip_transport_uri_name(enum sip_transport transport)
{
    switch (transport) {
#define X(code, via, uri) \
    case code:            \
        return uri;
        SIP_TRANSPORT_LIST(X)
#undef X
    case SIP_TRANSPORT_NONE:
    case SIP_TRANSPORT_OTHER:
        break;
    }
    return "unknown";
}

bool sip_transport_is_stream(enum sip_transport transport)
{
    return transport == SIP_TRANSPORT_TCP || transport == SIP_TRANSPORT_TLS;
}

bool sip_transport_is_tls(enum sip_transport transport)
{
    return transport == SIP_TRANSPORT_TLS || transport == SIP_TRANSPORT_TLS_SCTP || transport == SIP_TRANSPORT_WSS;
}
