/* SPDX-License-Identifier: GPL-2.0-or-later */
/* outgoing.c - the request as it leaves; see outgoing.h. */
#include "relay/outgoing.h"

#include "base/error.h"
#include "sip/compose.h"

#include <string.h>

enum { SCRATCH_MAX = 4096, MAX_FORWARDS = 70 };

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

const char *outgoing_sent_by(const struct relay_settings *settings, enum sip_transport transport, uint8_t family,
    const char *via_host, uint16_t *port_r)
{
    const struct listener_settings *listener = stand_in(settings, transport, family);
    *port_r = listener->advertised_port;
    return via_host != NULL ? via_host : listener->advertised_host;
}

static struct slice compose_via(const struct outgoing *outgoing, struct buffer *text)
{
    size_t start = text->length;
    uint16_t port;
    const char *host = outgoing_sent_by(outgoing->settings, outgoing->transport, outgoing->family, outgoing->via_host,
        &port);
    buffer_append_string(text, "SIP/2.0/");
    buffer_append_string(text, sip_transport_via_name(outgoing->transport));
    buffer_append_byte(text, ' ');
    append_host_port(text, host, port);
    buffer_append_string(text, ";branch=");
    buffer_append_slice(text, outgoing->branch_id);
    if (outgoing->transport == SIP_TRANSPORT_UDP)
        buffer_append_string(text, ";rport");
    return slice_of(text->data + start, text->length - start);
}

/* In a dialog too (16.6(4)): who has lost its state makes the route set anew out of any request, and a NOTIFY makes
 * the dialog of a subscription though its To has a tag (RFC 6665 4.3). What an unknown method makes is not known. */
bool outgoing_makes_dialog(enum sip_method method)
{
    return method == SIP_METHOD_INVITE || method == SIP_METHOD_SUBSCRIBE || method == SIP_METHOD_REFER ||
        method == SIP_METHOD_NOTIFY || method == SIP_METHOD_OTHER;
}

/* "<sip:host:port;transport=tcp;lr>"; sips only where the request is (16.6(4)). transport=tls is written only where
 * a row says so: RFC 5630 5.3 forbids it, and many peers need it. Else a name stands alone, for with a port there is no
 * NAPTR look-up, and without one sip: is UDP (RFC 3263 4.1, RFC 5658 6.2); for an address there is no other way. */
static struct slice compose_record_route(struct buffer *text, const char *host, uint16_t port,
    enum sip_transport transport, bool is_sips, bool names_tls, struct slice pin)
{
    size_t start = text->length;
    struct address address;
    bool is_tls = transport == SIP_TRANSPORT_TLS && !is_sips;
    names_tls = names_tls || address_parse(slice_of_string(host), &address) == 0;
    buffer_append_string(text, is_sips ? "<sips:" : "<sip:");
    if (is_tls && !names_tls)
        append_host(text, host);
    else
        append_host_port(text, host, port);
    if (transport == SIP_TRANSPORT_TCP || (is_tls && names_tls))
        buffer_append_format(text, ";transport=%s", sip_transport_uri_name(transport));
    if (!slice_is_absent(pin)) {
        buffer_append_string(text, ";pin=");
        buffer_append_slice(text, pin);
    }
    buffer_append_string(text, ";lr>");
    return slice_of(text->data + start, text->length - start);
}

static void add_record_routes(const struct outgoing *outgoing, const struct listener_settings *out_side,
    struct buffer *text, struct sip_request_edit *edit)
{
    const struct listener_settings *in_side = outgoing->in_side;
    if (!outgoing_makes_dialog(sip_message_method(outgoing->request)))
        return;
    bool is_sips = routing_is_sips(outgoing->request, outgoing->edits, outgoing->next_hop);
    const char *host = outgoing->rr_host != NULL ? outgoing->rr_host : out_side->advertised_host;
    edit->record_route[edit->record_route_count++] = compose_record_route(text, host, out_side->advertised_port,
        outgoing->transport, is_sips, outgoing->out_names_tls, outgoing->pin);
    /* RFC 5658: one for each side where they differ; ours are popped together. A caller without TLS is not told to come
     * by TLS to where there is none. */
    bool in_is_sips = is_sips && in_side->transport == SIP_TRANSPORT_TLS;
    if (in_side != out_side || outgoing->rr_host != NULL)
        edit->record_route[edit->record_route_count++] = compose_record_route(text, in_side->advertised_host,
            in_side->advertised_port, in_side->transport, in_is_sips, outgoing->in_names_tls, SLICE_ABSENT);
}

int outgoing_compose(const struct outgoing *outgoing, struct buffer *scratch, struct buffer *out)
{
    const struct routing_edits *edits = outgoing->edits;
    buffer_clear(scratch);
    /* Slices into the text are taken as it is written: it must not move. */
    if (!buffer_reserve(scratch, SCRATCH_MAX))
        return ERROR_MEMORY;
    const struct listener_settings *listener = stand_in(outgoing->settings, outgoing->transport, outgoing->family);
    struct sip_request_edit edit = { .request_uri = edits->request_uri, .source = &outgoing->source,
        .route_remove_first = edits->route_remove_first, .route_remove_last = edits->route_remove_last,
        .route_push = outgoing->route_push, .route_append = edits->route_append, .sets_max_forwards = true,
        .max_forwards = MAX_FORWARDS, .max_breadth = outgoing->max_breadth,
        .needs_content_length = outgoing->transport != SIP_TRANSPORT_UDP };
    uint32_t max_forwards;
    if (sip_message_max_forwards(outgoing->request, &max_forwards) == SIP_MAX_FORWARDS_VALUE)
        edit.max_forwards = max_forwards - 1;
    edit.via = compose_via(outgoing, scratch);
    add_record_routes(outgoing, listener, scratch, &edit);
    sip_header_set_add(&edit.extra.strip, SIP_HEADER_X_TRELAY_FLAGS);
    if (scratch->has_failed || scratch->length > SCRATCH_MAX)
        return ERROR_MEMORY;
    return sip_compose_request(out, outgoing->request, &edit);
}
