/* SPDX-License-Identifier: GPL-2.0-or-later */
/* builder.c - rows become a snapshot: copied, checked, resolved, indexed; see snapshot.h. */
#include "base/error.h"
#include "base/hash.h"
#include "policy/name.h"
#include "policy/snapshot_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct policy_builder {
    struct policy_snapshot *snapshot;
    bool has_failed;
};

int policy_builder_new(const struct policy_release_ops *ops, uint64_t hash_seed, struct policy_builder **builder_r)
{
    struct policy_builder *builder = calloc(1, sizeof(*builder));
    struct policy_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (builder == NULL || snapshot == NULL)
        goto out;
    atomic_init(&snapshot->references, 1);
    snapshot->ops = *ops;
    snapshot->seed = hash_seed;
    if (table_init(&snapshot->index) != 0 || table_init(&snapshot->trust_sets) != 0 ||
        table_init(&snapshot->credentials) != 0)
        goto out;
    builder->snapshot = snapshot;
    *builder_r = builder;
    return 0;
out:
    if (snapshot != NULL)
        policy_snapshot_unref(snapshot);
    free(builder);
    return ERROR_MEMORY;
}

void policy_builder_free(struct policy_builder *builder)
{
    if (builder == NULL)
        return;
    policy_snapshot_unref(builder->snapshot);
    free(builder);
}

/* Copies *TEXT into the arena in place; NULL stays NULL. */
static bool keep(struct policy_builder *builder, const char **text)
{
    if (*text == NULL)
        return true;
    *text = arena_copy(&builder->snapshot->arena, slice_of_string(*text));
    return *text != NULL;
}

static bool keep_bytes(struct policy_builder *builder, const void **bytes, size_t size)
{
    if (size == 0) {
        *bytes = NULL;
        return true;
    }
    void *copy = arena_allocate(&builder->snapshot->arena, size);
    if (copy != NULL)
        memcpy(copy, *bytes, size);
    *bytes = copy;
    return copy != NULL;
}

static int failed(struct policy_builder *builder)
{
    builder->has_failed = true;
    return ERROR_MEMORY;
}

static bool add_name(struct policy_builder *builder, struct table *table, const char *name, const void *row)
{
    struct name_entry *entry = arena_allocate(&builder->snapshot->arena, sizeof(*entry));
    if (entry == NULL)
        return false;
    entry->name = name;
    entry->row = row;
    table_insert(table, &entry->node, hash_bytes(name, strlen(name), builder->snapshot->seed));
    return true;
}

int policy_builder_problem(struct policy_builder *builder, const char *kind, const char *name, const char *text)
{
    struct problem_entry *entry = arena_allocate(&builder->snapshot->arena, sizeof(*entry));
    if (entry == NULL)
        return failed(builder);
    entry->problem = (struct policy_problem){ kind, name != NULL ? name : "", text };
    if (!keep(builder, &entry->problem.kind) || !keep(builder, &entry->problem.name) ||
        !keep(builder, &entry->problem.text))
        return failed(builder);
    entry->next = builder->snapshot->problem_list;
    builder->snapshot->problem_list = entry;
    builder->snapshot->problem_count++;
    return 0;
}

static int note_unusable(struct policy_builder *builder, const char *kind, const char *name, const char *unusable)
{
    if (unusable == NULL)
        return 0;
    builder->snapshot->counts.unusable++;
    return policy_builder_problem(builder, kind, name, unusable);
}

int policy_builder_trust_set(struct policy_builder *builder, const struct policy_trust_set *row)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct trust_set_entry *entry = arena_allocate(&snapshot->arena, sizeof(*entry));
    if (entry == NULL) {
        if (row->store != NULL)
            snapshot->ops.trust_store(row->store);
        return failed(builder);
    }
    entry->row = *row;
    entry->next = snapshot->trust_set_list;
    snapshot->trust_set_list = entry;
    snapshot->counts.trust_sets++;
    if (!keep(builder, &entry->row.name) || !keep(builder, &entry->row.unusable))
        return failed(builder);
    if (entry->row.store == NULL && entry->row.unusable == NULL)
        entry->row.unusable = "it holds no anchor that can be used";
    if (!add_name(builder, &snapshot->trust_sets, entry->row.name, &entry->row))
        return failed(builder);
    return note_unusable(builder, "trust_set", entry->row.name, entry->row.unusable);
}

int policy_builder_credential(struct policy_builder *builder, const struct policy_credential *row)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct credential_entry *entry = arena_allocate(&snapshot->arena, sizeof(*entry));
    if (entry == NULL) {
        if (row->credential != NULL)
            snapshot->ops.credential(row->credential);
        return failed(builder);
    }
    entry->row = *row;
    entry->next = snapshot->credential_list;
    snapshot->credential_list = entry;
    snapshot->counts.credentials++;
    if (!keep(builder, &entry->row.name) || !keep(builder, &entry->row.unusable))
        return failed(builder);
    if (entry->row.credential == NULL && entry->row.unusable == NULL)
        entry->row.unusable = "certificate and key cannot be used";
    if (!add_name(builder, &snapshot->credentials, entry->row.name, &entry->row))
        return failed(builder);
    return note_unusable(builder, "certificate", entry->row.name, entry->row.unusable);
}

static const char *print_reason(struct policy_builder *builder, const char *format, ...) PRINTF_LIKE(2, 3);

static const char *print_reason(struct policy_builder *builder, const char *format, ...)
{
    char reason[WHY_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    return arena_copy(&builder->snapshot->arena, slice_of_string(reason));
}

int policy_builder_outbound(struct policy_builder *builder, const struct outbound_policy *row)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct outbound_entry *entry = arena_allocate(&snapshot->arena, sizeof(*entry));
    if (entry == NULL)
        return failed(builder);
    entry->row = *row;
    struct outbound_policy *kept = &entry->row;
    const void *next_hops = row->next_hops, *pins = row->pins;
    if (!keep(builder, &kept->name) || !keep(builder, &kept->unusable) || !keep(builder, &kept->match_name) ||
        !keep(builder, &kept->expected_domain) || !keep(builder, &kept->certificate_name) ||
        !keep(builder, &kept->trust_set_name) || !keep(builder, &kept->sni) || !keep(builder, &kept->ciphers) ||
        !keep(builder, &kept->via_host) || !keep(builder, &kept->rr_host) || !keep(builder, &kept->isolation) ||
        !keep_bytes(builder, &next_hops, row->next_hop_count * sizeof(*row->next_hops)) ||
        !keep_bytes(builder, &pins, row->pin_count * sizeof(*row->pins)))
        return failed(builder);
    kept->next_hops = next_hops;
    kept->pins = pins;
    kept->trust_set = NULL;
    kept->credential = NULL;
    entry->next = snapshot->outbound_list;
    snapshot->outbound_list = entry;
    snapshot->counts.outbound++;
    return 0;
}

int policy_builder_server_profile(struct policy_builder *builder, const struct server_profile *row)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct profile_entry *entry = arena_allocate(&snapshot->arena, sizeof(*entry));
    if (entry == NULL)
        return failed(builder);
    entry->row = *row;
    struct server_profile *kept = &entry->row;
    if (!keep(builder, &kept->name) || !keep(builder, &kept->unusable) || !keep(builder, &kept->listener) ||
        !keep(builder, &kept->server_name) || !keep(builder, &kept->trust_set_name) || !keep(builder, &kept->ciphers))
        return failed(builder);
    for (size_t i = 0; i < kept->certificate_count; i++)
        if (!keep(builder, &kept->certificate_names[i]))
            return failed(builder);
    entry->next = snapshot->profile_list;
    snapshot->profile_list = entry;
    snapshot->counts.server_profiles++;
    return 0;
}

static bool keep_flags(struct policy_builder *builder, const struct flag_set **flags)
{
    const void *bytes = *flags;
    bool is_kept = keep_bytes(builder, &bytes, *flags != NULL ? sizeof(**flags) : 0);
    *flags = bytes;
    return is_kept;
}

int policy_builder_peer(struct policy_builder *builder, const struct peer_rule *row)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct peer_entry *entry = arena_allocate(&snapshot->arena, sizeof(*entry));
    if (entry == NULL)
        return failed(builder);
    entry->row = *row;
    struct peer_rule *kept = &entry->row;
    if (!keep(builder, &kept->name) || !keep(builder, &kept->unusable) || !keep(builder, &kept->trust_set_name) ||
        !keep(builder, &kept->issuer) || !keep(builder, &kept->subject) || !keep(builder, &kept->san) ||
        !keep_flags(builder, &kept->flags))
        return failed(builder);
    entry->next = snapshot->peer_list;
    snapshot->peer_list = entry;
    snapshot->counts.peers++;
    return 0;
}

int policy_builder_route(struct policy_builder *builder, const struct route *row)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct route_entry *entry = arena_allocate(&snapshot->arena, sizeof(*entry));
    if (entry == NULL)
        return failed(builder);
    entry->row = *row;
    struct route *kept = &entry->row;
    if (!keep(builder, &kept->name) || !keep(builder, &kept->unusable) || !keep(builder, &kept->domain) ||
        !keep(builder, &kept->user_prefix) || !keep(builder, &kept->method) || !keep(builder, &kept->peer) ||
        !keep(builder, &kept->header_name) || !keep(builder, &kept->header_value) ||
        !keep(builder, &kept->next_hop) || !keep_flags(builder, &kept->flags))
        return failed(builder);
    entry->next = snapshot->route_list;
    snapshot->route_list = entry;
    snapshot->counts.routes++;
    return 0;
}

/* What is wrong with the row by itself or with what it names; NULL when it can be used. */
static const char *outbound_defect(struct policy_builder *builder, struct outbound_policy *row)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    if (row->unusable != NULL)
        return row->unusable;
    if (row->level == LEVEL_UNSET || row->eku_mode == EKU_UNSET || row->crl == REVOCATION_UNSET ||
        row->ocsp == REVOCATION_UNSET || row->tls_min == TLS_VERSION_UNSET || row->upgrade == UPGRADE_UNSET ||
        row->weaken == PERMISSION_UNSET || row->trust_flag == PERMISSION_UNSET || row->match == MATCH_UNSET)
        return "a column that must say something is NULL or has an unknown value";
    if (row->tls_max != TLS_VERSION_UNSET && row->tls_max < row->tls_min)
        return "tls_max is below tls_min";
    if (row->certificate_name != NULL) {
        row->credential = policy_snapshot_credential(snapshot, row->certificate_name);
        if (row->credential == NULL || row->credential->unusable != NULL)
            return print_reason(builder, "certificate \"%s\" cannot be used", row->certificate_name);
    }
    if (row->trust_set_name != NULL) {
        row->trust_set = policy_snapshot_trust_set(snapshot, row->trust_set_name);
        if (row->trust_set == NULL || row->trust_set->unusable != NULL)
            return print_reason(builder, "trust set \"%s\" cannot be used", row->trust_set_name);
    }
    if (level_needs_chain(row->level) && row->trust_set == NULL && row->pin_count == 0)
        return "its level needs a trust set (or pins) and it names none";
    return NULL;
}

static void set_default(struct policy_snapshot *snapshot, const struct outbound_policy *row)
{
    if (snapshot->default_row == NULL || row->priority < snapshot->default_row->priority)
        snapshot->default_row = row;
}

static bool is_same_rank(const struct outbound_policy *a, const struct outbound_policy *b)
{
    return a != b && a->priority == b->priority;
}

static int mark_ambiguous(struct policy_builder *builder, struct outbound_policy *row, const char *other)
{
    if (row->unusable_reason == REASON_POLICY_AMBIGUOUS)
        return 0;
    row->unusable = print_reason(builder, "it has the same match and priority as row \"%s\"", other);
    row->unusable_reason = REASON_POLICY_AMBIGUOUS;
    if (row->unusable == NULL)
        return failed(builder);
    return note_unusable(builder, "outbound_policy", row->name, row->unusable);
}

/* Finds or makes the entry of the row's match and lets the first by priority rule. */
static int index_outbound(struct policy_builder *builder, struct outbound_policy *row)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    struct slice name = slice_of_string(row->match_name);
    const struct policy_index_entry *found = policy_index_find(snapshot, row->match, name, &row->match_prefix);
    if (found != NULL) {
        struct policy_index_entry *entry = CONTAINER_OF(&found->node, struct policy_index_entry, node);
        struct outbound_policy *ruling = &CONTAINER_OF(entry->row, struct outbound_entry, row)->row;
        if (is_same_rank(ruling, row)) {
            int rc = mark_ambiguous(builder, ruling, row->name);
            return rc != 0 ? rc : mark_ambiguous(builder, row, ruling->name);
        }
        if (row->priority < ruling->priority)
            entry->row = row;
        return 0;
    }
    struct policy_index_entry *entry = arena_allocate(&snapshot->arena, sizeof(*entry));
    if (entry == NULL)
        return failed(builder);
    entry->match = (uint8_t)row->match;
    entry->name = row->match_name;
    entry->prefix = row->match_prefix;
    entry->row = row;
    table_insert(&snapshot->index, &entry->node, policy_index_hash(snapshot, row->match, name, &row->match_prefix));
    if (row->match == MATCH_ADDRESS)
        snapshot->has_prefix_length[row->match_prefix.address.family == ADDRESS_V6][row->match_prefix.length] = true;
    return 0;
}

static int finish_outbound(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    for (struct outbound_entry *entry = snapshot->outbound_list; entry != NULL; entry = entry->next) {
        struct outbound_policy *row = &entry->row;
        row->unusable = outbound_defect(builder, row);
        int rc = note_unusable(builder, "outbound_policy", row->name, row->unusable);
        if (row->unusable != NULL && row->unusable_reason == REASON_NONE)
            row->unusable_reason = REASON_POLICY_UNUSABLE;
        if (rc == 0 && row->match == MATCH_DEFAULT) {
            const struct outbound_policy *other = snapshot->default_row;
            if (other != NULL && is_same_rank(other, row)) {
                rc = mark_ambiguous(builder, &CONTAINER_OF(other, struct outbound_entry, row)->row, row->name);
                rc = rc != 0 ? rc : mark_ambiguous(builder, row, other->name);
            }
            set_default(snapshot, row);
        } else if (rc == 0 && row->match != MATCH_UNSET) {
            rc = index_outbound(builder, row);
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

static const char *profile_defect(struct policy_builder *builder, struct server_profile *row)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    if (row->unusable != NULL)
        return row->unusable;
    if (row->client_auth == CLIENT_AUTH_UNSET || row->tls_min == TLS_VERSION_UNSET || row->eku_mode == EKU_UNSET)
        return "a column that must say something is NULL or has an unknown value";
    if (row->certificate_count == 0)
        return "it has no certificate";
    for (size_t i = 0; i < row->certificate_count; i++) {
        row->certificates[i] = policy_snapshot_credential(snapshot, row->certificate_names[i]);
        if (row->certificates[i] == NULL || row->certificates[i]->unusable != NULL)
            return print_reason(builder, "certificate \"%s\" cannot be used", row->certificate_names[i]);
    }
    if (row->trust_set_name != NULL) {
        row->trust_set = policy_snapshot_trust_set(snapshot, row->trust_set_name);
        if (row->trust_set == NULL || row->trust_set->unusable != NULL)
            return print_reason(builder, "trust set \"%s\" cannot be used", row->trust_set_name);
    }
    if (row->client_auth == CLIENT_AUTH_REQUIRE && row->trust_set == NULL)
        return "it requires client certificates and names no trust set";
    return NULL;
}

static const char *peer_defect(struct policy_builder *builder, struct peer_rule *row)
{
    if (row->unusable != NULL)
        return row->unusable;
    if (row->action == PEER_ACTION_UNSET)
        return "its action is unset";
    if (!row->has_address && !row->has_fingerprint && row->trust_set_name == NULL && row->issuer == NULL &&
        row->subject == NULL && row->san == NULL)
        return "it has no criterion, so it would match everybody";
    if ((row->issuer != NULL || row->subject != NULL || row->san != NULL) && row->trust_set_name == NULL)
        return "criteria on certificate names need a trust set: anybody can write a name into a certificate";
    if (row->trust_set_name != NULL) {
        row->trust_set = policy_snapshot_trust_set(builder->snapshot, row->trust_set_name);
        if (row->trust_set == NULL || row->trust_set->unusable != NULL)
            return print_reason(builder, "trust set \"%s\" cannot be used", row->trust_set_name);
    }
    return NULL;
}

static int by_peer_priority(const void *left, const void *right)
{
    const struct peer_rule *a = *(const struct peer_rule *const *)left, *b = *(const struct peer_rule *const *)right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int by_route_priority(const void *left, const void *right)
{
    const struct route *a = *(const struct route *const *)left, *b = *(const struct route *const *)right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int finish_inbound(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    int rc = 0;
    for (struct profile_entry *entry = snapshot->profile_list; rc == 0 && entry != NULL; entry = entry->next) {
        entry->row.unusable = profile_defect(builder, &entry->row);
        rc = note_unusable(builder, "server_profile", entry->row.name, entry->row.unusable);
    }
    snapshot->peers = arena_allocate(&snapshot->arena, (snapshot->counts.peers + 1) * sizeof(*snapshot->peers));
    snapshot->routes = arena_allocate(&snapshot->arena, (snapshot->counts.routes + 1) * sizeof(*snapshot->routes));
    if (snapshot->peers == NULL || snapshot->routes == NULL)
        return failed(builder);
    for (struct peer_entry *entry = snapshot->peer_list; rc == 0 && entry != NULL; entry = entry->next) {
        entry->row.unusable = peer_defect(builder, &entry->row);
        snapshot->peers[snapshot->peer_count++] = &entry->row;
        rc = note_unusable(builder, "peer", entry->row.name, entry->row.unusable);
    }
    for (struct route_entry *entry = snapshot->route_list; rc == 0 && entry != NULL; entry = entry->next) {
        snapshot->routes[snapshot->route_count++] = &entry->row;
        rc = note_unusable(builder, "route", entry->row.name, entry->row.unusable);
    }
    qsort(snapshot->peers, snapshot->peer_count, sizeof(*snapshot->peers), by_peer_priority);
    qsort(snapshot->routes, snapshot->route_count, sizeof(*snapshot->routes), by_route_priority);
    return rc;
}

static int finish_problems(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = builder->snapshot;
    snapshot->problems =
        arena_allocate(&snapshot->arena, (snapshot->problem_count + 1) * sizeof(*snapshot->problems));
    if (snapshot->problems == NULL)
        return failed(builder);
    size_t i = snapshot->problem_count;
    for (struct problem_entry *entry = snapshot->problem_list; entry != NULL; entry = entry->next)
        snapshot->problems[--i] = entry->problem;
    return 0;
}

int policy_builder_finish(struct policy_builder *builder, uint64_t generation, int64_t loaded_at,
    struct policy_snapshot **snapshot_r, struct why *why)
{
    int rc = builder->has_failed ? ERROR_MEMORY : finish_outbound(builder);
    if (rc == 0)
        rc = finish_inbound(builder);
    if (rc == 0)
        rc = finish_problems(builder);
    if (rc == 0 && builder->has_failed)
        rc = ERROR_MEMORY;
    if (rc != 0) {
        policy_builder_free(builder);
        return why_fail(why, rc, "no memory for the policy snapshot");
    }
    struct policy_snapshot *snapshot = builder->snapshot;
    snapshot->generation = generation;
    snapshot->loaded_at = loaded_at;
    free(builder);
    *snapshot_r = snapshot;
    return 0;
}
