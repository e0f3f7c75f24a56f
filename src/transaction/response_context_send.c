/* SPDX-License-Identifier: GPL-2.0-or-later */
/* response_context_send.c - what goes upstream: RFC 3261 16.7(3) and (5) to (10).
 * In:    responses of next hops, failures of our own. Out: one final response, through the server transaction.
 * When there is no memory for the final, it is tried again every T1; the request stays open until then.
 */
#include "transaction/best_response.h"
#include "transaction/transaction_private.h"

#include "base/error.h"
#include "base/never.h"
#include "sip/compose.h"
#include "sip/status.h"

enum { ATTEMPTS_MAX = 64 };

static struct branch *branch_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct branch, link);
}

/* Without our Via. LINES: further header lines. */
static int pass_on(struct response_context *context, struct sip_message *response, struct slice lines)
{
    struct transaction_layer *layer = context->layer;
    struct buffer bytes = transaction_output_take(layer);
    struct sip_response_edit edit = { .removes_top_via = true,
        .needs_content_length = context->server->base.is_reliable, .extra = { .lines = lines } };
    int rc = sip_compose_forwarded_response(&bytes, response, &edit);
    if (rc == 0)
        rc = server_transaction_send(layer, context->server, sip_message_status(response), buffer_slice(&bytes), NULL);
    transaction_output_give(layer, &bytes);
    return rc;
}

void response_context_forward(struct response_context *context, struct sip_message *response)
{
    unsigned status = sip_message_status(response);
    if (context->server == NULL || !context->is_invite)
        return; /* no 1xx to a non-INVITE (RFC 4320 4.1) */
    int rc = pass_on(context, response, SLICE_LITERAL(""));
    if (rc == 0 && status < 200 && context->ringing_ms == 0)
        context->ringing_ms = context->layer->now_ms;
}

/* ---- choice ---- */

static struct branch *best_branch(const struct response_context *context)
{
    struct branch *best = NULL;
    unsigned best_rank = 0;
    list_for_each(node, &context->branches) {
        struct branch *branch = branch_of(node);
        if (branch->final == 0)
            continue;
        unsigned rank = best_response_rank(branch->final, branch->response == NULL, context->is_cancelled);
        if (best == NULL || rank < best_rank) {
            best = branch;
            best_rank = rank;
        }
    }
    return best;
}

/* The last target that nothing could be sent to and that is quiet about it; NULL: there is none. */
static struct branch *unsent_branch(const struct response_context *context)
{
    struct branch *unsent = NULL;
    list_for_each(node, &context->branches)
        if (branch_of(node)->is_quiet)
            unsent = branch_of(node);
    return unsent;
}

struct choice {
    struct branch *branch; /* NULL: none has anything to say */
    unsigned status;       /* 0: nothing goes upstream */
    enum reason reason;
    bool is_local;
};

static struct choice choose(const struct response_context *context)
{
    struct branch *best = best_branch(context);
    if (best != NULL && best->response != NULL && best->final == 503)
        return (struct choice){ best, 500, REASON_NONE, true }; /* 16.7(6): it speaks of that hop alone */
    if (best != NULL)
        return (struct choice){ best, best->final, best->response != NULL ? REASON_NONE : best->reason,
            best->response == NULL };
    if (context->is_cancelled)
        return (struct choice){ NULL, 487, context->cancel_reason, true };
    struct branch *unsent = unsent_branch(context);
    if (unsent != NULL)
        return (struct choice){ unsent, 0, unsent->reason, true };
    /* An INVITE that times out has a 408 on each branch. */
    return (struct choice){ NULL, never(context->is_invite) ? 408 : 0, REASON_TIMEOUT, true };
}

/* ---- sending it ---- */

static bool is_challenge(unsigned status)
{
    return status == 401 || status == 407;
}

static void append_rows(struct buffer *lines, const struct sip_message *response, enum sip_header_id id)
{
    struct sip_header header;
    for (bool is = sip_header_first(response, id, &header); is; is = sip_header_next(response, &header))
        buffer_append_slice(lines, header.line);
}

/* 16.7(7): the challenges of all the other branches go along. */
static int pass_on_final(struct response_context *context, struct branch *best)
{
    struct buffer lines = BUFFER_EMPTY;
    list_for_each(node, &context->branches) {
        const struct branch *branch = branch_of(node);
        if (!is_challenge(best->final) || branch == best || branch->response == NULL || !is_challenge(branch->final))
            continue;
        append_rows(&lines, branch->response, SIP_HEADER_WWW_AUTHENTICATE);
        append_rows(&lines, branch->response, SIP_HEADER_PROXY_AUTHENTICATE);
    }
    int rc = lines.has_failed ? ERROR_MEMORY : pass_on(context, best->response, buffer_slice(&lines));
    buffer_free(&lines);
    return rc;
}

static int answer_locally(struct response_context *context, const struct choice *choice)
{
    struct transaction_layer *layer = context->layer;
    struct buffer lines = BUFFER_EMPTY;
    layer->ops->describe(layer->arg, context, choice->status, choice->reason, choice->branch, &lines);
    int rc = ERROR_STATE;
    if (context->server != NULL && !context->is_answered) {
        struct local_reply reply = { .status = choice->status,
            .lines = lines.has_failed ? SLICE_ABSENT : buffer_slice(&lines) };
        rc = server_transaction_answer(layer, context->server, &reply, NULL);
        if (rc == ERROR_SYNTAX) {
            reply.lines = SLICE_ABSENT;
            rc = server_transaction_answer(layer, context->server, &reply, NULL);
        }
    }
    buffer_free(&lines);
    return rc;
}

static void send_choice(struct response_context *context, const struct choice *choice)
{
    struct choice sent = *choice;
    int rc = sent.is_local ? answer_locally(context, &sent) : pass_on_final(context, sent.branch);
    /* What was read can be composed again, and a 408 to another request than INVITE was not offered (RFC 4320 4.2);
     * else the next hop has failed. */
    if (never(rc != 0 && rc != ERROR_MEMORY && !sent.is_local)) {
        sent = (struct choice){ sent.branch, 502, REASON_NONE, true };
        rc = answer_locally(context, &sent);
    }
    if (context->is_answered)
        return; /* by the edge, when it was asked */
    if (rc != 0 && context->server == NULL)
        return; /* then it said that the caller has gone, which is acted on next */
    if (rc == 0) {
        response_context_answered(context, sent.status, sent.reason, sent.branch);
    } else if (context->attempts++ < ATTEMPTS_MAX) {
        response_context_stop(context); /* the choice is made */
        response_context_try_later(context);
    } else {
        response_context_give_up(context, REASON_NO_MEMORY);
    }
}

/* True: the edge takes over, or has already. */
static bool is_left_to_edge(struct response_context *context, const struct choice *choice)
{
    struct transaction_layer *layer = context->layer;
    if (context->is_cancelled || context->is_stopped || context->is_resumed) /* stopped: by a 2xx or 6xx, too */
        return false;
    if (context->is_waiting)
        return true;
    uint32_t branch_count = context->branch_count;
    enum exhausted answer = layer->ops->exhausted(layer->arg, context, choice->status, choice->reason);
    if (context->is_answered || context->branch_count != branch_count)
        return true;
    context->is_waiting = answer == EXHAUSTED_WAIT && !context->is_resumed;
    return context->is_waiting;
}

void response_context_conclude(struct response_context *context)
{
    if (context->unsent != NULL)
        return;
    struct choice choice = choose(context);
    if (is_left_to_edge(context, &choice) || context->server == NULL)
        return;
    context->is_resumed = true; /* the edge is asked once */
    if (choice.status == 0 && choice.branch != NULL)
        response_context_stay_silent(context, choice.branch);
    else if (choice.status == 0)
        response_context_give_up(context, choice.reason);
    else
        send_choice(context, &choice);
}

/* ---- answered ---- */

void response_context_answered(struct response_context *context, unsigned status, enum reason reason,
    struct branch *branch)
{
    struct transaction_layer *layer = context->layer;
    struct response_summary summary = { .status = status, .reason = reason, .is_cancelled = context->is_cancelled,
        .branch = branch, .branch_count = context->branch_count, .started_ms = context->started_ms,
        .ringing_ms = context->ringing_ms, .answered_ms = layer->now_ms };
    context->is_answered = true;
    timer_wheel_stop(&layer->wheel, &context->timer);
    response_context_stop(context);
    layer->ops->answered(layer->arg, context, &summary);

    sip_message_unref(context->request);
    context->request = NULL;
    list_for_each(node, &context->branches) {
        sip_message_unref(branch_of(node)->response);
        branch_of(node)->response = NULL;
    }
    bool has_more_to_send = context->is_invite && sip_status_is_success(status);
    if (!has_more_to_send && context->server != NULL) {
        context->server->context = NULL;
        context->server = NULL;
    }
    response_context_mark(context);
}

/* Who was asked last and has not answered, for the record; NULL: nobody was asked. */
static struct branch *silent_branch(const struct response_context *context)
{
    struct branch *silent = NULL;
    list_for_each(node, &context->branches) {
        struct branch *branch = CONTAINER_OF(node, struct branch, link);
        if (branch->tries > 0 && branch->final == 0)
            silent = branch;
    }
    return silent;
}

void response_context_give_up(struct response_context *context, enum reason reason)
{
    struct server_transaction *server = context->server;
    struct branch *unsent = context->unsent;
    if (server != NULL) {
        server->context = NULL;
        context->server = NULL;
        transaction_event(context->layer, &server->base, EVENT_USER_DROP, &(struct event_input){ 0 });
    }
    if (unsent != NULL)
        response_context_answered(context, 0, unsent->reason, unsent);
    else
        response_context_answered(context, 0, reason, reason == REASON_TIMEOUT ? silent_branch(context) : NULL);
}
