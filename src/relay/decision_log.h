/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decision_log.h - one line for each way that is chosen for a request, or is not (INV-50).
 * In:    the relay step, what was decided, and on what. Out: an event "decision".
 * Never: decides.
 */
#ifndef TRELAY_RELAY_DECISION_LOG_H
#define TRELAY_RELAY_DECISION_LOG_H

#include "relay/worker.h"

/* FACTS: the connection it goes on; NULL: none. */
void decision_log(const struct relay_step *step, enum decision decision, const struct connection_facts *facts,
    enum reason reason);

#endif
