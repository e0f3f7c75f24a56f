/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup.c - which outbound row rules; see lookup.h. */
#include "policy/lookup.h"

#include "policy/snapshot_private.h"

static const struct outbound_policy *find(const struct policy_snapshot *snapshot, enum policy_match match,
    struct slice name)
{
    struct index_key key = { .kind = match, .a = name };
    uint32_t number = row_index_find(&snapshot->by_match, &key);
    return number != ROW_NONE ? snapshot_outbound(snapshot, number) : NULL;
}

static const struct outbound_policy *find_named(const struct policy_snapshot *snapshot, enum policy_match match,
    const char *name)
{
    return name != NULL && name[0] != '\0' ? find(snapshot, match, slice_of_string(name)) : NULL;
}

/* The exact domain, else the longest suffix that has a row. */
static const struct outbound_policy *find_domain(const struct policy_snapshot *snapshot, const char *domain)
{
    const struct outbound_policy *row = find_named(snapshot, MATCH_DOMAIN, domain);
    if (row != NULL || domain == NULL || !snapshot->has_suffix)
        return row;
    struct slice name = slice_of_string(domain);
    for (size_t dot; row == NULL && (dot = slice_find(name, '.', 0)) < name.length;) {
        name = slice_from(name, dot + 1);
        row = find(snapshot, MATCH_SUFFIX, name);
    }
    return row;
}

static const struct outbound_policy *find_address(const struct policy_snapshot *snapshot,
    const struct address *address)
{
    bool is_v6 = address->family == ADDRESS_V6;
    if (address->family == ADDRESS_NONE)
        return NULL;
    for (int length = is_v6 ? 128 : 32; length >= 0; length--) {
        if (!snapshot->has_prefix_length[is_v6][length])
            continue;
        struct index_scratch scratch;
        struct prefix prefix = prefix_of(address, (uint8_t)length);
        const struct outbound_policy *row = find(snapshot, MATCH_ADDRESS, index_prefix(&prefix, &scratch));
        if (row != NULL)
            return row;
    }
    return NULL;
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
        return find_address(snapshot, query->address);
    case LOOKUP_PEER:
        return find_named(snapshot, MATCH_PEER, query->peer);
    case LOOKUP_DEFAULT:
        return find(snapshot, MATCH_DEFAULT, SLICE_ABSENT);
    case LOOKUP_UNSET:
    case LOOKUP_COUNT:
        break;
    }
    return NULL;
}

enum lookup_result policy_lookup(const struct policy_snapshot *snapshot, const struct policy_query *query,
    const struct policy_lookup_order *order, const struct outbound_policy **row_r, enum reason *reason_r)
{
    *row_r = NULL;
    *reason_r = REASON_NO_POLICY;
    for (unsigned i = 0; !order->is_none && i < order->count && i < ARRAY_SIZE(order->steps); i++) {
        enum lookup step = (enum lookup)order->steps[i];
        if (step == LOOKUP_ADDR && query->address == NULL)
            return LOOKUP_RESULT_NEEDS_ADDRESS;
        const struct outbound_policy *row = find_step(snapshot, query, step);
        if (row == NULL)
            continue;
        *row_r = row;
        *reason_r = row->unusable_reason;
        return row->unusable != NULL ? LOOKUP_RESULT_REFUSED : LOOKUP_RESULT_HIT;
    }
    return LOOKUP_RESULT_NONE;
}
