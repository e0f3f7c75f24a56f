/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow.c - one connection: made, published, written to, ended; see flow_private.h. */
#include "base/error.h"
#include "base/hash.h"
#include "flow/flow_private.h"

#include <stdlib.h>

static uint32_t take_slot(struct flow_pool *pool)
{
    if (pool->free_slot == NO_SLOT) {
        uint32_t count = pool->slot_count > 0 ? pool->slot_count * 2 : 64;
        struct flow_slot *grown = realloc(pool->slots, count * sizeof(*grown));
        if (grown == NULL)
            return NO_SLOT;
        pool->slots = grown;
        for (uint32_t i = count; i-- > pool->slot_count;) {
            grown[i] = (struct flow_slot){ .flow = NULL, .next_free = pool->free_slot };
            pool->free_slot = i;
        }
        pool->slot_count = count;
    }
    uint32_t slot = pool->free_slot;
    pool->free_slot = pool->slots[slot].next_free;
    return slot;
}

int flow_new(struct flow_pool *pool, enum flow_class class, struct flow **flow_r)
{
    struct flow *flow = calloc(1, sizeof(*flow));
    uint32_t slot = flow != NULL ? take_slot(pool) : NO_SLOT;
    if (slot == NO_SLOT) {
        free(flow);
        return ERROR_MEMORY;
    }
    pool->slots[slot].flow = flow;
    flow->pool = pool;
    flow->handle = (struct connection_handle){ .worker = pool->settings.worker, .slot = slot,
        .generation = ++pool->next_generation };
    list_init(&flow->waiters);
    list_append(&pool->all, &flow->all);
    list_append(&pool->pending, &flow->pending);
    flow->pending_since_ms = flow->used_ms = flow->opened_ms = pool_now_ms(pool);
    flow->opened_at = loop_wall_s(pool->loop);
    flow->deadline = INT64_MAX;
    pool->counts.connections++;
    flow_class_join(flow, class);
    *flow_r = flow;
    return 0;
}

void flow_free(struct flow *flow)
{
    if (flow->hello != NULL)
        client_hello_reader_fini(flow->hello);
    free(flow->hello);
    tls_session_free(flow->session);
    certificate_chain_fini(&flow->chain);
    connection_facts_unref(flow->facts);
    free(flow->farewell);
    buffer_free(&flow->input);
    free(flow->verdict);
    free(flow->key);
    free(flow);
}

void flow_mark_dirty(struct flow *flow)
{
    if (flow->session == NULL || list_holds(&flow->dirty) || tls_session_output(flow->session).length == 0)
        return;
    list_append(&flow->pool->dirty, &flow->dirty);
    loop_defer(flow->pool->loop, &flow->pool->flush);
}

int flow_flush(struct flow *flow)
{
    list_remove(&flow->dirty);
    if (flow->session == NULL || flow->stream == NULL)
        return 0;
    if (flow->is_broken)
        return ERROR_CLOSED;
    struct slice output = tls_session_output(flow->session);
    if (output.length == 0)
        return 0;
    int rc = stream_write(flow->stream, output);
    if (rc == 0)
        tls_session_sent(flow->session, output.length);
    return rc;
}

/* A session that failed to write (there was no memory) writes nothing ever after: nobody may be placed on it again. It
 * is ended when nobody is on the stack who holds it. */
static void mark_broken(struct flow *flow)
{
    flow->is_broken = true;
    if (list_holds(&flow->dirty))
        return;
    list_append(&flow->pool->dirty, &flow->dirty);
    loop_defer(flow->pool->loop, &flow->pool->flush);
}

int flow_write(struct flow *flow, struct slice message)
{
    if (flow->is_closing || flow->stream == NULL)
        return ERROR_CLOSED;
    flow_note_use(flow);
    if (!flow->is_tls)
        return stream_write(flow->stream, message);
    int rc = tls_session_write(flow->session, message, NULL);
    if (rc == 0)
        flow_mark_dirty(flow);
    else if (rc != ERROR_LIMIT)
        mark_broken(flow);
    return rc;
}

/* What nobody else can foretell is enough: it only keeps the pings of many connections apart. */
static uint64_t any_number(const struct flow *flow, int64_t now_ms)
{
    uint64_t parts[] = { (uint64_t)now_ms, flow->handle.generation, flow->handle.worker, flow->handle.slot };
    return hash_bytes(parts, sizeof(parts), flow->pool->settings.hash_seed);
}

void flow_keep_alive(struct flow *flow, const struct requirement_terms *terms)
{
    int64_t now_ms = pool_now_ms(flow->pool);
    uint64_t generation = policy_snapshot_generation(flow->pool->snapshot);
    if (flow->keepalive.interval_s == terms->keepalive_s && flow->keepalive.generation == generation)
        return; /* nearly always */
    keepalive_ask(&flow->keepalive, terms->keepalive_s, generation, now_ms, any_number(flow, now_ms));
    flow->framing.expects_pong = flow->keepalive.pong_by_ms != 0;
}

bool flow_is_kept_alive(struct flow *flow, int64_t now_ms, uint32_t tick_ms)
{
    switch (keepalive_due(&flow->keepalive, now_ms, tick_ms, any_number(flow, now_ms))) {
    case KEEPALIVE_NOTHING:
        return true;
    case KEEPALIVE_PING:
        flow->framing.expects_pong = true;
        return flow_write(flow, SLICE_LITERAL("\r\n\r\n")) == 0;
    case KEEPALIVE_DEAD:
        break;
    }
    return false;
}

void flow_begin_life(struct flow *flow, uint32_t max_age_s)
{
    flow->opened_at = loop_wall_s(flow->pool->loop);
    flow->opened_ms = pool_now_ms(flow->pool);
    flow->max_age_s = max_age_s;
    flow_note_use(flow);
}

int64_t flow_opened_at(const struct flow *flow)
{
    int64_t age_s = (pool_now_ms(flow->pool) - flow->opened_ms) / 1000;
    int64_t by_loop = loop_wall_s(flow->pool->loop) - age_s;
    return by_loop < flow->opened_at ? by_loop : flow->opened_at;
}

int64_t flow_deadline(const struct flow *flow)
{
    int64_t of_age = flow->max_age_s != 0 ? flow_opened_at(flow) + (int64_t)flow->max_age_s : INT64_MAX;
    return of_age < flow->deadline ? of_age : flow->deadline;
}

bool flow_is_busy(const struct flow *flow)
{
    return flow->facts != NULL && connection_facts_under_way(flow->facts) > 0;
}

int64_t flow_idle_ms(const struct flow *flow)
{
    return pool_now_ms(flow->pool) - flow->used_ms;
}

bool flow_is_idle(const struct flow *flow, uint32_t timeout_s)
{
    const struct connection_view view = { .in_flight = flow_is_busy(flow), .idle_ms = flow_idle_ms(flow),
        .idle_timeout_s = flow->idle_timeout_s };
    return decide_is_idle(&view, timeout_s);
}

/* What failed under yesterday's policy says nothing to those that today's gives another key: they are decided anew. */
static void give_back_waiters(struct flow *flow, enum reason reason, const struct why *why)
{
    struct list_node *node;
    bool is_end = reason == REASON_SHUTDOWN;
    flow->opener = NULL;
    while ((node = list_take_first(&flow->waiters)) != NULL) {
        struct placement *placement = CONTAINER_OF(node, struct placement, waiting);
        flow->waiter_count--;
        if (!is_end && flow_renew(flow->pool, placement) != REASON_NONE) {
            flow_finish(placement, placement->decision, REASON_VERDICT_STALE, NULL);
            continue;
        }
        placement->facts = connection_facts_ref(flow->facts);
        flow_show(flow, placement);
        flow_finish(placement, placement->decision, reason, why);
    }
}

/* Anybody can connect, and be refused, as often as he likes. */
static const struct log_scope *scope_of(const struct flow *flow)
{
    return flow->class == FLOW_ACCEPTED ? &flow->pool->strangers : &flow->pool->scope;
}

static void log_end(struct flow *flow, enum reason reason, const struct why *why)
{
    char id[CONNECTION_ID_SIZE];
    bool was_ready = flow->state == CONNECTION_READY || flow->state == CONNECTION_DRAINING;
    log_event(scope_of(flow), was_ready ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
        was_ready ? LOG_EVENT_CONNECTION_CLOSED : LOG_EVENT_CONNECTION_FAILED,
        LOG_STRING("connection", connection_id_print(flow->handle, id)), LOG_ENDPOINT("peer", &flow->peer),
        LOG_STRING("reason", reason_word(reason)), LOG_STRING("detail", why != NULL ? why->text : NULL));
}

void flow_end(struct flow *flow, enum reason reason, const struct why *why)
{
    struct flow_pool *pool = flow->pool;
    if (flow->is_closing)
        return;
    flow->is_closing = true;
    log_end(flow, reason, why);
    bool was_ready = flow->state == CONNECTION_READY || flow->state == CONNECTION_DRAINING;
    flow->state = CONNECTION_DEAD;
    table_remove(&pool->by_key, &flow->by_key);
    table_remove(&pool->unverified, &flow->by_place);
    list_remove(&flow->pending);
    list_remove(&flow->review);
    list_remove(&flow->all);
    flow_class_leave(flow);
    flow_origin_leave(flow);
    pool->slots[flow->handle.slot] = (struct flow_slot){ .flow = NULL, .next_free = pool->free_slot };
    pool->free_slot = flow->handle.slot;
    pool->counts.connections--;
    if (was_ready)
        pool->counts.closed++;
    else
        pool->counts.failed++;
    if (flow->session != NULL)
        tls_session_close(flow->session);
    ignore_result(flow_flush(flow)); /* a last word that the peer may not hear */
    if (flow->stream != NULL)
        stream_free(flow->stream);
    flow->stream = NULL;
    give_back_waiters(flow, reason, why);
    if (was_ready) {
        pool->ops->closed(pool->arg, flow->handle, reason, flow->farewell);
        flow->farewell = NULL;
    }
    /* Callers up the stack still look at it: it goes when the turn ends. */
    list_append(&pool->dead, &flow->all);
    loop_retire(pool->loop, &pool->retire);
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void log_ready(struct flow *flow)
{
    char id[CONNECTION_ID_SIZE];
    const struct connection_facts *facts = flow->facts;
    log_event(scope_of(flow), LOG_LEVEL_INFO, LOG_EVENT_CONNECTION_OPENED,
        LOG_STRING("connection", connection_id_print(flow->handle, id)),
        LOG_STRING("role", flow->is_accepted ? "accepted" : "opened"), LOG_ENDPOINT("peer", &flow->peer),
        LOG_STRING("transport", transport_name(facts->transport)),
        LOG_STRING("tls", flow->is_tls ? tls_version_name(facts->tls_version) : NULL),
        LOG_STRING("suite", or_null(facts->suite)), LOG_STRING("sni", or_null(facts->server_name)),
        LOG_STRING("certificate", or_null(facts->credential)),
        LOG_STRING("level", flow->is_tls ? level_name(facts->verdict.level) : NULL),
        LOG_STRING("identity", or_null(facts->verdict.matched_name)));
}

void flow_ready(struct flow *flow)
{
    struct list_node *node;
    flow->state = CONNECTION_READY;
    flow->proven_ms = pool_now_ms(flow->pool);
    list_remove(&flow->pending);
    if (!flow->is_accepted)
        backoff_worked(&flow->pool->failed_keys, flow->key);
    flow_pool_offer_unverified(flow);
    log_ready(flow);
    flow->opener = NULL;
    while (!flow->is_closing && (node = list_take_first(&flow->waiters)) != NULL) {
        struct placement *placement = CONTAINER_OF(node, struct placement, waiting);
        flow->waiter_count--;
        flow_place_on(flow, placement, placement->decision);
    }
    if (flow->pool->is_draining)
        flow_drain(flow); /* who waited for it is on it; nobody else will be */
}

void flow_stream_ended(struct flow *flow, enum stream_end end, int os_error)
{
    struct why why;
    if (os_error != 0)
        (void)why_fail(&why, ERROR_CLOSED, "%s: %s", stream_end_text(end), strerror(os_error));
    else
        (void)why_fail(&why, ERROR_CLOSED, "%s", stream_end_text(end));
    bool was_ready = flow->state == CONNECTION_READY || flow->state == CONNECTION_DRAINING;
    enum reason reason = REASON_CONNECTION_LOST;
    if (end == STREAM_END_MEMORY) {
        reason = REASON_NO_MEMORY; /* ours, which says nothing of the peer (INV-20) */
    } else if (!was_ready && !flow->is_accepted) {
        flow_failed(flow);
        reason = flow->state != CONNECTION_DIALING       ? REASON_TLS_FAILED
            : end == STREAM_END_CONNECT_TIMEOUT          ? REASON_CONNECT_TIMEOUT
                                                         : REASON_CONNECT_FAILED;
    }
    flow_end(flow, reason, &why);
}
