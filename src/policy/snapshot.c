/* SPDX-License-Identifier: GPL-2.0-or-later */
/* snapshot.c - a finished snapshot: counting, indexes, what is found by name; see snapshot.h. */
#include "policy/snapshot.h"

#include "base/error.h"
#include "base/hash.h"
#include "policy/snapshot_private.h"

#include <stddef.h>
#include <stdlib.h>

struct policy_snapshot *policy_snapshot_ref(struct policy_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

static void release_objects(struct policy_snapshot *snapshot)
{
    for (struct trust_set_entry *entry = snapshot->trust_set_list; entry != NULL; entry = entry->next)
        if (entry->row.store != NULL)
            snapshot->ops.trust_store(entry->row.store);
    for (struct credential_entry *entry = snapshot->credential_list; entry != NULL; entry = entry->next)
        if (entry->row.credential != NULL)
            snapshot->ops.credential(entry->row.credential);
}

void policy_snapshot_unref(struct policy_snapshot *snapshot)
{
    if (snapshot == NULL || atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1)
        return;
    release_objects(snapshot);
    table_fini(&snapshot->index);
    table_fini(&snapshot->trust_sets);
    table_fini(&snapshot->credentials);
    arena_fini(&snapshot->arena);
    free(snapshot);
}

uint64_t policy_snapshot_generation(const struct policy_snapshot *snapshot)
{
    return snapshot->generation;
}

int64_t policy_snapshot_loaded_at(const struct policy_snapshot *snapshot)
{
    return snapshot->loaded_at;
}

size_t policy_snapshot_problem_count(const struct policy_snapshot *snapshot)
{
    return snapshot->problem_count;
}

struct policy_problem policy_snapshot_problem(const struct policy_snapshot *snapshot, size_t index)
{
    if (index >= snapshot->problem_count)
        return (struct policy_problem){ "", "", "" };
    return snapshot->problems[index];
}

struct policy_counts policy_snapshot_counts(const struct policy_snapshot *snapshot)
{
    return snapshot->counts;
}

size_t policy_snapshot_memory(const struct policy_snapshot *snapshot)
{
    return snapshot->arena.total;
}

static const void *find_name(const struct policy_snapshot *snapshot, const struct table *table, const char *name)
{
    if (name == NULL)
        return NULL;
    struct table_node *node = table_first(table, hash_bytes(name, strlen(name), snapshot->seed));
    for (; node != NULL; node = table_next(node)) {
        const struct name_entry *entry = CONTAINER_OF(node, struct name_entry, node);
        if (strcmp(entry->name, name) == 0)
            return entry->row;
    }
    return NULL;
}

const struct policy_trust_set *policy_snapshot_trust_set(const struct policy_snapshot *snapshot, const char *name)
{
    return find_name(snapshot, &snapshot->trust_sets, name);
}

const struct policy_credential *policy_snapshot_credential(const struct policy_snapshot *snapshot, const char *name)
{
    return find_name(snapshot, &snapshot->credentials, name);
}

uint64_t policy_index_hash(const struct policy_snapshot *snapshot, enum policy_match match, struct slice name,
    const struct prefix *prefix)
{
    if (match == MATCH_ADDRESS) {
        uint8_t bytes[18];
        bytes[0] = prefix->address.family;
        bytes[1] = prefix->length;
        memcpy(bytes + 2, prefix->address.bytes, 16);
        return hash_bytes(bytes, sizeof(bytes), snapshot->seed + (uint64_t)match);
    }
    return hash_bytes(name.data, name.length, snapshot->seed + (uint64_t)match);
}

static bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
    return a->length == b->length && a->address.family == b->address.family &&
        memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes)) == 0;
}

const struct policy_index_entry *policy_index_find(const struct policy_snapshot *snapshot, enum policy_match match,
    struct slice name, const struct prefix *prefix)
{
    struct table_node *node = table_first(&snapshot->index, policy_index_hash(snapshot, match, name, prefix));
    for (; node != NULL; node = table_next(node)) {
        const struct policy_index_entry *entry = CONTAINER_OF(node, struct policy_index_entry, node);
        if (entry->match != match)
            continue;
        if (match == MATCH_ADDRESS ? prefix_equal(&entry->prefix, prefix)
                                   : slice_equal(slice_of_string(entry->name), name))
            return entry;
    }
    return NULL;
}

int policy_snapshot_empty(struct policy_snapshot **snapshot_r)
{
    struct policy_builder *builder;
    static const struct policy_release_ops none = { NULL, NULL };
    int rc = policy_builder_new(&none, 0, &builder);
    return rc != 0 ? rc : policy_builder_finish(builder, 0, 0, snapshot_r, NULL);
}
