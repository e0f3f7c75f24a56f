/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compose_response.c - responses passed on, and responses of our own; see compose.h. */
#include "base/error.h"
#include "sip/compose.h"
#include "sip/splice.h"
#include "sip/status.h"

static void splice_response_row(struct sip_splice *splice, const struct sip_message *response,
    const struct sip_response_edit *edit, uint32_t row, bool *is_via_due)
{
    struct sip_header header = sip_message_header_at(response, row);
    if (sip_is_stripped(&edit->extra, &header))
        sip_splice_cut(splice, header.line);
    else if (header.id == SIP_HEADER_VIA && *is_via_due) {
        sip_splice_keep_values(splice, &header, 1, UINT32_MAX);
        *is_via_due = false;
    }
}

int sip_compose_forwarded_response(struct buffer *out, const struct sip_message *response,
    const struct sip_response_edit *edit)
{
    if (!sip_message_is_response(response))
        return ERROR_STATE;
    if (edit->removes_top_via && !sip_header_set_has(&response->seen, SIP_HEADER_VIA))
        return ERROR_STATE;
    if (!sip_are_lines(edit->extra.lines))
        return ERROR_SYNTAX;
    struct sip_splice splice;
    const char *bytes = response->bytes.data;
    bool is_via_due = edit->removes_top_via;
    sip_splice_begin(&splice, out, response);
    for (uint32_t row = 0; row < response->row_count; row++)
        splice_response_row(&splice, response, edit, row, &is_via_due);
    sip_splice_keep(&splice, bytes + response->head_length - 2);
    if (edit->needs_content_length && !response->has_content_length)
        sip_append_number_line(out, sip_header_name(SIP_HEADER_CONTENT_LENGTH), sip_message_body(response).length);
    buffer_append_slice(out, edit->extra.lines);
    sip_splice_keep(&splice, bytes + response->bytes.length);
    return sip_splice_end(&splice);
}

/* All Via rows in their order; the one on top says where the request came from. */
static void copy_via(struct sip_splice *splice, const struct sip_message *request, const struct endpoint *source)
{
    struct sip_header header;
    bool is_top = true;
    for (bool is = sip_header_first(request, SIP_HEADER_VIA, &header); is; is = sip_header_next(request, &header)) {
        sip_splice_skip(splice, header.line.data);
        if (is_top && request->has_top_via)
            sip_splice_mark_via(splice, &request->top_via, source);
        is_top = false;
        sip_splice_keep(splice, header.line.data + header.line.length);
    }
}

/* The first row of a header that stands once; a second one is a defect that is not repeated. */
static void copy_row(struct buffer *out, const struct sip_message *message, enum sip_header_id id)
{
    struct sip_header header;
    if (sip_header_first(message, id, &header))
        buffer_append_slice(out, header.line);
}

/* 8.2.6.2: a tag is added unless there is one. To a value that cannot be read it is added too. */
static void copy_to(struct sip_splice *splice, const struct sip_message *request, struct slice tag)
{
    struct sip_header header;
    if (!sip_header_first(request, SIP_HEADER_TO, &header))
        return;
    sip_splice_skip(splice, header.line.data);
    if (!slice_is_absent(tag) && slice_is_absent(sip_message_to_tag(request))) {
        sip_splice_keep(splice, header.value.data + header.value.length);
        buffer_append(splice->out, ";tag=", 5);
        buffer_append_slice(splice->out, tag);
    }
    sip_splice_keep(splice, header.line.data + header.line.length);
}

static int check_response(const struct sip_message *request, const struct sip_local_response *response)
{
    if (!request->is_request || request->method == SIP_METHOD_ACK ||
        !sip_header_set_has(&request->seen, SIP_HEADER_VIA) || response->status < 100 || response->status > 699)
        return ERROR_STATE;
    if (!sip_is_clean(response->reason) || !sip_is_clean(response->to_tag) || !sip_are_lines(response->lines))
        return ERROR_SYNTAX;
    return 0;
}

int sip_compose_response(struct buffer *out, const struct sip_message *request,
    const struct sip_local_response *response)
{
    int rc = check_response(request, response);
    if (rc != 0)
        return rc;
    struct sip_splice splice;
    struct slice reason = slice_is_absent(response->reason) ? sip_status_phrase(response->status) : response->reason;
    sip_splice_begin(&splice, out, request);
    buffer_append_slice(out, SLICE_LITERAL("SIP/2.0 "));
    buffer_append_unsigned(out, response->status);
    buffer_append_byte(out, ' ');
    buffer_append_slice(out, reason);
    buffer_append(out, "\r\n", 2);
    copy_via(&splice, request, response->source);
    copy_row(out, request, SIP_HEADER_FROM);
    copy_to(&splice, request, response->to_tag);
    copy_row(out, request, SIP_HEADER_CALL_ID);
    copy_row(out, request, SIP_HEADER_CSEQ);
    if (response->status == 100)
        copy_row(out, request, SIP_HEADER_TIMESTAMP);
    buffer_append_slice(out, response->lines);
    buffer_append_slice(out, SLICE_LITERAL("Content-Length: 0\r\n\r\n"));
    return sip_splice_end(&splice);
}
