/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compose.h - the messages a proxy sends, spliced out of those it received.
 * In:    a parsed message and what is to change. Out: bytes appended to the caller's buffer.
 * Every byte that is not to change is copied as it came, in its place (RFC 3261 16.6(1)).
 * Never: allocates but for the buffer to grow, or lets a CR, LF or NUL in through an edit.
 * All return 0, ERROR_MEMORY, ERROR_SYNTAX (an edit would break a line) or ERROR_STATE (the message
 * is of the wrong kind or lacks what is needed); on failure the buffer keeps its former content.
 */
#ifndef TRELAY_SIP_COMPOSE_H
#define TRELAY_SIP_COMPOSE_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "sip/header_name.h"
#include "sip/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIP_RECORD_ROUTE_MAX = 2 };

/* Headers that must not leave, and lines that are added. */
struct sip_extra {
    struct sip_header_set strip;     /* known headers, in every form */
    const struct slice *strip_names; /* others, case-insensitive */
    size_t strip_name_count;
    struct slice lines;              /* whole header lines, each with its CRLF, put at the end; or empty */
};

/* All zero: the request goes out as it came. Slices are borrowed for the call. */
struct sip_request_edit {
    struct slice request_uri;       /* absent: unchanged */
    struct slice via;               /* value of our Via, put on top as a row of its own; absent: none */
    /* Where the request came from: sets received and rport on the Via that was on top, by RFC 3261 18.2.1 and
     * RFC 3581 4. NULL: that Via stays as it is. */
    const struct endpoint *source;
    struct slice record_route[SIP_RECORD_ROUTE_MAX]; /* values "<sip:...;lr>", the first one ends on top */
    size_t record_route_count;
    uint32_t route_remove_first;    /* values taken off the top, over all rows */
    bool route_remove_last;         /* the value at the bottom (16.4, strict upstream) */
    struct slice route_push;        /* value put on top after the removal; absent: none */
    struct slice route_append;      /* value put at the bottom after the removal (16.6(6)); absent: none */
    bool sets_max_forwards;         /* writes max_forwards, in place or as a new row */
    uint32_t max_forwards;
    uint32_t max_breadth;           /* likewise written (RFC 5393 5.3.3); 0: left as it came */
    bool needs_content_length;      /* adds Content-Length when there is none (16.6(9)) */
    struct sip_extra extra;
};

int sip_compose_request(struct buffer *out, const struct sip_message *request, const struct sip_request_edit *edit)
    MUST_CHECK;

struct sip_response_edit {
    bool removes_top_via;      /* 16.7(3): ours; its whole row when it stands alone there */
    bool needs_content_length; /* adds Content-Length when there is none */
    struct sip_extra extra;
};

int sip_compose_forwarded_response(struct buffer *out, const struct sip_message *response,
    const struct sip_response_edit *edit) MUST_CHECK;

/* A response of our own, RFC 3261 8.2.6: Via rows, From, To, Call-ID and CSeq as in the request, Timestamp in a 100. */
struct sip_local_response {
    unsigned status;               /* 100..699 */
    struct slice reason;           /* absent: the usual phrase */
    struct slice to_tag;           /* added when To has no tag; absent: none (as in a 100) */
    const struct endpoint *source; /* as in struct sip_request_edit */
    struct slice lines;            /* whole header lines to add (Warning, Unsupported, Retry-After); or empty */
};

/* REQUEST may be salvaged; what it lacks is left out, never invented. ERROR_STATE without Via, and for an ACK. */
int sip_compose_response(struct buffer *out, const struct sip_message *request,
    const struct sip_local_response *response) MUST_CHECK;

/* CANCEL of an INVITE as we sent it (parsed again from the bytes sent), RFC 3261 9.1: same Request-URI, top Via,
 * Route, From, To, Call-ID, CSeq number. LINES: more header lines (Reason), or empty. */
int sip_compose_cancel(struct buffer *out, const struct sip_message *invite, struct slice lines) MUST_CHECK;

/* ACK for the non-2xx final RESPONSE to an INVITE as we sent it, RFC 3261 17.1.1.3: To is the response's. */
int sip_compose_ack(struct buffer *out, const struct sip_message *invite, const struct sip_message *response)
    MUST_CHECK;

#endif
