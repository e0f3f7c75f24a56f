/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_snapshot.c - a row that cannot be used keeps its place as a refusal, and says why in trelay.problem (INV-47);
 * what the edge hands in is given back exactly once. */
#include "policy_fixture.h"

#include "policy/row_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *problem_of(const struct policy_snapshot *snapshot, const char *kind, const char *name)
{
    for (size_t i = 0; i < policy_snapshot_problem_count(snapshot); i++) {
        struct policy_problem problem = policy_snapshot_problem(snapshot, i);
        if (strcmp(problem.kind, kind) == 0 && strcmp(problem.name, name) == 0)
            return problem.text;
    }
    return NULL;
}

static enum lookup_result look_up(const struct policy_snapshot *snapshot, const char *domain, const char *address,
    const struct outbound_policy **row_r, enum reason *reason_r)
{
    struct policy_lookup_order order = policy_lookup_order_default();
    struct address parsed;
    if (address != NULL)
        parsed = fixture_address(address);
    struct policy_query query = { .next_hop_domain = domain, .address = address != NULL ? &parsed : NULL };
    return policy_lookup(snapshot, &query, &order, row_r, reason_r);
}

static void assert_refused(const struct policy_snapshot *snapshot, const char *domain, enum reason reason)
{
    const struct outbound_policy *row = NULL;
    enum reason given;
    assert_int_equal(look_up(snapshot, domain, "192.0.2.1", &row, &given), LOOKUP_RESULT_REFUSED);
    assert_non_null(row);
    assert_non_null(row->unusable);
    assert_int_equal(given, reason);
}

static void the_empty_snapshot_refuses_everything(void **state)
{
    (void)state;
    struct policy_snapshot *snapshot = NULL;
    const struct outbound_policy *row = (const struct outbound_policy *)1;
    enum reason reason;
    assert_int_equal(policy_snapshot_empty(&snapshot), 0);
    assert_int_equal(look_up(snapshot, "biloxi.example", "192.0.2.1", &row, &reason), LOOKUP_RESULT_NONE);
    assert_null(row);
    assert_int_equal(reason, REASON_NO_POLICY);
    struct peer_facts facts = { .address = fixture_address("192.0.2.1") };
    assert_null(policy_peer(snapshot, &facts));
    assert_null(policy_server_profile(snapshot, "tls", NULL));
    assert_null(policy_server_profile(snapshot, "tls", "a.example"));
    assert_null(policy_snapshot_trust_set(snapshot, "anchors"));
    assert_null(policy_snapshot_credential(snapshot, NULL));
    assert_int_equal(policy_snapshot_problem_count(snapshot), 0);
    assert_string_equal(policy_snapshot_problem(snapshot, 0).text, "");
    policy_snapshot_unref(snapshot);
    policy_snapshot_unref(NULL);
}

/* One column spoilt: what is spoilt, and part of what the problem says. */
struct spoiling {
    const char *what;
    void (*spoil)(struct outbound_policy *row);
    const char *says;
};

#define SPOIL(name, statement)                              \
    static void spoil_##name(struct outbound_policy *row)   \
    {                                                       \
        statement;                                          \
    }
static const struct endpoint no_port[1];
SPOIL(loader, row->unusable = "the loader said so")
SPOIL(level, row->level = LEVEL_UNSET)
SPOIL(level_beyond, row->level = LEVEL_COUNT)
SPOIL(eku, row->eku_mode = EKU_UNSET)
SPOIL(crl, row->crl = REVOCATION_UNSET)
SPOIL(ocsp, row->ocsp = (enum revocation)99)
SPOIL(tls_min, row->tls_min = TLS_VERSION_UNSET)
SPOIL(tls_max, row->tls_max = (enum tls_version)99)
SPOIL(versions, (row->tls_min = TLS_VERSION_1_3, row->tls_max = TLS_VERSION_1_2))
SPOIL(upgrade, row->upgrade = UPGRADE_UNSET)
SPOIL(weaken, row->weaken = PERMISSION_UNSET)
SPOIL(trust_flag, row->trust_flag = PERMISSION_UNSET)
SPOIL(scheme, row->scheme = SCHEME_UNSET)
SPOIL(certificate, row->certificate_name = "nobody's")
SPOIL(broken_certificate, row->certificate_name = "broken")
SPOIL(expired_certificate, row->certificate_name = "expired")
SPOIL(trust, row->trust_set_name = "nobody's")
SPOIL(broken_trust, row->trust_set_name = "broken")
SPOIL(chain_without_trust, row->level = LEVEL_CHAIN)
SPOIL(domain_without_trust, row->level = LEVEL_DOMAIN)
SPOIL(expected, row->expected_domain = "192.0.2.1")
SPOIL(expected_empty, row->expected_domain = "")
SPOIL(sni, row->sni = "b\xc3\xbc.example")
SPOIL(isolation, row->isolation = "tenant one")
SPOIL(ciphers, row->ciphers = "")
SPOIL(crl_below_chain, row->crl = REVOCATION_HARD)
SPOIL(ocsp_below_chain, row->ocsp = REVOCATION_HARD)
SPOIL(next_hop, (row->next_hops = no_port, row->next_hop_count = 1))

static const uint8_t five_pins[5][DIGEST_SIZE];
SPOIL(pins_below_chain, (row->pins = five_pins, row->pin_count = 1))
SPOIL(pins, (row->pins = five_pins, row->pin_count = 5, row->level = LEVEL_CHAIN))

static const struct spoiling spoilings[] = {
    { "loader", spoil_loader, "the loader said so" },
    { "level", spoil_level, "NULL" },
    { "level-beyond", spoil_level_beyond, "unknown value" },
    { "eku", spoil_eku, "NULL" },
    { "crl", spoil_crl, "NULL" },
    { "ocsp", spoil_ocsp, "NULL" },
    { "tls-min", spoil_tls_min, "NULL" },
    { "tls-max", spoil_tls_max, "NULL" },
    { "versions", spoil_versions, "tls_max is below" },
    { "upgrade", spoil_upgrade, "NULL" },
    { "weaken", spoil_weaken, "NULL" },
    { "trust-flag", spoil_trust_flag, "NULL" },
    { "scheme", spoil_scheme, "NULL" },
    { "certificate", spoil_certificate, "nobody's" },
    { "broken-certificate", spoil_broken_certificate, "broken" },
    { "expired-certificate", spoil_expired_certificate, "expired" },
    { "trust", spoil_trust, "nobody's" },
    { "broken-trust", spoil_broken_trust, "broken" },
    { "chain-without-trust", spoil_chain_without_trust, "trust set" },
    { "domain-without-trust", spoil_domain_without_trust, "trust set" },
    { "expected", spoil_expected, "expected_domain" },
    { "expected-empty", spoil_expected_empty, "expected_domain" },
    { "sni", spoil_sni, "sni" },
    { "isolation", spoil_isolation, "isolation" },
    { "ciphers", spoil_ciphers, "ciphers" },
    { "crl-below-chain", spoil_crl_below_chain, "revocation" },
    { "ocsp-below-chain", spoil_ocsp_below_chain, "revocation" },
    { "next-hop", spoil_next_hop, "next hop" },
    { "pins-below-chain", spoil_pins_below_chain, "pins" },
    { "pins", spoil_pins, "pins" },
};

static struct policy_builder *builder_with_broken_objects(void)
{
    struct policy_builder *builder = fixture_builder();
    struct policy_trust_set broken_trust = fixture_trust_set("broken", 3);
    struct policy_credential broken = fixture_credential("broken", 3), expired = fixture_credential("expired", 4);
    broken_trust.store = NULL;
    broken.unusable = "the key is not the certificate's";
    expired.not_after = FIXTURE_LOADED_AT;
    assert_int_equal(policy_builder_trust_set(builder, &broken_trust), 0);
    assert_int_equal(policy_builder_credential(builder, &broken), 0);
    assert_int_equal(policy_builder_credential(builder, &expired), 0);
    return builder;
}

static void each_spoilt_column_makes_a_tombstone(void **state)
{
    (void)state;
    struct policy_builder *builder = builder_with_broken_objects();
    char domains[ARRAY_SIZE(spoilings)][64];
    for (size_t i = 0; i < ARRAY_SIZE(spoilings); i++) {
        snprintf(domains[i], sizeof(domains[i]), "%s.example", spoilings[i].what);
        struct outbound_policy row = fixture_outbound((int64_t)i + 1, domains[i]);
        spoilings[i].spoil(&row);
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
    }
    /* What they must not fall through to. */
    struct outbound_policy rest = fixture_outbound(1000, "example");
    rest.match = MATCH_SUFFIX;
    assert_int_equal(policy_builder_outbound(builder, &rest), 0);
    rest = fixture_outbound(1001, NULL);
    rest.match = MATCH_DEFAULT;
    assert_int_equal(policy_builder_outbound(builder, &rest), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    for (size_t i = 0; i < ARRAY_SIZE(spoilings); i++) {
        assert_refused(snapshot, domains[i], REASON_POLICY_UNUSABLE);
        const char *text = problem_of(snapshot, "outbound_policy", domains[i]);
        if (text == NULL || strstr(text, spoilings[i].says) == NULL)
            fail_msg("%s: %s", domains[i], text != NULL ? text : "no problem");
    }
    assert_int_equal(policy_snapshot_counts(snapshot).unusable, ARRAY_SIZE(spoilings) + 3);
    const struct outbound_policy *row;
    enum reason reason;
    assert_int_equal(look_up(snapshot, "fine.example", NULL, &row, &reason), LOOKUP_RESULT_HIT);
    assert_int_equal(row->id, 1000);
    policy_snapshot_unref(snapshot);
}

static void a_row_as_it_should_be_is_usable(void **state)
{
    (void)state;
    static const uint8_t pins[4][DIGEST_SIZE] = { { 4 }, { 3 }, { 2 }, { 1 } };
    struct policy_builder *builder = fixture_builder();
    struct endpoint hops[2] = { { fixture_address("192.0.2.1"), 5061 }, { fixture_address("2001:db8::1"), 5061 } };
    struct outbound_policy full = fixture_outbound(1, "Full.Example.");
    full.level = LEVEL_DOMAIN;
    full.expected_domain = "Hub.Example";
    full.sni = "SNI.Example.";
    full.trust_set_name = "anchors";
    full.certificate_name = "ours";
    full.isolation = "tenant-1";
    full.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
    full.crl = full.ocsp = REVOCATION_HARD;
    full.tls_max = TLS_VERSION_1_3;
    full.next_hops = hops;
    full.next_hop_count = 2;
    full.pins = pins;
    full.pin_count = 4;
    assert_int_equal(policy_builder_outbound(builder, &full), 0);
    memset(hops, 0, sizeof(hops)); /* everything was copied */
    struct policy_snapshot *snapshot = fixture_finish(builder);
    const struct outbound_policy *row;
    enum reason reason;
    assert_int_equal(look_up(snapshot, "full.example", NULL, &row, &reason), LOOKUP_RESULT_HIT);
    assert_int_equal(reason, REASON_NONE);
    assert_null(row->unusable);
    assert_string_equal(row->match_name, "full.example");
    assert_string_equal(row->expected_domain, "hub.example");
    assert_string_equal(row->sni, "sni.example");
    assert_ptr_equal(row->trust_set, policy_snapshot_trust_set(snapshot, "anchors"));
    assert_ptr_equal(row->credential, policy_snapshot_credential(snapshot, "ours"));
    assert_int_equal(row->next_hops[1].port, 5061);
    assert_int_equal(row->pins[3][0], 1);
    assert_int_equal(policy_snapshot_counts(snapshot).unusable, 0);
    assert_int_equal(policy_snapshot_generation(snapshot), 7);
    assert_int_equal(policy_snapshot_loaded_at(snapshot), FIXTURE_LOADED_AT);
    assert_true(policy_snapshot_memory(snapshot) > sizeof(struct outbound_policy));
    policy_snapshot_unref(snapshot);
}

static void add_ranked(struct policy_builder *builder, int64_t id, const char *domain, int32_t priority)
{
    struct outbound_policy row = fixture_outbound(id, domain);
    row.priority = priority;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
}

static void two_rows_of_one_match_and_priority_are_both_unusable(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    add_ranked(builder, 1, "twins.example", 100);
    add_ranked(builder, 2, "Twins.Example.", 100);
    add_ranked(builder, 3, "twins.example", 200); /* never rules, and is no way out */
    add_ranked(builder, 4, "ranked.example", 20);
    add_ranked(builder, 5, "ranked.example", 10);
    add_ranked(builder, 6, "ranked.example", 20);
    add_ranked(builder, 7, "ranked.example", -30000);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    const struct outbound_policy *row;
    enum reason reason;
    assert_refused(snapshot, "twins.example", REASON_POLICY_AMBIGUOUS);
    assert_int_equal(look_up(snapshot, "ranked.example", NULL, &row, &reason), LOOKUP_RESULT_HIT);
    assert_int_equal(row->id, 7);
    assert_int_equal(policy_snapshot_counts(snapshot).unusable, 4);
    assert_int_equal(policy_snapshot_problem_count(snapshot), 4);
    assert_non_null(strstr(problem_of(snapshot, "outbound_policy", "ranked.example"), "same match and priority"));
    policy_snapshot_unref(snapshot);
}

static void every_kind_of_match_can_be_ambiguous(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    for (int twin = 0; twin < 2; twin++) {
        struct outbound_policy row = fixture_outbound(10 + twin, "suffix.example");
        row.match = MATCH_SUFFIX;
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
        row = fixture_outbound(20 + twin, "source.example");
        row.match = MATCH_SOURCE;
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
        row = fixture_outbound(30 + twin, "partner");
        row.match = MATCH_PEER;
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
        row = fixture_outbound(40 + twin, NULL);
        row.match = MATCH_ADDRESS;
        row.match_prefix = fixture_prefix("192.0.2.0/24");
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
        row = fixture_outbound(50 + twin, NULL);
        row.match = MATCH_DEFAULT;
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
    }
    struct policy_snapshot *snapshot = fixture_finish(builder);
    assert_int_equal(policy_snapshot_counts(snapshot).unusable, 10);
    static const enum lookup steps[] = { LOOKUP_DST, LOOKUP_SRC, LOOKUP_PEER, LOOKUP_ADDR, LOOKUP_DEFAULT };
    struct address address = fixture_address("192.0.2.77");
    struct policy_query query = { .next_hop_domain = "a.suffix.example", .source_domain = "source.example",
        .peer = "partner", .address = &address };
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct policy_lookup_order order = { .count = 2, .steps = { (uint8_t)steps[i], LOOKUP_DEFAULT } };
        const struct outbound_policy *row;
        enum reason reason;
        assert_int_equal(policy_lookup(snapshot, &query, &order, &row, &reason), LOOKUP_RESULT_REFUSED);
        assert_int_equal(reason, REASON_POLICY_AMBIGUOUS);
    }
    policy_snapshot_unref(snapshot);
}

static void a_tombstone_beside_a_sound_row_of_its_rank_spoils_both(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy row = fixture_outbound(1, "a.example");
    row.unusable = "the loader said so";
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    add_ranked(builder, 2, "a.example", 100);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    assert_int_equal(policy_snapshot_counts(snapshot).unusable, 2);
    const struct outbound_policy *found;
    enum reason reason;
    assert_int_equal(look_up(snapshot, "a.example", NULL, &found, &reason), LOOKUP_RESULT_REFUSED);
    policy_snapshot_unref(snapshot);
}

static void objects_of_one_name_are_both_unusable(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    struct policy_trust_set twin = fixture_trust_set("anchors", 5);
    struct policy_credential twin_key = fixture_credential("ours", 5);
    assert_int_equal(policy_builder_trust_set(builder, &twin), 0);
    assert_int_equal(policy_builder_credential(builder, &twin_key), 0);
    struct outbound_policy row = fixture_outbound(1, "a.example");
    row.level = LEVEL_CHAIN;
    row.trust_set_name = "anchors";
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    assert_non_null(policy_snapshot_trust_set(snapshot, "anchors")->unusable);
    assert_non_null(policy_snapshot_credential(snapshot, "ours")->unusable);
    assert_null(policy_snapshot_trust_set(snapshot, "others")->unusable);
    assert_refused(snapshot, "a.example", REASON_POLICY_UNUSABLE);
    assert_int_equal(policy_snapshot_counts(snapshot).unusable, 5);
    policy_snapshot_unref(snapshot);
}

/* A name that no request can have reaches nobody; it does not become a row for everybody. */
static void rows_that_match_no_name_match_nothing(void **state)
{
    (void)state;
    static const char *const names[] = { "192.0.2.1", "*.example", "a..example", "", NULL };
    struct policy_builder *builder = fixture_builder();
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct outbound_policy row = fixture_outbound((int64_t)i, names[i]);
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
    }
    struct outbound_policy row = fixture_outbound(90, "x.example");
    row.match = MATCH_UNSET;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    row.match = (enum policy_match)77;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    assert_int_equal(policy_snapshot_counts(snapshot).unusable, ARRAY_SIZE(names) + 2);
    const struct outbound_policy *found;
    enum reason reason;
    assert_int_equal(look_up(snapshot, "x.example", "192.0.2.1", &found, &reason), LOOKUP_RESULT_NONE);
    assert_int_equal(look_up(snapshot, "", "192.0.2.1", &found, &reason), LOOKUP_RESULT_NONE);
    assert_int_equal(look_up(snapshot, NULL, "192.0.2.1", &found, &reason), LOOKUP_RESULT_NONE);
    policy_snapshot_unref(snapshot);
}

/* Host bits in a prefix: what the row may have meant is refused. */
static void a_prefix_with_host_bits_refuses_its_network(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy row = fixture_outbound(1, NULL);
    row.match = MATCH_ADDRESS;
    row.match_prefix = fixture_prefix("192.0.2.0/24");
    row.match_prefix.address.bytes[3] = 1;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    row = fixture_outbound(2, NULL);
    row.match = MATCH_DEFAULT;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    const struct outbound_policy *found;
    enum reason reason;
    assert_int_equal(look_up(snapshot, NULL, "192.0.2.200", &found, &reason), LOOKUP_RESULT_REFUSED);
    assert_int_equal(look_up(snapshot, NULL, "192.0.3.200", &found, &reason), LOOKUP_RESULT_HIT);
    policy_snapshot_unref(snapshot);
}

static void the_order_of_look_ups_is_kept(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    add_ranked(builder, 1, "hop.example", 100);
    add_ranked(builder, 2, "ruri.example", 100);
    struct outbound_policy row = fixture_outbound(3, NULL);
    row.match = MATCH_ADDRESS;
    row.match_prefix = fixture_prefix("192.0.2.0/24");
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    struct address address = fixture_address("192.0.2.1");
    struct policy_query query = { .next_hop_domain = "hop.example", .request_domain = "ruri.example" };
    const struct outbound_policy *found;
    enum reason reason;
    struct policy_lookup_order order;

    assert_int_equal(policy_lookup_order_parse(SLICE_LITERAL("ruri+dst"), &order, NULL), 0);
    assert_int_equal(policy_lookup(snapshot, &query, &order, &found, &reason), LOOKUP_RESULT_HIT);
    assert_int_equal(found->id, 2);
    assert_int_equal(policy_lookup_order_parse(SLICE_LITERAL("src+peer+dst+ruri"), &order, NULL), 0);
    assert_int_equal(policy_lookup(snapshot, &query, &order, &found, &reason), LOOKUP_RESULT_HIT);
    assert_int_equal(found->id, 1);
    assert_int_equal(policy_lookup_order_parse(SLICE_LITERAL("addr+dst"), &order, NULL), 0);
    assert_int_equal(policy_lookup(snapshot, &query, &order, &found, &reason), LOOKUP_RESULT_NEEDS_ADDRESS);
    assert_null(found);
    query.address = &address;
    assert_int_equal(policy_lookup(snapshot, &query, &order, &found, &reason), LOOKUP_RESULT_HIT);
    assert_int_equal(found->id, 3);
    address.family = ADDRESS_NONE; /* an address that is none matches no prefix */
    assert_int_equal(policy_lookup(snapshot, &query, &order, &found, &reason), LOOKUP_RESULT_HIT);
    assert_int_equal(found->id, 1);
    assert_int_equal(policy_lookup_order_parse(SLICE_LITERAL("none"), &order, NULL), 0);
    assert_int_equal(policy_lookup(snapshot, &query, &order, &found, &reason), LOOKUP_RESULT_NONE);
    order = (struct policy_lookup_order){ .count = 2, .steps = { 99, 0 } };
    assert_int_equal(policy_lookup(snapshot, &query, &order, &found, &reason), LOOKUP_RESULT_NONE);
    assert_int_equal(reason, REASON_NO_POLICY);
    policy_snapshot_unref(snapshot);
}

/* IDS in this order; the row of each is found, unless another one of its match is ahead of it. */
static void assert_found_by_id(const int64_t *ids, size_t count)
{
    struct policy_builder *builder = fixture_builder();
    for (size_t i = 0; i < count; i++) {
        char domain[32];
        snprintf(domain, sizeof(domain), "d%d.example", (int)ids[i]);
        add_ranked(builder, ids[i], domain, 100);
    }
    add_ranked(builder, 1000, "d7.example", 99);
    add_ranked(builder, 1001, "twice.example", 5);
    add_ranked(builder, 1002, "twice.example", 5);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    for (size_t i = 0; i < count; i++) {
        const struct outbound_policy *row = policy_snapshot_outbound(snapshot, ids[i]);
        assert_int_equal(row == NULL, ids[i] == 7);
        assert_true(row == NULL || row->id == ids[i]);
        assert_true(row == NULL || row->unusable == NULL);
    }
    assert_int_equal(policy_snapshot_outbound(snapshot, 1000)->id, 1000);
    const struct outbound_policy *ambiguous = policy_snapshot_outbound(snapshot, 1001);
    assert_true(ambiguous != NULL && ambiguous->unusable != NULL);
    static const int64_t missing[] = { INT64_MIN, -1, 0, 8, 1003, INT64_MAX };
    for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
        assert_null(policy_snapshot_outbound(snapshot, missing[i]));
    assert_true(policy_snapshot_memory(snapshot) > 0);
    policy_snapshot_unref(snapshot);
}

static void a_row_is_found_by_its_id_while_it_rules(void **state)
{
    (void)state;
    static const int64_t in_order[] = { 1, 2, 7, 9, 30 }, in_none[] = { 9, 30, 7, 1, 2 };
    assert_found_by_id(in_order, ARRAY_SIZE(in_order));
    assert_found_by_id(in_none, ARRAY_SIZE(in_none));
    assert_found_by_id(in_order, 0);
    struct policy_snapshot *empty;
    assert_int_equal(policy_snapshot_empty(&empty), 0);
    assert_null(policy_snapshot_outbound(empty, 1));
    assert_int_equal(policy_snapshot_dialog_secrets(empty)->count, 0);
    policy_snapshot_unref(empty);
}

static void two_secrets_of_dialogs_are_kept(void **state)
{
    (void)state;
    static const char text[] = "0123456789abcdef0123456789ABCDEFfedcba9876543210fedcba9876543210.";
    struct slice longest = slice_of(text, DIALOG_SECRET_MAX);
    struct policy_builder *builder = fixture_builder();
    assert_int_equal(policy_builder_dialog_secret(builder, slice_first(longest, DIALOG_SECRET_MIN - 1)), ERROR_LIMIT);
    assert_int_equal(policy_builder_dialog_secret(builder, slice_of(text, DIALOG_SECRET_MAX + 1)), ERROR_LIMIT);
    assert_int_equal(policy_builder_dialog_secret(builder, SLICE_ABSENT), ERROR_LIMIT);
    assert_int_equal(policy_builder_dialog_secret(builder, longest), 0);
    assert_int_equal(policy_builder_dialog_secret(builder, slice_first(longest, DIALOG_SECRET_MIN)), 0);
    assert_int_equal(policy_builder_dialog_secret(builder, longest), ERROR_LIMIT);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    const struct dialog_secrets *secrets = policy_snapshot_dialog_secrets(snapshot);
    assert_int_equal(secrets->count, 2);
    assert_int_equal(secrets->secrets[0].length, DIALOG_SECRET_MAX);
    assert_memory_equal(secrets->secrets[0].bytes, text, DIALOG_SECRET_MAX);
    assert_int_equal(secrets->secrets[1].length, DIALOG_SECRET_MIN);
    policy_snapshot_unref(snapshot);
}

static void initial_only_without_a_secret_is_told_once(void **state)
{
    (void)state;
    static const char secret[] = "0123456789abcdef0123456789ABCDEF";
    for (unsigned has_secret = 0; has_secret < 2; has_secret++) {
        struct policy_builder *builder = fixture_builder();
        for (int64_t id = 1; id <= 3; id++) {
            static const char *const domains[] = { "a.example", "b.example", "c.example" };
            struct outbound_policy row = fixture_outbound(id, domains[id - 1]);
            row.initial_only = id > 1;
            assert_int_equal(policy_builder_outbound(builder, &row), 0);
        }
        if (has_secret)
            assert_int_equal(policy_builder_dialog_secret(builder, slice_of(secret, DIALOG_SECRET_MIN)), 0);
        struct policy_snapshot *snapshot = fixture_finish(builder);
        assert_int_equal(policy_snapshot_problem_count(snapshot), has_secret ? 0 : 1);
        if (!has_secret)
            assert_string_equal(policy_snapshot_problem(snapshot, 0).name, "b.example");
        assert_int_equal(policy_snapshot_counts(snapshot).unusable, 0);
        policy_snapshot_unref(snapshot);
    }
}

static void what_was_taken_is_given_back_once(void **state)
{
    (void)state;
    fixture_forget_releases();
    struct policy_builder *builder = builder_with_broken_objects();
    policy_builder_free(builder);
    assert_int_equal(fixture_released().trust_stores, 2); /* "broken" had none */
    assert_int_equal(fixture_released().credentials, 4);
    fixture_forget_releases();
    struct policy_snapshot *snapshot = fixture_finish(builder_with_broken_objects());
    assert_ptr_equal(policy_snapshot_ref(snapshot), snapshot);
    policy_snapshot_unref(snapshot);
    assert_int_equal(fixture_released().trust_stores, 0);
    policy_snapshot_unref(snapshot);
    assert_int_equal(fixture_released().trust_stores, 2);
    assert_int_equal(fixture_released().credentials, 4);
    policy_builder_free(NULL);
}

static void problems_of_the_loader_are_kept_in_order(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    char kind[] = "crl", text[] = "cannot be read";
    assert_int_equal(policy_builder_problem(builder, kind, "first", text), 0);
    memset(kind, 'x', sizeof(kind) - 1);
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(policy_builder_problem(builder, "peer", NULL, "second"), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    assert_int_equal(policy_snapshot_problem_count(snapshot), 2);
    assert_string_equal(problem_of(snapshot, "crl", "first"), "cannot be read");
    assert_string_equal(policy_snapshot_problem(snapshot, 1).text, "second");
    policy_snapshot_unref(snapshot);
}

static void a_spoilt_server_profile_keeps_its_place(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    struct server_profile rows[4];
    static const char *const names[] = { "a.example", "b.example", "c.example", "d.example" };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        rows[i] = fixture_profile(names[i], "tls", names[i]);
    rows[0].unusable = "the loader said so";
    rows[1].client_auth = CLIENT_AUTH_UNSET;
    rows[2].client_auth = CLIENT_AUTH_REQUIRE; /* of whom? there is no trust set */
    rows[3].certificate_names[0] = "missing";
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(policy_builder_server_profile(builder, &rows[i]), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_non_null(policy_server_profile(snapshot, "tls", names[i])->unusable);
    policy_snapshot_unref(snapshot);
}

static void a_route_leads_to_a_sip_uri_or_is_unusable(void **state)
{
    (void)state;
    static const struct {
        const char *name, *next_hop;
        bool is_usable;
    } rows[] = {
        { "request", NULL, true }, { "host", "sip:edge.example", true }, { "sips", "sips:[2001:db8::1]:5061", true },
        { "all", "sip:x@edge.example:5070;transport=tls;lr", true }, { "empty", "", false },
        { "open", "sip:[::1", false }, { "port", "sip:x:99999", false }, { "letter", "sip:\303\274.example", false },
        { "tel", "tel:+15551234", false }, { "other", "https://edge.example", false },
        { "name", "edge.example", false },
    };
    struct policy_builder *builder = fixture_builder();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct route row = fixture_route((int64_t)i, "a.example");
        row.name = rows[i].name;
        row.next_hop = rows[i].next_hop;
        assert_int_equal(policy_builder_route(builder, &row), 0);
    }
    struct policy_snapshot *snapshot = fixture_finish(builder);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *problem = problem_of(snapshot, "route", rows[i].name);
        if (rows[i].is_usable != (problem == NULL))
            fail_msg("%s: %s", rows[i].name, problem != NULL ? problem : "usable");
        assert_true(problem == NULL || strcmp(problem, "next_hop is no SIP URI") == 0);
    }
    policy_snapshot_unref(snapshot);
}

/* Names whose hashes agree in the half that a slot keeps: the full comparison tells them apart (INV-2). */

enum { NAMES = 1200000 };

static struct index_key number_key(const void *rows, uint32_t number, struct index_scratch *scratch)
{
    int length = snprintf(scratch->bytes, sizeof(scratch->bytes), "n%u", ((const unsigned *)rows)[number]);
    return (struct index_key){ .kind = 1, .a = slice_of(scratch->bytes, (size_t)length) };
}

static int by_check(const void *left, const void *right)
{
    const struct row_slot *a = left, *b = right;
    return a->check < b->check ? -1 : a->check > b->check;
}

static uint32_t home_of(const struct row_index *index)
{
    uint32_t at = 0;
    while (index->slots[at].first == ROW_NONE)
        at++;
    return at;
}

static void colliding_hashes_find_their_own_row(void **state)
{
    (void)state;
    unsigned *numbers = calloc(NAMES, sizeof(*numbers)), pairs = 0;
    struct row_index all = { 0 };
    assert_non_null(numbers);
    for (unsigned i = 0; i < NAMES; i++)
        numbers[i] = i;
    assert_int_equal(row_index_init(&all, NAMES, 1, number_key, numbers), 0);
    for (uint32_t i = 0; i < NAMES; i++)
        row_index_add(&all, i);
    qsort(all.slots, (size_t)all.mask + 1, sizeof(*all.slots), by_check);
    for (uint32_t i = 1; i <= all.mask; i++) {
        if (all.slots[i].check != all.slots[i - 1].check || all.slots[i].first == ROW_NONE ||
            all.slots[i - 1].first == ROW_NONE)
            continue;
        const unsigned pair[2] = { all.slots[i - 1].first, all.slots[i].first };
        struct index_scratch scratch;
        struct row_index two = { 0 };
        assert_int_equal(row_index_init(&two, 2, 1, number_key, pair), 0);
        row_index_add(&two, 1);
        uint32_t home = home_of(&two);
        row_index_fini(&two);
        assert_int_equal(row_index_init(&two, 2, 1, number_key, pair), 0);
        row_index_add(&two, 0);
        pairs += home_of(&two) == home; /* the question meets the other's slot */
        struct index_key other = number_key(pair, 1, &scratch);
        assert_int_equal(row_index_find(&two, &other), ROW_NONE);
        row_index_add(&two, 1);
        assert_int_equal(row_index_find(&two, &other), 1);
        assert_int_equal(row_index_next(&two, 1), ROW_NONE);
        row_index_fini(&two);
    }
    assert_true(pairs > 3);
    row_index_fini(&all);
    free(numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_empty_snapshot_refuses_everything),
        cmocka_unit_test(each_spoilt_column_makes_a_tombstone),
        cmocka_unit_test(a_row_as_it_should_be_is_usable),
        cmocka_unit_test(two_rows_of_one_match_and_priority_are_both_unusable),
        cmocka_unit_test(every_kind_of_match_can_be_ambiguous),
        cmocka_unit_test(a_tombstone_beside_a_sound_row_of_its_rank_spoils_both),
        cmocka_unit_test(objects_of_one_name_are_both_unusable),
        cmocka_unit_test(rows_that_match_no_name_match_nothing),
        cmocka_unit_test(a_prefix_with_host_bits_refuses_its_network),
        cmocka_unit_test(the_order_of_look_ups_is_kept),
        cmocka_unit_test(what_was_taken_is_given_back_once),
        cmocka_unit_test(a_spoilt_server_profile_keeps_its_place),
        cmocka_unit_test(a_row_is_found_by_its_id_while_it_rules),
        cmocka_unit_test(two_secrets_of_dialogs_are_kept),
        cmocka_unit_test(initial_only_without_a_secret_is_told_once),
        cmocka_unit_test(a_route_leads_to_a_sip_uri_or_is_unusable),
        cmocka_unit_test(colliding_hashes_find_their_own_row),
        cmocka_unit_test(problems_of_the_loader_are_kept_in_order),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
