/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_credential.c - tests of credentials, contexts and the cache of contexts. */
#include "tls/tls_credential.h"

#include "base/error.h"
#include "tls/tls_context.h"
#include "tls/tls_library.h"

#include "tls_bench.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct why why = WHY_NONE;
    (void)state;
    if (tls_library_init(&why) != 0)
        fail_msg("%s", why.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_library_thread_fini();
    tls_library_fini();
    return 0;
}

static void every_kind_of_key_is_told_and_proven(void **state)
{
    static const struct {
        enum pki_key key;
        enum tls_key_kind kind;
    } cases[] = { { PKI_EC_P256, TLS_KEY_EC_P256 }, { PKI_EC_P384, TLS_KEY_EC_P384 }, { PKI_RSA_2048, TLS_KEY_RSA },
                  { PKI_ED25519, TLS_KEY_ED25519 } };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (int is_traditional = 0; is_traditional <= 1; is_traditional++) {
            struct pki_certificate *certificate = PKI_MAKE(.subject = "CN=a", .key = cases[i].key);
            struct buffer key = key_der(certificate, is_traditional == 1);
            struct slice der = pki_der(certificate);
            struct tls_credential *credential = NULL;
            struct why why = WHY_NONE;
            if (tls_credential_new(&der, 1, buffer_slice(&key), SLICE_LITERAL("digest"), &credential, &why) != 0)
                fail_msg("%zu: %s", i, why.text);
            assert_int_equal(tls_credential_key_kind(credential), cases[i].kind);
            assert_true(slice_equal(tls_credential_digest(credential), SLICE_LITERAL("digest")));
            tls_credential_unref(tls_credential_ref(credential));
            tls_credential_unref(credential);
            buffer_free(&key);
            pki_free(certificate);
        }
    tls_credential_unref(NULL);
    assert_null(tls_credential_ref(NULL));
}

/* The library's own comparison is fooled by EC keys of the same curve; ours must not be. */
static void a_key_of_another_certificate_is_refused(void **state)
{
    static const enum pki_key keys[] = { PKI_EC_P256, PKI_EC_P384, PKI_RSA_2048, PKI_ED25519 };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        for (size_t j = 0; j < ARRAY_SIZE(keys); j++) {
            struct pki_certificate *shown = PKI_MAKE(.subject = "CN=a", .key = keys[i]);
            struct pki_certificate *owned = PKI_MAKE(.subject = "CN=a", .key = keys[j]);
            struct buffer key = key_der(owned, false);
            struct slice der = pki_der(shown);
            struct tls_credential *credential = NULL;
            struct why why = WHY_NONE;
            int result = tls_credential_new(&der, 1, buffer_slice(&key), SLICE_LITERAL("digest"), &credential, &why);
            assert_true(result == ERROR_CONFLICT || result == ERROR_SYNTAX);
            if (i == j)
                assert_int_equal(result, ERROR_CONFLICT);
            assert_string_not_equal(why.text, "");
            assert_null(credential);
            buffer_free(&key);
            pki_free(shown);
            pki_free(owned);
        }
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct pki_certificate *certificate = PKI_MAKE(.subject = "CN=a");
    struct pki_certificate *p224 = PKI_MAKE(.subject = "CN=b", .key = PKI_EC_P224);
    struct buffer key = key_der(certificate, false), p224_key = key_der(p224, false);
    struct slice der = pki_der(certificate), p224_der = pki_der(p224);
    struct slice cut = slice_first(der, der.length - 1), text = SLICE_LITERAL("-----BEGIN CERTIFICATE-----");
    struct slice with_garbage[] = { der, text };
    struct slice digest = SLICE_LITERAL("digest");
    struct tls_credential *credential = NULL;
    struct why why;
    assert_int_equal(tls_credential_new(&der, 0, buffer_slice(&key), digest, &credential, &why), ERROR_SYNTAX);
    assert_int_equal(tls_credential_new(&der, 1, SLICE_ABSENT, digest, &credential, &why), ERROR_SYNTAX);
    assert_int_equal(tls_credential_new(&der, 1, buffer_slice(&key), SLICE_ABSENT, &credential, &why), ERROR_SYNTAX);
    assert_int_equal(tls_credential_new(&cut, 1, buffer_slice(&key), digest, &credential, &why), ERROR_UNSUPPORTED);
    assert_int_equal(tls_credential_new(&text, 1, buffer_slice(&key), digest, &credential, &why), ERROR_UNSUPPORTED);
    assert_int_equal(tls_credential_new(&p224_der, 1, buffer_slice(&p224_key), digest, &credential, &why),
                     ERROR_UNSUPPORTED);
    assert_int_equal(tls_credential_new(with_garbage, 2, buffer_slice(&key), digest, &credential, &why), ERROR_SYNTAX);
    assert_int_equal(tls_credential_new(&der, 1, slice_first(buffer_slice(&key), 20), digest, &credential, &why),
                     ERROR_SYNTAX);
    assert_int_equal(tls_credential_new(&der, 1, text, digest, &credential, &why), ERROR_SYNTAX);
    assert_null(credential);
    buffer_free(&key);
    buffer_free(&p224_key);
    pki_free(certificate);
    pki_free(p224);
}

static void contexts_want_consistent_arguments(void **state)
{
    (void)state;
    struct identity identity;
    struct tls_context *context = NULL;
    struct tls_settings client = settings_of(TLS_VERSION_UNSET, CLIENT_AUTH_UNSET, NULL, NULL, NULL);
    struct tls_settings server = settings_of(TLS_VERSION_UNSET, CLIENT_AUTH_REQUEST, NULL, NULL, NULL);
    struct tls_settings nothing = { 0 };
    identity_init(&identity, PKI_EC_P256, 1, 0);
    assert_int_equal(tls_context_new(TLS_ROLE_SERVER, &server, NULL, &context, NULL), ERROR_STATE);
    assert_int_equal(tls_context_new(TLS_ROLE_SERVER, &client, identity.credential, &context, NULL), ERROR_STATE);
    assert_int_equal(tls_context_new(TLS_ROLE_CLIENT, &server, identity.credential, &context, NULL), ERROR_STATE);
    assert_int_equal(tls_context_new(TLS_ROLE_NONE, &client, NULL, &context, NULL), ERROR_STATE);
    assert_int_equal(tls_context_new(TLS_ROLE_CLIENT, &nothing, NULL, &context, NULL), ERROR_STATE);
    assert_null(context);
    assert_int_equal(tls_context_new(TLS_ROLE_SERVER, &server, identity.credential, &context, NULL), 0);
    assert_int_equal(tls_context_role(context), TLS_ROLE_SERVER);
    assert_ptr_equal(tls_context_credential(context), identity.credential);
    assert_int_equal(tls_context_settings(context)->client_auth, CLIENT_AUTH_REQUEST);
    /* The context keeps its credential alive, a session its context. */
    struct tls_session *session;
    assert_int_equal(tls_session_new(context, NULL, &session, NULL), 0);
    identity_fini(&identity);
    tls_context_unref(context);
    tls_session_free(session);
    tls_context_unref(NULL);
}

static struct tls_context *get(struct tls_context_cache *cache, enum tls_role role, const struct tls_settings *settings,
                               struct tls_credential *credential)
{
    struct tls_context *context;
    struct why why = WHY_NONE;
    if (tls_context_cache_get(cache, role, settings, credential, &context, &why) != 0)
        fail_msg("%s", why.text);
    return context;
}

static void the_cache_finds_by_content(void **state)
{
    (void)state;
    struct identity one, two;
    struct tls_context_cache *cache;
    struct tls_credential *same_content;
    struct tls_settings client = settings_of(TLS_VERSION_UNSET, CLIENT_AUTH_UNSET, NULL, NULL, NULL);
    struct tls_settings floor = settings_of(TLS_VERSION_1_3, CLIENT_AUTH_UNSET, NULL, NULL, NULL);
    struct tls_settings server = settings_of(TLS_VERSION_UNSET, CLIENT_AUTH_REQUEST, NULL, NULL, NULL);
    identity_init(&one, PKI_EC_P256, 1, 0);
    identity_init(&two, PKI_EC_P256, 1, 0);
    assert_int_equal(tls_credential_new(one.chain, one.count, buffer_slice(&one.key),
                                        tls_credential_digest(one.credential), &same_content, NULL),
                     0);
    assert_int_equal(tls_context_cache_new(7, 100, &cache), 0);
    struct tls_context *contexts[] = {
        get(cache, TLS_ROLE_CLIENT, &client, NULL),
        get(cache, TLS_ROLE_CLIENT, &floor, NULL),
        get(cache, TLS_ROLE_CLIENT, &client, one.credential),
        get(cache, TLS_ROLE_CLIENT, &client, two.credential),
        get(cache, TLS_ROLE_SERVER, &server, one.credential),
    };
    assert_int_equal(tls_context_cache_count(cache), 5);
    for (size_t i = 0; i < ARRAY_SIZE(contexts); i++)
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(contexts[i], contexts[j]);
    struct tls_context *again = get(cache, TLS_ROLE_CLIENT, &client, same_content);
    assert_ptr_equal(again, contexts[2]);
    assert_int_equal(tls_context_cache_count(cache), 5);
    tls_context_unref(again);
    tls_context_unref(contexts[0]);
    tls_context_unref(contexts[1]);
    tls_context_cache_sweep(cache);
    assert_int_equal(tls_context_cache_count(cache), 3);
    tls_context_cache_free(cache);
    assert_int_equal(tls_context_role(contexts[4]), TLS_ROLE_SERVER); /* those in use outlive the cache */
    for (size_t i = 2; i < ARRAY_SIZE(contexts); i++)
        tls_context_unref(contexts[i]);
    tls_credential_unref(same_content);
    identity_fini(&one);
    identity_fini(&two);
    tls_context_cache_free(NULL);
}

static void the_cache_keeps_to_its_limit_of_unused_contexts(void **state)
{
    (void)state;
    struct tls_context_cache *cache;
    struct tls_settings settings = settings_of(TLS_VERSION_UNSET, CLIENT_AUTH_UNSET, NULL, NULL, NULL);
    assert_int_equal(tls_context_cache_new(7, 4, &cache), 0);
    for (int i = 0; i < 20; i++) {
        char protocol[8];
        snprintf(protocol, sizeof(protocol), "p%d", i);
        assert_int_equal(tls_settings_set_protocol(&settings, slice_of_string(protocol), NULL), 0);
        tls_context_unref(get(cache, TLS_ROLE_CLIENT, &settings, NULL));
        assert_true(tls_context_cache_count(cache) <= 4);
    }
    tls_context_cache_free(cache);
}

static void a_failed_context_is_not_cached(void **state)
{
    (void)state;
    struct tls_context_cache *cache;
    struct tls_context *context = NULL;
    struct tls_settings settings = settings_of(TLS_VERSION_UNSET, CLIENT_AUTH_REQUEST, NULL, NULL, NULL);
    assert_int_equal(tls_context_cache_new(7, 4, &cache), 0);
    assert_int_equal(tls_context_cache_get(cache, TLS_ROLE_SERVER, &settings, NULL, &context, NULL), ERROR_STATE);
    assert_int_equal(tls_context_cache_count(cache), 0);
    assert_null(context);
    tls_context_cache_free(cache);
}

/* Threads that share one cache, and with it contexts and credentials. */
struct worker {
    struct tls_context_cache *cache;
    const struct identity *identity;
    int failures;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    for (int i = 0; i < 20; i++) {
        struct pair pair = { 0 };
        struct tls_settings client, server;
        tls_settings_init(&client);
        tls_settings_init(&server);
        server.client_auth = CLIENT_AUTH_REQUIRE;
        if (tls_context_cache_get(worker->cache, TLS_ROLE_CLIENT, &client, worker->identity->credential,
                                  &pair.client_context, NULL) != 0 ||
            tls_context_cache_get(worker->cache, TLS_ROLE_SERVER, &server, worker->identity->credential,
                                  &pair.server_context, NULL) != 0 ||
            tls_session_new(pair.client_context, NULL, &pair.client, NULL) != 0 ||
            tls_session_new(pair.server_context, NULL, &pair.server, NULL) != 0 || !pair_complete(&pair))
            worker->failures++;
        pair_fini(&pair);
        if (i % 5 == 0)
            tls_context_cache_sweep(worker->cache);
    }
    tls_library_thread_fini();
    return NULL;
}

/* INV-17 */
static void threads_share_contexts(void **state)
{
    (void)state;
    struct identity identity;
    struct tls_context_cache *cache;
    struct worker workers[4];
    pthread_t threads[ARRAY_SIZE(workers)];
    identity_init(&identity, PKI_EC_P256, 1, 0);
    assert_int_equal(tls_context_cache_new(7, 100, &cache), 0);
    for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
        workers[i] = (struct worker){ cache, &identity, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    tls_context_cache_free(cache);
    identity_fini(&identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_key_is_told_and_proven),
        cmocka_unit_test(a_key_of_another_certificate_is_refused),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(contexts_want_consistent_arguments),
        cmocka_unit_test(the_cache_finds_by_content),
        cmocka_unit_test(the_cache_keeps_to_its_limit_of_unused_contexts),
        cmocka_unit_test(a_failed_context_is_not_cached),
        cmocka_unit_test(threads_share_contexts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
