/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arena.h - memory that is freed in one piece.
 * In:    sizes. Out: zeroed, aligned memory that lives as long as the arena.
 * Never: frees one allocation; moves what it gave out.
 */
#ifndef TRELAY_BASE_ARENA_H
#define TRELAY_BASE_ARENA_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used, size; /* of the newest block */
    size_t total;      /* bytes of all blocks */
};

#define ARENA_EMPTY ((struct arena){ NULL, 0, 0, 0 })

void arena_fini(struct arena *arena);

/* Zeroed; NULL when there is no memory. */
void *arena_allocate(struct arena *arena, size_t size);

/* A copy with a NUL behind it, not aligned; NULL when there is no memory. */
const char *arena_copy(struct arena *arena, struct slice text);

#endif
