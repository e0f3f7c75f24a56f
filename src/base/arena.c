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

static void *take(struct arena *arena, size_t size, size_t alignment)
{
    size_t start = (arena->used + alignment - 1) & ~(alignment - 1);
    if (arena->blocks == NULL || start > arena->size || arena->size - start < size) {
        if (!add_block(arena, size))
            return NULL;
        start = 0;
    }
    arena->used = start + size;
    return arena->blocks->bytes + start;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    return take(arena, size, alignof(max_align_t));
}

const char *arena_copy(struct arena *arena, struct slice text)
{
    char *copy = text.length < SIZE_MAX ? take(arena, text.length + 1, 1) : NULL;
    if (copy != NULL && text.length > 0)
        memcpy(copy, text.data, text.length);
    return copy;
}
