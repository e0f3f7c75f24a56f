/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_authorities.c - what a peer presents beside its leaf stays with its connection: the library judges no authority
 * in it, and a context that many peers meet keeps none (ADV-28). (It kept each one for good, and ended handshakes with
 * those that it would not keep: authorities without key usage.)
 */
#include "tls_bench.h"

#include "tls/tls_library.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An authority that is kept takes hundreds of bytes. What the allocator holds back from one handshake to the next does
 * not grow with their number. */
enum { IDENTITIES = 100, WARM = 5, ROUNDS = 2, BYTES_EACH = 48 };

struct bench {
    struct identity us, peers[IDENTITIES];
};

static int set_up(void **state)
{
    struct why why = WHY_NONE;
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    if (tls_library_init(&why) != 0)
        fail_msg("%s", why.text);
    identity_init(&bench->us, PKI_EC_P256, 0, 0);
    for (int i = 0; i < IDENTITIES; i++)
        identity_init(&bench->peers[i], PKI_EC_P256, 3, 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    identity_fini(&bench->us);
    for (int i = 0; i < IDENTITIES; i++)
        identity_fini(&bench->peers[i]);
    free(bench);
    tls_library_thread_fini();
    tls_library_fini();
    return 0;
}

static size_t in_use(void)
{
    struct mallinfo2 information = mallinfo2();
    return information.uordblks + information.hblkhd;
}

/* The pair's own contexts, or one of them exchanged for SHARED, whose ROLE it has. */
static void use_context(struct pair *pair, enum tls_role role, struct tls_context *shared)
{
    struct tls_context **context = role == TLS_ROLE_CLIENT ? &pair->client_context : &pair->server_context;
    struct tls_session **session = role == TLS_ROLE_CLIENT ? &pair->client : &pair->server;
    tls_session_free(*session);
    tls_context_unref(*context);
    *context = tls_context_ref(shared);
    assert_int_equal(tls_session_new(shared, NULL, session, NULL), 0);
}

/* INV-17. Each peer comes with three authorities that no one else has; ours is the side of ROLE. */
static void handshakes_with_many(struct bench *bench, enum tls_role role, enum tls_version version)
{
    struct pair first;
    PAIR_INIT(&first, .server = &bench->us, .client = &bench->us, .version = version,
              .client_auth = CLIENT_AUTH_REQUIRE);
    struct tls_context *shared = role == TLS_ROLE_CLIENT ? first.client_context : first.server_context;
    size_t early = 0;
    for (int i = 0; i < ROUNDS * IDENTITIES; i++) {
        const struct identity *peer = &bench->peers[i % IDENTITIES];
        struct pair pair;
        PAIR_INIT(&pair, .server = role == TLS_ROLE_CLIENT ? peer : &bench->us,
                  .client = role == TLS_ROLE_CLIENT ? &bench->us : peer, .version = version,
                  .client_auth = CLIENT_AUTH_REQUIRE);
        use_context(&pair, role, shared);
        assert_true(pair_complete(&pair));
        expect_chain(role == TLS_ROLE_CLIENT ? pair.client : pair.server, peer->chain, peer->count);
        pair_fini(&pair);
        if (i == WARM)
            early = in_use();
    }
    size_t late = in_use();
    if (late > early + (IDENTITIES - WARM) * BYTES_EACH)
        fail_msg("%zu bytes more after %d peers", late - early, IDENTITIES - WARM);
    pair_fini(&first);
}

static void a_context_keeps_no_authority_of_a_peer(void **state)
{
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        handshakes_with_many(*state, TLS_ROLE_CLIENT, version);
        handshakes_with_many(*state, TLS_ROLE_SERVER, version);
    }
}

/* The chain comes up to the verdict whatever its authority may be. */
static void expect_to_reach_the_verdict(const char *basic_constraints, const char *key_usage)
{
    struct pki_certificate *root = PKI_MAKE(.subject = "CN=root", .is_ca = true);
    struct pki_certificate *authority = PKI_MAKE(.subject = "CN=authority", .issuer = root, .is_ca = true,
                                                 .basic_constraints = basic_constraints, .key_usage = key_usage);
    struct pki_certificate *leaf = PKI_MAKE(.subject = "CN=leaf", .issuer = authority, .names = "DNS:good.example");
    struct identity odd = { .count = 2, .key = key_der(leaf, false) };
    struct why why = WHY_NONE;
    odd.chain[0] = pki_der(leaf);
    odd.chain[1] = pki_der(authority);
    if (tls_credential_new(odd.chain, 2, buffer_slice(&odd.key), SLICE_LITERAL("odd"), &odd.credential, &why) != 0)
        fail_msg("%s / %s: %s", basic_constraints, key_usage, why.text);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &odd, .client = &odd, .version = version, .client_auth = CLIENT_AUTH_REQUIRE);
        if (!pair_complete(&pair))
            fail_msg("%s / %s: %s; %s", basic_constraints, key_usage, pair.client_why.text, pair.server_why.text);
        expect_chain(pair.client, odd.chain, 2);
        expect_chain(pair.server, odd.chain, 2);
        expect_text(pair.client, pair.server, SLICE_LITERAL("there"), 0);
        expect_text(pair.server, pair.client, SLICE_LITERAL("and back"), 0);
        pair_fini(&pair);
    }
    tls_credential_unref(odd.credential);
    buffer_free(&odd.key);
    pki_free(leaf);
    pki_free(authority);
    pki_free(root);
}

static void the_library_refuses_no_authority(void **state)
{
    (void)state;
    expect_to_reach_the_verdict("CA:TRUE", "");
    expect_to_reach_the_verdict("critical,CA:TRUE", "critical,cRLSign");
    expect_to_reach_the_verdict("critical,CA:FALSE", "critical,keyCertSign");
    expect_to_reach_the_verdict("", "critical,keyCertSign");
}

/* Nor does it let a required certificate go missing for what it let pass before. */
static void a_required_certificate_stays_required(void **state)
{
    struct bench *bench = *state;
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &bench->peers[0], .client = NULL, .version = version,
                  .client_auth = CLIENT_AUTH_REQUIRE);
        assert_false(pair_complete(&pair));
        assert_int_equal(pair.server_progress, TLS_FAILED);
        pair_fini(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_keeps_no_authority_of_a_peer),
        cmocka_unit_test(the_library_refuses_no_authority),
        cmocka_unit_test(a_required_certificate_stays_required),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
