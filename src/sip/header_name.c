/* SPDX-License-Identifier: GPL-2.0-or-later */
/* header_name.c - from a header's name to its identifier; see header_name.h. */
#include "sip/header_name.h"

/* Inlined with a constant LENGTH: the spelling everybody uses is one comparison of words. */
static inline bool is_name(const char *text, const char *name, size_t length)
{
    if (ascii_lower(text[0]) != ascii_lower(name[0]))
        return false;
    if (memcmp(text, name, length) == 0)
        return true;
    for (size_t i = 1; i < length; i++)
        if (ascii_lower(text[i]) != ascii_lower(name[i]))
            return false;
    return true;
}

static enum sip_header_id from_compact_form(char letter)
{
/* A name without a compact form is filed where no byte leads. */
#define X(id, name, compact) [(compact) != 0 ? (compact) : BYTES + (id)] = id,
    enum { BYTES = 256 };
    static const uint8_t forms[BYTES + SIP_HEADER_COUNT] = { SIP_HEADER_LIST(X) };
#undef X
    return (enum sip_header_id)forms[(uint8_t)ascii_lower(letter)];
}

enum sip_header_id sip_header_id(struct slice name)
{
#define X(id, text, compact)                                                                \
    _Static_assert(sizeof(text) - 1 == GROUP_LENGTH, text " is in the group of its length"); \
    if (is_name(name.data, text, GROUP_LENGTH))                                             \
        return id;
#define GROUP(length)                       \
    case length: {                          \
        enum { GROUP_LENGTH = (length) };   \
        SIP_HEADERS_##length(X)             \
        break;                              \
    }
    switch (name.length) {
    case 1:
        return from_compact_form(name.data[0]);
        GROUP(2)
        GROUP(3)
        GROUP(4)
        GROUP(5)
        GROUP(6)
        GROUP(7)
        GROUP(8)
        GROUP(9)
        GROUP(10)
        GROUP(11)
        GROUP(12)
        GROUP(13)
        GROUP(14)
        GROUP(15)
        GROUP(16)
        GROUP(18)
        GROUP(19)
    default:
        break;
    }
#undef GROUP
#undef X
    return SIP_HEADER_OTHER;
}

struct slice sip_header_name(enum sip_header_id id)
{
    switch (id) {
#define X(code, name, compact) \
    case code:                 \
        return SLICE_LITERAL(name);
        SIP_HEADER_LIST(X)
#undef X
    case SIP_HEADER_OTHER:
    case SIP_HEADER_COUNT:
        break;
    }
    return SLICE_LITERAL("");
}
