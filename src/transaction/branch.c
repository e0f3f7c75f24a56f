/* SPDX-License-Identifier: GPL-2.0-or-later */
/* branch.c - one target of a response context: its addresses one after another, Timer C, its CANCEL.
 * In:    what the edge says of the target, what the client transaction says of the address.
 * Out:   one final status, received or our own, or none; the context chooses among those.
 */
#include "transaction/best_response.h"
#include "transaction/transaction_private.h"

#include "base/error.h"
#include "base/never.h"

/* Addresses of one target: an edge that never runs out of them must not keep us busy for ever. */
enum { TRIES_MAX = 32, CANCEL_ATTEMPTS_MAX = 64 };

static struct transaction_layer *layer_of(const struct branch *branch)
{
    return branch->context->layer;
}

int branch_new(struct response_context *context, const struct target *target, struct branch **branch_r)
{
    struct transaction_layer *layer = context->layer;
    struct branch *branch = slab_take_zeroed(layer->memory, sizeof(*branch));
    if (branch == NULL)
        return ERROR_MEMORY;
    int rc = handle_table_add(&layer->handles, HANDLE_BRANCH, branch, &branch->handle);
    if (rc != 0) {
        slab_give(layer->memory, branch, sizeof(*branch));
        return rc;
    }
    branch->context = context;
    branch->user = target->user;
    branch->group = target->group;
    branch->is_quiet = target->is_quiet;
    branch->number = context->branch_count++;
    branch->state = BRANCH_WAITING;
    list_append(&context->branches, &branch->link);
    layer->counts.branches++;
    *branch_r = branch;
    return 0;
}

void branch_free(struct branch *branch)
{
    struct transaction_layer *layer = layer_of(branch);
    list_remove(&branch->link);
    timer_wheel_stop(&layer->wheel, &branch->timer);
    handle_table_remove(&layer->handles, branch->handle);
    /* A context is freed when its clients have ended, and one that is undone has none yet. */
    if (never(branch->client != NULL))
        branch->client->branch = NULL;
    if (branch->user != NULL)
        layer->ops->branch_closed(layer->arg, branch->user);
    layer->counts.branches--;
    sip_message_unref(branch->response);
    slab_give(layer->memory, branch, sizeof(*branch));
}

/* ---- the end of a branch ---- */

static void let_client_go(struct branch *branch)
{
    if (branch->client != NULL)
        branch->client->branch = NULL;
    branch->client = NULL;
}

static void drop_client(struct branch *branch)
{
    struct client_transaction *client = branch->client;
    let_client_go(branch);
    if (client != NULL)
        client_transaction_drop(layer_of(branch), client);
}

/* FINAL stands for the branch, unless what stands there already (a 503 of another address) is better. */
static void offer(struct branch *branch, unsigned final, enum reason reason, struct sip_message *response)
{
    bool is_cancelled = branch->context->is_cancelled;
    if (final == 0 || (branch->final != 0 &&
            best_response_rank(branch->final, branch->response == NULL, is_cancelled) <=
            best_response_rank(final, response == NULL, is_cancelled)))
        return;
    sip_message_unref(branch->response);
    branch->response = response != NULL ? sip_message_ref(response) : NULL;
    branch->final = (uint16_t)final;
    branch->reason = reason;
}

static void finish(struct branch *branch)
{
    timer_wheel_stop(&layer_of(branch)->wheel, &branch->timer);
    branch->context->breadth_used -= branch->breadth;
    branch->breadth = 0;
    branch->state = BRANCH_FINISHED;
    response_context_mark(branch->context);
}

/* What we answer ourselves for a failure. A non-INVITE that timed out is answered by nobody (RFC 4320 4.2). */
static unsigned status_of(const struct branch *branch, enum reason reason)
{
    unsigned status = reason_status(reason);
    if (status == 408 && !branch->context->is_invite)
        return 0;
    return status != 0 ? status : 500; /* REASON_LIST has failures, and 0 for none */
}

static void note_failure(struct branch *branch, enum reason reason)
{
    branch->is_quiet = branch->is_quiet && reason_is_of_sending(reason);
}

/* It has failed here. Of a cancelled request the answer is 487, whatever ended the branch. */
static void finish_failed(struct branch *branch, enum reason reason)
{
    const struct response_context *context = branch->context;
    branch->reason = reason;
    note_failure(branch, reason);
    if (context->is_cancelled)
        offer(branch, 487, context->cancel_reason, NULL);
    else if (!branch->is_quiet)
        offer(branch, status_of(branch, reason), reason, NULL);
    finish(branch);
}

/* ---- timer C and CANCEL ---- */

static void start_timer(struct branch *branch, uint32_t duration_ms);

/* The client transaction has a provisional response. When there is no memory for the CANCEL, try again soon, as long
 * as one that was sent would be waited for. */
static void send_cancel(struct branch *branch)
{
    struct transaction_layer *layer = layer_of(branch);
    branch->cancel_attempts++;
    int rc = client_transaction_cancel(layer, branch->client, buffer_slice(&branch->context->cancel_lines));
    branch->cancel_sent = rc == 0;
    start_timer(branch, rc == 0 ? timer_64_t1_ms(&layer->settings.timers) : layer->settings.timers.t1_ms);
}

/* Timer C of 16.8; or the end of waiting for a cancelled INVITE to answer (9.1). */
static void on_timer(void *arg, struct timer_node *node)
{
    struct transaction_layer *layer = arg;
    struct branch *branch = CONTAINER_OF(node, struct branch, timer);
    if (branch->state == BRANCH_PROCEEDING && !branch->cancel_sent && branch->cancel_attempts < CANCEL_ATTEMPTS_MAX) {
        branch->wants_cancel = true;
        if (branch->reason == REASON_NONE)
            branch->reason = REASON_TIMEOUT;
        send_cancel(branch);
        return;
    }
    bool is_starting = branch->state == BRANCH_STARTING;
    finish_failed(branch, REASON_TIMEOUT);
    drop_client(branch);
    if (is_starting)
        layer->ops->stop_branch(layer->arg, branch);
}

static void start_timer(struct branch *branch, uint32_t duration_ms)
{
    struct transaction_layer *layer = layer_of(branch);
    if (branch->state == BRANCH_FINISHED)
        return; /* by what was just sent */
    timer_wheel_start(&layer->wheel, &branch->timer, layer->now_ms + duration_ms, on_timer);
}

static void start_timer_c(struct branch *branch)
{
    if (branch->context->is_invite)
        start_timer(branch, layer_of(branch)->settings.timers.c_ms);
}

/* Nothing has left, or nothing will come. When it was not the caller who cancelled, it has no say in the answer. */
static void finish_cancelled(struct branch *branch)
{
    if (branch->context->is_cancelled)
        finish_failed(branch, branch->context->cancel_reason);
    else
        finish(branch);
}

static void cancel_trying(struct branch *branch)
{
    struct transaction_layer *layer = layer_of(branch);
    if (branch->wants_cancel)
        return;
    branch->wants_cancel = true; /* when a provisional comes (9.1) */
    /* What is being tried has its client: with that one it would begin anew or be over. */
    bool is_silent = always(branch->client != NULL) && branch->client->base.state == STATE_CALLING;
    if (is_silent && layer->ops->withdraw(layer->arg, branch->client) && branch->state == BRANCH_TRYING) {
        finish_cancelled(branch);
        drop_client(branch);
    }
}

void branch_cancel(struct branch *branch)
{
    struct transaction_layer *layer = layer_of(branch);
    bool is_invite = branch->context->is_invite;
    switch (branch->state) {
    case BRANCH_WAITING:
        finish(branch);
        break;
    case BRANCH_STARTING:
        finish_cancelled(branch);
        drop_client(branch);
        layer->ops->stop_branch(layer->arg, branch);
        break;
    case BRANCH_TRYING:
    case BRANCH_PROCEEDING:
        if (!is_invite) {
            if (branch->context->is_answered) { /* cannot be cancelled; what it answers is of no use */
                finish(branch);
                drop_client(branch);
            }
        } else if (branch->state == BRANCH_TRYING) {
            cancel_trying(branch);
        } else if (!branch->wants_cancel) {
            branch->wants_cancel = true;
            send_cancel(branch);
        }
        break;
    default: /* it is over */
        break;
    }
}

/* ---- what becomes of it ---- */

void branch_start(struct branch *branch, uint32_t breadth)
{
    struct transaction_layer *layer = layer_of(branch);
    branch->state = BRANCH_STARTING;
    branch->breadth = breadth;
    branch->context->breadth_used += breadth;
    start_timer_c(branch);
    layer->ops->start_branch(layer->arg, branch);
}

/* A client that can be placed is that of a branch that starts: of one that was cancelled it was dropped. */
void branch_placed(struct branch *branch)
{
    if (never(branch->state != BRANCH_STARTING))
        return;
    branch->state = BRANCH_TRYING;
    start_timer_c(branch);
}

/* True: the edge goes on with another address. */
static bool goes_on(struct branch *branch, enum reason reason, unsigned status)
{
    struct transaction_layer *layer = layer_of(branch);
    const struct response_context *context = branch->context;
    bool is_too_late = !context->is_invite && layer->now_ms >= context->deadline_ms;
    if (context->is_stopped || branch->wants_cancel || branch->tries >= TRIES_MAX || is_too_late)
        return false;
    branch->state = BRANCH_STARTING;
    bool has_next = layer->ops->next_address(layer->arg, branch, reason, status);
    /* The edge may have gone ahead within the call, or may have ended the branch itself. */
    return has_next || branch->state != BRANCH_STARTING || branch->client != NULL;
}

void branch_try_over(struct branch *branch, enum reason reason)
{
    bool had_response = branch->state == BRANCH_PROCEEDING;
    /* One that is over let its client go, or that one was answered 2xx and cannot fail. */
    if (never(branch->state == BRANCH_FINISHED))
        return;
    branch->reason = reason;
    if (reason != REASON_VERDICT_STALE) /* which is tried once more, and counts when it is the end */
        note_failure(branch, reason);
    if (!had_response && goes_on(branch, reason, 0))
        return;
    finish_failed(branch, reason);
}

void branch_client_gone(struct branch *branch)
{
    branch->client = NULL;
    response_context_mark(branch->context);
}

static void on_provisional(struct branch *branch, struct sip_message *response, unsigned status)
{
    if (branch->state == BRANCH_TRYING)
        branch->state = BRANCH_PROCEEDING;
    if (branch->wants_cancel && !branch->cancel_sent)
        send_cancel(branch);
    if (status == 100)
        return;
    if (!branch->wants_cancel)
        start_timer_c(branch); /* 16.7(2) */
    response_context_forward(branch->context, response);
}

/* A first 2xx is sent when the context acts; further ones, and repetitions, at once (16.7(5), RFC 6026 7.2). */
static void on_success(struct branch *branch, struct sip_message *response, unsigned status)
{
    struct response_context *context = branch->context;
    if (context->is_answered)
        response_context_forward(context, response);
    else
        offer(branch, status, REASON_NONE, response);
    if (branch->state != BRANCH_FINISHED)
        finish(branch);
    if (!context->is_invite)
        let_client_go(branch);
    context->is_stopped = true; /* what runs is cancelled when this has gone upstream (16.7(10)) */
    response_context_mark(context);
}

static void on_failure(struct branch *branch, struct sip_message *response, unsigned status)
{
    struct response_context *context = branch->context;
    let_client_go(branch);
    if (status != 408 || context->is_invite)
        offer(branch, status, REASON_NONE, response);
    if (status == 503 && goes_on(branch, REASON_NONE, status))
        return;
    /* One that is over let its client go, or that one was answered 2xx and takes no failure. */
    if (never(branch->state == BRANCH_FINISHED))
        return;
    finish(branch);
    if (status >= 600)
        response_context_stop(context);
}

void branch_response(struct branch *branch, struct client_transaction *client, struct sip_message *response)
{
    struct transaction_layer *layer = layer_of(branch);
    unsigned status = sip_message_status(response);
    branch->seen = (uint16_t)status;
    branch->is_quiet = false;
    layer->ops->response_seen(layer->arg, branch, response);
    if (branch->client != client)
        return; /* the edge has ended it */
    if (status < 200)
        on_provisional(branch, response, status);
    else if (status < 300)
        on_success(branch, response, status);
    else
        on_failure(branch, response, status);
}

/* ---- for the edge ---- */

struct transaction_handle branch_handle(const struct branch *branch)
{
    return branch->handle;
}

struct branch *branch_find(struct transaction_layer *layer, struct transaction_handle handle)
{
    return handle_table_find(&layer->handles, HANDLE_BRANCH, handle);
}

void *branch_user(const struct branch *branch)
{
    return branch->user;
}

struct response_context *branch_context(const struct branch *branch)
{
    return branch->context;
}

uint32_t branch_number(const struct branch *branch)
{
    return branch->number;
}

uint32_t branch_tries(const struct branch *branch)
{
    return branch->tries;
}

uint32_t branch_max_breadth(const struct branch *branch)
{
    return branch->breadth;
}

unsigned branch_status(const struct branch *branch)
{
    return branch->seen;
}

enum reason branch_reason(const struct branch *branch)
{
    return branch->reason;
}

int branch_try(struct transaction_layer *layer, struct transaction_handle handle, const struct try_request *request,
    struct client_transaction **client_r)
{
    struct branch *branch = branch_find(layer, handle);
    if (branch == NULL)
        return ERROR_NOT_FOUND;
    if (branch->state != BRANCH_STARTING || branch->client != NULL)
        return ERROR_STATE;
    if (never(branch->tries >= TRIES_MAX)) /* goes_on() ended it at as many */
        return ERROR_LIMIT;
    enum sip_method method = branch->context->is_invite ? SIP_METHOD_INVITE
                                                        : sip_message_method(branch->context->request);
    int rc = client_transaction_new(layer, branch, method, request, &branch->client);
    if (rc != 0)
        return rc;
    branch->tries++;
    branch->seen = 0;
    *client_r = branch->client;
    return 0;
}

void branch_failed(struct transaction_layer *layer, struct transaction_handle handle, enum reason reason)
{
    struct branch *branch = branch_find(layer, handle);
    if (branch == NULL || branch->state != BRANCH_STARTING)
        return;
    transaction_enter(layer);
    finish_failed(branch, reason);
    drop_client(branch);
    transaction_leave(layer);
}

void branch_passed_over(struct transaction_layer *layer, struct transaction_handle handle, enum reason reason)
{
    struct branch *branch = branch_find(layer, handle);
    if (branch != NULL)
        note_failure(branch, reason);
}
