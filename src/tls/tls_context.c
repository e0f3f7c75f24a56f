/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_context.c - makes WOLFSSL_CTX objects by the one recipe there is; see tls_context.h.
 * Everything the recipe relies on is set explicitly: defaults differ between builds of the library.
 */
#include "tls/tls_context.h"

#include "base/error.h"
#include "tls/tls_private.h"
#include "tls/tls_wolfssl.h"

#include <stdlib.h>
#include <string.h>

static WOLFSSL_METHOD *method_of(enum tls_role role, const struct tls_settings *settings)
{
    bool is_client = role == TLS_ROLE_CLIENT;
    if (settings->maximum == TLS_VERSION_1_2)
        return is_client ? wolfTLSv1_2_client_method() : wolfTLSv1_2_server_method();
    if (settings->minimum == TLS_VERSION_1_3)
        return is_client ? wolfTLSv1_3_client_method() : wolfTLSv1_3_server_method();
    return is_client ? wolfSSLv23_client_method() : wolfSSLv23_server_method();
}

static int set_versions(WOLFSSL_CTX *library, const struct tls_settings *settings)
{
    int minimum = settings->minimum == TLS_VERSION_1_3 ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2;
    return wolfSSL_CTX_SetMinVersion(library, minimum);
}

/* Only the suites of the range's versions: a name too many could bring back the library's own list. */
static int set_suites(WOLFSSL_CTX *library, const struct tls_settings *settings)
{
    struct buffer names = BUFFER_EMPTY;
    for (const uint16_t *suite = settings->suites; *suite != 0; suite++) {
        enum tls_version version = tls_suite_version(*suite);
        if (version < settings->minimum || version > settings->maximum)
            continue;
        if (names.length > 0)
            buffer_append_byte(&names, ':');
        buffer_append_string(&names, tls_suite_library_name(*suite));
    }
    buffer_append_byte(&names, '\0');
    int result = names.has_failed ? MEMORY_E : wolfSSL_CTX_set_cipher_list(library, names.data);
    buffer_free(&names);
    return result;
}

/* set_groups also chooses the client's key share; it wants a context that knows TLS 1.3. */
static int set_groups(WOLFSSL_CTX *library, const struct tls_settings *settings)
{
    int result;
#ifdef HAVE_WOLFSSL_CTX_SET_GROUPS
    if (settings->maximum == TLS_VERSION_1_3) {
        int numbers[TLS_GROUPS_MAXIMUM];
        int count = 0;
        for (; settings->groups[count] != 0; count++)
            numbers[count] = settings->groups[count];
        return wolfSSL_CTX_set_groups(library, numbers, count);
    }
#endif
    for (const uint16_t *group = settings->groups; *group != 0; group++)
        if ((result = wolfSSL_CTX_UseSupportedCurve(library, *group)) != WOLFSSL_SUCCESS)
            return result;
    return WOLFSSL_SUCCESS;
}

/* Each connection is its own proof: no cache, no tickets of either kind (INV-24, INV-27). */
static int forbid_resumption(WOLFSSL_CTX *library, enum tls_role role, const struct tls_settings *settings)
{
#ifdef HAVE_WOLFSSL_CTX_SET_SESSION_CACHE_MODE
    wolfSSL_CTX_set_session_cache_mode(library, WOLFSSL_SESS_CACHE_OFF);
#endif
    if (role == TLS_ROLE_CLIENT)
        return WOLFSSL_SUCCESS; /* a client resumes what it is told to, and is never told */
#ifdef HAVE_WOLFSSL_CTX_NOTICKETTLSV12
    if (settings->minimum == TLS_VERSION_1_2 && wolfSSL_CTX_NoTicketTLSv12(library) != WOLFSSL_SUCCESS)
        return WOLFSSL_FAILURE;
#endif
    if (settings->maximum == TLS_VERSION_1_3 && wolfSSL_CTX_no_ticket_TLSv13(library) != 0)
        return WOLFSSL_FAILURE;
    return WOLFSSL_SUCCESS;
}

int tls_context_verify_mode(const struct tls_settings *settings)
{
    if (settings->client_auth == CLIENT_AUTH_NONE)
        return WOLFSSL_VERIFY_NONE;
    return settings->client_auth == CLIENT_AUTH_REQUIRE ? WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                                        : WOLFSSL_VERIFY_PEER;
}

/* The callback sees every chain and lets it pass: the verdict is taken elsewhere, over what it captured. */
static void set_verification(WOLFSSL_CTX *library, const struct tls_settings *settings)
{
    if (settings->client_auth == CLIENT_AUTH_REQUIRE)
        wolfSSL_CTX_mutual_auth(library, 1); /* or TLS 1.2 fails without an alert */
    wolfSSL_CTX_set_verify(library, tls_context_verify_mode(settings), tls_session_capture);
}

static int set_credential(WOLFSSL_CTX *library, const struct tls_credential *credential, struct why *why)
{
    int result = wolfSSL_CTX_use_certificate_chain_buffer_format(
        library, (const unsigned char *)credential->chain.data, (long)credential->chain.length, WOLFSSL_FILETYPE_ASN1);
    if (result != WOLFSSL_SUCCESS)
        return why_fail(why, tls_library_error_code(result, ERROR_SYNTAX),
                        "the library cannot read the certificate chain: %s (%d)", tls_library_error_text(result),
                        result);
    result = wolfSSL_CTX_use_PrivateKey_buffer(library, (const unsigned char *)credential->key.data,
                                               (long)credential->key.length, WOLFSSL_FILETYPE_ASN1);
    if (result != WOLFSSL_SUCCESS)
        return why_fail(why, tls_library_error_code(result, ERROR_SYNTAX),
                        "the library cannot read the private key: %s (%d)", tls_library_error_text(result), result);
    return 0;
}

static int set_up(struct tls_context *context, struct why *why)
{
    WOLFSSL_CTX *library = context->library;
    const struct tls_settings *settings = &context->settings;
    int result = set_versions(library, settings);
    if (result != WOLFSSL_SUCCESS)
        return why_fail(why, tls_library_error_code(result, ERROR_TLS), "the library refuses the TLS versions");
    if ((result = set_suites(library, settings)) != WOLFSSL_SUCCESS)
        return why_fail(why, tls_library_error_code(result, ERROR_TLS), "the library refuses the cipher suites");
    if ((result = set_groups(library, settings)) != WOLFSSL_SUCCESS)
        return why_fail(why, tls_library_error_code(result, ERROR_TLS), "the library refuses the groups");
    if ((result = forbid_resumption(library, context->role, settings)) != WOLFSSL_SUCCESS)
        return why_fail(why, tls_library_error_code(result, ERROR_TLS), "the library insists on session tickets");
    set_verification(library, settings);
#ifdef HAVE_WOLFSSL_CTX_CLEAR_MODE
    /* Otherwise each blocked read of a handshake calls for bytes eleven times. */
    wolfSSL_CTX_clear_mode(library, SSL_MODE_AUTO_RETRY);
#endif
    return context->credential != NULL ? set_credential(library, context->credential, why) : 0;
}

static int check_arguments(enum tls_role role, const struct tls_settings *settings,
                           const struct tls_credential *credential, struct why *why)
{
    if (settings->minimum == TLS_VERSION_UNSET || settings->suites[0] == 0 || settings->groups[0] == 0)
        return why_fail(why, ERROR_STATE, "TLS settings that were never set");
    if (role == TLS_ROLE_SERVER) {
        if (credential == NULL)
            return why_fail(why, ERROR_STATE, "a TLS server needs a certificate");
        if (settings->client_auth == CLIENT_AUTH_UNSET)
            return why_fail(why, ERROR_STATE, "a TLS server needs to know whether to ask for certificates");
    } else if (role != TLS_ROLE_CLIENT || settings->client_auth != CLIENT_AUTH_UNSET) {
        return why_fail(why, ERROR_STATE, "not the settings of a TLS client");
    }
    return 0;
}

int tls_context_new(enum tls_role role, const struct tls_settings *settings, struct tls_credential *credential,
                    struct tls_context **context_r, struct why *why)
{
    int result = check_arguments(role, settings, credential, why);
    if (result != 0)
        return result;
    struct tls_context *context = malloc(sizeof(*context));
    if (context == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    *context = (struct tls_context){ .references = 1, .role = role, .settings = *settings };
    context->credential = tls_credential_ref(credential);
    context->library = wolfSSL_CTX_new(method_of(role, settings));
    result = context->library == NULL ? why_fail(why, ERROR_MEMORY, "the library makes no context")
                                      : set_up(context, why);
    if (result != 0) {
        tls_context_unref(context);
        return result;
    }
    *context_r = context;
    return 0;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    if (context != NULL)
        atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context == NULL || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) > 1)
        return;
    if (context->library != NULL)
        wolfSSL_CTX_free(context->library);
    tls_credential_unref(context->credential);
    free(context);
}

enum tls_role tls_context_role(const struct tls_context *context)
{
    return context->role;
}

const struct tls_settings *tls_context_settings(const struct tls_context *context)
{
    return &context->settings;
}

struct tls_credential *tls_context_credential(const struct tls_context *context)
{
    return context->credential;
}
