/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_limit.c - each class of connections has a budget of its own (INV-34, ADV-42): a flood of what proves nothing,
 * opened or accepted, neither keeps out nor pushes out what does. */
#include "flow_bench.h"

#include <sys/socket.h>

static void rows(struct policy_builder *builder)
{
    struct policy_trust_set federation = bench_trust_set("federation", cast.root, NULL);
    struct policy_credential atlanta = bench_credential("atlanta", &cast.ours);
    struct outbound_policy strict = fixture_outbound(1, "biloxi.example"), lax = fixture_outbound(2, "lax.example"),
        inside = fixture_outbound(3, "inside.example");
    struct server_profile profile = { .name = "edge", .certificate_names = { "atlanta" }, .certificate_count = 1,
        .client_auth = CLIENT_AUTH_REQUEST, .trust_set_name = "federation", .eku_mode = EKU_TLS_ROLE,
        .crl = REVOCATION_OFF, .ocsp = REVOCATION_OFF, .tls_min = TLS_VERSION_1_2 };
    strict.level = LEVEL_DOMAIN;
    strict.trust_set_name = "federation";
    inside.level = LEVEL_NONE;
    assert_int_equal(policy_builder_trust_set(builder, &federation), 0);
    assert_int_equal(policy_builder_credential(builder, &atlanta), 0);
    assert_int_equal(policy_builder_outbound(builder, &strict), 0);
    assert_int_equal(policy_builder_outbound(builder, &lax), 0);
    assert_int_equal(policy_builder_outbound(builder, &inside), 0);
    assert_int_equal(policy_builder_server_profile(builder, &profile), 0);
}

static void two_each(struct flow_pool_settings *settings)
{
    for (size_t i = 0; i < FLOW_CLASS_COUNT; i++)
        settings->max[i] = 2;
}

static void expect_classes(const struct bench *bench, unsigned accepted, unsigned accepted_verified, unsigned opened,
    unsigned opened_verified)
{
    struct flow_pool_counts counts = flow_pool_counts(bench->pool);
    assert_int_equal(counts.classes[FLOW_ACCEPTED], accepted);
    assert_int_equal(counts.classes[FLOW_ACCEPTED_VERIFIED], accepted_verified);
    assert_int_equal(counts.classes[FLOW_OPENED], opened);
    assert_int_equal(counts.classes[FLOW_OPENED_VERIFIED], opened_verified);
    assert_int_equal(counts.connections, accepted + accepted_verified + opened + opened_verified);
}

static void unverified_load_leaves_room_for_verified_requests(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, two_each);
    bench_policy(&bench, rows);
    struct bench_peer *peer = BENCH_PEER(&bench, .identity = &cast.biloxi);
    for (unsigned i = 0; i < 3; i++)
        (void)bench_ask(&bench, peer, "lax.example", "no-conn-reuse", "x");
    bench_until_done(&bench, 3);
    bench_expect(&bench, 0, DECISION_REJECT, REASON_LIMIT);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_NONE);
    bench_expect(&bench, 2, DECISION_OPEN, REASON_NONE);
    (void)bench_ask(&bench, peer, "biloxi.example", NULL, "y");
    bench_until_done(&bench, 4);
    bench_expect(&bench, 3, DECISION_OPEN, REASON_NONE);
    assert_int_equal(bench.outcomes[3].level, LEVEL_DOMAIN);
    expect_classes(&bench, 0, 0, 2, 1);
    /* Nor the other way round. */
    (void)bench_ask(&bench, peer, "biloxi.example", "no-conn-reuse", "y");
    (void)bench_ask(&bench, peer, "biloxi.example", "no-conn-reuse", "y");
    bench_until_done(&bench, 6);
    bench_expect(&bench, 4, DECISION_REJECT, REASON_LIMIT);
    bench_expect(&bench, 5, DECISION_OPEN, REASON_NONE);
    expect_classes(&bench, 0, 0, 2, 2);
    assert_int_equal(bench.closed, 0);
    bench_fini(&bench);
}

static void the_one_that_was_silent_longest_makes_room_for_its_class(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, two_each);
    bench.is_answered = true;
    bench_policy(&bench, rows);
    struct bench_peer *peers[3];
    for (unsigned i = 0; i < 3; i++)
        peers[i] = BENCH_PEER(&bench, .identity = &cast.biloxi);
    (void)bench_ask(&bench, peers[0], "biloxi.example", NULL, "v");
    bench_until_done(&bench, 1);
    for (unsigned i = 0; i < 2; i++) {
        (void)bench_ask(&bench, peers[i], "lax.example", NULL, "x");
        bench_until_done(&bench, 2 + i);
    }
    (void)bench_ask(&bench, peers[0], "lax.example", NULL, "x");
    bench_expect(&bench, 3, DECISION_REUSE, REASON_NONE);
    (void)bench_ask(&bench, peers[2], "lax.example", NULL, "x");
    bench_until_done(&bench, 5);
    bench_expect(&bench, 4, DECISION_OPEN, REASON_NONE);
    assert_int_equal(bench.closed, 1);
    assert_true(connection_handle_equal(bench.ended, bench.outcomes[2].handle));
    /* The verified one was silent for longer than any. */
    (void)bench_ask(&bench, peers[0], "biloxi.example", NULL, "v");
    bench_expect(&bench, 5, DECISION_REUSE, REASON_NONE);
    assert_true(bench_is_same(&bench, 0, 5));
    bench_fini(&bench);
}

static void a_request_behind_a_handshake_keeps_its_place(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, two_each);
    bench.is_answered = true;
    bench_policy(&bench, rows);
    const struct peer_options options = { .is_server = true, .identity = &cast.biloxi };
    struct bench_peer *mute = bench_peer(&bench, &options, true), *other = bench_peer(&bench, &options, false);
    (void)bench_ask(&bench, mute, "lax.example", NULL, "x");
    (void)bench_ask(&bench, mute, "lax.example", "no-sni", "x");
    (void)bench_ask(&bench, other, "lax.example", NULL, "x");
    bench_expect(&bench, 0, DECISION_REJECT, REASON_LIMIT);
    (void)bench_ask(&bench, other, "biloxi.example", NULL, "x");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_NONE);
    bench_peer_speak(mute);
    bench_until_done(&bench, 4);
    bench_expect(&bench, 2, DECISION_OPEN, REASON_NONE);
    bench_expect(&bench, 3, DECISION_OPEN, REASON_NONE);
    bench_fini(&bench);
}

static void descriptors_are_left_to_verified_connections(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, NULL);
    bench.descriptors.max = 3;
    bench_policy(&bench, rows);
    struct bench_peer *peer = BENCH_PEER(&bench, .identity = &cast.biloxi), *inside = bench_peer(&bench, NULL, false);
    bench_call(inside, NULL, true);
    bench_call(inside, NULL, true);
    (void)bench_ask(&bench, inside, "inside.example", "no-conn-reuse", "x");
    bench_until_done(&bench, 1);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    (void)bench_ask(&bench, inside, "inside.example", "no-conn-reuse", "x");
    bench_expect(&bench, 1, DECISION_REJECT, REASON_LIMIT);
    (void)bench_ask(&bench, peer, "biloxi.example", NULL, "x");
    bench_until_done(&bench, 3);
    bench_expect(&bench, 2, DECISION_OPEN, REASON_NONE);
    expect_classes(&bench, 2, 0, 1, 1);
    assert_int_equal(atomic_load(&bench.descriptors.used), 3);
    flow_pool_renew(bench.pool, RELOAD_DROP);
    flow_pool_drain(bench.pool);
    bench_fini(&bench);
    assert_int_equal(atomic_load(&bench.descriptors.used), 0);
}

static void callers_that_do_not_finish_make_room(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, two_each);
    bench_policy(&bench, rows);
    struct bench_peer *callers = bench_peer(&bench, NULL, false);
    const struct peer_options caller = { .identity = &cast.biloxi };
    for (unsigned i = 0; i < 3; i++)
        bench_call(callers, &caller, true);
    expect_classes(&bench, 2, 0, 0, 0);
    fixture_until_count(bench.loop, &callers->closed, 1);
    assert_true(callers->links[0].is_closed);
    /* Whoever proves itself is not of their number, and does not go for them. */
    bench_call(callers, &caller, false);
    fixture_until_count(bench.loop, &callers->closed, 2);
    while (flow_pool_counts(bench.pool).classes[FLOW_ACCEPTED_VERIFIED] == 0)
        loop_turn(bench.loop, true);
    expect_classes(&bench, 1, 1, 0, 0);
    for (unsigned i = 0; i < 5; i++)
        bench_call(callers, &caller, true);
    expect_classes(&bench, 2, 1, 0, 0);
    assert_false(callers->links[3].is_closed);
    bench_fini(&bench);
}

static void two_of_one_address(struct flow_pool_settings *settings)
{
    settings->max_each = 2;
}

static void one_address_has_so_many_and_no_more(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, two_of_one_address);
    bench_policy(&bench, rows);
    struct bench_peer *callers = bench_peer(&bench, NULL, false);
    for (unsigned i = 0; i < 3; i++)
        bench_call(callers, NULL, true);
    fixture_until_count(bench.loop, &callers->closed, 1);
    assert_true(callers->links[2].is_closed);
    expect_classes(&bench, 2, 0, 0, 0);
    assert_int_equal(shutdown(callers->links[0].fd, SHUT_RDWR), 0);
    fixture_until_count(bench.loop, &bench.closed, 1);
    bench_call(callers, NULL, true);
    fixture_settle(bench.loop);
    assert_false(callers->links[3].is_closed);
    expect_classes(&bench, 2, 0, 0, 0);
    bench_fini(&bench);
}

/* The others are placed before: it is the last one's. */
static void what_becomes_ready_in_a_draining_pool_drains_too(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, two_each);
    bench_policy(&bench, rows);
    struct bench_peer *peer = BENCH_PEER(&bench, .identity = &cast.biloxi);
    (void)bench_ask(&bench, peer, "lax.example", NULL, "x");
    flow_pool_drain(bench.pool);
    bench_until_done(&bench, 1);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    (void)bench_ask(&bench, peer, "lax.example", NULL, "x");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 1, DECISION_REJECT, REASON_LIMIT);
    assert_int_equal(bench.closed, 0);
    bench_answer(&bench, 0);
    fixture_until_count(bench.loop, &bench.closed, 1);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unverified_load_leaves_room_for_verified_requests),
        cmocka_unit_test(the_one_that_was_silent_longest_makes_room_for_its_class),
        cmocka_unit_test(a_request_behind_a_handshake_keeps_its_place),
        cmocka_unit_test(descriptors_are_left_to_verified_connections),
        cmocka_unit_test(callers_that_do_not_finish_make_room),
        cmocka_unit_test(one_address_has_so_many_and_no_more),
        cmocka_unit_test(what_becomes_ready_in_a_draining_pool_drains_too),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, bench_make_cast, bench_free_cast);
}
