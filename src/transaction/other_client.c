/* SPDX-License-Identifier: GPL-2.0-or-later */
/* other_client.c - the client transaction of every request but INVITE and ACK as a table: RFC 3261 17.1.2.
 * Timer E runs on in Proceeding, every T2.
 */
#include "transaction/step_private.h"

static step_table steps = {
    [STATE_INITIAL] = {
        [EVENT_PLACED] = { STATE_TRYING, DO2(START_E, START_F) },
        [EVENT_TRANSPORT_ERROR] = { STATE_TERMINATED, DO(TELL_ERROR) },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
    },
    [STATE_TRYING] = {
        [EVENT_RESPONSE_1XX] = { STATE_PROCEEDING, DO(PASS) },
        [EVENT_RESPONSE_2XX] = { STATE_COMPLETED, DO4(STOP_REPEAT, STOP_TIMEOUT, START_K, PASS) },
        [EVENT_RESPONSE_FAILURE] = { STATE_COMPLETED, DO4(STOP_REPEAT, STOP_TIMEOUT, START_K, PASS) },
        [EVENT_TIMER_E] = { STATE_TRYING, DO2(RESEND, START_E) },
        [EVENT_TIMER_F] = { STATE_TERMINATED, DO(TELL_TIMEOUT) },
        [EVENT_TRANSPORT_ERROR] = { STATE_TERMINATED, DO(TELL_ERROR) },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
    },
    [STATE_PROCEEDING] = {
        [EVENT_RESPONSE_1XX] = { STATE_PROCEEDING, DO(PASS) },
        [EVENT_RESPONSE_2XX] = { STATE_COMPLETED, DO4(STOP_REPEAT, STOP_TIMEOUT, START_K, PASS) },
        [EVENT_RESPONSE_FAILURE] = { STATE_COMPLETED, DO4(STOP_REPEAT, STOP_TIMEOUT, START_K, PASS) },
        [EVENT_TIMER_E] = { STATE_PROCEEDING, DO2(RESEND, START_E) },
        [EVENT_TIMER_F] = { STATE_TERMINATED, DO(TELL_TIMEOUT) },
        [EVENT_TRANSPORT_ERROR] = { STATE_TERMINATED, DO(TELL_ERROR) },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
    },
    [STATE_COMPLETED] = {
        [EVENT_RESPONSE_1XX] = { STATE_COMPLETED, IGNORE },
        [EVENT_RESPONSE_2XX] = { STATE_COMPLETED, IGNORE },
        [EVENT_RESPONSE_FAILURE] = { STATE_COMPLETED, IGNORE },
        [EVENT_TIMER_K] = { STATE_TERMINATED, 0 },
        [EVENT_TRANSPORT_ERROR] = { STATE_COMPLETED, IGNORE },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
    },
};

struct step other_client_step(enum transaction_state state, enum transaction_event event)
{
    return step_of(steps, state, event);
}
