/* SPDX-License-Identifier: GPL-2.0-or-later */
/* framing.c - where messages end in a stream; see framing.h. */
#include "sip/framing.h"

#include "sip/character.h"
#include "sip/line.h"

#define END_OF_HEAD "\r\n\r\n"

static enum sip_frame found(enum sip_frame frame, size_t length, size_t *length_r)
{
    *length_r = length;
    return frame;
}

static enum sip_frame fatal(struct sip_framing *framing, enum sip_defect_code code, size_t salvageable,
    size_t *length_r, struct sip_defect *defect_r)
{
    framing->fatal = code;
    *defect_r = sip_defect_of(code);
    defect_r->is_framing_lost = true;
    return found(SIP_FRAME_FATAL, salvageable, length_r);
}

/* What a CR between messages begins: a ping, a pong, noise, or something that cannot be told yet. */
static enum sip_frame read_line_end(struct sip_framing *framing, struct slice input, size_t *length_r,
    struct sip_defect *defect_r)
{
    if (input.length == 1)
        return found(SIP_FRAME_MORE, 0, length_r);
    if (input.data[1] != '\n')
        return fatal(framing, SIP_DEFECT_LINE_END, 0, length_r, defect_r);
    if (input.length >= 4 && memcmp(input.data, END_OF_HEAD, 4) == 0)
        return found(SIP_FRAME_PING, 4, length_r);
    /* A CRLF alone may be half a ping, unless it is the pong that was waited for. */
    if (input.length == 3 ? input.data[2] == '\r' : input.length == 2 && !framing->expects_pong)
        return found(SIP_FRAME_MORE, 0, length_r);
    enum sip_frame frame = framing->expects_pong ? SIP_FRAME_PONG : SIP_FRAME_NOISE;
    framing->expects_pong = false;
    return found(frame, 2, length_r);
}

/* A line that is no header to the parser, but might be this one to somebody else. */
static bool resembles_content_length(struct slice line)
{
    return slice_starts_with_nocase(line, SLICE_LITERAL("content-length")) ||
        (line.length > 1 && ascii_lower(line.data[0]) == 'l' && !sip_is(line.data[1], SIP_IN_TOKEN));
}

static bool is_content_length(struct slice name)
{
    return slice_equal_nocase(name, SLICE_LITERAL("l")) || slice_equal_nocase(name, SLICE_LITERAL("Content-Length"));
}

/* Takes the length from the header line AT..CR if it has it. */
static enum sip_defect_code read_length(struct slice head, size_t at, size_t cr, bool *has_length, uint32_t *length)
{
    struct sip_line line;
    uint32_t value;
    char first = ascii_lower(head.data[at]);
    if (first != 'c' && first != 'l')
        return SIP_DEFECT_NONE;
    if (!sip_line_split(head, at, cr, &line)) {
        struct slice text = slice_of(head.data + at, cr - at);
        return resembles_content_length(text) ? SIP_DEFECT_CONTENT_LENGTH : SIP_DEFECT_NONE;
    }
    if (!is_content_length(slice_of(head.data + at, line.name_length)))
        return SIP_DEFECT_NONE;
    if (sip_content_length_parse(slice_of(head.data + line.value, line.value_end - line.value), &value) != 0)
        return SIP_DEFECT_CONTENT_LENGTH;
    if (*has_length && *length != value)
        return SIP_DEFECT_CONTENT_LENGTH_CONFLICT;
    *has_length = true;
    *length = value;
    return SIP_DEFECT_NONE;
}

/* HEAD ends with its empty line. */
static enum sip_defect_code read_body_length(struct slice head, uint64_t *length_r)
{
    bool has_length = false;
    uint32_t length = 0;
    size_t cr;
    enum sip_defect_code code = sip_line_find_end(head, 0, &cr);
    while (code == SIP_DEFECT_NONE && cr + 4 < head.length) {
        size_t at = cr + 2;
        code = sip_line_find_folded_end(head, at, &cr);
        if (code == SIP_DEFECT_NONE)
            code = read_length(head, at, cr, &has_length, &length);
    }
    if (code == SIP_DEFECT_NONE && !has_length)
        code = SIP_DEFECT_CONTENT_LENGTH_MISSING;
    if (code == SIP_DEFECT_NONE)
        *length_r = length;
    return code;
}

/* Where the empty line and the line end before it begin, or NULL. */
static const char *find_end_of_head(const char *from, const char *end)
{
    const char *at = from, *lf;
    while (at < end && (lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        if (lf - from >= 3 && memcmp(lf - 3, END_OF_HEAD, 4) == 0)
            return lf - 3;
        at = lf + 1;
    }
    return NULL;
}

/* Looks for the empty line behind what was looked at before. */
static enum sip_frame find_head(struct sip_framing *framing, struct slice input, const struct sip_limits *limits,
    size_t *length_r, struct sip_defect *defect_r)
{
    size_t from = framing->scanned > 3 ? framing->scanned - 3 : 0;
    struct slice head = slice_first(input, limits->message_bytes);
    const char *end = find_end_of_head(head.data + from, head.data + head.length);
    if (end == NULL) {
        framing->scanned = head.length;
        if (input.length <= limits->message_bytes)
            return found(SIP_FRAME_MORE, 0, length_r);
        return fatal(framing, SIP_DEFECT_HEAD_LONG, head.length, length_r, defect_r);
    }
    head.length = (size_t)(end - head.data) + 4;
    enum sip_defect_code code = read_body_length(head, &framing->body_length);
    if (code != SIP_DEFECT_NONE)
        return fatal(framing, code, head.length, length_r, defect_r);
    framing->scanned = 0;
    if (head.length + framing->body_length > limits->message_bytes) {
        framing->skip = framing->body_length;
        framing->body_length = 0;
        *defect_r = sip_defect_of(SIP_DEFECT_MESSAGE_LONG);
        return found(SIP_FRAME_OVERSIZED, head.length, length_r);
    }
    framing->head_length = head.length;
    return found(SIP_FRAME_MORE, 0, length_r);
}

enum sip_frame sip_framing_next(struct sip_framing *framing, struct slice input, const struct sip_limits *limits,
    size_t *length_r, struct sip_defect *defect_r)
{
    if (framing->fatal != SIP_DEFECT_NONE)
        return fatal(framing, framing->fatal, 0, length_r, defect_r);
    if (input.length == 0)
        return found(SIP_FRAME_MORE, 0, length_r);
    if (framing->skip > 0) {
        size_t length = input.length < framing->skip ? input.length : (size_t)framing->skip;
        framing->skip -= length;
        return found(SIP_FRAME_SKIP, length, length_r);
    }
    if (framing->head_length == 0) {
        if (input.data[0] == '\r')
            return read_line_end(framing, input, length_r, defect_r);
        if (!sip_is(input.data[0], SIP_IN_TOKEN))
            return fatal(framing, SIP_DEFECT_NOT_SIP, 0, length_r, defect_r);
        enum sip_frame frame = find_head(framing, input, limits, length_r, defect_r);
        if (frame != SIP_FRAME_MORE || framing->head_length == 0)
            return frame;
    }
    size_t length = framing->head_length + (size_t)framing->body_length;
    if (input.length < length)
        return found(SIP_FRAME_MORE, 0, length_r);
    framing->head_length = 0;
    framing->body_length = 0;
    return found(SIP_FRAME_MESSAGE, length, length_r);
}

bool sip_framing_is_inside(const struct sip_framing *framing, struct slice input)
{
    return framing->skip > 0 || (input.length > 0 && input.data[0] != '\r');
}
