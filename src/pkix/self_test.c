/* SPDX-License-Identifier: GPL-2.0-or-later */
/* self_test.c - asks the verdict for answers that are known; see self_test.h. */
#include "pkix/self_test.h"

#include "base/error.h"
#include "pkix/certificate_private.h"
#include "pkix/trust_store.h"
#include "pkix/verdict.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdlib.h>

enum { HOUR = 3600 };

/* One CA and its leaf for sip:right.example, as DER. */
struct sample {
    EVP_PKEY *ca_key, *leaf_key;
    X509 *ca, *leaf;
    struct certificate_chain presented, anchors;
};

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool set_name(X509_NAME *name, const char *common_name)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1;
}

/* Everything but extensions and the signature. */
static X509 *start_certificate(const char *subject, const char *issuer, EVP_PKEY *key, int64_t now)
{
    X509 *certificate = X509_new();
    bool is_made = certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
                   ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
                   set_name(X509_get_subject_name(certificate), subject) &&
                   set_name(X509_get_issuer_name(certificate), issuer) &&
                   ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)now - HOUR) != NULL &&
                   ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)now + HOUR) != NULL &&
                   X509_set_pubkey(certificate, key) == 1;
    if (is_made)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static bool append(struct certificate_chain *chain, X509 *certificate)
{
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    if (length <= 0)
        return false;
    int code = certificate_chain_append(chain, slice_of((const char *)der, (size_t)length));
    OPENSSL_free(der);
    return code == 0;
}

static bool sample_init(struct sample *sample, int64_t now)
{
    const char *ca_name = "trelay self-test CA";
    *sample = (struct sample){ .ca_key = EVP_EC_gen("P-256"), .leaf_key = EVP_EC_gen("P-256") };
    if (sample->ca_key == NULL || sample->leaf_key == NULL)
        return false;
    sample->ca = start_certificate(ca_name, ca_name, sample->ca_key, now);
    sample->leaf = start_certificate("trelay self-test", ca_name, sample->leaf_key, now);
    return sample->ca != NULL && sample->leaf != NULL &&
           add_extension(sample->ca, sample->ca, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(sample->ca, sample->ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(sample->leaf, sample->ca, NID_subject_alt_name, "URI:sip:right.example") &&
           X509_sign(sample->ca, sample->ca_key, EVP_sha256()) > 0 &&
           X509_sign(sample->leaf, sample->ca_key, EVP_sha256()) > 0 &&
           append(&sample->anchors, sample->ca) && append(&sample->presented, sample->leaf);
}

static void sample_fini(struct sample *sample)
{
    certificate_chain_fini(&sample->presented);
    certificate_chain_fini(&sample->anchors);
    X509_free(sample->ca);
    X509_free(sample->leaf);
    EVP_PKEY_free(sample->ca_key);
    EVP_PKEY_free(sample->leaf_key);
}

/* The leaf of SAMPLE, judged against the anchors of another or the same, must come out as EXPECTED. */
static int expect(const struct sample *sample, const struct sample *trusted, const char *domain, int64_t now,
                  enum reason expected, struct why *why)
{
    struct trust_store *store = NULL;
    int code = trust_store_new(&trusted->anchors, now, &store, NULL, why);
    if (code != 0)
        return code;
    const struct verdict_request request = {
        .level = LEVEL_DOMAIN, .peer_role = PEER_ROLE_SERVER, .trust_store = store, .expected_domain = domain,
        .eku_mode = EKU_TLS_ROLE, .crl = REVOCATION_OFF, .ocsp = REVOCATION_OFF,
    };
    struct verdict verdict;
    code = verdict_take(&request, &sample->presented, now, &verdict);
    bool is_proven = verdict.result == VERDICT_PROVEN;
    trust_store_unref(store);
    if (code != 0)
        return why_fail(why, code, "%s", error_text(code));
    if (verdict.reason != expected || is_proven != (expected == REASON_NONE))
        return why_fail(why, ERROR_VERDICT, "the verdict for %s is %s instead of %s", domain,
                        reason_word(verdict.reason), reason_word(expected));
    return 0;
}

int pkix_self_test(int64_t now, struct why *why)
{
    struct sample right = { 0 }, wrong = { 0 };
    int code = 0;
    if (!sample_init(&right, now) || !sample_init(&wrong, now))
        code = why_fail(why, library_failure(ERROR_SYSTEM), "no sample certificates can be made");
    if (code == 0)
        code = expect(&right, &right, "right.example", now, REASON_NONE, why);
    if (code == 0)
        code = expect(&right, &right, "wrong.example", now, REASON_WRONG_IDENTITY, why);
    if (code == 0) /* an anchor of the same name and another key */
        code = expect(&right, &wrong, "right.example", now, REASON_CHAIN_UNTRUSTED, why);
    if (code == 0)
        code = expect(&right, &right, "right.example", now + 2 * HOUR, REASON_CERTIFICATE_EXPIRED, why);
    if (code != 0)
        why_prefix(why, "self-test of certificate verification");
    sample_fini(&right);
    sample_fini(&wrong);
    ERR_clear_error();
    return code;
}
