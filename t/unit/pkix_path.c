/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_path.c - paths, sound and broken.
 * Rule: a path is proven only along CAs, within dates, constraints and strength, to an anchor of this store; and
 * whatever is proven, plain verification by libcrypto accepts as well.
 */
#include "pkix_support.h"

#include "pkix/digest.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <stdlib.h>

enum { NODES = 12, SELF = 0 };

/* A certificate of a case. Nodes are numbered from 1; ISSUER is such a number, or SELF. */
struct node {
    struct pki_spec spec;
    int issuer;
    int signed_by; /* 0: the issuer */
};

struct path_case {
    const char *title;
    const char *domain; /* NULL: level chain */
    struct node nodes[NODES];
    const char *presented; /* digits: nodes, leaf first */
    const char *anchors;
    enum reason expected;
    enum peer_role role; /* unset: server */
    bool cn_fallback;
};

#define OK REASON_NONE
#define UNTRUSTED REASON_CHAIN_UNTRUSTED
#define INVALID REASON_CHAIN_INVALID
#define EKU REASON_EXTENDED_KEY_USAGE
#define WEAK REASON_WEAK_CERTIFICATE
#define ROOT { { .subject = "CN=root", .is_ca = true }, SELF, 0 }
#define RSA_ROOT { { .subject = "CN=root", .is_ca = true, .key = PKI_RSA_2048 }, SELF, 0 }
#define CA_(by, ...) { { .subject = "CN=intermediate", .is_ca = true, __VA_ARGS__ }, by, 0 }
#define CA(by) { { .subject = "CN=intermediate", .is_ca = true }, by, 0 }
#define SUB(by) { { .subject = "CN=sub", .is_ca = true }, by, 0 }
#define NODE(by, ...) { { __VA_ARGS__ }, by, 0 }
#define LEAF_(by, ...) { { .subject = "CN=leaf", __VA_ARGS__ }, by, 0 }
#define LEAF(by) { { .subject = "CN=leaf", .names = "URI:sip:good.example" }, by, 0 }
#define GOOD "good.example"

static const uint8_t der_null[] = { 0x05, 0x00 };
static const uint8_t der_bits[] = { 0x03, 0x02, 0x07, 0x80 };
static const uint8_t der_junk[] = { 0x30, 0x7f, 0x01 };
static const struct pki_extension unknown_critical[] = { { "1.3.6.1.4.1.99999.1", true, der_null, 2 } };
static const struct pki_extension unknown_twice[] = { { "1.3.6.1.4.1.99999.1", false, der_null, 2 },
                                                      { "1.3.6.1.4.1.99999.1", false, der_null, 2 } };
static const struct pki_extension netscape_critical[] = { { "nsCertType", true, der_bits, 4 } };
static const struct pki_extension second_names[] = {
    { "subjectAltName", false, (const uint8_t *)"\x30\x0e\x82\x0cgood.example", 16 }
};
static const struct pki_extension junk_names[] = { { "subjectAltName", false, der_junk, sizeof(der_junk) } };
static const struct pki_extension junk_constraints[] = { { "nameConstraints", false, der_junk, sizeof(der_junk) } };
static const struct pki_extension junk_usage[] = { { "keyUsage", false, der_junk, sizeof(der_junk) } };
static const struct pki_extension junk_purpose[] = { { "extendedKeyUsage", false, der_junk, sizeof(der_junk) } };
/* proxyCertInfo: no path length, policy language id-ppl-inheritAll */
static const uint8_t der_proxy[] = { 0x30, 0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06,
                                     0x01, 0x05, 0x05, 0x07, 0x15, 0x01 };
static const struct pki_extension proxy[] = { { "proxyCertInfo", true, der_proxy, sizeof(der_proxy) } };
#define WITH(e) .extensions = e, .extension_count = 1

static const struct path_case cases[] = {
    /* sound chains, in whatever order and company */
    { "leaf and intermediate", GOOD, { ROOT, CA(1), LEAF(2) }, "32", "1", OK, 0, 0 },
    { "leaf, intermediate, root", GOOD, { ROOT, CA(1), LEAF(2) }, "321", "1", OK, 0, 0 },
    { "leaf of the root", GOOD, { ROOT, LEAF(1) }, "2", "1", OK, 0, 0 },
    { "chain only", NULL, { ROOT, CA(1), LEAF(2) }, "32", "1", OK, 0, 0 },
    { "chain only, no identity", NULL, { ROOT, CA(1), LEAF_(2) }, "32", "1", OK, 0, 0 },
    { "out of order", GOOD, { ROOT, CA(1), SUB(2), LEAF(3) }, "4132", "1", OK, 0, 0 },
    { "doubles", GOOD, { ROOT, CA(1), LEAF(2) }, "332233112", "1", OK, 0, 0 },
    { "a stranger among them", GOOD, { ROOT, CA(1), LEAF(2), { { .subject = "CN=stranger", .is_ca = true }, SELF, 0 } },
      "3421", "1", OK, 0, 0 },
    { "several anchors", GOOD, { ROOT, CA(1), LEAF(2), { { .subject = "CN=other", .is_ca = true }, SELF, 0 } }, "32",
      "41", OK, 0, 0 },
    { "cross-signed, the unknown root's first", GOOD,
      { ROOT, { { .subject = "CN=other", .is_ca = true }, SELF, 0 }, CA(1),
        { { .subject = "CN=intermediate", .is_ca = true }, 2, 0 }, LEAF(3) }, "532", "1", OK, 0, 0 },
    { "leaf that is a CA itself", GOOD, { ROOT, LEAF_(1, .names = "URI:sip:good.example", .is_ca = true,
                                                     .key_usage = "digitalSignature,keyCertSign") },
      "2", "1", OK, 0, 0 },

    /* not to an anchor */
    { "no intermediate", GOOD, { ROOT, CA(1), LEAF(2) }, "3", "1", UNTRUSTED, 0, 0 },
    { "no intermediate but the root", GOOD, { ROOT, CA(1), LEAF(2) }, "31", "1", UNTRUSTED, 0, 0 },
    { "wrong CA", GOOD, { ROOT, { { .subject = "CN=other", .is_ca = true }, SELF, 0 }, LEAF(2) }, "3", "1", UNTRUSTED,
      0, 0 },
    { "attacker's self-signed CA in the chain", GOOD,
      { ROOT, { { .subject = "CN=attacker", .is_ca = true }, SELF, 0 }, LEAF(2) }, "32", "1", UNTRUSTED, 0, 0 },
    { "attacker's CA and the true root in the chain", GOOD,
      { ROOT, { { .subject = "CN=attacker", .is_ca = true }, SELF, 0 }, LEAF(2) }, "321", "1", UNTRUSTED, 0, 0 },
    { "attacker's chain, the last of it named as issued by the root", GOOD,
      { ROOT, { { .subject = "CN=attacker", .is_ca = true, .issuer_name = "CN=root" }, SELF, 0 }, LEAF(2) }, "32",
      "1", UNTRUSTED, 0, 0 },
    { "fake root of the same name", GOOD, { ROOT, ROOT, LEAF(2) }, "32", "1", UNTRUSTED, 0, 0 },
    { "fake root of the same name, no key identifiers", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .has_no_key_identifiers = true }, SELF, 0 },
        { { .subject = "CN=root", .is_ca = true, .has_no_key_identifiers = true }, SELF, 0 },
        LEAF_(2, .names = "URI:sip:good.example", .has_no_key_identifiers = true) }, "32", "1", UNTRUSTED, 0, 0 },
    { "fake intermediate of the same name", GOOD,
      { ROOT, CA(1), { { .subject = "CN=intermediate", .is_ca = true, .issuer_name = "CN=root" }, SELF, 0 }, LEAF(3) },
      "432", "1", UNTRUSTED, 0, 0 },
    { "two CAs that issued each other", GOOD,
      { ROOT, { { .subject = "CN=a", .is_ca = true, .issuer_name = "CN=b" }, SELF, 0 },
        { { .subject = "CN=b", .is_ca = true, .issuer_name = "CN=a" }, SELF, 2 }, LEAF(2) }, "423", "1", UNTRUSTED,
      0, 0 },
    { "the anchor itself as leaf", GOOD,
      { { { .subject = "CN=leaf", .names = "URI:sip:good.example", .is_ca = true,
            .key_usage = "digitalSignature,keyCertSign" }, SELF, 0 } }, "1", "1", UNTRUSTED, 0, 0 },

    /* issuers that are none */
    { "intermediate CA:FALSE", GOOD, { ROOT, CA_(1, .basic_constraints = "CA:FALSE"), LEAF(2) }, "32", "1", INVALID,
      0, 0 },
    { "intermediate without basicConstraints", GOOD, { ROOT, CA_(1, .basic_constraints = ""), LEAF(2) }, "32", "1",
      INVALID, 0, 0 },
    { "intermediate without any extension", GOOD,
      { ROOT, CA_(1, .basic_constraints = "", .key_usage = "", .has_no_key_identifiers = true), LEAF(2) }, "32", "1",
      INVALID, 0, 0 },
    { "intermediate of version 1", GOOD,
      { ROOT, CA_(1, .basic_constraints = "", .key_usage = "", .version = 1), LEAF(2) }, "32", "1", INVALID, 0, 0 },
    { "leaf as CA", GOOD, { ROOT, NODE(1, .subject = "CN=real", .names = "DNS:real.example"), LEAF(2) }, "32", "1",
      INVALID, 0, 0 },
    { "leaf with key usage as CA", GOOD,
      { ROOT, NODE(1, .subject = "CN=real", .key_usage = "digitalSignature"), LEAF(2) }, "32", "1", INVALID, 0, 0 },
    { "intermediate without keyCertSign", GOOD, { ROOT, CA_(1, .key_usage = "critical,cRLSign"), LEAF(2) }, "32", "1",
      INVALID, 0, 0 },
    { "intermediate expired", GOOD, { ROOT, CA_(1, .not_after = PKI_NOW - 1), LEAF(2) }, "32", "1",
      REASON_CERTIFICATE_EXPIRED, 0, 0 },
    { "intermediate not yet valid", GOOD, { ROOT, CA_(1, .not_before = PKI_NOW + 1), LEAF(2) }, "32", "1",
      REASON_CERTIFICATE_NOT_YET_VALID, 0, 0 },
    { "intermediate forged", GOOD, { ROOT, CA_(1, .is_forged = true), LEAF(2) }, "32", "1", UNTRUSTED, 0, 0 },
    { "leaf forged", GOOD, { ROOT, CA(1), LEAF_(2, .names = "URI:sip:good.example", .is_forged = true) }, "32", "1",
      UNTRUSTED, 0, 0 },
    { "root expired", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .not_after = PKI_NOW - 1 }, SELF, 0 }, CA(1), LEAF(2) }, "32", "1",
      REASON_CERTIFICATE_EXPIRED, 0, 0 },
    { "root not yet valid", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .not_before = PKI_NOW + 1 }, SELF, 0 }, CA(1), LEAF(2) }, "32", "1",
      REASON_CERTIFICATE_NOT_YET_VALID, 0, 0 },
    { "intermediate without a name", GOOD, { ROOT, NODE(1, .is_ca = true), LEAF(2) }, "32", "1", INVALID, 0, 0 },

    /* path length */
    { "pathlen 0 at the root", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .basic_constraints = "critical,CA:TRUE,pathlen:0" }, SELF, 0 }, CA(1),
        LEAF(2) }, "32", "1", INVALID, 0, 0 },
    { "pathlen 0 at the root, its own leaf", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .basic_constraints = "critical,CA:TRUE,pathlen:0" }, SELF, 0 },
        LEAF(1) }, "2", "1", OK, 0, 0 },
    { "pathlen 0 at an intermediate", GOOD,
      { ROOT, CA_(1, .basic_constraints = "critical,CA:TRUE,pathlen:0"), SUB(2), LEAF(3) }, "432",
      "1", INVALID, 0, 0 },
    { "pathlen 1 at an intermediate", GOOD,
      { ROOT, CA_(1, .basic_constraints = "critical,CA:TRUE,pathlen:1"), SUB(2), LEAF(3) }, "432",
      "1", OK, 0, 0 },
    { "pathlen of the lower one is no help", GOOD,
      { ROOT, CA_(1, .basic_constraints = "critical,CA:TRUE,pathlen:0"),
        NODE(2, .subject = "CN=sub", .is_ca = true, .basic_constraints = "critical,CA:TRUE,pathlen:5"), LEAF(3) },
        "432", "1", INVALID,
      0, 0 },

    /* what strict verification forgives */
    { "no key identifiers", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .has_no_key_identifiers = true }, SELF, 0 },
        CA_(1, .has_no_key_identifiers = true), LEAF_(2, .names = "URI:sip:good.example",
        .has_no_key_identifiers = true) },
      "32", "1", OK, 0, 0 },
    { "basicConstraints not critical", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .basic_constraints = "CA:TRUE" }, SELF, 0 },
        CA_(1, .basic_constraints = "CA:TRUE"), LEAF(2) }, "32", "1", OK, 0, 0 },
    { "CAs without key usage", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .key_usage = "" }, SELF, 0 }, CA_(1, .key_usage = ""), LEAF(2) }, "32",
      "1", OK, 0, 0 },
    { "CAs without key usage but a path length", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .key_usage = "", .basic_constraints = "CA:TRUE,pathlen:1" }, SELF, 0 },
        CA_(1, .key_usage = "", .basic_constraints = "CA:TRUE,pathlen:0"), LEAF(2) }, "32", "1", OK, 0, 0 },
    { "forgiving one thing does not hide another", GOOD,
      { ROOT, CA_(1, .has_no_key_identifiers = true, .basic_constraints = "CA:TRUE", .not_after = PKI_NOW - 1),
        LEAF(2) }, "32", "1", REASON_CERTIFICATE_EXPIRED, 0, 0 },
    { "forgiven root, forged leaf", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .has_no_key_identifiers = true, .key_usage = "" }, SELF, 0 },
        LEAF_(1, .names = "URI:sip:good.example", .is_forged = true) }, "2", "1", UNTRUSTED, 0, 0 },

    /* name constraints */
    { "DNS permitted", GOOD, { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"),
                               LEAF_(2, .names = "DNS:good.example") }, "32", "1", OK, 0, 0 },
    { "DNS permitted, below it", "sip.good.example",
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"), LEAF_(2, .names = "DNS:sip.good.example") },
      "32", "1", OK, 0, 0 },
    { "DNS permitted, label boundary", "evilgood.example",
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"), LEAF_(2, .names = "DNS:evilgood.example") },
      "32", "1", INVALID, 0, 0 },
    { "DNS permitted of another domain", GOOD,
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:other.example"), LEAF_(2, .names = "DNS:good.example") }, "32",
      "1", INVALID, 0, 0 },
    { "DNS permitted, one more name outside", GOOD,
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"),
        LEAF_(2, .names = "DNS:good.example,DNS:other.example") }, "32", "1", INVALID, 0, 0 },
    { "DNS excluded", GOOD,
      { ROOT, CA_(1, .name_constraints = "excluded;DNS:good.example"), LEAF_(2, .names = "DNS:good.example") }, "32",
      "1", INVALID, 0, 0 },
    { "DNS excluded, another", GOOD,
      { ROOT, CA_(1, .name_constraints = "excluded;DNS:other.example"), LEAF_(2, .names = "DNS:good.example") }, "32",
      "1", OK, 0, 0 },
    { "constraints of an upper CA", "other.example",
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"), SUB(2),
        LEAF_(3, .names = "DNS:other.example") }, "432", "1", INVALID, 0, 0 },
    { "constraints of an upper CA, widened below", "other.example",
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"),
        NODE(2, .subject = "CN=sub", .is_ca = true, .name_constraints = "permitted;DNS:other.example"),
        LEAF_(3, .names = "DNS:other.example") }, "432", "1", INVALID, 0, 0 },
    { "constraints of the root", "other.example",
      { { { .subject = "CN=root", .is_ca = true, .name_constraints = "permitted;DNS:good.example" }, SELF, 0 }, CA(1),
        LEAF_(2, .names = "DNS:other.example") }, "32", "1", INVALID, 0, 0 },
    { "constraints on DNS, sub-CA with a plain CN", GOOD,
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"), NODE(2, .subject = "CN=Issuing CA 1",
      .is_ca = true),
        LEAF_(3, .names = "DNS:good.example") }, "432", "1", OK, 0, 0 },
    { "constraints on DNS, identity in the CN", "other.example",
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"), NODE(2, .subject = "CN=other.example") },
      "32", "1", INVALID, 0, .cn_fallback = true },
    { "directory name permitted", GOOD,
      { ROOT, CA_(1, .name_constraints = "permitted;email:good.example"), LEAF(2) }, "32", "1", OK, 0, 0 },
    { "sip: URI under DNS constraints, inside", GOOD,
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"), LEAF(2) }, "32", "1", OK, 0, 0 },
    { "sip: URI under DNS constraints, outside", "bank.example",
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"),
        LEAF_(2, .names = "URI:sip:bank.example,DNS:www.good.example") }, "32", "1", INVALID, 0, 0 },
    { "sip: URI under DNS constraints, outside, level chain", NULL,
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"),
        LEAF_(2, .names = "URI:sip:bank.example,DNS:www.good.example") }, "32", "1", INVALID, 0, 0 },
    { "sip: URI under DNS constraints of an upper CA", "evilgood.example",
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"), SUB(2),
        LEAF_(3, .names = "URI:sip:evilgood.example") }, "432", "1", INVALID, 0, 0 },
    { "sips: URI with userinfo under DNS constraints", NULL,
      { ROOT, CA_(1, .name_constraints = "permitted;DNS:good.example"), LEAF_(2, .names = "URI:sips:a@bank.example") },
      "32", "1", INVALID, 0, 0 },
    { "sip: URI under excluded DNS", GOOD,
      { ROOT, CA_(1, .name_constraints = "excluded;DNS:good.example"), LEAF(2) }, "32", "1", INVALID, 0, 0 },
    { "sip: URI with a final dot under excluded DNS", NULL,
      { ROOT, CA_(1, .name_constraints = "excluded;DNS:good.example"), LEAF_(2, .names = "URI:sip:good.example.") },
      "32", "1", INVALID, 0, 0 },
    { "URI constraint on a sip: URI", GOOD,
      { ROOT, CA_(1, .name_constraints = "permitted;URI:good.example"), LEAF(2) }, "32", "1", INVALID, 0, 0 },
    { "URI constraint on a sip: URI, excluding another", GOOD,
      { ROOT, CA_(1, .name_constraints = "excluded;URI:other.example"), LEAF(2) }, "32", "1", INVALID, 0, 0 },
    { "URI constraint and DNS names only", GOOD,
      { ROOT, CA_(1, .name_constraints = "permitted;URI:other.example"), LEAF_(2, .names = "DNS:good.example") }, "32",
      "1", OK, 0, 0 },
    { "name constraints that do not parse", GOOD, { ROOT, CA_(1, WITH(junk_constraints)), LEAF(2) }, "32", "1",
      UNTRUSTED, 0, 0 },

    /* extended key usage of intermediates */
    { "intermediate for email", GOOD, { ROOT, CA_(1, .extended_key_usage = "emailProtection"), LEAF(2) }, "32",
      "1", EKU,
      0, 0 },
    { "intermediate for servers, peer is server", GOOD, { ROOT, CA_(1, .extended_key_usage = "serverAuth"), LEAF(2) },
      "32", "1", OK, PEER_ROLE_SERVER, 0 },
    { "intermediate for servers, peer is client", GOOD, { ROOT, CA_(1, .extended_key_usage = "serverAuth"), LEAF(2) },
      "32", "1", EKU, PEER_ROLE_CLIENT, 0 },
    { "intermediate for any use", GOOD, { ROOT, CA_(1, .extended_key_usage = "anyExtendedKeyUsage"), LEAF(2) }, "32",
      "1", OK, 0, 0 },
    { "intermediate for servers, leaf for SIP domains", GOOD,
      { ROOT, CA_(1, .extended_key_usage = "serverAuth"),
        LEAF_(2, .names = "URI:sip:good.example", .extended_key_usage = "1.3.6.1.5.5.7.3.20") }, "32", "1", EKU, 0, 0 },
    { "upper intermediate for email", GOOD,
      { ROOT, CA_(1, .extended_key_usage = "emailProtection"), SUB(2), LEAF(3) }, "432", "1", EKU,
      0, 0 },
    { "extended key usage that does not parse", GOOD,
      { ROOT, CA(1), LEAF_(2, .names = "URI:sip:good.example", WITH(junk_purpose)) }, "32", "1",
      REASON_CERTIFICATE_MALFORMED, 0, 0 },

    /* extensions */
    { "unknown critical extension in the intermediate", GOOD, { ROOT, CA_(1, WITH(unknown_critical)), LEAF(2) }, "32",
      "1", INVALID, 0, 0 },
    { "unknown critical extension in a certificate off the path", GOOD,
      { ROOT, CA(1), LEAF(2), NODE(1, .subject = "CN=off", .is_ca = true, WITH(unknown_critical)) }, "342", "1",
      OK, 0, 0 },
    { "critical Netscape type, which libcrypto lets pass", GOOD,
      { ROOT, CA(1), LEAF_(2, .names = "URI:sip:good.example", WITH(netscape_critical)) }, "32", "1", INVALID, 0, 0 },
    { "proxy certificate", GOOD, { ROOT, CA(1), LEAF_(2, .key_usage = "digitalSignature", WITH(proxy)) }, "32", "1",
      INVALID, 0, 0 },
    { "two lists of names", GOOD,
      { ROOT, CA(1), LEAF_(2, .names = "DNS:other.example", WITH(second_names)) }, "32", "1",
      REASON_CERTIFICATE_MALFORMED, 0, 0 },
    { "an unknown extension twice", GOOD,
      { ROOT, CA_(1, .extensions = unknown_twice, .extension_count = 2), LEAF(2) }, "32", "1",
      REASON_CERTIFICATE_MALFORMED, 0, 0 },
    { "names that do not parse", NULL, { ROOT, CA(1), LEAF_(2, WITH(junk_names)) }, "32", "1",
      REASON_CERTIFICATE_MALFORMED, 0, 0 },
    { "key usage that does not parse", GOOD,
      { ROOT, CA(1), LEAF_(2, .names = "URI:sip:good.example", WITH(junk_usage)) }, "32", "1",
      REASON_CERTIFICATE_MALFORMED, 0, 0 },
    { "an explicit policy is required and there is none", GOOD,
      { ROOT, CA_(1, .policy_constraints = "critical,requireExplicitPolicy:0"), LEAF(2) }, "32", "1", INVALID, 0, 0 },
    { "policy constraint without consequence", GOOD,
      { ROOT, CA_(1, .policy_constraints = "critical,inhibitPolicyMapping:0"), LEAF(2) }, "32", "1", OK, 0, 0 },

    /* strength */
    { "intermediate RSA-1024", GOOD, { ROOT, CA_(1, .key = PKI_RSA_1024), LEAF(2) }, "32", "1", WEAK, 0, 0 },
    { "intermediate P-224", GOOD, { ROOT, CA_(1, .key = PKI_EC_P224), LEAF(2) }, "32", "1", WEAK, 0, 0 },
    { "intermediate signed with SHA-1", GOOD, { RSA_ROOT, CA_(1, .signature = PKI_SHA1), LEAF(2) }, "32", "1", WEAK, 0,
      0 },
    { "intermediate signed with MD5", GOOD, { RSA_ROOT, CA_(1, .signature = PKI_MD5), LEAF(2) }, "32", "1", WEAK,
      0, 0 },
    { "root signed with SHA-1", GOOD,
      { { { .subject = "CN=root", .is_ca = true, .signature = PKI_SHA1 }, SELF, 0 }, CA(1), LEAF(2) }, "32", "1", OK, 0,
      0 },
};

/* Plain libcrypto, default flags: what `openssl verify` asks. */
static bool library_accepts(const support_list presented, const support_list anchors)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_true(store != NULL && untrusted != NULL && context != NULL);
    X509 *leaf = NULL;
    for (int set = 0; set < 2; set++)
        for (const struct pki_certificate *const *at = set == 0 ? anchors : presented; *at != NULL; at++) {
            struct slice der = pki_der(*at);
            const unsigned char *bytes = (const unsigned char *)der.data;
            X509 *certificate = d2i_X509(NULL, &bytes, (long)der.length);
            assert_non_null(certificate);
            if (set == 0)
                assert_int_equal(X509_STORE_add_cert(store, certificate), 1);
            else if (leaf == NULL && X509_up_ref(certificate) == 1)
                leaf = certificate;
            else
                assert_true(X509_up_ref(certificate) == 1 && sk_X509_push(untrusted, certificate) > 0);
            X509_free(certificate);
        }
    assert_int_equal(X509_STORE_CTX_init(context, store, leaf, untrusted), 1);
    X509_STORE_CTX_set_time(context, 0, (time_t)PKI_NOW);
    bool accepts = X509_verify_cert(context) == 1;
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    sk_X509_pop_free(untrusted, X509_free);
    X509_free(leaf);
    ERR_clear_error();
    return accepts;
}

static void pick(const struct pki_certificate *const nodes[NODES], const char *digits, support_list list)
{
    size_t count = strlen(digits);
    for (size_t i = 0; i < SUPPORT_CHAIN_MAX; i++)
        list[i] = i < count ? nodes[digits[i] - '1'] : NULL;
}

static void check_case(const struct path_case *path_case)
{
    const struct pki_certificate *nodes[NODES] = { NULL };
    for (int i = 0; i < NODES; i++) {
        struct pki_spec spec = path_case->nodes[i].spec;
        if (spec.subject == NULL && !spec.is_ca)
            break;
        if (path_case->nodes[i].issuer != SELF)
            spec.issuer = nodes[path_case->nodes[i].issuer - 1];
        if (path_case->nodes[i].signed_by != 0)
            spec.signed_by = nodes[path_case->nodes[i].signed_by - 1];
        nodes[i] = support_make(&spec);
    }
    support_list presented, anchors;
    pick(nodes, path_case->presented, presented);
    pick(nodes, path_case->anchors, anchors);
    struct trust_store *store = support_store(anchors);
    assert_non_null(store);
    struct verdict_request request = support_request(store, path_case->domain);
    request.level = path_case->domain != NULL ? LEVEL_DOMAIN : LEVEL_CHAIN;
    request.cn_fallback = path_case->cn_fallback;
    if (path_case->role != PEER_ROLE_UNSET)
        request.peer_role = path_case->role;
    struct verdict verdict;
    enum reason reason = support_take(&request, presented, &verdict);
    support_expect(reason, path_case->expected, path_case->title, &verdict);
    if (reason == REASON_NONE && !library_accepts(presented, anchors))
        fail_msg("%s: proven, but libcrypto alone refuses", path_case->title);
    trust_store_unref(store);
}

static void every_path_gets_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_excused = false;
        for (int node = 0; node < NODES; node++)
            is_excused = is_excused || support_is_excused(&cases[i].nodes[node].spec);
        support_excuse(is_excused, true);
        check_case(&cases[i]);
        support_free_all();
        support_excuse(is_excused, false);
    }
}

/* Anchors a store refuses to hold. */
static void no_anchor_no_store(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    const struct pki_spec specs[] = {
        { .subject = "CN=not a CA" },
        { .subject = "CN=CA:FALSE", .basic_constraints = "CA:FALSE" },
        { .subject = "CN=version 1", .version = 1 },
        { .subject = "CN=no keyCertSign", .is_ca = true, .key_usage = "cRLSign" },
        { .subject = "CN=weak", .is_ca = true, .key = PKI_RSA_1024 },
        { .subject = "CN=critical", .is_ca = true, WITH(unknown_critical) },
        { .subject = "CN=junk", .is_ca = true, WITH(junk_constraints) },
        { .subject = "CN=forged", .is_ca = true, .is_forged = true },
        { .subject = "CN=intermediate", .is_ca = true, .issuer = root },
    };
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
        if (support_store((support_list){ support_make(&specs[i]) }) != NULL)
            fail_msg("an anchor was made of %s", specs[i].subject);
    assert_null(support_store((support_list){ NULL }));
    support_free_all();
}

/* An intermediate among the anchors is no anchor, and no help in building a path either. */
static void an_intermediate_is_no_anchor(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    const struct pki_certificate *other = SUPPORT_MAKE(.subject = "CN=other", .is_ca = true);
    const struct pki_certificate *intermediate =
        SUPPORT_MAKE(.subject = "CN=intermediate", .is_ca = true, .issuer = root);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=leaf", .issuer = intermediate, .names = "URI:sip:good.example");
    struct trust_store *store = support_store((support_list){ intermediate, other });
    assert_int_equal(trust_store_count(store), 1);
    struct verdict_request request = support_request(store, GOOD);
    struct verdict verdict;
    support_expect(support_take(&request, (support_list){ leaf, intermediate }, &verdict), UNTRUSTED, "no root",
                   &verdict);
    trust_store_unref(store);
    store = support_store((support_list){ intermediate, root });
    request = support_request(store, GOOD);
    support_expect(support_take(&request, (support_list){ leaf }, &verdict), UNTRUSTED, "intermediate not presented",
                   &verdict);
    trust_store_unref(store);
    support_free_all();
}

static void the_end_is_the_earliest_of_the_path(void **state)
{
    (void)state;
    const struct pki_certificate *root =
        SUPPORT_MAKE(.subject = "CN=root", .is_ca = true, .not_after = PKI_NOW + 30 * PKI_DAY);
    const struct pki_certificate *intermediate =
        SUPPORT_MAKE(.subject = "CN=intermediate", .is_ca = true, .issuer = root, .not_after = PKI_NOW + 10 * PKI_DAY);
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf", .issuer = intermediate,
                                                      .names = "URI:sip:good.example",
                                                      .not_after = PKI_NOW + 20 * PKI_DAY);
    const struct pki_certificate *direct = SUPPORT_MAKE(.subject = "CN=leaf", .issuer = root,
                                                        .names = "URI:sip:good.example",
                                                        .not_after = PKI_NOW + 40 * PKI_DAY);
    struct trust_store *store = support_store((support_list){ root });
    struct verdict_request request = support_request(store, GOOD);
    struct verdict verdict;
    assert_int_equal(support_take(&request, (support_list){ leaf, intermediate }, &verdict), OK);
    assert_int_equal(verdict.chain_not_after, PKI_NOW + 10 * PKI_DAY);
    assert_int_equal(support_take(&request, (support_list){ direct, intermediate }, &verdict), OK);
    assert_int_equal(verdict.chain_not_after, PKI_NOW + 30 * PKI_DAY);
    trust_store_unref(store);
    support_free_all();
}

/* Key rollover: the new certificate of a key in place of the old, and a self-issued one, which no pathlen counts. */
static void keys_roll_over(void **state)
{
    (void)state;
    const struct pki_certificate *old =
        SUPPORT_MAKE(.subject = "CN=root", .is_ca = true, .not_after = PKI_NOW - 1);
    const struct pki_certificate *renewed = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true, .key_of = old,
                                                         .basic_constraints = "critical,CA:TRUE,pathlen:0");
    const struct pki_certificate *next = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true, .issuer = renewed);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=leaf", .issuer = old, .names = "URI:sip:good.example");
    const struct pki_certificate *next_leaf =
        SUPPORT_MAKE(.subject = "CN=leaf", .issuer = next, .names = "URI:sip:good.example");
    struct trust_store *stale = support_store((support_list){ old });
    struct trust_store *both = support_store((support_list){ old, renewed });
    struct verdict_request request = support_request(stale, GOOD);
    struct verdict verdict;
    support_expect(support_take(&request, (support_list){ leaf, renewed }, &verdict), REASON_CERTIFICATE_EXPIRED,
                   "renewed root only presented", &verdict);
    request = support_request(both, GOOD);
    support_expect(support_take(&request, (support_list){ leaf }, &verdict), OK, "renewed root trusted", &verdict);
    support_expect(support_take(&request, (support_list){ next_leaf, next }, &verdict), OK, "self-issued intermediate",
                   &verdict);
    trust_store_unref(stale);
    trust_store_unref(both);
    support_free_all();
}

/* An old and a new root share their name: the record names the one that the path led to. */
static void anchors_of_one_name_are_told_apart(void **state)
{
    (void)state;
    const struct pki_certificate *roots[] = { SUPPORT_MAKE(.subject = "CN=root", .is_ca = true),
                                              SUPPORT_MAKE(.subject = "CN=root", .is_ca = true) };
    struct trust_store *store = support_store((support_list){ roots[0], roots[1] });
    struct verdict_request request = support_request(store, "good.example");
    for (size_t i = 0; i < 2; i++) {
        const struct pki_certificate *leaf =
            SUPPORT_MAKE(.subject = "CN=leaf", .names = "URI:sip:good.example", .issuer = roots[i]);
        struct slice der = pki_der(roots[i]);
        uint8_t digest[DIGEST_SIZE];
        struct verdict verdict;
        support_expect(support_take(&request, (support_list){ leaf }, &verdict), OK, "either root", &verdict);
        assert_int_equal(digest_sha256(&der, 1, digest), 0);
        assert_memory_equal(verdict.anchor_digest, digest, DIGEST_SIZE);
    }
    trust_store_unref(store);
    support_free_all();
}

static void minimum_key_sizes_only_rise(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true, .key = PKI_EC_P384);
    const struct pki_certificate *rsa =
        SUPPORT_MAKE(.subject = "CN=rsa", .issuer = root, .names = "DNS:good.example", .key = PKI_RSA_2048);
    const struct pki_certificate *ec = SUPPORT_MAKE(.subject = "CN=ec", .issuer = root, .names = "DNS:good.example");
    const struct pki_certificate *weak =
        SUPPORT_MAKE(.subject = "CN=rsa", .issuer = root, .names = "DNS:good.example", .key = PKI_RSA_1024);
    struct trust_store *store = support_store((support_list){ root });
    const struct {
        const struct pki_certificate *leaf;
        unsigned rsa, ec;
        enum reason expected;
    } sizes[] = {
        { rsa, 0, 0, OK }, { rsa, 3072, 0, WEAK }, { rsa, 0, 521, WEAK /* the root's P-384 */ }, { ec, 0, 256, OK },
        { ec, 4096, 0, OK }, { ec, 0, 384, WEAK }, { weak, 1, 1, WEAK },
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct verdict_request request = support_request(store, GOOD);
        struct verdict verdict;
        request.rsa_bits_min = sizes[i].rsa;
        request.ec_bits_min = sizes[i].ec;
        support_expect(support_take(&request, (support_list){ sizes[i].leaf }, &verdict), sizes[i].expected, "sizes",
                       &verdict);
    }
    trust_store_unref(store);
    support_free_all();
}

/* Every enum out of range, every pointer missing. */
static void an_unset_request_is_refused(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=leaf", .issuer = root, .names = "URI:sip:good.example");
    struct trust_store *store = support_store((support_list){ root });
    const struct verdict_request sound = support_request(store, GOOD);
    struct verdict_request broken[14];
    for (size_t i = 0; i < 14; i++)
        broken[i] = sound;
    broken[0].level = LEVEL_UNSET;
    broken[1].level = LEVEL_COUNT;
    broken[2].level = (enum level)77;
    broken[3].peer_role = PEER_ROLE_UNSET;
    broken[4].peer_role = (enum peer_role)3;
    broken[5].eku_mode = EKU_UNSET;
    broken[6].eku_mode = EKU_COUNT;
    broken[7].crl = REVOCATION_UNSET;
    broken[8].ocsp = REVOCATION_UNSET;
    broken[9].trust_store = NULL;
    broken[10].expected_domain = NULL;
    broken[11].expected_domain = "";
    broken[12].expected_domain = "*.example";
    broken[13].pin_count = 1;
    for (size_t i = 0; i < 14; i++) {
        struct verdict verdict;
        if (support_take(&broken[i], (support_list){ leaf }, &verdict) == REASON_NONE)
            fail_msg("request %zu was not refused", i);
        assert_int_equal(verdict.result, VERDICT_REFUSED);
    }
    struct verdict verdict;
    assert_int_equal(support_take(&sound, (support_list){ leaf }, &verdict), OK);
    assert_int_equal(support_take(&sound, (support_list){ NULL }, &verdict), REASON_NO_CERTIFICATE);
    assert_int_equal(verdict_take(&sound, NULL, PKI_NOW, &verdict), 0);
    assert_int_equal(verdict.result, VERDICT_REFUSED);
    assert_int_equal(verdict.reason, REASON_NO_CERTIFICATE);
    trust_store_unref(store);
    support_free_all();
}

static void below_chain_nothing_is_judged(void **state)
{
    (void)state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=anybody", .not_after = PKI_NOW - 1);
    for (enum level level = LEVEL_NONE; level <= LEVEL_ENCRYPT; level++) {
        const struct verdict_request request = { .level = level };
        struct verdict verdict;
        struct certificate_facts *facts = NULL;
        assert_int_equal(support_take(&request, (support_list){ leaf }, &verdict), REASON_NONE);
        assert_int_equal(verdict.result, VERDICT_NOT_TAKEN);
        assert_int_equal(verdict.chain_not_after, PKI_NOW - 1);
        assert_int_equal(certificate_facts_read(pki_der(leaf), &facts, NULL), 0);
        assert_memory_equal(verdict.leaf_digest, facts->digest, DIGEST_SIZE);
        certificate_facts_free(facts);
        assert_int_equal(support_take(&request, (support_list){ NULL }, &verdict), REASON_NONE);
        assert_int_equal(verdict.result, VERDICT_NOT_TAKEN);
        assert_true(verdict.chain_not_after == INT64_MAX);
    }
    support_free_all();
}

static void facts_come_with_the_verdict(void **state)
{
    (void)state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf", .names = "URI:sip:good.example");
    struct certificate_chain chain = support_chain((support_list){ leaf }), rubbish = CERTIFICATE_CHAIN_EMPTY;
    assert_int_equal(certificate_chain_append(&rubbish, SLICE_LITERAL("rubbish")), 0);
    for (enum level level = LEVEL_UNSET; level < LEVEL_COUNT; level++) {
        struct verdict_request request = support_request(NULL, GOOD);
        struct trust_store *store = support_store((support_list){ SUPPORT_MAKE(.subject = "CN=root", .is_ca = true) });
        request.level = level;
        request.trust_store = store;
        struct certificate_facts *facts = NULL;
        struct verdict verdict;
        assert_int_equal(verdict_take_with_facts(&request, &chain, PKI_NOW, &verdict, &facts), 0);
        assert_true((facts != NULL) == (level != LEVEL_UNSET));
        assert_true(verdict.result != VERDICT_PROVEN); /* facts are there whatever the result */
        if (facts != NULL)
            assert_memory_equal(facts->digest, verdict.leaf_digest, DIGEST_SIZE);
        certificate_facts_free(facts);
        assert_int_equal(verdict_take_with_facts(&request, &rubbish, PKI_NOW, &verdict, &facts), 0);
        assert_null(facts);
        assert_int_equal(verdict_take_with_facts(&request, NULL, PKI_NOW, &verdict, &facts), 0);
        assert_null(facts);
        trust_store_unref(store);
    }
    certificate_chain_fini(&chain);
    certificate_chain_fini(&rubbish);
    support_free_all();
}

static void broken_der_is_refused(void **state)
{
    (void)state;
    const struct pki_certificate *root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=leaf", .issuer = root, .names = "URI:sip:good.example");
    struct trust_store *store = support_store((support_list){ root });
    const struct verdict_request request = support_request(store, GOOD);
    struct slice der = pki_der(leaf);
    char *longer = calloc(1, der.length + 1);
    assert_non_null(longer);
    memcpy(longer, der.data, der.length);
    const struct slice broken[] = { slice_of(longer, der.length + 1), slice_of(longer, der.length - 1),
                                    slice_of(longer, 1), SLICE_LITERAL("not a certificate") };
    for (int position = 0; position < 2; position++)
        for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
            struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
            struct verdict verdict;
            if (position == 1)
                assert_int_equal(certificate_chain_append(&chain, der), 0);
            assert_int_equal(certificate_chain_append(&chain, broken[i]), 0);
            assert_int_equal(verdict_take(&request, &chain, PKI_NOW, &verdict), 0);
            support_expect(verdict.reason, REASON_CERTIFICATE_MALFORMED, "broken DER", &verdict);
            certificate_chain_fini(&chain);
        }
    free(longer);
    trust_store_unref(store);
    support_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_gets_its_verdict),
        cmocka_unit_test(no_anchor_no_store),
        cmocka_unit_test(an_intermediate_is_no_anchor),
        cmocka_unit_test(the_end_is_the_earliest_of_the_path),
        cmocka_unit_test(keys_roll_over),
        cmocka_unit_test(anchors_of_one_name_are_told_apart),
        cmocka_unit_test(minimum_key_sizes_only_rise),
        cmocka_unit_test(an_unset_request_is_refused),
        cmocka_unit_test(below_chain_nothing_is_judged),
        cmocka_unit_test(facts_come_with_the_verdict),
        cmocka_unit_test(broken_der_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
