/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_proof.c - two sessions without a wire: the proof that a key is its certificate's.
 * The library's own comparison says yes to a foreign EC key; a peer that checks the signature does not.
 */
#include "tls/tls_private.h"

#include "base/error.h"

static int pass_on(struct tls_session *from, struct tls_session *to, bool *has_moved, enum tls_progress *progress_r,
                   struct why *why)
{
    struct slice bytes = tls_session_output(from);
    if (slice_is_empty(bytes))
        return 0;
    *has_moved = true;
    *progress_r = tls_session_handshake(to, bytes, why);
    tls_session_sent(from, bytes.length);
    return *progress_r == TLS_FAILED ? ERROR_TLS : 0;
}

int tls_pair_run(struct tls_session *client, struct tls_session *server, bool is_releasing, struct why *why)
{
    enum tls_progress client_progress = tls_session_handshake(client, SLICE_ABSENT, why);
    enum tls_progress server_progress = TLS_WANT_INPUT;
    int result = client_progress == TLS_FAILED ? ERROR_TLS : 0;
    for (bool has_moved = true; has_moved && result == 0;) {
        has_moved = false;
        result = pass_on(client, server, &has_moved, &server_progress, why);
        if (result == 0)
            result = pass_on(server, client, &has_moved, &client_progress, why);
        if (is_releasing && tls_session_is_held(client) && tls_session_release(client) == 0)
            has_moved = true;
        if (is_releasing && tls_session_is_held(server) && tls_session_release(server) == 0)
            has_moved = true;
    }
    if (result != 0)
        return result;
    return client_progress == TLS_DONE && server_progress == TLS_DONE
               ? 0
               : why_fail(why, ERROR_TLS, "the handshake in memory does not end");
}

/* The chain that a client sees is the credential's, byte for byte: the library skips what it cannot read. */
static int compare_chain(struct tls_session *client, const struct tls_credential *credential, struct why *why)
{
    struct tls_chain chain;
    struct buffer seen = BUFFER_EMPTY;
    if (tls_session_take_chain(client, &chain) != 0)
        return why_fail(why, ERROR_TLS, "no chain is captured");
    for (size_t i = 0; i < chain.count; i++)
        buffer_append_slice(&seen, chain.certificates[i]);
    tls_chain_free(&chain);
    bool is_equal = !seen.has_failed && slice_equal(buffer_slice(&seen), credential->chain);
    buffer_free(&seen);
    return is_equal ? 0 : why_fail(why, ERROR_SYNTAX, "the library does not send the chain as it is");
}

static int run_with(struct tls_context *client_context, struct tls_context *server_context, struct why *why)
{
    struct tls_session *client = NULL, *server = NULL;
    int result = tls_session_new(client_context, NULL, &client, why);
    if (result == 0)
        result = tls_session_new(server_context, NULL, &server, why);
    if (result == 0 && tls_pair_run(client, server, true, why) != 0) {
        why_prefix(why, "the private key is not the certificate's");
        result = ERROR_CONFLICT;
    }
    if (result == 0)
        result = compare_chain(client, server_context->credential, why);
    tls_session_free(client);
    tls_session_free(server);
    return result;
}

int tls_credential_prove(struct tls_credential *credential, struct why *why)
{
    struct tls_context *client = NULL, *server = NULL;
    struct tls_settings settings;
    tls_settings_init(&settings);
    /* Whatever curve the certificate's key is on. */
    int result = tls_settings_set_groups(&settings, SLICE_LITERAL("P-256:P-384:P-521:X25519"), why);
    if (result == 0)
        result = tls_context_new(TLS_ROLE_CLIENT, &settings, NULL, &client, why);
    settings.client_auth = CLIENT_AUTH_NONE;
    if (result == 0)
        result = tls_context_new(TLS_ROLE_SERVER, &settings, credential, &server, why);
    if (result == 0)
        result = run_with(client, server, why);
    tls_context_unref(client);
    tls_context_unref(server);
    return result;
}
