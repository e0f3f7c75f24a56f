/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_pin.c - the pin of a dialog: what it carries comes back from it, and nothing comes from one that is tampered
 * with, of another dialog, too old, or made with a secret that is not ours.
 */
#include "decide_fixture.h"

#include "base/base64url.h"
#include "decide/dialog_pin.h"
#include "pkix/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct dialog_pin_crypto crypto = { digest_hmac_sha256, bytes_equal };

#define CALL_ID SLICE_LITERAL("3848276298220188511@atlanta.example")
#define CALLER SLICE_LITERAL("9fxced76sl")
#define CALLEE SLICE_LITERAL("314159")

static struct dialog_secret secret_of(uint8_t first)
{
    struct dialog_secret secret = { .length = 32 };
    for (size_t i = 0; i < 32; i++)
        secret.bytes[i] = (uint8_t)(first + i);
    return secret;
}

static struct dialog_part part_of(int64_t row_id, enum level level, const char *domain, const char *flags)
{
    struct dialog_part part = { .row_id = row_id, .level = level };
    snprintf(part.domain, sizeof(part.domain), "%s", domain);
    assert_int_equal(flags_parse(slice_of_string(flags), &part.flags, NULL), 0);
    return part;
}

static struct dialog_pin usual(void)
{
    return (struct dialog_pin){ .issued_at = FIXTURE_NOW,
        .to_callee = part_of(17, LEVEL_DOMAIN, "biloxi.example", "") };
}

static size_t print(const struct dialog_pin *pin, char out[DIALOG_PIN_TEXT_MAX])
{
    struct dialog_secret secret = secret_of(1);
    return dialog_pin_print(pin, CALL_ID, CALLER, &secret, &crypto, out);
}

static struct dialog_pin_bearer from_caller(void)
{
    return (struct dialog_pin_bearer){ .call_id = CALL_ID, .from_tag = CALLER, .to_tag = CALLEE, .now = FIXTURE_NOW,
        .max_age_s = 3600 };
}

static struct dialog_pin_bearer from_callee(void)
{
    struct dialog_pin_bearer bearer = from_caller();
    bearer.from_tag = CALLEE;
    bearer.to_tag = CALLER;
    return bearer;
}

/* With the secrets that begin with FIRST and OTHER; 0: none. */
static enum dialog_pin_result read_with(struct slice text, const struct dialog_pin_bearer *bearer, uint8_t first,
    uint8_t other, struct dialog_pin *pin_r, bool *is_from_caller_r)
{
    struct dialog_secrets secrets = { .count = 0 };
    if (first != 0)
        secrets.secrets[secrets.count++] = secret_of(first);
    if (other != 0)
        secrets.secrets[secrets.count++] = secret_of(other);
    return dialog_pin_read(text, bearer, &secrets, &crypto, pin_r, is_from_caller_r);
}

static enum dialog_pin_result read_as(struct slice text, const struct dialog_pin_bearer *bearer)
{
    struct dialog_pin pin;
    bool is_from_caller;
    return read_with(text, bearer, 1, 0, &pin, &is_from_caller);
}

static void assert_part(const struct dialog_part *part, const struct dialog_part *expected)
{
    assert_int_equal(part->level, expected->level);
    assert_int_equal(part->row_id, expected->row_id);
    assert_string_equal(part->domain, expected->domain);
    assert_int_equal(part->flags.bits, expected->flags.bits);
    assert_string_equal(part->flags.cert, expected->flags.cert);
    assert_string_equal(part->flags.sni, expected->flags.sni);
    assert_string_equal(part->flags.trust, expected->flags.trust);
    assert_string_equal(part->flags.verify_domain, expected->flags.verify_domain);
}

static void what_it_carries_comes_back(void **state)
{
    (void)state;
    const struct dialog_part parts[] = { { .level = LEVEL_UNSET }, part_of(0, LEVEL_CHAIN, "", ""),
        part_of(1, LEVEL_DOMAIN, "a", ""), part_of(127, LEVEL_CHAIN, "biloxi.example", "no-cert,no-sni"),
        part_of(128, LEVEL_DOMAIN, "", "cert=fedA,sni=x.example,trust=t,verify-domain=y.example"),
        part_of(INT64_MAX, LEVEL_DOMAIN, "biloxi.example", "crl,ocsp,ocsp-hard,initial-only,no-cert"),
        part_of(0, LEVEL_ENCRYPT, "", "") };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        for (size_t j = 0; j < ARRAY_SIZE(parts); j++) {
            struct dialog_pin back, pin = { .issued_at = FIXTURE_NOW - 7, .to_callee = parts[i],
                .to_caller = parts[j] };
            char text[DIALOG_PIN_TEXT_MAX];
            size_t length = print(&pin, text);
            struct dialog_pin_bearer forth = from_caller(), back_again = from_callee();
            bool is_from_caller = false;
            assert_int_equal(length == 0, i == 0 && j == 0);
            if (length == 0)
                continue;
            for (size_t at = 0; at < length; at++) /* what may stand in a URI's parameter, and in no quotes */
                assert_true(strchr("-_", text[at]) != NULL || (text[at] >= '0' && text[at] <= '9') ||
                    (text[at] >= 'A' && text[at] <= 'Z') || (text[at] >= 'a' && text[at] <= 'z'));
            assert_int_equal(read_with(slice_of(text, length), &forth, 1, 0, &back, &is_from_caller), DIALOG_PIN_VALID);
            assert_true(is_from_caller);
            assert_int_equal(back.issued_at, FIXTURE_NOW - 7);
            assert_part(&back.to_callee, &parts[i]);
            assert_part(&back.to_caller, &parts[j]);
            assert_int_equal(read_with(slice_of(text, length), &back_again, 1, 0, &back, &is_from_caller),
                DIALOG_PIN_VALID);
            assert_false(is_from_caller);
            assert_part(&back.to_caller, &parts[j]);
        }
}

/* Computed by another program: other nodes, and later versions, read the same bytes. */
static void the_text_is_always_the_same(void **state)
{
    (void)state;
    static const char expected[] = "AWVT8WQBEhEOYmlsb3hpLmV4YW1wbGWjNrw8MgDGv_Gm9YWRqvWV";
    struct dialog_pin pin = usual();
    char text[DIALOG_PIN_TEXT_MAX];
    size_t length = print(&pin, text);
    assert_int_equal(length, sizeof(expected) - 1);
    assert_memory_equal(text, expected, length);
}

/* Whatever else stands in the part: nobody chooses a row by it. */
static void a_floor_says_nothing_else(void **state)
{
    (void)state;
    const struct dialog_part floor = { .level = LEVEL_ENCRYPT };
    struct dialog_pin back, pin = { .issued_at = FIXTURE_NOW,
        .to_callee = part_of(17, LEVEL_ENCRYPT, "biloxi.example", "cert=fedA") };
    char text[DIALOG_PIN_TEXT_MAX];
    struct slice value = slice_of(text, print(&pin, text));
    struct dialog_pin_bearer bearer = from_caller();
    bool is_from_caller;
    assert_int_equal(read_with(value, &bearer, 1, 0, &back, &is_from_caller), DIALOG_PIN_VALID);
    assert_part(&back.to_callee, &floor);
    assert_int_equal(back.to_caller.level, LEVEL_UNSET);
}

static void each_bit_counts(void **state)
{
    (void)state;
    struct dialog_pin pin = { .issued_at = FIXTURE_NOW,
        .to_callee = part_of(17, LEVEL_DOMAIN, "biloxi.example", "cert=fedA"),
        .to_caller = part_of(300, LEVEL_CHAIN, "atlanta.example", "") };
    char text[DIALOG_PIN_TEXT_MAX];
    uint8_t bytes[DIALOG_PIN_BYTES_MAX];
    size_t length = print(&pin, text), size = 0, refused = 0;
    const struct dialog_pin_bearer bearers[] = { from_caller(), from_callee() };
    assert_int_equal(base64url_parse(slice_of(text, length), bytes, sizeof(bytes), &size), 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        char other[DIALOG_PIN_TEXT_MAX];
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        size_t other_length = base64url_print(bytes, size, other);
        for (size_t i = 0; i < ARRAY_SIZE(bearers); i++)
            refused += read_as(slice_of(other, other_length), &bearers[i]) == DIALOG_PIN_FORGED;
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(refused, 16 * size);
}

static void each_character_counts(void **state)
{
    (void)state;
    struct dialog_pin pin = usual();
    char text[DIALOG_PIN_TEXT_MAX];
    size_t length = print(&pin, text);
    struct dialog_pin_bearer bearer = from_caller();
    assert_int_equal(read_as(slice_of(text, length), &bearer), DIALOG_PIN_VALID);
    for (size_t at = 0; at < length; at++) {
        char was = text[at];
        for (unsigned c = 0; c < 256; c++) {
            text[at] = (char)c;
            if (text[at] != was)
                assert_int_not_equal(read_as(slice_of(text, length), &bearer), DIALOG_PIN_VALID);
        }
        text[at] = was;
        assert_int_not_equal(read_as(slice_of(text, at), &bearer), DIALOG_PIN_VALID);
    }
    text[length] = 'A';
    for (size_t more = 1; more <= 4; more++) {
        text[length + more - 1] = 'A';
        assert_int_not_equal(read_as(slice_of(text, length + more), &bearer), DIALOG_PIN_VALID);
    }
}

static void it_is_of_one_dialog(void **state)
{
    (void)state;
    struct dialog_pin pin = usual();
    char text[DIALOG_PIN_TEXT_MAX];
    struct slice value = slice_of(text, print(&pin, text));
    const struct dialog_pin_bearer right = from_caller();
    struct dialog_pin_bearer other = right;
    other.to_tag = SLICE_LITERAL("another fork's");
    assert_int_equal(read_as(value, &other), DIALOG_PIN_VALID);
    other.to_tag = SLICE_ABSENT;
    assert_int_equal(read_as(value, &other), DIALOG_PIN_VALID);
    other.to_tag = right.from_tag;
    assert_int_equal(read_as(value, &other), DIALOG_PIN_FORGED);
    other = right;
    other.call_id = SLICE_LITERAL("3848276298220188511@atlanta.exampl");
    assert_int_equal(read_as(value, &other), DIALOG_PIN_FORGED);
    other = right;
    other.from_tag = SLICE_LITERAL("9fxced76sL");
    assert_int_equal(read_as(value, &other), DIALOG_PIN_FORGED);
    other.from_tag = SLICE_ABSENT;
    assert_int_equal(read_as(value, &other), DIALOG_PIN_FORGED);
    /* The end of one is not the beginning of the other. */
    other = right;
    other.call_id = SLICE_LITERAL("3848276298220188511@atlanta.example9");
    other.from_tag = SLICE_LITERAL("fxced76sl");
    assert_int_equal(read_as(value, &other), DIALOG_PIN_FORGED);
}

static void it_has_an_age(void **state)
{
    (void)state;
    struct dialog_pin pin = usual();
    char text[DIALOG_PIN_TEXT_MAX];
    struct slice value = slice_of(text, print(&pin, text));
    static const struct {
        int64_t later;
        uint32_t max_age_s;
        enum dialog_pin_result result;
    } cases[] = { { 0, 1, DIALOG_PIN_VALID }, { 3600, 3600, DIALOG_PIN_VALID }, { 3601, 3600, DIALOG_PIN_TOO_OLD },
        { 100000000, 0, DIALOG_PIN_VALID }, { -300, 1, DIALOG_PIN_VALID }, { -301, 1, DIALOG_PIN_TOO_OLD },
        { -301, 0, DIALOG_PIN_TOO_OLD } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct dialog_pin_bearer bearer = from_caller();
        bearer.now += cases[i].later;
        bearer.max_age_s = cases[i].max_age_s;
        assert_int_equal(read_as(value, &bearer), cases[i].result);
    }
}

static void two_secrets_are_read(void **state)
{
    (void)state;
    struct dialog_pin pin = usual(), back;
    char text[DIALOG_PIN_TEXT_MAX];
    struct slice value = slice_of(text, print(&pin, text));
    static const struct {
        uint8_t first, other;
        enum dialog_pin_result result;
    } cases[] = { { 1, 0, DIALOG_PIN_VALID }, { 1, 2, DIALOG_PIN_VALID }, { 2, 1, DIALOG_PIN_VALID },
        { 2, 0, DIALOG_PIN_FORGED }, { 2, 3, DIALOG_PIN_FORGED }, { 0, 0, DIALOG_PIN_FORGED } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (unsigned direction = 0; direction < 2; direction++) {
            struct dialog_pin_bearer bearer = direction == 0 ? from_caller() : from_callee();
            bool is_from_caller = direction != 0;
            assert_int_equal(read_with(value, &bearer, cases[i].first, cases[i].other, &back, &is_from_caller),
                cases[i].result);
            assert_int_equal(is_from_caller, (direction == 0) == (cases[i].result == DIALOG_PIN_VALID));
        }
}

/* BODY with a MAC that is right. */
static enum dialog_pin_result read_body(const uint8_t *body, size_t size)
{
    uint8_t bytes[DIALOG_PIN_BYTES_MAX], mac[DIGEST_SIZE];
    struct dialog_secret secret = secret_of(1);
    static const uint8_t lengths[] = { 0, 0, 0, 35, 0, 0, 0, 10 };
    const struct slice parts[] = { SLICE_LITERAL("trelay dialog pin"), slice_of((const char *)lengths, 8), CALL_ID,
        CALLER, slice_of((const char *)body, size) };
    char text[DIALOG_PIN_TEXT_MAX];
    assert_int_equal(digest_hmac_sha256(slice_of((const char *)secret.bytes, 32), parts, ARRAY_SIZE(parts), mac), 0);
    memcpy(bytes, body, size);
    memcpy(bytes + size, mac, DIALOG_PIN_MAC_SIZE);
    struct dialog_pin_bearer bearer = from_caller();
    bearer.max_age_s = 0;
    return read_as(slice_of(text, base64url_print(bytes, size + DIALOG_PIN_MAC_SIZE, text)), &bearer);
}

static void what_another_version_made_is_not_guessed(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        enum dialog_pin_result result;
        uint8_t bytes[24];
    } cases[] = {
#define V DIALOG_PIN_VALID
#define M DIALOG_PIN_MALFORMED
#define CASE(result_, ...) { sizeof((const uint8_t[]){ __VA_ARGS__ }), result_, { __VA_ARGS__ } }
        CASE(V, 1, 0, 0, 0, 9, 1, 0x01, 17), CASE(V, 1, 0, 0, 0, 9, 2, 0x02, 17),
        CASE(V, 1, 0, 0, 0, 9, 3, 0x01, 17, 0x02, 17), CASE(V, 1, 0, 0, 0, 9, 1, 0x11, 17, 1, 'a'),
        CASE(V, 1, 0, 0, 0, 9, 1, 0x21, 17, 7, 'n', 'o', '-', 'c', 'e', 'r', 't'),
        CASE(V, 1, 0, 0, 0, 9, 1, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
        CASE(V, 1, 0, 0, 0, 9, 1, 0x03), CASE(V, 1, 0, 0, 0, 9, 3, 0x03, 0x02, 17),
        CASE(V, 1, 0, 0, 0, 9, 3, 0x02, 17, 0x03),
        CASE(M, 2, 0, 0, 0, 9, 1, 0x01, 17), CASE(M, 1, 0, 0, 0, 9, 0), CASE(M, 1, 0, 0, 0, 9, 4, 0x01, 17),
        CASE(M, 1, 0, 0, 0, 9), CASE(M, 1, 0, 0, 0, 9, 1), CASE(M, 1, 0, 0, 0, 9, 1, 0x01),
        CASE(M, 1, 0, 0, 0, 9, 1, 0x00, 17), CASE(M, 1, 0, 0, 0, 9, 1, 0x03, 17), CASE(M, 1, 0, 0, 0, 9, 1, 0x41, 17),
        CASE(M, 1, 0, 0, 0, 9, 1, 0x13, 1, 'a'), CASE(M, 1, 0, 0, 0, 9, 1, 0x04, 17), CASE(M, 1, 0, 0, 0, 9, 1, 0x04),
        CASE(M, 1, 0, 0, 0, 9, 1, 0x01, 17, 0), CASE(M, 1, 0, 0, 0, 9, 3, 0x01, 17),
        CASE(M, 1, 0, 0, 0, 9, 1, 0x01, 0x80),
        CASE(M, 1, 0, 0, 0, 9, 1, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
        CASE(M, 1, 0, 0, 0, 9, 1, 0x11, 17), CASE(M, 1, 0, 0, 0, 9, 1, 0x11, 17, 0),
        CASE(M, 1, 0, 0, 0, 9, 1, 0x11, 17, 2, 'a'),
        CASE(M, 1, 0, 0, 0, 9, 1, 0x11, 17, 1, ' '), CASE(M, 1, 0, 0, 0, 9, 1, 0x21, 17),
        CASE(M, 1, 0, 0, 0, 9, 1, 0x21, 17, 3, 't', 'l', 's'), CASE(M, 1, 0, 0, 0, 9, 1, 0x21, 17, 1, '?'),
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (read_body(cases[i].bytes, cases[i].size) != cases[i].result)
            fail_msg("case %zu", i);
    static const char *const texts[] = { "", "A", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA=",
        "%41AAAA" };
    struct dialog_pin_bearer bearer = from_caller();
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(read_as(slice_of_string(texts[i]), &bearer), DIALOG_PIN_MALFORMED);
    char large[DIALOG_PIN_TEXT_MAX + 4];
    memset(large, 'A', sizeof(large));
    assert_int_equal(read_as(slice_of(large, sizeof(large)), &bearer), DIALOG_PIN_MALFORMED);
}

static unsigned failing_after;

static int failing_hmac(struct slice key, const struct slice *parts, size_t count, uint8_t digest_r[DIGEST_SIZE])
{
    return failing_after-- == 0 ? ERROR_MEMORY : digest_hmac_sha256(key, parts, count, digest_r);
}

static void without_a_mac_there_is_none(void **state)
{
    (void)state;
    static const struct dialog_pin_crypto failing = { failing_hmac, bytes_equal };
    struct dialog_pin pin = usual(), back;
    char text[DIALOG_PIN_TEXT_MAX];
    struct slice value = slice_of(text, print(&pin, text));
    struct dialog_secrets secrets = { .count = 2, .secrets = { secret_of(2), secret_of(1) } };
    bool is_from_caller;
    failing_after = 0;
    assert_int_equal(dialog_pin_print(&pin, CALL_ID, CALLER, &secrets.secrets[1], &failing, text), 0);
    struct dialog_pin_bearer bearer = from_callee();
    for (unsigned i = 0; i <= 4; i++) {
        failing_after = i;
        assert_int_equal(dialog_pin_read(value, &bearer, &secrets, &failing, &back, &is_from_caller),
            i < 4 ? DIALOG_PIN_NO_MEMORY : DIALOG_PIN_VALID);
    }
}

static void what_has_no_room_is_not_pinned(void **state)
{
    (void)state;
    struct dialog_pin pin = usual();
    char text[DIALOG_PIN_TEXT_MAX];
    struct dialog_secret secret = secret_of(1);
    assert_int_equal(dialog_pin_print(&pin, CALL_ID, SLICE_ABSENT, &secret, &crypto, text), 0);
    assert_int_equal(dialog_pin_print(&pin, SLICE_LITERAL(""), CALLER, &secret, &crypto, text), 0);
    pin.issued_at = -1;
    assert_int_equal(print(&pin, text), 0);
    pin.issued_at = (int64_t)UINT32_MAX + 1;
    assert_int_equal(print(&pin, text), 0);
    pin = usual();
    pin.to_callee.level = LEVEL_NONE;
    assert_int_equal(print(&pin, text), 0);
    /* Flags of more than 255 characters; and two parts that do not fit together. */
    pin = usual();
    char name[DOMAIN_NAME_SIZE];
    memset(name, 'a', sizeof(name));
    for (size_t i = 60; i < 240; i += 60)
        name[i] = '.';
    name[240] = '\0';
    pin.to_callee.flags.bits = T_RELAY_SNI | T_RELAY_CERT;
    snprintf(pin.to_callee.flags.sni, sizeof(pin.to_callee.flags.sni), "%s", name);
    snprintf(pin.to_callee.flags.cert, sizeof(pin.to_callee.flags.cert), "%.63s", name);
    assert_int_equal(print(&pin, text), 0);
    pin = usual();
    pin.to_callee.flags.bits = T_RELAY_SNI;
    snprintf(pin.to_callee.flags.sni, sizeof(pin.to_callee.flags.sni), "%s", name);
    snprintf(pin.to_callee.domain, sizeof(pin.to_callee.domain), "%s", name);
    assert_int_not_equal(print(&pin, text), 0);
    pin.to_caller = pin.to_callee;
    assert_int_equal(print(&pin, text), 0);
}

static void results_have_words(void **state)
{
    (void)state;
    assert_string_equal(dialog_pin_result_word(DIALOG_PIN_VALID), "valid");
    assert_string_equal(dialog_pin_result_word(DIALOG_PIN_FORGED), "forged");
    assert_string_equal(dialog_pin_result_word((enum dialog_pin_result)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_carries_comes_back),
        cmocka_unit_test(the_text_is_always_the_same),
        cmocka_unit_test(a_floor_says_nothing_else),
        cmocka_unit_test(each_bit_counts),
        cmocka_unit_test(each_character_counts),
        cmocka_unit_test(it_is_of_one_dialog),
        cmocka_unit_test(it_has_an_age),
        cmocka_unit_test(two_secrets_are_read),
        cmocka_unit_test(what_another_version_made_is_not_guessed),
        cmocka_unit_test(without_a_mac_there_is_none),
        cmocka_unit_test(what_has_no_room_is_not_pinned),
        cmocka_unit_test(results_have_words),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
