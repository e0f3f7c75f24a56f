/* SPDX-License-Identifier: GPL-2.0-or-later */
/* method.h - the methods that have a meaning here; all others are relayed alike (RFC 3261 16.3(1)). */
#ifndef TRELAY_SIP_METHOD_H
#define TRELAY_SIP_METHOD_H

#include "base/slice.h"

#define SIP_METHOD_LIST(X)                 \
    X(SIP_METHOD_INVITE, "INVITE")         \
    X(SIP_METHOD_ACK, "ACK")               \
    X(SIP_METHOD_BYE, "BYE")               \
    X(SIP_METHOD_CANCEL, "CANCEL")         \
    X(SIP_METHOD_OPTIONS, "OPTIONS")       \
    X(SIP_METHOD_REGISTER, "REGISTER")     \
    X(SIP_METHOD_PRACK, "PRACK")           \
    X(SIP_METHOD_UPDATE, "UPDATE")         \
    X(SIP_METHOD_INFO, "INFO")             \
    X(SIP_METHOD_SUBSCRIBE, "SUBSCRIBE")   \
    X(SIP_METHOD_NOTIFY, "NOTIFY")         \
    X(SIP_METHOD_REFER, "REFER")           \
    X(SIP_METHOD_MESSAGE, "MESSAGE")       \
    X(SIP_METHOD_PUBLISH, "PUBLISH")

enum sip_method {
    SIP_METHOD_NONE = 0,
#define X(code, name) code,
    SIP_METHOD_LIST(X)
#undef X
        SIP_METHOD_OTHER /* a token that is none of these */
};

/* Methods are case-sensitive: "invite" is OTHER. An empty text is NONE. */
enum sip_method sip_method_from_name(struct slice name);
/* "INVITE"; "OTHER" and "NONE" for those two. */
const char *sip_method_name(enum sip_method method);

#endif
