/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_name.c - one normaliser: a name is in its one form afterwards, or refused, never repaired (INV-14, ADV-13). */
#include "policy_fixture.h"

#include "policy/name.h"

#include <string.h>

#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"
#define BYTES(text) { "" text, sizeof(text) - 1 }

static const struct {
    struct slice text;
    const char *name; /* NULL: refused */
} names[] = {
    { BYTES("biloxi.example"), "biloxi.example" },
    { BYTES("BiLoXi.EXAMPLE"), "biloxi.example" },
    { BYTES("biloxi.example."), "biloxi.example" },
    { BYTES("biloxi.example.."), NULL },
    { BYTES(".biloxi.example"), NULL },
    { BYTES("biloxi..example"), NULL },
    { BYTES("."), NULL },
    { BYTES(""), NULL },
    { BYTES("localhost"), "localhost" },
    { BYTES("xn--bcher-kva.example"), "xn--bcher-kva.example" },
    { BYTES("_sips._tcp.example"), "_sips._tcp.example" },
    { BYTES("a-b.example"), "a-b.example" },
    { BYTES("-a.example"), NULL },
    { BYTES("a-.example"), NULL },
    { BYTES("a.example-"), NULL },
    { BYTES("b\xc3\xbc" "cher.example"), NULL },
    { BYTES("biloxi\xe3\x80\x82" "example"), NULL },          /* U+3002, an ideographic full stop */
    { BYTES("\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1"), NULL }, /* full-width digits */
    { BYTES("biloxi.example\0.evil.example"), NULL },
    { BYTES("biloxi\0"), NULL },
    { BYTES("biloxi .example"), NULL },
    { BYTES(" biloxi.example"), NULL },
    { BYTES("biloxi.example\n"), NULL },
    { BYTES("biloxi.example\x7f"), NULL },
    { BYTES("biloxi.example:5061"), NULL },
    { BYTES("user@biloxi.example"), NULL },
    { BYTES("sip:biloxi.example"), NULL },
    { BYTES("*.biloxi.example"), NULL },
    { BYTES("bil*.example"), NULL },
    { BYTES("biloxi%2eexample"), NULL },
    { BYTES("192.0.2.1"), NULL },
    { BYTES("192.0.2.1."), NULL },
    { BYTES("127.1"), NULL },
    { BYTES("0127.0.0.1"), NULL },
    { BYTES("2130706433"), NULL },
    { BYTES("0x7f000001"), NULL },
    { BYTES("0X7F.1"), NULL },
    { BYTES("0x"), NULL },
    { BYTES("[2001:db8::1]"), NULL },
    { BYTES("2001:db8::1"), NULL },
    { BYTES("::1"), NULL },
    { BYTES("example.4you"), "example.4you" },
    { BYTES("1.example"), "1.example" },
    { BYTES("0xample"), "0xample" },
    { BYTES(LABEL_63 ".example"), LABEL_63 ".example" },
    { BYTES(LABEL_63 "x.example"), NULL },
};

static void names_are_in_one_form_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char out[DOMAIN_NAME_SIZE] = "untouched";
        int rc = name_normalise(names[i].text, out);
        if (rc != (names[i].name != NULL ? 0 : ERROR_SYNTAX))
            fail_msg("name %zu \"%.*s\": %d", i, (int)names[i].text.length, names[i].text.data, rc);
        assert_string_equal(out, names[i].name != NULL ? names[i].name : "untouched");
        if (rc != 0)
            continue;
        char again[DOMAIN_NAME_SIZE];
        assert_int_equal(name_normalise(slice_of_string(out), again), 0);
        assert_string_equal(again, out);
    }
}

static void the_longest_name_has_253_bytes(void **state)
{
    (void)state;
    char text[260], out[DOMAIN_NAME_SIZE];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 == 0 ? 'a' : '.';
    assert_int_equal(name_normalise(slice_of(text, 253), out), 0);
    assert_int_equal(strlen(out), 253);
    assert_int_equal(name_normalise(slice_of(text, 254), out), 0); /* 253 and a dot */
    assert_int_equal(strlen(out), 253);
    assert_int_equal(name_normalise(slice_of(text, 255), out), ERROR_SYNTAX);
    assert_int_equal(name_normalise(slice_of(text, 256), out), ERROR_SYNTAX);
}

static void every_byte_outside_the_alphabet_is_refused(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[] = "ab?cd.example", out[DOMAIN_NAME_SIZE];
        text[2] = (char)byte;
        bool is_upper = byte >= 'A' && byte <= 'Z', is_lower = byte >= 'a' && byte <= 'z';
        bool is_digit = byte >= '0' && byte <= '9';
        bool is_fine = is_upper || is_lower || is_digit || byte == '-' || byte == '_' || byte == '.';
        assert_int_equal(name_normalise(slice_of(text, sizeof(text) - 1), out), is_fine ? 0 : ERROR_SYNTAX);
        if (is_fine)
            assert_int_equal(out[2], is_upper ? byte + 32 : byte);
    }
}

static void patterns_are_a_name_with_or_without_a_star(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pattern;
    } patterns[] = {
        { "*.Example.COM.", "*.example.com" },
        { "*.com", "*.com" },
        { "example.com", "example.com" },
        { "*", NULL },
        { "*.", NULL },
        { "*.*.com", NULL },
        { "a.*.com", NULL },
        { "**.com", NULL },
        { "*a.com", NULL },
        { "*.192.0.2.1", NULL },
        { "*..com", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        char out[DOMAIN_NAME_SIZE] = "untouched";
        int rc = name_normalise_pattern(slice_of_string(patterns[i].text), out);
        assert_int_equal(rc, patterns[i].pattern != NULL ? 0 : ERROR_SYNTAX);
        assert_string_equal(out, patterns[i].pattern != NULL ? patterns[i].pattern : "untouched");
    }
}

static void row_names_are_identifiers(void **state)
{
    (void)state;
    static const char *const good[] = { "fedA", "a", "1", "fed-A_2.x", LABEL_63 };
    static const char *const bad[] = { "", "-a", "_a", ".a", "a b", "a,b", "a=b", "a;b", "a\x80", LABEL_63 "x" };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(name_is_row_name(slice_of_string(good[i])));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(name_is_row_name(slice_of_string(bad[i])));
    assert_false(name_is_row_name(slice_of("a\0b", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_in_one_form_or_refused),
        cmocka_unit_test(the_longest_name_has_253_bytes),
        cmocka_unit_test(every_byte_outside_the_alphabet_is_refused),
        cmocka_unit_test(patterns_are_a_name_with_or_without_a_star),
        cmocka_unit_test(row_names_are_identifiers),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
