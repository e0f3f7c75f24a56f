/* SPDX-License-Identifier: GPL-2.0-or-later */
/* validate.c - are the fields a proxy uses well-formed? See validate.h. */
#include "sip/validate.h"

#include "base/error.h"
#include "sip/character.h"
#include "sip/message_private.h"

/* Fields that may stand once only, and that are used here (RFC 4475 3.3.8). */
static const enum sip_header_id single[] = { SIP_HEADER_FROM, SIP_HEADER_TO, SIP_HEADER_CALL_ID, SIP_HEADER_CSEQ,
    SIP_HEADER_MAX_FORWARDS, SIP_HEADER_CONTENT_LENGTH };

static enum sip_defect_code check_single(const struct sip_message *message)
{
    if ((message->seen_twice.bits[0] | message->seen_twice.bits[1]) == 0)
        return SIP_DEFECT_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(single); i++)
        if (sip_header_set_has(&message->seen_twice, single[i]))
            return SIP_DEFECT_DUPLICATE_HEADER;
    return SIP_DEFECT_NONE;
}

/* The grammar of words is narrower; what matters is that the text ends where its line does. */
static bool is_call_id(struct slice text)
{
    return text.length > 0 && sip_find_blank(text, 0) == text.length;
}

/* The six fields of 8.1.1 but Max-Forwards, in requests and responses alike. */
static enum sip_defect_code check_fields(const struct sip_message *message)
{
    const struct sip_header_set *seen = &message->seen;
    if (!message->has_top_via)
        return sip_header_set_has(seen, SIP_HEADER_VIA) ? SIP_DEFECT_VIA : SIP_DEFECT_VIA_MISSING;
    if (!message->has_from)
        return sip_header_set_has(seen, SIP_HEADER_FROM) ? SIP_DEFECT_FROM : SIP_DEFECT_FROM_MISSING;
    if (!message->has_to)
        return sip_header_set_has(seen, SIP_HEADER_TO) ? SIP_DEFECT_TO : SIP_DEFECT_TO_MISSING;
    if (!sip_header_set_has(seen, SIP_HEADER_CALL_ID))
        return SIP_DEFECT_CALL_ID_MISSING;
    if (!is_call_id(message->call_id))
        return SIP_DEFECT_CALL_ID;
    if (!message->has_cseq)
        return sip_header_set_has(seen, SIP_HEADER_CSEQ) ? SIP_DEFECT_CSEQ : SIP_DEFECT_CSEQ_MISSING;
    return check_single(message);
}

static enum sip_defect_code check_cseq_method(const struct sip_message *message)
{
    if (slice_equal(message->method_text, message->cseq.method_text))
        return SIP_DEFECT_NONE;
    return message->method == SIP_METHOD_OTHER ? SIP_DEFECT_CSEQ_METHOD_UNKNOWN : SIP_DEFECT_CSEQ_METHOD;
}

/* RFC 5630 3.1.3 with 3261 26.2.2: SIPS over UDP does not exist. */
static bool is_sips_over_udp(const struct sip_uri *uri)
{
    return uri->scheme == SIP_URI_SIPS && uri->transport == SIP_TRANSPORT_UDP;
}

static enum sip_defect_code check_request_uri(const struct sip_message *message)
{
    if (!message->has_uri)
        return SIP_DEFECT_REQUEST_URI;
    if (message->uri.scheme == SIP_URI_OTHER)
        return SIP_DEFECT_REQUEST_URI_SCHEME;
    if (!slice_is_absent(message->uri.headers))
        return SIP_DEFECT_REQUEST_URI_HEADERS;
    return is_sips_over_udp(&message->uri) ? SIP_DEFECT_SIPS_TRANSPORT : SIP_DEFECT_NONE;
}

/* Route = name-addr with <>, each of a SIP or SIPS URI. */
static enum sip_defect_code check_route(const struct sip_message *message)
{
    struct sip_values values = sip_values_of(message, SIP_HEADER_ROUTE);
    struct sip_value value;
    while (sip_values_next(&values, &value)) {
        struct sip_name_addr route;
        struct sip_uri uri;
        if (sip_name_addr_parse(value.text, &route) != 0 || !route.has_brackets ||
            sip_uri_parse(route.uri, &uri) != 0 || !sip_uri_is_sip(&uri))
            return SIP_DEFECT_ROUTE;
        if (is_sips_over_udp(&uri))
            return SIP_DEFECT_SIPS_TRANSPORT;
    }
    return SIP_DEFECT_NONE;
}

/* 8.2.2.3: in CANCEL and ACK it is not looked at. */
static enum sip_defect_code check_proxy_require(const struct sip_message *message)
{
    if (message->method == SIP_METHOD_CANCEL || message->method == SIP_METHOD_ACK)
        return SIP_DEFECT_NONE;
    struct sip_values values = sip_values_of(message, SIP_HEADER_PROXY_REQUIRE);
    struct sip_value value;
    while (sip_values_next(&values, &value))
        if (!sip_is_all(value.text, SIP_IN_TOKEN))
            return SIP_DEFECT_PROXY_REQUIRE;
    return SIP_DEFECT_NONE;
}

static enum sip_defect_code check_request(const struct sip_message *message)
{
    enum sip_defect_code code = check_fields(message);
    if (code == SIP_DEFECT_NONE && slice_equal(message->top_via.branch, SLICE_LITERAL("z9hG4bK")))
        code = SIP_DEFECT_BRANCH;
    if (code == SIP_DEFECT_NONE)
        code = check_cseq_method(message);
    if (code == SIP_DEFECT_NONE && message->max_forwards_state == SIP_MAX_FORWARDS_MALFORMED)
        code = SIP_DEFECT_MAX_FORWARDS;
    if (code == SIP_DEFECT_NONE)
        code = check_request_uri(message);
    if (code == SIP_DEFECT_NONE)
        code = check_route(message);
    if (code == SIP_DEFECT_NONE)
        code = check_proxy_require(message);
    return code;
}

/* RFC 4475 3.3.10: the Via below ours must not name a place that no response may go to. */
static enum sip_defect_code check_next_via(const struct sip_message *message)
{
    struct sip_values values = sip_values_of(message, SIP_HEADER_VIA);
    struct sip_value value;
    struct sip_via via;
    struct sip_host maddr;
    (void)sip_values_next(&values, &value); /* ours, which was read */
    if (!sip_values_next(&values, &value) || sip_via_parse(value.text, &via) != 0)
        return SIP_DEFECT_NONE;
    struct address address = via.host.address;
    if (!slice_is_absent(via.maddr) && sip_host_parse_bare(via.maddr, &maddr) == 0)
        address = maddr.address;
    else if (via.received_address.family != ADDRESS_NONE)
        address = via.received_address;
    if (address.family == ADDRESS_NONE)
        return SIP_DEFECT_NONE;
    return address_is_unspecified(&address) || address_is_multicast_or_broadcast(&address) ? SIP_DEFECT_NEXT_VIA
                                                                                           : SIP_DEFECT_NONE;
}

static int result(enum sip_defect_code code, struct sip_defect *defect_r)
{
    if (code == SIP_DEFECT_NONE)
        return 0;
    *defect_r = sip_defect_of(code);
    return ERROR_SYNTAX;
}

int sip_validate_request(const struct sip_message *message, struct sip_defect *defect_r)
{
    if (!message->is_request || message->is_salvaged)
        return result(SIP_DEFECT_NOT_SIP, defect_r);
    return result(check_request(message), defect_r);
}

int sip_validate_response(const struct sip_message *message, struct sip_defect *defect_r)
{
    if (!sip_message_is_response(message))
        return result(SIP_DEFECT_NOT_SIP, defect_r);
    enum sip_defect_code code = check_fields(message);
    return result(code == SIP_DEFECT_NONE ? check_next_via(message) : code, defect_r);
}
