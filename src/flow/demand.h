/* SPDX-License-Identifier: GPL-2.0-or-later */
/* demand.h - the facts from which the relay step built a requirement, kept so that a later policy can be asked the same
 * question (INV-23); counted, immutable, shared by all tries of one step.
 * In:    what was looked up, with which flags. Out: the requirement that a snapshot yields for one target of it.
 * Never: points to anything but itself: it outlives the request and its snapshot.
 */
#ifndef TRELAY_FLOW_DEMAND_H
#define TRELAY_FLOW_DEMAND_H

#include "decide/requirement.h"

struct demand;

/* QUESTION's target is not kept. NULL when there is no memory. */
struct demand *demand_new(const struct requirement_question *question);
struct demand *demand_ref(struct demand *demand); /* NULL gives NULL */
void demand_unref(struct demand *demand);         /* NULL is allowed */

/* What SNAPSHOT yields for the target that KEY was built for. */
enum reason demand_ask(const struct demand *demand, const struct policy_snapshot *snapshot,
    const struct requirement_key *key, const struct capabilities *capabilities,
    const struct requirement_defaults *defaults, struct requirement *requirement_r, struct why *why);

#endif
