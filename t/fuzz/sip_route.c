/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_route.c - any lines as Route and Record-Route of a request: however the values are spread over rows, what is
 * taken off, pushed and appended is exactly that, the other values keep their bytes and their order, and a CANCEL has
 * the same Route.
 * Input: a byte that says what is edited, then lines; one that begins with "+" is a Record-Route.
 */
#include "must.h"

#include "base/buffer.h"
#include "sip/compose.h"
#include "sip/message.h"

enum { VALUES_MAX = 4096, ADDED_MAX = 8 };

struct set {
    uint32_t count;
    struct slice values[VALUES_MAX];
};

static void add(struct set *set, struct slice value)
{
    MUST(set->count < VALUES_MAX);
    set->values[set->count++] = value;
}

static struct set *read_set(const struct sip_message *message, enum sip_header_id id)
{
    struct set *set = calloc(1, sizeof(*set));
    struct sip_values values = sip_values_of(message, id);
    struct sip_value value;
    MUST(set != NULL);
    while (sip_values_next(&values, &value)) {
        MUST(is_within(value.text, sip_message_header_at(message, value.row).value));
        add(set, value.text);
    }
    return set;
}

static void must_equal(const struct set *a, const struct set *b)
{
    MUST(a->count == b->count);
    for (uint32_t i = 0; i < a->count; i++)
        MUST(slice_equal(a->values[i], b->values[i]));
}

/* One row with commas says what several rows say, when each value is one. */
static void check_joined(const struct set *set)
{
    struct buffer joined = BUFFER_EMPTY;
    struct set *again = calloc(1, sizeof(*again));
    struct slice text;
    MUST(again != NULL);
    bool is_sound = set->count > 0;
    for (uint32_t i = 0; i < set->count; i++) {
        struct sip_name_addr name_addr;
        is_sound = is_sound && sip_name_addr_parse(set->values[i], &name_addr) == 0;
        if (i > 0)
            buffer_append_string(&joined, " ,");
        buffer_append_slice(&joined, set->values[i]);
    }
    struct slice rest = buffer_slice(&joined);
    if (is_sound) {
        while (sip_value_cut(&rest, &text))
            add(again, text);
        must_equal(set, again);
    }
    buffer_free(&joined);
    free(again);
}

/* What the edit asks for, said over the plain list. */
static struct set *edited(const struct set *before, const struct sip_request_edit *edit)
{
    struct set *after = calloc(1, sizeof(*after));
    MUST(after != NULL);
    uint32_t end = before->count;
    if (edit->route_remove_last && end > 0)
        end--;
    if (!slice_is_absent(edit->route_push))
        add(after, edit->route_push);
    for (uint32_t i = edit->route_remove_first; i < end; i++)
        add(after, before->values[i]);
    if (!slice_is_absent(edit->route_append))
        add(after, edit->route_append);
    return after;
}

/* MORE: the header rows that it may have above the limit, which is about requests that come in. */
static struct sip_message *parse(struct slice bytes, unsigned more)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    limits.header_line_bytes = limits.message_bytes;
    limits.header_count += more;
    struct sip_message *message = NULL;
    struct sip_defect defect;
    return sip_message_parse(bytes, &limits, &message, &defect) == 0 ? message : NULL;
}

static void check_cancel(const struct sip_message *sent, const struct set *routes)
{
    struct buffer out = BUFFER_EMPTY;
    MUST(sip_compose_cancel(&out, sent, SLICE_ABSENT) == 0);
    struct sip_message *cancel = parse(buffer_slice(&out), ADDED_MAX);
    MUST(cancel != NULL);
    struct set *again = read_set(cancel, SIP_HEADER_ROUTE);
    must_equal(again, routes);
    free(again);
    sip_message_unref(cancel);
    buffer_free(&out);
}

static void check_edit(const struct sip_message *request, uint8_t what)
{
    const struct sip_request_edit edit = {
        .via = SLICE_LITERAL("SIP/2.0/TLS us.example;branch=z9hG4bKus"),
        .route_remove_first = what & 7,
        .route_remove_last = (what & 8) != 0,
        .route_push = (what & 16) != 0 ? SLICE_LITERAL("<sip:push.example;lr>") : SLICE_ABSENT,
        .route_append = (what & 32) != 0 ? SLICE_LITERAL("<sip:append.example>") : SLICE_ABSENT,
        .record_route = { SLICE_LITERAL("<sip:one.example;lr>"), SLICE_LITERAL("<sip:two.example;lr>") },
        .record_route_count = what >> 6 & 1 ? 2 : what >> 7,
    };
    struct set *routes = read_set(request, SIP_HEADER_ROUTE);
    struct set *recorded = read_set(request, SIP_HEADER_RECORD_ROUTE);
    struct set *wanted = edited(routes, &edit);
    struct set *wanted_recorded = calloc(1, sizeof(*wanted_recorded));
    MUST(wanted_recorded != NULL);
    for (size_t i = 0; i < edit.record_route_count; i++)
        add(wanted_recorded, edit.record_route[i]);
    for (uint32_t i = 0; i < recorded->count; i++)
        add(wanted_recorded, recorded->values[i]);
    check_joined(routes);
    check_joined(recorded);
    struct buffer out = BUFFER_EMPTY;
    MUST(sip_compose_request(&out, request, &edit) == 0);
    struct sip_message *sent = parse(buffer_slice(&out), ADDED_MAX);
    MUST(sent != NULL);
    struct set *got = read_set(sent, SIP_HEADER_ROUTE);
    struct set *got_recorded = read_set(sent, SIP_HEADER_RECORD_ROUTE);
    must_equal(got, wanted);
    must_equal(got_recorded, wanted_recorded);
    check_cancel(sent, got);
    free(got_recorded);
    free(got);
    sip_message_unref(sent);
    buffer_free(&out);
    free(wanted_recorded);
    free(wanted);
    free(recorded);
    free(routes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct buffer text = BUFFER_EMPTY;
    if (length < 1)
        return 0;
    buffer_append_string(&text, "INVITE sip:b@b.example SIP/2.0\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n"
        "From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n");
    struct slice rest = slice_of((const char *)bytes + 1, length - 1);
    while (rest.length > 0) {
        size_t end = slice_find(rest, '\n', 0);
        struct slice line = slice_first(rest, end);
        bool is_recorded = slice_starts_with_nocase(line, SLICE_LITERAL("+"));
        buffer_append_string(&text, is_recorded ? "Record-Route: " : "Route: ");
        buffer_append_slice(&text, slice_from(line, is_recorded));
        buffer_append_string(&text, "\r\n");
        rest = slice_from(rest, end + 1);
    }
    buffer_append_string(&text, "Subject: Route: <sip:no.example>\r\n\r\n");
    struct sip_message *request = parse(buffer_slice(&text), 0);
    if (request != NULL)
        check_edit(request, bytes[0]);
    sip_message_unref(request);
    buffer_free(&text);
    return 0;
}
