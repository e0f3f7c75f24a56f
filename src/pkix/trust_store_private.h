/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trust_store_private.h - libcrypto's view of a trust store, within src/pkix. */
#ifndef TRELAY_PKIX_TRUST_STORE_PRIVATE_H
#define TRELAY_PKIX_TRUST_STORE_PRIVATE_H

#include "pkix/trust_store.h"

#include <openssl/x509_vfy.h>

/* How every path is verified; part of each store's digest. */
enum {
    VERIFY_FLAGS = X509_V_FLAG_X509_STRICT | X509_V_FLAG_TRUSTED_FIRST, /* and never PARTIAL_CHAIN */
    VERIFY_AUTH_LEVEL = 2,                                              /* 112 bits: RSA 2048, SHA-256 */
};

X509_STORE *trust_store_library(const struct trust_store *store);

/* The digest of the anchor that is this very object, NULL if it is none of the store's. */
const uint8_t *trust_store_anchor_digest(const struct trust_store *store, const X509 *certificate);

#endif
