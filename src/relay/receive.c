/* SPDX-License-Identifier: GPL-2.0-or-later */
/* receive.c - everything that comes in: whole messages and defects, from datagrams and connections.
 * In:    bytes with where they came from. Out: the transaction layer, a stateless answer, or nothing.
 */
#include "base/error.h"
#include "relay/live.h"
#include "relay/own_uri.h"
#include "relay/worker.h"
#include "sip/validate.h"

#include <stdlib.h>

static const struct listener_settings *listener_by_name(const struct relay_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->listener_count; i++)
        if (settings->listeners[i].name == name || strcmp(settings->listeners[i].name, name) == 0)
            return &settings->listeners[i];
    return &settings->listeners[0];
}

/* Requests that come on a connection which we opened have no listener: the one of its kind stands for it. */
static const struct listener_settings *listener_of(const struct relay_settings *settings,
    const struct connection_facts *facts, const char *name)
{
    if (name != NULL)
        return listener_by_name(settings, name);
    enum sip_transport transport = facts->transport == TRANSPORT_TLS ? SIP_TRANSPORT_TLS : SIP_TRANSPORT_TCP;
    const struct listener_settings *listener =
        relay_settings_listener(settings, transport, facts->peer.address.family);
    return listener != NULL ? listener : &settings->listeners[0];
}

void upstream_of_connection(struct worker *worker, struct connection_facts *facts, const char *listener,
    struct upstream *upstream_r)
{
    *upstream_r = (struct upstream){ .listener = listener_of(worker->relay->settings, facts, listener),
        .transport = facts->transport, .source = facts->peer, .handle = facts->handle, .facts = facts };
}

/* 18.2.2 with RFC 3581: the source port where rport was asked for, else that of sent-by. */
static void set_reply_to(struct upstream *upstream, const struct sip_message *message)
{
    const struct sip_via *via = sip_message_top_via(message);
    upstream->reply_to = upstream->source;
    if (via != NULL && via->rport == SIP_RPORT_ABSENT)
        upstream->reply_to.port = via->port != 0 ? via->port : 5060;
}

struct remote_response {
    struct mail mail;
    struct sip_message *message;
    uint8_t origin[RESPONSE_ORIGIN_SIZE];
};

static void drop(struct worker *worker, const struct sip_message *message, const char *why)
{
    atomic_fetch_add_explicit(&worker->counts.dropped, 1, memory_order_relaxed);
    log_event(&worker->scope, LOG_LEVEL_DEBUG, LOG_EVENT_MESSAGE_DROPPED,
        LOG_SLICE("call-id", sip_message_call_id(message)), LOG_STRING("reason", why));
}

static void take_response(struct worker *worker, struct sip_message *message, const uint8_t *origin)
{
    enum response_outcome outcome = transaction_layer_response(worker->layer, message,
        slice_of((const char *)origin, RESPONSE_ORIGIN_SIZE));
    if (outcome != RESPONSE_TAKEN)
        drop(worker, message, response_outcome_name(outcome));
}

static void deliver_response(void *receiver, struct mail *mail)
{
    struct remote_response *response = CONTAINER_OF(mail, struct remote_response, mail);
    take_response(receiver, response->message, response->origin);
    sip_message_unref(response->message);
    free(response);
}

/* TRANSPORT_UNSET is nobody's: no response comes by it. */
struct slice response_origin(enum transport transport, const struct connection_facts *facts,
    const struct endpoint *peer, uint8_t out[RESPONSE_ORIGIN_SIZE])
{
    memset(out, 0, RESPONSE_ORIGIN_SIZE);
    if (transport == TRANSPORT_UDP || facts != NULL)
        out[0] = (uint8_t)transport;
    if (transport == TRANSPORT_UDP)
        memcpy(out + 1, peer->address.bytes, sizeof(peer->address.bytes));
    else if (facts != NULL && facts->has_key_digest)
        memcpy(out + 1, facts->key_digest, DIGEST_SIZE);
    return slice_of((const char *)out, RESPONSE_ORIGIN_SIZE);
}

/* Without memory it cannot be handed to the worker of its request. A datagram is sent again, and another response
 * follows a provisional one. Nobody repeats a final one that was said on a stream: its end, which takes no memory,
 * tells all workers that nothing comes there any more. An INVITE that rang already is ended by Timer C alone. */
static void lose_response(struct worker *worker, const struct upstream *upstream, const struct sip_message *message)
{
    transmit_undeliverable(worker, "response", sip_message_call_id(message), NULL);
    if (upstream->transport != TRANSPORT_UDP && sip_message_status(message) >= 200)
        ignore_result(flow_pool_close(worker->pool, upstream->handle, REASON_NO_MEMORY)); /* or it has ended */
}

static void receive_response(struct worker *worker, const struct upstream *upstream, struct sip_message *message)
{
    struct sip_defect defect;
    uint32_t owner;
    uint8_t origin[RESPONSE_ORIGIN_SIZE];
    const struct sip_via *via = sip_message_top_via(message);
    if (sip_validate_response(message, &defect) != 0) {
        drop(worker, message, defect.text);
        return;
    }
    if (via == NULL || !transaction_layer_worker_of(message, &worker->relay->secret, &owner)) {
        drop(worker, message, "foreign");
        return;
    }
    (void)response_origin(upstream->transport, upstream->facts, &upstream->source, origin);
    if (owner == worker->index) {
        take_response(worker, message, origin);
        return;
    }
    if (owner >= worker->relay->worker_count) {
        drop(worker, message, "no way to its worker");
        return;
    }
    struct remote_response *response = calloc(1, sizeof(*response));
    if (response == NULL) {
        lose_response(worker, upstream, message);
        return;
    }
    response->message = sip_message_ref(message);
    memcpy(response->origin, origin, sizeof(origin));
    mail_post(worker->relay->workers[owner].mailbox, &response->mail, deliver_response);
}

/* Who is asking, for the transaction's key: nobody hits a transaction of another peer (17.2.3). */
static struct slice request_origin(const struct upstream *upstream, uint8_t out[1 + DIGEST_SIZE])
{
    const struct connection_facts *facts = upstream->facts;
    memset(out, 0, 1 + DIGEST_SIZE);
    if (facts != NULL && facts->certificate != NULL && facts->verdict.result == VERDICT_PROVEN) {
        out[0] = 'C';
        memcpy(out + 1, facts->certificate->digest, DIGEST_SIZE);
    } else {
        out[0] = 'A';
        memcpy(out + 1, upstream->source.address.bytes, sizeof(upstream->source.address.bytes));
    }
    return slice_of((const char *)out, 1 + DIGEST_SIZE);
}

/* Who asked has lost its connection and asks again on a new one: that is where the rest goes (RFC 6026 8.8). That it is
 * the same peer the transaction's key says; another one meets another transaction. */
static void follow_upstream(struct worker *worker, const struct server_transaction *server,
    const struct upstream *upstream)
{
    struct upstream *kept = server_transaction_user(server);
    bool is_stream = kept != NULL && kept->transport != TRANSPORT_UDP && upstream->transport == kept->transport;
    if (is_stream && !flow_pool_carries(worker->pool, kept->handle))
        upstream_follow(kept, upstream);
}

/* Strangers, whose 403 takes a transaction as well, may fill half of the room. */
static bool is_stranger_too_many(struct worker *worker, const struct upstream *upstream)
{
    uint32_t max = worker->relay->settings->max_transactions;
    return transaction_layer_counts(worker->layer).servers >= max / 2 && !worker_admits(worker, upstream);
}

static void receive_request(struct worker *worker, struct upstream *upstream, struct sip_message *message)
{
    uint8_t origin[1 + DIGEST_SIZE];
    struct server_transaction *server = NULL;
    struct request_arrival arrival = { .message = message, .origin = request_origin(upstream, origin),
        .source = &upstream->source, .hop = upstream, .is_reliable = upstream->transport != TRANSPORT_UDP };
    atomic_fetch_add_explicit(&worker->counts.requests, 1, memory_order_relaxed);
    set_reply_to(upstream, message);
    if (worker_answered_stateless(worker, message))
        return;
    if (is_stranger_too_many(worker, upstream)) {
        if (sip_message_method(message) != SIP_METHOD_ACK)
            worker_reply_stateless(worker, upstream, message, 403, REASON_PEER_UNKNOWN, NULL);
        return;
    }
    switch (transaction_layer_request(worker->layer, &arrival, &server)) {
    case REQUEST_NEW:
        worker_new_request(worker, upstream, message, server);
        return;
    case REQUEST_ACK_FORWARD:
        worker_forward_ack(worker, upstream, message);
        return;
    case REQUEST_CANCEL_UNMATCHED:
        worker_reply_stateless(worker, upstream, message, 481, REASON_NONE, NULL);
        return;
    case REQUEST_REFUSED:
        worker_reply_stateless(worker, upstream, message, 503, REASON_NO_MEMORY, NULL);
        return;
    case REQUEST_CROWDED:
        worker_reply_stateless(worker, upstream, message, 503, REASON_LIMIT, NULL);
        return;
    case REQUEST_UNREADABLE:
        worker_reply_stateless(worker, upstream, message, 400, REASON_BAD_REQUEST, NULL);
        return;
    case REQUEST_REPEATED:
        follow_upstream(worker, server, upstream);
        return;
    case REQUEST_CANCEL_MATCHED:
        if (server != NULL && server_transaction_is_cancelled(server))
            live_end(server_transaction_user(server), REASON_CANCELLED);
        return;
    case REQUEST_ACK_ABSORBED:
    case REQUEST_OUTCOME_NONE:
    case REQUEST_OUTCOME_COUNT:
        return;
    }
}

void worker_receive(struct worker *worker, const struct upstream *upstream, struct sip_message *message)
{
    struct upstream from = *upstream;
    if (worker->is_stopping)
        return;
    if (sip_message_is_request(message))
        receive_request(worker, &from, message);
    else
        receive_response(worker, &from, message);
}

void worker_receive_defect(struct worker *worker, const struct upstream *upstream, struct slice bytes,
    const struct sip_defect *defect)
{
    struct sip_message *message = NULL;
    struct upstream from = *upstream;
    if (sip_message_salvage(bytes, &worker->limits, &message) == 0) {
        set_reply_to(&from, message);
        if (sip_message_method(message) != SIP_METHOD_ACK)
            worker_reply_stateless(worker, &from, message, defect->status, REASON_BAD_REQUEST, defect->text);
        sip_message_unref(message);
    }
    atomic_fetch_add_explicit(&worker->counts.dropped, 1, memory_order_relaxed);
    log_event(&worker->strangers, LOG_LEVEL_INFO, LOG_EVENT_MESSAGE_DROPPED, LOG_ENDPOINT("source", &upstream->source),
        LOG_STRING("reason", defect->text));
}

static bool is_keep_alive(struct slice datagram)
{
    for (size_t i = 0; i < datagram.length; i++)
        if (datagram.data[i] != '\r' && datagram.data[i] != '\n' && datagram.data[i] != '\0')
            return false;
    return true;
}

void worker_receive_datagram(void *arg, struct slice datagram, const struct endpoint *source)
{
    struct udp_port *port = arg;
    struct worker *worker = port->worker;
    struct sip_message *message = NULL;
    struct sip_defect defect = { 0 };
    struct upstream upstream = { .listener = port->listener, .transport = TRANSPORT_UDP, .source = *source,
        .reply_to = *source };
    if (is_keep_alive(datagram))
        return;
    int rc = sip_message_parse(datagram, &worker->limits, &message, &defect);
    if (rc == 0)
        worker_receive(worker, &upstream, message);
    else if (rc != ERROR_MEMORY)
        worker_receive_defect(worker, &upstream, datagram, &defect);
    sip_message_unref(message);
}
