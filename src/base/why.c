/* SPDX-License-Identifier: GPL-2.0-or-later */
/* why.c - reasons of failures; see why.h. */
#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int why_fail(struct why *why, int code, const char *format, ...)
{
    if (why != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(why->text, sizeof(why->text), format, arguments);
        va_end(arguments);
    }
    return code;
}

void why_prefix(struct why *why, const char *format, ...)
{
    if (why == NULL)
        return;
    char old[WHY_SIZE];
    memcpy(old, why->text, sizeof(old));
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(why->text, sizeof(why->text), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length + 2 >= sizeof(why->text))
        return;
    size_t at = (size_t)length;
    why->text[at++] = ':';
    why->text[at++] = ' ';
    size_t room = sizeof(why->text) - at - 1;
    size_t keep = strnlen(old, sizeof(old) - 1);
    if (keep > room)
        keep = room;
    memcpy(why->text + at, old, keep);
    why->text[at + keep] = '\0';
}
