/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup.h - which row rules: outbound policy, server profile, peer rule, route.
 * In:    a snapshot and facts. Out: one row, or why there is none. Order and priority as in trelay-policy(7).
 * Never: allocates; passes over a row that cannot be used in favour of a later one (INV-47).
 */
#ifndef TRELAY_POLICY_LOOKUP_H
#define TRELAY_POLICY_LOOKUP_H

#include "base/address.h"
#include "policy/lookup_order.h"
#include "policy/snapshot.h"

#include <stdbool.h>

enum lookup_result {
    LOOKUP_RESULT_NONE = 0,  /* no row: refused (REASON_NO_POLICY); what lookup=none comes to, decide/ says */
    LOOKUP_RESULT_HIT,       /* row */
    LOOKUP_RESULT_NEEDS_ADDRESS, /* "addr" comes before any hit and the address is not known yet */
    LOOKUP_RESULT_REFUSED,   /* the row that rules cannot be used: reason */
};

/* Domains are normalised (policy/name.h); NULL means that there is none (an address literal, no From). */
struct policy_query {
    const char *next_hop_domain;
    const char *request_domain;
    const char *source_domain;
    const char *peer;
    const struct address *address; /* NULL: not known yet */
};

/* Steps in the order given; within a step exact domain before suffix, longer suffix before shorter, longer prefix
 * before shorter, then the lowest priority. *row_r is the row of HIT and of REFUSED, else NULL. */
enum lookup_result policy_lookup(const struct policy_snapshot *snapshot, const struct policy_query *query,
    const struct policy_lookup_order *order, const struct outbound_policy **row_r, enum reason *reason_r);

/* The profile for a TLS handshake on LISTENER with SERVER_NAME (normalised, NULL when none was sent): exact, then
 * wildcard of one label, then default; one of that listener before one of every listener. NULL: none. A name that was
 * sent and is in no row gets the default profile only if no row of this listener has a server name. One with ->unusable
 * set refuses the handshake. */
const struct server_profile *policy_server_profile(const struct policy_snapshot *snapshot, const char *listener,
    const char *server_name);

struct peer_facts {
    struct address address;
    bool is_chain_proven;               /* verdict PROVEN at level chain or above */
    const uint8_t *trust_digest;        /* against these anchors; NULL when not proven */
    const uint8_t *fingerprint;         /* SHA-256 of the certificate; NULL when none was sent */
    const char *issuer, *subject;       /* NULL when none */
    const char *const *identities;      /* SIP domain identities, normalised */
    size_t identity_count;
};

/* The first rule by priority (lowest first, then the older id) whose criteria all match; NULL: none. Criteria about the
 * certificate match only a proven chain, except the fingerprint. A rule that cannot be used stands where it would stand
 * if it could, and what cannot be known of it counts as matching; it has ->unusable set: refuse. */
const struct peer_rule *policy_peer(const struct policy_snapshot *snapshot, const struct peer_facts *facts);

struct route_query {
    const char *request_domain; /* normalised or NULL */
    struct slice user;
    struct slice method;
    const char *peer;
    /* The value of a header of the request by name, for rows that ask for one; absent when it is not there. */
    struct slice (*header)(const void *arg, const char *name);
    const void *header_arg;
};

/* Calls VISIT for each matching row in order of priority (lowest first; rows of one priority: those that fork, then
 * heavier weight, then the older id) until it returns false. Rows with ->unusable set are shown in their place: refuse
 * on them. */
void policy_routes(const struct policy_snapshot *snapshot, const struct route_query *query,
    bool (*visit)(void *arg, const struct route *route), void *arg);

/* HOST (normalised) stands in the Record-Route of a row: in a Route it is us. */
bool policy_is_record_route_host(const struct policy_snapshot *snapshot, const char *host);

#endif
