/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_session.c - handshake, hold, plain text in and out, close; see tls_session.h.
 * The library sees memory only: its send callback always accepts (so that it never wants to write), its receive
 * callback serves the caller's bytes and then wants to read.
 */
#include "tls/tls_session.h"

#include "base/error.h"
#include "tls/tls_private.h"
#include "tls/tls_wolfssl.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_LIMIT = 64 * 1024,     /* bytes kept for a session that may not read them yet */
    MESSAGE_LIMIT = 1024 * 1024, /* of plain text in one write */
    READ_STEP = 1024,
    RECORD_HEADER = 5,
};

enum session_state {
    STATE_NONE = 0,
    STATE_HANDSHAKE,
    STATE_OPEN,
    STATE_CLOSED, /* close_notify came */
    STATE_FAILED,
};

struct tls_session {
    WOLFSSL *library;
    struct tls_context *context;
    struct buffer kept;    /* received, not yet consumed */
    struct buffer output;  /* to be sent, but for what is held */
    struct slice incoming; /* received, during one call */
    struct tls_chain chain;
    size_t held_from; /* where in the output the hold begins */
    uint16_t suite, group;
    uint8_t state;            /* enum session_state */
    uint8_t version;          /* enum tls_version, once open */
    uint8_t records_captured; /* records of our own after the capture, but for change_cipher_spec; stops at 255 */
    bool is_captured, was_chain_taken, is_held, is_released, is_close_sent;
    bool was_requested, was_sent; /* the client certificate */
};

/* --- the library's callbacks --- */

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
    if (record[0] == CHANGE_CIPHER_SPEC)
        return;
    if (session->records_captured < UINT8_MAX)
        session->records_captured++;
    if (record[0] != HANDSHAKE || length <= RECORD_HEADER)
        return;
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

/* Called for each certificate, the leaf last, and once for a client's empty message. 1: go on; 0: stop.
 * A second chain on one connection is refused: the peer's identity is constant (INV-43). */
int tls_session_capture(int is_verified, struct WOLFSSL_X509_STORE_CTX *store)
{
    struct tls_session *session = store->userCtx;
    (void)is_verified; /* the library's own opinion, on an empty set of CAs */
    if (session == NULL || session->is_captured)
        return 0;
    if (store->error_depth != 0)
        return 1;
    if (!copy_chain(store, &session->chain))
        return 0;
    session->is_captured = true;
    session->is_held = !session->is_released;
    session->held_from = session->output.length;
    return 1;
}

/* --- life --- */

/* Letters, digits, '-', '_' and single dots between; a last label of digits alone would be an address. */
static bool is_server_name(struct slice name)
{
    bool has_letter = false;
    size_t label = 0;
    for (size_t i = 0; i < name.length; i++) {
        char c = ascii_lower(name.data[i]);
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
            has_letter = false;
            continue;
        }
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
            return false;
        has_letter = has_letter || !is_digit;
        label++;
    }
    return has_letter && label > 0 && name.length <= 253;
}

static int set_server_name(struct tls_session *session, struct slice name, struct why *why)
{
    if (slice_is_absent(name))
        return 0;
    if (session->context->role == TLS_ROLE_CLIENT && !is_server_name(name))
        return why_fail(why, ERROR_SYNTAX, "\"%.*s\" cannot be a server name", SLICE_PRINT(name));
    if (name.length > UINT16_MAX ||
        wolfSSL_UseSNI(session->library, WOLFSSL_SNI_HOST_NAME, name.data, (unsigned short)name.length) !=
            WOLFSSL_SUCCESS)
        return why_fail(why, ERROR_TLS, "the library refuses the server name");
    return 0;
}

static int set_protocol(struct tls_session *session, struct why *why)
{
    char name[TLS_PROTOCOL_SIZE];
    memcpy(name, session->context->settings.protocol, sizeof(name));
    if (name[0] == '\0')
        return 0;
    if (wolfSSL_UseALPN(session->library, name, (unsigned)strlen(name), WOLFSSL_ALPN_FAILED_ON_MISMATCH) !=
        WOLFSSL_SUCCESS)
        return why_fail(why, ERROR_TLS, "the library refuses the ALPN protocol");
    return 0;
}

/* Only an entry with an identifier: the library reads through NULL for a pre-agreed one. Only a server's: a client
 * of this library cannot complete a handshake in which it sent the extension. */
static int set_authority(struct tls_session *session, const struct trusted_authority *authority, struct why *why)
{
    if (authority->type == TRUSTED_AUTHORITY_PRE_AGREED)
        return 0;
    if (session->context->role != TLS_ROLE_SERVER || slice_is_empty(authority->identifier))
        return why_fail(why, ERROR_STATE, "trusted_ca_keys can only be answered");
    if (wolfSSL_UseTrustedCA(session->library, (unsigned char)authority->type,
                             (const unsigned char *)authority->identifier.data,
                             (unsigned)authority->identifier.length) != WOLFSSL_SUCCESS)
        return why_fail(why, ERROR_TLS, "the library refuses the trusted authority");
    return 0;
}

static int set_options(struct tls_session *session, const struct tls_session_options *options, struct why *why)
{
    wolfSSL_SSLSetIORecv(session->library, receive);
    wolfSSL_SSLSetIOSend(session->library, send_out);
    wolfSSL_SetIOReadCtx(session->library, session);
    wolfSSL_SetIOWriteCtx(session->library, session);
    wolfSSL_SetCertCbCtx(session->library, session);
    int result = set_protocol(session, why);
    if (result == 0 && options != NULL)
        result = set_server_name(session, options->server_name, why);
    if (result == 0 && options != NULL)
        result = set_authority(session, &options->answered_authority, why);
    return result;
}

int tls_session_new(struct tls_context *context, const struct tls_session_options *options,
                    struct tls_session **session_r, struct why *why)
{
    struct tls_session *session = malloc(sizeof(*session));
    if (session == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    *session = (struct tls_session){ .context = tls_context_ref(context), .state = STATE_HANDSHAKE };
    session->library = wolfSSL_new(context->library);
    int result = session->library == NULL ? why_fail(why, ERROR_MEMORY, "the library makes no session")
                                          : set_options(session, options, why);
    if (result != 0) {
        tls_session_free(session);
        return result;
    }
    *session_r = session;
    return 0;
}

void tls_session_free(struct tls_session *session)
{
    if (session == NULL)
        return;
    if (session->library != NULL)
        wolfSSL_free(session->library);
    tls_context_unref(session->context);
    buffer_free(&session->kept);
    buffer_free(&session->output);
    tls_chain_free(&session->chain);
    free(session);
}

/* --- input --- */

/* What was kept comes before INPUT; one of them is copied only when both are there. */
static bool begin_input(struct tls_session *session, struct slice input)
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
static bool end_input(struct tls_session *session)
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

static bool keep(struct tls_session *session, struct slice input)
{
    if (input.length > KEPT_LIMIT - (session->kept.length < KEPT_LIMIT ? session->kept.length : KEPT_LIMIT))
        return false;
    buffer_append_slice(&session->kept, input);
    return !session->kept.has_failed;
}

/* --- failure --- */

/* Held output may hold our certificate: it is dropped, unless the alert is all there is. */
static void drop_held(struct tls_session *session, bool is_alert_alone)
{
    if (!session->is_held)
        return;
    if (!is_alert_alone)
        session->output.length = session->held_from;
    session->is_held = false;
}

/* The session is over; returns CODE with the text already in WHY. */
static int fail(struct tls_session *session, int code)
{
    bool is_alert_alone = tls_session_alert_sent(session) != TLS_ALERT_ABSENT && session->records_captured == 1;
    drop_held(session, is_alert_alone);
    session->state = STATE_FAILED;
    buffer_free(&session->kept);
    session->incoming = SLICE_ABSENT;
    return code;
}

/* Says what the library says, and which alerts went over the wire. */
static int fail_in_library(struct tls_session *session, int code, const char *what, struct why *why)
{
    char alerts[96] = "";
    int received = tls_session_alert_received(session), sent = tls_session_alert_sent(session);
    if (received != TLS_ALERT_ABSENT)
        snprintf(alerts, sizeof(alerts), ", alert received: %s (%d)", tls_alert_name(received), received);
    else if (sent != TLS_ALERT_ABSENT)
        snprintf(alerts, sizeof(alerts), ", alert sent: %s (%d)", tls_alert_name(sent), sent);
    why_fail(why, ERROR_TLS, "%s: %s (%d)%s", what, tls_library_error_text(code), code, alerts);
    return fail(session, ERROR_TLS);
}

static int fail_memory(struct tls_session *session, struct why *why)
{
    why_fail(why, ERROR_MEMORY, "out of memory");
    return fail(session, ERROR_MEMORY);
}

static int fail_text(struct tls_session *session, struct why *why, const char *text)
{
    why_fail(why, ERROR_TLS, "%s", text);
    return fail(session, ERROR_TLS);
}

/* --- handshake --- */

static enum tls_version negotiated_version(const struct tls_session *session)
{
    const char *name = wolfSSL_get_version(session->library);
    return name == NULL                     ? TLS_VERSION_UNSET
           : strcmp(name, "TLSv1.2") == 0 ? TLS_VERSION_1_2
           : strcmp(name, "TLSv1.3") == 0 ? TLS_VERSION_1_3
                                            : TLS_VERSION_UNSET;
}

static unsigned negotiated_group(const struct tls_session *session)
{
    static const struct {
        const char *name;
        unsigned group;
    } names[] = { { "X25519", 29 }, { "SECP256R1", 23 }, { "SECP384R1", 24 }, { "SECP521R1", 25 } };
    struct slice name = slice_of_string(wolfSSL_get_curve_name(session->library));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (slice_equal_nocase(name, slice_of_string(names[i].name)))
            return names[i].group;
    return 0;
}

/* The floor is asserted on what was negotiated, not believed (INV-8); so is the proof (INV-16, INV-24). */
static int check_established(struct tls_session *session, struct why *why)
{
    const struct tls_settings *settings = &session->context->settings;
    enum tls_version version = negotiated_version(session);
    unsigned suite = (unsigned)wolfSSL_get_current_cipher_suite(session->library);
    unsigned group = negotiated_group(session);
    if (wolfSSL_session_reused(session->library))
        return fail_text(session, why, "the library resumed a session, which it must never do");
    if (version < settings->minimum || version > settings->maximum)
        return fail_text(session, why, "the negotiated TLS version is outside the range");
    if (!tls_settings_has_suite(settings, suite) || tls_suite_version(suite) != version)
        return fail_text(session, why, "the negotiated cipher suite is not allowed");
    if (!tls_settings_has_group(settings, group))
        return fail_text(session, why, "the negotiated group is not allowed");
    bool needs_chain = settings->client_auth == CLIENT_AUTH_REQUIRE || session->context->role == TLS_ROLE_CLIENT;
    if (needs_chain && (!session->is_captured || (session->chain.count == 0 && !session->was_chain_taken)))
        return fail_text(session, why, "the peer proved no certificate");
    session->version = (uint8_t)version;
    session->suite = (uint16_t)suite;
    session->group = (uint16_t)group;
    return 0;
}

static void note_client_certificate(struct tls_session *session)
{
    if (session->context->role == TLS_ROLE_SERVER) {
        session->was_requested = session->context->settings.client_auth != CLIENT_AUTH_NONE;
    } else if (session->version == TLS_VERSION_1_3) {
        session->was_requested = session->records_captured >= 2;
        session->was_sent = session->records_captured >= 3;
    }
}

static enum tls_progress step(struct tls_session *session, struct why *why)
{
    int result = session->context->role == TLS_ROLE_CLIENT ? wolfSSL_connect(session->library)
                                                           : wolfSSL_accept(session->library);
    if (result == WOLFSSL_SUCCESS) {
        if (check_established(session, why) != 0)
            return TLS_FAILED;
        note_client_certificate(session);
        session->state = STATE_OPEN;
        return TLS_DONE;
    }
    int code = wolfSSL_get_error(session->library, result);
    if (code == WOLFSSL_ERROR_WANT_READ)
        return TLS_WANT_INPUT;
    fail_in_library(session, code, "the handshake failed", why);
    return TLS_FAILED;
}

enum tls_progress tls_session_handshake(struct tls_session *session, struct slice input, struct why *why)
{
    if (session->state == STATE_OPEN) {
        if (keep(session, input))
            return TLS_DONE;
        fail_text(session, why, "the peer sends too much before it is accepted");
        return TLS_FAILED;
    }
    if (session->state != STATE_HANDSHAKE) {
        why_fail(why, ERROR_STATE, "the session has failed before");
        return TLS_FAILED;
    }
    if (!begin_input(session, input)) {
        fail_memory(session, why);
        return TLS_FAILED;
    }
    enum tls_progress progress = step(session, why);
    if (progress != TLS_FAILED && (!end_input(session) || session->output.has_failed)) {
        fail_memory(session, why);
        return TLS_FAILED;
    }
    return progress;
}

/* --- chain, hold, release --- */

void tls_chain_free(struct tls_chain *chain)
{
    free(chain->memory);
    *chain = (struct tls_chain){ NULL, 0, NULL };
}

bool tls_session_has_chain(const struct tls_session *session)
{
    return session->is_captured;
}

int tls_session_take_chain(struct tls_session *session, struct tls_chain *chain_r)
{
    if (!session->is_captured || session->was_chain_taken)
        return ERROR_STATE;
    session->was_chain_taken = true;
    if (session->context->role == TLS_ROLE_SERVER)
        session->was_sent = session->chain.count > 0;
    *chain_r = session->chain;
    session->chain = (struct tls_chain){ NULL, 0, NULL };
    return 0;
}

bool tls_session_is_held(const struct tls_session *session)
{
    return session->is_held;
}

int tls_session_release(struct tls_session *session)
{
    bool is_client = session->context->role == TLS_ROLE_CLIENT;
    if (session->state != STATE_HANDSHAKE && session->state != STATE_OPEN)
        return ERROR_STATE;
    if (!session->is_captured && (is_client || session->state != STATE_OPEN))
        return ERROR_STATE;
    session->is_held = false;
    session->is_released = true;
    return 0;
}

/* Where our side of the wire is still unencrypted, an alert is readable for the peer as it is. TLS 1.3 servers have
 * switched by then; the library can say close_notify for them and nothing else. A TLS 1.3 client has keys, too, but
 * nothing under them has left: servers take a plain alert there, as from a client that could not derive any. */
void tls_session_refuse(struct tls_session *session, enum tls_alert alert)
{
    if (session->state == STATE_FAILED)
        return;
    bool is_plain = session->is_held && (session->context->role == TLS_ROLE_CLIENT ||
                                         negotiated_version(session) == TLS_VERSION_1_2);
    drop_held(session, false);
    if (is_plain)
        tls_alert_append(&session->output, alert);
    else if (session->state == STATE_OPEN)
        tls_session_close(session);
    session->state = STATE_FAILED;
    buffer_free(&session->kept);
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

/* --- plain text --- */

/* One step of wolfSSL_read(): 1 while there may be more, 0 drained, else an error. */
static int read_step(struct tls_session *session, struct buffer *plain, struct why *why)
{
    int pending = wolfSSL_pending(session->library);
    size_t room = pending > READ_STEP ? (size_t)pending : READ_STEP;
    if (!buffer_reserve(plain, room))
        return fail_memory(session, why);
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
    return fail_in_library(session, code, "the TLS connection broke", why);
}

int tls_session_read(struct tls_session *session, struct slice input, struct buffer *plain, struct why *why)
{
    if (session->state == STATE_CLOSED)
        return why_fail(why, ERROR_CLOSED, "the peer closed the TLS connection");
    if (session->state != STATE_OPEN || !session->is_released)
        return why_fail(why, ERROR_STATE, "plain text is not due yet");
    if (!begin_input(session, input))
        return fail_memory(session, why);
    int result;
    do
        result = read_step(session, plain, why);
    while (result > 0);
    if (session->state == STATE_CLOSED)
        session->incoming = slice_first(session->incoming, 0); /* what follows close_notify is ignored */
    if (session->state != STATE_FAILED && (!end_input(session) || session->output.has_failed))
        return fail_memory(session, why);
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
        return fail_memory(session, why);
    if (length != (int)message.length)
        return fail_in_library(session, wolfSSL_get_error(session->library, length), "the TLS connection broke", why);
    return 0;
}

void tls_session_close(struct tls_session *session)
{
    if (session->is_close_sent || session->is_held || (session->state != STATE_OPEN && session->state != STATE_CLOSED))
        return;
    session->is_close_sent = true;
    wolfSSL_shutdown(session->library); /* once: a second call reads, or clears the session */
}

/* --- facts --- */

int tls_session_facts(const struct tls_session *session, struct tls_session_facts *facts_r)
{
    if (session->version == TLS_VERSION_UNSET)
        return ERROR_STATE;
    char *protocol = NULL;
    unsigned short length = 0;
    struct slice negotiated = SLICE_ABSENT;
    if (session->context->settings.protocol[0] != '\0' &&
        wolfSSL_ALPN_GetProtocol(session->library, &protocol, &length) == WOLFSSL_SUCCESS && protocol != NULL)
        negotiated = slice_of(protocol, length);
    *facts_r = (struct tls_session_facts){
        .version = (enum tls_version)session->version,
        .suite = tls_suite_name(session->suite),
        .group = tls_group_name(session->group),
        .protocol = negotiated,
        .was_certificate_requested = session->was_requested,
        .was_certificate_sent = session->was_sent || session->chain.count > 0,
    };
    if (session->context->role == TLS_ROLE_CLIENT)
        facts_r->was_certificate_sent = session->was_sent;
    return 0;
}

static WOLFSSL_ALERT_HISTORY alerts_of(const struct tls_session *session)
{
    WOLFSSL_ALERT_HISTORY history = { { TLS_ALERT_ABSENT, 0 }, { TLS_ALERT_ABSENT, 0 } };
    wolfSSL_get_alert_history(session->library, &history);
    return history;
}

int tls_session_alert_received(const struct tls_session *session)
{
    return alerts_of(session).last_rx.code;
}

int tls_session_alert_sent(const struct tls_session *session)
{
    return alerts_of(session).last_tx.code;
}
