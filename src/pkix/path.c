/* SPDX-License-Identifier: GPL-2.0-or-later */
/* path.c - the path from a leaf to an anchor; see path_private.h.
 * libcrypto builds and verifies it under X509_V_FLAG_X509_STRICT; the few findings forgiven are those about
 * how a CA should issue, not about what a path proves (doc/decision/0001-strict-verification.md).
 */
#include "pkix/path_private.h"

#include "base/error.h"
#include "pkix/certificate_private.h"
#include "pkix/trust_store_private.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/* Error of libcrypto, reason. What is not here is REASON_CHAIN_INVALID. */
static const struct {
    int error;
    enum reason reason;
} error_reasons[] = {
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, REASON_CHAIN_UNTRUSTED },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REASON_CHAIN_UNTRUSTED },
    { X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, REASON_CHAIN_UNTRUSTED },
    { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, REASON_CHAIN_UNTRUSTED },
    { X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, REASON_CHAIN_UNTRUSTED },
    { X509_V_ERR_CERT_UNTRUSTED, REASON_CHAIN_UNTRUSTED },
    { X509_V_ERR_CERT_REJECTED, REASON_CHAIN_UNTRUSTED },
    { X509_V_ERR_CERT_SIGNATURE_FAILURE, REASON_CHAIN_UNTRUSTED },
    { X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, REASON_CHAIN_UNTRUSTED },
    { X509_V_ERR_CERT_NOT_YET_VALID, REASON_CERTIFICATE_NOT_YET_VALID },
    { X509_V_ERR_CERT_HAS_EXPIRED, REASON_CERTIFICATE_EXPIRED },
    { X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, REASON_CERTIFICATE_MALFORMED },
    { X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, REASON_CERTIFICATE_MALFORMED },
    { X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, REASON_CERTIFICATE_MALFORMED },
    { X509_V_ERR_EE_KEY_TOO_SMALL, REASON_WEAK_CERTIFICATE },
    { X509_V_ERR_CA_KEY_TOO_SMALL, REASON_WEAK_CERTIFICATE },
    { X509_V_ERR_CA_MD_TOO_WEAK, REASON_WEAK_CERTIFICATE },
    { X509_V_ERR_KEYUSAGE_NO_CERTSIGN, REASON_KEY_USAGE },
    { X509_V_ERR_OUT_OF_MEM, REASON_NO_MEMORY },
};

enum reason path_error_reason(int error)
{
    for (size_t i = 0; i < ARRAY_SIZE(error_reasons); i++)
        if (error_reasons[i].error == error)
            return error_reasons[i].reason;
    return REASON_CHAIN_INVALID;
}

void path_fini(struct path *path)
{
    sk_X509_pop_free(path->certificates, X509_free);
    *path = (struct path){ 0 };
}

/* Demands on issuing (RFC 5280 section 4) that validation (section 6) does not make, and that CAs in use do
 * not meet. */
static bool is_forgiven(int error, X509 *certificate)
{
    switch (error) {
    case X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER:
    case X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER:
    case X509_V_ERR_CA_BCONS_NOT_CRITICAL:
    case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
    case X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL:
        return true;
    case X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN: /* where keyUsage is there, it must be in it */
        return certificate != NULL && X509_get_key_usage(certificate) == UINT32_MAX;
    default:
        return false;
    }
}

static int judge_finding(int is_ok, X509_STORE_CTX *context)
{
    if (is_ok == 1)
        return 1;
    if (!is_forgiven(X509_STORE_CTX_get_error(context), X509_STORE_CTX_get_current_cert(context)))
        return 0;
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

/* Any policy will do, so that policies can fail only where a certificate requires an explicit one. Without
 * such a certificate there is no need to run the costly part. */
static bool needs_policy_check(X509 *leaf, const STACK_OF(X509) *untrusted)
{
    if (X509_get_ext_by_NID(leaf, NID_policy_constraints, -1) >= 0)
        return true;
    for (int i = 0; i < sk_X509_num(untrusted); i++)
        if (X509_get_ext_by_NID(sk_X509_value(untrusted, i), NID_policy_constraints, -1) >= 0)
            return true;
    return false;
}

static void describe(X509_STORE_CTX *context, int error, struct why *why)
{
    char subject[120] = "";
    X509 *certificate = X509_STORE_CTX_get_current_cert(context);
    if (certificate != NULL)
        X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof(subject));
    why_fail(why, 0, "%s at depth %d%s%s", X509_verify_cert_error_string(error),
             X509_STORE_CTX_get_error_depth(context), subject[0] != '\0' ? ", " : "", subject);
}

/* What was verified must be what is relied on: an issuer for each but the last, and that an anchor itself. */
static enum reason confirm(const struct trust_store *store, X509_STORE_CTX *context, X509 *leaf, struct path *path,
                           struct why *why)
{
    path->certificates = X509_STORE_CTX_get1_chain(context);
    int count = sk_X509_num(path->certificates);
    if (count < 1)
        return REFUSE(why, REASON_NO_MEMORY, "no memory for the path");
    X509 *anchor = sk_X509_value(path->certificates, count - 1);
    const uint8_t *digest = trust_store_anchor_digest(store, anchor);
    if (digest == NULL)
        return REFUSE(why, REASON_CHAIN_UNTRUSTED, "the path does not end at an anchor");
    if (count == 1)
        return REFUSE(why, REASON_CHAIN_UNTRUSTED, "a self-signed leaf is accepted only when it is pinned");
    if (sk_X509_value(path->certificates, 0) != leaf)
        return REFUSE(why, REASON_CHAIN_INVALID, "the path does not start at the leaf");
    for (int depth = 1; depth < count; depth++) {
        enum reason reason = rule_issuer(sk_X509_value(path->certificates, depth), why);
        if (reason != REASON_NONE)
            return reason;
    }
    memcpy(path->anchor_digest, digest, DIGEST_SIZE);
    return REASON_NONE;
}

enum reason path_find(const struct trust_store *store, X509 *leaf, STACK_OF(X509) *untrusted, int64_t now,
                      struct path *path, struct why *why)
{
    enum reason reason = REFUSE(why, REASON_NO_MEMORY, "out of memory");
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (context == NULL || X509_STORE_CTX_init(context, trust_store_library(store), leaf, untrusted) != 1)
        goto out;
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
    unsigned long policy = needs_policy_check(leaf, untrusted) ? X509_V_FLAG_POLICY_CHECK : 0;
    if (X509_VERIFY_PARAM_set_flags(parameters, VERIFY_FLAGS | policy) != 1)
        goto out;
    X509_VERIFY_PARAM_set_auth_level(parameters, VERIFY_AUTH_LEVEL);
    X509_VERIFY_PARAM_set_depth(parameters, VERDICT_DEPTH_MAX);
    X509_VERIFY_PARAM_set_time(parameters, (time_t)now);
    X509_STORE_CTX_set_verify_cb(context, judge_finding);
    int result = X509_verify_cert(context);
    int error = X509_STORE_CTX_get_error(context);
    if (result == 1 && error == X509_V_OK) {
        reason = confirm(store, context, leaf, path, why);
    } else if (library_failure(ERROR_SYNTAX) != ERROR_MEMORY) {
        reason = path_error_reason(error);
        describe(context, error, why);
    }
out:
    X509_STORE_CTX_free(context);
    ERR_clear_error();
    if (reason == REASON_NONE)
        why->text[0] = '\0';
    else
        path_fini(path);
    return reason;
}

enum reason path_of_pinned(X509 *leaf, const struct certificate_facts *facts, int64_t now, struct path *path,
                           struct why *why)
{
    if (X509_self_signed(leaf, 1) != 1) {
        if (library_failure(ERROR_SYNTAX) == ERROR_MEMORY)
            return REFUSE(why, REASON_NO_MEMORY, "out of memory");
        return REFUSE(why, REASON_CHAIN_INVALID, "the pinned leaf's own signature is wrong");
    }
    if (now < facts->not_before)
        return REFUSE(why, REASON_CERTIFICATE_NOT_YET_VALID, "the pinned leaf is not valid yet");
    if (now >= facts->not_after)
        return REFUSE(why, REASON_CERTIFICATE_EXPIRED, "the pinned leaf has expired");
    path->certificates = sk_X509_new_null();
    if (path->certificates == NULL || sk_X509_push(path->certificates, leaf) <= 0 || X509_up_ref(leaf) != 1) {
        sk_X509_free(path->certificates);
        path->certificates = NULL;
        ERR_clear_error();
        return REFUSE(why, REASON_NO_MEMORY, "out of memory");
    }
    memcpy(path->anchor_digest, facts->digest, DIGEST_SIZE);
    return REASON_NONE;
}
