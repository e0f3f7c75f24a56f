/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base64url.c - see base64url.h. */
#include "base/base64url.h"

#include "base/error.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_print(const uint8_t *bytes, size_t length, char *out)
{
    size_t written = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | bytes[i];
        count += 8;
        for (; count >= 6; count -= 6)
            out[written++] = digits[bits >> (count - 6) & 63];
    }
    if (count > 0)
        out[written++] = digits[bits << (6 - count) & 63];
    return written;
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int base64url_parse(struct slice text, uint8_t *out, size_t size, size_t *length_r)
{
    size_t length = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    if (text.length % 4 == 1)
        return ERROR_SYNTAX;
    for (size_t i = 0; i < text.length; i++) {
        int digit = digit_of(text.data[i]);
        if (digit < 0)
            return ERROR_SYNTAX;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (length == size)
            return ERROR_LIMIT;
        out[length++] = (uint8_t)(bits >> count);
    }
    if ((bits & ((1u << count) - 1)) != 0)
        return ERROR_SYNTAX;
    *length_r = length;
    return 0;
}
