/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_certificate.c - certificates are read from PEM and DER, and their facts told.
 * Rule: a list is read whole or not at all; no byte of a name is lost. */
#include "pkix_support.h"

#include "base/error.h"
#include "pkix/digest.h"

#include <stdio.h>
#include <stdlib.h>

static struct buffer joined(const char *const *texts, size_t count)
{
    struct buffer text = BUFFER_EMPTY;
    for (size_t i = 0; i < count; i++)
        buffer_append_string(&text, texts[i]);
    assert_false(text.has_failed);
    return text;
}

static int read_text(const char *text, struct certificate_chain *chain_r, struct why *why)
{
    return certificate_chain_read(slice_of_string(text), chain_r, why);
}

static void a_bundle_keeps_its_order(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf", .issuer = root);
    char *leaf_pem = pki_pem(leaf), *root_pem = pki_pem(root), *key_pem = pki_key_pem(leaf, NULL);
    const char *texts[] = { "0 subject: leaf\n", leaf_pem, "\r\n# the key\n", key_pem, "the root\n", root_pem, "end" };
    struct buffer text = joined(texts, 7);
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY, expected = support_chain((support_list){ leaf, root });
    assert_int_equal(certificate_chain_read(buffer_slice(&text), &chain, NULL), 0);
    assert_int_equal(chain.count, 2);
    assert_true(certificate_chain_equal(&chain, &expected));
    assert_true(slice_equal(certificate_chain_get(&chain, 1), pki_der(root)));
    assert_true(slice_is_absent(certificate_chain_get(&chain, 2)));
    char *again = NULL;
    struct certificate_chain reread = CERTIFICATE_CHAIN_EMPTY;
    assert_int_equal(certificate_chain_to_pem(&chain, &again), 0);
    assert_int_equal(read_text(again, &reread, NULL), 0);
    assert_true(certificate_chain_equal(&reread, &expected));
    free(again);
    certificate_chain_fini(&reread);
    certificate_chain_fini(&expected);
    certificate_chain_fini(&chain);
    assert_int_equal(chain.count, 0);
    buffer_free(&text);
    free(leaf_pem);
    free(root_pem);
    free(key_pem);
    support_free_all();
}

static void der_is_read_as_it_is(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    assert_int_equal(certificate_chain_read(pki_der(root), &chain, NULL), 0);
    assert_int_equal(chain.count, 1);
    assert_true(slice_equal(certificate_chain_get(&chain, 0), pki_der(root)));
    certificate_chain_fini(&chain);
    support_free_all();
}

static void what_is_broken_is_refused_whole(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    char *pem = pki_pem(root), *key = pki_key_pem(root, NULL);
    const char *trusted = "-----BEGIN TRUSTED CERTIFICATE-----\nMAA=\n-----END TRUSTED CERTIFICATE-----\n";
    const char *broken = "-----BEGIN CERTIFICATE-----\nMA!A=\n-----END CERTIFICATE-----\n";
    const char *no_certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    const char *unended = "-----BEGIN CERTIFICATE-----\nMAA=\n";
    const struct {
        const char *texts[2];
        int expected;
    } files[] = {
        { { "", "" }, ERROR_NOT_FOUND },         { { "hello", "" }, ERROR_NOT_FOUND },
        { { key, "" }, ERROR_NOT_FOUND },        { { pem, trusted }, ERROR_UNSUPPORTED },
        { { pem, broken }, ERROR_SYNTAX },       { { pem, no_certificate }, ERROR_SYNTAX },
        { { broken, pem }, ERROR_SYNTAX },       { { pem, unended }, ERROR_SYNTAX },
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct buffer text = joined(files[i].texts, 2);
        struct certificate_chain chain = { 7, NULL, NULL };
        struct why why = WHY_NONE;
        assert_int_equal(certificate_chain_read(buffer_slice(&text), &chain, &why), files[i].expected);
        assert_int_equal(chain.count, 7); /* untouched */
        assert_string_not_equal(why.text, "");
        buffer_free(&text);
    }
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    struct slice der = pki_der(root);
    assert_int_equal(certificate_chain_read(slice_first(der, der.length - 1), &chain, NULL), ERROR_SYNTAX);
    free(pem);
    free(key);
    support_free_all();
}

static void a_list_has_limits(void **state)
{
    (void)state;
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    char *large = calloc(1, CERTIFICATE_SIZE_MAX + 1);
    assert_non_null(large);
    assert_int_equal(certificate_chain_append(&chain, slice_of(large, CERTIFICATE_SIZE_MAX + 1)), ERROR_LIMIT);
    assert_int_equal(certificate_chain_append(&chain, SLICE_ABSENT), ERROR_SYNTAX);
    assert_int_equal(certificate_chain_append(&chain, SLICE_LITERAL("")), ERROR_SYNTAX);
    for (int i = 0; i < CERTIFICATE_LIST_SIZE_MAX / CERTIFICATE_SIZE_MAX; i++)
        assert_int_equal(certificate_chain_append(&chain, slice_of(large, CERTIFICATE_SIZE_MAX)), 0);
    assert_int_equal(certificate_chain_append(&chain, slice_of(large, 1)), ERROR_LIMIT);
    certificate_chain_fini(&chain);
    for (int i = 0; i < CERTIFICATE_COUNT_MAX; i++)
        assert_int_equal(certificate_chain_append(&chain, slice_of(large, 1)), 0);
    assert_int_equal(certificate_chain_append(&chain, slice_of(large, 1)), ERROR_LIMIT);
    certificate_chain_fini(&chain);
    free(large);
}

static struct certificate_facts *facts_of(const struct pki_certificate *certificate)
{
    struct certificate_facts *facts = NULL;
    struct why why = WHY_NONE;
    if (certificate_facts_read(pki_der(certificate), &facts, &why) != 0)
        fail_msg("%s", why.text);
    return facts;
}

static void facts_are_those_of_the_certificate(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root/O=Br\xc3\xbc" "cke, Ltd", .is_ca = true);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "C=DE/O=a+b/CN=leaf", .issuer = root, .serial = 0x0abcdef, .key = PKI_RSA_2048,
                     .not_before = 1500000000, .not_after = 4102444800 /* 2100, hence GeneralizedTime */,
                     .names = "URI:sip:a.example,DNS:b.example,IP:192.0.2.1,IP:2001:db8::1,email:c@d.example,"
                              "RID:1.2.3,DNS:A.Example");
    struct certificate_facts *facts = facts_of(leaf);
    assert_string_equal(facts->subject, "CN=leaf,O=a\\+b,C=DE");
    assert_string_equal(facts->issuer, "O=Br\xc3\xbc" "cke\\, Ltd,CN=root");
    assert_string_equal(facts->common_name, "leaf");
    assert_string_equal(facts->serial, "ABCDEF");
    assert_int_equal(facts->not_before, 1500000000);
    assert_int_equal(facts->not_after, 4102444800);
    assert_int_equal(facts->key_type, KEY_TYPE_RSA);
    assert_int_equal(facts->key_bits, 2048);
    assert_true(facts->has_names && !facts->is_ca && !facts->is_self_issued && !facts->has_unclean_name);
    struct slice der = pki_der(leaf);
    uint8_t digest[DIGEST_SIZE];
    assert_int_equal(digest_sha256(&der, 1, digest), 0);
    assert_memory_equal(facts->digest, digest, DIGEST_SIZE);
    static const struct certificate_name expected[] = {
        { CERTIFICATE_NAME_URI, "sip:a.example" }, { CERTIFICATE_NAME_DNS, "b.example" },
        { CERTIFICATE_NAME_IP, "192.0.2.1" },      { CERTIFICATE_NAME_IP, "2001:db8::1" },
        { CERTIFICATE_NAME_EMAIL, "c@d.example" }, { CERTIFICATE_NAME_OTHER, "" },
        { CERTIFICATE_NAME_DNS, "A.Example" },
    };
    assert_int_equal(facts->name_count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(facts->names[i].type, expected[i].type);
        assert_string_equal(facts->names[i].text, expected[i].text);
    }
    char text[256];
    certificate_names_print(facts, text, sizeof(text));
    assert_string_equal(text, "uri:sip:a.example, dns:b.example, ip:192.0.2.1, ip:2001:db8::1, email:c@d.example, "
                              "other:, dns:A.Example");
    certificate_names_print(facts, text, 20);
    assert_string_equal(text, "uri:sip:a.exampl...");
    certificate_facts_free(facts);
    facts = facts_of(root);
    assert_true(facts->is_ca && facts->is_self_issued && !facts->has_names);
    assert_int_equal(facts->key_type, KEY_TYPE_EC);
    assert_int_equal(facts->key_bits, 256);
    certificate_names_print(facts, text, sizeof(text));
    assert_string_equal(text, "cn:root");
    certificate_facts_free(facts);
    support_free_all();
}

static void names_are_listed_with_their_types(void **state)
{
    (void)state;
    static const struct certificate_name names[] = {
        { CERTIFICATE_NAME_URI, "sip:a.example" }, { CERTIFICATE_NAME_OTHER, "" },
        { CERTIFICATE_NAME_DNS, "sip:a.example" }, { CERTIFICATE_NAME_IP, "192.0.2.1" },
    };
    const struct certificate_facts facts = { .has_names = true, .name_count = ARRAY_SIZE(names), .names = names };
    static const char *const listed[] = { "uri:sip:a.example", "dns:sip:a.example", "ip:192.0.2.1" };
    for (size_t max = 0; max <= 4; max++) {
        struct buffer text = BUFFER_EMPTY;
        struct slice list[4];
        size_t count = certificate_names_list(&facts, &text, list, max);
        assert_int_equal(count, max < 3 ? max : 3);
        for (size_t i = 0; i < count; i++)
            assert_true(slice_equal(list[i], slice_of_string(listed[i])));
        buffer_free(&text);
    }
    struct buffer failed = { .has_failed = true };
    struct slice list[4];
    assert_int_equal(certificate_names_list(&facts, &failed, list, 4), 0);
}

static void odd_bytes_are_shown_escaped(void **state)
{
    (void)state;
    const struct pki_name names[] = {
        { PKI_NAME_DNS, { "a\0b", 3 } }, { PKI_NAME_URI, { "sip:\\\xff\x7f", 7 } }, { PKI_NAME_EMAIL, { "", 0 } }
    };
    struct buffer der = pki_names_der(names, 3);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=Br\xc3\xbc" "cke", .names_der = buffer_slice(&der));
    struct certificate_facts *facts = facts_of(leaf);
    assert_true(facts->has_unclean_name);
    assert_string_equal(facts->names[0].text, "a\\00b");
    assert_string_equal(facts->names[1].text, "sip:\\\\\\ff\\7f");
    assert_string_equal(facts->names[2].text, "");
    assert_string_equal(facts->common_name, "Br\\c3\\bccke");
    assert_string_equal(facts->subject, "CN=Br\xc3\xbc" "cke");
    certificate_facts_free(facts);
    buffer_free(&der);
    support_free_all();
}

static void only_one_common_name_is_one(void **state)
{
    (void)state;
    static const struct {
        const char *subject, *expected;
    } subjects[] = { { "CN=a", "a" }, { "CN=a/CN=b", NULL }, { "O=a", NULL }, { NULL, NULL } };
    for (size_t i = 0; i < 4; i++) {
        struct certificate_facts *facts = facts_of(SUPPORT_MAKE(.subject = subjects[i].subject));
        if (subjects[i].expected == NULL)
            assert_null(facts->common_name);
        else
            assert_string_equal(facts->common_name, subjects[i].expected);
        certificate_facts_free(facts);
    }
    support_free_all();
}

static void facts_of_rubbish_are_none(void **state)
{
    (void)state;
    struct certificate_facts *facts = NULL;
    struct why why = WHY_NONE;
    assert_int_equal(certificate_facts_read(SLICE_ABSENT, &facts, &why), ERROR_SYNTAX);
    assert_int_equal(certificate_facts_read(SLICE_LITERAL("0\x80rubbish"), &facts, &why), ERROR_SYNTAX);
    assert_null(facts);
    assert_string_not_equal(why.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_keeps_its_order),
        cmocka_unit_test(der_is_read_as_it_is),
        cmocka_unit_test(what_is_broken_is_refused_whole),
        cmocka_unit_test(a_list_has_limits),
        cmocka_unit_test(facts_are_those_of_the_certificate),
        cmocka_unit_test(names_are_listed_with_their_types),
        cmocka_unit_test(odd_bytes_are_shown_escaped),
        cmocka_unit_test(only_one_common_name_is_one),
        cmocka_unit_test(facts_of_rubbish_are_none),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
