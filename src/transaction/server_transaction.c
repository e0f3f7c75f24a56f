/* SPDX-License-Identifier: GPL-2.0-or-later */
/* server_transaction.c - the object around the two server machines; see server_transaction.h. */
#include "transaction/server_transaction.h"

#include "transaction/transaction_private.h"

#include "base/error.h"
#include "base/never.h"
#include "base/siphash.h"
#include "sip/compose.h"
#include "sip/status.h"

#include <stdio.h>
#include <string.h>

enum { TO_TAG_SIZE = 17 };

/* ---- made and matched ---- */

static struct slice key_of(const struct server_transaction *server)
{
    return slice_of(server->texts, server->key_length);
}

static struct slice method_of(const struct server_transaction *server)
{
    return slice_of(server->texts + server->key_length, server->method_length);
}

/* "" without a tag: an empty one is no tag either. */
static struct slice to_tag_of(const struct server_transaction *server)
{
    return slice_of(server->texts + server->key_length + server->method_length, server->to_tag_length);
}

static struct slice or_empty(struct slice s)
{
    return slice_is_absent(s) ? SLICE_LITERAL("") : s;
}

int server_transaction_new(struct transaction_layer *layer, const struct request_arrival *arrival,
    const struct transaction_key *key, struct server_transaction **server_r)
{
    struct slice method = sip_message_method_text(arrival->message);
    struct slice to_tag = key->is_2543 ? or_empty(sip_message_to_tag(arrival->message)) : SLICE_LITERAL("");
    size_t texts = key->bytes.length + method.length + to_tag.length;
    struct server_transaction *server = slab_take_zeroed(layer->memory, sizeof(*server) + texts);
    if (server == NULL)
        return ERROR_MEMORY;
    int rc = handle_table_add(&layer->handles, HANDLE_SERVER, server, &server->base.handle);
    if (rc != 0) {
        slab_give(layer->memory, server, sizeof(*server) + texts);
        return rc;
    }
    server->key_length = (uint32_t)key->bytes.length;
    server->method_length = (uint32_t)method.length;
    server->to_tag_length = (uint32_t)to_tag.length;
    memcpy(server->texts, key->bytes.data, key->bytes.length);
    memcpy(server->texts + key->bytes.length, method.data, method.length);
    memcpy(server->texts + key->bytes.length + method.length, to_tag.data, to_tag.length);
    server->is_2543 = key->is_2543;
    server->method = (uint8_t)sip_message_method(arrival->message);
    server->request = sip_message_ref(arrival->message);
    server->arrived_ms = layer->now_ms;
    if (arrival->source != NULL) {
        server->source = *arrival->source;
        server->has_source = true;
    }
    table_insert(&layer->servers, &server->by_key, key->hash);
    transaction_start(layer, &server->base,
        server->method == SIP_METHOD_INVITE ? MACHINE_INVITE_SERVER : MACHINE_OTHER_SERVER, arrival->is_reliable);
    *server_r = server;
    return 0;
}

void server_transaction_ended(struct transaction_layer *layer, struct server_transaction *server)
{
    table_remove(&layer->servers, &server->by_key);
    handle_table_remove(&layer->handles, server->base.handle);
    if (server->context != NULL)
        response_context_lose_server(server->context, REASON_CONNECTION_LOST);
}

void server_transaction_free(struct transaction_layer *layer, struct server_transaction *server)
{
    if (server->user != NULL)
        layer->ops->server_closed(layer->arg, server->user);
    layer->counts.servers--;
    sip_message_unref(server->request);
    slab_give(layer->memory, server->last, server->last_length);
    slab_give(layer->memory, server,
        sizeof(*server) + server->key_length + server->method_length + server->to_tag_length);
}

/* A request with this key, or NULL; START: the one found last, NULL at first. */
static struct server_transaction *next_with_key(const struct transaction_layer *layer,
    const struct transaction_key *key, struct server_transaction *start)
{
    struct table_node *node = start != NULL ? table_next(&start->by_key) : table_first(&layer->servers, key->hash);
    for (; node != NULL; node = table_next(node)) {
        struct server_transaction *server = CONTAINER_OF(node, struct server_transaction, by_key);
        if (slice_equal(key_of(server), key->bytes))
            return server;
    }
    return NULL;
}

/* The To tag of the final response, for the ACK of one that has no unique branch. */
static bool last_has_to_tag(const struct server_transaction *server, struct slice to_tag)
{
    struct sip_message *last = NULL;
    struct sip_defect defect;
    if (never(server->last == NULL)) /* the failure of an INVITE is kept before it is sent */
        return false;
    if (sip_message_parse(slice_of(server->last, server->last_length), &transaction_no_limits, &last, &defect) != 0)
        return false;
    bool is_equal = slice_equal(or_empty(sip_message_to_tag(last)), to_tag);
    sip_message_unref(last);
    return is_equal;
}

static bool is_acknowledged_by(const struct server_transaction *server, const struct sip_message *ack)
{
    if (server->method != SIP_METHOD_INVITE)
        return false;
    if (!server->is_2543 || server->base.state != STATE_COMPLETED)
        return true;
    return last_has_to_tag(server, or_empty(sip_message_to_tag(ack)));
}

static bool is_repeated_by(const struct server_transaction *server, const struct sip_message *request)
{
    if (!slice_equal(method_of(server), sip_message_method_text(request)))
        return false;
    return !server->is_2543 || slice_equal(to_tag_of(server), or_empty(sip_message_to_tag(request)));
}

struct server_transaction *server_transaction_match(struct transaction_layer *layer,
    const struct transaction_key *key, const struct sip_message *request)
{
    bool is_ack = sip_message_method(request) == SIP_METHOD_ACK;
    struct server_transaction *server = next_with_key(layer, key, NULL);
    while (server != NULL &&
        !(is_ack ? is_acknowledged_by(server, request) : is_repeated_by(server, request)))
        server = next_with_key(layer, key, server);
    return server;
}

struct server_transaction *server_transaction_match_cancelled(struct transaction_layer *layer,
    const struct transaction_key *key, const struct sip_message *cancel)
{
    struct slice to_tag = or_empty(sip_message_to_tag(cancel));
    struct server_transaction *server = next_with_key(layer, key, NULL);
    while (server != NULL && (server->method == SIP_METHOD_CANCEL ||
            (server->is_2543 && !slice_equal(to_tag_of(server), to_tag))))
        server = next_with_key(layer, key, server);
    return server;
}

/* ---- sending ---- */

/* Of all our responses to one request, and of that to its CANCEL (9.2): made from the key they share. */
static void print_to_tag(const struct transaction_layer *layer, const struct server_transaction *server,
    char out[TO_TAG_SIZE])
{
    uint64_t tag = siphash(server->texts, server->key_length, layer->settings.secret.bytes);
    snprintf(out, TO_TAG_SIZE, "%016llx", (unsigned long long)tag);
}

static int compose(const struct transaction_layer *layer, const struct server_transaction *server,
    const struct local_reply *reply, struct buffer *out)
{
    if (server->request == NULL)
        return ERROR_STATE;
    char to_tag[TO_TAG_SIZE];
    print_to_tag(layer, server, to_tag);
    struct sip_local_response response = {
        .status = reply->status,
        .reason = reply->phrase,
        .to_tag = reply->status == 100 ? SLICE_ABSENT : slice_of_string(to_tag),
        .source = server->has_source ? &server->source : NULL,
        .lines = or_empty(reply->lines),
    };
    return sip_compose_response(out, server->request, &response);
}

/* For repetitions: LAST, a copy of what was sent; NULL: there will be none. */
static void keep(const struct transaction_layer *layer, struct server_transaction *server, char *last, size_t length)
{
    slab_give(layer->memory, server->last, server->last_length);
    server->last = last;
    server->last_length = (uint32_t)length;
}

/* Of a final: a 2xx to an INVITE is repeated by who made it (RFC 6026), others over a reliable transport by nobody. */
static bool may_be_repeated(const struct server_transaction *server, unsigned status)
{
    return server->method == SIP_METHOD_INVITE ? !sip_status_is_success(status) : !server->base.is_reliable;
}

static enum transaction_event user_event(unsigned status)
{
    return status < 200 ? EVENT_USER_1XX : status < 300 ? EVENT_USER_2XX : EVENT_USER_FAILURE;
}

/* Kept ahead of the sending, so that a request repeated meanwhile gets no older response than this. */
static int send_final(struct transaction_layer *layer, struct server_transaction *server, unsigned status,
    struct slice bytes, void *hop)
{
    bool is_kept = may_be_repeated(server, status);
    char *last = is_kept ? slab_copy(layer->memory, bytes) : NULL;
    if (is_kept && last == NULL)
        return ERROR_MEMORY;
    keep(layer, server, last, is_kept ? bytes.length : 0);
    transaction_event(layer, &server->base, user_event(status), &(struct event_input){ .bytes = bytes, .hop = hop });
    sip_message_unref(server->request);
    server->request = NULL;
    return 0;
}

/* Likewise ahead of the sending. Without memory the one before is repeated. */
static void keep_provisional(struct transaction_layer *layer, struct server_transaction *server, struct slice bytes)
{
    char *last = slab_copy(layer->memory, bytes);
    if (last != NULL)
        keep(layer, server, last, bytes.length);
}

int server_transaction_send(struct transaction_layer *layer, struct server_transaction *server, unsigned status,
    struct slice bytes, void *hop)
{
    bool is_invite = server->method == SIP_METHOD_INVITE;
    if (!is_invite && ((status > 100 && status < 200) || status == 408))
        return ERROR_STATE; /* RFC 4320 4.1, 4.2 */
    struct step step = machine_step(server->base.machine, server->base.state, user_event(status));
    if ((step.actions & ACTION_SEND) == 0)
        return ERROR_STATE;
    if (status >= 200)
        return send_final(layer, server, status, bytes, hop);
    keep_provisional(layer, server, bytes);
    transaction_event(layer, &server->base, EVENT_USER_1XX, &(struct event_input){ .bytes = bytes, .hop = hop });
    return 0;
}

int server_transaction_answer(struct transaction_layer *layer, struct server_transaction *server,
    const struct local_reply *reply, void *hop)
{
    struct buffer bytes = transaction_output_take(layer);
    int rc = compose(layer, server, reply, &bytes);
    if (rc == 0)
        rc = server_transaction_send(layer, server, reply->status, buffer_slice(&bytes), hop);
    transaction_output_give(layer, &bytes);
    return rc;
}

/* Without memory there is no 100; the caller repeats its request. */
static void send_100(struct transaction_layer *layer, struct server_transaction *server)
{
    struct buffer bytes = transaction_output_take(layer);
    if (compose(layer, server, &(struct local_reply){ .status = 100 }, &bytes) == 0) {
        keep_provisional(layer, server, buffer_slice(&bytes));
        layer->ops->send_response(layer->arg, server, buffer_slice(&bytes), NULL);
    }
    transaction_output_give(layer, &bytes);
}

void server_transaction_send_100(struct transaction_layer *layer, struct server_transaction *server)
{
    /* As long as nobody has answered, what repeats is this. */
    if (timer_node_is_started(&server->base.repeat) && always(server->base.repeat_event == EVENT_TIMER_100))
        transaction_event(layer, &server->base, EVENT_TIMER_100, &(struct event_input){ 0 });
}

/* Of an INVITE's Timer H nobody is told but the trace: its context has let go by then. */
void server_transaction_perform(struct transaction_layer *layer, struct server_transaction *server,
    uint32_t actions, const struct event_input *input)
{
    if ((actions & ACTION_SEND) != 0)
        layer->ops->send_response(layer->arg, server, input->bytes, input->hop);
    if ((actions & ACTION_SEND_100) != 0)
        send_100(layer, server);
    if ((actions & ACTION_RESEND) != 0 && server->last != NULL)
        layer->ops->send_response(layer->arg, server, slice_of(server->last, server->last_length), input->hop);
    if ((actions & (ACTION_TELL_TIMEOUT | ACTION_TELL_ERROR)) != 0 && server->context != NULL)
        response_context_lose_server(server->context,
            (actions & ACTION_TELL_TIMEOUT) != 0 ? REASON_TIMEOUT : input->reason);
}

/* ---- for the edge ---- */

struct transaction_handle server_transaction_handle(const struct server_transaction *server)
{
    return server->base.handle;
}

struct server_transaction *server_transaction_find(struct transaction_layer *layer, struct transaction_handle handle)
{
    return handle_table_find(&layer->handles, HANDLE_SERVER, handle);
}

void server_transaction_set_user(struct server_transaction *server, void *user)
{
    server->user = user;
}

void *server_transaction_user(const struct server_transaction *server)
{
    return server->user;
}

struct sip_message *server_transaction_request(const struct server_transaction *server)
{
    return server->request;
}

enum transaction_state server_transaction_state(const struct server_transaction *server)
{
    return server->base.state;
}

bool server_transaction_is_invite(const struct server_transaction *server)
{
    return server->method == SIP_METHOD_INVITE;
}

bool server_transaction_is_cancelled(const struct server_transaction *server)
{
    return server->is_cancelled;
}

struct response_context *server_transaction_context(const struct server_transaction *server)
{
    return server->context;
}

void server_transaction_set_no_100(struct transaction_layer *layer, struct server_transaction *server)
{
    if (server->base.repeat_event == EVENT_TIMER_100)
        timer_wheel_stop(&layer->wheel, &server->base.repeat);
}

int server_transaction_reply(struct transaction_layer *layer, struct transaction_handle handle,
    const struct local_reply *reply)
{
    struct server_transaction *server = server_transaction_find(layer, handle);
    if (server == NULL)
        return ERROR_NOT_FOUND;
    if (server->context != NULL || reply->status < 100 || reply->status > 699)
        return ERROR_STATE;
    transaction_enter(layer);
    int rc = server_transaction_answer(layer, server, reply, NULL);
    transaction_leave(layer);
    return rc;
}

void server_transaction_drop(struct transaction_layer *layer, struct transaction_handle handle)
{
    struct server_transaction *server = server_transaction_find(layer, handle);
    if (server == NULL || (server->base.state != STATE_TRYING && server->base.state != STATE_PROCEEDING))
        return;
    transaction_enter(layer);
    transaction_event(layer, &server->base, EVENT_USER_DROP, &(struct event_input){ 0 });
    transaction_leave(layer);
}

void server_transaction_send_failed(struct transaction_layer *layer, struct transaction_handle handle)
{
    struct server_transaction *server = server_transaction_find(layer, handle);
    if (server == NULL)
        return;
    transaction_enter(layer);
    transaction_event(layer, &server->base, EVENT_TRANSPORT_ERROR,
        &(struct event_input){ .reason = REASON_CONNECTION_LOST });
    transaction_leave(layer);
}
