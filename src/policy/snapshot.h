/* SPDX-License-Identifier: GPL-2.0-or-later */
/* snapshot.h - one immutable reading of all policy rows (INV-46), counted, swapped whole.
 * In:    rows through a builder, from one database transaction. Out: look-ups (policy/lookup.h).
 * Never: changes once finished; looks into the objects of the edge that it carries.
 * A million rows fit: text is in one arena, rows are found by hash.
 */
#ifndef TRELAY_POLICY_SNAPSHOT_H
#define TRELAY_POLICY_SNAPSHOT_H

#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"
#include "policy/row.h"

#include <stddef.h>
#include <stdint.h>

struct policy_snapshot;
struct policy_builder;

/* How the snapshot gives back what it carries. Neither is called with NULL. */
struct policy_release_ops {
    void (*trust_store)(struct trust_store *store);
    void (*credential)(struct tls_credential *credential);
};

int policy_builder_new(const struct policy_release_ops *ops, uint64_t hash_seed,
    struct policy_builder **builder_r) MUST_CHECK;
void policy_builder_free(struct policy_builder *builder); /* releases everything taken */

/* All text is copied. The edge's objects are taken (also on failure). A row with UNUSABLE set becomes a tombstone.
 * What the row itself shows to be wrong (unset enum, level chain without a trust set ...) makes it a tombstone, too.
 * 0 or ERROR_MEMORY: after a failure finish fails as well. */
int policy_builder_trust_set(struct policy_builder *builder, const struct policy_trust_set *row) MUST_CHECK;
int policy_builder_credential(struct policy_builder *builder, const struct policy_credential *row) MUST_CHECK;
int policy_builder_outbound(struct policy_builder *builder, const struct outbound_policy *row) MUST_CHECK;
int policy_builder_server_profile(struct policy_builder *builder, const struct server_profile *row) MUST_CHECK;
int policy_builder_peer(struct policy_builder *builder, const struct peer_rule *row) MUST_CHECK;
int policy_builder_route(struct policy_builder *builder, const struct route *row) MUST_CHECK;
/* The newest first. ERROR_LIMIT: it is too short or too long, or there are enough; it is not taken. */
int policy_builder_dialog_secret(struct policy_builder *builder, struct slice secret) MUST_CHECK;
/* A problem the loader found, for trelay.problem, besides those of tombstones. KIND is the table's name. */
int policy_builder_problem(struct policy_builder *builder, const char *kind, const char *name,
    const char *text) MUST_CHECK;

/* Resolves names, finds contradictions, builds the indexes; frees the builder in any case. Two enabled rows of equal
 * match and priority are both tombstones. The snapshot starts with one reference.
 * LOADED_AT: seconds since the epoch. */
int policy_builder_finish(struct policy_builder *builder, uint64_t generation, int64_t loaded_at,
    struct policy_snapshot **snapshot_r, struct why *why) MUST_CHECK;

/* A snapshot without rows: refuses everything. For the time before the first load. */
int policy_snapshot_empty(struct policy_snapshot **snapshot_r) MUST_CHECK;

struct policy_snapshot *policy_snapshot_ref(struct policy_snapshot *snapshot);
void policy_snapshot_unref(struct policy_snapshot *snapshot);

uint64_t policy_snapshot_generation(const struct policy_snapshot *snapshot);
int64_t policy_snapshot_loaded_at(const struct policy_snapshot *snapshot);

struct policy_problem {
    const char *kind, *name, *text;
};
size_t policy_snapshot_problem_count(const struct policy_snapshot *snapshot);
struct policy_problem policy_snapshot_problem(const struct policy_snapshot *snapshot, size_t index);

struct policy_counts {
    size_t outbound, trust_sets, credentials, server_profiles, peers, routes, unusable;
};
struct policy_counts policy_snapshot_counts(const struct policy_snapshot *snapshot);
size_t policy_snapshot_memory(const struct policy_snapshot *snapshot); /* bytes */

/* By name, NULL when there is none; check ->unusable. */
const struct policy_trust_set *policy_snapshot_trust_set(const struct policy_snapshot *snapshot, const char *name);
const struct policy_credential *policy_snapshot_credential(const struct policy_snapshot *snapshot, const char *name);

/* The row of that id that rules what it matches, NULL when there is none or another one is ahead of it; check
 * ->unusable. */
const struct outbound_policy *policy_snapshot_outbound(const struct policy_snapshot *snapshot, int64_t id);

/* Of the rows that rule an address and give (or refuse) the permission to weaken, one of the highest level; NULL when
 * there is none. */
const struct outbound_policy *policy_snapshot_strictest_by_address(const struct policy_snapshot *snapshot,
    enum permission weaken);

const struct dialog_secrets *policy_snapshot_dialog_secrets(const struct policy_snapshot *snapshot);

/* By content, whatever its name is now: one that can be used, or NULL (INV-38, INV-40). */
const struct policy_trust_set *policy_snapshot_trust_of(const struct policy_snapshot *snapshot,
    const uint8_t digest[DIGEST_SIZE]);
const struct policy_credential *policy_snapshot_credential_of(const struct policy_snapshot *snapshot,
    const uint8_t chain_digest[DIGEST_SIZE], const uint8_t key_digest[DIGEST_SIZE]);

#endif
