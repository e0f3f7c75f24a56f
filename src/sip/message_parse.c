/* SPDX-License-Identifier: GPL-2.0-or-later */
/* message_parse.c - from bytes to the index of a message; see message.h.
 * A first pass reads the lines into rows on the stack; only when the head is good, memory is taken,
 * once and for the exact size. Heads of many lines take their rows from the heap in between.
 */
#include "base/error.h"
#include "sip/character.h"
#include "sip/message_private.h"

#include <stdlib.h>

#define SIP_VERSION "SIP/2.0"

static struct slice skip_empty_lines(struct slice bytes)
{
    while (bytes.length >= 2 && bytes.data[0] == '\r' && bytes.data[1] == '\n')
        bytes = slice_from(bytes, 2);
    return bytes;
}

/* "SIP/2.0 " 3DIGIT SP reason */
static enum sip_defect_code read_status_line(struct sip_reading *reading, struct slice line)
{
    struct slice rest = slice_from(line, sizeof(SIP_VERSION));
    if (rest.length < 4 || sip_run(slice_first(rest, 4), 0, SIP_IN_DIGITS) != 3 || rest.data[3] != ' ')
        return SIP_DEFECT_STATUS_CODE;
    reading->status = (unsigned)(rest.data[0] - '0') * 100 + (unsigned)(rest.data[1] - '0') * 10 +
        (unsigned)(rest.data[2] - '0');
    reading->reason = slice_from(rest, 4);
    return reading->status >= 100 && reading->status <= 699 ? SIP_DEFECT_NONE : SIP_DEFECT_STATUS_CODE;
}

/* Something that is a version, but not ours: "SIP/" digits "." digits. */
static bool is_other_version(struct slice text)
{
    if (!slice_starts_with_nocase(text, SLICE_LITERAL("SIP/")))
        return false;
    size_t major = sip_run(text, 4, SIP_IN_DIGITS);
    size_t dot = 4 + major;
    return major > 0 && dot < text.length && text.data[dot] == '.' &&
        sip_is_all(slice_from(text, dot + 1), SIP_IN_DIGITS);
}

/* Method SP Request-URI SP SIP-Version, each space a single one. */
static enum sip_defect_code read_request_line(struct sip_reading *reading, struct slice line)
{
    size_t method_end = sip_run(line, 0, SIP_IN_TOKEN);
    if (method_end == 0 || method_end == line.length || line.data[method_end] != ' ')
        return SIP_DEFECT_START_LINE;
    size_t uri_end = slice_find(line, ' ', method_end + 1);
    struct slice version = slice_from(line, uri_end + 1);
    reading->is_request = true;
    reading->method_text = slice_first(line, method_end);
    reading->request_uri = slice_of(line.data + method_end + 1, uri_end - method_end - 1);
    if (uri_end == line.length || reading->request_uri.length == 0)
        return SIP_DEFECT_START_LINE;
    if (slice_equal_nocase(version, SLICE_LITERAL(SIP_VERSION)))
        return SIP_DEFECT_NONE;
    return is_other_version(version) ? SIP_DEFECT_VERSION : SIP_DEFECT_START_LINE;
}

static enum sip_defect_code read_start_line(struct sip_reading *reading, const struct sip_limits *limits, size_t *at_r)
{
    size_t cr;
    enum sip_defect_code code = sip_line_find_end(reading->bytes, 0, &cr);
    if (code != SIP_DEFECT_NONE)
        return code;
    *at_r = cr + 2;
    struct slice line = slice_first(reading->bytes, cr);
    if (line.length > limits->start_line_bytes)
        return SIP_DEFECT_START_LINE_LONG;
    if (slice_starts_with_nocase(line, SLICE_LITERAL(SIP_VERSION " ")))
        return read_status_line(reading, line);
    return read_request_line(reading, line);
}

static enum sip_defect_code keep_content_length(struct sip_reading *reading, const struct sip_line *line)
{
    struct slice value = slice_of(reading->bytes.data + line->value, line->value_end - line->value);
    uint32_t length;
    if (sip_content_length_parse(value, &length) != 0)
        return SIP_DEFECT_CONTENT_LENGTH;
    if (reading->has_content_length && reading->content_length != length)
        return SIP_DEFECT_CONTENT_LENGTH_CONFLICT;
    reading->has_content_length = true;
    reading->content_length = length;
    return SIP_DEFECT_NONE;
}

/* Reads the lines from AT to the empty line. *IS_FULL_R: the rows had no room, nothing else is known. */
static enum sip_defect_code read_header_lines(struct sip_reading *reading, const struct sip_limits *limits, size_t at,
    bool *is_full_r)
{
    struct slice bytes = reading->bytes;
    reading->row_count = 0;
    while (true) {
        size_t cr;
        enum sip_defect_code code = sip_line_find_end(bytes, at, &cr);
        if (code == SIP_DEFECT_NONE && cr == at) {
            reading->head_length = (uint32_t)(at + 2);
            return SIP_DEFECT_NONE;
        }
        if (code == SIP_DEFECT_NONE && sip_line_is_fold(bytes, cr + 2))
            code = sip_line_find_folded_end(bytes, cr + 2, &cr);
        if (code != SIP_DEFECT_NONE)
            return code;
        if (cr - at > limits->header_line_bytes)
            return SIP_DEFECT_HEADER_LINE_LONG;
        if (reading->row_count == limits->header_count)
            return SIP_DEFECT_HEADER_COUNT;
        if (reading->row_count == reading->row_capacity) {
            *is_full_r = true;
            return SIP_DEFECT_NONE;
        }
        struct sip_row *row = &reading->rows[reading->row_count++];
        if (!sip_line_split(bytes, at, cr, &row->line))
            return SIP_DEFECT_HEADER_LINE;
        row->id = (uint8_t)sip_header_id(slice_of(bytes.data + at, row->line.name_length));
        if (row->id == SIP_HEADER_CONTENT_LENGTH)
            code = keep_content_length(reading, &row->line);
        if (code != SIP_DEFECT_NONE)
            return code;
        at = cr + 2;
    }
}

/* Past the rows on the stack: take as many as the limit allows, or as there are lines. */
static int read_long_head(struct sip_reading *reading, const struct sip_limits *limits, size_t at,
    struct sip_row **rows_r, enum sip_defect_code *code_r)
{
    size_t lines = 0;
    bool is_full = false;
    for (size_t lf = slice_find(reading->bytes, '\n', at); lf < reading->bytes.length && lines < limits->header_count;
         lf = slice_find(reading->bytes, '\n', lf + 1))
        lines++;
    *rows_r = calloc(lines + 1, sizeof(struct sip_row));
    if (*rows_r == NULL)
        return ERROR_MEMORY;
    reading->rows = *rows_r;
    reading->row_capacity = (uint32_t)lines + 1;
    reading->has_content_length = false;
    *code_r = read_header_lines(reading, limits, at, &is_full);
    return 0;
}

/* As values are cut (sip_value_cut): between "<" and ">" a quotation mark quotes nothing. Else a NUL could be quoted
 * here and bare in what is left when the values before it are taken off. */
bool sip_nuls_are_quoted(struct slice value)
{
    bool is_quoted = false, is_bracketed = false;
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] == '\0')
            return false;
        if (is_bracketed)
            is_bracketed = value.data[i] != '>';
        else if (value.data[i] == '"')
            is_quoted = !is_quoted;
        else if (is_quoted)
            i += value.data[i] == '\\';
        else
            is_bracketed = value.data[i] == '<';
    }
    return true;
}

static enum sip_defect_code check_nuls(const struct sip_reading *reading)
{
    struct slice head = slice_first(reading->bytes, reading->head_length);
    size_t nul = slice_find(head, '\0', 0);
    if (nul == head.length)
        return SIP_DEFECT_NONE;
    /* Not in the start line; names are tokens and hold none. */
    if (nul < slice_find(head, '\n', 0))
        return SIP_DEFECT_NUL;
    for (uint32_t i = 0; i < reading->row_count; i++) {
        const struct sip_line *line = &reading->rows[i].line;
        if (!sip_nuls_are_quoted(slice_of(head.data + line->value, line->value_end - line->value)))
            return SIP_DEFECT_NUL;
    }
    return SIP_DEFECT_NONE;
}

/* The body by Content-Length; without one it is what is left of the datagram (18.3). */
static enum sip_defect_code cut_body(struct sip_reading *reading, const struct sip_limits *limits)
{
    size_t rest = reading->bytes.length - reading->head_length;
    if (reading->has_content_length) {
        if (reading->content_length > rest)
            return SIP_DEFECT_BODY_SHORT;
        rest = reading->content_length;
    }
    if (rest + reading->head_length > limits->message_bytes)
        return SIP_DEFECT_MESSAGE_LONG;
    reading->bytes.length = reading->head_length + rest;
    return SIP_DEFECT_NONE;
}

static int read_message(struct sip_reading *reading, const struct sip_limits *limits, struct sip_row **rows_r,
    enum sip_defect_code *code_r)
{
    size_t at;
    bool is_full = false;
    *code_r = read_start_line(reading, limits, &at);
    if (*code_r != SIP_DEFECT_NONE)
        return 0;
    *code_r = read_header_lines(reading, limits, at, &is_full);
    if (is_full) {
        int rc = read_long_head(reading, limits, at, rows_r, code_r);
        if (rc != 0)
            return rc;
    }
    if (*code_r == SIP_DEFECT_NONE)
        *code_r = check_nuls(reading);
    if (*code_r == SIP_DEFECT_NONE)
        *code_r = cut_body(reading, limits);
    return 0;
}

int sip_message_parse(struct slice bytes, const struct sip_limits *limits, struct sip_message **message_r,
    struct sip_defect *defect_r)
{
    struct sip_row rows[SIP_ROWS_ON_STACK];
    struct sip_row *heap_rows = NULL;
    enum sip_defect_code code = SIP_DEFECT_NONE;
    struct sip_reading reading = { .bytes = skip_empty_lines(bytes), .rows = rows, .row_capacity = SIP_ROWS_ON_STACK };
    int rc = 0;
    /* Line by line, offsets stay within 32 bits: no line is read behind one that breaks its limit. */
    if (reading.bytes.length > SIP_MESSAGE_BYTES_MAX)
        code = SIP_DEFECT_MESSAGE_LONG;
    else if (reading.bytes.length == 0)
        code = SIP_DEFECT_EMPTY;
    else
        rc = read_message(&reading, limits, &heap_rows, &code);
    if (rc == 0 && code == SIP_DEFECT_NONE)
        rc = sip_message_build(&reading, message_r);
    free(heap_rows);
    if (rc == 0 && code != SIP_DEFECT_NONE) {
        *defect_r = sip_defect_of(code);
        rc = defect_r->status == 513 || code == SIP_DEFECT_START_LINE_LONG ? ERROR_LIMIT : ERROR_SYNTAX;
    }
    return rc;
}
