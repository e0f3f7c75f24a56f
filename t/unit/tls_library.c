/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_library.c - tests of tls/tls_library, memory of sessions, and canaries: what the library does today and
 * src/tls relies on, tried at the library itself. A canary that dies says which assumption to think over.
 */
#include "tls/tls_library.h"

#include "base/error.h"
#include "tls/tls_session_private.h"
#include "tls/tls_wolfssl.h"

#include "tls_bench.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct why why = WHY_NONE;
    struct identity *identities = calloc(2, sizeof(struct identity));
    assert_non_null(identities);
    if (tls_library_init(&why) != 0)
        fail_msg("%s", why.text);
    identity_init(&identities[0], PKI_EC_P256, 1, 0);
    identity_init(&identities[1], PKI_EC_P256, 1, 0);
    *state = identities;
    return 0;
}

static int tear_down(void **state)
{
    struct identity *identities = *state;
    identity_fini(&identities[0]);
    identity_fini(&identities[1]);
    free(identities);
    tls_library_thread_fini();
    tls_library_fini();
    return 0;
}

/* INV-51 */
static void the_self_check_passes(void **state)
{
    struct why why = WHY_NONE;
    (void)state;
    if (tls_library_self_check(&why) != 0)
        fail_msg("%s", why.text);
}

static void the_report_names_version_and_kind(void **state)
{
    struct buffer text = BUFFER_EMPTY;
    (void)state;
    tls_library_report(&text);
    buffer_append_byte(&text, '\0');
    assert_non_null(strstr(text.data, wolfSSL_lib_version()));
#ifdef TRELAY_WOLFSSL_STATIC
    assert_non_null(strstr(text.data, "static"));
    assert_non_null(strstr(text.data, "nothing")); /* the lean build has none of what must be off */
#else
    assert_non_null(strstr(text.data, "shared"));
#endif
    buffer_free(&text);
}

static size_t in_use(void)
{
    struct mallinfo2 information = mallinfo2();
    return information.uordblks + information.hblkhd;
}

/* Handshakes good, abandoned and failed: what is used after a thousand is what was used after a hundred. */
static void sessions_leave_nothing_behind(void **state)
{
    struct identity *identities = *state;
    size_t early = 0;
    for (int i = 0; i < 400; i++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &identities[0], .client = i % 4 == 1 ? NULL : &identities[1],
                  .version = i % 2 == 0 ? TLS_VERSION_1_2 : TLS_VERSION_1_3, .client_auth = CLIENT_AUTH_REQUIRE);
        if (i % 4 == 2)
            pair_run(&pair); /* abandoned while held */
        else
            assert_int_equal(pair_complete(&pair), i % 4 != 1);
        pair_fini(&pair);
        if (i == 99)
            early = in_use();
    }
    size_t late = in_use();
    if (late > early + 4096)
        fail_msg("%zu bytes more after 300 sessions", late - early);
}

#ifdef TRELAY_WOLFSSL_STATIC
/* An idle connection: the library's object and next to nothing of ours. (The distribution's build has 75 KB alone.) */
static void an_idle_session_is_small(void **state)
{
    enum { COUNT = 50, LIMIT = 6 * 1024 };
    struct identity *identities = *state;
    static char text[3000];
    struct pair pairs[COUNT + 1];
    size_t before = 0;
    for (int i = 0; i <= COUNT; i++) {
        PAIR_INIT(&pairs[i], .server = &identities[0], .client = &identities[1], .client_auth = CLIENT_AUTH_REQUIRE);
        /* Contexts are shared in earnest. */
        if (i > 0) {
            tls_session_free(pairs[i].client);
            tls_session_free(pairs[i].server);
            tls_context_unref(pairs[i].client_context);
            tls_context_unref(pairs[i].server_context);
            pairs[i].client_context = tls_context_ref(pairs[0].client_context);
            pairs[i].server_context = tls_context_ref(pairs[0].server_context);
            assert_int_equal(tls_session_new(pairs[0].client_context, NULL, &pairs[i].client, NULL), 0);
            assert_int_equal(tls_session_new(pairs[0].server_context, NULL, &pairs[i].server, NULL), 0);
        }
        assert_true(pair_complete(&pairs[i]));
        expect_chain(pairs[i].client, identities[0].chain, identities[0].count);
        expect_chain(pairs[i].server, identities[1].chain, identities[1].count);
        expect_text(pairs[i].client, pairs[i].server, slice_of(text, sizeof(text)), 0);
        expect_text(pairs[i].server, pairs[i].client, slice_of(text, sizeof(text)), 1000);
        if (i == 0)
            before = in_use();
    }
    size_t each = (in_use() - before) / (2 * COUNT);
    print_message("# %zu bytes for an idle session\n", each);
    for (int i = 0; i <= COUNT; i++)
        pair_fini(&pairs[i]);
    assert_true(each < LIMIT);
}
#endif

/* INV-8: the library keeps to what it was told; were it not to, the session would. Here the settings are changed
 * under its feet, once it is too late for the library. */
static void what_was_negotiated_is_compared_with_the_settings(void **state)
{
    struct identity *identities = *state;
    for (int i = 0; i < 4; i++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &identities[0], .version = TLS_VERSION_1_3, .groups = "P-256",
                  .suites = "TLS_AES_128_GCM_SHA256");
        struct tls_settings *settings = &pair.client_context->settings;
        if (i == 1)
            settings->suites[0] = 0x1302;
        else if (i == 2)
            settings->groups[0] = 29;
        else if (i == 3)
            settings->minimum = settings->maximum = TLS_VERSION_1_2;
        assert_int_equal(pair_complete(&pair), i == 0);
        assert_int_equal(pair.client_progress, i == 0 ? TLS_DONE : TLS_FAILED);
        if (i > 0)
            assert_int_equal(tls_session_release(pair.client), ERROR_STATE);
        pair_fini(&pair);
    }
}

/* The callback by itself: without a session, for a second chain, for none where one is required. */
static void a_capture_is_made_once_and_not_of_nothing(void **state)
{
    struct identity *identities = *state;
    struct pair pair;
    WOLFSSL_BUFFER_INFO certificate = { (unsigned char *)(uintptr_t)identities[1].chain[0].data,
                                        (unsigned)identities[1].chain[0].length };
    WOLFSSL_X509_STORE_CTX store;
    memset(&store, 0, sizeof(store));
    PAIR_INIT(&pair, .server = &identities[0], .client_auth = CLIENT_AUTH_REQUIRE);
    assert_int_equal(tls_session_capture(1, &store), 0);
    store.userCtx = pair.server;
    assert_int_equal(tls_session_capture(1, &store), 0);
    assert_false(tls_session_has_chain(pair.server));
    store.totalCerts = 1;
    store.certs = &certificate;
    assert_int_equal(tls_session_capture(0, &store), 1);
    assert_true(tls_session_is_held(pair.server));
    assert_int_equal(tls_session_capture(1, &store), 0);
    expect_chain(pair.server, identities[1].chain, 1);
    assert_int_equal(tls_session_capture(1, &store), 0);
    pair_fini(&pair);
}

/* --- canaries --- */

/* The library compares EC keys wrongly: why credentials are proven by a handshake. When it dies, the proof is still
 * right, and only dearer than needed. */
static void canary_a_foreign_ec_key_passes_the_library(void **state)
{
    struct identity *identities = *state;
    WOLFSSL_CTX *library = wolfSSL_CTX_new(wolfSSLv23_server_method());
    const struct slice chain = identities[0].credential->chain, key = identities[1].credential->key;
    assert_non_null(library);
    assert_int_equal(wolfSSL_CTX_use_certificate_chain_buffer_format(library, (const unsigned char *)chain.data,
                                                                     (long)chain.length, WOLFSSL_FILETYPE_ASN1),
                     WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_CTX_use_PrivateKey_buffer(library, (const unsigned char *)key.data, (long)key.length,
                                                       WOLFSSL_FILETYPE_ASN1),
                     WOLFSSL_SUCCESS);
    wolfSSL_CTX_free(library);
}

/* The struct that the callback reads: filled as we read it, the leaf last, whatever the length. */
struct seen {
    int calls, total, last_depth;
    unsigned leaf_length;
};

static int look(int is_verified, WOLFSSL_X509_STORE_CTX *store)
{
    struct seen *seen = store->userCtx;
    (void)is_verified;
    seen->calls++;
    seen->total = store->totalCerts;
    seen->last_depth = store->error_depth;
    seen->leaf_length = store->certs[0].length;
    return 1;
}

static void canary_the_callback_sees_every_certificate_and_the_leaf_last(void **state)
{
    struct identity *identities = *state;
    struct identity chain;
    identity_init(&chain, PKI_EC_P256, 5, 150);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        struct seen seen = { 0, 0, -1, 0 };
        PAIR_INIT(&pair, .server = &chain, .client = &identities[0], .version = version);
        wolfSSL_set_verify(pair.client->library, WOLFSSL_VERIFY_PEER, look);
        wolfSSL_SetCertCbCtx(pair.client->library, &seen);
        pair_run(&pair);
        assert_int_equal(seen.calls, 6);
        assert_int_equal(seen.total, 6);
        assert_int_equal(seen.last_depth, 0);
        assert_int_equal(seen.leaf_length, chain.chain[0].length);
        /* Without our callback nothing was captured, and the session does not take the handshake for one. */
        assert_int_equal(pair.client_progress, TLS_FAILED);
        assert_int_equal(tls_session_release(pair.client), ERROR_STATE);
        pair_fini(&pair);
    }
    identity_fini(&chain);
}

/* Nine are the most; a tenth ends the handshake, whatever the callback says. */
static void canary_chains_of_ten_certificates_are_too_long(void **state)
{
    (void)state;
    struct pki_certificate *leaf = PKI_MAKE(.subject = "CN=a");
    struct slice chain[10];
    struct tls_credential *credential = NULL;
    struct buffer key = key_der(leaf, false);
    for (size_t i = 0; i < ARRAY_SIZE(chain); i++)
        chain[i] = pki_der(leaf);
    assert_int_equal(tls_credential_new(chain, 9, buffer_slice(&key), SLICE_LITERAL("nine"), &credential, NULL), 0);
    tls_credential_unref(credential);
    assert_int_not_equal(tls_credential_new(chain, 10, buffer_slice(&key), SLICE_LITERAL("ten"), &credential, NULL), 0);
    buffer_free(&key);
    pki_free(leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_self_check_passes),
        cmocka_unit_test(the_report_names_version_and_kind),
        cmocka_unit_test(sessions_leave_nothing_behind),
#ifdef TRELAY_WOLFSSL_STATIC
        cmocka_unit_test(an_idle_session_is_small),
#endif
        cmocka_unit_test(what_was_negotiated_is_compared_with_the_settings),
        cmocka_unit_test(a_capture_is_made_once_and_not_of_nothing),
        cmocka_unit_test(canary_a_foreign_ec_key_passes_the_library),
        cmocka_unit_test(canary_the_callback_sees_every_certificate_and_the_leaf_last),
        cmocka_unit_test(canary_chains_of_ten_certificates_are_too_long),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
