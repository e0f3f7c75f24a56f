/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_credential.h - one of our identities: certificate chain and private key, proven to belong together.
 * In:    certificates (DER, leaf first) and the private key (DER), read and decrypted by src/pkix.
 * Out:   an immutable object, counted atomically, shared by all threads.
 * Never: gives the key out again; its memory is wiped at the end.
 */
#ifndef TRELAY_TLS_TLS_CREDENTIAL_H
#define TRELAY_TLS_TLS_CREDENTIAL_H

#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"
#include "tls/client_hello.h"

#include <stddef.h>

struct tls_credential;

/* CERTIFICATES: COUNT >= 1 DERs, leaf first; KEY: PKCS#8, PKCS#1 or SEC1 DER, not encrypted.
 * DIGEST names the content (of chain and key): equal digests must mean equal content; it is copied like the rest.
 * The pair is proven by a handshake in memory: ERROR_CONFLICT when the key is not the leaf's,
 * ERROR_SYNTAX when the library cannot read them, ERROR_UNSUPPORTED for kinds of keys it has no use for. */
int tls_credential_new(const struct slice *certificates, size_t count, struct slice key, struct slice digest,
                       struct tls_credential **credential_r, struct why *why) MUST_CHECK;

/* NULL is allowed, and then nothing happens. */
struct tls_credential *tls_credential_ref(struct tls_credential *credential);
void tls_credential_unref(struct tls_credential *credential);

/* The caller's digest, as given. */
struct slice tls_credential_digest(const struct tls_credential *credential);
/* The kind of the key, for client_hello_takes_key(). */
enum tls_key_kind tls_credential_key_kind(const struct tls_credential *credential);

#endif
