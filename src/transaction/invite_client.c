/* SPDX-License-Identifier: GPL-2.0-or-later */
/* invite_client.c - the INVITE client transaction as a table: RFC 3261 17.1.1 with RFC 6026 8.4.
 * Accepted passes further 2xx up until Timer M; Completed acknowledges repeated finals until Timer D.
 * A transport error in Proceeding ends nothing: the response may come by another connection (18.1.1).
 */
#include "transaction/step_private.h"

static step_table steps = {
    [STATE_INITIAL] = {
        [EVENT_PLACED] = { STATE_CALLING, DO2(START_A, START_B) },
        [EVENT_TRANSPORT_ERROR] = { STATE_TERMINATED, DO(TELL_ERROR) },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
    },
    [STATE_CALLING] = {
        [EVENT_RESPONSE_1XX] = { STATE_PROCEEDING, DO3(STOP_REPEAT, STOP_TIMEOUT, PASS) },
        [EVENT_RESPONSE_2XX] = { STATE_ACCEPTED, DO4(STOP_REPEAT, STOP_TIMEOUT, START_M, PASS) },
        [EVENT_RESPONSE_FAILURE] = { STATE_COMPLETED, DO5(STOP_REPEAT, STOP_TIMEOUT, SEND_ACK, START_D, PASS) },
        [EVENT_TIMER_A] = { STATE_CALLING, DO2(RESEND, START_A) },
        [EVENT_TIMER_B] = { STATE_TERMINATED, DO(TELL_TIMEOUT) },
        [EVENT_TRANSPORT_ERROR] = { STATE_TERMINATED, DO(TELL_ERROR) },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
    },
    [STATE_PROCEEDING] = {
        [EVENT_RESPONSE_1XX] = { STATE_PROCEEDING, DO(PASS) },
        [EVENT_RESPONSE_2XX] = { STATE_ACCEPTED, DO2(START_M, PASS) },
        [EVENT_RESPONSE_FAILURE] = { STATE_COMPLETED, DO3(SEND_ACK, START_D, PASS) },
        [EVENT_TRANSPORT_ERROR] = { STATE_PROCEEDING, IGNORE },
        [EVENT_USER_DROP] = { STATE_TERMINATED, 0 },
    },
    [STATE_COMPLETED] = {
        [EVENT_RESPONSE_1XX] = { STATE_COMPLETED, IGNORE },
        [EVENT_RESPONSE_2XX] = { STATE_COMPLETED, IGNORE },
        [EVENT_RESPONSE_FAILURE] = { STATE_COMPLETED, DO(SEND_ACK) },
        [EVENT_TIMER_D] = { STATE_TERMINATED, 0 },
        [EVENT_TRANSPORT_ERROR] = { STATE_TERMINATED, DO(TELL_ERROR) },
    },
    [STATE_ACCEPTED] = {
        [EVENT_RESPONSE_1XX] = { STATE_ACCEPTED, IGNORE },
        [EVENT_RESPONSE_2XX] = { STATE_ACCEPTED, DO(PASS) },
        [EVENT_RESPONSE_FAILURE] = { STATE_ACCEPTED, IGNORE },
        [EVENT_TIMER_M] = { STATE_TERMINATED, 0 },
        [EVENT_TRANSPORT_ERROR] = { STATE_ACCEPTED, IGNORE },
    },
};

struct step invite_client_step(enum transaction_state state, enum transaction_event event)
{
    return step_of(steps, state, event);
}
