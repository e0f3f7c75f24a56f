/* SPDX-License-Identifier: GPL-2.0-or-later */
/* snapshot_private.h - the inside of a snapshot, for the builder and the look-ups of this directory. */
#ifndef TRELAY_POLICY_SNAPSHOT_PRIVATE_H
#define TRELAY_POLICY_SNAPSHOT_PRIVATE_H

#include "base/arena.h"
#include "policy/row_index.h"
#include "policy/snapshot.h"

#include <stdatomic.h>

enum { ROWS_PER_CHUNK = 256 };

/* Rows of one kind, by number in the order in which they came; they never move. */
struct row_store {
    size_t row_size;
    void **chunks;
    uint32_t chunk_count, chunk_room, count;
};

static inline void *row_at(const struct row_store *store, uint32_t number)
{
    return (char *)store->chunks[number / ROWS_PER_CHUNK] + (number % ROWS_PER_CHUNK) * store->row_size;
}

/* kind, row type, member: everything that a snapshot stores. */
#define ROW_STORE_LIST(X)                                    \
    X(outbound, struct outbound_policy, outbound)            \
    X(trust_set, struct policy_trust_set, trust_sets)        \
    X(credential, struct policy_credential, credentials)     \
    X(profile, struct server_profile, profiles)              \
    X(peer, struct peer_rule, peers)                         \
    X(route, struct route, routes)                           \
    X(problem, struct policy_problem, problems)

struct policy_snapshot {
    atomic_uint references;
    uint64_t generation;
    int64_t loaded_at;
    uint64_t seed;
    struct policy_release_ops ops;
    struct arena arena; /* text */
#define X(kind, type, member) struct row_store member;
    ROW_STORE_LIST(X)
#undef X
    size_t unusable_count;
    struct dialog_secrets dialog_secrets;
    const struct outbound_policy **outbound_by_id; /* NULL: the rows came in that order */

    struct row_index by_match;      /* outbound: of each match the row that rules */
    struct row_index by_trust_name; /* trust sets */
    struct row_index by_certificate_name;
    struct row_index by_trust_digest; /* trust sets that can be used */
    struct row_index by_chain_digest; /* credentials that can be used */
    struct row_index by_server_name;  /* profiles, with the listener */
    struct row_index named_listeners; /* profiles with a server name, by listener */
    struct row_index by_criterion;    /* peers, by position: each under its most selective criterion */
    struct row_index by_request;      /* routes, by position: domain, user prefix, peer */

    /* Of the rows that rule an address, the strictest of each permission to weaken; NULL: there is none. */
    const struct outbound_policy *strictest_by_address[PERMISSION_COUNT];
    bool has_suffix, has_route_suffix;
    bool has_prefix_length[2][129];      /* of outbound rows; V4, V6: a look-up tries only lengths that occur */
    bool has_peer_prefix_length[2][129]; /* of peer rules */
    struct peer_rule **peer_order; /* by priority, then id: a position is a rank */
    struct route **route_order;    /* by priority, fork, weight, id */
    uint32_t *user_prefix_lengths; /* of routes, each that occurs once; 0 is not among them */
    uint32_t user_prefix_length_count;
    const char **record_route_hosts; /* of outbound rows, each once, in order; NULL: none */
    uint32_t record_route_host_count;
};

/* Typed access: snapshot_outbound(snapshot, number) and so on. */
#define X(kind, type, member)                                                                               \
    static inline type *snapshot_##kind(const struct policy_snapshot *snapshot, uint32_t number)            \
    {                                                                                                       \
        return row_at(&snapshot->member, number);                                                           \
    }
ROW_STORE_LIST(X)
#undef X

/* row_store.c. Room for one more row, zeroed; NULL when there is no memory. */
void *row_store_add(struct row_store *store);
void row_store_fini(struct row_store *store);
size_t row_store_memory(const struct row_store *store);

/* Kinds of keys: of outbound rows they are enum policy_match. */
enum profile_key { PROFILE_EXACT = 1, PROFILE_WILDCARD, PROFILE_DEFAULT };
enum peer_key {
    PEER_BY_FINGERPRINT = 1,
    PEER_BY_SAN,
    PEER_BY_SUBJECT,
    PEER_BY_ISSUER,
    PEER_BY_TRUST,
    PEER_BY_ADDRESS,
    PEER_BY_NOTHING
};
enum route_key { ROUTE_EXACT = 1, ROUTE_SUFFIX, ROUTE_ANY };

/* row_key.c: row_key_fn of each index; ROWS is the snapshot. */
struct index_key outbound_row_key(const struct outbound_policy *row, struct index_scratch *scratch);
struct index_key outbound_key(const void *rows, uint32_t number, struct index_scratch *scratch);
struct index_key trust_set_key(const void *rows, uint32_t number, struct index_scratch *scratch);
struct index_key credential_key(const void *rows, uint32_t number, struct index_scratch *scratch);
struct index_key trust_digest_key(const void *rows, uint32_t number, struct index_scratch *scratch);
struct index_key chain_digest_key(const void *rows, uint32_t number, struct index_scratch *scratch);
struct index_key profile_key(const void *rows, uint32_t number, struct index_scratch *scratch);
struct index_key listener_key(const void *rows, uint32_t number, struct index_scratch *scratch);
struct index_key peer_key(const void *rows, uint32_t position, struct index_scratch *scratch);
struct index_key route_key(const void *rows, uint32_t position, struct index_scratch *scratch);

/* "*.suffix" gives "suffix" and true. */
bool cut_wildcard(const char *pattern, struct slice *name_r);

/* row_check.c: what is wrong with a row by itself, NULL when nothing; the names it gives are resolved. */
struct row_check {
    struct policy_snapshot *snapshot;
    char text[WHY_SIZE]; /* room for what is returned */
};
const char *outbound_defect(struct row_check *check, struct outbound_policy *row);
const char *profile_defect(struct row_check *check, struct server_profile *row);
const char *peer_defect(struct row_check *check, struct peer_rule *row);
const char *route_defect(struct row_check *check, struct route *row);

#endif
