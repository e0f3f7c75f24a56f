/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_seldom.c - rule: whatever the edge does at an odd moment, or never should, changes no answer that was
 * given and loses none; and values outside their lists have a name for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"
#include "sip/compose.h"
#include "transaction/timer_wheel.h"
#include "transaction/transaction_private.h"

#include <stdio.h>
#include <string.h>

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(request_outcome_name((enum request_outcome)99), "none");
    assert_string_equal(response_outcome_name((enum response_outcome)99), "none");
    assert_string_equal(transaction_event_name((enum transaction_event)99), "none");
    assert_string_equal(response_outcome_name(RESPONSE_OUTCOME_NONE), "none");
    assert_string_equal(transaction_event_name(EVENT_NONE), "none");
    const struct transaction_handle handle = { 1, 2, 3 };
    assert_true(transaction_handle_equal(handle, (struct transaction_handle){ 1, 2, 3 }));
    assert_false(transaction_handle_equal(handle, (struct transaction_handle){ 9, 2, 3 }));
    assert_false(transaction_handle_equal(handle, (struct transaction_handle){ 1, 9, 3 }));
    assert_false(transaction_handle_equal(handle, (struct transaction_handle){ 1, 2, 9 }));
}

static void test_timers_of_more_than_a_day(void **state)
{
    (void)state;
    const uint32_t day_ms = 86400000;
    for (int which = 0; which < 4; which++) {
        struct timer_settings settings = TIMER_SETTINGS_DEFAULT;
        uint32_t *const members[] = { &settings.t1_ms, &settings.t2_ms, &settings.t4_ms, &settings.c_ms };
        assert_int_equal(timer_settings_check(&settings, NULL), 0);
        *members[which] = day_ms + 1;
        assert_int_equal(timer_settings_check(&settings, NULL), ERROR_LIMIT);
    }
}

/* ---- the wheel ---- */

static struct {
    struct timer_wheel wheel;
    uint64_t next_ms;
    unsigned fired;
} clock_work;

static void on_fire(void *arg, struct timer_node *node)
{
    (void)arg, (void)node;
    if (clock_work.fired++ == 0)
        clock_work.next_ms = timer_wheel_next_ms(&clock_work.wheel);
}

static void test_wheel_at_its_ends(void **state)
{
    (void)state;
    struct timer_node first = { 0 }, second = { 0 }, never = { 0 };
    timer_wheel_init(&clock_work.wheel, 100);
    timer_wheel_start(&clock_work.wheel, &first, 200, on_fire);
    timer_wheel_start(&clock_work.wheel, &second, 200, on_fire);
    timer_wheel_start(&clock_work.wheel, &never, UINT64_MAX, on_fire);
    timer_wheel_advance(&clock_work.wheel, 300, NULL);
    assert_int_equal(clock_work.fired, 2);
    assert_int_equal(clock_work.next_ms, 200); /* the second one was due while the first one fired */
    timer_wheel_advance(&clock_work.wheel, UINT64_MAX, NULL);
    assert_int_equal(clock_work.fired, 3); /* at the end of time */
    assert_true(timer_wheel_next_ms(&clock_work.wheel) == UINT64_MAX);
}

/* ---- requests that cannot be told apart ---- */

static enum request_outcome arrive_text(struct edge *edge, const char *text, const struct endpoint *source,
    struct server_transaction **server_r)
{
    struct sip_message *message = edge_message(text);
    struct request_arrival arrival = { .message = message, .is_reliable = true, .source = source,
        .origin = SLICE_LITERAL("peer") };
    enum request_outcome outcome = transaction_layer_request(edge->layer, &arrival, server_r);
    sip_message_unref(message);
    return outcome;
}

#define OLD "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=1\r\n"

/* RFC 3261 17.2.3: without a unique branch, CSeq, Call-ID and From are what a transaction is known by. */
static void test_old_requests_lack_what_they_are_known_by(void **state)
{
    (void)state;
    static const char *const texts[] = { OLD "From: <sip:a>\r\nCall-ID: 1\r\n\r\n",
        OLD "From: <sip:a>\r\nCSeq: 1 OPTIONS\r\n\r\n", OLD "Call-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n" };
    struct edge edge = { 0 };
    struct server_transaction *server;
    edge_start(&edge);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(arrive_text(&edge, texts[i], NULL, &server), REQUEST_UNREADABLE);
        assert_null(server);
    }
    edge_stop(&edge);
}

/* 18.2.1, RFC 3581 4: where the request came from is in the top Via of what is answered here. */
static void test_source_is_in_the_answer(void **state)
{
    (void)state;
    static const uint8_t bytes[4] = { 192, 0, 2, 7 };
    const struct endpoint source = { address_v4(bytes), 5070 };
    struct edge edge = { 0 };
    struct server_transaction *server;
    edge_start(&edge);
    static const char text[] = "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/TLS up.example;branch=z9hG4bK1;rport\r\n"
        "From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
    assert_int_equal(arrive_text(&edge, text, &source, &server), REQUEST_NEW);
    assert_int_equal(server_transaction_reply(edge.layer, server_transaction_handle(server),
        &(struct local_reply){ .status = 404 }), 0);
    const struct sip_via *via = sip_message_top_via(edge.up);
    assert_non_null(via);
    assert_int_equal(via->rport_port, 5070);
    assert_true(slice_equal(via->received, SLICE_LITERAL("192.0.2.7")));
    edge_expect(&edge, "U 404\n");
    edge_stop(&edge);
}

/* ---- the edge at odd moments ---- */

static void begin(struct edge *edge, struct call *call, struct destination *to, size_t count, const char *method)
{
    edge_start(edge);
    assert_int_equal(edge_arrive(edge, &(struct request_text){ .method = method }, call), REQUEST_NEW);
    assert_int_equal(edge_forward(edge, call, to, count, NULL), 0);
    edge_forget(edge);
}

static void test_nothing_more_is_done_to_what_was_answered(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" }, more = { .name = "b" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 200, "x", NULL);
    edge_expect(&edge, "U 200\nanswered 200 none a\n");
    assert_non_null(call.context); /* for further 2xx */
    response_context_resume(call.context);
    response_context_cancel(call.context, REASON_CANCELLED);
    const struct local_reply busy = { .status = 486 };
    assert_int_equal(response_context_reply(call.context, REASON_NONE, &busy), ERROR_STATE);
    assert_int_equal(edge_add(&edge, &call, &more), ERROR_STATE);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "CANCEL", .lines = "Reason: SIP\r\n" }, NULL),
        REQUEST_CANCEL_MATCHED);
    edge_expect(&edge, "U 200\n");
    edge_stop(&edge);
}

static void test_replies_have_a_status(void **state)
{
    (void)state;
    static const unsigned bad[] = { 0, 99, 700, 1000 };
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(response_context_reply(call.context, REASON_NONE, &(struct local_reply){ .status = bad[i] }),
            ERROR_STATE);
    edge_expect(&edge, "");
    assert_int_equal(response_context_reply(call.context, REASON_NONE, &(struct local_reply){ .status = 183 }), 0);
    edge_expect(&edge, "U 183\n");
    edge_respond(&to, 404, "x", NULL);
    edge_expect(&edge, "a.1 ack\nexhausted 404 none\nU 404\nanswered 404 none a\n");
    edge_stop(&edge);
}

static void test_what_is_stopped_takes_no_more_targets(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a" }, more = { .name = "b" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 180, "x", NULL);
    response_context_cancel(call.context, REASON_CANCELLED);
    response_context_cancel(call.context, REASON_CANCELLED); /* the second one is none */
    edge_expect(&edge, "U 180\na.1 cancel\n");
    assert_int_equal(edge_add(&edge, &call, &more), ERROR_STATE);
    edge_respond(&to, 487, "x", NULL);
    edge_expect(&edge, "a.1 ack\nU 487\nanswered 487 none a cancelled\n");
    edge_stop(&edge);
}

/* The caller has acknowledged its 6xx, and another branch has yet to answer its CANCEL, when all ends. */
static void test_the_end_while_a_branch_is_being_cancelled(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to[2] = { { .name = "a" }, { .name = "b" } };
    begin(&edge, &call, to, 2, "INVITE");
    edge_respond(&to[1], 180, "y", NULL);
    const struct local_reply decline = { .status = 603 };
    assert_int_equal(response_context_reply(call.context, REASON_NONE, &decline), 0);
    edge_forget(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK" }, NULL), REQUEST_ACK_ABSORBED);
    assert_non_null(call.context);
    assert_null(response_context_server(call.context));
    assert_int_equal(response_context_reply(call.context, REASON_NONE, &decline), ERROR_STATE);
    edge_stop(&edge);
}

/* An edge that never runs out of addresses: 32 tries, then it is over. */
static void test_tries_end(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .addresses = 100 };
    begin(&edge, &call, &to, 1, "INVITE");
    for (int i = 0; i < 31; i++)
        edge_fail(&to, REASON_CONNECT_FAILED);
    assert_int_equal(to.attempt_count, 32);
    assert_int_equal(call.answers, 0);
    edge_forget(&edge);
    edge_fail(&to, REASON_CONNECT_FAILED);
    assert_int_equal(to.attempt_count, 32);
    assert_int_equal(call.answers, 1);
    assert_true(call.summary.status >= 500);
    edge_stop(&edge);
}

/* One address at a time; a reason that is no failure is answered as one. */
static void test_a_second_try_beside_the_first(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    begin(&edge, &call, &to, 1, "INVITE");
    assert_int_equal(edge_try(&to), 0);
    assert_int_equal(edge_try(&to), ERROR_STATE);
    branch_failed(edge.layer, to.branch, REASON_NONE);
    edge_expect(&edge, "exhausted 500 none\nU 500\nanswered 500 none a\n");
    branch_failed(edge.layer, to.branch, REASON_NONE);
    edge_expect(&edge, "");
    edge_stop(&edge);
}

/* ---- within an operation ---- */

static struct {
    struct call *call;
    struct destination *to;
    unsigned countdown;
    unsigned status;
} meddling;

static bool is_due(void)
{
    return meddling.countdown != 0 && --meddling.countdown == 0;
}

static void reply_once(struct edge *edge)
{
    (void)edge;
    if (is_due())
        assert_int_equal(response_context_reply(meddling.call->context, REASON_NONE,
            &(struct local_reply){ .status = meddling.status }), 0);
}

static void resume_once(struct edge *edge)
{
    (void)edge;
    if (is_due())
        response_context_resume(meddling.call->context);
}

static void fail_once(struct edge *edge)
{
    if (is_due())
        client_transaction_failed(edge->layer, meddling.to->attempts[0].handle, REASON_CONNECTION_LOST);
}

static void respond_once(struct edge *edge)
{
    (void)edge;
    if (is_due())
        assert_int_equal(edge_respond(meddling.to, meddling.status, "x", NULL), RESPONSE_TAKEN);
}

static void try_once(struct edge *edge)
{
    (void)edge;
    if (is_due())
        assert_int_equal(edge_try(meddling.to), 0);
}

/* Asked whether there is more, the edge answers by itself: that is the answer. */
static void test_answered_when_asked(void **state)
{
    (void)state;
    struct edge edge = { .meddle = reply_once };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    meddling.call = &call;
    meddling.status = 480;
    meddling.countdown = 3; /* the response is seen, acknowledged, and nothing is left */
    edge_respond(&to, 404, "x", NULL);
    edge_expect(&edge, "a.1 ack\nexhausted 404 none\nU 480\nanswered 480 none -\n");
    edge_stop(&edge);
}

/* Asked to describe our answer, the edge gives its own: not both. */
static void test_answered_when_asked_to_describe(void **state)
{
    (void)state;
    struct edge edge = { .meddle = reply_once };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    begin(&edge, &call, &to, 1, "INVITE");
    meddling.call = &call;
    meddling.status = 480;
    meddling.countdown = 2; /* nothing is left, and what shall be said */
    branch_failed(edge.layer, to.branch, REASON_NO_ADDRESS);
    edge_forget(&edge);
    assert_int_equal(call.answers, 1);
    assert_int_equal(call.summary.status, 480);
    edge_stop(&edge);
}

/* It asks for time and takes it back within the call: nobody waits. */
static void test_resumed_when_asked(void **state)
{
    (void)state;
    struct edge edge = { .meddle = resume_once, .exhausted = EXHAUSTED_WAIT };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    meddling.call = &call;
    meddling.countdown = 3;
    edge_respond(&to, 404, "x", NULL);
    edge_expect(&edge, "a.1 ack\nexhausted 404 none\nU 404\nanswered 404 none a\n");
    edge_stop(&edge);
}

/* While the edge takes its time, what else happens asks it no second time. */
static void test_asked_once_while_waiting(void **state)
{
    (void)state;
    struct edge edge = { .exhausted = EXHAUSTED_WAIT };
    struct call call;
    struct destination to = { .name = "a", .is_unreliable = true };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 404, "x", NULL);
    edge_expect(&edge, "a.1 ack\nexhausted 404 none\n");
    edge_respond(&to, 404, "x", NULL);
    edge_pass(&edge, 60000);
    assert_int_equal(call.answers, 0);
    edge_forget(&edge);
    response_context_resume(call.context);
    edge_expect(&edge, "U 404\nanswered 404 none a\n");
    edge_stop(&edge);
}

/* The next hop answers under the CANCEL that is written to it: nothing is waited for any more. */
static void test_answered_while_cancelling(void **state)
{
    (void)state;
    struct edge edge = { .meddle = respond_once };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 180, "x", NULL);
    edge_forget(&edge);
    meddling.to = &to;
    meddling.status = 487;
    meddling.countdown = 1;
    response_context_cancel(call.context, REASON_CANCELLED);
    edge_expect(&edge, "a.1 cancel\na.1 ack\nU 487\nanswered 487 none a cancelled\n");
    edge_stop(&edge);
}

/* The edge answers by itself when it sees the response: that one counts no more. */
static void test_answered_when_the_response_is_seen(void **state)
{
    (void)state;
    struct edge edge = { .meddle = reply_once };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "OPTIONS");
    meddling.call = &call;
    meddling.status = 480;
    meddling.countdown = 1;
    edge_respond(&to, 200, "x", NULL);
    edge_expect(&edge, "U 480\nanswered 480 none -\n");
    edge_stop(&edge);
}

/* The connection is lost while the edge is asked to take the request back. */
static void test_lost_while_withdrawing(void **state)
{
    (void)state;
    struct edge edge = { .meddle = fail_once };
    struct call call;
    struct destination to = { .name = "a", .can_withdraw = true };
    begin(&edge, &call, &to, 1, "INVITE");
    meddling.to = &to;
    meddling.countdown = 1;
    response_context_cancel(call.context, REASON_CANCELLED);
    edge_expect(&edge, "withdraw a.1\nU 487\nanswered 487 cancelled a cancelled\n");
    edge_stop(&edge);
}

/* The edge says that there is no other address, and has begun with one. */
static void test_one_more_try_against_its_word(void **state)
{
    (void)state;
    struct edge edge = { .meddle = try_once };
    struct call call;
    struct destination to = { .name = "a", .is_slow = true };
    begin(&edge, &call, &to, 1, "INVITE");
    assert_int_equal(edge_place(&to), 0);
    edge_forget(&edge);
    meddling.to = &to;
    meddling.countdown = 1;
    edge_fail(&to, REASON_CONNECT_FAILED);
    edge_expect(&edge, "next a connect-failed\n");
    assert_int_equal(edge_hand_over(&to), 0);
    edge_respond(&to, 200, "x", NULL);
    edge_expect(&edge, "a.2 INVITE\nU 200\nanswered 200 none a\n");
    edge_stop(&edge);
}

/* Timer C has cancelled it: a 503 then leads to no other address. */
static void test_no_other_address_after_timer_c(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct destination to = { .name = "a", .addresses = 2 };
    begin(&edge, &call, &to, 1, "INVITE");
    edge_respond(&to, 180, "x", NULL);
    edge_pass(&edge, edge.timers.c_ms + 1);
    edge_expect(&edge, "U 180\na.1 cancel\n");
    edge_respond(&to, 503, "x", NULL);
    assert_int_equal(to.attempt_count, 1);
    assert_int_equal(call.answers, 1);
    assert_int_equal(call.summary.status, 500);
    edge_forget(&edge);
    edge_stop(&edge);
}

/* Without unique branches, a CANCEL for another dialog finds this one's CANCEL and INVITE, and takes neither. */
static void test_old_cancels_of_another_dialog(void **state)
{
    (void)state;
    struct edge edge = { .is_unreliable = true };
    struct call call;
    struct destination to = { .name = "a" };
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .branch = "old" }, &call), REQUEST_NEW);
    assert_int_equal(edge_forward(&edge, &call, &to, 1, NULL), 0);
    edge_respond(&to, 180, "x", NULL);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .branch = "old", .method = "CANCEL" }, NULL),
        REQUEST_CANCEL_MATCHED);
    edge_forget(&edge);
    const struct request_text other = { .branch = "old", .method = "CANCEL", .to_tag = "z" };
    assert_int_equal(edge_arrive(&edge, &other, NULL), REQUEST_CANCEL_UNMATCHED);
    edge_expect(&edge, "");
    edge_stop(&edge);
}

/* A next hop times out (408 to a request that is no INVITE counts for nothing), the edge takes its time, and the last
 * moment for an answer passes (RFC 4320 4.2): it is not asked again, and nothing is sent. */
static void test_last_call_while_the_edge_waits(void **state)
{
    (void)state;
    struct edge edge = { .exhausted = EXHAUSTED_WAIT };
    struct call call;
    struct destination to = { .name = "a" };
    begin(&edge, &call, &to, 1, "OPTIONS");
    edge_respond(&to, 408, "x", NULL);
    edge_expect(&edge, "exhausted 0 timeout\n");
    edge_pass(&edge, timer_64_t1_ms(&edge.timers) - 1);
    edge_expect(&edge, "U 100\n");
    assert_int_equal(call.answers, 0);
    response_context_resume(call.context);
    edge_expect(&edge, "answered 0 timeout a\n");
    edge_stop(&edge);
}

/* The flag no-100 comes too late: what is repeated then is the failure, and it goes on. */
static void test_no_100_after_the_failure(void **state)
{
    (void)state;
    struct edge edge = { .is_unreliable = true, .logs_time = true };
    struct call call;
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, &call), REQUEST_NEW);
    assert_int_equal(server_transaction_reply(edge.layer, call.server, &(struct local_reply){ .status = 486 }), 0);
    struct server_transaction *server = server_transaction_find(edge.layer, call.server);
    assert_non_null(server);
    server_transaction_set_no_100(edge.layer, server);
    edge_pass(&edge, 1600);
    edge_expect(&edge, "[0] U 486\n[500] U 486\n[1500] U 486\n");
    edge_stop(&edge);
}

/* A cell of the tables that is empty: the event is traced and counted, and changes nothing. */
static void test_illegal_event(void **state)
{
    (void)state;
    struct edge edge = { .logs_steps = true };
    struct call call;
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, &call), REQUEST_NEW);
    struct server_transaction *server = server_transaction_find(edge.layer, call.server);
    assert_non_null(server);
    edge_forget(&edge);
    transaction_event(edge.layer, &server->base, EVENT_TIMER_K, &(struct event_input){ 0 });
    edge_expect(&edge, "step invite-server proceeding timer-k none\n");
    assert_int_equal(transaction_layer_counts(edge.layer).illegal_events, 1);
    assert_int_equal(server_transaction_state(server), STATE_PROCEEDING);
    edge.logs_steps = false;
    edge_pass(&edge, 1000);
    edge_expect(&edge, "U 100\n"); /* its timer ran on */
    edge_stop(&edge);
}

/* A quoted NUL (RFC 4475 3.1.1.1) may stand in a challenge that comes, and so in one that goes along with another's:
 * no branch spoils the challenge of the others. */
static void test_challenge_with_a_quoted_nul(void **state)
{
    (void)state;
    struct edge edge = { .meddle = NULL };
    struct call call;
    struct destination to[2] = { { .name = "a" }, { .name = "b" } };
    char text[600];
    struct sip_message *odd = NULL;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_defect defect;
    begin(&edge, &call, to, 2, "INVITE");
    to[0].attempts[0].has_failure = true;
    int length = snprintf(text, sizeof(text),
        "SIP/2.0 407 Odd\r\nVia: SIP/2.0/TLS relay.example;branch=%s\r\n"
        "Via: SIP/2.0/TLS up.example;branch=z9hG4bK-up\r\nFrom: <sip:alice@up.example>;tag=caller\r\n"
        "To: <sip:bob@example.com>;tag=x\r\nCall-ID: call@up.example\r\nCSeq: 1 INVITE\r\n"
        "Proxy-Authenticate: Digest realm=\"\\#\"\r\nContent-Length: 0\r\n\r\n", to[0].attempts[0].branch);
    *strchr(text, '#') = '\0';
    assert_int_equal(sip_message_parse(slice_of(text, (size_t)length), &limits, &odd, &defect), 0);
    assert_int_equal(transaction_layer_response(edge.layer, odd, SLICE_LITERAL("")), RESPONSE_TAKEN);
    sip_message_unref(odd);
    edge_expect(&edge, "a.1 ack\n");
    edge_respond(&to[1], 401, "y", "WWW-Authenticate: Digest realm=\"b\"\r\n");
    edge_expect(&edge, "b.1 ack\nexhausted 401 none\nU 401\nanswered 401 none b\n");
    struct sip_header header;
    assert_true(sip_header_first(edge.up, SIP_HEADER_PROXY_AUTHENTICATE, &header));
    assert_true(slice_equal(header.value, SLICE_LITERAL("Digest realm=\"\\\0\"")));
    edge_stop(&edge);
}

/* ---- two keys of one hash ---- */

static struct transaction_key key_of(const struct request_text *text, uint64_t seed, struct buffer *bytes)
{
    struct sip_message *request = edge_request(text);
    struct transaction_key key;
    assert_int_equal(transaction_key_of(request, SLICE_LITERAL("peer-up"), seed, bytes, &key), 0);
    sip_message_unref(request);
    return key;
}

/* XXH3 of a text of this length adds, for its last sixteen bytes, the product of their first half less (secret + seed)
 * and of something made of the second. Where the first half is secret + seed, that is 0 whatever the second half is:
 * the table finds both under one hash, and the whole key tells them apart (INV-2). */
static void test_two_keys_of_one_hash(void **state)
{
    (void)state;
    static const char half[8] = { '1', '2', '3', '4', '5', '6', '7', '8' };
    static const uint64_t secret = UINT64_C(0xdb979083e96dd4de); /* bytes 16 to 23 of XXH3's, as a number */
    const struct request_text one = { .branch = "z9hG4bK12345678AAAAAAAA" }, other = {
        .branch = "z9hG4bK12345678BBBBBBBB" };
    uint64_t seed = 0;
    for (size_t i = sizeof(half); i-- > 0;)
        seed = seed << 8 | (uint8_t)half[i];
    seed -= secret;
    struct buffer bytes = BUFFER_EMPTY, others = BUFFER_EMPTY;
    struct transaction_key key = key_of(&one, seed, &bytes), other_key = key_of(&other, seed, &others);
    assert_true(key.hash == other_key.hash);
    assert_false(slice_equal(key.bytes, other_key.bytes));
    assert_true(key_of(&one, seed + 1, &bytes).hash != key_of(&other, seed + 1, &others).hash);
    buffer_free(&bytes);
    buffer_free(&others);

    struct edge edge = { .hash_seed = seed };
    struct call call, other_call;
    struct destination to = { .name = "a" };
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &one, &call), REQUEST_NEW);
    assert_int_equal(edge_arrive(&edge, &other, &other_call), REQUEST_NEW);
    assert_int_equal(edge_arrive(&edge, &one, NULL), REQUEST_REPEATED);
    assert_int_equal(edge_arrive(&edge, &other, NULL), REQUEST_REPEATED);
    assert_int_equal(edge_forward(&edge, &call, &to, 1, NULL), 0);
    edge_forget(&edge);
    const struct request_text cancel = { .branch = other.branch, .method = "CANCEL" };
    assert_int_equal(edge_arrive(&edge, &cancel, NULL), REQUEST_CANCEL_MATCHED);
    edge_expect(&edge, "U 200\n"); /* a was not asked by the one that is cancelled */
    const struct local_reply terminated = { .status = 487 };
    assert_int_equal(server_transaction_reply(edge.layer, other_call.server, &terminated), 0);
    edge_expect(&edge, "U 487\n");
    edge_stop(&edge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_timers_of_more_than_a_day),
        cmocka_unit_test(test_wheel_at_its_ends),
        cmocka_unit_test(test_old_requests_lack_what_they_are_known_by),
        cmocka_unit_test(test_source_is_in_the_answer),
        cmocka_unit_test(test_nothing_more_is_done_to_what_was_answered),
        cmocka_unit_test(test_replies_have_a_status),
        cmocka_unit_test(test_what_is_stopped_takes_no_more_targets),
        cmocka_unit_test(test_the_end_while_a_branch_is_being_cancelled),
        cmocka_unit_test(test_tries_end),
        cmocka_unit_test(test_a_second_try_beside_the_first),
        cmocka_unit_test(test_answered_when_asked),
        cmocka_unit_test(test_answered_when_asked_to_describe),
        cmocka_unit_test(test_resumed_when_asked),
        cmocka_unit_test(test_asked_once_while_waiting),
        cmocka_unit_test(test_answered_while_cancelling),
        cmocka_unit_test(test_answered_when_the_response_is_seen),
        cmocka_unit_test(test_lost_while_withdrawing),
        cmocka_unit_test(test_one_more_try_against_its_word),
        cmocka_unit_test(test_no_other_address_after_timer_c),
        cmocka_unit_test(test_old_cancels_of_another_dialog),
        cmocka_unit_test(test_last_call_while_the_edge_waits),
        cmocka_unit_test(test_no_100_after_the_failure),
        cmocka_unit_test(test_illegal_event),
        cmocka_unit_test(test_challenge_with_a_quoted_nul),
        cmocka_unit_test(test_two_keys_of_one_hash),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
