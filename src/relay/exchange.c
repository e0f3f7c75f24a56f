/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exchange.c - one request on its way through the relay, and its record. */
#include "base/error.h"
#include "relay/worker.h"

#include <stdlib.h>

enum { RECORD_BATCH = 256, RECORD_WAIT_MS = 50 };

struct exchange *exchange_new(struct worker *worker, const struct upstream *upstream, struct sip_message *request)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
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
    free(exchange);
}

void relay_step_free(struct relay_step *step)
{
    if (step == NULL)
        return;
    locate_cancel(step->locating);
    connection_facts_unref(step->facts);
    exchange_unref(step->exchange);
    free(step->flags);
    free(step->targets);
    free(step);
}

static void fill_target(struct account_record *record, const struct relay_step *step)
{
    memcpy(record->next_hop_domain, step->next_hop_domain, sizeof(record->next_hop_domain));
    record->route = step->route;
    record->row = step->used_row != NULL ? step->used_row : step->row;
    record->has_target = step->target.transport != TRANSPORT_UNSET;
    record->out_transport = step->target.transport;
    record->out_target = step->target.endpoint;
    record->decision = step->decision;
    record->level = step->level;
    memcpy(record->expected_domain, step->expected_domain, sizeof(record->expected_domain));
    record->out_facts = connection_facts_ref(step->facts);
}

static void log_done(const struct exchange *exchange, const struct relay_step *step, unsigned status,
    enum reason reason, const char *detail)
{
    char id[CONNECTION_ID_SIZE] = "";
    bool has_target = step != NULL && step->target.transport != TRANSPORT_UNSET;
    if (step != NULL && step->facts != NULL)
        (void)connection_id_print(step->facts->handle, id);
    const struct outbound_policy *row =
        step == NULL ? NULL : step->used_row != NULL ? step->used_row : step->row;
    log_event(&exchange->worker->scope, LOG_LEVEL_INFO,
        reason == REASON_NONE ? LOG_EVENT_TRANSACTION_DONE : LOG_EVENT_TRANSACTION_REFUSED,
        LOG_SLICE("method", sip_message_method_text(exchange->request)),
        LOG_SLICE("call-id", sip_message_call_id(exchange->request)), LOG_UNSIGNED("status", status),
        LOG_ENDPOINT("source", &exchange->upstream.source),
        LOG_STRING("peer", exchange->peer != NULL ? exchange->peer->name : NULL),
        LOG_STRING("policy", row != NULL ? row->name : NULL),
        LOG_STRING("decision", has_target ? decision_name(step->decision) : NULL),
        LOG_STRING("transport", has_target ? transport_name(step->target.transport) : NULL),
        LOG_STRING("connection", id[0] != '\0' ? id : NULL),
        LOG_STRING("level", has_target ? level_name(step->level) : NULL),
        LOG_STRING("reason", reason != REASON_NONE ? reason_word(reason) : NULL),
        LOG_STRING("detail", detail != NULL && detail[0] != '\0' ? detail : NULL));
}

void exchange_account(struct exchange *exchange, const struct relay_step *step, unsigned status, enum reason reason,
    const char *detail)
{
    struct worker *worker = exchange->worker;
    atomic_fetch_sub_explicit(&worker->counts.transactions, 1, memory_order_relaxed);
    log_done(exchange, step, status, reason, detail);
    struct account_record *record = account_record_new();
    if (record == NULL)
        return;
    record->request = sip_message_ref(exchange->request);
    record->snapshot = policy_snapshot_ref(exchange->snapshot);
    record->started_us = exchange->started_us;
    record->duration_ms = (uint32_t)((loop_wall_us(worker->loop) - exchange->started_us) / 1000);
    record->status = status;
    record->reason = reason;
    record->in_transport = exchange->upstream.transport;
    record->in_source = exchange->upstream.source;
    record->listener = exchange->upstream.listener->name;
    record->peer = exchange->peer;
    record->in_facts = connection_facts_ref(exchange->upstream.facts);
    if (step != NULL)
        fill_target(record, step);
    if (detail != NULL)
        (void)slice_to_string(slice_first(slice_of_string(detail), sizeof(record->detail) - 1), record->detail,
            sizeof(record->detail));
    *worker->last_record = record;
    worker->last_record = &record->next;
    if (++worker->record_count >= RECORD_BATCH)
        worker_flush_records(worker);
    else if (worker->record_count == 1)
        loop_timer_start(worker->loop, &worker->record_timer, RECORD_WAIT_MS);
}

void worker_flush_records(struct worker *worker)
{
    struct account_record *first = worker->records;
    worker->records = NULL;
    worker->last_record = &worker->records;
    worker->record_count = 0;
    loop_timer_stop(worker->loop, &worker->record_timer);
    if (first != NULL)
        worker->relay->record(worker->relay->record_arg, first);
}
