/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_compose.c - what a proxy sends, compared byte by byte: each edit changes its own place and nothing else. */
#include "sip_support.h"

#include "base/error.h"
#include "sip/compose.h"

#define START "INVITE sip:bob@b.example SIP/2.0\r\n"
#define TAIL "From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\nCall-ID: 1\r\nCSeq: 007 INVITE\r\n"

/* The request TEXT under EDIT must come out as EXPECTED; or fail with a code, and leave the buffer alone. */
static void expect_request(const char *text, const struct sip_request_edit *edit, const char *expected)
{
    struct buffer out = BUFFER_EMPTY;
    struct sip_message *request = parse_whole(slice_of_string(text));
    buffer_append_string(&out, "before|");
    assert_int_equal(sip_compose_request(&out, request, edit), 0);
    assert_slice(slice_from(buffer_slice(&out), 7), expected);
    assert_slice(slice_first(buffer_slice(&out), 7), "before|");
    sip_message_unref(request);
    buffer_free(&out);
}

static void expect_refusal(const char *text, const struct sip_request_edit *edit, int code)
{
    struct buffer out = BUFFER_EMPTY;
    struct sip_message *request = parse_whole(slice_of_string(text));
    assert_int_equal(sip_compose_request(&out, request, edit), code);
    assert_int_equal(out.length, 0);
    sip_message_unref(request);
    buffer_free(&out);
}

static void nothing_to_change_changes_nothing(void **state)
{
    (void)state;
    static const char text[] = START "v:SIP/2.0/UDP a.example;rport\r\nRoute:<sip:r>,\r\n <sip:s>\r\nX: \r\n"
        "" TAIL "\r\nbody";
    const struct sip_request_edit none = { .via = SLICE_ABSENT };
    expect_request(text, &none, text);
}

static void a_request_gets_all_edits_of_a_hop(void **state)
{
    (void)state;
    struct endpoint source = endpoint_of("192.0.2.4", 4711);
    const struct sip_request_edit edit = {
        .request_uri = SLICE_LITERAL("sips:new@c.example"),
        .via = SLICE_LITERAL("SIP/2.0/TLS us.example;branch=z9hG4bKus"),
        .source = &source,
        .record_route = { SLICE_LITERAL("<sip:out.example;lr>"), SLICE_LITERAL("<sip:in.example;lr>") },
        .record_route_count = 2,
        .route_remove_first = 1,
        .route_push = SLICE_LITERAL("<sip:next.example;lr>"),
        .sets_max_forwards = true,
        .max_forwards = 69,
        .needs_content_length = true,
        .extra = { .lines = SLICE_LITERAL("Max-Breadth: 60\r\nX: y\r\n") },
    };
    expect_request(START
        "Subject: first\r\n"
        "Via : SIP/2.0/TCP a.example;rport ;branch=z9hG4bKa , SIP/2.0/UDP 192.0.2.9\r\n"
        "v: SIP/2.0/UDP 192.0.2.10\r\n"
        "Record-Route: <sip:old.example;lr>\r\n"
        "Max-Forwards  :\t70 \r\n"
        "Route: <sip:in.example;lr>, <sip:far.example;lr>\r\n"
        TAIL "\r\nbody", &edit,
        "INVITE sips:new@c.example SIP/2.0\r\n"
        "Subject: first\r\n"
        "Via: SIP/2.0/TLS us.example;branch=z9hG4bKus\r\n"
        "Via : SIP/2.0/TCP a.example;rport=4711 ;branch=z9hG4bKa;received=192.0.2.4 , SIP/2.0/UDP 192.0.2.9\r\n"
        "v: SIP/2.0/UDP 192.0.2.10\r\n"
        "Record-Route: <sip:out.example;lr>\r\n"
        "Record-Route: <sip:in.example;lr>\r\n"
        "Record-Route: <sip:old.example;lr>\r\n"
        "Max-Forwards  :\t69 \r\n"
        "Route: <sip:next.example;lr>\r\n"
        "Route: <sip:far.example;lr>\r\n"
        TAIL "Content-Length: 4\r\nMax-Breadth: 60\r\nX: y\r\n\r\nbody");
}

static void new_rows_stand_below_via_when_there_are_none(void **state)
{
    (void)state;
    const struct sip_request_edit edit = {
        .via = SLICE_LITERAL("v"),
        .record_route = { SLICE_LITERAL("<rr>") },
        .record_route_count = 1,
        .route_push = SLICE_LITERAL("<push>"),
        .route_append = SLICE_LITERAL("<append>"),
        .sets_max_forwards = true,
        .max_forwards = 70,
        .needs_content_length = true,
    };
    static const char ours[] = "Record-Route: <rr>\r\nRoute: <push>\r\nRoute: <append>\r\nMax-Forwards: 70\r\n";
    struct buffer expected = BUFFER_EMPTY;
    buffer_append_format(&expected,
        "%sVia: v\r\nVia: SIP/2.0/UDP a\r\nv: SIP/2.0/UDP b\r\n%sl: 0\r\nVia: SIP/2.0/UDP c\r\n\r\n",
        START, ours);
    buffer_append_byte(&expected, 0);
    expect_request(START "Via: SIP/2.0/UDP a\r\nv: SIP/2.0/UDP b\r\nl: 0\r\nVia: SIP/2.0/UDP c\r\n\r\n", &edit,
        expected.data);
    buffer_clear(&expected);
    buffer_append_format(&expected, "%sX: y\r\nVia: v\r\nVia: SIP/2.0/UDP a\r\n%sContent-Length: 0\r\n\r\n", START,
        ours);
    buffer_append_byte(&expected, 0);
    expect_request(START "X: y\r\nVia: SIP/2.0/UDP a\r\n\r\n", &edit, expected.data);
    buffer_free(&expected);
}

/* Which values of Route stay, for every number of them removed at the top and at the bottom. */
static void route_values_are_removed_over_rows(void **state)
{
    (void)state;
    static const struct {
        uint32_t first;
        bool last;
        const char *rows;
    } cases[] = {
        { 0, false, "Route: <a>, <b,x> ,<c>\r\nX: 1\r\nroute :\r\n <d>\t\r\nRoute: <e>,<f>\r\n" },
        { 1, false, "Route: <b,x> ,<c>\r\nX: 1\r\nroute :\r\n <d>\t\r\nRoute: <e>,<f>\r\n" },
        { 2, false, "Route: <c>\r\nX: 1\r\nroute :\r\n <d>\t\r\nRoute: <e>,<f>\r\n" },
        { 3, false, "X: 1\r\nroute :\r\n <d>\t\r\nRoute: <e>,<f>\r\n" },
        { 4, false, "X: 1\r\nRoute: <e>,<f>\r\n" },
        { 5, false, "X: 1\r\nRoute: <f>\r\n" },
        { 6, false, "X: 1\r\n" },
        { 9, false, "X: 1\r\n" },
        { 0, true, "Route: <a>, <b,x> ,<c>\r\nX: 1\r\nroute :\r\n <d>\t\r\nRoute: <e>\r\n" },
        { 1, true, "Route: <b,x> ,<c>\r\nX: 1\r\nroute :\r\n <d>\t\r\nRoute: <e>\r\n" },
        { 4, true, "X: 1\r\nRoute: <e>\r\n" },
        { 5, true, "X: 1\r\n" },
        { 6, true, "X: 1\r\n" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sip_request_edit edit = { .route_remove_first = cases[i].first, .route_remove_last = cases[i].last };
        struct buffer given = BUFFER_EMPTY;
        struct buffer expected = BUFFER_EMPTY;
        buffer_append_format(&given, START "Via: SIP/2.0/UDP a\r\n%s\r\n", cases[0].rows);
        buffer_append_byte(&given, 0);
        buffer_append_format(&expected, START "Via: SIP/2.0/UDP a\r\n%s\r\n", cases[i].rows);
        buffer_append_byte(&expected, 0);
        expect_request(given.data, &edit, expected.data);
        buffer_free(&given);
        buffer_free(&expected);
    }
    const struct sip_request_edit edit = { .route_remove_first = 1, .route_remove_last = true };
    expect_request(START "Via: SIP/2.0/UDP a\r\n\r\n", &edit, START "Via: SIP/2.0/UDP a\r\n\r\n");
    /* One row, both ends. */
    expect_request(START "Via: SIP/2.0/UDP a\r\nRoute: <a> , <b> , <c> \r\n\r\n", &edit,
        START "Via: SIP/2.0/UDP a\r\nRoute: <b> \r\n\r\n");
}

/* 16.6(6): the strict router's URI goes to the start line, the old one to the end of Route. */
static void a_strict_router_gets_its_form(void **state)
{
    (void)state;
    const struct sip_request_edit edit = {
        .request_uri = SLICE_LITERAL("sip:strict.example"),
        .route_remove_first = 1,
        .route_append = SLICE_LITERAL("<sip:bob@b.example>"),
    };
    expect_request(START "Via: SIP/2.0/UDP a\r\nRoute: <sip:strict.example>\r\nX: 1\r\n\r\n", &edit,
        "INVITE sip:strict.example SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nRoute: <sip:bob@b.example>\r\nX: 1\r\n\r\n");
    expect_request(START "Via: SIP/2.0/UDP a\r\nRoute: <sip:strict.example>, <sip:t.example>\r\nX: 1\r\n\r\n", &edit,
        "INVITE sip:strict.example SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nRoute: <sip:t.example>\r\n"
        "Route: <sip:bob@b.example>\r\nX: 1\r\n\r\n");
}

/* A09, A10: RFC 3261 18.2.1, RFC 3581 4. */
static void received_and_rport_are_set_once(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *given;
        const char *expected;
    } cases[] = {
        { "192.0.2.4", "192.0.2.4;branch=b", "192.0.2.4;branch=b" },
        { "192.0.2.4", "192.0.2.5;branch=b", "192.0.2.5;branch=b;received=192.0.2.4" },
        { "192.0.2.4", "h.example", "h.example;received=192.0.2.4" },
        { "192.0.2.4", "192.0.2.4;rport;branch=b", "192.0.2.4;rport=5090;branch=b;received=192.0.2.4" },
        { "192.0.2.4", "192.0.2.4;rport=1;branch=b", "192.0.2.4;rport=5090;branch=b;received=192.0.2.4" },
        { "192.0.2.4", "192.0.2.4;received=198.51.100.1;b=c", "192.0.2.4;received=192.0.2.4;b=c" },
        { "192.0.2.4", "h.example;received = evil;rport", "h.example;received=192.0.2.4;rport=5090" },
        { "192.0.2.4", "h.example;rport ;x; received", "h.example;rport=5090 ;x; received=192.0.2.4" },
        { "2001:db8::9", "[2001:db8::8]:5061;rport", "[2001:db8::8]:5061;rport=5090;received=2001:db8::9" },
        { "::ffff:192.0.2.4", "192.0.2.4", "192.0.2.4" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct endpoint source = endpoint_of(cases[i].source, 5090);
        struct sip_request_edit edit = { .source = &source };
        struct buffer given = BUFFER_EMPTY;
        struct buffer expected = BUFFER_EMPTY;
        buffer_append_format(&given, START "Via: SIP/2.0/TLS %s \r\nVia: SIP/2.0/UDP h;rport\r\n\r\n", cases[i].given);
        buffer_append_byte(&given, 0);
        buffer_append_format(&expected, START "Via: SIP/2.0/TLS %s \r\nVia: SIP/2.0/UDP h;rport\r\n\r\n",
            cases[i].expected);
        buffer_append_byte(&expected, 0);
        expect_request(given.data, &edit, expected.data);
        /* Doing it again changes nothing. */
        expect_request(expected.data, &edit, expected.data);
        buffer_free(&given);
        buffer_free(&expected);
    }
}

static void headers_are_stripped_in_every_form(void **state)
{
    (void)state;
    const struct slice names[] = { SLICE_LITERAL("X-Secret"), SLICE_LITERAL("X-Other") };
    struct sip_request_edit edit = { .extra = { .strip_names = names, .strip_name_count = ARRAY_SIZE(names) } };
    sip_header_set_add(&edit.extra.strip, SIP_HEADER_X_TRELAY_FLAGS);
    sip_header_set_add(&edit.extra.strip, SIP_HEADER_SUPPORTED);
    expect_request(START "x-trelay-FLAGS: a\r\nVia: SIP/2.0/UDP a\r\nk: x\r\nSupported: y\r\nX-Secre: 1\r\n"
        "x-secret : a\r\n b\r\n"
        "X-Trelay-Flags: tls\r\nX-Secrets: 2\r\n\r\nx-secret: body\r\n", &edit,
        START "Via: SIP/2.0/UDP a\r\nX-Secre: 1\r\nX-Secrets: 2\r\n\r\nx-secret: body\r\n");
}

static void edits_cannot_break_lines(void **state)
{
    (void)state;
    static const char text[] = START "Via: SIP/2.0/UDP a\r\n\r\n";
    static const struct slice lines[] = { SLICE_LITERAL("X: y"), SLICE_LITERAL("X: y\n"), SLICE_LITERAL("X: y\r\n\r\n"),
        SLICE_LITERAL("\r\n"), SLICE_LITERAL("X: y\r\nno colon\r\n"), SLICE_LITERAL("X: y\rz: a\r\n"),
        SLICE_LITERAL("X: a\0b\r\n"), SLICE_LITERAL("X: \"a\0b\"\r\n"), SLICE_LITERAL(" X: y\r\n") };
    static const struct slice values[] = { SLICE_LITERAL("a\r\nX: y"), SLICE_LITERAL("a\n"), SLICE_LITERAL("a\rb"),
        SLICE_LITERAL("a\0b") };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        const struct sip_request_edit edit = { .extra = { .lines = lines[i] } };
        expect_refusal(text, &edit, ERROR_SYNTAX);
    }
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        const struct sip_request_edit edits[] = { { .via = values[i] }, { .route_push = values[i] },
            { .route_append = values[i] }, { .request_uri = values[i] },
            { .record_route = { values[i] }, .record_route_count = 1 },
            { .record_route = { SLICE_LITERAL("<a>"), values[i] }, .record_route_count = 2 } };
        for (size_t k = 0; k < ARRAY_SIZE(edits); k++)
            expect_refusal(text, &edits[k], ERROR_SYNTAX);
    }
    const struct sip_request_edit space = { .request_uri = SLICE_LITERAL("sip:a b") };
    const struct sip_request_edit empty = { .request_uri = SLICE_LITERAL("") };
    const struct sip_request_edit many = { .record_route_count = SIP_RECORD_ROUTE_MAX + 1 };
    expect_refusal(text, &space, ERROR_SYNTAX);
    expect_refusal(text, &empty, ERROR_SYNTAX);
    expect_refusal(text, &many, ERROR_STATE);
    expect_refusal("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\n\r\n", &(struct sip_request_edit){ .via = SLICE_ABSENT },
        ERROR_STATE);
}

static void salvaged_requests_are_never_forwarded(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_message *request = NULL;
    const struct sip_request_edit edit = { .via = SLICE_ABSENT };
    assert_int_equal(sip_message_salvage(SLICE_LITERAL(START "Via: SIP/2.0/UDP a\r\n" TAIL "\r\n"), &limits,
        &request), 0);
    assert_int_equal(sip_compose_request(&out, request, &edit), ERROR_STATE);
    assert_int_equal(sip_compose_cancel(&out, request, SLICE_ABSENT), ERROR_STATE);
    assert_int_equal(out.length, 0);
    sip_message_unref(request);
    buffer_free(&out);
}

static void expect_forwarded(const char *text, const struct sip_response_edit *edit, const char *expected)
{
    struct buffer out = BUFFER_EMPTY;
    struct sip_message *response = parse_whole(slice_of_string(text));
    int rc = sip_compose_forwarded_response(&out, response, edit);
    if (expected == NULL)
        assert_int_not_equal(rc, 0);
    else {
        assert_int_equal(rc, 0);
        assert_slice(buffer_slice(&out), expected);
    }
    sip_message_unref(response);
    buffer_free(&out);
}

static void the_top_via_is_taken_off_a_response(void **state)
{
    (void)state;
    const struct sip_response_edit edit = { .removes_top_via = true, .needs_content_length = true };
    expect_forwarded("SIP/2.0 180 *!* \r\nX: 1\r\nVia: SIP/2.0/TLS us\r\nv: SIP/2.0/UDP a\r\nTo: <b>\r\nl: 2\r\n"
        "\r\nhi", &edit,
        "SIP/2.0 180 *!* \r\nX: 1\r\nv: SIP/2.0/UDP a\r\nTo: <b>\r\nl: 2\r\n\r\nhi");
    expect_forwarded("SIP/2.0 200 OK\r\nVia : SIP/2.0/TLS us;a=\",\" ,\r\n SIP/2.0/UDP a , SIP/2.0/UDP b\r\n\r\nhi",
        &edit,
        "SIP/2.0 200 OK\r\nVia : SIP/2.0/UDP a , SIP/2.0/UDP b\r\nContent-Length: 2\r\n\r\nhi");
    expect_forwarded("SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS us\r\n\r\n", &edit,
        "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect_forwarded("SIP/2.0 200 OK\r\nX: y\r\n\r\n", &edit, NULL);
    expect_forwarded(START "Via: SIP/2.0/TLS us\r\n\r\n", &edit, NULL);
    struct sip_response_edit strip = { .extra = { .lines = SLICE_LITERAL("Warning: 399 us \"x\"\r\n") } };
    sip_header_set_add(&strip.extra.strip, SIP_HEADER_X_TRELAY_FLAGS);
    expect_forwarded("SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS us\r\nX-Trelay-Flags: a\r\n\r\n", &strip,
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS us\r\nWarning: 399 us \"x\"\r\n\r\n");
    strip.extra.lines = SLICE_LITERAL("Warning");
    expect_forwarded("SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS us\r\n\r\n", &strip, NULL);
}

static void expect_response(const char *text, const struct sip_local_response *response, const char *expected)
{
    struct buffer out = BUFFER_EMPTY;
    struct sip_message *request = parse_whole(slice_of_string(text));
    int rc = sip_compose_response(&out, request, response);
    if (expected == NULL)
        assert_int_not_equal(rc, 0);
    else {
        assert_int_equal(rc, 0);
        assert_slice(buffer_slice(&out), expected);
    }
    sip_message_unref(request);
    buffer_free(&out);
}

static void a_response_of_our_own_copies_what_the_rfc_says(void **state)
{
    (void)state;
    static const char request[] = START "Timestamp: 54 \r\nVia: SIP/2.0/TLS a.example;rport,SIP/2.0/UDP b\r\n"
        "Record-Route: <sip:r>\r\nt :\r\n <sip:b@b.example>\t\r\nCSeq: 007 INVITE\r\nf: <sip:a>;tag=1\r\n"
            "v: SIP/2.0/UDP c\r\n"
        "i: 1\r\nContent-Length: 2\r\n\r\nhi";
    struct endpoint source = endpoint_of("192.0.2.4", 4711);
    struct sip_local_response response = { .status = 100, .source = &source };
    expect_response(request, &response, "SIP/2.0 100 Trying\r\n"
        "Via: SIP/2.0/TLS a.example;rport=4711;received=192.0.2.4,SIP/2.0/UDP b\r\nv: SIP/2.0/UDP c\r\n"
        "f: <sip:a>;tag=1\r\nt :\r\n <sip:b@b.example>\t\r\ni: 1\r\nCSeq: 007 INVITE\r\nTimestamp: 54 \r\n"
        "Content-Length: 0\r\n\r\n");
    response = (struct sip_local_response){ .status = 420, .reason = SLICE_LITERAL("No"), .to_tag = SLICE_LITERAL("us"),
        .lines = SLICE_LITERAL("Unsupported: x\r\n") };
    expect_response(request, &response, "SIP/2.0 420 No\r\n"
        "Via: SIP/2.0/TLS a.example;rport,SIP/2.0/UDP b\r\nv: SIP/2.0/UDP c\r\n"
        "f: <sip:a>;tag=1\r\nt :\r\n <sip:b@b.example>;tag=us\t\r\ni: 1\r\nCSeq: 007 INVITE\r\nUnsupported: x\r\n"
        "Content-Length: 0\r\n\r\n");
}

static void a_to_tag_is_added_only_once(void **state)
{
    (void)state;
    const struct sip_local_response response = { .status = 404, .to_tag = SLICE_LITERAL("us") };
    expect_response(START "Via: SIP/2.0/UDP a\r\nTo: <sip:b>;x;tag=theirs\r\n\r\n", &response,
        "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP a\r\nTo: <sip:b>;x;tag=theirs\r\nContent-Length: 0\r\n\r\n");
    /* tag in the URI is no tag of To */
    expect_response(START "Via: SIP/2.0/UDP a\r\nTo: <sip:b;tag=uri>\r\n\r\n", &response,
        "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP a\r\nTo: <sip:b;tag=uri>;tag=us\r\nContent-Length: 0\r\n\r\n");
    /* A value that cannot be read gets one; what is not there is not invented; a second To is not repeated. */
    expect_response(START "Via: nonsense\r\nTo: \"open <sip:b>\r\nTo: <sip:c>\r\n\r\n", &response,
        "SIP/2.0 404 Not Found\r\nVia: nonsense\r\nTo: \"open <sip:b>;tag=us\r\nContent-Length: 0\r\n\r\n");
}

static void what_cannot_be_answered_is_not(void **state)
{
    (void)state;
    struct sip_local_response response = { .status = 400 };
    expect_response(START TAIL "\r\n", &response, NULL);
    expect_response("ACK sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n", &response, NULL);
    expect_response("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\n\r\n", &response, NULL);
    static const unsigned statuses[] = { 0, 99, 700 };
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        response.status = statuses[i];
        expect_response(START "Via: SIP/2.0/UDP a\r\n\r\n", &response, NULL);
    }
    response = (struct sip_local_response){ .status = 400, .reason = SLICE_LITERAL("a\r\nb") };
    expect_response(START "Via: SIP/2.0/UDP a\r\n\r\n", &response, NULL);
    response = (struct sip_local_response){ .status = 400, .to_tag = SLICE_LITERAL("a\nb") };
    expect_response(START "Via: SIP/2.0/UDP a\r\n\r\n", &response, NULL);
    response = (struct sip_local_response){ .status = 400, .lines = SLICE_LITERAL("a") };
    expect_response(START "Via: SIP/2.0/UDP a\r\n\r\n", &response, NULL);
}

#define SENT                                                                                                   \
    "INVITE sip:bob@b.example;x SIP/2.0\r\n"                                                                   \
    "Via: SIP/2.0/TLS us.example;branch=z9hG4bKus , SIP/2.0/TLS a\r\n"                                         \
    "Via: SIP/2.0/UDP c\r\n"                                                                                   \
    "Require: timer\r\nProxy-Require: p\r\nRoute: <sip:r;lr>,\r\n <sip:s;lr>\r\nContact: <sip:a>\r\n"           \
    "From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\nroute: <sip:t;lr>\r\nCall-ID: 1\r\n"             \
    "CSeq: 007 INVITE\r\nContent-Length: 2\r\n\r\nhi"
#define HOP(method, to)                                                                                        \
    method " sip:bob@b.example;x SIP/2.0\r\n"                                                                  \
           "Via: SIP/2.0/TLS us.example;branch=z9hG4bKus\r\n"                                                  \
           "Route: <sip:r;lr>,\r\n <sip:s;lr>\r\nroute: <sip:t;lr>\r\nMax-Forwards: 70\r\n"                    \
           "From: <sip:a@a.example>;tag=1\r\n" to "Call-ID: 1\r\nCSeq: 007 " method "\r\n"

/* C17, RFC 3261 9.1; D03, 17.1.1.3. */
static void cancel_and_ack_follow_the_invite(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    struct sip_message *invite = PARSED(SENT);
    struct sip_message *response = PARSED("SIP/2.0 486 Busy\r\nVia: SIP/2.0/TLS us.example;branch=z9hG4bKus\r\n"
        "t: <sip:b@b.example>;tag=theirs\r\nf: <sip:a@a.example>;tag=1\r\nCall-ID: 1\r\nCSeq: 7 INVITE\r\n\r\n");
    struct sip_message *success = PARSED("SIP/2.0 200 OK\r\nTo: <sip:b@b.example>;tag=theirs\r\n\r\n");
    struct sip_message *bye = PARSED("BYE sip:b SIP/2.0\r\nVia: SIP/2.0/TLS us\r\n" TAIL "\r\n");
    assert_int_equal(sip_compose_cancel(&out, invite, SLICE_LITERAL("Reason: SIP;cause=200\r\n")), 0);
    assert_slice(buffer_slice(&out),
        HOP("CANCEL", "To: <sip:b@b.example>\r\n") "Reason: SIP;cause=200\r\nContent-Length: 0\r\n\r\n");
    buffer_clear(&out);
    assert_int_equal(sip_compose_ack(&out, invite, response), 0);
    assert_slice(buffer_slice(&out), HOP("ACK", "t: <sip:b@b.example>;tag=theirs\r\n") "Content-Length: 0\r\n\r\n");
    buffer_clear(&out);
    assert_int_equal(sip_compose_ack(&out, invite, success), ERROR_STATE);
    assert_int_equal(sip_compose_ack(&out, invite, invite), ERROR_STATE);
    assert_int_equal(sip_compose_ack(&out, bye, response), ERROR_STATE);
    assert_int_equal(sip_compose_cancel(&out, bye, SLICE_ABSENT), ERROR_STATE);
    assert_int_equal(sip_compose_cancel(&out, response, SLICE_ABSENT), ERROR_STATE);
    assert_int_equal(sip_compose_cancel(&out, invite, SLICE_LITERAL("Reason\r\n")), ERROR_SYNTAX);
    assert_int_equal(out.length, 0);
    sip_message_unref(invite);
    sip_message_unref(response);
    sip_message_unref(success);
    sip_message_unref(bye);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_change_changes_nothing),
        cmocka_unit_test(a_request_gets_all_edits_of_a_hop),
        cmocka_unit_test(new_rows_stand_below_via_when_there_are_none),
        cmocka_unit_test(route_values_are_removed_over_rows),
        cmocka_unit_test(a_strict_router_gets_its_form),
        cmocka_unit_test(received_and_rport_are_set_once),
        cmocka_unit_test(headers_are_stripped_in_every_form),
        cmocka_unit_test(edits_cannot_break_lines),
        cmocka_unit_test(salvaged_requests_are_never_forwarded),
        cmocka_unit_test(the_top_via_is_taken_off_a_response),
        cmocka_unit_test(a_response_of_our_own_copies_what_the_rfc_says),
        cmocka_unit_test(a_to_tag_is_added_only_once),
        cmocka_unit_test(what_cannot_be_answered_is_not),
        cmocka_unit_test(cancel_and_ack_follow_the_invite),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
