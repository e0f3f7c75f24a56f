/* SPDX-License-Identifier: GPL-2.0-or-later */
/* outgoing.c - the request as it leaves: our Via, Record-Route on both sides, Route, Max-Forwards. */
#include "base/error.h"
#include "relay/worker.h"
#include "sip/compose.h"

/* The listener whose name stands in Via and Record-Route towards TRANSPORT and FAMILY: the same kind before another. */
static const struct listener_settings *stand_in(const struct relay_settings *settings, enum sip_transport transport,
    uint8_t family)
{
    const struct listener_settings *listener = relay_settings_listener(settings, transport, family);
    for (size_t i = 0; listener == NULL && i < settings->listener_count; i++)
        if (settings->listeners[i].transport == transport)
            listener = &settings->listeners[i];
    return listener != NULL ? listener : &settings->listeners[0];
}

static enum sip_transport sip_transport_of(enum transport transport)
{
    switch (transport) {
    case TRANSPORT_UDP:
        return SIP_TRANSPORT_UDP;
    case TRANSPORT_TCP:
        return SIP_TRANSPORT_TCP;
    case TRANSPORT_TLS:
        return SIP_TRANSPORT_TLS;
    case TRANSPORT_UNSET:
        break;
    }
    return SIP_TRANSPORT_NONE;
}

struct udp_port *outgoing_udp(struct worker *worker, const struct endpoint *target)
{
    const struct relay_settings *settings = worker->relay->settings;
    for (size_t i = 0; i < settings->listener_count; i++)
        if (worker->udps[i].udp != NULL &&
            settings->listeners[i].endpoint.address.family == target->address.family)
            return &worker->udps[i];
    return NULL;
}

static void append_host(struct buffer *out, const char *host)
{
    bool is_v6 = strchr(host, ':') != NULL;
    buffer_append_string(out, is_v6 ? "[" : "");
    buffer_append_string(out, host);
    buffer_append_string(out, is_v6 ? "]" : "");
}

static void append_host_port(struct buffer *out, const char *host, uint16_t port)
{
    append_host(out, host);
    buffer_append_byte(out, ':');
    buffer_append_unsigned(out, port);
}

static struct slice compose_via(struct relay_step *step, const struct listener_settings *listener,
    const struct outbound_policy *row, struct slice branch_id, struct buffer *text)
{
    size_t start = text->length;
    buffer_append_string(text, "SIP/2.0/");
    buffer_append_string(text, sip_transport_via_name(sip_transport_of(step->target.transport)));
    buffer_append_byte(text, ' ');
    append_host_port(text, row->via_host != NULL ? row->via_host : listener->advertised_host,
        listener->advertised_port);
    buffer_append_string(text, ";branch=");
    buffer_append_slice(text, branch_id);
    if (step->target.transport == TRANSPORT_UDP)
        buffer_append_string(text, ";rport");
    return slice_of(text->data + start, text->length - start);
}

static bool makes_dialog(enum sip_method method)
{
    return method == SIP_METHOD_INVITE || method == SIP_METHOD_SUBSCRIBE || method == SIP_METHOD_REFER ||
        method == SIP_METHOD_NOTIFY;
}

/* "<sip:host:port;transport=tcp;lr>"; sips only where the request is (16.6(4)). transport=tls is written only where
 * the row says so: RFC 5630 has it deprecated, and many peers need it. */
static struct slice compose_record_route(struct buffer *text, const char *host, uint16_t port,
    enum sip_transport transport, bool is_sips, bool names_tls)
{
    size_t start = text->length;
    buffer_append_string(text, is_sips ? "<sips:" : "<sip:");
    append_host_port(text, host, port);
    if (transport == SIP_TRANSPORT_TCP || (transport == SIP_TRANSPORT_TLS && names_tls && !is_sips))
        buffer_append_format(text, ";transport=%s", sip_transport_uri_name(transport));
    buffer_append_string(text, ";lr>");
    return slice_of(text->data + start, text->length - start);
}

static void add_record_routes(struct relay_step *step, const struct listener_settings *out_side,
    const struct outbound_policy *row, struct buffer *text, struct sip_request_edit *edit)
{
    const struct exchange *exchange = step->exchange;
    const struct listener_settings *in_side = exchange->upstream.listener;
    const struct sip_uri *uri = sip_message_uri(exchange->request);
    if (!makes_dialog(sip_message_method(exchange->request)) ||
        !slice_is_absent(sip_message_to_tag(exchange->request)))
        return;
    bool is_sips = uri != NULL && uri->scheme == SIP_URI_SIPS;
    const char *host = row->rr_host != NULL ? row->rr_host : out_side->advertised_host;
    enum sip_transport transport = sip_transport_of(step->target.transport);
    edit->record_route[edit->record_route_count++] =
        compose_record_route(text, host, out_side->advertised_port, transport, is_sips, row->transport_tls_param);
    /* RFC 5658: one for each side where they differ; ours are popped together. */
    if (in_side != out_side || row->rr_host != NULL)
        edit->record_route[edit->record_route_count++] = compose_record_route(text, in_side->advertised_host,
            in_side->advertised_port, in_side->transport, is_sips, true);
}

int outgoing_compose(struct relay_step *step, const struct requirement *requirement, struct slice branch_id,
    struct buffer *out)
{
    struct exchange *exchange = step->exchange;
    struct worker *worker = exchange->worker;
    const struct outbound_policy *row = requirement->terms.row;
    struct buffer *text = &worker->text;
    buffer_clear(text);
    /* Slices into the text are taken as it is written: it must not move. */
    if (!buffer_reserve(text, 4096))
        return ERROR_MEMORY;
    const struct listener_settings *listener = stand_in(worker->relay->settings,
        sip_transport_of(step->target.transport), step->target.endpoint.address.family);
    struct sip_request_edit edit = { .request_uri = exchange->request_uri, .source = &exchange->upstream.source,
        .route_remove_first = exchange->route_remove_first, .route_remove_last = exchange->route_remove_last,
        .route_push = step->route_push, .route_append = exchange->route_append, .sets_max_forwards = true,
        .max_forwards = 70, .needs_content_length = step->target.transport != TRANSPORT_UDP };
    uint32_t max_forwards;
    if (sip_message_max_forwards(exchange->request, &max_forwards) == SIP_MAX_FORWARDS_VALUE)
        edit.max_forwards = max_forwards - 1;
    edit.via = compose_via(step, listener, row, branch_id, text);
    add_record_routes(step, listener, row, text, &edit);
    sip_header_set_add(&edit.extra.strip, SIP_HEADER_X_TRELAY_FLAGS);
    if (text->has_failed || text->length > 4096)
        return ERROR_MEMORY;
    return sip_compose_request(out, exchange->request, &edit);
}
