/* SPDX-License-Identifier: GPL-2.0-or-later */
/* relay_rules.c - what a proxy refuses though it is well-formed: hops, Proxy-Require, breadth, loops
 * (RFC 3261 16.3, RFC 5393). */
#include "policy_fixture.h"
#include "relay/proxy_rules.h"
#include "sip_support.h"

#include <stdio.h>
#include <string.h>

struct shape {
    const char *method, *uri, *from, *to_tag, *headers, *via; /* NULL: the usual */
};

static const char *or_else(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static struct sip_message *make(const struct shape *shape)
{
    char text[2048];
    const char *method = or_else(shape->method, "INVITE");
    int length = snprintf(text, sizeof(text),
        "%s %s SIP/2.0\r\n%sVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <%s>;tag=f1\r\n"
        "To: <sip:bob@far.test>%s%s\r\nCall-ID: c1\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
        method, or_else(shape->uri, "sip:bob@far.test"), or_else(shape->via, ""),
        or_else(shape->from, "sip:alice@near.test"), shape->to_tag != NULL ? ";tag=" : "", or_else(shape->to_tag, ""),
        method, or_else(shape->headers, ""));
    assert_in_range(length, 1, sizeof(text) - 1);
    return parse_whole(slice_of(text, (size_t)length));
}

struct rule_row {
    const char *headers;
    unsigned status;
    uint32_t max_breadth; /* of status 0 */
    const char *lines;    /* NULL: none */
};

static void expect_rules(const struct rule_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sip_message *request = make(&(struct shape){ .headers = rows[i].headers });
        struct buffer lines = BUFFER_EMPTY;
        struct proxy_rules rules = proxy_rules_of(request, &lines);
        if (rules.status != rows[i].status || (rules.status == 0 && rules.max_breadth != rows[i].max_breadth))
            fail_msg("%s gives status %u, breadth %u", rows[i].headers, rules.status, rules.max_breadth);
        assert_true(slice_equal(buffer_slice(&lines), slice_of_string(or_else(rows[i].lines, ""))));
        assert_int_equal(rules.detail != NULL, rules.status == 400);
        buffer_free(&lines);
        sip_message_unref(request);
    }
}

static void max_forwards(void **state)
{
    (void)state;
    static const struct rule_row rows[] = {
        { "Max-Forwards: 0\r\n", 483, 0, NULL },
        { "Max-Forwards: 1\r\n", 0, 60, NULL },
        { "", 0, 60, NULL },
        { "Max-Forwards: 0\r\nProxy-Require: x\r\n", 483, 0, NULL },
    };
    expect_rules(rows, ARRAY_SIZE(rows));
}

static void proxy_require(void **state)
{
    (void)state;
    static const struct rule_row rows[] = {
        { "Proxy-Require: one, two\r\nRequire: three\r\nProxy-Require: four\r\n", 420, 0,
            "Unsupported: one, two, four\r\n" },
        { "Require: three\r\n", 0, 60, NULL },
    };
    expect_rules(rows, ARRAY_SIZE(rows));
}

static void of_an_ack(void **state)
{
    (void)state;
    struct buffer lines = BUFFER_EMPTY;
    struct shape shape = { .method = "ACK", .headers = "Proxy-Require: x\r\nMax-Breadth: 7\r\n" };
    struct sip_message *ack = make(&shape);
    assert_int_equal(proxy_rules_of(ack, &lines).status, 0);
    assert_int_equal(proxy_rules_of(ack, &lines).max_breadth, 7);
    assert_int_equal(lines.length, 0);
    sip_message_unref(ack);
    shape.headers = "Max-Forwards: 0\r\n";
    ack = make(&shape);
    assert_int_equal(proxy_rules_of(ack, &lines).status, 483);
    sip_message_unref(ack);
    shape.headers = "Max-Breadth: 0\r\n";
    ack = make(&shape);
    assert_int_equal(proxy_rules_of(ack, &lines).status, 440);
    sip_message_unref(ack);
    buffer_free(&lines);
}

static void max_breadth(void **state)
{
    (void)state;
    static const struct rule_row rows[] = {
        { "", 0, 60, NULL },
        { "Max-Breadth: 1\r\n", 0, 1, NULL },
        { "max-breadth : 59\r\n", 0, 59, NULL },
        { "Max-Breadth: 60\r\n", 0, 60, NULL },
        { "Max-Breadth: 61\r\n", 0, 60, NULL },
        { "Max-Breadth: 99999999999999999999999\r\n", 0, 60, NULL },
        { "Max-Breadth: 0\r\n", 440, 0, NULL },
        { "Max-Breadth: \r\n", 400, 0, NULL },
        { "Max-Breadth: -1\r\n", 400, 0, NULL },
        { "Max-Breadth: 5, 5\r\n", 400, 0, NULL },
        { "Max-Breadth: 5\r\nMax-Breadth: 5\r\n", 400, 0, NULL },
    };
    expect_rules(rows, ARRAY_SIZE(rows));
}

static void from_must_be_proven(void **state)
{
    (void)state;
    static const char *const identities[] = { "near.test", "other.test" };
    static const struct {
        const char *from;
        bool is_chain_proven;
        size_t identity_count;
        bool is_proven;
    } rows[] = {
        { "sip:alice@near.test", true, 2, true },
        { "sips:alice@NEAR.test:5061;x=y", true, 1, true },
        { "sip:alice@other.test", true, 2, true },
        { "sip:alice@other.test", true, 1, false },
        { "sip:alice@near.test", false, 2, false },
        { "sip:alice@sub.near.test", true, 2, false },
        { "sip:near.test@evil.test", true, 2, false },
        { "sip:alice@192.0.2.1", true, 2, false },
        { "tel:+15551234", true, 2, false },
        { "sip:alice@near.test", true, 0, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sip_message *request = make(&(struct shape){ .from = rows[i].from });
        struct peer_facts facts = { .is_chain_proven = rows[i].is_chain_proven, .identities = identities,
            .identity_count = rows[i].identity_count };
        if (proxy_rules_from_is_proven(request, &facts) != rows[i].is_proven)
            fail_msg("row %zu: %s", i, rows[i].from);
        sip_message_unref(request);
    }
}

/* ---- loops ---- */

struct decision {
    struct shape shape;
    struct flag_set flags;
    const struct route *route;
    const char *next_hop, *peer;
    uint64_t generation;
};

static uint64_t hash_of(const struct decision *decision)
{
    struct sip_message *request = make(&decision->shape);
    struct routing routing = { .target_count = 1 };
    routing.targets[0].flags = decision->flags;
    routing.targets[0].route = decision->route;
    routing.targets[0].next_hop.text = slice_of_string(or_else(decision->next_hop, "sip:bob@far.test"));
    uint64_t hash = proxy_rules_loop_hash(request, &routing, or_else(decision->peer, "plain"), decision->generation, 7);
    sip_message_unref(request);
    return hash;
}

static void what_the_decision_looked_at_is_in_the_hash(void **state)
{
    (void)state;
    static const struct route row = { .id = 5 };
    static const struct decision others[] = {
        { .shape = { .uri = "sip:bob2@far.test" } },
        { .shape = { .headers = "Route: <sip:edge.test;lr>\r\n" } },
        { .shape = { .headers = "Route: <sip:edge.test;lr>\r\nRoute: <sip:next.test;lr>\r\n" } },
        { .shape = { .to_tag = "t1" } },
        { .shape = { .from = "sip:carol@near.test" } },
        { .flags = { .bits = T_RELAY_TLS } },
        { .flags = { .max_age_s = 5 } },
        { .flags = { .verify_domain = "far.test" } },
        { .flags = { .cert = "far.test" } },
        { .flags = { .sni = "far.test" } },
        { .flags = { .trust = "far.test" } },
        { .flags = { .lookup = { .count = 1, .steps = { LOOKUP_DST } } } },
        { .route = &row },
        { .next_hop = "sip:other.test" },
        { .peer = "careful" },
        { .generation = 2 },
    };
    uint64_t hashes[ARRAY_SIZE(others) + 1] = { hash_of(&(struct decision){ .peer = NULL }) };
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        hashes[i + 1] = hash_of(&others[i]);
        for (size_t k = 0; k <= i; k++)
            if (hashes[k] == hashes[i + 1])
                fail_msg("rows %zu and %zu have one hash", k, i + 1);
    }
}

static void method_and_what_changes_at_each_hop_are_not(void **state)
{
    (void)state;
    static const struct decision others[] = {
        { .shape = { .method = "MESSAGE" } },
        { .shape = { .via = "Via: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK2\r\n" } },
        { .shape = { .headers = "Max-Forwards: 5\r\nRecord-Route: <sip:x.test;lr>\r\nMax-Breadth: 3\r\n" } },
    };
    uint64_t hash = hash_of(&(struct decision){ .peer = NULL });
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_true(hash_of(&others[i]) == hash);
}

static bool looped(const char *via, const struct transaction_secret *secret, uint64_t hash)
{
    struct sip_message *request = make(&(struct shape){ .via = via });
    bool is = proxy_rules_have_looped(request, secret, hash);
    sip_message_unref(request);
    return is;
}

static void a_loop_is_known_by_our_own_branch(void **state)
{
    (void)state;
    const struct transaction_secret ours = { { 1, 2, 3 } }, theirs = { { 3, 2, 1 } };
    struct branch_id id = { .client = { 1, 2, 3 }, .loop_hash = 99 };
    char branch[BRANCH_ID_SIZE], via[1024];
    branch_id_print(&id, &ours, branch);
    (void)snprintf(via, sizeof(via), "Via: SIP/2.0/TCP far.test;x;y=\"q;,\";branch=z9hG4bKx;alias;keep\r\n"
        "Via: SIP/2.0/TLS \t p.test ; branch = z9hG4bKy, SIP/2.0/TLS edge.test:5061;branch=%s;rport\r\n", branch);
    assert_true(looped(via, &ours, 99));
    assert_false(looped(via, &ours, 98));   /* a spiral */
    assert_false(looped(via, &theirs, 99)); /* who does not know the secret can claim nothing */
    assert_false(looped("", &ours, 99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "B05 Max-Forwards 0 gets no further, none passes", max_forwards, NULL, NULL, NULL },
        { "B06 each tag of Proxy-Require is unsupported, Require is not ours", proxy_require, NULL, NULL, NULL },
        { "B07 B29 K03 of an ACK Max-Forwards and Max-Breadth are looked at", of_an_ack, NULL, NULL, NULL },
        { "K03 Max-Breadth: none is 60, more than 60 is 60, 0 cannot be kept", max_breadth, NULL, NULL, NULL },
        { "B30 From names a domain that the certificate proves, or the peer row refuses it", from_must_be_proven, NULL,
            NULL, NULL },
        { "K02 all that the decision looked at varies the hash", what_the_decision_looked_at_is_in_the_hash, NULL, NULL,
            NULL },
        { "K02 the method and what changes at each hop do not", method_and_what_changes_at_each_hop_are_not, NULL,
            NULL, NULL },
        { "K01 a loop is known by our own branch with an equal hash", a_loop_is_known_by_our_own_branch, NULL, NULL,
            NULL },
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
