/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rule_private.h - what a verified path must obey besides what libcrypto checks.
 * Each rule answers REASON_NONE when it holds; else the reason, and a text in WHY.
 */
#ifndef TRELAY_PKIX_RULE_PRIVATE_H
#define TRELAY_PKIX_RULE_PRIVATE_H

#include "pkix/certificate.h"
#include "pkix/verdict.h"

#include <openssl/x509.h>

/* For functions that answer with a reason. */
#define REFUSE(why, because, ...) ((enum reason)why_fail((why), (int)(because), __VA_ARGS__))

/* Extensions readable, none twice, no critical one that is not processed here or by libcrypto. */
enum reason rule_extensions(const X509 *certificate, struct why *why);

/* An issuer is a CA: version 3, basicConstraints cA, keyCertSign where keyUsage is there (RFC 5280 6.1.4). */
enum reason rule_issuer(X509 *certificate, struct why *why);

/* Key of a known kind and of at least that size. */
enum reason rule_key(const X509 *certificate, unsigned rsa_bits_min, unsigned ec_bits_min, struct why *why);

/* Signed with nothing weaker than SHA-224; not asked of an anchor. */
enum reason rule_signature(X509 *certificate, struct why *why);

/* keyUsage of the leaf, where there is one: digitalSignature (RFC 8446 4.4.2.2). */
enum reason rule_key_usage(X509 *leaf, struct why *why);

/* One purpose that MODE accepts of that role must be allowed by every certificate of the path. */
enum reason rule_purpose(const STACK_OF(X509) *path, enum eku_mode mode, enum peer_role role, struct why *why);

/* DNS name constraints hold for the host of sip: and sips: URIs too. */
enum reason rule_sip_names(const STACK_OF(X509) *path, const struct certificate_facts *leaf, struct why *why);

#endif
