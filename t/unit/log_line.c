/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log_line.c - what a line looks like, and that no value can look like something else. */
#include "log/log_line.h"

#include "base/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *line_with(struct log_line *line, struct log_field field)
{
    log_line_start(line, "s");
    log_line_add(line, field);
    struct slice text = log_line_finish(line);
    assert_int_equal(text.data[text.length - 1], '\n');
    line->bytes[text.length - 1] = '\0';
    return line->bytes;
}

static void values_are_quoted_where_they_must(void **state)
{
    (void)state;
    static const struct {
        const char *value, *text;
    } cases[] = {
        { "plain", "s k=plain" },
        { "", "s k=\"\"" },
        { "two words", "s k=\"two words\"" },
        { "a=b", "s k=\"a=b\"" },
        { "say \"no\"", "s k=\"say \\\"no\\\"\"" },
        { "back\\slash", "s k=\"back\\\\slash\"" },
        { "line\r\nevent=forged", "s k=\"line\\r\\nevent=forged\"" },
        { "tab\there", "s k=\"tab\\there\"" },
        { "\x1b[2J", "s k=\"\\x1b[2J\"" },
        { "\x7f", "s k=\"\\x7f\"" },
        { "caf\xc3\xa9", "s k=\"caf\xc3\xa9\"" },
        { "\xf0\x9f\x93\x9e", "s k=\"\xf0\x9f\x93\x9e\"" },
        { "\xc2\x9b" "2J", "s k=\"\\xc2\\x9b2J\"" },                /* C1 control */
        { "\xe2\x80\xae" "abc", "s k=\"\\xe2\\x80\\xae" "abc\"" },  /* right-to-left override */
        { "\xc0\x8a", "s k=\"\\xc0\\x8a\"" },                       /* overlong new line */
        { "\xed\xa0\x80", "s k=\"\\xed\\xa0\\x80\"" },              /* surrogate */
        { "\xf4\x90\x80\x80", "s k=\"\\xf4\\x90\\x80\\x80\"" },     /* beyond Unicode */
        { "\xe2\x82", "s k=\"\\xe2\\x82\"" },                       /* cut short */
        { "\xff", "s k=\"\\xff\"" },
    };
    struct log_line line;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(line_with(&line, LOG_STRING("k", cases[i].value)), cases[i].text);
    assert_string_equal(line_with(&line, LOG_SLICE("k", slice_of("a\0b", 3))), "s k=\"a\\x00b\"");
}

static void every_kind_has_its_form(void **state)
{
    (void)state;
    struct log_line line;
    struct address address = address_v4((const uint8_t[]){ 192, 0, 2, 1 });
    struct endpoint endpoint = { .address = address, .port = 5061 };
    struct why why = WHY_NONE;
    assert_string_equal(line_with(&line, LOG_SIGNED("k", -7)), "s k=-7");
    assert_string_equal(line_with(&line, LOG_SIGNED("k", INT64_MIN)), "s k=-9223372036854775808");
    assert_string_equal(line_with(&line, LOG_UNSIGNED("k", UINT64_MAX)), "s k=18446744073709551615");
    assert_string_equal(line_with(&line, LOG_BOOL("k", true)), "s k=yes");
    assert_string_equal(line_with(&line, LOG_BOOL("k", false)), "s k=no");
    assert_string_equal(line_with(&line, LOG_ADDRESS("k", &address)), "s k=192.0.2.1");
    assert_string_equal(line_with(&line, LOG_ENDPOINT("k", &endpoint)), "s k=192.0.2.1:5061");
    assert_string_equal(line_with(&line, LOG_HEX("k", slice_of("\x00\xab", 2))), "s k=00ab");
    assert_string_equal(line_with(&line, LOG_ERRNO("k", ECONNREFUSED)), "s k=\"Connection refused\"");
    assert_string_equal(line_with(&line, LOG_REDACTED("k", slice_of_string("4930123456"))), "s k=493*******");
    assert_string_equal(line_with(&line, LOG_REDACTED("k", slice_of_string("bob"))), "s k=bob");
    assert_string_equal(line_with(&line, LOG_WHY(&why)), "s");
    (void)why_fail(&why, -1, "no luck");
    assert_string_equal(line_with(&line, LOG_WHY(&why)), "s why=\"no luck\"");
}

static void what_is_absent_leaves_no_trace(void **state)
{
    (void)state;
    struct log_line line;
    assert_string_equal(line_with(&line, LOG_STRING("k", NULL)), "s");
    assert_string_equal(line_with(&line, LOG_SLICE("k", SLICE_ABSENT)), "s");
    assert_string_equal(line_with(&line, LOG_ENDPOINT("k", NULL)), "s");
    assert_string_equal(line_with(&line, LOG_ADDRESS("k", NULL)), "s");
}

/* Whatever the length of a value, the line fits, ends with a new line and closes its quotes. */
static void long_values_are_cut(void **state)
{
    (void)state;
    static const char *const units[] = { "a", "a b", "\x01", "\"", "\xc3\xa9" };
    struct log_line line;
    char *value = malloc(2 * LOG_LINE_SIZE);
    assert_non_null(value);
    for (size_t u = 0; u < ARRAY_SIZE(units); u++) {
        size_t unit = strlen(units[u]);
        for (size_t i = 0; i + unit <= 2 * LOG_LINE_SIZE; i += unit)
            memcpy(value + i, units[u], unit);
        size_t whole = 2 * LOG_LINE_SIZE / unit * unit;
        for (size_t length = 0; length <= whole; length += length > LOG_LINE_SIZE + 64 ? 997 : unit) {
            if (length > 64 && length < 900)
                continue;
            log_line_start(&line, "start");
            log_line_add(&line, LOG_SLICE("key", slice_of(value, length)));
            log_line_add(&line, LOG_SIGNED("after", 1));
            struct slice text = log_line_finish(&line);
            assert_true(text.length <= LOG_LINE_SIZE);
            assert_int_equal(text.data[text.length - 1], '\n');
            assert_true(slice_find(text, '\n', 0) == text.length - 1);
            struct slice cut = SLICE_LITERAL(" cut=yes\n"), after = SLICE_LITERAL(" after=1\n");
            bool is_cut = slice_equal(slice_from(text, text.length - cut.length), cut);
            bool is_whole = slice_equal(slice_from(text, text.length - after.length), after);
            assert_true(is_cut != is_whole);
            size_t at = text.length - (is_cut ? cut.length : after.length) - 1;
            if (strncmp(text.data, "start key=\"", 11) == 0)
                assert_int_equal(text.data[at], '"');
        }
    }
    free(value);
}

static void no_half_fields_after_a_cut(void **state)
{
    (void)state;
    struct log_line line;
    log_line_start(&line, "s");
    for (int i = 0; i < 1000; i++)
        log_line_add(&line, LOG_UNSIGNED("number", 12345));
    struct slice text = log_line_finish(&line);
    const char *end = "12345 cut=yes\n";
    assert_memory_equal(text.data + text.length - strlen(end), end, strlen(end));
}

static void event_words_are_unique(void **state)
{
    (void)state;
    for (int a = 1; a < LOG_EVENT_COUNT; a++) {
        assert_string_not_equal(event_name_word((enum log_event_name)a), "unknown");
        assert_string_not_equal(event_name_text((enum log_event_name)a), "unknown");
        for (int b = 1; b < a; b++)
            assert_string_not_equal(event_name_word((enum log_event_name)a), event_name_word((enum log_event_name)b));
    }
    assert_string_equal(event_name_word(LOG_EVENT_NONE), "unknown");
    assert_string_equal(event_name_word(LOG_EVENT_COUNT), "unknown");
    assert_int_equal(log_level_from_name(slice_of_string("warn")), LOG_LEVEL_WARN);
    assert_int_equal(log_level_from_name(slice_of_string("WARN")), LOG_LEVEL_UNSET);
    assert_int_equal(log_level_from_name(SLICE_ABSENT), LOG_LEVEL_UNSET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_quoted_where_they_must),
        cmocka_unit_test(every_kind_has_its_form),
        cmocka_unit_test(what_is_absent_leaves_no_trace),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(no_half_fields_after_a_cut),
        cmocka_unit_test(event_words_are_unique),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
