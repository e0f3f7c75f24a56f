/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service_order.h - which SIP services of a domain are tried, in which order: RFC 3263 section 4, RFC 2782.
 * In:    what the URI says, what policy allows, NAPTR and SRV records. Out: transports and names in order.
 * Never: asks the network; lets a record bring in a transport that was not allowed.
 */
#ifndef TRELAY_NET_SERVICE_ORDER_H
#define TRELAY_NET_SERVICE_ORDER_H

#include "decide/requirement.h"
#include "policy/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERVICE_NAME_SIZE = 256, SERVICE_CANDIDATES_MAX = 8 };

/* Sets of enum transport. */
enum {
    TRANSPORT_BIT_UDP = 1 << TRANSPORT_UDP,
    TRANSPORT_BIT_TCP = 1 << TRANSPORT_TCP,
    TRANSPORT_BIT_TLS = 1 << TRANSPORT_TLS,
    TRANSPORT_BITS_ALL = TRANSPORT_BIT_UDP | TRANSPORT_BIT_TCP | TRANSPORT_BIT_TLS,
};

/* A NAPTR record. */
struct service_pointer {
    uint16_t order, preference;
    char flags[4], service[16]; /* cut when longer: then it is none of SIP's */
    bool has_regexp;
    char replacement[SERVICE_NAME_SIZE];
};

/* An SRV record. */
struct service_target {
    uint16_t priority, weight, port;
    char name[SERVICE_NAME_SIZE]; /* "" for the root: no service */
};

/* A number below BOUND (at least 1), all equally likely. */
typedef uint32_t service_random_fn(void *arg, uint32_t bound);

/* How the host of a URI is looked up. */
enum service_method {
    SERVICE_NONE = 0,
    SERVICE_BY_POINTER, /* NAPTR; when there are none, SRV */
    SERVICE_BY_TARGET,  /* SRV; when there are none, the address */
    SERVICE_BY_ADDRESS, /* A and AAAA, or the literal itself */
};

struct service_request {
    bool is_sips;
    bool is_literal;          /* the host is an address */
    uint16_t port;            /* 0: the URI has none */
    enum transport transport; /* of the URI's parameter; UNSET: none. "tls" is TLS over TCP (RFC 5630 3.1.4) */
    unsigned allowed;         /* TRANSPORT_BIT_..., of policy: TLS alone means TLS or nothing */
};

struct service_plan {
    enum service_method method;
    unsigned transports;              /* that may be used at all */
    enum transport default_transport; /* when no record names one */
    uint16_t default_port;            /* for A and AAAA */
};

/* REASON_NONE and a plan; REASON_BAD_REQUEST: sips with UDP; REASON_PLAIN_TRANSPORT or REASON_SIPS_NOT_ALLOWED:
 * nothing is left of what the URI asks and policy allows. */
enum reason service_plan(const struct service_request *request, struct service_plan *plan_r);

uint16_t transport_default_port(enum transport transport);

/* A name to be asked for SRV records, and the transport these are for. */
struct service_candidate {
    enum transport transport;
    char name[SERVICE_NAME_SIZE];
};

/* From NAPTR records: those of SIP that the plan allows, by order, then preference. Returns their number. *is_sip_r:
 * whether any record was of SIP at all; if so and the result is 0, the domain offers nothing that is allowed. */
size_t service_candidates_from_pointers(const struct service_plan *plan, const struct service_pointer *pointers,
    size_t count, struct service_candidate candidates_r[SERVICE_CANDIDATES_MAX], bool *is_sip_r);

/* Without NAPTR records: _sips._tcp, _sip._udp, _sip._tcp of DOMAIN, as far as the plan allows. */
size_t service_candidates_from_domain(const struct service_plan *plan, const char *domain,
    struct service_candidate candidates_r[SERVICE_CANDIDATES_MAX]);

/* Sorts in place: priority ascending, within a priority at random by weight (RFC 2782). */
void service_targets_order(struct service_target *targets, size_t count, service_random_fn *draw, void *arg);

/* A single record with target ".": the service is decidedly not there. */
bool service_targets_refuse(const struct service_target *targets, size_t count);

#endif
