/* SPDX-License-Identifier: GPL-2.0-or-later */
/* step.c - names of machines, states and events, and which table serves which machine; see step.h. */
#include "transaction/step.h"

#include <stddef.h>

struct step machine_step(enum machine machine, enum transaction_state state, enum transaction_event event)
{
    switch (machine) {
#define X(code, name, function) \
    case code:                  \
        return function(state, event);
        MACHINE_LIST(X)
#undef X
    case MACHINE_NONE:
    case MACHINE_COUNT:
        break;
    }
    return (struct step){ STATE_NONE, 0 };
}

const char *machine_name(enum machine machine)
{
    static const char *const names[MACHINE_COUNT] = {
#define X(code, name, function) [code] = name,
        MACHINE_LIST(X)
#undef X
    };
    return (unsigned)machine < MACHINE_COUNT && names[machine] != NULL ? names[machine] : "none";
}

const char *transaction_state_name(enum transaction_state state)
{
    static const char *const names[STATE_COUNT] = {
#define X(code, name) [code] = name,
        STATE_LIST(X)
#undef X
    };
    return (unsigned)state < STATE_COUNT && names[state] != NULL ? names[state] : "none";
}

const char *transaction_event_name(enum transaction_event event)
{
    static const char *const names[EVENT_COUNT] = {
#define X(code, name) [code] = name,
        EVENT_LIST(X)
#undef X
    };
    return (unsigned)event < EVENT_COUNT && names[event] != NULL ? names[event] : "none";
}
