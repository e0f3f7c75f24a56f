/* SPDX-License-Identifier: GPL-2.0-or-later */
/* layer.c - where requests, responses and the time come in; see layer.h. */
#include "transaction/layer.h"

#include "transaction/transaction_private.h"

#include "base/error.h"
#include "sip/validate.h"

#include <assert.h>
#include <stdlib.h>

enum { WORKERS_MAX = 65536 };

/* ---- beginning and end ---- */

int transaction_layer_new(const struct transaction_layer_settings *settings, const struct transaction_ops *ops,
    void *arg, uint64_t now_ms, struct transaction_layer **layer_r)
{
    if (settings->worker >= WORKERS_MAX)
        return ERROR_LIMIT;
    struct transaction_layer *layer = calloc(1, sizeof(*layer));
    if (layer == NULL)
        return ERROR_MEMORY;
    if (table_init(&layer->servers) != 0) {
        free(layer);
        return ERROR_MEMORY;
    }
    layer->settings = *settings;
    layer->memory = settings->memory;
    layer->ops = ops;
    layer->arg = arg;
    layer->now_ms = now_ms;
    timer_wheel_init(&layer->wheel, now_ms);
    handle_table_init(&layer->handles, settings->worker);
    list_init(&layer->transactions);
    list_init(&layer->contexts);
    list_init(&layer->marked);
    list_init(&layer->ended_transactions);
    list_init(&layer->ended_contexts);
    *layer_r = layer;
    return 0;
}

static void free_transaction(struct transaction_layer *layer, struct transaction *transaction)
{
    if (transaction->is_server)
        server_transaction_free(layer, CONTAINER_OF(transaction, struct server_transaction, base));
    else
        client_transaction_free(layer, CONTAINER_OF(transaction, struct client_transaction, base));
}

void transaction_leave(struct transaction_layer *layer)
{
    struct list_node *node;
    while (layer->depth == 1) {
        if ((node = list_take_first(&layer->marked)) != NULL)
            response_context_act(CONTAINER_OF(node, struct response_context, marked));
        else if ((node = list_take_first(&layer->ended_transactions)) != NULL)
            free_transaction(layer, CONTAINER_OF(node, struct transaction, link));
        else if ((node = list_take_first(&layer->ended_contexts)) != NULL)
            response_context_free(CONTAINER_OF(node, struct response_context, link));
        else
            break;
    }
    layer->depth--;
}

void transaction_layer_free(struct transaction_layer *layer)
{
    if (layer == NULL)
        return;
    assert(layer->depth == 0);
    layer->depth = 2; /* nothing acts any more */
    list_for_each(node, &layer->contexts) {
        struct response_context *context = CONTAINER_OF(node, struct response_context, link);
        if (context->server != NULL)
            context->server->context = NULL;
        context->server = NULL;
    }
    struct list_node *node;
    while (!list_is_empty(&layer->transactions))
        transaction_end(layer, CONTAINER_OF(layer->transactions.head.next, struct transaction, link));
    while ((node = list_take_first(&layer->ended_transactions)) != NULL)
        free_transaction(layer, CONTAINER_OF(node, struct transaction, link));
    while ((node = list_take_first(&layer->contexts)) != NULL)
        response_context_free(CONTAINER_OF(node, struct response_context, link));
    table_fini(&layer->servers);
    handle_table_fini(&layer->handles);
    buffer_free(&layer->scratch);
    buffer_free(&layer->output);
    free(layer);
}

/* ---- time ---- */

void transaction_layer_advance(struct transaction_layer *layer, uint64_t now_ms)
{
    assert(layer->depth == 0);
    if (now_ms > layer->now_ms)
        layer->now_ms = now_ms;
    transaction_enter(layer);
    timer_wheel_advance(&layer->wheel, layer->now_ms, layer);
    transaction_leave(layer);
}

uint64_t transaction_layer_next_ms(const struct transaction_layer *layer)
{
    return timer_wheel_next_ms(&layer->wheel);
}

/* ---- requests ---- */

/* What a request comes to, and the transaction it met. */
struct met {
    enum request_outcome outcome;
    struct transaction_handle server; /* generation 0: none */
};

static struct met request_ack(struct transaction_layer *layer, const struct request_arrival *arrival,
    const struct transaction_key *key)
{
    struct server_transaction *server = server_transaction_match(layer, key, arrival->message);
    if (server == NULL)
        return (struct met){ .outcome = REQUEST_ACK_FORWARD };
    struct met met = { server->base.state == STATE_ACCEPTED ? REQUEST_ACK_FORWARD : REQUEST_ACK_ABSORBED,
        server->base.handle };
    transaction_event(layer, &server->base, EVENT_ACK, &(struct event_input){ 0 });
    return met;
}

static struct met request_repeated(struct transaction_layer *layer, const struct request_arrival *arrival,
    struct server_transaction *server)
{
    struct met met = { REQUEST_REPEATED, server->base.handle };
    transaction_event(layer, &server->base, EVENT_REQUEST, &(struct event_input){ .hop = arrival->hop });
    return met;
}

/* 9.2 and 16.10: answered at once, whatever becomes of the branches; so nobody judges it later (16.3(1)). */
static struct met request_cancel(struct transaction_layer *layer, const struct request_arrival *arrival,
    const struct transaction_key *key)
{
    struct sip_defect defect;
    if (sip_validate_request(arrival->message, &defect) != 0)
        return (struct met){ .outcome = REQUEST_UNREADABLE };
    struct server_transaction *server = server_transaction_match_cancelled(layer, key, arrival->message);
    if (server == NULL)
        return (struct met){ .outcome = REQUEST_CANCEL_UNMATCHED };
    struct met met = { REQUEST_REFUSED, server->base.handle };
    struct server_transaction *cancel;
    if (server_transaction_new(layer, arrival, key, &cancel) == 0) {
        transaction_event(layer, &cancel->base, EVENT_REQUEST, &(struct event_input){ 0 });
        if (server_transaction_answer(layer, cancel, &(struct local_reply){ .status = 200 }, arrival->hop) == 0)
            met.outcome = REQUEST_CANCEL_MATCHED;
        else
            transaction_event(layer, &cancel->base, EVENT_USER_DROP, &(struct event_input){ 0 });
    }
    if (server->method == SIP_METHOD_INVITE && server->base.state == STATE_PROCEEDING) {
        server->is_cancelled = true;
        if (server->context != NULL)
            response_context_upstream_cancel(server->context, arrival->message);
    }
    return met;
}

/* What belongs to a dialog may end one, and with it load: an eighth of the room is kept for it. */
static bool has_room(const struct transaction_layer *layer, const struct sip_message *request)
{
    size_t max = layer->settings.max_servers;
    bool is_in_dialog = !slice_is_absent(sip_message_to_tag(request));
    return max == 0 || layer->counts.servers < (is_in_dialog ? max : max - max / 8);
}

static struct met request_new(struct transaction_layer *layer, const struct request_arrival *arrival,
    const struct transaction_key *key)
{
    struct server_transaction *server;
    if (!has_room(layer, arrival->message))
        return (struct met){ .outcome = REQUEST_CROWDED };
    if ( server_transaction_new(layer, arrival, key, &server) != 0)
        return (struct met){ .outcome = REQUEST_REFUSED };
    transaction_event(layer, &server->base, EVENT_REQUEST, &(struct event_input){ .hop = arrival->hop });
    return (struct met){ REQUEST_NEW, server->base.handle };
}

static struct met meet(struct transaction_layer *layer, const struct request_arrival *arrival)
{
    struct transaction_key key;
    int rc = transaction_key_of(arrival->message, arrival->origin, layer->settings.hash_seed, &layer->scratch, &key);
    if (rc != 0)
        return (struct met){ .outcome = rc == ERROR_SYNTAX ? REQUEST_UNREADABLE : REQUEST_REFUSED };
    enum sip_method method = sip_message_method(arrival->message);
    if (method == SIP_METHOD_ACK)
        return request_ack(layer, arrival, &key);
    struct server_transaction *server = server_transaction_match(layer, &key, arrival->message);
    if (server != NULL)
        return request_repeated(layer, arrival, server);
    return method == SIP_METHOD_CANCEL ? request_cancel(layer, arrival, &key) : request_new(layer, arrival, &key);
}

enum request_outcome transaction_layer_request(struct transaction_layer *layer, const struct request_arrival *arrival,
    struct server_transaction **server_r)
{
    transaction_enter(layer);
    struct met met = meet(layer, arrival);
    transaction_leave(layer);
    *server_r = server_transaction_find(layer, met.server);
    return met.outcome;
}

/* ---- responses ---- */

/* The branch of our Via; absent when there is none. */
static struct slice branch_of(const struct sip_message *response)
{
    const struct sip_via *via = sip_message_top_via(response);
    return via != NULL ? via->branch : SLICE_ABSENT;
}

bool transaction_layer_worker_of(const struct sip_message *response, const struct transaction_secret *secret,
    uint32_t *worker_r)
{
    struct branch_id id;
    if (!branch_id_parse(branch_of(response), secret, &id))
        return false;
    *worker_r = id.client.worker;
    return true;
}

/* 18.1.2: what stands in the top Via is what we put there. */
static bool has_sent_by(const struct client_transaction *client, const struct sip_message *response)
{
    struct slice host = slice_of(client->texts + client->origin_length, client->sent_by_length);
    return host.length == 0 || sip_via_is_sent_by(sip_message_top_via(response), host, client->sent_by_port);
}

/* 17.1.3: the method of CSeq tells an INVITE's response from its CANCEL's. NULL: it is about neither. */
static struct client_transaction *with_method(struct client_transaction *client, const struct sip_message *response)
{
    const struct sip_cseq *cseq = sip_message_cseq(response);
    if (cseq == NULL)
        return NULL;
    if (client->method == SIP_METHOD_INVITE && cseq->method == SIP_METHOD_CANCEL)
        return client->cancel;
    if (cseq->method != client->method)
        return NULL;
    const struct sip_message *request = client->branch != NULL ? client->branch->context->request : NULL;
    if (client->method == SIP_METHOD_OTHER && request != NULL &&
        !slice_equal(cseq->method_text, sip_message_method_text(request)))
        return NULL;
    return client;
}

static bool has_second_via(const struct sip_message *response)
{
    struct sip_values values = sip_values_of(response, SIP_HEADER_VIA);
    struct sip_value value;
    struct sip_via via;
    (void)sip_values_next(&values, &value); /* behind what is not there, nothing is either */
    return sip_values_next(&values, &value) && sip_via_parse(value.text, &via) == 0;
}

enum response_outcome transaction_layer_response(struct transaction_layer *layer, struct sip_message *response,
    struct slice origin)
{
    struct branch_id id;
    if (!branch_id_parse(branch_of(response), &layer->settings.secret, &id))
        return RESPONSE_FOREIGN;
    if (id.client.worker != layer->settings.worker)
        return RESPONSE_ELSEWHERE;
    struct client_transaction *client = client_transaction_find(layer, id.client);
    if (client == NULL || client->base.state == STATE_INITIAL)
        return RESPONSE_UNMATCHED;
    if (!has_sent_by(client, response))
        return RESPONSE_FOREIGN;
    if (client->origin_length != 0 && !slice_equal(slice_of(client->texts, client->origin_length), origin))
        return RESPONSE_WRONG_ORIGIN;
    client = with_method(client, response);
    if (client == NULL)
        return RESPONSE_WRONG_METHOD;
    if (client->invite == NULL && !has_second_via(response))
        return RESPONSE_NO_VIA;
    transaction_enter(layer);
    transaction_event(layer, &client->base, response_event(sip_message_status(response)),
        &(struct event_input){ .response = response });
    transaction_leave(layer);
    return RESPONSE_TAKEN;
}

/* ---- names and numbers ---- */

const char *request_outcome_name(enum request_outcome outcome)
{
    static const char *const names[REQUEST_OUTCOME_COUNT] = {
#define X(code, name) [code] = name,
        REQUEST_OUTCOME_LIST(X)
#undef X
    };
    return (unsigned)outcome < REQUEST_OUTCOME_COUNT && names[outcome] != NULL ? names[outcome] : "none";
}

const char *response_outcome_name(enum response_outcome outcome)
{
    static const char *const names[RESPONSE_OUTCOME_COUNT] = {
#define X(code, name) [code] = name,
        RESPONSE_OUTCOME_LIST(X)
#undef X
    };
    return (unsigned)outcome < RESPONSE_OUTCOME_COUNT && names[outcome] != NULL ? names[outcome] : "none";
}

struct transaction_counts transaction_layer_counts(const struct transaction_layer *layer)
{
    return layer->counts;
}
