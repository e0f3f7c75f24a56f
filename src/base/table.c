/* SPDX-License-Identifier: GPL-2.0-or-later */
/* table.c - chained hash table; see table.h. */
#include "base/table.h"

#include "base/error.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

int table_init(struct table *table)
{
    *table = (struct table){ .slots = calloc(FIRST_SLOTS, sizeof(struct table_slot)), .slot_count = FIRST_SLOTS };
    return table->slots != NULL ? 0 : ERROR_MEMORY;
}

void table_fini(struct table *table)
{
    free(table->slots);
    *table = (struct table){ 0 };
}

static struct table_slot *slot_of(const struct table *table, uint64_t hash)
{
    return &table->slots[hash & (table->slot_count - 1)];
}

static uint32_t check_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* In front of the others. */
static void put(struct table_slot *slot, struct table_node *node)
{
    node->next = slot->first;
    *slot = (struct table_slot){ .first = node, .check = check_of(node->hash), .count = slot->count + 1 };
}

static void grow(struct table *table)
{
    struct table grown = { .slots = calloc(table->slot_count * 2, sizeof(struct table_slot)),
        .slot_count = table->slot_count * 2, .count = table->count };
    if (grown.slots == NULL)
        return;
    for (size_t i = 0; i < table->slot_count; i++) {
        struct table_node *next;
        for (struct table_node *node = table->slots[i].first; node != NULL; node = next) {
            next = node->next;
            put(slot_of(&grown, node->hash), node);
        }
    }
    free(table->slots);
    *table = grown;
}

void table_insert(struct table *table, struct table_node *node, uint64_t hash)
{
    if (2 * table->count >= table->slot_count) /* each entry that is not the one is a wait for main memory */
        grow(table);
    *node = (struct table_node){ .hash = hash, .is_held = true };
    put(slot_of(table, hash), node);
    table->count++;
}

void table_remove(struct table *table, struct table_node *node)
{
    if (!node->is_held)
        return;
    struct table_slot *slot = slot_of(table, node->hash);
    struct table_node **link = &slot->first;
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    slot->count--;
    slot->check = slot->first != NULL ? check_of(slot->first->hash) : 0;
    *node = (struct table_node){ 0 };
    table->count--;
}

static struct table_node *with_hash(struct table_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct table_node *table_expected(const struct table *table, uint64_t hash)
{
    const struct table_slot *slot = slot_of(table, hash);
    return slot->check == check_of(hash) || slot->count > 1 ? slot->first : NULL;
}

struct table_node *table_first(const struct table *table, uint64_t hash)
{
    return with_hash(table_expected(table, hash), hash);
}

struct table_node *table_next(const struct table_node *node)
{
    return with_hash(node->next, node->hash);
}

struct table_node *table_walk(const struct table *table, const struct table_node *node)
{
    if (node != NULL && node->next != NULL)
        return node->next;
    size_t i = node != NULL ? (node->hash & (table->slot_count - 1)) + 1 : 0;
    for (; i < table->slot_count; i++)
        if (table->slots[i].first != NULL)
            return table->slots[i].first;
    return NULL;
}
