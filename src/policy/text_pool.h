/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text_pool.h - each text, or run of bytes, once: rows that say the same share it.
 * In:    bytes. Out: a copy in the arena, the same one for the same bytes.
 * The pool itself is needed only while rows are added; the copies live as long as the arena.
 */
#ifndef TRELAY_POLICY_TEXT_POOL_H
#define TRELAY_POLICY_TEXT_POOL_H

#include "base/arena.h"
#include "base/slice.h"

#include <stdint.h>

struct text_pool_slot {
    const char *bytes; /* NULL: free */
    uint32_t length;
    uint32_t check;
};

struct text_pool {
    struct text_pool_slot *slots;
    size_t slot_count, count;
    uint64_t seed;
    struct arena *arena;
};

void text_pool_init(struct text_pool *pool, struct arena *arena, uint64_t seed);
void text_pool_fini(struct text_pool *pool);

/* Aligned for any object, with a NUL behind it; NULL when there is no memory. */
const void *text_pool_keep(struct text_pool *pool, struct slice bytes);

#endif
