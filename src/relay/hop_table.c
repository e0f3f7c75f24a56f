/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hop_table.c - see hop_table.h. One connection may have tens of thousands of tries that linger after their answer
 * (Timer M): leaving must not ask how many they are, so that each slot is a list with two ends. The number of slots
 * stays, for a search follows only when a connection ends.
 */
#include "relay/hop_table.h"

#include "base/error.h"
#include "base/hash.h"
#include "relay/worker.h"

#include <stdlib.h>

enum { SLOTS = 1024 };

int hop_table_init(struct hop_table *hops, uint64_t seed)
{
    hops->seed = seed;
    hops->slots = malloc(SLOTS * sizeof(*hops->slots));
    if (hops->slots == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < SLOTS; i++)
        list_init(&hops->slots[i]);
    return 0;
}

void hop_table_fini(struct hop_table *hops)
{
    free(hops->slots);
    hops->slots = NULL;
}

static struct list *slot_of(const struct hop_table *hops, struct connection_handle handle)
{
    uint64_t parts[2] = { (uint64_t)handle.worker << 32 | handle.slot, handle.generation };
    return &hops->slots[hash_bytes(parts, sizeof(parts), hops->seed) % SLOTS];
}

void hop_table_insert(struct hop_table *hops, struct hop *hop)
{
    list_append(slot_of(hops, hop->handle), &hop->by_connection);
}

void hop_table_remove(struct hop *hop)
{
    list_remove(&hop->by_connection);
}

void hop_table_take(struct hop_table *hops, struct connection_handle handle, struct list *taken)
{
    list_for_each_safe(node, slot_of(hops, handle)) {
        if (!connection_handle_equal(CONTAINER_OF(node, struct hop, by_connection)->handle, handle))
            continue;
        list_remove(node);
        list_append(taken, node);
    }
}
