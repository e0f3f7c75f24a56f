/* SPDX-License-Identifier: GPL-2.0-or-later */
/* character.h - which bytes may stand where, RFC 3261 25.1, as one table of bits.
 * Tolerated beyond the grammar: "#" unescaped in a user part (dialled strings), "_" in a host label.
 */
#ifndef TRELAY_SIP_CHARACTER_H
#define TRELAY_SIP_CHARACTER_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SIP_IN_TOKEN = 1,     /* method, header name, parameter name and value */
    SIP_IN_USER = 2,      /* user part of a URI; escapes apart, as in the next three */
    SIP_IN_PASSWORD = 4,
    SIP_IN_PARAMETER = 8, /* name or value of a URI parameter */
    SIP_IN_HEADERS = 16,  /* behind the "?" of a URI, without its "=" and "&" */
    SIP_IN_URI = 32,      /* anywhere in a URI of another scheme */
    SIP_IN_LABEL = 64,    /* label of a host name */
    SIP_IN_DIGITS = 128,
    SIP_UNRESERVED = SIP_IN_USER | SIP_IN_PASSWORD | SIP_IN_PARAMETER | SIP_IN_HEADERS | SIP_IN_URI,
    SIP_ALPHANUMERIC = SIP_IN_TOKEN | SIP_UNRESERVED | SIP_IN_LABEL,
    SIP_MARK = SIP_IN_TOKEN | SIP_UNRESERVED
};

static const uint8_t sip_character_bits[256] = {
    ['0'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS, ['1'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS,
    ['2'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS, ['3'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS,
    ['4'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS, ['5'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS,
    ['6'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS, ['7'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS,
    ['8'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS, ['9'] = SIP_ALPHANUMERIC | SIP_IN_DIGITS,
#define X(lower, upper) [lower] = SIP_ALPHANUMERIC, [upper] = SIP_ALPHANUMERIC,
    X('a', 'A') X('b', 'B') X('c', 'C') X('d', 'D') X('e', 'E') X('f', 'F') X('g', 'G') X('h', 'H') X('i', 'I')
    X('j', 'J') X('k', 'K') X('l', 'L') X('m', 'M') X('n', 'N') X('o', 'O') X('p', 'P') X('q', 'Q') X('r', 'R')
    X('s', 'S') X('t', 'T') X('u', 'U') X('v', 'V') X('w', 'W') X('x', 'X') X('y', 'Y') X('z', 'Z')
#undef X
    ['-'] = SIP_MARK | SIP_IN_LABEL, ['_'] = SIP_MARK | SIP_IN_LABEL, ['.'] = SIP_MARK, ['!'] = SIP_MARK,
    ['~'] = SIP_MARK, ['*'] = SIP_MARK, ['\''] = SIP_MARK, ['('] = SIP_UNRESERVED, [')'] = SIP_UNRESERVED,
    ['%'] = SIP_IN_TOKEN, ['`'] = SIP_IN_TOKEN, ['+'] = SIP_MARK,
    ['&'] = SIP_IN_USER | SIP_IN_PASSWORD | SIP_IN_PARAMETER | SIP_IN_URI,
    ['='] = SIP_IN_USER | SIP_IN_PASSWORD | SIP_IN_URI, ['$'] = SIP_UNRESERVED,
    [','] = SIP_IN_USER | SIP_IN_PASSWORD | SIP_IN_URI, [';'] = SIP_IN_USER | SIP_IN_URI,
    ['?'] = SIP_IN_USER | SIP_IN_HEADERS | SIP_IN_URI,
    ['/'] = SIP_IN_USER | SIP_IN_PARAMETER | SIP_IN_HEADERS | SIP_IN_URI,
    [':'] = SIP_IN_PARAMETER | SIP_IN_HEADERS | SIP_IN_URI, ['['] = SIP_IN_PARAMETER | SIP_IN_HEADERS | SIP_IN_URI,
    [']'] = SIP_IN_PARAMETER | SIP_IN_HEADERS | SIP_IN_URI, ['@'] = SIP_IN_URI, ['#'] = SIP_IN_USER | SIP_IN_URI,
};

static inline bool sip_is(char c, unsigned bits)
{
    return (sip_character_bits[(uint8_t)c] & bits) != 0;
}

/* Bytes from AT on that are of this kind. */
static inline size_t sip_run(struct slice s, size_t at, unsigned bits)
{
    size_t end = at;
    while (end < s.length && sip_is(s.data[end], bits))
        end++;
    return end - at;
}

/* Where the first control or space stands at or after AT, or s.length. What is there is hardly ever anything else. */
static inline size_t sip_find_blank(struct slice s, size_t at)
{
    while ((at += sip_run(s, at, SIP_IN_URI)) < s.length && (uint8_t)s.data[at] > ' ' && s.data[at] != 0x7f)
        at++;
    return at;
}

static inline bool sip_is_all(struct slice s, unsigned bits)
{
    return s.length > 0 && sip_run(s, 0, bits) == s.length;
}

/* White space of a header value: CR and LF are there only as folds, the index of headers saw to that. */
static inline bool sip_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline size_t sip_skip_space(struct slice s, size_t at)
{
    while (at < s.length && sip_is_space(s.data[at]))
        at++;
    return at;
}

static inline struct slice sip_trim(struct slice s)
{
    while (s.length > 0 && sip_is_space(s.data[0])) {
        s.data++;
        s.length--;
    }
    while (s.length > 0 && sip_is_space(s.data[s.length - 1]))
        s.length--;
    return s;
}

static inline bool sip_is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The length of the scheme that S starts with, which its ":" follows; 0: there is none. */
static inline size_t sip_scheme_length(struct slice s)
{
    if (s.length == 0 || ascii_lower(s.data[0]) < 'a' || ascii_lower(s.data[0]) > 'z')
        return 0;
    size_t end = 1;
    while (end < s.length && s.data[end] != '_' &&
        (sip_is(s.data[end], SIP_IN_LABEL) || s.data[end] == '+' || s.data[end] == '.'))
        end++;
    return end < s.length && s.data[end] == ':' ? end : 0;
}

/* Not empty, each byte of this kind or part of an escape "%XX". */
static inline bool sip_is_escaped_text(struct slice s, unsigned bits)
{
    for (size_t i = 0; i < s.length; i++) {
        if (s.data[i] == '%') {
            if (s.length - i < 3 || !sip_is_hex(s.data[i + 1]) || !sip_is_hex(s.data[i + 2]))
                return false;
            i += 2;
        } else if (!sip_is(s.data[i], bits))
            return false;
    }
    return s.length > 0;
}

/* The length of the quoted string that starts at AT with its quote, or 0 when it does not end. A backslash takes
 * any byte but CR and LF with it. */
static inline size_t sip_quoted_length(struct slice s, size_t at)
{
    for (size_t i = at + 1; i < s.length; i++) {
        if (s.data[i] == '"')
            return i + 1 - at;
        if (s.data[i] == '\\' && (++i == s.length || s.data[i] == '\r' || s.data[i] == '\n'))
            return 0;
    }
    return 0;
}

static inline struct slice sip_slice_between(const char *from, const char *to)
{
    return slice_of(from, (size_t)(to - from));
}

#endif
