/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_session.c - life of a session, handshake, verdict and facts; see tls_session.h. */
#include "tls/tls_session.h"

#include "base/error.h"
#include "tls/tls_session_private.h"
#include "tls/tls_wolfssl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    int result = name.length > UINT16_MAX ? BAD_FUNC_ARG
                                          : wolfSSL_UseSNI(session->library, WOLFSSL_SNI_HOST_NAME, name.data,
                                                           (unsigned short)name.length);
    if (result != WOLFSSL_SUCCESS)
        return why_fail(why, tls_library_error_code(result, ERROR_TLS), "the library refuses the server name");
    return 0;
}

static int set_protocol(struct tls_session *session, struct why *why)
{
    char name[TLS_PROTOCOL_SIZE];
    memcpy(name, session->context->settings.protocol, sizeof(name));
    if (name[0] == '\0')
        return 0;
    int result =
        wolfSSL_UseALPN(session->library, name, (unsigned)strlen(name), WOLFSSL_ALPN_FAILED_ON_MISMATCH);
    if (result != WOLFSSL_SUCCESS)
        return why_fail(why, tls_library_error_code(result, ERROR_TLS), "the library refuses the ALPN protocol");
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
    int result = wolfSSL_UseTrustedCA(session->library, (unsigned char)authority->type,
                                      (const unsigned char *)authority->identifier.data,
                                      (unsigned)authority->identifier.length);
    if (result != WOLFSSL_SUCCESS)
        return why_fail(why, tls_library_error_code(result, ERROR_TLS), "the library refuses the trusted authority");
    return 0;
}

static int set_options(struct tls_session *session, const struct tls_session_options *options, struct why *why)
{
    tls_wire_connect(session);
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
    *session = (struct tls_session){ .context = tls_context_ref(context), .state = STATE_HANDSHAKE,
                                      .own_alert = TLS_ALERT_ABSENT };
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

/* Held output may hold our certificate: it is dropped, unless an alert is all there is. */
static void end(struct tls_session *session)
{
    tls_wire_drop_held(session,
                       tls_session_alert_sent(session) != TLS_ALERT_ABSENT && session->records_captured == 1);
    session->state = STATE_FAILED;
    session->incoming = SLICE_ABSENT;
    buffer_free(&session->kept);
}

int tls_session_fail(struct tls_session *session, int code, struct why *why, const char *text)
{
    end(session);
    session->lacks_memory = code == ERROR_MEMORY;
    return why_fail(why, code, "%s", text);
}

bool tls_session_lacks_memory(const struct tls_session *session)
{
    return session->lacks_memory;
}

static enum tls_version negotiated_version(const struct tls_session *session)
{
    const char *name = wolfSSL_get_version(session->library);
    return name == NULL                     ? TLS_VERSION_UNSET
           : strcmp(name, "TLSv1.2") == 0 ? TLS_VERSION_1_2
           : strcmp(name, "TLSv1.3") == 0 ? TLS_VERSION_1_3
                                            : TLS_VERSION_UNSET;
}

/* A plaintext alert is readable for the peer: nothing under our keys has left, nor will. A server of TLS 1.3 switches
 * with its ServerHello. A client of 1.3 has keys, too, by the time it fails, but servers take a plain alert there, as
 * from a client that could not derive any. */
static bool can_alert_plainly(const struct tls_session *session)
{
    bool is_shaking = session->state == STATE_HANDSHAKE;
    if (session->context->role == TLS_ROLE_CLIENT)
        return session->is_held || (is_shaking && session->records_captured == 0);
    if (!session->has_sent)
        return is_shaking;
    return negotiated_version(session) == TLS_VERSION_1_2 && (is_shaking || session->is_held);
}

static void alert_plainly(struct tls_session *session, int alert)
{
    tls_alert_append(&session->output, (enum tls_alert)alert);
    session->own_alert = (int16_t)alert;
}

/* For failures over which the library says nothing: no shared suite, a wrong signature in TLS 1.2. */
static enum tls_alert alert_for(int code)
{
    switch (code) {
    case VERSION_ERROR:
        return TLS_ALERT_PROTOCOL_VERSION;
    case SIG_VERIFY_E:
    case VERIFY_SIGN_ERROR:
    case BAD_PADDING_E:
        return TLS_ALERT_DECRYPT_ERROR;
    default:
        return TLS_ALERT_HANDSHAKE_FAILURE;
    }
}

int tls_session_fail_library(struct tls_session *session, int code, const char *what, struct why *why)
{
    char alerts[96] = "";
    int received = tls_session_alert_received(session), sent = tls_session_alert_sent(session);
    bool was_dropped = session->is_held && session->records_captured > 1; /* the library's alert, with the flight */
    bool is_plain = can_alert_plainly(session);
    end(session);
    session->lacks_memory =
        session->output.has_failed || tls_library_error_code(code, ERROR_TLS) == ERROR_MEMORY;
    if (is_plain && received == TLS_ALERT_ABSENT && (sent == TLS_ALERT_ABSENT || was_dropped)) {
        sent = sent != TLS_ALERT_ABSENT ? sent : (int)alert_for(code);
        alert_plainly(session, sent);
    }
    if (received != TLS_ALERT_ABSENT)
        snprintf(alerts, sizeof(alerts), ", alert received: %s (%d)", tls_alert_name(received), received);
    else if (sent != TLS_ALERT_ABSENT)
        snprintf(alerts, sizeof(alerts), ", alert sent: %s (%d)", tls_alert_name(sent), sent);
    return why_fail(why, ERROR_TLS, "%s: %s (%d)%s", what, tls_library_error_text(code), code, alerts);
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
        return tls_session_fail(session, ERROR_TLS, why, "the library resumed a session, which it must never do");
    if (version < settings->minimum || version > settings->maximum)
        return tls_session_fail(session, ERROR_TLS, why, "the negotiated TLS version is outside the range");
    if (!tls_settings_has_suite(settings, suite) || tls_suite_version(suite) != version)
        return tls_session_fail(session, ERROR_TLS, why, "the negotiated cipher suite is not allowed");
    if (!tls_settings_has_group(settings, group))
        return tls_session_fail(session, ERROR_TLS, why, "the negotiated group is not allowed");
    bool needs_chain = settings->client_auth == CLIENT_AUTH_REQUIRE || session->context->role == TLS_ROLE_CLIENT;
    if (needs_chain && (!session->is_captured || (session->chain.count == 0 && !session->was_chain_taken)))
        return tls_session_fail(session, ERROR_TLS, why, "the peer proved no certificate");
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
    tls_session_fail_library(session, code, "the handshake failed", why);
    return TLS_FAILED;
}

enum tls_progress tls_session_handshake(struct tls_session *session, struct slice input, struct why *why)
{
    if (session->state == STATE_OPEN) {
        if (tls_wire_keep(session, input))
            return TLS_DONE;
        tls_session_fail(session, ERROR_TLS, why, "the peer sends too much before it is accepted");
        return TLS_FAILED;
    }
    if (session->state != STATE_HANDSHAKE) {
        why_fail(why, ERROR_STATE, "the session has failed before");
        return TLS_FAILED;
    }
    if (!tls_wire_begin(session, input)) {
        tls_session_fail(session, ERROR_MEMORY, why, "out of memory");
        return TLS_FAILED;
    }
    enum tls_progress progress = step(session, why);
    if (progress != TLS_FAILED && (!tls_wire_end(session) || session->output.has_failed)) {
        tls_session_fail(session, ERROR_MEMORY, why, "out of memory");
        return TLS_FAILED;
    }
    return progress;
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

/* A server of TLS 1.3 can say close_notify through the library, and nothing else. */
void tls_session_refuse(struct tls_session *session, enum tls_alert alert)
{
    if (session->state == STATE_FAILED)
        return;
    bool is_plain = session->is_held && can_alert_plainly(session);
    tls_wire_drop_held(session, false);
    if (is_plain)
        alert_plainly(session, (int)alert);
    else if (session->state == STATE_OPEN)
        tls_session_close(session);
    session->state = STATE_FAILED;
    buffer_free(&session->kept);
}

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
        .suite_number = session->suite,
        .was_resumed = wolfSSL_session_reused(session->library) != 0,
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
    return session->own_alert != TLS_ALERT_ABSENT ? session->own_alert : alerts_of(session).last_tx.code;
}
