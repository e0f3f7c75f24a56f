/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_context_cache.c - contexts found again by their content; see tls_context.h.
 * One lock for all threads: taken once for each new connection, and while a context is made (a millisecond).
 */
#include "tls/tls_context.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/table.h"
#include "tls/tls_private.h"

#include <pthread.h>
#include <stdlib.h>

struct cache_entry {
    struct table_node node;
    struct buffer key; /* role, settings, digest */
    struct tls_context *context;
};

struct tls_context_cache {
    pthread_mutex_t lock;
    struct table table;
    uint64_t seed;
    size_t limit;
};

static struct cache_entry *entry_of(struct table_node *node)
{
    return CONTAINER_OF(node, struct cache_entry, node);
}

static void entry_free(struct cache_entry *entry)
{
    tls_context_unref(entry->context);
    buffer_free(&entry->key);
    free(entry);
}

int tls_context_cache_new(uint64_t seed, size_t limit, struct tls_context_cache **cache_r)
{
    struct tls_context_cache *cache = malloc(sizeof(*cache));
    if (cache == NULL)
        return ERROR_MEMORY;
    *cache = (struct tls_context_cache){ .seed = seed, .limit = limit };
    if (table_init(&cache->table) != 0) {
        free(cache);
        return ERROR_MEMORY;
    }
    pthread_mutex_init(&cache->lock, NULL);
    *cache_r = cache;
    return 0;
}

/* The lock is held. IS_ALL: those in use elsewhere are dropped as well. */
static void drop(struct tls_context_cache *cache, bool is_all)
{
    struct table_node *next;
    for (struct table_node *node = table_walk(&cache->table, NULL); node != NULL; node = next) {
        struct cache_entry *entry = entry_of(node);
        next = table_walk(&cache->table, node);
        if (!is_all && atomic_load_explicit(&entry->context->references, memory_order_acquire) > 1)
            continue;
        table_remove(&cache->table, node);
        entry_free(entry);
    }
}

void tls_context_cache_free(struct tls_context_cache *cache)
{
    if (cache == NULL)
        return;
    drop(cache, true);
    table_fini(&cache->table);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

void tls_context_cache_sweep(struct tls_context_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    drop(cache, false);
    pthread_mutex_unlock(&cache->lock);
}

size_t tls_context_cache_count(struct tls_context_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    size_t count = cache->table.count;
    pthread_mutex_unlock(&cache->lock);
    return count;
}

static void append_key(struct buffer *key, enum tls_role role, const struct tls_settings *settings,
                       const struct tls_credential *credential)
{
    buffer_append_byte(key, (uint8_t)role);
    tls_settings_encode(settings, key);
    /* A digest is never empty, so that no credential is a value of its own. */
    if (credential != NULL)
        buffer_append_slice(key, credential->digest);
}

/* Makes context and entry for KEY, which is taken; the lock is held. */
static int add(struct tls_context_cache *cache, enum tls_role role, const struct tls_settings *settings,
               struct tls_credential *credential, struct buffer *key, uint64_t hash, struct cache_entry **entry_r,
               struct why *why)
{
    struct cache_entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    int result = tls_context_new(role, settings, credential, &entry->context, why);
    if (result != 0) {
        free(entry);
        return result;
    }
    if (cache->table.count >= cache->limit)
        drop(cache, false);
    entry->key = *key;
    *key = BUFFER_EMPTY;
    table_insert(&cache->table, &entry->node, hash);
    *entry_r = entry;
    return 0;
}

int tls_context_cache_get(struct tls_context_cache *cache, enum tls_role role, const struct tls_settings *settings,
                          struct tls_credential *credential, struct tls_context **context_r, struct why *why)
{
    struct buffer key = BUFFER_EMPTY;
    append_key(&key, role, settings, credential);
    if (key.has_failed) {
        buffer_free(&key);
        return why_fail(why, ERROR_MEMORY, "out of memory");
    }
    uint64_t hash = hash_bytes(key.data, key.length, cache->seed);
    struct cache_entry *entry = NULL;
    int result = 0;
    pthread_mutex_lock(&cache->lock);
    struct table_node *node = table_first(&cache->table, hash);
    while (node != NULL && !slice_equal(buffer_slice(&entry_of(node)->key), buffer_slice(&key)))
        node = table_next(node);
    if (node != NULL)
        entry = entry_of(node);
    else
        result = add(cache, role, settings, credential, &key, hash, &entry, why);
    if (result == 0)
        *context_r = tls_context_ref(entry->context);
    pthread_mutex_unlock(&cache->lock);
    buffer_free(&key);
    return result;
}
