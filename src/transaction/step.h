/* SPDX-License-Identifier: GPL-2.0-or-later */
/* step.h - the four transaction machines of RFC 3261 17 with RFC 6026, as tables.
 * In:    machine, state, event. Out: the next state and what is to be done, as bits.
 * Never: acts: server_transaction.c and client_transaction.c perform the bits, in the order of ACTION_LIST.
 * An empty cell is state NONE: the event is illegal there; it is traced and changes nothing. Reliable and
 * unreliable transports share the tables; they differ in the durations of timers (timer_settings.h).
 */
#ifndef TRELAY_TRANSACTION_STEP_H
#define TRELAY_TRANSACTION_STEP_H

#include "base/attributes.h"

#include <stdint.h>

/* code, name, function of its table */
#define MACHINE_LIST(X)                                            \
    X(MACHINE_INVITE_CLIENT, "invite-client", invite_client_step) \
    X(MACHINE_OTHER_CLIENT, "other-client", other_client_step)    \
    X(MACHINE_INVITE_SERVER, "invite-server", invite_server_step) \
    X(MACHINE_OTHER_SERVER, "other-server", other_server_step)

#define STATE_LIST(X)                                                           \
    X(STATE_INITIAL, "initial")       /* made, nothing sent or received yet */  \
    X(STATE_CALLING, "calling")       /* INVITE client: no response yet */      \
    X(STATE_TRYING, "trying")         /* non-INVITE: no response yet */         \
    X(STATE_PROCEEDING, "proceeding") /* a provisional response, no final */    \
    X(STATE_COMPLETED, "completed")   /* a final response (INVITE: not 2xx) */  \
    X(STATE_CONFIRMED, "confirmed")   /* INVITE server: the ACK came */         \
    X(STATE_ACCEPTED, "accepted")     /* INVITE: a 2xx, RFC 6026 */             \
    X(STATE_TERMINATED, "terminated") /* gone at the end of the turn */

#define EVENT_LIST(X)                                                                        \
    X(EVENT_PLACED, "placed")             /* client: the request was handed to the transport */ \
    X(EVENT_RESPONSE_1XX, "response-1xx") /* client: from the next hop */                    \
    X(EVENT_RESPONSE_2XX, "response-2xx")                                                    \
    X(EVENT_RESPONSE_FAILURE, "response-failure") /* 300 to 699 */                           \
    X(EVENT_REQUEST, "request")           /* server: the request, or a repetition of it */   \
    X(EVENT_ACK, "ack")                                                                      \
    X(EVENT_USER_1XX, "user-1xx")         /* server: the user sends a response */            \
    X(EVENT_USER_2XX, "user-2xx")                                                            \
    X(EVENT_USER_FAILURE, "user-failure")                                                    \
    X(EVENT_USER_DROP, "user-drop")       /* the user gives up, nothing is sent */           \
    X(EVENT_TRANSPORT_ERROR, "transport-error")                                              \
    X(EVENT_TIMER_A, "timer-a") /* INVITE client, unreliable: send again */                  \
    X(EVENT_TIMER_B, "timer-b") /* INVITE client: no response */                             \
    X(EVENT_TIMER_D, "timer-d") /* INVITE client: end of absorbing finals */                 \
    X(EVENT_TIMER_E, "timer-e") /* client, unreliable: send again */                         \
    X(EVENT_TIMER_F, "timer-f") /* non-INVITE, both sides: no final response */              \
    X(EVENT_TIMER_G, "timer-g") /* INVITE server, unreliable: send the final again */        \
    X(EVENT_TIMER_H, "timer-h") /* INVITE server: no ACK */                                  \
    X(EVENT_TIMER_I, "timer-i") /* INVITE server: end of absorbing ACKs */                   \
    X(EVENT_TIMER_J, "timer-j") /* server: end of absorbing requests */                      \
    X(EVENT_TIMER_K, "timer-k") /* client: end of absorbing responses */                     \
    X(EVENT_TIMER_L, "timer-l") /* INVITE server: end of Accepted, RFC 6026 */               \
    X(EVENT_TIMER_M, "timer-m") /* INVITE client: end of Accepted, RFC 6026 */               \
    X(EVENT_TIMER_100, "timer-100") /* server: it is time for a 100, RFC 3261 17.2.1 and RFC 4320 4.1 */

/* Performed in this order, after the state was set. */
#define ACTION_LIST(X)                                                                    \
    X(STOP_REPEAT, 0)   /* the timer that sends again: A, E, G, or 100 */                 \
    X(STOP_TIMEOUT, 1)  /* the other one: B, D, F, H, I, J, K, L, M */                    \
    X(PASS, 2)          /* the message goes up to the user */                             \
    X(SEND, 3)          /* server: the response the user gave */                          \
    X(SEND_100, 4)      /* server: a 100 of our own */                                    \
    X(SEND_ACK, 5)      /* client: ACK for a non-2xx final */                             \
    X(RESEND, 6)        /* the request, or the last response, again */                    \
    X(START_A, 7)       /* and again from TIMER_A: doubled */                             \
    X(START_B, 8)                                                                         \
    X(START_D, 9)                                                                         \
    X(START_E, 10)      /* and again from TIMER_E: doubled up to T2, T2 in Proceeding */  \
    X(START_F, 11)                                                                        \
    X(START_G, 12)      /* and again from TIMER_G: doubled up to T2 */                    \
    X(START_H, 13)                                                                        \
    X(START_I, 14)                                                                        \
    X(START_J, 15)                                                                        \
    X(START_K, 16)                                                                        \
    X(START_L, 17)                                                                        \
    X(START_M, 18)                                                                        \
    X(START_100, 19)                                                                      \
    X(TELL_TIMEOUT, 20) /* the user learns that B, F or H fired */                        \
    X(TELL_ERROR, 21)   /* the user learns of the transport error */

#define X(code, name, function) code,
enum machine { MACHINE_NONE = 0, MACHINE_LIST(X) MACHINE_COUNT };
#undef X
#define X(code, name) code,
enum transaction_state { STATE_NONE = 0, STATE_LIST(X) STATE_COUNT };
enum transaction_event { EVENT_NONE = 0, EVENT_LIST(X) EVENT_COUNT };
#undef X
#define X(name, bit) ACTION_##name = 1 << bit,
enum transaction_action { ACTION_LIST(X) };
#undef X

struct step {
    uint8_t next;     /* enum transaction_state; NONE: the event is illegal in this state */
    uint32_t actions; /* bits of enum transaction_action */
};

typedef struct step step_fn(enum transaction_state state, enum transaction_event event);
step_fn invite_client_step; /* invite_client.c */
step_fn other_client_step;  /* other_client.c */
step_fn invite_server_step; /* invite_server.c */
step_fn other_server_step;  /* other_server.c */

/* All total: whatever is unknown gives { STATE_NONE, 0 }. */
struct step machine_step(enum machine machine, enum transaction_state state, enum transaction_event event);

/* "none" for 0 and for unknown values. */
const char *machine_name(enum machine machine);
const char *transaction_state_name(enum transaction_state state);
const char *transaction_event_name(enum transaction_event event);

#endif
