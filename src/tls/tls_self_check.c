/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_self_check.c - what everything else is built on, tried before the first connection (INV-51).
 * Each check is a handshake in memory between two sessions of ours, with keys made on the spot.
 */
#include "tls/tls_library.h"

#include "base/error.h"
#include "tls/tls_private.h"

struct bench {
    struct tls_specimen specimen, other;
    struct tls_credential *credential;
};

struct pair {
    struct tls_context *client_context, *server_context;
    struct tls_session *client, *server;
};

static void pair_fini(struct pair *pair)
{
    tls_session_free(pair->client);
    tls_session_free(pair->server);
    tls_context_unref(pair->client_context);
    tls_context_unref(pair->server_context);
}

/* Each side with its own range of versions; the client shows CREDENTIAL or none. */
static int pair_init(struct pair *pair, struct tls_credential *server_credential, struct tls_credential *credential,
                     enum tls_version client_version, enum tls_version server_version, struct why *why)
{
    struct tls_settings settings;
    *pair = (struct pair){ 0 };
    tls_settings_init(&settings);
    int result = tls_settings_set_versions(&settings, client_version, client_version, why);
    if (result == 0)
        result = tls_context_new(TLS_ROLE_CLIENT, &settings, credential, &pair->client_context, why);
    tls_settings_init(&settings);
    settings.client_auth = CLIENT_AUTH_REQUIRE;
    if (result == 0)
        result = tls_settings_set_versions(&settings, server_version, server_version, why);
    if (result == 0)
        result = tls_context_new(TLS_ROLE_SERVER, &settings, server_credential, &pair->server_context, why);
    if (result == 0)
        result = tls_session_new(pair->client_context, NULL, &pair->client, why);
    if (result == 0)
        result = tls_session_new(pair->server_context, NULL, &pair->server, why);
    return result;
}

static bool has_captured(struct tls_session *session, struct slice certificate)
{
    struct tls_chain chain;
    if (tls_session_take_chain(session, &chain) != 0)
        return false;
    bool is_equal = chain.count == 1 && slice_equal(chain.certificates[0], certificate);
    tls_chain_free(&chain);
    return is_equal;
}

/* Both sides see the other's certificate; while the client holds, the server sees nothing and plain text waits. */
static int check_capture(struct bench *bench, enum tls_version version, struct why *why)
{
    struct pair pair;
    struct buffer plain = BUFFER_EMPTY;
    struct slice certificate = buffer_slice(&bench->specimen.certificate);
    struct why ignored;
    int result = pair_init(&pair, bench->credential, bench->credential, version, version, why);
    if (result != 0)
        goto out;
    if (tls_pair_run(pair.client, pair.server, false, &ignored) == 0 || !tls_session_is_held(pair.client) ||
        tls_session_has_chain(pair.server))
        result = why_fail(why, ERROR_TLS, "output is not held after the peer's certificate came");
    else if (tls_session_write(pair.client, SLICE_LITERAL("x"), &ignored) != ERROR_STATE)
        result = why_fail(why, ERROR_TLS, "plain text is taken before the verdict");
    else if (tls_pair_run(pair.client, pair.server, true, why) != 0)
        result = ERROR_TLS;
    else if (!has_captured(pair.client, certificate) || !has_captured(pair.server, certificate))
        result = why_fail(why, ERROR_TLS, "the peer's chain is not captured as it was sent");
    else if (tls_session_release(pair.server) != 0 || tls_session_write(pair.client, SLICE_LITERAL("x"), why) != 0 ||
             tls_session_read(pair.server, tls_session_output(pair.client), &plain, why) != 0 ||
             !slice_equal(buffer_slice(&plain), SLICE_LITERAL("x")))
        result = why_fail(why, ERROR_TLS, "plain text does not come through");
out:
    buffer_free(&plain);
    pair_fini(&pair);
    return result;
}

/* A handshake that must not succeed. */
static int check_refused(struct bench *bench, bool has_certificate, enum tls_version client_version,
                         enum tls_version server_version, const char *text, struct why *why)
{
    struct pair pair;
    struct why ignored;
    struct tls_credential *credential = has_certificate ? bench->credential : NULL;
    int result = pair_init(&pair, bench->credential, credential, client_version, server_version, why);
    if (result == 0 && tls_pair_run(pair.client, pair.server, true, &ignored) == 0)
        result = why_fail(why, ERROR_TLS, "%s", text);
    pair_fini(&pair);
    return result;
}

static int check_foreign_key(struct bench *bench, struct why *why)
{
    struct slice certificate = buffer_slice(&bench->specimen.certificate);
    struct tls_credential *credential = NULL;
    struct why ignored;
    int result = tls_credential_new(&certificate, 1, buffer_slice(&bench->other.key), SLICE_LITERAL("foreign"),
                                    &credential, &ignored);
    tls_credential_unref(credential);
    return result == ERROR_CONFLICT ? 0 : why_fail(why, ERROR_TLS, "a key that is not the certificate's is taken");
}

static int run_checks(struct bench *bench, struct why *why)
{
    int result = check_foreign_key(bench, why);
    for (enum tls_version version = TLS_VERSION_1_2; result == 0 && version < TLS_VERSION_COUNT; version++) {
        result = check_capture(bench, version, why);
        if (result == 0)
            result = check_refused(bench, false, version, version, "a required client certificate is not required",
                                   why);
    }
    if (result == 0)
        result = check_refused(bench, true, TLS_VERSION_1_2, TLS_VERSION_1_3,
                               "the lowest TLS version is not kept to", why);
    return result;
}

int tls_library_self_check(struct why *why)
{
    struct bench bench = { 0 };
    int result = tls_specimen_new(&bench.specimen, why);
    if (result == 0)
        result = tls_specimen_new(&bench.other, why);
    if (result != 0)
        goto out;
    struct slice certificate = buffer_slice(&bench.specimen.certificate);
    result = tls_credential_new(&certificate, 1, buffer_slice(&bench.specimen.key), SLICE_LITERAL("specimen"),
                                &bench.credential, why);
    if (result == 0)
        result = run_checks(&bench, why);
out:
    if (result != 0)
        why_prefix(why, "the TLS library does not behave as it must");
    tls_credential_unref(bench.credential);
    tls_specimen_free(&bench.specimen);
    tls_specimen_free(&bench.other);
    return result;
}
