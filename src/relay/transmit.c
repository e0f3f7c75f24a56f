/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transmit.c - bytes to where a request came from, or to where it went, on this worker or the owner's. */
#include "base/error.h"
#include "relay/worker.h"

#include <stdlib.h>

struct remote_send {
    struct mail mail;
    struct connection_handle handle;
    struct connection_facts *facts;    /* counted; NULL: of a response */
    struct worker *home;
    struct transaction_handle client;  /* generation 0: nobody is told when the connection is gone */
    enum client_send what;
    struct buffer bytes;
};

static void remote_send_free(struct remote_send *send)
{
    buffer_free(&send->bytes);
    connection_facts_unref(send->facts);
    free(send);
}

/* The connection ended while the message was on its way to the owner. */
static void take_back(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct remote_send *send = CONTAINER_OF(mail, struct remote_send, mail);
    if (!worker->is_stopping)
        worker_send_again(worker, send->client, send->what, buffer_slice(&send->bytes));
    remote_send_free(send);
}

static void send_here(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct remote_send *send = CONTAINER_OF(mail, struct remote_send, mail);
    bool is_sent = worker->pool != NULL &&
        flow_pool_send(worker->pool, send->handle, send->facts, buffer_slice(&send->bytes)) == 0;
    if (!is_sent && send->client.generation != 0) {
        mail_post(send->home->mailbox, &send->mail, take_back);
        return;
    }
    if (!is_sent)
        transmit_undeliverable(worker, "response", SLICE_ABSENT, NULL);
    remote_send_free(send);
}

/* ERROR_NOT_FOUND: the connection is known to be gone. ERROR_MEMORY: it cannot be handed to its owner. CLIENT: whose
 * request it is, or generation 0. */
static int send_on_connection(struct worker *worker, struct connection_handle handle, struct connection_facts *facts,
    struct transaction_handle client, enum client_send what, struct slice bytes)
{
    if (handle.worker == worker->index)
        return worker->pool != NULL && flow_pool_send(worker->pool, handle, facts, bytes) == 0 ? 0 : ERROR_NOT_FOUND;
    if (handle.generation == 0 || handle.worker >= worker->relay->worker_count)
        return ERROR_NOT_FOUND;
    struct remote_send *send = calloc(1, sizeof(*send));
    if (send == NULL)
        return ERROR_MEMORY;
    send->handle = handle;
    send->facts = connection_facts_ref(facts);
    send->home = worker;
    send->client = client;
    send->what = what;
    buffer_append_slice(&send->bytes, bytes);
    if (send->bytes.has_failed) {
        remote_send_free(send);
        return ERROR_MEMORY;
    }
    mail_post(worker->relay->workers[handle.worker].mailbox, &send->mail, send_here);
    return 0;
}

static struct udp *udp_of(struct worker *worker, const struct listener_settings *listener)
{
    return worker->udps[listener - worker->relay->settings->listeners].udp;
}

struct udp_port *transmit_udp(struct worker *worker, const struct endpoint *target)
{
    const struct relay_settings *settings = worker->relay->settings;
    for (size_t i = 0; i < settings->listener_count; i++)
        if (worker->udps[i].udp != NULL &&
            settings->listeners[i].endpoint.address.family == target->address.family)
            return &worker->udps[i];
    return NULL;
}

bool transmit_datagram(struct worker *worker, struct udp *udp, struct slice bytes, const struct endpoint *target)
{
    int rc = udp != NULL ? udp_send(udp, bytes, target) : ERROR_NOT_FOUND;
    if (rc != 0)
        atomic_fetch_add_explicit(&worker->counts.dropped, 1, memory_order_relaxed);
    /* A full queue loses what the network might lose as well: to send it again is the transaction's. */
    return rc == 0 || (rc == ERROR_LIMIT && bytes.length <= UDP_MESSAGE_MAX);
}

void transmit_to_upstream(struct worker *worker, const struct upstream *upstream, struct slice bytes, bool *is_sent_r)
{
    if (upstream->transport == TRANSPORT_UDP)
        *is_sent_r = transmit_datagram(worker, udp_of(worker, upstream->listener), bytes, &upstream->reply_to);
    else
        *is_sent_r = send_on_connection(worker, upstream->handle, NULL, (struct transaction_handle){ 0 },
            CLIENT_SEND_NONE, bytes) == 0;
}

int transmit_on_hop(struct worker *worker, const struct hop *hop, struct transaction_handle client,
    enum client_send what, struct slice bytes)
{
    if (hop->transport != TRANSPORT_UDP)
        return send_on_connection(worker, hop->handle, hop->facts, client, what, bytes);
    (void)transmit_datagram(worker, hop->udp, bytes, &hop->target);
    return 0;
}

void transmit_undeliverable(struct worker *worker, const char *what, struct slice call_id,
    const struct endpoint *target)
{
    atomic_fetch_add_explicit(&worker->counts.dropped, 1, memory_order_relaxed);
    log_event(&worker->strangers, LOG_LEVEL_INFO, LOG_EVENT_MESSAGE_UNDELIVERABLE, LOG_STRING("what", what),
        LOG_SLICE("call-id", call_id), LOG_ENDPOINT("target", target));
}
