/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text_pool.c - each text once; see text_pool.h. */
#include "policy/text_pool.h"

#include "base/hash.h"

#include <stdbool.h>
#include <stdlib.h>

void text_pool_init(struct text_pool *pool, struct arena *arena, uint64_t seed)
{
    *pool = (struct text_pool){ .seed = seed, .arena = arena };
}

void text_pool_fini(struct text_pool *pool)
{
    free(pool->slots);
    pool->slots = NULL;
    pool->slot_count = pool->count = 0;
}

static struct text_pool_slot *find_slot(const struct text_pool *pool, struct slice bytes, uint64_t hash)
{
    for (size_t at = hash & (pool->slot_count - 1);; at = (at + 1) & (pool->slot_count - 1)) {
        struct text_pool_slot *slot = &pool->slots[at];
        bool is_equal = slot->bytes != NULL && slot->check == (uint32_t)(hash >> 32) &&
            slot->length == bytes.length && (bytes.length == 0 || memcmp(slot->bytes, bytes.data, bytes.length) == 0);
        if (slot->bytes == NULL || is_equal)
            return slot;
    }
}

static bool grow(struct text_pool *pool)
{
    struct text_pool grown = *pool;
    grown.slot_count = pool->slot_count > 0 ? 2 * pool->slot_count : 64;
    grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
    if (grown.slots == NULL)
        return false;
    for (size_t i = 0; i < pool->slot_count; i++) {
        const struct text_pool_slot *slot = &pool->slots[i];
        if (slot->bytes == NULL)
            continue;
        struct slice bytes = slice_of(slot->bytes, slot->length);
        *find_slot(&grown, bytes, hash_bytes(bytes.data, bytes.length, pool->seed)) = *slot;
    }
    free(pool->slots);
    *pool = grown;
    return true;
}

const void *text_pool_keep(struct text_pool *pool, struct slice bytes)
{
    if (bytes.length > UINT32_MAX || (2 * (pool->count + 1) > pool->slot_count && !grow(pool)))
        return NULL;
    uint64_t hash = hash_bytes(bytes.data, bytes.length, pool->seed);
    struct text_pool_slot *slot = find_slot(pool, bytes, hash);
    if (slot->bytes != NULL)
        return slot->bytes;
    char *copy = arena_allocate(pool->arena, bytes.length + 1);
    if (copy == NULL)
        return NULL;
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    *slot = (struct text_pool_slot){ .bytes = copy, .length = (uint32_t)bytes.length, .check = (uint32_t)(hash >> 32) };
    pool->count++;
    return copy;
}
