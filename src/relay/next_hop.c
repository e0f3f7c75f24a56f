/* SPDX-License-Identifier: GPL-2.0-or-later */
/* next_hop.c - see next_hop.h. */
#include "relay/next_hop.h"

#include "base/error.h"
#include "net/service_order.h"

#include <stdlib.h>
#include <string.h>

static bool policy_needs_tls(const struct next_hop *hop)
{
    const uint32_t raising = T_RELAY_TLS | T_RELAY_VERIFY_CHAIN | T_RELAY_VERIFY_DOMAIN | T_RELAY_TRUST;
    return hop->is_pinned || (hop->row != NULL && level_needs_tls(hop->row->level)) || flags_have(hop->flags, raising);
}

static bool is_sips(const struct next_hop *hop)
{
    return hop->is_sips_request || hop->uri->scheme == SIP_URI_SIPS;
}

/* RFC 5630 5.3 */
bool next_hop_has_sip_contact(const struct sip_message *request)
{
    struct sip_values values = sip_values_of(request, SIP_HEADER_CONTACT);
    struct sip_value value;
    while (sip_values_next(&values, &value)) {
        struct sip_name_addr contact;
        if (sip_name_addr_parse(value.text, &contact) == 0 &&
            slice_equal_nocase(slice_first(contact.uri, 4), SLICE_LITERAL("sip:")))
            return true;
    }
    return false;
}

bool next_hop_needs_tls(const struct next_hop *hop)
{
    return policy_needs_tls(hop) || is_sips(hop);
}

static enum transport transport_of(enum sip_transport transport)
{
    switch (transport) {
    case SIP_TRANSPORT_UDP:
        return TRANSPORT_UDP;
    case SIP_TRANSPORT_TCP:
        return TRANSPORT_TCP;
    case SIP_TRANSPORT_TLS:
        return TRANSPORT_TLS;
    default:
        return TRANSPORT_UNSET;
    }
}

static enum reason refuse(struct why *why, enum reason reason, const struct next_hop *hop, const char *text)
{
    if (hop->row != NULL)
        (void)why_fail(why, ERROR_REFUSED, "row \"%s\": %s", hop->row->name, text);
    else
        (void)why_fail(why, ERROR_REFUSED, "%s", text);
    return reason;
}

static enum reason check_row_scheme(const struct next_hop *hop, struct why *why)
{
    switch (hop->row->scheme) {
    case SCHEME_ANY:
        return REASON_NONE;
    case SCHEME_SIP:
        return hop->is_sips_request ? refuse(why, REASON_SIPS_NOT_ALLOWED, hop, "it takes no SIPS requests")
                                    : REASON_NONE;
    case SCHEME_SIPS:
        if (!hop->is_sips_request)
            return refuse(why, REASON_SIPS_REQUIRED, hop, "it takes SIPS requests only");
        break;
    case SCHEME_CONSISTENT:
        break;
    case SCHEME_UNSET:
    case SCHEME_COUNT:
        return refuse(why, REASON_POLICY_UNUSABLE, hop, "scheme has no valid value");
    }
    return hop->is_sips_request && hop->has_sip_contact
        ? refuse(why, REASON_BAD_REQUEST, hop, "a SIPS request with a Contact of SIP") : REASON_NONE;
}

enum reason next_hop_check_scheme(const struct next_hop *hop, struct why *why)
{
    const struct sip_uri *uri = hop->uri;
    if (uri->scheme == SIP_URI_SIPS && uri->transport == SIP_TRANSPORT_UDP)
        return refuse(why, REASON_BAD_REQUEST, hop, "there is no SIPS over UDP");
    if (hop->row != NULL) {
        enum reason reason = check_row_scheme(hop, why);
        if (reason != REASON_NONE)
            return reason;
    }
    if (!hop->is_sips_request || uri->scheme == SIP_URI_SIPS)
        return REASON_NONE;
    /* A hop that is named by a SIP URI keeps SIPS where policy sees to TLS, and only there. */
    bool is_plain = uri->transport == SIP_TRANSPORT_UDP || (hop->row != NULL && !policy_needs_tls(hop));
    return is_plain ? refuse(why, REASON_SIPS_NOT_ALLOWED, hop, "the next hop is one of SIP") : REASON_NONE;
}

/* The row's own addresses stand instead of the name service. */
static enum reason row_targets(const struct next_hop *hop, struct locate_target **targets_r, size_t *count_r)
{
    size_t count = hop->row->next_hop_count;
    enum transport transport = next_hop_needs_tls(hop) ? TRANSPORT_TLS : transport_of(hop->uri->transport);
    struct locate_target *targets = calloc(count, sizeof(*targets));
    if (targets == NULL)
        return REASON_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        targets[i].transport = transport != TRANSPORT_UNSET ? transport : TRANSPORT_UDP;
        targets[i].endpoint = hop->row->next_hops[i];
    }
    *targets_r = targets;
    *count_r = count;
    return REASON_NONE;
}

static unsigned allowed_transports(const struct next_hop *hop)
{
    return next_hop_needs_tls(hop) ? TRANSPORT_BIT_TLS : TRANSPORT_BITS_ALL;
}

/* An address: nothing to ask, and no turn of the loop to wait. */
static enum reason literal_target(const struct next_hop *hop, struct locate_target **targets_r, size_t *count_r)
{
    const struct service_request request = { .is_sips = is_sips(hop), .is_literal = true, .port = hop->uri->port,
        .transport = transport_of(hop->uri->transport), .allowed = allowed_transports(hop) };
    struct service_plan plan;
    enum reason reason = service_plan(&request, &plan);
    if (reason != REASON_NONE)
        return reason;
    struct locate_target *target = malloc(sizeof(*target));
    if (target == NULL)
        return REASON_NO_MEMORY;
    *target = (struct locate_target){ .transport = plan.default_transport,
        .endpoint = { .address = hop->uri->host.address, .port = plan.default_port } };
    *targets_r = target;
    *count_r = 1;
    return REASON_NONE;
}

bool next_hop_has_addresses(const struct next_hop *hop)
{
    return hop->row != NULL && hop->row->next_hop_count > 0 && (!hop->is_pinned || hop->is_row_of_hop);
}

enum reason next_hop_targets(const struct next_hop *hop, struct locate_target **targets_r, size_t *count_r,
    struct locate_question *question_r)
{
    const struct sip_uri *uri = hop->uri;
    *count_r = 0;
    if (next_hop_has_addresses(hop))
        return row_targets(hop, targets_r, count_r);
    if (uri->host.kind == SIP_HOST_V4 || uri->host.kind == SIP_HOST_V6)
        return literal_target(hop, targets_r, count_r);
    *question_r = (struct locate_question){
        .host = hop->domain[0] != '\0' ? slice_of_string(hop->domain) : uri->host.text, .port = uri->port,
        .is_sips = is_sips(hop), .transport = transport_of(uri->transport), .allowed = allowed_transports(hop),
        .families = hop->families };
    return REASON_NONE;
}
