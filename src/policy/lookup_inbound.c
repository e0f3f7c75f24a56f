/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup_inbound.c - which server profile a handshake gets, which peer rule a sender falls under; see lookup.h. */
#include "policy/lookup.h"
#include "policy/snapshot_private.h"

static const struct server_profile *find_profile(const struct policy_snapshot *snapshot, enum profile_key kind,
    const char *listener, struct slice server_name)
{
    struct index_key key = { .kind = kind, .b = server_name };
    if (listener != NULL)
        key.a = slice_of_string(listener);
    uint32_t number = row_index_find(&snapshot->by_server_name, &key);
    return number != ROW_NONE ? snapshot_profile(snapshot, number) : NULL;
}

/* That of the listener before that of every listener. */
static const struct server_profile *find_nearest(const struct policy_snapshot *snapshot, enum profile_key kind,
    const char *listener, struct slice server_name)
{
    const struct server_profile *profile = find_profile(snapshot, kind, listener, server_name);
    return profile != NULL ? profile : find_profile(snapshot, kind, NULL, server_name);
}

static bool has_names(const struct policy_snapshot *snapshot, const char *listener)
{
    struct index_key own = { .a = slice_of_string(listener) }, every = { .kind = 0 };
    return row_index_find(&snapshot->named_listeners, &own) != ROW_NONE ||
        row_index_find(&snapshot->named_listeners, &every) != ROW_NONE;
}

const struct server_profile *policy_server_profile(const struct policy_snapshot *snapshot, const char *listener,
    const char *server_name)
{
    const struct server_profile *profile = NULL;
    if (server_name != NULL) {
        struct slice name = slice_of_string(server_name);
        size_t dot = slice_find(name, '.', 0);
        profile = find_nearest(snapshot, PROFILE_EXACT, listener, name);
        if (profile == NULL && dot + 1 < name.length)
            profile = find_nearest(snapshot, PROFILE_WILDCARD, listener, slice_from(name, dot + 1));
        if (profile != NULL || has_names(snapshot, listener))
            return profile;
    }
    return find_nearest(snapshot, PROFILE_DEFAULT, listener, SLICE_ABSENT);
}

static bool text_equals(const char *wanted, const char *shown)
{
    return shown != NULL && strcmp(wanted, shown) == 0;
}

static bool has_identity(const struct peer_facts *facts, const char *identity)
{
    for (size_t i = 0; i < facts->identity_count; i++)
        if (text_equals(identity, facts->identities[i]))
            return true;
    return false;
}

/* A rejecting rule whose trust set cannot be used might mean this peer: whoever is proven at all is taken for meant.
 * An accepting one accepts nobody meanwhile, and does not stand in the way of other rules. */
static bool trust_matches(const struct peer_rule *rule, const struct peer_facts *facts)
{
    if (rule->trust_set_name == NULL)
        return true;
    if (rule->trust_set == NULL)
        return rule->action != PEER_ACCEPT;
    return facts->trust_digest != NULL && memcmp(rule->trust_set->digest, facts->trust_digest, DIGEST_SIZE) == 0;
}

static bool peer_matches(const struct peer_rule *rule, const struct peer_facts *facts)
{
    struct prefix masked = prefix_of(&rule->address.address, rule->address.length);
    bool needs_chain =
        rule->trust_set_name != NULL || rule->issuer != NULL || rule->subject != NULL || rule->san != NULL;
    if (rule->has_address && !prefix_contains(&masked, &facts->address))
        return false;
    if (rule->has_fingerprint &&
        (facts->fingerprint == NULL || memcmp(rule->fingerprint, facts->fingerprint, DIGEST_SIZE) != 0))
        return false;
    if (needs_chain && !facts->is_chain_proven)
        return false;
    return trust_matches(rule, facts) && (rule->issuer == NULL || text_equals(rule->issuer, facts->issuer)) &&
        (rule->subject == NULL || text_equals(rule->subject, facts->subject)) &&
        (rule->san == NULL || has_identity(facts, rule->san));
}

/* The first rank under KEY that matches, if it is before BEST. */
static uint32_t better(const struct policy_snapshot *snapshot, const struct peer_facts *facts, enum peer_key kind,
    struct slice value, uint32_t best)
{
    struct index_key key = { .kind = kind, .a = value };
    uint32_t position = row_index_find(&snapshot->by_criterion, &key);
    while (position != ROW_NONE && position < best) {
        if (peer_matches(snapshot->peer_order[position], facts))
            return position;
        position = row_index_next(&snapshot->by_criterion, position);
    }
    return best;
}

static uint32_t best_by_address(const struct policy_snapshot *snapshot, const struct peer_facts *facts, uint32_t best)
{
    bool is_v6 = facts->address.family == ADDRESS_V6;
    for (int length = is_v6 ? 128 : 32; facts->address.family != ADDRESS_NONE && length >= 0; length--) {
        struct index_scratch scratch;
        if (!snapshot->has_peer_prefix_length[is_v6][length])
            continue;
        struct prefix prefix = prefix_of(&facts->address, (uint8_t)length);
        best = better(snapshot, facts, PEER_BY_ADDRESS, index_prefix(&prefix, &scratch), best);
    }
    return best;
}

const struct peer_rule *policy_peer(const struct policy_snapshot *snapshot, const struct peer_facts *facts)
{
    uint32_t best = better(snapshot, facts, PEER_BY_NOTHING, SLICE_ABSENT, ROW_NONE);
    best = best_by_address(snapshot, facts, best);
    if (facts->fingerprint != NULL)
        best = better(snapshot, facts, PEER_BY_FINGERPRINT, slice_of((const char *)facts->fingerprint, DIGEST_SIZE),
            best);
    if (facts->is_chain_proven) {
        for (size_t i = 0; i < facts->identity_count; i++)
            best = better(snapshot, facts, PEER_BY_SAN, slice_of_string(facts->identities[i]), best);
        best = better(snapshot, facts, PEER_BY_SUBJECT, slice_of_string(facts->subject), best);
        best = better(snapshot, facts, PEER_BY_ISSUER, slice_of_string(facts->issuer), best);
        if (facts->trust_digest != NULL)
            best = better(snapshot, facts, PEER_BY_TRUST, slice_of((const char *)facts->trust_digest, DIGEST_SIZE),
                best);
    }
    return best != ROW_NONE ? snapshot->peer_order[best] : NULL;
}
