/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_clock.c - rule: a connection's age is a length of time: a wall clock that is set back makes none younger,
 * neither for the row it was opened by, nor for the max-age of a later request, nor for who connected to us (INV-37);
 * who goes on asking keeps none for ever. One that was silent for longer than anyone on it, or the request, allows gets
 * no request, whether a timer has seen that or not.
 * Both clocks are moved by the test.
 */
#include "flow_bench.h"

enum { AGE_S = 60, SILENCE_S = 20, DRAIN_S = 200, HOUR_S = 3600 };

static int64_t wall_set_s;   /* by so much the wall clock was set */
static uint64_t passed_ms;   /* beside the time that passes anyway */

int64_t __real_loop_wall_s(struct loop *loop);
int64_t __wrap_loop_wall_s(struct loop *loop);
uint64_t __real_loop_now_ms(const struct loop *loop);
uint64_t __wrap_loop_now_ms(const struct loop *loop);

int64_t __wrap_loop_wall_s(struct loop *loop)
{
    return __real_loop_wall_s(loop) + wall_set_s + (int64_t)(passed_ms / 1000);
}

uint64_t __wrap_loop_now_ms(const struct loop *loop)
{
    return __real_loop_now_ms(loop) + passed_ms;
}

static int reset(void **state)
{
    (void)state;
    wall_set_s = 0;
    passed_ms = 0;
    return 0;
}

static void rows(struct policy_builder *builder)
{
    struct outbound_policy aging = fixture_outbound(1, "aging.example");
    struct outbound_policy ageless = fixture_outbound(2, "ageless.example");
    struct outbound_policy tidy = fixture_outbound(3, "tidy.example");
    aging.level = ageless.level = tidy.level = LEVEL_NONE;
    tidy.idle_timeout_s = SILENCE_S;
    aging.isolation = "aging";
    aging.max_age_s = AGE_S;
    assert_int_equal(policy_builder_outbound(builder, &aging), 0);
    assert_int_equal(policy_builder_outbound(builder, &ageless), 0);
    assert_int_equal(policy_builder_outbound(builder, &tidy), 0);
}

static struct bench_peer *start(struct bench *bench, void (*change)(struct flow_pool_settings *settings))
{
    bench_init(bench, change);
    bench->is_answered = true;
    bench_policy(bench, rows);
    return bench_peer(bench, NULL, false);
}

static void ask(struct bench *bench, const struct bench_peer *peer, const char *domain, const char *flags,
    enum decision decision)
{
    unsigned index = bench->done;
    (void)bench_ask(bench, peer, domain, flags, "a");
    bench_until_done(bench, index + 1);
    bench_expect(bench, index, decision, REASON_NONE);
}

static void the_age_of_the_row(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench, NULL);
    ask(&bench, peer, "aging.example", NULL, DECISION_OPEN);
    wall_set_s = -HOUR_S;
    ask(&bench, peer, "aging.example", NULL, DECISION_REUSE);
    passed_ms = AGE_S * 1000;
    ask(&bench, peer, "aging.example", NULL, DECISION_OPEN);
    fixture_until_count(bench.loop, &bench.closed, 1); /* nobody is on it any more */
    bench_fini(&bench);
}

static void the_age_of_a_request(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench, NULL);
    ask(&bench, peer, "ageless.example", NULL, DECISION_OPEN);
    wall_set_s = -HOUR_S;
    passed_ms = AGE_S * 1000;
    ask(&bench, peer, "ageless.example", NULL, DECISION_REUSE);
    ask(&bench, peer, "ageless.example", "max-age=61", DECISION_REUSE);
    ask(&bench, peer, "ageless.example", "max-age=60", DECISION_OPEN);
    bench_fini(&bench);
}

/* The loop's clock may stand still while the machine sleeps: the wall's tells then. */
static void the_age_of_a_sleeper(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench, NULL);
    ask(&bench, peer, "ageless.example", NULL, DECISION_OPEN);
    wall_set_s = HOUR_S;
    ask(&bench, peer, "ageless.example", "max-age=3600", DECISION_OPEN);
    bench_fini(&bench);
}

/* So often that all connections were looked at. */
static void look_again(struct bench *bench)
{
    for (unsigned i = 0; i < 30; i++)
        loop_turn(bench->loop, true);
}

static void with_age(struct flow_pool_settings *settings)
{
    settings->max_age_s = AGE_S;
    settings->drain_timeout_ms = DRAIN_S * 1000;
}

static void the_age_of_who_connected(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *callers = start(&bench, with_age);
    bench_call(callers, NULL, true);
    fixture_settle(bench.loop);
    assert_int_equal(flow_pool_counts(bench.pool).connections, 1);
    wall_set_s = -HOUR_S;
    passed_ms = AGE_S * 1000;
    fixture_until_count(bench.loop, &bench.closed, 1);
    bench_fini(&bench);
}

/* Past its age it waits for what is under way, but not for ever: a peer can always send one more request. */
static void the_age_of_the_busy(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench, with_age);
    bench.is_answered = false;
    ask(&bench, peer, "aging.example", NULL, DECISION_OPEN);
    passed_ms = AGE_S * 1000;
    look_again(&bench);
    assert_int_equal(bench.closed, 0);
    passed_ms += DRAIN_S / 2 * 1000;
    look_again(&bench);
    assert_int_equal(bench.closed, 0);
    passed_ms += HOUR_S * 1000;
    fixture_until_count(bench.loop, &bench.closed, 1);
    bench_answer(&bench, 0);
    bench_fini(&bench);
}

static void keep_facts(void *arg, const struct flow_status *status)
{
    struct connection_facts **facts = arg;
    *facts = connection_facts_ref(status->facts);
}

/* Likewise of who connected to us, by what he has asked. */
static void the_age_of_who_goes_on_asking(void **state)
{
    (void)state;
    struct bench bench;
    struct connection_facts *facts = NULL;
    struct bench_peer *callers = start(&bench, with_age);
    bench_call(callers, NULL, true);
    fixture_settle(bench.loop);
    flow_pool_visit(bench.pool, keep_facts, &facts);
    assert_true(facts != NULL && facts->is_accepted);
    connection_facts_begin(facts);
    passed_ms = AGE_S * 1000;
    look_again(&bench);
    passed_ms += DRAIN_S / 2 * 1000;
    look_again(&bench);
    assert_int_equal(bench.closed, 0);
    passed_ms += DRAIN_S * 1000;
    fixture_until_count(bench.loop, &bench.closed, 1);
    connection_facts_end(facts);
    connection_facts_unref(facts);
    bench_fini(&bench);
}

/* Too early, and as soon as it is too late; ask() decides before any timer does. */
static void the_silence_of_the_row(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench, NULL);
    ask(&bench, peer, "tidy.example", NULL, DECISION_OPEN);
    passed_ms += (SILENCE_S - 5) * 1000;
    ask(&bench, peer, "tidy.example", NULL, DECISION_REUSE);
    passed_ms += (SILENCE_S - 5) * 1000;
    ask(&bench, peer, "ageless.example", NULL, DECISION_REUSE);
    passed_ms += (SILENCE_S + 1) * 1000;
    ask(&bench, peer, "ageless.example", NULL, DECISION_OPEN); /* it was tidy's, too */
    fixture_until_count(bench.loop, &bench.closed, 1);
    passed_ms += (SILENCE_S + 1) * 1000;
    ask(&bench, peer, "ageless.example", NULL, DECISION_REUSE); /* this one is not */
    bench_fini(&bench);
}

/* Who asks decides, too; and what is too silent for one is not kept for the others beside its successor. */
static void the_silence_that_a_request_allows(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench, NULL);
    ask(&bench, peer, "ageless.example", NULL, DECISION_OPEN);
    struct connection_handle first = bench.outcomes[0].handle;
    passed_ms += (SILENCE_S + 1) * 1000;
    ask(&bench, peer, "ageless.example", NULL, DECISION_REUSE);
    passed_ms += (SILENCE_S + 1) * 1000;
    ask(&bench, peer, "tidy.example", NULL, DECISION_OPEN);
    fixture_until_count(bench.loop, &bench.closed, 1);
    assert_true(connection_handle_equal(bench.ended, first));
    assert_int_equal(flow_pool_counts(bench.pool).connections, 1);
    bench_fini(&bench);
}

/* A handshake may take as long as it likes: silence begins with the connection. */
static void the_silence_of_a_handshake(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench, NULL);
    (void)bench_ask(&bench, peer, "tidy.example", NULL, "a");
    (void)bench_ask(&bench, peer, "tidy.example", NULL, "b");
    passed_ms += (SILENCE_S + 1) * 1000;
    bench_until_done(&bench, 2);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    bench_expect(&bench, 1, DECISION_JOIN, REASON_NONE);
    ask(&bench, peer, "tidy.example", NULL, DECISION_REUSE);
    bench_fini(&bench);
}

/* Who waits for an answer is not idle. */
static void the_silence_of_the_busy(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = start(&bench, NULL);
    bench.is_answered = false;
    ask(&bench, peer, "tidy.example", NULL, DECISION_OPEN);
    passed_ms += (SILENCE_S + 1) * 1000;
    ask(&bench, peer, "tidy.example", NULL, DECISION_REUSE);
    bench_answer(&bench, 0);
    bench_answer(&bench, 1);
    passed_ms += (SILENCE_S + 1) * 1000;
    ask(&bench, peer, "tidy.example", NULL, DECISION_OPEN);
    bench_answer(&bench, 2);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_age_of_the_row, reset),
        cmocka_unit_test_setup(the_age_of_a_request, reset),
        cmocka_unit_test_setup(the_age_of_a_sleeper, reset),
        cmocka_unit_test_setup(the_age_of_who_connected, reset),
        cmocka_unit_test_setup(the_age_of_the_busy, reset),
        cmocka_unit_test_setup(the_age_of_who_goes_on_asking, reset),
        cmocka_unit_test_setup(the_silence_of_the_row, reset),
        cmocka_unit_test_setup(the_silence_that_a_request_allows, reset),
        cmocka_unit_test_setup(the_silence_of_a_handshake, reset),
        cmocka_unit_test_setup(the_silence_of_the_busy, reset),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
