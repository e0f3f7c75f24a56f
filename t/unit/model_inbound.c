/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_inbound.c - the other direction: who connects to us, what they send, the answers; and what else the pool tells
 * its owner.
 */
#include "model.h"

#include "flow/flow_private.h"

#include <stdlib.h>
#include <string.h>

static struct stream *link_of(const struct connection_facts *facts)
{
    for (size_t i = 0; i < MODEL_LINKS; i++) {
        struct stream *link = &model()->links[i];
        if (link->phase != LINK_FREE && link->worker == facts->handle.worker &&
            connection_handle_equal(((const struct flow *)link->arg)->handle, facts->handle))
            return link;
    }
    return NULL;
}

/* It is looked at by an operator, who remembers it. */
static void note_known(const struct stream *link, struct connection_handle handle)
{
    struct model *world = model();
    if (dice_hits(&world->dice, 2))
        world->known[world->known_count++ % MODEL_KNOWN] = (struct model_known){ .handle = handle,
            .link = (uint32_t)(link - world->links), .link_serial = link->serial };
}

static void take_request(struct stream *link, struct connection_facts *facts)
{
    struct model *world = model();
    struct model_inbound *inbound = &world->inbound[dice_roll(&world->dice, MODEL_INBOUND)];
    if (inbound->number != 0)
        return; /* it has enough to do, and answers nobody */
    *inbound = (struct model_inbound){ .number = ++world->next_inbound, .worker = world->at->number,
        .link = (uint32_t)(link - world->links), .link_serial = link->serial,
        .facts = connection_facts_ref(facts) };
    connection_facts_begin(facts);
}

static void on_message(void *arg, struct connection_facts *facts, const char *listener, struct sip_message *message)
{
    const struct model_worker *worker = arg;
    struct slice call = sip_message_call_id(message);
    struct stream *link = link_of(facts);
    bool was_ours = model()->is_ours;
    (void)listener;
    model()->totals.messages++;
    model()->is_ours = false;
    oracle_heard(link, facts);
    note_known(link, facts->handle);
    struct model_request *request = model_request_of((uint32_t)strtoul(call.data, NULL, 10));
    if (link->is_accepted)
        take_request(link, facts);
    else if (request != NULL && request->is_under_way && request->home == worker->number)
        model_request_end(request);
    model()->is_ours = was_ours;
}

static void on_defect(void *arg, struct connection_facts *facts, const char *listener, struct slice bytes,
    const struct sip_defect *defect)
{
    (void)arg;
    (void)facts;
    (void)listener;
    (void)defect;
    model_fail(NULL, NULL, "framing: %zu bytes are no message", bytes.length);
}

/* The transactions on it are told, and may try elsewhere at once. */
static void on_closed(void *arg, struct connection_handle handle, enum reason reason,
    void *farewell UNUSED)
{
    const struct model_worker *worker = arg;
    bool was_ours = model()->is_ours;
    (void)reason;
    model()->is_ours = false;
    for (size_t i = 0; i < MODEL_REQUESTS; i++) {
        struct model_request *request = &model()->requests[i];
        if (request->is_under_way && request->home == worker->number &&
            connection_handle_equal(request->facts->handle, handle))
            model_request_end(request);
    }
    if (!model()->is_stable && !model()->settings.is_calm && dice_hits(&model()->dice, 8)) {
        struct model_request *request = model_request_new();
        if (request != NULL) {
            request->home = worker->number;
            model_request_start(request);
        }
    }
    model()->is_ours = was_ours;
}

const struct flow_pool_ops model_pool_ops = { .message = on_message, .defect = on_defect, .closed = on_closed };

void model_accept(void)
{
    struct model *world = model();
    struct model_worker *worker = &world->workers[dice_roll(&world->dice, MODEL_WORKERS)];
    struct endpoint from = world->peers[dice_roll(&world->dice, MODEL_PEERS)].place;
    model_turn(worker);
    world->is_accepting_tls = !dice_hits(&world->dice, 4);
    world->is_ours = true;
    flow_pool_accept(worker->pool, -1, &from, "edge", world->is_accepting_tls);
    world->is_ours = false;
}

static void answer(struct model_inbound *inbound)
{
    struct model *world = model();
    struct model_worker *worker = &world->workers[inbound->worker];
    const struct model_request named = { .number = inbound->number };
    uint8_t token[MODEL_TOKEN_SIZE];
    model_turn(worker);
    if (inbound->facts == NULL)
        return; /* a timer of that turn was faster */
    world->is_ours = true;
    ignore_result(flow_pool_send(worker->pool, inbound->facts->handle, NULL, model_token('P', &named, token)));
    world->is_ours = false;
    connection_facts_end(inbound->facts);
    connection_facts_unref(inbound->facts);
    *inbound = (struct model_inbound){ .number = 0 };
}

void model_inbound_answer(void)
{
    struct model_inbound *inbound = &model()->inbound[dice_roll(&model()->dice, MODEL_INBOUND)];
    if (inbound->number != 0)
        answer(inbound);
}

void model_inbound_forget(void)
{
    for (size_t i = 0; i < MODEL_INBOUND; i++)
        if (model()->inbound[i].number != 0)
            answer(&model()->inbound[i]);
}

void model_close_known(void)
{
    struct model *world = model();
    struct model_known *known = &world->known[dice_roll(&world->dice, MODEL_KNOWN)];
    if (known->handle.generation == 0)
        return;
    struct model_worker *worker = &world->workers[known->handle.worker];
    model_turn(worker);
    world->closing = known;
    world->is_ours = true;
    world->totals.closed += flow_pool_close(worker->pool, known->handle, REASON_NONE) == 0;
    world->is_ours = false;
    world->closing = NULL;
}
