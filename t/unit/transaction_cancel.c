/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_cancel.c - rule: CANCEL is answered at once, and passed on when, and only when, a provisional response
 * came (RFC 3261 9.1, 16.10); Timer C ends what rings too long (16.8).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"

#include <string.h>

static const struct request_text cancel = { .method = "CANCEL" };

static struct transaction_counts counts(const struct edge *edge)
{
    return transaction_layer_counts(edge->layer);
}

static void begin(struct edge *edge, struct call *call, struct destination *to, size_t count)
{
    edge_start(edge);
    assert_int_equal(edge_arrive(edge, &(struct request_text){ .lines = "Route: <sip:next.example;lr>\r\n"
                                     "Require: foo\r\nProxy-Require: bar\r\n" }, call), REQUEST_NEW);
    assert_int_equal(edge_forward(edge, call, to, count, NULL), 0);
    edge_forget(edge);
}

/* C16, C17: what goes where; 487 of the next hop is the answer, and its ACK is ours. */
static void test_cancel_after_provisional(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    struct sip_header header;
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 180, "bob", NULL);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "CANCEL",
        .lines = "Reason: SIP;cause=26\r\nReason: Q.850;cause=16\r\n" }, NULL), REQUEST_CANCEL_MATCHED);
    edge_expect(&edge, "U 180\nU 200\na.1 cancel\n");
    assert_int_equal(sip_message_method(edge.up), SIP_METHOD_CANCEL);

    assert_int_equal(sip_message_method(edge.down), SIP_METHOD_CANCEL);
    assert_true(slice_equal(sip_message_request_uri(edge.down), SLICE_LITERAL("sip:bob@example.com")));
    assert_int_equal(sip_message_header_rows(edge.down, SIP_HEADER_VIA), 1);
    assert_true(slice_equal(sip_message_top_via(edge.down)->branch, slice_of_string(to.attempts[0].branch)));
    assert_true(slice_is_absent(sip_message_to_tag(edge.down)));
    assert_int_equal(sip_message_cseq(edge.down)->number, 1);
    assert_int_equal(sip_message_header_rows(edge.down, SIP_HEADER_ROUTE), 1);
    assert_int_equal(sip_message_header_rows(edge.down, SIP_HEADER_REQUIRE), 0);
    assert_int_equal(sip_message_header_rows(edge.down, SIP_HEADER_PROXY_REQUIRE), 0);
    assert_int_equal(sip_message_header_rows(edge.down, SIP_HEADER_REASON), 2); /* RFC 3326 */
    assert_true(sip_header_first(edge.down, SIP_HEADER_REASON, &header));
    assert_true(slice_equal(header.value, SLICE_LITERAL("SIP;cause=26")));

    /* C03: the 200 to our CANCEL is ours alone */
    assert_int_equal(edge_respond_cancel(&to.attempts[0]), RESPONSE_TAKEN);
    edge_expect(&edge, "");
    edge_respond(&to, 487, "bob", NULL);
    edge_expect(&edge, "a.1 ack\nU 487\nanswered 487 none a cancelled\n");
    assert_int_equal(edge_respond_cancel(&to.attempts[0]), RESPONSE_UNMATCHED);
    assert_int_equal(counts(&edge).clients, 0);
    edge_stop(&edge);
}

/* C17: no CANCEL before a provisional; it goes as soon as one comes, even a 100, and once. */
static void test_cancel_before_provisional(void **state)
{
    (void)state;
    for (unsigned status = 100; status <= 180; status += 80) {
        struct edge edge = { .logs_time = true };
        struct call call;
        struct destination to = { .name = "a" };
        begin(&edge, &call, &to, 1);
        edge_arrive(&edge, &cancel, NULL);
        edge_pass(&edge, 3000);
        edge_expect(&edge, "[0] U 200\n[0] withdraw a.1\n");
        edge_respond(&to, status, "bob", NULL);
        edge_respond(&to, status, "bob", NULL);
        edge_expect(&edge, status == 100 ? "[3000] a.1 cancel\n"
                                         : "[3000] a.1 cancel\n[3000] U 180\n[3000] U 180\n");
        edge_respond(&to, 487, "bob", NULL);
        edge_expect(&edge, "[3000] a.1 ack\n[3000] U 487\n[3000] answered 487 none a cancelled\n");
        edge_stop(&edge);
    }
}

/* The final comes instead of a provisional: no CANCEL at all, and a 2xx is a 2xx. */
static void test_cancel_crosses_the_final(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1);
    edge_arrive(&edge, &cancel, NULL);
    edge_respond(&to, 200, "bob", NULL);
    edge_expect(&edge, "U 200\nwithdraw a.1\nU 200\nanswered 200 none a cancelled\n");
    edge_stop(&edge);

    edge = (struct edge){ 0 };
    to = (struct destination){ .name = "a" };
    begin(&edge, &call, &to, 1);
    edge_arrive(&edge, &cancel, NULL);
    edge_respond(&to, 486, "bob", NULL);
    edge_expect(&edge, "U 200\nwithdraw a.1\na.1 ack\nU 486\nanswered 486 none a cancelled\n");
    edge_stop(&edge);
}

/* What has not left the house is taken back, and the caller has its 487 at once. */
static void test_cancel_before_the_send(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination resolving = { .name = "a", .is_slow = true };
    begin(&edge, &call, &resolving, 1);
    edge_arrive(&edge, &cancel, NULL);
    edge_expect(&edge, "U 200\nstop a\nU 487\nanswered 487 cancelled a cancelled\n");
    assert_int_equal(edge_try(&resolving), ERROR_NOT_FOUND); /* the resolver answers too late */
    branch_failed(edge.layer, resolving.branch, REASON_NO_ADDRESS);
    edge_expect(&edge, "");
    edge_stop(&edge);

    edge = (struct edge){ 0 };
    struct destination tried = { .name = "a", .is_slow = true };
    begin(&edge, &call, &tried, 1);
    assert_int_equal(edge_try(&tried), 0);
    edge_arrive(&edge, &cancel, NULL);
    edge_expect(&edge, "U 200\nstop a\nU 487\nanswered 487 cancelled a cancelled\n");
    assert_int_equal(edge_hand_over(&tried), ERROR_NOT_FOUND); /* and must not be sent */
    edge_stop(&edge);

    edge = (struct edge){ 0 };
    struct destination queued = { .name = "a", .can_withdraw = true };
    begin(&edge, &call, &queued, 1);
    edge_arrive(&edge, &cancel, NULL);
    edge_expect(&edge, "U 200\nwithdraw a.1\nU 487\nanswered 487 cancelled a cancelled\n");
    assert_int_equal(counts(&edge).clients, 0);
    edge_stop(&edge);
}

/* It waits behind a handshake, cannot be taken back, and the handshake fails: 487, no further address. */
static void test_cancelled_and_then_failed(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .addresses = 3 };
    begin(&edge, &call, &to, 1);
    edge_arrive(&edge, &cancel, NULL);
    edge_fail(&to, REASON_WRONG_IDENTITY);
    edge_expect(&edge, "U 200\nwithdraw a.1\nU 487\nanswered 487 cancelled a cancelled\n");
    edge_stop(&edge);
}

/* No provisional ever: Timer B ends it, with 487. */
static void test_cancelled_and_silent(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .addresses = 3 };
    begin(&edge, &call, &to, 1);
    edge_arrive(&edge, &cancel, NULL);
    edge_pass(&edge, 40000);
    edge_expect(&edge, "[0] U 200\n[0] withdraw a.1\n[32000] U 487\n[32000] answered 487 cancelled a cancelled\n");
    edge_stop(&edge);
}

/* 9.1: a next hop that does not answer its INVITE within 64*T1 of the CANCEL is waited for no longer. */
static void test_cancel_is_ignored(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 180, "bob", NULL);
    edge_pass(&edge, 1000);
    edge_arrive(&edge, &cancel, NULL);
    edge_respond(&to, 183, "bob", NULL); /* does not prolong it */
    edge_pass(&edge, 40000);
    edge_expect(&edge, "[0] U 180\n[1000] U 200\n[1000] a.1 cancel\n[1000] U 183\n[33000] U 487\n"
                       "[33000] answered 487 cancelled a cancelled\n");
    assert_int_equal(counts(&edge).clients, 0);
    assert_int_equal(edge_respond(&to, 200, "bob", NULL), RESPONSE_UNMATCHED);
    edge_stop(&edge);
}

/* Over UDP the CANCEL is repeated like any request, until it is answered; and ends with its INVITE. */
static void test_cancel_is_repeated(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_unreliable = true };
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 180, "bob", NULL);
    edge_arrive(&edge, &cancel, NULL);
    edge_pass(&edge, 1600);
    edge_respond_cancel(&to.attempts[0]);
    edge_pass(&edge, 5000);
    edge_expect(&edge, "[0] U 180\n[0] U 200\n[0] a.1 cancel\n[500] a.1 cancel\n[1500] a.1 cancel\n");
    edge_respond(&to, 487, "bob", NULL);
    edge_pass(&edge, 32000);
    assert_int_equal(counts(&edge).clients, 0);
    edge_stop(&edge);

    edge = (struct edge){ .logs_time = true };
    to = (struct destination){ .name = "a", .is_unreliable = true };
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 180, "bob", NULL);
    edge_arrive(&edge, &cancel, NULL);
    edge_pass(&edge, 40000); /* neither is answered */
    assert_int_equal(counts(&edge).clients, 0);
    edge_stop(&edge);
}

/* Several branches, each as it stands: one rings, one is silent, one is resolved, one waits for its turn. */
/* What the edge had no memory for was not sent: it is made anew, until there is some. */
static void test_cancel_without_memory(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true, .cancels_fail = 2 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 180, "bob", NULL);
    edge_arrive(&edge, &cancel, NULL);
    edge_pass(&edge, 1600);
    edge_expect(&edge, "[0] U 180\n[0] U 200\n[0] a.1 has no memory for cancel\n[500] a.1 has no memory for cancel\n"
                       "[1000] a.1 cancel\n");
    assert_int_equal(edge_respond_cancel(&to.attempts[0]), RESPONSE_TAKEN);
    edge_respond(&to, 487, "bob", NULL);
    edge_pass(&edge, 32000);
    assert_int_equal(counts(&edge).clients, 0);
    edge_stop(&edge);
}

static void test_cancel_of_a_fork(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[4] = { { .name = "a" }, { .name = "b" }, { .name = "c", .is_slow = true },
        { .name = "d", .group = 1 } };
    begin(&edge, &call, to, 4);
    edge_respond(&to[0], 180, "a", NULL);
    edge_arrive(&edge, &cancel, NULL);
    edge_expect(&edge, "U 180\nU 200\na.1 cancel\nwithdraw b.1\nstop c\n");
    edge_respond(&to[1], 100, NULL, NULL);
    edge_respond(&to[0], 487, "a", NULL);
    edge_expect(&edge, "b.1 cancel\na.1 ack\n");
    edge_respond(&to[1], 487, "b", NULL);
    edge_expect(&edge, "b.1 ack\nU 487\nanswered 487 none a cancelled\n");
    edge_stop(&edge);
}

/* C19 for the layer: a CANCEL of somebody else, or repeated, does nothing more. */
static void test_cancel_once_and_only_by_its_caller(void **state)
{
    (void)state;
    struct edge edge = { .is_unreliable = true };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 180, "bob", NULL);
    edge_forget(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "CANCEL", .origin = "peer-b" }, NULL),
        REQUEST_CANCEL_UNMATCHED);
    edge_expect(&edge, "");
    assert_int_equal(edge_arrive(&edge, &cancel, NULL), REQUEST_CANCEL_MATCHED);
    assert_int_equal(edge_arrive(&edge, &cancel, NULL), REQUEST_REPEATED);
    edge_expect(&edge, "U 200\na.1 cancel\nU 200\n");
    edge_stop(&edge);
}

/* The edge itself gives up: shutdown, or the caller's connection is refused now. */
static void test_cancel_by_the_edge(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 180, "bob", NULL);
    response_context_cancel(call.context, REASON_SHUTDOWN);
    response_context_cancel(call.context, REASON_SHUTDOWN);
    edge_expect(&edge, "U 180\na.1 cancel\n");
    edge_pass(&edge, 32000);
    edge_expect(&edge, "U 487\nanswered 487 shutdown a cancelled\n");
    edge_stop(&edge);

    edge = (struct edge){ 0 };
    to = (struct destination){ .name = "a" };
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS" }, &call);
    edge_forward(&edge, &call, &to, 1, NULL);
    edge_forget(&edge);
    response_context_cancel(call.context, REASON_SHUTDOWN); /* there is no such thing for a non-INVITE */
    edge_expect(&edge, "");
    edge_respond(&to, 200, "bob", NULL);
    edge_expect(&edge, "U 200\nanswered 200 none a\n");
    edge_stop(&edge);
}

/* Cancelled while the edge thinks about more targets: the answer goes now. */
static void test_cancel_while_exhausted(void **state)
{
    (void)state;
    struct edge edge = { .exhausted = EXHAUSTED_WAIT };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 486, "bob", NULL);
    edge_expect(&edge, "a.1 ack\nexhausted 486 none\n");
    edge_arrive(&edge, &cancel, NULL);
    edge_expect(&edge, "U 200\nU 486\nanswered 486 none a cancelled\n");
    edge_stop(&edge);
}

/* ---- Timer C ---- */

/* C15: provisional seen: CANCEL; 101 to 199 start it anew (C02), 100 does not. */
static void test_timer_c_after_provisional(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 100, NULL, NULL);
    edge_pass(&edge, 100000);
    edge_respond(&to, 180, "bob", NULL);
    edge_pass(&edge, 100000);
    edge_respond(&to, 100, NULL, NULL);
    edge_pass(&edge, 84999);
    edge_expect(&edge, "[100000] U 180\n");
    edge_pass(&edge, 1);
    edge_expect(&edge, "[285000] a.1 cancel\n");
    edge_respond(&to, 487, "bob", NULL);
    edge_expect(&edge, "[285000] a.1 ack\n[285000] exhausted 487 none\n[285000] U 487\n"
                       "[285000] answered 487 none a\n");
    edge_stop(&edge);
}

/* ... and when the CANCEL has no effect either: 408. */
static void test_timer_c_and_no_effect(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1);
    edge_respond(&to, 180, "bob", NULL);
    edge_pass(&edge, 300000);
    edge_expect(&edge, "[0] U 180\n[185000] a.1 cancel\n[217000] exhausted 408 timeout\n[217000] U 408\n"
                       "[217000] answered 408 timeout a\n");
    edge_stop(&edge);
}

/* No provisional, and C ahead of B (scaled): as if 408 had come. */
static void test_timer_c_without_provisional(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true, .timers = { 500, 4000, 5000, 2000, true } };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1);
    edge_pass(&edge, 10000);
    edge_expect(&edge, "[2000] exhausted 408 timeout\n[2000] U 408\n[2000] answered 408 timeout a\n");
    assert_int_equal(counts(&edge).clients, 0);
    edge_stop(&edge);
}

/* An edge that never comes back with an address does not keep an INVITE for ever. */
static void test_timer_c_while_resolving(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    begin(&edge, &call, &to, 1);
    edge_pass(&edge, 200000);
    edge_expect(&edge, "[185000] stop a\n[185000] exhausted 408 timeout\n[185000] U 408\n"
                       "[185000] answered 408 timeout a\n");
    edge_stop(&edge);
}

/* The next group goes on after Timer C. */
static void test_timer_c_then_next_group(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to[2] = { { .name = "a" }, { .name = "b", .group = 1 } };
    begin(&edge, &call, to, 2);
    edge_respond(&to[0], 180, "a", NULL);
    edge_pass(&edge, 185000);
    edge_respond(&to[0], 487, "a", NULL);
    edge_respond(&to[1], 200, "b", NULL);
    edge_expect(&edge, "[0] U 180\n[185000] a.1 cancel\n[185000] a.1 ack\n[185000] start b\n[185000] b.1 INVITE\n"
                       "[185000] U 200\n[185000] answered 200 none b\n");
    edge_stop(&edge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel_after_provisional),
        cmocka_unit_test(test_cancel_before_provisional),
        cmocka_unit_test(test_cancel_crosses_the_final),
        cmocka_unit_test(test_cancel_before_the_send),
        cmocka_unit_test(test_cancelled_and_then_failed),
        cmocka_unit_test(test_cancelled_and_silent),
        cmocka_unit_test(test_cancel_is_ignored),
        cmocka_unit_test(test_cancel_is_repeated),
        cmocka_unit_test(test_cancel_without_memory),
        cmocka_unit_test(test_cancel_of_a_fork),
        cmocka_unit_test(test_cancel_once_and_only_by_its_caller),
        cmocka_unit_test(test_cancel_by_the_edge),
        cmocka_unit_test(test_cancel_while_exhausted),
        cmocka_unit_test(test_timer_c_after_provisional),
        cmocka_unit_test(test_timer_c_and_no_effect),
        cmocka_unit_test(test_timer_c_without_provisional),
        cmocka_unit_test(test_timer_c_while_resolving),
        cmocka_unit_test(test_timer_c_then_next_group),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
