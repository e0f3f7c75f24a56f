/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_seldom.c - what seldom comes: bytes at the edge of each grammar, fields that are missing where one is needed,
 * values that no caller should give. The answers are written down, byte for byte where there are bytes.
 */
#include "sip_support.h"

#include "base/error.h"
#include "sip/character.h"
#include "sip/compose.h"
#include "sip/framing.h"
#include "sip/status.h"
#include "sip/transport.h"
#include "sip/validate.h"

#define SENDER "Via: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\nFrom: <sip:a@a.example>;tag=1\r\n"
#define RECEIVER "To: <sip:b@b.example>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
#define INVITE "INVITE sip:b@b.example SIP/2.0\r\n"

/* ---- bytes ---- */

static void schemes_are_letters_digits_and_few_signs(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } cases[] = { { "", 0 }, { "{a:b", 0 }, { "1a:b", 0 }, { "a_b:c", 0 }, { "a!b:c", 0 }, { "a+b:c", 3 },
        { "a.b:c", 3 }, { "a-1:c", 3 }, { "abc", 0 }, { "Z:c", 1 }, { "z:c", 1 }, { "A:c", 1 }, { "@:c", 0 } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(sip_scheme_length(slice_of_string(cases[i].text)), cases[i].length);
}

static void a_backslash_takes_no_line_end_with_it(void **state)
{
    (void)state;
    assert_int_equal(sip_quoted_length(SLICE_LITERAL("\"a\\b\""), 0), 5);
    assert_int_equal(sip_quoted_length(SLICE_LITERAL("\"a\\\n\""), 0), 0);
    assert_int_equal(sip_quoted_length(SLICE_LITERAL("\"a\\\r\""), 0), 0);
    assert_int_equal(sip_quoted_length(SLICE_LITERAL("\"a\\"), 0), 0);
}

static void values_end_where_a_list_or_a_uri_might_begin(void **state)
{
    (void)state;
    static const char *const texts[] = { ";a=b;c", ";a=b,c", ";a=b\"c", ";a=b<c", ";a=b>c", ";a=b\x7f", ";a=b c" };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct slice rest = slice_of_string(texts[i]);
        struct sip_parameter parameter;
        assert_int_equal(sip_parameter_next(&rest, &parameter), SIP_NEXT_ONE);
        assert_slice(parameter.value, "b");
        assert_slice(rest, texts[i] + 4);
        if (i > 0)
            assert_int_equal(sip_parameter_next(&rest, &parameter), SIP_NEXT_MALFORMED);
    }
    struct slice rest = SLICE_LITERAL("x=y");
    struct sip_parameter parameter;
    assert_int_equal(sip_uri_parameter_next(&rest, &parameter), SIP_NEXT_MALFORMED);
    assert_slice(rest, "x=y");
}

static void last_labels_of_numbers_are_no_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
    } cases[] = { { "a.0", ERROR_SYNTAX }, { "a.0x", ERROR_SYNTAX }, { "a.0XfF", ERROR_SYNTAX }, { "a.0xfg", 0 },
        { "a.0b1", 0 }, { "a.1x", 0 }, { "a.b", 0 } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sip_host host;
        assert_int_equal(sip_host_parse(slice_of_string(cases[i].text), &host), cases[i].rc);
    }
}

/* ---- values that are no values ---- */

static void codes_outside_their_lists_have_a_name_for_it(void **state)
{
    (void)state;
    static const enum sip_transport none[] = { SIP_TRANSPORT_NONE, SIP_TRANSPORT_OTHER, (enum sip_transport)99 };
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        assert_string_equal(sip_transport_via_name(none[i]), "UNKNOWN");
        assert_string_equal(sip_transport_uri_name(none[i]), "unknown");
        assert_false(sip_transport_is_stream(none[i]) || sip_transport_is_tls(none[i]));
    }
    assert_true(sip_transport_is_stream(SIP_TRANSPORT_TCP) && sip_transport_is_stream(SIP_TRANSPORT_TLS));
    assert_false(sip_transport_is_stream(SIP_TRANSPORT_UDP) || sip_transport_is_tls(SIP_TRANSPORT_TCP));
    assert_true(sip_transport_is_tls(SIP_TRANSPORT_TLS) && sip_transport_is_tls(SIP_TRANSPORT_TLS_SCTP));
    assert_true(sip_transport_is_tls(SIP_TRANSPORT_WSS));
    assert_string_equal(sip_method_name((enum sip_method)99), "OTHER");
    assert_slice(sip_header_name(SIP_HEADER_OTHER), "");
    assert_slice(sip_header_name(SIP_HEADER_COUNT), "");
    assert_slice(sip_header_name((enum sip_header_id)999), "");
    struct sip_header_set set = { { 0, 0 } };
    sip_header_set_add(&set, SIP_HEADER_COUNT);
    sip_header_set_add(&set, SIP_HEADER_OTHER);
    assert_true(set.bits[0] == 0 && set.bits[1] == 0);
    /* A compact form is a letter, and nothing else is: also bytes above 127. */
    assert_int_equal(sip_header_id(SLICE_LITERAL("\xf6")), SIP_HEADER_OTHER);
    assert_int_equal(sip_header_id(SLICE_LITERAL("1")), SIP_HEADER_OTHER);
    assert_int_equal(sip_header_id(SLICE_LITERAL("")), SIP_HEADER_OTHER);
}

/* ---- URIs ---- */

static int read_uri(const char *text, struct sip_uri *uri_r)
{
    return sip_uri_parse(slice_of_string(text), uri_r);
}

static void passwords_and_telephone_numbers_have_their_bytes(void **state)
{
    (void)state;
    struct sip_uri uri;
    assert_int_equal(read_uri("sip:a:@b.example", &uri), 0);
    assert_int_equal(uri.password.length, 0);
    assert_int_equal(read_uri("sip:a:<@b.example", &uri), ERROR_SYNTAX);
    assert_int_equal(read_uri("tel:+1-(555).12", &uri), 0);
    assert_slice(uri.user, "+1-(555).12");
    assert_int_equal(read_uri("tel:1+2", &uri), ERROR_SYNTAX);
    assert_int_equal(read_uri("tel:1/2", &uri), ERROR_SYNTAX);
    assert_int_equal(read_uri("tel:-.()", &uri), ERROR_SYNTAX);
}

static void what_was_never_parsed_is_its_text(void **state)
{
    (void)state;
    const struct sip_uri none = { .text = SLICE_LITERAL("x") }, other = { .text = SLICE_LITERAL("y") };
    struct buffer out = BUFFER_EMPTY;
    assert_true(sip_uri_equal(&none, &none));
    assert_false(sip_uri_equal(&none, &other));
    sip_uri_append_request_uri(&out, &none);
    assert_slice(buffer_slice(&out), "x");
    struct sip_uri flagged, valued;
    assert_int_equal(read_uri("sip:b.example;x", &flagged), 0);
    assert_int_equal(read_uri("sip:b.example;x=1", &valued), 0);
    assert_true(sip_uri_equal(&flagged, &flagged) && sip_uri_equal(&valued, &valued));
    assert_false(sip_uri_equal(&flagged, &valued));
    buffer_free(&out);
}

static void a_uri_in_brackets_holds_no_byte_that_ends_it(void **state)
{
    (void)state;
    static const char *const bad[] = { "<sip:a b>", "<sip:a\x7f>", "<sip:a<b>", "<sip:a\"b>", "<sip:>", "<sip>",
        "sip:a>b", "sip:a\"b" };
    struct sip_name_addr name_addr;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(sip_name_addr_parse(slice_of_string(bad[i]), &name_addr), ERROR_SYNTAX);
    /* What no URI holds is for the reader of URIs to say. */
    assert_int_equal(sip_name_addr_parse(SLICE_LITERAL("<sip:a{b\xc3>"), &name_addr), 0);
}

/* ---- Via ---- */

static void a_via_is_cut_short_anywhere(void **state)
{
    (void)state;
    static const char whole[] = "SIP/2.0/TLS a.example:5061;branch=z9hG4bK1";
    static const char *const bad[] = { "", "SIP", "SIP x", "SIP/", "SIP/ /TLS a", "SIP/2.0", "SIP/2.0 x", "SIP/2.0/",
        "SIP/2.0/;", "SIP/2.0/TLS", "SIP/2.0/TLS;", "SIP/2.0/TLS ", "SIP/2.0/TLS :5061", "SIP/2.0/TLS [",
        "XIP/2.0/TLS a", "SIP/2.1/TLS a", "SIP/2.0/TLS a:", "SIP/2.0/TLS a:0" };
    struct sip_via via;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(sip_via_parse(slice_of_string(bad[i]), &via), ERROR_SYNTAX);
    assert_int_equal(sip_via_parse(slice_of_string(whole), &via), 0);
    assert_int_equal(via.port, 5061);
}

static void parameters_as_long_as_ours_are_not_ours(void **state)
{
    (void)state;
    struct sip_via via;
    const struct slice theirs = SLICE_LITERAL("SIP/2.0/TLS a;foo=1;foob=2;fooba=3;foobar=4;foobarba=5;foobarb=6");
    const struct slice ours = SLICE_LITERAL("SIP/2.0/TLS a;ttl=1;keep=2;alias;maddr=b;branch=c;received=192.0.2.1");
    assert_int_equal(sip_via_parse(theirs, &via), 0);
    assert_true(slice_is_absent(via.ttl) && slice_is_absent(via.keep) && slice_is_absent(via.maddr));
    assert_true(slice_is_absent(via.branch) && slice_is_absent(via.received) && via.rport == SIP_RPORT_ABSENT);
    assert_false(via.has_alias || via.has_keep);
    assert_int_equal(sip_via_parse(ours, &via), 0);
    assert_slice(via.ttl, "1");
    assert_slice(via.keep, "2");
    assert_slice(via.maddr, "b");
    assert_true(via.has_alias && via.has_keep && via.received_address.family == ADDRESS_V4);
}

/* ---- start lines and heads ---- */

/* The defect of bytes that must not parse. */
static enum sip_defect_code defect_of(struct slice bytes)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_message *message = NULL;
    struct sip_defect defect = sip_defect_of(SIP_DEFECT_NONE);
    assert_int_not_equal(sip_message_parse(bytes, &limits, &message, &defect), 0);
    assert_null(message);
    return defect.code;
}

static void start_lines_fail_at_each_of_their_places(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum sip_defect_code code;
    } cases[] = { { "SIP/2.0 200-OK", SIP_DEFECT_STATUS_CODE }, { "SIP/2.0 20 OK", SIP_DEFECT_STATUS_CODE },
        { "SIP/2.0 20", SIP_DEFECT_STATUS_CODE }, { "OPTIONS", SIP_DEFECT_START_LINE },
        { "OPTIONS\tsip:a SIP/2.0", SIP_DEFECT_START_LINE }, { "OPTIONS sip:a", SIP_DEFECT_START_LINE },
        { "OPTIONS sip:a SIP/2", SIP_DEFECT_START_LINE }, { "OPTIONS sip:a SIP/2x0", SIP_DEFECT_START_LINE },
        { "OPTIONS sip:a SIP/2.x", SIP_DEFECT_START_LINE }, { "OPTIONS sip:a SIP/.0", SIP_DEFECT_START_LINE },
        { "OPTIONS sip:a SIP/2.", SIP_DEFECT_START_LINE }, { "OPTIONS sip:a SIP/3.0", SIP_DEFECT_VERSION },
        { "OPTIONS  SIP/2.0", SIP_DEFECT_START_LINE } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buffer text = BUFFER_EMPTY;
        buffer_append_string(&text, cases[i].line);
        buffer_append_string(&text, "\r\n\r\n");
        assert_int_equal(defect_of(buffer_slice(&text)), cases[i].code);
        buffer_free(&text);
    }
    assert_int_equal(defect_of(SLICE_LITERAL("\rOPTIONS sip:a SIP/2.0\r\n\r\n")), SIP_DEFECT_LINE_END);
    assert_int_equal(defect_of(SLICE_LITERAL("\r\n")), SIP_DEFECT_EMPTY);
}

static void what_resembles_a_length_ends_the_stream(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool is_fatal_for_length;
    } cases[] = { { "l", false }, { "c", false }, { "lx y", false }, { "cat", false }, { "l 5", true }, { "l;5", true },
        { "Content-Length 5", true }, { "content-lengthy", true } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buffer text = BUFFER_EMPTY;
        struct sip_framing framing = SIP_FRAMING_INIT;
        struct sip_limits limits = SIP_LIMITS_DEFAULT;
        struct sip_defect defect;
        size_t length = 0;
        buffer_append_string(&text, "OPTIONS sip:a SIP/2.0\r\n");
        buffer_append_string(&text, cases[i].line);
        buffer_append_string(&text, "\r\nContent-Length: 0\r\n\r\n");
        enum sip_frame frame = sip_framing_next(&framing, buffer_slice(&text), &limits, &length, &defect);
        assert_int_equal(frame, cases[i].is_fatal_for_length ? SIP_FRAME_FATAL : SIP_FRAME_MESSAGE);
        if (cases[i].is_fatal_for_length)
            assert_int_equal(defect.code, SIP_DEFECT_CONTENT_LENGTH);
        /* The parser takes none of them. */
        assert_int_equal(defect_of(buffer_slice(&text)), SIP_DEFECT_HEADER_LINE);
        buffer_free(&text);
    }
}

static void a_limit_of_nothing_lets_nothing_in(void **state)
{
    (void)state;
    struct sip_framing framing = SIP_FRAMING_INIT;
    struct sip_limits limits = { .message_bytes = 0 };
    struct sip_defect defect;
    size_t length = 1;
    assert_int_equal(sip_framing_next(&framing, SLICE_LITERAL("OPTIONS"), &limits, &length, &defect), SIP_FRAME_FATAL);
    assert_int_equal(defect.code, SIP_DEFECT_HEAD_LONG);
    assert_int_equal(length, 0);
}

static void salvage_ends_at_its_rows(void **state)
{
    (void)state;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct buffer text = BUFFER_EMPTY;
    struct sip_message *message = NULL;
    buffer_append_string(&text, "\r\nOPTIONS sip:a SIP/7.0\r\n");
    for (int i = 0; i < 100; i++)
        buffer_append_string(&text, "Via: SIP/2.0/UDP a\r\n");
    buffer_append_string(&text, "\r\n");
    assert_int_equal(sip_message_salvage(buffer_slice(&text), &limits, &message), 0);
    assert_int_equal(sip_message_header_count(message), 64);
    assert_true(sip_message_is_salvaged(message));
    sip_message_unref(message);
    struct slice half = SLICE_LITERAL("\rOPTIONS sip:a SIP/7.0\r\n\r\n");
    assert_int_equal(sip_message_salvage(half, &limits, &message), ERROR_SYNTAX);
    buffer_free(&text);
}

/* ---- messages that lack something ---- */

static void absent_fields_are_absent(void **state)
{
    (void)state;
    struct sip_message *message = PARSED("OPTIONS sip:a SIP/2.0\r\nX-Y: z\r\n\r\n");
    struct sip_header header;
    assert_true(slice_is_absent(sip_message_from_tag(message)) && slice_is_absent(sip_message_to_tag(message)));
    assert_null(sip_message_to(message));
    struct sip_message *whole = PARSED(INVITE SENDER RECEIVER "\r\n");
    assert_non_null(sip_message_to(whole));
    assert_slice(sip_message_to(whole)->uri, "sip:b@b.example");
    sip_message_unref(whole);
    assert_false(sip_header_first(message, SIP_HEADER_FROM, &header));
    assert_true(sip_header_first(message, SIP_HEADER_OTHER, &header));
    assert_slice(header.name, "X-Y");
    assert_false(sip_header_next(message, &header));
    sip_message_unref(message);
}

typedef int (*validate_fn)(const struct sip_message *message, struct sip_defect *defect_r);

static enum sip_defect_code refused_as(struct sip_message *message, validate_fn validate)
{
    struct sip_defect defect = sip_defect_of(SIP_DEFECT_NONE);
    int rc = validate(message, &defect);
    assert_int_equal(rc == 0, defect.code == SIP_DEFECT_NONE);
    sip_message_unref(message);
    return defect.code;
}

static void validation_takes_no_byte_and_no_kind_for_another(void **state)
{
    (void)state;
    assert_int_equal(refused_as(PARSED(INVITE SENDER RECEIVER "\r\n"), sip_validate_request), SIP_DEFECT_NONE);
    assert_int_equal(refused_as(PARSED(INVITE SENDER RECEIVER "\r\n"), sip_validate_response), SIP_DEFECT_NOT_SIP);
    assert_int_equal(refused_as(PARSED("SIP/2.0 200 OK\r\n" SENDER RECEIVER "\r\n"), sip_validate_request),
        SIP_DEFECT_NOT_SIP);
    assert_int_equal(refused_as(PARSED(INVITE SENDER "To: <sip:b>\r\nCall-ID: a\x7f\r\nCSeq: 1 INVITE\r\n\r\n"),
        sip_validate_request), SIP_DEFECT_CALL_ID);
    assert_int_equal(refused_as(PARSED(INVITE SENDER RECEIVER "Route: <sips:r.example;transport=udp;lr>\r\n\r\n"),
        sip_validate_request), SIP_DEFECT_SIPS_TRANSPORT);
    assert_int_equal(refused_as(PARSED(INVITE SENDER RECEIVER "Proxy-Require: a b\r\n\r\n"), sip_validate_request),
        SIP_DEFECT_PROXY_REQUIRE);
    assert_int_equal(refused_as(PARSED(INVITE SENDER RECEIVER "Max-Forwards: 7a\r\n\r\n"), sip_validate_request),
        SIP_DEFECT_MAX_FORWARDS);
    assert_int_equal(refused_as(PARSED(INVITE SENDER "Call-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n"), sip_validate_request),
        SIP_DEFECT_TO_MISSING);
    assert_int_equal(refused_as(PARSED(INVITE SENDER "To: <sip:b>\r\nCSeq: 1 INVITE\r\n\r\n"), sip_validate_request),
        SIP_DEFECT_CALL_ID_MISSING);
}

static void a_route_is_a_sip_uri_in_brackets(void **state)
{
    (void)state;
    static const char *const bad[] = { "<sip:r.example", "sip:r.example;lr", "<sip:@>", "<tel:+1>" };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct buffer text = BUFFER_EMPTY;
        buffer_append_format(&text, INVITE SENDER RECEIVER "Route: %s\r\n\r\n", bad[i]);
        assert_int_equal(refused_as(parse_whole(buffer_slice(&text)), sip_validate_request), SIP_DEFECT_ROUTE);
        buffer_free(&text);
    }
}

static void an_ack_and_a_cancel_require_nothing(void **state)
{
    (void)state;
    assert_int_equal(refused_as(PARSED("ACK sip:b@b.example SIP/2.0\r\n" SENDER "To: <sip:b>\r\nCall-ID: a\r\n"
        "CSeq: 1 ACK\r\nProxy-Require: a b\r\n\r\n"), sip_validate_request), SIP_DEFECT_NONE);
    assert_int_equal(refused_as(PARSED("CANCEL sip:b@b.example SIP/2.0\r\n" SENDER "To: <sip:b>\r\nCall-ID: a\r\n"
        "CSeq: 1 CANCEL\r\nProxy-Require: a b\r\n\r\n"), sip_validate_request), SIP_DEFECT_NONE);
}

static void the_next_via_may_be_anything_but_a_forbidden_place(void **state)
{
    (void)state;
    static const struct {
        const char *via;
        enum sip_defect_code code;
    } cases[] = { { "nonsense", SIP_DEFECT_NONE }, { "SIP/2.0/UDP b.example", SIP_DEFECT_NONE },
        { "SIP/2.0/UDP 192.0.2.1;maddr=a..b", SIP_DEFECT_NONE },
        { "SIP/2.0/UDP 192.0.2.1;maddr=224.0.0.1", SIP_DEFECT_NEXT_VIA },
        { "SIP/2.0/UDP 0.0.0.0;maddr=a..b", SIP_DEFECT_NEXT_VIA },
        { "SIP/2.0/UDP b.example;received=255.255.255.255", SIP_DEFECT_NEXT_VIA },
        { "SIP/2.0/UDP b.example;maddr=192.0.2.1;received=0.0.0.0", SIP_DEFECT_NONE } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buffer text = BUFFER_EMPTY;
        buffer_append_string(&text, "SIP/2.0 200 OK\r\n" SENDER "Via: ");
        buffer_append_string(&text, cases[i].via);
        buffer_append_string(&text, "\r\n" RECEIVER "\r\n");
        assert_int_equal(refused_as(parse_whole(buffer_slice(&text)), sip_validate_response), cases[i].code);
        buffer_free(&text);
    }
}

/* ---- composing from too little, and with what is seldom asked for ---- */

static void an_invite_without_a_field_gets_no_cancel_and_no_ack(void **state)
{
    (void)state;
    static const char *const lines[] = { "Via: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n",
        "From: <sip:a@a.example>;tag=1\r\n", "To: <sip:b@b.example>\r\n", "Call-ID: 1\r\n", "CSeq: 1 INVITE\r\n" };
    struct sip_message *response = PARSED("SIP/2.0 486 Busy\r\n" SENDER RECEIVER "\r\n");
    for (size_t without = 0; without <= ARRAY_SIZE(lines); without++) {
        struct buffer text = BUFFER_EMPTY, out = BUFFER_EMPTY;
        buffer_append_string(&text, INVITE);
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
            if (i != without)
                buffer_append_string(&text, lines[i]);
        buffer_append_string(&text, "\r\n");
        struct sip_message *invite = parse_whole(buffer_slice(&text));
        int expected = without == ARRAY_SIZE(lines) ? 0 : ERROR_STATE;
        assert_int_equal(sip_compose_cancel(&out, invite, SLICE_ABSENT), expected);
        assert_int_equal(out.length == 0, expected != 0);
        buffer_clear(&out);
        assert_int_equal(sip_compose_ack(&out, invite, response), expected);
        assert_int_equal(out.length == 0, expected != 0);
        sip_message_unref(invite);
        buffer_free(&out);
        buffer_free(&text);
    }
    sip_message_unref(response);
}

static void a_failure_without_to_gets_no_ack(void **state)
{
    (void)state;
    struct sip_message *invite = PARSED(INVITE SENDER RECEIVER "\r\n");
    struct sip_message *response = PARSED("SIP/2.0 486 Busy\r\n" SENDER "\r\n");
    struct buffer out = BUFFER_EMPTY;
    assert_int_equal(sip_compose_ack(&out, invite, response), ERROR_STATE);
    assert_int_equal(out.length, 0);
    buffer_free(&out);
    sip_message_unref(response);
    sip_message_unref(invite);
}

/* The request under the edit. */
static void must_become(struct sip_message *request, const struct sip_request_edit *edit, const char *expected)
{
    struct buffer out = BUFFER_EMPTY;
    assert_int_equal(sip_compose_request(&out, request, edit), 0);
    assert_slice(buffer_slice(&out), expected);
    buffer_free(&out);
    sip_message_unref(request);
}

static void max_breadth_is_set_where_it_stands_or_below_via(void **state)
{
    (void)state;
    const struct sip_request_edit set = { .max_breadth = 7 }, leave = { .max_breadth = 0 };
    must_become(PARSED(INVITE SENDER RECEIVER "\r\n"), &set, INVITE "Via: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n"
        "Max-Breadth: 7\r\nFrom: <sip:a@a.example>;tag=1\r\n" RECEIVER "\r\n");
    must_become(PARSED(INVITE SENDER RECEIVER "max-breadth:  60 \r\nX: y\r\n\r\n"), &set, INVITE SENDER RECEIVER
        "max-breadth:  7 \r\nX: y\r\n\r\n");
    must_become(PARSED(INVITE SENDER RECEIVER "max-breadth:  60 \r\n\r\n"), &leave, INVITE SENDER RECEIVER
        "max-breadth:  60 \r\n\r\n");
    must_become(PARSED(INVITE SENDER RECEIVER "\r\n"), &leave, INVITE SENDER RECEIVER "\r\n");
}

static void max_forwards_has_its_place_below_via(void **state)
{
    (void)state;
    const struct sip_request_edit edit = { .sets_max_forwards = true, .max_forwards = 69 };
#define SETS "f: <sip:a>\r\nRoute: <sip:r>\r\nRecord-Route: <sip:s>\r\nMax-Breadth: 1\r\n\r\n"
    must_become(PARSED(INVITE "v: SIP/2.0/UDP a\r\n" SETS), &edit,
        INVITE "v: SIP/2.0/UDP a\r\nMax-Forwards: 69\r\n" SETS);
#undef SETS
}

static void a_via_that_cannot_be_read_is_left_alone(void **state)
{
    (void)state;
    struct endpoint source = endpoint_of("192.0.2.9", 5070);
    const struct sip_request_edit edit = { .source = &source };
    must_become(PARSED(INVITE "Via: nonsense\r\n" RECEIVER "\r\n"), &edit, INVITE "Via: nonsense\r\n" RECEIVER "\r\n");
}

static void a_request_uri_with_a_control_byte_is_no_edit(void **state)
{
    (void)state;
    struct sip_message *request = PARSED(INVITE SENDER RECEIVER "\r\n");
    const struct sip_request_edit edit = { .request_uri = SLICE_LITERAL("sip:b\x7f") };
    struct buffer out = BUFFER_EMPTY;
    assert_int_equal(sip_compose_request(&out, request, &edit), ERROR_SYNTAX);
    assert_int_equal(out.length, 0);
    sip_message_unref(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_are_letters_digits_and_few_signs),
        cmocka_unit_test(a_backslash_takes_no_line_end_with_it),
        cmocka_unit_test(values_end_where_a_list_or_a_uri_might_begin),
        cmocka_unit_test(last_labels_of_numbers_are_no_names),
        cmocka_unit_test(codes_outside_their_lists_have_a_name_for_it),
        cmocka_unit_test(passwords_and_telephone_numbers_have_their_bytes),
        cmocka_unit_test(what_was_never_parsed_is_its_text),
        cmocka_unit_test(a_uri_in_brackets_holds_no_byte_that_ends_it),
        cmocka_unit_test(a_via_is_cut_short_anywhere),
        cmocka_unit_test(parameters_as_long_as_ours_are_not_ours),
        cmocka_unit_test(start_lines_fail_at_each_of_their_places),
        cmocka_unit_test(what_resembles_a_length_ends_the_stream),
        cmocka_unit_test(a_limit_of_nothing_lets_nothing_in),
        cmocka_unit_test(salvage_ends_at_its_rows),
        cmocka_unit_test(absent_fields_are_absent),
        cmocka_unit_test(validation_takes_no_byte_and_no_kind_for_another),
        cmocka_unit_test(a_route_is_a_sip_uri_in_brackets),
        cmocka_unit_test(an_ack_and_a_cancel_require_nothing),
        cmocka_unit_test(the_next_via_may_be_anything_but_a_forbidden_place),
        cmocka_unit_test(an_invite_without_a_field_gets_no_cancel_and_no_ack),
        cmocka_unit_test(a_failure_without_to_gets_no_ack),
        cmocka_unit_test(max_breadth_is_set_where_it_stands_or_below_via),
        cmocka_unit_test(max_forwards_has_its_place_below_via),
        cmocka_unit_test(a_via_that_cannot_be_read_is_left_alone),
        cmocka_unit_test(a_request_uri_with_a_control_byte_is_no_edit),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
