/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_client.c - rule: a request is repeated, timed and acknowledged as RFC 3261 17.1 and RFC 6026 say, and
 * only responses to it, from where it went, reach it (17.1.3, 18.1.2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static struct transaction_counts counts(const struct edge *edge)
{
    return transaction_layer_counts(edge->layer);
}

/* One request on its way to one destination; the log is empty. */
static void begin(struct edge *edge, struct call *call, struct destination *to, const char *method)
{
    edge_start(edge);
    assert_int_equal(edge_arrive(edge, &(struct request_text){ .method = method }, call), REQUEST_NEW);
    assert_int_equal(edge_forward(edge, call, to, 1, NULL), 0);
    edge_forget(edge);
}

/* ---- timers ---- */

static void test_invite_unreliable_silent(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_unreliable = true };
    begin(&edge, &call, &to, "INVITE");
    edge_pass(&edge, 31999);
    edge_expect(&edge, "[500] a.1 again\n[1500] a.1 again\n[3500] a.1 again\n[7500] a.1 again\n"
                       "[15500] a.1 again\n[31500] a.1 again\n");
    edge_pass(&edge, 1);
    edge_expect(&edge, "[32000] next a timeout\n[32000] exhausted 408 timeout\n[32000] U 408\n"
                       "[32000] answered 408 timeout a\n");
    edge_stop(&edge);
}

/* D01, D02: one INVITE over TLS, and Timer B from the hand-over on. */
static void test_invite_reliable_silent(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    begin(&edge, &call, &to, "INVITE");
    edge_pass(&edge, 3000); /* resolving */
    assert_int_equal(edge_place(&to), 0);
    edge_pass(&edge, 31999);
    edge_expect(&edge, "[3000] a.1 INVITE\n");
    edge_pass(&edge, 1);
    edge_expect(&edge, "[35000] next a timeout\n[35000] exhausted 408 timeout\n[35000] U 408\n"
                       "[35000] answered 408 timeout a\n");
    edge_stop(&edge);
}

/* A provisional response ends A and B; the INVITE may then ring until Timer C. */
static void test_invite_provisional_ends_repetition(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_unreliable = true };
    begin(&edge, &call, &to, "INVITE");
    edge_pass(&edge, 600);
    assert_int_equal(edge_respond(&to, 100, NULL, NULL), RESPONSE_TAKEN);
    edge_pass(&edge, 100000);
    edge_expect(&edge, "[500] a.1 again\n");
    edge_stop(&edge);
}

/* 17.1.1.2: each repeated final is acknowledged, for Timer D over UDP; D03: what the ACK looks like. */
static void test_ack(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_unreliable = true };
    struct sip_header route;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ .lines = "Route: <sip:next.example;lr>\r\n" }, &call);
    edge_forward(&edge, &call, &to, 1, NULL);
    edge_forget(&edge);
    assert_int_equal(edge_respond(&to, 486, "busy", NULL), RESPONSE_TAKEN);
    assert_int_equal(sip_message_method(edge.down), SIP_METHOD_ACK);
    assert_true(slice_equal(sip_message_request_uri(edge.down), SLICE_LITERAL("sip:bob@example.com")));
    assert_true(slice_equal(sip_message_to_tag(edge.down), SLICE_LITERAL("busy")));
    assert_true(slice_equal(sip_message_from_tag(edge.down), SLICE_LITERAL("caller")));
    assert_true(slice_equal(sip_message_top_via(edge.down)->branch, slice_of_string(to.attempts[0].branch)));
    assert_int_equal(sip_message_header_rows(edge.down, SIP_HEADER_VIA), 1);
    assert_int_equal(sip_message_cseq(edge.down)->number, 1);
    assert_int_equal(sip_message_cseq(edge.down)->method, SIP_METHOD_ACK);
    assert_true(sip_header_first(edge.down, SIP_HEADER_ROUTE, &route));
    assert_true(slice_equal(route.value, SLICE_LITERAL("<sip:next.example;lr>")));

    edge_pass(&edge, 1000);
    assert_int_equal(edge_respond(&to, 486, "busy", NULL), RESPONSE_TAKEN);
    edge_pass(&edge, 30999);
    assert_int_equal(counts(&edge).clients, 1);
    edge_pass(&edge, 1);
    assert_int_equal(counts(&edge).clients, 0);
    assert_int_equal(edge_respond(&to, 486, "busy", NULL), RESPONSE_UNMATCHED);
    edge_expect(&edge, "[0] a.1 ack\n[0] exhausted 486 none\n[0] U 486\n[0] answered 486 none a\n[1000] a.1 ack\n");
    edge_stop(&edge);
}

/* D04: over TLS Timer D is 0; a repeated final meets nothing. */
static void test_ack_reliable(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, "INVITE");
    assert_int_equal(edge_respond(&to, 486, "busy", NULL), RESPONSE_TAKEN);
    assert_int_equal(counts(&edge).clients, 0);
    assert_int_equal(counts(&edge).contexts, 0);
    assert_int_equal(counts(&edge).servers, 1); /* waits for the ACK */
    assert_int_equal(edge_respond(&to, 486, "busy", NULL), RESPONSE_UNMATCHED);
    edge_expect(&edge, "a.1 ack\nexhausted 486 none\nU 486\nanswered 486 none a\n");
    edge_stop(&edge);
}

/* D05, C05: 2xx are never acknowledged here; each, and each repetition, goes upstream until Timer M. */
static void test_accepted(void **state)
{
    (void)state;
    for (int is_unreliable = 0; is_unreliable < 2; is_unreliable++) {
        struct edge edge = { .logs_time = true };
        struct call call;
        struct destination to = { .name = "a", .is_unreliable = is_unreliable };
        begin(&edge, &call, &to, "INVITE");
        assert_int_equal(edge_respond(&to, 200, "one", NULL), RESPONSE_TAKEN);
        edge_pass(&edge, 500);
        assert_int_equal(edge_respond(&to, 200, "one", NULL), RESPONSE_TAKEN);
        assert_int_equal(edge_respond(&to, 200, "two", NULL), RESPONSE_TAKEN);
        assert_true(slice_equal(sip_message_to_tag(edge.up), SLICE_LITERAL("two")));
        assert_int_equal(edge_respond(&to, 180, "three", NULL), RESPONSE_TAKEN);
        assert_int_equal(edge_respond(&to, 486, "three", NULL), RESPONSE_TAKEN);
        edge_pass(&edge, 31499);
        assert_int_equal(edge_respond(&to, 200, "one", NULL), RESPONSE_TAKEN);
        edge_expect(&edge, "[0] U 200\n[0] answered 200 none a\n[500] U 200\n[500] U 200\n[31999] U 200\n");
        assert_int_equal(counts(&edge).contexts, 1);
        edge_pass(&edge, 1);
        assert_int_equal(edge_respond(&to, 200, "one", NULL), RESPONSE_UNMATCHED);
        assert_int_equal(counts(&edge).contexts, 0);
        assert_int_equal(counts(&edge).clients, 0);
        assert_int_equal(counts(&edge).servers, 0);
        assert_int_equal(counts(&edge).illegal_events, 0);
        edge_expect(&edge, "");
        edge_stop(&edge);
    }
}

/* E doubles to T2, is T2 in Proceeding, F ends it; RFC 4320: nothing goes upstream. */
static void test_other_unreliable_silent(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_unreliable = true };
    begin(&edge, &call, &to, "OPTIONS");
    edge_pass(&edge, 32000);
    edge_expect(&edge, "[500] a.1 again\n[1500] a.1 again\n[3500] U 100\n[3500] a.1 again\n[7500] a.1 again\n"
                       "[11500] a.1 again\n[15500] a.1 again\n[19500] a.1 again\n[23500] a.1 again\n"
                       "[27500] a.1 again\n[31500] a.1 again\n[32000] answered 0 timeout a\n");
    assert_int_equal(counts(&edge).clients, 0);
    assert_int_equal(counts(&edge).servers, 0);
    assert_int_equal(counts(&edge).contexts, 0);
    assert_int_equal(edge_respond(&to, 200, "late", NULL), RESPONSE_UNMATCHED); /* D10 */
    edge_stop(&edge);
}

static void test_other_unreliable_proceeding(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_unreliable = true };
    begin(&edge, &call, &to, "MESSAGE");
    edge_pass(&edge, 400);
    assert_int_equal(edge_respond(&to, 100, NULL, NULL), RESPONSE_TAKEN);
    assert_int_equal(edge_respond(&to, 183, "x", NULL), RESPONSE_TAKEN); /* D09 */
    edge_pass(&edge, 8600);
    edge_expect(&edge, "[500] a.1 again\n[3500] U 100\n[4500] a.1 again\n[8500] a.1 again\n");
    edge_stop(&edge);
}

/* K absorbs repeated finals over UDP for T4; over TLS everything is gone at once. */
static void test_other_final(void **state)
{
    (void)state;
    for (int is_unreliable = 0; is_unreliable < 2; is_unreliable++) {
        struct edge edge = { .logs_time = true };
        struct call call;
        struct destination to = { .name = "a", .is_unreliable = is_unreliable };
        begin(&edge, &call, &to, "OPTIONS");
        assert_int_equal(edge_respond(&to, 200, "x", NULL), RESPONSE_TAKEN);
        edge_expect(&edge, "[0] U 200\n[0] answered 200 none a\n");
        assert_int_equal(counts(&edge).contexts, 0);
        assert_int_equal(counts(&edge).branches, 0);
        assert_int_equal(counts(&edge).servers, 0); /* J is 0 */
        assert_int_equal(counts(&edge).clients, is_unreliable ? 1 : 0);
        edge_pass(&edge, 4999);
        assert_int_equal(edge_respond(&to, 200, "x", NULL), is_unreliable ? RESPONSE_TAKEN : RESPONSE_UNMATCHED);
        edge_pass(&edge, 1);
        assert_int_equal(counts(&edge).clients, 0);
        assert_true(transaction_layer_next_ms(edge.layer) == UINT64_MAX);
        edge_expect(&edge, "");
        edge_stop(&edge);
    }
}

/* ---- which responses reach it ---- */

static enum response_outcome arrive(struct edge *edge, const char *format, const char *branch)
{
    char text[1000];
    snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\n");
    size_t used = strlen(text);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text + used, sizeof(text) - used, format, branch);
#pragma GCC diagnostic pop
    used = strlen(text);
    snprintf(text + used, sizeof(text) - used,
        "From: <sip:a@x>;tag=caller\r\nTo: <sip:b@x>;tag=b\r\nCall-ID: call@up.example\r\nContent-Length: 0\r\n\r\n");
    struct sip_message *message = edge_message(text);
    enum response_outcome outcome = transaction_layer_response(edge->layer, message, SLICE_LITERAL(""));
    sip_message_unref(message);
    return outcome;
}

#define OUR_VIA "Via: SIP/2.0/TLS relay.example;branch=%s\r\n"
#define THEIR_VIA "Via: SIP/2.0/TLS up.example;branch=z9hG4bK-up\r\n"

static void test_only_its_responses_reach_it(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, "INVITE");
    const char *branch = to.attempts[0].branch;
    char altered[BRANCH_ID_SIZE];
    memcpy(altered, branch, sizeof(altered));
    altered[20] = altered[20] == '0' ? '1' : '0';

    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA "CSeq: 1 INVITE\r\n", altered), RESPONSE_FOREIGN);
    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA "CSeq: 1 INVITE\r\n", "z9hG4bK-other"), RESPONSE_FOREIGN);
    assert_int_equal(arrive(&edge, THEIR_VIA OUR_VIA "CSeq: 1 INVITE\r\n", branch), RESPONSE_FOREIGN);
    assert_int_equal(arrive(&edge, "Via: SIP/2.0/TLS relay.example\r\nCSeq: 1 INVITE\r\nX: %s\r\n", branch),
        RESPONSE_FOREIGN);
    assert_int_equal(arrive(&edge, "CSeq: 1 INVITE\r\nX: %s\r\n", branch), RESPONSE_FOREIGN);
    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA "CSeq: 1 OPTIONS\r\n", branch), RESPONSE_WRONG_METHOD);
    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA, branch), RESPONSE_WRONG_METHOD); /* no CSeq */
    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA "CSeq: 1 CANCEL\r\n", branch), RESPONSE_WRONG_METHOD);
    assert_int_equal(arrive(&edge, OUR_VIA "CSeq: 1 INVITE\r\n", branch), RESPONSE_NO_VIA);
    edge_expect(&edge, "");
    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA "CSeq: 1 INVITE\r\n", branch), RESPONSE_TAKEN);
    edge_expect(&edge, "U 200\nanswered 200 none a\n");
    /* both Via values in one row */
    assert_int_equal(arrive(&edge, "Via: SIP/2.0/TLS relay.example;branch=%s, SIP/2.0/TLS up.example;branch=z\r\n"
                                   "CSeq: 1 INVITE\r\n", branch), RESPONSE_TAKEN);
    edge_expect(&edge, "U 200\n");
    assert_true(slice_equal(sip_message_top_via(edge.up)->host.text, SLICE_LITERAL("up.example")));
    edge_stop(&edge);
}

/* D18: methods without a number of their own are compared by name. */
static void test_unknown_methods_are_told_apart(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, "NEWMETHOD");
    const char *branch = to.attempts[0].branch;
    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA "CSeq: 1 OLDMETHOD\r\n", branch), RESPONSE_WRONG_METHOD);
    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA "CSeq: 1 newmethod\r\n", branch), RESPONSE_WRONG_METHOD);
    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA "CSeq: 1 NEWMETHOD\r\n", branch), RESPONSE_TAKEN);
    edge_stop(&edge);
}

/* A response counts only from where the request went. */
static void test_origin(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .origin = "key-of-a" };
    begin(&edge, &call, &to, "INVITE");
    struct attempt *attempt = &to.attempts[0];
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, "key-of-b"), RESPONSE_WRONG_ORIGIN);
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, ""), RESPONSE_WRONG_ORIGIN);
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, NULL), RESPONSE_WRONG_ORIGIN);
    edge_expect(&edge, "");
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, "key-of-a"), RESPONSE_TAKEN);
    edge_stop(&edge);
}

/* Which connection it went on is known later than that it goes: until then nobody may answer. */
static void test_origin_is_known_later(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .origin = "nobody.." };
    begin(&edge, &call, &to, "INVITE");
    struct attempt *attempt = &to.attempts[0];
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, "key-of-a"), RESPONSE_WRONG_ORIGIN);
    client_transaction_set_origin(edge.layer, attempt->handle, SLICE_LITERAL("key"));
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, "key"), RESPONSE_WRONG_ORIGIN);
    client_transaction_set_origin(edge.layer, (struct transaction_handle){ .generation = 0 },
        SLICE_LITERAL("key-of-a"));
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, "key-of-a"), RESPONSE_WRONG_ORIGIN);
    client_transaction_set_origin(edge.layer, attempt->handle, SLICE_LITERAL("key-of-a"));
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, "nobody.."), RESPONSE_WRONG_ORIGIN);
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, "key-of-a"), RESPONSE_TAKEN);
    edge_stop(&edge);
}

/* Without one anybody may, for good. */
static void test_no_origin_gets_none(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, "INVITE");
    struct attempt *attempt = &to.attempts[0];
    client_transaction_set_origin(edge.layer, attempt->handle, SLICE_LITERAL(""));
    client_transaction_set_origin(edge.layer, attempt->handle, SLICE_LITERAL("key-of-a"));
    assert_int_equal(edge_respond_attempt(attempt, 200, "x", NULL, "key-of-b"), RESPONSE_TAKEN);
    edge_stop(&edge);
}

/* What was not handed over cannot have been answered. */
static void test_response_before_the_request(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    begin(&edge, &call, &to, "INVITE");
    assert_int_equal(edge_try(&to), 0);
    assert_int_equal(arrive(&edge, OUR_VIA THEIR_VIA "CSeq: 1 INVITE\r\n", to.attempts[0].branch),
        RESPONSE_UNMATCHED);
    edge_stop(&edge);
}

static void test_worker_is_read_from_the_branch(void **state)
{
    (void)state;
    struct edge edge = { .worker = 7 }, other = { .worker = 8 };
    struct call call;
    struct destination to = { .name = "a" };
    uint32_t worker = 0;
    begin(&edge, &call, &to, "INVITE");
    edge_start(&other);
    const struct transaction_secret secret = { { 9, 8, 7, 6, 5, 4, 3, 2, 1 } }, wrong = { { 1 } };
    char text[600];
    snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\n" OUR_VIA THEIR_VIA "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        to.attempts[0].branch);
    struct sip_message *response = edge_message(text);
    assert_true(transaction_layer_worker_of(response, &secret, &worker));
    assert_int_equal(worker, 7);
    assert_false(transaction_layer_worker_of(response, &wrong, &worker));
    assert_int_equal(transaction_layer_response(other.layer, response, SLICE_LITERAL("")), RESPONSE_ELSEWHERE);
    assert_int_equal(transaction_layer_response(edge.layer, response, SLICE_LITERAL("")), RESPONSE_TAKEN);
    assert_string_equal(response_outcome_name(RESPONSE_ELSEWHERE), "elsewhere");
    assert_string_equal(response_outcome_name(RESPONSE_OUTCOME_COUNT), "none");
    sip_message_unref(response);
    edge_stop(&edge);
    edge_stop(&other);
}

/* ---- calls out of order ---- */

static void test_placed_once(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    struct transaction_handle stale = { 0, 1, 12345 };
    begin(&edge, &call, &to, "INVITE");
    assert_int_equal(edge_place(&to), 0);
    assert_int_equal(edge_hand_over(&to), ERROR_STATE);
    assert_int_equal(edge_try(&to), ERROR_STATE); /* one runs */
    assert_int_equal(client_transaction_placed(edge.layer, stale, SLICE_LITERAL("x")), ERROR_NOT_FOUND);
    client_transaction_failed(edge.layer, stale, REASON_CONNECT_FAILED);
    branch_failed(edge.layer, stale, REASON_CONNECT_FAILED);
    branch_failed(edge.layer, to.branch, REASON_CONNECT_FAILED); /* too late: it is placed */
    server_transaction_send_failed(edge.layer, stale);
    server_transaction_drop(edge.layer, stale);
    edge_expect(&edge, "a.1 INVITE\n");
    edge_stop(&edge);
}

/* Generations are never used twice: what belonged to a transaction that is gone does not reach the next (INV-29). */
static void test_stale_handles_reach_nobody(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call first, second;
    struct destination a = { .name = "a" }, b = { .name = "b" };
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS" }, &first);
    edge_forward(&edge, &first, &a, 1, NULL);
    edge_respond(&a, 200, "x", NULL);
    edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS", .branch = "z9hG4bK-2" }, &second);
    edge_forward(&edge, &second, &b, 1, NULL);
    edge_forget(&edge);
    assert_true(a.attempts[0].handle.slot == b.attempts[0].handle.slot || a.branch.slot == b.branch.slot);
    edge_fail(&a, REASON_CONNECTION_LOST);
    branch_failed(edge.layer, a.branch, REASON_CONNECTION_LOST);
    assert_int_equal(edge_respond(&a, 500, "x", NULL), RESPONSE_UNMATCHED);
    edge_expect(&edge, "");
    assert_int_equal(edge_respond(&b, 200, "x", NULL), RESPONSE_TAKEN);
    edge_expect(&edge, "U 200\nanswered 200 none b\n");
    edge_stop(&edge);
}

/* B25: a try has a branch of its own; ACK and CANCEL of the INVITE have the same. */
static void test_branches_are_unique(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static char seen[COUNT][BRANCH_ID_SIZE];
    struct edge edge = { .is_silent = true };
    static struct call calls[COUNT];
    static struct destination to[COUNT];
    edge_start(&edge);
    for (unsigned i = 0; i < COUNT; i++) {
        char branch[40];
        snprintf(branch, sizeof(branch), "z9hG4bK-%u", i);
        to[i] = (struct destination){ .name = "a" };
        edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS", .branch = branch }, &calls[i]);
        edge_forward(&edge, &calls[i], &to[i], 1, NULL);
        memcpy(seen[i], to[i].attempts[0].branch, BRANCH_ID_SIZE);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
        if (i % 2 == 0)
            edge_respond(&to[i], 200, "x", NULL);
    }
    edge_stop(&edge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invite_unreliable_silent),
        cmocka_unit_test(test_invite_reliable_silent),
        cmocka_unit_test(test_invite_provisional_ends_repetition),
        cmocka_unit_test(test_ack),
        cmocka_unit_test(test_ack_reliable),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_other_unreliable_silent),
        cmocka_unit_test(test_other_unreliable_proceeding),
        cmocka_unit_test(test_other_final),
        cmocka_unit_test(test_only_its_responses_reach_it),
        cmocka_unit_test(test_unknown_methods_are_told_apart),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_origin_is_known_later),
        cmocka_unit_test(test_no_origin_gets_none),
        cmocka_unit_test(test_response_before_the_request),
        cmocka_unit_test(test_worker_is_read_from_the_branch),
        cmocka_unit_test(test_placed_once),
        cmocka_unit_test(test_stale_handles_reach_nobody),
        { "B25: no branch is used twice", test_branches_are_unique, NULL, NULL, NULL },
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
