/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_keepalive.c - when pings are due, and when a peer is gone, with a clock of the test's own (RFC 5626 4.4.1). */
#include "flow/keepalive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TICK_MS = 100, START_MS = 5000 };

/* Any numbers, the same in each run. */
static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return *state >> 16;
}

/* Ticks until something is due: the time. */
static int64_t wait_for(struct keepalive *keepalive, int64_t now_ms, uint64_t *state, enum keepalive_due wanted)
{
    for (unsigned i = 0; i < 100000; i++) {
        now_ms += TICK_MS;
        enum keepalive_due due = keepalive_due(keepalive, now_ms, TICK_MS, next_random(state));
        if (due != KEEPALIVE_NOTHING) {
            assert_int_equal(due, wanted);
            return now_ms;
        }
    }
    fail_msg("nothing is ever due");
    return 0;
}

static void test_gaps(void **unused)
{
    (void)unused;
    uint64_t state = 1;
    struct keepalive keepalive = { .interval_s = 0 };
    int64_t now_ms = START_MS, shortest = INT64_MAX, longest = 0;
    keepalive_ask(&keepalive, 120, 1, now_ms, next_random(&state));
    for (unsigned i = 0; i < 2000; i++) {
        int64_t at_ms = wait_for(&keepalive, now_ms, &state, KEEPALIVE_PING);
        int64_t gap = at_ms - now_ms;
        assert_in_range(gap, 96000 - TICK_MS, 120000);
        shortest = gap < shortest ? gap : shortest;
        longest = gap > longest ? gap : longest;
        keepalive_answered(&keepalive);
        now_ms = at_ms;
    }
    assert_true(shortest < 98000 && longest > 118000); /* all of the span is used */
}

static void test_no_answer(void **unused)
{
    (void)unused;
    uint64_t state = 2;
    struct keepalive keepalive = { .interval_s = 0 };
    keepalive_ask(&keepalive, 2, 1, START_MS, next_random(&state));
    int64_t at_ms = wait_for(&keepalive, START_MS, &state, KEEPALIVE_PING);
    assert_int_equal(keepalive_due(&keepalive, at_ms + KEEPALIVE_PONG_MS - 1, TICK_MS, 0), KEEPALIVE_NOTHING);
    assert_int_equal(keepalive_due(&keepalive, at_ms + KEEPALIVE_PONG_MS, TICK_MS, 0), KEEPALIVE_DEAD);
    /* Answered late, but in time: the next ping is overdue. */
    keepalive = (struct keepalive){ .interval_s = 0 };
    keepalive_ask(&keepalive, 2, 1, START_MS, next_random(&state));
    at_ms = wait_for(&keepalive, START_MS, &state, KEEPALIVE_PING);
    keepalive_answered(&keepalive);
    assert_int_equal(keepalive_due(&keepalive, at_ms + KEEPALIVE_PONG_MS, TICK_MS, 0), KEEPALIVE_PING);
}

static void test_off(void **unused)
{
    (void)unused;
    struct keepalive keepalive = { .interval_s = 0 };
    keepalive_ask(&keepalive, 0, 1, START_MS, 7);
    for (int64_t now_ms = START_MS; now_ms < START_MS + 10000000; now_ms += 1000)
        assert_int_equal(keepalive_due(&keepalive, now_ms, TICK_MS, 7), KEEPALIVE_NOTHING);
}

/* Requests of several rows take turns on one connection, more often than any of them wants a ping. */
static void test_many_rows(void **unused)
{
    (void)unused;
    static const uint32_t orders[][3] = { { 60, 3600, 0 }, { 0, 60, 3600 }, { 3600, 0, 60 }, { 3600, 60, 0 } };
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        uint64_t state = 3;
        int64_t now_ms = START_MS, until_ms = START_MS + 6000000;
        unsigned pings = 0;
        struct keepalive keepalive = { .interval_s = 0 };
        for (unsigned n = 0; now_ms < until_ms; n++, now_ms += 1000) {
            keepalive_ask(&keepalive, orders[i][n % 3], 7, now_ms, next_random(&state));
            if (keepalive_due(&keepalive, now_ms, 1000, next_random(&state)) == KEEPALIVE_PING)
                pings++;
            keepalive_answered(&keepalive);
        }
        assert_in_range(pings, 98, 128); /* each 48 to 60 seconds */
    }
}

/* Who is asked by another row while he owes an answer owes it still. */
static void test_answer_is_owed(void **unused)
{
    (void)unused;
    uint64_t state = 4;
    struct keepalive keepalive = { .interval_s = 0 };
    keepalive_ask(&keepalive, 20, 1, START_MS, next_random(&state));
    int64_t at_ms = wait_for(&keepalive, START_MS, &state, KEEPALIVE_PING);
    keepalive_ask(&keepalive, 10, 1, at_ms + 5000, next_random(&state));
    assert_int_equal(keepalive.interval_s, 10);
    assert_int_equal(keepalive_due(&keepalive, at_ms + KEEPALIVE_PONG_MS, TICK_MS, 0), KEEPALIVE_DEAD);
}

static void test_new_policy(void **unused)
{
    (void)unused;
    struct keepalive keepalive = { .interval_s = 0 };
    keepalive_ask(&keepalive, 10, 1, START_MS, 7);
    keepalive_ask(&keepalive, 100, 1, START_MS, 7);
    assert_int_equal(keepalive.interval_s, 10);
    keepalive_ask(&keepalive, 100, 2, START_MS, 7); /* the row of ten seconds may be gone */
    assert_int_equal(keepalive.interval_s, 100);
    keepalive_ask(&keepalive, 10, 2, START_MS, 7); /* it is not */
    assert_int_equal(keepalive.interval_s, 10);
    keepalive_ask(&keepalive, 0, 3, START_MS, 7);
    assert_int_equal(keepalive_due(&keepalive, START_MS + 100000, TICK_MS, 7), KEEPALIVE_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "J04: pings come at random times, between four fifths of the interval and all of it", test_gaps, NULL, NULL,
            NULL },
        { "J03: a ping without an answer for ten seconds: the peer is gone", test_no_answer, NULL, NULL, NULL },
        { "J04: no interval, no pings", test_off, NULL, NULL, NULL },
        { "J04: of several rows the one with the shortest interval counts", test_many_rows, NULL, NULL, NULL },
        { "J03: an answer that is owed stays so when another row asks", test_answer_is_owed, NULL, NULL, NULL },
        { "J04: a new policy begins anew", test_new_policy, NULL, NULL, NULL },
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
