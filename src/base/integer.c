/* SPDX-License-Identifier: GPL-2.0-or-later */
/* integer.c - decimal text to numbers; see integer.h. */
#include "base/integer.h"

#include "base/error.h"

int integer_parse(struct slice s, uint64_t limit, uint64_t *value_r)
{
    if (s.length == 0)
        return ERROR_SYNTAX;
    uint64_t value = 0;
    bool is_over = false;
    for (size_t i = 0; i < s.length; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return ERROR_SYNTAX;
        uint64_t digit = (uint64_t)(s.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            is_over = true;
        else
            value = value * 10 + digit;
    }
    if (is_over || value > limit)
        return ERROR_LIMIT;
    *value_r = value;
    return 0;
}
