/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flag.h - the flags of t_relay: names, stable bits, values, and how several sources are merged.
 * In:    "verify-domain=biloxi.example,cert=fedA,no-conn-reuse", or parameters of our own Route URI.
 * Out:   a flag_set; a copyable value without pointers.
 * Never: an unknown name, a doubled or contradicting flag, or a bad value is passed over.
 */
#ifndef TRELAY_POLICY_FLAG_H
#define TRELAY_POLICY_FLAG_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/why.h"
#include "policy/lookup_order.h"
#include "policy/name.h"

#include <stdbool.h>
#include <stdint.h>

enum flag_value_kind {
    FLAG_VALUE_NONE,
    FLAG_VALUE_OPTIONAL_DOMAIN,
    FLAG_VALUE_DOMAIN,
    FLAG_VALUE_ROW_NAME,
    FLAG_VALUE_DURATION, /* 30s, 10m, 1h, 2d or seconds */
    FLAG_VALUE_LOOKUP,   /* dst+ruri+src+addr+peer+default, live, none */
};

/* code, bit (never reused), word, kind of value, meaning */
#define FLAG_LIST(X)                                                                                              \
    X(TLS, 0, "tls", FLAG_VALUE_NONE, "TLS or nothing: never a plain transport")                                  \
    X(VERIFY_CHAIN, 1, "verify-chain", FLAG_VALUE_NONE, "raise the level to chain")                               \
    X(VERIFY_DOMAIN, 2, "verify-domain", FLAG_VALUE_OPTIONAL_DOMAIN, "raise the level to domain")                 \
    X(NO_VERIFY, 3, "no-verify", FLAG_VALUE_NONE, "lower the level to encrypt, where the row permits it")         \
    X(CERT, 4, "cert", FLAG_VALUE_ROW_NAME, "client certificate to present")                                      \
    X(NO_CERT, 5, "no-cert", FLAG_VALUE_NONE, "present no client certificate")                                    \
    X(SNI, 6, "sni", FLAG_VALUE_DOMAIN, "server name to send")                                                    \
    X(NO_SNI, 7, "no-sni", FLAG_VALUE_NONE, "send no server name")                                                \
    X(TRUST, 8, "trust", FLAG_VALUE_ROW_NAME, "trust set to validate against, where the row permits it")          \
    X(CRL, 9, "crl", FLAG_VALUE_NONE, "check CRLs at least softly")                                               \
    X(OCSP, 10, "ocsp", FLAG_VALUE_NONE, "check OCSP at least softly")                                            \
    X(OCSP_HARD, 11, "ocsp-hard", FLAG_VALUE_NONE, "check OCSP; no answer is a refusal")                          \
    X(NO_CONN_REUSE, 12, "no-conn-reuse", FLAG_VALUE_NONE, "open a fresh connection")                             \
    X(NO_CONNECT, 13, "no-connect", FLAG_VALUE_NONE, "reuse a connection or fail")                                \
    X(NO_UPGRADE, 14, "no-upgrade", FLAG_VALUE_NONE, "never upgrade a connection for this transaction")           \
    X(INITIAL_ONLY, 15, "initial-only", FLAG_VALUE_NONE, "domain validation for out-of-dialog requests only")     \
    X(MAX_AGE, 16, "max-age", FLAG_VALUE_DURATION, "lower the connection's maximum age")                          \
    X(LOOKUP, 17, "lookup", FLAG_VALUE_LOOKUP, "which policy look-ups, in which order")                           \
    X(NO_DNS_FAILOVER, 18, "no-dns-failover", FLAG_VALUE_NONE, "only the first address of the next hop")          \
    X(NO_AUTO_477, 19, "no-auto-477", FLAG_VALUE_NONE, "no response of the relay's own when sending fails")       \
    X(NO_100, 20, "no-100", FLAG_VALUE_NONE, "no 100 Trying of the relay's own")

enum {
#define X(code, bit, word, kind, meaning) T_RELAY_##code = 1 << (bit),
    FLAG_LIST(X)
#undef X
};

struct flag_set {
    uint32_t bits; /* T_RELAY_* */
    uint32_t max_age_s;
    struct policy_lookup_order lookup;
    char verify_domain[DOMAIN_NAME_SIZE]; /* "" when the flag has no value */
    char sni[DOMAIN_NAME_SIZE];
    char cert[ROW_NAME_SIZE];
    char trust[ROW_NAME_SIZE];
};

#define FLAG_SET_EMPTY ((struct flag_set){ .bits = 0 })

static inline bool flags_have(const struct flag_set *flags, uint32_t bit)
{
    return (flags->bits & bit) != 0;
}

/* Comma-separated text; spaces around commas are allowed; "" is the empty set.
 * ERROR_UNKNOWN_NAME, ERROR_SYNTAX (a bad value), ERROR_CONFLICT (contradiction, doubled flag). */
int flags_parse(struct slice text, struct flag_set *set_r, struct why *why) MUST_CHECK;

/* ERROR_CONFLICT when flags of SET contradict each other; for sets that no parser made. */
int flags_check(const struct flag_set *set, struct why *why) MUST_CHECK;

/* Parameters of our own Route URI, each once: level=none|encrypt|chain|domain, expect=, cert=, trust=, sni=,
 * conn=fresh|reuse-only, max-age=; verify-domain and the flags without a value as themselves. PARAMETERS is what
 * follows the host, with or without the first ';'. Parameters that are not ours are passed over; ours with bad values
 * are errors as above. Not lookup: which row rules is not for the upstream to say. */
int flags_parse_route_parameters(struct slice parameters, struct flag_set *set_r, struct why *why) MUST_CHECK;

/* LATER wins where both name a value (cert and no-cert name one value, sni and no-sni another), the lower max-age
 * holds; other contradictions between the two are errors, never a guess. So are two names of verify-domain: beside none
 * the one stands.
 * no-verify never survives beside verify-chain, verify-domain, trust or ocsp-hard: the stricter holds. */
int flags_merge(const struct flag_set *earlier, const struct flag_set *later, struct flag_set *set_r,
    struct why *why) MUST_CHECK;

/* Canonical text, in order of the bits; flags_parse() of it gives the same set. */
void flags_print(const struct flag_set *set, struct buffer *out);

/* The flags of SET that this version carries but that have no effect yet, as trelayctl explain and trelay.problem tell
 * (trelay.flags_without_effect() is the same). Not among them is ocsp-hard, which is refused: decide/requirement.h. */
uint32_t flags_without_effect(const struct flag_set *set);

/* For documents and trelay.flag_names(): false beyond the last. */
struct flag_description {
    const char *word;
    unsigned bit;
    enum flag_value_kind kind;
    const char *meaning;
};
bool flag_describe(unsigned index, struct flag_description *description_r);

#endif
