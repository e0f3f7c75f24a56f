/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refused_memory.h - malloc(), calloc() and realloc() that are refused when a test says so.
 * In:    static bool is_refused(void), defined ahead of this header; the linker's --wrap for the three.
 * Out:   NULL for each call of which is_refused() says so. For one file of a program.
 */
#ifndef TRELAY_UNIT_REFUSED_MEMORY_H
#define TRELAY_UNIT_REFUSED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return is_refused() ? NULL : __real_realloc(old, size);
}

#endif
