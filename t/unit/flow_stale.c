/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_stale.c - a handshake that ends after the policy changed is published only if the policy of today yields the
 * very same key for somebody who waits for it (INV-22, INV-23); whoever is given another key, or none, is told so and
 * nothing of his is sent (ADV-35, ADV-50, ADV-52). */
#include "flow_bench.h"

#include <string.h>

/* One change of the policy while the handshake is under way. */
struct change {
    const char *what;
    void (*row)(struct outbound_policy *row);            /* of the row that rules */
    void (*builder)(struct policy_builder *builder);     /* beside it */
    const struct pki_certificate *const *anchor;         /* instead of the root */
    const struct identity *certificate;                  /* instead of ours */
    bool is_gone;                                        /* the row */
    bool is_harmless;
};

static const struct change *change; /* NULL: the policy at first */

static void add_material(struct policy_builder *builder)
{
    bool has_anchor = change != NULL && change->anchor != NULL;
    bool has_certificate = change != NULL && change->certificate != NULL;
    const struct identity *certificate = has_certificate ? change->certificate : &cast.ours;
    struct policy_trust_set federation = bench_trust_set("federation", has_anchor ? *change->anchor : cast.root, NULL),
        second = bench_trust_set("second", cast.root, cast.other_root);
    struct policy_credential atlanta = bench_credential("atlanta", certificate),
        second_certificate = bench_credential("second", &cast.theirs);
    assert_int_equal(policy_builder_trust_set(builder, &federation), 0);
    assert_int_equal(policy_builder_trust_set(builder, &second), 0);
    assert_int_equal(policy_builder_credential(builder, &atlanta), 0);
    assert_int_equal(policy_builder_credential(builder, &second_certificate), 0);
}

static void rows(struct policy_builder *builder)
{
    struct outbound_policy row = fixture_outbound(1, "biloxi.example"), same = fixture_outbound(2, "same.example"),
        suffix = fixture_outbound(3, "example");
    add_material(builder);
    row.level = same.level = suffix.level = LEVEL_DOMAIN;
    row.trust_set_name = same.trust_set_name = suffix.trust_set_name = "federation";
    row.certificate_name = same.certificate_name = "atlanta";
    same.expected_domain = "biloxi.example";
    suffix.match = MATCH_SUFFIX;
    if (change != NULL && change->row != NULL)
        change->row(&row);
    if (change == NULL || !change->is_gone)
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
    assert_int_equal(policy_builder_outbound(builder, &same), 0);
    assert_int_equal(policy_builder_outbound(builder, &suffix), 0);
    if (change != NULL && change->builder != NULL)
        change->builder(builder);
}

#define CHANGE(name, ...)                             \
    static void name(struct outbound_policy *row)     \
    {                                                 \
        __VA_ARGS__;                                  \
    }
CHANGE(lower_level, row->level = LEVEL_CHAIN)
CHANGE(lowest_level, row->level = LEVEL_ENCRYPT)
CHANGE(other_domain, row->expected_domain = "chicago.example")
CHANGE(other_sni, row->sni = "sip.biloxi.example")
CHANGE(no_sni, row->send_sni = false)
CHANGE(other_trust, row->trust_set_name = "second")
CHANGE(other_certificate, row->certificate_name = "second")
CHANGE(no_certificate, row->certificate_name = NULL)
CHANGE(eku, row->eku_mode = EKU_SIP5924)
CHANGE(common_name, row->cn_fallback = true)
CHANGE(wildcard, row->wildcard = true)
CHANGE(crl, row->crl = REVOCATION_SOFT)
CHANGE(crl_hard, row->crl = REVOCATION_HARD)
CHANGE(ocsp, row->ocsp = REVOCATION_SOFT)
CHANGE(floor_version, row->tls_min = TLS_VERSION_1_3)
CHANGE(ceiling_version, row->tls_max = TLS_VERSION_1_2)
CHANGE(suites, row->ciphers = "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
CHANGE(isolation, row->isolation = "tenant")
CHANGE(unusable, row->unusable = "a test says so")
CHANGE(ages, row->max_age_s = 100, row->idle_timeout_s = 50, row->upgrade = UPGRADE_NEVER, row->name = "renamed")

CHANGE(no_reuse, row->reuse = false)

static void pin(struct outbound_policy *row)
{
    static const uint8_t pins[1][DIGEST_SIZE] = { { 1 } };
    row->pins = pins;
    row->pin_count = 1;
}

static void moved(struct outbound_policy *row)
{
    static struct endpoint elsewhere;
    elsewhere = (struct endpoint){ fixture_address("192.0.2.7"), 5061 };
    row->next_hops = &elsewhere;
    row->next_hop_count = 1;
}

static void add_other_row(struct policy_builder *builder)
{
    struct outbound_policy row = fixture_outbound(9, "unrelated.example");
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
}

static void add_twin(struct policy_builder *builder)
{
    struct outbound_policy row = fixture_outbound(9, "biloxi.example");
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
}

static const struct change changes[] = {
    { "level chain", .row = lower_level },
    { "level encrypt", .row = lowest_level },
    { "another expected domain", .row = other_domain },
    { "another server name", .row = other_sni },
    { "no server name", .row = no_sni },
    { "another trust set", .row = other_trust },
    { "another certificate", .row = other_certificate },
    { "no certificate", .row = no_certificate },
    { "eku mode", .row = eku },
    { "common names", .row = common_name },
    { "wildcards", .row = wildcard },
    { "crl soft", .row = crl },
    { "crl hard", .row = crl_hard },
    { "ocsp soft", .row = ocsp },
    { "TLS 1.3 only", .row = floor_version },
    { "TLS 1.2 only", .row = ceiling_version },
    { "other suites", .row = suites },
    { "a pin", .row = pin },
    { "a tenant of its own", .row = isolation },
    { "a row that cannot be used", .row = unusable },
    { "addresses of its own", .row = moved },
    { "an ambiguous row", .builder = add_twin },
    { "no row but that of the suffix", .is_gone = true },
    { "another anchor under the name", .anchor = (const struct pki_certificate *const *)&cast.other_root },
    { "another certificate under the name", .certificate = &cast.theirs },
    { "other terms of use", .row = ages, .is_harmless = true },
    { "another row", .builder = add_other_row, .is_harmless = true },
    { "nothing", .is_harmless = true },
};

static void expect_silence(const struct bench_peer *peer)
{
    for (unsigned i = 0; i < peer->accepted; i++)
        assert_int_equal(bench_heard(peer, i).length, 0);
}

static struct bench_peer *mute_peer(struct bench *bench)
{
    const struct peer_options options = { .is_server = true, .identity = &cast.biloxi, .verify = PEER_VERIFY_REQUEST };
    return bench_peer(bench, &options, true);
}

static void until_accepted(struct bench *bench, struct bench_peer *peer, unsigned count)
{
    fixture_until_count(bench->loop, &peer->accepted, count);
    fixture_settle(bench->loop);
}

static void only_todays_key_is_published(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct bench bench;
        bench_init(&bench, NULL);
        change = NULL;
        bench_policy(&bench, rows);
        struct bench_peer *peer = mute_peer(&bench);
        struct placement *placement = bench_ask(&bench, peer, "biloxi.example", NULL, "secret");
        assert_non_null(placement);
        until_accepted(&bench, peer, 1);
        change = &changes[i];
        bench_policy(&bench, rows);
        assert_int_equal(bench.done, 0);
        print_message("# %s\n", change->what);
        bench_peer_speak(peer);
        bench_until_done(&bench, 1);
        bench_expect(&bench, 0, DECISION_OPEN, change->is_harmless ? REASON_NONE : REASON_VERDICT_STALE);
        struct flow_pool_counts counts = flow_pool_counts(bench.pool);
        assert_int_equal(counts.connections, change->is_harmless ? 1 : 0);
        fixture_settle(bench.loop);
        if (!change->is_harmless)
            expect_silence(peer);
        /* The peer is not to blame: today's key, whichever it is, does not back off for it. */
        (void)bench_ask(&bench, peer, "biloxi.example", NULL, "second");
        bench_until_done(&bench, 2);
        assert_int_not_equal(bench.outcomes[1].reason, REASON_BACKOFF);
        bench_fini(&bench);
    }
    change = NULL;
}

/* One request for each of DOMAINS, "first" to "third", waits for one handshake, which goes on when the policy has
 * changed to THEN; all have their outcome. */
static struct bench_peer *three_wait(struct bench *bench, const char *const domains[3], const struct change *then)
{
    static const char *const texts[] = { "first", "second", "third" };
    bench_init(bench, NULL);
    change = NULL;
    bench_policy(bench, rows);
    struct bench_peer *peer = mute_peer(bench);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        (void)bench_ask(bench, peer, domains[i], NULL, texts[i]);
    until_accepted(bench, peer, 1);
    change = then;
    bench_policy(bench, rows);
    bench_peer_speak(peer);
    bench_until_done(bench, ARRAY_SIZE(texts));
    return peer;
}

static void expect_first_heard(const struct bench *bench, const struct bench_peer *peer, const char *text)
{
    while (bench_heard(peer, 0).length < strlen(text))
        loop_turn(bench->loop, true);
    fixture_settle(bench->loop);
    assert_true(slice_equal(bench_heard(peer, 0), slice_of_string(text)));
}

static void who_waits_is_asked_on_his_own(void **state)
{
    (void)state;
    static const struct change away = { "no row but that of the suffix", .is_gone = true };
    static const char *const domains[] = { "biloxi.example", "same.example", "biloxi.example" };
    struct bench bench;
    struct bench_peer *peer = three_wait(&bench, domains, &away);
    bench_expect(&bench, 0, DECISION_JOIN, REASON_NONE);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_VERDICT_STALE);
    bench_expect(&bench, 2, DECISION_JOIN, REASON_VERDICT_STALE);
    expect_first_heard(&bench, peer, "second");
    assert_int_equal(peer->accepted, 1);
    bench_fini(&bench);
    change = NULL;
}

static const struct change own = { "a connection for each", .row = no_reuse };

/* The row says so while all wait: the one that opened it has it for itself. */
static void who_may_share_no_more_is_alone(void **state)
{
    (void)state;
    static const char *const domains[] = { "biloxi.example", "biloxi.example", "same.example" };
    struct bench bench;
    struct bench_peer *peer = three_wait(&bench, domains, &own);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    bench_expect(&bench, 1, DECISION_JOIN, REASON_VERDICT_STALE);
    bench_expect(&bench, 2, DECISION_JOIN, REASON_VERDICT_STALE);
    expect_first_heard(&bench, peer, "first");
    (void)bench_ask(&bench, peer, "same.example", NULL, "fourth");
    bench_until_done(&bench, 4);
    bench_expect(&bench, 3, DECISION_OPEN, REASON_NONE);
    assert_false(bench_is_same(&bench, 0, 3));
    bench_fini(&bench);
    change = NULL;
}

static void who_may_share_no_more_waits_no_more(void **state)
{
    (void)state;
    static const char *const domains[] = { "same.example", "biloxi.example", "same.example" };
    struct bench bench;
    struct bench_peer *peer = three_wait(&bench, domains, &own);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    bench_expect(&bench, 1, DECISION_JOIN, REASON_NONE);
    bench_expect(&bench, 2, DECISION_JOIN, REASON_VERDICT_STALE);
    expect_first_heard(&bench, peer, "firstthird");
    (void)bench_ask(&bench, peer, "same.example", NULL, "fourth");
    bench_expect(&bench, 3, DECISION_REUSE, REASON_NONE);
    bench_fini(&bench);
    change = NULL;
}

static void a_failure_under_the_old_policy_is_not_the_new_ones(void **state)
{
    (void)state;
    static const struct change other = { "another anchor",
        .anchor = (const struct pki_certificate *const *)&cast.other_root };
    struct bench bench;
    bench_init(&bench, NULL);
    change = &other;
    bench_policy(&bench, rows);
    struct bench_peer *peer = mute_peer(&bench);
    (void)bench_ask(&bench, peer, "biloxi.example", NULL, "secret");
    until_accepted(&bench, peer, 1);
    change = NULL;
    bench_policy(&bench, rows);
    bench_peer_speak(peer);
    bench_until_done(&bench, 1);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_VERDICT_STALE);
    (void)bench_ask(&bench, peer, "biloxi.example", NULL, "again");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_NONE);
    assert_int_equal(bench_heard(peer, 0).length, 0);
    bench_fini(&bench);
}

/* INV-28: between the requirement and the pool. */
static void a_request_of_yesterday_is_not_placed(void **state)
{
    (void)state;
    static const struct change away = { "another anchor",
        .anchor = (const struct pki_certificate *const *)&cast.other_root };
    struct bench bench;
    bench_init(&bench, NULL);
    change = NULL;
    bench_policy(&bench, rows);
    struct bench_peer *peer = BENCH_PEER(&bench, .identity = &cast.biloxi);
    (void)bench_ask(&bench, peer, "biloxi.example", NULL, "x");
    bench_until_done(&bench, 1);
    struct policy_snapshot *yesterday = policy_snapshot_ref(bench.snapshot);
    change = &away;
    bench_policy(&bench, rows);
    struct policy_snapshot *today = bench.snapshot;
    bench.snapshot = yesterday;
    (void)bench_ask(&bench, peer, "biloxi.example", NULL, "y");
    bench_expect(&bench, 1, DECISION_REJECT, REASON_VERDICT_STALE);
    bench.snapshot = today;
    /* What a request brings is not older than what it was built from: the pool learns from it. */
    struct bench second;
    bench_init(&second, NULL);
    policy_snapshot_unref(second.snapshot);
    second.snapshot = policy_snapshot_ref(today);
    peer = BENCH_PEER(&second, .identity = &cast.biloxi);
    (void)bench_ask(&second, peer, "biloxi.example", NULL, "x");
    policy_snapshot_unref(second.snapshot);
    second.snapshot = policy_snapshot_ref(yesterday);
    (void)bench_ask(&second, peer, "biloxi.example", NULL, "y");
    bench_expect(&second, 0, DECISION_REJECT, REASON_VERDICT_STALE);
    bench_fini(&second);
    policy_snapshot_unref(yesterday);
    bench_fini(&bench);
    change = NULL;
}

static void a_request_without_its_question_is_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, NULL);
    change = NULL;
    bench_policy(&bench, rows);
    struct bench_peer *peer = mute_peer(&bench);
    struct placement *placement = bench_ask(&bench, peer, "biloxi.example", NULL, "secret");
    demand_unref(placement->demand);
    placement->demand = NULL;
    until_accepted(&bench, peer, 1);
    bench_policy(&bench, rows);
    bench_peer_speak(peer);
    bench_until_done(&bench, 1);
    bench_expect(&bench, 0, DECISION_OPEN, REASON_VERDICT_STALE);
    fixture_settle(bench.loop);
    expect_silence(peer);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_todays_key_is_published),
        cmocka_unit_test(who_waits_is_asked_on_his_own),
        cmocka_unit_test(who_may_share_no_more_is_alone),
        cmocka_unit_test(who_may_share_no_more_waits_no_more),
        cmocka_unit_test(a_failure_under_the_old_policy_is_not_the_new_ones),
        cmocka_unit_test(a_request_of_yesterday_is_not_placed),
        cmocka_unit_test(a_request_without_its_question_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, bench_make_cast, bench_free_cast);
}
