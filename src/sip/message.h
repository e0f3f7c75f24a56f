/* SPDX-License-Identifier: GPL-2.0-or-later */
/* message.h - one SIP message: its bytes, an index of its headers, and the fields every relay needs.
 * In:    one datagram, or one message as framing cut it off a stream.
 * Out:   an immutable, counted object in one allocation; any thread may read and release it. All
 *        slices point into it and live as long as a reference is held.
 * Never: changes a byte: forwarding splices (sip/compose.h). Header values that the relay does not
 *        use are not looked at.
 */
#ifndef TRELAY_SIP_MESSAGE_H
#define TRELAY_SIP_MESSAGE_H

#include "base/attributes.h"
#include "base/slice.h"
#include "sip/cseq.h"
#include "sip/defect.h"
#include "sip/header_name.h"
#include "sip/limits.h"
#include "sip/method.h"
#include "sip/name_addr.h"
#include "sip/uri.h"
#include "sip/via.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sip_message;

/* Copies what belongs to the message out of BYTES: line ends in front and bytes behind Content-Length stay out.
 * 0, ERROR_MEMORY, or ERROR_SYNTAX / ERROR_LIMIT with *DEFECT_R set (the only outputs touched in each case).
 * Only lines, start line, limits and Content-Length are judged; sip/validate.h judges the fields. */
int sip_message_parse(struct slice bytes, const struct sip_limits *limits, struct sip_message **message_r,
    struct sip_defect *defect_r) MUST_CHECK;

/* After a defect: what can be read of a request, for the one purpose of answering it (sip_compose_response).
 * Malformed lines are left out of the index. ERROR_SYNTAX when it is no request or nothing can be answered. */
int sip_message_salvage(struct slice bytes, const struct sip_limits *limits, struct sip_message **message_r) MUST_CHECK;

struct sip_message *sip_message_ref(struct sip_message *message);
void sip_message_unref(struct sip_message *message); /* NULL is allowed */

/* All bytes: start line to end of body. */
struct slice sip_message_bytes(const struct sip_message *message);
struct slice sip_message_body(const struct sip_message *message);
/* Start line and headers, with the empty line. */
struct slice sip_message_head(const struct sip_message *message);

bool sip_message_is_request(const struct sip_message *message);
/* Made by sip_message_salvage(): to be answered, never to be forwarded. */
bool sip_message_is_salvaged(const struct sip_message *message);

/* Of a response: the method of its CSeq, NONE when that is malformed. */
enum sip_method sip_message_method(const struct sip_message *message);
struct slice sip_message_method_text(const struct sip_message *message);

/* Absent in a response. */
struct slice sip_message_request_uri(const struct sip_message *message);
/* 0 and absent in a request; the phrase may be empty. */
unsigned sip_message_status(const struct sip_message *message);
struct slice sip_message_reason_phrase(const struct sip_message *message);

/* Fields read once, when the message was parsed. NULL: missing or malformed. */
const struct sip_uri *sip_message_uri(const struct sip_message *message); /* the Request-URI */
const struct sip_via *sip_message_top_via(const struct sip_message *message);
const struct sip_cseq *sip_message_cseq(const struct sip_message *message);
const struct sip_name_addr *sip_message_from(const struct sip_message *message);
const struct sip_name_addr *sip_message_to(const struct sip_message *message);
/* Absent: no such header, tag or value. */
struct slice sip_message_call_id(const struct sip_message *message);
struct slice sip_message_from_tag(const struct sip_message *message);
struct slice sip_message_to_tag(const struct sip_message *message);

enum sip_max_forwards { SIP_MAX_FORWARDS_ABSENT = 0, SIP_MAX_FORWARDS_VALUE, SIP_MAX_FORWARDS_MALFORMED };
/* *VALUE_R is set with VALUE only; above 255 is MALFORMED. */
enum sip_max_forwards sip_message_max_forwards(const struct sip_message *message, uint32_t *value_r);
bool sip_message_has_content_length(const struct sip_message *message);

struct sip_header {
    enum sip_header_id id;
    uint32_t row;       /* position among the headers, from 0 */
    struct slice name;  /* as written */
    struct slice value; /* trimmed; folds inside are kept */
    struct slice line;  /* name to last CRLF, folded lines included */
};

uint32_t sip_message_header_count(const struct sip_message *message);
/* ROW must be below the count. */
struct sip_header sip_message_header_at(const struct sip_message *message, uint32_t row);
/* How many rows a known header has. */
uint32_t sip_message_header_rows(const struct sip_message *message, enum sip_header_id id);

/* The first row of a known header, then *HEADER's next one with the same id. False: there is none.
 *     for (bool is = sip_header_first(m, id, &h); is; is = sip_header_next(m, &h)) */
bool sip_header_first(const struct sip_message *message, enum sip_header_id id, struct sip_header *header_r);
bool sip_header_next(const struct sip_message *message, struct sip_header *header);

/* The first row of that name, known or not, case-insensitive, compact forms included. */
bool sip_header_find(const struct sip_message *message, struct slice name, struct sip_header *header_r);

/* Comma-separated values of one header over all its rows. Commas in quoted strings and <> do not count. */
struct sip_values {
    const struct sip_message *message;
    struct sip_header header; /* the row being read */
    struct slice rest;        /* of its value; absent: before the first row or behind the last */
    bool is_started;
};

struct sip_value {
    struct slice text; /* trimmed, inside the message's bytes; may be empty: "a,,b" */
    uint32_t row;      /* of its header line */
};

struct sip_values sip_values_of(const struct sip_message *message, enum sip_header_id id);
bool sip_values_next(struct sip_values *values, struct sip_value *value_r);

/* The same for a list that stands in some text: cuts one value off *REST; false at the end (absent). */
bool sip_value_cut(struct slice *rest, struct slice *text_r);

#endif
