/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_fixtures.c - the table of leaves and their verdicts.
 * Rule: RFC 5280, 5922 and 5924 for every leaf, as a server's and as a client's certificate, in every mode of
 * extended key usage. Presented: leaf and intermediate; trusted: the root.
 */
#include "pkix_support.h"

#include "pkix/identity.h"

#include <stdio.h>

#define OK REASON_NONE
#define NOID REASON_NO_IDENTITY
#define WRONG REASON_WRONG_IDENTITY
#define EKU REASON_EXTENDED_KEY_USAGE
#define BAD REASON_CERTIFICATE_MALFORMED

/* The same for both roles and all modes. */
#define ALWAYS(reason) { { reason, reason, reason }, { reason, reason, reason } }

struct row {
    const char *title;
    struct pki_spec leaf;
    const char *domain;
    bool cn_fallback, wildcard;
    enum reason expected[2][3]; /* role server, client; mode tls-role, either, sip5924 */
    const char *identities;     /* what counts, by kind and name */
};

static const uint8_t der_null[] = { 0x05, 0x00 };
static const struct pki_extension unknown_critical[] = { { "1.3.6.1.4.1.99999.1", true, der_null, 2 } };
static const struct pki_extension unknown_plain[] = { { "1.3.6.1.4.1.99999.1", false, der_null, 2 } };
#define SIP_DOMAIN "1.3.6.1.5.5.7.3.20"
#define HERE .subject = "CN=leaf", .names = "URI:sip:example.com"

static const struct row rows[] = {
    /* names */
    { "sip: URI", { HERE }, "example.com", false, false, ALWAYS(OK), "uri:example.com" },
    { "sip: URI in capitals", { .subject = "CN=leaf", .names = "URI:SIP:Example.COM" }, "example.com", false, false,
      ALWAYS(OK), "uri:example.com" },
    { "expected in capitals, with a trailing dot", { HERE }, "EXAMPLE.com.", false, false, ALWAYS(OK),
      "uri:example.com" },
    { "DNS", { .subject = "CN=leaf", .names = "DNS:example.com" }, "example.com", false, false, ALWAYS(OK),
      "dns:example.com" },
    { "DNS in capitals", { .subject = "CN=leaf", .names = "DNS:EXAMPLE.COM" }, "example.com", false, false, ALWAYS(OK),
      "dns:example.com" },
    { "no subject", { .names = "critical,DNS:example.com" }, "example.com", false, false, ALWAYS(OK),
      "dns:example.com" },
    { "no subject, names not critical", { .names = "DNS:example.com" }, "example.com", false, false, ALWAYS(OK),
      "dns:example.com" },
    { "DNS does not count beside a sip: URI",
      { .subject = "CN=leaf", .names = "URI:sip:other.example,DNS:example.com" }, "example.com", true, true,
      ALWAYS(WRONG), "uri:other.example" },
    { "the sip: URI beside DNS", { .subject = "CN=leaf", .names = "DNS:example.com,URI:sip:other.example" },
      "other.example", false, false, ALWAYS(OK), "uri:other.example" },
    { "an unusable sip: URI still hides DNS", { .subject = "CN=leaf", .names = "URI:sip:192.0.2.1,DNS:example.com" },
      "example.com", false, false, ALWAYS(NOID), "" },
    { "sips: only", { .subject = "CN=example.com", .names = "URI:sips:example.com" }, "example.com", true, true,
      ALWAYS(NOID), "" },
    { "sip: with userinfo only", { .subject = "CN=example.com", .names = "URI:sip:u@example.com" }, "example.com",
      true, true, ALWAYS(NOID), "" },
    { "http: only", { .subject = "CN=example.com", .names = "URI:http://example.com" }, "example.com", true, true,
      ALWAYS(NOID), "" },
    { "userinfo hidden in a parameter", { .subject = "CN=leaf", .names = "URI:sip:example.com;x@evil.example" },
      "example.com", false, false, ALWAYS(NOID), "" },
    { "sips: and DNS", { .subject = "CN=leaf", .names = "URI:sips:example.com,DNS:example.com" }, "example.com", false,
      false, ALWAYS(OK), "dns:example.com" },
    { "port, parameters and headers are not the host",
      { .subject = "CN=leaf", .names = "URI:sip:example.com:5061;transport=tls?x=y" }, "example.com", false, false,
      ALWAYS(OK), "uri:example.com" },
    { "a port that is none", { .subject = "CN=leaf", .names = "URI:sip:example.com:evil" }, "example.com", false,
      false, ALWAYS(NOID), "" },
    { "authority notation", { .subject = "CN=leaf", .names = "URI:sip://example.com" }, "example.com", false, false,
      ALWAYS(NOID), "" },
    { "parent domain", { HERE }, "foo.example.com", false, true, ALWAYS(WRONG), "uri:example.com" },
    { "child domain", { .subject = "CN=leaf", .names = "DNS:foo.example.com" }, "example.com", false, true,
      ALWAYS(WRONG), "dns:foo.example.com" },
    { "X06: no SAN, CN", { .subject = "CN=example.com" }, "example.com", false, false, ALWAYS(NOID), "" },
    { "X06: no SAN, CN, cn_fallback", { .subject = "CN=Example.com" }, "example.com", true, false, ALWAYS(OK),
      "cn:example.com" },
    { "no SAN, other CN, cn_fallback", { .subject = "CN=other.example" }, "example.com", true, false, ALWAYS(WRONG),
      "cn:other.example" },
    { "no SAN, two CNs, cn_fallback", { .subject = "CN=example.com/CN=evil.example" }, "example.com", true, false,
      ALWAYS(NOID), "" },
    { "no SAN, CN a wildcard, both allowed", { .subject = "CN=*.example.com" }, "sip.example.com", true, true,
      ALWAYS(NOID), "" },
    { "email only, CN, cn_fallback", { .subject = "CN=example.com", .names = "email:a@example.com" }, "example.com",
      true, false, ALWAYS(NOID), "" },
    { "address only, CN, cn_fallback", { .subject = "CN=example.com", .names = "IP:192.0.2.1" }, "example.com", true,
      false, ALWAYS(NOID), "" },
    { "directory name only, CN, cn_fallback", { .subject = "CN=example.com", .names = "RID:1.2.3.4" }, "example.com",
      true, false, ALWAYS(NOID), "" },
    { "X07: wildcard", { .subject = "CN=leaf", .names = "DNS:*.example.com" }, "sip.example.com", false, false,
      ALWAYS(NOID), "" },
    { "X07: wildcard allowed", { .subject = "CN=leaf", .names = "DNS:*.Example.com" }, "sip.example.com", false, true,
      ALWAYS(OK), "dns:*.example.com" },
    { "wildcard for its parent", { .subject = "CN=leaf", .names = "DNS:*.example.com" }, "example.com", false, true,
      ALWAYS(WRONG), "dns:*.example.com" },
    { "wildcard for two labels", { .subject = "CN=leaf", .names = "DNS:*.example.com" }, "a.b.example.com", false,
      true, ALWAYS(WRONG), "dns:*.example.com" },
    { "wildcard within a label", { .subject = "CN=leaf", .names = "DNS:s*.example.com" }, "sip.example.com", false,
      true, ALWAYS(NOID), "" },
    { "wildcard in the middle", { .subject = "CN=leaf", .names = "DNS:a.*.example.com" }, "a.b.example.com", false,
      true, ALWAYS(NOID), "" },
    { "wildcard of a top level", { .subject = "CN=leaf", .names = "DNS:*.com" }, "example.com", false, true,
      ALWAYS(NOID), "" },
    { "wildcard in a sip: URI", { .subject = "CN=leaf", .names = "URI:sip:*.example.com" }, "sip.example.com", false,
      true, ALWAYS(NOID), "" },
    { "leading dot", { .subject = "CN=leaf", .names = "DNS:.example.com" }, "example.com", false, true, ALWAYS(NOID),
      "" },
    { "leading dot for a child", { .subject = "CN=leaf", .names = "DNS:.example.com" }, "sip.example.com", false, true,
      ALWAYS(NOID), "" },
    { "trailing dot", { .subject = "CN=leaf", .names = "DNS:example.com." }, "example.com", false, true, ALWAYS(NOID),
      "" },
    { "trailing dot in a sip: URI", { .subject = "CN=leaf", .names = "URI:sip:example.com." }, "example.com", false,
      true, ALWAYS(NOID), "" },
    { "A-label", { .subject = "CN=leaf", .names = "DNS:xn--bcher-kva.example" }, "XN--BCHER-KVA.example", false,
      false, ALWAYS(OK), "dns:xn--bcher-kva.example" },
    { "U-label is not converted here but refused", { .subject = "CN=leaf", .names = "DNS:xn--bcher-kva.example" },
      "b\xc3\xbc" "cher.example", false, false, ALWAYS(REASON_NO_EXPECTED_DOMAIN), "dns:xn--bcher-kva.example" },
    { "address for an address", { .subject = "CN=leaf", .names = "IP:192.0.2.1,DNS:192.0.2.1" }, "192.0.2.1", true,
      true, ALWAYS(REASON_NO_EXPECTED_DOMAIN), "" },
    { "address as sip: URI", { .subject = "CN=leaf", .names = "URI:sip:[2001:db8::1]" }, "2001:db8::1", false, false,
      ALWAYS(REASON_NO_EXPECTED_DOMAIN), "" },
    { "several names, one expected",
      { .subject = "CN=leaf", .names = "URI:sip:a.example,URI:sip:example.com,URI:sips:c.example" }, "example.com",
      false, false, ALWAYS(OK), "uri:a.example uri:example.com" },
    /* key usage */
    { "key usage digitalSignature", { HERE, .key_usage = "critical,digitalSignature" }, "example.com", false, false,
      ALWAYS(OK), "uri:example.com" },
    { "key usage without digitalSignature",
      { HERE, .key_usage = "critical,keyEncipherment", .extended_key_usage = "serverAuth,clientAuth," SIP_DOMAIN },
      "example.com", false, false, ALWAYS(REASON_KEY_USAGE), "uri:example.com" },
    { "key usage fits, extended does not",
      { HERE, .key_usage = "digitalSignature", .extended_key_usage = "emailProtection" }, "example.com", false, false,
      ALWAYS(EKU), "uri:example.com" },
    /* extended key usage */
    { "no extended key usage", { HERE }, "example.com", false, false, ALWAYS(OK), "uri:example.com" },
    { "serverAuth", { HERE, .extended_key_usage = "serverAuth" }, "example.com", false, false,
      { { OK, OK, EKU }, { EKU, OK, EKU } }, "uri:example.com" },
    { "clientAuth", { HERE, .extended_key_usage = "clientAuth" }, "example.com", false, false,
      { { EKU, EKU, EKU }, { OK, OK, EKU } }, "uri:example.com" },
    { "X08: serverAuth and clientAuth", { HERE, .extended_key_usage = "serverAuth,clientAuth" }, "example.com",
      false, false, { { OK, OK, EKU }, { OK, OK, EKU } }, "uri:example.com" },
    { "X08: sipDomain", { HERE, .extended_key_usage = "critical," SIP_DOMAIN }, "example.com", false, false,
      ALWAYS(OK), "uri:example.com" },
    { "emailProtection", { HERE, .extended_key_usage = "emailProtection" }, "example.com", false, false, ALWAYS(EKU),
      "uri:example.com" },
    { "any", { HERE, .extended_key_usage = "anyExtendedKeyUsage" }, "example.com", false, false, ALWAYS(OK),
      "uri:example.com" },
    { "a purpose nobody knows", { HERE, .extended_key_usage = "1.3.6.1.4.1.99999.2" }, "example.com", false, false,
      ALWAYS(EKU), "uri:example.com" },
    /* dates */
    { "expired", { HERE, .not_after = PKI_NOW - 1 }, "example.com", false, false, ALWAYS(REASON_CERTIFICATE_EXPIRED),
      "uri:example.com" },
    { "ends in a second", { HERE, .not_after = PKI_NOW + 1 }, "example.com", false, false, ALWAYS(OK),
      "uri:example.com" },
    { "not yet valid", { HERE, .not_before = PKI_NOW + 1 }, "example.com", false, false,
      ALWAYS(REASON_CERTIFICATE_NOT_YET_VALID), "uri:example.com" },
    { "begins now", { HERE, .not_before = PKI_NOW }, "example.com", false, false, ALWAYS(OK), "uri:example.com" },
    /* extensions */
    { "unknown critical extension", { HERE, .extensions = unknown_critical, .extension_count = 1 }, "example.com",
      false, false, ALWAYS(REASON_CHAIN_INVALID), "uri:example.com" },
    { "unknown extension", { HERE, .extensions = unknown_plain, .extension_count = 1 }, "example.com", false, false,
      ALWAYS(OK), "uri:example.com" },
    /* strength */
    { "RSA-2048", { HERE, .key = PKI_RSA_2048 }, "example.com", false, false, ALWAYS(OK), "uri:example.com" },
    { "RSA-1024", { HERE, .key = PKI_RSA_1024 }, "example.com", false, false, ALWAYS(REASON_WEAK_CERTIFICATE),
      "uri:example.com" },
    { "RSA with exponent 1", { HERE, .key = PKI_RSA_E1 }, "example.com", false, false,
      ALWAYS(REASON_WEAK_CERTIFICATE), "uri:example.com" },
    { "P-224", { HERE, .key = PKI_EC_P224 }, "example.com", false, false, ALWAYS(REASON_WEAK_CERTIFICATE),
      "uri:example.com" },
    { "Ed25519", { HERE, .key = PKI_ED25519 }, "example.com", false, false, ALWAYS(OK), "uri:example.com" },
    { "SHA-1", { HERE, .signature = PKI_SHA1 }, "example.com", false, false, ALWAYS(REASON_WEAK_CERTIFICATE),
      "uri:example.com" },
    { "forged", { HERE, .is_forged = true }, "example.com", false, false, ALWAYS(REASON_CHAIN_UNTRUSTED),
      "uri:example.com" },
};

/* Issued by an intermediate with an RSA key: ECDSA has no MD5. */
static const struct row rsa_rows[] = {
    { "MD5 with RSA", { HERE, .signature = PKI_MD5 }, "example.com", false, false, ALWAYS(REASON_WEAK_CERTIFICATE),
      "uri:example.com" },
    { "SHA-1 with RSA", { HERE, .signature = PKI_SHA1 }, "example.com", false, false, ALWAYS(REASON_WEAK_CERTIFICATE),
      "uri:example.com" },
    { "SHA-256 with RSA", { HERE }, "example.com", false, false, ALWAYS(OK), "uri:example.com" },
};

struct world {
    const struct pki_certificate *root, *intermediate, *rsa_intermediate;
    struct trust_store *store;
};

static int set_up(void **state)
{
    static struct world world;
    world.root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    world.intermediate = SUPPORT_MAKE(.subject = "CN=intermediate", .is_ca = true, .issuer = world.root);
    world.rsa_intermediate =
        SUPPORT_MAKE(.subject = "CN=intermediate", .is_ca = true, .issuer = world.root, .key = PKI_RSA_2048);
    world.store = support_store((support_list){ world.root });
    *state = &world;
    return world.store == NULL;
}

static int tear_down(void **state)
{
    trust_store_unref(((struct world *)*state)->store);
    support_free_all();
    return 0;
}

static void check_identities(const struct pki_certificate *leaf, const struct row *row)
{
    struct certificate_facts *facts = NULL;
    assert_int_equal(certificate_facts_read(pki_der(leaf), &facts, NULL), 0);
    const struct identity_rule rule = { row->cn_fallback, row->wildcard };
    struct identity_walk walk = { 0 };
    struct identity identity;
    char text[512] = "";
    while (identity_next(&walk, facts, &rule, &identity)) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof(text) - at, "%s%s:%s%s", at > 0 ? " " : "", identity_kind_word(identity.kind),
                 identity.is_wildcard ? "*." : "", identity.name);
    }
    if (strcmp(text, row->identities) != 0)
        print_error("identities of %s\n", row->title);
    assert_string_equal(text, row->identities);
    certificate_facts_free(facts);
}

static void check_row(const struct world *world, const struct row *row, const struct pki_certificate *issuer)
{
    static const enum peer_role roles[] = { PEER_ROLE_SERVER, PEER_ROLE_CLIENT };
    static const enum eku_mode modes[] = { EKU_TLS_ROLE, EKU_EITHER, EKU_SIP5924 };
    struct pki_spec spec = row->leaf;
    spec.issuer = issuer;
    const struct pki_certificate *leaf = support_make(&spec);
    for (int role = 0; role < 2; role++)
        for (int mode = 0; mode < 3; mode++) {
            struct verdict_request request = support_request(world->store, row->domain);
            struct verdict verdict;
            request.peer_role = roles[role];
            request.eku_mode = modes[mode];
            request.cn_fallback = row->cn_fallback;
            request.wildcard = row->wildcard;
            char title[160];
            snprintf(title, sizeof(title), "%s, peer is %s, mode %s", row->title, peer_role_word(roles[role]),
                     eku_mode_name(modes[mode]));
            enum reason reason = support_take(&request, (support_list){ leaf, issuer }, &verdict);
            support_expect(reason, row->expected[role][mode], title, &verdict);
        }
    check_identities(leaf, row);
}

/* INV-15 */
static void every_row_gets_its_verdict(void **state)
{
    const struct world *world = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(world, &rows[i], world->intermediate);
    for (size_t i = 0; i < sizeof(rsa_rows) / sizeof(rsa_rows[0]); i++)
        check_row(world, &rsa_rows[i], world->rsa_intermediate);
}

/* Names whose bytes no configuration can express. */
static const struct {
    const char *title;
    uint8_t tag;
    struct slice content;
    enum reason expected;
} raw_names[] = {
    { "NUL in DNS", PKI_NAME_DNS, { "example.com\0.evil.net", 21 }, BAD },
    { "NUL at the end of DNS", PKI_NAME_DNS, { "example.com\0", 12 }, BAD },
    { "NUL in a sip: URI", PKI_NAME_URI, { "sip:example.com\0.evil.net", 25 }, BAD },
    { "NUL in an unused email", PKI_NAME_EMAIL, { "a@example.com\0b", 15 }, BAD },
    { "line feed in DNS", PKI_NAME_DNS, { "example.com\n", 12 }, BAD },
    { "eighth bit in DNS", PKI_NAME_DNS, { "example.com\xa0", 12 }, NOID },
    { "UTF-8 in DNS", PKI_NAME_DNS, { "b\xc3\xbc" "cher.example", 14 }, NOID },
    { "blank in DNS", PKI_NAME_DNS, { " example.com", 12 }, NOID },
    { "empty DNS", PKI_NAME_DNS, { "", 0 }, NOID },
    { "escape sign in DNS", PKI_NAME_DNS, { "example\\.com", 12 }, NOID },
    { "percent in a sip: URI", PKI_NAME_URI, { "sip:example%2ecom", 17 }, NOID },
    { "address of three bytes", PKI_NAME_IP, { "\x01\x02\x03", 3 }, NOID },
};

static void names_of_odd_bytes_never_match(void **state)
{
    const struct world *world = *state;
    for (size_t i = 0; i < sizeof(raw_names) / sizeof(raw_names[0]); i++) {
        const struct pki_name name = { raw_names[i].tag, raw_names[i].content };
        struct buffer names = pki_names_der(&name, 1);
        const struct pki_certificate *leaf =
            SUPPORT_MAKE(.subject = "CN=example.com", .issuer = world->intermediate, .names_der = buffer_slice(&names));
        buffer_free(&names);
        for (enum peer_role role = PEER_ROLE_SERVER; role <= PEER_ROLE_CLIENT; role++) {
            struct verdict_request request = support_request(world->store, "example.com");
            struct verdict verdict;
            request.peer_role = role;
            request.cn_fallback = true;
            enum reason reason = support_take(&request, (support_list){ leaf, world->intermediate }, &verdict);
            support_expect(reason, raw_names[i].expected, raw_names[i].title, &verdict);
            for (const char *c = verdict.detail; *c != '\0'; c++)
                assert_true(*c >= ' ' && *c < 0x7f);
        }
    }
}

/* The byte takes the place of the dot in the DER; the signature breaks, but names are looked at
 * first, as a certificate with such a name may well be signed. */
static void a_control_byte_in_the_common_name_is_refused(void **state)
{
    const struct world *world = *state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=example.com", .issuer = world->intermediate);
    static const char bytes[] = { '\0', '\n', 0x7f };
    for (size_t i = 0; i < sizeof(bytes); i++) {
        struct certificate_chain chain = support_chain((support_list){ leaf, world->intermediate });
        char *name = memmem(chain.der, chain.end[0], "example.com", 11);
        assert_non_null(name);
        name[7] = bytes[i];
        struct verdict_request request = support_request(world->store, "example.com");
        request.cn_fallback = true;
        struct verdict verdict;
        assert_int_equal(verdict_take(&request, &chain, PKI_NOW, &verdict), 0);
        support_expect(verdict.reason, BAD, "control byte in CN", &verdict);
        assert_int_equal(verdict.result, VERDICT_REFUSED);
        certificate_chain_fini(&chain);
    }
}

static void an_empty_list_of_names_is_refused(void **state)
{
    const struct world *world = *state;
    struct buffer names = pki_names_der(NULL, 0);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=example.com", .issuer = world->intermediate, .names_der = buffer_slice(&names));
    buffer_free(&names);
    struct verdict_request request = support_request(world->store, "example.com");
    request.cn_fallback = true;
    struct verdict verdict;
    support_expect(support_take(&request, (support_list){ leaf, world->intermediate }, &verdict), REASON_CHAIN_INVALID,
                   "empty SAN", &verdict);
}

static void a_skewed_clock_refuses(void **state)
{
    const struct world *world = *state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(HERE, .issuer = world->intermediate);
    const support_list presented = { leaf, world->intermediate };
    struct verdict_request request = support_request(world->store, "example.com");
    struct verdict verdict;
    support_expect(support_take_at(&request, presented, PKI_NOW, &verdict), OK, "now", &verdict);
    support_expect(support_take_at(&request, presented, 0, &verdict), REASON_CERTIFICATE_NOT_YET_VALID, "clock at 0",
                   &verdict);
    support_expect(support_take_at(&request, presented, -1, &verdict), REASON_CERTIFICATE_NOT_YET_VALID,
                   "clock before 0", &verdict);
    support_expect(support_take_at(&request, presented, PKI_NOW + 4000 * PKI_DAY, &verdict),
                   REASON_CERTIFICATE_EXPIRED, "clock years ahead", &verdict);
}

/* H02: trusted in another row only. */
static void trust_is_per_store(void **state)
{
    const struct world *world = *state;
    const struct pki_certificate *other = SUPPORT_MAKE(.subject = "CN=other root", .is_ca = true);
    const struct pki_certificate *namesake = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    const struct pki_certificate *leaf = SUPPORT_MAKE(HERE, .issuer = world->intermediate);
    const support_list presented = { leaf, world->intermediate };
    struct trust_store *stores[] = { support_store((support_list){ other }),
                                     support_store((support_list){ namesake }),
                                     support_store((support_list){ other, world->root }) };
    static const enum reason expected[] = { REASON_CHAIN_UNTRUSTED, REASON_CHAIN_UNTRUSTED, OK };
    for (int i = 0; i < 3; i++) {
        struct verdict_request request = support_request(stores[i], "example.com");
        struct verdict verdict;
        support_expect(support_take(&request, presented, &verdict), expected[i], "store", &verdict);
        assert_memory_equal(verdict.trust_digest, trust_store_digest(stores[i]), DIGEST_SIZE);
        trust_store_unref(stores[i]);
    }
}

static struct pin pin_of(const struct pki_certificate *certificate, enum pin_kind kind)
{
    struct certificate_facts *facts = NULL;
    struct pin pin = { .kind = kind };
    assert_int_equal(certificate_facts_read(pki_der(certificate), &facts, NULL), 0);
    memcpy(pin.digest, kind == PIN_KEY ? facts->key_digest : facts->digest, DIGEST_SIZE);
    certificate_facts_free(facts);
    return pin;
}

static void self_signed_only_when_pinned(void **state)
{
    const struct world *world = *state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(HERE);
    const struct pki_certificate *ca_like = SUPPORT_MAKE(HERE, .is_ca = true, .key_usage = "");
    const struct pki_certificate *expired = SUPPORT_MAKE(HERE, .not_after = PKI_NOW - 1);
    const struct pki_certificate *wrong_use = SUPPORT_MAKE(HERE, .key_usage = "keyEncipherment");
    const struct pki_certificate *forged = SUPPORT_MAKE(HERE, .is_forged = true);
    struct trust_store *with_leaf = support_store((support_list){ ca_like });
    assert_non_null(with_leaf);
    assert_null(support_store((support_list){ leaf })); /* not a CA, so no anchor */
    const struct {
        const char *title;
        const struct pki_certificate *leaf, *pinned;
        const struct trust_store *store;
        const char *domain;
        enum reason expected;
    } cases[] = {
        { "not pinned", leaf, NULL, world->store, "example.com", REASON_CHAIN_UNTRUSTED },
        { "in the store, not pinned", ca_like, NULL, with_leaf, "example.com", REASON_CHAIN_UNTRUSTED },
        { "in the store and pinned", ca_like, ca_like, with_leaf, "example.com", OK },
        { "pinned", leaf, leaf, world->store, "example.com", OK },
        { "pinned without a store", leaf, leaf, NULL, "example.com", OK },
        { "neither pin nor store", leaf, NULL, NULL, "example.com", REASON_UNKNOWN_TRUST_SET },
        { "other pinned", leaf, ca_like, world->store, "example.com", REASON_PIN_MISMATCH },
        { "pinned, wrong name", leaf, leaf, world->store, "other.example", WRONG },
        { "pinned, expired", expired, expired, world->store, "example.com", REASON_CERTIFICATE_EXPIRED },
        { "pinned, wrong key usage", wrong_use, wrong_use, world->store, "example.com", REASON_KEY_USAGE },
        { "pinned, forged", forged, forged, world->store, "example.com", REASON_CHAIN_INVALID },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (enum pin_kind kind = PIN_CERTIFICATE; kind <= PIN_KEY; kind++) {
            struct verdict_request request = support_request(cases[i].store, cases[i].domain);
            struct verdict verdict;
            struct pin pins[2] = { { PIN_CERTIFICATE, { 1, 2, 3 } }, { 0 } };
            if (cases[i].pinned != NULL) {
                pins[1] = pin_of(cases[i].pinned, kind);
                request.pins = pins;
                request.pin_count = 2;
            }
            support_expect(support_take(&request, (support_list){ cases[i].leaf }, &verdict), cases[i].expected,
                           cases[i].title, &verdict);
        }
    trust_store_unref(with_leaf);
}

static void a_pin_does_not_replace_the_path(void **state)
{
    const struct world *world = *state;
    const struct pki_certificate *stranger = SUPPORT_MAKE(.subject = "CN=stranger", .is_ca = true);
    const struct pki_certificate *leaf = SUPPORT_MAKE(HERE, .issuer = stranger);
    const struct pin pin = pin_of(leaf, PIN_CERTIFICATE);
    struct verdict_request request = support_request(world->store, "example.com");
    request.pins = &pin;
    request.pin_count = 1;
    struct verdict verdict;
    support_expect(support_take(&request, (support_list){ leaf, stranger }, &verdict), REASON_CHAIN_UNTRUSTED,
                   "pinned leaf of a stranger", &verdict);
    request.trust_store = NULL;
    support_expect(support_take(&request, (support_list){ leaf, stranger }, &verdict), REASON_UNKNOWN_TRUST_SET,
                   "pinned leaf, no store", &verdict);
    /* of an unknown kind, a pin matches nothing */
    const struct pin unset = { PIN_UNSET, { 0 } };
    request = support_request(world->store, "example.com");
    request.pins = &unset;
    request.pin_count = 1;
    const struct pki_certificate *good = SUPPORT_MAKE(HERE, .issuer = world->intermediate);
    support_expect(support_take(&request, (support_list){ good, world->intermediate }, &verdict), REASON_PIN_MISMATCH,
                   "pin of no kind", &verdict);
}

/* Rotation: same name, other key; both stand, each with its own digest. */
static void a_rotated_key_has_its_own_verdict(void **state)
{
    const struct world *world = *state;
    struct verdict_request request = support_request(world->store, "example.com");
    struct verdict old_verdict, new_verdict;
    const struct pki_certificate *old_leaf = SUPPORT_MAKE(HERE, .issuer = world->intermediate);
    const struct pki_certificate *new_leaf = SUPPORT_MAKE(HERE, .issuer = world->intermediate);
    support_expect(support_take(&request, (support_list){ old_leaf, world->intermediate }, &old_verdict), OK, "old",
                   &old_verdict);
    support_expect(support_take(&request, (support_list){ new_leaf, world->intermediate }, &new_verdict), OK, "new",
                   &new_verdict);
    assert_memory_not_equal(old_verdict.leaf_digest, new_verdict.leaf_digest, DIGEST_SIZE);
    assert_memory_equal(old_verdict.anchor_digest, new_verdict.anchor_digest, DIGEST_SIZE);
}

/* INV-7 */
static void revocation_modes_without_data(void **state)
{
    const struct world *world = *state;
    const struct pki_certificate *leaf = SUPPORT_MAKE(HERE, .issuer = world->intermediate);
    for (enum revocation crl = REVOCATION_UNSET; crl <= REVOCATION_COUNT; crl++)
        for (enum revocation ocsp = REVOCATION_UNSET; ocsp <= REVOCATION_COUNT; ocsp++) {
            struct verdict_request request = support_request(world->store, "example.com");
            struct verdict verdict;
            request.crl = crl;
            request.ocsp = ocsp;
            bool is_set = crl != REVOCATION_UNSET && crl != REVOCATION_COUNT && ocsp != REVOCATION_UNSET &&
                          ocsp != REVOCATION_COUNT;
            bool is_hard = crl == REVOCATION_HARD || ocsp == REVOCATION_HARD;
            enum reason expected = !is_set ? REASON_POLICY_UNUSABLE : is_hard ? REASON_REVOCATION_UNKNOWN : OK;
            support_expect(support_take(&request, (support_list){ leaf, world->intermediate }, &verdict), expected,
                           "revocation", &verdict);
            assert_false(verdict.crl_checked || verdict.ocsp_checked);
            bool is_told = strstr(verdict.detail, "not checked") != NULL;
            assert_true(expected != OK || is_told == (crl == REVOCATION_SOFT || ocsp == REVOCATION_SOFT));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_gets_its_verdict),
        cmocka_unit_test(names_of_odd_bytes_never_match),
        cmocka_unit_test(a_control_byte_in_the_common_name_is_refused),
        cmocka_unit_test(an_empty_list_of_names_is_refused),
        cmocka_unit_test(a_skewed_clock_refuses),
        cmocka_unit_test(trust_is_per_store),
        cmocka_unit_test(self_signed_only_when_pinned),
        cmocka_unit_test(a_pin_does_not_replace_the_path),
        cmocka_unit_test(a_rotated_key_has_its_own_verdict),
        cmocka_unit_test(revocation_modes_without_data),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
