/* SPDX-License-Identifier: GPL-2.0-or-later */
/* live.h - lookup=live: a request waits until the policy is known to be that of the database at a moment after it came.
 * In:    an exchange whose look-up order says so; the answer of the control thread. Out: the exchange goes on by the
 *        newest snapshot, decided anew from its sender on; or it is refused, when nobody can say so in time.
 * Never: blocks a turn, asks once for each request, or lets one go on by an answer to an older question.
 */
#ifndef TRELAY_RELAY_LIVE_H
#define TRELAY_RELAY_LIVE_H

#include "relay/worker.h"

/* Called once; the exchange is the callee's to use within the call. REASON_NONE: its snapshot is current. */
typedef void live_done_fn(struct exchange *exchange, enum reason reason, const char *why);

/* KEPT: where its server transaction has the upstream; NULL: it is an ACK, of which so many wait and no more. False: it
 * does not wait, for want of memory or room. */
bool live_start(struct exchange *exchange, struct upstream *kept, live_done_fn *done);
/* The request of KEPT was cancelled, or its server transaction has gone. Does nothing when it does not wait. */
void live_end(struct upstream *kept, enum reason reason);

void live_init(struct worker *worker);
/* What waits is forgotten, without a word. */
void live_fini(struct worker *worker);
/* The mail function of a question that comes back. */
void live_deliver_answer(void *receiver, struct mail *mail);

#endif
