/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_traffic.c - plain text of an open and released session, and its end; see tls_session.h. */
#include "tls/tls_session_private.h"
#include "tls/tls_wolfssl.h"

#include "base/error.h"

#include <limits.h>

enum {
    MESSAGE_LIMIT = 1024 * 1024, /* of plain text in one write */
    READ_STEP = 1024,
};

/* One step of wolfSSL_read(): 1 while there may be more, 0 drained, else an error. */
static int read_step(struct tls_session *session, struct buffer *plain, struct why *why)
{
    int pending = wolfSSL_pending(session->library);
    size_t room = pending > READ_STEP ? (size_t)pending : READ_STEP;
    if (!buffer_reserve(plain, room))
        return tls_session_fail(session, ERROR_MEMORY, why, "out of memory");
    room = plain->capacity - plain->length < INT_MAX ? plain->capacity - plain->length : INT_MAX;
    int length = wolfSSL_read(session->library, plain->data + plain->length, (int)room);
    if (length > 0) {
        plain->length += (size_t)length;
        return 1;
    }
    int code = wolfSSL_get_error(session->library, length);
    if (code == WOLFSSL_ERROR_WANT_READ)
        return 0;
    if (code == WOLFSSL_ERROR_ZERO_RETURN) {
        session->state = STATE_CLOSED;
        return why_fail(why, ERROR_CLOSED, "the peer closed the TLS connection");
    }
    return tls_session_fail_library(session, code, "the TLS connection broke", why);
}

int tls_session_read(struct tls_session *session, struct slice input, struct buffer *plain, struct why *why)
{
    if (session->state == STATE_CLOSED)
        return why_fail(why, ERROR_CLOSED, "the peer closed the TLS connection");
    if (session->state != STATE_OPEN || !session->is_released)
        return why_fail(why, ERROR_STATE, "plain text is not due yet");
    if (!tls_wire_begin(session, input))
        return tls_session_fail(session, ERROR_MEMORY, why, "out of memory");
    int result;
    do
        result = read_step(session, plain, why);
    while (result > 0);
    if (session->state == STATE_CLOSED)
        session->incoming = slice_first(session->incoming, 0); /* what follows close_notify is ignored */
    if (session->state != STATE_FAILED && (!tls_wire_end(session) || session->output.has_failed))
        return tls_session_fail(session, ERROR_MEMORY, why, "out of memory");
    return result;
}

int tls_session_write(struct tls_session *session, struct slice message, struct why *why)
{
    if (session->state != STATE_OPEN || !session->is_released || session->is_close_sent)
        return why_fail(why, ERROR_STATE, "plain text cannot be sent now");
    if (message.length > MESSAGE_LIMIT)
        return why_fail(why, ERROR_LIMIT, "a message of %zu bytes is too long", message.length);
    if (slice_is_empty(message))
        return 0;
    int length = wolfSSL_write(session->library, message.data, (int)message.length);
    if (session->output.has_failed)
        return tls_session_fail(session, ERROR_MEMORY, why, "out of memory");
    if (length != (int)message.length) {
        int code = wolfSSL_get_error(session->library, length);
        return tls_session_fail_library(session, code, "the TLS connection broke", why);
    }
    return 0;
}

void tls_session_close(struct tls_session *session)
{
    if (session->is_close_sent || session->is_held || (session->state != STATE_OPEN && session->state != STATE_CLOSED))
        return;
    session->is_close_sent = true;
    wolfSSL_shutdown(session->library); /* once: a second call reads, or clears the session */
}
