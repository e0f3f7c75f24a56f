/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.c - host and port; see host.h. */
#include "sip/host.h"

#include "base/error.h"
#include "sip/character.h"

enum { HOST_NAME_MAX_LENGTH = 255, V6_TEXT_MAX = 46 };

/* A resolver may read a last label of digits, or 0x and hex digits, as part of an IPv4 address. */
static bool is_numeric_label(struct slice label)
{
    if (sip_is_all(label, SIP_IN_DIGITS))
        return true;
    if (label.length < 2 || label.data[0] != '0' || ascii_lower(label.data[1]) != 'x')
        return false;
    for (size_t i = 2; i < label.length; i++)
        if (!sip_is_hex(label.data[i]))
            return false;
    return true;
}

/* Labels of letters, digits, "-" and "_", no hyphen at either end, one dot allowed at the end. */
static int parse_name(struct slice text, struct sip_host *host)
{
    if (text.length > HOST_NAME_MAX_LENGTH)
        return ERROR_SYNTAX;
    size_t at = 0;
    struct slice label;
    do {
        label = slice_of(text.data + at, sip_run(text, at, SIP_IN_LABEL));
        if (label.length == 0 || label.data[0] == '-' || label.data[label.length - 1] == '-')
            return ERROR_SYNTAX;
        at += label.length;
        if (at < text.length && text.data[at++] != '.')
            return ERROR_SYNTAX;
    } while (at < text.length);
    if (is_numeric_label(label))
        return ERROR_SYNTAX;
    host->kind = SIP_HOST_NAME;
    host->text = text;
    return 0;
}

/* RFC 5118 4.10: the grammar of RFC 3261 once asked for "2001:db8:::192.0.2.1"; one colon is dropped. */
static int parse_v6_text(struct slice text, struct address *address_r)
{
    char repaired[V6_TEXT_MAX];
    int rc = address_parse(text, address_r);
    if (rc == 0 || text.length > sizeof(repaired))
        return rc;
    for (size_t colon = slice_find(text, ':', 0); colon + 2 < text.length; colon = slice_find(text, ':', colon + 1)) {
        if (text.data[colon + 1] != ':' || text.data[colon + 2] != ':')
            continue;
        memcpy(repaired, text.data, colon);
        memcpy(repaired + colon, text.data + colon + 1, text.length - colon - 1);
        return address_parse(slice_of(repaired, text.length - 1), address_r);
    }
    return rc;
}

static int parse_v6(struct slice text, struct sip_host *host)
{
    if (slice_find(text, ':', 0) == text.length)
        return ERROR_SYNTAX;
    int rc = parse_v6_text(text, &host->address);
    if (rc != 0)
        return ERROR_SYNTAX;
    host->kind = SIP_HOST_V6;
    host->text = text;
    return 0;
}

/* Only digits and dots can be an IPv4 address. */
static bool looks_like_v4(struct slice text)
{
    if (text.length == 0 || !sip_is(text.data[text.length - 1], SIP_IN_DIGITS))
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] != '.' && !sip_is(text.data[i], SIP_IN_DIGITS))
            return false;
    return true;
}

int sip_host_parse(struct slice text, struct sip_host *host_r)
{
    struct sip_host host = { .kind = SIP_HOST_NONE };
    int rc = ERROR_SYNTAX;
    if (text.length > 2 && text.data[0] == '[' && text.data[text.length - 1] == ']')
        rc = parse_v6(slice_of(text.data + 1, text.length - 2), &host);
    else if (looks_like_v4(text)) {
        rc = address_parse(text, &host.address);
        host.kind = SIP_HOST_V4;
        host.text = text;
    } else if (text.length > 0)
        rc = parse_name(text, &host);
    if (rc == 0)
        *host_r = host;
    return rc;
}

int sip_host_parse_bare(struct slice text, struct sip_host *host_r)
{
    struct sip_host host = { .kind = SIP_HOST_NONE };
    if (slice_find(text, ':', 0) == text.length || text.data[0] == '[')
        return sip_host_parse(text, host_r);
    int rc = parse_v6(text, &host);
    if (rc == 0)
        *host_r = host;
    return rc;
}

int sip_port_parse(struct slice text, uint16_t *port_r)
{
    uint32_t port = 0;
    if (text.length == 0)
        return ERROR_SYNTAX;
    for (size_t i = 0; i < text.length; i++) {
        if (!sip_is(text.data[i], SIP_IN_DIGITS))
            return ERROR_SYNTAX;
        port = port * 10 + (uint32_t)(text.data[i] - '0');
        if (port > UINT16_MAX)
            return ERROR_SYNTAX;
    }
    if (port == 0)
        return ERROR_SYNTAX;
    *port_r = (uint16_t)port;
    return 0;
}

int sip_host_port_parse(struct slice text, struct sip_host *host_r, uint16_t *port_r)
{
    uint16_t port = 0;
    size_t colon = slice_find(text, ':', text.length > 0 && text.data[0] == '[' ? slice_find(text, ']', 0) : 0);
    if (colon < text.length && sip_port_parse(slice_from(text, colon + 1), &port) != 0)
        return ERROR_SYNTAX;
    int rc = sip_host_parse(slice_first(text, colon), host_r);
    if (rc == 0)
        *port_r = port;
    return rc;
}
