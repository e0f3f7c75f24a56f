/* SPDX-License-Identifier: GPL-2.0-or-later */
/* response_context.c - groups of branches, one after another, and the end of a request; see response_context.h.
 * Events only change branches and mark the context; what follows from them is done in response_context_act(), when
 * the outermost call leaves the layer, so that no two things are done at once to one context.
 */
#include "transaction/response_context.h"

#include "transaction/transaction_private.h"

#include "base/error.h"
#include "base/never.h"

void response_context_mark(struct response_context *context)
{
    /* Of one that has ended nothing is left that could mark it. */
    if (always(!context->is_ended) && !list_holds(&context->marked))
        list_append(&context->layer->marked, &context->marked);
}

static struct branch *branch_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct branch, link);
}

/* ---- the end ---- */

static bool is_over(const struct response_context *context)
{
    if (!context->is_answered)
        return false;
    list_for_each(node, &context->branches)
        if (branch_of(node)->state != BRANCH_FINISHED || branch_of(node)->client != NULL)
            return false;
    return true;
}

static void end(struct response_context *context)
{
    struct transaction_layer *layer = context->layer;
    context->is_ended = true;
    timer_wheel_stop(&layer->wheel, &context->timer);
    if (context->server != NULL)
        context->server->context = NULL;
    context->server = NULL;
    list_remove(&context->marked);
    list_remove(&context->link);
    list_append(&layer->ended_contexts, &context->link);
}

void response_context_free(struct response_context *context)
{
    struct transaction_layer *layer = context->layer;
    struct list_node *node;
    while ((node = list_take_first(&context->branches)) != NULL)
        branch_free(branch_of(node));
    timer_wheel_stop(&layer->wheel, &context->timer);
    if (context->user != NULL)
        layer->ops->context_closed(layer->arg, context->user);
    layer->counts.contexts--;
    sip_message_unref(context->request);
    buffer_free(&context->cancel_lines);
    slab_give(layer->memory, context, sizeof(*context));
}

void response_context_lose_server(struct response_context *context, enum reason reason)
{
    context->server->context = NULL;
    context->server = NULL;
    context->lost_reason = reason;
    response_context_mark(context);
}

void response_context_stop(struct response_context *context)
{
    context->is_stopped = true;
    list_for_each(node, &context->branches)
        branch_cancel(branch_of(node));
}

/* ---- what is to be done ---- */

struct progress {
    uint32_t unfinished;
    uint32_t waiting; /* those of the group whose turn it is that have not started */
    uint32_t group;
    bool has_2xx;
};

static struct progress progress_of(const struct response_context *context)
{
    struct progress progress = { .group = UINT32_MAX };
    list_for_each(node, &context->branches) {
        const struct branch *branch = branch_of(node);
        if (branch->final != 0 && branch->final < 300)
            progress.has_2xx = true;
        if (branch->state == BRANCH_FINISHED)
            continue;
        if (progress.unfinished++ == 0 || branch->group < progress.group) {
            progress.group = branch->group;
            progress.waiting = 0;
        }
        if (branch->group == progress.group && branch->state == BRANCH_WAITING)
            progress.waiting++;
    }
    return progress;
}

/* Shares what is left of Max-Breadth among the waiting branches of the group; those that get none wait until a
 * running one ends (RFC 5393 5.3.3). */
static void start_group(struct response_context *context, const struct progress *progress)
{
    uint32_t left = context->max_breadth - context->breadth_used;
    uint32_t waiting = progress->waiting;
    list_for_each(node, &context->branches) {
        struct branch *branch = branch_of(node);
        if (waiting == 0 || left == 0 || context->is_stopped)
            return;
        if (branch->state != BRANCH_WAITING || branch->group != progress->group)
            continue;
        uint32_t share = left > waiting ? left / waiting : 1;
        left -= share;
        waiting--;
        branch_start(branch, share);
    }
}

void response_context_act(struct response_context *context)
{
    if (!context->is_answered) {
        struct progress progress = progress_of(context);
        if (context->server == NULL)
            response_context_give_up(context, context->lost_reason);
        else if (progress.has_2xx || progress.unfinished == 0)
            response_context_conclude(context);
        else if (progress.waiting > 0)
            start_group(context, &progress);
    }
    if (is_over(context))
        end(context);
}

/* ---- timer ---- */

/* T2 ahead of its end the best of what came for a non-INVITE goes upstream, though a branch is still silent: behind
 * the end nothing goes (RFC 4320 4.2). */
static uint64_t last_call_ms(const struct response_context *context)
{
    return context->deadline_ms - context->layer->settings.timers.t2_ms;
}

static bool has_final(const struct response_context *context)
{
    list_for_each(node, &context->branches)
        if (branch_of(node)->final != 0)
            return true;
    return false;
}

static void on_timer(void *arg, struct timer_node *node)
{
    struct transaction_layer *layer = arg;
    struct response_context *context = CONTAINER_OF(node, struct response_context, timer);
    if (context->unsent != NULL) {
        response_context_give_up(context, context->unsent->reason);
        return;
    }
    /* The answer stops this timer. */
    bool is_last_call = layer->now_ms >= last_call_ms(context);
    if (!context->is_invite && always(!context->is_answered) && is_last_call && has_final(context)) {
        context->is_resumed = true;
        response_context_conclude(context);
    }
    response_context_mark(context); /* memory may have run out when it was to be answered */
}

/* Called when the answer could not be made: in a while. */
void response_context_try_later(struct response_context *context)
{
    struct transaction_layer *layer = context->layer;
    timer_wheel_start(&layer->wheel, &context->timer, layer->now_ms + layer->settings.timers.t1_ms, on_timer);
}

/* For as long as a caller that got no 100 sends an INVITE again (Timer B). Of another request Timer F is the end. */
void response_context_stay_silent(struct response_context *context, struct branch *unsent)
{
    struct transaction_layer *layer = context->layer;
    context->unsent = unsent;
    response_context_stop(context);
    server_transaction_set_no_100(layer, context->server);
    timer_wheel_stop(&layer->wheel, &context->timer);
    if (context->is_invite)
        timer_wheel_start(&layer->wheel, &context->timer, layer->now_ms + timer_64_t1_ms(&layer->settings.timers),
            on_timer);
}

/* ---- start ---- */

static struct response_context *context_new(struct transaction_layer *layer, struct server_transaction *server,
    const struct response_context_options *options)
{
    struct response_context *context = slab_take_zeroed(layer->memory, sizeof(*context));
    if (context == NULL)
        return NULL;
    uint32_t max_breadth = options->max_breadth != 0 ? options->max_breadth : MAX_BREADTH_DEFAULT;
    context->layer = layer;
    context->server = server;
    context->request = sip_message_ref(server->request);
    context->user = options->user;
    list_init(&context->branches);
    context->started_ms = server->arrived_ms;
    context->deadline_ms = server->arrived_ms + timer_64_t1_ms(&layer->settings.timers);
    context->max_breadth = max_breadth;
    context->is_invite = server->method == SIP_METHOD_INVITE;
    list_append(&layer->contexts, &context->link);
    layer->counts.contexts++;
    return context;
}

/* Nothing happened: users stay the caller's. */
static void undo(struct response_context *context)
{
    list_for_each(node, &context->branches)
        branch_of(node)->user = NULL;
    context->user = NULL;
    list_remove(&context->link);
    response_context_free(context);
}

static bool may_start(const struct server_transaction *server, size_t target_count)
{
    return server->context == NULL && server->request != NULL && target_count > 0 &&
        server->method != SIP_METHOD_CANCEL &&
        (server->base.state == STATE_TRYING || server->base.state == STATE_PROCEEDING);
}

static void begin(struct response_context *context, const struct response_context_options *options)
{
    struct transaction_layer *layer = context->layer;
    struct server_transaction *server = context->server;
    server->context = context;
    if (options->no_100)
        server_transaction_set_no_100(layer, server);
    if (!context->is_invite) {
        timer_wheel_start(&layer->wheel, &context->timer, last_call_ms(context), on_timer);
    } else if (server->is_cancelled) {
        response_context_cancel(context, REASON_CANCELLED);
    } else {
        server_transaction_send_100(layer, server);
    }
    response_context_mark(context);
}

int response_context_start(struct transaction_layer *layer, struct transaction_handle handle,
    const struct target *targets, size_t target_count, const struct response_context_options *options,
    struct response_context **context_r)
{
    struct server_transaction *server = server_transaction_find(layer, handle);
    if (server == NULL)
        return ERROR_NOT_FOUND;
    if (!may_start(server, target_count))
        return ERROR_STATE;
    struct response_context *context = context_new(layer, server, options);
    if (context == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < target_count; i++) {
        struct branch *branch;
        int rc = branch_new(context, &targets[i], &branch);
        if (rc != 0) {
            undo(context);
            return rc;
        }
    }
    *context_r = context;
    transaction_enter(layer);
    begin(context, options);
    transaction_leave(layer);
    return 0;
}

/* ---- for the edge ---- */

int response_context_add(struct response_context *context, const struct target *target)
{
    struct branch *branch;
    if (context->is_answered || context->is_stopped)
        return ERROR_STATE;
    int rc = branch_new(context, target, &branch);
    if (rc != 0)
        return rc;
    context->is_waiting = context->is_resumed = false;
    transaction_enter(context->layer);
    response_context_mark(context);
    transaction_leave(context->layer);
    return 0;
}

void response_context_resume(struct response_context *context)
{
    if (context->is_answered)
        return;
    context->is_waiting = false;
    context->is_resumed = true;
    transaction_enter(context->layer);
    response_context_mark(context);
    transaction_leave(context->layer);
}

int response_context_reply(struct response_context *context, enum reason reason, const struct local_reply *reply)
{
    struct transaction_layer *layer = context->layer;
    if (context->is_answered || context->server == NULL || reply->status < 100 || reply->status > 699)
        return ERROR_STATE;
    transaction_enter(layer);
    int rc = server_transaction_answer(layer, context->server, reply, NULL);
    if (rc == 0 && reply->status >= 200)
        response_context_answered(context, reply->status, reason, NULL);
    transaction_leave(layer);
    return rc;
}

void response_context_cancel(struct response_context *context, enum reason reason)
{
    if (!context->is_invite || context->is_cancelled || context->is_answered)
        return; /* a non-INVITE cannot be cancelled (9.1) */
    transaction_enter(context->layer);
    context->is_cancelled = true;
    context->unsent = NULL;
    context->cancel_reason = reason;
    response_context_stop(context);
    response_context_mark(context);
    transaction_leave(context->layer);
}

/* RFC 3326: why the caller cancelled goes along. */
void response_context_upstream_cancel(struct response_context *context, const struct sip_message *cancel)
{
    struct sip_header header;
    if (!context->is_cancelled)
        for (bool is = sip_header_first(cancel, SIP_HEADER_REASON, &header); is; is = sip_header_next(cancel, &header))
            buffer_append_slice(&context->cancel_lines, header.line);
    response_context_cancel(context, REASON_CANCELLED);
}

void *response_context_user(const struct response_context *context)
{
    return context->user;
}

struct server_transaction *response_context_server(const struct response_context *context)
{
    return context->server;
}

struct sip_message *response_context_request(const struct response_context *context)
{
    return context->request;
}
