/* SPDX-License-Identifier: GPL-2.0-or-later */
/* message_salvage.c - what can be read of a defective request, so that it can be answered; see message.h.
 * A line that is broken in itself (CR, LF or NUL inside, no name, too long) is left out: its bytes must not
 * come back in a response.
 */
#include "base/error.h"
#include "sip/character.h"
#include "sip/message_private.h"

/* The CR of the next CRLF at or after AT, folded lines joined; false when there is none. */
static bool find_crlf(struct slice bytes, size_t at, size_t *cr_r)
{
    while (true) {
        const char *found = at < bytes.length ? memmem(bytes.data + at, bytes.length - at, "\r\n", 2) : NULL;
        if (found == NULL)
            return false;
        at = (size_t)(found - bytes.data) + 2;
        if (sip_line_is_fold(bytes, at))
            continue;
        *cr_r = at - 2;
        return true;
    }
}

/* No CR or LF but those of folds. */
static bool is_whole(struct slice bytes, size_t at, size_t cr)
{
    size_t end; /* which is CR: the first one that no fold follows */
    return sip_line_find_folded_end(slice_first(bytes, cr + 2), at, &end) == SIP_DEFECT_NONE;
}

static bool keep_line(struct sip_reading *reading, const struct sip_limits *limits, size_t at, size_t cr)
{
    struct slice bytes = reading->bytes;
    struct sip_row *row = &reading->rows[reading->row_count];
    if (cr - at > limits->header_line_bytes || !is_whole(bytes, at, cr) || !sip_line_split(bytes, at, cr, &row->line) ||
        !sip_nuls_are_quoted(slice_of(bytes.data + row->line.value, row->line.value_end - row->line.value)))
        return false;
    row->id = (uint8_t)sip_header_id(slice_of(bytes.data + at, row->line.name_length));
    return true;
}

static int read_request_line(struct sip_reading *reading, size_t cr)
{
    struct slice line = slice_first(reading->bytes, cr);
    size_t method_end = sip_run(line, 0, SIP_IN_TOKEN);
    /* A response starts with "SIP/2.0", which is no token. */
    if (method_end == 0 || method_end == line.length || line.data[method_end] != ' ')
        return ERROR_SYNTAX;
    reading->is_request = true;
    reading->method_text = slice_first(line, method_end);
    return 0;
}

int sip_message_salvage(struct slice bytes, const struct sip_limits *limits, struct sip_message **message_r)
{
    struct sip_row rows[SIP_ROWS_ON_STACK];
    struct sip_reading reading = { .rows = rows, .is_salvaged = true };
    uint32_t most = limits->message_bytes < SIP_MESSAGE_BYTES_MAX ? limits->message_bytes : SIP_MESSAGE_BYTES_MAX;
    size_t cr;
    while (bytes.length >= 2 && bytes.data[0] == '\r' && bytes.data[1] == '\n')
        bytes = slice_from(bytes, 2);
    reading.bytes = slice_first(bytes, most);
    if (!find_crlf(reading.bytes, 0, &cr) || read_request_line(&reading, cr) != 0)
        return ERROR_SYNTAX;
    size_t at = cr + 2;
    while (reading.row_count < SIP_ROWS_ON_STACK && find_crlf(reading.bytes, at, &cr) && cr > at) {
        reading.row_count += keep_line(&reading, limits, at, cr);
        at = cr + 2;
    }
    /* Only the lines that were read are kept: no body, and no start line that would be sent again. */
    reading.bytes.length = at;
    reading.head_length = (uint32_t)at;
    return sip_message_build(&reading, message_r);
}
