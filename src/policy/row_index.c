/* SPDX-License-Identifier: GPL-2.0-or-later */
/* row_index.c - rows found by what they match; see row_index.h. Open addressing, at most half full.
 * Among a million rows, slot, row and text are each a wait for main memory: row and text are waited for together. */
#include "policy/row_index.h"

#include "base/error.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stdlib.h>

int row_index_init(struct row_index *index, uint32_t count, uint64_t seed, row_key_fn key_of, const void *rows)
{
    uint32_t slots = 16;
    if (count >= UINT32_MAX / 4)
        return ERROR_MEMORY;
    while (slots < 2 * count)
        slots *= 2;
    *index = (struct row_index){ .slots = malloc(slots * sizeof(*index->slots)),
        .next = calloc((size_t)count + 1, sizeof(*index->next)), .mask = slots - 1, .count = count,
        .seed = seed, .key_of = key_of, .rows = rows };
    if (index->slots == NULL || index->next == NULL)
        return ERROR_MEMORY;
    for (uint32_t i = 0; i < slots; i++)
        index->slots[i] = (struct row_slot){ .check = 0, .first = ROW_NONE };
    return 0;
}

void row_index_fini(struct row_index *index)
{
    free(index->slots);
    free(index->next);
    *index = (struct row_index){ .slots = NULL };
}

size_t row_index_memory(const struct row_index *index)
{
    return index->slots != NULL
        ? ((size_t)index->mask + 1) * sizeof(*index->slots) + (size_t)index->count * sizeof(*index->next)
        : 0;
}

static bool part_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static uint64_t part_hash(struct slice part, uint64_t seed)
{
    return part.length > 0 ? hash_bytes(part.data, part.length, seed) : seed * 0x9e3779b97f4a7c15u + 1;
}

static uint64_t key_hash(const struct row_index *index, const struct index_key *key)
{
    return part_hash(key->c, part_hash(key->b, part_hash(key->a, index->seed + key->kind)));
}

/* The slot of the key: the one it has, else the one it would take. */
static struct row_slot *find_slot(const struct row_index *index, const struct index_key *key, uint64_t hash)
{
    for (uint32_t at = (uint32_t)hash & index->mask;; at = (at + 1) & index->mask) {
        struct row_slot *slot = &index->slots[at];
        if (slot->first == ROW_NONE)
            return slot;
        if (slot->check != (uint32_t)(hash >> 32))
            continue;
        FETCH_AHEAD(slot->text);
        FETCH_AHEAD(slot->text + CACHE_LINE);
        struct index_scratch scratch;
        struct index_key other = index->key_of(index->rows, slot->first, &scratch);
        if (other.kind == key->kind && part_equal(other.a, key->a) && part_equal(other.b, key->b) &&
            part_equal(other.c, key->c))
            return slot;
    }
}

void row_index_add(struct row_index *index, uint32_t number)
{
    struct index_scratch scratch;
    struct index_key key = index->key_of(index->rows, number, &scratch);
    uint64_t hash = key_hash(index, &key);
    struct row_slot *slot = find_slot(index, &key, hash);
    bool is_text = key.a.data < scratch.bytes || key.a.data >= scratch.bytes + sizeof(scratch.bytes);
    index->next[number] = slot->first;
    *slot = (struct row_slot){ .check = (uint32_t)(hash >> 32), .first = number, .text = is_text ? key.a.data : NULL };
}

uint32_t row_index_find(const struct row_index *index, const struct index_key *key)
{
    return index->count > 0 ? find_slot(index, key, key_hash(index, key))->first : ROW_NONE;
}

struct slice index_prefix(const struct prefix *prefix, struct index_scratch *scratch)
{
    scratch->bytes[0] = (char)prefix->address.family;
    scratch->bytes[1] = (char)prefix->length;
    memcpy(scratch->bytes + 2, prefix->address.bytes, sizeof(prefix->address.bytes));
    return slice_of(scratch->bytes, sizeof(scratch->bytes));
}

struct prefix prefix_of(const struct address *address, uint8_t length)
{
    struct prefix prefix = { .address = *address, .length = length };
    prefix.address.scope = 0;
    size_t whole = length / 8;
    if (whole >= sizeof(prefix.address.bytes))
        return prefix;
    prefix.address.bytes[whole] &= (uint8_t)(0xff00u >> length % 8);
    memset(prefix.address.bytes + whole + 1, 0, sizeof(prefix.address.bytes) - whole - 1);
    return prefix;
}
