/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_bench.c - identities and pairs of sessions for tests; see tls_bench.h. */
#include "tls_bench.h"

#include "base/error.h"

#include <openssl/pem.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct buffer key_der(const struct pki_certificate *certificate, bool is_traditional)
{
    struct buffer der = BUFFER_EMPTY;
    char *pem = pki_key_pem(certificate, NULL);
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    unsigned char *bytes = NULL;
    int length;
    assert_non_null(key);
    if (is_traditional) {
        length = i2d_PrivateKey(key, &bytes);
    } else {
        PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
        assert_non_null(info);
        length = i2d_PKCS8_PRIV_KEY_INFO(info, &bytes);
        PKCS8_PRIV_KEY_INFO_free(info);
    }
    assert_true(length > 0);
    buffer_append(&der, bytes, (size_t)length);
    OPENSSL_free(bytes);
    EVP_PKEY_free(key);
    BIO_free(bio);
    free(pem);
    return der;
}

void identity_init(struct identity *identity, enum pki_key key, size_t intermediates, size_t names)
{
    struct buffer list = BUFFER_EMPTY;
    char digest[32];
    *identity = (struct identity){ .count = intermediates + 1 };
    assert_true(identity->count <= IDENTITY_CERTIFICATES);
    identity->all[identity->count] = PKI_MAKE(.subject = "CN=root", .is_ca = true);
    for (size_t i = intermediates; i > 0; i--)
        identity->all[i] = PKI_MAKE(.subject = "CN=intermediate", .issuer = identity->all[i + 1], .is_ca = true);
    buffer_append_string(&list, "DNS:good.example");
    for (size_t i = 0; i < names; i++)
        buffer_append_format(&list, ",DNS:name-%05zu.good.example", i);
    buffer_append_byte(&list, '\0');
    identity->all[0] = PKI_MAKE(.subject = "CN=leaf", .issuer = identity->all[1], .key = key, .names = list.data);
    for (size_t i = 0; i < identity->count; i++)
        identity->chain[i] = pki_der(identity->all[i]);
    identity->key = key_der(identity->all[0], false);
    snprintf(digest, sizeof(digest), "%p", (void *)identity);
    struct why why = WHY_NONE;
    if (tls_credential_new(identity->chain, identity->count, buffer_slice(&identity->key), slice_of_string(digest),
                           &identity->credential, &why) != 0)
        fail_msg("%s", why.text);
    buffer_free(&list);
}

void identity_fini(struct identity *identity)
{
    for (size_t i = 0; i <= identity->count; i++)
        pki_free(identity->all[i]);
    buffer_free(&identity->key);
    tls_credential_unref(identity->credential);
}

struct tls_settings settings_of(enum tls_version version, enum client_auth client_auth, const char *suites,
                                const char *groups, const char *protocol)
{
    struct tls_settings settings;
    tls_settings_init(&settings);
    settings.client_auth = client_auth;
    assert_int_equal(tls_settings_set_versions(&settings, version, version, NULL), 0);
    if (suites != NULL)
        assert_int_equal(tls_settings_set_suites(&settings, slice_of_string(suites), NULL), 0);
    if (groups != NULL)
        assert_int_equal(tls_settings_set_groups(&settings, slice_of_string(groups), NULL), 0);
    if (protocol != NULL)
        assert_int_equal(tls_settings_set_protocol(&settings, slice_of_string(protocol), NULL), 0);
    return settings;
}

void pair_init(struct pair *pair, const struct pair_options *options)
{
    struct why why = WHY_NONE;
    enum client_auth client_auth = options->client_auth != CLIENT_AUTH_UNSET ? options->client_auth : CLIENT_AUTH_NONE;
    struct tls_settings server = settings_of(options->version, client_auth, options->suites, options->groups,
                                             options->server_protocol);
    struct tls_settings client = settings_of(options->version, CLIENT_AUTH_UNSET, options->suites, options->groups,
                                             options->client_protocol);
    const struct tls_session_options client_options = { .server_name = slice_of_string(options->server_name) };
    *pair = (struct pair){ .step = options->step };
    int result = tls_context_new(TLS_ROLE_SERVER, &server, options->server->credential, &pair->server_context, &why);
    if (result == 0)
        result = tls_context_new(TLS_ROLE_CLIENT, &client,
                                 options->client != NULL ? options->client->credential : NULL, &pair->client_context,
                                 &why);
    if (result == 0)
        result = tls_session_new(pair->server_context, NULL, &pair->server, &why);
    if (result == 0)
        result = tls_session_new(pair->client_context, &client_options, &pair->client, &why);
    if (result != 0)
        fail_msg("%s", why.text);
}

void pair_fini(struct pair *pair)
{
    tls_session_free(pair->client);
    tls_session_free(pair->server);
    tls_context_unref(pair->client_context);
    tls_context_unref(pair->server_context);
}

/* Hands FROM's output over, STEP bytes at a time; false when there is none. */
static bool hand_over(struct tls_session *from, struct tls_session *to, size_t step, enum tls_progress *progress,
                      struct why *why)
{
    struct slice output = tls_session_output(from);
    size_t length = output.length;
    if (length == 0)
        return false;
    while (!slice_is_empty(output) && *progress != TLS_FAILED) {
        struct slice part = slice_first(output, step > 0 ? step : output.length);
        *progress = tls_session_handshake(to, part, why);
        output = slice_from(output, part.length);
    }
    tls_session_sent(from, length);
    return true;
}

void pair_run(struct pair *pair)
{
    bool has_moved = true;
    if (pair->client_progress == TLS_PROGRESS_NONE)
        pair->client_progress = tls_session_handshake(pair->client, SLICE_ABSENT, &pair->client_why);
    while (has_moved) {
        has_moved = hand_over(pair->client, pair->server, pair->step, &pair->server_progress, &pair->server_why);
        if (hand_over(pair->server, pair->client, pair->step, &pair->client_progress, &pair->client_why))
            has_moved = true;
    }
}

bool pair_complete(struct pair *pair)
{
    bool has_released = true;
    while (has_released) {
        pair_run(pair);
        has_released = false;
        if (tls_session_is_held(pair->client) && tls_session_release(pair->client) == 0)
            has_released = true;
        if (tls_session_is_held(pair->server) && tls_session_release(pair->server) == 0)
            has_released = true;
    }
    bool is_done = pair->client_progress == TLS_DONE && pair->server_progress == TLS_DONE;
    if (is_done && tls_session_release(pair->server) != 0)
        return false; /* a server that asks for nothing holds nothing, and is released all the same */
    return is_done;
}

void expect_text(struct tls_session *from, struct tls_session *to, struct slice text, size_t step)
{
    struct buffer plain = BUFFER_EMPTY;
    struct why why = WHY_NONE;
    if (tls_session_write(from, text, &why) != 0)
        fail_msg("%s", why.text);
    struct slice output = tls_session_output(from);
    size_t length = output.length;
    do {
        struct slice part = slice_first(output, step > 0 ? step : output.length);
        if (tls_session_read(to, part, &plain, &why) != 0)
            fail_msg("%s", why.text);
        output = slice_from(output, part.length);
    } while (!slice_is_empty(output));
    tls_session_sent(from, length);
    assert_true(slice_equal(buffer_slice(&plain), text));
    buffer_free(&plain);
}

void expect_chain(struct tls_session *session, const struct slice *certificates, size_t count)
{
    struct tls_chain chain;
    assert_true(tls_session_has_chain(session));
    assert_int_equal(tls_session_take_chain(session, &chain), 0);
    assert_int_equal(chain.count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(slice_equal(chain.certificates[i], certificates[i]));
    assert_int_equal(tls_session_take_chain(session, &chain), ERROR_STATE);
    tls_chain_free(&chain);
}
