/* SPDX-License-Identifier: GPL-2.0-or-later */
/* line.h - the lines of a message's head, read by framing and by the parser with the same eyes.
 * In:    bytes and a position. Out: where the line ends, and a header line's name and value.
 * Never: takes a CR or LF that stands alone for a line end, or reads past one (request smuggling).
 */
#ifndef TRELAY_SIP_LINE_H
#define TRELAY_SIP_LINE_H

#include "base/attributes.h"
#include "base/slice.h"
#include "sip/defect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A header line by offsets into the message. */
struct sip_line {
    uint32_t start;
    uint32_t name_length;
    uint32_t value;     /* first byte of the value that is not white space */
    uint32_t value_end; /* behind the last one; value when there is none */
    uint32_t end;       /* behind the CRLF of its last folded line */
};

/* The line at AT continues the header line before it. */
static inline bool sip_line_is_fold(struct slice bytes, size_t at)
{
    return at < bytes.length && (bytes.data[at] == ' ' || bytes.data[at] == '\t');
}

/* Where the line that starts at AT has its CR. NONE, LINE_END, or HEAD_INCOMPLETE when the bytes end first. */
enum sip_defect_code sip_line_find_end(struct slice bytes, size_t at, size_t *cr_r);

/* The same for a header line: lines that start with white space continue it. FOLD: one of them has nothing else, and
 * who strips it takes it for the end of the head. */
enum sip_defect_code sip_line_find_folded_end(struct slice bytes, size_t at, size_t *cr_r);

/* Reads the header line that starts at AT and has its last CR at CR. False: no name, or no colon behind it. */
bool sip_line_split(struct slice bytes, size_t at, size_t cr, struct sip_line *line_r);

/* Digits up to 2^31-1: 0, else ERROR_SYNTAX. */
int sip_content_length_parse(struct slice value, uint32_t *length_r) MUST_CHECK;

#endif
