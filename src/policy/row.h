/* SPDX-License-Identifier: GPL-2.0-or-later */
/* row.h - the rows of PostgreSQL as the relay reads them: constant parts of one snapshot.
 * In:    built by policy/snapshot only. Text lives in the snapshot; NULL is SQL's NULL.
 * Never: a row that cannot be used is left out: it stays, with UNUSABLE set, so that a request that
 *        needs it is refused instead of falling through to a weaker row (INV-47).
 */
#ifndef TRELAY_POLICY_ROW_H
#define TRELAY_POLICY_ROW_H

#include "base/address.h"
#include "policy/flag.h"
#include "policy/level.h"
#include "policy/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Objects of the edge that a snapshot carries and counts, and never looks into. */
struct trust_store;
struct tls_credential;

/* Longer texts and more pins make a row unusable: a connection key has room for these (decide/requirement.h). */
enum { CIPHERS_SIZE = 256, PINS_MAX = 4 };

struct policy_trust_set {
    const char *name;
    const char *unusable;        /* why, or NULL */
    uint8_t digest[DIGEST_SIZE]; /* of the anchors and the flags of verification (INV-6) */
    struct trust_store *store;
    bool has_crls;
    uint8_t crl_digest[DIGEST_SIZE]; /* of the CRLs that go with it, when there are any (INV-7) */
};

struct policy_credential {
    const char *name;
    const char *unusable;
    uint8_t chain_digest[DIGEST_SIZE]; /* of all certificates (INV-9) */
    uint8_t key_digest[DIGEST_SIZE];   /* of the public key */
    uint8_t leaf_digest[DIGEST_SIZE];  /* SHA-256 of the leaf, for people */
    int64_t not_after;                 /* earliest end in the chain, seconds since the epoch; 0 is long ago */
    struct tls_credential *credential;
};

enum policy_match {
    MATCH_UNSET = 0,
    MATCH_DOMAIN,
    MATCH_SUFFIX,
    MATCH_ADDRESS,
    MATCH_SOURCE,
    MATCH_PEER,
    MATCH_DEFAULT,
};

/* Enabled rows only: a disabled one is not shown to the builder. */
struct outbound_policy {
    int64_t id;
    const char *name;
    const char *unusable;
    enum reason unusable_reason; /* POLICY_UNUSABLE or POLICY_AMBIGUOUS */

    enum policy_match match;
    const char *match_name;     /* domain, suffix without "*.", source domain or peer */
    struct prefix match_prefix; /* of MATCH_ADDRESS */
    int32_t priority;           /* among rows of equal match the lowest rules, the others are spare */

    enum level level;
    const char *expected_domain;   /* NULL: the next hop's domain */
    const char *certificate_name;  /* NULL: no client certificate */
    const char *trust_set_name;
    bool send_sni;
    const char *sni; /* NULL: the expected domain, else the next hop's name */
    enum eku_mode eku_mode;
    bool cn_fallback, wildcard;
    enum revocation crl, ocsp;
    enum tls_version tls_min, tls_max; /* tls_max UNSET: the newest */
    const char *ciphers;               /* NULL: the default */
    uint32_t max_age_s, revalidate_every_s, idle_timeout_s, keepalive_s; /* 0: the node's default; none */
    enum upgrade upgrade;
    enum scheme scheme;
    enum permission weaken, trust_flag;
    bool initial_only, alias, transport_tls_param, reuse;
    const char *via_host, *rr_host; /* NULL: the listener's */
    const char *isolation;
    const struct endpoint *next_hops; /* fixed addresses instead of DNS */
    size_t next_hop_count;
    const uint8_t (*pins)[DIGEST_SIZE]; /* SHA-256 of the peer's certificate */
    size_t pin_count;

    const struct policy_trust_set *trust_set;    /* resolved by the builder; NULL when not named */
    const struct policy_credential *credential;  /* likewise */
};

enum { PROFILE_CERTIFICATES_MAX = 8 };

struct server_profile {
    const char *name;
    const char *unusable;
    const char *listener;    /* NULL: every TLS listener */
    const char *server_name; /* exact, "*.suffix" (one label), NULL: the listener's default */
    const char *certificate_names[PROFILE_CERTIFICATES_MAX];
    size_t certificate_count;
    enum client_auth client_auth;
    const char *trust_set_name;
    enum eku_mode eku_mode;
    enum revocation crl, ocsp;
    enum tls_version tls_min, tls_max;
    const char *ciphers;

    const struct policy_credential *certificates[PROFILE_CERTIFICATES_MAX];
    const struct policy_trust_set *trust_set;
};

/* Every criterion that is set must match. */
struct peer_rule {
    int64_t id;
    const char *name; /* what routing and accounting call the peer */
    const char *unusable;
    int32_t priority;
    bool has_address, has_fingerprint;
    struct prefix address;
    uint8_t fingerprint[DIGEST_SIZE];
    const char *trust_set_name;               /* the chain was proven against it */
    const char *issuer, *subject;             /* RFC 2253 text, whole */
    const char *san;                          /* a SIP domain identity (RFC 5922), normalised */
    enum peer_action action;
    uint16_t status; /* of a rejection */
    const struct flag_set *flags; /* NULL: none */
    bool alias;
    bool check_from;          /* From must name a domain that the certificate proves */
    bool transport_tls_param; /* in the Record-Route that faces it */

    const struct policy_trust_set *trust_set;
};

struct route {
    int64_t id;
    const char *name;
    const char *unusable;
    int32_t priority;
    uint32_t weight;
    bool fork; /* together with the others of its priority that do */
    const char *domain; /* of the Request-URI: exact or "*.suffix"; NULL: any */
    const char *user_prefix, *method, *peer;
    const char *header_name, *header_value; /* whole value, case counts */
    const char *next_hop;                   /* SIP URI; NULL: the Request-URI */
    const struct flag_set *flags;
};

/* What the pins of dialogs are made and read with (decide/dialog_pin.h): the newest makes them, both are read. */
enum { DIALOG_SECRET_MIN = 32, DIALOG_SECRET_MAX = 64, DIALOG_SECRETS_MAX = 2 };

struct dialog_secret {
    uint8_t bytes[DIALOG_SECRET_MAX];
    size_t length;
};

struct dialog_secrets {
    size_t count; /* 0: no dialog is pinned */
    struct dialog_secret secrets[DIALOG_SECRETS_MAX];
};

#endif
