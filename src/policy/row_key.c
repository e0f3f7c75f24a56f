/* SPDX-License-Identifier: GPL-2.0-or-later */
/* row_key.c - what each kind of row is found by; see row_index.h. */
#include "policy/snapshot_private.h"

static struct slice text(const char *string)
{
    return string != NULL ? slice_of_string(string) : SLICE_ABSENT;
}

bool cut_wildcard(const char *pattern, struct slice *name_r)
{
    bool is_wildcard = pattern[0] == '*' && pattern[1] == '.';
    *name_r = slice_from(slice_of_string(pattern), is_wildcard ? 2 : 0);
    return is_wildcard;
}

/* Whoever finds the row goes on to read all of it. */
static void fetch_row_ahead(const struct outbound_policy *row)
{
    for (size_t at = 0; at < sizeof(*row); at += CACHE_LINE)
        FETCH_AHEAD((const char *)row + at);
    FETCH_AHEAD((const char *)(row + 1) - 1);
}

struct index_key outbound_row_key(const struct outbound_policy *row, struct index_scratch *scratch)
{
    if (row->match != MATCH_ADDRESS)
        return (struct index_key){ .kind = row->match, .a = text(row->match_name) };
    struct prefix prefix = prefix_of(&row->match_prefix.address, row->match_prefix.length);
    return (struct index_key){ .kind = MATCH_ADDRESS, .a = index_prefix(&prefix, scratch) };
}

struct index_key outbound_key(const void *rows, uint32_t number, struct index_scratch *scratch)
{
    const struct outbound_policy *row = snapshot_outbound(rows, number);
    fetch_row_ahead(row);
    return outbound_row_key(row, scratch);
}

struct index_key trust_set_key(const void *rows, uint32_t number, struct index_scratch *scratch)
{
    (void)scratch;
    return (struct index_key){ .a = text(snapshot_trust_set(rows, number)->name) };
}

struct index_key credential_key(const void *rows, uint32_t number, struct index_scratch *scratch)
{
    (void)scratch;
    return (struct index_key){ .a = text(snapshot_credential(rows, number)->name) };
}

static struct slice digest(const uint8_t bytes[DIGEST_SIZE])
{
    return slice_of((const char *)bytes, DIGEST_SIZE);
}

struct index_key trust_digest_key(const void *rows, uint32_t number, struct index_scratch *scratch)
{
    (void)scratch;
    return (struct index_key){ .a = digest(snapshot_trust_set(rows, number)->digest) };
}

struct index_key chain_digest_key(const void *rows, uint32_t number, struct index_scratch *scratch)
{
    (void)scratch;
    const struct policy_credential *row = snapshot_credential(rows, number);
    return (struct index_key){ .a = digest(row->chain_digest), .b = digest(row->key_digest) };
}

struct index_key profile_key(const void *rows, uint32_t number, struct index_scratch *scratch)
{
    (void)scratch;
    const struct server_profile *profile = snapshot_profile(rows, number);
    struct index_key key = { .kind = PROFILE_DEFAULT, .a = text(profile->listener) };
    if (profile->server_name != NULL)
        key.kind = cut_wildcard(profile->server_name, &key.b) ? PROFILE_WILDCARD : PROFILE_EXACT;
    return key;
}

struct index_key listener_key(const void *rows, uint32_t number, struct index_scratch *scratch)
{
    (void)scratch;
    return (struct index_key){ .a = text(snapshot_profile(rows, number)->listener) };
}

/* The most selective criterion first: few rules share a fingerprint, many a trust set. */
struct index_key peer_key(const void *rows, uint32_t position, struct index_scratch *scratch)
{
    const struct policy_snapshot *snapshot = rows;
    const struct peer_rule *rule = snapshot->peer_order[position];
    if (rule->has_fingerprint)
        return (struct index_key){ .kind = PEER_BY_FINGERPRINT, .a = digest(rule->fingerprint) };
    if (rule->san != NULL)
        return (struct index_key){ .kind = PEER_BY_SAN, .a = text(rule->san) };
    if (rule->subject != NULL)
        return (struct index_key){ .kind = PEER_BY_SUBJECT, .a = text(rule->subject) };
    if (rule->issuer != NULL)
        return (struct index_key){ .kind = PEER_BY_ISSUER, .a = text(rule->issuer) };
    if (rule->trust_set != NULL)
        return (struct index_key){ .kind = PEER_BY_TRUST, .a = digest(rule->trust_set->digest) };
    if (!rule->has_address)
        return (struct index_key){ .kind = PEER_BY_NOTHING };
    struct prefix prefix = prefix_of(&rule->address.address, rule->address.length);
    return (struct index_key){ .kind = PEER_BY_ADDRESS, .a = index_prefix(&prefix, scratch) };
}

struct index_key route_key(const void *rows, uint32_t position, struct index_scratch *scratch)
{
    (void)scratch;
    const struct policy_snapshot *snapshot = rows;
    const struct route *route = snapshot->route_order[position];
    struct index_key key = { .kind = ROUTE_ANY, .b = text(route->user_prefix), .c = text(route->peer) };
    if (route->domain != NULL)
        key.kind = cut_wildcard(route->domain, &key.a) ? ROUTE_SUFFIX : ROUTE_EXACT;
    return key;
}
