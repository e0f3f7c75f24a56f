/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_apart.c - what must not come together in a pool: connections of two keys to one place, a handle and whoever has
 * its slot now (INV-29, ADV-36), an accepted connection and requests of ours (INV-44, ADV-57), a request and a
 * connection that does not prove what it needs when it is there (INV-28), a visitor and facts being written. */
#include "flow_bench.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static void rows(struct policy_builder *builder)
{
    struct outbound_policy one = fixture_outbound(1, "one.example"), two = fixture_outbound(2, "two.example");
    one.level = two.level = LEVEL_NONE;
    one.isolation = "one";
    two.isolation = "two";
    assert_int_equal(policy_builder_outbound(builder, &one), 0);
    assert_int_equal(policy_builder_outbound(builder, &two), 0);
}

static struct bench_peer *start(struct bench *bench)
{
    bench_init(bench, NULL);
    bench_policy(bench, rows);
    return bench_peer(bench, NULL, false);
}

/* All that came on link N of a plain peer, up to and with the mark that the test sends last. */
static void expect_heard(const struct bench_peer *peer, unsigned link, const char *expected)
{
    char heard[64] = "";
    size_t length = strlen(expected);
    ssize_t got = 0;
    assert_in_range(length, 1, sizeof(heard) - 1);
    fixture_until_count(peer->bench->loop, &peer->accepted, link + 1);
    struct pollfd wait = { .fd = peer->links[link].fd, .events = POLLIN };
    for (unsigned i = 0; i < 1000 && (size_t)got < length; i++) {
        fixture_settle(peer->bench->loop);
        assert_int_equal(poll(&wait, 1, 20000), 1);
        got = recv(wait.fd, heard, sizeof(heard) - 1, MSG_PEEK);
        assert_true(got > 0);
    }
    assert_string_equal(heard, expected);
}

static void two_keys_to_one_place_are_two_connections(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench);
    static const char *const domains[] = { "one.example", "two.example", "one.example", "two.example" };
    for (unsigned i = 0; i < ARRAY_SIZE(domains); i++) {
        (void)bench_ask(&bench, peer, domains[i], NULL, i % 2 == 0 ? "a" : "b");
        bench_until_done(&bench, i + 1);
        bench_expect(&bench, i, i < 2 ? DECISION_OPEN : DECISION_REUSE, REASON_NONE);
    }
    assert_false(bench_is_same(&bench, 0, 1));
    assert_true(bench_is_same(&bench, 0, 2) && bench_is_same(&bench, 1, 3));
    expect_heard(peer, 0, "aa");
    expect_heard(peer, 1, "bb");
    bench_fini(&bench);
}

static void a_handle_does_not_name_who_has_its_slot_now(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench);
    (void)bench_ask(&bench, peer, "one.example", NULL, "a");
    bench_until_done(&bench, 1);
    struct connection_handle old = bench.outcomes[0].handle;
    assert_int_equal(flow_pool_close(bench.pool, old, REASON_NONE), 0);
    (void)bench_ask(&bench, peer, "two.example", NULL, "b");
    bench_until_done(&bench, 2);
    struct connection_handle new = bench.outcomes[1].handle;
    assert_int_equal(new.slot, old.slot);
    assert_int_equal(flow_pool_send(bench.pool, old, NULL, SLICE_LITERAL("late")), ERROR_NOT_FOUND);
    assert_int_equal(flow_pool_close(bench.pool, old, REASON_NONE), ERROR_NOT_FOUND);
    assert_int_equal(flow_pool_send(bench.pool, new, NULL, SLICE_LITERAL("end")), 0);
    expect_heard(peer, 1, "bend");
    bench_fini(&bench);
}

/* INV-45 */
static void an_accepted_connection_carries_no_request_of_ours(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench), *callers = bench_peer(&bench, NULL, false);
    bench_call(callers, NULL, true);
    assert_int_equal(flow_pool_counts(bench.pool).accepted, 1);
    (void)bench_ask(&bench, peer, "one.example", NULL, "a");
    bench_until_done(&bench, 1);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    assert_int_equal(flow_pool_counts(bench.pool).connections, 2);
    expect_heard(peer, 0, "a");
    bench_fini(&bench);
}

/* Whoever waits is looked at when the connection is there, with all that it needs: here, a proof that there is none. */
static void who_waits_is_checked_right_before_the_write(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench);
    (void)bench_ask(&bench, peer, "one.example", NULL, "a");
    struct placement *waiting = bench_ask(&bench, peer, "one.example", NULL, "x");
    assert_int_equal(bench.done, 0);
    waiting->requirement.key.level = LEVEL_CHAIN;
    bench_until_done(&bench, 2);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    bench_expect(&bench, 1, DECISION_JOIN, REASON_PLAIN_TRANSPORT);
    assert_int_equal(flow_pool_send(bench.pool, bench.outcomes[0].handle, NULL, SLICE_LITERAL("end")), 0);
    expect_heard(peer, 0, "aend");
    bench_fini(&bench);
}

struct seen {
    unsigned handshakes, with_facts;
};

static void look(void *arg, const struct flow_status *status)
{
    struct seen *seen = arg;
    seen->handshakes += status->state == CONNECTION_HANDSHAKING;
    seen->with_facts += status->facts != NULL;
}

/* Whoever visits may keep the facts and read them in another thread (INV-19). */
static void facts_are_shown_when_they_are_final(void **state)
{
    (void)state;
    struct bench bench;
    struct seen seen = { 0 };
    struct bench_peer *callers = start(&bench);
    bench_call(callers, &(const struct peer_options){ .is_server = false }, true);
    fixture_settle(bench.loop);
    flow_pool_visit(bench.pool, look, &seen);
    assert_int_equal(seen.handshakes, 1);
    assert_int_equal(seen.with_facts, 0);
    bench_call(callers, NULL, true); /* TCP is ready at once */
    fixture_settle(bench.loop);
    flow_pool_visit(bench.pool, look, &seen);
    assert_int_equal(seen.handshakes, 2);
    assert_int_equal(seen.with_facts, 1);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_keys_to_one_place_are_two_connections),
        cmocka_unit_test(a_handle_does_not_name_who_has_its_slot_now),
        cmocka_unit_test(an_accepted_connection_carries_no_request_of_ours),
        cmocka_unit_test(who_waits_is_checked_right_before_the_write),
        cmocka_unit_test(facts_are_shown_when_they_are_final),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
