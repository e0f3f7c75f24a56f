/* SPDX-License-Identifier: GPL-2.0-or-later */
/* method.c - names of methods; see method.h. */
#include "sip/method.h"

/* Compared with a length known to the compiler: one or two machine words. */
#define X(code, text)                                                                          \
    if (name.length == sizeof(text) - 1 && memcmp(name.data, text, sizeof(text) - 1) == 0) \
        return code;

enum sip_method sip_method_from_name(struct slice name)
{
    if (name.length == 0)
        return SIP_METHOD_NONE;
    SIP_METHOD_LIST(X)
    return SIP_METHOD_OTHER;
}
#undef X

const char *sip_method_name(enum sip_method method)
{
    switch (method) {
#define X(code, text) \
    case code:        \
        return text;
        SIP_METHOD_LIST(X)
#undef X
    case SIP_METHOD_NONE:
        return "NONE";
    case SIP_METHOD_OTHER:
        break;
    }
    return "OTHER";
}
