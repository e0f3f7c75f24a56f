/* SPDX-License-Identifier: GPL-2.0-or-later */
/* request.c - a new request: may its sender send, is it in order, where does it go; then t_relay for each target.
 * Never: forwards what RFC 3261 16.3 tells a proxy to refuse, or what no peer row accepts.
 */
#include "base/error.h"
#include "base/siphash.h"
#include "policy/name.h"
#include "relay/dialog.h"
#include "relay/intake.h"
#include "relay/live.h"
#include "relay/proxy_rules.h"
#include "relay/sender.h"
#include "relay/worker.h"
#include "sip/compose.h"
#include "sip/validate.h"

#include <stdio.h>

/* What RFC 5630 5.3 has a code of its own for, ahead of ours. */
static void append_warning_of_scheme(const struct worker *worker, enum reason reason, struct buffer *lines)
{
    if (reason == REASON_SIPS_NOT_ALLOWED)
        buffer_append_format(lines, "Warning: 380 %s \"SIPS Not Allowed\"\r\n", worker->relay->settings->node);
    else if (reason == REASON_SIPS_REQUIRED)
        buffer_append_format(lines, "Warning: 381 %s \"SIPS Required\"\r\n", worker->relay->settings->node);
}

void append_warning(const struct worker *worker, enum reason reason, const char *detail, struct buffer *lines)
{
    append_warning_of_scheme(worker, reason, lines);
    buffer_append_format(lines, "Warning: 399 %s \"%s: ", worker->relay->settings->node, reason_word(reason));
    for (const char *at = detail != NULL && detail[0] != '\0' ? detail : reason_text(reason); *at != '\0'; at++) {
        bool is_plain = *at >= ' ' && *at < 0x7f;
        if (*at == '"' || *at == '\\')
            buffer_append_byte(lines, '\\');
        buffer_append_byte(lines, is_plain ? (uint8_t)*at : '?');
    }
    buffer_append_string(lines, "\"\r\n");
}

static void append_lines(const struct worker *worker, unsigned status, enum reason reason, const char *detail,
    struct buffer *lines)
{
    if (reason != REASON_NONE && reason != REASON_CANCELLED)
        append_warning(worker, reason, detail, lines);
    if (status == 503)
        buffer_append_string(lines, "Retry-After: 5\r\n");
}

enum { STATELESS_TAG_SIZE = 18 };

/* Of what an ACK repeats of its request: so repetitions get the same tag, and the ACK can be told (8.2.7). */
static void print_stateless_tag(const struct worker *worker, const struct sip_message *message,
    char out[STATELESS_TAG_SIZE])
{
    const uint8_t *key = worker->relay->secret.bytes;
    const struct sip_cseq *cseq = sip_message_cseq(message);
    struct slice call_id = sip_message_call_id(message), from_tag = sip_message_from_tag(message);
    uint64_t parts[] = { siphash(call_id.data, call_id.length, key), siphash(from_tag.data, from_tag.length, key),
        cseq != NULL ? cseq->number : UINT64_MAX };
    snprintf(out, STATELESS_TAG_SIZE, "s%016llx", (unsigned long long)siphash(parts, sizeof(parts), key));
}

void worker_reply_stateless(struct worker *worker, const struct upstream *upstream, struct sip_message *request,
    unsigned status, enum reason reason, const char *detail)
{
    struct buffer lines = BUFFER_EMPTY;
    bool is_sent = false;
    append_lines(worker, status, reason, detail, &lines);
    char tag[STATELESS_TAG_SIZE];
    print_stateless_tag(worker, request, tag);
    struct sip_local_response response = { .status = status, .to_tag = slice_of_string(tag),
        .source = &upstream->source, .lines = lines.has_failed ? SLICE_LITERAL("") : buffer_slice(&lines) };
    buffer_clear(&worker->message);
    int rc = sip_compose_response(&worker->message, request, &response);
    if (rc == 0)
        transmit_to_upstream(worker, upstream, buffer_slice(&worker->message), &is_sent);
    buffer_free(&lines);
    /* Nobody asks again on a stream: its end is the answer there, unless the request is such that it can have none. */
    bool is_owed = !is_sent && (rc == 0 || rc == ERROR_MEMORY);
    if (is_owed && upstream->transport != TRANSPORT_UDP && worker->pool != NULL)
        ignore_result(flow_pool_close(worker->pool, upstream->handle, REASON_CONNECTION_LOST)); /* or it has ended */
    atomic_fetch_add_explicit(&worker->counts.refused, 1, memory_order_relaxed);
}

bool worker_answered_stateless(const struct worker *worker, const struct sip_message *message)
{
    char tag[STATELESS_TAG_SIZE];
    struct slice to_tag = sip_message_to_tag(message);
    if (sip_message_method(message) != SIP_METHOD_ACK || to_tag.length != STATELESS_TAG_SIZE - 1)
        return false;
    print_stateless_tag(worker, message, tag);
    return slice_equal(to_tag, slice_of_string(tag));
}

/* Answers the request of EXCHANGE itself, with a record. */
static void refuse(struct exchange *exchange, unsigned status, enum reason reason, const char *detail,
    struct slice more_lines)
{
    struct worker *worker = exchange->worker;
    struct buffer lines = BUFFER_EMPTY;
    append_lines(worker, status, reason, detail, &lines);
    buffer_append_slice(&lines, more_lines);
    struct local_reply reply = { .status = status, .lines = buffer_slice(&lines) };
    if (lines.has_failed || server_transaction_reply(worker->layer, exchange->server, &reply) != 0) {
        worker_reply_stateless(worker, &exchange->upstream, exchange->request, status, reason, NULL);
        server_transaction_drop(worker->layer, exchange->server);
    } else {
        atomic_fetch_add_explicit(&worker->counts.refused, 1, memory_order_relaxed);
    }
    buffer_free(&lines);
    exchange_account(exchange, NULL, status, reason, detail);
}

bool upstream_is_proven(const struct worker *worker, const struct upstream *upstream)
{
    return sender_is_proven(upstream->facts, loop_wall_s(worker->loop));
}

static void fill_peer_facts(const struct worker *worker, const struct upstream *upstream, struct peer_facts *facts)
{
    sender_facts(upstream->facts, &upstream->source.address, loop_wall_s(worker->loop), facts);
}

bool worker_admits(const struct worker *worker, const struct upstream *upstream)
{
    struct peer_facts facts;
    fill_peer_facts(worker, upstream, &facts);
    const struct peer_rule *peer = policy_peer(worker->snapshot, &facts);
    return peer != NULL && peer->unusable == NULL && peer->action == PEER_ACCEPT;
}

/* Also for a row that asks for no proof: without its certificate the peer would have no connection today. */
static bool is_withdrawn(const struct exchange *exchange)
{
    const struct connection_facts *facts = exchange->upstream.facts;
    if (facts == NULL || connection_facts_is_withdrawn(facts))
        return facts != NULL;
    bool is_judged = facts->is_accepted && facts->verdict.result == VERDICT_PROVEN;
    return is_judged && policy_snapshot_trust_of(exchange->snapshot, facts->verdict.trust_digest) == NULL;
}

/* On a new one the peer proves what is asked today, or it has none. */
static void end_connection(struct worker *worker, const struct upstream *upstream)
{
    ignore_result(flow_pool_close(worker->pool, upstream->handle, REASON_VERDICT_STALE)); /* or it has ended */
}

/* True: the sender may send; else it was answered. */
static bool admit(struct exchange *exchange)
{
    struct peer_facts facts;
    if (is_withdrawn(exchange)) {
        refuse(exchange, 503, REASON_PEER_UNKNOWN, "what its connection proved does not hold any more", SLICE_ABSENT);
        end_connection(exchange->worker, &exchange->upstream);
        return false;
    }
    fill_peer_facts(exchange->worker, &exchange->upstream, &facts);
    const struct peer_rule *peer = policy_peer(exchange->snapshot, &facts);
    if (peer == NULL) {
        refuse(exchange, 403, REASON_PEER_UNKNOWN, NULL, SLICE_ABSENT);
        return false;
    }
    exchange->peer = peer;
    if (peer->unusable != NULL || peer->action != PEER_ACCEPT) {
        bool is_reject = peer->unusable == NULL && peer->action == PEER_REJECT && peer->status >= 400;
        refuse(exchange, is_reject ? peer->status : 403, REASON_PEER_REFUSED, peer->unusable, SLICE_ABSENT);
        return false;
    }
    bool is_in_dialog = !slice_is_absent(sip_message_to_tag(exchange->request));
    if (peer->check_from && !is_in_dialog && !proxy_rules_from_is_proven(exchange->request, &facts)) {
        refuse(exchange, 403, REASON_FROM_UNPROVEN, NULL, SLICE_ABSENT);
        return false;
    }
    return true;
}

static bool is_policy_stale(const struct exchange *exchange)
{
    const struct worker *worker = exchange->worker;
    return relay_policy_is_stale(worker->relay, exchange->snapshot, loop_wall_s(worker->loop));
}

/* False: nothing is forwarded now, whatever it is; it was answered. */
static bool may_forward(struct exchange *exchange)
{
    enum reason reason = REASON_NONE;
    if (exchange->worker->is_draining)
        reason = REASON_SHUTDOWN;
    else if (is_policy_stale(exchange))
        reason = REASON_POLICY_STALE;
    if (reason != REASON_NONE)
        refuse(exchange, 503, reason, NULL, SLICE_ABSENT);
    return reason == REASON_NONE;
}

static bool is_trusted(const struct worker *worker, const struct endpoint *source)
{
    const struct relay_settings *settings = worker->relay->settings;
    for (size_t i = 0; i < settings->trusted_upstream_count; i++)
        if (prefix_contains(&settings->trusted_upstreams[i], &source->address))
            return true;
    return false;
}

static void name_of(const struct sip_uri *uri, char out[DOMAIN_NAME_SIZE])
{
    out[0] = '\0';
    if (uri != NULL && sip_uri_is_sip(uri) && uri->host.kind == SIP_HOST_NAME &&
        name_normalise(uri->host.text, out) != 0)
        out[0] = '\0';
}

static void fill_domains(struct exchange *exchange)
{
    struct sip_uri from;
    const struct sip_name_addr *name_addr = sip_message_from(exchange->request);
    name_of(sip_message_uri(exchange->request), exchange->request_domain);
    if (name_addr != NULL && sip_uri_parse(name_addr->uri, &from) == 0)
        name_of(&from, exchange->source_domain);
}

static struct relay_step *step_new(struct exchange *exchange, const struct routing_target *target)
{
    struct slab *memory = &exchange->worker->memory;
    struct relay_step *step = slab_take_zeroed(memory, sizeof(*step));
    if (step == NULL)
        return NULL;
    step->exchange = exchange_ref(exchange);
    step->next_hop = target->next_hop;
    step->route_push = target->route_push;
    step->route = target->route;
    step->group = target->group;
    step->is_senders_trust = target->has_senders_trust;
    if (target->has_senders_lookup)
        step->usual_lookup =
            target->own_lookup != NULL ? target->own_lookup : &exchange->worker->relay->settings->lookup;
    name_of(&step->next_hop, step->next_hop_domain);
    uint32_t floor_flags = requirement_floor_flags(dialog_requirement(exchange));
    if ((target->flags.bits | floor_flags) == 0)
        return step;
    step->flags = slab_take(memory, sizeof(*step->flags));
    if (step->flags == NULL) {
        relay_step_free(step);
        return NULL;
    }
    *step->flags = target->flags;
    step->flags->bits |= floor_flags;
    return step;
}

/* Moves what intake composed into the exchange, where it outlives the call. */
static void keep_intake(struct exchange *exchange, struct intake *intake)
{
    struct routing *routing = &intake->routing;
    exchange->max_breadth = intake->max_breadth;
    exchange->loop_hash = intake->loop_hash;
    exchange->edits = routing->edits;
    exchange->text = routing->text;
    exchange->pushes = routing->pushes;
    routing->text = routing->pushes = BUFFER_EMPTY;
}

static void start(struct exchange *exchange, const struct routing *routing)
{
    struct worker *worker = exchange->worker;
    struct target targets[ROUTING_TARGETS_MAX];
    size_t count = 0;
    bool no_100 = false;
    for (size_t i = 0; i < routing->target_count; i++) {
        struct relay_step *step = step_new(exchange, &routing->targets[i]);
        if (step == NULL)
            break;
        no_100 = no_100 || flags_have(&routing->targets[i].flags, T_RELAY_NO_100);
        step->is_last = i + 1 == routing->target_count;
        targets[count++] = (struct target){ .user = step, .group = step->group,
            .is_quiet = flags_have(&routing->targets[i].flags, T_RELAY_NO_AUTO_477) };
    }
    struct response_context_options options = { .user = exchange_ref(exchange), .max_breadth = exchange->max_breadth,
        .no_100 = no_100 };
    struct response_context *context;
    if (count == routing->target_count && response_context_start(worker->layer, exchange->server, targets, count,
            &options, &context) == 0)
        return;
    for (size_t i = 0; i < count; i++)
        relay_step_free(targets[i].user);
    exchange_unref(exchange);
    refuse(exchange, 503, REASON_NO_MEMORY, NULL, SLICE_ABSENT);
}

static void take_in(struct exchange *exchange, struct intake *intake, struct why *why)
{
    const struct worker *worker = exchange->worker;
    const struct relay *relay = worker->relay;
    struct intake_terms terms = { .settings = relay->settings, .snapshot = exchange->snapshot,
        .secret = &relay->secret, .hash_seed = relay->hash_seed,
        .source = { .peer = exchange->peer, .is_trusted = is_trusted(worker, &exchange->upstream.source),
            .listener = exchange->upstream.listener },
        .came_by_tls = exchange->upstream.transport == TRANSPORT_TLS };
    fill_domains(exchange);
    intake_decide(exchange->request, &terms, intake, why);
}

/* What the rules refuse, whatever policy says, asks nobody. */
static bool has_to_wait(const struct exchange *exchange, const struct intake *intake)
{
    return !exchange->is_current && intake->routing.is_live && (intake->status == 0 || intake->routing.status != 0);
}

/* By what is in force now, from the sender on. */
static void renew(struct exchange *exchange)
{
    policy_snapshot_unref(exchange->snapshot);
    exchange->snapshot = policy_snapshot_ref(exchange->worker->snapshot);
    exchange->peer = NULL;
    exchange->is_current = true;
}

static void proceed(struct exchange *exchange);

static void on_current(struct exchange *exchange, enum reason reason, const char *why)
{
    if (reason == REASON_NONE) {
        renew(exchange);
        proceed(exchange);
    } else if (reason == REASON_CONNECTION_LOST) {
        exchange_account(exchange, NULL, 0, reason, why); /* nobody is left to be answered */
    } else {
        refuse(exchange, reason_status(reason), reason, why, SLICE_ABSENT);
    }
}

static void wait_for_policy(struct exchange *exchange, const struct routing *routing)
{
    struct transaction_layer *layer = exchange->worker->layer;
    struct server_transaction *server = server_transaction_find(layer, exchange->server);
    for (size_t i = 0; i < routing->target_count; i++)
        if (flags_have(&routing->targets[i].flags, T_RELAY_NO_100))
            server_transaction_set_no_100(layer, server);
    if (!live_start(exchange, server_transaction_user(server), on_current))
        refuse(exchange, 503, REASON_NO_MEMORY, NULL, SLICE_ABSENT);
}

static void route(struct exchange *exchange)
{
    struct why why = WHY_NONE;
    struct intake intake;
    take_in(exchange, &intake, &why);
    if (has_to_wait(exchange, &intake)) {
        wait_for_policy(exchange, &intake.routing);
    } else if (intake.status != 0) {
        refuse(exchange, intake.status, intake.reason, intake.detail, buffer_slice(&intake.lines));
    } else {
        keep_intake(exchange, &intake);
        if (dialog_take_pin(exchange, intake.routing.pin))
            start(exchange, &intake.routing);
        else
            refuse(exchange, 503, REASON_NO_MEMORY, NULL, SLICE_ABSENT);
    }
    intake_fini(&intake);
}

static void proceed(struct exchange *exchange)
{
    if (admit(exchange) && may_forward(exchange))
        route(exchange);
}

void worker_new_request(struct worker *worker, const struct upstream *upstream, struct sip_message *request,
    struct server_transaction *server)
{
    struct transaction_handle handle = server_transaction_handle(server);
    struct exchange *exchange = exchange_new(worker, upstream, request);
    struct upstream *kept = exchange != NULL ? upstream_keep(worker, upstream) : NULL;
    if (kept == NULL) {
        exchange_unref(exchange);
        worker_reply_stateless(worker, upstream, request, 503, REASON_NO_MEMORY, NULL);
        server_transaction_drop(worker->layer, handle);
        return;
    }
    exchange->server = handle;
    atomic_fetch_add_explicit(&worker->counts.transactions, 1, memory_order_relaxed); /* until it is accounted */
    server_transaction_set_user(server, kept); /* gives it back by server_closed() */
    struct sip_defect defect;
    if (sip_validate_request(request, &defect) != 0)
        refuse(exchange, defect.status, REASON_BAD_REQUEST, defect.text, SLICE_ABSENT);
    else
        proceed(exchange);
    exchange_unref(exchange);
}

static void on_current_ack(struct exchange *exchange, enum reason reason, const char *why);

/* False: it goes nowhere. */
static bool route_ack(struct exchange *exchange)
{
    struct intake intake;
    struct relay_step *step = NULL;
    take_in(exchange, &intake, NULL);
    if (has_to_wait(exchange, &intake)) {
        intake_fini(&intake);
        return live_start(exchange, NULL, on_current_ack);
    }
    if (intake.status == 0 && intake.routing.target_count > 0) {
        keep_intake(exchange, &intake);
        if (dialog_take_pin(exchange, intake.routing.pin))
            step = step_new(exchange, &intake.routing.targets[0]);
    }
    if (step != NULL) {
        step->is_last = true;
        t_relay_stateless(step);
    }
    intake_fini(&intake);
    return step != NULL;
}

/* The sender of an ACK may send, and now. */
static bool is_welcome(struct exchange *exchange)
{
    struct peer_facts facts;
    fill_peer_facts(exchange->worker, &exchange->upstream, &facts);
    exchange->peer = policy_peer(exchange->snapshot, &facts);
    const struct peer_rule *peer = exchange->peer;
    return peer != NULL && peer->unusable == NULL && peer->action == PEER_ACCEPT && !is_withdrawn(exchange) &&
        !is_policy_stale(exchange);
}

static void on_current_ack(struct exchange *exchange, enum reason reason, const char *why UNUSED)
{
    renew(exchange);
    if (reason != REASON_NONE || !is_welcome(exchange) || !route_ack(exchange))
        transmit_undeliverable(exchange->worker, "ACK", sip_message_call_id(exchange->request), NULL);
}

/* An ACK for a 2xx passes without a transaction; whatever stands against it, it is dropped, for an
 * ACK is never answered (RFC 3261 17.1.1.3). */
void worker_forward_ack(struct worker *worker, const struct upstream *upstream, struct sip_message *ack)
{
    struct sip_defect defect;
    struct exchange *exchange = sip_validate_request(ack, &defect) != 0 ? NULL : exchange_new(worker, upstream, ack);
    if (exchange == NULL || !is_welcome(exchange) || !route_ack(exchange))
        transmit_undeliverable(worker, "ACK", sip_message_call_id(ack), NULL);
    exchange_unref(exchange);
}
