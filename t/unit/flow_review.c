/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_review.c - what proved a connection must hold today: an authority or certificate that is gone, and a chain that
 * does not pass any more, take it out of use (INV-38, INV-39, INV-40); what holds keeps it, until his certificates or
 * ours end (INV-37). Real TLS peers; the verdict can be replaced, and what it is asked is seen.
 */
#include "base/error.h"
#include "flow_bench.h"
#include "pkix/digest.h"
#include "pkix/verdict.h"

#include <stdlib.h>
#include <time.h>

static enum reason verdict_says;  /* NONE: what it really says */
static bool verdict_has_no_memory;
static int64_t verdict_ends;      /* what it says of the chain's end; 0: what it really says */
static unsigned verdicts;

int __real_verdict_take(const struct verdict_request *request, const struct certificate_chain *presented, int64_t now,
    struct verdict *verdict_r);
int __wrap_verdict_take(const struct verdict_request *request, const struct certificate_chain *presented, int64_t now,
    struct verdict *verdict_r);

int __wrap_verdict_take(const struct verdict_request *request, const struct certificate_chain *presented, int64_t now,
    struct verdict *verdict_r)
{
    verdicts++;
    if (verdict_has_no_memory)
        return ERROR_MEMORY;
    int rc = __real_verdict_take(request, presented, now, verdict_r);
    if (rc == 0 && verdict_says != REASON_NONE) {
        verdict_r->result = VERDICT_REFUSED;
        verdict_r->reason = verdict_says;
    }
    if (rc == 0 && verdict_ends != 0)
        verdict_r->chain_not_after = verdict_ends;
    return rc;
}

/* The policy, a part of which is missing or another one. */
struct world {
    bool lacks_certificate, has_other_authority, has_two_authorities;
    uint32_t revalidate_every_s;
    int64_t edge_ends, second_ends; /* the certificates that we show to who connects; 0: never, there is no second */
};
static const struct world everything;
static struct world world;

static struct outbound_policy row_of(int64_t id, const char *domain, enum level level)
{
    struct outbound_policy row = fixture_outbound(id, domain);
    row.level = level;
    row.expected_domain = level == LEVEL_DOMAIN ? "biloxi.example" : NULL;
    row.sni = "biloxi.example";
    row.trust_set_name = level >= LEVEL_CHAIN ? "federation" : NULL;
    return row;
}

static void rows(struct policy_builder *builder)
{
    struct policy_trust_set federation = bench_trust_set("federation",
        world.has_other_authority ? cast.other_root : cast.root, world.has_two_authorities ? cast.other_root : NULL);
    struct policy_credential credential = bench_credential("ours", &cast.ours);
    struct outbound_policy strict = row_of(1, "strict.example", LEVEL_DOMAIN),
                           lax = row_of(2, "lax.example", LEVEL_ENCRYPT),
                           mutual = row_of(3, "mutual.example", LEVEL_ENCRYPT),
                           often = row_of(4, "often.example", LEVEL_DOMAIN),
                           pinned = row_of(5, "pinned.example", LEVEL_CHAIN);
    uint8_t pin[1][DIGEST_SIZE];
    assert_int_equal(digest_sha256(&cast.alone.chain[0], 1, pin[0]), 0);
    pinned.trust_set_name = NULL;
    pinned.pins = pin;
    pinned.pin_count = 1;
    often.revalidate_every_s = world.revalidate_every_s;
    mutual.certificate_name = world.lacks_certificate ? NULL : "ours";
    struct server_profile profile = fixture_profile("edge", "edge", NULL);
    profile.certificate_names[0] = "edge";
    profile.certificate_names[1] = "second";
    profile.certificate_count = world.second_ends != 0 ? 2 : 1;
    profile.client_auth = CLIENT_AUTH_REQUEST;
    profile.trust_set_name = "federation";
    struct policy_credential edge = bench_credential("edge", &cast.biloxi),
                             second = bench_credential("second", &cast.theirs);
    edge.not_after = world.edge_ends != 0 ? world.edge_ends : INT64_MAX;
    second.not_after = world.second_ends;
    assert_int_equal(policy_builder_trust_set(builder, &federation), 0);
    assert_int_equal(policy_builder_credential(builder, &edge), 0);
    if (world.second_ends != 0)
        assert_int_equal(policy_builder_credential(builder, &second), 0);
    else
        bench_release_ops()->credential(second.credential);
    if (!world.lacks_certificate)
        assert_int_equal(policy_builder_credential(builder, &credential), 0);
    else
        bench_release_ops()->credential(credential.credential);
    assert_int_equal(policy_builder_outbound(builder, &strict), 0);
    assert_int_equal(policy_builder_outbound(builder, &lax), 0);
    assert_int_equal(policy_builder_outbound(builder, &mutual), 0);
    assert_int_equal(policy_builder_outbound(builder, &often), 0);
    assert_int_equal(policy_builder_outbound(builder, &pinned), 0);
    assert_int_equal(policy_builder_server_profile(builder, &profile), 0);
}

static struct bench_peer *begin_with(struct bench *bench, void (*change)(struct flow_pool_settings *settings))
{
    verdict_says = REASON_NONE;
    verdict_has_no_memory = false;
    verdict_ends = 0;
    world = everything;
    bench_init(bench, change);
    bench->is_answered = true;
    bench_policy(bench, rows);
    return BENCH_PEER(bench, .identity = &cast.biloxi, .verify = PEER_VERIFY_REQUEST);
}

static struct bench_peer *begin(struct bench *bench)
{
    return begin_with(bench, NULL);
}

/* Opens what DOMAIN needs, as outcome number INDEX. */
static void open_one(struct bench *bench, const struct bench_peer *peer, const char *domain, unsigned index)
{
    (void)bench_ask(bench, peer, domain, NULL, "x");
    bench_until_done(bench, index + 1);
    bench_expect(bench, index, DECISION_OPEN, REASON_NONE);
    fixture_settle(bench->loop);
}

static void expect_reuse(struct bench *bench, const struct bench_peer *peer, const char *domain, unsigned index)
{
    (void)bench_ask(bench, peer, domain, NULL, "y");
    bench_until_done(bench, index + 1);
    bench_expect(bench, index, DECISION_REUSE, REASON_NONE);
}

static void an_authority_that_is_gone(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    open_one(&bench, peer, "strict.example", 0);
    open_one(&bench, peer, "lax.example", 1);
    verdicts = 0;
    world.has_two_authorities = true; /* other anchors: another set */
    bench_policy(&bench, rows);
    fixture_until_count(bench.loop, &bench.closed, 1);
    assert_int_equal(bench.ended.generation, bench.outcomes[0].handle.generation);
    assert_int_equal(verdicts, 0); /* whom nobody doubts is not verified */
    expect_reuse(&bench, peer, "lax.example", 2);
    open_one(&bench, peer, "strict.example", 3);
    bench_fini(&bench);
}

static void what_is_under_way_is_let_finish(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    bench.is_answered = false;
    open_one(&bench, peer, "strict.example", 0);
    world.has_other_authority = true;
    bench_policy(&bench, rows);
    for (unsigned i = 0; i < 30; i++) /* some looks at all connections later */
        loop_turn(bench.loop, true);
    assert_int_equal(bench.closed, 0);
    assert_true(connection_facts_is_withdrawn(bench.outcomes[0].facts));
    bench_answer(&bench, 0);
    fixture_until_count(bench.loop, &bench.closed, 1);
    bench_fini(&bench);
}

/* It says nothing of what the peer has proven. */
static void a_certificate_of_ours_that_is_gone(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    bench.is_answered = false;
    open_one(&bench, peer, "mutual.example", 0);
    bench.is_answered = true;
    open_one(&bench, peer, "strict.example", 1);
    world.lacks_certificate = true;
    bench_policy(&bench, rows);
    for (unsigned i = 0; i < 30; i++)
        loop_turn(bench.loop, true);
    assert_false(connection_facts_is_withdrawn(bench.outcomes[0].facts));
    bench_answer(&bench, 0);
    fixture_until_count(bench.loop, &bench.closed, 1);
    assert_int_equal(bench.ended.generation, bench.outcomes[0].handle.generation);
    expect_reuse(&bench, peer, "strict.example", 2);
    bench_fini(&bench);
}

/* INV-41 */
static void a_policy_that_changes_nothing_ends_nothing(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    open_one(&bench, peer, "strict.example", 0);
    open_one(&bench, peer, "mutual.example", 1);
    bench_policy(&bench, rows);
    flow_pool_renew(bench.pool, RELOAD_REVALIDATE);
    verdicts = 0;
    while (verdicts == 0)
        loop_turn(bench.loop, true);
    assert_int_equal(verdicts, 1); /* who was to prove nothing is not asked now */
    expect_reuse(&bench, peer, "strict.example", 2);
    expect_reuse(&bench, peer, "mutual.example", 3);
    assert_int_equal(bench.closed, 0);
    assert_int_equal(peer->accepted, 2);
    bench_fini(&bench);
}

/* A pin proves without any authority: none can be gone, and the certificate is judged by the pin again. */
static void a_pin_stands_for_an_authority(void **state)
{
    (void)state;
    struct bench bench;
    (void)begin(&bench);
    struct bench_peer *peer = BENCH_PEER(&bench, .identity = &cast.alone);
    open_one(&bench, peer, "pinned.example", 0);
    world.has_other_authority = true;
    bench_policy(&bench, rows);
    fixture_settle(bench.loop);
    expect_reuse(&bench, peer, "pinned.example", 1);
    verdicts = 0;
    flow_pool_renew(bench.pool, RELOAD_REVALIDATE);
    while (verdicts == 0)
        loop_turn(bench.loop, true);
    fixture_settle(bench.loop);
    expect_reuse(&bench, peer, "pinned.example", 2);
    assert_int_equal(bench.closed, 0);
    bench_fini(&bench);
}

/* REASON in a verdict that is taken when there are requests without an answer. */
static void revalidate_while_busy(enum reason reason, bool ends_at_once)
{
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    bench.is_answered = false;
    open_one(&bench, peer, "strict.example", 0);
    verdict_says = reason;
    verdicts = 0;
    flow_pool_renew(bench.pool, RELOAD_REVALIDATE);
    while (verdicts == 0)
        loop_turn(bench.loop, true);
    fixture_settle(bench.loop);
    assert_int_equal(bench.closed, ends_at_once ? 1 : 0);
    assert_true(connection_facts_is_withdrawn(bench.outcomes[0].facts)); /* nor is the peer served by it */
    verdict_says = REASON_NONE;
    open_one(&bench, peer, "strict.example", 1); /* no new request uses it */
    bench_answer(&bench, 0);
    bench_answer(&bench, 1);
    fixture_until_count(bench.loop, &bench.closed, 1);
    assert_int_equal(bench.ended.generation, bench.outcomes[0].handle.generation);
    bench_fini(&bench);
}

static void a_chain_that_does_not_pass_any_more(void **state)
{
    (void)state;
    revalidate_while_busy(REASON_CHAIN_UNTRUSTED, false);
    revalidate_while_busy(REASON_REVOCATION_UNKNOWN, false);
    revalidate_while_busy(REASON_REVOKED, true);
}

static void without_memory_nothing_is_known(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    open_one(&bench, peer, "strict.example", 0);
    verdict_has_no_memory = true;
    verdicts = 0;
    flow_pool_renew(bench.pool, RELOAD_REVALIDATE);
    while (verdicts < 3) /* it is asked again */
        loop_turn(bench.loop, true);
    assert_int_equal(bench.closed, 0);
    verdict_has_no_memory = false;
    verdicts = 0;
    while (verdicts == 0)
        loop_turn(bench.loop, true);
    expect_reuse(&bench, peer, "strict.example", 1);
    bench_fini(&bench);
}

/* More than the second after which a verdict is due. */
static void let_time_pass(struct bench *bench)
{
    const struct timespec time = { .tv_sec = 1, .tv_nsec = 100000000 };
    assert_int_equal(nanosleep(&time, NULL), 0);
    loop_turn(bench->loop, true);
    loop_turn(bench->loop, true);
}

static void a_row_wants_it_often(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    world.revalidate_every_s = 1;
    bench_policy(&bench, rows);
    open_one(&bench, peer, "strict.example", 0);
    verdicts = 0;
    let_time_pass(&bench);
    assert_int_equal(verdicts, 0); /* nobody who uses it asks for that */
    expect_reuse(&bench, peer, "often.example", 1); /* the same key */
    assert_true(bench_is_same(&bench, 0, 1));
    assert_int_equal(verdicts, 1); /* before its request is on it */
    verdicts = 0;
    while (verdicts < 2) /* and then again and again */
        loop_turn(bench.loop, true);
    assert_int_equal(bench.closed, 0);
    verdict_says = REASON_CHAIN_INVALID;
    fixture_until_count(bench.loop, &bench.closed, 1);
    bench_fini(&bench);
}

static void a_request_finds_out_that_it_is_over(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench);
    world.revalidate_every_s = 1;
    bench_policy(&bench, rows);
    open_one(&bench, peer, "strict.example", 0);
    let_time_pass(&bench);
    verdict_says = REASON_CHAIN_INVALID;
    (void)bench_ask(&bench, peer, "often.example", NULL, "secret");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 1, DECISION_REUSE, REASON_VERDICT_STALE); /* the relay step decides anew */
    verdict_says = REASON_NONE;
    open_one(&bench, peer, "often.example", 2);
    assert_false(bench_is_same(&bench, 0, 2));
    assert_true(slice_equal(bench_heard(peer, 0), SLICE_LITERAL("x")));
    bench_fini(&bench);
}

static void who_called_us_is_proven_anew_likewise(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        struct bench bench;
        (void)begin(&bench);
        struct bench_peer *callers = bench_peer(&bench, NULL, false);
        const struct peer_options known = { .identity = &cast.caller }, nobody = { .identity = NULL };
        bench_call(callers, &known, false);
        bench_call(callers, &nobody, false);
        while (flow_pool_counts(bench.pool).accepted < 2)
            loop_turn(bench.loop, true);
        fixture_settle(bench.loop);
        assert_int_equal(flow_pool_counts(bench.pool).classes[FLOW_ACCEPTED_VERIFIED], 1);
        verdicts = 0;
        if (round == 0) { /* its authority is gone */
            world.has_other_authority = true;
            bench_policy(&bench, rows);
        } else {
            verdict_says = round == 1 ? REASON_NONE : REASON_CHAIN_INVALID;
            flow_pool_renew(bench.pool, RELOAD_REVALIDATE);
            while (verdicts == 0)
                loop_turn(bench.loop, true);
            assert_int_equal(verdicts, 1);
        }
        if (round != 1)
            fixture_until_count(bench.loop, &bench.closed, 1);
        fixture_settle(bench.loop);
        assert_int_equal(flow_pool_counts(bench.pool).classes[FLOW_ACCEPTED_VERIFIED], round == 1 ? 1 : 0);
        assert_int_equal(flow_pool_counts(bench.pool).classes[FLOW_ACCEPTED], 1);
        bench_fini(&bench);
    }
}

/* What the pool has of who connected. */
struct callers {
    unsigned count;
    int64_t deadline; /* of the last one */
    char certificate[ROW_NAME_SIZE]; /* that we showed to him */
};

static void note_caller(void *arg, const struct flow_status *status)
{
    struct callers *callers = arg;
    if (!status->is_accepted || status->facts == NULL)
        return;
    callers->count++;
    callers->deadline = status->deadline;
    memcpy(callers->certificate, status->facts->credential, sizeof(callers->certificate));
}

static struct callers callers_of(const struct bench *bench)
{
    struct callers callers = { .count = 0 };
    flow_pool_visit(bench->pool, note_caller, &callers);
    return callers;
}

/* Connects when the policy is as WORLD says; what the pool has of him. */
static struct callers let_call(struct bench *bench, const struct peer_options *options)
{
    struct bench_peer *callers = bench_peer(bench, NULL, false);
    uint64_t ended = flow_pool_counts(bench->pool).accepted + flow_pool_counts(bench->pool).failed;
    bench_policy(bench, rows);
    bench_call(callers, options, options == NULL);
    while (flow_pool_counts(bench->pool).accepted + flow_pool_counts(bench->pool).failed == ended)
        loop_turn(bench->loop, true);
    return callers_of(bench);
}

enum { SKEW_S = 5 };

/* Of his chain and our certificate whichever ends first, before any clock could say so (INV-37). */
static void who_called_us_stays_until_a_certificate_ends(void **state)
{
    (void)state;
    const struct peer_options known = { .identity = &cast.caller }, nobody = { .identity = NULL };
    for (unsigned round = 0; round < 5; round++) {
        struct bench bench;
        (void)begin(&bench);
        int64_t now = loop_wall_s(bench.loop);
        verdict_ends = now + (round == 2 ? 100 : 300);
        world.edge_ends = round == 3 ? 0 : now + 200;
        struct callers callers = let_call(&bench, round == 0 ? NULL : round == 1 ? &nobody : &known);
        assert_int_equal(callers.count, 1);
        if (round == 0)
            assert_true(callers.deadline == INT64_MAX); /* without TLS */
        else
            assert_int_equal(callers.deadline, now - SKEW_S + (round == 2 ? 100 : round == 3 ? 300 : 200));
        bench_fini(&bench);
    }
}

/* A later look at his chain takes time from him, and gives none. */
static void who_called_us_stays_as_long_as_the_path_of_today(void **state)
{
    (void)state;
    static const int ends[] = { 100, 50, 80, 20 }, expected[] = { 100, 50, 50, 20 };
    const struct peer_options known = { .identity = &cast.caller };
    struct bench bench;
    (void)begin(&bench);
    int64_t now = loop_wall_s(bench.loop);
    world.edge_ends = now + 200;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        verdict_ends = now + ends[i];
        verdicts = 0;
        if (i == 0)
            (void)let_call(&bench, &known);
        else
            flow_pool_renew(bench.pool, RELOAD_REVALIDATE);
        while (verdicts == 0)
            loop_turn(bench.loop, true);
        assert_int_equal(callers_of(&bench).deadline, now - SKEW_S + expected[i]);
    }
    assert_int_equal(bench.closed, 0);
    verdict_ends = now + SKEW_S;
    flow_pool_renew(bench.pool, RELOAD_REVALIDATE);
    fixture_until_count(bench.loop, &bench.closed, 1);
    bench_fini(&bench);
}

/* The certificate that ends now is passed over for the next one; if there is none, or it is his that ends, nobody is
 * let in. */
static void what_a_certificate_ends_at_once_is_not_let_in(void **state)
{
    (void)state;
    const struct peer_options known = { .identity = &cast.caller }, nobody = { .identity = NULL };
    for (unsigned round = 0; round < 3; round++) {
        struct bench bench;
        (void)begin(&bench);
        int64_t now = loop_wall_s(bench.loop);
        world.edge_ends = round < 2 ? now + SKEW_S : 0;
        world.second_ends = round == 0 ? now + 100 : 0;
        verdict_ends = round == 2 ? now + SKEW_S : 0;
        struct callers callers = let_call(&bench, round < 2 ? &nobody : &known);
        assert_int_equal(callers.count, round == 0 ? 1 : 0);
        if (round == 0) {
            assert_string_equal(callers.certificate, "second");
            assert_int_equal(callers.deadline, now - SKEW_S + 100);
        }
        assert_int_equal(flow_pool_counts(bench.pool).accepted, round == 0 ? 1 : 0);
        bench_fini(&bench);
    }
}

static void the_modes_of_a_reload(void **state)
{
    (void)state;
    for (unsigned mode = RELOAD_MODE_UNSET; mode <= RELOAD_MODE_COUNT; mode++) {
        struct bench bench;
        struct bench_peer *peer = begin(&bench);
        bench.is_answered = false;
        open_one(&bench, peer, "strict.example", 0);
        open_one(&bench, peer, "lax.example", 1);
        print_message("# %s\n", reload_mode_name((enum reload_mode)mode));
        flow_pool_renew(bench.pool, (enum reload_mode)mode);
        bool is_kept = mode == RELOAD_REVALIDATE, is_finished = is_kept || mode == RELOAD_DRAIN;
        assert_int_equal(bench.closed, is_finished ? 0 : 2);
        (void)bench_ask(&bench, peer, "strict.example", NULL, "y");
        bench_until_done(&bench, 3);
        bench_expect(&bench, 2, is_kept ? DECISION_REUSE : DECISION_OPEN, REASON_NONE);
        for (unsigned i = 0; i < 3; i++)
            bench_answer(&bench, i);
        if (mode == RELOAD_DRAIN)
            fixture_until_count(bench.loop, &bench.closed, 2);
        bench_fini(&bench);
    }
}

static void room_for_many(struct flow_pool_settings *settings)
{
    settings->max[FLOW_OPENED_VERIFIED] = 32;
}

static void a_turn_has_a_few_verdicts_only(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin_with(&bench, room_for_many);
    bench.is_answered = false;
    for (unsigned i = 0; i < 15; i++) {
        (void)bench_ask(&bench, peer, "strict.example", "no-conn-reuse", "x");
        bench_until_done(&bench, i + 1);
        bench_expect(&bench, i, DECISION_OPEN, REASON_NONE);
    }
    fixture_settle(bench.loop);
    verdicts = 0;
    for (unsigned i = 0; i < 3; i++)
        flow_pool_renew(bench.pool, RELOAD_REVALIDATE); /* however often it is asked for */
    while (verdicts == 0)
        loop_turn(bench.loop, true);
    assert_int_equal(verdicts, 10);
    fixture_until_count(bench.loop, &verdicts, 15);
    for (unsigned i = 0; i < 5; i++)
        loop_turn(bench.loop, true);
    assert_int_equal(verdicts, 15);
    for (unsigned i = 0; i < 15; i++)
        bench_answer(&bench, i);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_authority_that_is_gone),
        cmocka_unit_test(a_pin_stands_for_an_authority),
        cmocka_unit_test(what_is_under_way_is_let_finish),
        cmocka_unit_test(a_certificate_of_ours_that_is_gone),
        cmocka_unit_test(a_policy_that_changes_nothing_ends_nothing),
        cmocka_unit_test(a_chain_that_does_not_pass_any_more),
        cmocka_unit_test(without_memory_nothing_is_known),
        cmocka_unit_test(a_row_wants_it_often),
        cmocka_unit_test(a_request_finds_out_that_it_is_over),
        cmocka_unit_test(who_called_us_is_proven_anew_likewise),
        cmocka_unit_test(who_called_us_stays_until_a_certificate_ends),
        cmocka_unit_test(who_called_us_stays_as_long_as_the_path_of_today),
        cmocka_unit_test(what_a_certificate_ends_at_once_is_not_let_in),
        cmocka_unit_test(the_modes_of_a_reload),
        cmocka_unit_test(a_turn_has_a_few_verdicts_only),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, bench_make_cast, bench_free_cast);
}
