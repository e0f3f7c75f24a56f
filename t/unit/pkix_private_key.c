/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_private_key.c - our own keys.
 * Rule: every usual form gives one DER that the TLS library takes, and a key fits its own certificate only. */
#include "pkix_support.h"

#include "base/error.h"
#include "pkix/private_key.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <stdlib.h>

static bool wolfssl_takes(const struct private_key *key)
{
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfTLS_server_method());
    assert_non_null(context);
    struct slice der = private_key_der(key);
    int result = wolfSSL_CTX_use_PrivateKey_buffer(context, (const unsigned char *)der.data, (long)der.length,
                                                   WOLFSSL_FILETYPE_ASN1);
    wolfSSL_CTX_free(context);
    return result == WOLFSSL_SUCCESS;
}

static struct private_key *read_key(const char *pem, const char *passphrase)
{
    struct private_key *key = NULL;
    struct why why = WHY_NONE;
    int code = private_key_read(slice_of_string(pem), slice_of_string(passphrase), &key, &why);
    if (code != 0)
        fail_msg("%s: %s", error_text(code), why.text);
    return key;
}

static void every_form_gives_the_same_key(void **state)
{
    (void)state;
    static const struct {
        enum pki_key type;
        enum key_type expected;
        unsigned bits;
    } types[] = { { PKI_EC_P256, KEY_TYPE_EC, 256 },
                  { PKI_EC_P384, KEY_TYPE_EC, 384 },
                  { PKI_RSA_2048, KEY_TYPE_RSA, 2048 },
                  { PKI_ED25519, KEY_TYPE_ED25519, 256 } };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf", .key = types[i].type);
        const struct pki_certificate *other = SUPPORT_MAKE(.subject = "CN=leaf", .key = types[i].type);
        char *texts[3] = { pki_key_pem(leaf, NULL), pki_key_pem(leaf, "secret"),
                           types[i].type == PKI_ED25519 ? NULL : pki_key_pem_traditional(leaf) };
        struct certificate_facts *facts = NULL;
        assert_int_equal(certificate_facts_read(pki_der(leaf), &facts, NULL), 0);
        struct slice first = SLICE_ABSENT;
        struct private_key *keys[3] = { NULL };
        for (int form = 0; form < 3 && texts[form] != NULL; form++) {
            keys[form] = read_key(texts[form], form == 1 ? "secret" : NULL);
            assert_int_equal(private_key_type(keys[form]), types[i].expected);
            assert_int_equal(private_key_bits(keys[form]), types[i].bits);
            assert_memory_equal(private_key_digest(keys[form]), facts->key_digest, DIGEST_SIZE);
            assert_true(private_key_matches(keys[form], pki_der(leaf)));
            assert_false(private_key_matches(keys[form], pki_der(other)));
            assert_false(private_key_matches(keys[form], SLICE_LITERAL("rubbish")));
            assert_true(wolfssl_takes(keys[form]));
            if (form == 0)
                first = private_key_der(keys[form]);
            assert_true(slice_equal(private_key_der(keys[form]), first));
        }
        for (int form = 0; form < 3; form++) {
            private_key_free(keys[form]);
            free(texts[form]);
        }
        certificate_facts_free(facts);
    }
    support_free_all();
}

static void a_key_among_other_blocks_is_found(void **state)
{
    (void)state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf");
    char *pem = pki_pem(leaf), *key_pem = pki_key_pem_traditional(leaf);
    struct buffer text = BUFFER_EMPTY;
    buffer_append_string(&text, pem);
    /* what `openssl ecparam -genkey` writes ahead of the key */
    buffer_append_string(&text, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n");
    buffer_append_string(&text, key_pem);
    buffer_append_byte(&text, 0);
    struct private_key *key = read_key(text.data, NULL);
    assert_true(private_key_matches(key, pki_der(leaf)));
    private_key_free(key);
    buffer_free(&text);
    free(pem);
    free(key_pem);
    support_free_all();
}

static void what_cannot_be_used_is_refused_with_a_reason(void **state)
{
    (void)state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf");
    char *encrypted = pki_key_pem(leaf, "secret"), *certificate = pki_pem(leaf);
    const char *broken = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    const struct {
        const char *text, *passphrase;
        int expected;
        const char *part; /* of the reason */
    } cases[] = {
        { "pkcs11:token=hsm;object=edge", NULL, ERROR_UNSUPPORTED, "pkcs11" },
        { "  PKCS11:object=edge\n", NULL, ERROR_UNSUPPORTED, "pkcs11" },
        { "", NULL, ERROR_NOT_FOUND, "no private key" },
        { "hello", NULL, ERROR_NOT_FOUND, "no private key" },
        { certificate, NULL, ERROR_NOT_FOUND, "no private key" },
        { broken, NULL, ERROR_SYNTAX, "cannot be read" },
        { encrypted, NULL, ERROR_REFUSED, "encrypted" },
        { encrypted, "wrong", ERROR_SYNTAX, "passphrase" },
        { encrypted, "", ERROR_SYNTAX, "passphrase" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct private_key *key = NULL;
        struct why why = WHY_NONE;
        int code = private_key_read(slice_of_string(cases[i].text), slice_of_string(cases[i].passphrase), &key, &why);
        if (code != cases[i].expected || strstr(why.text, cases[i].part) == NULL)
            fail_msg("case %zu: %d, %s", i, code, why.text);
        assert_null(key);
    }
    private_key_free(NULL);
    free(encrypted);
    free(certificate);
    support_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_gives_the_same_key),
        cmocka_unit_test(a_key_among_other_blocks_is_found),
        cmocka_unit_test(what_cannot_be_used_is_refused_with_a_reason),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
