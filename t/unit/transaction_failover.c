/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_failover.c - rule: a target's addresses are tried one after another, each as a transaction of its own,
 * after a 503, a transport failure or no response at all, and after nothing else (RFC 3263 4.3, RFC 3261 16.6(7)).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"

#include <string.h>

static void begin(struct edge *edge, struct call *call, struct destination *to, size_t count, const char *method)
{
    edge_start(edge);
    assert_int_equal(edge_arrive(edge, &(struct request_text){ .method = method }, call), REQUEST_NEW);
    assert_int_equal(edge_forward(edge, call, to, count, NULL), 0);
    edge_forget(edge);
}

/* E13, B24: 503 goes on to the next address, acknowledged, under another branch id. */
static void test_503(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 503, "x", NULL);
    edge_expect(&edge, "next a 503\na.2 INVITE\na.1 ack\n");
    assert_string_not_equal(to.attempts[0].branch, to.attempts[1].branch);
    edge_respond(&to, 200, "y", NULL);
    edge_expect(&edge, "U 200\nanswered 200 none a\n");
    edge_stop(&edge);
}

/* 503 everywhere is our 500; a 503 and then a failure of our own is that failure. */
static void test_503_to_the_end(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "OPTIONS");
    edge_respond(&to, 503, "x", NULL);
    edge_respond(&to, 503, "y", NULL);
    edge_expect(&edge, "next a 503\na.2 OPTIONS\nnext a 503\nexhausted 500 none\nU 500\nanswered 500 none a\n");
    edge_stop(&edge);

    edge = (struct edge){ 0 };
    to = (struct destination){ .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "OPTIONS");
    edge_respond(&to, 503, "x", NULL);
    edge_fail(&to, REASON_WRONG_IDENTITY);
    edge_expect(&edge, "next a 503\na.2 OPTIONS\nnext a wrong-identity\nexhausted 502 wrong-identity\nU 502\n"
                       "answered 502 wrong-identity a\n");
    edge_stop(&edge);
}

/* A17, DESIGN 9: refused, handshake failed, verdict failed: at once, no timer; placed or not. */
static void test_transport_failures(void **state)
{
    (void)state;
    for (int is_invite = 0; is_invite < 2; is_invite++) {
        struct edge edge = { .logs_time = true };
        struct call call;
        struct destination to = { .name = "a", .addresses = 4 };
        begin(&edge, &call, &to, 1, is_invite ? "INVITE" : "BYE");
        edge_fail(&to, REASON_CONNECT_FAILED);
        edge_fail(&to, REASON_TLS_FAILED);
        edge_fail(&to, REASON_CHAIN_UNTRUSTED);
        edge_fail(&to, REASON_CONNECTION_LOST);
        edge_expect(&edge, is_invite
            ? "[0] next a connect-failed\n[0] a.2 INVITE\n[0] next a tls-failed\n[0] a.3 INVITE\n"
              "[0] next a chain-untrusted\n[0] a.4 INVITE\n[0] next a connection-lost\n"
              "[0] exhausted 500 connection-lost\n[0] U 500\n[0] answered 500 connection-lost a\n"
            : "[0] next a connect-failed\n[0] a.2 BYE\n[0] next a tls-failed\n[0] a.3 BYE\n"
              "[0] next a chain-untrusted\n[0] a.4 BYE\n[0] next a connection-lost\n"
              "[0] exhausted 500 connection-lost\n[0] U 500\n[0] answered 500 connection-lost a\n");
        assert_int_equal(transaction_layer_counts(edge.layer).clients, 0);
        edge_stop(&edge);
    }
}

static void test_failure_between_try_and_send(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2, .is_slow = true };
    begin(&edge, &call, &to, 1, "INVITE");
    assert_int_equal(edge_try(&to), 0);
    edge_fail(&to, REASON_NO_CONNECTION);
    edge_expect(&edge, "next a no-connection\n");
    assert_int_equal(edge_place(&to), 0);
    edge_respond(&to, 200, "x", NULL);
    edge_expect(&edge, "a.2 INVITE\nU 200\nanswered 200 none a\n");
    edge_stop(&edge);
}

/* No response at all: the next address, with a Timer B of its own. */
static void test_silence(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_pass(&edge, 64000);
    edge_expect(&edge, "[32000] next a timeout\n[32000] a.2 INVITE\n[64000] next a timeout\n"
                       "[64000] exhausted 408 timeout\n[64000] U 408\n[64000] answered 408 timeout a\n");
    edge_stop(&edge);
}

/* Of a non-INVITE nobody waits any more by then (D20). */
static void test_silence_of_other(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "OPTIONS");
    edge_pass(&edge, 64000);
    edge_expect(&edge, "[3500] U 100\n[32000] answered 0 timeout a\n");
    edge_stop(&edge);
}

/* E13: 180 and then silence is no failure of the address; nor is a closed connection (18.1.1). */
static void test_provisional_ends_failover(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 180, "x", NULL);
    edge_fail(&to, REASON_CONNECTION_LOST);
    edge_pass(&edge, 100000);
    edge_expect(&edge, "U 180\n");
    edge_respond(&to, 200, "x", NULL); /* by another connection */
    edge_expect(&edge, "U 200\nanswered 200 none a\n");
    edge_stop(&edge);
}

/* A non-INVITE that the next hop has in its hands is not done twice: its failure is the answer. */
static void test_provisional_ends_failover_of_other(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "MESSAGE");
    edge_respond(&to, 100, NULL, NULL);
    edge_fail(&to, REASON_CONNECTION_LOST);
    edge_expect(&edge, "exhausted 500 connection-lost\nU 500\nanswered 500 connection-lost a\n");
    edge_stop(&edge);
}

/* Any other final is an answer. */
static void test_finals_are_answers(void **state)
{
    (void)state;
    static const unsigned finals[] = { 302, 404, 408, 480, 500, 502, 504, 603 };
    for (size_t i = 0; i < ARRAY_SIZE(finals); i++) {
        struct edge edge = { .is_silent = true };
        struct call call;
        struct destination to = { .name = "a", .addresses = 2 };
        begin(&edge, &call, &to, 1, "INVITE");
        edge_respond(&to, finals[i], "x", NULL);
        assert_int_equal(sip_message_status(edge.up), finals[i]);
        assert_int_equal(to.attempt_count, 1);
        edge_stop(&edge);
    }
}

/* What an address says after the next one was tried: its late 200 meets nothing, its failure does no harm. */
static void test_late_words_of_a_former_address(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_fail(&to, REASON_CONNECT_FAILED);
    edge_forget(&edge);
    assert_int_equal(edge_respond_attempt(&to.attempts[0], 200, "x", NULL, NULL), RESPONSE_UNMATCHED);
    client_transaction_failed(edge.layer, to.attempts[0].handle, REASON_CONNECT_FAILED);
    edge_expect(&edge, "");
    edge_respond(&to, 200, "y", NULL);
    edge_expect(&edge, "U 200\nanswered 200 none a\n");
    edge_stop(&edge);
}

/* One branch fails over while its neighbour rings; when that answers, the new try is withdrawn or cancelled. */
static void test_failover_in_a_fork(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[2] = { { .name = "a", .addresses = 3 }, { .name = "b" } };
    begin(&edge, &call, to, 2, "INVITE");
    edge_respond(&to[1], 180, "b", NULL);
    edge_respond(&to[0], 503, "a", NULL);
    edge_respond(&to[1], 200, "b", NULL);
    edge_expect(&edge, "U 180\nnext a 503\na.2 INVITE\na.1 ack\nU 200\nwithdraw a.2\nanswered 200 none b\n");
    edge_respond(&to[0], 180, "a", NULL);
    edge_respond(&to[0], 503, "a", NULL); /* no further address: it is answered */
    edge_expect(&edge, "a.2 cancel\na.2 ack\n");
    edge_pass(&edge, 32000);
    assert_int_equal(transaction_layer_counts(edge.layer).contexts, 0);
    edge_stop(&edge);
}

/* Timer C covers all addresses of a branch anew. */
static void test_timer_c_starts_anew(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_pass(&edge, 30000);
    edge_respond(&to, 503, "x", NULL);
    edge_respond(&to, 180, "x", NULL);
    edge_pass(&edge, 184999);
    edge_expect(&edge, "[30000] next a 503\n[30000] a.2 INVITE\n[30000] a.1 ack\n[30000] U 180\n");
    edge_pass(&edge, 1);
    edge_expect(&edge, "[215000] a.2 cancel\n");
    edge_stop(&edge);
}

/* An edge that never runs out of addresses is stopped. */
static void test_tries_are_limited(void **state)
{
    (void)state;
    struct edge edge = { .is_silent = true };
    struct call call;
    struct destination to = { .name = "a", .addresses = 1000000 };
    begin(&edge, &call, &to, 1, "INVITE");
    for (unsigned i = 0; i < 200 && call.answers == 0; i++)
        edge_fail(&to, REASON_CONNECT_FAILED);
    assert_int_equal(call.answers, 1);
    assert_int_equal(to.attempt_count, 32);
    assert_int_equal(sip_message_status(edge.up), 500);
    edge_stop(&edge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_503),
        cmocka_unit_test(test_503_to_the_end),
        cmocka_unit_test(test_transport_failures),
        cmocka_unit_test(test_failure_between_try_and_send),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_silence_of_other),
        cmocka_unit_test(test_provisional_ends_failover),
        cmocka_unit_test(test_provisional_ends_failover_of_other),
        cmocka_unit_test(test_finals_are_answers),
        cmocka_unit_test(test_late_words_of_a_former_address),
        cmocka_unit_test(test_failover_in_a_fork),
        cmocka_unit_test(test_timer_c_starts_anew),
        cmocka_unit_test(test_tries_are_limited),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
