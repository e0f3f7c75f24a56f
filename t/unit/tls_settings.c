/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_settings.c - tests of tls/tls_settings: what is let through, what is not, and equality as bytes. */
#include "tls/tls_settings.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static bool equal(const struct tls_settings *a, const struct tls_settings *b)
{
    struct buffer left = BUFFER_EMPTY, right = BUFFER_EMPTY;
    tls_settings_encode(a, &left);
    tls_settings_encode(b, &right);
    bool is_equal = slice_equal(buffer_slice(&left), buffer_slice(&right));
    buffer_free(&left);
    buffer_free(&right);
    return is_equal;
}

static void the_default_is_sound(void **state)
{
    (void)state;
    struct tls_settings settings;
    tls_settings_init(&settings);
    assert_int_equal(settings.minimum, TLS_VERSION_1_2);
    assert_int_equal(settings.maximum, TLS_VERSION_1_3);
    assert_int_equal(settings.client_auth, CLIENT_AUTH_UNSET);
    size_t count = 0;
    for (; settings.suites[count] != 0; count++) {
        const char *name = tls_suite_name(settings.suites[count]);
        assert_true(strstr(name, "GCM") != NULL || strstr(name, "CHACHA20") != NULL);
        assert_true(strncmp(name, "TLS_ECDHE_", 10) == 0 || settings.suites[count] >> 8 == 0x13);
    }
    assert_int_equal(count, 9);
    assert_string_equal(tls_group_name(settings.groups[0]), "X25519");
    assert_string_equal(tls_group_name(settings.groups[1]), "P-256");
    assert_string_equal(tls_group_name(settings.groups[2]), "P-384");
    assert_int_equal(settings.groups[3], 0);
}

static bool is_aes_fast = true;
bool __wrap_tls_library_has_fast_aes(void);
bool __wrap_tls_library_has_fast_aes(void)
{
    return is_aes_fast;
}

/* AES where the processor does it, ChaCha20 where AES would be in C: slow, and its time tells of the key. */
static void what_is_fast_here_comes_first(void **state)
{
    (void)state;
    static const uint16_t aes_first[] = { 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0 };
    static const uint16_t chacha_first[] = { 0x1303, 0x1301, 0x1302, 0xCCA9, 0xCCA8, 0xC02B, 0xC02F, 0xC02C, 0xC030,
        0 };
    struct tls_settings settings;
    is_aes_fast = true;
    tls_settings_init(&settings);
    assert_memory_equal(settings.suites, aes_first, sizeof(aes_first));
    is_aes_fast = false;
    tls_settings_init(&settings);
    is_aes_fast = true;
    assert_memory_equal(settings.suites, chacha_first, sizeof(chacha_first));
}

static void weak_suites_have_no_name(void **state)
{
    static const char *const names[] = {
        "ECDHE-ECDSA-NULL-SHA", "TLS_ECDHE_RSA_WITH_NULL_SHA", "ADH-AES128-SHA", "AECDH-NULL-SHA", "AES128-SHA",
        "TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "DES-CBC3-SHA",
        "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA256", "RC4-SHA", "PSK-AES128-GCM-SHA256", "EXP-RC4-MD5",
        "ALL", "DEFAULT", "HIGH", "!aNULL", "@STRENGTH", "NULL", "TLS13-AES128-GCM-SHA256", "",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct tls_settings settings, before;
        struct why why = WHY_NONE;
        char list[128];
        tls_settings_init(&settings);
        before = settings;
        int wanted = names[i][0] == '\0' ? 0 : ERROR_UNKNOWN_NAME;
        snprintf(list, sizeof(list), "TLS_AES_128_GCM_SHA256:%s:ECDHE-RSA-AES128-GCM-SHA256", names[i]);
        assert_int_equal(tls_settings_set_suites(&settings, slice_of_string(list), &why), wanted);
        if (wanted != 0) {
            assert_non_null(strstr(why.text, names[i]));
            assert_true(equal(&settings, &before));
        }
    }
}

static void every_version_of_the_range_keeps_a_suite(void **state)
{
    (void)state;
    struct tls_settings settings;
    tls_settings_init(&settings);
    assert_int_equal(tls_settings_set_suites(&settings, SLICE_LITERAL("TLS_AES_128_GCM_SHA256"), NULL), ERROR_CONFLICT);
    assert_int_equal(tls_settings_set_suites(&settings, SLICE_LITERAL("ECDHE-RSA-AES128-GCM-SHA256"), NULL),
                     ERROR_CONFLICT);
    assert_int_equal(tls_settings_set_versions(&settings, TLS_VERSION_1_3, TLS_VERSION_UNSET, NULL), 0);
    assert_int_equal(tls_settings_set_suites(&settings, SLICE_LITERAL("tls_aes_128_gcm_sha256"), NULL), 0);
    assert_true(tls_settings_has_suite(&settings, 0x1301));
    assert_false(tls_settings_has_suite(&settings, 0x1302));
    assert_int_equal(tls_settings_set_versions(&settings, TLS_VERSION_1_2, TLS_VERSION_UNSET, NULL), ERROR_CONFLICT);
    assert_int_equal(settings.minimum, TLS_VERSION_1_3);
    assert_int_equal(tls_settings_set_suites(&settings, SLICE_LITERAL(" : ,"), NULL), ERROR_SYNTAX);
}

static void the_range_of_versions_has_an_order(void **state)
{
    (void)state;
    struct tls_settings settings;
    tls_settings_init(&settings);
    assert_int_equal(tls_settings_set_versions(&settings, TLS_VERSION_1_3, TLS_VERSION_1_2, NULL), ERROR_CONFLICT);
    assert_int_equal(tls_settings_set_versions(&settings, TLS_VERSION_UNSET, TLS_VERSION_COUNT, NULL), ERROR_CONFLICT);
    assert_int_equal(tls_settings_set_versions(&settings, TLS_VERSION_UNSET, TLS_VERSION_1_2, NULL), 0);
    assert_int_equal(settings.maximum, TLS_VERSION_1_2);
    assert_int_equal(settings.minimum, TLS_VERSION_1_2);
}

static void groups_have_two_names_each(void **state)
{
    (void)state;
    struct tls_settings settings, other;
    tls_settings_init(&settings);
    tls_settings_init(&other);
    assert_int_equal(tls_settings_set_groups(&settings, SLICE_LITERAL("secp384r1, x25519"), NULL), 0);
    assert_int_equal(tls_settings_set_groups(&other, SLICE_LITERAL("P-384:X25519:P-384"), NULL), 0);
    assert_true(equal(&settings, &other));
    assert_true(tls_settings_has_group(&settings, 24));
    assert_false(tls_settings_has_group(&settings, 23));
    assert_int_equal(tls_settings_set_groups(&settings, SLICE_LITERAL("P-224"), NULL), ERROR_UNKNOWN_NAME);
    assert_int_equal(tls_settings_set_groups(&settings, SLICE_LITERAL(""), NULL), ERROR_SYNTAX);
}

/* INV-1 */
static void different_settings_differ_as_bytes(void **state)
{
    (void)state;
    struct tls_settings base, changed[7];
    tls_settings_init(&base);
    for (size_t i = 0; i < ARRAY_SIZE(changed); i++)
        changed[i] = base;
    assert_int_equal(tls_settings_set_versions(&changed[0], TLS_VERSION_1_3, TLS_VERSION_UNSET, NULL), 0);
    assert_int_equal(tls_settings_set_versions(&changed[1], TLS_VERSION_UNSET, TLS_VERSION_1_2, NULL), 0);
    assert_int_equal(
        tls_settings_set_suites(&changed[2], SLICE_LITERAL("TLS_AES_128_GCM_SHA256,ECDHE-RSA-AES128-GCM-SHA256"), NULL),
        0);
    assert_int_equal(tls_settings_set_groups(&changed[3], SLICE_LITERAL("P-256"), NULL), 0);
    assert_int_equal(tls_settings_set_protocol(&changed[4], SLICE_LITERAL("sip/2"), NULL), 0);
    changed[5].client_auth = CLIENT_AUTH_REQUIRE;
    changed[6].client_auth = CLIENT_AUTH_REQUEST;
    for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
        assert_false(equal(&base, &changed[i]));
        assert_true(equal(&changed[i], &changed[i]));
        for (size_t j = 0; j < i; j++)
            assert_false(equal(&changed[i], &changed[j]));
    }
}

static void a_protocol_is_one_name(void **state)
{
    (void)state;
    struct tls_settings settings;
    tls_settings_init(&settings);
    assert_int_equal(tls_settings_set_protocol(&settings, SLICE_LITERAL("sip/2,h2"), NULL), ERROR_SYNTAX);
    assert_int_equal(tls_settings_set_protocol(&settings, SLICE_LITERAL("a\0b"), NULL), ERROR_SYNTAX);
    assert_int_equal(
        tls_settings_set_protocol(&settings, SLICE_LITERAL("a-protocol-with-a-name-that-is-too-long"), NULL),
        ERROR_SYNTAX);
    assert_string_equal(settings.protocol, "");
    assert_int_equal(tls_settings_set_protocol(&settings, SLICE_LITERAL("sip/2"), NULL), 0);
    assert_string_equal(settings.protocol, "sip/2");
    assert_int_equal(tls_settings_set_protocol(&settings, SLICE_ABSENT, NULL), 0);
    assert_string_equal(settings.protocol, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_sound),
        cmocka_unit_test(what_is_fast_here_comes_first),
        { "X05: weak suites have no name", weak_suites_have_no_name, NULL, NULL, NULL },
        cmocka_unit_test(every_version_of_the_range_keeps_a_suite),
        cmocka_unit_test(the_range_of_versions_has_an_order),
        cmocka_unit_test(groups_have_two_names_each),
        cmocka_unit_test(different_settings_differ_as_bytes),
        cmocka_unit_test(a_protocol_is_one_name),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
