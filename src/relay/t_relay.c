/* SPDX-License-Identifier: GPL-2.0-or-later */
/* t_relay.c - the relay step: policy row, addresses, requirement, key, and the message to the owner of the address.
 * In:    one target of a request. Out: a placed message, or the reason why this target failed.
 * Each address is decided anew under the same row's floor (INV-33); nothing is tried with less (INV-34).
 */
#include "base/error.h"
#include "pkix/digest.h"
#include "policy/name.h"
#include "relay/decision_log.h"
#include "relay/dialog.h"
#include "relay/held.h"
#include "relay/next_hop.h"
#include "relay/outgoing.h"
#include "relay/worker.h"

#include <stdlib.h>

/* A policy that changes so often while one request is on its way refuses it. */
enum { RENEWALS_MAX = 3 };

static const struct flag_set no_flags;

static const struct flag_set *flags_of(const struct relay_step *step)
{
    return step->flags != NULL ? step->flags : &no_flags;
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

/* The policy that decides: the request's, unless a later one was met on the way. */
static struct policy_snapshot *snapshot_of(const struct relay_step *step)
{
    return step->snapshot != NULL ? step->snapshot : step->exchange->snapshot;
}

static bool is_stateless(const struct relay_step *step)
{
    return step->branch.generation == 0;
}

/* The target is given up. */
static void fail(struct relay_step *step, enum reason reason)
{
    step->decision = step->decision != DECISION_UNSET ? step->decision : DECISION_REJECT;
    if (is_stateless(step)) {
        transmit_undeliverable(step->exchange->worker, "ACK", sip_message_call_id(step->exchange->request), NULL);
        relay_step_free(step);
        return;
    }
    branch_failed(step->exchange->worker->layer, step->branch, reason);
}

/* What is asked of the policy, whatever the address. */
static struct requirement_question question_of(const struct relay_step *step)
{
    const struct exchange *exchange = step->exchange;
    const struct flag_set *flags = flags_of(step);
    return (struct requirement_question){
        .query = { .next_hop_domain = or_null(step->next_hop_domain),
            .request_domain = or_null(exchange->request_domain), .source_domain = or_null(exchange->source_domain),
            .peer = exchange->peer != NULL ? exchange->peer->name : NULL },
        .order = flags_have(flags, T_RELAY_LOOKUP) ? &flags->lookup : &exchange->worker->relay->settings->lookup,
        .usual = step->usual_lookup, .flags = flags, .is_senders_trust = step->is_senders_trust,
        .is_address_of_row = step->is_address_of_row, .pin = dialog_requirement(exchange) };
}

static enum lookup_result look_up(const struct relay_step *step, const struct address *address,
    struct requirement_rule *rule_r)
{
    const struct requirement_question question = question_of(step);
    return requirement_look_up(snapshot_of(step), &question, address, rule_r);
}

static bool is_sips_request(const struct exchange *exchange)
{
    const struct sip_uri *uri = sip_message_uri(exchange->request);
    return (uri != NULL && uri->scheme == SIP_URI_SIPS) ||
        slice_equal_nocase(slice_first(exchange->edits.request_uri, 5), SLICE_LITERAL("sips:"));
}

/* RULE: that of the name, of the address, or without a row. */
static struct next_hop next_hop_of(const struct relay_step *step, const struct requirement_rule *rule)
{
    const struct exchange *exchange = step->exchange;
    bool is_sips = is_sips_request(exchange);
    return (struct next_hop){ .uri = &step->next_hop, .domain = step->next_hop_domain, .is_sips_request = is_sips,
        .has_sip_contact = is_sips && next_hop_has_sip_contact(exchange->request), .row = rule->row,
        .flags = flags_of(step), .is_pinned = rule->is_pinned, .is_row_of_hop = rule->is_row_of_hop,
        .families = exchange->worker->relay->settings->dns_families };
}

/* What one target of this request had to prove, no later one may do without (INV-34). Those that are tried at one time
 * are none of each other's way out: each has what came before the group, and its own earlier addresses. */
static enum level floor_of(const struct relay_step *step)
{
    struct exchange *exchange = step->exchange;
    if (exchange->group != step->group) {
        exchange->group = step->group;
        exchange->group_floor = exchange->level_floor;
    }
    return step->level_floor > exchange->group_floor ? step->level_floor : exchange->group_floor;
}

static void raise_floor(struct relay_step *step, enum level level)
{
    struct exchange *exchange = step->exchange;
    (void)floor_of(step);
    step->level_floor = step->level_floor > level ? step->level_floor : level;
    exchange->level_floor = exchange->level_floor > level ? exchange->level_floor : level;
}

/* Whyever the earlier one failed: its name, its row and its certificates may have failed it before anybody was asked to
 * prove anything. */
static enum reason keep_floor(struct relay_step *step, const struct requirement_rule *rule)
{
    struct exchange *exchange = step->exchange;
    const struct outbound_policy *row = rule->row;
    enum level floor = floor_of(step),
        level = rule->is_pinned ? requirement_pinned_level(row, flags_of(step), dialog_requirement(exchange))
                                : requirement_level(row, flags_of(step));
    if (level < floor) {
        (void)why_fail(&step->why, ERROR_REFUSED,
            "an earlier target had to prove level %s, row \"%s\" asks for %s only", level_name(floor), row->name,
            level_name(level));
        return REASON_WEAKEN_REFUSED;
    }
    raise_floor(step, level);
    return REASON_NONE;
}

/* A look-up that is refused, of a sender above all, leaves what the rows would have asked for. */
static void keep_floor_refused(struct relay_step *step, const struct address *address)
{
    const struct requirement_question question = question_of(step);
    raise_floor(step, requirement_refused_level(snapshot_of(step), &question, address));
}

/* The target is given up before its address was known. Which row would have ruled that nobody knows: whoever can keep a
 * name from being found must not choose what the next target has to prove. */
static void fail_unlocated(struct relay_step *step, enum reason reason)
{
    const struct requirement_question question = question_of(step);
    if (step->rule.row == NULL)
        raise_floor(step, requirement_highest_level(snapshot_of(step), &question));
    fail(step, reason);
}

static void start_transaction(struct relay_step *step);

/* When another target serves the request, no other line tells of it. */
static void log_unlocated(const struct relay_step *step, enum reason reason)
{
    const struct exchange *exchange = step->exchange;
    log_event(&exchange->worker->scope, LOG_LEVEL_INFO, LOG_EVENT_LOCATE_FAILED,
        LOG_SLICE("call-id", sip_message_call_id(exchange->request)),
        LOG_SLICE("method", sip_message_method_text(exchange->request)),
        LOG_STRING("policy", step->rule.row != NULL ? step->rule.row->name : NULL),
        LOG_SLICE("next-hop", step->next_hop.host.text), LOG_STRING("reason", reason_word(reason)),
        LOG_WHY(&step->why));
}

static void on_located(void *arg, const struct locate_result *result)
{
    struct relay_step *step = arg;
    step->locating = NULL;
    if (result->reason != REASON_NONE || result->count == 0) {
        enum reason reason = result->reason != REASON_NONE ? result->reason : REASON_NO_ADDRESS;
        step->why = result->why;
        log_unlocated(step, reason);
        fail_unlocated(step, reason);
        return;
    }
    step->targets = malloc(result->count * sizeof(*step->targets));
    if (step->targets == NULL) {
        fail_unlocated(step, REASON_NO_MEMORY);
        return;
    }
    memcpy(step->targets, result->targets, result->count * sizeof(*step->targets));
    step->target_count = result->count;
    start_transaction(step);
}

static void find_targets(struct relay_step *step)
{
    const struct next_hop hop = next_hop_of(step, &step->rule);
    struct locate_question question;
    enum reason reason = next_hop_check_scheme(&hop, &step->why);
    step->is_address_of_row = next_hop_has_addresses(&hop);
    if (reason == REASON_NONE)
        reason = next_hop_targets(&hop, &step->targets, &step->target_count, &question);
    if (reason != REASON_NONE)
        fail_unlocated(step, reason);
    else if (step->target_count > 0)
        start_transaction(step);
    else if (locate_start(step->exchange->worker->resolver, &question, on_located, step, &step->locating) != 0)
        fail_unlocated(step, REASON_NO_MEMORY);
}

void t_relay_start(struct relay_step *step)
{
    const struct sip_uri *uri = &step->next_hop;
    bool is_address = uri->host.kind == SIP_HOST_V4 || uri->host.kind == SIP_HOST_V6;
    /* A name that is none would be no row's: "*.example" would not rule it, but the default row would (INV-14). */
    bool is_nameless = !is_address && step->next_hop_domain[0] == '\0';
    if (!sip_uri_is_sip(uri) || is_nameless) {
        branch_passed_over(step->exchange->worker->layer, step->branch, REASON_BAD_REQUEST);
        fail(step, REASON_NO_ADDRESS);
        return;
    }
    if (!slice_is_absent(uri->maddr)) {
        /* It would go where the domain, which has to be proven, did not say. */
        (void)why_fail(&step->why, ERROR_REFUSED, "maddr names another host than the domain of the next hop");
        fail(step, REASON_NO_POLICY);
        return;
    }
    enum lookup_result found = look_up(step, is_address ? &uri->host.address : NULL, &step->rule);
    enum reason reason = step->rule.reason;
    enum reason floor = step->rule.row != NULL ? keep_floor(step, &step->rule) : REASON_NONE;
    if (found == LOOKUP_RESULT_HIT && floor != REASON_NONE) {
        fail(step, floor);
        return;
    }
    switch (found) {
    case LOOKUP_RESULT_NONE:
    case LOOKUP_RESULT_REFUSED:
        keep_floor_refused(step, is_address ? &uri->host.address : NULL);
        (void)why_fail(&step->why, ERROR_REFUSED, "next hop \"%.*s\": %s", SLICE_PRINT(uri->host.text),
            reason_text(reason));
        fail(step, reason);
        return;
    case LOOKUP_RESULT_HIT:
        break;
    case LOOKUP_RESULT_NEEDS_ADDRESS:
        step->rule = (struct requirement_rule){ .row = NULL };
        break;
    }
    find_targets(step);
}

/* What this address needs, from the row that rules it. */
static enum reason build(struct relay_step *step, struct requirement *requirement)
{
    struct exchange *exchange = step->exchange;
    const struct relay_settings *settings = exchange->worker->relay->settings;
    struct requirement_rule rule = step->rule;
    if (rule.row == NULL) {
        enum lookup_result found = look_up(step, &step->target.endpoint.address, &rule);
        enum reason floor = rule.row != NULL ? keep_floor(step, &rule) : REASON_NONE;
        if (found != LOOKUP_RESULT_HIT) {
            keep_floor_refused(step, &step->target.endpoint.address);
            return rule.reason != REASON_NONE ? rule.reason : REASON_NO_POLICY;
        }
        if (floor != REASON_NONE)
            return floor;
    }
    step->used_row = rule.row;
    step->is_pinned = rule.is_pinned;
    const struct next_hop hop = next_hop_of(step, &rule);
    enum reason reason = next_hop_check_scheme(&hop, &step->why);
    if (reason != REASON_NONE)
        return reason;
    struct requirement_target target = { .transport = step->target.transport, .endpoint = step->target.endpoint,
        .next_hop_domain = or_null(step->next_hop_domain),
        .pin = rule.is_pinned ? dialog_requirement(exchange) : NULL };
    struct requirement_defaults defaults = { .max_age_s = settings->max_age_s,
        .idle_timeout_s = settings->idle_timeout_s };
    reason = requirement_build(snapshot_of(step), rule.row, flags_of(step), &target,
        &exchange->worker->relay->capabilities, &defaults, requirement, &step->why);
    if (reason != REASON_NONE)
        return reason;
    step->level = (enum level)requirement->key.level;
    memcpy(step->expected_domain, requirement->key.expected_domain, sizeof(step->expected_domain));
    return REASON_NONE;
}

static void on_done(void *arg, struct placement *placement);

static void deliver_place(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct placement *placement = CONTAINER_OF(mail, struct placement, mail);
    if (worker->pool != NULL) {
        flow_pool_place(worker->pool, placement);
        return;
    }
    placement->decision = DECISION_REJECT;
    placement->reason = REASON_SHUTDOWN;
    placement->done(placement->arg, placement);
}

static void deliver_placed(void *receiver, struct mail *mail)
{
    t_relay_placed(receiver, CONTAINER_OF(mail, struct placement, mail));
}

/* On the owner's thread: the outcome goes home. */
static void on_done(void *arg, struct placement *placement)
{
    struct relay *relay = arg;
    struct worker *home = &relay->workers[placement->home];
    if (placement->is_home)
        t_relay_placed(home, placement);
    else
        mail_post(home->mailbox, &placement->mail, deliver_placed);
}

static void place(struct worker *worker, struct placement *placement)
{
    struct relay *relay = worker->relay;
    uint32_t owner = address_worker(&placement->requirement.key.destination.address, relay->worker_count);
    placement->home = worker->index;
    placement->is_home = owner == worker->index;
    placement->done = on_done;
    placement->arg = relay;
    if (placement->is_home)
        deliver_place(worker, &placement->mail);
    else
        mail_post(relay->workers[owner].mailbox, &placement->mail, deliver_place);
}

static struct relay_step *step_of(struct worker *worker, struct transaction_handle handle)
{
    struct client_transaction *client = client_transaction_find(worker->layer, handle);
    struct branch *branch = client != NULL ? client_transaction_branch(client) : NULL;
    return branch != NULL ? branch_user(branch) : NULL;
}

static void note_outcome(struct relay_step *step, struct placement *placement)
{
    step->decision = placement->decision;
    connection_facts_unref(step->facts);
    step->facts = connection_facts_ref(placement->facts);
    if (placement->why.text[0] != '\0')
        step->why = placement->why;
    decision_log(step, step->decision, step->facts, placement->reason);
}

/* The policy changed on the way: the step is decided by this one if it is decided anew. */
static void note_policy(struct relay_step *step, struct policy_snapshot *snapshot)
{
    struct policy_snapshot *own = step->exchange->worker->snapshot;
    bool is_own_later = policy_snapshot_generation(own) > policy_snapshot_generation(snapshot);
    struct policy_snapshot *old = step->snapshot;
    step->snapshot = policy_snapshot_ref(is_own_later ? own : snapshot);
    step->rule = (struct requirement_rule){ .row = NULL }; /* it goes with what was before */
    step->used_row = NULL;
    policy_snapshot_unref(old);
}

/* A CANCEL or ACK whose connection was lost. Where it went the answers come, too: there its request is under way from
 * now on, and the connection is busy until that is over. */
static void placed_again(struct worker *worker, struct placement *placement)
{
    struct client_transaction *client = client_transaction_find(worker->layer, placement->client);
    struct hop *hop = client != NULL ? client_transaction_user(client) : NULL;
    const struct relay_step *step = step_of(worker, placement->client);
    if (step != NULL)
        decision_log(step, placement->decision, placement->facts, placement->reason);
    if (placement->reason != REASON_NONE)
        transmit_undeliverable(worker, "CANCEL or ACK", SLICE_ABSENT, &placement->requirement.key.destination);
    else if (hop != NULL)
        hop_is_on(hop, placement->facts);
    else
        connection_facts_end(placement->facts); /* it is over meanwhile */
    placement_free(placement);
}

void t_relay_placed(struct worker *worker, struct placement *placement)
{
    if (placement->is_again) {
        placed_again(worker, placement);
        return;
    }
    struct client_transaction *client = client_transaction_find(worker->layer, placement->client);
    struct hop *hop = client != NULL ? client_transaction_user(client) : NULL;
    struct relay_step *step = step_of(worker, placement->client);
    bool is_on = placement->reason == REASON_NONE && placement->client.generation != 0;
    if (hop != NULL)
        hop->placement = NULL;
    if (is_on && hop != NULL)
        hop_is_on(hop, placement->facts);
    else if (is_on)
        connection_facts_end(placement->facts); /* given up on the way */
    struct relay_step *stateless = placement->stateless, *renewed = step != NULL ? step : stateless;
    if (renewed != NULL)
        note_outcome(renewed, placement);
    if (renewed != NULL && placement->reason == REASON_VERDICT_STALE)
        note_policy(renewed, placement->snapshot);
    enum reason reason = placement->reason;
    struct transaction_handle handle = placement->client;
    placement_free(placement);
    if (stateless != NULL && reason == REASON_NONE)
        relay_step_free(stateless);
    else if (stateless != NULL && !t_relay_next_address(stateless, reason))
        fail(stateless, reason);
    if (reason != REASON_NONE && handle.generation != 0)
        client_transaction_failed(worker->layer, handle, reason);
}

static bool has_next_address(const struct relay_step *step)
{
    return step->target_next < step->target_count && !flags_have(flags_of(step), T_RELAY_NO_DNS_FAILOVER);
}

/* Whether what fails here goes on elsewhere. */
static bool has_other(const struct relay_step *step)
{
    return has_next_address(step) || !step->is_last;
}

static struct placement *make_placement(struct relay_step *step, const struct requirement *requirement,
    const struct connection_key *key)
{
    if (step->demand == NULL) {
        struct requirement_question question = question_of(step);
        step->demand = demand_new(&question);
    }
    struct slab *memory = &step->exchange->worker->memory;
    struct placement *placement = step->demand != NULL ? placement_new(memory, snapshot_of(step)) : NULL;
    if (placement == NULL)
        return NULL;
    placement->demand = demand_ref(step->demand);
    placement->requirement = *requirement;
    placement->key = *key;
    placement->has_other = has_other(step);
    return placement;
}

static void send_datagram(struct relay_step *step, struct hop *hop, struct slice bytes)
{
    struct worker *worker = step->exchange->worker;
    step->decision = DECISION_DATAGRAM;
    decision_log(step, step->decision, NULL, REASON_NONE);
    if (!transmit_datagram(worker, hop->udp, bytes, &hop->target))
        client_transaction_failed(worker->layer, hop->client, REASON_CONNECT_FAILED);
}

static enum sip_transport sip_transport_of(enum transport transport)
{
    switch (transport) {
    case TRANSPORT_UDP:
        return SIP_TRANSPORT_UDP;
    case TRANSPORT_TCP:
        return SIP_TRANSPORT_TCP;
    case TRANSPORT_TLS:
        return SIP_TRANSPORT_TLS;
    case TRANSPORT_UNSET:
        break;
    }
    return SIP_TRANSPORT_NONE;
}

static int compose(struct relay_step *step, const struct requirement *requirement, const char *branch_id,
    uint32_t max_breadth, struct buffer *out)
{
    const struct exchange *exchange = step->exchange;
    struct worker *worker = exchange->worker;
    const struct outbound_policy *row = requirement->terms.row; /* NULL: flags alone */
    char pin[DIALOG_PIN_TEXT_MAX];
    struct outgoing outgoing = { .request = exchange->request, .settings = worker->relay->settings,
        .in_side = exchange->upstream.listener, .source = exchange->upstream.source, .edits = &exchange->edits,
        .route_push = step->route_push, .next_hop = &step->next_hop,
        .transport = sip_transport_of(step->target.transport), .family = step->target.endpoint.address.family,
        .branch_id = slice_of_string(branch_id), .via_host = row != NULL ? row->via_host : NULL,
        .rr_host = row != NULL ? row->rr_host : NULL, .out_names_tls = row != NULL && row->transport_tls_param,
        .in_names_tls = exchange->peer != NULL && exchange->peer->transport_tls_param,
        .max_breadth = max_breadth, .pin = dialog_make_pin(step, requirement, pin) };
    return outgoing_compose(&outgoing, &worker->text, out);
}

/* The host of our Via on this try, which its responses have to bring back. */
static struct slice sent_by_of(const struct relay_step *step, const struct requirement *requirement, uint16_t *port_r)
{
    const struct outbound_policy *row = requirement->terms.row; /* NULL: flags alone */
    return slice_of_string(outgoing_sent_by(step->exchange->worker->relay->settings,
        sip_transport_of(step->target.transport), step->target.endpoint.address.family,
        row != NULL ? row->via_host : NULL, port_r));
}

/* One client transaction to the address chosen. False: STEP's branch cannot start one for REASON. */
static enum reason try_address(struct relay_step *step)
{
    struct worker *worker = step->exchange->worker;
    struct requirement requirement;
    struct connection_key key;
    uint8_t origin[RESPONSE_ORIGIN_SIZE];
    enum reason reason = build(step, &requirement);
    if (reason != REASON_NONE)
        return reason;
    connection_key_encode(&requirement.key, worker->relay->hash_seed, &key);
    step->key_hash = key.hash;
    if (has_other(step) && held_is_key(step))
        return REASON_BACKOFF;
    struct hop *hop = hop_new(step);
    struct client_transaction *client;
    struct try_request try = { .user = hop,
        .origin = response_origin(step->target.transport, NULL, &step->target.endpoint, origin),
        .loop_hash = step->exchange->loop_hash, .is_reliable = step->target.transport != TRANSPORT_UDP };
    try.sent_by = sent_by_of(step, &requirement, &try.sent_by_port);
    if (hop == NULL || branch_try(worker->layer, step->branch, &try, &client) != 0) {
        slab_give(&worker->memory, hop, sizeof(*hop));
        return REASON_NO_MEMORY;
    }
    hop->client = client_transaction_handle(client);
    char branch_id[BRANCH_ID_SIZE];
    client_transaction_branch_id(worker->layer, client, branch_id);
    struct placement *placement =
        step->target.transport != TRANSPORT_UDP ? make_placement(step, &requirement, &key) : NULL;
    struct buffer *message = placement != NULL ? &placement->message : &worker->message;
    buffer_clear(message);
    bool is_ready = step->target.transport == TRANSPORT_UDP || placement != NULL;
    uint32_t max_breadth = branch_max_breadth(branch_find(worker->layer, step->branch));
    if (!is_ready || compose(step, &requirement, branch_id, max_breadth, message) != 0 ||
        client_transaction_placed(worker->layer, hop->client, buffer_slice(message)) != 0) {
        placement_free(placement);
        client_transaction_failed(worker->layer, hop->client, REASON_NO_MEMORY);
        return REASON_NONE;
    }
    if (placement == NULL) {
        send_datagram(step, hop, buffer_slice(message));
        return REASON_NONE;
    }
    placement->client = hop->client;
    hop->placement = placement;
    place(worker, placement);
    return REASON_NONE;
}

/* An ACK has neither transaction nor answer: it is placed here, or at the next address, or it is not. STEP is gone
 * unless a reason is returned or its placement is under way. */
static enum reason send_stateless(struct relay_step *step)
{
    struct worker *worker = step->exchange->worker;
    struct requirement requirement;
    struct connection_key key;
    char branch_text[BRANCH_ID_SIZE];
    enum reason reason = build(step, &requirement);
    if (reason != REASON_NONE)
        return reason;
    connection_key_encode(&requirement.key, worker->relay->hash_seed, &key);
    struct branch_id id = { .client = { .worker = worker->index, .slot = UINT32_MAX,
                                .generation = ++worker->next_stateless } };
    branch_id_print(&id, &worker->relay->secret, branch_text);
    struct placement *placement = make_placement(step, &requirement, &key);
    if (placement == NULL ||
        compose(step, &requirement, branch_text, step->exchange->max_breadth, &placement->message) != 0) {
        placement_free(placement);
        return REASON_NO_MEMORY;
    }
    if (step->target.transport != TRANSPORT_UDP) {
        placement->stateless = step;
        place(worker, placement);
        return REASON_NONE;
    }
    struct udp_port *port = transmit_udp(worker, &step->target.endpoint);
    bool is_sent = port != NULL && udp_send(port->udp, buffer_slice(&placement->message), &step->target.endpoint) == 0;
    placement_free(placement);
    if (!is_sent)
        return REASON_CONNECT_FAILED;
    decision_log(step, DECISION_DATAGRAM, NULL, REASON_NONE);
    relay_step_free(step);
    return REASON_NONE;
}

static bool is_of_key(const struct connection_facts *facts, const struct connection_key *key)
{
    uint8_t digest[DIGEST_SIZE];
    const struct slice bytes = slice_of((const char *)key->bytes, key->length);
    return facts->has_key_digest && digest_sha256(&bytes, 1, digest) == 0 && digest_equal(digest, facts->key_digest);
}

/* A connection that is opened for it has to prove what the lost one had (INV-33), by the policy of the request; and by
 * today's, or it is not sent. */
bool t_relay_send_again(struct relay_step *step, const struct hop *hop, struct slice bytes)
{
    struct requirement requirement;
    struct connection_key key;
    if (hop->transport == TRANSPORT_UDP || hop->facts == NULL || build(step, &requirement) != REASON_NONE)
        return false;
    connection_key_encode(&requirement.key, step->exchange->worker->relay->hash_seed, &key);
    if (!is_of_key(hop->facts, &key))
        return false;
    struct placement *placement = make_placement(step, &requirement, &key);
    if (placement == NULL)
        return false;
    placement->client = hop->client;
    placement->is_again = true;
    buffer_append_slice(&placement->message, bytes);
    if (placement->message.has_failed) {
        placement_free(placement);
        return false;
    }
    place(step->exchange->worker, placement);
    return true;
}

/* The record tells of this try, not of what an earlier address led to. */
static void forget_last_try(struct relay_step *step)
{
    connection_facts_unref(step->facts);
    step->facts = NULL;
    step->used_row = NULL;
    step->is_pinned = false;
    step->decision = DECISION_UNSET;
    step->level = LEVEL_UNSET;
    step->expected_domain[0] = '\0';
    step->is_heard = false;
    step->why = WHY_NONE;
}

static enum reason try_next_address(struct relay_step *step)
{
    forget_last_try(step);
    step->target = step->targets[step->target_next++];
    if (has_other(step) && held_is_place(step))
        return REASON_BACKOFF;
    return is_stateless(step) ? send_stateless(step) : try_address(step);
}

/* What policy refuses for one address it may allow for the next, never for less (keep_floor()). */
static void start_transaction(struct relay_step *step)
{
    enum reason reason = try_next_address(step);
    while (reason != REASON_NONE) {
        decision_log(step, step->decision, step->facts, reason);
        branch_passed_over(step->exchange->worker->layer, step->branch, reason);
        if (reason == REASON_NO_MEMORY || !has_next_address(step))
            break;
        reason = try_next_address(step);
    }
    if (reason != REASON_NONE)
        fail(step, reason);
}

/* From the row on, by the policy that was met; nothing was sent yet. */
static void decide_anew(struct relay_step *step)
{
    step->renewals++;
    demand_unref(step->demand);
    step->demand = NULL;
    free(step->targets);
    step->targets = NULL;
    step->target_count = step->target_next = 0;
    t_relay_start(step);
}

bool t_relay_next_address(struct relay_step *step, enum reason reason)
{
    if (reason == REASON_VERDICT_STALE && step->renewals < RENEWALS_MAX) {
        decide_anew(step);
        return true;
    }
    if (!has_next_address(step))
        return false;
    start_transaction(step);
    return true;
}

void t_relay_stateless(struct relay_step *step)
{
    list_append(&step->exchange->worker->stateless, &step->node);
    t_relay_start(step);
}
