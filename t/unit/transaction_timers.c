/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_timers.c - rule: durations are those of RFC 3261 (table 4), 6026 and 4320; the wheel fires each timer
 * once, at its millisecond, whatever the order, the distance and the way the time moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/error.h"
#include "transaction/timer_settings.h"
#include "transaction/timer_wheel.h"

#include <stdlib.h>
#include <string.h>

/* ---- settings ---- */

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        enum transaction_event timer;
        uint32_t unreliable_ms, reliable_ms;
    } expected[] = {
        { EVENT_TIMER_A, 500, TIMER_OFF },
        { EVENT_TIMER_B, 32000, 32000 },
        { EVENT_TIMER_D, 32000, 0 },
        { EVENT_TIMER_E, 500, TIMER_OFF },
        { EVENT_TIMER_F, 32000, 32000 },
        { EVENT_TIMER_G, 500, TIMER_OFF },
        { EVENT_TIMER_H, 32000, 32000 },
        { EVENT_TIMER_I, 5000, 0 },
        { EVENT_TIMER_J, 32000, 0 },
        { EVENT_TIMER_K, 5000, 0 },
        { EVENT_TIMER_L, 32000, 32000 },
        { EVENT_TIMER_M, 32000, 32000 },
        { EVENT_PLACED, TIMER_OFF, TIMER_OFF },
        { EVENT_NONE, TIMER_OFF, TIMER_OFF },
    };
    struct timer_settings settings = TIMER_SETTINGS_DEFAULT;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        for (int is_invite = 0; is_invite < 2; is_invite++) {
            assert_int_equal(timer_duration_ms(&settings, expected[i].timer, false, is_invite),
                expected[i].unreliable_ms);
            assert_int_equal(timer_duration_ms(&settings, expected[i].timer, true, is_invite),
                expected[i].reliable_ms);
        }
    }
    assert_int_equal(timer_64_t1_ms(&settings), 32000);
}

/* RFC 3261 17.2.1: within 200 ms. RFC 4320 4.1: when Timer E would reach T2, 0.5 + 1 + 2 s. */
static void test_time_of_100(void **state)
{
    (void)state;
    struct timer_settings settings = TIMER_SETTINGS_DEFAULT;
    assert_true(timer_duration_ms(&settings, EVENT_TIMER_100, true, true) < 200);
    assert_int_equal(timer_duration_ms(&settings, EVENT_TIMER_100, true, false), 3500);
    assert_int_equal(timer_duration_ms(&settings, EVENT_TIMER_100, false, false), 3500);
    settings = (struct timer_settings){ 1000, 4000, 5000, 200000, false };
    assert_int_equal(timer_duration_ms(&settings, EVENT_TIMER_100, false, false), 3000);
    settings = (struct timer_settings){ 4000, 4000, 5000, 200000, false };
    assert_int_equal(timer_duration_ms(&settings, EVENT_TIMER_100, false, false), 4000);
}

/* Timer D is 32 s at least: it follows the other side's T1, not ours. */
static void test_timer_d_is_not_scaled_down(void **state)
{
    (void)state;
    struct timer_settings settings = { 100, 4000, 5000, 200000, false };
    assert_int_equal(timer_duration_ms(&settings, EVENT_TIMER_D, false, true), 32000);
    settings.is_test = true;
    assert_int_equal(timer_duration_ms(&settings, EVENT_TIMER_D, false, true), 6400);
    settings = (struct timer_settings){ 1000, 4000, 5000, 200000, false };
    assert_int_equal(timer_duration_ms(&settings, EVENT_TIMER_D, false, true), 64000);
}

static void test_settings_are_checked(void **state)
{
    (void)state;
    static const struct {
        struct timer_settings settings;
        int rc;
        const char *text; /* part of the reason */
    } cases[] = {
        { { 500, 4000, 5000, 185000, false }, 0, "" },
        { { 500, 4000, 5000, 180001, false }, 0, "" },
        { { 500, 4000, 5000, 180000, false }, ERROR_LIMIT, "three minutes" },
        { { 500, 4000, 5000, 2000, false }, ERROR_LIMIT, "three minutes" },
        { { 500, 4000, 5000, 2000, true }, 0, "" },
        { { 0, 4000, 5000, 185000, false }, ERROR_LIMIT, "above 0" },
        { { 500, 0, 5000, 185000, false }, ERROR_LIMIT, "above 0" },
        { { 500, 4000, 0, 185000, false }, ERROR_LIMIT, "above 0" },
        { { 500, 4000, 5000, 0, true }, ERROR_LIMIT, "above 0" },
        { { 4001, 4000, 5000, 185000, false }, ERROR_LIMIT, "T2" },
        { { 1350001, 4000000, 5000, 185000, false }, ERROR_LIMIT, "a day" },
        { { 500, 4000, 5000, 86400001, false }, ERROR_LIMIT, "a day" },
        { { 500, 4000, 5000, 86400000, false }, 0, "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct why why = WHY_NONE;
        assert_int_equal(timer_settings_check(&cases[i].settings, &why), cases[i].rc);
        assert_non_null(strstr(why.text, cases[i].text));
        assert_int_equal(why.text[0] == '\0', cases[i].rc == 0);
    }
}

static void test_short_t1_is_warned_of(void **state)
{
    (void)state;
    struct timer_settings settings = TIMER_SETTINGS_DEFAULT;
    assert_null(timer_settings_warning(&settings));
    settings.t1_ms = 100;
    assert_non_null(strstr(timer_settings_warning(&settings), "T1"));
    settings.is_test = true;
    assert_null(timer_settings_warning(&settings));
}

/* ---- wheel ---- */

struct mark {
    struct timer_node node;
    uint64_t due_ms; /* 0: not started */
    unsigned fired;
    struct timer_wheel *wheel;
    struct mark *stops;    /* when it fires */
    uint64_t restarts_ms;  /* when it fires, after that time */
    uint64_t *clock;
};

static void on_fire(void *arg, struct timer_node *node)
{
    struct mark *mark = CONTAINER_OF(node, struct mark, node);
    uint64_t *last_ms = arg;
    assert_false(timer_node_is_started(node));
    assert_true(mark->due_ms != 0);
    assert_true(node->deadline_ms >= *last_ms); /* in order */
    *last_ms = node->deadline_ms;
    mark->due_ms = 0;
    mark->fired++;
    if (mark->stops != NULL) {
        timer_wheel_stop(mark->wheel, &mark->stops->node);
        mark->stops->due_ms = 0;
    }
    if (mark->restarts_ms != 0) {
        mark->due_ms = mark->node.deadline_ms + mark->restarts_ms;
        timer_wheel_start(mark->wheel, &mark->node, mark->due_ms, on_fire);
    }
}

static void start(struct timer_wheel *wheel, struct mark *mark, uint64_t due_ms)
{
    mark->wheel = wheel;
    mark->due_ms = due_ms;
    timer_wheel_start(wheel, &mark->node, due_ms, on_fire);
}

static void test_wheel_fires_at_the_millisecond(void **state)
{
    (void)state;
    static const uint64_t distances[] = { 1, 2, 63, 64, 65, 127, 128, 500, 4000, 4095, 4096, 4097, 32000, 180000,
        262143, 262144, 262145, 86400000, UINT64_C(17000000000) };
    static const uint64_t origins[] = { 0, 1, 63, 64, 4095, 1000003, (UINT64_C(1) << 36) - 1, UINT64_C(1) << 40 };
    for (size_t o = 0; o < ARRAY_SIZE(origins); o++) {
        for (size_t d = 0; d < ARRAY_SIZE(distances); d++) {
            static struct timer_wheel wheel;
            struct mark mark = { 0 };
            uint64_t last_ms = 0, due_ms = origins[o] + distances[d];
            timer_wheel_init(&wheel, origins[o]);
            assert_true(timer_wheel_next_ms(&wheel) == UINT64_MAX);
            start(&wheel, &mark, due_ms);
            assert_true(timer_wheel_next_ms(&wheel) <= due_ms);
            timer_wheel_advance(&wheel, due_ms - 1, &last_ms);
            assert_int_equal(mark.fired, 0);
            assert_true(timer_wheel_next_ms(&wheel) == due_ms);
            timer_wheel_advance(&wheel, due_ms, &last_ms);
            assert_int_equal(mark.fired, 1);
            assert_true(timer_wheel_next_ms(&wheel) == UINT64_MAX);
            timer_wheel_advance(&wheel, due_ms + 1000000, &last_ms);
            assert_int_equal(mark.fired, 1);
        }
    }
}

static void test_wheel_past_deadlines_fire_next(void **state)
{
    (void)state;
    static struct timer_wheel wheel;
    struct mark mark = { 0 };
    uint64_t last_ms = 0;
    timer_wheel_init(&wheel, 1000);
    start(&wheel, &mark, 5);
    timer_wheel_advance(&wheel, 1000, &last_ms);
    assert_int_equal(mark.fired, 0);
    timer_wheel_advance(&wheel, 900, &last_ms); /* a time that lies behind is no progress */
    assert_int_equal(mark.fired, 0);
    timer_wheel_advance(&wheel, 1001, &last_ms);
    assert_int_equal(mark.fired, 1);
}

static void test_wheel_stop_and_move(void **state)
{
    (void)state;
    static struct timer_wheel wheel;
    struct mark a = { 0 }, b = { 0 };
    uint64_t last_ms = 0;
    timer_wheel_init(&wheel, 0);
    timer_wheel_stop(&wheel, &a.node); /* not started: allowed */
    start(&wheel, &a, 100);
    start(&wheel, &b, 100);
    timer_wheel_stop(&wheel, &a.node);
    assert_false(timer_node_is_started(&a.node));
    assert_true(timer_wheel_next_ms(&wheel) <= 100);
    start(&wheel, &b, 7000); /* moves it */
    timer_wheel_advance(&wheel, 6999, &last_ms);
    assert_int_equal(a.fired + b.fired, 0);
    timer_wheel_advance(&wheel, 7000, &last_ms);
    assert_int_equal(a.fired, 0);
    assert_int_equal(b.fired, 1);
    start(&wheel, &a, 8000);
    timer_wheel_stop(&wheel, &a.node);
    assert_true(timer_wheel_next_ms(&wheel) == UINT64_MAX);
}

/* One that fires stops another of the same millisecond; one starts itself again. */
static void test_wheel_changes_while_it_fires(void **state)
{
    (void)state;
    static struct timer_wheel wheel;
    struct mark a = { 0 }, b = { 0 }, c = { 0 };
    uint64_t last_ms = 0;
    timer_wheel_init(&wheel, 0);
    a.stops = &b;
    c.restarts_ms = 10;
    start(&wheel, &a, 50);
    start(&wheel, &b, 50);
    start(&wheel, &c, 50);
    timer_wheel_advance(&wheel, 100, &last_ms);
    assert_int_equal(a.fired, 1);
    assert_int_equal(b.fired, 0);
    assert_int_equal(c.fired, 6); /* 50, 60, 70, 80, 90, 100 */
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Against a plain list: what is due fires, in order, and nothing else does. */
static void test_wheel_against_a_list(void **state)
{
    (void)state;
    enum { MARKS = 300, STEPS = 30000 };
    static struct timer_wheel wheel;
    static struct mark marks[MARKS];
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15), now_ms = 123456, last_ms = 0;
    timer_wheel_init(&wheel, now_ms);
    for (int i = 0; i < STEPS; i++) {
        struct mark *mark = &marks[next_random(&seed) % MARKS];
        unsigned what = next_random(&seed) % 8;
        if (what < 4) {
            uint64_t reach = UINT64_C(1) << (next_random(&seed) % 24);
            start(&wheel, mark, now_ms + 1 + next_random(&seed) % reach);
        } else if (what < 6) {
            timer_wheel_stop(&wheel, &mark->node);
            mark->due_ms = 0;
        } else {
            uint64_t to_ms = now_ms + next_random(&seed) % (UINT64_C(1) << (next_random(&seed) % 16));
            uint64_t next_ms = timer_wheel_next_ms(&wheel), earliest_ms = UINT64_MAX;
            for (int j = 0; j < MARKS; j++)
                if (marks[j].due_ms != 0 && marks[j].due_ms < earliest_ms)
                    earliest_ms = marks[j].due_ms;
            assert_true(next_ms <= earliest_ms);
            assert_true((next_ms == UINT64_MAX) == (earliest_ms == UINT64_MAX));
            timer_wheel_advance(&wheel, to_ms, &last_ms);
            now_ms = to_ms;
            for (int j = 0; j < MARKS; j++) {
                assert_true(marks[j].due_ms == 0 || marks[j].due_ms > now_ms);
                assert_int_equal(timer_node_is_started(&marks[j].node), marks[j].due_ms != 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "D02 D06 D12: how long each timer runs", test_durations, NULL, NULL, NULL },
        cmocka_unit_test(test_time_of_100),
        cmocka_unit_test(test_timer_d_is_not_scaled_down),
        { "B27: Timer C is above three minutes, and no time is 0", test_settings_are_checked, NULL, NULL, NULL },
        cmocka_unit_test(test_short_t1_is_warned_of),
        cmocka_unit_test(test_wheel_fires_at_the_millisecond),
        cmocka_unit_test(test_wheel_past_deadlines_fire_next),
        cmocka_unit_test(test_wheel_stop_and_move),
        cmocka_unit_test(test_wheel_changes_while_it_fires),
        cmocka_unit_test(test_wheel_against_a_list),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
