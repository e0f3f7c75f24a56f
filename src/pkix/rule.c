/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rule.c - rules on single certificates: extensions, issuers, keys, signatures; see rule_private.h.
 * Partly a second look at what libcrypto's verification has seen: a library that one day looks away, or an
 * allocation that fails inside it, must not turn into proof (INV-16, INV-21).
 */
#include "pkix/rule_private.h"

#include "base/error.h"
#include "pkix/certificate_private.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

enum {
    EXTENSION_COUNT_MAX = 64,
    RSA_BITS_FLOOR = 2048,
    EC_BITS_FLOOR = 256,
    SECURITY_BITS_FLOOR = 112,
};

/* Critical extensions that are processed. Certificate policies: any policy is acceptable, which leaves only
 * requireExplicitPolicy to fail on, and path.c turns that check on. */
static bool is_processed(int nid)
{
    switch (nid) {
    case NID_key_usage:
    case NID_subject_alt_name:
    case NID_basic_constraints:
    case NID_name_constraints:
    case NID_ext_key_usage:
    case NID_certificate_policies:
    case NID_policy_mappings:
    case NID_policy_constraints:
    case NID_inhibit_any_policy:
    case NID_crl_distribution_points:
        return true;
    default:
        return false;
    }
}

static bool appears_earlier(const X509 *certificate, int index)
{
    const ASN1_OBJECT *object = X509_EXTENSION_get_object(X509_get_ext(certificate, index));
    for (int i = 0; i < index; i++)
        if (OBJ_cmp(object, X509_EXTENSION_get_object(X509_get_ext(certificate, i))) == 0)
            return true;
    return false;
}

enum reason rule_extensions(const X509 *certificate, struct why *why)
{
    int count = X509_get_ext_count(certificate);
    if (count > EXTENSION_COUNT_MAX)
        return REFUSE(why, REASON_CERTIFICATE_MALFORMED, "%d extensions, more than %d", count, EXTENSION_COUNT_MAX);
    for (int i = 0; i < count; i++) {
        X509_EXTENSION *extension = X509_get_ext(certificate, i);
        ASN1_OBJECT *object = X509_EXTENSION_get_object(extension);
        char oid[80];
        if (OBJ_obj2txt(oid, sizeof(oid), object, 1) <= 0)
            return REFUSE(why, REASON_CERTIFICATE_MALFORMED, "an extension cannot be read");
        if (appears_earlier(certificate, i))
            return REFUSE(why, REASON_CERTIFICATE_MALFORMED, "extension %s appears twice", oid);
        if (X509_EXTENSION_get_critical(extension) != 0 && !is_processed(OBJ_obj2nid(object)))
            return REFUSE(why, REASON_CHAIN_INVALID, "critical extension %s is not supported", oid);
    }
    /* Not const there, for the library keeps what it found in the object. Invalid: some known extension does
     * not parse, or there was no memory to parse it. */
    X509 *mutable = (X509 *)(uintptr_t)certificate;
    if (X509_check_purpose(mutable, -1, 0) != 1 || (X509_get_extension_flags(mutable) & EXFLAG_INVALID) != 0) {
        if (library_failure(ERROR_SYNTAX) == ERROR_MEMORY)
            return REFUSE(why, REASON_NO_MEMORY, "out of memory");
        return REFUSE(why, REASON_CERTIFICATE_MALFORMED, "an extension does not parse");
    }
    return REASON_NONE;
}

enum reason rule_issuer(X509 *certificate, struct why *why)
{
    if (X509_get_version(certificate) != X509_VERSION_3 || X509_check_ca(certificate) != 1)
        return REFUSE(why, REASON_CHAIN_INVALID, "not a CA certificate");
    uint32_t usage = X509_get_key_usage(certificate); /* all bits when there is no keyUsage */
    if ((usage & KU_KEY_CERT_SIGN) == 0)
        return REFUSE(why, REASON_KEY_USAGE, "keyUsage of a CA lacks keyCertSign");
    return REASON_NONE;
}

/* With e = 1 a signature is the text itself. */
static bool has_sound_exponent(const EVP_PKEY *key)
{
    BIGNUM *exponent = NULL;
    bool is_sound = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 && BN_is_odd(exponent) &&
                    !BN_is_one(exponent) && !BN_is_negative(exponent);
    BN_free(exponent);
    return is_sound;
}

enum reason rule_key(const X509 *certificate, unsigned rsa_bits_min, unsigned ec_bits_min, struct why *why)
{
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    enum key_type type = key_type_of(key);
    int bits = key != NULL ? EVP_PKEY_get_bits(key) : 0;
    unsigned minimum = 0;
    if (type == KEY_TYPE_RSA || type == KEY_TYPE_RSA_PSS)
        minimum = rsa_bits_min > RSA_BITS_FLOOR ? rsa_bits_min : RSA_BITS_FLOOR;
    else if (type == KEY_TYPE_EC)
        minimum = ec_bits_min > EC_BITS_FLOOR ? ec_bits_min : EC_BITS_FLOOR;
    else if (type == KEY_TYPE_UNKNOWN)
        return REFUSE(why, REASON_WEAK_CERTIFICATE, "the public key is unreadable or not RSA, EC or Edwards curve");
    if (bits <= 0 || (unsigned)bits < minimum)
        return REFUSE(why, REASON_WEAK_CERTIFICATE, "%s key of %d bits, at least %u are needed", key_type_word(type),
                      bits, minimum);
    if ((type == KEY_TYPE_RSA || type == KEY_TYPE_RSA_PSS) && !has_sound_exponent(key))
        return REFUSE(why, REASON_WEAK_CERTIFICATE, "the RSA exponent is unsound");
    return REASON_NONE;
}

enum reason rule_signature(X509 *certificate, struct why *why)
{
    int bits = 0;
    if (X509_get_signature_info(certificate, NULL, NULL, &bits, NULL) != 1 || bits < SECURITY_BITS_FLOOR)
        return REFUSE(why, REASON_WEAK_CERTIFICATE, "signature algorithm %s is too weak or unknown",
                      OBJ_nid2sn(X509_get_signature_nid(certificate)));
    return REASON_NONE;
}

enum reason rule_key_usage(X509 *leaf, struct why *why)
{
    if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
        return REFUSE(why, REASON_KEY_USAGE, "keyUsage lacks digitalSignature");
    return REASON_NONE;
}
