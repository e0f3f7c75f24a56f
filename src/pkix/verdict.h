/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdict.h - the verdict on a captured chain: the one place where trust is decided.
 * In:    what the requirement asks, the chain as presented, the time. Out: the record (policy/verdict.h).
 * Used alike at opening, upgrade, re-validation and for accepted connections.
 * Never: PROVEN unless every check ran and passed in this call; no state is kept between calls (INV-16).
 */
#ifndef TRELAY_PKIX_VERDICT_H
#define TRELAY_PKIX_VERDICT_H

#include "base/attributes.h"
#include "pkix/certificate.h"
#include "pkix/trust_store.h"
#include "policy/level.h"
#include "policy/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a peer may present; more is refused unread. */
enum {
    VERDICT_PRESENTED_MAX = 32,              /* certificates */
    VERDICT_PRESENTED_SIZE_MAX = 256 * 1024, /* bytes in all */
    VERDICT_DEPTH_MAX = 8,                   /* intermediates of the path */
};

/* The peer's part in the TLS handshake. */
enum peer_role {
    PEER_ROLE_UNSET = 0,
    PEER_ROLE_SERVER, /* we connected */
    PEER_ROLE_CLIENT, /* we accepted */
};

enum pin_kind {
    PIN_UNSET = 0,
    PIN_CERTIFICATE, /* SHA-256 of the leaf */
    PIN_KEY,         /* SHA-256 of its SubjectPublicKeyInfo */
};

struct pin {
    enum pin_kind kind;
    uint8_t digest[DIGEST_SIZE];
};

/* CRLs and OCSP answers at hand. There is no way to make one yet: soft is noted as not checked, hard refuses. */
struct revocation_source;

/* UNSET in any enum refuses; so do a level above encrypt without a trust store and level domain without a name. */
struct verdict_request {
    enum level level;
    enum peer_role peer_role;
    const struct trust_store *trust_store; /* may be NULL for a pinned self-signed leaf */
    const char *expected_domain;           /* for level domain; an A-label */
    bool cn_fallback;                      /* see struct identity_rule */
    bool wildcard;
    enum eku_mode eku_mode;
    enum revocation crl, ocsp;
    const struct revocation_source *revocation; /* NULL: nothing is known */
    /* When there are any, the leaf must be one of them, besides all else. A self-signed leaf passes only so, and
     * then needs no anchor. */
    const struct pin *pins;
    size_t pin_count;
    unsigned rsa_bits_min; /* raise the floor of 2048 */
    unsigned ec_bits_min;  /* raise the floor of 256 */
};

/* PRESENTED is leaf first, the rest in any order; NULL or empty when the peer sent none. NOW is in seconds
 * since the epoch. *verdict_r is written in every case, and only its result counts:
 * VERDICT_NOT_TAKEN below level chain: leaf_digest and chain_not_after are filled (INT64_MAX without a
 * readable certificate); VERDICT_PROVEN; else VERDICT_REFUSED with reason and detail.
 * Returns 0, or ERROR_MEMORY when that is why it is refused. */
int verdict_take(const struct verdict_request *request, const struct certificate_chain *presented, int64_t now,
                 struct verdict *verdict_r) MUST_CHECK;

/* The same, and the leaf's facts, which are read on the way and cost as much as half the verdict: *facts_r is the
 * caller's to free, or NULL when the peer sent no certificate or an unreadable one. What they say of a refused chain
 * is a claim, no more. */
int verdict_take_with_facts(const struct verdict_request *request, const struct certificate_chain *presented,
                            int64_t now, struct verdict *verdict_r, struct certificate_facts **facts_r) MUST_CHECK;

/* "server", "client". */
const char *peer_role_word(enum peer_role role);

#endif
