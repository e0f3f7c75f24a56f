/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pki.h - certificates for tests, made in memory, right or wrong in any chosen way.
 * In:    a specification; what is left zero gets the value of a sound certificate.
 * Out:   DER, and PEM of certificate and key. A failure to make one ends the test program.
 * Users link libcrypto; this header names nothing of it, so that it can stand beside wolfSSL's.
 */
#ifndef TRELAY_UNIT_PKI_H
#define TRELAY_UNIT_PKI_H

#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A moment within the default validity, for tests that choose their time. */
#define PKI_NOW ((int64_t)1790000000)
#define PKI_DAY ((int64_t)86400)

enum pki_key { PKI_EC_P256 = 0, PKI_EC_P224, PKI_EC_P384, PKI_RSA_2048, PKI_RSA_1024, PKI_RSA_E1, PKI_ED25519 };
enum pki_signature { PKI_SHA256 = 0, PKI_SHA1, PKI_MD5 };

/* An extension beyond those named below. */
struct pki_extension {
    const char *oid; /* dotted, or a short name of libcrypto */
    bool is_critical;
    const uint8_t *der; /* the value */
    size_t der_length;
};

struct pki_certificate;

struct pki_spec {
    const char *subject;                     /* "CN=a/O=b"; NULL: no subject */
    const struct pki_certificate *issuer;    /* NULL: self-signed */
    const char *issuer_name;                 /* instead of the issuer's subject */
    const struct pki_certificate *key_of;    /* the key of that one instead of a new one */
    const struct pki_certificate *signed_by; /* signed by that key, whatever ISSUER says */
    enum pki_key key;
    enum pki_signature signature;
    int64_t not_before, not_after;
    bool is_ca; /* sets the default of the next two */
    /* In the notation of openssl's configuration, "critical," first if it is; "" leaves the extension out. */
    const char *basic_constraints;  /* default: critical,CA:TRUE of a CA, else none */
    const char *key_usage;          /* default: critical,keyCertSign,cRLSign of a CA, else none */
    const char *extended_key_usage; /* default: none */
    const char *names;              /* subjectAltName, default: none */
    struct slice names_der;         /* or this value of the extension */
    const char *name_constraints;   /* default: none */
    const char *policy_constraints; /* default: none */
    const char *crl_points;         /* crlDistributionPoints, "URI:http://..."; default: none */
    const char *ocsp;               /* authorityInfoAccess, "OCSP;URI:http://..."; default: none */
    bool has_no_key_identifiers;    /* default: subject's and authority's */
    const struct pki_extension *extensions;
    size_t extension_count;
    int version;  /* 1, 2 or 3; default: 3 */
    long serial;  /* default: a new one */
    bool is_forged; /* one bit of the signature is wrong */
};

struct pki_certificate *pki_make(const struct pki_spec *spec);
#define PKI_MAKE(...) pki_make(&(const struct pki_spec){ __VA_ARGS__ })
void pki_free(struct pki_certificate *certificate);

struct slice pki_der(const struct pki_certificate *certificate);

/* PEM texts, to be freed with free(). The passphrase, if not NULL, encrypts the key. */
char *pki_pem(const struct pki_certificate *certificate);
char *pki_key_pem(const struct pki_certificate *certificate, const char *passphrase);
char *pki_key_pem_traditional(const struct pki_certificate *certificate);

/* A subjectAltName value byte for byte: names of tag and content; for names_der by way of buffer_slice(). */
enum { PKI_NAME_EMAIL = 0x81, PKI_NAME_DNS = 0x82, PKI_NAME_URI = 0x86, PKI_NAME_IP = 0x87 };
struct pki_name {
    uint8_t tag;
    struct slice content;
};
struct buffer pki_names_der(const struct pki_name *names, size_t count);

#endif
