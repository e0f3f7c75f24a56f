/* SPDX-License-Identifier: GPL-2.0-or-later */
/* splice.h - copying a message with some of its bytes replaced; for the compose files.
 * In:    places in the message, in ascending order. Out: what lies between them, and what is put there.
 */
#ifndef TRELAY_SIP_SPLICE_H
#define TRELAY_SIP_SPLICE_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "sip/compose.h"
#include "sip/message_private.h"

struct sip_splice {
    struct buffer *out;
    size_t start;       /* of what is written, in the buffer */
    const char *cursor; /* first byte of the message that was neither copied nor skipped */
};

void sip_splice_begin(struct sip_splice *splice, struct buffer *out, const struct sip_message *message);
/* Copies up to AT. */
void sip_splice_keep(struct sip_splice *splice, const char *at);
/* Leaves out what is up to AT. */
void sip_splice_skip(struct sip_splice *splice, const char *at);
/* Copies up to the start of WHAT and leaves it out. */
void sip_splice_cut(struct sip_splice *splice, struct slice what);
/* 0, or ERROR_MEMORY with the buffer as it was. */
int sip_splice_end(struct sip_splice *splice) MUST_CHECK;

/* Header lines "Name: value" CRLF. */
void sip_append_line(struct buffer *out, struct slice name, struct slice value);
void sip_append_number_line(struct buffer *out, struct slice name, uint64_t number);

/* Sets received and rport in VIA, which lies ahead of the cursor (18.2.1, RFC 3581 4). NULL source: nothing. */
void sip_splice_mark_via(struct sip_splice *splice, const struct sip_via *via, const struct endpoint *source);

/* Leaves out the values FROM.. of a row's list up to TO; all of them: the whole line. FROM..TO are counted from the
 * row's first value and are what is kept. */
void sip_splice_keep_values(struct sip_splice *splice, const struct sip_header *header, uint32_t from, uint32_t to);

bool sip_is_stripped(const struct sip_extra *extra, const struct sip_header *header);

/* Edits that would start a line of their own: absent and empty texts are clean. */
bool sip_is_clean(struct slice text);
/* Whole header lines, each with its CRLF; empty is fine. */
bool sip_are_lines(struct slice lines);

#endif
