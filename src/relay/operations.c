/* SPDX-License-Identifier: GPL-2.0-or-later */
/* operations.c - what the transaction layer asks of the edge; see transaction/layer.h. */
#include "base/error.h"
#include "relay/held.h"

static void send_response(void *arg, struct server_transaction *server, struct slice bytes, void *hop)
{
    struct worker *worker = arg;
    const struct upstream *upstream = hop != NULL ? hop : server_transaction_user(server);
    bool is_sent = false;
    if (upstream != NULL)
        transmit_to_upstream(worker, upstream, bytes, &is_sent);
    if (is_sent)
        return;
    const struct sip_message *request = server_transaction_request(server);
    transmit_undeliverable(worker, "response", request != NULL ? sip_message_call_id(request) : SLICE_ABSENT,
        upstream != NULL ? &upstream->source : NULL);
    server_transaction_send_failed(worker->layer, server_transaction_handle(server));
}

void worker_send_again(struct worker *worker, struct transaction_handle handle, enum client_send what,
    struct slice bytes)
{
    const struct client_transaction *client = client_transaction_find(worker->layer, handle);
    const struct hop *hop = client != NULL ? client_transaction_user(client) : NULL;
    if (hop == NULL)
        return; /* it is over, and nobody waits for anything */
    const struct branch *branch = branch_find(worker->layer, hop->branch); /* of an ACK it is over, and still there */
    struct relay_step *step = branch != NULL ? branch_user(branch) : NULL;
    if (step != NULL && t_relay_send_again(step, hop, bytes))
        return;
    transmit_undeliverable(worker, what == CLIENT_SEND_CANCEL ? "CANCEL" : "ACK",
        step != NULL ? sip_message_call_id(step->exchange->request) : SLICE_ABSENT, &hop->target);
}

/* An ACK is not made twice: without memory it is tried on what connection it finds, or goes nowhere, with a word. */
static bool send_request(void *arg, struct client_transaction *client, enum client_send what, struct slice bytes)
{
    struct worker *worker = arg;
    const struct hop *hop = client_transaction_user(client);
    struct transaction_handle handle = client_transaction_handle(client);
    int rc = hop != NULL ? transmit_on_hop(worker, hop, handle, what, bytes) : 0;
    if (rc == ERROR_MEMORY && what == CLIENT_SEND_CANCEL)
        return false;
    if (rc != 0)
        worker_send_again(worker, handle, what, bytes);
    return true;
}

static void start_branch(void *arg, struct branch *branch)
{
    (void)arg;
    struct relay_step *step = branch_user(branch);
    step->branch = branch_handle(branch);
    t_relay_start(step);
}

static bool next_address(void *arg, struct branch *branch, enum reason reason, unsigned status)
{
    (void)arg;
    (void)status;
    if (reason == REASON_TIMEOUT)
        held_silent(branch_user(branch));
    return t_relay_next_address(branch_user(branch), reason);
}

static void stop_branch(void *arg, struct branch *branch)
{
    (void)arg;
    struct relay_step *step = branch_user(branch);
    locate_cancel(step->locating);
    step->locating = NULL;
}

static bool withdraw(void *arg, struct client_transaction *client)
{
    (void)arg;
    const struct hop *hop = client_transaction_user(client);
    return hop != NULL && hop->placement != NULL && placement_withdraw(hop->placement);
}

static void response_seen(void *arg, struct branch *branch, struct sip_message *response)
{
    struct worker *worker = arg;
    held_heard(branch_user(branch));
    if (sip_message_status(response) == 503)
        held_unavailable(branch_user(branch), response);
    atomic_fetch_add_explicit(&worker->counts.responses, 1, memory_order_relaxed);
}

static enum exhausted exhausted(void *arg, struct response_context *context, unsigned status, enum reason reason)
{
    (void)arg;
    (void)context;
    (void)status;
    (void)reason;
    return EXHAUSTED_SEND;
}

static void describe(void *arg, struct response_context *context, unsigned status, enum reason reason,
    struct branch *branch, struct buffer *lines)
{
    (void)context;
    const struct relay_step *step = branch != NULL ? branch_user(branch) : NULL;
    if (reason != REASON_NONE && reason != REASON_CANCELLED)
        append_warning(arg, reason, step != NULL ? step->why.text : NULL, lines);
    if (status == 503)
        buffer_append_string(lines, "Retry-After: 5\r\n");
}

static void answered(void *arg, struct response_context *context, const struct response_summary *summary)
{
    (void)arg;
    struct exchange *exchange = response_context_user(context);
    struct relay_step *step = summary->branch != NULL ? branch_user(summary->branch) : NULL;
    enum reason reason = summary->reason;
    if (step != NULL && reason == REASON_TIMEOUT)
        held_silent(step);
    exchange_account(exchange, step, summary->status, reason,
        reason != REASON_NONE && step != NULL ? step->why.text : NULL);
}

static void server_closed(void *arg, void *user)
{
    upstream_let_go(arg, user);
}

static void client_closed(void *arg, void *user)
{
    (void)arg;
    hop_free(user);
}

static void branch_closed(void *arg, void *user)
{
    (void)arg;
    relay_step_free(user);
}

static void context_closed(void *arg, void *user)
{
    (void)arg;
    exchange_unref(user);
}

static void trace(void *arg, enum machine machine, struct transaction_handle handle, enum transaction_state state,
    enum transaction_event event, enum transaction_state next)
{
    struct worker *worker = arg;
    const struct log_scope *scope = next == STATE_NONE ? &worker->strangers : &worker->scope;
    log_event(scope, next == STATE_NONE ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG,
        next == STATE_NONE ? LOG_EVENT_ILLEGAL_EVENT : LOG_EVENT_TRANSACTION_STEP,
        LOG_STRING("machine", machine_name(machine)), LOG_UNSIGNED("transaction", handle.generation),
        LOG_STRING("state", transaction_state_name(state)), LOG_STRING("on", transaction_event_name(event)),
        LOG_STRING("next", transaction_state_name(next)));
}

const struct transaction_ops *worker_operations(void)
{
    static const struct transaction_ops operations = {
        .send_response = send_response,
        .send_request = send_request,
        .start_branch = start_branch,
        .next_address = next_address,
        .stop_branch = stop_branch,
        .withdraw = withdraw,
        .response_seen = response_seen,
        .exhausted = exhausted,
        .describe = describe,
        .answered = answered,
        .server_closed = server_closed,
        .client_closed = client_closed,
        .branch_closed = branch_closed,
        .context_closed = context_closed,
        .trace = trace,
    };
    return &operations;
}
