/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_message.c - any bytes as one message: what is read, forwarded, answered and salvaged can be read again. */
#include "must.h"

#include "sip/compose.h"
#include "sip/framing.h"
#include "sip/message.h"
#include "sip/validate.h"

/* For what was composed: an edit may carry a line beyond the limit of what is received. */
static const struct sip_limits wide = { .message_bytes = 1 << 22, .start_line_bytes = 1 << 20,
    .header_line_bytes = 1 << 20, .header_count = 4096 };

static struct sip_message *read_again(const struct buffer *out)
{
    struct sip_message *message = NULL;
    struct sip_defect defect = { .text = "" };
    int rc = sip_message_parse(buffer_slice(out), &wide, &message, &defect);
    if (rc != 0)
        fprintf(stderr, "%s in:\n%.*s\n", defect.text, SLICE_PRINT(buffer_slice(out)));
    MUST(rc == 0);
    MUST(sip_message_bytes(message).length == out->length);
    return message;
}

static uint32_t count_values(const struct sip_message *message, enum sip_header_id id)
{
    struct sip_values values = sip_values_of(message, id);
    struct sip_value value;
    uint32_t count = 0;
    for (; sip_values_next(&values, &value); count++)
        MUST(is_within(value.text, sip_message_head(message)));
    return count;
}

/* The lines lie end to end between start line and empty line, and hold their name and value. */
static void check_index(const struct sip_message *message)
{
    struct slice head = sip_message_head(message);
    size_t at = slice_find(head, '\n', 0) + 1;
    for (uint32_t row = 0; row < sip_message_header_count(message); row++) {
        struct sip_header header = sip_message_header_at(message, row);
        MUST(header.line.data == head.data + at);
        MUST(is_within(header.name, header.line) && is_within(header.value, header.line));
        MUST(header.name.length > 0 && header.id == sip_header_id(header.name));
        count_values(message, header.id);
        at += header.line.length;
    }
    MUST(at + 2 == head.length);
    MUST(is_within(sip_message_request_uri(message), head) && is_within(sip_message_call_id(message), head));
    MUST(is_within(sip_message_from_tag(message), head) && is_within(sip_message_to_tag(message), head));
    MUST(head.length + sip_message_body(message).length == sip_message_bytes(message).length);
}

/* A stream that carries these bytes gives the same message. */
static void check_framing(const struct sip_message *message, const struct sip_limits *limits)
{
    struct sip_framing framing = SIP_FRAMING_INIT;
    struct sip_defect defect;
    size_t length = 0;
    enum sip_frame frame = sip_framing_next(&framing, sip_message_bytes(message), limits, &length, &defect);
    if (sip_message_has_content_length(message))
        MUST(frame == SIP_FRAME_MESSAGE && length == sip_message_bytes(message).length);
    else
        MUST(frame == SIP_FRAME_FATAL && defect.code == SIP_DEFECT_CONTENT_LENGTH_MISSING);
}

/* Of what an edit may change: a list of other values, a line of another number. */
static bool is_edited(enum sip_header_id id)
{
    return id == SIP_HEADER_VIA || id == SIP_HEADER_RECORD_ROUTE || id == SIP_HEADER_ROUTE ||
        id == SIP_HEADER_MAX_FORWARDS || id == SIP_HEADER_CONTENT_LENGTH || id == SIP_HEADER_MAX_BREADTH;
}

/* *ROW goes on to the next line that no edit touches; false: there is none. */
static bool next_untouched(const struct sip_message *message, uint32_t *row, struct sip_header *header_r)
{
    while (*row < sip_message_header_count(message)) {
        *header_r = sip_message_header_at(message, (*row)++);
        if (!is_edited(header_r->id))
            return true;
    }
    return false;
}

/* Parsed, forwarded and parsed again, every line that is not edited has its bytes and its place among the others. */
static void check_untouched(const struct sip_message *before, const struct sip_message *after)
{
    struct sip_header old, new;
    uint32_t row = 0, row_after = 0;
    while (next_untouched(before, &row, &old)) {
        MUST(next_untouched(after, &row_after, &new));
        MUST(slice_equal(old.line, new.line) && slice_equal(old.name, new.name) && slice_equal(old.value, new.value));
    }
    MUST(!next_untouched(after, &row_after, &new));
    MUST(slice_equal(sip_message_body(before), sip_message_body(after)));
    MUST(slice_equal(sip_message_call_id(before), sip_message_call_id(after)));
    MUST(slice_equal(sip_message_from_tag(before), sip_message_from_tag(after)));
    MUST(slice_equal(sip_message_to_tag(before), sip_message_to_tag(after)));
    MUST(slice_equal(sip_message_method_text(before), sip_message_method_text(after)));
    MUST(slice_equal(sip_message_reason_phrase(before), sip_message_reason_phrase(after)));
}

/* The Via values of BEFORE are those of AFTER, but for SKIP_BEFORE and SKIP_AFTER on top and, in a request, for what is
 * said of the source in the first one. */
static void check_vias(const struct sip_message *before, uint32_t skip_before, const struct sip_message *after,
    uint32_t skip_after)
{
    struct sip_values old = sip_values_of(before, SIP_HEADER_VIA), new = sip_values_of(after, SIP_HEADER_VIA);
    struct sip_value a, b;
    for (uint32_t i = 0; i < skip_before; i++)
        MUST(sip_values_next(&old, &a));
    for (uint32_t i = 0; i < skip_after; i++)
        MUST(sip_values_next(&new, &b));
    for (bool is_marked = skip_before == 0; sip_values_next(&old, &a); is_marked = false) {
        MUST(sip_values_next(&new, &b));
        MUST(is_marked || slice_equal(a.text, b.text));
    }
    MUST(!sip_values_next(&new, &b));
}

static void forward_request(const struct sip_message *message, const struct endpoint *source, bool is_valid)
{
    struct buffer out = BUFFER_EMPTY;
    const struct sip_request_edit none = { .via = SLICE_ABSENT };
    const struct sip_request_edit edit = {
        .request_uri = SLICE_LITERAL("sip:new.example"),
        .via = SLICE_LITERAL("SIP/2.0/TLS us.example;branch=z9hG4bKus"),
        .source = source,
        .record_route = { SLICE_LITERAL("<sip:us.example;lr>") },
        .record_route_count = 1,
        .route_remove_first = 1,
        .route_remove_last = true,
        .route_push = SLICE_LITERAL("<sip:push.example;lr>"),
        .route_append = SLICE_LITERAL("<sip:append.example;lr>"),
        .sets_max_forwards = true,
        .max_forwards = 69,
        .needs_content_length = true,
        .max_breadth = 60,
    };
    struct sip_defect defect;
    uint32_t routes = count_values(message, SIP_HEADER_ROUTE);
    MUST(sip_compose_request(&out, message, &none) == 0);
    MUST(slice_equal(buffer_slice(&out), sip_message_bytes(message)));
    buffer_clear(&out);
    MUST(sip_compose_request(&out, message, &edit) == 0);
    struct sip_message *sent = read_again(&out);
    check_index(sent);
    check_untouched(message, sent);
    check_vias(message, 0, sent, 1);
    MUST(slice_equal(sip_message_request_uri(sent), edit.request_uri));
    MUST(count_values(sent, SIP_HEADER_RECORD_ROUTE) == count_values(message, SIP_HEADER_RECORD_ROUTE) + 1);
    MUST(count_values(sent, SIP_HEADER_ROUTE) == (routes > 2 ? routes - 2 : 0) + 2);
    MUST(sip_message_has_content_length(sent));
    if (is_valid)
        MUST(sip_validate_request(sent, &defect) == 0);
    if (is_valid && sip_message_method(sent) == SIP_METHOD_INVITE) {
        buffer_clear(&out);
        MUST(sip_compose_cancel(&out, sent, SLICE_ABSENT) == 0);
        struct sip_message *cancel = read_again(&out);
        MUST(sip_validate_request(cancel, &defect) == 0);
        MUST(count_values(cancel, SIP_HEADER_VIA) == 1);
        sip_message_unref(cancel);
    }
    sip_message_unref(sent);
    buffer_free(&out);
}

static void forward_response(const struct sip_message *message)
{
    struct buffer out = BUFFER_EMPTY;
    const struct sip_response_edit edit = { .removes_top_via = true, .needs_content_length = true };
    uint32_t via = count_values(message, SIP_HEADER_VIA);
    int rc = sip_compose_forwarded_response(&out, message, &edit);
    MUST((rc == 0) == (via > 0));
    if (rc == 0) {
        struct sip_message *sent = read_again(&out);
        check_index(sent);
        check_untouched(message, sent);
        check_vias(message, 1, sent, 0);
        MUST(sip_message_status(sent) == sip_message_status(message));
        sip_message_unref(sent);
    }
    buffer_free(&out);
}

static void answer(const struct sip_message *request, const struct endpoint *source, bool is_valid)
{
    struct buffer out = BUFFER_EMPTY;
    const struct sip_local_response response = { .status = 400, .to_tag = SLICE_LITERAL("us"), .source = source };
    struct sip_defect defect;
    if (sip_compose_response(&out, request, &response) == 0) {
        struct sip_message *sent = read_again(&out);
        MUST(sip_message_status(sent) == 400 && !sip_message_is_request(sent));
        MUST(sip_message_header_rows(sent, SIP_HEADER_VIA) == sip_message_header_rows(request, SIP_HEADER_VIA));
        MUST(sip_message_body(sent).length == 0);
        if (is_valid) {
            int rc = sip_validate_response(sent, &defect);
            MUST(rc == 0 || defect.code == SIP_DEFECT_NEXT_VIA);
            MUST(!slice_is_absent(sip_message_to_tag(sent)));
        }
        sip_message_unref(sent);
    } else
        MUST(!is_valid || sip_message_method(request) == SIP_METHOD_ACK);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const uint8_t address[4] = { 192, 0, 2, 1 };
    const struct endpoint source = { address_v4(address), 5061 };
    const struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct slice input = slice_of((const char *)bytes, length);
    struct sip_message *message = NULL;
    struct sip_defect defect = sip_defect_of(SIP_DEFECT_NONE);
    if (sip_message_parse(input, &limits, &message, &defect) != 0) {
        MUST(message == NULL && defect.code != SIP_DEFECT_NONE);
        if (sip_message_salvage(input, &limits, &message) == 0) {
            answer(message, &source, false);
            sip_message_unref(message);
        }
        return 0;
    }
    check_index(message);
    check_framing(message, &limits);
    if (sip_message_is_request(message)) {
        bool is_valid = sip_validate_request(message, &defect) == 0;
        forward_request(message, &source, is_valid);
        answer(message, &source, is_valid);
    } else {
        if (sip_validate_response(message, &defect) != 0)
            MUST(defect.code != SIP_DEFECT_NONE);
        forward_response(message);
    }
    sip_message_unref(message);
    return 0;
}
