/* SPDX-License-Identifier: GPL-2.0-or-later */
/* placement.h - one message on its way to one connection: what it needs, and what became of it.
 * In:    made by the relay for one branch. Out: given back through done() with the outcome.
 * It holds its snapshot, so that everything the requirement points to lives as long as it does.
 * Never: shared: at each moment one worker owns it.
 */
#ifndef TRELAY_FLOW_PLACEMENT_H
#define TRELAY_FLOW_PLACEMENT_H

#include "base/buffer.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/why.h"
#include "decide/decide.h"
#include "flow/connection_facts.h"
#include "flow/demand.h"
#include "flow/mail.h"
#include "policy/snapshot.h"
#include "transaction/handle.h"

#include <stdatomic.h>

struct placement {
    struct mail mail;            /* for the way to the owner of the destination and back */
    struct list_node waiting;    /* behind a handshake */
    struct slab *memory;         /* it is from */
    struct policy_snapshot *snapshot;
    struct demand *demand;       /* counted; NULL: under a later policy than that of the snapshot it is refused */
    struct buffer message;
    bool has_other;              /* an address to go on with */
    struct certificate_chain *seen; /* borrowed. Not NULL: a probe, which sends nothing, and finds here what the peer
                                       presented */

    /* the outcome */
    enum decision decision;
    enum reason reason;              /* NONE: the message is with the connection; VERDICT_STALE: nothing was sent,
                                        and the snapshot is the one by which it is to be decided anew */
    struct connection_facts *facts;  /* with NONE, and of a refused verdict where they are known */
    struct why why;

    /* Called by the pool, on the owner's thread, exactly once; takes the placement back. */
    void (*done)(void *arg, struct placement *placement);
    void *arg;
    uint32_t home;           /* worker that made it */
    bool is_home;            /* which owns the destination as well */
    struct transaction_handle client; /* the maker's, who calls connection_facts_end() when it is over, if the message
                                         is with the connection; generation 0: nobody waits for an answer */
    bool is_again;           /* the CANCEL or ACK of CLIENT's request, whose connection was lost */
    void *stateless;         /* the maker's own, where none does */
    atomic_uint stage;       /* enum placement_stage */

    /* Last, for placement_new() leaves them to the maker to fill. */
    struct requirement requirement;
    struct connection_key key;
};

enum placement_stage { PLACEMENT_QUEUED = 0, PLACEMENT_SENDING, PLACEMENT_WITHDRAWN };

/* From any thread that knows PLACEMENT to be alive. Only one of the two succeeds: a request that was withdrawn leaves
 * no byte, and one whose bytes may be leaving cannot be withdrawn. */
bool placement_begin_sending(struct placement *placement);
bool placement_withdraw(struct placement *placement);

/* The requirement by a later SNAPSHOT, when it yields the same key; else VERDICT_STALE, and SNAPSHOT is the placement's
 * all the same (INV-22, INV-23). */
enum reason placement_renew(struct placement *placement, struct policy_snapshot *snapshot,
    const struct capabilities *capabilities, const struct requirement_defaults *defaults);

/* NULL when there is no memory. SNAPSHOT is counted once more. MEMORY is the maker's, who frees it, too; NULL:
 * malloc's. */
struct placement *placement_new(struct slab *memory, struct policy_snapshot *snapshot);
void placement_free(struct placement *placement);

#endif
