/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_probe.c - a handshake for its own sake: a connection that carries nothing and that nobody finds.
 * In:    a placement without a message. Out: its outcome, with the chain that the peer presented.
 * Never: remembered: it is in no table, and its failure holds nobody off.
 */
#include "flow/flow_private.h"

void flow_show(const struct flow *flow, struct placement *placement)
{
    if (placement->seen == NULL || placement->seen->count > 0)
        return;
    for (size_t i = 0; i < flow->chain.count; i++)
        if (certificate_chain_append(placement->seen, certificate_chain_get(&flow->chain, i)) != 0)
            return; /* as far as there is memory */
}

void flow_pool_probe(struct flow_pool *pool, struct placement *placement, struct certificate_chain *chain)
{
    placement->seen = chain;
    flow_pool_set_snapshot(pool, placement->snapshot);
    if (pool->is_draining)
        flow_finish(placement, DECISION_REJECT, REASON_SHUTDOWN, NULL);
    else if (flow_renew(pool, placement) != REASON_NONE)
        flow_finish(placement, DECISION_REJECT, REASON_VERDICT_STALE, NULL);
    else
        flow_open(pool, placement);
}
