/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_quiet.c - rule: a quiet target (flag no-auto-477) that nothing could be sent to has no answer of ours:
 * the server transaction absorbs repetitions and ends by itself. What anybody else says is passed on as ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"

static const struct request_text invite = { .method = "INVITE" };
static const struct request_text cancel = { .method = "CANCEL" };

static void begin(struct edge *edge, struct call *call, struct destination *to, size_t count, const char *method)
{
    edge_start(edge);
    assert_int_equal(edge_arrive(edge, &(struct request_text){ .method = method }, call), REQUEST_NEW);
    assert_int_equal(edge_forward(edge, call, to, count, NULL), 0);
    edge_forget(edge);
}

static void assert_nothing_left(const struct edge *edge)
{
    struct transaction_counts counts = transaction_layer_counts(edge->layer);
    assert_int_equal(counts.servers, 0);
    assert_int_equal(counts.clients, 0);
    assert_int_equal(counts.contexts, 0);
    assert_int_equal(counts.branches, 0);
    assert_int_equal(counts.illegal_events, 0);
}

/* 64*T1 from the failure on: until then nobody else gets the INVITE, and its repetition is absorbed. */
static void test_invite_is_silent(void **state)
{
    (void)state;
    static const enum reason reasons[] = { REASON_NO_ADDRESS, REASON_DNS_FAILED, REASON_CONNECT_FAILED,
        REASON_CONNECT_TIMEOUT, REASON_CONNECTION_LOST, REASON_TLS_FAILED, REASON_TLS_TIMEOUT, REASON_BACKOFF };
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        struct edge edge = { .is_unreliable = true };
        struct call call;
        struct destination to = { .name = "a", .is_quiet = true };
        begin(&edge, &call, &to, 1, "INVITE");
        edge_pass(&edge, 1000);
        edge_fail(&to, reasons[i]);
        edge_forget(&edge);
        assert_int_equal(call.answers, 0);
        edge_pass(&edge, 31999);
        assert_int_equal(edge_arrive(&edge, &invite, NULL), REQUEST_REPEATED);
        edge_expect(&edge, "U 100\n");
        assert_int_equal(call.answers, 0);
        edge_pass(&edge, 1);
        assert_int_equal(call.answers, 1);
        assert_int_equal(call.summary.status, 0);
        assert_int_equal(call.summary.reason, reasons[i]);
        assert_non_null(call.summary.branch);
        assert_nothing_left(&edge);
        edge_stop(&edge);
    }
}

/* Neither 100 nor final, until Timer F. */
static void test_other_is_silent(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true, .is_unreliable = true };
    struct call call;
    struct destination to = { .name = "a", .is_quiet = true, .addresses = 2 };
    begin(&edge, &call, &to, 1, "MESSAGE");
    edge_fail(&to, REASON_CONNECT_FAILED);
    edge_fail(&to, REASON_TLS_FAILED);
    edge_expect(&edge, "[0] next a connect-failed\n[0] a.2 MESSAGE\n[0] next a tls-failed\n"
                       "[0] exhausted 0 tls-failed\n");
    edge_pass(&edge, 31999);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "MESSAGE" }, NULL), REQUEST_REPEATED);
    edge_expect(&edge, "");
    edge_pass(&edge, 1);
    edge_expect(&edge, "[32000] answered 0 tls-failed a\n");
    assert_nothing_left(&edge);
    edge_stop(&edge);
}

/* Refusals, a want of room and a next hop that was reached are told, by whichever address. */
static void test_what_is_told(void **state)
{
    (void)state;
    static const enum reason reasons[] = { REASON_NO_POLICY, REASON_WEAKEN_REFUSED, REASON_NO_CONNECTION, REASON_LIMIT,
        REASON_WRONG_IDENTITY, REASON_TLS_FLOOR, REASON_BAD_RESPONSE, REASON_VERDICT_STALE, REASON_NO_MEMORY,
        REASON_TIMEOUT };
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        for (unsigned first = 0; first < 2; first++) {
            struct edge edge = { 0 };
            struct call call;
            struct destination to = { .name = "a", .is_quiet = true, .addresses = 2 };
            bool is_renewed = first == 1 && reasons[i] == REASON_VERDICT_STALE;
            begin(&edge, &call, &to, 1, "INVITE");
            edge_fail(&to, first == 1 ? reasons[i] : REASON_CONNECT_FAILED);
            edge_fail(&to, first == 1 ? REASON_CONNECT_FAILED : reasons[i]);
            assert_int_equal(call.finals, is_renewed ? 0 : 1);
            edge_stop(&edge);
        }
}

/* What the edge refused ahead of a client transaction counts alike. */
static void test_passed_over(void **state)
{
    (void)state;
    for (unsigned is_told = 0; is_told < 2; is_told++) {
        struct edge edge = { 0 };
        struct call call;
        struct destination to = { .name = "a", .is_quiet = true, .is_slow = true };
        begin(&edge, &call, &to, 1, "INVITE");
        branch_passed_over(edge.layer, to.branch, is_told ? REASON_WEAKEN_REFUSED : REASON_BACKOFF);
        branch_failed(edge.layer, to.branch, REASON_NO_ADDRESS);
        edge_expect(&edge, is_told ? "exhausted 500 no-address\nU 500\nanswered 500 no-address a\n"
                                   : "exhausted 0 no-address\n");
        branch_passed_over(edge.layer, (struct transaction_handle){ 0 }, REASON_BACKOFF);
        edge_stop(&edge);
    }
}

/* A response that came stands: a 503, which is ours to tell, or a provisional ahead of the end of its connection. */
static void test_received_is_passed_on(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .is_quiet = true, .addresses = 2 };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 503, "x", NULL);
    edge_fail(&to, REASON_CONNECT_FAILED);
    edge_expect(&edge, "next a 503\na.2 INVITE\na.1 ack\nnext a connect-failed\nexhausted 500 connect-failed\nU 500\n"
                       "answered 500 connect-failed a\n");
    edge_stop(&edge);

    edge = (struct edge){ 0 };
    to = (struct destination){ .name = "a", .is_quiet = true };
    begin(&edge, &call, &to, 1, "OPTIONS");
    edge_respond(&to, 100, NULL, NULL);
    edge_fail(&to, REASON_CONNECTION_LOST);
    edge_expect(&edge, "exhausted 500 connection-lost\nU 500\nanswered 500 connection-lost a\n");
    edge_stop(&edge);
}

/* Of a fork the others decide: with a response, or with a failure that is no quiet one. */
static void test_others_answer(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[2] = { { .name = "a", .is_quiet = true }, { .name = "b" } };
    begin(&edge, &call, to, 2, "INVITE");
    edge_fail(&to[0], REASON_CONNECT_FAILED);
    edge_respond(&to[1], 404, "x", NULL);
    edge_expect(&edge, "next a connect-failed\nb.1 ack\nexhausted 404 none\nU 404\nanswered 404 none b\n");
    edge_stop(&edge);

    edge = (struct edge){ 0 };
    to[0] = (struct destination){ .name = "a" };
    to[1] = (struct destination){ .name = "b", .is_quiet = true };
    begin(&edge, &call, to, 2, "INVITE");
    edge_fail(&to[0], REASON_CONNECT_FAILED);
    edge_fail(&to[1], REASON_CONNECT_FAILED);
    edge_expect(&edge, "next a connect-failed\nnext b connect-failed\nexhausted 500 connect-failed\nU 500\n"
                       "answered 500 connect-failed a\n");
    edge_stop(&edge);

    /* One of which nobody heard in time says nothing to a request that is no INVITE. */
    edge = (struct edge){ .logs_time = true };
    to[0] = (struct destination){ .name = "a", .is_quiet = true };
    to[1] = (struct destination){ .name = "b" };
    begin(&edge, &call, to, 2, "OPTIONS");
    edge_fail(&to[0], REASON_CONNECT_FAILED);
    edge_pass(&edge, 32000);
    edge_expect(&edge, "[0] next a connect-failed\n[3500] U 100\n[32000] answered 0 timeout b\n");
    edge_stop(&edge);
}

/* Of two that are silent the record tells of the last. */
static void test_last_of_two(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[2] = { { .name = "a", .is_quiet = true }, { .name = "b", .is_quiet = true, .group = 1 } };
    begin(&edge, &call, to, 2, "INVITE");
    edge_fail(&to[0], REASON_CONNECT_FAILED);
    edge_fail(&to[1], REASON_TLS_TIMEOUT);
    edge_pass(&edge, 32000);
    edge_expect(&edge, "next a connect-failed\nstart b\nb.1 INVITE\nnext b tls-timeout\nexhausted 0 tls-timeout\n"
                       "answered 0 tls-timeout b\n");
    edge_stop(&edge);
}

/* 9.2: 200 at once, and 487; behind the end there is nothing to cancel. */
static void test_cancel(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .is_quiet = true };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_fail(&to, REASON_CONNECT_FAILED);
    edge_forget(&edge);
    assert_int_equal(edge_arrive(&edge, &cancel, NULL), REQUEST_CANCEL_MATCHED);
    edge_expect(&edge, "U 200\nU 487\nanswered 487 cancelled - cancelled\n");
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK" }, NULL), REQUEST_ACK_ABSORBED);
    edge_pass(&edge, 64000);
    edge_expect(&edge, "");
    assert_nothing_left(&edge);
    edge_stop(&edge);

    edge = (struct edge){ 0 };
    to = (struct destination){ .name = "a", .is_quiet = true };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_fail(&to, REASON_CONNECT_FAILED);
    edge_pass(&edge, 32000);
    assert_int_equal(edge_arrive(&edge, &cancel, NULL), REQUEST_CANCEL_UNMATCHED);
    edge_stop(&edge);

    /* Cancelled ahead of the failure: 487 as ever. */
    edge = (struct edge){ 0 };
    to = (struct destination){ .name = "a", .is_quiet = true };
    begin(&edge, &call, &to, 1, "INVITE");
    assert_int_equal(edge_arrive(&edge, &cancel, NULL), REQUEST_CANCEL_MATCHED);
    edge_fail(&to, REASON_CONNECT_FAILED);
    edge_expect(&edge, "U 200\nwithdraw a.1\nU 487\nanswered 487 cancelled a cancelled\n");
    edge_stop(&edge);
}

/* The script has the word when all have failed, and as long as the silence lasts; no target comes any more. */
static void test_edge_takes_over(void **state)
{
    (void)state;
    struct edge edge = { .exhausted = EXHAUSTED_WAIT };
    struct call call;
    struct destination to = { .name = "a", .is_quiet = true }, more = { .name = "b" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_fail(&to, REASON_CONNECT_FAILED);
    response_context_resume(call.context);
    response_context_resume(call.context);
    assert_int_equal(edge_add(&edge, &call, &more), ERROR_STATE);
    edge_expect(&edge, "next a connect-failed\nexhausted 0 connect-failed\n");
    assert_int_equal(response_context_reply(call.context, REASON_LIMIT, &(struct local_reply){ .status = 480 }), 0);
    edge_expect(&edge, "U 480\nanswered 480 limit -\n");
    edge_pass(&edge, 64000);
    assert_nothing_left(&edge);
    edge_stop(&edge);
}

/* The server transaction goes early: the record has what happened. */
static void test_server_is_dropped(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .is_quiet = true };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_fail(&to, REASON_CONNECT_TIMEOUT);
    edge_forget(&edge);
    server_transaction_drop(edge.layer, call.server);
    edge_expect(&edge, "answered 0 connect-timeout a\n");
    assert_nothing_left(&edge);
    edge_stop(&edge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invite_is_silent),
        cmocka_unit_test(test_other_is_silent),
        cmocka_unit_test(test_what_is_told),
        cmocka_unit_test(test_passed_over),
        cmocka_unit_test(test_received_is_passed_on),
        cmocka_unit_test(test_others_answer),
        cmocka_unit_test(test_last_of_two),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_edge_takes_over),
        cmocka_unit_test(test_server_is_dropped),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
