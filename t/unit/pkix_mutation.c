/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_mutation.c - sound chains with one bit wrong or some bytes missing.
 * Rule: no such chain is proven, whatever the bit; and the fuzz target's rules hold for the pieces.
 */
#include "pkix_support.h"

#include "base/error.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* LIST holds DERs; the one at INDEX is replaced. */
static bool is_proven(const struct verdict_request *request, const struct slice *list, size_t count, size_t index,
                      struct slice replacement)
{
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    struct verdict verdict;
    for (size_t i = 0; i < count; i++) {
        struct slice der = i == index ? replacement : list[i];
        if (der.length > 0)
            assert_int_equal(certificate_chain_append(&chain, der), 0);
    }
    assert_int_equal(verdict_take(request, &chain, PKI_NOW, &verdict), 0);
    assert_true((verdict.result == VERDICT_PROVEN) == (verdict.reason == REASON_NONE));
    certificate_chain_fini(&chain);
    return verdict.result == VERDICT_PROVEN;
}

static void mutate(const struct verdict_request *request, const struct slice *list, size_t count, size_t index)
{
    struct slice der = list[index];
    char *copy = malloc(der.length);
    assert_non_null(copy);
    memcpy(copy, der.data, der.length);
    struct slice mutated = slice_of(copy, der.length);
    assert_true(is_proven(request, list, count, index, mutated));
    for (size_t bit = 0; bit < 8 * der.length; bit++) {
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        if (is_proven(request, list, count, index, mutated))
            fail_msg("certificate %zu of %zu is proven with bit %zu changed", index, count, bit);
        LLVMFuzzerTestOneInput((const uint8_t *)copy, der.length);
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t length = 1; length < der.length; length += 3) {
        if (is_proven(request, list, count, index, slice_first(mutated, length)))
            fail_msg("certificate %zu of %zu is proven after %zu bytes", index, count, length);
        LLVMFuzzerTestOneInput((const uint8_t *)copy, length);
    }
    free(copy);
}

static void no_bit_is_free(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    const struct pki_certificate *ca = SUPPORT_MAKE(.subject = "CN=ca", .is_ca = true, .issuer = root,
                                                    .name_constraints = "permitted;DNS:good.example");
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=leaf", .issuer = ca, .names = "URI:sip:good.example,DNS:a.good.example",
                     .extended_key_usage = "serverAuth", .key_usage = "critical,digitalSignature");
    struct trust_store *store = support_store((support_list){ root });
    const struct verdict_request request = support_request(store, "good.example");
    const struct slice list[] = { pki_der(leaf), pki_der(ca) };
    mutate(&request, list, 2, 0);
    mutate(&request, list, 2, 1);
    trust_store_unref(store);
    support_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_bit_is_free),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
