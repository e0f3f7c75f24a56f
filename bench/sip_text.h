/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_text.h - SIP as the load programs need it: where a message ends, and its header lines. Trusts its peer. */
#ifndef TRELAY_BENCH_SIP_TEXT_H
#define TRELAY_BENCH_SIP_TEXT_H

#include "base/slice.h"

#include <stdbool.h>

/* The length of the message that BYTES begin with, or 0 while it is not whole. */
size_t sip_text_length(struct slice bytes);

/* Walks the header lines; line_r has its CRLF. AT starts at 0. False at the end of the headers. */
bool sip_text_next_line(struct slice message, size_t *at, struct slice *line_r);

/* Is it this header? SHORT_NAME is its compact form, or 0. */
bool sip_text_is(struct slice line, const char *name, char short_name);

/* What follows the colon, trimmed. */
struct slice sip_text_value(struct slice line);

/* Position of TEXT in S, or S's length. */
size_t sip_text_find(struct slice s, const char *text);

#endif
