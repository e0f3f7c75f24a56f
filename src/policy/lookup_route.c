/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup_route.c - which routes a request may take, in order; see lookup.h. */
#include "policy/lookup.h"
#include "policy/snapshot_private.h"

#include <stdlib.h>

static bool text_equals(const char *wanted, const char *shown)
{
    return shown != NULL && strcmp(wanted, shown) == 0;
}

/* What the index does not say: domain, user prefix and peer are its key. */
static bool route_matches(const struct route *route, const struct route_query *query)
{
    if (route->method != NULL && !slice_equal(query->method, slice_of_string(route->method)))
        return false;
    if (route->peer != NULL && !text_equals(route->peer, query->peer))
        return false;
    if (route->header_name == NULL)
        return true;
    if (query->header == NULL)
        return false;
    struct slice value = query->header(query->header_arg, route->header_name);
    /* A row without the value cannot be used; it stands where any value would take it. */
    return route->header_value != NULL ? slice_equal(value, slice_of_string(route->header_value))
                                       : !slice_is_absent(value);
}

/* A walk over the matching rows in order: each step finds the first rank behind LAST in all chains that fit. */
struct route_walk {
    const struct policy_snapshot *snapshot;
    const struct route_query *query;
    uint32_t last; /* ROW_NONE at the start */
    uint32_t best; /* of this step */
};

static bool is_behind(const struct route_walk *walk, uint32_t position)
{
    return walk->last == ROW_NONE || position > walk->last;
}

static void look_in_chain(struct route_walk *walk, const struct index_key *key)
{
    const struct row_index *index = &walk->snapshot->by_request;
    for (uint32_t position = row_index_find(index, key); position != ROW_NONE && position < walk->best;
         position = row_index_next(index, position)) {
        if (is_behind(walk, position) && route_matches(walk->snapshot->route_order[position], walk->query))
            walk->best = position;
    }
}

/* With and without the peer. */
static void look_for_peer(struct route_walk *walk, struct index_key key)
{
    look_in_chain(walk, &key);
    if (walk->query->peer == NULL || walk->query->peer[0] == '\0')
        return;
    key.c = slice_of_string(walk->query->peer);
    look_in_chain(walk, &key);
}

/* Each length of user prefix that occurs and that the user is long enough for. */
static void look_for_user(struct route_walk *walk, enum route_key kind, struct slice domain)
{
    const struct policy_snapshot *snapshot = walk->snapshot;
    struct slice user = walk->query->user;
    look_for_peer(walk, (struct index_key){ .kind = kind, .a = domain });
    for (uint32_t i = 0; i < snapshot->user_prefix_length_count; i++) {
        if (snapshot->user_prefix_lengths[i] > user.length)
            break;
        struct slice prefix = slice_first(user, snapshot->user_prefix_lengths[i]);
        look_for_peer(walk, (struct index_key){ .kind = kind, .a = domain, .b = prefix });
    }
}

static const struct route *next_route(struct route_walk *walk)
{
    walk->best = ROW_NONE;
    look_for_user(walk, ROUTE_ANY, SLICE_ABSENT);
    if (walk->query->request_domain != NULL && walk->query->request_domain[0] != '\0') {
        struct slice name = slice_of_string(walk->query->request_domain);
        look_for_user(walk, ROUTE_EXACT, name);
        for (size_t dot; walk->snapshot->has_route_suffix && (dot = slice_find(name, '.', 0)) < name.length;) {
            name = slice_from(name, dot + 1);
            look_for_user(walk, ROUTE_SUFFIX, name);
        }
    }
    walk->last = walk->best;
    return walk->best != ROW_NONE ? walk->snapshot->route_order[walk->best] : NULL;
}

static int compare_host(const void *host, const void *element)
{
    return strcmp(host, *(const char *const *)element);
}

bool policy_is_record_route_host(const struct policy_snapshot *snapshot, const char *host)
{
    return snapshot->record_route_host_count > 0 &&
        bsearch(host, snapshot->record_route_hosts, snapshot->record_route_host_count,
            sizeof(*snapshot->record_route_hosts), compare_host) != NULL;
}

void policy_routes(const struct policy_snapshot *snapshot, const struct route_query *query,
    bool (*visit)(void *arg, const struct route *route), void *arg)
{
    struct route_walk walk = { .snapshot = snapshot, .query = query, .last = ROW_NONE };
    for (const struct route *route; (route = next_route(&walk)) != NULL;)
        if (!visit(arg, route))
            return;
}
