/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_input.c - bytes of a ready connection become SIP messages.
 * In:    what the socket gave. Out: messages, answers to keep-alives.
 * Never: reads a byte of plain text before the verdict: callers see to the state READY first (INV-18).
 */
#include "base/error.h"
#include "flow/flow_private.h"

/* Nothing that follows can be told apart. Requests that wait for an answer there fail: it was no fault of theirs. */
static void end_unreadable(struct flow *flow)
{
    if (!flow->is_closing)
        flow_end(flow, flow->is_accepted ? REASON_BAD_REQUEST : REASON_BAD_RESPONSE, NULL);
}

static bool deliver_message(struct flow *flow, struct slice bytes)
{
    struct flow_pool *pool = flow->pool;
    struct sip_message *message = NULL;
    struct sip_defect defect = { 0 };
    int rc = sip_message_parse(bytes, &pool->settings.limits, &message, &defect);
    if (rc == 0) {
        flow->requests += sip_message_is_request(message) ? 1 : 0;
        pool->ops->message(pool->arg, flow->facts, flow->listener, message);
        sip_message_unref(message);
        return !flow->is_closing;
    }
    if (rc == ERROR_MEMORY) {
        flow_end(flow, REASON_NO_MEMORY, NULL);
        return false;
    }
    pool->ops->defect(pool->arg, flow->facts, flow->listener, bytes, &defect);
    if (defect.is_framing_lost)
        end_unreadable(flow);
    return !flow->is_closing;
}

/* Reports a defect that framing found; false when the connection had to end. */
static bool deliver_defect(struct flow *flow, struct slice bytes, const struct sip_defect *defect, bool is_fatal)
{
    struct flow_pool *pool = flow->pool;
    pool->ops->defect(pool->arg, flow->facts, flow->listener, bytes, defect);
    if (is_fatal)
        end_unreadable(flow);
    return !flow->is_closing;
}

/* A message is over, or the body of one that was too long: what follows has a time of its own. */
static bool is_end_of_message(enum sip_frame frame, const struct sip_framing *framing)
{
    return frame == SIP_FRAME_MESSAGE ||
        ((frame == SIP_FRAME_OVERSIZED || frame == SIP_FRAME_SKIP) && framing->skip == 0);
}

/* One step of framing over *REST; false: the flow was ended. *HAS_MORE says whether to call again. */
static bool take_frame(struct flow *flow, struct slice *rest, bool *has_more)
{
    size_t length = 0;
    struct sip_defect defect = { 0 };
    enum sip_frame frame = sip_framing_next(&flow->framing, *rest, &flow->pool->settings.limits, &length, &defect);
    struct slice bytes = slice_first(*rest, length);
    *has_more = frame != SIP_FRAME_MORE;
    *rest = slice_from(*rest, length);
    if (is_end_of_message(frame, &flow->framing))
        flow->message_since_ms = 0;
    switch (frame) {
    case SIP_FRAME_MESSAGE:
        return deliver_message(flow, bytes);
    case SIP_FRAME_PING:
        if (flow_write(flow, SLICE_LITERAL("\r\n")) == 0)
            return true;
        flow_end(flow, REASON_CONNECTION_LOST, NULL);
        return false;
    case SIP_FRAME_OVERSIZED:
        return deliver_defect(flow, bytes, &defect, false);
    case SIP_FRAME_FATAL:
        return deliver_defect(flow, bytes, &defect, true);
    case SIP_FRAME_PONG:
        keepalive_answered(&flow->keepalive);
        return true;
    case SIP_FRAME_MORE:
    case SIP_FRAME_NOISE:
    case SIP_FRAME_SKIP:
        return true;
    }
    return true;
}

/* Keeps what is no whole message yet; the time-out of a message runs from its first byte (A24). */
static bool keep_rest(struct flow *flow, struct slice rest)
{
    if (rest.length == 0) {
        buffer_free(&flow->input);
    } else if (flow->input.length == 0) {
        buffer_append_slice(&flow->input, rest);
    } else {
        buffer_consume(&flow->input, flow->input.length - rest.length);
    }
    if (flow->input.has_failed) {
        flow_end(flow, REASON_NO_MEMORY, NULL);
        return false;
    }
    bool is_inside = sip_framing_is_inside(&flow->framing, buffer_slice(&flow->input));
    if (!is_inside)
        flow->message_since_ms = 0;
    else if (flow->message_since_ms == 0)
        flow->message_since_ms = pool_now_ms(flow->pool);
    return true;
}

bool flow_plain_bytes(struct flow *flow, struct slice plain)
{
    bool has_more = true;
    struct slice rest = plain;
    if (flow->input.length > 0) {
        buffer_append_slice(&flow->input, plain);
        if (flow->input.has_failed) {
            flow_end(flow, REASON_NO_MEMORY, NULL);
            return false;
        }
        rest = buffer_slice(&flow->input);
    }
    flow_note_use(flow);
    while (has_more && rest.length > 0)
        if (!take_frame(flow, &rest, &has_more))
            return false;
    return keep_rest(flow, rest);
}

bool flow_read_tls(struct flow *flow, struct slice bytes)
{
    struct flow_pool *pool = flow->pool;
    struct why why = WHY_NONE;
    struct buffer plain = pool->plain;
    pool->plain = BUFFER_EMPTY; /* a message may lead to a read of another connection of this pool */
    buffer_clear(&plain);
    int rc = tls_session_read(flow->session, bytes, &plain, &why);
    bool is_open = plain.length == 0 || flow_plain_bytes(flow, buffer_slice(&plain));
    buffer_free(&pool->plain);
    pool->plain = plain;
    if (!is_open)
        return false;
    flow_mark_dirty(flow);
    if (rc == 0)
        return true;
    flow_end(flow, rc == ERROR_CLOSED ? REASON_CONNECTION_LOST : REASON_TLS_FAILED, &why);
    return false;
}
