/* SPDX-License-Identifier: GPL-2.0-or-later */
/* line.c - the lines of a message's head; see line.h. */
#include "sip/line.h"

#include "base/error.h"
#include "sip/character.h"

enum sip_defect_code sip_line_find_end(struct slice bytes, size_t at, size_t *cr_r)
{
    const char *start = bytes.data + at;
    const char *cr = memchr(start, '\r', bytes.length - at);
    size_t length = cr != NULL ? (size_t)(cr - start) : bytes.length - at;
    if (memchr(start, '\n', length) != NULL)
        return SIP_DEFECT_LINE_END;
    if (cr == NULL || at + length + 1 == bytes.length)
        return SIP_DEFECT_HEAD_INCOMPLETE;
    if (cr[1] != '\n')
        return SIP_DEFECT_LINE_END;
    *cr_r = at + length;
    return SIP_DEFECT_NONE;
}

static bool is_blank(struct slice bytes, size_t at, size_t cr)
{
    while (at < cr && (bytes.data[at] == ' ' || bytes.data[at] == '\t'))
        at++;
    return at == cr;
}

enum sip_defect_code sip_line_find_folded_end(struct slice bytes, size_t at, size_t *cr_r)
{
    size_t cr;
    do {
        enum sip_defect_code code = sip_line_find_end(bytes, at, &cr);
        if (code != SIP_DEFECT_NONE)
            return code;
        if (sip_line_is_fold(bytes, at) && is_blank(bytes, at, cr))
            return SIP_DEFECT_FOLD;
        at = cr + 2;
    } while (sip_line_is_fold(bytes, at));
    *cr_r = cr;
    return SIP_DEFECT_NONE;
}

bool sip_line_split(struct slice bytes, size_t at, size_t cr, struct sip_line *line_r)
{
    struct slice line = slice_first(bytes, cr);
    size_t name_length = sip_run(line, at, SIP_IN_TOKEN);
    size_t colon = at + name_length;
    while (colon < cr && (bytes.data[colon] == ' ' || bytes.data[colon] == '\t'))
        colon++;
    if (name_length == 0 || colon == cr || bytes.data[colon] != ':')
        return false;
    size_t value = sip_skip_space(line, colon + 1);
    size_t value_end = cr;
    while (value_end > value && sip_is_space(bytes.data[value_end - 1]))
        value_end--;
    line_r->start = (uint32_t)at;
    line_r->name_length = (uint32_t)name_length;
    line_r->value = (uint32_t)value;
    line_r->value_end = (uint32_t)value_end;
    line_r->end = (uint32_t)(cr + 2);
    return true;
}

int sip_content_length_parse(struct slice value, uint32_t *length_r)
{
    uint64_t length = 0;
    if (!sip_is_all(value, SIP_IN_DIGITS))
        return ERROR_SYNTAX;
    for (size_t i = 0; i < value.length; i++) {
        length = length * 10 + (uint64_t)(value.data[i] - '0');
        if (length > INT32_MAX)
            return ERROR_SYNTAX;
    }
    *length_r = (uint32_t)length;
    return 0;
}
