/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_message.c - rule: a message has its time from its first byte to its last, however it drips, and what begins
 * behind it has a time of its own (A24). The clocks are moved by the test.
 */
#include "flow_bench.h"

#include <string.h>
#include <sys/socket.h>

/* The limit is 10 seconds, as the bench has it: one step is within, two are above. */
enum { STEP_MS = 6000, MESSAGE_MAX = 300, SUBJECT = 0, MARK = 1 };

#define HEAD(length)                                                                                                  \
    "OPTIONS sip:a.test SIP/2.0\r\nVia: SIP/2.0/TCP b.test;branch=z9hG4bK1\r\nFrom: <sip:b.test>;tag=1\r\n"            \
    "To: <sip:a.test>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: " #length "\r\n\r\n"

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static uint64_t passed_ms; /* beside the time that passes anyway */

int64_t __real_loop_wall_s(struct loop *loop);
int64_t __wrap_loop_wall_s(struct loop *loop);
uint64_t __real_loop_now_ms(const struct loop *loop);
uint64_t __wrap_loop_now_ms(const struct loop *loop);

int64_t __wrap_loop_wall_s(struct loop *loop)
{
    return __real_loop_wall_s(loop) + (int64_t)(passed_ms / 1000);
}

uint64_t __wrap_loop_now_ms(const struct loop *loop)
{
    return __real_loop_now_ms(loop) + passed_ms;
}

static void short_messages(struct flow_pool_settings *settings)
{
    settings->limits.message_bytes = MESSAGE_MAX;
}

/* Two who have connected. */
static struct bench_peer *start(struct bench *bench)
{
    passed_ms = 0;
    bench_init(bench, short_messages);
    struct bench_peer *callers = bench_peer(bench, NULL, false);
    bench_call(callers, NULL, true);
    bench_call(callers, NULL, true);
    fixture_settle(bench->loop);
    assert_int_equal(flow_pool_counts(bench->pool).connections, 2);
    return callers;
}

static void say(struct bench_peer *callers, unsigned link, struct slice text)
{
    assert_int_equal(send(callers->links[link].fd, text.data, text.length, MSG_NOSIGNAL), text.length);
    fixture_settle(callers->bench->loop);
}

/* The one called MARK has begun a message at the start: when it ends, each connection was looked at. The SUBJECT says
 * BEFORE at the start, and AFTER half-way through its time, which ends with the beginning of another message. */
static void expect_another_time(const char *before, const char *after, unsigned messages)
{
    struct bench bench;
    struct bench_peer *callers = start(&bench);
    say(callers, MARK, SLICE_LITERAL("O"));
    say(callers, SUBJECT, slice_of_string(before));
    passed_ms += STEP_MS;
    say(callers, SUBJECT, slice_of_string(after));
    assert_int_equal(bench.messages, messages);
    assert_int_equal(bench.closed, 0);
    passed_ms += STEP_MS;
    fixture_until_count(bench.loop, &bench.closed, 1);
    fixture_until(bench.loop, &callers->links[MARK].is_closed);
    assert_int_equal(bench.closed, 1);
    assert_false(callers->links[SUBJECT].is_closed);
    passed_ms += STEP_MS;
    fixture_until_count(bench.loop, &bench.closed, 2);
    bench_fini(&bench);
}

static void behind_a_message(void **state)
{
    (void)state;
    expect_another_time(HEAD(4) "bo", "dyOPTIONS", 1);
}

static void behind_a_body_that_is_skipped(void **state)
{
    (void)state;
    expect_another_time(HEAD(304) "0123", HUNDRED HUNDRED HUNDRED "OPTIONS", 0);
}

/* So is a body that is skipped: it ends in time, or the connection does. */
static void a_body_that_is_skipped(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *callers = start(&bench);
    say(callers, SUBJECT, SLICE_LITERAL(HEAD(1000000)));
    passed_ms += STEP_MS;
    say(callers, SUBJECT, SLICE_LITERAL("more"));
    passed_ms += STEP_MS;
    fixture_until_count(bench.loop, &bench.closed, 1);
    assert_int_equal(flow_pool_counts(bench.pool).connections, 1);
    bench_fini(&bench);
}

/* One byte each second, through the head into the body. */
static void drops(void **state)
{
    (void)state;
    static const char message[] = HEAD(100);
    struct bench bench;
    struct bench_peer *callers = start(&bench);
    say(callers, SUBJECT, slice_of(message, sizeof(message) - 1 - 5));
    for (unsigned i = 5; i > 0; i--) {
        passed_ms += 1000;
        say(callers, SUBJECT, slice_of(message + sizeof(message) - 1 - i, 1));
    }
    assert_int_equal(bench.closed, 0);
    for (unsigned i = 0; i < 4; i++) {
        passed_ms += 1000;
        say(callers, SUBJECT, SLICE_LITERAL("x"));
    }
    assert_int_equal(bench.closed, 0);
    passed_ms += 2000;
    fixture_until_count(bench.loop, &bench.closed, 1);
    assert_int_equal(flow_pool_counts(bench.pool).connections, 1); /* who says nothing is not waited for */
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "A24: what begins behind a message has a time of its own", behind_a_message, NULL, NULL, NULL },
        { "A24: so has what begins behind a body that is skipped", behind_a_body_that_is_skipped, NULL, NULL, NULL },
        { "A24: a body that is skipped has the time of its message", a_body_that_is_skipped, NULL, NULL, NULL },
        { "A24: drops do not lengthen the time of a message", drops, NULL, NULL, NULL },
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
