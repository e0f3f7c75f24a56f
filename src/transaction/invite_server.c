/* SPDX-License-Identifier: GPL-2.0-or-later */
/* invite_server.c - the INVITE server transaction as a table: RFC 3261 17.2.1 with RFC 6026 8.7.
 * Accepted absorbs the INVITE, sends on every 2xx of the user, and passes ACKs up until Timer L.
 * A response that cannot be sent ends nothing (RFC 6026 8.8): a repeated INVITE gets it again.
 */
#include "transaction/step_private.h"

static step_table steps = {
    [STATE_INITIAL] = {
        [EVENT_REQUEST] = { STATE_PROCEEDING, DO2(START_100, PASS) },
    },
    [STATE_PROCEEDING] = {
        [EVENT_REQUEST] = { STATE_PROCEEDING, DO(RESEND) },
        [EVENT_ACK] = { STATE_PROCEEDING, IGNORE },
        [EVENT_USER_1XX] = { STATE_PROCEEDING, DO2(STOP_REPEAT, SEND) },
        [EVENT_USER_2XX] = { STATE_ACCEPTED, DO3(STOP_REPEAT, SEND, START_L) },
        [EVENT_USER_FAILURE] = { STATE_COMPLETED, DO4(STOP_REPEAT, SEND, START_G, START_H) },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
        [EVENT_TIMER_100] = { STATE_PROCEEDING, DO2(STOP_REPEAT, SEND_100) },
        [EVENT_TRANSPORT_ERROR] = { STATE_PROCEEDING, IGNORE },
    },
    [STATE_COMPLETED] = {
        [EVENT_REQUEST] = { STATE_COMPLETED, DO(RESEND) },
        [EVENT_ACK] = { STATE_CONFIRMED, DO3(STOP_REPEAT, STOP_TIMEOUT, START_I) },
        [EVENT_TIMER_G] = { STATE_COMPLETED, DO2(RESEND, START_G) },
        [EVENT_TIMER_H] = { STATE_TERMINATED, DO(TELL_TIMEOUT) },
        [EVENT_TRANSPORT_ERROR] = { STATE_COMPLETED, IGNORE },
    },
    [STATE_CONFIRMED] = {
        [EVENT_REQUEST] = { STATE_CONFIRMED, IGNORE },
        [EVENT_ACK] = { STATE_CONFIRMED, IGNORE },
        [EVENT_TIMER_I] = { STATE_TERMINATED, 0 },
        [EVENT_TRANSPORT_ERROR] = { STATE_CONFIRMED, IGNORE },
    },
    [STATE_ACCEPTED] = {
        [EVENT_REQUEST] = { STATE_ACCEPTED, IGNORE },
        [EVENT_ACK] = { STATE_ACCEPTED, DO(PASS) },
        [EVENT_USER_2XX] = { STATE_ACCEPTED, DO(SEND) },
        [EVENT_TIMER_L] = { STATE_TERMINATED, 0 },
        [EVENT_TRANSPORT_ERROR] = { STATE_ACCEPTED, IGNORE },
    },
};

struct step invite_server_step(enum transaction_state state, enum transaction_event event)
{
    return step_of(steps, state, event);
}
