/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdict.h - the record of what a peer's certificate chain proved, kept with the connection.
 * In:    filled by one function only, pkix/verdict, for handshakes, upgrades and re-validation alike.
 * Never: absence of an error is proof: VERDICT_UNSET and VERDICT_NOT_TAKEN allow nothing (INV-16).
 */
#ifndef TRELAY_POLICY_VERDICT_H
#define TRELAY_POLICY_VERDICT_H

#include "base/attributes.h"
#include "policy/level.h"
#include "policy/reason.h"

#include <stdint.h>

enum { DIGEST_SIZE = 32 }; /* SHA-256 */
enum { DOMAIN_NAME_SIZE = 256 };

enum verdict_result {
    VERDICT_UNSET = 0,
    VERDICT_NOT_TAKEN, /* level encrypt: the chain was captured and not judged */
    VERDICT_PROVEN,    /* everything the requirement asked for holds */
    VERDICT_REFUSED,
};

/* What a decision reads stands first and together: it is waited for in main memory, line by line. */
struct verdict {
    enum verdict_result result;
    enum reason reason;                   /* of VERDICT_REFUSED */
    enum level level;                     /* what was asked and, when proven, holds */
    bool crl_checked, ocsp_checked;
    int64_t chain_not_after;              /* earliest end of the verified path; of the leaf when not judged */
    uint8_t trust_digest[DIGEST_SIZE];    /* anchors it was judged against */
    char matched_name[DOMAIN_NAME_SIZE];  /* the identity that matched, as the certificate has it */
    char expected_domain[DOMAIN_NAME_SIZE]; /* "" below level domain */
    uint8_t leaf_digest[DIGEST_SIZE];     /* SHA-256 of the peer's certificate; zero when none */
    uint8_t anchor_digest[DIGEST_SIZE];   /* the anchor it reached */
    int64_t taken_at;                     /* seconds since the epoch */
    char detail[160];                     /* for people: expected and presented identity, depth, library text */
};

/* VERDICT is about to be held against a requirement: what decides is fetched at one time. */
static inline void verdict_fetch_ahead(const struct verdict *verdict)
{
    FETCH_AHEAD(verdict);
    FETCH_AHEAD(verdict->matched_name);
    FETCH_AHEAD(verdict->expected_domain);
}

#endif
