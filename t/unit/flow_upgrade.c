/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_upgrade.c - an unverified connection is verified anew and serves from then on under its new key, if every
 * condition of INV-35 holds, and otherwise stays what it was (INV-36, ADV-44, ADV-45, ADV-48). Real TLS peers; each
 * condition is broken in turn. What the library says of a finished handshake can be replaced. */
#include "base/error.h"
#include "flow_bench.h"
#include "tls/tls_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int __real_tls_session_facts(const struct tls_session *session, struct tls_session_facts *facts_r);
int __wrap_tls_session_facts(const struct tls_session *session, struct tls_session_facts *facts_r);

static bool was_resumed; /* the library says so */

int __wrap_tls_session_facts(const struct tls_session *session, struct tls_session_facts *facts_r)
{
    int rc = __real_tls_session_facts(session, facts_r);
    if (rc == 0 && was_resumed)
        facts_r->was_resumed = true;
    return rc;
}

static struct pki_certificate *evil_root, *intermediate, *constrained, *no_ca;
static struct identity biloxi, both;

static struct identity leaf_of(struct pki_certificate *issuer, struct pki_certificate *chain, const char *names,
    const char *usage, int64_t not_after)
{
    return bench_identity(PKI_MAKE(.subject = "CN=peer", .issuer = issuer, .names = names, .extended_key_usage = usage,
                              .not_after = not_after), chain);
}

static int make_identities(void **state)
{
    (void)bench_make_cast(state);
    evil_root = PKI_MAKE(.subject = "CN=root", .is_ca = true); /* of the same name */
    intermediate = PKI_MAKE(.subject = "CN=intermediate", .issuer = cast.root, .is_ca = true);
    constrained = PKI_MAKE(.subject = "CN=constrained", .issuer = cast.root, .is_ca = true,
        .name_constraints = "critical,permitted;URI:.elsewhere.example,permitted;DNS:elsewhere.example");
    no_ca = PKI_MAKE(.subject = "CN=no ca", .issuer = cast.root, .basic_constraints = "critical,CA:FALSE");
    biloxi = leaf_of(intermediate, intermediate, "URI:sip:biloxi.example", NULL, 0);
    both = leaf_of(cast.root, NULL, "URI:sip:biloxi.example,URI:sip:chicago.example", NULL, 0);
    return 0;
}

static int free_identities(void **state)
{
    struct identity *identities[] = { &biloxi, &both };
    struct pki_certificate *authorities[] = { evil_root, intermediate, constrained, no_ca };
    for (size_t i = 0; i < ARRAY_SIZE(identities); i++)
        bench_identity_fini(identities[i]);
    for (size_t i = 0; i < ARRAY_SIZE(authorities); i++)
        pki_free(authorities[i]);
    return bench_free_cast(state);
}

static const struct pki_certificate *anchor; /* of the trust set */

/* All send the server name biloxi.example; "lax" proves nothing, the others all that is said of them. */
static struct outbound_policy row_of(int64_t id, const char *domain, enum level level, const char *expected)
{
    struct outbound_policy row = fixture_outbound(id, domain);
    row.level = level;
    row.expected_domain = expected;
    row.sni = "biloxi.example";
    row.trust_set_name = level >= LEVEL_CHAIN ? "federation" : NULL;
    row.weaken = PERMISSION_ALLOWED;
    return row;
}

#define ROW(domain, expected, ...)                                                       \
    {                                                                                    \
        struct outbound_policy row = row_of(id++, domain, LEVEL_DOMAIN, expected);       \
        __VA_ARGS__;                                                                     \
        assert_int_equal(policy_builder_outbound(builder, &row), 0);                     \
    }

static void rows(struct policy_builder *builder)
{
    static const uint8_t pins[1][DIGEST_SIZE] = { { 1 } };
    int64_t id = 1;
    struct policy_trust_set federation = bench_trust_set("federation", anchor != NULL ? anchor : cast.root, NULL);
    struct policy_credential first = bench_credential("ours", &cast.ours),
        second = bench_credential("theirs", &cast.theirs);
    assert_int_equal(policy_builder_trust_set(builder, &federation), 0);
    assert_int_equal(policy_builder_credential(builder, &first), 0);
    assert_int_equal(policy_builder_credential(builder, &second), 0);
    ROW("lax.example", NULL, row.level = LEVEL_ENCRYPT, row.trust_set_name = NULL)
    ROW("lax-ours.example", NULL, row.level = LEVEL_ENCRYPT, row.trust_set_name = NULL, row.certificate_name = "ours")
    ROW("lax-old.example", NULL, row.level = LEVEL_ENCRYPT, row.trust_set_name = NULL, row.max_age_s = 1000)
    ROW("strict.example", "biloxi.example")
    ROW("chicago.example", "chicago.example")
    ROW("chain.example", NULL, row.level = LEVEL_CHAIN)
    ROW("other-sni.example", "biloxi.example", row.sni = "sip.biloxi.example")
    ROW("no-sni.example", "biloxi.example", row.send_sni = false, row.sni = NULL)
    ROW("ours.example", "biloxi.example", row.certificate_name = "ours")
    ROW("theirs.example", "biloxi.example", row.certificate_name = "theirs")
    ROW("new.example", "biloxi.example", row.tls_min = TLS_VERSION_1_3)
    ROW("old.example", "biloxi.example", row.tls_max = TLS_VERSION_1_2)
    /* A suite that is never the first choice: that of one library is AES-128, of the other ChaCha20. */
    ROW("suite.example", "biloxi.example", row.ciphers = "TLS_AES_256_GCM_SHA384",
        row.tls_min = TLS_VERSION_1_3)
    ROW("tenant.example", "biloxi.example", row.isolation = "tenant")
    ROW("pinned.example", "biloxi.example", row.pins = pins, row.pin_count = 1)
    ROW("never.example", "biloxi.example", row.upgrade = UPGRADE_NEVER)
}

static void can_upgrade(struct flow_pool_settings *settings)
{
    settings->capabilities.upgrade = true;
}

/* A pool with one idle unverified connection to a peer that shows IDENTITY. */
static struct bench_peer *begin(struct bench *bench, const struct identity *identity, const char *lax)
{
    was_resumed = false;
    bench_init(bench, can_upgrade);
    bench->is_answered = true;
    bench_policy(bench, rows);
    struct bench_peer *peer = BENCH_PEER(bench, .identity = identity, .verify = PEER_VERIFY_REQUEST);
    (void)bench_ask(bench, peer, lax, NULL, "lax;");
    bench_until_done(bench, 1);
    bench_expect(bench, 0, DECISION_OPEN, REASON_NONE);
    fixture_settle(bench->loop);
    return peer;
}

static void until_heard(struct bench *bench, const struct bench_peer *peer, unsigned link, const char *text)
{
    struct slice wanted = slice_of_string(text);
    while (bench_heard(peer, link).length < wanted.length)
        loop_turn(bench->loop, true);
    assert_true(slice_equal(bench_heard(peer, link), wanted));
}

/* INV-4 */
static void an_idle_connection_becomes_a_verified_one_for_good(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench, &biloxi, "lax.example");
    assert_int_equal(bench_predict(&bench, peer, "strict.example", NULL).decision, DECISION_UPGRADE);
    assert_int_equal(bench_predict(&bench, peer, "lax.example", NULL).decision, DECISION_REUSE);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "strict;");
    bench_expect(&bench, 1, DECISION_UPGRADE, REASON_NONE);
    assert_true(bench_is_same(&bench, 0, 1));
    assert_int_equal(bench.outcomes[1].level, LEVEL_DOMAIN);
    assert_string_equal(bench.outcomes[1].identity, "sip:biloxi.example");
    struct flow_pool_counts counts = flow_pool_counts(bench.pool);
    assert_int_equal(counts.upgraded, 1);
    assert_int_equal(counts.classes[FLOW_OPENED], 0);
    assert_int_equal(counts.classes[FLOW_OPENED_VERIFIED], 1);
    /* Now it is the strict ones' and nobody else's. */
    (void)bench_ask(&bench, peer, "strict.example", NULL, "again;");
    bench_expect(&bench, 2, DECISION_REUSE, REASON_NONE);
    (void)bench_ask(&bench, peer, "chain.example", NULL, "chain;");
    (void)bench_ask(&bench, peer, "lax.example", NULL, "other;");
    bench_until_done(&bench, 5);
    bench_expect(&bench, 3, DECISION_OPEN, REASON_NONE);
    bench_expect(&bench, 4, DECISION_OPEN, REASON_NONE);
    assert_false(bench_is_same(&bench, 3, 0) || bench_is_same(&bench, 4, 0) || bench_is_same(&bench, 3, 4));
    until_heard(&bench, peer, 0, "lax;strict;again;");
    assert_int_equal(peer->accepted, 3);
    bench_fini(&bench);
}

static void two_domains_want_the_same_connection(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench, &both, "lax.example");
    (void)bench_ask(&bench, peer, "chicago.example", NULL, "chicago;");
    (void)bench_ask(&bench, peer, "strict.example", NULL, "biloxi;");
    bench_until_done(&bench, 3);
    bench_expect(&bench, 1, DECISION_UPGRADE, REASON_NONE);
    bench_expect(&bench, 2, DECISION_OPEN, REASON_NONE);
    assert_true(bench_is_same(&bench, 0, 1));
    assert_false(bench_is_same(&bench, 1, 2));
    assert_string_equal(bench.outcomes[1].identity, "sip:chicago.example");
    assert_string_equal(bench.outcomes[2].identity, "sip:biloxi.example");
    until_heard(&bench, peer, 0, "lax;chicago;");
    until_heard(&bench, peer, 1, "biloxi;");
    bench_fini(&bench);
}

/* ADV-45: what is wanted, and that no upgrade comes of it. */
static void what_the_handshake_was_not_is_not_upgraded(void **state)
{
    (void)state;
    static const struct {
        const char *lax, *strict, *flags;
        enum upgrade_obstacle obstacle; /* POSSIBLE: it is upgraded */
    } cases[] = {
        { "lax.example", "strict.example", NULL, UPGRADE_POSSIBLE },
        { "lax.example", "chain.example", NULL, UPGRADE_POSSIBLE },
        { "lax.example", "lax.example", "verify-domain=biloxi.example,trust=federation", UPGRADE_NO_CANDIDATE },
        { "lax.example", "other-sni.example", NULL, UPGRADE_OTHER_HANDSHAKE },
        { "lax.example", "no-sni.example", NULL, UPGRADE_OTHER_HANDSHAKE },
        { "lax.example", "strict.example", "sni=chicago.example", UPGRADE_OTHER_HANDSHAKE },
        { "lax.example", "ours.example", NULL, UPGRADE_OTHER_HANDSHAKE },
        { "lax-ours.example", "ours.example", NULL, UPGRADE_POSSIBLE },
        { "lax-ours.example", "strict.example", NULL, UPGRADE_OTHER_HANDSHAKE },
        { "lax-ours.example", "theirs.example", NULL, UPGRADE_OTHER_HANDSHAKE },
        { "lax.example", "old.example", NULL, UPGRADE_BELOW_FLOOR },
        { "lax.example", "new.example", NULL, UPGRADE_POSSIBLE },
        { "lax.example", "suite.example", NULL, UPGRADE_BELOW_FLOOR },
        { "lax.example", "tenant.example", NULL, UPGRADE_OTHER_HANDSHAKE },
        { "lax.example", "never.example", NULL, UPGRADE_NOT_WANTED },
        { "lax.example", "strict.example", "no-upgrade", UPGRADE_NOT_WANTED },
        { "lax.example", "strict.example", "no-conn-reuse", UPGRADE_NOT_WANTED },
        { "lax.example", "strict.example", "no-connect", UPGRADE_POSSIBLE },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench bench;
        print_message("# %s then %s %s\n", cases[i].lax, cases[i].strict, cases[i].flags != NULL ? cases[i].flags : "");
        struct bench_peer *peer = begin(&bench, &biloxi, cases[i].lax);
        if (cases[i].obstacle == UPGRADE_NO_CANDIDATE) { /* a row that lets nobody name another trust set */
            (void)bench_ask(&bench, peer, cases[i].strict, cases[i].flags, "x");
            bench_expect(&bench, 1, DECISION_REJECT, REASON_TRUST_FLAG_REFUSED);
            bench_fini(&bench);
            continue;
        }
        bool is_possible = cases[i].obstacle == UPGRADE_POSSIBLE;
        struct decision_result predicted = bench_predict(&bench, peer, cases[i].strict, cases[i].flags);
        assert_string_equal(upgrade_obstacle_name(predicted.upgrade), upgrade_obstacle_name(cases[i].obstacle));
        (void)bench_ask(&bench, peer, cases[i].strict, cases[i].flags, "x");
        bench_until_done(&bench, 2);
        bench_expect(&bench, 1, is_possible ? DECISION_UPGRADE : DECISION_OPEN, REASON_NONE);
        assert_int_equal(bench.outcomes[1].decision, predicted.decision);
        assert_true(bench_is_same(&bench, 0, 1) == is_possible);
        bench_fini(&bench);
    }
}

static void an_old_version_is_not_upgraded_to_a_new_floor(void **state)
{
    (void)state;
    struct bench bench;
    was_resumed = false;
    bench_init(&bench, can_upgrade);
    bench.is_answered = true;
    bench_policy(&bench, rows);
    struct bench_peer *peer = BENCH_PEER(&bench, .identity = &biloxi, .maximum = 0x0303);
    (void)bench_ask(&bench, peer, "lax.example", NULL, "x");
    bench_until_done(&bench, 1);
    fixture_settle(bench.loop);
    struct decision_result predicted = bench_predict(&bench, peer, "new.example", NULL);
    assert_int_equal(predicted.upgrade, UPGRADE_BELOW_FLOOR);
    (void)bench_ask(&bench, peer, "new.example", NULL, "y");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_TLS_FAILED);
    (void)bench_ask(&bench, peer, "old.example", NULL, "z");
    bench_expect(&bench, 2, DECISION_UPGRADE, REASON_NONE);
    until_heard(&bench, peer, 0, "xz");
    bench_fini(&bench);
}

static void a_resumed_handshake_is_not_upgraded(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench, &biloxi, "lax.example");
    was_resumed = true;
    struct decision_result predicted = bench_predict(&bench, peer, "strict.example", NULL);
    assert_int_equal(predicted.upgrade, UPGRADE_RESUMED);
    assert_int_equal(predicted.decision, DECISION_OPEN);
    (void)bench_ask(&bench, peer, "strict.example", "no-connect", "y");
    bench_expect(&bench, 1, DECISION_REJECT, REASON_NO_CONNECTION);
    was_resumed = false;
    bench_fini(&bench);
}

/* The chain as captured, by today's rules: refused again and again, and nothing is remembered of it (ADV-48). */
static void expect_unproven(const struct identity *identity, const char *strict, enum reason reason)
{
    struct bench bench;
    struct bench_peer *peer = begin(&bench, identity, "lax.example");
    for (unsigned i = 0; i < 2; i++) {
        struct decision_result predicted = bench_predict(&bench, peer, strict, NULL);
        assert_int_equal(predicted.upgrade, UPGRADE_POSSIBLE);
        assert_string_equal(reason_word(predicted.upgrade_refusal), reason_word(reason));
        assert_int_equal(predicted.decision, i == 0 ? DECISION_OPEN : DECISION_REJECT);
        (void)bench_ask(&bench, peer, strict, NULL, "secret");
        bench_until_done(&bench, 2 + i);
        bench_expect(&bench, 1 + i, i == 0 ? DECISION_OPEN : DECISION_REJECT, i == 0 ? reason : REASON_BACKOFF);
    }
    (void)bench_ask(&bench, peer, strict, "no-connect", "secret");
    bench_expect(&bench, 3, DECISION_REJECT, REASON_NO_CONNECTION);
    /* It stays what it was. */
    (void)bench_ask(&bench, peer, "lax.example", NULL, "again;");
    bench_expect(&bench, 4, DECISION_REUSE, REASON_NONE);
    assert_true(bench_is_same(&bench, 0, 4));
    assert_int_equal(bench.outcomes[4].level, LEVEL_ENCRYPT);
    until_heard(&bench, peer, 0, "lax;again;");
    for (unsigned i = 1; i < peer->accepted; i++)
        assert_int_equal(bench_heard(peer, i).length, 0);
    struct flow_pool_counts counts = flow_pool_counts(bench.pool);
    assert_int_equal(counts.upgraded, 0);
    assert_int_equal(counts.classes[FLOW_OPENED], 1);
    assert_int_equal(counts.classes[FLOW_OPENED_VERIFIED], 0);
    bench_fini(&bench);
}

static void a_chain_that_proves_nothing_upgrades_nothing(void **state)
{
    (void)state;
    struct {
        struct identity identity;
        const char *strict;
        enum reason reason;
    } cases[] = {
        { leaf_of(cast.root, NULL, "URI:sip:impostor.example", NULL, 0), "strict.example", REASON_WRONG_IDENTITY },
        { leaf_of(cast.root, NULL, "DNS:*.example", NULL, 0), "strict.example", REASON_NO_IDENTITY },
        { leaf_of(evil_root, evil_root, "URI:sip:biloxi.example", NULL, 0), "strict.example", REASON_CHAIN_UNTRUSTED },
        { leaf_of(intermediate, NULL, "URI:sip:biloxi.example", NULL, 0), "strict.example", REASON_CHAIN_UNTRUSTED },
        { leaf_of(no_ca, no_ca, "URI:sip:biloxi.example", NULL, 0), "strict.example", REASON_COUNT },
        { leaf_of(constrained, constrained, "URI:sip:biloxi.example", NULL, 0), "strict.example", REASON_COUNT },
        { leaf_of(cast.root, NULL, "URI:sip:biloxi.example", "clientAuth", 0), "strict.example",
            REASON_EXTENDED_KEY_USAGE },
        { leaf_of(cast.root, NULL, "URI:sip:biloxi.example", NULL, time(NULL) - 10), "strict.example",
            REASON_CERTIFICATE_EXPIRED },
        { leaf_of(cast.root, NULL, "URI:sip:biloxi.example", NULL, 0), "pinned.example", REASON_PIN_MISMATCH },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum reason reason = cases[i].reason;
        if (reason == REASON_COUNT) { /* whichever rule of RFC 5280 it is that is named, it is one */
            struct bench bench;
            struct bench_peer *peer = begin(&bench, &cases[i].identity, "lax.example");
            reason = bench_predict(&bench, peer, cases[i].strict, NULL).upgrade_refusal;
            assert_true(reason == REASON_CHAIN_INVALID || reason == REASON_CHAIN_UNTRUSTED ||
                reason == REASON_KEY_USAGE);
            bench_fini(&bench);
        }
        print_message("# case %zu: %s\n", i, reason_word(reason));
        expect_unproven(&cases[i].identity, cases[i].strict, reason);
        bench_identity_fini(&cases[i].identity);
    }
}

/* The dates of now, not those of the handshake. */
static void a_chain_that_has_expired_meanwhile_upgrades_nothing(void **state)
{
    (void)state;
    struct bench bench;
    int64_t end = time(NULL) + 8; /* more than the skew that is left to the verified */
    struct identity brief = leaf_of(cast.root, NULL, "URI:sip:biloxi.example", NULL, end);
    struct bench_peer *peer = begin(&bench, &brief, "lax.example");
    while (time(NULL) <= end)
        usleep(100000);
    loop_turn(bench.loop, false); /* time is read once per turn */
    assert_int_equal(bench_predict(&bench, peer, "strict.example", NULL).upgrade_refusal, REASON_CERTIFICATE_EXPIRED);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "secret");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_CERTIFICATE_EXPIRED);
    (void)bench_ask(&bench, peer, "lax.example", NULL, "again;");
    bench_expect(&bench, 2, DECISION_REUSE, REASON_NONE);
    until_heard(&bench, peer, 0, "lax;again;");
    bench_fini(&bench);
    bench_identity_fini(&brief);
}

static void the_right_anchor_makes_it_possible(void **state)
{
    (void)state;
    struct bench bench;
    anchor = evil_root;
    struct bench_peer *peer = begin(&bench, &biloxi, "lax.example");
    (void)bench_ask(&bench, peer, "strict.example", NULL, "secret");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_CHAIN_UNTRUSTED);
    anchor = NULL;
    bench_policy(&bench, rows);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "strict;");
    bench_expect(&bench, 2, DECISION_UPGRADE, REASON_NONE);
    until_heard(&bench, peer, 0, "lax;strict;");
    bench_fini(&bench);
}

/* INV-36: nothing of the weaker class is queued or unanswered. */
static void a_busy_connection_is_left_alone(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench, &biloxi, "lax.example");
    bench.is_answered = false;
    (void)bench_ask(&bench, peer, "lax.example", NULL, "asked;");
    bench_expect(&bench, 1, DECISION_REUSE, REASON_NONE);
    fixture_settle(bench.loop);
    assert_int_equal(bench_predict(&bench, peer, "strict.example", NULL).upgrade, UPGRADE_BUSY);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "strict;");
    bench_until_done(&bench, 3);
    bench_expect(&bench, 2, DECISION_OPEN, REASON_NONE);
    assert_false(bench_is_same(&bench, 0, 2));
    bench_answer(&bench, 1);
    (void)bench_ask(&bench, peer, "chain.example", NULL, "chain;");
    bench_expect(&bench, 3, DECISION_UPGRADE, REASON_NONE);
    assert_true(bench_is_same(&bench, 0, 3));
    until_heard(&bench, peer, 0, "lax;asked;chain;");
    bench_fini(&bench);
}

static void bytes_that_have_not_left_keep_their_class(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench, &biloxi, "lax.example");
    /* Nobody waits for an answer, and it leaves with the turn. */
    (void)bench_ask(&bench, peer, "lax.example", NULL, "ack;");
    (void)bench_ask(&bench, peer, "strict.example", NULL, "strict;");
    bench_until_done(&bench, 3);
    bench_expect(&bench, 2, DECISION_OPEN, REASON_NONE);
    until_heard(&bench, peer, 0, "lax;ack;");
    until_heard(&bench, peer, 1, "strict;");
    bench_fini(&bench);
}

static void a_connection_of_its_own_is_nobodys_to_upgrade(void **state)
{
    (void)state;
    struct bench bench;
    was_resumed = false;
    bench_init(&bench, can_upgrade);
    bench_policy(&bench, rows);
    struct bench_peer *peer = BENCH_PEER(&bench, .identity = &biloxi);
    (void)bench_ask(&bench, peer, "lax.example", "no-conn-reuse", "own;");
    bench_until_done(&bench, 1);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "strict;");
    bench_until_done(&bench, 2);
    bench_expect(&bench, 1, DECISION_OPEN, REASON_NONE);
    assert_false(bench_is_same(&bench, 0, 1));
    bench_fini(&bench);
}

static void a_sender_of_the_weaker_class_sends_no_more(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench, &biloxi, "lax.example");
    bench.is_answered = false;
    (void)bench_ask(&bench, peer, "lax.example", NULL, "asked;");
    struct connection_facts *before = connection_facts_ref(bench.outcomes[1].facts);
    assert_int_equal(flow_pool_send(bench.pool, before->handle, before, SLICE_LITERAL("cancel;")), 0);
    bench_answer(&bench, 1);
    fixture_settle(bench.loop);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "strict;");
    bench_expect(&bench, 2, DECISION_UPGRADE, REASON_NONE);
    assert_int_equal(flow_pool_send(bench.pool, before->handle, before, SLICE_LITERAL("late;")), ERROR_NOT_FOUND);
    struct connection_facts *now = bench.outcomes[2].facts;
    assert_int_equal(before->verdict.result, VERDICT_NOT_TAKEN);
    assert_int_equal(now->verdict.result, VERDICT_PROVEN);
    assert_int_equal(flow_pool_send(bench.pool, now->handle, now, SLICE_LITERAL("now;")), 0);
    assert_int_equal(flow_pool_send(bench.pool, now->handle, NULL, SLICE_LITERAL("response;")), 0);
    until_heard(&bench, peer, 0, "lax;asked;cancel;strict;now;response;");
    connection_facts_unref(before);
    bench_fini(&bench);
}

static void the_new_class_must_have_room(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench, &biloxi, "lax.example");
    bench.is_answered = false;
    for (unsigned i = 0; i < 8; i++)
        (void)bench_ask(&bench, peer, "chain.example", "no-conn-reuse", "full;");
    bench_until_done(&bench, 9);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "strict;");
    bench_expect(&bench, 9, DECISION_REJECT, REASON_LIMIT);
    bench.is_answered = true;
    bench_answer(&bench, 8);
    (void)bench_ask(&bench, peer, "strict.example", NULL, "strict;");
    bench_expect(&bench, 10, DECISION_UPGRADE, REASON_NONE);
    assert_int_equal(flow_pool_counts(bench.pool).classes[FLOW_OPENED_VERIFIED], 8);
    bench_fini(&bench);
}

static void its_end_does_not_move_away(void **state)
{
    (void)state;
    struct bench bench;
    struct bench_peer *peer = begin(&bench, &biloxi, "lax-old.example");
    bench.is_answered = false;
    (void)bench_ask(&bench, peer, "strict.example", NULL, "strict;");
    bench_expect(&bench, 1, DECISION_UPGRADE, REASON_NONE);
    const struct connection_facts *facts = bench.outcomes[1].facts;
    assert_true(facts->deadline == facts->opened_at + 1000);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_becomes_a_verified_one_for_good),
        cmocka_unit_test(two_domains_want_the_same_connection),
        cmocka_unit_test(what_the_handshake_was_not_is_not_upgraded),
        cmocka_unit_test(an_old_version_is_not_upgraded_to_a_new_floor),
        cmocka_unit_test(a_resumed_handshake_is_not_upgraded),
        cmocka_unit_test(a_chain_that_proves_nothing_upgrades_nothing),
        cmocka_unit_test(a_chain_that_has_expired_meanwhile_upgrades_nothing),
        cmocka_unit_test(the_right_anchor_makes_it_possible),
        cmocka_unit_test(a_busy_connection_is_left_alone),
        cmocka_unit_test(bytes_that_have_not_left_keep_their_class),
        cmocka_unit_test(a_connection_of_its_own_is_nobodys_to_upgrade),
        cmocka_unit_test(a_sender_of_the_weaker_class_sends_no_more),
        cmocka_unit_test(the_new_class_must_have_room),
        cmocka_unit_test(its_end_does_not_move_away),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_identities, free_identities);
}
