/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_random.c - rule: whatever comes in whatever order, the promises hold: a request has at most one final
 * answer, of a non-INVITE none after 64*T1; nothing is sent for what has ended; no event is illegal; everything ends.
 * The edge of transaction_edge.h checks each send; here the order is drawn, by a seed that a failure names. Half of
 * the worlds also call back from within operations.
 * TRANSACTION_SEED=n runs that one seed, TRANSACTION_SEEDS=n so many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"
#include "base/integer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS = 24, STEPS = 400, SEEDS = 300, TARGETS = 5 };

struct world {
    struct edge edge;
    struct call calls[CALLS];
    struct destination to[CALLS][TARGETS];
    struct destination more[CALLS]; /* added later */
    char names[CALLS][TARGETS + 1][8];
    bool was_forwarded[CALLS];
    unsigned call_count;
    unsigned depth; /* of meddling */
    uint64_t seed;
};

static unsigned draw(struct world *world, unsigned below)
{
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 7;
    world->seed ^= world->seed << 17;
    return (unsigned)(world->seed >> 33) % below;
}

static const char *const methods[] = { "INVITE", "INVITE", "INVITE", "OPTIONS", "MESSAGE", "NEWMETHOD" };

static struct request_text text_of(unsigned call)
{
    static char branch[40];
    /* every fourth is a client without the magic cookie */
    snprintf(branch, sizeof(branch), call % 4 == 3 ? "old-%u" : "z9hG4bK-%u", call);
    return (struct request_text){ .method = methods[call % ARRAY_SIZE(methods)], .branch = branch };
}

static void draw_destination(struct world *world, struct destination *to, char name[8], unsigned call, unsigned target)
{
    static const enum reason reasons[] = { REASON_NO_ADDRESS, REASON_NO_POLICY, REASON_DNS_FAILED };
    snprintf(name, 8, "%u.%u", call % 100, target % 10);
    *to = (struct destination){ .name = name, .group = draw(world, 3), .addresses = 1 + draw(world, 3),
        .is_slow = draw(world, 3) == 0, .is_quiet = draw(world, 3) == 0,
        .is_unreliable = draw(world, 2) == 0, .can_withdraw = draw(world, 2) == 0,
        .fails = draw(world, 8) == 0 ? reasons[draw(world, 3)] : REASON_NONE };
}

static void step_new_call(struct world *world)
{
    if (world->call_count == CALLS)
        return;
    unsigned i = world->call_count++;
    struct request_text text = text_of(i);
    assert_int_equal(edge_arrive(&world->edge, &text, &world->calls[i]), REQUEST_NEW);
}

static void step_forward(struct world *world, unsigned i)
{
    unsigned count = 1 + draw(world, TARGETS);
    if (world->was_forwarded[i])
        return;
    world->was_forwarded[i] = true; /* also for who meddles meanwhile */
    for (unsigned j = 0; j < count; j++)
        draw_destination(world, &world->to[i][j], world->names[i][j], i, j);
    struct response_context_options options = { .no_100 = draw(world, 4) == 0, .max_breadth = draw(world, 6) };
    int rc = edge_forward(&world->edge, &world->calls[i], world->to[i], count, &options);
    world->was_forwarded[i] = rc == 0;
    assert_true(rc == 0 || rc == ERROR_NOT_FOUND || rc == ERROR_STATE);
}

static void step_from_caller(struct world *world, unsigned i)
{
    static const char *const others[] = { NULL, NULL, "ACK", "CANCEL" };
    const char *method = others[draw(world, ARRAY_SIZE(others))];
    struct request_text text = text_of(i);
    struct call *call = &world->calls[i];
    char tag[64] = "";
    if (method != NULL)
        text.method = method;
    else if (server_transaction_find(world->edge.layer, call->server) == NULL)
        return; /* it would be a new request */
    if (method != NULL && strcmp(method, "ACK") == 0 && call->final.length != 0) {
        struct sip_message *final = NULL;
        struct sip_limits limits = SIP_LIMITS_DEFAULT;
        struct sip_defect defect;
        assert_int_equal(sip_message_parse(buffer_slice(&call->final), &limits, &final, &defect), 0);
        slice_to_string(sip_message_to_tag(final), tag, sizeof(tag));
        sip_message_unref(final);
        text.to_tag = tag;
    }
    enum request_outcome outcome = edge_arrive(&world->edge, &text, NULL);
    assert_true(outcome != REQUEST_NEW && outcome != REQUEST_REFUSED && outcome != REQUEST_UNREADABLE);
    if (method == NULL)
        assert_int_equal(outcome, REQUEST_REPEATED);
}

static struct destination *draw_destination_in_use(struct world *world, unsigned i)
{
    struct destination *to = draw(world, TARGETS + 1) == 0 ? &world->more[i] : &world->to[i][draw(world, TARGETS)];
    return to->edge != NULL ? to : NULL;
}

static void step_respond(struct world *world, unsigned i)
{
    static const unsigned statuses[] = { 100, 180, 183, 200, 202, 302, 401, 404, 407, 408, 486, 487, 500, 503, 503,
        600 };
    struct destination *to = draw_destination_in_use(world, i);
    if (to == NULL || to->attempt_count == 0)
        return;
    struct attempt *attempt = &to->attempts[draw(world, to->attempt_count)];
    if (attempt->bytes.length == 0)
        return;
    if (attempt->was_cancelled && draw(world, 3) == 0) {
        edge_respond_cancel(attempt);
        return;
    }
    edge_respond_attempt(attempt, statuses[draw(world, ARRAY_SIZE(statuses))], "bob",
        "WWW-Authenticate: Digest realm=\"x\"\r\n", NULL);
}

static void step_from_edge(struct world *world, unsigned i)
{
    struct destination *to = draw_destination_in_use(world, i);
    struct call *call = &world->calls[i];
    switch (draw(world, 10)) {
    case 0:
    case 1:
    case 2:
        if (to != NULL && to->branch.generation != 0 && to->attempt_count < TRIES)
            edge_place(to);
        break;
    case 3:
    case 4:
        if (to != NULL && to->attempt_count != 0)
            client_transaction_failed(world->edge.layer, to->attempts[draw(world, to->attempt_count)].handle,
                REASON_CONNECTION_LOST);
        break;
    case 5:
        if (to != NULL)
            branch_failed(world->edge.layer, to->branch, REASON_WRONG_IDENTITY);
        break;
    case 6:
        if (call->context_is_open && world->more[i].edge == NULL) {
            draw_destination(world, &world->more[i], world->names[i][TARGETS], i, TARGETS);
            (void)!edge_add(&world->edge, call, &world->more[i]);
        }
        break;
    case 7:
        if (call->context_is_open)
            response_context_resume(call->context);
        break;
    case 8:
        if (call->context_is_open && draw(world, 4) == 0)
            (void)!response_context_reply(call->context, REASON_LIMIT,
                &(struct local_reply){ .status = draw(world, 2) == 0 ? 486 : 200 });
        break;
    case 9:
        if (draw(world, 10) == 0)
            server_transaction_drop(world->edge.layer, call->server);
        else if (draw(world, 3) == 0)
            (void)!server_transaction_reply(world->edge.layer, call->server, &(struct local_reply){ .status = 404 });
        break;
    }
}

/* Within an operation: anything may be called but the passing of time. */
static void meddle(struct edge *edge)
{
    struct world *world = CONTAINER_OF(edge, struct world, edge);
    if (world->depth == 2 || world->call_count == 0 || draw(world, 5) != 0)
        return;
    world->depth++;
    unsigned i = draw(world, world->call_count);
    switch (draw(world, 5)) {
    case 0:
        step_new_call(world);
        break;
    case 1:
        step_forward(world, i);
        break;
    case 2:
        step_from_caller(world, i);
        break;
    case 3:
        step_respond(world, i);
        break;
    case 4:
        step_from_edge(world, i);
        break;
    }
    world->depth--;
}

static void step(struct world *world)
{
    unsigned what = draw(world, 20);
    world->edge.exhausted = draw(world, 4) == 0 ? EXHAUSTED_WAIT : EXHAUSTED_SEND;
    world->edge.send_fails = draw(world, 10) == 0;
    if (what < 2 || world->call_count == 0) {
        step_new_call(world);
        return;
    }
    unsigned i = draw(world, world->call_count);
    if (what < 5)
        step_forward(world, i);
    else if (what < 8)
        step_from_caller(world, i);
    else if (what < 14)
        step_respond(world, i);
    else if (what < 18)
        step_from_edge(world, i);
    else
        edge_pass(&world->edge, draw(world, 3) == 0 ? draw(world, 40000) : draw(world, 700));
}

/* Every waiting context is resumed, every request answered; then all timers run out. */
static void finish(struct world *world)
{
    world->edge.exhausted = EXHAUSTED_SEND;
    world->edge.send_fails = false;
    world->edge.meddle = NULL;
    for (unsigned i = 0; i < world->call_count; i++) {
        struct call *call = &world->calls[i];
        if (call->context_is_open)
            response_context_resume(call->context);
        else
            (void)!server_transaction_reply(world->edge.layer, call->server, &(struct local_reply){ .status = 404 });
    }
    edge_pass(&world->edge, 3000000);
    struct transaction_counts counts = transaction_layer_counts(world->edge.layer);
    assert_int_equal(counts.servers, 0);
    assert_int_equal(counts.clients, 0);
    assert_int_equal(counts.contexts, 0);
    assert_int_equal(counts.branches, 0);
    assert_int_equal(counts.illegal_events, 0);
    assert_true(transaction_layer_next_ms(world->edge.layer) == UINT64_MAX);
    for (unsigned i = 0; i < world->call_count; i++)
        assert_int_equal(world->calls[i].answers, world->was_forwarded[i] ? 1 : 0);
}

static void run_seed(uint64_t seed)
{
    static struct world world;
    world = (struct world){ .seed = seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };
    world.edge.is_silent = true;
    world.edge.is_unreliable = draw(&world, 2) == 0;
    world.edge.meddle = draw(&world, 2) == 0 ? meddle : NULL;
    edge_start(&world.edge);
    bool runs_out = draw(&world, 3) != 0; /* else the layer is freed in the midst of it */
    for (int i = 0; i < STEPS; i++)
        step(&world);
    if (runs_out)
        finish(&world);
    world.edge.meddle = NULL;
    edge_stop(&world.edge);
}

static uint64_t current_seed;

static uint64_t number_of(const char *name, uint64_t usual)
{
    uint64_t number = usual;
    const char *text = getenv(name);
    if (text != NULL)
        assert_int_equal(integer_parse(slice_of_string(text), UINT64_MAX, &number), 0);
    return number;
}

static void test_seeds(void **state)
{
    (void)state;
    uint64_t one = number_of("TRANSACTION_SEED", 0), last = number_of("TRANSACTION_SEEDS", SEEDS);
    if (one != 0) {
        run_seed(one);
        return;
    }
    for (current_seed = 1; current_seed <= last; current_seed++)
        run_seed(current_seed);
    current_seed = 0;
}

static int say_seed(void **state)
{
    (void)state;
    if (current_seed != 0)
        print_error("# TRANSACTION_SEED=%llu\n", (unsigned long long)current_seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_seeds, say_seed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
