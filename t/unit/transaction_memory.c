/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_memory.c - rule: whichever allocation fails, nothing crashes, leaks or hangs: a request is refused, or it
 * is answered all the same.
 * Every scenario is run again and again with the first, second, third ... allocation failing, once alone and once
 * with all that follow, until it runs through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    long left; /* allocations that succeed yet; negative: all */
    bool is_lasting;
    bool has_failed;
} supply = { .left = -1 };

static bool is_refused(void)
{
    if (supply.has_failed)
        return supply.is_lasting;
    if (supply.left < 0 || supply.left-- > 0)
        return false;
    supply.has_failed = true;
    return true;
}

#include "refused_memory.h"

/* ---- a caller and next hops that repeat what got lost for want of memory ---- */

static void answer(struct destination *to, unsigned status, const char *lines)
{
    if (to->edge == NULL || to->attempt_count == 0)
        return;
    struct attempt *attempt = &to->attempts[to->attempt_count - 1];
    for (int i = 0; i < 3 && attempt->bytes.length != 0; i++)
        if (edge_respond_attempt(attempt, status, "bob", lines, NULL) != RESPONSE_OUTCOME_NONE)
            return;
}

static enum request_outcome ask(struct edge *edge, const struct request_text *text, struct call *call)
{
    enum request_outcome outcome = REQUEST_REFUSED;
    for (int i = 0; i < 3 && outcome == REQUEST_REFUSED; i++)
        outcome = edge_arrive(edge, text, call);
    return outcome;
}

static void reply(struct edge *edge, struct call *call, unsigned status)
{
    for (int i = 0; i < 3; i++)
        if (server_transaction_reply(edge->layer, call->server, &(struct local_reply){ .status = status }) == 0)
            return;
    server_transaction_drop(edge->layer, call->server);
}

/* Forwards, or says 503. */
static void forward(struct edge *edge, struct call *call, struct destination *to, size_t count)
{
    int rc = edge_forward(edge, call, to, count, NULL);
    if (rc == 0)
        return;
    assert_int_equal(rc, ERROR_MEMORY);
    call->answers = 1;
    reply(edge, call, 503);
}

/* After all timers nothing is left. */
static void finish(struct edge *edge)
{
    edge_pass(edge, 400000);
    struct transaction_counts counts = transaction_layer_counts(edge->layer);
    assert_int_equal(counts.servers, 0);
    assert_int_equal(counts.clients, 0);
    assert_int_equal(counts.contexts, 0);
    assert_int_equal(counts.branches, 0);
    assert_int_equal(counts.illegal_events, 0);
    assert_true(transaction_layer_next_ms(edge->layer) == UINT64_MAX);
    edge_stop(edge);
}

static void call_answered(struct edge *edge, struct call *call)
{
    struct destination to = { .name = "a" };
    if (ask(edge, &(struct request_text){ 0 }, call) == REQUEST_NEW) {
        forward(edge, call, &to, 1);
        answer(&to, 180, NULL);
        ask(edge, &(struct request_text){ 0 }, NULL);
        answer(&to, 200, NULL);
        edge_pass(edge, 500);
        answer(&to, 200, NULL);
        ask(edge, &(struct request_text){ .method = "ACK" }, NULL);
    }
    finish(edge);
}

static void call_forked(struct edge *edge, struct call *call)
{
    struct destination to[4] = { { .name = "a" }, { .name = "b" }, { .name = "c", .group = 1 },
        { .name = "d", .group = 1, .fails = REASON_NO_ADDRESS } };
    struct destination more = { .name = "e" };
    edge->added = &more;
    if (ask(edge, &(struct request_text){ .branch = "old" }, call) == REQUEST_NEW) {
        forward(edge, call, to, 4);
        answer(&to[0], 407, "Proxy-Authenticate: Digest realm=\"a\"\r\n");
        answer(&to[1], 401, "WWW-Authenticate: Digest realm=\"b\"\r\n");
        answer(&to[2], 486, NULL);
        answer(&more, 404, NULL);
        ask(edge, &(struct request_text){ .branch = "old", .method = "ACK", .to_tag = "bob" }, NULL);
    }
    finish(edge);
}

/* Nothing could be sent, and nobody is told until the caller cancels. */
static void call_quiet(struct edge *edge, struct call *call)
{
    struct destination to = { .name = "a", .is_quiet = true, .fails = REASON_NO_ADDRESS };
    if (ask(edge, &(struct request_text){ 0 }, call) == REQUEST_NEW) {
        forward(edge, call, &to, 1);
        edge_pass(edge, 1000);
        ask(edge, &(struct request_text){ 0 }, NULL);
        ask(edge, &(struct request_text){ .method = "CANCEL" }, NULL);
        edge_pass(edge, 1000);
        ask(edge, &(struct request_text){ .method = "ACK", .to_tag = "x" }, NULL);
    }
    finish(edge);
}

static void call_cancelled(struct edge *edge, struct call *call)
{
    struct destination to[2] = { { .name = "a", .is_unreliable = true }, { .name = "b" } };
    if (ask(edge, &(struct request_text){ 0 }, call) == REQUEST_NEW) {
        forward(edge, call, to, 2);
        answer(&to[0], 180, NULL);
        ask(edge, &(struct request_text){ .method = "CANCEL", .lines = "Reason: SIP;cause=26\r\n" }, NULL);
        edge_pass(edge, 1000);
        answer(&to[1], 100, NULL);
        edge_pass(edge, 1000);
        answer(&to[0], 487, NULL);
        answer(&to[1], 487, NULL);
    }
    finish(edge);
}

static void call_failed_over(struct edge *edge, struct call *call)
{
    struct destination to = { .name = "a", .addresses = 3, .is_unreliable = true };
    edge->is_unreliable = true;
    edge->lines = "Warning: 399 relay \"x\"\r\n";
    if (ask(edge, &(struct request_text){ 0 }, call) == REQUEST_NEW) {
        forward(edge, call, &to, 1);
        edge_pass(edge, 600);
        answer(&to, 503, NULL);
        if (to.attempt_count != 0)
            edge_fail(&to, REASON_CONNECT_FAILED);
        answer(&to, 503, NULL);
    }
    finish(edge);
}

static void other_answered(struct edge *edge, struct call *call)
{
    struct destination to = { .name = "a", .is_unreliable = true };
    edge->is_unreliable = true;
    struct request_text text = { .method = "OPTIONS" };
    if (ask(edge, &text, call) == REQUEST_NEW) {
        forward(edge, call, &to, 1);
        edge_pass(edge, 5000);
        ask(edge, &text, NULL);
        answer(&to, 200, NULL);
        ask(edge, &text, NULL);
    }
    finish(edge);
}

static void refused(struct edge *edge, struct call *call)
{
    if (ask(edge, &(struct request_text){ 0 }, call) == REQUEST_NEW) {
        reply(edge, call, 180);
        reply(edge, call, 403);
        call->answers = 1;
    }
    finish(edge);
}

/* The first thing that is ever composed is the 200 to a CANCEL. */
static void cancelled_at_once(struct edge *edge, struct call *call)
{
    struct destination to = { .name = "a" };
    if (ask(edge, &(struct request_text){ 0 }, call) == REQUEST_NEW) {
        ask(edge, &(struct request_text){ .method = "CANCEL" }, NULL);
        forward(edge, call, &to, 1);
    }
    finish(edge);
}

/* The first thing that is ever composed is the provisional response of a next hop. */
static void call_ringing(struct edge *edge, struct call *call)
{
    struct destination to = { .name = "a" };
    const struct response_context_options options = { .no_100 = true };
    if (ask(edge, &(struct request_text){ 0 }, call) == REQUEST_NEW) {
        int rc = edge_forward(edge, call, &to, 1, &options);
        if (rc == 0) {
            answer(&to, 180, NULL);
            answer(&to, 404, NULL);
        } else {
            call->answers = 1;
            reply(edge, call, 503);
        }
    }
    finish(edge);
}

/* The edge answers ahead of the next hop. */
static void answered_by_the_edge(struct edge *edge, struct call *call)
{
    struct destination to = { .name = "a" };
    const struct response_context_options options = { .no_100 = true };
    if (ask(edge, &(struct request_text){ 0 }, call) == REQUEST_NEW) {
        int rc = edge_forward(edge, call, &to, 1, &options);
        for (int i = 0; rc == 0 && call->answers == 0 && call->context != NULL && i < 3; i++)
            (void)!response_context_reply(call->context, REASON_NONE, &(struct local_reply){ .status = 486 });
        if (rc != 0) {
            call->answers = 1;
            reply(edge, call, 503);
        }
    }
    finish(edge);
}

/* 64 handles are taken, three for each call, and there is no room for a 65th: the last call's branch, or its second
 * client. */
static void calls_fill_the_handles(struct edge *edge, struct call *call, size_t before, size_t targets)
{
    static struct call calls[21];
    static struct destination destinations[21];
    struct destination to[2] = { { .name = "a" }, { .name = "b" } };
    memset(calls, 0, sizeof(calls));
    memset(destinations, 0, sizeof(destinations));
    for (size_t i = 0; i < before; i++) {
        char branch[40];
        snprintf(branch, sizeof(branch), "z9hG4bK-%zu", i);
        destinations[i].name = "other";
        if (ask(edge, &(struct request_text){ .method = "OPTIONS", .branch = branch }, &calls[i]) == REQUEST_NEW)
            forward(edge, &calls[i], &destinations[i], 1);
    }
    if (ask(edge, &(struct request_text){ 0 }, call) == REQUEST_NEW) {
        forward(edge, call, to, targets);
        answer(&to[0], 404, NULL);
        answer(&to[1], 404, NULL);
    }
    finish(edge);
}

static void no_room_for_a_branch(struct edge *edge, struct call *call)
{
    calls_fill_the_handles(edge, call, 21, 1);
}

static void no_room_for_a_client(struct edge *edge, struct call *call)
{
    calls_fill_the_handles(edge, call, 20, 2);
}

/* ---- the runs ---- */

/* True: the scenario ran through without any failure. */
static bool run(void (*scenario)(struct edge *, struct call *), long nth, bool is_lasting)
{
    struct edge edge = { .is_silent = true };
    struct call call = { 0 };
    edge_start(&edge);
    supply.left = nth;
    supply.is_lasting = is_lasting;
    supply.has_failed = false;
    scenario(&edge, &call);
    bool has_failed = supply.has_failed;
    supply.left = -1;
    supply.has_failed = false;
    if (call.edge != NULL && !is_lasting) {
        assert_int_equal(call.answers, 1);
        assert_true(call.finals > 0 || call.has_2xx);
    }
    return !has_failed;
}

static void check(void (*scenario)(struct edge *, struct call *))
{
    for (int is_lasting = 0; is_lasting < 2; is_lasting++) {
        long nth = 0;
        while (!run(scenario, nth, is_lasting))
            assert_true(++nth < 2000);
        assert_true(nth > 3); /* something was allocated */
    }
}

#define SCENARIO(name)                      \
    static void test_##name(void **state)   \
    {                                       \
        (void)state;                        \
        check(name);                        \
    }
SCENARIO(call_answered)
SCENARIO(call_forked)
SCENARIO(call_cancelled)
SCENARIO(call_quiet)
SCENARIO(call_failed_over)
SCENARIO(other_answered)
SCENARIO(refused)
SCENARIO(cancelled_at_once)
SCENARIO(call_ringing)
SCENARIO(answered_by_the_edge)
SCENARIO(no_room_for_a_branch)
SCENARIO(no_room_for_a_client)

static void test_layer_new(void **state)
{
    (void)state;
    struct transaction_layer_settings settings = { .timers = TIMER_SETTINGS_DEFAULT };
    struct transaction_layer *layer = NULL;
    int rc = ERROR_MEMORY;
    for (long nth = 0; rc != 0; nth++) {
        supply.left = nth;
        supply.has_failed = false;
        rc = transaction_layer_new(&settings, NULL, NULL, 0, &layer);
        assert_int_equal(rc, supply.has_failed ? ERROR_MEMORY : 0);
        assert_true(nth < 10);
    }
    supply.left = -1;
    transaction_layer_free(layer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_new),
        cmocka_unit_test(test_call_answered),
        cmocka_unit_test(test_call_forked),
        cmocka_unit_test(test_call_cancelled),
        cmocka_unit_test(test_call_quiet),
        cmocka_unit_test(test_call_failed_over),
        cmocka_unit_test(test_other_answered),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cancelled_at_once),
        cmocka_unit_test(test_call_ringing),
        cmocka_unit_test(test_answered_by_the_edge),
        cmocka_unit_test(test_no_room_for_a_branch),
        cmocka_unit_test(test_no_room_for_a_client),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
