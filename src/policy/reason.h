/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reason.h - every reason for which a request or a connection is refused, in one list.
 * One code is shown alike in the log, the Warning header, the accounting record and explain.
 */
#ifndef TRELAY_POLICY_REASON_H
#define TRELAY_POLICY_REASON_H

#include "base/slice.h"

#include <stdbool.h>

/* code, word (stable, operators search for it), SIP status, text */
#define REASON_LIST(X)                                                                                             \
    X(REASON_NONE, "none", 0, "no reason")                                                                         \
    /* policy */                                                                                                   \
    X(REASON_NO_POLICY, "no-policy", 403, "no policy row allows this next hop")                                    \
    X(REASON_POLICY_UNUSABLE, "policy-unusable", 500, "the policy row cannot be used, see trelay.problem")         \
    X(REASON_POLICY_AMBIGUOUS, "policy-ambiguous", 500, "two policy rows of one priority match")                   \
    X(REASON_POLICY_STALE, "policy-stale", 503, "the policy is older than max_stale")                              \
    X(REASON_FLAG_UNKNOWN, "flag-unknown", 500, "unknown relay flag")                                              \
    X(REASON_FLAG_CONFLICT, "flag-conflict", 500, "contradicting relay flags")                                     \
    X(REASON_WEAKEN_REFUSED, "weaken-refused", 403, "the policy row does not permit a weaker level")               \
    X(REASON_TRUST_FLAG_REFUSED, "trust-flag-refused", 403, "the policy row does not permit another trust set")    \
    X(REASON_UNKNOWN_CERTIFICATE, "unknown-certificate", 500, "no usable certificate of that name")                \
    X(REASON_UNKNOWN_TRUST_SET, "unknown-trust-set", 500, "no usable trust set of that name")                      \
    X(REASON_NO_EXPECTED_DOMAIN, "no-expected-domain", 500, "domain validation needs a domain name, not an address") \
    X(REASON_PLAIN_TRANSPORT, "plain-transport", 500, "TLS is required and the next hop offers none")              \
    X(REASON_UNSUPPORTED_FEATURE, "unsupported-feature", 500, "the row or flags ask for what this version lacks")  \
    X(REASON_NO_CONNECTION, "no-connection", 500, "no-connect was asked and no connection fits")                   \
    X(REASON_BACKOFF, "backoff", 500, "this next hop failed a moment ago under the same requirement")              \
    X(REASON_LIMIT, "limit", 503, "a connection or queue limit is reached")                                        \
    X(REASON_PEER_REFUSED, "peer-refused", 403, "the inbound peer is refused by a peer row")                       \
    X(REASON_PEER_UNKNOWN, "peer-unknown", 403, "no peer row accepts this sender")                                 \
    X(REASON_FROM_UNPROVEN, "from-unproven", 403, "the sender's certificate does not prove the domain of From")    \
    X(REASON_SIPS_NOT_ALLOWED, "sips-not-allowed", 480, "SIPS cannot be kept to the next hop")                     \
    X(REASON_SIPS_REQUIRED, "sips-required", 480, "the policy row takes SIPS requests only")                       \
    /* locating and connecting */                                                                                  \
    X(REASON_NO_ADDRESS, "no-address", 500, "the next hop has no address")                                         \
    X(REASON_DNS_FAILED, "dns-failed", 500, "the name service failed")                                             \
    X(REASON_CONNECT_FAILED, "connect-failed", 500, "the connection was refused or broke")                         \
    X(REASON_CONNECT_TIMEOUT, "connect-timeout", 500, "the connection was not made in time")                       \
    X(REASON_CONNECTION_LOST, "connection-lost", 500, "the connection closed before a response")                   \
    X(REASON_BAD_RESPONSE, "bad-response", 502, "the next hop sent what cannot be read as SIP")                    \
    X(REASON_TLS_FAILED, "tls-failed", 500, "the TLS handshake failed")                                            \
    X(REASON_TLS_TIMEOUT, "tls-timeout", 500, "the TLS handshake was not done in time")                            \
    X(REASON_TLS_FLOOR, "tls-floor", 500, "the negotiated TLS version or suite is below the floor")                \
    /* verdict on a certificate chain */                                                                           \
    X(REASON_NO_CERTIFICATE, "no-certificate", 502, "the peer sent no certificate")                                \
    X(REASON_CERTIFICATE_MALFORMED, "certificate-malformed", 502, "the peer's certificate cannot be read")         \
    X(REASON_CHAIN_UNTRUSTED, "chain-untrusted", 502, "the chain does not lead to an anchor of the trust set")     \
    X(REASON_CHAIN_INVALID, "chain-invalid", 502, "the chain breaks a rule of RFC 5280")                           \
    X(REASON_CERTIFICATE_EXPIRED, "certificate-expired", 502, "a certificate of the chain has expired")            \
    X(REASON_CERTIFICATE_NOT_YET_VALID, "certificate-not-yet-valid", 502, "a certificate is not valid yet")        \
    X(REASON_WEAK_CERTIFICATE, "weak-certificate", 502, "a key or signature of the chain is too weak")             \
    X(REASON_KEY_USAGE, "key-usage", 502, "the key usage forbids this use")                                        \
    X(REASON_EXTENDED_KEY_USAGE, "extended-key-usage", 502, "the extended key usage forbids this use")             \
    X(REASON_NO_IDENTITY, "no-identity", 502, "the certificate carries no SIP identity")                           \
    X(REASON_WRONG_IDENTITY, "wrong-identity", 502, "the certificate is for another domain")                       \
    X(REASON_PIN_MISMATCH, "pin-mismatch", 502, "the certificate is not the pinned one")                           \
    X(REASON_REVOKED, "revoked", 502, "a certificate of the chain is revoked")                                     \
    X(REASON_REVOCATION_UNKNOWN, "revocation-unknown", 502, "revocation could not be checked")                     \
    X(REASON_VERDICT_STALE, "verdict-stale", 500, "the policy changed during the handshake")                       \
    /* transactions */                                                                                             \
    X(REASON_TIMEOUT, "timeout", 408, "no response in time")                                                       \
    X(REASON_CANCELLED, "cancelled", 487, "cancelled by the caller")                                               \
    X(REASON_NO_MEMORY, "no-memory", 503, "out of memory")                                                         \
    X(REASON_SHUTDOWN, "shutdown", 503, "this node is shutting down")                                              \
    X(REASON_BAD_REQUEST, "bad-request", 400, "the request is malformed")

enum reason {
#define X(code, word, status, text) code,
    REASON_LIST(X)
#undef X
        REASON_COUNT
};

/* All total: an unknown code gives "unknown", 500. */
const char *reason_word(enum reason reason);
const char *reason_text(enum reason reason);
unsigned reason_status(enum reason reason);
/* The request could not be sent: nobody was there, or could be spoken to, now or a moment ago. What was refused, here
 * or by what the next hop proved, is none, nor is a want of room or memory. */
bool reason_is_of_sending(enum reason reason);

#endif
