/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_text.c - just enough SIP for a load; see sip_text.h. */
#include "sip_text.h"

#include "base/integer.h"

size_t sip_text_find(struct slice s, const char *text)
{
    const char *found = s.length > 0 ? memmem(s.data, s.length, text, strlen(text)) : NULL;
    return found != NULL ? (size_t)(found - s.data) : s.length;
}

bool sip_text_is(struct slice line, const char *name, char short_name)
{
    struct slice full = slice_of_string(name);
    if (line.length > full.length && line.data[full.length] == ':')
        return slice_starts_with_nocase(line, full);
    return short_name != 0 && line.length > 1 && line.data[1] == ':' && ascii_lower(line.data[0]) == short_name;
}

struct slice sip_text_value(struct slice line)
{
    struct slice value = slice_from(line, slice_find(line, ':', 0) + 1);
    while (value.length > 0 && (value.data[value.length - 1] == '\r' || value.data[value.length - 1] == '\n'))
        value.length--;
    return slice_trim(value);
}

bool sip_text_next_line(struct slice message, size_t *at, struct slice *line_r)
{
    if (*at == 0)
        *at = slice_find(message, '\n', 0) + 1; /* the start line */
    if (*at >= message.length || message.data[*at] == '\r' || message.data[*at] == '\n')
        return false;
    size_t end = slice_find(message, '\n', *at);
    *line_r = slice_first(slice_from(message, *at), end + 1 - *at);
    *at = end + 1;
    return true;
}

size_t sip_text_length(struct slice bytes)
{
    size_t head = sip_text_find(bytes, "\r\n\r\n");
    if (head == bytes.length)
        return 0;
    size_t at = 0;
    uint64_t body = 0;
    struct slice line;
    while (sip_text_next_line(slice_first(bytes, head + 4), &at, &line))
        if (sip_text_is(line, "Content-Length", 'l') && integer_parse(sip_text_value(line), 1 << 20, &body) != 0)
            body = 0;
    size_t length = head + 4 + (size_t)body;
    return length <= bytes.length ? length : 0;
}
