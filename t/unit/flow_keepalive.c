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
    struct keepalive keepalive;
    int64_t now_ms = START_MS, shortest = INT64_MAX, longest = 0;
    keepalive_start(&keepalive, 120, now_ms, next_random(&state));
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
    struct keepalive keepalive;
    keepalive_start(&keepalive, 2, START_MS, next_random(&state));
    int64_t at_ms = wait_for(&keepalive, START_MS, &state, KEEPALIVE_PING);
    assert_int_equal(keepalive_due(&keepalive, at_ms + KEEPALIVE_PONG_MS - 1, TICK_MS, 0), KEEPALIVE_NOTHING);
    assert_int_equal(keepalive_due(&keepalive, at_ms + KEEPALIVE_PONG_MS, TICK_MS, 0), KEEPALIVE_DEAD);
    /* Answered late, but in time: the next ping is overdue. */
    keepalive_start(&keepalive, 2, START_MS, next_random(&state));
    at_ms = wait_for(&keepalive, START_MS, &state, KEEPALIVE_PING);
    keepalive_answered(&keepalive);
    assert_int_equal(keepalive_due(&keepalive, at_ms + KEEPALIVE_PONG_MS, TICK_MS, 0), KEEPALIVE_PING);
}

static void test_off(void **unused)
{
    (void)unused;
    struct keepalive keepalive;
    keepalive_start(&keepalive, 0, START_MS, 7);
    for (int64_t now_ms = START_MS; now_ms < START_MS + 10000000; now_ms += 1000)
        assert_int_equal(keepalive_due(&keepalive, now_ms, TICK_MS, 7), KEEPALIVE_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "J04: pings come at random times, between four fifths of the interval and all of it", test_gaps, NULL, NULL,
            NULL },
        { "J03: a ping without an answer for ten seconds: the peer is gone", test_no_answer, NULL, NULL, NULL },
        { "J04: no interval, no pings", test_off, NULL, NULL, NULL },
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
