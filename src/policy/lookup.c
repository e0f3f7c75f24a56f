/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup.c - which row rules; see lookup.h. */
#include "policy/lookup.h"

#include "policy/snapshot_private.h"

static const struct outbound_policy *row_of(const struct policy_index_entry *entry)
{
    return entry != NULL ? entry->row : NULL;
}

/* The exact domain, else the longest suffix that has a row. */
static const struct outbound_policy *find_domain(const struct policy_snapshot *snapshot, const char *domain)
{
    if (domain == NULL)
        return NULL;
    struct slice name = slice_of_string(domain);
    const struct outbound_policy *row = row_of(policy_index_find(snapshot, MATCH_DOMAIN, name, NULL));
    while (row == NULL) {
        size_t dot = slice_find(name, '.', 0);
        if (dot == name.length)
            return NULL;
        name = slice_from(name, dot + 1);
        row = row_of(policy_index_find(snapshot, MATCH_SUFFIX, name, NULL));
    }
    return row;
}

static void mask(struct prefix *prefix)
{
    for (size_t i = 0; i < sizeof(prefix->address.bytes); i++) {
        size_t start = i * 8;
        if (prefix->length >= start + 8)
            continue;
        size_t bits = prefix->length > start ? prefix->length - start : 0;
        prefix->address.bytes[i] &= (uint8_t)(0xff00 >> bits);
    }
}

static const struct outbound_policy *find_address(const struct policy_snapshot *snapshot,
    const struct address *address)
{
    const bool *occurs = snapshot->has_prefix_length[address->family == ADDRESS_V6];
    for (int length = address->family == ADDRESS_V6 ? 128 : 32; length >= 0; length--) {
        if (!occurs[length])
            continue;
        struct prefix prefix = { .address = *address, .length = (uint8_t)length };
        prefix.address.scope = 0;
        mask(&prefix);
        const struct policy_index_entry *entry = policy_index_find(snapshot, MATCH_ADDRESS, SLICE_ABSENT, &prefix);
        if (entry != NULL)
            return entry->row;
    }
    return NULL;
}

static const struct outbound_policy *find_named(const struct policy_snapshot *snapshot, enum policy_match match,
    const char *name)
{
    return name != NULL ? row_of(policy_index_find(snapshot, match, slice_of_string(name), NULL)) : NULL;
}

static const struct outbound_policy *find_step(const struct policy_snapshot *snapshot,
    const struct policy_query *query, enum lookup step)
{
    switch (step) {
    case LOOKUP_DST:
        return find_domain(snapshot, query->next_hop_domain);
    case LOOKUP_RURI:
        return find_domain(snapshot, query->request_domain);
    case LOOKUP_SRC:
        return find_named(snapshot, MATCH_SOURCE, query->source_domain);
    case LOOKUP_ADDR:
        return query->address != NULL ? find_address(snapshot, query->address) : NULL;
    case LOOKUP_PEER:
        return find_named(snapshot, MATCH_PEER, query->peer);
    case LOOKUP_DEFAULT:
        return snapshot->default_row;
    case LOOKUP_UNSET:
    case LOOKUP_COUNT:
        break;
    }
    return NULL;
}

enum lookup_result policy_lookup(const struct policy_snapshot *snapshot, const struct policy_query *query,
    const struct policy_lookup_order *order, const struct outbound_policy **row_r, enum reason *reason_r)
{
    *reason_r = REASON_NO_POLICY;
    if (order->is_none)
        return LOOKUP_RESULT_REFUSED;
    for (unsigned i = 0; i < order->count; i++) {
        enum lookup step = (enum lookup)order->steps[i];
        if (step == LOOKUP_ADDR && query->address == NULL)
            return LOOKUP_RESULT_NEEDS_ADDRESS;
        const struct outbound_policy *row = find_step(snapshot, query, step);
        if (row == NULL)
            continue;
        *row_r = row;
        if (row->unusable != NULL) {
            *reason_r = row->unusable_reason != REASON_NONE ? row->unusable_reason : REASON_POLICY_UNUSABLE;
            return LOOKUP_RESULT_REFUSED;
        }
        *reason_r = REASON_NONE;
        return LOOKUP_RESULT_HIT;
    }
    return LOOKUP_RESULT_NONE;
}

/* 3: exact name, 2: one label under the wildcard, 1: default; 0: no match. */
static unsigned name_rank(const struct server_profile *profile, const char *server_name)
{
    if (profile->server_name == NULL)
        return 1;
    if (server_name == NULL)
        return 0;
    if (strcmp(profile->server_name, server_name) == 0)
        return 3;
    if (strncmp(profile->server_name, "*.", 2) != 0)
        return 0;
    const char *dot = strchr(server_name, '.');
    return dot != NULL && strcmp(dot + 1, profile->server_name + 2) == 0 ? 2 : 0;
}

const struct server_profile *policy_server_profile(const struct policy_snapshot *snapshot, const char *listener,
    const char *server_name)
{
    const struct server_profile *best = NULL;
    unsigned best_rank = 0;
    bool has_names = false;
    for (const struct profile_entry *entry = snapshot->profile_list; entry != NULL; entry = entry->next) {
        const struct server_profile *profile = &entry->row;
        bool is_own = profile->listener != NULL && strcmp(profile->listener, listener) == 0;
        if (profile->listener != NULL && !is_own)
            continue;
        has_names = has_names || profile->server_name != NULL;
        unsigned rank = name_rank(profile, server_name) * 2;
        if (rank > 0 && is_own)
            rank++;
        if (rank > best_rank) {
            best_rank = rank;
            best = profile;
        }
    }
    bool is_default = best_rank > 0 && best_rank < 4;
    return is_default && server_name != NULL && has_names ? NULL : best;
}

static bool has_identity(const struct peer_facts *facts, const char *identity)
{
    for (size_t i = 0; i < facts->identity_count; i++)
        if (strcmp(facts->identities[i], identity) == 0)
            return true;
    return false;
}

static bool text_equals(const char *wanted, const char *shown)
{
    return shown != NULL && strcmp(wanted, shown) == 0;
}

static bool peer_matches(const struct peer_rule *rule, const struct peer_facts *facts)
{
    if (rule->has_address && !prefix_contains(&rule->address, &facts->address))
        return false;
    if (rule->has_fingerprint &&
        (facts->fingerprint == NULL || memcmp(rule->fingerprint, facts->fingerprint, DIGEST_SIZE) != 0))
        return false;
    bool needs_chain =
        rule->trust_set_name != NULL || rule->issuer != NULL || rule->subject != NULL || rule->san != NULL;
    if (needs_chain && !facts->is_chain_proven)
        return false;
    if (rule->trust_set_name != NULL &&
        (rule->trust_set == NULL || facts->trust_digest == NULL ||
            memcmp(rule->trust_set->digest, facts->trust_digest, DIGEST_SIZE) != 0))
        return false;
    return (rule->issuer == NULL || text_equals(rule->issuer, facts->issuer)) &&
        (rule->subject == NULL || text_equals(rule->subject, facts->subject)) &&
        (rule->san == NULL || has_identity(facts, rule->san));
}

const struct peer_rule *policy_peer(const struct policy_snapshot *snapshot, const struct peer_facts *facts)
{
    for (size_t i = 0; i < snapshot->peer_count; i++)
        if (peer_matches(snapshot->peers[i], facts))
            return snapshot->peers[i];
    return NULL;
}

static bool domain_matches(const char *pattern, const char *domain)
{
    if (domain == NULL)
        return false;
    if (strncmp(pattern, "*.", 2) != 0)
        return strcmp(pattern, domain) == 0;
    size_t suffix = strlen(pattern) - 1, length = strlen(domain);
    return length > suffix && strcmp(domain + length - suffix, pattern + 1) == 0;
}

static bool route_matches(const struct route *route, const struct route_query *query)
{
    if (route->domain != NULL && !domain_matches(route->domain, query->request_domain))
        return false;
    if (route->user_prefix != NULL) {
        struct slice prefix = slice_of_string(route->user_prefix);
        if (!slice_equal(slice_first(query->user, prefix.length), prefix))
            return false;
    }
    if (route->method != NULL && !slice_equal(query->method, slice_of_string(route->method)))
        return false;
    if (route->peer != NULL && !text_equals(route->peer, query->peer))
        return false;
    if (route->header_name == NULL)
        return true;
    struct slice value = query->header(query->header_arg, route->header_name);
    return route->header_value != NULL && slice_equal(value, slice_of_string(route->header_value));
}

void policy_routes(const struct policy_snapshot *snapshot, const struct route_query *query,
    bool (*visit)(void *arg, const struct route *route), void *arg)
{
    for (size_t i = 0; i < snapshot->route_count; i++)
        if (route_matches(snapshot->routes[i], query) && !visit(arg, snapshot->routes[i]))
            return;
}
