/* SPDX-License-Identifier: GPL-2.0-or-later */
/* parameter.c - parameters of header values; see parameter.h. */
#include "sip/parameter.h"

#include "sip/character.h"

/* gen-value is a quoted string, a token or a host. Peers put more into theirs ("=" of base64, "|"): whatever cannot
 * end the parameter is taken. */
static bool is_value_byte(char c)
{
    return (uint8_t)c > ' ' && c != 0x7f && c != ';' && c != ',' && c != '"' && c != '<' && c != '>';
}

static size_t value_length(struct slice s, size_t at)
{
    if (at < s.length && s.data[at] == '"')
        return sip_quoted_length(s, at);
    size_t end = at + sip_run(s, at, SIP_IN_TOKEN); /* nearly always all of it */
    while (end < s.length && is_value_byte(s.data[end]))
        end++;
    return end - at;
}

enum sip_next sip_parameter_next(struct slice *rest, struct sip_parameter *parameter_r)
{
    struct slice s = *rest;
    size_t at = sip_skip_space(s, 0);
    if (at == s.length) {
        *rest = slice_from(s, at);
        return SIP_NEXT_END;
    }
    if (s.data[at] != ';')
        return SIP_NEXT_MALFORMED;
    at = sip_skip_space(s, at + 1);
    size_t length = sip_run(s, at, SIP_IN_TOKEN);
    if (length == 0)
        return SIP_NEXT_MALFORMED;
    struct sip_parameter parameter = { .name = slice_of(s.data + at, length), .value = SLICE_ABSENT };
    size_t start = at;
    size_t end = at + length;
    at = sip_skip_space(s, end);
    if (at < s.length && s.data[at] == '=') {
        at = sip_skip_space(s, at + 1);
        length = value_length(s, at);
        if (length == 0)
            return SIP_NEXT_MALFORMED;
        parameter.value = slice_of(s.data + at, length);
        end = at + length;
    }
    parameter.text = slice_of(s.data + start, end - start);
    *rest = slice_from(s, end);
    *parameter_r = parameter;
    return SIP_NEXT_ONE;
}

bool sip_parameter_find(struct slice parameters, struct slice name, struct sip_parameter *parameter_r)
{
    struct sip_parameter parameter;
    while (sip_parameter_next(&parameters, &parameter) == SIP_NEXT_ONE)
        if (slice_equal_nocase(parameter.name, name)) {
            *parameter_r = parameter;
            return true;
        }
    return false;
}
