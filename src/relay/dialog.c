/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dialog.c - see dialog.h. */
#include "relay/dialog.h"

#include "pkix/digest.h"
#include "relay/outgoing.h"

static const struct dialog_pin_crypto crypto = { digest_hmac_sha256, bytes_equal };
static const struct flag_set no_flags;

static void refuse(struct exchange *exchange, enum dialog_pin_result result)
{
    struct worker *worker = exchange->worker;
    atomic_fetch_add_explicit(&worker->counts.pins_refused, 1, memory_order_relaxed);
    log_event(&worker->strangers, LOG_LEVEL_WARN, LOG_EVENT_PIN_REFUSED,
        LOG_SLICE("method", sip_message_method_text(exchange->request)),
        LOG_SLICE("call-id", sip_message_call_id(exchange->request)),
        LOG_ENDPOINT("source", &exchange->upstream.source),
        LOG_STRING("peer", exchange->peer != NULL ? exchange->peer->name : NULL),
        LOG_STRING("reason", dialog_pin_result_word(result)));
}

enum dialog_pin_result relay_read_pin(const struct relay *relay, const struct policy_snapshot *snapshot,
    struct slice text, const struct dialog_pin_bearer *bearer, struct dialog_pin *pin_r)
{
    struct dialog_pin_bearer aged = *bearer;
    struct dialog_pin pin;
    bool is_from_caller;
    aged.max_age_s = relay->settings->pin_age_s;
    enum dialog_pin_result result = dialog_pin_read(text, &aged, policy_snapshot_dialog_secrets(snapshot), &crypto,
        &pin, &is_from_caller);
    if (result != DIALOG_PIN_VALID)
        return result;
    pin_r->issued_at = pin.issued_at;
    pin_r->to_callee = is_from_caller ? pin.to_callee : pin.to_caller;
    pin_r->to_caller = is_from_caller ? pin.to_caller : pin.to_callee;
    return result;
}

bool dialog_take_pin(struct exchange *exchange, struct slice text)
{
    struct worker *worker = exchange->worker;
    const struct dialog_secrets *secrets = policy_snapshot_dialog_secrets(exchange->snapshot);
    const struct dialog_pin_bearer bearer = { .call_id = sip_message_call_id(exchange->request),
        .from_tag = sip_message_from_tag(exchange->request), .to_tag = sip_message_to_tag(exchange->request),
        .now = loop_wall_s(worker->loop) };
    struct dialog_pin pin;
    if (slice_is_absent(text) || secrets->count == 0 || slice_is_absent(bearer.to_tag))
        return true;
    enum dialog_pin_result result = relay_read_pin(worker->relay, exchange->snapshot, text, &bearer, &pin);
    if (result == DIALOG_PIN_VALID) {
        exchange->pin = slab_take(&worker->memory, sizeof(*exchange->pin));
        result = exchange->pin != NULL ? DIALOG_PIN_VALID : DIALOG_PIN_NO_MEMORY;
    }
    if (result == DIALOG_PIN_VALID)
        *exchange->pin = pin;
    else
        refuse(exchange, result);
    return result != DIALOG_PIN_NO_MEMORY;
}

const struct dialog_part *dialog_requirement(const struct exchange *exchange)
{
    return exchange->pin != NULL && exchange->pin->to_callee.level != LEVEL_UNSET ? &exchange->pin->to_callee : NULL;
}

/* The domain that the sender's certificate proves: that of From among several. NULL: none, or who knows which. */
static const char *proven_domain(const struct exchange *exchange)
{
    const struct connection_facts *facts = exchange->upstream.facts;
    if (!upstream_is_proven(exchange->worker, &exchange->upstream))
        return NULL;
    for (size_t i = 0; i < facts->identity_count; i++)
        if (strcmp(facts->identities[i], exchange->source_domain) == 0)
            return facts->identities[i];
    return facts->identity_count == 1 ? facts->identities[0] : NULL;
}

/* The way back: what policy would ask of a next hop of the domain that the sender has proven; else, what came over TLS
 * is not answered in clear. */
static void pin_sender(const struct exchange *exchange, const struct policy_snapshot *snapshot,
    struct dialog_part *part_r)
{
    const char *domain = proven_domain(exchange);
    const struct policy_query query = { .next_hop_domain = domain, .request_domain = domain,
        .source_domain = exchange->request_domain[0] != '\0' ? exchange->request_domain : NULL,
        .address = &exchange->upstream.source.address };
    const struct outbound_policy *row;
    enum reason reason;
    if (exchange->upstream.transport == TRANSPORT_TLS)
        part_r->level = LEVEL_ENCRYPT;
    if (domain == NULL || policy_lookup(snapshot, &query, &exchange->worker->relay->settings->lookup, &row, &reason) !=
            LOOKUP_RESULT_HIT)
        return;
    enum level level = requirement_level(row, &no_flags);
    if (!level_needs_chain(level))
        return;
    part_r->row_id = row->id;
    part_r->level = level;
    if (row->expected_domain == NULL)
        (void)slice_to_string(slice_of_string(domain), part_r->domain, sizeof(part_r->domain));
}

/* A request within a dialog makes the route set anew for who has lost it: what is known stays, the day of issue too. */
struct slice dialog_make_pin(const struct relay_step *step, const struct requirement *requirement,
    char out[DIALOG_PIN_TEXT_MAX])
{
    const struct exchange *exchange = step->exchange;
    const struct policy_snapshot *snapshot = step->snapshot != NULL ? step->snapshot : exchange->snapshot;
    const struct dialog_secrets *secrets = policy_snapshot_dialog_secrets(snapshot);
    struct dialog_pin pin = { .issued_at = loop_wall_s(exchange->worker->loop) };
    if (secrets->count == 0 || !outgoing_makes_dialog(sip_message_method(exchange->request)))
        return SLICE_ABSENT;
    if (exchange->pin != NULL)
        pin = *exchange->pin;
    else
        pin_sender(exchange, snapshot, &pin.to_caller);
    if (!step->is_pinned)
        requirement_pin(requirement, step->flags != NULL ? step->flags : &no_flags, step->next_hop_domain,
            &pin.to_callee);
    size_t length = dialog_pin_print(&pin, sip_message_call_id(exchange->request),
        sip_message_from_tag(exchange->request), &secrets->secrets[0], &crypto, out);
    return length > 0 ? slice_of(out, length) : SLICE_ABSENT;
}
