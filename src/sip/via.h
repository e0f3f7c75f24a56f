/* SPDX-License-Identifier: GPL-2.0-or-later */
/* via.h - one Via value, RFC 3261 20.42, 3581, 5626, 5923, 6223.
 * In:    one value as sip_values_next() gives it, white space and folds inside included.
 * Out:   slices into it. Parameters of others are read over, whatever they hold (RFC 5393 4.2.4).
 */
#ifndef TRELAY_SIP_VIA_H
#define TRELAY_SIP_VIA_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/slice.h"
#include "sip/host.h"
#include "sip/transport.h"

#include <stdbool.h>
#include <stdint.h>

enum sip_rport { SIP_RPORT_ABSENT = 0, SIP_RPORT_EMPTY, SIP_RPORT_VALUE };

struct sip_via {
    struct slice text; /* the whole value, trimmed */
    enum sip_transport transport;
    struct slice transport_text;
    struct sip_host host; /* sent-by */
    uint16_t port;        /* 0: none given */
    struct slice parameters;
    struct slice branch;         /* absent: none */
    struct slice received;       /* as written, maybe in brackets; absent: none */
    struct slice received_text;  /* the whole parameter, for splicing */
    struct address received_address; /* family NONE when absent or not an address */
    enum sip_rport rport;
    uint16_t rport_port;         /* 0 unless rport is VALUE and a port */
    struct slice rport_text;     /* the whole parameter, for splicing */
    struct slice maddr;          /* absent: none */
    struct slice ttl;            /* absent: none */
    struct slice keep;           /* value; absent: none, see has_keep */
    bool has_alias;
    bool has_keep;
};

/* 0 or ERROR_SYNTAX. A second branch, received or rport is an error. */
int sip_via_parse(struct slice value, struct sip_via *via_r) MUST_CHECK;

/* The magic cookie with something behind it: the branch is unique (RFC 3261 17.2.3), else match as RFC 2543 did. */
bool sip_via_has_unique_branch(const struct sip_via *via);

/* 18.2.1 with RFC 3581 4: must the receiver of this top Via add received? True also when the sender supplied
 * one, which then is replaced. */
bool sip_via_needs_received(const struct sip_via *via, const struct endpoint *source);

/* 20.42: whether its sent-by is HOST, a name in any case or an address in any spelling, without brackets, and PORT.
 * Without a port it is that of its transport (18.1.1). */
bool sip_via_is_sent_by(const struct sip_via *via, struct slice host, uint16_t port);

#endif
