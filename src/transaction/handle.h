/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handle.h - names for objects that may be gone when the answer comes: slot and generation (INV-29).
 * In:    pointers, owned elsewhere. Out: handles, and from a handle the pointer, or NULL once it was released.
 * Never: gives a generation twice; a stale handle never meets the next tenant of its slot.
 */
#ifndef TRELAY_TRANSACTION_HANDLE_H
#define TRELAY_TRANSACTION_HANDLE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Plain values: may be copied, kept and sent to other workers. */
struct transaction_handle {
    uint32_t worker;
    uint32_t slot;
    uint64_t generation; /* 0: names nothing */
};

static inline bool transaction_handle_equal(struct transaction_handle a, struct transaction_handle b)
{
    return a.worker == b.worker && a.slot == b.slot && a.generation == b.generation;
}

/* What a handle may name; a handle of one kind never resolves as another. */
enum handle_kind { HANDLE_FREE = 0, HANDLE_SERVER, HANDLE_CLIENT, HANDLE_BRANCH };

struct handle_slot {
    void *object;        /* of a free slot: NULL */
    uint64_t generation; /* of the object */
    uint32_t next_free;  /* slot number + 1; 0: last */
    uint8_t kind;        /* enum handle_kind */
};

struct handle_table {
    struct handle_slot *slots;
    uint32_t slot_count;
    uint32_t used;       /* slots ever given out */
    uint32_t free_first; /* slot number + 1; 0: none */
    uint32_t worker;
    uint64_t generation; /* the last one given out */
};

void handle_table_init(struct handle_table *table, uint32_t worker);
void handle_table_fini(struct handle_table *table);

/* 0, ERROR_MEMORY, or ERROR_LIMIT at 2^32 - 1 objects. */
int handle_table_add(struct handle_table *table, enum handle_kind kind, void *object,
    struct transaction_handle *handle_r) MUST_CHECK;

/* NULL: released, another kind, another worker's, or never given out. */
void *handle_table_find(const struct handle_table *table, enum handle_kind kind, struct transaction_handle handle);

/* Allowed for a handle that names nothing (any more). */
void handle_table_remove(struct handle_table *table, struct transaction_handle handle);

#endif
