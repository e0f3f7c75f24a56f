/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compose_hop.c - CANCEL and the ACK for a failure, made from the INVITE that was sent; see compose.h. */
#include "base/error.h"
#include "sip/compose.h"
#include "sip/splice.h"

enum { MAX_FORWARDS = 70 };

static bool is_complete_invite(const struct sip_message *invite)
{
    return invite->is_request && !invite->is_salvaged && invite->method == SIP_METHOD_INVITE && invite->has_top_via &&
        invite->has_cseq && invite->has_from && invite->has_to && !slice_is_absent(invite->call_id);
}

static void copy_rows(struct buffer *out, const struct sip_message *message, enum sip_header_id id)
{
    struct sip_header header;
    for (bool is = sip_header_first(message, id, &header); is; is = sip_header_next(message, &header))
        buffer_append_slice(out, header.line);
}

/* What CANCEL and ACK have in common: the INVITE's Request-URI, top Via alone, Route, From, Call-ID and CSeq number;
 * TO_OWNER says whose To it is. */
static int compose(struct buffer *out, struct slice method, const struct sip_message *invite,
    const struct sip_message *to_owner, struct slice lines)
{
    struct sip_splice splice;
    sip_splice_begin(&splice, out, invite);
    buffer_append_slice(out, method);
    buffer_append_byte(out, ' ');
    buffer_append_slice(out, invite->request_uri);
    buffer_append_slice(out, SLICE_LITERAL(" SIP/2.0\r\n"));
    sip_append_line(out, sip_header_name(SIP_HEADER_VIA), invite->top_via.text);
    copy_rows(out, invite, SIP_HEADER_ROUTE);
    sip_append_number_line(out, sip_header_name(SIP_HEADER_MAX_FORWARDS), MAX_FORWARDS);
    copy_rows(out, invite, SIP_HEADER_FROM);
    copy_rows(out, to_owner, SIP_HEADER_TO);
    copy_rows(out, invite, SIP_HEADER_CALL_ID);
    buffer_append_slice(out, SLICE_LITERAL("CSeq: "));
    buffer_append_slice(out, invite->cseq.number_text);
    buffer_append_byte(out, ' ');
    buffer_append_slice(out, method);
    buffer_append(out, "\r\n", 2);
    buffer_append_slice(out, lines);
    buffer_append_slice(out, SLICE_LITERAL("Content-Length: 0\r\n\r\n"));
    return sip_splice_end(&splice);
}

int sip_compose_cancel(struct buffer *out, const struct sip_message *invite, struct slice lines)
{
    if (!is_complete_invite(invite))
        return ERROR_STATE;
    if (!sip_are_lines(lines))
        return ERROR_SYNTAX;
    return compose(out, SLICE_LITERAL("CANCEL"), invite, invite, lines);
}

int sip_compose_ack(struct buffer *out, const struct sip_message *invite, const struct sip_message *response)
{
    if (!is_complete_invite(invite) || !sip_message_is_response(response) || response->status < 300 ||
        !response->has_to)
        return ERROR_STATE;
    return compose(out, SLICE_LITERAL("ACK"), invite, response, SLICE_ABSENT);
}
