/* SPDX-License-Identifier: GPL-2.0-or-later */
/* held.h - what a worker knows of next hops that is no connection's: who was silent, and who asked for rest.
 * In:    how a try of a relay step went. Out: whether the next one is to be spared its address.
 * Never: keeps a request from the only address there is; the caller asks only where there is another.
 */
#ifndef TRELAY_RELAY_HELD_H
#define TRELAY_RELAY_HELD_H

#include "relay/worker.h"

/* A response came on the last try; or none, and the time is over. */
void held_heard(struct relay_step *step);
void held_silent(struct relay_step *step);
/* RFC 3261 21.5.4: the last try was answered 503, perhaps with Retry-After. It is of the key of that try alone: who has
 * proven one name says nothing of another at the same address (INV-20). */
void held_unavailable(struct relay_step *step, const struct sip_message *response);

/* The address of this try does not answer datagrams (RFC 4321 1.3), but for one try that finds out: until it is heard
 * it counts as silent. */
bool held_is_place(const struct relay_step *step);
/* Who answers under the key of this try wants no requests now. */
bool held_is_key(const struct relay_step *step);

/* The same of a request that is not sent, for explain: nobody's try to find out is taken. */
bool held_shows_place(const struct worker *worker, const struct requirement_key *fields);
bool held_shows_key(const struct worker *worker, uint64_t hash);

#endif
