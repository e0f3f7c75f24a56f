/* SPDX-License-Identifier: GPL-2.0-or-later */
/* snapshot_private.h - the inside of a snapshot, for the builder and the look-ups of this directory. */
#ifndef TRELAY_POLICY_SNAPSHOT_PRIVATE_H
#define TRELAY_POLICY_SNAPSHOT_PRIVATE_H

#include "base/arena.h"
#include "base/table.h"
#include "policy/snapshot.h"

#include <stdatomic.h>

/* The rows of one match (one domain, one prefix ...) in order of priority. */
struct policy_index_entry {
    struct table_node node;
    uint8_t match; /* enum policy_match */
    const char *name;
    struct prefix prefix;
    const struct outbound_policy *row; /* the one that rules: first by priority */
};

struct credential_entry {
    struct policy_credential row;
    struct credential_entry *next;
};

struct trust_set_entry {
    struct policy_trust_set row;
    struct trust_set_entry *next;
};

struct outbound_entry {
    struct outbound_policy row;
    struct outbound_entry *next;
};

struct profile_entry {
    struct server_profile row;
    struct profile_entry *next;
};

struct peer_entry {
    struct peer_rule row;
    struct peer_entry *next;
};

struct route_entry {
    struct route row;
    struct route_entry *next;
};

struct problem_entry {
    struct policy_problem problem;
    struct problem_entry *next;
};

/* For sets that are found by name. */
struct name_entry {
    struct table_node node;
    const char *name;
    const void *row;
};

struct policy_snapshot {
    atomic_uint references;
    uint64_t generation;
    int64_t loaded_at;
    uint64_t seed;
    struct policy_release_ops ops;
    struct arena arena;
    struct table index;        /* struct policy_index_entry of domains, suffixes, sources, peers, prefixes */
    struct table trust_sets;   /* struct name_entry */
    struct table credentials;  /* struct name_entry */
    bool has_prefix_length[2][129]; /* V4, V6: lengths that occur, so that a look-up tries only those */
    const struct outbound_policy *default_row;
    struct trust_set_entry *trust_set_list;
    struct credential_entry *credential_list;
    struct outbound_entry *outbound_list;
    struct profile_entry *profile_list;
    const struct peer_rule **peers; /* in order of priority */
    size_t peer_count;
    const struct route **routes; /* in order of priority, heavier weight first */
    size_t route_count;
    struct peer_entry *peer_list;
    struct route_entry *route_list;
    struct policy_problem *problems;
    size_t problem_count;
    struct problem_entry *problem_list;
    struct policy_counts counts;
};

/* Hash of one match for the index. */
uint64_t policy_index_hash(const struct policy_snapshot *snapshot, enum policy_match match, struct slice name,
    const struct prefix *prefix);

/* The entry of exactly that match, or NULL. */
const struct policy_index_entry *policy_index_find(const struct policy_snapshot *snapshot, enum policy_match match,
    struct slice name, const struct prefix *prefix);

#endif
