/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_requirement.c - rows x flags x targets x capabilities: the row is the floor, flags raise it, nothing lowers it
 * without the row's permission. What must come out is worked out here in another way: all reasons to refuse are
 * collected, and there must be none exactly if a requirement is built; then each field has its own rule. */
#include "decide_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rows: every combination of these. */
static const enum level levels[] = { LEVEL_NONE, LEVEL_ENCRYPT, LEVEL_CHAIN, LEVEL_DOMAIN };
static const enum permission permissions[] = { PERMISSION_REFUSED, PERMISSION_ALLOWED };
static const enum revocation revocations[] = { REVOCATION_OFF, REVOCATION_SOFT, REVOCATION_HARD };
enum proof { PROOF_NONE, PROOF_TRUST, PROOF_CRLS, PROOF_PINS, PROOF_COUNT };
static const uint8_t pins[3][DIGEST_SIZE] = { { 3 }, { 1 }, { 3 } };

static const char *const flag_texts[] = { "", "tls", "verify-chain", "verify-domain", "verify-domain=flag.example",
    "no-verify", "tls,no-verify", "trust=anchors", "trust=others", "trust=missing", "verify-domain,trust=others",
    "cert=ours", "cert=missing", "cert=broken", "no-cert", "sni=flag-sni.example", "no-sni", "crl", "ocsp",
    "ocsp-hard", "verify-chain,ocsp-hard", "verify-chain,crl", "no-conn-reuse", "no-connect", "no-upgrade",
    "max-age=60", "initial-only" };

struct row_case {
    enum level level;
    enum permission weaken, trust_flag;
    enum proof proof;
    const char *expected;
    const char *certificate;
    enum revocation crl, ocsp;
};

static struct policy_snapshot *snapshot;
static struct row_case *cases;
static size_t case_count;

static void add_row(struct policy_builder *builder, const struct row_case *row_case)
{
    static const char *const trust_sets[PROOF_COUNT] = { NULL, "anchors", "with-crls", NULL };
    char name[32];
    snprintf(name, sizeof(name), "row%zu.example", case_count);
    struct outbound_policy row = fixture_outbound((int64_t)case_count + 1, name);
    row.level = row_case->level;
    row.weaken = row_case->weaken;
    row.trust_flag = row_case->trust_flag;
    row.trust_set_name = trust_sets[row_case->proof];
    row.expected_domain = row_case->expected;
    row.certificate_name = row_case->certificate;
    row.crl = row_case->crl;
    row.ocsp = row_case->ocsp;
    row.max_age_s = case_count % 2 == 0 ? 3600 : 0;
    row.cn_fallback = row.wildcard = true;
    row.eku_mode = EKU_EITHER;
    row.send_sni = case_count % 5 != 0;
    if (row_case->proof == PROOF_PINS) {
        row.pins = pins;
        row.pin_count = ARRAY_SIZE(pins);
    }
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    cases = realloc(cases, (case_count + 1) * sizeof(*cases));
    assert_non_null(cases);
    cases[case_count++] = *row_case;
}

#define EACH(type, variable, array)                                                                             \
    for (size_t i_##variable = 0; i_##variable < ARRAY_SIZE(array); i_##variable++)                             \
        for (int once_##variable = 1; once_##variable;)                                                         \
            for (type variable = (array)[i_##variable]; once_##variable; once_##variable = 0)

static int build_rows(void **state)
{
    (void)state;
    static const enum proof proofs[] = { PROOF_NONE, PROOF_TRUST, PROOF_CRLS, PROOF_PINS };
    static const char *const names[] = { NULL, "row-expects.example" };
    struct policy_builder *builder = fixture_builder();
    struct policy_trust_set with_crls = fixture_trust_set("with-crls", 6);
    struct policy_credential broken = fixture_credential("broken", 7);
    with_crls.has_crls = true;
    memset(with_crls.crl_digest, 0x66, DIGEST_SIZE);
    broken.unusable = "no key";
    assert_int_equal(policy_builder_trust_set(builder, &with_crls), 0);
    assert_int_equal(policy_builder_credential(builder, &broken), 0);
    EACH(enum level, level, levels)
    EACH(enum permission, weaken, permissions)
    EACH(enum permission, trust_flag, permissions)
    EACH(enum proof, proof, proofs)
    EACH(const char *, expected, names)
    EACH(enum revocation, crl, revocations)
    EACH(enum revocation, ocsp, revocations)
    {
        struct row_case row_case = { level, weaken, trust_flag, proof, expected,
            case_count % 3 == 0 ? "theirs" : NULL, crl, ocsp };
        add_row(builder, &row_case);
    }
    snapshot = fixture_finish(builder);
    return 0;
}

static int free_rows(void **state)
{
    (void)state;
    policy_snapshot_unref(snapshot);
    free(cases);
    return 0;
}

static const struct outbound_policy *row_of(size_t index)
{
    char name[32];
    struct policy_lookup_order order = policy_lookup_order_default();
    struct policy_query query = { .next_hop_domain = name };
    const struct outbound_policy *row = NULL;
    enum reason reason;
    snprintf(name, sizeof(name), "row%zu.example", index);
    (void)policy_lookup(snapshot, &query, &order, &row, &reason);
    assert_non_null(row);
    assert_int_equal(row->id, (int64_t)index + 1);
    return row;
}

/* What is known of one combination, in words of this test. */
struct expectation {
    enum level level;
    const char *expected;
    uint8_t trust;      /* content of the trust set, 0: none */
    uint64_t reasons;   /* to refuse, by bit */
    enum revocation crl, ocsp;
};

static void because(struct expectation *expectation, bool holds, enum reason reason)
{
    if (holds)
        expectation->reasons |= (uint64_t)1 << reason;
}

static enum revocation stricter(enum revocation a, enum revocation b)
{
    return a > b ? a : b;
}

static bool is_row_usable(const struct row_case *row)
{
    bool is_judged = row->level == LEVEL_CHAIN || row->level == LEVEL_DOMAIN;
    if (is_judged)
        return row->proof != PROOF_NONE;
    return row->proof != PROOF_PINS && row->crl != REVOCATION_HARD && row->ocsp != REVOCATION_HARD;
}

static struct expectation expect(const struct row_case *row, const char *text, const struct requirement_target *target,
    const struct capabilities *capabilities)
{
    struct expectation e = { .level = row->level, .crl = row->crl, .ocsp = row->ocsp };
    bool is_tls = target->transport == TRANSPORT_TLS;
    bool lowers = strstr(text, "no-verify") != NULL, trusts = strstr(text, "trust=") != NULL;
    bool is_own_trust = row->proof == PROOF_TRUST && strstr(text, "trust=anchors") != NULL;
    if (strstr(text, "tls") != NULL && e.level < LEVEL_ENCRYPT)
        e.level = LEVEL_ENCRYPT;
    if ((strstr(text, "verify-chain") != NULL || trusts) && e.level < LEVEL_CHAIN)
        e.level = LEVEL_CHAIN;
    if (strstr(text, "verify-domain") != NULL)
        e.level = LEVEL_DOMAIN;
    because(&e, lowers && e.level > LEVEL_ENCRYPT && row->weaken != PERMISSION_ALLOWED, REASON_WEAKEN_REFUSED);
    if (lowers && e.level > LEVEL_ENCRYPT)
        e.level = LEVEL_ENCRYPT;
    because(&e, !is_tls && e.level > LEVEL_NONE, REASON_PLAIN_TRANSPORT);
    because(&e, !is_tls && (strncmp(text, "cert=", 5) == 0 || strncmp(text, "sni=", 4) == 0 ||
        strcmp(text, "ocsp-hard") == 0), REASON_PLAIN_TRANSPORT);
    because(&e, !is_row_usable(row), REASON_POLICY_UNUSABLE);
    if (!is_tls)
        return e;
    if (e.level == LEVEL_NONE)
        e.level = LEVEL_ENCRYPT;
    bool is_judged = e.level >= LEVEL_CHAIN;
    because(&e, trusts && !is_own_trust && row->trust_flag != PERMISSION_ALLOWED, REASON_TRUST_FLAG_REFUSED);
    because(&e, strstr(text, "trust=missing") != NULL, REASON_UNKNOWN_TRUST_SET);
    because(&e, is_judged && row->proof == PROOF_NONE && !trusts, REASON_UNKNOWN_TRUST_SET);
    e.trust = trusts ? (strstr(text, "others") != NULL ? 2 : 1)
        : row->proof == PROOF_TRUST ? 1 : row->proof == PROOF_CRLS ? 6 : 0;
    if (e.level == LEVEL_DOMAIN) {
        bool is_named = strstr(text, "=flag.example") != NULL;
        e.expected = is_named ? "flag.example" : row->expected != NULL ? row->expected : target->next_hop_domain;
        because(&e, e.expected == NULL, REASON_NO_EXPECTED_DOMAIN);
        because(&e, is_named && row->expected != NULL && row->weaken != PERMISSION_ALLOWED, REASON_FLAG_CONFLICT);
    }
    because(&e, strstr(text, "cert=missing") != NULL || strstr(text, "cert=broken") != NULL,
        REASON_UNKNOWN_CERTIFICATE);
    bool is_ocsp_hard = strstr(text, "ocsp-hard") != NULL;
    because(&e, is_ocsp_hard && !is_judged, REASON_FLAG_CONFLICT);
    if (strcmp(text, "crl") == 0 || strstr(text, ",crl") != NULL)
        e.crl = stricter(e.crl, REVOCATION_SOFT);
    if (strcmp(text, "ocsp") == 0)
        e.ocsp = stricter(e.ocsp, REVOCATION_SOFT);
    if (is_ocsp_hard)
        e.ocsp = REVOCATION_HARD;
    if (!is_judged)
        e.crl = e.ocsp = REVOCATION_OFF;
    because(&e, e.crl == REVOCATION_HARD && !capabilities->crl, REASON_UNSUPPORTED_FEATURE);
    because(&e, e.ocsp == REVOCATION_HARD && !capabilities->ocsp, REASON_UNSUPPORTED_FEATURE);
    because(&e, e.crl == REVOCATION_HARD && capabilities->crl && e.trust != 6, REASON_REVOCATION_UNKNOWN);
    return e;
}

static void check_digest(const struct optional_digest *digest, bool is_set, uint8_t content)
{
    assert_int_equal(digest->is_set, is_set);
    if (is_set)
        for (unsigned i = 0; i < DIGEST_SIZE; i++)
            assert_int_equal(digest->bytes[i], content);
}

static void check_key(const struct requirement_key *key, const struct outbound_policy *row, const char *text,
    const struct requirement_target *target, const struct expectation *e)
{
    bool is_tls = target->transport == TRANSPORT_TLS, is_judged = e->level >= LEVEL_CHAIN;
    assert_int_equal(key->role, ROLE_OUT);
    assert_int_equal(key->transport, target->transport);
    assert_true(endpoint_equal(&key->destination, &target->endpoint));
    assert_int_equal(key->level, e->level);
    assert_true(key->level >= row->level || (strstr(text, "no-verify") != NULL && row->weaken == PERMISSION_ALLOWED));
    assert_string_equal(key->expected_domain, e->expected != NULL ? e->expected : "");
    assert_int_equal(key->cn_fallback, is_tls && e->level == LEVEL_DOMAIN);
    assert_int_equal(key->wildcard, is_tls && e->level == LEVEL_DOMAIN);
    assert_int_equal(key->crl, is_tls ? e->crl : REVOCATION_UNSET);
    assert_int_equal(key->ocsp, is_tls ? e->ocsp : REVOCATION_UNSET);
    assert_int_equal(key->eku_mode, !is_tls ? EKU_UNSET : is_judged ? EKU_EITHER : EKU_TLS_ROLE);
    check_digest(&key->trust, is_judged && e->trust != 0, e->trust);
    check_digest(&key->crl_set, is_judged && e->trust == 6 && e->crl != REVOCATION_OFF, 0x66);
    assert_int_equal(key->pins.count, is_judged && row->pin_count > 0 ? 2 : 0);
    if (key->pins.count > 0)
        assert_true(key->pins.digests[0][0] == 1 && key->pins.digests[1][0] == 3);
    uint8_t certificate = strstr(text, "cert=ours") != NULL ? 1
        : strstr(text, "no-cert") != NULL || row->certificate_name == NULL ? 0 : 2;
    check_digest(&key->credential_chain, is_tls && certificate != 0, (uint8_t)(0x10 + certificate));
    check_digest(&key->credential_key, is_tls && certificate != 0, (uint8_t)(0x20 + certificate));
    assert_int_equal(key->tls_min, is_tls ? TLS_VERSION_1_2 : TLS_VERSION_UNSET);
    assert_int_equal(key->tls_max, is_tls ? TLS_VERSION_1_3 : TLS_VERSION_UNSET);
    const char *sni = strstr(text, "sni=flag") != NULL ? "flag-sni.example"
        : !row->send_sni || strstr(text, "no-sni") != NULL ? NULL
        : e->expected != NULL ? e->expected
        : row->expected_domain != NULL ? row->expected_domain : target->next_hop_domain;
    assert_string_equal(key->sni, is_tls && sni != NULL ? sni : "");
}

static void check_terms(const struct requirement *requirement, const struct outbound_policy *row, const char *text,
    const struct expectation *e, const struct capabilities *capabilities)
{
    const struct requirement_terms *terms = &requirement->terms;
    bool is_judged = e->level >= LEVEL_CHAIN && requirement->key.transport == TRANSPORT_TLS;
    uint32_t max_age = row->max_age_s != 0 ? row->max_age_s : 7200;
    assert_int_equal(terms->max_age_s, strstr(text, "max-age") != NULL ? 60 : max_age);
    assert_int_equal(terms->idle_timeout_s, 300);
    assert_int_equal(terms->may_reuse, strcmp(text, "no-conn-reuse") != 0);
    assert_int_equal(terms->may_connect, strcmp(text, "no-connect") != 0);
    assert_int_equal(terms->may_upgrade, is_judged && strcmp(text, "no-upgrade") != 0);
    assert_int_equal(terms->is_crl_skipped, is_judged && e->crl == REVOCATION_SOFT && !capabilities->crl);
    assert_int_equal(terms->is_ocsp_skipped, is_judged && e->ocsp == REVOCATION_SOFT && !capabilities->ocsp);
    assert_ptr_equal(terms->row, row);
    assert_int_equal(terms->row_id, row->id);
    assert_int_equal(terms->generation, 7);
    assert_true((terms->trust_set != NULL) == requirement->key.trust.is_set);
    assert_true((terms->credential != NULL) == requirement->key.credential_chain.is_set);
    if (terms->trust_set != NULL)
        assert_null(terms->trust_set->unusable);
    if (terms->credential != NULL)
        assert_null(terms->credential->unusable);
}

static unsigned built_count, refused_count[REASON_COUNT];

static void check_one(size_t index, const char *text, const struct requirement_target *target,
    const struct capabilities *capabilities)
{
    static const struct requirement_defaults defaults = { .max_age_s = 7200, .idle_timeout_s = 300 };
    const struct outbound_policy *row = row_of(index);
    struct requirement requirement, untouched;
    struct flag_set flags;
    struct why why = WHY_NONE;
    assert_int_equal(flags_parse(slice_of_string(text), &flags, NULL), 0);
    memset(&requirement, 0x5a, sizeof(requirement));
    memset(&untouched, 0x5a, sizeof(untouched));
    enum reason reason = requirement_build(snapshot, row, text[0] != '\0' ? &flags : NULL, target, capabilities,
        &defaults, &requirement, &why);
    struct expectation e = expect(&cases[index], text, target, capabilities);
    if ((reason == REASON_NONE) != (e.reasons == 0))
        fail_msg("row %zu level %s, \"%s\": %s %s", index, level_name(row->level), text, reason_word(reason), why.text);
    if (reason == REASON_NONE) {
        built_count++;
        check_key(&requirement.key, row, text, target, &e);
        check_terms(&requirement, row, text, &e, capabilities);
        return;
    }
    if ((e.reasons & (uint64_t)1 << reason) == 0)
        fail_msg("row %zu, \"%s\": %s is no reason (%s)", index, text, reason_word(reason), why.text);
    assert_memory_equal(&requirement, &untouched, sizeof(untouched));
    assert_true(why.text[0] != '\0');
    refused_count[reason]++;
}

static void every_row_under_every_flag(void **state)
{
    static const enum transport transports[] = { TRANSPORT_TLS, TRANSPORT_TCP, TRANSPORT_UDP };
    static const char *const next_hops[] = { "hop.example", NULL };
    static const struct capabilities all[] = { { .crl = false }, { .crl = true }, { .ocsp = true },
        { .crl = true, .ocsp = true } };
    static const enum reason reasons[] = { REASON_POLICY_UNUSABLE, REASON_WEAKEN_REFUSED, REASON_TRUST_FLAG_REFUSED,
        REASON_UNKNOWN_TRUST_SET, REASON_UNKNOWN_CERTIFICATE, REASON_NO_EXPECTED_DOMAIN, REASON_PLAIN_TRANSPORT,
        REASON_FLAG_CONFLICT, REASON_UNSUPPORTED_FEATURE, REASON_REVOCATION_UNKNOWN };
    (void)state;
    _Static_assert(REASON_COUNT <= 64, "reasons fit in a word");
    EACH(enum transport, transport, transports)
    EACH(const char *, next_hop, next_hops)
    EACH(struct capabilities, capabilities, all)
    {
        struct requirement_target target = { .transport = transport, .next_hop_domain = next_hop,
            .endpoint = { fixture_address("192.0.2.1"), 5061 } };
        for (size_t index = 0; index < case_count; index++)
            for (size_t i = 0; i < ARRAY_SIZE(flag_texts); i++)
                check_one(index, flag_texts[i], &target, &capabilities);
    }
    assert_true(built_count > 50000);
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (refused_count[reasons[i]] < 100)
            fail_msg("%s came only %u times", reason_word(reasons[i]), refused_count[reasons[i]]);
}

/* One target and row for the rest. */

static const struct outbound_policy *plain_row(struct policy_snapshot **snapshot_r, const struct outbound_policy *row)
{
    struct policy_builder *builder = fixture_builder();
    struct policy_lookup_order order = policy_lookup_order_default();
    struct policy_query query = { .next_hop_domain = row->match_name };
    const struct outbound_policy *found = NULL;
    enum reason reason;
    assert_int_equal(policy_builder_outbound(builder, row), 0);
    *snapshot_r = fixture_finish(builder);
    assert_int_equal(policy_lookup(*snapshot_r, &query, &order, &found, &reason), LOOKUP_RESULT_HIT);
    return found;
}

static enum reason build(const struct policy_snapshot *from, const struct outbound_policy *row,
    const struct flag_set *flags, const struct requirement_target *target, struct requirement *requirement_r)
{
    static const struct capabilities none;
    static const struct requirement_defaults defaults;
    return requirement_build(from, row, flags, target, &none, &defaults, requirement_r, NULL);
}

/* INV-11, ADV-10 */
static void a_destination_has_one_form(void **state)
{
    (void)state;
    struct outbound_policy row = fixture_outbound(1, "a.example");
    struct policy_snapshot *own;
    const struct outbound_policy *found = plain_row(&own, &row);
    struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = "a.example",
        .endpoint = { fixture_address("192.0.2.1"), 5061 } };
    struct requirement plain, mapped, other;
    assert_int_equal(build(own, found, NULL, &target, &plain), REASON_NONE);
    /* A V6 address that nobody has folded, and one with rubbish behind its four bytes. */
    target.endpoint.address = (struct address){ .family = ADDRESS_V6,
        .bytes = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1 } };
    assert_int_equal(build(own, found, NULL, &target, &mapped), REASON_NONE);
    assert_true(requirement_key_equal(&plain.key, &mapped.key, PART_ALL));
    target.endpoint.address = fixture_address("192.0.2.1");
    target.endpoint.address.bytes[7] = 9;
    target.endpoint.address.scope = 4;
    assert_int_equal(build(own, found, NULL, &target, &mapped), REASON_NONE);
    assert_true(requirement_key_equal(&plain.key, &mapped.key, PART_ALL));
    /* A link-local address is another one on another link; elsewhere the interface says nothing. */
    target.endpoint.address = fixture_address("fe80::1");
    target.endpoint.address.scope = 1;
    assert_int_equal(build(own, found, NULL, &target, &plain), REASON_NONE);
    target.endpoint.address.scope = 2;
    assert_int_equal(build(own, found, NULL, &target, &other), REASON_NONE);
    assert_false(requirement_key_equal(&plain.key, &other.key, PART_PLACE));
    target.endpoint.address = fixture_address("2001:db8::1");
    assert_int_equal(build(own, found, NULL, &target, &plain), REASON_NONE);
    target.endpoint.address.scope = 2;
    assert_int_equal(build(own, found, NULL, &target, &other), REASON_NONE);
    assert_true(requirement_key_equal(&plain.key, &other.key, PART_ALL));
    /* INV-12, ADV-11: nor is what comes from another address of ours one with what does not. */
    target.local = fixture_address("2001:db8::99");
    assert_int_equal(build(own, found, NULL, &target, &other), REASON_NONE);
    assert_false(requirement_key_equal(&plain.key, &other.key, PART_PLACE));
    policy_snapshot_unref(own);
}

static void nowhere_is_no_destination(void **state)
{
    (void)state;
    static const char *const nowhere[] = { "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1",
        "::ffff:0.0.0.0" };
    struct outbound_policy row = fixture_outbound(1, "a.example");
    struct policy_snapshot *own;
    const struct outbound_policy *found = plain_row(&own, &row);
    struct requirement requirement;
    struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = "a.example" };
    for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
        target.endpoint = (struct endpoint){ fixture_address(nowhere[i]), 5061 };
        assert_int_equal(build(own, found, NULL, &target, &requirement), REASON_NO_ADDRESS);
    }
    target.endpoint = (struct endpoint){ fixture_address("192.0.2.1"), 0 };
    assert_int_equal(build(own, found, NULL, &target, &requirement), REASON_NO_ADDRESS);
    target.endpoint = (struct endpoint){ { .family = ADDRESS_NONE }, 5061 };
    assert_int_equal(build(own, found, NULL, &target, &requirement), REASON_NO_ADDRESS);
    target.endpoint = (struct endpoint){ fixture_address("192.0.2.1"), 5061 };
    target.transport = TRANSPORT_UNSET;
    assert_int_equal(build(own, found, NULL, &target, &requirement), REASON_NO_ADDRESS);
    target.transport = (enum transport)9;
    assert_int_equal(build(own, found, NULL, &target, &requirement), REASON_NO_ADDRESS);
    policy_snapshot_unref(own);
}

/* ADV-1, the other half: what is no key field makes no other key. */
static void terms_make_no_other_key(void **state)
{
    (void)state;
    struct outbound_policy row = fixture_outbound(1, "a.example"), other = row;
    struct policy_snapshot *own, *others;
    struct requirement requirement, second;
    struct flag_set flags;
    other.id = 2;
    other.name = "another";
    other.priority = 3;
    other.max_age_s = 5;
    other.revalidate_every_s = 6;
    other.idle_timeout_s = 7;
    other.keepalive_s = 8;
    other.upgrade = UPGRADE_NEVER;
    other.weaken = other.trust_flag = PERMISSION_ALLOWED;
    other.initial_only = other.alias = other.transport_tls_param = true;
    other.reuse = false;
    other.via_host = other.rr_host = "v.example";
    other.eku_mode = EKU_SIP5924; /* nothing is judged at level encrypt */
    other.cn_fallback = other.wildcard = true;
    other.trust_set_name = "anchors";
    struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = "a.example",
        .endpoint = { fixture_address("192.0.2.1"), 5061 } };
    assert_int_equal(flags_parse(SLICE_LITERAL("no-upgrade,max-age=9,initial-only,no-100,no-conn-reuse"), &flags,
                         NULL), 0);
    assert_int_equal(build(NULL, NULL, NULL, &target, &requirement), REASON_NO_POLICY);
    const struct outbound_policy *first = plain_row(&own, &row), *another = plain_row(&others, &other);
    assert_int_equal(build(own, first, NULL, &target, &requirement), REASON_NONE);
    assert_int_equal(build(others, another, &flags, &target, &second), REASON_NONE);
    assert_true(requirement_key_equal(&requirement.key, &second.key, PART_ALL));
    struct connection_key key = fixture_key_of(&requirement), second_key = fixture_key_of(&second);
    assert_true(connection_key_equal(&key, &second_key));
    assert_false(second.terms.may_reuse);
    assert_int_equal(second.terms.max_age_s, 5);
    flags.max_age_s = 0; /* the word takes no 0; whoever makes one all the same lifts no limit */
    assert_int_equal(build(others, another, &flags, &target, &second), REASON_NONE);
    assert_int_equal(second.terms.max_age_s, 5);
    assert_int_equal(flags_parse(SLICE_LITERAL("verify-chain"), &flags, NULL), 0);
    assert_int_equal(build(others, another, &flags, &target, &second), REASON_NONE);
    assert_false(second.terms.may_upgrade); /* the row says never, though there is something to judge */
    policy_snapshot_unref(own);
    policy_snapshot_unref(others);
}

static void contradicting_flags_are_refused_whoever_made_them(void **state)
{
    (void)state;
    struct outbound_policy row = fixture_outbound(1, "a.example");
    row.weaken = row.trust_flag = PERMISSION_ALLOWED;
    struct policy_snapshot *own;
    const struct outbound_policy *found = plain_row(&own, &row);
    struct requirement requirement;
    struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = "a.example",
        .endpoint = { fixture_address("192.0.2.1"), 5061 } };
    static const uint32_t contradictions[] = { T_RELAY_NO_VERIFY | T_RELAY_VERIFY_DOMAIN,
        T_RELAY_CERT | T_RELAY_NO_CERT,
        T_RELAY_SNI | T_RELAY_NO_SNI, T_RELAY_NO_CONNECT | T_RELAY_NO_CONN_REUSE, T_RELAY_NO_VERIFY | T_RELAY_TRUST };
    for (size_t i = 0; i < ARRAY_SIZE(contradictions); i++) {
        struct flag_set flags = { .bits = contradictions[i], .cert = "ours", .sni = "a.example", .trust = "anchors" };
        assert_int_equal(build(own, found, &flags, &target, &requirement), REASON_FLAG_CONFLICT);
    }
    /* A value without its flag is nothing. */
    struct flag_set stray = { .bits = 0, .verify_domain = "b.example", .cert = "ours", .sni = "b.example",
        .trust = "others", .max_age_s = 1 };
    assert_int_equal(build(own, found, &stray, &target, &requirement), REASON_NONE);
    assert_string_equal(requirement.key.sni, "a.example");
    assert_int_equal(requirement.key.level, LEVEL_ENCRYPT);
    assert_false(requirement.key.credential_chain.is_set);
    assert_int_equal(requirement.terms.max_age_s, 0);
    policy_snapshot_unref(own);
}

static void lookup_none_stands_on_flags_that_ask_for_validation(void **state)
{
    (void)state;
    static const struct {
        const char *flags;
        enum reason reason;
    } tries[] = {
        { "lookup=none,verify-domain=a.example,trust=anchors", REASON_NONE },
        { "lookup=none,verify-chain,trust=anchors", REASON_NONE },
        { "lookup=none,verify-domain,trust=anchors", REASON_NO_EXPECTED_DOMAIN },
        { "lookup=none,verify-domain=a.example", REASON_UNKNOWN_TRUST_SET },
        { "lookup=none,verify-domain=a.example,trust=missing", REASON_UNKNOWN_TRUST_SET },
        { "lookup=none,trust=anchors", REASON_NONE },
        { "lookup=none,tls", REASON_NO_POLICY },
        { "lookup=none", REASON_NO_POLICY },
        { "lookup=none,no-verify", REASON_NO_POLICY },
        { "lookup=dst,verify-domain=a.example,trust=anchors", REASON_NO_POLICY },
        { "verify-domain=a.example,trust=anchors", REASON_NO_POLICY },
    };
    struct policy_snapshot *own = fixture_finish(fixture_builder());
    static const struct requirement_defaults defaults;
    struct requirement_target target = { .transport = TRANSPORT_TLS,
        .endpoint = { fixture_address("192.0.2.1"), 5061 } };
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        struct flag_set flags;
        struct requirement requirement;
        static const struct capabilities nothing;
        assert_int_equal(flags_parse(slice_of_string(tries[i].flags), &flags, NULL), 0);
        enum reason reason =
            requirement_build(own, NULL, &flags, &target, &nothing, &defaults, &requirement, NULL);
        if (reason != tries[i].reason)
            fail_msg("%s: %s", tries[i].flags, reason_word(reason));
        if (reason != REASON_NONE)
            continue;
        assert_true(requirement.key.level >= LEVEL_CHAIN && requirement.key.trust.is_set);
        assert_null(requirement.terms.row);
        assert_int_equal(requirement.terms.row_id, 0);
    }
    policy_snapshot_unref(own);
}

/* A row that no builder has seen is not trusted to be whole (INV-21). */
static void an_incomplete_row_builds_nothing(void **state)
{
    (void)state;
    struct requirement requirement;
    struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = "a.example",
        .endpoint = { fixture_address("192.0.2.1"), 5061 } };
    struct policy_snapshot *own = fixture_finish(fixture_builder());
    struct outbound_policy row = { .match = MATCH_DEFAULT };
    assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_POLICY_UNUSABLE);
    row = fixture_outbound(1, "a.example");
    row.certificate_name = "ours"; /* not resolved */
    assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_UNKNOWN_CERTIFICATE);
    row = fixture_outbound(1, "a.example");
    row.level = LEVEL_CHAIN;
    row.trust_set_name = "anchors";
    assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_UNKNOWN_TRUST_SET);
    row = fixture_outbound(1, "a.example");
    row.unusable = "spoilt";
    row.unusable_reason = REASON_POLICY_AMBIGUOUS;
    assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_POLICY_AMBIGUOUS);
    target.next_hop_domain = "not a name";
    row = fixture_outbound(1, "a.example");
    assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_POLICY_UNUSABLE);
    policy_snapshot_unref(own);
}

/* ADV-1 from the row's side: every column that shapes handshake or verdict makes another key. */

#define COLUMN(name, statement)                              \
    static void change_##name(struct outbound_policy *row)   \
    {                                                        \
        statement;                                           \
    }
COLUMN(nothing, row->id = 2)
COLUMN(level, row->level = LEVEL_CHAIN)
COLUMN(expected_domain, row->expected_domain = "b.example")
COLUMN(certificate, row->certificate_name = "theirs")
COLUMN(no_certificate, row->certificate_name = NULL)
COLUMN(trust_set, row->trust_set_name = "others")
COLUMN(send_sni, row->send_sni = false)
COLUMN(sni, row->sni = "s.example")
COLUMN(eku_mode, row->eku_mode = EKU_SIP5924)
COLUMN(cn_fallback, row->cn_fallback = true)
COLUMN(wildcard, row->wildcard = true)
COLUMN(crl, row->crl = REVOCATION_SOFT)
COLUMN(ocsp, row->ocsp = REVOCATION_SOFT)
COLUMN(tls_min, row->tls_min = TLS_VERSION_1_3)
COLUMN(tls_max, row->tls_max = TLS_VERSION_1_2)
COLUMN(ciphers, row->ciphers = "A:B")
COLUMN(other_ciphers, row->ciphers = "B:A")
COLUMN(isolation, row->isolation = "one")
COLUMN(other_isolation, row->isolation = "two")
COLUMN(pin, (row->pins = pins, row->pin_count = 1))
COLUMN(pins, (row->pins = pins, row->pin_count = 2))

/* INV-1, INV-7, INV-9, INV-10 */
static void every_column_of_the_key_makes_another_key(void **state)
{
    static void (*const columns[])(struct outbound_policy *row) = { change_nothing, change_level,
        change_expected_domain, change_certificate, change_no_certificate, change_trust_set, change_send_sni,
        change_sni, change_eku_mode, change_cn_fallback, change_wildcard, change_crl, change_ocsp, change_tls_min,
        change_tls_max, change_ciphers, change_other_ciphers, change_isolation, change_other_isolation, change_pin,
        change_pins };
    struct connection_key keys[ARRAY_SIZE(columns)];
    struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = "a.example",
        .endpoint = { fixture_address("192.0.2.1"), 5061 } };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        struct outbound_policy row = fixture_outbound(1, "a.example");
        struct policy_snapshot *own;
        struct requirement requirement;
        row.level = LEVEL_DOMAIN;
        row.trust_set_name = "anchors";
        row.certificate_name = "ours";
        columns[i](&row);
        const struct outbound_policy *found = plain_row(&own, &row);
        assert_int_equal(build(own, found, NULL, &target, &requirement), REASON_NONE);
        keys[i] = fixture_key_of(&requirement);
        assert_string_equal(requirement.key.ciphers, row.ciphers != NULL ? row.ciphers : "");
        assert_string_equal(requirement.key.isolation, row.isolation != NULL ? row.isolation : "");
        if (row.sni != NULL)
            assert_string_equal(requirement.key.sni, row.sni);
        policy_snapshot_unref(own);
    }
    for (size_t a = 0; a < ARRAY_SIZE(columns); a++)
        for (size_t b = 0; b < ARRAY_SIZE(columns); b++)
            if (connection_key_equal(&keys[a], &keys[b]) != (a == b))
                fail_msg("columns %zu and %zu", a, b);
}

/* The builder makes tombstones of these; nothing depends on that. */
COLUMN(level_unset, row->level = LEVEL_UNSET)
COLUMN(level_beyond, row->level = LEVEL_COUNT)
COLUMN(eku_unset, row->eku_mode = EKU_UNSET)
COLUMN(eku_beyond, row->eku_mode = EKU_COUNT)
COLUMN(crl_unset, row->crl = REVOCATION_UNSET)
COLUMN(crl_beyond, row->crl = REVOCATION_COUNT)
COLUMN(ocsp_unset, row->ocsp = REVOCATION_UNSET)
COLUMN(ocsp_beyond, row->ocsp = REVOCATION_COUNT)
COLUMN(min_unset, row->tls_min = TLS_VERSION_UNSET)
COLUMN(min_beyond, row->tls_min = TLS_VERSION_COUNT)
COLUMN(max_beyond, row->tls_max = TLS_VERSION_COUNT)
COLUMN(upgrade_unset, row->upgrade = UPGRADE_UNSET)
COLUMN(upgrade_beyond, row->upgrade = UPGRADE_COUNT)
COLUMN(weaken_unset, row->weaken = PERMISSION_UNSET)
COLUMN(weaken_beyond, row->weaken = PERMISSION_COUNT)
COLUMN(trust_flag_unset, row->trust_flag = PERMISSION_UNSET)
COLUMN(trust_flag_beyond, row->trust_flag = PERMISSION_COUNT)
COLUMN(too_many_pins, (row->pins = pins, row->pin_count = PINS_MAX + 1))

static void a_column_out_of_its_set_builds_nothing(void **state)
{
    static void (*const columns[])(struct outbound_policy *row) = { change_level_unset, change_level_beyond,
        change_eku_unset, change_eku_beyond, change_crl_unset, change_crl_beyond, change_ocsp_unset,
        change_ocsp_beyond, change_min_unset, change_min_beyond, change_max_beyond, change_upgrade_unset,
        change_upgrade_beyond, change_weaken_unset, change_weaken_beyond, change_trust_flag_unset,
        change_trust_flag_beyond, change_too_many_pins };
    struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = "a.example",
        .endpoint = { fixture_address("192.0.2.1"), 5061 } };
    char too_long[CIPHERS_SIZE + 1] = { 0 };
    struct requirement requirement;
    (void)state;
    struct policy_snapshot *own = fixture_finish(fixture_builder());
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        struct outbound_policy row = fixture_outbound(1, "a.example");
        assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_NONE);
        columns[i](&row);
        assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_POLICY_UNUSABLE);
    }
    memset(too_long, 'x', CIPHERS_SIZE);
    struct outbound_policy row = fixture_outbound(1, "a.example");
    row.ciphers = too_long;
    assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_POLICY_UNUSABLE);
    row.ciphers = too_long + 1;
    assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_NONE);
    row.isolation = too_long + CIPHERS_SIZE - ROW_NAME_SIZE;
    assert_int_equal(build(own, &row, NULL, &target, &requirement), REASON_POLICY_UNUSABLE);
    policy_snapshot_unref(own);
}

/* INV-23: the same question later. */
static void a_question_has_the_answer_of_its_snapshot(void **state)
{
    (void)state;
    static const struct policy_lookup_order order = { .count = 3, .steps = { LOOKUP_PEER, LOOKUP_DST, LOOKUP_ADDR } },
        none = { .is_none = true };
    const struct capabilities nothing = { .crl = false };
    const struct requirement_defaults defaults = { .max_age_s = 5 };
    struct requirement requirement, built;
    struct why why = WHY_NONE;
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy by_domain = fixture_outbound(1, "biloxi.example"), by_address = fixture_outbound(2, NULL),
        broken = fixture_outbound(3, "broken.example");
    by_address.name = "net";
    by_address.match = MATCH_ADDRESS;
    by_address.match_prefix = fixture_prefix("192.0.2.0/24");
    by_domain.isolation = "by-domain";
    broken.unusable = "a test says so";
    assert_int_equal(policy_builder_outbound(builder, &by_domain), 0);
    assert_int_equal(policy_builder_outbound(builder, &by_address), 0);
    assert_int_equal(policy_builder_outbound(builder, &broken), 0);
    struct policy_snapshot *here = fixture_finish(builder);
    struct requirement_question question = { .query = { .next_hop_domain = "biloxi.example" }, .order = &order,
        .target = { .transport = TRANSPORT_TLS, .endpoint = { fixture_address("192.0.2.1"), 5061 },
            .next_hop_domain = "biloxi.example" } };
    assert_int_equal(requirement_derive(here, &question, &nothing, &defaults, &requirement, &why), REASON_NONE);
    assert_string_equal(requirement.terms.row->name, "biloxi.example");
    assert_int_equal(requirement_build(here, requirement.terms.row, NULL, &question.target, &nothing, &defaults, &built,
        NULL), REASON_NONE);
    assert_memory_equal(&requirement, &built, sizeof(built));
    /* Without a row for the domain the address rules, which the question need not name twice. */
    question.query.next_hop_domain = "other.example";
    assert_int_equal(requirement_derive(here, &question, &nothing, &defaults, &requirement, &why), REASON_NONE);
    assert_string_equal(requirement.terms.row->name, "net");
    question.target.endpoint.address = fixture_address("198.51.100.1");
    assert_int_equal(requirement_derive(here, &question, &nothing, &defaults, &requirement, &why), REASON_NO_POLICY);
    question.query.next_hop_domain = "broken.example";
    assert_int_equal(requirement_derive(here, &question, &nothing, &defaults, &requirement, &why),
        REASON_POLICY_UNUSABLE);
    question.order = &none;
    assert_int_equal(requirement_derive(here, &question, &nothing, &defaults, &requirement, NULL), REASON_NO_POLICY);
    struct flag_set flags;
    assert_int_equal(flags_parse(SLICE_LITERAL("lookup=none,verify-domain,trust=anchors"), &flags, NULL), 0);
    question.flags = &flags;
    assert_int_equal(requirement_derive(here, &question, &nothing, &defaults, &requirement, NULL), REASON_NONE);
    assert_null(requirement.terms.row);
    assert_string_equal(requirement.key.expected_domain, "biloxi.example");
    question.target.transport = TRANSPORT_TCP;
    assert_int_equal(requirement_derive(here, &question, &nothing, &defaults, &requirement, NULL),
        REASON_PLAIN_TRANSPORT);
    policy_snapshot_unref(here);
}

static void a_row_answers_for_its_own_addresses_only(void **state)
{
    (void)state;
    static const struct policy_lookup_order order = { .count = 1, .steps = { LOOKUP_DST } };
    const struct capabilities nothing = { .crl = false };
    const struct requirement_defaults defaults = { .max_age_s = 5 };
    const struct endpoint addresses[] = { { fixture_address("192.0.2.1"), 5061 },
        { fixture_address("192.0.2.2"), 5061 } };
    struct requirement requirement;
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy fixed = fixture_outbound(1, "fixed.example"), named = fixture_outbound(2, "named.example");
    fixed.next_hops = addresses;
    fixed.next_hop_count = 2;
    assert_int_equal(policy_builder_outbound(builder, &fixed), 0);
    assert_int_equal(policy_builder_outbound(builder, &named), 0);
    struct policy_snapshot *here = fixture_finish(builder);
    static const struct {
        const char *domain, *address;
        bool is_address_of_row, is_answered;
    } trials[] = {
        { "fixed.example", "192.0.2.2", true, true },
        { "fixed.example", "192.0.2.2", false, true }, /* where the name service leads the row leads, too */
        { "fixed.example", "192.0.2.3", true, false },
        { "fixed.example", "192.0.2.3", false, false },
        { "named.example", "192.0.2.3", false, true },
        { "named.example", "192.0.2.3", true, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
        struct requirement_question question = { .query = { .next_hop_domain = trials[i].domain }, .order = &order,
            .target = { .transport = TRANSPORT_TLS, .endpoint = { fixture_address(trials[i].address), 5061 },
                .next_hop_domain = trials[i].domain },
            .is_address_of_row = trials[i].is_address_of_row };
        assert_int_equal(requirement_derive(here, &question, &nothing, &defaults, &requirement, NULL),
            trials[i].is_answered ? REASON_NONE : REASON_NO_ADDRESS);
    }
    policy_snapshot_unref(here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_under_every_flag),
        cmocka_unit_test(a_destination_has_one_form),
        cmocka_unit_test(nowhere_is_no_destination),
        cmocka_unit_test(terms_make_no_other_key),
        cmocka_unit_test(contradicting_flags_are_refused_whoever_made_them),
        cmocka_unit_test(lookup_none_stands_on_flags_that_ask_for_validation),
        cmocka_unit_test(an_incomplete_row_builds_nothing),
        cmocka_unit_test(every_column_of_the_key_makes_another_key),
        cmocka_unit_test(a_column_out_of_its_set_builds_nothing),
        cmocka_unit_test(a_question_has_the_answer_of_its_snapshot),
        cmocka_unit_test(a_row_answers_for_its_own_addresses_only),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, build_rows, free_rows);
}
