/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_round_trip.c - messages drawn by a seeded generator: what was written is read, and what was read and
 * forwarded, hop after hop, arrives as it was written.
 */
#include "sip_support.h"

#include "sip/compose.h"
#include "sip/framing.h"
#include "sip/validate.h"

#include <stdio.h>

enum { ROUNDS = 3000, LIST_MAX = 6, TEXT_MAX = 160 };

/* A header's values in order, over all its rows. */
struct list {
    char texts[LIST_MAX][TEXT_MAX];
    size_t count;
};

/* What a drawn request must be read as. */
struct drawn {
    struct random random;
    struct buffer text;
    struct list via;
    struct list route;
    struct list record_route;
    char uri[TEXT_MAX];
    char body[64];
    size_t body_length;
    bool has_max_forwards;
    uint32_t max_forwards;
    unsigned unknown; /* rows of names nobody knows, X-0 and up */
};

static uint32_t below(struct drawn *drawn, uint32_t limit)
{
    return random_below(&drawn->random, limit);
}

static const char *one_of(struct drawn *drawn, const char *const *choices, uint32_t count)
{
    return choices[below(drawn, count)];
}

#define ONE_OF(drawn, ...)                                                             \
    one_of(drawn, (const char *const[]){ __VA_ARGS__ },                                \
        sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* White space that means nothing. */
static const char *space(struct drawn *drawn)
{
    return ONE_OF(drawn, "", "", "", " ", "\t", "\r\n ", " \r\n\t");
}

static const char *host(struct drawn *drawn)
{
    return ONE_OF(drawn, "a.example", "b-1.c.example", "192.0.2.1", "[2001:db8::1]", "h", "x_y.example");
}

static void draw_via(struct drawn *drawn, char *text)
{
    snprintf(text, TEXT_MAX, "SIP%s/%s2.0/%s %s%s;branch=z9hG4bK%u%s%s", ONE_OF(drawn, "", " "), ONE_OF(drawn, "",
        "\r\n "),
        ONE_OF(drawn, "TLS", "UDP", "TCP", "OTHER"), host(drawn), ONE_OF(drawn, "", ":5061", " : 5060"),
        (unsigned)below(drawn, 100000), ONE_OF(drawn, "", ";rport", ";rport=1", "; received=203.0.113.9"),
        ONE_OF(drawn, "", ";x=\"a,b;c\"", ";alias", " ;\r\n y = z"));
}

static void draw_route(struct drawn *drawn, char *text)
{
    snprintf(text, TEXT_MAX, "%s<sip:%s%s%s>%s", ONE_OF(drawn, "", "\"N, <o\\\"\" ", "Some One "),
        ONE_OF(drawn, "", "u,v;w@"), host(drawn), ONE_OF(drawn, ";lr", "", ";lr;k=v"), ONE_OF(drawn, "", ";p=q",
            " ; r"));
}

/* Writes the values over one or more rows. */
static void write_list(struct drawn *drawn, const struct list *list, const char *const names[2])
{
    for (size_t i = 0; i < list->count; i++) {
        bool is_new_row = i == 0 || below(drawn, 2) == 0;
        if (is_new_row)
            buffer_append_format(&drawn->text, "%s%s%s:%s", i > 0 ? "\r\n" : "", one_of(drawn, names, 2),
                ONE_OF(drawn, "", " ", "\t"), space(drawn));
        else
            buffer_append_format(&drawn->text, "%s,%s", space(drawn), space(drawn));
        buffer_append_string(&drawn->text, list->texts[i]);
    }
    if (list->count > 0)
        buffer_append_string(&drawn->text, "\r\n");
}

static void draw_unknown(struct drawn *drawn)
{
    for (uint32_t more = below(drawn, 3); more > 0; more--) {
        buffer_append_format(&drawn->text, "X-%u:%sv%u,;\"<\r\n", drawn->unknown, space(drawn), drawn->unknown + 1);
        drawn->unknown++;
    }
}

static void draw_fields(struct drawn *drawn)
{
    static const char *const to_names[] = { "To", "t" };
    const char *to_name = one_of(drawn, to_names, 2);
    if (drawn->has_max_forwards)
        buffer_append_format(&drawn->text, "Max-Forwards:%s%s%u\r\n", space(drawn), ONE_OF(drawn, "", "0", "00"),
            drawn->max_forwards);
    draw_unknown(drawn);
    buffer_append_format(&drawn->text, "%s:%s<sip:to@%s>%s\r\n", to_name, space(drawn), host(drawn),
        ONE_OF(drawn, "", ";tag=to", ";\r\n tag = to"));
    buffer_append_format(&drawn->text, "From:%ssip:from@%s%s;%stag=from\r\n", space(drawn), host(drawn), space(drawn),
        space(drawn));
    buffer_append_format(&drawn->text, "%s: id@%s\r\n", ONE_OF(drawn, "Call-ID", "i", "CALL-id"), host(drawn));
    buffer_append_format(&drawn->text, "CSeq:%s%s%s\r\n", space(drawn), ONE_OF(drawn, "1 ", "0001 \r\n ", "1\t"),
        "INVITE");
}

static void draw_request(struct drawn *drawn)
{
    static const char *const via_names[] = { "Via", "v" };
    static const char *const route_names[] = { "Route", "ROUTE" };
    static const char *const record_route_names[] = { "Record-Route", "record-route" };
    drawn->via.count = 1 + below(drawn, LIST_MAX - 3);
    drawn->route.count = below(drawn, LIST_MAX - 3);
    drawn->record_route.count = below(drawn, LIST_MAX - 3);
    for (size_t i = 0; i < drawn->via.count; i++)
        draw_via(drawn, drawn->via.texts[i]);
    for (size_t i = 0; i < drawn->route.count; i++)
        draw_route(drawn, drawn->route.texts[i]);
    for (size_t i = 0; i < drawn->record_route.count; i++)
        draw_route(drawn, drawn->record_route.texts[i]);
    drawn->has_max_forwards = below(drawn, 4) > 0;
    drawn->max_forwards = 1 + below(drawn, 200);
    snprintf(drawn->uri, sizeof(drawn->uri), "%s:%s%s%s", ONE_OF(drawn, "sip", "sips"), ONE_OF(drawn, "", "u;v@",
        "%41:p@"),
        host(drawn), ONE_OF(drawn, "", ":5070", ";transport=tls;q"));
    buffer_append_format(&drawn->text, "INVITE %s SIP/2.0\r\n", drawn->uri);
    draw_unknown(drawn);
    write_list(drawn, &drawn->via, via_names);
    write_list(drawn, &drawn->route, route_names);
    draw_fields(drawn);
    write_list(drawn, &drawn->record_route, record_route_names);
    draw_unknown(drawn);
    drawn->body_length = below(drawn, sizeof(drawn->body));
    for (size_t i = 0; i < drawn->body_length; i++)
        drawn->body[i] = (char)below(drawn, 256);
    buffer_append_format(&drawn->text, "%s: %zu\r\n\r\n", ONE_OF(drawn, "l", "Content-Length", "content-length "),
        drawn->body_length);
    buffer_append(&drawn->text, drawn->body, drawn->body_length);
    assert_false(drawn->text.has_failed);
}

static void assert_list(const struct sip_message *message, enum sip_header_id id, const struct list *list)
{
    struct sip_values values = sip_values_of(message, id);
    struct sip_value value;
    size_t count = 0;
    for (; sip_values_next(&values, &value); count++) {
        assert_true(count < list->count);
        assert_slice(value.text, list->texts[count]);
    }
    assert_int_equal(count, list->count);
}

static void assert_unknown(const struct sip_message *message, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        char value[24];
        struct sip_header header;
        snprintf(name, sizeof(name), "x-%u", i);
        snprintf(value, sizeof(value), "v%u,;\"<", i + 1);
        assert_true(sip_header_find(message, slice_of_string(name), &header));
        assert_slice(header.value, value);
    }
}

/* The fields of MESSAGE are those that DRAWN has by now. */
static void assert_reads_as(const struct sip_message *message, const struct drawn *drawn)
{
    struct sip_defect defect = { .text = "" };
    uint32_t max_forwards = 0;
    int rc = sip_validate_request(message, &defect);
    if (rc != 0)
        print_error("# %s:\n%.*s\n", defect.text, SLICE_PRINT(sip_message_bytes(message)));
    assert_int_equal(rc, 0);
    assert_slice(sip_message_request_uri(message), drawn->uri);
    assert_list(message, SIP_HEADER_VIA, &drawn->via);
    assert_list(message, SIP_HEADER_ROUTE, &drawn->route);
    assert_list(message, SIP_HEADER_RECORD_ROUTE, &drawn->record_route);
    assert_slice(sip_message_from_tag(message), "from");
    assert_int_equal(sip_message_cseq(message)->number, 1);
    assert_int_equal(sip_message_max_forwards(message, &max_forwards),
        drawn->has_max_forwards ? SIP_MAX_FORWARDS_VALUE : SIP_MAX_FORWARDS_ABSENT);
    if (drawn->has_max_forwards)
        assert_int_equal(max_forwards, drawn->max_forwards);
    assert_unknown(message, drawn->unknown);
    assert_bytes(sip_message_body(message), slice_of(drawn->body, drawn->body_length));
}

static void push(struct list *list, const char *text)
{
    assert_true(list->count < LIST_MAX);
    memmove(list->texts[1], list->texts[0], (LIST_MAX - 1) * sizeof(list->texts[0]));
    snprintf(list->texts[0], TEXT_MAX, "%s", text);
    list->count++;
}

static void remove_first(struct list *list, size_t count)
{
    for (; count > 0 && list->count > 0; count--) {
        memmove(list->texts[0], list->texts[1], (LIST_MAX - 1) * sizeof(list->texts[0]));
        list->count--;
    }
}

/* Draws an edit, says what it does to the lists, and applies it. */
static struct sip_message *forward(const struct sip_message *message, struct drawn *drawn)
{
    struct buffer out = BUFFER_EMPTY;
    struct sip_request_edit edit = { .via = SLICE_LITERAL("SIP/2.0/TLS us.example;branch=z9hG4bKus") };
    push(&drawn->via, "SIP/2.0/TLS us.example;branch=z9hG4bKus");
    if (below(drawn, 2) == 0) {
        edit.route_remove_first = below(drawn, 3);
        remove_first(&drawn->route, edit.route_remove_first);
    }
    if (below(drawn, 3) == 0) {
        edit.route_remove_last = true;
        drawn->route.count -= drawn->route.count > 0;
    }
    if (below(drawn, 3) == 0) {
        edit.route_append = SLICE_LITERAL("<sip:end.example>");
        snprintf(drawn->route.texts[drawn->route.count++], TEXT_MAX, "<sip:end.example>");
    }
    if (below(drawn, 3) == 0) {
        edit.route_push = SLICE_LITERAL("<sip:next.example;lr>");
        push(&drawn->route, "<sip:next.example;lr>");
    }
    if (below(drawn, 2) == 0) {
        edit.record_route[0] = SLICE_LITERAL("<sip:us.example;lr>");
        edit.record_route_count = 1;
        push(&drawn->record_route, "<sip:us.example;lr>");
    }
    if (below(drawn, 3) > 0) {
        edit.sets_max_forwards = true;
        edit.max_forwards = drawn->max_forwards = below(drawn, 256);
        drawn->has_max_forwards = true;
    }
    if (below(drawn, 3) == 0) {
        edit.request_uri = SLICE_LITERAL("sip:other@d.example");
        snprintf(drawn->uri, sizeof(drawn->uri), "sip:other@d.example");
    }
    assert_int_equal(sip_compose_request(&out, message, &edit), 0);
    struct sip_message *sent = parse_whole(buffer_slice(&out));
    buffer_free(&out);
    return sent;
}

static void assert_is_one_frame(struct slice bytes)
{
    struct sip_framing framing = SIP_FRAMING_INIT;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_defect defect;
    size_t length = 0;
    assert_int_equal(sip_framing_next(&framing, bytes, &limits, &length, &defect), SIP_FRAME_MESSAGE);
    assert_int_equal(length, bytes.length);
}

static void drawn_requests_are_read_and_forwarded(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct drawn drawn = { .random = { seed }, .text = BUFFER_EMPTY };
        draw_request(&drawn);
        assert_is_one_frame(buffer_slice(&drawn.text));
        struct sip_message *received = parse_whole(buffer_slice(&drawn.text));
        assert_reads_as(received, &drawn);
        struct sip_message *sent = forward(received, &drawn);
        assert_is_one_frame(sip_message_bytes(sent));
        assert_reads_as(sent, &drawn);
        struct sip_message *sent_on = forward(sent, &drawn);
        assert_reads_as(sent_on, &drawn);
        sip_message_unref(received);
        sip_message_unref(sent);
        sip_message_unref(sent_on);
        buffer_free(&drawn.text);
    }
}

/* Each hop of a response takes off what the request's hop put on. */
static void responses_find_their_way_back(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct drawn drawn = { .random = { seed }, .text = BUFFER_EMPTY };
        struct endpoint source = endpoint_of("192.0.2.1", 5061);
        struct buffer out = BUFFER_EMPTY;
        draw_request(&drawn);
        struct sip_message *request = parse_whole(buffer_slice(&drawn.text));
        const struct sip_local_response local = { .status = 486, .to_tag = SLICE_LITERAL("to"),
            .source = below(&drawn, 2) == 0 ? &source : NULL };
        const struct sip_response_edit edit = { .removes_top_via = true };
        assert_int_equal(sip_compose_response(&out, request, &local), 0);
        struct sip_message *response = parse_whole(buffer_slice(&out));
        struct sip_defect defect;
        assert_int_equal(sip_validate_response(response, &defect), 0);
        assert_slice(sip_message_to_tag(response), "to");
        /* The top value may have gained received and rport; those below it are untouched. */
        assert_bytes(sip_message_top_via(response)->branch, sip_message_top_via(request)->branch);
        for (size_t left = drawn.via.count; left > 1; left--) {
            buffer_clear(&out);
            assert_int_equal(sip_compose_forwarded_response(&out, response, &edit), 0);
            sip_message_unref(response);
            response = parse_whole(buffer_slice(&out));
            remove_first(&drawn.via, 1);
            assert_list(response, SIP_HEADER_VIA, &drawn.via);
        }
        sip_message_unref(request);
        sip_message_unref(response);
        buffer_free(&out);
        buffer_free(&drawn.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_requests_are_read_and_forwarded),
        cmocka_unit_test(responses_find_their_way_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
