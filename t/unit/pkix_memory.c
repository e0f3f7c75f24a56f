/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_memory.c - every allocation fails once.
 * Rule: whichever fails, libcrypto's or ours, a chain that must be refused is never proven, a record is never half a
 * proof, and a trust store never silently has fewer anchors.
 */
#include "pkix_support.h"

#include "base/error.h"
#include "pkix/private_key.h"
#include "pkix/self_test.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <stdlib.h>

/* Allocations of libcrypto come by its hooks, those of this program by the linker's --wrap. */
static struct {
    long left;        /* allocations that succeed yet; negative: all */
    bool is_lasting;  /* then all fail, not only one */
    bool has_failed;
} supply = { .left = -1 };

static bool is_refused(void)
{
    if (supply.left < 0)
        return supply.is_lasting && supply.has_failed;
    if (supply.left-- > 0)
        return false;
    supply.has_failed = true;
    return true;
}

#include "refused_memory.h"

static void *library_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return is_refused() ? NULL : __real_malloc(size);
}

static void *library_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return is_refused() ? NULL : __real_realloc(old, size);
}

static void library_free(void *old, const char *file, int line)
{
    (void)file, (void)line;
    free(old);
}

static void supply_stops_after(long count, bool is_lasting)
{
    supply.left = count;
    supply.is_lasting = is_lasting;
    supply.has_failed = false;
}

/* Did an allocation fail since? Then all succeed again. */
static bool supply_resumes(void)
{
    bool has_failed = supply.has_failed;
    supply.left = -1;
    supply.is_lasting = supply.has_failed = false;
    return has_failed;
}

static const uint8_t der_null[] = { 0x05, 0x00 };
static const struct pki_extension unknown_critical[] = { { "1.3.6.1.4.1.99999.1", true, der_null, 2 } };

/* Each is wrong in one way, so that a single check forgotten would prove it. The first is sound. */
static const struct {
    const char *title;
    struct pki_spec intermediate, leaf;
    const char *domain;
    int64_t now;
} chains[] = {
    { "sound", { .subject = "CN=ca", .is_ca = true }, { .subject = "CN=leaf", .names = "URI:sip:good.example" },
      "good.example", PKI_NOW },
    { "wrong name", { .subject = "CN=ca", .is_ca = true }, { .subject = "CN=leaf", .names = "URI:sip:good.example" },
      "bad.example", PKI_NOW },
    { "DNS beside a sip: URI", { .subject = "CN=ca", .is_ca = true },
      { .subject = "CN=leaf", .names = "URI:sip:good.example,DNS:bad.example" }, "bad.example", PKI_NOW },
    { "CN beside other names", { .subject = "CN=ca", .is_ca = true },
      { .subject = "CN=bad.example", .names = "email:a@bad.example" }, "bad.example", PKI_NOW },
    { "expired", { .subject = "CN=ca", .is_ca = true }, { .subject = "CN=leaf", .names = "URI:sip:good.example" },
      "good.example", PKI_NOW + 4000 * PKI_DAY },
    { "no CA", { .subject = "CN=ca", .is_ca = true, .basic_constraints = "CA:FALSE" },
      { .subject = "CN=leaf", .names = "URI:sip:good.example" }, "good.example", PKI_NOW },
    { "no keyCertSign", { .subject = "CN=ca", .is_ca = true, .key_usage = "cRLSign" },
      { .subject = "CN=leaf", .names = "URI:sip:good.example" }, "good.example", PKI_NOW },
    { "DNS constraint", { .subject = "CN=ca", .is_ca = true, .name_constraints = "permitted;DNS:other.example" },
      { .subject = "CN=leaf", .names = "DNS:good.example" }, "good.example", PKI_NOW },
    { "DNS constraint, sip: URI",
      { .subject = "CN=ca", .is_ca = true, .name_constraints = "permitted;DNS:other.example" },
      { .subject = "CN=leaf", .names = "URI:sip:good.example" }, "good.example", PKI_NOW },
    { "URI constraint", { .subject = "CN=ca", .is_ca = true, .name_constraints = "permitted;URI:good.example" },
      { .subject = "CN=leaf", .names = "URI:sip:good.example" }, "good.example", PKI_NOW },
    { "purpose of the leaf", { .subject = "CN=ca", .is_ca = true },
      { .subject = "CN=leaf", .names = "URI:sip:good.example", .extended_key_usage = "clientAuth" }, "good.example",
      PKI_NOW },
    { "purpose of the CA", { .subject = "CN=ca", .is_ca = true, .extended_key_usage = "emailProtection" },
      { .subject = "CN=leaf", .names = "URI:sip:good.example" }, "good.example", PKI_NOW },
    { "key usage", { .subject = "CN=ca", .is_ca = true },
      { .subject = "CN=leaf", .names = "URI:sip:good.example", .key_usage = "keyEncipherment" }, "good.example",
      PKI_NOW },
    { "critical extension", { .subject = "CN=ca", .is_ca = true, .extensions = unknown_critical, .extension_count = 1 },
      { .subject = "CN=leaf", .names = "URI:sip:good.example" }, "good.example", PKI_NOW },
    { "explicit policy", { .subject = "CN=ca", .is_ca = true, .policy_constraints = "requireExplicitPolicy:0" },
      { .subject = "CN=leaf", .names = "URI:sip:good.example" }, "good.example", PKI_NOW },
    { "forged", { .subject = "CN=ca", .is_ca = true },
      { .subject = "CN=leaf", .names = "URI:sip:good.example", .is_forged = true }, "good.example", PKI_NOW },
    { "SHA-1", { .subject = "CN=ca", .is_ca = true },
      { .subject = "CN=leaf", .names = "URI:sip:good.example", .signature = PKI_SHA1 }, "good.example", PKI_NOW },
};

/* One verdict with the supply as it is set. */
static void judge_once(const struct trust_store *store, size_t index, const struct certificate_chain *chain)
{
    struct verdict_request request = support_request(store, chains[index].domain);
    request.cn_fallback = true;
    struct verdict verdict;
    int code = verdict_take(&request, chain, chains[index].now, &verdict);
    bool has_failed = supply_resumes();
    bool is_sound = index == 0;
    if (verdict.result == VERDICT_PROVEN && !is_sound)
        fail_msg("proven though wrong: %s", chains[index].title);
    if (verdict.result != VERDICT_PROVEN && is_sound && !has_failed)
        fail_msg("refused though sound: %s", verdict.detail);
    assert_true(verdict.result == VERDICT_PROVEN || verdict.result == VERDICT_REFUSED);
    assert_true((verdict.result == VERDICT_PROVEN) == (verdict.reason == REASON_NONE));
    assert_true((code == ERROR_MEMORY) == (verdict.reason == REASON_NO_MEMORY));
    assert_int_equal(ERR_peek_error(), 0);
}

/* How many allocations one verdict takes. */
static long count_allocations(const struct trust_store *store, size_t index, const struct certificate_chain *chain)
{
    supply_stops_after(1000000, false);
    struct verdict_request request = support_request(store, chains[index].domain);
    struct verdict verdict;
    assert_int_equal(verdict_take(&request, chain, chains[index].now, &verdict), 0);
    long used = 1000000 - supply.left;
    supply_resumes();
    return used;
}

static void no_failed_allocation_proves_anything(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    struct trust_store *store = support_store((support_list){ root });
    for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
        struct pki_spec spec = chains[i].intermediate;
        bool is_excused = support_is_excused(&spec);
        support_excuse(is_excused, true);
        spec.issuer = root;
        const struct pki_certificate *intermediate = support_make(&spec);
        spec = chains[i].leaf;
        spec.issuer = intermediate;
        struct certificate_chain chain = support_chain((support_list){ support_make(&spec), intermediate });
        judge_once(store, i, &chain); /* warms the library's caches too */
        long count = count_allocations(store, i, &chain);
        assert_true(count > 50);
        /* The chains take much the same way through the library: together they hit every allocation. */
        for (long n = (long)(i % 3); n < count; n += 3) {
            supply_stops_after(n, false);
            judge_once(store, i, &chain);
            if (n % 5 != 0)
                continue;
            supply_stops_after(n, true);
            judge_once(store, i, &chain);
        }
        judge_once(store, i, &chain);
        certificate_chain_fini(&chain);
        support_excuse(is_excused, false);
    }
    trust_store_unref(store);
    support_free_all();
}

static void an_unjudged_chain_is_noted_or_refused(void **state)
{
    (void)state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf", .names = "DNS:good.example");
    struct certificate_chain chain = support_chain((support_list){ leaf });
    const struct verdict_request request = { .level = LEVEL_ENCRYPT };
    bool is_done = false;
    for (long n = 0; !is_done; n++) {
        struct certificate_facts *facts = NULL;
        struct verdict verdict;
        supply_stops_after(n, false);
        int code = verdict_take_with_facts(&request, &chain, PKI_NOW, &verdict, &facts);
        is_done = !supply_resumes();
        assert_true(verdict.result == (code == 0 ? VERDICT_NOT_TAKEN : VERDICT_REFUSED));
        assert_true(code == 0 || (code == ERROR_MEMORY && verdict.reason == REASON_NO_MEMORY && facts == NULL));
        certificate_facts_free(facts);
    }
    certificate_chain_fini(&chain);
    support_free_all();
}

static void a_store_is_whole_or_none(void **state)
{
    (void)state;
    const struct pki_certificate *a = SUPPORT_MAKE(.subject = "CN=a", .is_ca = true);
    const struct pki_certificate *b =
        SUPPORT_MAKE(.subject = "CN=b", .is_ca = true, .name_constraints = "permitted;DNS:good.example");
    struct certificate_chain anchors = support_chain((support_list){ a, b });
    struct trust_store *whole = support_store((support_list){ a, b });
    bool is_done = false;
    for (long n = 0; !is_done; n++) {
        struct trust_store *store = NULL;
        supply_stops_after(n, false);
        int code = trust_store_new(&anchors, PKI_NOW, &store, NULL, NULL);
        is_done = !supply_resumes();
        assert_true(code == 0 ? store != NULL : code == ERROR_MEMORY && store == NULL);
        if (store != NULL) {
            assert_int_equal(trust_store_count(store), 2);
            assert_memory_equal(trust_store_digest(store), trust_store_digest(whole), DIGEST_SIZE);
        }
        trust_store_unref(store);
    }
    trust_store_unref(whole);
    certificate_chain_fini(&anchors);
    support_free_all();
}

static void facts_and_lists_fail_cleanly(void **state)
{
    (void)state;
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=leaf", .names = "URI:sip:a.example,DNS:b.example,IP:192.0.2.1");
    char *pem = pki_pem(leaf);
    bool is_done = false;
    for (long n = 0; !is_done; n++) {
        struct certificate_facts *facts = NULL;
        struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
        supply_stops_after(n, false);
        int code = certificate_chain_read(slice_of_string(pem), &chain, NULL);
        if (code == 0)
            code = certificate_facts_read(certificate_chain_get(&chain, 0), &facts, NULL);
        is_done = !supply_resumes();
        assert_true(code == 0 || (!is_done && facts == NULL));
        if (facts != NULL)
            assert_int_equal(facts->name_count, 3);
        certificate_facts_free(facts);
        certificate_chain_fini(&chain);
    }
    free(pem);
    support_free_all();
}

static void keys_fail_cleanly(void **state)
{
    (void)state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf");
    char *pem = pki_key_pem(leaf, NULL);
    bool is_done = false;
    for (long n = 0; !is_done; n++) {
        struct private_key *key = NULL;
        supply_stops_after(n, false);
        int code = private_key_read(slice_of_string(pem), SLICE_ABSENT, &key, NULL);
        bool matches = code == 0 && private_key_matches(key, pki_der(leaf));
        is_done = !supply_resumes();
        assert_true((code == 0) == (key != NULL));
        assert_true(matches || !is_done);
        private_key_free(key);
    }
    free(pem);
    support_free_all();
}

static void the_self_test_fails_cleanly(void **state)
{
    (void)state;
    for (long n = 0; n < 4000; n += 37) {
        supply_stops_after(n, false);
        struct why why = WHY_NONE;
        int code = pkix_self_test(PKI_NOW, &why);
        bool has_failed = supply_resumes();
        assert_true(code == 0 || (has_failed && why.text[0] != '\0'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failed_allocation_proves_anything),
        cmocka_unit_test(an_unjudged_chain_is_noted_or_refused),
        cmocka_unit_test(a_store_is_whole_or_none),
        cmocka_unit_test(facts_and_lists_fail_cleanly),
        cmocka_unit_test(keys_fail_cleanly),
        cmocka_unit_test(the_self_test_fails_cleanly),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (CRYPTO_set_mem_functions(library_malloc, library_realloc, library_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
