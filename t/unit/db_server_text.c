/* SPDX-License-Identifier: GPL-2.0-or-later */
/* db_server_text.c - whatever bytes come, PostgreSQL gets text that it takes and that can be told apart. */
#include "db/server_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void expect(struct buffer *out, const char *text)
{
    assert_false(out->has_failed);
    assert_int_equal(out->length, strlen(text));
    assert_memory_equal(out->data, text, out->length);
    buffer_free(out);
}

static void expect_copy(struct slice text, const char *wanted)
{
    struct buffer out = BUFFER_EMPTY;
    struct copy_line line = copy_line_begin(&out);
    copy_text(&line, text);
    expect(&out, wanted);
}

static void copy_escapes(void **state)
{
    (void)state;
    expect_copy(SLICE_LITERAL("a\tb\nc\\d\re\bf"), "a\\tb\\nc\\\\d\\re\\bf");
    expect_copy(SLICE_LITERAL("\\."), "\\\\.");
    expect_copy(SLICE_LITERAL("\\N"), "\\\\N");
    expect_copy(SLICE_ABSENT, "\\N");
    struct buffer out = BUFFER_EMPTY;
    struct copy_line line = copy_line_begin(&out);
    copy_text(&line, SLICE_LITERAL(""));
    copy_null(&line);
    copy_number(&line, -5);
    copy_line_end(&line);
    expect(&out, "\t\\N\t-5\n");
}

static void bytes_that_are_no_text(void **state)
{
    (void)state;
    expect_copy(slice_of("a\0b", 3), "a\\\\x00b");
    expect_copy(SLICE_LITERAL("b\xc3\xbc" "cher"), "b\xc3\xbc" "cher");
    expect_copy(SLICE_LITERAL("\xe2\x82\xac\xf0\x9f\x98\x80"), "\xe2\x82\xac\xf0\x9f\x98\x80");
    expect_copy(SLICE_LITERAL("\xff"), "\\\\xff");
    expect_copy(SLICE_LITERAL("\xc3"), "\\\\xc3");                    /* cut */
    expect_copy(SLICE_LITERAL("\xc0\xaf"), "\\\\xc0\\\\xaf");          /* overlong */
    expect_copy(SLICE_LITERAL("\xe0\x80\xaf"), "\\\\xe0\\\\x80\\\\xaf"); /* overlong */
    expect_copy(SLICE_LITERAL("\xed\xa0\x80"), "\\\\xed\\\\xa0\\\\x80"); /* surrogate */
    expect_copy(SLICE_LITERAL("\xf4\x90\x80\x80"), "\\\\xf4\\\\x90\\\\x80\\\\x80"); /* beyond the last plane */
    expect_copy(SLICE_LITERAL("\xe2\x82z"), "\\\\xe2\\\\x82z");
}

/* Text is looked at eight bytes at a time: every byte at every place is written as it is when it stands alone. */
static void places_make_no_difference(void **state)
{
    (void)state;
    char text[19];
    for (unsigned value = 0; value < 256; value++) {
        for (size_t at = 0; at < sizeof(text); at++) {
            struct buffer whole = BUFFER_EMPTY, pieces = BUFFER_EMPTY;
            struct copy_line line = copy_line_begin(&whole);
            memset(text, 'a', sizeof(text));
            text[at] = (char)value;
            copy_text(&line, slice_of(text, sizeof(text)));
            for (size_t i = 0; i < sizeof(text); i++) {
                struct copy_line piece = copy_line_begin(&pieces);
                copy_text(&piece, slice_of(text + i, 1));
            }
            assert_int_equal(whole.length, pieces.length);
            assert_memory_equal(whole.data, pieces.data, whole.length);
            buffer_free(&whole);
            buffer_free(&pieces);
        }
    }
}

static void arrays(void **state)
{
    const struct slice elements[] = { SLICE_LITERAL("a,b"), SLICE_LITERAL(""), SLICE_LITERAL("q\"\\"),
        SLICE_LITERAL("{NULL}") };
    struct buffer out = BUFFER_EMPTY;
    (void)state;
    array_append(&out, elements, 4);
    expect(&out, "{\"a,b\",\"\",\"q\\\"\\\\\",\"{NULL}\"}");
    array_append(&out, NULL, 0);
    expect(&out, "{}");
    struct copy_line line = copy_line_begin(&out);
    copy_texts(&line, elements + 2, 1);
    copy_texts(&line, NULL, 0);
    expect(&out, "{\"q\\\\\"\\\\\\\\\"}\t\\N");
}

static void times(void **state)
{
    char text[TIME_TEXT_SIZE];
    (void)state;
    assert_true(time_print_us(0, text));
    assert_string_equal(text, "1970-01-01 00:00:00.000000+00");
    assert_true(time_print_us(INT64_C(1709210096789012), text));
    assert_string_equal(text, "2024-02-29 12:34:56.789012+00");
    assert_true(time_print_us(-1, text));
    assert_string_equal(text, "1969-12-31 23:59:59.999999+00");
    assert_false(time_print_us(INT64_MAX, text));
    struct buffer out = BUFFER_EMPTY;
    struct copy_line line = copy_line_begin(&out);
    copy_time_us(&line, INT64_MIN);
    copy_time_us(&line, INT64_MAX);
    expect(&out, "\\N\t\\N");
}

static void json(void **state)
{
    const struct slice names[] = { SLICE_LITERAL("a"), SLICE_LITERAL("\x1f\"") };
    struct address address;
    struct buffer out = BUFFER_EMPTY;
    (void)state;
    assert_int_equal(address_parse(SLICE_LITERAL("2001:db8::1"), &address), 0);
    struct json_object object = json_object_begin(&out);
    json_text(&object, "absent", SLICE_ABSENT);
    json_text(&object, "empty", SLICE_LITERAL(""));
    json_text(&object, "text", slice_of("\"\\\n\0\xff", 5));
    json_number(&object, "number", INT64_MIN);
    json_bool(&object, "bool", true);
    json_time_us(&object, "never", INT64_MIN);
    json_address(&object, "address", &address);
    json_address(&object, "none", &(struct address){ .family = ADDRESS_NONE });
    json_texts(&object, "names", names, 2);
    json_texts(&object, "no-names", NULL, 0);
    json_object_end(&object);
    expect(&out, "{\"empty\":\"\",\"text\":\"\\\"\\\\\\u000a\\\\x00\\\\xff\",\"number\":-9223372036854775808,"
                 "\"bool\":true,"
                 "\"address\":\"2001:db8::1\",\"names\":[\"a\",\"\\u001f\\\"\"]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_escapes),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(places_make_no_difference),
        cmocka_unit_test(arrays),
        cmocka_unit_test(times),
        cmocka_unit_test(json),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
