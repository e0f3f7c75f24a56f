/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_forward.c - rule: one request goes to its targets, group after group, and one answer comes back,
 * RFC 3261 16.7 with RFC 4320, 5393 and 6026.
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

/* ---- one target ---- */

/* B28, C04: our 100 at once; a 100 of the next hop stays; 1xx and 2xx go on as they come, To tag untouched (C10). */
static void test_call(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a" };
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    edge_pass(&edge, 20);
    edge_forward(&edge, &call, &to, 1, NULL);
    edge_respond(&to, 100, NULL, NULL);
    edge_respond(&to, 180, NULL, NULL);
    assert_true(slice_is_absent(sip_message_to_tag(edge.up)));
    edge_respond(&to, 183, "bob", "X-Unknown: kept\r\n");
    assert_true(slice_equal(sip_message_to_tag(edge.up), SLICE_LITERAL("bob")));
    assert_int_equal(sip_message_header_rows(edge.up, SIP_HEADER_VIA), 1);
    assert_true(slice_equal(sip_message_top_via(edge.up)->host.text, SLICE_LITERAL("up.example")));
    struct sip_header header;
    assert_true(sip_header_find(edge.up, SLICE_LITERAL("x-unknown"), &header));
    edge_pass(&edge, 3000);
    edge_respond(&to, 200, "bob", NULL);
    edge_expect(&edge, "[20] U 100\n[20] start a\n[20] a.1 INVITE\n[20] U 180\n[20] U 183\n[3020] U 200\n"
                       "[3020] answered 200 none a\n");
    assert_true(call.summary.started_ms == EDGE_START_MS);
    assert_true(call.summary.ringing_ms == EDGE_START_MS + 20);
    assert_true(call.summary.answered_ms == EDGE_START_MS + 3020);
    assert_int_equal(call.summary.branch_count, 1);
    edge_stop(&edge);
}

/* B28: though the edge takes its time to decide, a 100 goes in time; then not again. */
static void test_100_while_deciding(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    edge_pass(&edge, 900);
    edge_forward(&edge, &call, &to, 1, NULL);
    edge_pass(&edge, 5000);
    edge_expect(&edge, "[150] U 100\n[900] start a\n");
    edge_stop(&edge);
}

static void test_no_100(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    edge_forward(&edge, &call, &to, 1, &(struct response_context_options){ .no_100 = true });
    edge_pass(&edge, 5000);
    edge_expect(&edge, "start a\na.1 INVITE\n");
    edge_stop(&edge);
}

/* D11: a repeated INVITE gets the latest provisional and goes nowhere; D13: after the 2xx it gets nothing. */
static void test_repeated_invite(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 180, "bob", NULL);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, NULL), REQUEST_REPEATED);
    edge_respond(&to, 200, "bob", NULL);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, NULL), REQUEST_REPEATED);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK" }, NULL), REQUEST_ACK_FORWARD);
    edge_expect(&edge, "U 180\nU 180\nU 200\nanswered 200 none a\n");
    edge_stop(&edge);
}

/* A failure goes on with its To tag, but for a lone 503, which becomes our 500 without its Retry-After (C09). */
static void test_failure(void **state)
{
    (void)state;
    struct edge edge = { .lines = "Warning: 399 relay \"x\"\r\n" };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 404, "bob", "Retry-After: 5\r\n");
    edge_expect(&edge, "a.1 ack\nexhausted 404 none\nU 404\nanswered 404 none a\n");
    assert_true(slice_equal(sip_message_to_tag(edge.up), SLICE_LITERAL("bob")));
    assert_int_equal(sip_message_header_rows(edge.up, SIP_HEADER_RETRY_AFTER), 1);
    assert_int_equal(sip_message_header_rows(edge.up, SIP_HEADER_WARNING), 0);
    edge_stop(&edge);

    edge = (struct edge){ .lines = "Warning: 399 relay \"x\"\r\n" };
    to = (struct destination){ .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 503, "bob", "Retry-After: 5\r\n");
    edge_expect(&edge, "next a 503\na.1 ack\nexhausted 500 none\nU 500\nanswered 500 none a\n");
    assert_false(slice_equal(sip_message_to_tag(edge.up), SLICE_LITERAL("bob")));
    assert_int_equal(sip_message_header_rows(edge.up, SIP_HEADER_RETRY_AFTER), 0);
    assert_int_equal(sip_message_header_rows(edge.up, SIP_HEADER_WARNING), 1);
    edge_stop(&edge);
}

/* A 3xx goes on (C21). */
static void test_redirection_goes_on(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 302, "bob", "Contact: <sip:carol@example.net>\r\n");
    edge_expect(&edge, "a.1 ack\nexhausted 302 none\nU 302\nanswered 302 none a\n");
    assert_int_equal(sip_message_header_rows(edge.up, SIP_HEADER_CONTACT), 1);
    edge_stop(&edge);
}

/* D07, D09, D10: to a non-INVITE no 1xx but 100, no 408 though a next hop sends one, nothing after 64*T1. */
static void test_other(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "MESSAGE");
    edge_respond(&to, 100, NULL, NULL);
    edge_respond(&to, 183, "x", NULL);
    edge_respond(&to, 408, "x", NULL);
    edge_expect(&edge, "[0] exhausted 0 timeout\n[0] answered 0 timeout a\n");
    assert_int_equal(transaction_layer_counts(edge.layer).servers, 0);
    edge_stop(&edge);
}

/* The request came 64*T1 ago: though a branch still runs, nothing goes upstream any more. */
static void test_other_runs_out(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true, .addresses = 3 };
    begin(&edge, &call, &to, 1, "MESSAGE");
    edge_pass(&edge, 31000);
    assert_int_equal(edge_place(&to), 0);
    edge_pass(&edge, 1000);
    edge_expect(&edge, "[3500] U 100\n[31000] a.1 MESSAGE\n[32000] answered 0 timeout a\n");
    assert_int_equal(edge_respond(&to, 200, "x", NULL), RESPONSE_UNMATCHED);
    assert_int_equal(transaction_layer_counts(edge.layer).clients, 0);
    assert_int_equal(transaction_layer_counts(edge.layer).contexts, 0);
    edge_stop(&edge);
}

/* ---- several targets ---- */

/* C14: after the first 2xx the others are cancelled; C05: a second 2xx goes upstream all the same. */
static void test_fork_answered(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[3] = { { .name = "a" }, { .name = "b" }, { .name = "c" } };
    begin(&edge, &call, to, 3, "INVITE");
    edge_respond(&to[0], 180, "a", NULL);
    edge_respond(&to[1], 180, "b", NULL);
    edge_respond(&to[2], 486, "c", NULL);
    edge_respond(&to[1], 200, "b", NULL);
    edge_expect(&edge, "U 180\nU 180\nc.1 ack\nU 200\na.1 cancel\nanswered 200 none b\n");
    edge_respond(&to[0], 200, "a", NULL); /* the CANCEL crossed its answer */
    edge_expect(&edge, "U 200\n");
    assert_true(slice_equal(sip_message_to_tag(edge.up), SLICE_LITERAL("a")));
    edge_pass(&edge, 32000);
    assert_int_equal(transaction_layer_counts(edge.layer).contexts, 0);
    edge_stop(&edge);
}

/* C07: the choice waits for all. */
static void test_fork_refused(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[4] = { { .name = "a" }, { .name = "b" }, { .name = "c" }, { .name = "d" } };
    begin(&edge, &call, to, 4, "INVITE");
    edge_respond(&to[0], 503, "a", NULL);
    edge_respond(&to[1], 407, "b", NULL);
    edge_respond(&to[2], 501, "c", NULL);
    edge_expect(&edge, "next a 503\na.1 ack\nb.1 ack\nc.1 ack\n");
    edge_respond(&to[3], 404, "d", NULL);
    edge_expect(&edge, "d.1 ack\nexhausted 407 none\nU 407\nanswered 407 none b\n");
    assert_true(slice_equal(sip_message_to_tag(edge.up), SLICE_LITERAL("b")));
    edge_stop(&edge);
}

/* C11: the challenges of the others go along, whole rows, in order; nothing else of theirs does. */
static void test_challenges_are_collected(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[4] = { { .name = "a" }, { .name = "b" }, { .name = "c" }, { .name = "d" } };
    static const char *const expected[] = { "Digest realm=\"b1\"", "Digest realm=\"b2\"", "Digest realm=\"a\"" };
    begin(&edge, &call, to, 4, "REGISTER");
    edge_respond(&to[0], 407, "a", "Proxy-Authenticate: Digest realm=\"pa\"\r\nWWW-Authenticate: Digest realm=\"a\"\r\n"
                                   "Contact: <sip:x@a>\r\n");
    edge_respond(&to[1], 401, "b",
        "WWW-Authenticate: Digest realm=\"b1\"\r\nWWW-Authenticate: Digest realm=\"b2\"\r\n");
    edge_respond(&to[2], 404, "c", "WWW-Authenticate: Digest realm=\"no\"\r\n");
    edge_respond(&to[3], 500, "d", NULL);
    edge_expect(&edge, "exhausted 401 none\nU 401\nanswered 401 none b\n");
    struct sip_header header;
    unsigned count = 0;
    for (bool is = sip_header_first(edge.up, SIP_HEADER_WWW_AUTHENTICATE, &header); is;
         is = sip_header_next(edge.up, &header), count++)
        assert_true(count < 3 && slice_equal(header.value, slice_of_string(expected[count])));
    assert_int_equal(count, 3);
    assert_true(sip_header_first(edge.up, SIP_HEADER_PROXY_AUTHENTICATE, &header));
    assert_true(slice_equal(header.value, SLICE_LITERAL("Digest realm=\"pa\"")));
    assert_int_equal(sip_message_header_rows(edge.up, SIP_HEADER_CONTACT), 0);
    edge_stop(&edge);
}

/* C06: 6xx cancels the rest, starts nothing more, and goes upstream when all are done. */
static void test_fork_6xx(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[3] = { { .name = "a" }, { .name = "b" }, { .name = "c", .group = 1 } };
    begin(&edge, &call, to, 3, "INVITE");
    edge_respond(&to[1], 180, "b", NULL);
    edge_respond(&to[0], 603, "a", NULL);
    edge_expect(&edge, "U 180\nb.1 cancel\na.1 ack\n");
    edge_respond(&to[1], 487, "b", NULL);
    edge_expect(&edge, "b.1 ack\nU 603\nanswered 603 none a\n");
    edge_stop(&edge);
}

/* ... but a 2xx that crosses the CANCEL wins. */
static void test_fork_6xx_then_2xx(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[2] = { { .name = "a" }, { .name = "b" } };
    begin(&edge, &call, to, 2, "INVITE");
    edge_respond(&to[1], 180, "b", NULL);
    edge_respond(&to[0], 603, "a", NULL);
    edge_respond(&to[1], 200, "b", NULL);
    edge_expect(&edge, "U 180\nb.1 cancel\na.1 ack\nU 200\nanswered 200 none b\n");
    edge_stop(&edge);
}

/* A 6xx to a non-INVITE: the rest cannot be cancelled, what has not started does not. */
static void test_fork_6xx_other(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to[4] = { { .name = "a" }, { .name = "b" }, { .name = "c", .is_slow = true },
        { .name = "d", .group = 1 } };
    begin(&edge, &call, to, 4, "OPTIONS");
    edge_respond(&to[0], 600, "a", NULL);
    edge_expect(&edge, "[0] stop c\n");
    edge_respond(&to[1], 404, "b", NULL);
    edge_expect(&edge, "[0] U 600\n[0] answered 600 none a\n");
    edge_stop(&edge);
}

/* A silent branch must not cost a non-INVITE the answer that is there: before 64*T1 runs out it goes. */
static void test_fork_other_with_silent_branch(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call;
    struct destination to[3] = { { .name = "a" }, { .name = "b" }, { .name = "c", .group = 1 } };
    begin(&edge, &call, to, 3, "OPTIONS");
    edge_respond(&to[0], 404, "a", NULL);
    edge_pass(&edge, 32000);
    edge_expect(&edge, "[3500] U 100\n[28000] U 404\n[28000] answered 404 none a\n");
    assert_int_equal(edge_respond(&to[1], 200, "b", NULL), RESPONSE_UNMATCHED);
    edge_stop(&edge);
}

/* The first 2xx to a non-INVITE ends it; the other branches are let go, their answers met by nobody. */
static void test_fork_other_answered(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[3] = { { .name = "a" }, { .name = "b" }, { .name = "c", .is_slow = true } };
    begin(&edge, &call, to, 3, "SUBSCRIBE");
    edge_respond(&to[1], 202, "b", NULL);
    edge_expect(&edge, "U 202\nstop c\nanswered 202 none b\n");
    assert_int_equal(edge_respond(&to[0], 200, "a", NULL), RESPONSE_UNMATCHED);
    assert_int_equal(transaction_layer_counts(edge.layer).contexts, 0);
    assert_int_equal(transaction_layer_counts(edge.layer).clients, 0);
    edge_expect(&edge, "");
    edge_stop(&edge);
}

/* ---- groups ---- */

/* Group after group, whatever the order they are named in; the choice is over all. */
static void test_groups(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[4] = { { .name = "c", .group = 20 }, { .name = "a", .group = 10 },
        { .name = "b", .group = 10 }, { .name = "d", .group = 30 } };
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    edge_forward(&edge, &call, to, 4, NULL);
    edge_expect(&edge, "U 100\nstart a\na.1 INVITE\nstart b\nb.1 INVITE\n");
    edge_respond(&to[1], 486, "a", NULL);
    edge_expect(&edge, "a.1 ack\n");
    edge_respond(&to[2], 404, "b", NULL);
    edge_expect(&edge, "b.1 ack\nstart c\nc.1 INVITE\n");
    edge_respond(&to[0], 500, "c", NULL);
    edge_expect(&edge, "c.1 ack\nstart d\nd.1 INVITE\n");
    edge_respond(&to[3], 480, "d", NULL);
    edge_expect(&edge, "d.1 ack\nexhausted 486 none\nU 486\nanswered 486 none a\n");
    edge_stop(&edge);
}

/* A group all of whose targets fail at once is followed by the next, within the call. */
static void test_groups_fail_at_once(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[3] = { { .name = "a", .fails = REASON_NO_ADDRESS },
        { .name = "b", .group = 1, .fails = REASON_NO_POLICY },
        { .name = "c", .group = 2, .fails = REASON_CHAIN_UNTRUSTED } };
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS" }, &call);
    assert_int_equal(edge_forward(&edge, &call, to, 3, NULL), 0);
    edge_expect(&edge, "start a\nstart b\nstart c\nexhausted 403 no-policy\nU 403\nanswered 403 no-policy b\n");
    edge_stop(&edge);
}

/* K03: the sum over running branches is never more than came; what gets no share waits for one that ends. */
static void test_max_breadth(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[8] = { { .name = "a" }, { .name = "b" }, { .name = "c" }, { .name = "d" }, { .name = "e" },
        { .name = "f" }, { .name = "g" }, { .name = "h" } };
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    edge_forward(&edge, &call, to, 8, &(struct response_context_options){ .max_breadth = 4 });
    edge_expect(&edge, "U 100\nstart a\na.1 INVITE\nstart b\nb.1 INVITE\nstart c\nc.1 INVITE\nstart d\nd.1 INVITE\n");
    for (int i = 0; i < 4; i++)
        assert_int_equal(to[i].max_breadth, 1);
    edge_respond(&to[2], 404, "c", NULL);
    edge_expect(&edge, "c.1 ack\nstart e\ne.1 INVITE\n");
    edge_respond(&to[0], 200, "a", NULL);
    edge_expect(&edge, "U 200\nwithdraw b.1\nwithdraw d.1\nwithdraw e.1\nanswered 200 none a\n");
    edge_stop(&edge);

    static const struct {
        uint32_t came;
        size_t targets;
        uint32_t shares[4];
    } cases[] = {
        { 0, 1, { 60 } }, /* none came: the default */
        { 1, 1, { 1 } },
        { 60, 3, { 20, 20, 20 } },
        { 10, 4, { 2, 2, 3, 3 } },
        { 3, 2, { 1, 2 } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct destination few[4] = { { .name = "a" }, { .name = "b" }, { .name = "c" }, { .name = "d" } };
        edge = (struct edge){ .is_silent = true };
        edge_start(&edge);
        edge_arrive(&edge, &(struct request_text){ 0 }, &call);
        edge_forward(&edge, &call, few, cases[i].targets,
            &(struct response_context_options){ .max_breadth = cases[i].came });
        for (size_t j = 0; j < cases[i].targets; j++)
            assert_int_equal(few[j].max_breadth, cases[i].shares[j]);
        edge_stop(&edge);
    }
}

/* ---- failures of our own ---- */

/* X4 and DESIGN 9: each reason has its status; C08: silence is 408 with our To tag. */
static void test_local_failures(void **state)
{
    (void)state;
    static const struct {
        enum reason reason;
        unsigned status;
    } cases[] = {
        { REASON_CONNECT_FAILED, 500 },
        { REASON_TLS_FAILED, 500 },
        { REASON_NO_ADDRESS, 500 },
        { REASON_WRONG_IDENTITY, 502 },
        { REASON_REVOKED, 502 },
        { REASON_NO_POLICY, 403 },
        { REASON_LIMIT, 503 },
        { REASON_SIPS_NOT_ALLOWED, 480 },
        { REASON_NONE, 500 }, /* never an answer that says nothing failed */
        { REASON_COUNT, 500 },
    };
    static const char *const methods[] = { "INVITE", "OPTIONS" };
    for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
        struct edge edge = { .is_silent = true };
        struct call call;
        struct destination to = { .name = "a", .is_slow = true };
        begin(&edge, &call, &to, 1, methods[i % 2]);
        if (i / 2 % 2 == 0)
            assert_int_equal(edge_try(&to), 0); /* an address was chosen, or none */
        branch_failed(edge.layer, to.branch, cases[i / 2].reason);
        assert_int_equal(sip_message_status(edge.up), cases[i / 2].status);
        assert_int_equal(call.summary.status, cases[i / 2].status);
        assert_int_equal(call.summary.reason, cases[i / 2].reason);
        edge_stop(&edge);
    }
}

/* A timeout told by the edge before anything was sent: 408 to an INVITE, nothing to others. */
static void test_timeout_before_the_send(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    begin(&edge, &call, &to, 1, "INVITE");
    branch_failed(edge.layer, to.branch, REASON_TIMEOUT);
    edge_expect(&edge, "exhausted 408 timeout\nU 408\nanswered 408 timeout a\n");
    edge_stop(&edge);
    edge = (struct edge){ 0 };
    to = (struct destination){ .name = "a", .is_slow = true };
    begin(&edge, &call, &to, 1, "OPTIONS");
    branch_failed(edge.layer, to.branch, REASON_TIMEOUT);
    edge_expect(&edge, "exhausted 0 timeout\nanswered 0 timeout -\n");
    edge_stop(&edge);
}

/* Header lines that cannot stand in a message are left out; the answer goes all the same. */
static void test_bad_lines_do_not_cost_the_answer(void **state)
{
    (void)state;
    struct edge edge = { .lines = "no header at all" };
    struct call call;
    struct destination to = { .name = "a", .fails = REASON_NO_POLICY };
    begin(&edge, &call, &to, 1, "INVITE");
    assert_int_equal(sip_message_status(edge.up), 403);
    edge_stop(&edge);
}

/* ---- the edge steps in ---- */

/* A failure route adds a target; only when that is exhausted too the best goes upstream. */
static void test_target_added_when_exhausted(void **state)
{
    (void)state;
    struct destination more = { .name = "b" };
    struct edge edge = { .added = &more };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 486, "a", NULL);
    edge_expect(&edge, "a.1 ack\nexhausted 486 none\nstart b\nb.1 INVITE\n");
    edge_respond(&more, 480, "b", NULL);
    edge_expect(&edge, "b.1 ack\nexhausted 486 none\nU 486\nanswered 486 none a\n");
    edge_stop(&edge);
}

static void test_edge_takes_its_time(void **state)
{
    (void)state;
    struct edge edge = { .exhausted = EXHAUSTED_WAIT };
    struct call call;
    struct destination to = { .name = "a" }, more = { .name = "b" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 486, "a", NULL);
    edge_expect(&edge, "a.1 ack\nexhausted 486 none\n");
    edge_pass(&edge, 10000);
    edge_expect(&edge, "");
    assert_int_equal(edge_add(&edge, &call, &more), 0);
    edge_expect(&edge, "start b\nb.1 INVITE\n");
    edge_respond(&more, 404, "b", NULL);
    edge_expect(&edge, "b.1 ack\nexhausted 486 none\n");
    response_context_resume(call.context);
    edge_expect(&edge, "U 486\nanswered 486 none a\n");
    edge_stop(&edge);
}

static void test_edge_answers_itself(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[2] = { { .name = "a" }, { .name = "b", .is_slow = true } };
    struct destination more = { .name = "c" };
    begin(&edge, &call, to, 2, "INVITE");
    edge_respond(&to[0], 180, "a", NULL);
    assert_int_equal(server_transaction_reply(edge.layer, call.server, &(struct local_reply){ .status = 404 }),
        ERROR_STATE); /* it is the context's to answer */
    assert_int_equal(response_context_reply(call.context, REASON_NONE, &(struct local_reply){ .status = 183 }), 0);
    assert_int_equal(response_context_reply(call.context, REASON_LIMIT, &(struct local_reply){ .status = 600 }), 0);
    edge_expect(&edge, "U 180\nU 183\nU 600\na.1 cancel\nstop b\nanswered 600 limit -\n");
    assert_int_equal(response_context_reply(call.context, REASON_LIMIT, &(struct local_reply){ .status = 500 }),
        ERROR_STATE);
    assert_int_equal(edge_add(&edge, &call, &more), ERROR_STATE);
    response_context_resume(call.context);
    response_context_cancel(call.context, REASON_SHUTDOWN);
    edge_respond(&to[0], 200, "a", NULL); /* it is over: a 2xx has nowhere to go */
    edge_expect(&edge, "");
    edge_pass(&edge, 32000);
    assert_int_equal(transaction_layer_counts(edge.layer).contexts, 0);
    edge_stop(&edge);
}

static void test_start_is_refused(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call, other;
    struct destination a = { .name = "a", .is_slow = true }, b = { .name = "b" };
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    assert_int_equal(edge_forward(&edge, &call, &a, 0, NULL), ERROR_STATE);
    assert_int_equal(edge_forward(&edge, &call, &a, 1, NULL), 0);
    assert_int_equal(edge_forward(&edge, &call, &b, 1, NULL), ERROR_STATE);
    edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS", .branch = "z9hG4bK-o" }, &other);
    server_transaction_drop(edge.layer, other.server);
    assert_int_equal(edge_forward(&edge, &other, &b, 1, NULL), ERROR_NOT_FOUND);
    edge_arrive(&edge, &(struct request_text){ .branch = "z9hG4bK-p" }, &other);
    assert_int_equal(server_transaction_reply(edge.layer, other.server, &(struct local_reply){ .status = 404 }), 0);
    assert_int_equal(edge_forward(&edge, &other, &b, 1, NULL), ERROR_STATE);
    edge_stop(&edge);
}

/* C13: the caller's transaction is gone: branches are cancelled, nothing goes upstream, the record is told. */
static void test_server_transaction_goes(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 180, "a", NULL);
    edge_forget(&edge);
    server_transaction_drop(edge.layer, call.server);
    edge_expect(&edge, "a.1 cancel\nanswered 0 connection-lost -\n");
    edge_respond(&to, 487, "a", NULL);
    edge_expect(&edge, "a.1 ack\n");
    assert_int_equal(transaction_layer_counts(edge.layer).contexts, 0);
    edge_stop(&edge);

    /* a non-INVITE whose 100 could not be sent (17.2.4) */
    edge = (struct edge){ .send_fails = true };
    to = (struct destination){ .name = "a" };
    begin(&edge, &call, &to, 1, "OPTIONS");
    edge_pass(&edge, 4000);
    edge_expect(&edge, "U 100\nanswered 0 connection-lost -\n");
    assert_int_equal(edge_respond(&to, 200, "a", NULL), RESPONSE_UNMATCHED);
    edge_stop(&edge);
}

/* A13: a response that cannot be sent upstream cancels nothing. */
static void test_upstream_unreachable(void **state)
{
    (void)state;
    struct edge edge = { .send_fails = true };
    struct call call;
    struct destination to[2] = { { .name = "a" }, { .name = "b" } };
    begin(&edge, &call, to, 2, "INVITE");
    edge_respond(&to[0], 180, "a", NULL);
    edge_respond(&to[1], 486, "b", NULL);
    edge_respond(&to[0], 200, "a", NULL);
    edge_expect(&edge, "U 180\nb.1 ack\nU 200\nanswered 200 none a\n");
    edge_stop(&edge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_100_while_deciding),
        cmocka_unit_test(test_no_100),
        cmocka_unit_test(test_repeated_invite),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_redirection_goes_on),
        cmocka_unit_test(test_other),
        cmocka_unit_test(test_other_runs_out),
        cmocka_unit_test(test_fork_answered),
        cmocka_unit_test(test_fork_refused),
        cmocka_unit_test(test_challenges_are_collected),
        cmocka_unit_test(test_fork_6xx),
        cmocka_unit_test(test_fork_6xx_then_2xx),
        cmocka_unit_test(test_fork_6xx_other),
        cmocka_unit_test(test_fork_other_with_silent_branch),
        cmocka_unit_test(test_fork_other_answered),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_groups_fail_at_once),
        cmocka_unit_test(test_max_breadth),
        cmocka_unit_test(test_local_failures),
        cmocka_unit_test(test_timeout_before_the_send),
        cmocka_unit_test(test_bad_lines_do_not_cost_the_answer),
        cmocka_unit_test(test_target_added_when_exhausted),
        cmocka_unit_test(test_edge_takes_its_time),
        cmocka_unit_test(test_edge_answers_itself),
        cmocka_unit_test(test_start_is_refused),
        cmocka_unit_test(test_server_transaction_goes),
        cmocka_unit_test(test_upstream_unreachable),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
