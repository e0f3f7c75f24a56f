/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_probe.c - a connection that is made to look at a peer carries nobody's request, while it is made and after, and
 * its failure holds nobody off (ADV-63). Real TLS peers.
 */
#include "flow_bench.h"

static void rows(struct policy_builder *builder)
{
    struct policy_trust_set federation = bench_trust_set("federation", cast.root, NULL);
    struct outbound_policy strict = fixture_outbound(1, "strict.example"), wrong = fixture_outbound(2, "wrong.example");
    strict.level = wrong.level = LEVEL_DOMAIN;
    strict.trust_set_name = wrong.trust_set_name = "federation";
    strict.expected_domain = "biloxi.example";
    wrong.expected_domain = "chicago.example";
    assert_int_equal(policy_builder_trust_set(builder, &federation), 0);
    assert_int_equal(policy_builder_outbound(builder, &strict), 0);
    assert_int_equal(policy_builder_outbound(builder, &wrong), 0);
}

static struct bench_peer *begin(struct bench *bench)
{
    bench_init(bench, NULL);
    bench->is_answered = true;
    bench_policy(bench, rows);
    return BENCH_PEER(bench, .identity = &cast.biloxi);
}

static void expect_certificates(struct certificate_chain *chain, size_t count)
{
    assert_int_equal(chain->count, count);
    certificate_chain_fini(chain);
}

/* INV-49 */
static void a_request_joins_no_probe(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    bench_probe(&bench, peer, "strict.example", &chain);
    assert_int_equal(bench.done, 0); /* it is being made */
    assert_int_equal(bench_predict(&bench, peer, "strict.example", NULL).decision, DECISION_OPEN);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "secret;");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_NONE);
    assert_false(bench_is_same(&bench, 0, 1));
    while (bench_heard(peer, 0).length + bench_heard(peer, 1).length == 0)
        loop_turn(bench.loop, true);
    assert_int_equal(peer->accepted, 2);
    assert_true(bench_heard(peer, 0).length == 0 || bench_heard(peer, 1).length == 0);
    expect_certificates(&chain, 1);
    bench_fini(&bench);
}

static void nor_reuses_one(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    bench_probe(&bench, peer, "strict.example", &chain);
    bench_until_done(&bench, 1); /* and nobody has closed it yet */
    assert_int_equal(bench.closed, 0);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "secret;");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_NONE);
    assert_false(bench_is_same(&bench, 0, 1));
    fixture_until_count(bench.loop, &bench.closed, 1); /* what carries nothing ends by itself */
    assert_int_equal(bench.ended.generation, bench.outcomes[0].handle.generation);
    assert_int_equal(bench_heard(peer, 0).length, 0);
    expect_certificates(&chain, 1);
    bench_fini(&bench);
}

static void its_failure_holds_nobody_off(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    for (unsigned i = 0; i < 2; i++) {
        struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
        bench_probe(&bench, peer, "wrong.example", &chain);
        bench_until_done(&bench, i + 1);
        bench_expect(&bench, i, DECISION_OPEN, REASON_WRONG_IDENTITY);
        expect_certificates(&chain, 1);
    }
    assert_int_equal(bench_predict(&bench, peer, "wrong.example", NULL).decision, DECISION_OPEN);
    (void)bench_ask(&bench, peer, "wrong.example", NULL, "secret;");
    bench_until_done(&bench, 3);
    bench_expect(&bench, 2, DECISION_OPEN, REASON_WRONG_IDENTITY); /* tried, not held off; and then it is */
    assert_int_equal(bench_predict(&bench, peer, "wrong.example", NULL).reason, REASON_BACKOFF);
    for (unsigned i = 0; i < peer->accepted; i++)
        assert_int_equal(bench_heard(peer, i).length, 0);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_joins_no_probe),
        cmocka_unit_test(nor_reuses_one),
        cmocka_unit_test(its_failure_holds_nobody_off),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, bench_make_cast, bench_free_cast);
}
