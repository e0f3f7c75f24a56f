/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hop.c - where one try of a request is under way: made, on its connection, freed.
 * In:    the step that tries, the connection that took its message. Out: the hop, in the table of that connection.
 * Never: leaves a connection busy of which it has let go.
 */
#include "relay/worker.h"

struct hop *hop_new(const struct relay_step *step)
{
    struct worker *worker = step->exchange->worker;
    struct hop *hop = slab_take_zeroed(&worker->memory, sizeof(*hop));
    if (hop == NULL)
        return NULL;
    hop->worker = worker;
    hop->branch = step->branch;
    hop->transport = step->target.transport;
    hop->target = step->target.endpoint;
    struct udp_port *port = hop->transport == TRANSPORT_UDP ? transmit_udp(worker, &hop->target) : NULL;
    hop->udp = port != NULL ? port->udp : NULL;
    return hop;
}

static void leave_connection(struct hop *hop)
{
    hop_table_remove(hop);
    if (hop->facts != NULL)
        connection_facts_end(hop->facts);
    connection_facts_unref(hop->facts);
    hop->facts = NULL;
}

void hop_is_on(struct hop *hop, struct connection_facts *facts)
{
    uint8_t origin[RESPONSE_ORIGIN_SIZE];
    leave_connection(hop);
    if (facts->has_key_digest)
        client_transaction_set_origin(hop->worker->layer, hop->client,
            response_origin(hop->transport, facts, &hop->target, origin));
    hop->facts = connection_facts_ref(facts);
    hop->handle = facts->handle;
    hop_table_insert(&hop->worker->hops, hop);
}

/* What still waits for its connection when the transaction has ended (timer B, the caller's answer is given) leaves no
 * byte: the next hop would ring for nobody. */
void hop_free(struct hop *hop)
{
    if (hop->placement != NULL)
        (void)placement_withdraw(hop->placement);
    leave_connection(hop);
    slab_give(&hop->worker->memory, hop, sizeof(*hop));
}
