/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.h - host and port of URIs and Via, RFC 3261 25.1 with RFC 5118.
 * In:    a name, an IPv4 address or an IPv6 address in brackets. Out: which of them, and the address.
 * Never: takes a number for a name: where the last label is numeric, the whole must be a strict IPv4
 *        address (no octal, no short forms, INV-11). Underscores in names are tolerated.
 */
#ifndef TRELAY_SIP_HOST_H
#define TRELAY_SIP_HOST_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/slice.h"

#include <stdint.h>

enum sip_host_kind { SIP_HOST_NONE = 0, SIP_HOST_NAME, SIP_HOST_V4, SIP_HOST_V6 };

struct sip_host {
    enum sip_host_kind kind;
    struct slice text;      /* as written, without brackets */
    struct address address; /* of V4 and V6; ::ffff:a.b.c.d is the V4 address; family NONE for a name */
};

/* All of TEXT; IPv6 only in brackets. 0 or ERROR_SYNTAX. */
int sip_host_parse(struct slice text, struct sip_host *host_r) MUST_CHECK;

/* The same, with or without brackets: received and maddr of Via (RFC 5118 4.5). */
int sip_host_parse_bare(struct slice text, struct sip_host *host_r) MUST_CHECK;

/* "host[:port]" without white space; *PORT_R is 0 without a port (":0" is an error). */
int sip_host_port_parse(struct slice text, struct sip_host *host_r, uint16_t *port_r) MUST_CHECK;

/* 1..65535, digits only. */
int sip_port_parse(struct slice text, uint16_t *port_r) MUST_CHECK;

#endif
