/* SPDX-License-Identifier: GPL-2.0-or-later */
/* table.h - hash table through a member of the object; the owner of the objects is elsewhere.
 * In:    a hash from hash_bytes() for each entry. Out: the chain of entries with that hash.
 * Never: compares for the caller: equality is the caller's full comparison (INV-2).
 * Growth is amortised; when there is no memory to grow, the table stays right and gets slower.
 */
#ifndef TRELAY_BASE_TABLE_H
#define TRELAY_BASE_TABLE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next;
    uint64_t hash;
    bool is_held;
};

/* A look-up that ends here touches no entry: of each one that it must look at the memory has to be waited for. */
struct table_slot {
    struct table_node *first; /* NULL: none */
    uint32_t check;           /* upper half of its hash */
    uint32_t count;           /* entries of this slot */
};

struct table {
    struct table_slot *slots;
    size_t slot_count; /* a power of two */
    size_t count;
};

/* ERROR_MEMORY, or 0. */
int table_init(struct table *table) MUST_CHECK;

/* Frees the slots; the entries are the caller's, and must not be used through the table again. */
void table_fini(struct table *table);

/* Entries of equal hash may coexist. */
void table_insert(struct table *table, struct table_node *node, uint64_t hash);

/* Allowed for a node that is in no table. */
void table_remove(struct table *table, struct table_node *node);

/* What table_first() is likely to give, not looked at: to be fetched ahead. NULL: it will give nothing. */
struct table_node *table_expected(const struct table *table, uint64_t hash);

/* First entry with this hash, and the next one; NULL at the end. */
struct table_node *table_first(const struct table *table, uint64_t hash);
struct table_node *table_next(const struct table_node *node);

/* Walks all entries in no order: pass NULL first. The table must not change meanwhile. */
struct table_node *table_walk(const struct table *table, const struct table_node *node);

#endif
