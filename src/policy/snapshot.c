/* SPDX-License-Identifier: GPL-2.0-or-later */
/* snapshot.c - a finished snapshot: counting, numbers, what is found by name; see snapshot.h. */
#include "policy/snapshot.h"

#include "base/error.h"
#include "policy/snapshot_private.h"

#include <stdlib.h>

struct policy_snapshot *policy_snapshot_ref(struct policy_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

static void release_objects(struct policy_snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->trust_sets.count; i++)
        if (snapshot_trust_set(snapshot, i)->store != NULL)
            snapshot->ops.trust_store(snapshot_trust_set(snapshot, i)->store);
    for (uint32_t i = 0; i < snapshot->credentials.count; i++)
        if (snapshot_credential(snapshot, i)->credential != NULL)
            snapshot->ops.credential(snapshot_credential(snapshot, i)->credential);
}

void policy_snapshot_unref(struct policy_snapshot *snapshot)
{
    if (snapshot == NULL || atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1)
        return;
    release_objects(snapshot);
#define X(kind, type, member) row_store_fini(&snapshot->member);
    ROW_STORE_LIST(X)
#undef X
    row_index_fini(&snapshot->by_match);
    row_index_fini(&snapshot->by_trust_name);
    row_index_fini(&snapshot->by_certificate_name);
    row_index_fini(&snapshot->by_trust_digest);
    row_index_fini(&snapshot->by_chain_digest);
    row_index_fini(&snapshot->by_server_name);
    row_index_fini(&snapshot->named_listeners);
    row_index_fini(&snapshot->by_criterion);
    row_index_fini(&snapshot->by_request);
    free(snapshot->peer_order);
    free(snapshot->route_order);
    free(snapshot->user_prefix_lengths);
    free(snapshot->record_route_hosts);
    free(snapshot->outbound_by_id);
    explicit_bzero(&snapshot->dialog_secrets, sizeof(snapshot->dialog_secrets));
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
    return snapshot->problems.count;
}

struct policy_problem policy_snapshot_problem(const struct policy_snapshot *snapshot, size_t index)
{
    if (index >= snapshot->problems.count)
        return (struct policy_problem){ "", "", "" };
    return *snapshot_problem(snapshot, (uint32_t)index);
}

struct policy_counts policy_snapshot_counts(const struct policy_snapshot *snapshot)
{
    return (struct policy_counts){ .outbound = snapshot->outbound.count, .trust_sets = snapshot->trust_sets.count,
        .credentials = snapshot->credentials.count, .server_profiles = snapshot->profiles.count,
        .peers = snapshot->peers.count, .routes = snapshot->routes.count, .unusable = snapshot->unusable_count };
}

size_t policy_snapshot_memory(const struct policy_snapshot *snapshot)
{
    size_t sum = sizeof(*snapshot) + snapshot->arena.total;
#define X(kind, type, member) sum += row_store_memory(&snapshot->member);
    ROW_STORE_LIST(X)
#undef X
    return sum + row_index_memory(&snapshot->by_match) + row_index_memory(&snapshot->by_trust_name) +
        row_index_memory(&snapshot->by_certificate_name) + row_index_memory(&snapshot->by_trust_digest) +
        row_index_memory(&snapshot->by_chain_digest) + row_index_memory(&snapshot->by_server_name) +
        row_index_memory(&snapshot->named_listeners) + row_index_memory(&snapshot->by_criterion) +
        row_index_memory(&snapshot->by_request) +
        (snapshot->outbound_by_id != NULL ? snapshot->outbound.count * sizeof(void *) : 0) +
        (snapshot->peers.count + snapshot->routes.count + snapshot->record_route_host_count) * sizeof(void *);
}

static uint32_t find_name(const struct row_index *index, const char *name)
{
    struct index_key key = { .a = slice_of_string(name) };
    return name != NULL ? row_index_find(index, &key) : ROW_NONE;
}

const struct policy_trust_set *policy_snapshot_trust_set(const struct policy_snapshot *snapshot, const char *name)
{
    uint32_t number = find_name(&snapshot->by_trust_name, name);
    return number != ROW_NONE ? snapshot_trust_set(snapshot, number) : NULL;
}

const struct policy_credential *policy_snapshot_credential(const struct policy_snapshot *snapshot, const char *name)
{
    uint32_t number = find_name(&snapshot->by_certificate_name, name);
    return number != ROW_NONE ? snapshot_credential(snapshot, number) : NULL;
}

const struct policy_trust_set *policy_snapshot_trust_of(const struct policy_snapshot *snapshot,
    const uint8_t digest[DIGEST_SIZE])
{
    struct index_key key = { .a = slice_of((const char *)digest, DIGEST_SIZE) };
    uint32_t number = row_index_find(&snapshot->by_trust_digest, &key);
    return number != ROW_NONE ? snapshot_trust_set(snapshot, number) : NULL;
}

const struct policy_credential *policy_snapshot_credential_of(const struct policy_snapshot *snapshot,
    const uint8_t chain_digest[DIGEST_SIZE], const uint8_t key_digest[DIGEST_SIZE])
{
    struct index_key key = { .a = slice_of((const char *)chain_digest, DIGEST_SIZE),
        .b = slice_of((const char *)key_digest, DIGEST_SIZE) };
    uint32_t number = row_index_find(&snapshot->by_chain_digest, &key);
    return number != ROW_NONE ? snapshot_credential(snapshot, number) : NULL;
}

static const struct outbound_policy *outbound_in_order(const struct policy_snapshot *snapshot, uint32_t position)
{
    return snapshot->outbound_by_id != NULL ? snapshot->outbound_by_id[position]
                                            : snapshot_outbound(snapshot, position);
}

/* The first that is not below it. */
static const struct outbound_policy *find_id(const struct policy_snapshot *snapshot, int64_t id)
{
    uint32_t low = 0, high = snapshot->outbound.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (outbound_in_order(snapshot, middle)->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < snapshot->outbound.count ? outbound_in_order(snapshot, low) : NULL;
}

const struct outbound_policy *policy_snapshot_outbound(const struct policy_snapshot *snapshot, int64_t id)
{
    const struct outbound_policy *row = find_id(snapshot, id);
    if (row == NULL || row->id != id)
        return NULL;
    struct index_scratch scratch;
    struct index_key key = outbound_row_key(row, &scratch);
    uint32_t ruling = row_index_find(&snapshot->by_match, &key);
    return ruling != ROW_NONE && snapshot_outbound(snapshot, ruling) == row ? row : NULL;
}

const struct outbound_policy *policy_snapshot_strictest_by_address(const struct policy_snapshot *snapshot,
    enum permission weaken)
{
    return snapshot->strictest_by_address[weaken];
}

const struct dialog_secrets *policy_snapshot_dialog_secrets(const struct policy_snapshot *snapshot)
{
    return &snapshot->dialog_secrets;
}

int policy_snapshot_empty(struct policy_snapshot **snapshot_r)
{
    struct policy_builder *builder;
    static const struct policy_release_ops none = { NULL, NULL };
    int rc = policy_builder_new(&none, 0, &builder);
    return rc != 0 ? rc : policy_builder_finish(builder, 0, 0, snapshot_r, NULL);
}
