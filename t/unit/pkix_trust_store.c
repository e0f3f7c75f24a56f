/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_trust_store.c - anchors.
 * Rule: a store is its anchors by content, tells what is wrong with them, and serves many threads at once. */
#include "pkix_support.h"

#include "base/error.h"

#include <pthread.h>

/* INV-6 */
static void the_digest_is_of_the_content(void **state)
{
    (void)state;
    const struct pki_certificate *a = SUPPORT_MAKE(.subject = "CN=a", .is_ca = true);
    const struct pki_certificate *b = SUPPORT_MAKE(.subject = "CN=b", .is_ca = true);
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf");
    struct trust_store *ab = support_store((support_list){ a, b });
    struct trust_store *ba = support_store((support_list){ b, leaf, a, b, a });
    struct trust_store *only = support_store((support_list){ a });
    assert_int_equal(trust_store_count(ab), 2);
    assert_int_equal(trust_store_count(ba), 2);
    assert_memory_equal(trust_store_digest(ab), trust_store_digest(ba), DIGEST_SIZE);
    assert_memory_not_equal(trust_store_digest(ab), trust_store_digest(only), DIGEST_SIZE);
    trust_store_unref(ab);
    trust_store_unref(ba);
    trust_store_unref(only);
    trust_store_unref(NULL);
    support_free_all();
}

static void problems_are_told_and_the_rest_is_used(void **state)
{
    (void)state;
    struct certificate_chain chain = support_chain((support_list){
        SUPPORT_MAKE(.subject = "CN=good", .is_ca = true),
        SUPPORT_MAKE(.subject = "CN=past", .is_ca = true, .not_after = PKI_NOW - 1),
        SUPPORT_MAKE(.subject = "CN=future", .is_ca = true, .not_before = PKI_NOW + 1),
        SUPPORT_MAKE(.subject = "CN=leaf"),
        SUPPORT_MAKE(.subject = "CN=weak", .is_ca = true, .key = PKI_RSA_1024),
    });
    assert_int_equal(certificate_chain_append(&chain, SLICE_LITERAL("rubbish")), 0);
    struct buffer problems = BUFFER_EMPTY;
    struct trust_store *store = NULL;
    assert_int_equal(trust_store_new(&chain, PKI_NOW, &store, &problems, NULL), 0);
    assert_int_equal(trust_store_count(store), 3); /* dates are for each verdict to look at */
    buffer_append_byte(&problems, 0);
    static const char *const lines[] = {
        "anchor 2, /CN=past: expired", "anchor 3, /CN=future: not valid yet", "anchor 4, /CN=leaf: not a CA",
        "anchor 5, /CN=weak: rsa key of 1024 bits", "anchor 6: not a certificate",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (strstr(problems.data, lines[i]) == NULL)
            fail_msg("%s is not in:\n%s", lines[i], problems.data);
    assert_null(strstr(problems.data, "good"));
    trust_store_unref(store);
    buffer_free(&problems);
    certificate_chain_fini(&chain);
    support_free_all();
}

static void without_an_anchor_there_is_no_store(void **state)
{
    (void)state;
    struct certificate_chain chain = support_chain((support_list){ SUPPORT_MAKE(.subject = "CN=leaf") });
    struct trust_store *store = NULL;
    struct why why = WHY_NONE;
    assert_int_equal(trust_store_new(&chain, PKI_NOW, &store, NULL, &why), ERROR_REFUSED);
    assert_string_equal(why.text, "no usable anchor; anchor 1: not a CA certificate");
    certificate_chain_fini(&chain);
    assert_int_equal(trust_store_new(&chain, PKI_NOW, &store, NULL, &why), ERROR_REFUSED);
    assert_null(store);
    support_free_all();
}

enum { THREADS = 4, ROUNDS = 60 };

struct work {
    struct trust_store *store; /* a reference of its own */
    const struct certificate_chain *good, *bad;
    int wrong;
};

static void *judge_often(void *arg)
{
    struct work *work = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct trust_store *store = trust_store_ref(work->store);
        const struct verdict_request request = support_request(store, "good.example");
        struct verdict verdict;
        bool is_good = i % 2 == 0;
        if (verdict_take(&request, is_good ? work->good : work->bad, PKI_NOW, &verdict) != 0 ||
            (verdict.result == VERDICT_PROVEN) != is_good)
            work->wrong++;
        trust_store_unref(store);
    }
    trust_store_unref(work->store);
    return NULL;
}

static void threads_share_a_store(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    const struct pki_certificate *fake = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=leaf", .issuer = root, .names = "DNS:good.example");
    const struct pki_certificate *bad =
        SUPPORT_MAKE(.subject = "CN=leaf", .issuer = fake, .names = "DNS:good.example");
    struct certificate_chain good_chain = support_chain((support_list){ leaf });
    struct certificate_chain bad_chain = support_chain((support_list){ bad, fake });
    struct trust_store *store = support_store((support_list){ root });
    pthread_t threads[THREADS];
    struct work work[THREADS];
    for (int i = 0; i < THREADS; i++) {
        work[i] = (struct work){ trust_store_ref(store), &good_chain, &bad_chain, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, judge_often, &work[i]), 0);
    }
    trust_store_unref(store); /* the last thread frees it */
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(work[i].wrong, 0);
    }
    certificate_chain_fini(&good_chain);
    certificate_chain_fini(&bad_chain);
    support_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_is_of_the_content),
        cmocka_unit_test(problems_are_told_and_the_rest_is_used),
        cmocka_unit_test(without_an_anchor_there_is_no_store),
        cmocka_unit_test(threads_share_a_store),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
