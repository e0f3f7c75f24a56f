/* SPDX-License-Identifier: GPL-2.0-or-later */
/* other_server.c - the server transaction of every request but INVITE and ACK as a table: RFC 3261 17.2.2.
 * The only provisional is 100, and what is not answered in time is dropped, not refused (RFC 4320 4.2): Timer F runs
 * here as it does upstream.
 */
#include "transaction/step_private.h"

static step_table steps = {
    [STATE_INITIAL] = {
        [EVENT_REQUEST] = { STATE_TRYING, DO3(START_100, START_F, PASS) },
    },
    [STATE_TRYING] = {
        [EVENT_REQUEST] = { STATE_TRYING, IGNORE },
        [EVENT_USER_1XX] = { STATE_PROCEEDING, DO2(STOP_REPEAT, SEND) },
        [EVENT_USER_2XX] = { STATE_COMPLETED, DO4(STOP_REPEAT, STOP_TIMEOUT, SEND, START_J) },
        [EVENT_USER_FAILURE] = { STATE_COMPLETED, DO4(STOP_REPEAT, STOP_TIMEOUT, SEND, START_J) },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
        [EVENT_TIMER_100] = { STATE_PROCEEDING, DO2(STOP_REPEAT, SEND_100) },
        [EVENT_TIMER_F] = { STATE_TERMINATED, DO(TELL_TIMEOUT) },
        [EVENT_TRANSPORT_ERROR] = { STATE_TRYING, IGNORE },
    },
    [STATE_PROCEEDING] = {
        [EVENT_REQUEST] = { STATE_PROCEEDING, DO(RESEND) },
        [EVENT_USER_1XX] = { STATE_PROCEEDING, DO(SEND) },
        [EVENT_USER_2XX] = { STATE_COMPLETED, DO3(STOP_TIMEOUT, SEND, START_J) },
        [EVENT_USER_FAILURE] = { STATE_COMPLETED, DO3(STOP_TIMEOUT, SEND, START_J) },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
        [EVENT_TIMER_F] = { STATE_TERMINATED, DO(TELL_TIMEOUT) },
        [EVENT_TRANSPORT_ERROR] = { STATE_TERMINATED, DO(TELL_ERROR) },
    },
    [STATE_COMPLETED] = {
        [EVENT_REQUEST] = { STATE_COMPLETED, DO(RESEND) },
        [EVENT_USER_2XX] = { STATE_COMPLETED, IGNORE },
        [EVENT_USER_FAILURE] = { STATE_COMPLETED, IGNORE },
        [EVENT_TIMER_J] = { STATE_TERMINATED, 0 },
        [EVENT_TRANSPORT_ERROR] = { STATE_TERMINATED, DO(TELL_ERROR) },
    },
};

struct step other_server_step(enum transaction_state state, enum transaction_event event)
{
    return step_of(steps, state, event);
}
