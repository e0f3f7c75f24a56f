/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_digest.c - digests, random bytes, the self-test.
 * Rule: digests are those of the published vectors, however the input is cut; the self-test passes here. */
#include "pkix_support.h"

#include "base/error.h"
#include "pkix/digest.h"
#include "pkix/self_test.h"

static void sha256_of_the_standard(void **state)
{
    (void)state;
    /* FIPS 180-4 examples */
    const struct slice abc = SLICE_LITERAL("abc");
    const struct slice cut[] = { SLICE_LITERAL("a"), SLICE_ABSENT, SLICE_LITERAL(""), SLICE_LITERAL("bc") };
    uint8_t digest[DIGEST_SIZE], again[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    assert_int_equal(digest_sha256(&abc, 1, digest), 0);
    assert_string_equal(digest_hex(digest, hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(digest_sha256(cut, 4, again), 0);
    assert_true(digest_equal(digest, again));
    assert_int_equal(digest_sha256(NULL, 0, again), 0);
    assert_string_equal(digest_hex(again, hex), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_false(digest_equal(digest, again));
}

static void hmac_of_rfc_4231(void **state)
{
    (void)state;
    const struct slice parts[] = { SLICE_LITERAL("what do ya want "), SLICE_LITERAL("for nothing?") };
    const struct slice whole = SLICE_LITERAL("what do ya want for nothing?");
    uint8_t mac[DIGEST_SIZE], again[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    assert_int_equal(digest_hmac_sha256(SLICE_LITERAL("Jefe"), parts, 2, mac), 0);
    assert_string_equal(digest_hex(mac, hex), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_int_equal(digest_hmac_sha256(SLICE_LITERAL("Jefe"), &whole, 1, again), 0);
    assert_true(digest_equal(mac, again));
    /* test case 6: a key longer than a block */
    char key[131];
    memset(key, 0xaa, sizeof(key));
    const struct slice text = SLICE_LITERAL("Test Using Larger Than Block-Size Key - Hash Key First");
    assert_int_equal(digest_hmac_sha256(slice_of(key, sizeof(key)), &text, 1, mac), 0);
    assert_string_equal(digest_hex(mac, hex), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_int_equal(digest_hmac_sha256(SLICE_ABSENT, &text, 1, mac), ERROR_SYNTAX);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint8_t a[32] = { 0 }, b[32] = { 0 };
    assert_int_equal(random_bytes(a, sizeof(a)), 0);
    assert_int_equal(random_bytes(b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(random_bytes(a, 0), 0);
    cleanse_bytes(b, sizeof(b));
    static const uint8_t zero[32];
    assert_memory_equal(b, zero, sizeof(b));
}

static void the_self_test_passes(void **state)
{
    (void)state;
    struct why why = WHY_NONE;
    if (pkix_self_test(PKI_NOW, &why) != 0)
        fail_msg("%s", why.text);
    /* a clock far off is no reason to fail: the samples are made for the time given */
    assert_int_equal(pkix_self_test(PKI_NOW + 20000 * PKI_DAY, &why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_the_standard),
        cmocka_unit_test(hmac_of_rfc_4231),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(the_self_test_passes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
