/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rule_path.c - rules on a whole path: the purpose, and names of SIP domains; see rule_private.h. */
#include "base/error.h"
#include "pkix/certificate_private.h"
#include "pkix/identity.h"
#include "pkix/rule_private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { NAME_CHECKS_MAX = 1 << 20 };

/* Purposes as bits; a certificate without extendedKeyUsage allows all. */
enum purpose {
    PURPOSE_SERVER = 1 << 0,
    PURPOSE_CLIENT = 1 << 1,
    PURPOSE_SIP_DOMAIN = 1 << 2,
    PURPOSE_ALL = PURPOSE_SERVER | PURPOSE_CLIENT | PURPOSE_SIP_DOMAIN,
};

/* id-kp-sipDomain, 1.3.6.1.5.5.7.3.20 (RFC 5924); libcrypto has no number for it. */
static bool is_sip_domain(const ASN1_OBJECT *object)
{
    static const unsigned char sip_domain[] = { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x14 };
    return OBJ_length(object) == sizeof(sip_domain) &&
           memcmp(OBJ_get0_data(object), sip_domain, sizeof(sip_domain)) == 0;
}

/* False: the extension cannot be read. */
static bool purposes_of(const X509 *certificate, unsigned *purposes_r)
{
    int found = 0;
    EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(certificate, NID_ext_key_usage, &found, NULL);
    if (usage == NULL) {
        *purposes_r = PURPOSE_ALL;
        return found == -1;
    }
    unsigned purposes = 0;
    for (int i = 0; i < sk_ASN1_OBJECT_num(usage); i++) {
        const ASN1_OBJECT *object = sk_ASN1_OBJECT_value(usage, i);
        int nid = OBJ_obj2nid(object);
        if (nid == NID_server_auth)
            purposes |= PURPOSE_SERVER;
        else if (nid == NID_client_auth)
            purposes |= PURPOSE_CLIENT;
        else if (nid == NID_anyExtendedKeyUsage)
            purposes |= PURPOSE_ALL;
        else if (is_sip_domain(object))
            purposes |= PURPOSE_SIP_DOMAIN;
    }
    EXTENDED_KEY_USAGE_free(usage);
    *purposes_r = purposes;
    return true;
}

/* What a mode accepts of a peer in that role; nothing for unset values. A client-only certificate never
 * serves for a server: mode either is for peers whose CA no longer issues clientAuth. */
static unsigned purposes_accepted(enum eku_mode mode, enum peer_role role)
{
    if (role != PEER_ROLE_SERVER && role != PEER_ROLE_CLIENT)
        return 0;
    switch (mode) {
    case EKU_TLS_ROLE:
        return PURPOSE_SIP_DOMAIN | (role == PEER_ROLE_SERVER ? PURPOSE_SERVER : PURPOSE_CLIENT);
    case EKU_EITHER:
        return PURPOSE_SIP_DOMAIN | PURPOSE_SERVER | (role == PEER_ROLE_CLIENT ? PURPOSE_CLIENT : 0);
    case EKU_SIP5924:
        return PURPOSE_SIP_DOMAIN;
    case EKU_UNSET:
    case EKU_COUNT:
        break;
    }
    return 0;
}

enum reason rule_purpose(const STACK_OF(X509) *path, enum eku_mode mode, enum peer_role role, struct why *why)
{
    unsigned left = purposes_accepted(mode, role);
    if (left == 0)
        return REFUSE(why, REASON_POLICY_UNUSABLE, "extended key usage mode or role is not set");
    for (int depth = 0; depth < sk_X509_num(path); depth++) {
        unsigned purposes;
        if (!purposes_of(sk_X509_value(path, depth), &purposes)) {
            if (library_failure(ERROR_SYNTAX) == ERROR_MEMORY)
                return REFUSE(why, REASON_NO_MEMORY, "out of memory");
            return REFUSE(why, REASON_CERTIFICATE_MALFORMED, "extendedKeyUsage at depth %d does not parse", depth);
        }
        left &= purposes;
        if (left == 0)
            return REFUSE(why, REASON_EXTENDED_KEY_USAGE,
                          "extendedKeyUsage at depth %d does not permit a TLS %s in mode %s", depth,
                          peer_role_word(role), eku_mode_name(mode));
    }
    return REASON_NONE;
}

/* RFC 5280 4.2.1.10 for dNSName: the base itself and whatever has labels in front of it. */
static bool is_within(struct slice host, struct slice base)
{
    if (base.length == 0)
        return true;
    if (host.length < base.length)
        return false;
    size_t front = host.length - base.length;
    if (!slice_equal_nocase(slice_from(host, front), base))
        return false;
    return front == 0 || base.data[0] == '.' || host.data[front - 1] == '.';
}

static bool is_in_dns_trees(const STACK_OF(GENERAL_SUBTREE) *trees, struct slice host, bool *has_dns_r, long *budget)
{
    bool is_in = false;
    *has_dns_r = false;
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++) {
        const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(trees, i)->base;
        --*budget;
        if (base->type != GEN_DNS)
            continue;
        *has_dns_r = true;
        struct slice text =
            slice_of((const char *)ASN1_STRING_get0_data(base->d.dNSName), (size_t)ASN1_STRING_length(base->d.dNSName));
        is_in = is_in || is_within(host, text);
    }
    return is_in;
}

/* BUDGET goes below zero when there are too many names and trees to compare. */
static bool is_permitted(const NAME_CONSTRAINTS *constraints, struct slice host, long *budget)
{
    bool has_dns;
    if (is_in_dns_trees(constraints->excludedSubtrees, host, &has_dns, budget))
        return false;
    bool is_in = is_in_dns_trees(constraints->permittedSubtrees, host, &has_dns, budget);
    return is_in || !has_dns;
}

static enum reason check_sip_names(const NAME_CONSTRAINTS *constraints, const struct certificate_facts *leaf,
                                   long *budget, struct why *why)
{
    for (size_t i = 0; i < leaf->name_count && *budget >= 0; i++) {
        struct slice host;
        if (leaf->names[i].type != CERTIFICATE_NAME_URI ||
            identity_sip_uri(slice_of_string(leaf->names[i].text), &host) == SIP_URI_NOT)
            continue;
        if (host.length > 0 && host.data[host.length - 1] == '.') /* the absolute form of the same name */
            host.length--;
        if (!is_permitted(constraints, host, budget))
            return REFUSE(why, REASON_CHAIN_INVALID, "%.100s is outside the name constraints of its CA",
                          leaf->names[i].text);
    }
    if (*budget < 0)
        return REFUSE(why, REASON_CHAIN_INVALID, "too many names and name constraints");
    return REASON_NONE;
}

enum reason rule_sip_names(const STACK_OF(X509) *path, const struct certificate_facts *leaf, struct why *why)
{
    enum reason reason = REASON_NONE;
    long budget = NAME_CHECKS_MAX;
    for (int depth = 1; depth < sk_X509_num(path) && reason == REASON_NONE; depth++) {
        int found = 0;
        NAME_CONSTRAINTS *constraints =
            X509_get_ext_d2i(sk_X509_value(path, depth), NID_name_constraints, &found, NULL);
        if (constraints != NULL)
            reason = check_sip_names(constraints, leaf, &budget, why);
        else if (found != -1)
            reason = library_failure(ERROR_SYNTAX) == ERROR_MEMORY
                         ? REFUSE(why, REASON_NO_MEMORY, "out of memory")
                         : REFUSE(why, REASON_CERTIFICATE_MALFORMED, "nameConstraints do not parse");
        NAME_CONSTRAINTS_free(constraints);
    }
    return reason;
}
