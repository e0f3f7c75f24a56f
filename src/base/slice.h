/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slice.h - bytes borrowed from somebody else's buffer.
 * In:    a pointer and a length; the bytes may hold NULs and have no terminator.
 * Out:   comparisons and cuts, never a copy.
 * Never: owns, writes, or outlives the buffer it points into.
 */
#ifndef TRELAY_BASE_SLICE_H
#define TRELAY_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data; /* NULL: absent, which differs from empty */
    size_t length;
};

#define SLICE_ABSENT ((struct slice){ NULL, 0 })
/* For string literals; slice_of_string() is for other C strings. */
#define SLICE_LITERAL(text) ((struct slice){ "" text, sizeof(text) - 1 })
/* For printf's "%.*s". */
#define SLICE_PRINT(s) (int)(s).length, (s).data != NULL ? (s).data : ""

static inline struct slice slice_of(const char *data, size_t length)
{
    return (struct slice){ data, length };
}

/* NULL gives an absent slice. */
static inline struct slice slice_of_string(const char *text)
{
    return (struct slice){ text, text != NULL ? strlen(text) : 0 };
}

static inline bool slice_is_absent(struct slice s)
{
    return s.data == NULL;
}

static inline bool slice_is_empty(struct slice s)
{
    return s.length == 0;
}

/* From byte FROM (clamped) to the end. */
static inline struct slice slice_from(struct slice s, size_t from)
{
    if (from > s.length)
        from = s.length;
    return (struct slice){ s.data + from, s.length - from };
}

/* The first LENGTH bytes (clamped). */
static inline struct slice slice_first(struct slice s, size_t length)
{
    return (struct slice){ s.data, length < s.length ? length : s.length };
}

/* Same bytes; an absent slice equals only an absent one. */
bool slice_equal(struct slice a, struct slice b);

/* Same bytes but for the case of ASCII letters, whatever the locale. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts_with_nocase(struct slice s, struct slice prefix);

/* Order of unsigned bytes, shorter first; for sorted tables. */
int slice_compare(struct slice a, struct slice b);

/* Position of BYTE at or after FROM, or s.length. */
size_t slice_find(struct slice s, char byte, size_t from);

/* Without spaces and tabs at either end. */
struct slice slice_trim(struct slice s);

/* Copies to OUT and terminates with NUL. False, and OUT is "", when it does not fit or holds a NUL. */
bool slice_to_string(struct slice s, char *out, size_t out_size);

/* The ASCII lower-case letter of C, or C. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

#endif
