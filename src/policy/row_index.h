/* SPDX-License-Identifier: GPL-2.0-or-later */
/* row_index.h - rows of a snapshot found by what they match: a hash table of row numbers, 16 bytes a slot.
 * In:    numbers of rows, and a function that gives the key of a row. Out: the chain of rows of one key.
 * Never: takes the hash for the key: keys are compared in full (INV-2); allocates after row_index_init().
 */
#ifndef TRELAY_POLICY_ROW_INDEX_H
#define TRELAY_POLICY_ROW_INDEX_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/slice.h"

#include <stdint.h>

#define ROW_NONE UINT32_MAX

/* Keys are equal when all parts are; an absent part and an empty one are the same here. */
struct index_key {
    unsigned kind;
    struct slice a, b, c;
};

/* Room for keys that are not text in the row. */
struct index_scratch {
    char bytes[18];
};

typedef struct index_key (*row_key_fn)(const void *rows, uint32_t number, struct index_scratch *scratch);

struct row_slot {
    uint32_t check; /* upper half of the hash */
    uint32_t first; /* row number, ROW_NONE: free */
    const char *text; /* of its key, or NULL: only to be fetched along with the row */
};

struct row_index {
    struct row_slot *slots;
    uint32_t *next; /* by row number */
    uint32_t mask;  /* slots - 1 */
    uint32_t count; /* of rows it was made for */
    uint64_t seed;
    row_key_fn key_of;
    const void *rows;
};

/* For row numbers below COUNT. ERROR_MEMORY, or 0; row_index_fini() is allowed in any case if INDEX was zero. */
int row_index_init(struct row_index *index, uint32_t count, uint64_t seed, row_key_fn key_of,
    const void *rows) MUST_CHECK;
void row_index_fini(struct row_index *index);

/* Puts row NUMBER in front of the chain of its key; each number once. */
void row_index_add(struct row_index *index, uint32_t number);

/* First row of the key, ROW_NONE when there is none; and the next one. */
uint32_t row_index_find(const struct row_index *index, const struct index_key *key);
static inline uint32_t row_index_next(const struct row_index *index, uint32_t number)
{
    return index->next[number];
}

size_t row_index_memory(const struct row_index *index);

/* The parts of a prefix as bytes in SCRATCH. */
struct slice index_prefix(const struct prefix *prefix, struct index_scratch *scratch);

/* The prefix of LENGTH bits that ADDRESS is in. */
struct prefix prefix_of(const struct address *address, uint8_t length);

#endif
