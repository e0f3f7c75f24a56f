/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_within.c - rule: what the edge calls from within an operation may come at the worst moment, about an
 * object that is ending or has just been answered: each request still has one answer, and nothing is sent twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"

static struct {
    struct call *call;
    struct destination *to;
    unsigned status;
    unsigned countdown; /* the operation within which it happens; 0: none any more */
    unsigned happened;
} meddling;

static bool is_due(void)
{
    if (meddling.countdown == 0 || --meddling.countdown != 0)
        return false;
    meddling.happened++;
    return true;
}

/* From the COUNTDOWN-th operation on. */
static void prepare(struct call *call, struct destination *to, unsigned countdown)
{
    meddling.call = call;
    meddling.to = to;
    meddling.countdown = countdown;
    meddling.happened = 0;
}

static void begin(struct edge *edge, struct call *call, struct destination *to, const char *method)
{
    meddling.countdown = 0;
    edge_start(edge);
    assert_int_equal(edge_arrive(edge, &(struct request_text){ .method = method }, call), REQUEST_NEW);
    assert_int_equal(edge_forward(edge, call, to, 1, NULL), 0);
    edge_forget(edge);
}

static void end(struct edge *edge)
{
    assert_int_equal(meddling.happened, 1);
    assert_int_equal(transaction_layer_counts(edge->layer).illegal_events, 0);
    edge->meddle = NULL;
    edge_stop(edge);
}

/* ---- a request that is being answered cannot be forwarded any more ---- */

static void start_on_answer(struct edge *edge)
{
    struct response_context *context = NULL;
    const struct target target = { .user = meddling.to };
    const struct response_context_options options = { .user = meddling.call };
    if (!is_due())
        return;
    assert_non_null(server_transaction_find(edge->layer, edge->answering));
    assert_int_equal(response_context_start(edge->layer, edge->answering, &target, 1, &options, &context),
        ERROR_STATE);
    assert_null(context);
}

static void test_forwarded_while_it_is_answered(void **state)
{
    (void)state;
    static const char *const methods[] = { "INVITE", "OPTIONS" };
    for (int i = 0; i < 2; i++) {
        struct edge edge = { .meddle = start_on_answer };
        struct call call;
        struct destination to = { .name = "a" };
        meddling.countdown = 0;
        edge_start(&edge);
        assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = methods[i] }, &call), REQUEST_NEW);
        prepare(&call, &to, 1);
        assert_int_equal(server_transaction_reply(edge.layer, call.server, &(struct local_reply){ .status = 404 }), 0);
        edge_expect(&edge, "U 404\n");
        end(&edge);
    }
}

/* Nobody is shown the transaction of a CANCEL but by the operation that sends its 200. */
static void test_a_cancel_is_forwarded(void **state)
{
    (void)state;
    struct edge edge = { .meddle = start_on_answer };
    struct call call;
    struct destination to = { .name = "a" };
    meddling.countdown = 0;
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, &call), REQUEST_NEW);
    prepare(&call, &to, 1);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "CANCEL" }, NULL), REQUEST_CANCEL_MATCHED);
    edge_expect(&edge, "U 200\n");
    end(&edge);
}

/* ---- the caller ---- */

/* The connection to the caller of a request that is no INVITE is lost, and the edge answers without having seen it. */
static void lose_caller_and_reply(struct edge *edge)
{
    const struct local_reply unavailable = { .status = 480 };
    if (!is_due())
        return;
    server_transaction_send_failed(edge->layer, meddling.call->server);
    assert_null(response_context_server(meddling.call->context));
    assert_int_equal(response_context_reply(meddling.call->context, REASON_NONE, &unavailable), ERROR_STATE);
}

static void test_reply_to_a_caller_that_is_gone(void **state)
{
    (void)state;
    struct edge edge = { .meddle = lose_caller_and_reply };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, "OPTIONS");
    edge_pass(&edge, 5000);
    edge_expect(&edge, "U 100\n"); /* RFC 4320 4.1; from now on a response that is lost ends it */
    prepare(&call, &to, 1);
    edge_respond(&to, 404, "x", NULL);
    edge_expect(&edge, "answered 0 connection-lost -\n");
    end(&edge);
}

static void drop_caller(struct edge *edge)
{
    if (is_due())
        server_transaction_drop(edge->layer, meddling.call->server);
}

/* Asked to describe our answer, the edge says that the caller has gone: that is the reason, and nothing is sent. */
static void test_caller_dropped_when_asked_to_describe(void **state)
{
    (void)state;
    struct edge edge = { .meddle = drop_caller };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    begin(&edge, &call, &to, "INVITE");
    prepare(&call, &to, 2); /* nothing is left, and what shall be said */
    branch_failed(edge.layer, to.branch, REASON_NO_ADDRESS);
    edge_expect(&edge, "exhausted 500 no-address\nanswered 0 connection-lost -\n");
    end(&edge);
}

static void reply(struct edge *edge)
{
    (void)edge;
    if (is_due())
        assert_int_equal(response_context_reply(meddling.call->context, REASON_NONE,
            &(struct local_reply){ .status = meddling.status }), 0);
}

/* Asked to describe our failure, the edge accepts the call: the INVITE goes on for further 2xx, no failure follows. */
static void test_accepted_when_asked_to_describe(void **state)
{
    (void)state;
    struct edge edge = { .meddle = reply };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    begin(&edge, &call, &to, "INVITE");
    prepare(&call, &to, 2);
    meddling.status = 200;
    branch_failed(edge.layer, to.branch, REASON_NO_ADDRESS);
    edge_expect(&edge, "exhausted 500 no-address\nU 200\nanswered 200 none -\n");
    end(&edge);
}

/* ---- the next hop ---- */

static void cancel(struct edge *edge)
{
    (void)edge;
    if (is_due())
        response_context_cancel(meddling.call->context, REASON_CANCELLED);
}

static void cancel_while_b_starts(struct edge *edge)
{
    if (memmem(edge->log.data, edge->log.length, "start b", sizeof("start b") - 1) != NULL)
        cancel(edge);
}

/* Cancelled from within the start of one branch: those beside it do not start any more. */
static void test_cancelled_while_a_group_starts(void **state)
{
    (void)state;
    struct edge edge = { .meddle = cancel_while_b_starts };
    struct call call;
    struct destination to[] = { { .name = "a" }, { .name = "b", .group = 1 }, { .name = "c", .group = 1 } };
    meddling.countdown = 0;
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "INVITE" }, &call), REQUEST_NEW);
    assert_int_equal(edge_forward(&edge, &call, to, ARRAY_SIZE(to), NULL), 0);
    edge_forget(&edge);
    prepare(&call, &to[1], 1);
    edge_respond(&to[0], 404, "x", NULL);
    edge_expect(&edge, "a.1 ack\nstart b\nstop b\nU 487\nanswered 487 cancelled b cancelled\n");
    end(&edge);
}

/* Cancelled in the moment in which its final response is seen: there is nothing to cancel any more. */
static void test_cancelled_when_the_final_is_seen(void **state)
{
    (void)state;
    struct edge edge = { .meddle = cancel };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, "INVITE");
    edge_respond(&to, 180, "x", NULL);
    edge_forget(&edge);
    prepare(&call, &to, 1);
    edge_respond(&to, 486, "x", NULL);
    edge_expect(&edge, "a.1 ack\nU 486\nanswered 486 none a cancelled\n");
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK" }, NULL), REQUEST_ACK_ABSORBED);
    edge_pass(&edge, 40000);
    edge_expect(&edge, "");
    end(&edge);
}

static void respond(struct edge *edge)
{
    (void)edge;
    if (is_due())
        assert_int_equal(edge_respond(meddling.to, meddling.status, "x", NULL), RESPONSE_TAKEN);
}

/* A provisional response comes in under the CANCEL that is being sent, and would have it sent: once is enough. */
static void test_provisional_while_cancelling(void **state)
{
    (void)state;
    struct edge edge = { .meddle = respond };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, "INVITE");
    edge_respond(&to, 180, "x", NULL);
    edge_forget(&edge);
    prepare(&call, &to, 1);
    meddling.status = 183;
    response_context_cancel(call.context, REASON_CANCELLED);
    edge_pass(&edge, 5000);
    edge_expect(&edge, "a.1 cancel\nU 183\n");
    edge_respond(&to, 487, "x", NULL);
    edge_expect(&edge, "a.1 ack\nU 487\nanswered 487 none a cancelled\n");
    end(&edge);
}

static void fail_first_try(struct edge *edge)
{
    if (is_due())
        client_transaction_failed(edge->layer, meddling.to->attempts[0].handle, REASON_CONNECTION_LOST);
}

/* The edge is asked for another address because one failed, and says once more that it did: that one has ended. */
static void test_failed_twice(void **state)
{
    (void)state;
    struct edge edge = { .meddle = fail_first_try };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, "INVITE");
    prepare(&call, &to, 1);
    edge_fail(&to, REASON_CONNECT_FAILED);
    edge_expect(&edge, "next a connect-failed\na.2 INVITE\n");
    edge_respond(&to, 200, "x", NULL);
    edge_expect(&edge, "U 200\nanswered 200 none a\n");
    end(&edge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forwarded_while_it_is_answered),
        cmocka_unit_test(test_a_cancel_is_forwarded),
        cmocka_unit_test(test_reply_to_a_caller_that_is_gone),
        cmocka_unit_test(test_caller_dropped_when_asked_to_describe),
        cmocka_unit_test(test_accepted_when_asked_to_describe),
        cmocka_unit_test(test_cancelled_while_a_group_starts),
        cmocka_unit_test(test_cancelled_when_the_final_is_seen),
        cmocka_unit_test(test_provisional_while_cancelling),
        cmocka_unit_test(test_failed_twice),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
