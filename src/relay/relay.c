/* SPDX-License-Identifier: GPL-2.0-or-later */
/* relay.c - the workers as a whole: binding, starting, telling, asking; see relay.h. */
#include "relay/relay.h"

#include "base/error.h"
#include "pkix/digest.h"
#include "relay/live.h"
#include "relay/worker.h"
#include "relay/worker_life.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONTEXTS_KEPT = 4096, LAST_ROUNDS = 8 };
/* What a worker may miss while it is kept from its sockets for a moment: thousands of datagrams. The kernel gives no
 * more than net.core.rmem_max, wmem_max. */
enum { UDP_BUFFER_BYTES = 4 * 1024 * 1024 };
/* File descriptors that are no connections: of the process, of each worker; so many connections make no relay. */
enum { DESCRIPTORS_OWN = 96, DESCRIPTORS_WORKER = 24, DESCRIPTORS_LEAST = 16 };

static int bind_udp(struct relay *relay, size_t listener, struct why *why)
{
    int fds[UDP_WORKERS_MAX];
    int rc = udp_bind(&relay->settings->listeners[listener].endpoint, relay->worker_count, UDP_BUFFER_BYTES, fds,
        why);
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

/* INV-34: what is not verified leaves a quarter of all descriptors to what is, however many connections it makes. */
static int share_descriptors(struct relay *relay, struct why *why)
{
    const struct relay_settings *settings = relay->settings;
    uint64_t own = DESCRIPTORS_OWN + settings->worker_count * (DESCRIPTORS_WORKER + settings->listener_count);
    uint64_t wanted = ((uint64_t)settings->max_accepted + settings->max_accepted_verified + settings->max_opened +
                          settings->max_opened_verified) * settings->worker_count;
    relay->unverified.max = UINT32_MAX;
    if (settings->descriptors == 0 || settings->descriptors >= own + wanted)
        return 0;
    if (settings->descriptors < own + DESCRIPTORS_LEAST)
        return why_fail(why, ERROR_LIMIT, "%u file descriptors are too few: raise the limit (LimitNOFILE, ulimit -n)",
            (unsigned)settings->descriptors);
    uint32_t connections = (uint32_t)(settings->descriptors - own);
    relay->unverified.max = connections - connections / 4;
    log_event(&relay->scope, LOG_LEVEL_INFO, LOG_EVENT_CONFIGURATION,
        LOG_STRING("detail", "fewer file descriptors than connections in limits"),
        LOG_UNSIGNED("descriptors", settings->descriptors), LOG_UNSIGNED("connections", connections),
        LOG_UNSIGNED("unverified", relay->unverified.max));
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
    relay->capabilities = (struct capabilities){ .upgrade = true };
    log_scope_init_child(&relay->scope, scope, NULL, NULL);
    relay->workers = calloc(settings->worker_count, sizeof(*relay->workers));
    int rc = relay->workers != NULL ? share_descriptors(relay, why) : ERROR_MEMORY;
    pthread_mutex_init(&relay->lock, NULL);
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
        bool is_told = why != NULL && why->text[0] != '\0';
        return is_told ? rc : why_fail(why, rc, "the relay cannot be made: %s", error_text(rc));
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

/* What every worker may be told. Flags and a letter that is always there, so that no order can find no memory: an old
 * policy would stay in force. */
enum {
    ORDER_SNAPSHOT = 1,
    ORDER_DRAIN = 2,
    ORDER_STOP = 4,
    ORDER_FORGET = 8,
    ORDER_RENEW = 16 /* times reload_mode's bit */
};

static void renew_connections(struct worker *worker, unsigned orders)
{
    for (unsigned mode = RELOAD_MODE_UNSET + 1; mode < RELOAD_MODE_COUNT; mode++)
        if ((orders & ((unsigned)ORDER_RENEW << mode)) != 0 && worker->pool != NULL)
            flow_pool_renew(worker->pool, (enum reload_mode)mode);
}

static void take_snapshot(struct worker *worker)
{
    struct relay *relay = worker->relay;
    pthread_mutex_lock(&relay->lock);
    struct policy_snapshot *snapshot = policy_snapshot_ref(relay->snapshot);
    pthread_mutex_unlock(&relay->lock);
    policy_snapshot_unref(worker->snapshot);
    worker->snapshot = snapshot;
    if (worker->pool != NULL)
        flow_pool_set_snapshot(worker->pool, snapshot);
}

static void take_orders(void *receiver, struct mail *mail)
{
    (void)mail;
    struct worker *worker = receiver;
    unsigned orders = atomic_exchange(&worker->orders, 0);
    if ((orders & ORDER_SNAPSHOT) != 0)
        take_snapshot(worker);
    if ((orders & ORDER_DRAIN) != 0) {
        worker->is_draining = true;
        if (worker->pool != NULL)
            flow_pool_drain(worker->pool);
    }
    renew_connections(worker, orders);
    if ((orders & ORDER_FORGET) != 0) {
        resolver_forget(worker->resolver);
        backoff_clear(&worker->silent);
        backoff_clear(&worker->unavailable);
        if (worker->pool != NULL)
            flow_pool_forget_failures(worker->pool);
    }
    if ((orders & ORDER_STOP) != 0) {
        worker->is_stopping = true;
        loop_stop(worker->loop);
    }
}

static void order_all(struct relay *relay, unsigned order)
{
    for (uint32_t i = 0; i < relay->worker_count; i++)
        if (atomic_fetch_or(&relay->workers[i].orders, order) == 0)
            mail_post(relay->workers[i].mailbox, &relay->workers[i].attention, take_orders);
}

void relay_set_snapshot(struct relay *relay, struct policy_snapshot *snapshot)
{
    pthread_mutex_lock(&relay->lock);
    struct policy_snapshot *old = relay->snapshot;
    relay->snapshot = policy_snapshot_ref(snapshot);
    pthread_mutex_unlock(&relay->lock);
    policy_snapshot_unref(old);
    order_all(relay, ORDER_SNAPSHOT);
    tls_context_cache_sweep(relay->contexts);
}

void relay_confirm_policy(struct relay *relay, int64_t at_s)
{
    atomic_store_explicit(&relay->policy_confirmed_at, at_s, memory_order_relaxed);
}

void relay_on_question(struct relay *relay, relay_question_fn *ask, void *arg)
{
    relay->ask = ask;
    relay->ask_arg = arg;
}

void relay_answer(struct relay_question *question, bool is_current, const char *why)
{
    question->is_current = is_current;
    question->why = WHY_NONE;
    if (!is_current)
        (void)why_fail(&question->why, ERROR_REFUSED, "%s", why);
    mail_post(question->relay->workers[question->worker].mailbox, &question->mail, live_deliver_answer);
}

void relay_drain(struct relay *relay)
{
    order_all(relay, ORDER_DRAIN);
}

void relay_renew_connections(struct relay *relay, enum reload_mode mode)
{
    order_all(relay, (unsigned)ORDER_RENEW << mode);
}

void relay_forget(struct relay *relay)
{
    order_all(relay, ORDER_FORGET);
}

void relay_stop(struct relay *relay)
{
    order_all(relay, ORDER_STOP);
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
    policy_snapshot_unref(relay->snapshot);
    pthread_mutex_destroy(&relay->lock);
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
        sum.pins_refused += atomic_load_explicit(&counts->pins_refused, memory_order_relaxed);
        sum.records_lost += atomic_load_explicit(&counts->records_lost, memory_order_relaxed);
        sum.records_withheld += atomic_load_explicit(&counts->records_withheld, memory_order_relaxed);
        sum.held += atomic_load_explicit(&counts->held, memory_order_relaxed);
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

bool relay_policy_is_stale(const struct relay *relay, const struct policy_snapshot *snapshot, int64_t now_s)
{
    uint32_t max_stale = relay->settings->max_stale_s;
    int64_t age = now_s - atomic_load_explicit(&relay->policy_confirmed_at, memory_order_relaxed);
    return policy_snapshot_generation(snapshot) == 0 || (max_stale > 0 && age > max_stale);
}
