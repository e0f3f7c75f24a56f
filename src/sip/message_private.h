/* SPDX-License-Identifier: GPL-2.0-or-later */
/* message_private.h - how a message is kept, for the files that make and read it. */
#ifndef TRELAY_SIP_MESSAGE_PRIVATE_H
#define TRELAY_SIP_MESSAGE_PRIVATE_H

#include "base/never.h"
#include "sip/line.h"
#include "sip/message.h"

#include <stdatomic.h>

struct sip_row {
    struct sip_line line;
    uint8_t id; /* enum sip_header_id */
};

_Static_assert(SIP_HEADER_COUNT <= UINT8_MAX, "an identifier fits its byte");

/* The struct, the rows and the bytes are one allocation. */
struct sip_message {
    atomic_uint references;
    bool is_request;
    bool is_salvaged;
    bool has_content_length;
    bool has_uri; /* the members below of these names are set */
    bool has_top_via;
    bool has_cseq;
    bool has_from;
    bool has_to;
    enum sip_max_forwards max_forwards_state;
    uint32_t max_forwards;
    enum sip_method method;
    unsigned status;
    uint32_t head_length;
    uint32_t row_count;
    struct sip_header_set seen;
    struct sip_header_set seen_twice;
    struct slice bytes;
    struct slice method_text;
    struct slice request_uri;
    struct slice reason;
    struct slice call_id;
    struct sip_cseq cseq;
    struct sip_uri uri;
    struct sip_via top_via;
    struct sip_name_addr from;
    struct sip_name_addr to;
    struct sip_row rows[];
};

static inline bool sip_message_is_response(const struct sip_message *message)
{
    return !message->is_request && !never(message->is_salvaged); /* only requests are salvaged: message_salvage.c */
}

/* What is known of a head before memory is taken for it; the slices are in the caller's bytes. */
struct sip_reading {
    struct slice bytes;
    bool is_request;
    bool is_salvaged;
    bool has_content_length;
    uint32_t content_length;
    unsigned status;
    uint32_t head_length;
    struct slice method_text;
    struct slice request_uri;
    struct slice reason;
    struct sip_row *rows;
    uint32_t row_capacity;
    uint32_t row_count;
};

enum { SIP_ROWS_ON_STACK = 64 };

/* Makes the message of a reading whose bytes end with the body, and reads the fields that are kept. */
int sip_message_build(const struct sip_reading *reading, struct sip_message **message_r) MUST_CHECK;

/* Whether each NUL of a header value stands behind a backslash in a quoted string. */
bool sip_nuls_are_quoted(struct slice value);

#endif
