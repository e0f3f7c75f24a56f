/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sender.h - who asks, as far as its connection tells: what peer rows go by.
 * In:    facts of a connection, the time. Out: facts for policy_peer().
 * Never: counts a chain as proven that was withdrawn, or has ended (INV-37, INV-38).
 */
#ifndef TRELAY_RELAY_SENDER_H
#define TRELAY_RELAY_SENDER_H

#include "flow/connection_facts.h"
#include "policy/lookup.h"

#include <stdbool.h>
#include <stdint.h>

/* CONNECTION NULL: a datagram, which proves nothing. */
bool sender_is_proven(const struct connection_facts *connection, int64_t now_s);
void sender_facts(const struct connection_facts *connection, const struct address *source, int64_t now_s,
    struct peer_facts *facts_r);

#endif
