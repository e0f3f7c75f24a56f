/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_wire.c - bytes between the caller and the library, the capture of the peer's chain, the hold.
 * The library sees memory only: its send callback always accepts (so that it never wants to write), its receive
 * callback serves the caller's bytes and then wants to read.
 */
#include "tls/tls_session_private.h"
#include "tls/tls_wolfssl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_LIMIT = 64 * 1024, /* bytes kept for a session that may not read them yet */
    RECORD_HEADER = 5,
};

static int receive(WOLFSSL *library, char *bytes, int size, void *argument)
{
    struct tls_session *session = argument;
    (void)library;
    struct slice *from = &session->incoming;
    if (slice_is_empty(*from) || size <= 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    size_t length = from->length < (size_t)size ? from->length : (size_t)size;
    memcpy(bytes, from->data, length);
    *from = slice_from(*from, length);
    return (int)length;
}

/* Learns from the client's own flight whether a certificate was asked for and given: the library tells neither.
 * TLS 1.2 sends it readable; in 1.3 the flight is Finished alone, Certificate and Finished when there was nothing
 * to give, or Certificate, CertificateVerify, Finished: one record or more each. */
static void watch_record(struct tls_session *session, const uint8_t *record, size_t length)
{
    enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22, CERTIFICATE = 11, CERTIFICATE_VERIFY = 15 };
    if (record[0] == CHANGE_CIPHER_SPEC) {
        session->is_cipher_changed = true;
        return;
    }
    if (session->records_captured < UINT8_MAX)
        session->records_captured++;
    if (record[0] != HANDSHAKE || length <= RECORD_HEADER || session->is_cipher_changed)
        return; /* what follows change_cipher_spec only looks like a message */
    if (record[RECORD_HEADER] == CERTIFICATE)
        session->was_requested = true;
    else if (record[RECORD_HEADER] == CERTIFICATE_VERIFY)
        session->was_sent = true;
}

static void watch_flight(struct tls_session *session, const uint8_t *bytes, size_t size)
{
    while (size >= RECORD_HEADER) {
        size_t length = RECORD_HEADER + ((size_t)bytes[3] << 8 | bytes[4]);
        if (length > size)
            return;
        watch_record(session, bytes, length);
        bytes += length;
        size -= length;
    }
}

static int send_out(WOLFSSL *library, char *bytes, int size, void *argument)
{
    struct tls_session *session = argument;
    (void)library;
    if (size <= 0)
        return WOLFSSL_CBIO_ERR_GENERAL;
    if (session->is_captured && session->state == STATE_HANDSHAKE)
        watch_flight(session, (const uint8_t *)bytes, (size_t)size);
    session->has_sent = true;
    buffer_append(&session->output, bytes, (size_t)size);
    return session->output.has_failed ? WOLFSSL_CBIO_ERR_GENERAL : size;
}

/* One block: the slices, then the bytes they point to. */
static bool copy_chain(const WOLFSSL_X509_STORE_CTX *store, struct tls_chain *chain_r)
{
    size_t count = store->totalCerts > 0 ? (size_t)store->totalCerts : 0, size = 0;
    struct tls_chain chain = { NULL, count, NULL };
    for (size_t i = 0; i < count; i++)
        size += store->certs[i].length;
    if (count > 0) {
        chain.memory = malloc(count * sizeof(struct slice) + size);
        if (chain.memory == NULL)
            return false;
        chain.certificates = chain.memory;
        char *end = (char *)(chain.certificates + count);
        for (size_t i = 0; i < count; i++) {
            memcpy(end, store->certs[i].buffer, store->certs[i].length);
            chain.certificates[i] = slice_of(end, store->certs[i].length);
            end += store->certs[i].length;
        }
    }
    *chain_r = chain;
    return true;
}

/* The library adds each authority that passed to the context, for good and for every session (INV-17), or ends the
 * handshake with one that it would not add; it leaves both be where it was told not to verify. */
static void learn_nothing_from(struct tls_session *session, int depth)
{
    int mode = depth == 0 ? tls_context_verify_mode(&session->context->settings) : WOLFSSL_VERIFY_NONE;
    wolfSSL_set_verify(session->library, mode, tls_session_capture);
}

/* Called for each certificate, the leaf last, and once for a client's empty message. 1: go on; 0: stop.
 * A second chain on one connection is refused: the peer's identity is constant (INV-43). */
int tls_session_capture(int is_verified, struct WOLFSSL_X509_STORE_CTX *store)
{
    struct tls_session *session = store->userCtx;
    (void)is_verified; /* the library's own opinion, on an empty set of CAs */
    if (session == NULL || session->is_captured)
        return 0;
    learn_nothing_from(session, store->error_depth);
    if (store->error_depth != 0)
        return 1;
    if (store->totalCerts == 0 && session->context->settings.client_auth == CLIENT_AUTH_REQUIRE)
        return 0; /* 1 would talk the library out of its own refusal */
    if (!copy_chain(store, &session->chain))
        return 0;
    session->is_captured = true;
    session->is_held = !session->is_released;
    session->held_from = session->output.length;
    return 1;
}

void tls_chain_free(struct tls_chain *chain)
{
    free(chain->memory);
    *chain = (struct tls_chain){ NULL, 0, NULL };
}

void tls_wire_connect(struct tls_session *session)
{
    wolfSSL_SSLSetIORecv(session->library, receive);
    wolfSSL_SSLSetIOSend(session->library, send_out);
    wolfSSL_SetIOReadCtx(session->library, session);
    wolfSSL_SetIOWriteCtx(session->library, session);
    wolfSSL_SetCertCbCtx(session->library, session);
}

/* What was kept comes before INPUT; one of them is copied only when both are there. */
bool tls_wire_begin(struct tls_session *session, struct slice input)
{
    if (session->kept.length > 0) {
        buffer_append_slice(&session->kept, input);
        session->incoming = buffer_slice(&session->kept);
        return !session->kept.has_failed;
    }
    session->incoming = input;
    return true;
}

/* Keeps what the library left; an empty buffer is given back. */
bool tls_wire_end(struct tls_session *session)
{
    struct slice rest = session->incoming;
    session->incoming = SLICE_ABSENT;
    if (session->kept.length > 0) {
        buffer_consume(&session->kept, session->kept.length - rest.length);
    } else if (rest.length > KEPT_LIMIT) {
        return false;
    } else {
        buffer_append_slice(&session->kept, rest);
    }
    if (session->kept.length == 0 && !session->kept.has_failed)
        buffer_free(&session->kept);
    return !session->kept.has_failed;
}

bool tls_wire_keep(struct tls_session *session, struct slice input)
{
    if (input.length > KEPT_LIMIT - (session->kept.length < KEPT_LIMIT ? session->kept.length : KEPT_LIMIT))
        return false;
    buffer_append_slice(&session->kept, input);
    return !session->kept.has_failed;
}

void tls_wire_drop_held(struct tls_session *session, bool is_kept)
{
    if (!session->is_held)
        return;
    if (!is_kept)
        session->output.length = session->held_from;
    session->is_held = false;
}

struct slice tls_session_output(const struct tls_session *session)
{
    struct slice output = buffer_slice(&session->output);
    return session->is_held ? slice_first(output, session->held_from) : output;
}

void tls_session_sent(struct tls_session *session, size_t length)
{
    assert(length <= tls_session_output(session).length);
    buffer_consume(&session->output, length);
    if (session->is_held)
        session->held_from -= length;
    if (session->output.length == 0 && !session->output.has_failed)
        buffer_free(&session->output);
}
