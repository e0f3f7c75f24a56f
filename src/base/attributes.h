/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attributes.h - compiler attributes by the name of what they promise. */
#ifndef TRELAY_BASE_ATTRIBUTES_H
#define TRELAY_BASE_ATTRIBUTES_H

/* The result carries a failure: dropping it is a compile error under -Werror. */
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define UNUSED __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The cache line at ADDRESS will be read soon: several such waits for main memory then pass at one time. Any address is
 * allowed. */
#define FETCH_AHEAD(address) __builtin_prefetch(address)
#define FETCH_AHEAD_TO_WRITE(address) __builtin_prefetch(address, 1)
enum { CACHE_LINE = 64 };

/* For a MUST_CHECK result that changes nothing here; say why beside it. */
static inline void ignore_result(int result)
{
    (void)result;
}

/* The object that holds MEMBER at address POINTER; needs <stddef.h> and <stdint.h>. */
#define CONTAINER_OF(pointer, type, member) ((type *)((uintptr_t)(pointer)-offsetof(type, member)))

#endif
