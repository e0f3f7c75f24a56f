/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log_line.c - fields to text; see log_line.h. */
#include "log/log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Kept free for the end of the line. */
static const char CUT[] = " cut=yes\n";
enum { ROOM = LOG_LINE_SIZE - (int)sizeof(CUT) - 1 };

static const char HEX[] = "0123456789abcdef";

/* All of it, or nothing more at all. */
static void put(struct log_line *line, const char *bytes, size_t length)
{
    if (line->is_cut || line->length + length > ROOM) {
        line->is_cut = true;
        return;
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length of the UTF-8 character at TEXT, 0 when there is none or it is a control character (C1, or the
 * separators and direction marks with which a terminal can be made to show another line than stands there). */
static size_t utf8_length(struct slice text)
{
    const unsigned char *c = (const unsigned char *)text.data;
    size_t length = c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;
    if (length == 0 || text.length < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if (!is_continuation(c[i]))
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) || (c[0] == 0xf0 && c[1] < 0x90) ||
        (c[0] == 0xf4 && c[1] >= 0x90))
        return 0; /* overlong, surrogate, beyond Unicode */
    if (c[0] == 0xc2 && c[1] < 0xa0)
        return 0;
    if (c[0] == 0xe2 && (c[1] == 0x80 || c[1] == 0x81))
        return 0; /* U+2000 to U+207F hold all of those marks */
    return length;
}

/* Appends one character of TEXT, escaped where it has to be; returns how many bytes it took. */
static size_t put_character(struct log_line *line, struct slice text)
{
    unsigned char c = (unsigned char)text.data[0];
    if (c == '"' || c == '\\') {
        put(line, (char[]){ '\\', (char)c }, 2);
        return 1;
    }
    if (c == '\n' || c == '\r' || c == '\t') {
        put(line, (char[]){ '\\', c == '\n' ? 'n' : c == '\r' ? 'r' : 't' }, 2);
        return 1;
    }
    if (c >= 0x20 && c < 0x7f) {
        put(line, text.data, 1);
        return 1;
    }
    size_t length = c >= 0x80 ? utf8_length(text) : 0;
    if (length > 0) {
        put(line, text.data, length);
        return length;
    }
    put(line, (char[]){ '\\', 'x', HEX[c >> 4], HEX[c & 15] }, 4);
    return 1;
}

static bool needs_quotes(struct slice text)
{
    if (text.length == 0)
        return true;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return true;
    }
    return false;
}

static void put_text(struct log_line *line, struct slice text)
{
    bool is_quoted = needs_quotes(text);
    if (is_quoted)
        put(line, "\"", 1);
    if (line->is_cut)
        return;
    while (text.length > 0 && !line->is_cut)
        text = slice_from(text, put_character(line, text));
    /* A cut value still ends: there is always room for this quote and the mark. */
    if (is_quoted)
        line->bytes[line->length++] = '"';
}

static void put_redacted(struct log_line *line, struct slice text)
{
    enum { SHOWN = 3, LONGEST = 64 };
    char masked[LONGEST];
    size_t length = text.length < LONGEST ? text.length : LONGEST;
    for (size_t i = 0; i < length; i++)
        masked[i] = i < SHOWN ? text.data[i] : '*';
    put_text(line, slice_of(masked, length));
}

static void put_hex(struct log_line *line, struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        put(line, (char[]){ HEX[c >> 4], HEX[c & 15] }, 2);
    }
}

static void put_errno(struct log_line *line, int code)
{
    char text[96];
    /* The GNU form: the result may or may not lie in TEXT. */
    put_text(line, slice_of_string(strerror_r(code, text, sizeof(text))));
}

static void put_value(struct log_line *line, const struct log_field *field)
{
    char text[ADDRESS_TEXT_SIZE];
    switch (field->kind) {
    case LOG_KIND_NONE:
        break;
    case LOG_KIND_TEXT:
        put_text(line, field->text);
        break;
    case LOG_KIND_REDACTED:
        put_redacted(line, field->text);
        break;
    case LOG_KIND_HEX:
        put_hex(line, field->text);
        break;
    case LOG_KIND_SIGNED:
        put(line, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, field->number));
        break;
    case LOG_KIND_UNSIGNED:
        put(line, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, field->count));
        break;
    case LOG_KIND_BOOL:
        put_text(line, field->count != 0 ? SLICE_LITERAL("yes") : SLICE_LITERAL("no"));
        break;
    case LOG_KIND_ADDRESS:
        put_text(line, slice_of_string(address_print(field->address, text)));
        break;
    case LOG_KIND_ENDPOINT:
        put_text(line, slice_of_string(endpoint_print(field->endpoint, text)));
        break;
    case LOG_KIND_ERRNO:
        put_errno(line, (int)field->number);
        break;
    }
}

static bool has_value(const struct log_field *field)
{
    switch (field->kind) {
    case LOG_KIND_TEXT:
    case LOG_KIND_REDACTED:
    case LOG_KIND_HEX:
        return !slice_is_absent(field->text);
    case LOG_KIND_ADDRESS:
        return field->address != NULL;
    case LOG_KIND_ENDPOINT:
        return field->endpoint != NULL;
    default:
        return field->kind != LOG_KIND_NONE;
    }
}

void log_line_start(struct log_line *line, const char *start)
{
    line->length = 0;
    line->is_cut = false;
    put(line, start, strlen(start));
}

void log_line_add(struct log_line *line, struct log_field field)
{
    if (!has_value(&field) || line->is_cut)
        return;
    size_t before = line->length;
    put(line, " ", 1);
    put(line, field.key, strlen(field.key));
    put(line, "=", 1);
    size_t value = line->length;
    if (!line->is_cut)
        put_value(line, &field);
    if (line->is_cut && line->length <= value)
        line->length = before; /* no half keys, and no keys whose value did not fit */
}

struct slice log_line_finish(struct log_line *line)
{
    const char *end = line->is_cut ? CUT : "\n";
    size_t length = strlen(end);
    memcpy(line->bytes + line->length, end, length);
    line->length += length;
    return slice_of(line->bytes, line->length);
}
