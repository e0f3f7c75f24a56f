/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_edge.c - the made-up edge of transaction_edge.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_edge.h"

#include "base/error.h"
#include "sip/compose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void PRINTF_LIKE(2, 3) note(struct edge *edge, const char *format, ...)
{
    char line[300];
    va_list arguments;
    if (edge->is_silent)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (edge->logs_time)
        buffer_append_format(&edge->log, "[%llu] ", (unsigned long long)(edge->now_ms - EDGE_START_MS));
    buffer_append_format(&edge->log, "%s\n", line);
}

struct sip_message *edge_message(const char *text)
{
    struct sip_message *message = NULL;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_defect defect;
    int rc = sip_message_parse(slice_of_string(text), &limits, &message, &defect);
    if (rc == ERROR_MEMORY)
        return NULL;
    assert_int_equal(rc, 0);
    return message;
}

static void forget_list(struct buffer *list)
{
    if (list->data != NULL)
        munmap(list->data, list->capacity);
    list->data = NULL;
}

/* Not by malloc(), which the tests make fail. */
static void enroll(struct buffer *list, void *pointer)
{
    if (list->length + sizeof(pointer) > list->capacity) {
        size_t capacity = list->capacity * 2 + 256 * sizeof(pointer);
        char *data = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(data != MAP_FAILED);
        if (list->length != 0)
            memcpy(data, list->data, list->length);
        forget_list(list);
        list->data = data;
        list->capacity = capacity;
    }
    memcpy(list->data + list->length, &pointer, sizeof(pointer));
    list->length += sizeof(pointer);
}

/* The status of the message; *LAST_R becomes that message. */
static unsigned remember(struct sip_message **last_r, struct slice bytes)
{
    struct sip_message *message = NULL;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_defect defect;
    int rc = sip_message_parse(bytes, &limits, &message, &defect);
    if (rc == ERROR_MEMORY) {
        uint64_t status = 0;
        assert_true(bytes.length > 12);
        for (size_t i = 8; i < 11; i++)
            status = status * 10 + (uint64_t)(bytes.data[i] - '0');
        return (unsigned)status;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(sip_message_bytes(message).length, bytes.length);
    sip_message_unref(*last_r);
    *last_r = message;
    return sip_message_status(message);
}

static int add(struct edge *edge, struct response_context *context, struct destination *to);

static void meddle(struct edge *edge)
{
    if (edge->meddle != NULL)
        edge->meddle(edge);
}

/* ---- operations ---- */

/* What may go upstream, after what went before. */
static void check_response(const struct edge *edge, struct call *call, unsigned status, struct slice bytes)
{
    assert_true(call->server_is_open);
    bool is_first_final = status >= 200 && call->finals == 0 && !call->has_2xx;
    if (!call->is_invite) {
        assert_true(status == 100 || (status >= 200 && status != 408));
        assert_true(!is_first_final || edge->now_ms - call->arrived_ms <= timer_64_t1_ms(&edge->timers));
    }
    if (status < 200) {
        assert_int_equal(call->finals, 0);
        assert_false(call->has_2xx);
    } else if (call->is_invite && status < 300) {
        assert_int_equal(call->finals, 0);
        call->has_2xx = true;
    } else {
        assert_false(call->has_2xx);
        assert_true(edge->is_unreliable || call->is_invite || call->finals == 0);
        call->finals++; /* sent once, or repeated as it was */
        if (call->final.length == 0)
            buffer_append_slice(&call->final, bytes);
        else
            assert_true(slice_equal(buffer_slice(&call->final), bytes));
    }
}

static void op_send_response(void *arg, struct server_transaction *server, struct slice bytes, void *hop)
{
    struct edge *edge = arg;
    struct call *call = server_transaction_user(server);
    unsigned status = remember(&edge->up, bytes);
    edge->hop = hop;
    note(edge, "U %u", status);
    assert_true(server_transaction_state(server) != STATE_TERMINATED);
    if (call != NULL)
        check_response(edge, call, status, bytes);
    struct transaction_handle handle = edge->answering = server_transaction_handle(server);
    meddle(edge);
    if (edge->send_fails)
        server_transaction_send_failed(edge->layer, handle);
}

static bool op_send_request(void *arg, struct client_transaction *client, enum client_send what, struct slice bytes)
{
    static const char *const words[] = { "none", "again", "ack", "cancel" };
    struct edge *edge = arg;
    struct attempt *attempt = client_transaction_user(client);
    assert_non_null(attempt);
    assert_true(attempt->is_open);
    assert_true(attempt->bytes.length != 0);
    assert_true(transaction_handle_equal(attempt->handle, client_transaction_handle(client)));
    if (what == CLIENT_SEND_CANCEL && edge->cancels_fail > 0) {
        edge->cancels_fail--;
        note(edge, "%s.%u has no memory for cancel", attempt->to->name, attempt->number);
        return false;
    }
    remember(&edge->down, bytes);
    if (what == CLIENT_SEND_ACK) {
        assert_true(attempt->has_failure);
    } else if (what == CLIENT_SEND_CANCEL) {
        assert_true(attempt->has_provisional);
        assert_true(attempt->to->is_unreliable || !attempt->was_cancelled);
        attempt->was_cancelled = true;
    } else {
        assert_true(attempt->to->is_unreliable);
        assert_true(slice_equal(bytes, buffer_slice(&attempt->bytes)));
    }
    note(edge, "%s.%u %s", attempt->to->name, attempt->number, words[what]);
    meddle(edge);
    return true;
}

static void op_start_branch(void *arg, struct branch *branch)
{
    struct edge *edge = arg;
    struct destination *to = branch_user(branch);
    to->edge = edge;
    to->branch = branch_handle(branch);
    to->max_breadth = branch_max_breadth(branch);
    to->address = 1;
    note(edge, "start %s", to->name);
    meddle(edge);
    if (to->fails != REASON_NONE)
        branch_failed(edge->layer, to->branch, to->fails);
    else if (!to->is_slow && edge_place(to) == ERROR_MEMORY)
        branch_failed(edge->layer, to->branch, REASON_NO_MEMORY);
}

static bool op_next_address(void *arg, struct branch *branch, enum reason reason, unsigned status)
{
    struct edge *edge = arg;
    struct destination *to = branch_user(branch);
    if (status != 0)
        note(edge, "next %s %u", to->name, status);
    else
        note(edge, "next %s %s", to->name, reason_word(reason));
    meddle(edge);
    if (to->address >= (to->addresses != 0 ? to->addresses : 1))
        return false;
    to->address++;
    if (!to->is_slow && edge_place(to) == ERROR_MEMORY)
        branch_failed(edge->layer, to->branch, REASON_NO_MEMORY);
    return true;
}

static void op_stop_branch(void *arg, struct branch *branch)
{
    struct destination *to = branch_user(branch);
    note(arg, "stop %s", to->name);
    meddle(arg);
}

static bool op_withdraw(void *arg, struct client_transaction *client)
{
    struct attempt *attempt = client_transaction_user(client);
    note(arg, "withdraw %s.%u", attempt->to->name, attempt->number);
    meddle(arg);
    return attempt->to->can_withdraw;
}

static void op_response_seen(void *arg, struct branch *branch, struct sip_message *response)
{
    assert_int_equal(branch_status(branch), sip_message_status(response));
    meddle(arg);
}

static enum exhausted op_exhausted(void *arg, struct response_context *context, unsigned status, enum reason reason)
{
    struct edge *edge = arg;
    note(edge, "exhausted %u %s", status, reason_word(reason));
    struct destination *added = edge->added;
    edge->added = NULL;
    if (added != NULL)
        (void)!add(edge, context, added);
    meddle(edge);
    return edge->exhausted;
}

static void op_describe(void *arg, struct response_context *context, unsigned status, enum reason reason,
    struct branch *branch, struct buffer *lines)
{
    struct edge *edge = arg;
    (void)context, (void)status, (void)branch, (void)reason;
    if (edge->lines != NULL)
        buffer_append_string(lines, edge->lines);
    meddle(edge);
}

static void op_answered(void *arg, struct response_context *context, const struct response_summary *summary)
{
    struct call *call = response_context_user(context);
    const struct destination *to = summary->branch != NULL ? branch_user(summary->branch) : NULL;
    call->answers++;
    call->summary = *summary;
    assert_int_equal(call->answers, 1);
    assert_non_null(response_context_request(context));
    note(arg, "answered %u %s %s%s", summary->status, reason_word(summary->reason), to != NULL ? to->name : "-",
        summary->is_cancelled ? " cancelled" : "");
}

static void op_server_closed(void *arg, void *user)
{
    struct call *call = user;
    assert_true(call->server_is_open);
    call->server_is_open = false;
    meddle(arg);
}

static void op_client_closed(void *arg, void *user)
{
    struct attempt *attempt = user;
    assert_true(attempt->is_open);
    attempt->is_open = false;
    meddle(arg);
}

static void op_branch_closed(void *arg, void *user)
{
    struct destination *to = user;
    assert_true(to->was_given);
    assert_false(to->is_closed);
    to->is_closed = true;
    meddle(arg);
}

static void op_context_closed(void *arg, void *user)
{
    struct call *call = user;
    assert_true(call->context_is_open);
    call->context_is_open = false;
    call->context = NULL;
    meddle(arg);
}

static void op_trace(void *arg, enum machine machine, struct transaction_handle handle, enum transaction_state state,
    enum transaction_event event, enum transaction_state next)
{
    struct edge *edge = arg;
    assert_int_equal(handle.worker, edge->worker);
    if (next == STATE_NONE)
        print_error("# illegal: %s %s %s\n", machine_name(machine), transaction_state_name(state),
            transaction_event_name(event));
    if (edge->logs_steps)
        note(edge, "step %s %s %s %s", machine_name(machine), transaction_state_name(state),
            transaction_event_name(event), transaction_state_name(next));
}

static const struct transaction_ops operations = {
    .send_response = op_send_response,
    .send_request = op_send_request,
    .start_branch = op_start_branch,
    .next_address = op_next_address,
    .stop_branch = op_stop_branch,
    .withdraw = op_withdraw,
    .response_seen = op_response_seen,
    .exhausted = op_exhausted,
    .describe = op_describe,
    .answered = op_answered,
    .server_closed = op_server_closed,
    .client_closed = op_client_closed,
    .branch_closed = op_branch_closed,
    .context_closed = op_context_closed,
    .trace = op_trace,
};

/* ---- the test's side ---- */

void edge_start(struct edge *edge)
{
    if (edge->timers.t1_ms == 0)
        edge->timers = TIMER_SETTINGS_DEFAULT;
    edge->now_ms = EDGE_START_MS;
    struct transaction_layer_settings settings = { .worker = edge->worker, .max_servers = edge->max_servers,
        .hash_seed = edge->hash_seed != 0 ? edge->hash_seed : 42, .timers = edge->timers,
        .secret = { { 9, 8, 7, 6, 5, 4, 3, 2, 1 } } };
    assert_int_equal(transaction_layer_new(&settings, &operations, edge, edge->now_ms, &edge->layer), 0);
}

void edge_stop(struct edge *edge)
{
    transaction_layer_free(edge->layer);
    edge->layer = NULL;
    sip_message_unref(edge->up);
    sip_message_unref(edge->down);
    edge->up = edge->down = NULL;
    buffer_free(&edge->log);
    for (size_t at = 0; at < edge->calls.length; at += sizeof(struct call *)) {
        struct call *call;
        memcpy(&call, edge->calls.data + at, sizeof(call));
        assert_false(call->server_is_open);
        assert_false(call->context_is_open);
        buffer_free(&call->final);
    }
    for (size_t at = 0; at < edge->destinations.length; at += sizeof(struct destination *)) {
        struct destination *to;
        memcpy(&to, edge->destinations.data + at, sizeof(to));
        assert_true(to->is_closed == to->was_given);
        for (unsigned i = 0; i < to->attempt_count; i++) {
            assert_false(to->attempts[i].is_open);
            buffer_free(&to->attempts[i].bytes);
        }
    }
    forget_list(&edge->calls);
    forget_list(&edge->destinations);
    edge->calls = edge->destinations = BUFFER_EMPTY;
}

static const char *or_else(const char *text, const char *usual)
{
    return text != NULL ? text : usual;
}

struct sip_message *edge_request(const struct request_text *text)
{
    static char out[4000];
    const char *method = or_else(text->method, "INVITE");
    const char *to_tag = or_else(text->to_tag, "");
    snprintf(out, sizeof(out),
        "%s %s SIP/2.0\r\n"
        "Via: SIP/2.0/TLS %s;branch=%s\r\n"
        "Max-Forwards: 70\r\n"
        "From: <sip:alice@up.example>;tag=%s\r\n"
        "To: <sip:bob@example.com>%s%s\r\n"
        "Call-ID: %s\r\n"
        "CSeq: %u %s\r\n"
        "%s"
        "Content-Length: 0\r\n\r\n",
        method, or_else(text->uri, "sip:bob@example.com"), or_else(text->sent_by, "up.example"),
        or_else(text->branch, "z9hG4bK-up"), or_else(text->from_tag, "caller"), to_tag[0] != '\0' ? ";tag=" : "",
        to_tag, or_else(text->call_id, "call@up.example"), text->cseq != 0 ? text->cseq : 1, method,
        or_else(text->lines, ""));
    return edge_message(out);
}

enum request_outcome edge_arrive(struct edge *edge, const struct request_text *text, struct call *call)
{
    struct sip_message *message = edge_request(text);
    if (message == NULL)
        return REQUEST_REFUSED; /* no memory, as a real edge would say */
    struct server_transaction *server;
    struct request_arrival arrival = { .message = message, .is_reliable = !edge->is_unreliable, .hop = text->hop,
        .origin = slice_of_string(or_else(text->origin, "peer-up")) };
    enum request_outcome outcome = transaction_layer_request(edge->layer, &arrival, &server);
    if (outcome == REQUEST_NEW) {
        assert_non_null(call);
        assert_non_null(server);
        *call = (struct call){ .edge = edge, .server = server_transaction_handle(server), .server_is_open = true,
            .is_invite = server_transaction_is_invite(server), .arrived_ms = edge->now_ms };
        server_transaction_set_user(server, call);
        enroll(&edge->calls, call);
    }
    sip_message_unref(message);
    return outcome;
}

int edge_forward_list(struct edge *edge, struct call *call, struct destination **to, size_t count,
    const struct response_context_options *options)
{
    struct target targets[DESTINATIONS];
    struct response_context_options usual = { 0 };
    assert_true(count <= DESTINATIONS);
    for (size_t i = 0; i < count; i++) {
        targets[i] = (struct target){ .user = to[i], .group = to[i]->group, .is_quiet = to[i]->is_quiet };
        to[i]->edge = edge;
        to[i]->was_given = true;
        enroll(&edge->destinations, to[i]);
    }
    if (options != NULL)
        usual = *options;
    usual.user = call;
    call->context_is_open = true;
    struct response_context *before = call->context;
    int rc = response_context_start(edge->layer, call->server, targets, count, &usual, &call->context);
    if (rc != 0) {
        assert_ptr_equal(call->context, before);
        call->context_is_open = before != NULL;
        for (size_t i = 0; i < count; i++)
            to[i]->was_given = false;
    }
    return rc;
}

int edge_forward(struct edge *edge, struct call *call, struct destination *to, size_t count,
    const struct response_context_options *options)
{
    struct destination *list[DESTINATIONS];
    assert_true(count <= DESTINATIONS);
    for (size_t i = 0; i < count; i++)
        list[i] = &to[i];
    return edge_forward_list(edge, call, list, count, options);
}

static int add(struct edge *edge, struct response_context *context, struct destination *to)
{
    enroll(&edge->destinations, to);
    to->edge = edge;
    to->was_given = true;
    const struct target target = { .user = to, .group = to->group, .is_quiet = to->is_quiet };
    int rc = response_context_add(context, &target);
    to->was_given = rc == 0;
    return rc;
}

int edge_add(struct edge *edge, struct call *call, struct destination *to)
{
    return add(edge, call->context, to);
}

static struct attempt *last_attempt(struct destination *to)
{
    assert_true(to->attempt_count > 0);
    return &to->attempts[to->attempt_count - 1];
}

int edge_try(struct destination *to)
{
    struct edge *edge = to->edge;
    struct client_transaction *client = NULL;
    assert_true(to->attempt_count < TRIES);
    struct attempt *attempt = &to->attempts[to->attempt_count];
    struct try_request request = { .user = attempt, .loop_hash = 77, .is_reliable = !to->is_unreliable,
        .origin = slice_of_string(to->origin) };
    int rc = branch_try(edge->layer, to->branch, &request, &client);
    if (rc != 0)
        return rc;
    *attempt = (struct attempt){ .to = to, .handle = client_transaction_handle(client), .is_open = true,
        .number = ++to->attempt_count };
    client_transaction_branch_id(edge->layer, client, attempt->branch);
    return 0;
}

int edge_hand_over(struct destination *to)
{
    struct edge *edge = to->edge;
    struct attempt *attempt = last_attempt(to);
    struct client_transaction *client = client_transaction_find(edge->layer, attempt->handle);
    if (client == NULL)
        return ERROR_NOT_FOUND;
    struct branch *branch = client_transaction_branch(client);
    if (branch == NULL)
        return ERROR_STATE;
    char via[200];
    snprintf(via, sizeof(via), "SIP/2.0/%s relay.example;branch=%s", to->is_unreliable ? "UDP" : "TLS",
        attempt->branch);
    struct sip_message *request = response_context_request(branch_context(branch));
    struct sip_request_edit edit = { .via = slice_of_string(via), .sets_max_forwards = true, .max_forwards = 69,
        .needs_content_length = true };
    struct buffer bytes = BUFFER_EMPTY;
    int rc = sip_compose_request(&bytes, request, &edit);
    if (rc == 0)
        rc = client_transaction_placed(edge->layer, attempt->handle, buffer_slice(&bytes));
    if (rc == 0) {
        struct slice method = sip_message_method_text(request);
        note(edge, "%s.%u %.*s", to->name, attempt->number, SLICE_PRINT(method));
        buffer_append_slice(&attempt->bytes, buffer_slice(&bytes));
        if (attempt->bytes.has_failed)
            rc = ERROR_MEMORY;
    }
    if (rc == ERROR_MEMORY)
        client_transaction_failed(edge->layer, attempt->handle, REASON_NO_MEMORY);
    buffer_free(&bytes);
    return rc;
}

int edge_place(struct destination *to)
{
    int rc = edge_try(to);
    if (rc == 0)
        (void)!edge_hand_over(to); /* what failed there has been told already */
    return rc;
}

enum response_outcome edge_respond_attempt(struct attempt *attempt, unsigned status, const char *to_tag,
    const char *lines, const char *origin)
{
    struct edge *edge = attempt->to->edge;
    struct sip_message *request = NULL, *response = NULL;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_defect defect;
    struct buffer bytes = BUFFER_EMPTY;
    enum response_outcome outcome = RESPONSE_OUTCOME_NONE;
    assert_true(attempt->bytes.length > 0);
    attempt->has_provisional |= status < 200;
    attempt->has_failure |= status >= 300;
    struct sip_local_response edit = { .status = status, .to_tag = slice_of_string(to_tag),
        .lines = slice_of_string(or_else(lines, "")) };
    if (sip_message_parse(buffer_slice(&attempt->bytes), &limits, &request, &defect) == 0 &&
        sip_compose_response(&bytes, request, &edit) == 0 &&
        sip_message_parse(buffer_slice(&bytes), &limits, &response, &defect) == 0)
        outcome = transaction_layer_response(edge->layer, response, slice_of_string(origin));
    buffer_free(&bytes);
    sip_message_unref(request);
    sip_message_unref(response);
    return outcome;
}

enum response_outcome edge_respond(struct destination *to, unsigned status, const char *to_tag, const char *lines)
{
    return edge_respond_attempt(last_attempt(to), status, to_tag, lines, to->origin);
}

enum response_outcome edge_respond_cancel(struct attempt *attempt)
{
    char text[600];
    snprintf(text, sizeof(text),
        "SIP/2.0 200 OK\r\n"
        "Via: SIP/2.0/TLS relay.example;branch=%s\r\n"
        "From: <sip:alice@up.example>;tag=caller\r\n"
        "To: <sip:bob@example.com>;tag=x\r\n"
        "Call-ID: call@up.example\r\n"
        "CSeq: 1 CANCEL\r\n"
        "Content-Length: 0\r\n\r\n",
        attempt->branch);
    struct sip_message *response = edge_message(text);
    if (response == NULL)
        return RESPONSE_OUTCOME_NONE;
    enum response_outcome outcome = transaction_layer_response(attempt->to->edge->layer, response,
        slice_of_string(attempt->to->origin));
    sip_message_unref(response);
    return outcome;
}

void edge_fail(struct destination *to, enum reason reason)
{
    client_transaction_failed(to->edge->layer, last_attempt(to)->handle, reason);
}

void edge_pass(struct edge *edge, uint64_t ms)
{
    uint64_t until_ms = edge->now_ms + ms;
    uint64_t next_ms;
    while ((next_ms = transaction_layer_next_ms(edge->layer)) <= until_ms) {
        assert_true(next_ms >= edge->now_ms);
        edge->now_ms = next_ms;
        transaction_layer_advance(edge->layer, edge->now_ms);
    }
    edge->now_ms = until_ms;
    transaction_layer_advance(edge->layer, edge->now_ms);
}

void edge_forget(struct edge *edge)
{
    buffer_clear(&edge->log);
}

void edge_expect_at(struct edge *edge, const char *text, const char *file, int line)
{
    struct slice log = buffer_slice(&edge->log);
    if (log.length != strlen(text) || memcmp(log.data, text, log.length) != 0) {
        print_error("# %s:%d: got\n%.*s# expected\n%s", file, line, SLICE_PRINT(log), text);
        _fail(file, line);
    }
    buffer_clear(&edge->log);
}
