/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker.c - one worker's life: sockets, loop, mail, timers. */
#include "relay/worker.h"

#include "base/error.h"
#include "relay/live.h"
#include "relay/worker_life.h"
#include "tls/tls_library.h"

#include <stdlib.h>
#include <unistd.h>

static void on_message(void *arg, struct connection_facts *facts, const char *listener, struct sip_message *message)
{
    struct worker *worker = arg;
    struct upstream upstream;
    upstream_of_connection(worker, facts, listener, &upstream);
    worker_receive(worker, &upstream, message);
}

static void on_defect(void *arg, struct connection_facts *facts, const char *listener, struct slice bytes,
    const struct sip_defect *defect)
{
    struct worker *worker = arg;
    struct upstream upstream;
    upstream_of_connection(worker, facts, listener, &upstream);
    worker_receive_defect(worker, &upstream, bytes, defect);
}

/* The end of a connection, for the other workers: whose tries are under way there. Written when the connection is made,
 * so that it can be told whatever memory there is then. */
struct farewell {
    atomic_uint unread;
    struct connection_handle handle;
    enum reason reason;
    struct farewell_letter {
        struct mail mail;
        struct farewell *whole;
    } letters[];
};

static void hops_lost(struct worker *worker, struct connection_handle handle, enum reason reason)
{
    struct list lost;
    struct list_node *node;
    list_init(&lost);
    hop_table_take(&worker->hops, handle, &lost);
    /* Failing one may end others, which leave the list by themselves. */
    while ((node = list_take_first(&lost)) != NULL) {
        struct hop *hop = CONTAINER_OF(node, struct hop, by_connection);
        hop->handle = (struct connection_handle){ 0 };
        client_transaction_failed(worker->layer, hop->client, reason);
    }
}

static void deliver_closed(void *receiver, struct mail *mail)
{
    struct farewell *farewell = CONTAINER_OF(mail, struct farewell_letter, mail)->whole;
    hops_lost(receiver, farewell->handle, farewell->reason);
    if (atomic_fetch_sub_explicit(&farewell->unread, 1, memory_order_acq_rel) == 1)
        free(farewell);
}

static bool on_prepare(void *arg, void **farewell_r)
{
    const struct worker *worker = arg;
    uint32_t others = worker->relay->settings->worker_count - 1;
    struct farewell *farewell = NULL;
    if (others > 0 && (farewell = malloc(sizeof(*farewell) + others * sizeof(farewell->letters[0]))) == NULL)
        return false;
    *farewell_r = farewell;
    return true;
}

static void tell_others(struct worker *worker, struct farewell *farewell, struct connection_handle handle,
    enum reason reason)
{
    struct relay *relay = worker->relay;
    struct farewell_letter *letter = farewell->letters;
    atomic_init(&farewell->unread, relay->worker_count - 1);
    farewell->handle = handle;
    farewell->reason = reason;
    for (uint32_t i = 0; i < relay->worker_count; i++) {
        if (i == worker->index)
            continue;
        letter->whole = farewell;
        mail_post(relay->workers[i].mailbox, &letter++->mail, deliver_closed);
    }
}

static void on_closed(void *arg, struct connection_handle handle, enum reason reason, void *farewell)
{
    struct worker *worker = arg;
    reason = reason != REASON_NONE ? reason : REASON_CONNECTION_LOST;
    if (farewell != NULL && !worker->is_stopping)
        tell_others(worker, farewell, handle, reason);
    else
        free(farewell);
    hops_lost(worker, handle, reason);
}

static const struct flow_pool_ops pool_ops = { .message = on_message, .defect = on_defect, .closed = on_closed,
    .prepare = on_prepare };

static void on_udp_failed(void *arg, const struct endpoint *destination, int os_error)
{
    struct udp_port *port = arg;
    log_event(&port->worker->strangers, LOG_LEVEL_INFO, LOG_EVENT_MESSAGE_DROPPED, LOG_ENDPOINT("target", destination),
        LOG_ERRNO("reason", os_error));
}

static const struct udp_handler udp_handler = { .received = worker_receive_datagram, .failed = on_udp_failed };

static void on_timer(void *arg)
{
    struct worker *worker = arg;
    worker->timer_set_for = 0; /* the hook behind each wait advances the layer; the timer only ends the wait */
}

static void on_record_timer(void *arg)
{
    worker_flush_records(arg);
}

static void after_wait(void *arg)
{
    struct worker *worker = arg;
    transaction_layer_advance(worker->layer, loop_now_ms(worker->loop));
    log_limiter_turn(&worker->limiter, &worker->scope, loop_now_ms(worker->loop));
}

/* A connection weighs as much as so many answered transactions. */
enum { TRANSACTIONS_PER_CONNECTION = 8 };
enum { TIMER_STEP_MS = 8 };

/* RFC 3261's timers are the least that is waited, half a second and more. Each answered request ends at a millisecond
 * of its own (J, K): what is due within one step is done in one wake-up. */
static uint64_t in_steps(uint64_t due_ms)
{
    return due_ms < UINT64_MAX - TIMER_STEP_MS ? (due_ms + TIMER_STEP_MS - 1) / TIMER_STEP_MS * TIMER_STEP_MS : due_ms;
}

static void before_wait(void *arg)
{
    struct worker *worker = arg;
    uint64_t held = transaction_layer_counts(worker->layer).servers;
    if (worker->pool != NULL)
        held += (uint64_t)flow_pool_counts(worker->pool).connections * TRANSACTIONS_PER_CONNECTION;
    atomic_store_explicit(&worker->counts.held, held, memory_order_relaxed);
    uint64_t next = in_steps(transaction_layer_next_ms(worker->layer)), now = loop_now_ms(worker->loop);
    if (next == worker->timer_set_for)
        return;
    worker->timer_set_for = next;
    if (next == UINT64_MAX)
        loop_timer_stop(worker->loop, &worker->timer);
    else
        loop_timer_start(worker->loop, &worker->timer, next > now ? next - now : 1);
}

/* What was under way at its beginning is over by then: an INVITE by timer C, and its server transaction 64 T1 later. */
static uint32_t drain_timeout_ms(const struct timer_settings *timers)
{
    return timers->c_ms + timer_64_t1_ms(timers);
}

static struct flow_pool_settings pool_settings(const struct worker *worker)
{
    const struct relay_settings *settings = worker->relay->settings;
    return (struct flow_pool_settings){ .worker = worker->index, .hash_seed = worker->relay->hash_seed,
        .limits = worker->limits,
        .max = { [FLOW_ACCEPTED] = settings->max_accepted,
            [FLOW_ACCEPTED_VERIFIED] = settings->max_accepted_verified, [FLOW_OPENED] = settings->max_opened,
            [FLOW_OPENED_VERIFIED] = settings->max_opened_verified },
        .max_each = settings->max_connections_each, .unverified = &worker->relay->unverified,
        .max_waiters = settings->max_waiters,
        .connect_timeout_ms = settings->connect_timeout_ms, .handshake_timeout_ms = settings->handshake_timeout_ms,
        .message_timeout_ms = settings->message_timeout_ms, .idle_timeout_s = settings->idle_timeout_s,
        .max_age_s = settings->max_age_s, .drain_timeout_ms = drain_timeout_ms(&settings->timers),
        .backoff_ms = settings->backoff_ms,
        .backoff_max_ms = settings->backoff_max_ms, .capabilities = worker->relay->capabilities };
}

static int make_layer(struct worker *worker)
{
    const struct relay *relay = worker->relay;
    struct transaction_layer_settings settings = { .worker = worker->index, .hash_seed = relay->hash_seed,
        .max_servers = relay->settings->max_transactions, .secret = relay->secret,
        .timers = relay->settings->timers, .memory = &worker->memory };
    return transaction_layer_new(&settings, worker_operations(), worker, loop_now_ms(worker->loop), &worker->layer);
}

/* That nobody answers shows after 64 T1 only, so that it is believed for no less. */
static int init_books(struct worker *worker)
{
    const struct relay_settings *settings = worker->relay->settings;
    uint32_t silence = timer_64_t1_ms(&settings->timers);
    uint32_t hold = settings->backoff_max_ms > silence ? settings->backoff_max_ms : silence;
    int rc = backoff_init(&worker->silent, settings->backoff_ms > 0 ? hold : 0, hold);
    int also = backoff_init(&worker->unavailable, settings->backoff_ms, settings->backoff_max_ms);
    return rc != 0 ? rc : also;
}

static int make_resolver(struct worker *worker, struct why *why)
{
    const struct relay_settings *relay = worker->relay->settings;
    struct resolver_settings settings = { .servers = relay->dns_servers, .timeout_ms = relay->dns_timeout_ms,
        .tries = relay->dns_tries, .hash_seed = worker->relay->hash_seed };
    return resolver_new(worker->loop, &settings, &worker->resolver, why);
}

int worker_init(struct worker *worker, struct relay *relay, uint32_t index, struct why *why)
{
    worker->relay = relay;
    worker->index = index;
    slab_init(&worker->memory);
    worker->timer_set_for = UINT64_MAX;
    worker->limits = SIP_LIMITS_DEFAULT;
    worker->limits.message_bytes = relay->settings->max_message_bytes;
    log_scope_init_child(&worker->scope, &relay->scope, NULL, NULL);
    log_limiter_init(&worker->limiter, &worker->strangers, &worker->scope);
    list_init(&worker->stateless);
    live_init(worker);
    if (init_books(worker) != 0)
        return why_fail(why, ERROR_MEMORY, "no memory for a worker");
    worker->udps = calloc(relay->settings->listener_count, sizeof(*worker->udps));
    worker->accepts = calloc(relay->settings->listener_count, sizeof(*worker->accepts));
    if (worker->udps == NULL || worker->accepts == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory for a worker");
    int rc = loop_new(&worker->loop, why);
    if (rc == 0)
        rc = mailbox_new(worker->loop, mail_deliver, worker, &worker->mailbox);
    if (rc == 0)
        rc = net_scratch_new(&worker->scratch);
    if (rc == 0)
        rc = policy_snapshot_empty(&worker->snapshot);
    if (rc == 0)
        rc = hop_table_init(&worker->hops, relay->hash_seed);
    if (rc == 0)
        rc = make_layer(worker);
    if (rc == 0)
        rc = make_resolver(worker, why);
    struct flow_pool_settings settings = pool_settings(worker);
    if (rc == 0)
        rc = flow_pool_new(&settings, worker->loop, worker->scratch, &worker->scope, relay->contexts, &pool_ops,
            worker, &worker->pool);
    if (rc != 0)
        return rc;
    loop_timer_init(&worker->timer, on_timer, worker);
    loop_timer_init(&worker->record_timer, on_record_timer, worker);
    loop_hook_after_wait(worker->loop, &worker->after, after_wait, worker);
    loop_hook_before_wait(worker->loop, &worker->before, before_wait, worker);
    return 0;
}

int worker_add_udp(struct worker *worker, size_t listener, int fd)
{
    struct udp_port *port = &worker->udps[listener];
    port->worker = worker;
    port->listener = &worker->relay->settings->listeners[listener];
    return udp_new(worker->loop, worker->scratch, fd, &udp_handler, port, &worker->scope, &port->udp);
}

struct handed_over {
    struct mail mail;
    int fd;
    struct endpoint peer;
    const struct listener_settings *listener;
};

static void accept_here(struct worker *worker, int fd, const struct endpoint *peer,
    const struct listener_settings *listener)
{
    if (worker->is_stopping)
        (void)close(fd);
    else
        flow_pool_accept(worker->pool, fd, peer, listener->name, listener->transport == SIP_TRANSPORT_TLS);
}

static void deliver_accepted(void *receiver, struct mail *mail)
{
    struct handed_over *handed = CONTAINER_OF(mail, struct handed_over, mail);
    accept_here(receiver, handed->fd, &handed->peer, handed->listener);
    free(handed);
}

/* All connections of one address live on one worker, so that its transactions are found there too. */
static void on_accepted(void *arg, int fd, const struct endpoint *peer)
{
    struct accept_port *port = arg;
    struct relay *relay = port->worker->relay;
    uint32_t owner = address_worker(&peer->address, relay->worker_count);
    if (owner == port->worker->index) {
        accept_here(port->worker, fd, peer, port->listener);
        return;
    }
    struct handed_over *handed = calloc(1, sizeof(*handed));
    if (handed == NULL) {
        log_event(&port->worker->strangers, LOG_LEVEL_WARN, LOG_EVENT_CONNECTION_FAILED, LOG_ENDPOINT("peer", peer),
            LOG_STRING("reason", reason_word(REASON_NO_MEMORY)));
        (void)close(fd);
        return;
    }
    handed->fd = fd;
    handed->peer = *peer;
    handed->listener = port->listener;
    mail_post(relay->workers[owner].mailbox, &handed->mail, deliver_accepted);
}

int worker_add_listener(struct worker *worker, size_t listener, int fd)
{
    struct accept_port *port = &worker->accepts[listener];
    port->worker = worker;
    port->listener = &worker->relay->settings->listeners[listener];
    return listener_new(worker->loop, fd, on_accepted, port, &worker->scope, &port->accepting);
}

void worker_run(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
    tls_library_thread_fini();
}

void worker_close(struct worker *worker)
{
    size_t listeners = worker->relay->settings->listener_count;
    worker->is_stopping = true;
    for (size_t i = 0; worker->udps != NULL && i < listeners; i++)
        udp_free(worker->udps[i].udp);
    for (size_t i = 0; worker->accepts != NULL && i < listeners; i++)
        listener_free(worker->accepts[i].accepting);
    worker_take_mail(worker);
    flow_pool_free(worker->pool);
    worker->pool = NULL;
}

void worker_take_mail(struct worker *worker)
{
    if (worker->mailbox != NULL)
        mailbox_drain(worker->mailbox);
}

void worker_fini(struct worker *worker)
{
    if (worker->layer != NULL) {
        loop_hook_remove(&worker->before);
        loop_hook_remove(&worker->after);
        loop_timer_stop(worker->loop, &worker->timer);
    }
    live_fini(worker);
    transaction_layer_free(worker->layer);
    while (!list_is_empty(&worker->stateless))
        relay_step_free(CONTAINER_OF(worker->stateless.head.next, struct relay_step, node));
    worker_flush_records(worker);
    if (worker->resolver != NULL)
        resolver_free(worker->resolver);
    mailbox_free(worker->mailbox);
    hop_table_fini(&worker->hops);
    backoff_fini(&worker->silent);
    backoff_fini(&worker->unavailable);
    policy_snapshot_unref(worker->snapshot);
    loop_free(worker->loop);
    net_scratch_free(worker->scratch);
    buffer_free(&worker->text);
    buffer_free(&worker->message);
    slab_fini(&worker->memory);
    log_limiter_tell(&worker->limiter, &worker->scope);
    free(worker->udps);
    free(worker->accepts);
}
