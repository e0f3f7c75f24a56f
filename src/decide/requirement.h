/* SPDX-License-Identifier: GPL-2.0-or-later */
/* requirement.h - what one branch of one transaction needs of a connection, from one snapshot.
 * In:    row, flags, target. Out: everything that shapes handshake and verdict (the key), and the terms of use.
 * One list generates members, encoder, printer and mutation test (INV-1, INV-3): a field cannot be forgotten in one.
 * Never: filled half: a requirement that could not be built is a reason, not a weaker requirement.
 */
#ifndef TRELAY_DECIDE_REQUIREMENT_H
#define TRELAY_DECIDE_REQUIREMENT_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/why.h"
#include "policy/level.h"
#include "policy/lookup.h"
#include "policy/reason.h"
#include "policy/verdict.h"

#include <stdbool.h>
#include <stdint.h>

enum { CIPHERS_SIZE = 256, PINS_MAX = 4 };

enum transport { TRANSPORT_UNSET = 0, TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS };
enum connection_role { ROLE_UNSET = 0, ROLE_OUT, ROLE_IN_ALIAS };

const char *transport_name(enum transport transport); /* "udp", "tcp", "tls", "unset" */

struct optional_digest {
    bool is_set;
    uint8_t bytes[DIGEST_SIZE];
};

struct pin_set {
    uint8_t count;
    uint8_t digests[PINS_MAX][DIGEST_SIZE];
};

typedef char requirement_name[DOMAIN_NAME_SIZE];
typedef char requirement_text[CIPHERS_SIZE];
typedef char requirement_tag[ROW_NAME_SIZE];

/* kind, type, member, tag (never reused), word for people. Kinds: BYTE, ENDPOINT, ADDRESS, DIGEST, PINS, TEXT ("" is
 * absent). */
#define REQUIREMENT_LIST(X)                                                                    \
    X(BYTE, uint8_t, role, 1, "role")                         /* enum connection_role, INV-45 */ \
    X(BYTE, uint8_t, transport, 2, "transport")               /* enum transport */             \
    X(ENDPOINT, struct endpoint, destination, 3, "destination") /* INV-11 */                   \
    X(ADDRESS, struct address, local, 4, "local-address")     /* INV-12; family NONE: any */   \
    X(DIGEST, struct optional_digest, credential_chain, 5, "certificate") /* INV-9 */          \
    X(DIGEST, struct optional_digest, credential_key, 6, "certificate-key")                    \
    X(TEXT, requirement_name, sni, 7, "sni")                  /* INV-10 */                     \
    X(BYTE, uint8_t, level, 8, "level")                       /* enum level, INV-5 */          \
    X(TEXT, requirement_name, expected_domain, 9, "expected-domain")                           \
    X(BYTE, uint8_t, cn_fallback, 10, "cn-fallback")          /* INV-15 */                     \
    X(BYTE, uint8_t, wildcard, 11, "wildcard")                                                 \
    X(DIGEST, struct optional_digest, trust, 12, "trust")     /* INV-6 */                      \
    X(BYTE, uint8_t, eku_mode, 13, "eku-mode")                                                 \
    X(BYTE, uint8_t, crl, 14, "crl")                          /* enum revocation, INV-7 */     \
    X(BYTE, uint8_t, ocsp, 15, "ocsp")                                                         \
    X(DIGEST, struct optional_digest, crl_set, 16, "crl-set")                                  \
    X(BYTE, uint8_t, tls_min, 17, "tls-min")                  /* INV-8 */                      \
    X(BYTE, uint8_t, tls_max, 18, "tls-max")                                                   \
    X(TEXT, requirement_text, ciphers, 19, "ciphers")                                          \
    X(PINS, struct pin_set, pins, 20, "pins")                                                  \
    X(TEXT, requirement_tag, isolation, 21, "isolation")      /* INV-13 */

struct requirement_key {
#define X(kind, type, member, tag, word) type member;
    REQUIREMENT_LIST(X)
#undef X
};

/* What rules the use of a connection but not what it is. */
struct requirement_terms {
    uint32_t max_age_s, revalidate_every_s, idle_timeout_s, keepalive_s; /* 0: none */
    enum upgrade upgrade;
    bool may_reuse;   /* row's reuse and no no-conn-reuse flag */
    bool may_connect; /* no no-connect flag */
    bool may_upgrade; /* row's upgrade and no no-upgrade flag */
    int64_t row_id;
    uint64_t generation;                        /* of the snapshot it was built from */
    const struct outbound_policy *row;          /* lives as long as the snapshot */
    const struct policy_trust_set *trust_set;   /* likewise; NULL when none is needed */
    const struct policy_credential *credential; /* likewise; NULL: no client certificate */
};

struct requirement {
    struct requirement_key key;
    struct requirement_terms terms;
};

/* What this build of the relay can do. Zero: nothing. */
struct capabilities {
    bool crl, ocsp;
    bool upgrade;
};

struct requirement_target {
    enum transport transport;
    struct endpoint endpoint;
    const char *next_hop_domain; /* of the URI given to RFC 3263, normalised (RFC 5922 7.3); NULL: an address literal */
    struct address local;        /* family NONE: any */
};

struct requirement_defaults {
    uint32_t max_age_s, idle_timeout_s; /* where the row has none */
};

/* The row's floor, raised by the flags; lowered only where the row permits. FLAGS may be NULL.
 * Returns REASON_NONE and fills *requirement_r, or the reason of the refusal with its text in WHY. Total. */
enum reason requirement_build(const struct policy_snapshot *snapshot, const struct outbound_policy *row,
    const struct flag_set *flags, const struct requirement_target *target, const struct capabilities *capabilities,
    const struct requirement_defaults *defaults, struct requirement *requirement_r, struct why *why);

#endif
