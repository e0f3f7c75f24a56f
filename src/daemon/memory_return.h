/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory_return.h - memory that a peak of load took goes back to the system.
 * In:    now and then, how much is held. Out: free pages given back once much less is held than at the peak.
 * Never: looks into the heap to find that out, as that would keep the workers from it; gives back after every call.
 */
#ifndef TRELAY_DAEMON_MEMORY_RETURN_H
#define TRELAY_DAEMON_MEMORY_RETURN_H

#include <stdbool.h>
#include <stdint.h>

struct memory_return {
    uint64_t peak; /* since the last time */
};

/* HELD: transactions, or as many as weigh the same. True: it was given back. */
bool memory_return_look(struct memory_return *memory, uint64_t held);

#endif
