/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hop_table.c - see hop_table.h. */
#include "relay/hop_table.h"

#include "base/hash.h"
#include "relay/worker.h"

int hop_table_init(struct hop_table *hops, uint64_t seed)
{
    hops->seed = seed;
    return table_init(&hops->table);
}

void hop_table_fini(struct hop_table *hops)
{
    table_fini(&hops->table);
}

static uint64_t hash_of(const struct hop_table *hops, struct connection_handle handle)
{
    uint64_t parts[2] = { (uint64_t)handle.worker << 32 | handle.slot, handle.generation };
    return hash_bytes(parts, sizeof(parts), hops->seed);
}

void hop_table_insert(struct hop_table *hops, struct hop *hop)
{
    table_insert(&hops->table, &hop->by_connection, hash_of(hops, hop->handle));
}

void hop_table_remove(struct hop_table *hops, struct hop *hop)
{
    table_remove(&hops->table, &hop->by_connection);
}

struct hop *hop_table_find(const struct hop_table *hops, struct connection_handle handle)
{
    struct table_node *node = table_first(&hops->table, hash_of(hops, handle));
    for (; node != NULL; node = table_next(node)) {
        struct hop *hop = CONTAINER_OF(node, struct hop, by_connection);
        if (connection_handle_equal(hop->handle, handle))
            return hop;
    }
    return NULL;
}
