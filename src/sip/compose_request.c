/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compose_request.c - a request on its way out; see compose.h. */
#include "base/error.h"
#include "sip/character.h"
#include "sip/compose.h"
#include "sip/splice.h"

/* Rows in front of which our own lines go; the row count stands for the end of the headers. */
struct places {
    uint32_t via;
    uint32_t record_route;
    uint32_t route_push;
    uint32_t route_append;
    uint32_t max_forwards; /* no row: there is one already */
    uint32_t max_breadth;  /* likewise */
};

enum { NO_ROW = UINT32_MAX };

static uint32_t or_else(uint32_t row, uint32_t otherwise)
{
    return row != NO_ROW ? row : otherwise;
}

/* Beside their kind if there is one, else behind the first run of Via rows. */
static struct places find_places(const struct sip_message *request)
{
    uint32_t via = NO_ROW;
    uint32_t below_via = 0;
    uint32_t record_route = NO_ROW;
    uint32_t first_route = NO_ROW;
    uint32_t last_route = NO_ROW;
    for (uint32_t row = 0; row < request->row_count; row++) {
        switch (request->rows[row].id) {
        case SIP_HEADER_VIA:
            if (via == NO_ROW)
                via = row;
            if (via == row || below_via == row)
                below_via = row + 1;
            break;
        case SIP_HEADER_RECORD_ROUTE:
            record_route = or_else(record_route, row);
            break;
        case SIP_HEADER_ROUTE:
            first_route = or_else(first_route, row);
            last_route = row;
            break;
        default:
            break;
        }
    }
    return (struct places){
        .via = or_else(via, 0),
        .record_route = or_else(record_route, below_via),
        .route_push = or_else(first_route, below_via),
        .route_append = last_route != NO_ROW ? last_route + 1 : below_via,
        .max_forwards = sip_header_set_has(&request->seen, SIP_HEADER_MAX_FORWARDS) ? NO_ROW : below_via,
        .max_breadth = sip_header_set_has(&request->seen, SIP_HEADER_MAX_BREADTH) ? NO_ROW : below_via,
    };
}

static bool is_request_uri(struct slice text)
{
    return slice_is_absent(text) || (text.length > 0 && sip_find_blank(text, 0) == text.length);
}

static int check_edit(const struct sip_message *request, const struct sip_request_edit *edit)
{
    if (!request->is_request || request->is_salvaged || edit->record_route_count > SIP_RECORD_ROUTE_MAX)
        return ERROR_STATE;
    if (!is_request_uri(edit->request_uri) || !sip_is_clean(edit->via) || !sip_is_clean(edit->route_push) ||
        !sip_is_clean(edit->route_append) || !sip_are_lines(edit->extra.lines))
        return ERROR_SYNTAX;
    for (size_t i = 0; i < edit->record_route_count; i++)
        if (!sip_is_clean(edit->record_route[i]))
            return ERROR_SYNTAX;
    return 0;
}

static void append_given(struct buffer *out, enum sip_header_id id, struct slice value)
{
    if (!slice_is_absent(value))
        sip_append_line(out, sip_header_name(id), value);
}

/* Our own lines that go in front of ROW, which the splice has reached. */
static void put_lines(struct buffer *out, const struct places *places, uint32_t row,
    const struct sip_request_edit *edit)
{
    if (row == places->via)
        append_given(out, SIP_HEADER_VIA, edit->via);
    if (row == places->record_route)
        for (size_t i = 0; i < edit->record_route_count; i++)
            append_given(out, SIP_HEADER_RECORD_ROUTE, edit->record_route[i]);
    if (row == places->route_push)
        append_given(out, SIP_HEADER_ROUTE, edit->route_push);
    if (row == places->route_append)
        append_given(out, SIP_HEADER_ROUTE, edit->route_append);
    if (row == places->max_forwards && edit->sets_max_forwards)
        sip_append_number_line(out, sip_header_name(SIP_HEADER_MAX_FORWARDS), edit->max_forwards);
    if (row == places->max_breadth && edit->max_breadth != 0)
        sip_append_number_line(out, sip_header_name(SIP_HEADER_MAX_BREADTH), edit->max_breadth);
}

static bool is_place(const struct places *places, uint32_t row)
{
    return row == places->via || row == places->record_route || row == places->route_push ||
        row == places->route_append || row == places->max_forwards || row == places->max_breadth;
}

static uint32_t count_values(struct slice list)
{
    uint32_t count = 0;
    struct slice text;
    while (sip_value_cut(&list, &text))
        count++;
    return count;
}

static uint32_t count_routes(const struct sip_message *request)
{
    uint32_t count = 0;
    struct sip_header header;
    for (bool is = sip_header_first(request, SIP_HEADER_ROUTE, &header); is; is = sip_header_next(request, &header))
        count += count_values(header.value);
    return count;
}

/* Of all Route values, FIRST up to END stay; *SEEN counts those of the rows above. */
static void splice_route(struct sip_splice *splice, const struct sip_header *header, uint32_t first, uint32_t end,
    uint32_t *seen)
{
    uint32_t above = *seen;
    uint32_t here = count_values(header->value);
    *seen += here;
    uint32_t from = first > above ? first - above : 0;
    uint32_t to = end > above ? end - above : 0;
    if (from > 0 || to < here)
        sip_splice_keep_values(splice, header, from, to);
}

static void splice_number(struct sip_splice *splice, const struct sip_header *header, uint32_t number)
{
    sip_splice_cut(splice, header->value);
    buffer_append_unsigned(splice->out, number);
}

struct request_splice {
    struct sip_splice splice;
    const struct sip_message *request;
    const struct sip_request_edit *edit;
    uint32_t route_end;   /* Route values from here on go */
    uint32_t routes_seen;
    bool via_seen;
};

static void splice_row(struct request_splice *work, uint32_t row)
{
    const struct sip_request_edit *edit = work->edit;
    struct sip_header header = sip_message_header_at(work->request, row);
    if (sip_is_stripped(&edit->extra, &header)) {
        sip_splice_cut(&work->splice, header.line);
        return;
    }
    switch (header.id) {
    case SIP_HEADER_VIA:
        if (!work->via_seen && work->request->has_top_via)
            sip_splice_mark_via(&work->splice, &work->request->top_via, edit->source);
        work->via_seen = true;
        break;
    case SIP_HEADER_ROUTE:
        if (edit->route_remove_first > 0 || edit->route_remove_last)
            splice_route(&work->splice, &header, edit->route_remove_first, work->route_end, &work->routes_seen);
        break;
    case SIP_HEADER_MAX_FORWARDS:
        if (edit->sets_max_forwards)
            splice_number(&work->splice, &header, edit->max_forwards);
        break;
    case SIP_HEADER_MAX_BREADTH:
        if (edit->max_breadth != 0)
            splice_number(&work->splice, &header, edit->max_breadth);
        break;
    default:
        break;
    }
}

static void splice_headers(struct request_splice *work)
{
    const struct sip_message *request = work->request;
    struct places places = find_places(request);
    const char *bytes = request->bytes.data;
    for (uint32_t row = 0; row < request->row_count; row++) {
        if (is_place(&places, row)) {
            sip_splice_keep(&work->splice, bytes + request->rows[row].line.start);
            put_lines(work->splice.out, &places, row, work->edit);
        }
        splice_row(work, row);
    }
    sip_splice_keep(&work->splice, bytes + request->head_length - 2);
    put_lines(work->splice.out, &places, request->row_count, work->edit);
}

int sip_compose_request(struct buffer *out, const struct sip_message *request, const struct sip_request_edit *edit)
{
    int rc = check_edit(request, edit);
    if (rc != 0)
        return rc;
    struct request_splice work = { .request = request, .edit = edit, .route_end = UINT32_MAX };
    if (edit->route_remove_last) {
        uint32_t count = count_routes(request);
        work.route_end = count > 0 ? count - 1 : 0;
    }
    sip_splice_begin(&work.splice, out, request);
    if (!slice_is_absent(edit->request_uri)) {
        sip_splice_cut(&work.splice, request->request_uri);
        buffer_append_slice(out, edit->request_uri);
    }
    splice_headers(&work);
    if (edit->needs_content_length && !request->has_content_length)
        sip_append_number_line(out, sip_header_name(SIP_HEADER_CONTENT_LENGTH), sip_message_body(request).length);
    buffer_append_slice(out, edit->extra.lines);
    sip_splice_keep(&work.splice, request->bytes.data + request->bytes.length);
    return sip_splice_end(&work.splice);
}
