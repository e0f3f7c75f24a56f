/* SPDX-License-Identifier: GPL-2.0-or-later */
/* private_key.h - a private key of ours, on its way from a row or file to the TLS library.
 * In:    PEM: PKCS#8, encrypted PKCS#8 with its passphrase, or traditional. Out: DER that wolfSSL reads.
 * Never: logged, printed, or left in memory: every copy made here is overwritten when freed.
 */
#ifndef TRELAY_PKIX_PRIVATE_KEY_H
#define TRELAY_PKIX_PRIVATE_KEY_H

#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"
#include "pkix/certificate.h"

#include <stdbool.h>
#include <stdint.h>

struct private_key;

/* PASSPHRASE may be absent; it is used for an encrypted key only, and nobody is ever prompted.
 * ERROR_SYNTAX (also: wrong passphrase), ERROR_REFUSED (encrypted, no passphrase), ERROR_UNSUPPORTED (a
 * pkcs11: URI, another key type than RSA, EC, Ed25519, Ed448), ERROR_NOT_FOUND (no key there), ERROR_MEMORY. */
int private_key_read(struct slice pem, struct slice passphrase, struct private_key **key_r,
                     struct why *why) MUST_CHECK;

/* NULL is allowed. */
void private_key_free(struct private_key *key);

/* For wolfSSL_CTX_use_PrivateKey_buffer(..., WOLFSSL_FILETYPE_ASN1): PKCS#1 for RSA, SEC 1 for EC,
 * PKCS#8 for the Edwards curves. Borrowed; do not copy. */
struct slice private_key_der(const struct private_key *key);

enum key_type private_key_type(const struct private_key *key);
unsigned private_key_bits(const struct private_key *key);

/* SHA-256 of the SubjectPublicKeyInfo, equal to certificate_facts.key_digest of its certificate. */
const uint8_t *private_key_digest(const struct private_key *key);

/* Is it the key of this certificate? False too when the certificate cannot be read. */
bool private_key_matches(const struct private_key *key, struct slice leaf_der);

#endif
