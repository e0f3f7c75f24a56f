/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_credential.c - certificate chain and key, copied once and proven; see tls_credential.h. */
#include "tls/tls_credential.h"

#include "base/error.h"
#include "tls/tls_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum der_tag { DER_BIT_STRING = 0x03, DER_OID = 0x06, DER_SEQUENCE = 0x30, DER_VERSION = 0xA0 };

/* Cuts one DER element off *REST. */
static bool der_next(struct slice *rest, unsigned *tag_r, struct slice *content_r)
{
    const uint8_t *bytes = (const uint8_t *)rest->data;
    if (rest->length < 2)
        return false;
    size_t length = bytes[1], header = 2;
    if (length >= 0x80) {
        size_t width = length & 0x7F;
        if (width == 0 || width > 4 || rest->length < 2 + width)
            return false;
        length = 0;
        for (size_t i = 0; i < width; i++)
            length = length << 8 | bytes[2 + i];
        header += width;
    }
    if (rest->length - header < length)
        return false;
    *tag_r = bytes[0];
    *content_r = slice_of(rest->data + header, length);
    *rest = slice_from(*rest, header + length);
    return true;
}

static bool der_enter(struct slice *rest, unsigned wanted, struct slice *content_r)
{
    unsigned tag;
    return der_next(rest, &tag, content_r) && tag == wanted;
}

/* The AlgorithmIdentifier of a certificate's SubjectPublicKeyInfo. */
static bool find_key_algorithm(struct slice certificate, struct slice *algorithm_r)
{
    struct slice body, tbs, skipped, key;
    unsigned tag;
    if (!der_enter(&certificate, DER_SEQUENCE, &body) || !slice_is_empty(certificate) ||
        !der_enter(&body, DER_SEQUENCE, &tbs))
        return false;
    /* [0] version is optional; then serial, signature, issuer, validity, subject stand before the key. */
    if (!slice_is_empty(tbs) && (uint8_t)tbs.data[0] == DER_VERSION && !der_next(&tbs, &tag, &skipped))
        return false;
    for (int i = 0; i < 5; i++)
        if (!der_next(&tbs, &tag, &skipped))
            return false;
    return der_enter(&tbs, DER_SEQUENCE, &key) && der_enter(&key, DER_SEQUENCE, algorithm_r);
}

/* OIDs without tag and length. */
#define OID_RSA SLICE_LITERAL("\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01")
#define OID_EC SLICE_LITERAL("\x2A\x86\x48\xCE\x3D\x02\x01")
#define OID_ED25519 SLICE_LITERAL("\x2B\x65\x70")
#define OID_P256 SLICE_LITERAL("\x2A\x86\x48\xCE\x3D\x03\x01\x07")
#define OID_P384 SLICE_LITERAL("\x2B\x81\x04\x00\x22")
#define OID_P521 SLICE_LITERAL("\x2B\x81\x04\x00\x23")

static enum tls_key_kind key_kind_of(struct slice certificate)
{
    struct slice algorithm, oid, curve;
    if (!find_key_algorithm(certificate, &algorithm) || !der_enter(&algorithm, DER_OID, &oid))
        return TLS_KEY_NONE;
    if (slice_equal(oid, OID_RSA))
        return TLS_KEY_RSA;
    if (slice_equal(oid, OID_ED25519))
        return TLS_KEY_ED25519;
    if (!slice_equal(oid, OID_EC) || !der_enter(&algorithm, DER_OID, &curve))
        return TLS_KEY_NONE;
    return slice_equal(curve, OID_P256)   ? TLS_KEY_EC_P256
           : slice_equal(curve, OID_P384) ? TLS_KEY_EC_P384
           : slice_equal(curve, OID_P521) ? TLS_KEY_EC_P521
                                          : TLS_KEY_NONE;
}

static struct slice copy(char **end, struct slice from)
{
    struct slice copied = slice_of(*end, from.length);
    if (from.length > 0)
        memcpy(*end, from.data, from.length);
    *end += from.length;
    return copied;
}

static struct tls_credential *credential_copy(const struct slice *certificates, size_t count, struct slice key,
                                              struct slice digest)
{
    size_t size = digest.length + key.length;
    for (size_t i = 0; i < count; i++)
        size += certificates[i].length;
    struct tls_credential *credential = malloc(sizeof(*credential) + size);
    if (credential == NULL)
        return NULL;
    *credential = (struct tls_credential){ .references = 1, .kind = key_kind_of(certificates[0]) };
    char *end = credential->memory;
    credential->digest = copy(&end, digest);
    credential->leaf = copy(&end, certificates[0]);
    for (size_t i = 1; i < count; i++)
        copy(&end, certificates[i]);
    credential->chain = slice_of(credential->leaf.data, (size_t)(end - credential->leaf.data));
    credential->key = copy(&end, key);
    return credential;
}

int tls_credential_new(const struct slice *certificates, size_t count, struct slice key, struct slice digest,
                       struct tls_credential **credential_r, struct why *why)
{
    if (count == 0 || slice_is_empty(certificates[0]) || slice_is_empty(key) || slice_is_empty(digest))
        return why_fail(why, ERROR_SYNTAX, "a credential needs a certificate, a key and a digest");
    struct tls_credential *credential = credential_copy(certificates, count, key, digest);
    if (credential == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    int result = credential->kind != TLS_KEY_NONE
                     ? tls_credential_prove(credential, why)
                     : why_fail(why, ERROR_UNSUPPORTED, "the key is not RSA, P-256, P-384, P-521 or Ed25519");
    if (result != 0) {
        tls_credential_unref(credential);
        return result;
    }
    *credential_r = credential;
    return 0;
}

struct tls_credential *tls_credential_ref(struct tls_credential *credential)
{
    if (credential != NULL)
        atomic_fetch_add_explicit(&credential->references, 1, memory_order_relaxed);
    return credential;
}

void tls_credential_unref(struct tls_credential *credential)
{
    if (credential == NULL || atomic_fetch_sub_explicit(&credential->references, 1, memory_order_acq_rel) > 1)
        return;
    explicit_bzero(credential->memory + (credential->key.data - credential->memory), credential->key.length);
    free(credential);
}

struct slice tls_credential_digest(const struct tls_credential *credential)
{
    return credential->digest;
}

enum tls_key_kind tls_credential_key_kind(const struct tls_credential *credential)
{
    return credential->kind;
}
