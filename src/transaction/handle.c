/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handle.c - slots with generations; see handle.h. */
#include "transaction/handle.h"

#include "base/error.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

void handle_table_init(struct handle_table *table, uint32_t worker)
{
    *table = (struct handle_table){ .worker = worker };
}

void handle_table_fini(struct handle_table *table)
{
    free(table->slots);
    *table = (struct handle_table){ 0 };
}

static int grow(struct handle_table *table)
{
    if (table->slot_count > UINT32_MAX / 2)
        return ERROR_LIMIT;
    uint32_t count = table->slot_count != 0 ? table->slot_count * 2 : FIRST_SLOTS;
    struct handle_slot *slots = realloc(table->slots, count * sizeof(*slots));
    if (slots == NULL)
        return ERROR_MEMORY;
    table->slots = slots;
    table->slot_count = count;
    return 0;
}

int handle_table_add(struct handle_table *table, enum handle_kind kind, void *object,
    struct transaction_handle *handle_r)
{
    uint32_t slot;
    if (table->free_first != 0) {
        slot = table->free_first - 1;
        table->free_first = table->slots[slot].next_free;
    } else {
        int rc = table->used < table->slot_count ? 0 : grow(table);
        if (rc != 0)
            return rc;
        slot = table->used++;
    }
    table->slots[slot] = (struct handle_slot){ .object = object, .generation = ++table->generation,
        .kind = (uint8_t)kind };
    *handle_r = (struct transaction_handle){ table->worker, slot, table->generation };
    return 0;
}

/* NULL: HANDLE names nothing here. */
static struct handle_slot *slot_of(const struct handle_table *table, struct transaction_handle handle)
{
    if (handle.worker != table->worker || handle.slot >= table->used || handle.generation == 0)
        return NULL;
    struct handle_slot *slot = &table->slots[handle.slot];
    return slot->kind != HANDLE_FREE && slot->generation == handle.generation ? slot : NULL;
}

void *handle_table_find(const struct handle_table *table, enum handle_kind kind, struct transaction_handle handle)
{
    const struct handle_slot *slot = slot_of(table, handle);
    return slot != NULL && slot->kind == kind ? slot->object : NULL;
}

void handle_table_remove(struct handle_table *table, struct transaction_handle handle)
{
    struct handle_slot *slot = slot_of(table, handle);
    if (slot == NULL)
        return;
    *slot = (struct handle_slot){ .next_free = table->free_first };
    table->free_first = handle.slot + 1;
}
