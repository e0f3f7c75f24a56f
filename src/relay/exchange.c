/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exchange.c - one request on its way through the relay, and its record. */
#include "base/error.h"
#include "relay/live.h"
#include "relay/worker.h"

#include <stdlib.h>

enum { RECORD_WAIT_MS = 50 };

struct exchange *exchange_new(struct worker *worker, const struct upstream *upstream, struct sip_message *request)
{
    struct exchange *exchange = slab_take_zeroed(&worker->memory, sizeof(*exchange));
    if (exchange == NULL)
        return NULL;
    exchange->references = 1;
    exchange->worker = worker;
    exchange->upstream = *upstream;
    exchange->upstream.facts = connection_facts_ref(upstream->facts);
    exchange->snapshot = policy_snapshot_ref(worker->snapshot);
    exchange->request = sip_message_ref(request);
    exchange->started_us = loop_wall_us(worker->loop);
    return exchange;
}

struct upstream *upstream_keep(struct worker *worker, const struct upstream *upstream)
{
    struct upstream *kept = slab_take(&worker->memory, sizeof(*kept));
    if (kept == NULL)
        return NULL;
    *kept = *upstream;
    connection_facts_ref(upstream->facts);
    if (kept->facts != NULL)
        connection_facts_begin(kept->facts); /* the peer waits for an answer on it */
    return kept;
}

void upstream_follow(struct upstream *kept, const struct upstream *now)
{
    struct connection_facts *old = kept->facts;
    struct live_wait *wait = kept->wait;
    connection_facts_ref(now->facts);
    if (now->facts != NULL)
        connection_facts_begin(now->facts);
    *kept = *now;
    kept->wait = wait;
    if (old != NULL)
        connection_facts_end(old);
    connection_facts_unref(old);
}

void upstream_let_go(struct worker *worker, struct upstream *kept)
{
    live_end(kept, REASON_CONNECTION_LOST);
    if (kept->facts != NULL)
        connection_facts_end(kept->facts);
    connection_facts_unref(kept->facts);
    slab_give(&worker->memory, kept, sizeof(*kept));
}

struct exchange *exchange_ref(struct exchange *exchange)
{
    exchange->references++;
    return exchange;
}

void exchange_unref(struct exchange *exchange)
{
    if (exchange == NULL || --exchange->references > 0)
        return;
    connection_facts_unref(exchange->upstream.facts);
    policy_snapshot_unref(exchange->snapshot);
    sip_message_unref(exchange->request);
    buffer_free(&exchange->text);
    buffer_free(&exchange->pushes);
    slab_give(&exchange->worker->memory, exchange->pin, sizeof(*exchange->pin));
    slab_give(&exchange->worker->memory, exchange, sizeof(*exchange));
}

void relay_step_free(struct relay_step *step)
{
    if (step == NULL)
        return;
    struct slab *memory = &step->exchange->worker->memory;
    list_remove(&step->node);
    locate_cancel(step->locating);
    connection_facts_unref(step->facts);
    policy_snapshot_unref(step->snapshot);
    demand_unref(step->demand);
    exchange_unref(step->exchange);
    slab_give(memory, step->flags, sizeof(*step->flags));
    free(step->targets);
    slab_give(memory, step, sizeof(*step));
}

static const struct outbound_policy *row_of(const struct relay_step *step)
{
    return step->used_row != NULL ? step->used_row : step->rule.row;
}

static void fill_target(struct account_record *record, const struct relay_step *step)
{
    record->next_hop_domain = step->next_hop_domain;
    record->route = step->route;
    record->flags = step->flags;
    record->row = row_of(step);
    record->is_pinned = step->is_pinned;
    record->has_target = step->target.transport != TRANSPORT_UNSET;
    record->out_transport = step->target.transport;
    record->out_target = &step->target.endpoint;
    record->decision = step->decision;
    record->level = step->level;
    record->expected_domain = step->expected_domain;
    record->out_facts = step->facts;
}

/* Who is not accepted can make us refuse as often as he likes. */
static bool is_stranger(const struct exchange *exchange)
{
    const struct peer_rule *peer = exchange->peer;
    return peer == NULL || peer->unusable != NULL || peer->action != PEER_ACCEPT;
}

static const struct log_scope *scope_of(const struct exchange *exchange)
{
    return is_stranger(exchange) ? &exchange->worker->strangers : &exchange->worker->scope;
}

static void log_done(const struct exchange *exchange, const struct relay_step *step, unsigned status,
    enum reason reason, const char *detail)
{
    char id[CONNECTION_ID_SIZE] = "";
    bool has_target = step != NULL && step->target.transport != TRANSPORT_UNSET;
    if (!log_is_on(&exchange->worker->scope, LOG_LEVEL_INFO))
        return;
    if (step != NULL && step->facts != NULL)
        (void)connection_id_print(step->facts->handle, id);
    const struct outbound_policy *row = step != NULL ? row_of(step) : NULL;
    log_event(scope_of(exchange), LOG_LEVEL_INFO,
        reason == REASON_NONE ? LOG_EVENT_TRANSACTION_DONE : LOG_EVENT_TRANSACTION_REFUSED,
        LOG_SLICE("method", sip_message_method_text(exchange->request)),
        LOG_SLICE("call-id", sip_message_call_id(exchange->request)), LOG_UNSIGNED("status", status),
        LOG_ENDPOINT("source", &exchange->upstream.source),
        LOG_STRING("peer", exchange->peer != NULL ? exchange->peer->name : NULL),
        LOG_STRING("policy", row != NULL ? row->name : NULL),
        LOG_STRING("decision", has_target ? decision_name(step->decision) : NULL),
        LOG_STRING("transport", has_target ? transport_name(step->target.transport) : NULL),
        LOG_STRING("connection", id[0] != '\0' ? id : NULL),
        LOG_STRING("level", has_target && step->level != LEVEL_UNSET ? level_name(step->level) : NULL),
        LOG_STRING("reason", reason != REASON_NONE ? reason_word(reason) : NULL),
        LOG_STRING("detail", detail != NULL && detail[0] != '\0' ? detail : NULL));
}

/* What waits is handed over when it is much, or after a moment. */
static void add_record(struct worker *worker, const struct account_record *record)
{
    bool is_first = worker->records == NULL;
    if (is_first)
        worker->records = record_batch_new();
    if (worker->records == NULL ||
        record_batch_add(worker->records, record, slice_of_string(worker->relay->settings->node)) != 0) {
        if (atomic_fetch_add_explicit(&worker->counts.records_lost, 1, memory_order_relaxed) == 0)
            log_event(&worker->scope, LOG_LEVEL_ERROR, LOG_EVENT_RECORDS_LOST,
                LOG_STRING("detail", "no memory for accounting records"));
        return;
    }
    if (record_batch_is_full(worker->records))
        worker_flush_records(worker);
    else if (is_first)
        loop_timer_start(worker->loop, &worker->record_timer, RECORD_WAIT_MS);
}

static bool has_room_for_strangers(struct worker *worker)
{
    int64_t now = loop_wall_s(worker->loop);
    if (worker->stranger_share.second != now) {
        worker->stranger_share.second = now;
        worker->stranger_share.records = 0;
    }
    return worker->stranger_share.records++ < worker->relay->settings->stranger_records;
}

static void withhold_record(struct worker *worker)
{
    if (atomic_fetch_add_explicit(&worker->counts.records_withheld, 1, memory_order_relaxed) == 0)
        log_event(&worker->scope, LOG_LEVEL_WARN, LOG_EVENT_RECORDS_WITHHELD,
            LOG_STRING("detail", "more requests of strangers than accounting.strangers has room for"));
}

void exchange_account(struct exchange *exchange, const struct relay_step *step, unsigned status, enum reason reason,
    const char *detail)
{
    struct worker *worker = exchange->worker;
    atomic_fetch_sub_explicit(&worker->counts.transactions, 1, memory_order_relaxed);
    log_done(exchange, step, status, reason, detail);
    struct account_record record = { .request = exchange->request, .started_us = exchange->started_us,
        .duration_ms = (uint32_t)((loop_wall_us(worker->loop) - exchange->started_us) / 1000), .status = status,
        .reason = reason, .in_transport = exchange->upstream.transport, .in_source = &exchange->upstream.source,
        .listener = exchange->upstream.listener->name, .peer = exchange->peer,
        .in_facts = exchange->upstream.facts };
    if (step != NULL)
        fill_target(&record, step);
    if (is_stranger(exchange) && !has_room_for_strangers(worker))
        withhold_record(worker);
    else
        add_record(worker, &record);
}

void worker_flush_records(struct worker *worker)
{
    struct record_batch *batch = worker->records;
    if (batch == NULL)
        return;
    worker->records = NULL;
    loop_timer_stop(worker->loop, &worker->record_timer);
    worker->relay->record(worker->relay->record_arg, batch);
}
