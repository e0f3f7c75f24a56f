/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slice.c - comparisons and cuts of borrowed bytes; see slice.h. */
#include "base/slice.h"

bool slice_equal(struct slice a, struct slice b)
{
    if (a.data == NULL || b.data == NULL)
        return a.data == b.data;
    return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static bool equal_nocase(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (a[i] != b[i] && ascii_lower(a[i]) != ascii_lower(b[i]))
            return false;
    return true;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.data == NULL || b.data == NULL)
        return a.data == b.data;
    return a.length == b.length && equal_nocase(a.data, b.data, a.length);
}

bool slice_starts_with_nocase(struct slice s, struct slice prefix)
{
    if (s.data == NULL || prefix.data == NULL)
        return false;
    return s.length >= prefix.length && equal_nocase(s.data, prefix.data, prefix.length);
}

int slice_compare(struct slice a, struct slice b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return a.length < b.length ? -1 : a.length > b.length;
}

size_t slice_find(struct slice s, char byte, size_t from)
{
    if (from >= s.length)
        return s.length;
    const char *found = memchr(s.data + from, byte, s.length - from);
    return found != NULL ? (size_t)(found - s.data) : s.length;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
    while (s.length > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    while (s.length > 0 && is_blank(s.data[s.length - 1]))
        s.length--;
    return s;
}

bool slice_to_string(struct slice s, char *out, size_t out_size)
{
    if (out_size == 0)
        return false;
    out[0] = '\0';
    if (s.length >= out_size || slice_find(s, '\0', 0) != s.length)
        return false;
    if (s.length > 0)
        memcpy(out, s.data, s.length);
    out[s.length] = '\0';
    return true;
}
