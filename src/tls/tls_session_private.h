/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_session_private.h - the session, for the three files that make it: tls_session.c (life, handshake, facts),
 * tls_wire.c (bytes to and from the library, capture, hold), tls_traffic.c (plain text, close).
 * Never: included from elsewhere.
 */
#ifndef TRELAY_TLS_TLS_SESSION_PRIVATE_H
#define TRELAY_TLS_TLS_SESSION_PRIVATE_H

#include "tls/tls_private.h"
#include "tls/tls_session.h"

#include <stdint.h>

enum session_state {
    STATE_NONE = 0,
    STATE_HANDSHAKE,
    STATE_OPEN,
    STATE_CLOSED, /* close_notify came */
    STATE_FAILED,
};

struct tls_session {
    struct WOLFSSL *library;
    struct tls_context *context;
    struct buffer kept;    /* received, not yet consumed */
    struct buffer output;  /* to be sent, but for what is held */
    struct slice incoming; /* received, during one call */
    struct tls_chain chain;
    size_t held_from; /* where in the output the hold begins */
    uint16_t suite, group;
    int16_t own_alert; /* sent by us in the place of the library; TLS_ALERT_ABSENT: none */
    uint8_t state;            /* enum session_state */
    uint8_t version;          /* enum tls_version, once open */
    uint8_t records_captured; /* records of our own after the capture, but for change_cipher_spec; stops at 255 */
    bool has_sent;          /* anything at all */
    bool is_cipher_changed; /* change_cipher_spec went out */
    bool is_captured, was_chain_taken, is_held, is_released, is_close_sent;
    bool was_requested, was_sent; /* the client certificate */
    bool lacks_memory;            /* which is why it failed */
};

/* --- tls_wire.c --- */

/* Sets the library's callbacks. */
void tls_wire_connect(struct tls_session *session);
/* Offers what was kept, then INPUT, to the library; borrows INPUT until tls_wire_end(). False: no memory. */
bool tls_wire_begin(struct tls_session *session, struct slice input);
/* Keeps what the library left. False: no memory, or too much. */
bool tls_wire_end(struct tls_session *session);
/* Keeps INPUT for later. False: no memory, or too much. */
bool tls_wire_keep(struct tls_session *session, struct slice input);
/* Ends a hold without release; held output is dropped unless IS_KEPT. */
void tls_wire_drop_held(struct tls_session *session, bool is_kept);

/* --- tls_session.c: the session is over; each returns the code and sets WHY --- */

int tls_session_fail(struct tls_session *session, int code, struct why *why, const char *text);
/* With what the library says of its CODE, and the alerts that went over the wire. */
int tls_session_fail_library(struct tls_session *session, int code, const char *what, struct why *why);

#endif
