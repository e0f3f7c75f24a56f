/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scenario_relay.c - what src/relay does around the pure core, on wires that are made up: receives, starts a branch at
 * the first address of its next hop, goes on to the next one, sends.
 */
#include "scenario.h"

#include "base/error.h"
#include "relay/outgoing.h"
#include "relay/proxy_rules.h"
#include "sip/validate.h"

#include <stdlib.h>
#include <string.h>

enum { GENERATION = 1, HASH_SEED = 4711, ADDRESSES = 4, STATELESS_SLOT = UINT32_MAX };

static const struct policy_release_ops release_ops;
static const struct transaction_secret secret = { { 9, 8, 7, 6, 5, 4, 3, 2, 1 } };

struct upstream {
    struct agent *agent;
    unsigned connection;
};

/* One request on its way. */
struct exchange {
    unsigned references;
    struct world *world;
    struct upstream upstream;
    struct sip_message *request;
    struct intake intake;
    struct transaction_handle server;
};

/* One target of it. */
struct relay_target {
    struct exchange *exchange;
    struct transaction_handle branch;
    const struct routing_target *target;
    struct agent *addresses[ADDRESSES];
    size_t count, next;
};

/* One client transaction. */
struct hop {
    struct list_node link; /* world->hops */
    struct agent *agent;
    unsigned connection;
    struct transaction_handle client;
    struct buffer pending; /* not sent yet: its agent is slow */
};

/* ---- exchanges ---- */

static struct exchange *exchange_ref(struct exchange *exchange)
{
    exchange->references++;
    return exchange;
}

static void exchange_unref(struct exchange *exchange)
{
    if (--exchange->references > 0)
        return;
    intake_fini(&exchange->intake);
    sip_message_unref(exchange->request);
    free(exchange);
}

static struct exchange *exchange_new(struct world *world, const struct upstream *upstream, struct sip_message *request)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    if (exchange == NULL)
        abort();
    exchange->references = 1;
    exchange->world = world;
    exchange->upstream = *upstream;
    exchange->request = sip_message_ref(request);
    return exchange;
}

/* ---- wires ---- */

static void arrive(struct world *world, struct agent *agent, unsigned connection, struct slice bytes)
{
    struct sip_message *message = NULL;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_defect defect;
    if (sip_message_parse(bytes, &limits, &message, &defect) != 0) {
        (void)scenario_fail(world, "the relay sent %s what cannot be read: %s", agent->name, defect.text);
        return;
    }
    if (agent->waiting_count == SCENARIO_MESSAGES) {
        (void)scenario_fail(world, "the relay sent %s too much", agent->name);
    } else if (scenario_is_in_order(world, agent, message)) {
        agent->waiting[agent->waiting_count++] =
            (struct arrival){ sip_message_ref(message), connection, world->now_ms - SCENARIO_START_MS };
        messages_add(&agent->received, message);
    }
    sip_message_unref(message);
}

static void send_response(void *arg, struct server_transaction *server, struct slice bytes, void *hop)
{
    struct world *world = arg;
    struct exchange *exchange = server_transaction_user(server);
    const struct upstream *upstream = hop != NULL ? hop : exchange != NULL ? &exchange->upstream : NULL;
    if (upstream == NULL || upstream->connection < upstream->agent->lost_below)
        server_transaction_send_failed(world->layer, server_transaction_handle(server));
    else
        arrive(world, upstream->agent, upstream->connection, bytes);
}

static bool send_request(void *arg, struct client_transaction *client, enum client_send what, struct slice bytes)
{
    (void)what;
    const struct hop *hop = client_transaction_user(client);
    if (hop->connection >= hop->agent->lost_below)
        arrive(arg, hop->agent, hop->connection, bytes);
    return true;
}

/* ---- branches ---- */

static bool is_address_of(const struct agent *agent, const struct sip_uri *uri)
{
    return address_equal(&agent->endpoint.address, &uri->host.address) &&
        (uri->port == 0 || uri->port == agent->endpoint.port);
}

/* The stand-in for the name service. */
static size_t locate(struct world *world, const struct sip_uri *uri, struct agent **addresses)
{
    size_t count = 0;
    if (uri->host.kind != SIP_HOST_NAME) {
        for (size_t i = 0; i < world->agent_count && count < 1; i++)
            if (is_address_of(&world->agents[i], uri))
                addresses[count++] = &world->agents[i];
        return count;
    }
    for (size_t i = 0; i < world->host_count; i++)
        if (slice_equal_nocase(slice_of_string(world->hosts[i].name), uri->host.text))
            for (size_t k = 0; k < world->hosts[i].agent_count; k++)
                addresses[count++] = world->hosts[i].agents[k];
    return count;
}

static const struct terms *terms_of(const struct world *world, const struct sip_uri *next_hop)
{
    static const struct terms none;
    for (size_t i = 0; i < world->terms_count; i++)
        if (slice_equal_nocase(slice_of_string(world->terms[i].host), next_hop->host.text))
            return &world->terms[i];
    return &none;
}

static int compose(const struct relay_target *step, const struct agent *agent, const char *branch_id,
    uint32_t max_breadth, struct buffer *out)
{
    const struct exchange *exchange = step->exchange;
    const struct agent *from = exchange->upstream.agent;
    const struct terms *terms = terms_of(exchange->world, &step->target->next_hop);
    struct outgoing outgoing = { .request = exchange->request, .settings = &exchange->world->settings,
        .in_side = from->listener, .source = from->endpoint, .edits = &exchange->intake.routing.edits,
        .route_push = step->target->route_push, .next_hop = &step->target->next_hop, .transport = agent->transport,
        .family = agent->endpoint.address.family, .branch_id = slice_of_string(branch_id),
        .via_host = terms->via_host, .rr_host = terms->rr_host, .out_names_tls = terms->names_tls,
        .in_names_tls = from->peer.transport_tls_param, .max_breadth = max_breadth };
    struct buffer scratch = BUFFER_EMPTY;
    int rc = outgoing_compose(&outgoing, &scratch, out);
    buffer_free(&scratch);
    return rc;
}

static void hop_open(struct world *world, struct hop *hop)
{
    struct buffer bytes = hop->pending;
    hop->pending = BUFFER_EMPTY;
    hop->connection = hop->agent->connection;
    if (hop->agent->unreachable != REASON_NONE)
        client_transaction_failed(world->layer, hop->client, hop->agent->unreachable);
    else
        arrive(world, hop->agent, hop->connection, buffer_slice(&bytes));
    buffer_free(&bytes);
}

static void try_address(struct relay_target *step)
{
    struct world *world = step->exchange->world;
    struct agent *agent = step->addresses[step->next++];
    struct hop *hop = calloc(1, sizeof(*hop));
    struct client_transaction *client;
    char branch_id[BRANCH_ID_SIZE];
    if (hop == NULL)
        abort();
    hop->agent = agent;
    struct try_request try = { .user = hop, .origin = slice_of_string(agent->name),
        .loop_hash = step->exchange->intake.loop_hash, .is_reliable = agent->transport != SIP_TRANSPORT_UDP };
    try.sent_by = slice_of_string(outgoing_sent_by(&world->settings, agent->transport, agent->endpoint.address.family,
        terms_of(world, &step->target->next_hop)->via_host, &try.sent_by_port));
    if (branch_try(world->layer, step->branch, &try, &client) != 0) {
        free(hop);
        branch_failed(world->layer, step->branch, REASON_NO_MEMORY);
        return;
    }
    hop->client = client_transaction_handle(client);
    list_append(&world->hops, &hop->link);
    client_transaction_branch_id(world->layer, client, branch_id);
    uint32_t breadth = branch_max_breadth(branch_find(world->layer, step->branch));
    if (compose(step, agent, branch_id, breadth, &hop->pending) != 0 ||
        client_transaction_placed(world->layer, hop->client, buffer_slice(&hop->pending)) != 0)
        client_transaction_failed(world->layer, hop->client, REASON_NO_MEMORY);
    else if (!agent->is_slow)
        hop_open(world, hop);
}

static void start_branch(void *arg, struct branch *branch)
{
    struct world *world = arg;
    struct relay_target *step = branch_user(branch);
    step->branch = branch_handle(branch);
    step->count = locate(world, &step->target->next_hop, step->addresses);
    if (step->count == 0)
        branch_failed(world->layer, step->branch, REASON_NO_ADDRESS);
    else
        try_address(step);
}

static bool next_address(void *arg, struct branch *branch, enum reason reason, unsigned status)
{
    (void)arg;
    (void)reason;
    (void)status;
    struct relay_target *step = branch_user(branch);
    if (step->next >= step->count)
        return false;
    try_address(step);
    return true;
}

static void stop_branch(void *arg, struct branch *branch)
{
    (void)arg;
    (void)branch;
}

static bool withdraw(void *arg, struct client_transaction *client)
{
    (void)arg;
    struct hop *hop = client_transaction_user(client);
    bool is_pending = hop->pending.length > 0;
    buffer_free(&hop->pending);
    return is_pending;
}

static void response_seen(void *arg, struct branch *branch, struct sip_message *response)
{
    (void)arg;
    (void)branch;
    (void)response;
}

static enum exhausted exhausted(void *arg, struct response_context *context, unsigned status, enum reason reason)
{
    (void)arg;
    (void)context;
    (void)status;
    (void)reason;
    return EXHAUSTED_SEND;
}

static void describe(void *arg, struct response_context *context, unsigned status, enum reason reason,
    struct branch *branch, struct buffer *lines)
{
    (void)arg;
    (void)context;
    (void)status;
    (void)branch;
    if (reason != REASON_NONE)
        buffer_append_format(lines, "Warning: 399 relay \"%s\"\r\n", reason_word(reason));
}

static void record(struct world *world, unsigned status, enum reason reason)
{
    world->recorded_status = status;
    world->recorded_reason = reason;
    world->is_recorded = true;
}

static void answered(void *arg, struct response_context *context, const struct response_summary *summary)
{
    (void)context;
    record(arg, summary->status, summary->reason);
}

static void server_closed(void *arg, void *user)
{
    (void)arg;
    exchange_unref(user);
}

static void client_closed(void *arg, void *user)
{
    (void)arg;
    struct hop *hop = user;
    list_remove(&hop->link);
    buffer_free(&hop->pending);
    free(hop);
}

static void branch_closed(void *arg, void *user)
{
    (void)arg;
    struct relay_target *step = user;
    exchange_unref(step->exchange);
    free(step);
}

static void context_closed(void *arg, void *user)
{
    (void)arg;
    exchange_unref(user);
}

static void trace(void *arg, enum machine machine, struct transaction_handle handle, enum transaction_state state,
    enum transaction_event event, enum transaction_state next)
{
    (void)handle;
    if (next == STATE_NONE)
        (void)scenario_fail(arg, "%s: %s is illegal in %s", machine_name(machine), transaction_event_name(event),
            transaction_state_name(state));
}

static const struct transaction_ops operations = {
    .send_response = send_response,
    .send_request = send_request,
    .start_branch = start_branch,
    .next_address = next_address,
    .stop_branch = stop_branch,
    .withdraw = withdraw,
    .response_seen = response_seen,
    .exhausted = exhausted,
    .describe = describe,
    .answered = answered,
    .server_closed = server_closed,
    .client_closed = client_closed,
    .branch_closed = branch_closed,
    .context_closed = context_closed,
    .trace = trace,
};

/* ---- requests ---- */

static void refuse(struct exchange *exchange, unsigned status, enum reason reason, struct slice lines)
{
    struct world *world = exchange->world;
    struct local_reply reply = { .status = status, .lines = lines };
    if (server_transaction_reply(world->layer, exchange->server, &reply) != 0)
        (void)scenario_fail(world, "the relay cannot answer %u", status);
    record(world, status, reason);
}

static struct relay_target *step_new(struct exchange *exchange, const struct routing_target *target)
{
    struct relay_target *step = calloc(1, sizeof(*step));
    if (step == NULL)
        abort();
    step->exchange = exchange_ref(exchange);
    step->target = target;
    return step;
}

static void forward(struct exchange *exchange)
{
    struct world *world = exchange->world;
    const struct routing *routing = &exchange->intake.routing;
    struct target targets[ROUTING_TARGETS_MAX];
    bool no_100 = false;
    for (size_t i = 0; i < routing->target_count; i++) {
        no_100 = no_100 || flags_have(&routing->targets[i].flags, T_RELAY_NO_100);
        targets[i] = (struct target){ step_new(exchange, &routing->targets[i]), routing->targets[i].group,
            flags_have(&routing->targets[i].flags, T_RELAY_NO_AUTO_477) };
    }
    struct response_context_options options = { .user = exchange_ref(exchange),
        .max_breadth = exchange->intake.max_breadth, .no_100 = no_100 };
    struct response_context *context;
    if (response_context_start(world->layer, exchange->server, targets, routing->target_count, &options, &context) != 0)
        abort();
}

static void decide(struct exchange *exchange)
{
    struct world *world = exchange->world;
    const struct agent *from = exchange->upstream.agent;
    struct intake_terms terms = { .settings = &world->settings, .snapshot = world->snapshot, .secret = &secret,
        .source = { &from->peer, from->is_trusted, from->listener }, .hash_seed = HASH_SEED,
        .came_by_tls = from->transport == SIP_TRANSPORT_TLS };
    intake_decide(exchange->request, &terms, &exchange->intake, NULL);
}

static void take_new(struct world *world, const struct upstream *upstream, struct sip_message *request,
    struct server_transaction *server)
{
    struct sip_defect defect;
    struct exchange *exchange = exchange_new(world, upstream, request);
    exchange->server = server_transaction_handle(server);
    server_transaction_set_user(server, exchange);
    exchange_ref(exchange);
    if (sip_validate_request(request, &defect) != 0) {
        refuse(exchange, defect.status, REASON_BAD_REQUEST, SLICE_ABSENT);
    } else {
        decide(exchange);
        const struct intake *intake = &exchange->intake;
        if (intake->status != 0)
            refuse(exchange, intake->status, intake->reason, buffer_slice(&intake->lines));
        else
            forward(exchange);
    }
    exchange_unref(exchange);
}

/* The ACK of a 2xx: no transaction, no answer. */
static void take_ack(struct world *world, const struct upstream *upstream, struct sip_message *ack)
{
    struct sip_defect defect;
    struct exchange *exchange = exchange_new(world, upstream, ack);
    if (sip_validate_request(ack, &defect) == 0)
        decide(exchange);
    if (exchange->intake.status == 0 && exchange->intake.routing.target_count > 0) {
        struct relay_target *step = step_new(exchange, &exchange->intake.routing.targets[0]);
        struct branch_id id = { .client = { 0, STATELESS_SLOT, ++upstream->agent->requests_made } };
        char branch_id[BRANCH_ID_SIZE];
        struct buffer bytes = BUFFER_EMPTY;
        branch_id_print(&id, &secret, branch_id);
        if (locate(world, &step->target->next_hop, step->addresses) > 0 &&
            compose(step, step->addresses[0], branch_id, exchange->intake.max_breadth, &bytes) == 0)
            arrive(world, step->addresses[0], step->addresses[0]->connection, buffer_slice(&bytes));
        buffer_free(&bytes);
        branch_closed(world, step);
    }
    exchange_unref(exchange);
}

static void take_request(struct world *world, struct agent *agent, unsigned connection, const char *origin,
    struct sip_message *message)
{
    struct upstream upstream = { agent, connection };
    struct request_arrival arrival = { .message = message, .origin = slice_of_string(origin),
        .source = &agent->endpoint, .hop = &upstream, .is_reliable = agent->transport != SIP_TRANSPORT_UDP };
    struct server_transaction *server;
    world->request_outcome = transaction_layer_request(world->layer, &arrival, &server);
    if (world->request_outcome == REQUEST_NEW)
        take_new(world, &upstream, message, server);
    else if (world->request_outcome == REQUEST_ACK_FORWARD)
        take_ack(world, &upstream, message);
}

static void take_response(struct world *world, const char *origin, struct sip_message *message)
{
    struct sip_defect defect;
    world->response_outcome = RESPONSE_OUTCOME_NONE;
    if (sip_validate_response(message, &defect) == 0)
        world->response_outcome = transaction_layer_response(world->layer, message, slice_of_string(origin));
}

bool relay_take(struct world *world, struct agent *agent, unsigned connection, const char *origin,
    struct sip_message *message)
{
    if (sip_message_is_request(message))
        take_request(world, agent, connection, origin, message);
    else
        take_response(world, origin, message);
    return world->error.length == 0;
}

/* ---- time, connections ---- */

void relay_pass(struct world *world, uint64_t ms)
{
    uint64_t until = world->now_ms + ms;
    for (uint64_t next; (next = transaction_layer_next_ms(world->layer)) <= until;) {
        world->now_ms = next > world->now_ms ? next : world->now_ms;
        transaction_layer_advance(world->layer, world->now_ms);
    }
    world->now_ms = until;
    transaction_layer_advance(world->layer, until);
}

void relay_connect(struct world *world, struct agent *agent, enum reason reason)
{
    agent->is_slow = false;
    agent->unreachable = reason;
    struct hop *hop;
    do { /* what is done to one may end others */
        hop = NULL;
        list_for_each(node, &world->hops) {
            struct hop *candidate = CONTAINER_OF(node, struct hop, link);
            if (hop == NULL && candidate->agent == agent && candidate->pending.length > 0)
                hop = candidate;
        }
        if (hop != NULL)
            hop_open(world, hop);
    } while (hop != NULL);
}

void relay_lose(struct world *world, struct agent *agent)
{
    struct transaction_handle lost[SCENARIO_MESSAGES];
    size_t count = 0;
    agent->lost_below = ++agent->connection;
    list_for_each(node, &world->hops) {
        const struct hop *hop = CONTAINER_OF(node, struct hop, link);
        if (hop->agent == agent && hop->pending.length == 0 && count < SCENARIO_MESSAGES)
            lost[count++] = hop->client;
    }
    for (size_t i = 0; i < count; i++)
        client_transaction_failed(world->layer, lost[i], REASON_CONNECTION_LOST);
}

bool relay_begin(struct world *world)
{
    struct policy_builder *builder = NULL;
    struct why why = WHY_NONE;
    bool is_built = policy_builder_new(&release_ops, HASH_SEED, &builder) == 0;
    for (size_t i = 0; is_built && i < world->route_count; i++)
        is_built = policy_builder_route(builder, &world->routes[i]) == 0;
    for (size_t i = 0; is_built && i < world->terms_count; i++) {
        struct outbound_policy row = { .id = (int64_t)i + 1, .name = world->terms[i].host,
            .rr_host = world->terms[i].rr_host };
        is_built = policy_builder_outbound(builder, &row) == 0;
    }
    if (!is_built || policy_builder_finish(builder, GENERATION, 0, &world->snapshot, &why) != 0)
        return scenario_fail(world, "no policy: %s", why.text);
    if (timer_settings_check(&world->settings.timers, &why) != 0)
        return scenario_fail(world, "timers: %s", why.text);
    struct transaction_layer_settings settings = { .max_servers = world->max_servers, .hash_seed = HASH_SEED,
        .secret = secret, .timers = world->settings.timers };
    if (transaction_layer_new(&settings, &operations, world, world->now_ms, &world->layer) != 0)
        return scenario_fail(world, "no transaction layer");
    return true;
}

void relay_end(struct world *world)
{
    transaction_layer_free(world->layer);
    world->layer = NULL;
    policy_snapshot_unref(world->snapshot);
    world->snapshot = NULL;
}
