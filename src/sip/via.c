/* SPDX-License-Identifier: GPL-2.0-or-later */
/* via.c - one Via value; see via.h. */
#include "sip/via.h"

#include "base/error.h"
#include "base/never.h"
#include "sip/character.h"
#include "sip/parameter.h"

#define MAGIC_COOKIE "z9hG4bK"

/* Reads a token with white space around it and returns where the next thing starts; 0: no token. */
static size_t take_token(struct slice s, size_t at, struct slice *token)
{
    at = sip_skip_space(s, at);
    size_t length = sip_run(s, at, SIP_IN_TOKEN);
    if (length == 0)
        return 0;
    *token = slice_of(s.data + at, length);
    return sip_skip_space(s, at + length);
}

/* "SIP" SLASH "2.0" SLASH, nearly always without white space; 0: something else. */
static size_t take_protocol_name(struct slice s)
{
    static const struct slice usual = SLICE_LITERAL("SIP/2.0/");
    struct slice name;
    struct slice version;
    if (s.length > usual.length && memcmp(s.data, usual.data, usual.length) == 0)
        return usual.length;
    size_t at = take_token(s, 0, &name);
    if (at == 0 || at >= s.length || s.data[at] != '/' || !slice_equal_nocase(name, SLICE_LITERAL("SIP")))
        return 0;
    at = take_token(s, at + 1, &version);
    if (at == 0 || at >= s.length || s.data[at] != '/' || !slice_equal(version, SLICE_LITERAL("2.0")))
        return 0;
    return at + 1;
}

/* sent-protocol = "SIP" SLASH "2.0" SLASH transport. */
static size_t take_protocol(struct slice s, struct sip_via *via)
{
    size_t at = take_protocol_name(s);
    if (at == 0)
        return 0;
    at = take_token(s, at, &via->transport_text);
    /* LWS, not SWS, before sent-by. */
    if (at == 0 || at >= s.length || !sip_is_space(s.data[at - 1]))
        return 0;
    via->transport = sip_transport_from_name(via->transport_text);
    return at;
}

/* sent-by = host [ COLON port ]; white space may stand around the colon. */
static size_t take_sent_by(struct slice s, size_t at, struct sip_via *via)
{
    size_t start = at;
    if (always(at < s.length) && s.data[at] == '[') { /* take_protocol() saw that something follows */
        at = slice_find(s, ']', at);
        at += at < s.length;
    } else {
        while (at < s.length && (sip_is(s.data[at], SIP_IN_LABEL) || s.data[at] == '.'))
            at++;
    }
    if (sip_host_parse(slice_of(s.data + start, at - start), &via->host) != 0)
        return 0;
    at = sip_skip_space(s, at);
    if (at == s.length || s.data[at] != ':')
        return at;
    at = sip_skip_space(s, at + 1);
    size_t digits = sip_run(s, at, SIP_IN_DIGITS);
    if (sip_port_parse(slice_of(s.data + at, digits), &via->port) != 0)
        return 0;
    return sip_skip_space(s, at + digits);
}

/* False: a second one of a kind that must be single. */
static bool keep_once(struct slice *slot, struct slice value)
{
    if (!slice_is_absent(*slot))
        return false;
    *slot = value;
    return true;
}

static bool keep_received(struct sip_via *via, const struct sip_parameter *parameter)
{
    struct sip_host host;
    if (!keep_once(&via->received_text, parameter->text))
        return false;
    via->received = parameter->value;
    if (sip_host_parse_bare(parameter->value, &host) == 0)
        via->received_address = host.address;
    return true;
}

static bool keep_rport(struct sip_via *via, const struct sip_parameter *parameter)
{
    if (!keep_once(&via->rport_text, parameter->text))
        return false;
    via->rport = slice_is_absent(parameter->value) ? SIP_RPORT_EMPTY : SIP_RPORT_VALUE;
    if (sip_port_parse(parameter->value, &via->rport_port) != 0)
        via->rport_port = 0;
    return true;
}

static bool keep_parameter(struct sip_via *via, const struct sip_parameter *parameter)
{
    struct slice name = parameter->name;
    switch (name.length) {
    case 3:
        if (slice_equal_nocase(name, SLICE_LITERAL("ttl")))
            via->ttl = parameter->value;
        return true;
    case 4:
        if (slice_equal_nocase(name, SLICE_LITERAL("keep"))) {
            via->has_keep = true;
            via->keep = parameter->value;
        }
        return true;
    case 5:
        if (slice_equal_nocase(name, SLICE_LITERAL("rport")))
            return keep_rport(via, parameter);
        if (slice_equal_nocase(name, SLICE_LITERAL("alias")))
            via->has_alias = true;
        else if (slice_equal_nocase(name, SLICE_LITERAL("maddr")))
            via->maddr = parameter->value;
        return true;
    case 6:
        if (slice_equal_nocase(name, SLICE_LITERAL("branch")))
            return !slice_is_absent(parameter->value) && keep_once(&via->branch, parameter->value);
        return true;
    case 8:
        return !slice_equal_nocase(name, SLICE_LITERAL("received")) || keep_received(via, parameter);
    default:
        return true;
    }
}

int sip_via_parse(struct slice value, struct sip_via *via_r)
{
    struct slice s = sip_trim(value);
    struct sip_via via = { .text = s };
    size_t at = take_protocol(s, &via);
    if (at > 0)
        at = take_sent_by(s, at, &via);
    if (at == 0)
        return ERROR_SYNTAX;
    via.parameters = slice_from(s, at);
    struct slice rest = via.parameters;
    struct sip_parameter parameter;
    enum sip_next next;
    while ((next = sip_parameter_next(&rest, &parameter)) == SIP_NEXT_ONE)
        if (!keep_parameter(&via, &parameter))
            return ERROR_SYNTAX;
    if (next != SIP_NEXT_END)
        return ERROR_SYNTAX;
    *via_r = via;
    return 0;
}

bool sip_via_has_unique_branch(const struct sip_via *via)
{
    struct slice cookie = SLICE_LITERAL(MAGIC_COOKIE);
    return via->branch.length > cookie.length && memcmp(via->branch.data, cookie.data, cookie.length) == 0;
}

bool sip_via_needs_received(const struct sip_via *via, const struct endpoint *source)
{
    return via->host.kind == SIP_HOST_NAME || !address_equal(&via->host.address, &source->address) ||
        via->rport != SIP_RPORT_ABSENT || !slice_is_absent(via->received_text);
}

bool sip_via_is_sent_by(const struct sip_via *via, struct slice host, uint16_t port)
{
    uint16_t default_port = via->transport == SIP_TRANSPORT_TLS ? 5061 : 5060;
    struct address address;
    if ((via->port != 0 ? via->port : default_port) != port)
        return false;
    if (slice_equal_nocase(via->host.text, host))
        return true;
    return via->host.kind != SIP_HOST_NAME && address_parse(host, &address) == 0 &&
        address_equal(&via->host.address, &address);
}
