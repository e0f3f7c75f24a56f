/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pki.c - certificates for tests; see pki.h. */
#include "pki.h"

#include "base/attributes.h"
#include "base/buffer.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

struct pki_certificate {
    X509 *certificate;
    EVP_PKEY *key;
    unsigned char *der;
    int der_length;
};

#define NEED(condition) need((condition), #condition, __LINE__)

static void need(bool condition, const char *text, int line)
{
    if (condition)
        return;
    fprintf(stderr, "pki.c:%d: %s\n", line, text);
    ERR_print_errors_fp(stderr);
    abort();
}

static EVP_PKEY *make_rsa_e1(void)
{
    EVP_PKEY *sound = EVP_RSA_gen(2048), *key = NULL;
    BIGNUM *n = NULL;
    NEED(sound != NULL && EVP_PKEY_get_bn_param(sound, "n", &n) == 1);
    unsigned char modulus[256];
    NEED(BN_bn2nativepad(n, modulus, sizeof(modulus)) == (int)sizeof(modulus));
    unsigned char one[8] = { 1 };
    OSSL_PARAM parameters[] = { OSSL_PARAM_BN("n", modulus, sizeof(modulus)), OSSL_PARAM_BN("e", one, sizeof(one)),
                                OSSL_PARAM_END };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    NEED(context != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
         EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(sound);
    BN_free(n);
    return key;
}

static EVP_PKEY *make_key(enum pki_key type)
{
    switch (type) {
    case PKI_EC_P256:
        return EVP_EC_gen("P-256");
    case PKI_EC_P224:
        return EVP_EC_gen("P-224");
    case PKI_EC_P384:
        return EVP_EC_gen("P-384");
    case PKI_RSA_2048:
        return EVP_RSA_gen(2048);
    case PKI_RSA_1024:
        return EVP_RSA_gen(1024);
    case PKI_RSA_E1:
        return make_rsa_e1();
    case PKI_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
    return NULL;
}

/* "CN=a/O=b" */
static void set_name(X509_NAME *name, const char *text)
{
    struct slice rest = slice_of_string(text);
    while (rest.length > 0) {
        struct slice part = slice_first(rest, slice_find(rest, '/', 0));
        struct slice value = slice_from(part, slice_find(part, '=', 0) + 1);
        char type[32];
        NEED(slice_to_string(slice_first(part, slice_find(part, '=', 0)), type, sizeof(type)));
        NEED(X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)value.data, (int)value.length,
                                        -1, 0) == 1);
        rest = slice_from(rest, part.length + 1);
    }
}

static void add_from_text(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    NEED(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void add_from_der(X509 *certificate, const char *oid, bool is_critical, const void *der, size_t length)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 0);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    NEED(object != NULL && value != NULL && ASN1_OCTET_STRING_set(value, der, (int)length) == 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, is_critical, value);
    NEED(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
}

static const char *or_default(const char *value, bool has_default, const char *text)
{
    return value != NULL ? value : has_default ? text : "";
}

static void add_extensions(X509 *certificate, X509 *issuer, const struct pki_spec *spec)
{
    add_from_text(certificate, issuer, NID_basic_constraints,
                  or_default(spec->basic_constraints, spec->is_ca, "critical,CA:TRUE"));
    add_from_text(certificate, issuer, NID_key_usage,
                  or_default(spec->key_usage, spec->is_ca, "critical,keyCertSign,cRLSign"));
    add_from_text(certificate, issuer, NID_ext_key_usage, spec->extended_key_usage);
    add_from_text(certificate, issuer, NID_subject_alt_name, spec->names);
    if (spec->names_der.length > 0)
        add_from_der(certificate, "subjectAltName", false, spec->names_der.data, spec->names_der.length);
    add_from_text(certificate, issuer, NID_name_constraints, spec->name_constraints);
    add_from_text(certificate, issuer, NID_policy_constraints, spec->policy_constraints);
    add_from_text(certificate, issuer, NID_crl_distribution_points, spec->crl_points);
    add_from_text(certificate, issuer, NID_info_access, spec->ocsp);
    if (!spec->has_no_key_identifiers && spec->version != 1) {
        add_from_text(certificate, issuer, NID_subject_key_identifier, "hash");
        if (issuer != certificate && X509_get0_subject_key_id(issuer) != NULL)
            add_from_text(certificate, issuer, NID_authority_key_identifier, "keyid:always");
    }
    for (size_t i = 0; i < spec->extension_count; i++)
        add_from_der(certificate, spec->extensions[i].oid, spec->extensions[i].is_critical, spec->extensions[i].der,
                     spec->extensions[i].der_length);
}

static void sign(X509 *certificate, EVP_PKEY *key, enum pki_signature signature)
{
    const EVP_MD *digest = signature == PKI_MD5    ? EVP_md5()
                           : signature == PKI_SHA1 ? EVP_sha1()
                                                   : EVP_sha256();
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
        digest = NULL;
    NEED(X509_sign(certificate, key, digest) > 0);
}

static void set_serial(X509 *certificate, long serial)
{
    BIGNUM *number = BN_new();
    NEED(number != NULL && BN_rand(number, 64, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1);
    if (serial != 0)
        NEED(ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), serial) == 1);
    else
        NEED(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL);
    BN_free(number);
}

static void set_issuer(X509 *certificate, const struct pki_spec *spec)
{
    if (spec->issuer_name != NULL)
        set_name(X509_get_issuer_name(certificate), spec->issuer_name);
    else if (spec->issuer != NULL)
        NEED(X509_set_issuer_name(certificate, X509_get_subject_name(spec->issuer->certificate)) == 1);
    else
        NEED(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1);
}

static EVP_PKEY *share_key(const struct pki_certificate *other)
{
    NEED(EVP_PKEY_up_ref(other->key) == 1);
    return other->key;
}

struct pki_certificate *pki_make(const struct pki_spec *spec)
{
    struct pki_certificate *made = calloc(1, sizeof(*made));
    NEED(made != NULL);
    made->key = spec->key_of != NULL ? share_key(spec->key_of) : make_key(spec->key);
    X509 *certificate = made->certificate = X509_new();
    NEED(made->key != NULL && certificate != NULL);
    int version = spec->version != 0 ? spec->version : 3;
    NEED(X509_set_version(certificate, version - 1) == 1 && X509_set_pubkey(certificate, made->key) == 1);
    set_serial(certificate, spec->serial);
    if (spec->subject != NULL)
        set_name(X509_get_subject_name(certificate), spec->subject);
    set_issuer(certificate, spec);
    int64_t not_before = spec->not_before != 0 ? spec->not_before : PKI_NOW - 900 * PKI_DAY;
    int64_t not_after = spec->not_after != 0 ? spec->not_after : PKI_NOW + 3600 * PKI_DAY;
    NEED(ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)not_before) != NULL);
    NEED(ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)not_after) != NULL);
    add_extensions(certificate, spec->issuer != NULL ? spec->issuer->certificate : certificate, spec);
    EVP_PKEY *signer = spec->signed_by != NULL ? spec->signed_by->key
                       : spec->issuer != NULL  ? spec->issuer->key
                                               : made->key;
    sign(certificate, signer, spec->signature);
    made->der_length = i2d_X509(certificate, &made->der);
    NEED(made->der_length > 0);
    if (spec->is_forged)
        made->der[made->der_length - 1] ^= 1;
    ERR_clear_error();
    return made;
}

void pki_free(struct pki_certificate *certificate)
{
    if (certificate == NULL)
        return;
    X509_free(certificate->certificate);
    EVP_PKEY_free(certificate->key);
    OPENSSL_free(certificate->der);
    free(certificate);
}

struct slice pki_der(const struct pki_certificate *certificate)
{
    return slice_of((const char *)certificate->der, (size_t)certificate->der_length);
}

static char *take_text(BIO *bio)
{
    char *bytes = NULL;
    long length = BIO_get_mem_data(bio, &bytes);
    char *text = malloc((size_t)length + 1);
    NEED(text != NULL);
    memcpy(text, bytes, (size_t)length);
    text[length] = '\0';
    BIO_free(bio);
    return text;
}

char *pki_pem(const struct pki_certificate *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    NEED(PEM_write_bio(bio, PEM_STRING_X509, "", certificate->der, certificate->der_length) > 0);
    return take_text(bio);
}

char *pki_key_pem(const struct pki_certificate *certificate, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    NEED(PEM_write_bio_PKCS8PrivateKey(bio, certificate->key, passphrase != NULL ? EVP_aes_256_cbc() : NULL, passphrase,
                                       passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL) == 1);
    return take_text(bio);
}

char *pki_key_pem_traditional(const struct pki_certificate *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    NEED(PEM_write_bio_PrivateKey_traditional(bio, certificate->key, NULL, NULL, 0, NULL, NULL) == 1);
    return take_text(bio);
}

static void append_tlv(struct buffer *out, uint8_t tag, struct slice content)
{
    buffer_append_byte(out, tag);
    NEED(content.length <= 0xffffff);
    int bytes = content.length >= 0x10000 ? 3 : content.length >= 0x100 ? 2 : 1;
    if (content.length >= 0x80)
        buffer_append_byte(out, (uint8_t)(0x80 + bytes));
    while (bytes-- > 0)
        buffer_append_byte(out, (uint8_t)(content.length >> (8 * bytes)));
    buffer_append_slice(out, content);
}

struct buffer pki_names_der(const struct pki_name *names, size_t count)
{
    struct buffer inner = BUFFER_EMPTY, outer = BUFFER_EMPTY;
    for (size_t i = 0; i < count; i++)
        append_tlv(&inner, names[i].tag, names[i].content);
    append_tlv(&outer, 0x30, buffer_slice(&inner));
    buffer_free(&inner);
    NEED(!outer.has_failed);
    return outer;
}
