/* SPDX-License-Identifier: GPL-2.0-or-later */
/* builder_finish.c - copied rows become a snapshot: resolved, checked, ordered, indexed.
 * In:    a builder with all rows. Out: the snapshot; rows that cannot be used are tombstones with their reason.
 * Never: leaves a row out because it is wrong (INV-47); finishes when a row is missing for want of memory.
 */
#include "base/error.h"
#include "policy/builder_private.h"

#include <stdio.h>
#include <stdlib.h>

typedef int (*finish_fn)(struct policy_builder *builder);

/* Copies what is wrong into the row and into the problems. */
static int entomb(struct policy_builder *builder, const char *kind, const char *name, const char **unusable,
    const char *defect)
{
    if (defect == NULL)
        return 0;
    builder->snapshot->unusable_count++;
    *unusable = text_pool_keep(&builder->pool, slice_of_string(defect));
    return *unusable != NULL ? policy_builder_problem(builder, kind, name, defect) : ERROR_MEMORY;
}

/* Of two rows of one name neither is meant more than the other. */
static bool is_name_shared(const struct row_index *index, const struct index_key *key)
{
    uint32_t first = row_index_find(index, key);
    return first != ROW_NONE && row_index_next(index, first) != ROW_NONE;
}

static int finish_trust_sets(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct row_index *index = &snapshot->by_trust_name;
    int rc = row_index_init(index, snapshot->trust_sets.count, snapshot->seed, trust_set_key, snapshot);
    for (uint32_t i = 0; rc == 0 && i < snapshot->trust_sets.count; i++)
        row_index_add(index, i);
    for (uint32_t i = 0; rc == 0 && i < snapshot->trust_sets.count; i++) {
        struct policy_trust_set *row = snapshot_trust_set(snapshot, i);
        struct index_key key = trust_set_key(snapshot, i, NULL);
        const char *defect = row->unusable;
        if (defect == NULL && (row->name == NULL || row->name[0] == '\0'))
            defect = "it has no name";
        if (defect == NULL && row->store == NULL)
            defect = "it holds no anchor that can be used";
        if (defect == NULL && is_name_shared(index, &key))
            defect = "there are two of this name";
        rc = entomb(builder, "trust_set", row->name, &row->unusable, defect);
    }
    index = &snapshot->by_trust_digest;
    if (rc == 0)
        rc = row_index_init(index, snapshot->trust_sets.count, snapshot->seed, trust_digest_key, snapshot);
    for (uint32_t i = 0; rc == 0 && i < snapshot->trust_sets.count; i++)
        if (snapshot_trust_set(snapshot, i)->unusable == NULL)
            row_index_add(index, i);
    return rc;
}

static int finish_credentials(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct row_index *index = &snapshot->by_certificate_name;
    int rc = row_index_init(index, snapshot->credentials.count, snapshot->seed, credential_key, snapshot);
    for (uint32_t i = 0; rc == 0 && i < snapshot->credentials.count; i++)
        row_index_add(index, i);
    for (uint32_t i = 0; rc == 0 && i < snapshot->credentials.count; i++) {
        struct policy_credential *row = snapshot_credential(snapshot, i);
        struct index_key key = credential_key(snapshot, i, NULL);
        const char *defect = row->unusable;
        if (defect == NULL && (row->name == NULL || row->name[0] == '\0'))
            defect = "it has no name";
        if (defect == NULL && row->credential == NULL)
            defect = "certificate and key cannot be used";
        if (defect == NULL && row->not_after <= snapshot->loaded_at)
            defect = "it has expired";
        if (defect == NULL && is_name_shared(index, &key))
            defect = "there are two of this name";
        rc = entomb(builder, "certificate", row->name, &row->unusable, defect);
    }
    index = &snapshot->by_chain_digest;
    if (rc == 0)
        rc = row_index_init(index, snapshot->credentials.count, snapshot->seed, chain_digest_key, snapshot);
    for (uint32_t i = 0; rc == 0 && i < snapshot->credentials.count; i++)
        if (snapshot_credential(snapshot, i)->unusable == NULL)
            row_index_add(index, i);
    return rc;
}

static int check_outbound(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct row_check check = { .snapshot = snapshot };
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < snapshot->outbound.count; i++) {
        struct outbound_policy *row = snapshot_outbound(snapshot, i);
        const char *defect = outbound_defect(&check, row);
        if (row->unusable != NULL)
            defect = row->unusable;
        rc = entomb(builder, "outbound_policy", row->name, &row->unusable, defect);
        if (row->unusable == NULL)
            row->unusable_reason = REASON_NONE;
        else if (row->unusable_reason == REASON_NONE)
            row->unusable_reason = REASON_POLICY_UNUSABLE;
    }
    return rc;
}

static int by_rank(const void *left, const void *right)
{
    const struct outbound_policy *a = *(struct outbound_policy *const *)left;
    const struct outbound_policy *b = *(struct outbound_policy *const *)right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int mark_ambiguous(struct policy_builder *builder, struct outbound_policy *row,
    const struct outbound_policy *other)
{
    char text[WHY_SIZE];
    if (row->unusable != NULL)
        return 0;
    snprintf(text, sizeof(text), "it has the same match and priority as row \"%.64s\"",
        other->name != NULL ? other->name : "?");
    row->unusable_reason = REASON_POLICY_AMBIGUOUS;
    return entomb(builder, "outbound_policy", row->name, &row->unusable, text);
}

/* The rows of one match in order of priority: equals are ambiguous, the first rules. SORTED has room for all. */
static int rank_chain(struct policy_builder *builder, struct row_slot *slot, struct outbound_policy **sorted,
    uint32_t *numbers)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    uint32_t count = 0, ruling = slot->first;
    for (uint32_t i = slot->first; i != ROW_NONE; i = row_index_next(&snapshot->by_match, i)) {
        sorted[count] = snapshot_outbound(snapshot, i);
        numbers[count++] = i;
    }
    if (count == 1)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        struct outbound_policy *best = snapshot_outbound(snapshot, ruling);
        if (by_rank(&sorted[i], &best) < 0)
            ruling = numbers[i];
    }
    qsort(sorted, count, sizeof(struct outbound_policy *), by_rank);
    int rc = 0;
    for (uint32_t i = 1; rc == 0 && i < count; i++) {
        if (sorted[i]->priority != sorted[i - 1]->priority)
            continue;
        rc = mark_ambiguous(builder, sorted[i - 1], sorted[i]);
        if (rc == 0)
            rc = mark_ambiguous(builder, sorted[i], sorted[i - 1]);
    }
    slot->first = ruling;
    return rc;
}

static bool is_indexed(const struct outbound_policy *row)
{
    bool has_name = row->match_name != NULL && row->match_name[0] != '\0';
    return row->match > MATCH_UNSET && row->match <= MATCH_DEFAULT &&
        (has_name || row->match == MATCH_ADDRESS || row->match == MATCH_DEFAULT) &&
        (row->match != MATCH_ADDRESS || row->match_prefix.length <= 128);
}

/* A level that is none is as strict as any (INV-1). */
static unsigned strictness(const struct outbound_policy *row)
{
    return row->level > LEVEL_UNSET && row->level < LEVEL_COUNT ? (unsigned)row->level : LEVEL_COUNT;
}

static void note_address(struct policy_snapshot *snapshot, const struct outbound_policy *row)
{
    bool is_v6 = row->match_prefix.address.family == ADDRESS_V6, may_weaken = row->weaken == PERMISSION_ALLOWED;
    const struct outbound_policy **strictest =
        &snapshot->strictest_by_address[may_weaken ? PERMISSION_ALLOWED : PERMISSION_REFUSED];
    snapshot->has_prefix_length[is_v6][row->match_prefix.length] = true;
    if (*strictest == NULL || strictness(row) > strictness(*strictest))
        *strictest = row;
}

static int index_outbound(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct row_index *index = &snapshot->by_match;
    uint32_t count = snapshot->outbound.count;
    struct outbound_policy **sorted = malloc(((size_t)count + 1) * sizeof(struct outbound_policy *));
    uint32_t *numbers = malloc(((size_t)count + 1) * sizeof(*numbers));
    int rc = row_index_init(index, count, snapshot->seed, outbound_key, snapshot);
    if (rc != 0 || sorted == NULL || numbers == NULL) {
        rc = ERROR_MEMORY;
        goto out;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct outbound_policy *row = snapshot_outbound(snapshot, i);
        if (!is_indexed(row))
            continue;
        row_index_add(index, i);
        snapshot->has_suffix = snapshot->has_suffix || row->match == MATCH_SUFFIX;
        if (row->match == MATCH_ADDRESS)
            note_address(snapshot, row);
    }
    for (uint32_t i = 0; rc == 0 && i <= index->mask; i++)
        if (index->slots[i].first != ROW_NONE)
            rc = rank_chain(builder, &index->slots[i], sorted, numbers);
out:
    free(sorted);
    free(numbers);
    return rc;
}

static int by_id(const void *left, const void *right)
{
    const struct outbound_policy *a = *(const struct outbound_policy *const *)left;
    const struct outbound_policy *b = *(const struct outbound_policy *const *)right;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* A database gives them in order, so that a million rows cost nothing more. */
static int order_by_id(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    uint32_t count = snapshot->outbound.count, i = 1;
    while (i < count && snapshot_outbound(snapshot, i - 1)->id < snapshot_outbound(snapshot, i)->id)
        i++;
    if (i >= count)
        return 0;
    snapshot->outbound_by_id = malloc(count * sizeof(struct outbound_policy *));
    if (snapshot->outbound_by_id == NULL)
        return ERROR_MEMORY;
    for (i = 0; i < count; i++)
        snapshot->outbound_by_id[i] = snapshot_outbound(snapshot, i);
    qsort(snapshot->outbound_by_id, count, sizeof(struct outbound_policy *), by_id);
    return 0;
}

/* Once, for the first row of them: there may be a row for each of many domains. */
static int check_initial_only(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    for (uint32_t i = 0; snapshot->dialog_secrets.count == 0 && i < snapshot->outbound.count; i++)
        if (snapshot_outbound(snapshot, i)->initial_only)
            return policy_builder_problem(builder, "outbound_policy", snapshot_outbound(snapshot, i)->name,
                "initial_only has no effect, here and elsewhere: trelay.dialog_secret has no row");
    return 0;
}

static int finish_profiles(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct row_check check = { .snapshot = snapshot };
    uint32_t count = snapshot->profiles.count;
    int rc = row_index_init(&snapshot->by_server_name, count, snapshot->seed, profile_key, snapshot);
    if (rc == 0)
        rc = row_index_init(&snapshot->named_listeners, count, snapshot->seed, listener_key, snapshot);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        row_index_add(&snapshot->by_server_name, i);
        if (snapshot_profile(snapshot, i)->server_name != NULL)
            row_index_add(&snapshot->named_listeners, i);
    }
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct server_profile *row = snapshot_profile(snapshot, i);
        struct index_key key = profile_key(snapshot, i, NULL);
        const char *defect = row->unusable != NULL ? row->unusable : profile_defect(&check, row);
        if (defect == NULL && is_name_shared(&snapshot->by_server_name, &key))
            defect = "there are two for this listener and server name";
        rc = entomb(builder, "server_profile", row->name, &row->unusable, defect);
    }
    return rc;
}

static int by_peer_rank(const void *left, const void *right)
{
    const struct peer_rule *a = *(struct peer_rule *const *)left, *b = *(struct peer_rule *const *)right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int by_route_rank(const void *left, const void *right)
{
    const struct route *a = *(struct route *const *)left, *b = *(struct route *const *)right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    if (a->fork != b->fork)
        return a->fork ? -1 : 1;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int finish_peers(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct row_check check = { .snapshot = snapshot };
    uint32_t count = snapshot->peers.count;
    snapshot->peer_order = malloc(((size_t)count + 1) * sizeof(struct peer_rule *));
    int rc = snapshot->peer_order != NULL ? 0 : ERROR_MEMORY;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct peer_rule *row = snapshot_peer(snapshot, i);
        snapshot->peer_order[i] = row;
        const char *defect = peer_defect(&check, row);
        if (row->unusable != NULL)
            defect = row->unusable;
        rc = entomb(builder, "peer", row->name, &row->unusable, defect);
        if (row->has_address && row->address.length <= 128)
            snapshot->has_peer_prefix_length[row->address.address.family == ADDRESS_V6][row->address.length] = true;
    }
    if (rc == 0)
        rc = row_index_init(&snapshot->by_criterion, count, snapshot->seed, peer_key, snapshot);
    if (rc != 0)
        return rc;
    qsort(snapshot->peer_order, count, sizeof(struct peer_rule *), by_peer_rank);
    /* From the back, so that the chains run from the first rank to the last. */
    for (uint32_t position = count; position-- > 0;)
        row_index_add(&snapshot->by_criterion, position);
    return 0;
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* The lengths of user prefixes that occur, each once. */
static int collect_prefix_lengths(struct policy_snapshot *snapshot)
{
    uint32_t count = 0, kept = 0;
    uint32_t *lengths = malloc(((size_t)snapshot->routes.count + 1) * sizeof(*lengths));
    if (lengths == NULL)
        return ERROR_MEMORY;
    for (uint32_t i = 0; i < snapshot->routes.count; i++) {
        const char *prefix = snapshot_route(snapshot, i)->user_prefix;
        if (prefix != NULL && prefix[0] != '\0' && strlen(prefix) < UINT32_MAX)
            lengths[count++] = (uint32_t)strlen(prefix);
    }
    qsort(lengths, count, sizeof(*lengths), by_number);
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || lengths[kept - 1] != lengths[i])
            lengths[kept++] = lengths[i];
    snapshot->user_prefix_lengths = lengths;
    snapshot->user_prefix_length_count = kept;
    return 0;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Rows that cannot be used are among them: a call that began when they could comes back by that name. */
static int collect_record_route_hosts(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    uint32_t count = 0, kept = 0;
    for (uint32_t i = 0; i < snapshot->outbound.count; i++)
        count += snapshot_outbound(snapshot, i)->rr_host != NULL;
    const char **hosts = count > 0 ? malloc(count * sizeof(*hosts)) : NULL;
    if (count > 0 && hosts == NULL)
        return ERROR_MEMORY;
    for (uint32_t i = 0; i < snapshot->outbound.count && kept < count; i++)
        if (snapshot_outbound(snapshot, i)->rr_host != NULL)
            hosts[kept++] = snapshot_outbound(snapshot, i)->rr_host;
    if (count > 1)
        qsort(hosts, count, sizeof(*hosts), by_text);
    kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(hosts[kept - 1], hosts[i]) != 0)
            hosts[kept++] = hosts[i];
    snapshot->record_route_hosts = hosts;
    snapshot->record_route_host_count = kept;
    return 0;
}

static int finish_routes(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct row_check check = { .snapshot = snapshot };
    uint32_t count = snapshot->routes.count;
    snapshot->route_order = malloc(((size_t)count + 1) * sizeof(struct route *));
    int rc = snapshot->route_order != NULL ? collect_prefix_lengths(snapshot) : ERROR_MEMORY;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct route *row = snapshot_route(snapshot, i);
        snapshot->route_order[i] = row;
        const char *defect = row->unusable != NULL ? row->unusable : route_defect(&check, row);
        rc = entomb(builder, "route", row->name, &row->unusable, defect);
        struct slice name;
        snapshot->has_route_suffix =
            snapshot->has_route_suffix || (row->domain != NULL && cut_wildcard(row->domain, &name));
    }
    if (rc == 0)
        rc = row_index_init(&snapshot->by_request, count, snapshot->seed, route_key, snapshot);
    if (rc != 0)
        return rc;
    qsort(snapshot->route_order, count, sizeof(struct route *), by_route_rank);
    for (uint32_t position = count; position-- > 0;)
        row_index_add(&snapshot->by_request, position);
    return 0;
}

int policy_builder_finish(struct policy_builder *builder, uint64_t generation, int64_t loaded_at,
    struct policy_snapshot **snapshot_r, struct why *why)
{
    static const finish_fn steps[] = { finish_trust_sets, finish_credentials, check_outbound, index_outbound,
        order_by_id, check_initial_only, collect_record_route_hosts, finish_profiles, finish_peers, finish_routes };
    struct policy_snapshot *snapshot = builder->snapshot;
    int rc = builder->has_failed ? ERROR_MEMORY : 0;
    snapshot->generation = generation;
    snapshot->loaded_at = loaded_at;
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(steps); i++)
        rc = steps[i](builder);
    if (rc == 0)
        policy_snapshot_ref(snapshot);
    policy_builder_free(builder);
    if (rc != 0)
        return why_fail(why, rc, "no memory for the policy snapshot");
    *snapshot_r = snapshot;
    return 0;
}
