/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_lookup.c - the indexes find what reading every row one by one finds: outbound rows, server profiles, peer
 * rules, routes, over random rows and random questions. The slow readers here know nothing of hashes. */
#include "policy_fixture.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 40, ROWS = 160, QUESTIONS = 300 };

/* Few names, so that rows meet each other and the questions. */
static const char *const domains[] = { "example", "a.example", "b.example", "c.a.example", "d.c.a.example",
    "e.b.example", "other", "x.other", "aexample" };
static const char *const names[] = { "p1", "p2", "p3" };
static const char *const prefixes[] = { "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32",
    "10.1.2.128/25", "::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::1/128", "fe80::/10" };
static const char *const addresses[] = { "10.1.2.3", "10.1.2.200", "10.1.9.9", "10.9.9.9", "192.0.2.1", "2001:db8:1::1",
    "2001:db8:1::2", "2001:db8:2::1", "fe80::1", "::1", "::ffff:10.1.2.3" };

#define PICK(state, array) ((array)[fixture_random(state, (uint32_t)ARRAY_SIZE(array))])

static const char *maybe(uint32_t *state, const char *text)
{
    return fixture_random(state, 2) == 0 ? text : NULL;
}

static bool is_under(const char *domain, const char *suffix)
{
    size_t length = strlen(domain), part = strlen(suffix);
    return length > part + 1 && domain[length - part - 1] == '.' && strcmp(domain + length - part, suffix) == 0;
}

/* outbound */

static struct outbound_policy random_outbound(uint32_t *state, int64_t id)
{
    struct outbound_policy row = fixture_outbound(id, "row");
    row.match = (enum policy_match)(1 + fixture_random(state, 6));
    row.match_name = row.match == MATCH_PEER ? PICK(state, names) : PICK(state, domains);
    row.priority = (int32_t)fixture_random(state, 12);
    if (row.match == MATCH_ADDRESS) {
        row.match_name = NULL;
        row.match_prefix = fixture_prefix(PICK(state, prefixes));
    }
    if (row.match == MATCH_DEFAULT)
        row.match_name = NULL;
    if (fixture_random(state, 10) == 0)
        row.unusable = "spoilt";
    return row;
}

/* How well the row fits in this step; 0: not at all. Longer matches are greater. */
static unsigned fit(const struct outbound_policy *row, const struct policy_query *query, enum lookup step)
{
    const char *domain = step == LOOKUP_DST ? query->next_hop_domain : query->request_domain;
    switch (row->match) {
    case MATCH_DOMAIN:
        return (step == LOOKUP_DST || step == LOOKUP_RURI) && domain != NULL && strcmp(row->match_name, domain) == 0
            ? 1000
            : 0;
    case MATCH_SUFFIX:
        return (step == LOOKUP_DST || step == LOOKUP_RURI) && domain != NULL && is_under(domain, row->match_name)
            ? (unsigned)strlen(row->match_name)
            : 0;
    case MATCH_SOURCE:
        return step == LOOKUP_SRC && query->source_domain != NULL &&
            strcmp(row->match_name, query->source_domain) == 0;
    case MATCH_PEER:
        return step == LOOKUP_PEER && query->peer != NULL && strcmp(row->match_name, query->peer) == 0;
    case MATCH_ADDRESS: {
        struct address address = { .family = ADDRESS_NONE };
        if (step == LOOKUP_ADDR && query->address != NULL)
            address = *query->address;
        address.scope = 0;
        return prefix_contains(&row->match_prefix, &address) ? 1u + row->match_prefix.length : 0;
    }
    case MATCH_DEFAULT:
        return step == LOOKUP_DEFAULT;
    case MATCH_UNSET:
        break;
    }
    return 0;
}

static const struct outbound_policy *slow_step(const struct outbound_policy *rows, size_t count,
    const struct policy_query *query, enum lookup step, bool *is_tied_r)
{
    const struct outbound_policy *best = NULL;
    unsigned best_fit = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned its_fit = fit(&rows[i], query, step);
        if (its_fit == 0 || its_fit < best_fit)
            continue;
        if (its_fit > best_fit || rows[i].priority < best->priority) {
            best = &rows[i];
            best_fit = its_fit;
            *is_tied_r = false;
        } else if (rows[i].priority == best->priority) {
            *is_tied_r = true;
        }
    }
    return best;
}

static enum lookup_result slow_lookup(const struct outbound_policy *rows, size_t count,
    const struct policy_query *query, const struct policy_lookup_order *order, int64_t *id_r)
{
    for (unsigned i = 0; i < order->count; i++) {
        bool is_tied = false;
        if (order->steps[i] == LOOKUP_ADDR && query->address == NULL)
            return LOOKUP_RESULT_NEEDS_ADDRESS;
        const struct outbound_policy *best = slow_step(rows, count, query, (enum lookup)order->steps[i], &is_tied);
        if (best == NULL)
            continue;
        *id_r = best->id;
        return is_tied || best->unusable != NULL ? LOOKUP_RESULT_REFUSED : LOOKUP_RESULT_HIT;
    }
    return LOOKUP_RESULT_NONE;
}

static struct policy_lookup_order random_order(uint32_t *state)
{
    struct policy_lookup_order order = { .count = 0 };
    for (uint8_t step = 1; step < LOOKUP_COUNT; step++)
        if (fixture_random(state, 3) > 0)
            order.steps[order.count++] = step;
    for (unsigned i = 0; i + 1 < order.count; i++) {
        unsigned other = i + fixture_random(state, order.count - i);
        uint8_t step = order.steps[i];
        order.steps[i] = order.steps[other];
        order.steps[other] = step;
    }
    return order;
}

static void outbound_rows_are_found_as_by_reading_them_all(void **unused)
{
    (void)unused;
    uint32_t state = 1;
    unsigned results[4] = { 0 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        static struct outbound_policy rows[ROWS];
        size_t count = 1 + fixture_random(&state, ROWS);
        struct policy_builder *builder = fixture_builder();
        for (size_t i = 0; i < count; i++) {
            rows[i] = random_outbound(&state, (int64_t)i + 1);
            assert_int_equal(policy_builder_outbound(builder, &rows[i]), 0);
        }
        struct policy_snapshot *snapshot = fixture_finish(builder);
        for (unsigned question = 0; question < QUESTIONS; question++) {
            struct address address = fixture_address(PICK(&state, addresses));
            struct policy_lookup_order order = random_order(&state);
            struct policy_query query = { .next_hop_domain = maybe(&state, PICK(&state, domains)),
                .request_domain = maybe(&state, PICK(&state, domains)),
                .source_domain = maybe(&state, PICK(&state, domains)), .peer = maybe(&state, PICK(&state, names)),
                .address = fixture_random(&state, 4) > 0 ? &address : NULL };
            const struct outbound_policy *row;
            enum reason reason;
            int64_t id = 0;
            enum lookup_result expected = slow_lookup(rows, count, &query, &order, &id);
            assert_int_equal(policy_lookup(snapshot, &query, &order, &row, &reason), expected);
            assert_true((row != NULL) == (expected == LOOKUP_RESULT_HIT || expected == LOOKUP_RESULT_REFUSED));
            if (expected == LOOKUP_RESULT_HIT)
                assert_int_equal(row->id, id);
            if (expected == LOOKUP_RESULT_REFUSED)
                assert_true(row->unusable != NULL && reason != REASON_NONE);
            results[expected]++;
        }
        policy_snapshot_unref(snapshot);
    }
    for (size_t i = 0; i < ARRAY_SIZE(results); i++)
        assert_true(results[i] > 100);
}

/* server profiles */

static unsigned profile_rank(const struct server_profile *profile, const char *listener, const char *server_name)
{
    unsigned rank = 1;
    if (profile->listener != NULL && strcmp(profile->listener, listener) != 0)
        return 0;
    if (profile->server_name != NULL) {
        if (server_name == NULL)
            return 0;
        const char *dot = strchr(server_name, '.');
        if (strcmp(profile->server_name, server_name) == 0)
            rank = 3;
        else if (strncmp(profile->server_name, "*.", 2) == 0 && dot != NULL &&
            strcmp(profile->server_name + 2, dot + 1) == 0)
            rank = 2;
        else
            return 0;
    }
    return 2 * rank + (profile->listener != NULL);
}

static void server_profiles_are_found_as_by_reading_them_all(void **unused)
{
    (void)unused;
    static const char *const patterns[] = { "example", "a.example", "*.example", "b.example", "*.a.example",
        "c.a.example", "*.other" };
    static const char *const listeners[] = { "tls", "inside" };
    uint32_t state = 2;
    unsigned found_count = 0, none_count = 0;
    for (unsigned round = 0; round < 400; round++) {
        struct server_profile rows[12];
        char row_names[12][32];
        size_t count = fixture_random(&state, 12);
        struct policy_builder *builder = fixture_builder();
        for (size_t i = 0; i < count; i++) {
            snprintf(row_names[i], sizeof(row_names[i]), "profile%zu", i);
            rows[i] = fixture_profile(row_names[i], maybe(&state, PICK(&state, listeners)),
                fixture_random(&state, 5) > 0 ? PICK(&state, patterns) : NULL);
            assert_int_equal(policy_builder_server_profile(builder, &rows[i]), 0);
        }
        struct policy_snapshot *snapshot = fixture_finish(builder);
        for (unsigned question = 0; question < 20; question++) {
            const char *listener = PICK(&state, listeners);
            const char *server_name = fixture_random(&state, 4) > 0 ? PICK(&state, domains) : NULL;
            unsigned best = 0, ties = 0;
            bool has_names = false;
            for (size_t i = 0; i < count; i++) {
                unsigned rank = profile_rank(&rows[i], listener, server_name);
                bool is_here = rows[i].listener == NULL || strcmp(rows[i].listener, listener) == 0;
                has_names = has_names || (is_here && rows[i].server_name != NULL);
                ties = rank > best ? 1 : ties + (rank == best);
                best = rank > best ? rank : best;
            }
            if (best < 4 && server_name != NULL && has_names)
                best = 0;
            const struct server_profile *found = policy_server_profile(snapshot, listener, server_name);
            assert_true((found != NULL) == (best > 0));
            if (found == NULL) {
                none_count++;
                continue;
            }
            found_count++;
            assert_int_equal(profile_rank(found, listener, server_name), best);
            assert_true((found->unusable != NULL) == (ties > 1));
        }
        policy_snapshot_unref(snapshot);
    }
    assert_true(found_count > 500 && none_count > 500);
}

/* peer rules */

static uint8_t digests[4][DIGEST_SIZE];

static struct peer_rule random_peer(uint32_t *state, int64_t id)
{
    static const char *const trust_sets[] = { "anchors", "others", "missing" };
    struct peer_rule rule = fixture_peer(id, "peer");
    rule.priority = (int32_t)fixture_random(state, 40);
    rule.action = fixture_random(state, 3) > 0 ? PEER_ACCEPT : PEER_REJECT;
    if ((rule.has_address = fixture_random(state, 3) == 0))
        rule.address = fixture_prefix(PICK(state, prefixes));
    if ((rule.has_fingerprint = fixture_random(state, 4) == 0))
        memcpy(rule.fingerprint, digests[fixture_random(state, 3)], DIGEST_SIZE);
    if (fixture_random(state, 3) == 0)
        rule.trust_set_name = PICK(state, trust_sets);
    if (fixture_random(state, 3) == 0)
        rule.issuer = PICK(state, names);
    if (fixture_random(state, 3) == 0)
        rule.subject = PICK(state, names);
    if (fixture_random(state, 3) == 0)
        rule.san = PICK(state, domains);
    if (fixture_random(state, 15) == 0)
        rule.unusable = "spoilt";
    return rule;
}

static bool slow_peer_matches(const struct peer_rule *rule, const struct peer_facts *facts)
{
    if (rule->has_address && !prefix_contains(&rule->address, &facts->address))
        return false;
    if (rule->has_fingerprint &&
        (facts->fingerprint == NULL || memcmp(rule->fingerprint, facts->fingerprint, DIGEST_SIZE) != 0))
        return false;
    if (rule->trust_set_name == NULL && rule->issuer == NULL && rule->subject == NULL && rule->san == NULL)
        return true;
    if (!facts->is_chain_proven)
        return false;
    if (rule->trust_set_name != NULL) {
        uint8_t wanted = rule->trust_set_name[0] == 'a' ? 1 : 2; /* contents of "anchors" and "others" */
        bool is_missing = strcmp(rule->trust_set_name, "missing") == 0;
        if (is_missing && rule->action == PEER_ACCEPT)
            return false;
        if (!is_missing && (facts->trust_digest == NULL || facts->trust_digest[0] != wanted))
            return false;
    }
    if (rule->issuer != NULL && (facts->issuer == NULL || strcmp(rule->issuer, facts->issuer) != 0))
        return false;
    if (rule->subject != NULL && (facts->subject == NULL || strcmp(rule->subject, facts->subject) != 0))
        return false;
    bool has_san = rule->san == NULL;
    for (size_t i = 0; i < facts->identity_count; i++)
        has_san = has_san || strcmp(facts->identities[i], rule->san) == 0;
    return has_san;
}

static void peer_rules_are_found_as_by_reading_them_all(void **unused)
{
    (void)unused;
    uint32_t state = 3;
    unsigned found_count = 0, none_count = 0, refused_count = 0;
    for (uint8_t i = 0; i < ARRAY_SIZE(digests); i++)
        memset(digests[i], i, DIGEST_SIZE);
    for (unsigned round = 0; round < 300; round++) {
        struct peer_rule rules[24];
        size_t count = fixture_random(&state, 24);
        struct policy_builder *builder = fixture_builder();
        for (size_t i = 0; i < count; i++) {
            rules[i] = random_peer(&state, (int64_t)i);
            assert_int_equal(policy_builder_peer(builder, &rules[i]), 0);
        }
        struct policy_snapshot *snapshot = fixture_finish(builder);
        for (unsigned question = 0; question < 40; question++) {
            const char *identities[2] = { PICK(&state, domains), PICK(&state, domains) };
            struct peer_facts facts = { .address = fixture_address(PICK(&state, addresses)),
                .is_chain_proven = fixture_random(&state, 3) > 0, .identities = identities,
                .identity_count = fixture_random(&state, 3), .issuer = maybe(&state, PICK(&state, names)),
                .subject = maybe(&state, PICK(&state, names)),
                .fingerprint = fixture_random(&state, 4) > 0 ? digests[fixture_random(&state, 3)] : NULL };
            if (facts.is_chain_proven)
                facts.trust_digest = digests[1 + fixture_random(&state, 2)];
            const struct peer_rule *best = NULL;
            for (size_t i = 0; i < count; i++)
                if (slow_peer_matches(&rules[i], &facts) && (best == NULL || rules[i].priority < best->priority))
                    best = &rules[i];
            const struct peer_rule *found = policy_peer(snapshot, &facts);
            assert_true((found != NULL) == (best != NULL));
            if (best == NULL) {
                none_count++;
                continue;
            }
            assert_int_equal(found->id, best->id);
            found_count++;
            refused_count += found->unusable != NULL;
        }
        policy_snapshot_unref(snapshot);
    }
    assert_true(found_count > 1000 && none_count > 1000 && refused_count > 100);
}

/* A rule for nobody accepts nobody; one that rejects everybody is a last word. */
static void a_rule_without_criterion_may_only_reject(void **unused)
{
    (void)unused;
    struct policy_builder *builder = fixture_builder();
    struct peer_rule accept = fixture_peer(1, "all"), reject = fixture_peer(2, "rest");
    accept.priority = 200;
    reject.priority = 100;
    reject.action = PEER_REJECT;
    assert_int_equal(policy_builder_peer(builder, &accept), 0);
    struct peer_facts facts = { .address = fixture_address("192.0.2.1") };
    struct policy_snapshot *snapshot = fixture_finish(builder);
    assert_non_null(policy_peer(snapshot, &facts)->unusable);
    policy_snapshot_unref(snapshot);
    builder = fixture_builder();
    assert_int_equal(policy_builder_peer(builder, &accept), 0);
    assert_int_equal(policy_builder_peer(builder, &reject), 0);
    snapshot = fixture_finish(builder);
    assert_string_equal(policy_peer(snapshot, &facts)->name, "rest");
    assert_null(policy_peer(snapshot, &facts)->unusable);
    policy_snapshot_unref(snapshot);
}

/* routes */

static const char *const users[] = { "", "+1555", "+15551234", "+44", "alice", "al" };
static const char *const methods[] = { "INVITE", "MESSAGE" };

static struct slice header_of(const void *arg, const char *name)
{
    return strcmp(name, "X-Tenant") == 0 ? slice_of_string(arg) : SLICE_ABSENT;
}

static struct route random_route(uint32_t *state, int64_t id)
{
    static const char *const patterns[] = { "example", "*.example", "a.example", "*.a.example", "c.a.example",
        "*.other" };
    static const char *const user_prefixes[] = { "+", "+1555", "al", "+1555123", "b" };
    static const char *const tenants[] = { "one", "two" };
    struct route route = fixture_route(id, maybe(state, PICK(state, patterns)));
    route.priority = (int32_t)fixture_random(state, 4);
    route.weight = fixture_random(state, 3);
    route.fork = fixture_random(state, 3) == 0;
    route.user_prefix = maybe(state, PICK(state, user_prefixes));
    if (fixture_random(state, 4) == 0)
        route.method = PICK(state, methods);
    if (fixture_random(state, 3) == 0)
        route.peer = PICK(state, names);
    if (fixture_random(state, 4) == 0) {
        route.header_name = "X-Tenant";
        route.header_value = PICK(state, tenants);
    }
    return route;
}

static bool slow_route_matches(const struct route *route, const struct route_query *query)
{
    const char *domain = query->request_domain;
    if (route->domain != NULL) {
        bool is_suffix = route->domain[0] == '*';
        if (domain == NULL || (is_suffix ? !is_under(domain, route->domain + 2) : strcmp(domain, route->domain) != 0))
            return false;
    }
    if (route->user_prefix != NULL &&
        (query->user.length < strlen(route->user_prefix) ||
            memcmp(query->user.data, route->user_prefix, strlen(route->user_prefix)) != 0))
        return false;
    if (route->method != NULL && !slice_equal(query->method, slice_of_string(route->method)))
        return false;
    if (route->peer != NULL && (query->peer == NULL || strcmp(route->peer, query->peer) != 0))
        return false;
    return route->header_name == NULL ||
        slice_equal(header_of(query->header_arg, route->header_name), slice_of_string(route->header_value));
}

static bool is_before(const struct route *a, const struct route *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    if (a->fork != b->fork)
        return a->fork;
    if (a->weight != b->weight)
        return a->weight > b->weight;
    return a->id < b->id;
}

struct visited {
    int64_t ids[32];
    size_t count, limit;
};

static bool note_route(void *arg, const struct route *route)
{
    struct visited *visited = arg;
    visited->ids[visited->count++] = route->id;
    return visited->count < visited->limit;
}

static void routes_are_visited_as_by_reading_them_all(void **unused)
{
    (void)unused;
    uint32_t state = 4;
    unsigned visits = 0;
    for (unsigned round = 0; round < 300; round++) {
        struct route routes[30];
        size_t count = fixture_random(&state, 30);
        struct policy_builder *builder = fixture_builder();
        for (size_t i = 0; i < count; i++) {
            routes[i] = random_route(&state, (int64_t)i);
            assert_int_equal(policy_builder_route(builder, &routes[i]), 0);
        }
        struct policy_snapshot *snapshot = fixture_finish(builder);
        for (unsigned question = 0; question < 30; question++) {
            const char *tenant = maybe(&state, "one");
            struct route_query query = { .request_domain = maybe(&state, PICK(&state, domains)),
                .user = slice_of_string(PICK(&state, users)), .method = slice_of_string(PICK(&state, methods)),
                .peer = maybe(&state, PICK(&state, names)), .header = header_of, .header_arg = tenant };
            struct visited visited = { .limit = 1 + fixture_random(&state, 32) };
            policy_routes(snapshot, &query, note_route, &visited);
            const struct route *last = NULL;
            for (size_t i = 0; i < visited.count; i++) {
                const struct route *next = NULL;
                for (size_t j = 0; j < count; j++)
                    if (slow_route_matches(&routes[j], &query) && (last == NULL || is_before(last, &routes[j])) &&
                        (next == NULL || is_before(&routes[j], next)))
                        next = &routes[j];
                assert_non_null(next);
                assert_int_equal(visited.ids[i], next->id);
                last = next;
            }
            size_t matching = 0;
            for (size_t j = 0; j < count; j++)
                matching += slow_route_matches(&routes[j], &query);
            assert_int_equal(visited.count, matching < visited.limit ? matching : visited.limit);
            visits += (unsigned)visited.count;
        }
        policy_snapshot_unref(snapshot);
    }
    assert_true(visits > 10000);
}

static void unusable_routes_are_shown_in_their_place(void **unused)
{
    (void)unused;
    struct policy_builder *builder = fixture_builder();
    struct flag_set contradiction = { .bits = T_RELAY_CERT | T_RELAY_NO_CERT };
    struct route half = fixture_route(1, "a.example"), bad_flags = fixture_route(2, "a.example");
    half.header_name = "X-Tenant";
    bad_flags.flags = &contradiction;
    assert_int_equal(policy_builder_route(builder, &bad_flags), 0);
    assert_int_equal(policy_builder_route(builder, &half), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    struct visited visited = { .limit = 9 };
    struct route_query query = { .request_domain = "a.example", .header = header_of, .header_arg = "any" };
    policy_routes(snapshot, &query, note_route, &visited);
    assert_int_equal(visited.count, 2);
    assert_int_equal(policy_snapshot_counts(snapshot).unusable, 2);
    query.header = NULL;
    visited.count = 0;
    policy_routes(snapshot, &query, note_route, &visited);
    assert_int_equal(visited.count, 1);
    assert_int_equal(visited.ids[0], 2);
    policy_snapshot_unref(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outbound_rows_are_found_as_by_reading_them_all),
        cmocka_unit_test(server_profiles_are_found_as_by_reading_them_all),
        cmocka_unit_test(peer_rules_are_found_as_by_reading_them_all),
        cmocka_unit_test(a_rule_without_criterion_may_only_reject),
        cmocka_unit_test(routes_are_visited_as_by_reading_them_all),
        cmocka_unit_test(unusable_routes_are_shown_in_their_place),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
