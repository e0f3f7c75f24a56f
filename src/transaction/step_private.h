/* SPDX-License-Identifier: GPL-2.0-or-later */
/* step_private.h - the words the four tables are written in; for their files alone. */
#ifndef TRELAY_TRANSACTION_STEP_PRIVATE_H
#define TRELAY_TRANSACTION_STEP_PRIVATE_H

#include "transaction/step.h"

typedef const struct step step_table[STATE_COUNT][EVENT_COUNT];

/* Actions of a cell: DO(SEND_ACK), DO2(SEND_ACK, PASS) ... */
#define DO(a) ACTION_##a
#define DO2(a, b) (DO(a) | DO(b))
#define DO3(a, b, c) (DO2(a, b) | DO(c))
#define DO4(a, b, c, d) (DO3(a, b, c) | DO(d))
#define DO5(a, b, c, d, e) (DO4(a, b, c, d) | DO(e))
/* The event may come from the network at any time, and has nothing to say any more. */
#define IGNORE 0

static inline struct step step_of(step_table table, enum transaction_state state, enum transaction_event event)
{
    if ((unsigned)state >= STATE_COUNT || (unsigned)event >= EVENT_COUNT)
        return (struct step){ STATE_NONE, 0 };
    return table[state][event];
}

#endif
