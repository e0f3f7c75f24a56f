/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_floor.c - what was negotiated is held against the key, not believed (INV-8, INV-24): when the TLS library says
 * of a finished handshake that it was resumed, or of another version or suite than the key allows, nothing is sent; nor
 * where it is not told to verify, or told not to, and our own verdict has no chain to be of (ADV-14). The library's own
 * word is replaced here. */
#include "base/error.h"
#include "flow_bench.h"
#include "tls/tls_session.h"
#include "tls/tls_wolfssl.h"

#include <stdio.h>

int __real_tls_session_facts(const struct tls_session *session, struct tls_session_facts *facts_r);
int __wrap_tls_session_facts(const struct tls_session *session, struct tls_session_facts *facts_r);

/* What the library is made to say. */
static struct lie {
    bool is_silent, was_resumed;
    enum tls_version version; /* UNSET: the truth */
    unsigned suite;           /* 0: the truth */
} lie;

int __wrap_tls_session_facts(const struct tls_session *session, struct tls_session_facts *facts_r)
{
    int rc = __real_tls_session_facts(session, facts_r);
    if (rc != 0 || lie.is_silent)
        return rc != 0 ? rc : ERROR_STATE;
    facts_r->was_resumed = facts_r->was_resumed || lie.was_resumed;
    if (lie.version != TLS_VERSION_UNSET)
        facts_r->version = lie.version;
    if (lie.suite != 0)
        facts_r->suite_number = lie.suite;
    return 0;
}

/* A build from which the calls are lost that have the library show us each chain. */
enum { AS_IT_IS, NEVER_CALLED, CALLED_WITH_NONE };
static int verification;

void __real_wolfSSL_CTX_set_verify(WOLFSSL_CTX *context, int mode, VerifyCallback callback);
void __wrap_wolfSSL_CTX_set_verify(WOLFSSL_CTX *context, int mode, VerifyCallback callback);
void __real_wolfSSL_set_verify(WOLFSSL *session, int mode, VerifyCallback callback);
void __wrap_wolfSSL_set_verify(WOLFSSL *session, int mode, VerifyCallback callback);

void __wrap_wolfSSL_CTX_set_verify(WOLFSSL_CTX *context, int mode, VerifyCallback callback)
{
    if (verification == AS_IT_IS)
        __real_wolfSSL_CTX_set_verify(context, mode, callback);
    else if (verification == CALLED_WITH_NONE)
        __real_wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_NONE, NULL);
}

void __wrap_wolfSSL_set_verify(WOLFSSL *session, int mode, VerifyCallback callback)
{
    if (verification == AS_IT_IS)
        __real_wolfSSL_set_verify(session, mode, callback);
    else if (verification == CALLED_WITH_NONE)
        __real_wolfSSL_set_verify(session, WOLFSSL_VERIFY_NONE, NULL);
}

static void rows(struct policy_builder *builder)
{
    static const struct {
        const char *domain, *ciphers;
        enum tls_version minimum, maximum;
    } floors[] = {
        { "any.example", NULL, TLS_VERSION_1_2, TLS_VERSION_UNSET },
        { "new.example", NULL, TLS_VERSION_1_3, TLS_VERSION_UNSET },
        { "old.example", NULL, TLS_VERSION_1_2, TLS_VERSION_1_2 },
        { "aes.example", "TLS_AES_128_GCM_SHA256", TLS_VERSION_1_3, TLS_VERSION_UNSET },
    };
    struct policy_trust_set federation = bench_trust_set("federation", cast.root, NULL);
    assert_int_equal(policy_builder_trust_set(builder, &federation), 0);
    for (size_t i = 0; i < ARRAY_SIZE(floors); i++)
        for (unsigned is_lax = 0; is_lax < 2; is_lax++) {
            char name[64];
            snprintf(name, sizeof(name), "%s%s", is_lax ? "lax-" : "", floors[i].domain);
            struct outbound_policy row = fixture_outbound(2 * (int64_t)i + is_lax, name);
            row.level = is_lax ? LEVEL_ENCRYPT : LEVEL_DOMAIN;
            row.trust_set_name = is_lax ? NULL : "federation";
            row.expected_domain = "biloxi.example";
            row.ciphers = floors[i].ciphers;
            row.tls_min = floors[i].minimum;
            row.tls_max = floors[i].maximum;
            assert_int_equal(policy_builder_outbound(builder, &row), 0);
        }
}

/* A request to DOMAIN, verified and not; what comes of it. */
static void expect_reason(const char *domain, enum reason reason)
{
    for (unsigned is_lax = 0; is_lax < 2; is_lax++) {
        struct bench bench;
        char name[64];
        snprintf(name, sizeof(name), "%s%s", is_lax ? "lax-" : "", domain);
        bench_init(&bench, NULL);
        bench_policy(&bench, rows);
        struct bench_peer *peer = BENCH_PEER(&bench, .identity = &cast.biloxi);
        (void)bench_ask(&bench, peer, name, NULL, "x");
        bench_until_done(&bench, 1);
        bench_expect(&bench, 0, DECISION_OPEN, reason);
        fixture_settle(bench.loop);
        assert_int_equal(flow_pool_counts(bench.pool).connections, reason == REASON_NONE ? 1 : 0);
        if (reason != REASON_NONE)
            assert_int_equal(bench_heard(peer, 0).length, 0);
        bench_fini(&bench);
    }
}

enum { TLS_AES_128 = 0x1301, TLS_AES_256 = 0x1302, ECDHE_ECDSA_AES_128 = 0xC02B, RSA_AES_128 = 0x009C };

static void the_truth_is_published(void **state)
{
    (void)state;
    static const char *const domains[] = { "any.example", "new.example", "old.example", "aes.example" };
    lie = (struct lie){ .was_resumed = false };
    for (size_t i = 0; i < ARRAY_SIZE(domains); i++)
        expect_reason(domains[i], REASON_NONE);
}

/* INV-26 */
static void a_resumed_handshake_proves_nothing(void **state)
{
    (void)state;
    lie = (struct lie){ .was_resumed = true };
    expect_reason("any.example", REASON_TLS_FAILED);
    lie = (struct lie){ .is_silent = true };
    expect_reason("any.example", REASON_TLS_FAILED);
}

static void a_version_outside_the_range_is_refused(void **state)
{
    (void)state;
    lie = (struct lie){ .version = TLS_VERSION_1_2 };
    expect_reason("new.example", REASON_TLS_FLOOR);
    expect_reason("any.example", REASON_NONE);
    lie = (struct lie){ .version = TLS_VERSION_1_3 };
    expect_reason("old.example", REASON_TLS_FLOOR);
    lie = (struct lie){ .version = TLS_VERSION_COUNT };
    expect_reason("any.example", REASON_TLS_FLOOR);
}

static void a_suite_that_was_not_offered_is_refused(void **state)
{
    (void)state;
    lie = (struct lie){ .suite = TLS_AES_256 };
    expect_reason("aes.example", REASON_TLS_FLOOR);
    expect_reason("any.example", REASON_NONE);
    lie = (struct lie){ .suite = ECDHE_ECDSA_AES_128 };
    expect_reason("aes.example", REASON_TLS_FLOOR);
    lie = (struct lie){ .suite = RSA_AES_128 }; /* in no list of ours */
    expect_reason("any.example", REASON_TLS_FLOOR);
    lie = (struct lie){ .suite = TLS_AES_128 };
    expect_reason("aes.example", REASON_NONE);
}

/* The handshake fails where the library goes by itself, for it has no anchor; and where it passes whoever comes, the
 * session has seen no chain, which a connection of any level needs (tls/tls_session.c). */
static void what_the_library_does_not_show_is_not_believed(void **state)
{
    (void)state;
    lie = (struct lie){ .was_resumed = false };
    verification = NEVER_CALLED;
    expect_reason("any.example", REASON_TLS_FAILED);
    verification = CALLED_WITH_NONE;
    expect_reason("any.example", REASON_TLS_FAILED);
    expect_reason("old.example", REASON_TLS_FAILED);
    verification = AS_IT_IS;
    expect_reason("any.example", REASON_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_truth_is_published),
        cmocka_unit_test(a_resumed_handshake_proves_nothing),
        cmocka_unit_test(a_version_outside_the_range_is_refused),
        cmocka_unit_test(a_suite_that_was_not_offered_is_refused),
        cmocka_unit_test(what_the_library_does_not_show_is_not_believed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, bench_make_cast, bench_free_cast);
}
