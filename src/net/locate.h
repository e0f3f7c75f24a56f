/* SPDX-License-Identifier: GPL-2.0-or-later */
/* locate.h - where a request for a URI goes: RFC 3263 section 4, from host, port, scheme and transport to addresses.
 * In:    the target of the URI and what policy allows. Out: transports and endpoints in the order to try.
 * Never: a name. What a peer must prove is the domain of the URI (RFC 5922 7.3); no name found on the way is one, so
 *        the result has no place for it. Never a transport that was not allowed; never from within locate_start().
 */
#ifndef TRELAY_NET_LOCATE_H
#define TRELAY_NET_LOCATE_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"
#include "decide/requirement.h"
#include "net/resolver.h"
#include "net/service_order.h"
#include "policy/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOCATE_TARGETS_MAX = 32 };

/* Sets of address families. */
enum { LOCATE_V4 = 1, LOCATE_V6 = 2, LOCATE_V6_FIRST = 4 };

struct locate_question {
    struct slice host;        /* a domain name in A-label form, or an address without brackets; copied */
    uint16_t port;            /* 0: none in the URI */
    bool is_sips;
    enum transport transport; /* of the URI's parameter; UNSET: none */
    unsigned allowed;         /* TRANSPORT_BIT_... of policy; TLS alone for any level but none */
    unsigned families;        /* LOCATE_...: what this node can reach; 0: both, IPv4 first */
};

struct locate_target {
    enum transport transport;
    struct endpoint endpoint;
};

/* REASON_NONE and at least one target; or none and why not: REASON_NO_ADDRESS (the name service says there is
 * nothing), REASON_DNS_FAILED (it said nothing), REASON_PLAIN_TRANSPORT, REASON_SIPS_NOT_ALLOWED,
 * REASON_BAD_REQUEST, REASON_NO_MEMORY, REASON_LIMIT. */
struct locate_result {
    enum reason reason;
    struct why why;
    size_t count;
    struct locate_target targets[LOCATE_TARGETS_MAX];
};

struct locate;

/* RESULT is valid during the call, after which the handle is gone. */
typedef void locate_done_fn(void *arg, const struct locate_result *result);

/* 0 and a handle, and then one call of DONE unless cancelled; or ERROR_MEMORY. */
int locate_start(struct resolver *resolver, const struct locate_question *question, locate_done_fn *done, void *arg,
    struct locate **locate_r) MUST_CHECK;

/* No call comes afterwards. NULL is allowed. */
void locate_cancel(struct locate *locate);

#endif
