/* SPDX-License-Identifier: GPL-2.0-or-later */
/* row_store.c - rows of one kind, by number, in chunks that never move. */
#include "policy/snapshot_private.h"

#include <stdlib.h>

static bool add_chunk(struct row_store *store)
{
    if (store->chunk_count == store->chunk_room) {
        uint32_t room = store->chunk_room > 0 ? 2 * store->chunk_room : 16;
        void **grown = realloc(store->chunks, room * sizeof(*grown));
        if (grown == NULL)
            return false;
        store->chunks = grown;
        store->chunk_room = room;
    }
    void *chunk = calloc(ROWS_PER_CHUNK, store->row_size);
    if (chunk == NULL)
        return false;
    store->chunks[store->chunk_count++] = chunk;
    return true;
}

void *row_store_add(struct row_store *store)
{
    if (store->count >= UINT32_MAX / 4 - 1)
        return NULL;
    if (store->count == store->chunk_count * ROWS_PER_CHUNK && !add_chunk(store))
        return NULL;
    return row_at(store, store->count++);
}

void row_store_fini(struct row_store *store)
{
    for (uint32_t i = 0; i < store->chunk_count; i++)
        free(store->chunks[i]);
    free(store->chunks);
    store->chunks = NULL;
    store->chunk_count = store->chunk_room = store->count = 0;
}

size_t row_store_memory(const struct row_store *store)
{
    return store->chunk_count * (ROWS_PER_CHUNK * store->row_size + sizeof(void *));
}
