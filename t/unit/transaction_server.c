/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_server.c - rule: a request is met once: its repetitions are absorbed and answered again, its ACK and
 * CANCEL find it and nobody else's do (RFC 3261 17.2, 9.2, RFC 6026, RFC 4320).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"

#include <string.h>

static int reply(struct edge *edge, const struct call *call, unsigned status)
{
    return server_transaction_reply(edge->layer, call->server, &(struct local_reply){ .status = status });
}

static size_t servers(const struct edge *edge)
{
    return transaction_layer_counts(edge->layer).servers;
}

/* ---- timers ---- */

/* Over UDP: 100 in time, repetitions get the last response, G doubles to T2, H ends it. */
static void test_invite_unreliable_without_ack(void **state)
{
    (void)state;
    struct edge edge = { .is_unreliable = true, .logs_time = true };
    struct call call;
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, &call), REQUEST_NEW);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, NULL), REQUEST_REPEATED);
    edge_expect(&edge, ""); /* nothing to repeat yet */
    edge_pass(&edge, 400);
    edge_expect(&edge, "[150] U 100\n");
    assert_true(slice_is_absent(sip_message_to_tag(edge.up)));
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, NULL), REQUEST_REPEATED);
    assert_int_equal(reply(&edge, &call, 180), 0);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, NULL), REQUEST_REPEATED);
    edge_expect(&edge, "[400] U 100\n[400] U 180\n[400] U 180\n");
    assert_int_equal(reply(&edge, &call, 486), 0);
    edge_pass(&edge, 31999);
    edge_expect(&edge, "[400] U 486\n[900] U 486\n[1900] U 486\n[3900] U 486\n[7900] U 486\n[11900] U 486\n"
                       "[15900] U 486\n[19900] U 486\n[23900] U 486\n[27900] U 486\n[31900] U 486\n");
    assert_int_equal(servers(&edge), 1);
    edge_pass(&edge, 1);
    assert_int_equal(servers(&edge), 0);
    edge_expect(&edge, "");
    edge_stop(&edge);
}

/* ACK ends the repetitions; Timer I (T4) absorbs further ACKs. */
static void test_invite_unreliable_with_ack(void **state)
{
    (void)state;
    struct edge edge = { .is_unreliable = true, .logs_time = true, .logs_steps = true };
    struct call call;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    assert_int_equal(reply(&edge, &call, 404), 0);
    edge_pass(&edge, 100);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK", .to_tag = "x" }, NULL),
        REQUEST_ACK_ABSORBED);
    edge_pass(&edge, 4999);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK" }, NULL), REQUEST_ACK_ABSORBED);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, NULL), REQUEST_REPEATED);
    edge_pass(&edge, 1);
    edge_expect(&edge,
        "[0] step invite-server initial request proceeding\n"
        "[0] step invite-server proceeding user-failure completed\n[0] U 404\n"
        "[100] step invite-server completed ack confirmed\n"
        "[5099] step invite-server confirmed ack confirmed\n"
        "[5099] step invite-server confirmed request confirmed\n"
        "[5100] step invite-server confirmed timer-i terminated\n");
    assert_int_equal(servers(&edge), 0);
    edge_stop(&edge);
}

/* Over TLS: one final, no G; H ends it without ACK, an ACK ends it at once (I is 0). */
static void test_invite_reliable(void **state)
{
    (void)state;
    struct edge edge = { .logs_time = true };
    struct call call, next;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    assert_int_equal(reply(&edge, &call, 486), 0);
    edge_pass(&edge, 31999);
    edge_expect(&edge, "[0] U 486\n");
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, NULL), REQUEST_REPEATED);
    edge_expect(&edge, "[31999] U 486\n");
    edge_pass(&edge, 1);
    assert_int_equal(servers(&edge), 0);

    edge_arrive(&edge, &(struct request_text){ .branch = "z9hG4bK-2" }, &next);
    assert_int_equal(reply(&edge, &next, 486), 0);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK", .branch = "z9hG4bK-2" }, NULL),
        REQUEST_ACK_ABSORBED);
    assert_int_equal(servers(&edge), 0);
    edge_stop(&edge);
}

/* RFC 6026 7.1: Accepted absorbs the INVITE, lets each 2xx out and each ACK through, until Timer L. */
static void test_invite_accepted(void **state)
{
    (void)state;
    for (int is_unreliable = 0; is_unreliable < 2; is_unreliable++) {
        struct edge edge = { .is_unreliable = is_unreliable };
        struct call call;
        edge_start(&edge);
        edge_arrive(&edge, &(struct request_text){ 0 }, &call);
        assert_int_equal(reply(&edge, &call, 200), 0);
        assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, NULL), REQUEST_REPEATED);
        assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK" }, NULL), REQUEST_ACK_FORWARD);
        assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK" }, NULL), REQUEST_ACK_FORWARD);
        assert_int_equal(reply(&edge, &call, 486), ERROR_STATE);
        assert_int_equal(reply(&edge, &call, 180), ERROR_STATE);
        edge_pass(&edge, 31999);
        assert_int_equal(servers(&edge), 1);
        edge_pass(&edge, 1);
        assert_int_equal(servers(&edge), 0);
        edge_expect(&edge, "U 200\n");
        assert_int_equal(transaction_layer_counts(edge.layer).illegal_events, 0);
        edge_stop(&edge);
    }
}

/* D08: a non-INVITE gets a 100 when Timer E would reach T2, and none after its final. */
static void test_other_gets_100_late(void **state)
{
    (void)state;
    for (int is_unreliable = 0; is_unreliable < 2; is_unreliable++) {
        struct edge edge = { .is_unreliable = is_unreliable, .logs_time = true };
        struct call slow, fast;
        edge_start(&edge);
        edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS" }, &slow);
        edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS", .branch = "z9hG4bK-fast" }, &fast);
        assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS" }, NULL), REQUEST_REPEATED);
        edge_pass(&edge, 1000);
        assert_int_equal(reply(&edge, &fast, 200), 0);
        edge_pass(&edge, 9000);
        edge_expect(&edge, "[1000] U 200\n[3500] U 100\n");
        assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS" }, NULL), REQUEST_REPEATED);
        edge_expect(&edge, "[10000] U 100\n");
        /* RFC 4320 4.2: behind 64*T1 there is nothing left that could be answered */
        edge_pass(&edge, 21999);
        assert_int_equal(reply(&edge, &slow, 404), 0);
        edge_stop(&edge);
        edge = (struct edge){ .is_unreliable = is_unreliable };
        edge_start(&edge);
        edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS" }, &slow);
        edge_pass(&edge, 32000);
        assert_int_equal(reply(&edge, &slow, 404), ERROR_NOT_FOUND);
        assert_int_equal(servers(&edge), 0);
        edge_expect(&edge, "U 100\n");
        edge_stop(&edge);
    }
}

/* Timer J over UDP; over TLS the transaction is gone with its final, and a repetition is a new request (D15). */
static void test_other_final(void **state)
{
    (void)state;
    struct edge edge = { .is_unreliable = true, .logs_time = true };
    struct call call, again;
    struct request_text text = { .method = "MESSAGE" };
    edge_start(&edge);
    edge_arrive(&edge, &text, &call);
    assert_int_equal(reply(&edge, &call, 200), 0);
    edge_pass(&edge, 31999);
    assert_int_equal(edge_arrive(&edge, &text, NULL), REQUEST_REPEATED);
    edge_pass(&edge, 1);
    assert_int_equal(servers(&edge), 0);
    edge_expect(&edge, "[0] U 200\n[31999] U 200\n");
    edge_stop(&edge);

    edge = (struct edge){ .is_unreliable = false };
    edge_start(&edge);
    edge_arrive(&edge, &text, &call);
    assert_int_equal(reply(&edge, &call, 200), 0);
    assert_int_equal(servers(&edge), 0);
    assert_int_equal(edge_arrive(&edge, &text, &again), REQUEST_NEW);
    assert_int_equal(reply(&edge, &call, 200), ERROR_NOT_FOUND); /* the handle of the one that is gone */
    edge_stop(&edge);
}

/* RFC 4320: what must not be sent to a non-INVITE is not; what nobody answers is dropped. */
static void test_other_is_never_refused_late(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS" }, &call);
    assert_int_equal(reply(&edge, &call, 408), ERROR_STATE);
    assert_int_equal(reply(&edge, &call, 183), ERROR_STATE);
    assert_int_equal(reply(&edge, &call, 99), ERROR_STATE);
    assert_int_equal(reply(&edge, &call, 700), ERROR_STATE);
    assert_int_equal(reply(&edge, &call, 100), 0);
    server_transaction_drop(edge.layer, call.server);
    server_transaction_drop(edge.layer, call.server);
    assert_int_equal(servers(&edge), 0);
    edge_expect(&edge, "U 100\n");
    edge_stop(&edge);
}

/* RFC 6026 8.8: an INVITE outlives a response that could not be sent; a non-INVITE does not (17.2.4). */
static void test_response_that_cannot_be_sent(void **state)
{
    (void)state;
    struct edge edge = { .send_fails = true };
    struct call invite, options;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &invite);
    edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS", .branch = "z9hG4bK-o" }, &options);
    assert_int_equal(reply(&edge, &invite, 486), 0);
    assert_int_equal(reply(&edge, &options, 100), 0);
    assert_int_equal(servers(&edge), 1);
    edge.send_fails = false;
    int hop;
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .hop = &hop }, NULL), REQUEST_REPEATED);
    edge_expect(&edge, "U 486\nU 100\nU 486\n");
    assert_ptr_equal(edge.hop, &hop); /* the edge learns where the repetition came from */
    edge_stop(&edge);
}

static void test_no_100_when_asked(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call, other;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    edge_arrive(&edge, &(struct request_text){ .method = "INFO", .branch = "z9hG4bK-i" }, &other);
    server_transaction_set_no_100(edge.layer, server_transaction_find(edge.layer, call.server));
    server_transaction_set_no_100(edge.layer, server_transaction_find(edge.layer, other.server));
    edge_pass(&edge, 20000);
    edge_expect(&edge, "");
    edge_stop(&edge);
}

/* ---- responses of our own ---- */

/* 8.2.6.2: one To tag in all responses of ours to one request, none in a 100; another request has another. */
static void test_to_tag(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call, other;
    char tag[64];
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    assert_int_equal(reply(&edge, &call, 100), 0);
    assert_true(slice_is_absent(sip_message_to_tag(edge.up)));
    assert_int_equal(reply(&edge, &call, 180), 0);
    assert_true(slice_to_string(sip_message_to_tag(edge.up), tag, sizeof(tag)));
    assert_true(strlen(tag) >= 8);
    assert_int_equal(reply(&edge, &call, 404), 0);
    assert_true(slice_equal(sip_message_to_tag(edge.up), slice_of_string(tag)));
    edge_arrive(&edge, &(struct request_text){ .branch = "z9hG4bK-other" }, &other);
    assert_int_equal(reply(&edge, &other, 404), 0);
    assert_false(slice_equal(sip_message_to_tag(edge.up), slice_of_string(tag)));
    edge_stop(&edge);
}

static void test_reply_takes_phrase_and_lines(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    struct sip_header header;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    struct local_reply bad = { .status = 500, .lines = SLICE_LITERAL("Warning: 399 x \"y\"") }; /* no line end */
    assert_int_equal(server_transaction_reply(edge.layer, call.server, &bad), ERROR_SYNTAX);
    struct local_reply good = { .status = 500, .phrase = SLICE_LITERAL("Not Today"),
        .lines = SLICE_LITERAL("Warning: 399 relay \"wrong-identity\"\r\n") };
    assert_int_equal(server_transaction_reply(edge.layer, call.server, &good), 0);
    assert_true(slice_equal(sip_message_reason_phrase(edge.up), SLICE_LITERAL("Not Today")));
    assert_true(sip_header_first(edge.up, SIP_HEADER_WARNING, &header));
    assert_true(slice_equal(header.value, SLICE_LITERAL("399 relay \"wrong-identity\"")));
    assert_int_equal(server_transaction_reply(edge.layer, call.server, &good), ERROR_STATE);
    edge_stop(&edge);
}

/* ---- matching ---- */

/* 17.2.3: branch, sent-by host and port, method; and the origin, so that no peer hits another's transaction. */
static void test_what_makes_another_request(void **state)
{
    (void)state;
    static const struct request_text others[] = {
        { .branch = "z9hG4bK-up2" },
        { .branch = "z9hG4bK-uP" }, /* branches are compared as bytes: never merged by mistake */
        { .sent_by = "up2.example" },
        { .sent_by = "up.example:5061" },
        { .sent_by = "up.example:5062" },
        { .sent_by = "192.0.2.1" },
        { .sent_by = "[2001:db8::1]" },
        { .method = "OPTIONS" },
        { .method = "MESSAGE" },
        { .method = "NEWMETHOD" },
        { .method = "NEWMETHODS" },
        { .origin = "peer-other" },
        { .origin = "" },
    };
    struct edge edge = { 0 };
    struct call first, calls[ARRAY_SIZE(others)];
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, &first), REQUEST_NEW);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(edge_arrive(&edge, &others[i], &calls[i]), REQUEST_NEW);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(edge_arrive(&edge, &others[i], NULL), REQUEST_REPEATED);
    assert_int_equal(servers(&edge), 1 + ARRAY_SIZE(others));
    edge_stop(&edge);
}

/* ... and what does not: with the cookie, nothing else counts, and host names are alike in any case. */
static void test_what_is_the_same_request(void **state)
{
    (void)state;
    static const struct request_text same[] = {
        { .uri = "sip:carol@example.com" },
        { .from_tag = "other" },
        { .to_tag = "other" },
        { .call_id = "other" },
        { .cseq = 7 },
        { .sent_by = "UP.example" },
    };
    struct edge edge = { 0 };
    struct call call;
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, &call), REQUEST_NEW);
    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        assert_int_equal(edge_arrive(&edge, &same[i], NULL), REQUEST_REPEATED);
    edge_stop(&edge);
}

/* Without the cookie: Request-URI, tags, Call-ID, CSeq and top Via, all of them. */
static void test_match_of_rfc_2543(void **state)
{
    (void)state;
#define OLD .branch = "390skdjuw"
    static const struct request_text others[] = {
        { OLD, .uri = "sip:carol@example.com" },
        { OLD, .from_tag = "other" },
        { OLD, .to_tag = "other" },
        { OLD, .call_id = "other" },
        { OLD, .cseq = 2 },
        { OLD, .sent_by = "up2.example" },
        { OLD, .method = "OPTIONS" },
        { OLD, .origin = "peer-other" },
        { .branch = "1" },
        { .branch = "z9hG4bK" }, /* the cookie with nothing behind it */
    };
    struct edge edge = { 0 };
    struct call first, calls[ARRAY_SIZE(others)];
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ OLD }, &first), REQUEST_NEW);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ OLD }, NULL), REQUEST_REPEATED);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(edge_arrive(&edge, &others[i], &calls[i]), REQUEST_NEW);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(edge_arrive(&edge, &others[i], NULL), REQUEST_REPEATED);
    edge_stop(&edge);
}

/* The ACK without the cookie carries the To tag of our response, or is somebody else's. */
static void test_ack_of_rfc_2543(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    char tag[64];
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ OLD }, &call);
    assert_int_equal(reply(&edge, &call, 486), 0);
    assert_true(slice_to_string(sip_message_to_tag(edge.up), tag, sizeof(tag)));
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ OLD, .method = "ACK", .to_tag = "wrong" }, NULL),
        REQUEST_ACK_FORWARD);
    assert_int_equal(servers(&edge), 1);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ OLD, .method = "ACK", .to_tag = tag }, NULL),
        REQUEST_ACK_ABSORBED);
    assert_int_equal(servers(&edge), 0);
    edge_stop(&edge);
}

/* An ACK of another branch, or another's, meets nothing; nor does it meet a request that is no INVITE. */
static void test_ack_of_nothing(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call invite, options;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &invite);
    edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS", .branch = "z9hG4bK-o" }, &options);
    assert_int_equal(reply(&edge, &invite, 486), 0);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK", .branch = "z9hG4bK-2xx" }, NULL),
        REQUEST_ACK_FORWARD);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK", .branch = "z9hG4bK-o" }, NULL),
        REQUEST_ACK_FORWARD);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK", .origin = "peer-b" }, NULL),
        REQUEST_ACK_FORWARD);
    assert_int_equal(server_transaction_state(server_transaction_find(edge.layer, invite.server)), STATE_COMPLETED);
    edge_stop(&edge);
}

static void test_ack_before_final_changes_nothing(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "ACK" }, NULL), REQUEST_ACK_ABSORBED);
    assert_int_equal(server_transaction_state(server_transaction_find(edge.layer, call.server)), STATE_PROCEEDING);
    edge_stop(&edge);
}

/* ---- CANCEL ---- */

/* 9.2: 200 at once with the INVITE's To tag, absorbed as any request; without an INVITE it meets nothing. */
static void test_cancel_of_a_request_nobody_forwards_yet(void **state)
{
    (void)state;
    struct edge edge = { .is_unreliable = true };
    struct call call;
    int hop;
    char tag[64];
    struct request_text cancel = { .method = "CANCEL", .hop = &hop };
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &cancel, NULL), REQUEST_CANCEL_UNMATCHED);
    edge_arrive(&edge, &(struct request_text){ 0 }, &call);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "CANCEL", .origin = "peer-b" }, NULL),
        REQUEST_CANCEL_UNMATCHED);
    struct server_transaction *server = server_transaction_find(edge.layer, call.server);
    assert_false(server_transaction_is_cancelled(server));
    assert_int_equal(edge_arrive(&edge, &cancel, NULL), REQUEST_CANCEL_MATCHED);
    assert_ptr_equal(edge.hop, &hop);
    assert_true(server_transaction_is_cancelled(server));
    assert_true(slice_to_string(sip_message_to_tag(edge.up), tag, sizeof(tag)));
    assert_int_equal(edge_arrive(&edge, &cancel, NULL), REQUEST_REPEATED);
    edge_expect(&edge, "U 200\nU 200\n");

    struct destination to = { .name = "a" };
    assert_int_equal(edge_forward(&edge, &call, &to, 1, NULL), 0);
    edge_expect(&edge, "U 487\nanswered 487 cancelled - cancelled\n");
    assert_true(slice_equal(sip_message_to_tag(edge.up), slice_of_string(tag)));
    edge_stop(&edge);
}

/* C20, and after the final: 200, and nothing else happens. */
static void test_cancel_without_effect(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call options, invite;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ .method = "OPTIONS" }, &options);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "CANCEL" }, NULL), REQUEST_CANCEL_MATCHED);
    assert_false(server_transaction_is_cancelled(server_transaction_find(edge.layer, options.server)));
    assert_int_equal(reply(&edge, &options, 200), 0);
    edge_arrive(&edge, &(struct request_text){ .branch = "z9hG4bK-i" }, &invite);
    assert_int_equal(reply(&edge, &invite, 404), 0);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "CANCEL", .branch = "z9hG4bK-i" }, NULL),
        REQUEST_CANCEL_MATCHED);
    assert_false(server_transaction_is_cancelled(server_transaction_find(edge.layer, invite.server)));
    edge_expect(&edge, "U 200\nU 200\nU 404\nU 200\n");
    edge_stop(&edge);
}

static void test_cancel_of_rfc_2543(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct call call;
    edge_start(&edge);
    edge_arrive(&edge, &(struct request_text){ OLD }, &call);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ OLD, .method = "CANCEL", .to_tag = "x" }, NULL),
        REQUEST_CANCEL_UNMATCHED);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ OLD, .method = "CANCEL", .cseq = 2 }, NULL),
        REQUEST_CANCEL_UNMATCHED);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ OLD, .method = "CANCEL" }, NULL),
        REQUEST_CANCEL_MATCHED);
    edge_stop(&edge);
}

/* ---- limits ---- */

static void test_too_many_are_refused(void **state)
{
    (void)state;
    struct edge edge = { .max_servers = 9 };
    struct call first, calls[8];
    static const char *const branches[] = { "z9hG4bK-1", "z9hG4bK-2", "z9hG4bK-3", "z9hG4bK-4", "z9hG4bK-5",
        "z9hG4bK-6", "z9hG4bK-7", "z9hG4bK-8" };
    edge_start(&edge);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, &first), REQUEST_NEW);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(edge_arrive(&edge, &(struct request_text){ .branch = branches[i] }, &calls[i]), REQUEST_NEW);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .branch = branches[7] }, NULL), REQUEST_CROWDED);
    /* an eighth is for dialogs */
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .branch = branches[7], .method = "BYE",
        .to_tag = "called" }, &calls[7]), REQUEST_NEW);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .branch = "z9hG4bK-9", .method = "BYE",
        .to_tag = "called" }, NULL), REQUEST_CROWDED);
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ 0 }, NULL), REQUEST_REPEATED);
    /* who is in can get out */
    assert_int_equal(edge_arrive(&edge, &(struct request_text){ .method = "CANCEL" }, NULL), REQUEST_CANCEL_MATCHED);
    assert_string_equal(request_outcome_name(REQUEST_CROWDED), "crowded");
    assert_string_equal(request_outcome_name(REQUEST_OUTCOME_NONE), "none");
    edge_stop(&edge);
}

static void test_unreadable_request(void **state)
{
    (void)state;
    struct edge edge = { 0 };
    struct server_transaction *server;
    edge_start(&edge);
    struct sip_message *message = edge_message("OPTIONS sip:x@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(transaction_layer_request(edge.layer, &(struct request_arrival){ .message = message }, &server),
        REQUEST_UNREADABLE);
    assert_null(server);
    sip_message_unref(message);
    message = edge_message("OPTIONS sip:x@example.com SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=1\r\n\r\n");
    assert_int_equal(transaction_layer_request(edge.layer, &(struct request_arrival){ .message = message }, &server),
        REQUEST_UNREADABLE);
    sip_message_unref(message);
    edge_stop(&edge);
}

static void test_worker_number_is_limited(void **state)
{
    (void)state;
    struct transaction_layer *layer = NULL;
    struct transaction_layer_settings settings = { .worker = 65536, .timers = TIMER_SETTINGS_DEFAULT };
    assert_int_equal(transaction_layer_new(&settings, NULL, NULL, 0, &layer), ERROR_LIMIT);
    assert_null(layer);
    transaction_layer_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invite_unreliable_without_ack),
        cmocka_unit_test(test_invite_unreliable_with_ack),
        cmocka_unit_test(test_invite_reliable),
        cmocka_unit_test(test_invite_accepted),
        cmocka_unit_test(test_other_gets_100_late),
        cmocka_unit_test(test_other_final),
        cmocka_unit_test(test_other_is_never_refused_late),
        cmocka_unit_test(test_response_that_cannot_be_sent),
        cmocka_unit_test(test_no_100_when_asked),
        cmocka_unit_test(test_to_tag),
        cmocka_unit_test(test_reply_takes_phrase_and_lines),
        cmocka_unit_test(test_what_makes_another_request),
        cmocka_unit_test(test_what_is_the_same_request),
        cmocka_unit_test(test_match_of_rfc_2543),
        cmocka_unit_test(test_ack_of_rfc_2543),
        cmocka_unit_test(test_ack_of_nothing),
        cmocka_unit_test(test_ack_before_final_changes_nothing),
        cmocka_unit_test(test_cancel_of_a_request_nobody_forwards_yet),
        cmocka_unit_test(test_cancel_without_effect),
        cmocka_unit_test(test_cancel_of_rfc_2543),
        cmocka_unit_test(test_too_many_are_refused),
        cmocka_unit_test(test_unreadable_request),
        cmocka_unit_test(test_worker_number_is_limited),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
