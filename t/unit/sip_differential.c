/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_differential.c - messages drawn from a grammar with fixed seeds, read by src/sip and by libosip2, a parser that
 * others wrote: what both take they read alike, in every field a relay acts on. Odd messages have a table of who takes
 * them and why the two differ; a line of it that does not hold any more fails as well.
 */
#include "sip_support.h"

#include "sip/validate.h"

#include <osipparser2/osip_message.h>
#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 512, VALID_PER_SEED = 400, ODD_PER_ROW = 60 };

static const uint64_t seeds[] = { 1, 7, 42, 4711, 20260101, 0xfeedface };

/* ---- what is compared ---- */

#define FIELD_LIST(X)  \
    X(METHOD)          \
    X(STATUS)          \
    X(URI)             \
    X(VIAS)            \
    X(BRANCHES)        \
    X(FROM)            \
    X(FROM_TAG)        \
    X(TO)              \
    X(TO_TAG)          \
    X(CALL_ID)         \
    X(CSEQ)            \
    X(CONTENT_LENGTH)  \
    X(MAX_FORWARDS)    \
    X(ROUTES)          \
    X(RECORD_ROUTES)

enum field {
#define X(name) FIELD_##name,
    FIELD_LIST(X)
#undef X
    FIELD_COUNT
};

static const char *const field_names[] = {
#define X(name) #name,
    FIELD_LIST(X)
#undef X
};

#define ONLY(name) (1u << FIELD_##name)

struct facts {
    bool is_taken;
    char texts[FIELD_COUNT][TEXT_MAX];
};

static void say(struct facts *facts, enum field field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct facts *facts, enum field field, const char *format, ...)
{
    char *text = facts->texts[field];
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(text + length, TEXT_MAX - length, format, arguments);
    va_end(arguments);
    assert_true(added >= 0 && (size_t)added < TEXT_MAX - length);
}

/* ---- as src/sip reads it ---- */

static void say_our_uri(struct facts *facts, enum field field, const struct sip_uri *uri)
{
    assert_non_null(uri);
    say(facts, field, "%.*s:", SLICE_PRINT(uri->scheme_text));
    if (!sip_uri_is_sip(uri)) {
        say(facts, field, "%.*s", SLICE_PRINT(slice_from(uri->text, uri->scheme_text.length + 1)));
        return;
    }
    if (!slice_is_absent(uri->user))
        say(facts, field, "%.*s@", SLICE_PRINT(uri->user));
    say(facts, field, "%.*s", SLICE_PRINT(uri->host.text));
    if (uri->port != 0)
        say(facts, field, ":%u", (unsigned)uri->port);
    say(facts, field, "%s", uri->has_lr ? ";lr" : "");
}

static void say_our_set(struct facts *facts, enum field field, const struct sip_message *message, enum sip_header_id id)
{
    struct sip_values values = sip_values_of(message, id);
    struct sip_value value;
    while (sip_values_next(&values, &value)) {
        struct sip_name_addr name_addr;
        struct sip_uri uri;
        bool is_read = sip_name_addr_parse(value.text, &name_addr) == 0 && sip_uri_parse(name_addr.uri, &uri) == 0;
        say(facts, field, "<");
        if (is_read)
            say_our_uri(facts, field, &uri);
        say(facts, field, ">");
    }
}

static void say_our_vias(struct facts *facts, const struct sip_message *message)
{
    struct sip_values values = sip_values_of(message, SIP_HEADER_VIA);
    struct sip_value value;
    while (sip_values_next(&values, &value)) {
        struct sip_via via;
        if (sip_via_parse(value.text, &via) != 0) {
            say(facts, FIELD_VIAS, "?");
            continue;
        }
        say(facts, FIELD_VIAS, "%.*s %.*s:%u,", SLICE_PRINT(via.transport_text), SLICE_PRINT(via.host.text),
            (unsigned)via.port);
        say(facts, FIELD_BRANCHES, "%.*s,", SLICE_PRINT(via.branch));
    }
}

static void say_our_name_addr(struct facts *facts, enum field field, const struct sip_name_addr *name_addr,
    struct slice tag)
{
    struct sip_uri uri;
    assert_int_equal(sip_uri_parse(name_addr->uri, &uri), 0);
    say_our_uri(facts, field, &uri);
    say(facts, field + 1, "%.*s", SLICE_PRINT(tag));
}

static void read_ours(struct slice bytes, struct facts *facts)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_message *message = NULL;
    struct sip_defect defect;
    uint32_t forwards = 0;
    if (sip_message_parse(bytes, &limits, &message, &defect) != 0)
        return;
    bool is_request = sip_message_is_request(message);
    facts->is_taken = (is_request ? sip_validate_request : sip_validate_response)(message, &defect) == 0;
    if (facts->is_taken) {
        if (is_request) {
            say(facts, FIELD_METHOD, "%.*s", SLICE_PRINT(sip_message_method_text(message)));
            say_our_uri(facts, FIELD_URI, sip_message_uri(message));
        } else
            say(facts, FIELD_STATUS, "%u", sip_message_status(message));
        say_our_vias(facts, message);
        say_our_name_addr(facts, FIELD_FROM, sip_message_from(message), sip_message_from_tag(message));
        say_our_name_addr(facts, FIELD_TO, sip_message_to(message), sip_message_to_tag(message));
        say(facts, FIELD_CALL_ID, "%.*s", SLICE_PRINT(sip_message_call_id(message)));
        const struct sip_cseq *cseq = sip_message_cseq(message);
        say(facts, FIELD_CSEQ, "%u %.*s", (unsigned)cseq->number, SLICE_PRINT(cseq->method_text));
        if (sip_message_has_content_length(message))
            say(facts, FIELD_CONTENT_LENGTH, "%zu", sip_message_body(message).length);
        if (sip_message_max_forwards(message, &forwards) == SIP_MAX_FORWARDS_VALUE)
            say(facts, FIELD_MAX_FORWARDS, "%u", (unsigned)forwards);
        say_our_set(facts, FIELD_ROUTES, message, SIP_HEADER_ROUTE);
        say_our_set(facts, FIELD_RECORD_ROUTES, message, SIP_HEADER_RECORD_ROUTE);
    }
    sip_message_unref(message);
}

/* ---- as libosip2 reads it ---- */

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void say_their_uri(struct facts *facts, enum field field, osip_uri_t *uri)
{
    osip_uri_param_t *lr = NULL;
    if (uri == NULL)
        return;
    say(facts, field, "%s:", or_empty(uri->scheme));
    if (uri->string != NULL) {
        say(facts, field, "%s", uri->string);
        return;
    }
    if (uri->username != NULL)
        say(facts, field, "%s@", uri->username);
    say(facts, field, "%s", or_empty(uri->host));
    if (uri->port != NULL)
        say(facts, field, ":%lu", strtoul(uri->port, NULL, 10));
    char name[] = "lr";
    osip_uri_uparam_get_byname(uri, name, &lr);
    say(facts, field, "%s", lr != NULL ? ";lr" : "");
}

static void say_their_set(struct facts *facts, enum field field, const osip_list_t *list)
{
    for (int i = 0; i < osip_list_size(list); i++) {
        const osip_route_t *route = osip_list_get(list, i);
        say(facts, field, "<");
        say_their_uri(facts, field, route->url);
        say(facts, field, ">");
    }
}

static void say_their_vias(struct facts *facts, const osip_message_t *message)
{
    for (int i = 0; i < osip_list_size(&message->vias); i++) {
        osip_via_t *via = osip_list_get(&message->vias, i);
        osip_generic_param_t *branch = NULL;
        char name[] = "branch";
        osip_via_param_get_byname(via, name, &branch);
        say(facts, FIELD_VIAS, "%s %s:%s,", or_empty(via->protocol), or_empty(via->host),
            via->port != NULL ? via->port : "0");
        say(facts, FIELD_BRANCHES, "%s,", branch != NULL ? or_empty(branch->gvalue) : "");
    }
}

static void say_their_name_addr(struct facts *facts, enum field field, osip_from_t *from)
{
    osip_generic_param_t *tag = NULL;
    char name[] = "tag";
    if (from == NULL)
        return;
    say_their_uri(facts, field, from->url);
    osip_generic_param_get_byname(&from->gen_params, name, &tag);
    say(facts, field + 1, "%s", tag != NULL ? or_empty(tag->gvalue) : "");
}

static void say_their_fields(struct facts *facts, osip_message_t *message)
{
    osip_header_t *forwards = NULL;
    say(facts, FIELD_METHOD, "%s", or_empty(message->sip_method));
    say_their_uri(facts, FIELD_URI, message->req_uri);
    if (message->status_code != 0)
        say(facts, FIELD_STATUS, "%d", message->status_code);
    say_their_vias(facts, message);
    say_their_name_addr(facts, FIELD_FROM, message->from);
    say_their_name_addr(facts, FIELD_TO, message->to);
    if (message->call_id != NULL) {
        say(facts, FIELD_CALL_ID, "%s", message->call_id->number);
        if (message->call_id->host != NULL)
            say(facts, FIELD_CALL_ID, "@%s", message->call_id->host);
    }
    if (message->cseq != NULL)
        say(facts, FIELD_CSEQ, "%lu %s", strtoul(message->cseq->number, NULL, 10), message->cseq->method);
    if (message->content_length != NULL)
        say(facts, FIELD_CONTENT_LENGTH, "%lu", strtoul(message->content_length->value, NULL, 10));
    osip_message_header_get_byname(message, "max-forwards", 0, &forwards);
    if (forwards != NULL)
        say(facts, FIELD_MAX_FORWARDS, "%lu", strtoul(or_empty(forwards->hvalue), NULL, 10));
    say_their_set(facts, FIELD_ROUTES, &message->routes);
    say_their_set(facts, FIELD_RECORD_ROUTES, &message->record_routes);
}

static void read_theirs(struct slice bytes, struct facts *facts)
{
    osip_message_t *message = NULL;
    assert_int_equal(osip_message_init(&message), 0);
    facts->is_taken = osip_message_parse(message, bytes.data, bytes.length) == 0;
    if (facts->is_taken)
        say_their_fields(facts, message);
    osip_message_free(message);
}

/* ---- the grammar ---- */

enum part { PART_START, PART_VIA, PART_FROM, PART_TO, PART_CALL_ID, PART_CSEQ, PART_FORWARDS, PART_LENGTH, PART_ROUTE,
    PART_RECORD_ROUTE, PART_MORE, PART_COUNT };

struct drawn {
    struct random random;
    const char *method;
    const char *body;
    char parts[PART_COUNT][TEXT_MAX];
    struct buffer text;
};

static const char *one_of(struct drawn *drawn, const char *const *choices, uint32_t count)
{
    return choices[random_below(&drawn->random, count)];
}

#define ONE_OF(drawn, ...)                                                             \
    one_of(drawn, (const char *const[]){ __VA_ARGS__ },                                \
        sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static void put(struct drawn *drawn, enum part part, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void put(struct drawn *drawn, enum part part, const char *format, ...)
{
    size_t length = strlen(drawn->parts[part]);
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(drawn->parts[part] + length, TEXT_MAX - length, format, arguments);
    va_end(arguments);
    assert_true(added >= 0 && (size_t)added < TEXT_MAX - length);
}

static const char *host(struct drawn *drawn)
{
    return ONE_OF(drawn, "a.example", "b-1.c.example", "192.0.2.1", "[2001:db8::1]", "single", "x.example");
}

static void draw_uri(struct drawn *drawn, enum part part)
{
    put(drawn, part, "%s:%s%s%s%s", ONE_OF(drawn, "sip", "sip", "sips"), ONE_OF(drawn, "", "alice@", "+15551234@",
        "a.b-c_d!~*'@", "bob;isub=1@"), host(drawn), ONE_OF(drawn, "", "", ":5060", ":5061"),
        ONE_OF(drawn, "", ";transport=tcp", ";user=phone;x=y"));
}

static unsigned draw_number(struct drawn *drawn)
{
    return random_below(&drawn->random, 1u << 30);
}

static const char *draw_method(struct drawn *drawn)
{
    return ONE_OF(drawn, "INVITE", "OPTIONS", "BYE", "MESSAGE", "REFER", "X-odd.one", "invite");
}

static const char *draw_body(struct drawn *drawn)
{
    return ONE_OF(drawn, "", "body", "a\r\nb\r\n\r\nc\r\n");
}

static void draw_start(struct drawn *drawn, bool is_request)
{
    if (!is_request) {
        put(drawn, PART_START, "SIP/2.0 %s\r\n", ONE_OF(drawn, "200 OK", "100 Trying", "486 Busy Here", "699 Odd one"));
        return;
    }
    put(drawn, PART_START, "%s ", drawn->method);
    draw_uri(drawn, PART_START);
    put(drawn, PART_START, " SIP/2.0\r\n");
}

static void draw_vias(struct drawn *drawn)
{
    uint32_t count = 1 + random_below(&drawn->random, 3);
    for (uint32_t i = 0; i < count; i++) {
        put(drawn, PART_VIA, "%s: SIP/2.0/%s %s%s%s;branch=z9hG4bK%u%s", ONE_OF(drawn, "Via", "v", "VIA"),
            ONE_OF(drawn, "TLS", "UDP", "TCP"), host(drawn), ONE_OF(drawn, "", ":5060", ":5061"),
            ONE_OF(drawn, "", ";received=192.0.2.7", ";rport", ";rport=5070"),
            (unsigned)random_below(&drawn->random, 1000000), ONE_OF(drawn, "", ";alias", ";x=y"));
        if (random_below(&drawn->random, 3) == 0)
            put(drawn, PART_VIA, ", SIP/2.0/UDP %s;branch=%u", host(drawn), (unsigned)random_below(&drawn->random, 9));
        put(drawn, PART_VIA, "\r\n");
    }
}

static void draw_name_addr(struct drawn *drawn, enum part part, const char *name, bool has_tag)
{
    put(drawn, part, "%s:%s%s<", name, ONE_OF(drawn, " ", "", "\t", "\r\n "), ONE_OF(drawn, "", "Alice ",
        "\"A, \\\"B\\\" <x>\" ", "A. B. "));
    draw_uri(drawn, part);
    put(drawn, part, ">%s", ONE_OF(drawn, "", ";x=y", " ;x=\"a;b\""));
    if (has_tag)
        put(drawn, part, ";tag=%u-a", (unsigned)random_below(&drawn->random, 100000));
    put(drawn, part, "\r\n");
}

static void draw_set(struct drawn *drawn, enum part part, const char *name)
{
    uint32_t count = random_below(&drawn->random, 4);
    for (uint32_t i = 0; i < count; i++) {
        bool joins = i > 0 && random_below(&drawn->random, 2) == 0;
        if (joins)
            drawn->parts[part][strlen(drawn->parts[part]) - 2] = '\0';
        put(drawn, part, "%s%s%s<sip:%s%s%s>%s\r\n", joins ? "," : name, joins ? "" : ":", ONE_OF(drawn, " ", ""),
            host(drawn), ONE_OF(drawn, "", ":5061"), ONE_OF(drawn, ";lr", ";lr;k=v", ""), ONE_OF(drawn, "", ";p=q"));
    }
}

static void draw(struct drawn *drawn, bool is_request, const char *method, const char *body)
{
    memset(drawn->parts, 0, sizeof(drawn->parts));
    drawn->method = method;
    draw_start(drawn, is_request);
    draw_vias(drawn);
    draw_name_addr(drawn, PART_FROM, ONE_OF(drawn, "From", "f"), true);
    draw_name_addr(drawn, PART_TO, ONE_OF(drawn, "To", "t"), random_below(&drawn->random, 2) == 0);
    put(drawn, PART_CALL_ID, "%s: %u%s\r\n", ONE_OF(drawn, "Call-ID", "i"), draw_number(drawn),
        ONE_OF(drawn, "", "@a.example", "-x.y"));
    put(drawn, PART_CSEQ, "CSeq: %u%s%s\r\n", draw_number(drawn), ONE_OF(drawn, " ", "  ", "\r\n "),
        drawn->method);
    if (random_below(&drawn->random, 4) != 0)
        put(drawn, PART_FORWARDS, "Max-Forwards: %u\r\n", (unsigned)random_below(&drawn->random, 256));
    drawn->body = body;
    put(drawn, PART_LENGTH, "%s: %zu\r\n", ONE_OF(drawn, "Content-Length", "l", "CONTENT-LENGTH"), strlen(drawn->body));
    draw_set(drawn, PART_ROUTE, "Route");
    draw_set(drawn, PART_RECORD_ROUTE, "Record-Route");
    put(drawn, PART_MORE, "%s", ONE_OF(drawn, "", "X-Odd: a, b;c=\"d\r\n", "Subject: x\r\n  y\r\n", "s:\r\n"));
    if (drawn->body[0] != '\0')
        put(drawn, PART_MORE, "Content-Type: text/plain\r\n");
}

/* The parts in an order of their own, but for the start line. */
static struct slice written(struct drawn *drawn)
{
    int order[PART_COUNT];
    buffer_clear(&drawn->text);
    buffer_append_string(&drawn->text, drawn->parts[PART_START]);
    for (int i = 1; i < PART_COUNT; i++) {
        int other = 1 + (int)random_below(&drawn->random, (uint32_t)i);
        order[i] = order[other];
        order[other] = i;
    }
    for (int i = 1; i < PART_COUNT; i++)
        buffer_append_string(&drawn->text, drawn->parts[order[i]]);
    buffer_append_string(&drawn->text, "\r\n");
    buffer_append_string(&drawn->text, drawn->body);
    assert_false(drawn->text.has_failed);
    return buffer_slice(&drawn->text);
}

/* ---- what is odd, and who says what of it ---- */

struct oddity {
    enum part part;
    bool is_added;        /* to what was drawn; else it takes its place */
    const char *text;
    bool we_take;
    bool they_take;
    uint32_t differing;   /* the fields that are read otherwise where both take it */
    const char *reason;   /* of what differs; NULL where nothing does */
};

static const struct oddity oddities[] = {
    { PART_START, false, "OPTIONS sip:a@b.example SIP/1.0\r\n", false, true, 0, "505 for another version" },
    { PART_START, false, "OPTIONS  sip:a@b.example SIP/2.0\r\n", false, true, 0, "one space, RFC 3261 7.1" },
    { PART_START, false, "OPTIONS sip:a@b.example SIP/2.0 \r\n", false, false, 0, NULL },
    { PART_START, false, "OPTIONS sip:a@b.example sip/2.0\r\n", true, true, 0, NULL },
    { PART_START, false, "OPTIONS <sip:a@b.example> SIP/2.0\r\n", false, false, 0, NULL },
    { PART_START, false, "OPTIONS tel:+15551234 SIP/2.0\r\n", true, true, 0, NULL },
    { PART_START, false, "OPTIONS http://b.example/ SIP/2.0\r\n", false, true, 0, "416 for another scheme" },
    { PART_START, false, "OPTIONS sip:a%41@b.example SIP/2.0\r\n", true, true, ONLY(URI),
        "they unescape; nothing is unescaped here" },
    { PART_START, false, "OPTIONS sip:a@b.example:0 SIP/2.0\r\n", false, true, 0, "port 0 leads nowhere" },
    { PART_START, false, "OPTIONS sip:a@b.example:99999 SIP/2.0\r\n", false, true, 0, "no such port" },
    { PART_START, false, "OPTIONS sip:a@b.example:5o60 SIP/2.0\r\n", false, true, 0, "no number" },
    { PART_START, false, "OPTIONS sip:a@b.example;lr;lr SIP/2.0\r\n", false, true, 0, "a parameter twice, 19.1.1" },
    { PART_START, false, "OPTIONS sip:a:secret@b.example SIP/2.0\r\n", true, true, 0, NULL },
    { PART_START, false, "OPTIONS sip:a@b@c.example SIP/2.0\r\n", false, true, 0, "two readings of who is asked" },
    { PART_START, false, "OPTIONS sip:@b.example SIP/2.0\r\n", false, true, 0, "no user" },
    { PART_START, false, "OPTIONS sip: SIP/2.0\r\n", false, false, 0, NULL },
    { PART_START, false, "OPTIONS sip:a@010.1.1.1 SIP/2.0\r\n", false, true, 0, "octal to some, decimal to others" },
    { PART_START, false, "OPTIONS sip:a@2001:db8::1 SIP/2.0\r\n", false, true, 0, "brackets are missing" },
    { PART_START, false, "OPTIONS sip:a@b.example?x=y SIP/2.0\r\n", false, true, 0,
        "no headers in a Request-URI, 19.1.1" },
    { PART_START, false, "\r\n\r\nOPTIONS sip:a@b.example SIP/2.0\r\n", true, true, 0, NULL },
    { PART_START, false, "OPT<>IONS sip:a@b.example SIP/2.0\r\n", false, true, 0, "no token" },
    { PART_CSEQ, false, "CSeq: 1 OTHER\r\n", false, true, 0, "the method of the request, 8.1.1.5" },
    { PART_CSEQ, false, "CSeq: 4294967296 OPTIONS\r\n", false, true, 0, "below 2^32" },
    { PART_CSEQ, false, "CSeq: 2147483648 OPTIONS\r\n", true, true, 0, NULL },
    { PART_CSEQ, false, "CSeq: -1 OPTIONS\r\n", false, true, 0, "no number" },
    { PART_CSEQ, false, "CSeq: 0009 OPTIONS\r\n", true, true, 0, NULL },
    { PART_CSEQ, false, "CSeq: 1\r\n", false, false, 0, NULL },
    { PART_CSEQ, false, "CSeq: OPTIONS 1\r\n", false, true, 0, "the wrong way round" },
    { PART_CSEQ, false, "", false, true, 0, "mandatory, 8.1.1" },
    { PART_CSEQ, true, "CSeq: 2 OPTIONS\r\n", false, false, 0, NULL },
    { PART_CALL_ID, false, "", false, true, 0, "mandatory, 8.1.1" },
    { PART_CALL_ID, false, "Call-ID:\r\n", false, true, 0, "empty" },
    { PART_CALL_ID, false, "Call-ID: a b\r\n", false, true, 0, "one word" },
    { PART_CALL_ID, true, "i: another\r\n", false, false, 0, NULL },
    { PART_CALL_ID, false, "Call-ID: a@b@c\r\n", true, true, 0, NULL },
    { PART_FROM, false, "", false, true, 0, "mandatory, 8.1.1" },
    { PART_FROM, false, "From: <sip:a@b.example>\r\n", true, true, 0, NULL },
    { PART_FROM, false, "From: sip:a@b.example;tag=1\r\n", true, true, 0, NULL },
    { PART_FROM, false, "From: <sip:a@b.example>;tag=1;tag=2\r\n", false, true, 0, "two tags" },
    { PART_FROM, false, "From: <sip:a@b.example;tag=1>\r\n", true, true, 0, NULL },
    { PART_FROM, false, "From: \"A <sip:a@b.example>;tag=1\r\n", false, false, 0, NULL },
    { PART_FROM, false, "From: A, B <sip:a@b.example>;tag=1\r\n", false, false, 0, NULL },
    { PART_FROM, false, "From: <sip:a@b.example;tag=1\r\n", false, false, 0, NULL },
    { PART_FROM, false, "From: <sip:a@b.example>;TAG=up\r\n", true, true, 0, NULL },
    { PART_FROM, false, "From: <sip:a@b.example> ; tag = 1\r\n", true, true, 0, NULL },
    { PART_FROM, true, "f: <sip:b@b.example>;tag=9\r\n", false, false, 0, NULL },
    { PART_FROM, false, "From : <sip:a@b.example>;tag=1\r\n", true, true, 0, NULL },
    { PART_FROM, false, "From\t: <sip:a@b.example>;tag=1\r\n", true, true, 0, NULL },
    { PART_TO, false, "", false, true, 0, "mandatory, 8.1.1" },
    { PART_TO, true, "To: <sip:b@b.example>;tag=9\r\n", false, false, 0, NULL },
    { PART_TO, false, "To: <tel:+1-555>;tag=9\r\n", true, true, 0, NULL },
    { PART_TO, false, "To: <sip:a@b.example>;tag\r\n", false, true, 0, "a tag has a value" },
    { PART_VIA, false, "", false, true, 0, "mandatory, 8.1.1" },
    { PART_VIA, false, "Via: SIP/2.0/TLS a.example\r\n", true, true, 0, NULL },
    { PART_VIA, false, "Via: SIP / 2.0 / TLS a.example;branch=z9hG4bK1\r\n", true, true, 0, NULL },
    { PART_VIA, false, "Via: SIP/2.0/TLS a.example:5061;branch=\r\n", false, true, 0, "a branch has a value" },
    { PART_VIA, false, "Via: SIP/2.0/TLS a.example;branch=z9hG4bK1;branch=z9hG4bK2\r\n", false, true, 0,
        "two branches" },
    { PART_VIA, false, "Via: SIP/3.0/TLS a.example;branch=z9hG4bK1\r\n", false, true, 0, "another protocol" },
    { PART_VIA, false, "Via: SIP/2.0/NEW a.example;branch=z9hG4bK1\r\n", true, true, 0, NULL },
    { PART_VIA, false, "Via: SIP/2.0/TLS a.example : 5061 ;branch=z9hG4bK1\r\n", true, true, 0, NULL },
    { PART_VIA, false, "Via: SIP/2.0/TLS a.example;x=\"a,b\";branch=z9hG4bK1\r\n", true, true, 0, NULL },
    { PART_VIA, false, "Via: SIP/2.0/TLS a.example;branch=z9hG4bK1 (comment)\r\n", false, true, 0,
        "comments went with RFC 2543" },
    { PART_VIA, false, "Via: SIP/2.0/TLS [2001:db8::1;branch=z9hG4bK1\r\n", false, false, 0, NULL },
    { PART_VIA, false, "Via: SIP/2.0/TLS a.example:66000;branch=z9hG4bK1\r\n", false, true, 0, "no such port" },
    { PART_VIA, false, "Via: SIP/2.0/TLS a.example;branch=z9hG4bK1, \r\n", true, true, ONLY(VIAS),
        "they leave the empty value out; it is not ours to judge" },
    { PART_FORWARDS, false, "Max-Forwards: 256\r\n", false, true, 0, "0 to 255" },
    { PART_FORWARDS, false, "Max-Forwards: x\r\n", false, true, 0, "no number" },
    { PART_FORWARDS, false, "Max-Forwards: 070\r\n", true, true, 0, NULL },
    { PART_FORWARDS, false, "Max-Forwards: 70\r\nMax-Forwards: 69\r\n", false, true, 0, "two answers" },
    { PART_LENGTH, true, "Content-Length: 999\r\n", false, false, 0, NULL },
    { PART_LENGTH, false, "Content-Length: -1\r\n", false, true, 0, "no number: smuggling" },
    { PART_LENGTH, false, "Content-Length: +0\r\n", false, true, 0, "no number: smuggling" },
    { PART_LENGTH, false, "Content-Length: 0x0\r\n", false, true, 0, "no number: smuggling" },
    { PART_LENGTH, false, "Content-Length: 5000\r\n", false, false, 0, NULL },
    { PART_LENGTH, false, "Content-Length:\r\n", false, true, 0, "no number: smuggling" },
    { PART_LENGTH, false, "Content-Length: 00\r\n", true, true, 0, NULL },
    { PART_LENGTH, false, "Content-Length : 0\r\n", true, true, 0, NULL },
    { PART_LENGTH, false, "Content-Length: 0, 0\r\n", false, true, 0, "no number: smuggling" },
    { PART_ROUTE, false, "Route: <sip:a>, <sip:b>\r\n", true, true, ONLY(ROUTES),
        "they lose values of fewer than eight bytes" },
    { PART_ROUTE, false, "Route: sip:r.example;lr\r\n", false, true, 0, "brackets are wanted, 20.34" },
    { PART_ROUTE, false, "Route: <sip:r.example;lr>, \r\n", false, true, 0, "an empty value" },
    { PART_ROUTE, false, "Route: <sip:r.example;lr> <sip:s.example;lr>\r\n", false, true, 0,
        "two values without a comma" },
    { PART_ROUTE, false, "Route: <sip:r.example;lr\r\n", false, true, 0, "no end" },
    { PART_ROUTE, false, "Route: \"a,b\" <sip:r.example;lr>, \"<sip:x>\" <sip:s.example>\r\n", true, true, 0, NULL },
    { PART_ROUTE, false, "Route: <sip:r.example;lr?a=b,c>\r\n", false, true, 0, "no headers in a Route" },
    { PART_ROUTE, false, "Route:\r\n", false, true, 0, "an empty value" },
    { PART_ROUTE, false, "Route: <sip:r.example;lr>\r\n ,\r\n <sip:s.example;lr>\r\n", true, true, 0, NULL },
    { PART_ROUTE, false, "Route: <sip:r.example;LR=on>\r\n", true, true, 0, NULL },
    { PART_RECORD_ROUTE, false, "Record-Route: <>\r\n", true, true, ONLY(RECORD_ROUTES),
        "they leave it out; it is not ours to judge" },
    { PART_RECORD_ROUTE, false, "Record-Route: <sip:r.example;lr>,<sip:s.example;lr>\r\n", true, true, 0, NULL },
    { PART_MORE, true, "No colon here\r\n", false, false, 0, NULL },
    { PART_MORE, true, ": no name\r\n", false, false, 0, NULL },
    { PART_MORE, true, "X-Bare: a\nVia: SIP/2.0/UDP smuggled.example;branch=z9hG4bKx\r\n", false, true, 0,
        "a bare LF: smuggling" },
    { PART_MORE, true, "X-Bare: a\rRoute: <sip:smuggled.example;lr>\r\n", false, true, 0, "a bare CR: smuggling" },
    { PART_MORE, true, "X-Space in name: a\r\n", false, true, 0, "no token" },
    { PART_MORE, true, "X-Blank: a\r\n \r\nRoute: <sip:smuggled.example;lr>\r\n", false, true, 0,
        "a blank line to some: smuggling" },
    { PART_MORE, true, "Via\x0b: SIP/2.0/UDP smuggled.example;branch=z9hG4bKx\r\n", false, true, 0,
        "no token: smuggling" },
};

static void show(struct slice bytes, const struct facts *ours, const struct facts *theirs)
{
    fprintf(stderr, "%.*s\n---- %s by us, %s by them\n", SLICE_PRINT(bytes), ours->is_taken ? "taken" : "refused",
        theirs->is_taken ? "taken" : "refused");
    for (int i = 0; i < FIELD_COUNT; i++)
        if (strcmp(ours->texts[i], theirs->texts[i]) != 0)
            fprintf(stderr, "%s: \"%s\" / \"%s\"\n", field_names[i], ours->texts[i], theirs->texts[i]);
}

static uint32_t differences(const struct facts *ours, const struct facts *theirs)
{
    uint32_t differing = 0;
    for (int i = 0; ours->is_taken && theirs->is_taken && i < FIELD_COUNT; i++)
        if (strcmp(ours->texts[i], theirs->texts[i]) != 0)
            differing |= 1u << i;
    return differing;
}

static void valid_messages_are_read_alike(void **state)
{
    (void)state;
    struct drawn drawn = { .text = BUFFER_EMPTY };
    for (size_t seed = 0; seed < ARRAY_SIZE(seeds); seed++) {
        drawn.random = (struct random){ seeds[seed] };
        for (int i = 0; i < VALID_PER_SEED; i++) {
            struct facts ours = { 0 }, theirs = { 0 };
            draw(&drawn, i % 4 != 0, draw_method(&drawn), draw_body(&drawn));
            struct slice bytes = written(&drawn);
            read_ours(bytes, &ours);
            read_theirs(bytes, &theirs);
            if (!ours.is_taken || !theirs.is_taken || differences(&ours, &theirs) != 0) {
                show(bytes, &ours, &theirs);
                fail_msg("seed %llu, message %d", (unsigned long long)seeds[seed], i);
            }
        }
    }
    buffer_free(&drawn.text);
}

static void odd_messages_differ_as_the_table_says(void **state)
{
    (void)state;
    struct drawn drawn = { .text = BUFFER_EMPTY };
    size_t failures = 0;
    for (size_t row = 0; row < ARRAY_SIZE(oddities); row++) {
        const struct oddity *odd = &oddities[row];
        uint32_t seen = 0;
        bool is_as_said = true;
        drawn.random = (struct random){ seeds[row % ARRAY_SIZE(seeds)] };
        for (int i = 0; i < ODD_PER_ROW && is_as_said; i++) {
            struct facts ours = { 0 }, theirs = { 0 };
            draw(&drawn, true, "OPTIONS", "body");
            if (!odd->is_added)
                drawn.parts[odd->part][0] = '\0';
            put(&drawn, odd->part, "%s", odd->text);
            struct slice bytes = written(&drawn);
            read_ours(bytes, &ours);
            read_theirs(bytes, &theirs);
            seen |= differences(&ours, &theirs);
            is_as_said = ours.is_taken == odd->we_take && theirs.is_taken == odd->they_take &&
                (seen & ~odd->differing) == 0;
            if (!is_as_said)
                show(bytes, &ours, &theirs);
        }
        if (!is_as_said || seen != odd->differing) {
            fprintf(stderr, "not as row %zu says: %s\n", row, odd->text);
            failures++;
        }
        /* A difference has its reason, and nothing else has. */
        assert_int_equal(odd->we_take != odd->they_take || odd->differing != 0, odd->reason != NULL);
    }
    assert_int_equal(failures, 0);
    buffer_free(&drawn.text);
}

/* It complains of every odd message otherwise. */
static void say_nothing(const char *file, int line, osip_trace_level_t level, const char *format, va_list arguments)
{
    (void)file, (void)line, (void)level, (void)format, (void)arguments;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_messages_are_read_alike),
        cmocka_unit_test(odd_messages_differ_as_the_table_says),
    };
    parser_init();
    osip_trace_initialize_func(OSIP_FATAL, say_nothing);
    osip_trace_disable_level(OSIP_ERROR);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
