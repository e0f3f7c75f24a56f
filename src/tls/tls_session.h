/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_session.h - one TLS connection over memory: bytes of the socket in, bytes for the socket out.
 * In:    a context, received bytes, plain text to send.
 * Out:   bytes to send, the peer's chain exactly as presented, plain text received, facts for the floor and the log.
 * Never: validates a certificate, resumes, renegotiates; lets a byte out between the capture of the peer's
 *        certificate and tls_session_release(), or a byte of plain text in or out before it (INV-18).
 */
#ifndef TRELAY_TLS_TLS_SESSION_H
#define TRELAY_TLS_TLS_SESSION_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/why.h"
#include "tls/client_hello.h"
#include "tls/tls_alert.h"
#include "tls/tls_context.h"

#include <stdbool.h>
#include <stddef.h>

struct tls_session;

enum tls_progress {
    TLS_PROGRESS_NONE = 0,
    TLS_WANT_INPUT, /* nothing more to do until bytes are received (or held output is released) */
    TLS_DONE,       /* the handshake is complete; release() is still due before plain text flows */
    TLS_FAILED,     /* for good: send what tls_session_output() has (an alert), then close */
};

/* What differs from session to session; zeroed is the default. */
struct tls_session_options {
    /* Client: the server_name to send, A-labels without trailing dot; absent: none. Addresses are refused.
     * Server: the client's server_name, by which the certificate was chosen, as sent: acknowledged; absent: not. */
    struct slice server_name;
    /* Server, when TLS 1.2 will be negotiated and a certificate was chosen by trusted_ca_keys: the first entry of
     * the client's list, so that the extension is answered (RFC 6066 section 6). type PRE_AGREED: not answered. */
    struct trusted_authority answered_authority;
};

int tls_session_new(struct tls_context *context, const struct tls_session_options *options,
                    struct tls_session **session_r, struct why *why) MUST_CHECK;
void tls_session_free(struct tls_session *session);

/* Goes on with the handshake. INPUT: bytes just received (may be absent or empty; a server's first input is the
 * replay of client_hello_reader.raw); all of it is consumed or kept. After TLS_DONE further input is only kept. */
enum tls_progress tls_session_handshake(struct tls_session *session, struct slice input, struct why *why);

/* The session has failed, and for want of our memory: that says nothing of the peer. */
bool tls_session_lacks_memory(const struct tls_session *session);

/* True once the peer's certificate message was seen (for a server also: one without certificates, where it asked). */
bool tls_session_has_chain(const struct tls_session *session);

/* The peer's certificates, DER, as presented, leaf first; the bytes are owned by the chain. */
struct tls_chain {
    struct slice *certificates;
    size_t count;
    void *memory;
};
void tls_chain_free(struct tls_chain *chain);

/* Hands the captured chain over, once: ERROR_STATE before it is there and the second time. */
int tls_session_take_chain(struct tls_session *session, struct tls_chain *chain_r) MUST_CHECK;

/* Output is held since the peer's certificate was captured. */
bool tls_session_is_held(const struct tls_session *session);

/* The verdict is in and good: held output may leave, plain text may flow. ERROR_STATE for a client without a
 * captured chain, for a server with neither a captured chain nor a complete handshake, after a failure. */
int tls_session_release(struct tls_session *session) MUST_CHECK;

/* The verdict is in and bad: held output is dropped, ALERT takes its place where the protocol's state and the
 * library allow an alert (else close_notify, or nothing). The session is failed; send tls_session_output(), close. */
void tls_session_refuse(struct tls_session *session, enum tls_alert alert);

/* Bytes to be sent now; empty while there are none or they are held. Valid until the next call on the session. */
struct slice tls_session_output(const struct tls_session *session);
/* LENGTH of them were sent. */
void tls_session_sent(struct tls_session *session, size_t length);

/* Decrypts INPUT and whatever is kept and appends all plain text to PLAIN.
 * 0: all is drained; ERROR_CLOSED: after close_notify (PLAIN may have grown); ERROR_TLS; ERROR_MEMORY;
 * ERROR_STATE: before TLS_DONE and release (INPUT is then not consumed). May produce output (KeyUpdate, alerts). */
int tls_session_read(struct tls_session *session, struct slice input, struct buffer *plain,
                     struct why *why) MUST_CHECK;

/* Encrypts MESSAGE into the output: one record where it fits into 16 KiB. Errors as of tls_session_read(). */
int tls_session_write(struct tls_session *session, struct slice message, struct why *why) MUST_CHECK;

/* Appends close_notify to the output, once, if the session can still say it. */
void tls_session_close(struct tls_session *session);

/* Facts of a complete handshake; names are static texts or belong to the session. */
struct tls_session_facts {
    enum tls_version version;
    const char *suite;             /* IANA name */
    unsigned suite_number;         /* IANA number */
    const char *group;             /* "X25519"; "" when unknown */
    struct slice protocol;         /* ALPN; absent when none was negotiated */
    bool was_resumed;              /* so no chain was proven in it; never wanted (INV-24) */
    bool was_certificate_requested; /* client: by the server; server: by us */
    bool was_certificate_sent;      /* client: by us; server: by the client */
};
/* ERROR_STATE before TLS_DONE. */
int tls_session_facts(const struct tls_session *session, struct tls_session_facts *facts_r) MUST_CHECK;

/* Alerts that went over the wire so far; TLS_ALERT_ABSENT when none. */
int tls_session_alert_received(const struct tls_session *session);
int tls_session_alert_sent(const struct tls_session *session);

#endif
