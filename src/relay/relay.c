/* SPDX-License-Identifier: GPL-2.0-or-later */
/* relay.c - the workers as a whole: binding, starting, telling, asking; see relay.h. */
#include "relay/relay.h"

#include "base/error.h"
#include "pkix/digest.h"
#include "relay/worker.h"
#include "relay/worker_life.h"

#include <stdlib.h>
#include <unistd.h>

enum { CONTEXTS_KEPT = 4096, LAST_ROUNDS = 8 };

static int bind_udp(struct relay *relay, size_t listener, struct why *why)
{
    int fds[UDP_WORKERS_MAX];
    int rc = udp_bind(&relay->settings->listeners[listener].endpoint, relay->worker_count, 0, fds, why);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < relay->worker_count; i++) {
        if (rc == 0)
            rc = worker_add_udp(&relay->workers[i], listener, fds[i]);
        else
            (void)close(fds[i]);
    }
    return rc;
}

static int bind_stream(struct relay *relay, size_t listener, struct why *why)
{
    int fd;
    int rc = listener_bind(&relay->settings->listeners[listener].endpoint, 0, &fd, why);
    return rc != 0 ? rc : worker_add_listener(&relay->workers[0], listener, fd);
}

static int bind_all(struct relay *relay, struct why *why)
{
    for (size_t i = 0; i < relay->settings->listener_count; i++) {
        const struct listener_settings *listener = &relay->settings->listeners[i];
        int rc = listener->transport == SIP_TRANSPORT_UDP ? bind_udp(relay, i, why) : bind_stream(relay, i, why);
        if (rc != 0) {
            why_prefix(why, "listener \"%s\"", listener->name);
            return rc;
        }
        log_event(&relay->scope, LOG_LEVEL_INFO, LOG_EVENT_LISTENER_OPENED, LOG_STRING("listener", listener->name),
            LOG_STRING("transport", sip_transport_uri_name(listener->transport)),
            LOG_ENDPOINT("address", &listener->endpoint));
    }
    return 0;
}

int relay_new(const struct relay_settings *settings, const struct log_scope *scope, relay_record_fn *record,
    void *record_arg, struct relay **relay_r, struct why *why)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    if (relay == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory for the relay");
    relay->settings = settings;
    relay->record = record;
    relay->record_arg = record_arg;
    log_scope_init_child(&relay->scope, scope, NULL, NULL);
    relay->workers = calloc(settings->worker_count, sizeof(*relay->workers));
    int rc = relay->workers != NULL ? 0 : ERROR_MEMORY;
    if (rc == 0)
        rc = random_bytes(&relay->hash_seed, sizeof(relay->hash_seed));
    if (rc == 0)
        rc = random_bytes(relay->secret.bytes, sizeof(relay->secret.bytes));
    if (rc == 0)
        rc = tls_context_cache_new(relay->hash_seed, CONTEXTS_KEPT, &relay->contexts);
    for (uint32_t i = 0; rc == 0 && i < settings->worker_count; i++) {
        relay->worker_count = i + 1;
        rc = worker_init(&relay->workers[i], relay, i, why);
    }
    if (rc == 0)
        rc = bind_all(relay, why);
    if (rc != 0) {
        relay_free(relay);
        return why != NULL && why->text[0] != '\0' ? rc : why_fail(why, rc, "the relay cannot be made: %s", error_text(rc));
    }
    *relay_r = relay;
    return 0;
}

int relay_start(struct relay *relay, struct why *why)
{
    for (uint32_t i = 0; i < relay->worker_count; i++) {
        int rc = thread_start("worker", worker_run, &relay->workers[i], &relay->workers[i].thread, why);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* A word to one worker; what it means is in DELIVER. */
struct order {
    struct mail mail;
    struct policy_snapshot *snapshot;
    struct connection_handle handle;
};

static int send_order(struct relay *relay, uint32_t worker, mail_deliver_fn *deliver, struct policy_snapshot *snapshot,
    struct connection_handle handle)
{
    struct order *order = calloc(1, sizeof(*order));
    if (order == NULL)
        return ERROR_MEMORY;
    order->snapshot = snapshot != NULL ? policy_snapshot_ref(snapshot) : NULL;
    order->handle = handle;
    mail_post(relay->workers[worker].mailbox, &order->mail, deliver);
    return 0;
}

static void send_orders(struct relay *relay, mail_deliver_fn *deliver, struct policy_snapshot *snapshot)
{
    for (uint32_t i = 0; i < relay->worker_count; i++)
        /* An order that finds no memory must not be lost: an old policy would stay in force. */
        while (send_order(relay, i, deliver, snapshot, (struct connection_handle){ 0 }) != 0)
            (void)usleep(1000);
}

static void take_snapshot(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct order *order = CONTAINER_OF(mail, struct order, mail);
    policy_snapshot_unref(worker->snapshot);
    worker->snapshot = order->snapshot;
    if (worker->pool != NULL)
        flow_pool_set_snapshot(worker->pool, order->snapshot);
    free(order);
}

static void take_drain(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    worker->is_draining = true;
    if (worker->pool != NULL)
        flow_pool_drain(worker->pool);
    free(CONTAINER_OF(mail, struct order, mail));
}

static void take_drop(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    if (worker->pool != NULL)
        flow_pool_drop(worker->pool);
    free(CONTAINER_OF(mail, struct order, mail));
}

static void take_close(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct order *order = CONTAINER_OF(mail, struct order, mail);
    if (worker->pool != NULL)
        ignore_result(flow_pool_close(worker->pool, order->handle, REASON_NONE)); /* it may have gone by itself */
    free(order);
}

static void take_stop(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    worker->is_stopping = true;
    loop_stop(worker->loop);
    free(CONTAINER_OF(mail, struct order, mail));
}

void relay_set_snapshot(struct relay *relay, struct policy_snapshot *snapshot)
{
    send_orders(relay, take_snapshot, snapshot);
    tls_context_cache_sweep(relay->contexts);
}

void relay_confirm_policy(struct relay *relay, int64_t at_s)
{
    atomic_store_explicit(&relay->policy_confirmed_at, at_s, memory_order_relaxed);
}

void relay_drain(struct relay *relay)
{
    send_orders(relay, take_drain, NULL);
}

void relay_drop_connections(struct relay *relay)
{
    send_orders(relay, take_drop, NULL);
}

int relay_close_connection(struct relay *relay, struct connection_handle handle)
{
    if (handle.worker >= relay->worker_count)
        return ERROR_NOT_FOUND;
    return send_order(relay, handle.worker, take_close, NULL, handle);
}

void relay_stop(struct relay *relay)
{
    for (uint32_t i = 0; i < relay->worker_count; i++)
        if (relay->workers[i].thread != NULL)
            while (send_order(relay, i, take_stop, NULL, (struct connection_handle){ 0 }) != 0)
                (void)usleep(1000);
    for (uint32_t i = 0; i < relay->worker_count; i++) {
        thread_join(relay->workers[i].thread);
        relay->workers[i].thread = NULL;
    }
}

void relay_free(struct relay *relay)
{
    if (relay == NULL)
        return;
    for (uint32_t i = 0; i < relay->worker_count; i++)
        relay->workers[i].is_stopping = true;
    for (uint32_t i = 0; i < relay->worker_count; i++)
        worker_close(&relay->workers[i]);
    /* A letter may be answered by one to a worker that was asked before. */
    for (uint32_t i = 0; i < LAST_ROUNDS * relay->worker_count; i++)
        worker_take_mail(&relay->workers[i % relay->worker_count]);
    for (uint32_t i = 0; i < relay->worker_count; i++)
        worker_fini(&relay->workers[i]);
    tls_context_cache_free(relay->contexts);
    free(relay->workers);
    free(relay);
}

struct relay_counts relay_counts(const struct relay *relay)
{
    struct relay_counts sum = { 0 };
    for (uint32_t i = 0; i < relay->worker_count; i++) {
        const struct worker_counts *counts = &relay->workers[i].counts;
        sum.requests += atomic_load_explicit(&counts->requests, memory_order_relaxed);
        sum.responses += atomic_load_explicit(&counts->responses, memory_order_relaxed);
        sum.refused += atomic_load_explicit(&counts->refused, memory_order_relaxed);
        sum.dropped += atomic_load_explicit(&counts->dropped, memory_order_relaxed);
        sum.transactions += atomic_load_explicit(&counts->transactions, memory_order_relaxed);
    }
    return sum;
}

uint32_t relay_worker_count(const struct relay *relay)
{
    return relay->worker_count;
}

void relay_encode_key(const struct relay *relay, const struct requirement_key *fields, struct connection_key *key_r)
{
    connection_key_encode(fields, relay->hash_seed, key_r);
}

const struct capabilities *relay_capabilities(const struct relay *relay)
{
    return &relay->capabilities;
}
