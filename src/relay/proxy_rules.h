/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proxy_rules.h - what has a proxy refuse a request that is well-formed: RFC 3261 16.3 and RFC 5393.
 * In:    a validated request; for loops what routing made of it. Out: a status, or numbers for forwarding.
 * Never: sends, waits or allocates, but for the caller's buffer to grow.
 */
#ifndef TRELAY_RELAY_PROXY_RULES_H
#define TRELAY_RELAY_PROXY_RULES_H

#include "base/buffer.h"
#include "policy/lookup.h"
#include "relay/routing.h"
#include "sip/message.h"
#include "transaction/branch_id.h"

#include <stdbool.h>
#include <stdint.h>

struct proxy_rules {
    unsigned status;      /* 0: go on; else the answer: 400, 420, 440 or 483 */
    const char *detail;   /* why, of 400 */
    uint32_t max_breadth; /* of the request, cut to our own (RFC 5393 5.3.3) */
};

/* 16.3(3) and (5), Max-Breadth. LINES gets the header lines that the answer needs (Unsupported). In an ACK
 * Proxy-Require does not count, and what it may not do is said to nobody; CANCEL is not for this. */
struct proxy_rules proxy_rules_of(const struct sip_message *request, struct buffer *lines);

/* The sender's certificate proves the domain of From (26.3.2.2). Without a domain, or a proof, it does not. */
bool proxy_rules_from_is_proven(const struct sip_message *request, const struct peer_facts *facts);

/* Over all that the decision looked at (RFC 5393 4.2.1): Request-URI, Route, dialog, From, the sender's peer row, the
 * rows and flags chosen, the generation of the policy; not the method, nor what changes at each hop. */
uint64_t proxy_rules_loop_hash(const struct sip_message *request, const struct routing *routing, const char *peer,
    uint64_t generation, uint64_t seed);

/* The request has been here and was decided alike: one of its Via has a branch of ours with this hash. */
bool proxy_rules_have_looped(const struct sip_message *request, const struct transaction_secret *secret,
    uint64_t hash);

#endif
