/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arena.c - memory that is freed in one piece; see arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

struct arena_block {
    struct arena_block *older;
    alignas(max_align_t) unsigned char bytes[];
};

void arena_fini(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks, *older; block != NULL; block = older) {
        older = block->older;
        free(block);
    }
    *arena = ARENA_EMPTY;
}

static bool add_block(struct arena *arena, size_t size)
{
    size_t room = arena->size > 0 ? arena->size * 2 : FIRST_BLOCK;
    if (room > LARGEST_BLOCK)
        room = LARGEST_BLOCK;
    if (room < size)
        room = size;
    if (room > SIZE_MAX - sizeof(struct arena_block))
        return false;
    struct arena_block *block = calloc(1, sizeof(*block) + room);
    if (block == NULL)
        return false;
    block->older = arena->blocks;
    arena->blocks = block;
    arena->used = 0;
    arena->size = room;
    arena->total += room;
    return true;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    size_t aligned = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (aligned < size)
        return NULL;
    if ((arena->blocks == NULL || arena->size - arena->used < aligned) && !add_block(arena, aligned))
        return NULL;
    void *memory = arena->blocks->bytes + arena->used;
    arena->used += aligned;
    return memory;
}

const char *arena_copy(struct arena *arena, struct slice text)
{
    char *copy = arena_allocate(arena, text.length + 1);
    if (copy != NULL && text.length > 0)
        memcpy(copy, text.data, text.length);
    return copy;
}
