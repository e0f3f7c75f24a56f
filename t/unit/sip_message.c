/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_message.c - the index of a message, its kept fields, its values, and every reason to refuse the bytes. */
#include "sip_support.h"

#include "base/error.h"
#include "sip/validate.h"

#include <stdio.h>
#include <stdlib.h>

#define REQUEST                                                                      \
    "INVITE sip:bob@b.example;lr SIP/2.0\r\n"                                        \
    "Via: SIP/2.0/TLS a.example;branch=z9hG4bK1, SIP/2.0/TCP 192.0.2.1;x=\",\"\r\n"  \
    "v : SIP/2.0/UDP c.example\r\n"                                                  \
    "Max-Forwards: 0070\r\n"                                                         \
    "f: \"A, B\" <sip:a@a.example>;tag=ft\r\n"                                       \
    "TO: sip:bob@b.example;tag=tt\r\n"                                               \
    "Call-ID:\r\n 1@a.example \r\n"                                                  \
    "CSeq: 7 INVITE\r\n"                                                             \
    "X-Thing:  one\r\n\t two \r\n"                                                   \
    "X-Empty:\r\n"                                                                   \
    "Route: <sip:p,q@r.example;lr>,<sip:s.example>\r\n"                              \
    "route:\r\n <sip:t.example;lr>\r\n"                                              \
    "l: 4\r\n"                                                                       \
    "\r\n"                                                                           \
    "body"

static void a_request_is_indexed(void **state)
{
    (void)state;
    struct sip_message *message = PARSED(REQUEST);
    uint32_t max_forwards = 0;
    assert_true(sip_message_is_request(message));
    assert_false(sip_message_is_salvaged(message));
    assert_int_equal(sip_message_method(message), SIP_METHOD_INVITE);
    assert_slice(sip_message_method_text(message), "INVITE");
    assert_slice(sip_message_request_uri(message), "sip:bob@b.example;lr");
    assert_true(sip_message_uri(message)->has_lr);
    assert_int_equal(sip_message_status(message), 0);
    assert_true(slice_is_absent(sip_message_reason_phrase(message)));
    assert_slice(sip_message_body(message), "body");
    assert_bytes(sip_message_bytes(message), SLICE_LITERAL(REQUEST));
    assert_int_equal(sip_message_head(message).length + 4, sip_message_bytes(message).length);
    assert_slice(sip_message_top_via(message)->branch, "z9hG4bK1");
    assert_int_equal(sip_message_cseq(message)->number, 7);
    assert_slice(sip_message_from(message)->display, "\"A, B\"");
    assert_slice(sip_message_from_tag(message), "ft");
    assert_slice(sip_message_to_tag(message), "tt");
    assert_slice(sip_message_call_id(message), "1@a.example");
    assert_int_equal(sip_message_max_forwards(message, &max_forwards), SIP_MAX_FORWARDS_VALUE);
    assert_int_equal(max_forwards, 70);
    assert_true(sip_message_has_content_length(message));
    assert_int_equal(sip_message_header_count(message), 12);
    sip_message_unref(message);
}

static void a_response_is_indexed(void **state)
{
    (void)state;
    struct sip_message *message = PARSED("\r\n\r\nSIP/2.0 183 = 2**3 * \xd0\xb8 now\r\nCSeq: 2 BYE\r\n\r\n");
    uint32_t max_forwards = 5;
    assert_false(sip_message_is_request(message));
    assert_int_equal(sip_message_status(message), 183);
    assert_slice(sip_message_reason_phrase(message), "= 2**3 * \xd0\xb8 now");
    assert_int_equal(sip_message_method(message), SIP_METHOD_BYE);
    assert_true(slice_is_absent(sip_message_request_uri(message)));
    assert_null(sip_message_uri(message));
    assert_null(sip_message_top_via(message));
    assert_null(sip_message_from(message));
    assert_null(sip_message_to(message));
    assert_true(slice_is_absent(sip_message_to_tag(message)));
    assert_true(slice_is_absent(sip_message_call_id(message)));
    assert_int_equal(sip_message_max_forwards(message, &max_forwards), SIP_MAX_FORWARDS_ABSENT);
    assert_int_equal(max_forwards, 5);
    assert_false(sip_message_has_content_length(message));
    assert_int_equal(sip_message_bytes(message).data[0], 'S');
    sip_message_unref(message);

    message = PARSED("SIP/2.0 100 \r\n\r\n");
    assert_slice(sip_message_reason_phrase(message), "");
    assert_int_equal(sip_message_method(message), SIP_METHOD_NONE);
    assert_int_equal(sip_message_header_count(message), 0);
    sip_message_unref(message);
}

static void headers_are_walked_by_row_and_by_name(void **state)
{
    (void)state;
    struct sip_message *message = PARSED(REQUEST);
    struct sip_header header;
    size_t at = slice_find(sip_message_bytes(message), '\n', 0) + 1;
    for (uint32_t row = 0; row < sip_message_header_count(message); row++) {
        header = sip_message_header_at(message, row);
        assert_int_equal(header.row, row);
        /* The lines follow one another without a gap. */
        assert_ptr_equal(header.line.data, sip_message_bytes(message).data + at);
        at += header.line.length;
    }
    assert_int_equal(at + 2, sip_message_head(message).length);
    assert_true(sip_header_first(message, SIP_HEADER_VIA, &header));
    assert_slice(header.name, "Via");
    assert_true(sip_header_next(message, &header));
    assert_slice(header.name, "v");
    assert_slice(header.line, "v : SIP/2.0/UDP c.example\r\n");
    assert_false(sip_header_next(message, &header));
    assert_false(sip_header_first(message, SIP_HEADER_CONTACT, &header));
    assert_int_equal(sip_message_header_rows(message, SIP_HEADER_ROUTE), 2);
    assert_int_equal(sip_message_header_rows(message, SIP_HEADER_CONTACT), 0);
    assert_true(sip_header_find(message, SLICE_LITERAL("x-thing"), &header));
    assert_slice(header.value, "one\r\n\t two");
    assert_true(sip_header_find(message, SLICE_LITERAL("X-EMPTY"), &header));
    assert_slice(header.value, "");
    assert_true(sip_header_find(message, SLICE_LITERAL("Content-Length"), &header));
    assert_slice(header.name, "l");
    assert_true(sip_header_find(message, SLICE_LITERAL("i"), &header));
    assert_slice(header.name, "Call-ID");
    assert_false(sip_header_find(message, SLICE_LITERAL("X-Thin"), &header));
    assert_false(sip_header_find(message, SLICE_LITERAL(""), &header));
    sip_message_unref(message);
}

static void values_are_walked_over_rows(void **state)
{
    (void)state;
    static const struct {
        enum sip_header_id id;
        const char *texts[4];
        uint32_t rows[4];
    } expected[] = {
        { SIP_HEADER_VIA, { "SIP/2.0/TLS a.example;branch=z9hG4bK1", "SIP/2.0/TCP 192.0.2.1;x=\",\"",
              "SIP/2.0/UDP c.example" }, { 0, 0, 1 } },
        { SIP_HEADER_ROUTE, { "<sip:p,q@r.example;lr>", "<sip:s.example>", "<sip:t.example;lr>" }, { 9, 9, 10 } },
        { SIP_HEADER_FROM, { "\"A, B\" <sip:a@a.example>;tag=ft" }, { 3 } },
        { SIP_HEADER_CONTACT, { NULL }, { 0 } },
    };
    struct sip_message *message = PARSED(REQUEST);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        struct sip_values values = sip_values_of(message, expected[i].id);
        struct sip_value value;
        size_t count = 0;
        for (; sip_values_next(&values, &value); count++) {
            assert_slice(value.text, expected[i].texts[count]);
            assert_int_equal(value.row, expected[i].rows[count]);
            assert_true(value.text.data > sip_message_bytes(message).data);
        }
        assert_null(expected[i].texts[count]);
        assert_false(sip_values_next(&values, &value));
    }
    sip_message_unref(message);
}

static void lists_may_hold_empty_values_and_open_quotes(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        const char *texts[5];
    } rows[] = {
        { "", { "" } },
        { "a", { "a" } },
        { " a ,\r\n b,", { "a", "b", "" } },
        { ",,", { "", "", "" } },
        { "\"a,b\\\",c\",d", { "\"a,b\\\",c\"", "d" } },
        { "\"a,b", { "\"a,b" } },
        { "x,<a,b", { "x", "<a,b" } },
        { "<a,b>,\"<\",c", { "<a,b>", "\"<\"", "c" } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct slice rest = slice_of_string(rows[i].list);
        struct slice text;
        size_t count = 0;
        for (; sip_value_cut(&rest, &text); count++)
            assert_slice(text, rows[i].texts[count]);
        assert_null(rows[i].texts[count]);
    }
}

/* What comes out for these bytes as a datagram. */
static struct sip_defect defect_of(struct slice bytes, const struct sip_limits *limits)
{
    struct sip_message *message = NULL;
    struct sip_defect defect = sip_defect_of(SIP_DEFECT_NONE);
    int rc = sip_message_parse(bytes, limits, &message, &defect);
    assert_int_equal(rc == 0, message != NULL);
    assert_int_equal(rc == 0, defect.code == SIP_DEFECT_NONE);
    /* Too much of what would be fine is another code than what is wrong. */
    assert_int_equal(rc == ERROR_LIMIT, defect.status == 513 || defect.status == 414);
    sip_message_unref(message);
    return defect;
}

#define OK "OPTIONS sip:h.example SIP/2.0\r\n"

static void broken_bytes_are_refused_with_their_reason(void **state)
{
    (void)state;
    static const struct {
        struct slice bytes;
        enum sip_defect_code code;
    } rows[] = {
        { SLICE_LITERAL(""), SIP_DEFECT_EMPTY },
        { SLICE_LITERAL("\r\n\r\n"), SIP_DEFECT_EMPTY },
        { SLICE_LITERAL(OK "\r\n"), SIP_DEFECT_NONE },
        { SLICE_LITERAL("OPTIONS sip:h.example sip/2.0\r\n\r\n"), SIP_DEFECT_NONE },
        /* start lines */
        { SLICE_LITERAL("OPTIONS  sip:h.example SIP/2.0\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS sip:h.example  SIP/2.0\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS sip:h.example SIP/2.0 \r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS sip:h.example; lr SIP/2.0\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS\tsip:h.example SIP/2.0\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL(" OPTIONS sip:h.example SIP/2.0\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPT@ sip:h.example SIP/2.0\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS sip:h.example\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS SIP/2.0\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS  SIP/2.0\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("GET /index HTTP/1.1\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS sip:h.example SIP/2\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS sip:h.example SIP/.0\r\n\r\n"), SIP_DEFECT_START_LINE },
        { SLICE_LITERAL("OPTIONS sip:h.example SIP/7.0\r\n\r\n"), SIP_DEFECT_VERSION },
        { SLICE_LITERAL("OPTIONS sip:h.example SIP/2.01\r\n\r\n"), SIP_DEFECT_VERSION },
        { SLICE_LITERAL("OPTIONS sip:h.example SIP/2.0\r\n x\r\n\r\n"), SIP_DEFECT_HEADER_LINE },
        { SLICE_LITERAL("OPTIONS sip:h\0.example SIP/2.0\r\n\r\n"), SIP_DEFECT_NUL },
        { SLICE_LITERAL("SIP/2.0 200\r\n\r\n"), SIP_DEFECT_STATUS_CODE },
        { SLICE_LITERAL("SIP/2.0 20 OK\r\n\r\n"), SIP_DEFECT_STATUS_CODE },
        { SLICE_LITERAL("SIP/2.0  200 OK\r\n\r\n"), SIP_DEFECT_STATUS_CODE },
        { SLICE_LITERAL("SIP/2.0 2000 OK\r\n\r\n"), SIP_DEFECT_STATUS_CODE },
        { SLICE_LITERAL("SIP/2.0 4294967301 OK\r\n\r\n"), SIP_DEFECT_STATUS_CODE },
        { SLICE_LITERAL("SIP/2.0 099 OK\r\n\r\n"), SIP_DEFECT_STATUS_CODE },
        { SLICE_LITERAL("SIP/2.0 700 OK\r\n\r\n"), SIP_DEFECT_STATUS_CODE },
        { SLICE_LITERAL("SIP/2.0 -20 OK\r\n\r\n"), SIP_DEFECT_STATUS_CODE },
        { SLICE_LITERAL("SIP/3.0 200 OK\r\n\r\n"), SIP_DEFECT_START_LINE },
        /* line ends */
        { SLICE_LITERAL("OPTIONS sip:h.example SIP/2.0"), SIP_DEFECT_HEAD_INCOMPLETE },
        { SLICE_LITERAL("OPTIONS sip:h.example SIP/2.0\r"), SIP_DEFECT_HEAD_INCOMPLETE },
        { SLICE_LITERAL(OK), SIP_DEFECT_HEAD_INCOMPLETE },
        { SLICE_LITERAL(OK "A: b\r\n"), SIP_DEFECT_HEAD_INCOMPLETE },
        { SLICE_LITERAL(OK "A: b\r\n\r"), SIP_DEFECT_HEAD_INCOMPLETE },
        { SLICE_LITERAL("OPTIONS sip:h.example SIP/2.0\n\n"), SIP_DEFECT_LINE_END },
        { SLICE_LITERAL(OK "A: b\nC: d\r\n\r\n"), SIP_DEFECT_LINE_END },
        { SLICE_LITERAL(OK "A: b\rC: d\r\n\r\n"), SIP_DEFECT_LINE_END },
        { SLICE_LITERAL(OK "A: b\r\r\n\r\n"), SIP_DEFECT_LINE_END },
        { SLICE_LITERAL(OK "A: b\r\n\n"), SIP_DEFECT_LINE_END },
        { SLICE_LITERAL(OK "A: b\r\n c\n d\r\n\r\n"), SIP_DEFECT_LINE_END },
        /* header lines */
        { SLICE_LITERAL(OK "no colon\r\n\r\n"), SIP_DEFECT_HEADER_LINE },
        { SLICE_LITERAL(OK "nothing\r\n\r\n"), SIP_DEFECT_HEADER_LINE },
        { SLICE_LITERAL(OK ": x\r\n\r\n"), SIP_DEFECT_HEADER_LINE },
        { SLICE_LITERAL(OK "a b: x\r\n\r\n"), SIP_DEFECT_HEADER_LINE },
        { SLICE_LITERAL(OK "a\r\n : x\r\n\r\n"), SIP_DEFECT_HEADER_LINE },
        { SLICE_LITERAL(OK "a(b): x\r\n\r\n"), SIP_DEFECT_HEADER_LINE },
        { SLICE_LITERAL(OK "\xc3\xa4: x\r\n\r\n"), SIP_DEFECT_HEADER_LINE },
        { SLICE_LITERAL(OK "a \t : x\r\n\r\n"), SIP_DEFECT_NONE },
        { SLICE_LITERAL(OK "a:\r\n\r\n"), SIP_DEFECT_NONE },
        { SLICE_LITERAL(OK "a: \r\n b\r\n\tc\r\n\r\n"), SIP_DEFECT_NONE },
        { SLICE_LITERAL(OK "a: \r\n \r\n\r\n"), SIP_DEFECT_FOLD },
        { SLICE_LITERAL(OK "a: b\r\n c\r\n \t \r\n\r\n"), SIP_DEFECT_FOLD },
        { SLICE_LITERAL(OK "a: x\0y\r\n\r\n"), SIP_DEFECT_NUL },
        { SLICE_LITERAL(OK "a\0: x\r\n\r\n"), SIP_DEFECT_HEADER_LINE },
        { SLICE_LITERAL(OK "a: \"x\0\"\r\n\r\n"), SIP_DEFECT_NUL },
        { SLICE_LITERAL(OK "a: x\\\0\r\n\r\n"), SIP_DEFECT_NUL },
        { SLICE_LITERAL(OK "a: \"x\\\\\0\"\r\n\r\n"), SIP_DEFECT_NUL },
        { SLICE_LITERAL(OK "a: \"x\\\0\"\r\n\r\n"), SIP_DEFECT_NONE },
        { SLICE_LITERAL(OK "a: \"<\" <x>, \"x\\\0\" <y>\r\n\r\n"), SIP_DEFECT_NONE },
        { SLICE_LITERAL(OK "a: <x\"y>, \\\0, \"\r\n\r\n"), SIP_DEFECT_NUL },
        { SLICE_LITERAL(OK "a: <x\"\\\0\">\r\n\r\n"), SIP_DEFECT_NUL },
        { SLICE_LITERAL(OK "\r\n\0\0"), SIP_DEFECT_NONE },
        /* Content-Length */
        { SLICE_LITERAL(OK "Content-Length: 3\r\n\r\nab"), SIP_DEFECT_BODY_SHORT },
        { SLICE_LITERAL(OK "Content-Length: 2147483647\r\n\r\nab"), SIP_DEFECT_BODY_SHORT },
        { SLICE_LITERAL(OK "Content-Length: 2\r\n\r\nabcd"), SIP_DEFECT_NONE },
        { SLICE_LITERAL(OK "Content-Length:\r\n 002 \r\n\r\nab"), SIP_DEFECT_NONE },
        { SLICE_LITERAL(OK "Content-Length: 2\r\nl: 2\r\n\r\nab"), SIP_DEFECT_NONE },
        { SLICE_LITERAL(OK "Content-Length: 2\r\nl: 1\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH_CONFLICT },
        { SLICE_LITERAL(OK "Content-Length: -1\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(OK "Content-Length: +1\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(OK "Content-Length:\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(OK "Content-Length: 1 1\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(OK "Content-Length: 1, 1\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(OK "Content-Length: 0x1\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(OK "Content-Length: 2147483648\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(OK "Content-Length: 4294967298\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(OK "Content-Length: 18446744073709551618\r\n\r\nab"), SIP_DEFECT_CONTENT_LENGTH },
    };
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sip_defect defect = defect_of(rows[i].bytes, &limits);
        if (defect.code != rows[i].code)
            print_error("# row %zu: got \"%s\", expected \"%s\"\n", i, defect.text, sip_defect_of(rows[i].code).text);
        assert_int_equal(defect.code, rows[i].code);
    }
}

/* Each limit lets its own size pass and refuses one more. */
static void limits_are_inclusive(void **state)
{
    (void)state;
    static const struct slice bytes = SLICE_LITERAL(OK "A: 1\r\nB: 2\r\n 3456\r\nCC: 3\r\n\r\nbody");
    const struct sip_limits exact = { (uint32_t)bytes.length, sizeof(OK) - 3, 11, 3 };
    struct sip_limits limits = exact;
    assert_int_equal(defect_of(bytes, &limits).code, SIP_DEFECT_NONE);
    limits.message_bytes--;
    assert_int_equal(defect_of(bytes, &limits).code, SIP_DEFECT_MESSAGE_LONG);
    limits = exact;
    limits.start_line_bytes--;
    assert_int_equal(defect_of(bytes, &limits).code, SIP_DEFECT_START_LINE_LONG);
    limits = exact;
    limits.header_line_bytes--;
    assert_int_equal(defect_of(bytes, &limits).code, SIP_DEFECT_HEADER_LINE_LONG);
    limits = exact;
    limits.header_count--;
    assert_int_equal(defect_of(bytes, &limits).code, SIP_DEFECT_HEADER_COUNT);
}

/* Offsets are 32 bits, whatever a configuration says. */
static void no_limit_allows_more_than_the_greatest_message(void **state)
{
    (void)state;
    static const char head[] = OK "\r\n";
    const struct sip_limits limits = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
    char *bytes = calloc(1, SIP_MESSAGE_BYTES_MAX + 1);
    assert_non_null(bytes);
    memcpy(bytes, head, sizeof(head) - 1);
    assert_int_equal(defect_of(slice_of(bytes, SIP_MESSAGE_BYTES_MAX), &limits).code, SIP_DEFECT_NONE);
    assert_int_equal(defect_of(slice_of(bytes, SIP_MESSAGE_BYTES_MAX + 1), &limits).code, SIP_DEFECT_MESSAGE_LONG);
    free(bytes);
}

static void heads_of_many_lines_are_indexed(void **state)
{
    (void)state;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    /* Around the number of rows that fit on the stack, and at the limit. */
    static const uint32_t counts[] = { 63, 64, 65, 66, 255, 256, 257 };
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        struct buffer text = BUFFER_EMPTY;
        buffer_append_string(&text, OK);
        for (uint32_t row = 0; row < counts[i]; row++)
            buffer_append_format(&text, row % 3 == 0 ? "X-%u: a\r\n b\r\n" : "X-%u: a\r\n", row);
        buffer_append_string(&text, "\r\none\ntwo\nthree\n");
        if (counts[i] > limits.header_count)
            assert_int_equal(defect_of(buffer_slice(&text), &limits).code, SIP_DEFECT_HEADER_COUNT);
        else {
            struct sip_message *message = parse_whole(buffer_slice(&text));
            assert_int_equal(sip_message_header_count(message), counts[i]);
            char name[16];
            snprintf(name, sizeof(name), "X-%u", counts[i] - 1);
            assert_slice(sip_message_header_at(message, counts[i] - 1).name, name);
            assert_slice(sip_message_body(message), "one\ntwo\nthree\n");
            sip_message_unref(message);
        }
        buffer_free(&text);
    }
}

static void bytes_behind_the_body_stay_out(void **state)
{
    (void)state;
    struct sip_message *message = PARSED("\r\n" OK "l: 3\r\n\r\nabc" OK);
    assert_slice(sip_message_body(message), "abc");
    assert_slice(sip_message_bytes(message), OK "l: 3\r\n\r\nabc");
    sip_message_unref(message);
    message = PARSED(OK "\r\nall of it");
    assert_slice(sip_message_body(message), "all of it");
    sip_message_unref(message);
}

static void a_message_owns_its_bytes(void **state)
{
    (void)state;
    char *bytes = test_malloc(sizeof(REQUEST) - 1);
    memcpy(bytes, REQUEST, sizeof(REQUEST) - 1);
    struct sip_message *message = parse_whole(slice_of(bytes, sizeof(REQUEST) - 1));
    memset(bytes, 'x', sizeof(REQUEST) - 1);
    test_free(bytes);
    assert_ptr_equal(sip_message_ref(message), message);
    sip_message_unref(message);
    assert_bytes(sip_message_bytes(message), SLICE_LITERAL(REQUEST));
    assert_slice(sip_message_top_via(message)->host.text, "a.example");
    assert_slice(sip_message_uri(message)->user, "bob");
    sip_message_unref(message);
    sip_message_unref(NULL);
}

static void malformed_fields_are_not_kept(void **state)
{
    (void)state;
    struct sip_message *message = PARSED("OPTIONS <sip:h.example> SIP/2.0\r\nVia: x\r\nVia: SIP/2.0/UDP h.example\r\n"
                                         "From: <x\r\nTo:\r\nCSeq: x\r\nMax-Forwards: 256\r\n\r\n");
    uint32_t max_forwards = 5;
    assert_null(sip_message_uri(message));
    assert_null(sip_message_top_via(message));
    assert_null(sip_message_from(message));
    assert_null(sip_message_to(message));
    assert_null(sip_message_cseq(message));
    assert_int_equal(sip_message_max_forwards(message, &max_forwards), SIP_MAX_FORWARDS_MALFORMED);
    assert_int_equal(max_forwards, 5);
    sip_message_unref(message);
}

static int salvage(struct slice bytes, struct sip_message **message)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    limits.header_line_bytes = 60;
    return sip_message_salvage(bytes, &limits, message);
}

static void requests_are_salvaged_without_their_broken_lines(void **state)
{
    (void)state;
    struct sip_message *message = NULL;
    struct sip_defect defect;
    assert_int_equal(salvage(SLICE_LITERAL("\r\nOPTIONS  sip:h.example\rx SIP/9\r\nVia: SIP/2.0/UDP h.example\r\n"
                                           "Bare: a\nb\r\nnocolon\r\nNul: \0\r\nTo:\r\n <sip:h.example>\r\nCR: a\rb\r\n"
                                           "Long: 012345678901234567890123456789012345678901234567890123456789\r\n"
                                           "Content-Length: x\r\ni: 5\r\n\r\nVia: no\r\n"), &message), 0);
    assert_true(sip_message_is_request(message) && sip_message_is_salvaged(message));
    assert_int_equal(sip_message_header_count(message), 4);
    assert_slice(sip_message_header_at(message, 0).name, "Via");
    assert_slice(sip_message_header_at(message, 1).name, "To");
    assert_slice(sip_message_header_at(message, 2).name, "Content-Length");
    assert_slice(sip_message_call_id(message), "5");
    assert_non_null(sip_message_top_via(message));
    assert_slice(sip_message_body(message), "");
    assert_int_equal(sip_validate_request(message, &defect), ERROR_SYNTAX);
    sip_message_unref(message);

    /* Cut in the middle of a line: that line is not known. */
    assert_int_equal(salvage(SLICE_LITERAL(OK "Via: SIP/2.0/UDP h.example\r\nTo: <sip:h.ex"), &message), 0);
    assert_int_equal(sip_message_header_count(message), 1);
    sip_message_unref(message);
}

static void what_is_no_request_is_not_salvaged(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "\r\n", "SIP/2.0 2000 OK\r\nVia: SIP/2.0/UDP h.example\r\n\r\n",
        "\x16\x03\x01 x\r\n\r\n", "OPTIONS\r\n\r\n", " OPTIONS x\r\n\r\n", "OPTIONS sip:h.example SIP/2.0" };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct sip_message *message = NULL;
        assert_int_not_equal(salvage(slice_of_string(texts[i]), &message), 0);
        assert_null(message);
    }
    struct sip_message *message = NULL;
    assert_int_not_equal(salvage(SLICE_ABSENT, &message), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_indexed),
        cmocka_unit_test(a_response_is_indexed),
        cmocka_unit_test(headers_are_walked_by_row_and_by_name),
        cmocka_unit_test(values_are_walked_over_rows),
        cmocka_unit_test(lists_may_hold_empty_values_and_open_quotes),
        cmocka_unit_test(broken_bytes_are_refused_with_their_reason),
        cmocka_unit_test(limits_are_inclusive),
        cmocka_unit_test(no_limit_allows_more_than_the_greatest_message),
        cmocka_unit_test(heads_of_many_lines_are_indexed),
        cmocka_unit_test(bytes_behind_the_body_stay_out),
        cmocka_unit_test(a_message_owns_its_bytes),
        cmocka_unit_test(malformed_fields_are_not_kept),
        cmocka_unit_test(requests_are_salvaged_without_their_broken_lines),
        cmocka_unit_test(what_is_no_request_is_not_salvaged),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
