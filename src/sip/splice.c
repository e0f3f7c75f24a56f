/* SPDX-License-Identifier: GPL-2.0-or-later */
/* splice.c - copying a message with some of its bytes replaced; see splice.h. */
#include "sip/splice.h"

#include "base/error.h"
#include "sip/character.h"
#include "sip/message_private.h"

enum { ROOM_FOR_EDITS = 1024 };

void sip_splice_begin(struct sip_splice *splice, struct buffer *out, const struct sip_message *message)
{
    splice->out = out;
    splice->start = out->length;
    splice->cursor = message->bytes.data;
    buffer_reserve(out, message->bytes.length + ROOM_FOR_EDITS);
}

void sip_splice_keep(struct sip_splice *splice, const char *at)
{
    buffer_append(splice->out, splice->cursor, (size_t)(at - splice->cursor));
    splice->cursor = at;
}

void sip_splice_skip(struct sip_splice *splice, const char *at)
{
    splice->cursor = at;
}

void sip_splice_cut(struct sip_splice *splice, struct slice what)
{
    sip_splice_keep(splice, what.data);
    splice->cursor = what.data + what.length;
}

int sip_splice_end(struct sip_splice *splice)
{
    if (!splice->out->has_failed)
        return 0;
    splice->out->length = splice->start;
    return ERROR_MEMORY;
}

void sip_append_line(struct buffer *out, struct slice name, struct slice value)
{
    buffer_append_slice(out, name);
    buffer_append(out, ": ", 2);
    buffer_append_slice(out, value);
    buffer_append(out, "\r\n", 2);
}

void sip_append_number_line(struct buffer *out, struct slice name, uint64_t number)
{
    buffer_append_slice(out, name);
    buffer_append(out, ": ", 2);
    buffer_append_unsigned(out, number);
    buffer_append(out, "\r\n", 2);
}

static void append_received(struct buffer *out, const struct endpoint *source)
{
    char text[ADDRESS_TEXT_SIZE];
    buffer_append_slice(out, SLICE_LITERAL("received="));
    /* Without brackets, RFC 5118 4.5. */
    buffer_append_string(out, address_print(&source->address, text));
}

static void replace_received(struct sip_splice *splice, const struct sip_via *via, const struct endpoint *source)
{
    if (slice_is_absent(via->received_text))
        return;
    sip_splice_cut(splice, via->received_text);
    append_received(splice->out, source);
}

static void replace_rport(struct sip_splice *splice, const struct sip_via *via, const struct endpoint *source)
{
    if (slice_is_absent(via->rport_text))
        return;
    sip_splice_cut(splice, via->rport_text);
    buffer_append_slice(splice->out, SLICE_LITERAL("rport="));
    buffer_append_unsigned(splice->out, source->port);
}

void sip_splice_mark_via(struct sip_splice *splice, const struct sip_via *via, const struct endpoint *source)
{
    if (source == NULL || !sip_via_needs_received(via, source))
        return;
    /* In the order in which they stand. */
    bool received_first = slice_is_absent(via->rport_text) || slice_is_absent(via->received_text) ||
        via->received_text.data < via->rport_text.data;
    if (received_first)
        replace_received(splice, via, source);
    replace_rport(splice, via, source);
    if (!received_first)
        replace_received(splice, via, source);
    if (slice_is_absent(via->received_text)) {
        sip_splice_keep(splice, via->text.data + via->text.length);
        buffer_append_byte(splice->out, ';');
        append_received(splice->out, source);
    }
}

void sip_splice_keep_values(struct sip_splice *splice, const struct sip_header *header, uint32_t from, uint32_t to)
{
    const char *end = header->value.data + header->value.length;
    const char *first = NULL; /* kept value */
    const char *last = NULL;  /* end of the last kept value */
    struct slice rest = header->value;
    struct slice text;
    for (uint32_t i = 0; sip_value_cut(&rest, &text); i++) {
        if (i < from || i >= to)
            continue;
        if (first == NULL)
            first = text.data;
        last = rest.data == NULL ? end : text.data + text.length;
    }
    if (first == NULL) {
        sip_splice_cut(splice, header->line);
        return;
    }
    if (from > 0)
        sip_splice_cut(splice, sip_slice_between(header->value.data, first));
    if (last != end)
        sip_splice_cut(splice, sip_slice_between(last, end));
}

bool sip_is_stripped(const struct sip_extra *extra, const struct sip_header *header)
{
    if (sip_header_set_has(&extra->strip, header->id))
        return true;
    for (size_t i = 0; i < extra->strip_name_count; i++)
        if (slice_equal_nocase(extra->strip_names[i], header->name))
            return true;
    return false;
}

bool sip_is_clean(struct slice text)
{
    return slice_find(text, '\r', 0) == text.length && slice_find(text, '\n', 0) == text.length &&
        slice_find(text, '\0', 0) == text.length;
}

bool sip_are_lines(struct slice lines)
{
    size_t at = 0;
    while (at < lines.length) {
        size_t cr;
        struct sip_line line;
        if (sip_line_find_folded_end(lines, at, &cr) != SIP_DEFECT_NONE || !sip_line_split(lines, at, cr, &line) ||
            !sip_nuls_are_quoted(slice_of(lines.data + line.value, line.value_end - line.value)))
            return false;
        at = cr + 2;
    }
    return true;
}
