/* SPDX-License-Identifier: GPL-2.0-or-later */
/* certificate_private.h - libcrypto's view of certificates, within src/pkix. */
#ifndef TRELAY_PKIX_CERTIFICATE_PRIVATE_H
#define TRELAY_PKIX_CERTIFICATE_PRIVATE_H

#include "pkix/certificate.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* All of DER must be one certificate. NULL: it is not, or no memory; library_failure() knows which. */
X509 *certificate_parse(struct slice der);

/* After a failed call into the library: ERROR_MEMORY when memory ran out, else OTHERWISE. Clears the thread's
 * error queue. */
int library_failure(int otherwise);

/* As ASN.1 time to seconds since the epoch; false when it is not a valid time. */
bool certificate_time(const ASN1_TIME *time, int64_t *seconds_r);

enum key_type key_type_of(const EVP_PKEY *key);

/* The facts of a parsed certificate; DER are its bytes. */
int certificate_facts_from(X509 *certificate, struct slice der, struct certificate_facts **facts_r, struct why *why)
    MUST_CHECK;

#endif
