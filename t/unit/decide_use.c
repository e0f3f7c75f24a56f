/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_use.c - which of several connections is taken, when one ends, what is refused before all else, and that a
 * decision can be read. */
#include "decide_fixture.h"

#include "decide/explain.h"

#include <string.h>

enum { MANY = 4 };

/* Several connections of one key, READY or pending. */
struct crowd {
    struct requirement requirement;
    struct connection_key key;
    struct verdict verdict;
    struct connection_view views[MANY];
    struct pool_view pool;
};

static struct crowd *crowd_of(enum level level, enum connection_state state)
{
    static struct crowd crowd;
    crowd.requirement = fixture_requirement(level);
    crowd.key = fixture_key_of(&crowd.requirement);
    crowd.verdict = fixture_verdict(&crowd.requirement.key);
    for (size_t i = 0; i < MANY; i++) {
        crowd.views[i] = fixture_connection(i + 1, &crowd.key, &crowd.verdict);
        crowd.views[i].state = state;
    }
    crowd.pool = (struct pool_view){ .equal = crowd.views, .equal_count = MANY, .has_room = true, .waiters_max = 8 };
    return &crowd;
}

static struct decision_result decide_for(const struct crowd *crowd)
{
    static const struct capabilities capabilities = { .upgrade = true };
    return decide(&crowd->requirement, &crowd->key, &crowd->pool, &capabilities, FIXTURE_NOW);
}

static void the_least_busy_connection_is_reused(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_of(LEVEL_DOMAIN, CONNECTION_READY);
    assert_int_equal(decide_for(crowd).handle.generation, 1);
    crowd->views[0].in_flight = 5;
    crowd->views[1].in_flight = 3;
    crowd->views[2].in_flight = 3;
    crowd->views[3].in_flight = 4;
    assert_int_equal(decide_for(crowd).handle.generation, 2);
    crowd->views[1].deadline = FIXTURE_NOW;
    assert_int_equal(decide_for(crowd).handle.generation, 3);
    crowd->views[2].is_exclusive = true;
    assert_int_equal(decide_for(crowd).handle.generation, 4);
    crowd->views[3].state = CONNECTION_DRAINING;
    assert_int_equal(decide_for(crowd).handle.generation, 1);
    struct decision_result result = decide_for(crowd);
    assert_true(result.handle.worker == 1 && result.handle.slot == 2);
    assert_true(connection_handle_equal(result.handle, crowd->views[0].handle));
}

static void the_least_crowded_handshake_is_joined(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_of(LEVEL_CHAIN, CONNECTION_HANDSHAKING);
    for (uint32_t i = 0; i < MANY; i++)
        crowd->views[i].waiters = 8 - i / 2;
    struct decision_result result = decide_for(crowd);
    assert_int_equal(result.decision, DECISION_JOIN);
    assert_int_equal(result.handle.generation, 3);
    crowd->pool.waiters_max = 7;
    result = decide_for(crowd);
    assert_int_equal(result.decision, DECISION_REJECT);
    assert_int_equal(result.reason, REASON_LIMIT);
    /* One that stands is better than one on its way. */
    crowd->views[3].state = CONNECTION_READY;
    assert_int_equal(decide_for(crowd).decision, DECISION_REUSE);
}

static void the_upgrade_that_comes_furthest_is_told(void **state)
{
    (void)state;
    struct requirement weak = fixture_requirement(LEVEL_ENCRYPT), strong = fixture_requirement(LEVEL_DOMAIN);
    struct connection_key weak_key = fixture_key_of(&weak), strong_key = fixture_key_of(&strong);
    struct verdict verdict = fixture_verdict(&weak.key);
    struct connection_view views[3];
    struct capabilities capabilities = { .upgrade = true };
    for (size_t i = 0; i < ARRAY_SIZE(views); i++)
        views[i] = fixture_connection(i + 1, &weak_key, &verdict);
    struct pool_view pool = { .unverified = views, .unverified_count = ARRAY_SIZE(views), .has_room = true };
    views[0].is_full_handshake = false;
    views[1].in_flight = 1;
    views[2].meets_floor = false;
    struct decision_result result = decide(&strong, &strong_key, &pool, &capabilities, FIXTURE_NOW);
    assert_int_equal(result.decision, DECISION_OPEN);
    assert_int_equal(result.upgrade, UPGRADE_BUSY);
    assert_int_equal(result.upgrade_candidate.generation, 0);
    views[2].meets_floor = true;
    result = decide(&strong, &strong_key, &pool, &capabilities, FIXTURE_NOW);
    assert_int_equal(result.decision, DECISION_UPGRADE);
    assert_int_equal(result.handle.generation, 3);
    views[0].is_full_handshake = true;
    result = decide(&strong, &strong_key, &pool, &capabilities, FIXTURE_NOW);
    assert_int_equal(result.handle.generation, 1);
}

/* requirement_build() does not make these; whoever does gets nothing. */
static void an_incomplete_requirement_gets_no_connection(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        enum reason reason;
    } members[] = {
        { offsetof(struct requirement_key, role), REASON_POLICY_UNUSABLE },
        { offsetof(struct requirement_key, transport), REASON_POLICY_UNUSABLE },
        { offsetof(struct requirement_key, level), REASON_POLICY_UNUSABLE },
        { offsetof(struct requirement_key, tls_min), REASON_POLICY_UNUSABLE },
        { offsetof(struct requirement_key, tls_max), REASON_POLICY_UNUSABLE },
        { offsetof(struct requirement_key, expected_domain), REASON_NO_EXPECTED_DOMAIN },
    };
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        struct crowd *crowd = crowd_of(LEVEL_DOMAIN, CONNECTION_READY);
        ((char *)&crowd->requirement.key)[members[i].offset] = 0;
        crowd->key = fixture_key_of(&crowd->requirement);
        struct decision_result result = decide_for(crowd);
        assert_int_equal(result.decision, DECISION_REJECT);
        assert_int_equal(result.reason, members[i].reason);
        assert_int_equal(result.handle.generation, 0);
    }
    struct crowd *crowd = crowd_of(LEVEL_CHAIN, CONNECTION_READY);
    crowd->requirement.key.trust.is_set = false;
    assert_int_equal(decide_for(crowd).reason, REASON_UNKNOWN_TRUST_SET);
    crowd = crowd_of(LEVEL_CHAIN, CONNECTION_READY);
    crowd->requirement.key.level = LEVEL_COUNT;
    assert_int_equal(decide_for(crowd).reason, REASON_POLICY_UNUSABLE);
    crowd = crowd_of(LEVEL_CHAIN, CONNECTION_READY);
    crowd->requirement.key.transport = TRANSPORT_TCP;
    assert_int_equal(decide_for(crowd).reason, REASON_PLAIN_TRANSPORT);
    crowd = crowd_of(LEVEL_CHAIN, CONNECTION_READY);
    crowd->requirement.key.role = ROLE_IN_ALIAS;
    assert_int_equal(decide_for(crowd).reason, REASON_POLICY_UNUSABLE);
    crowd = crowd_of(LEVEL_CHAIN, CONNECTION_READY);
    crowd->requirement.key.destination.port = 0;
    assert_int_equal(decide_for(crowd).reason, REASON_POLICY_UNUSABLE);
    crowd = crowd_of(LEVEL_CHAIN, CONNECTION_READY);
    crowd->requirement.key.destination.address = (struct address){ .family = ADDRESS_NONE };
    assert_int_equal(decide_for(crowd).reason, REASON_POLICY_UNUSABLE);
    crowd = crowd_of(LEVEL_CHAIN, CONNECTION_READY);
    crowd->key.length = 0;
    assert_int_equal(decide_for(crowd).reason, REASON_POLICY_UNUSABLE);
}

static void udp_is_a_datagram_at_level_none_only(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_of(LEVEL_NONE, CONNECTION_READY);
    crowd->requirement.key.transport = TRANSPORT_UDP;
    crowd->pool = (struct pool_view){ .equal_count = 0 };
    crowd->requirement.terms.may_connect = false;
    struct decision_result result = decide_for(crowd);
    assert_int_equal(result.decision, DECISION_DATAGRAM);
    assert_int_equal(result.handle.generation, 0);
    for (uint8_t level = LEVEL_ENCRYPT; level < LEVEL_COUNT; level++) {
        crowd->requirement.key.level = level;
        assert_int_equal(decide_for(crowd).reason, REASON_PLAIN_TRANSPORT);
    }
}

/* What the tables do not spell out: one name, and nothing outside the sets. */
static void the_check_before_a_write_knows_no_other_kinds(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_of(LEVEL_DOMAIN, CONNECTION_READY);
    struct requirement *requirement = &crowd->requirement;
    assert_int_equal(decide_may_send(requirement, &crowd->key, crowd->views, FIXTURE_NOW), REASON_NONE);
    requirement->key.transport = TRANSPORT_UDP;
    assert_int_equal(decide_may_send(requirement, &crowd->key, crowd->views, FIXTURE_NOW), REASON_CHAIN_UNTRUSTED);
    requirement->key.transport = TRANSPORT_UNSET;
    assert_int_equal(decide_may_send(requirement, &crowd->key, crowd->views, FIXTURE_NOW), REASON_CHAIN_UNTRUSTED);
    static const uint8_t beyond[] = { LEVEL_UNSET, LEVEL_NONE, LEVEL_COUNT };
    for (size_t i = 0; i < ARRAY_SIZE(beyond); i++) {
        crowd = crowd_of(LEVEL_DOMAIN, CONNECTION_READY);
        crowd->requirement.key.level = beyond[i];
        crowd->verdict.level = (enum level)beyond[i];
        assert_int_equal(decide_may_send(requirement, &crowd->key, crowd->views, FIXTURE_NOW),
            REASON_CHAIN_UNTRUSTED);
    }
    /* Only so many pins as are counted. */
    crowd = crowd_of(LEVEL_DOMAIN, CONNECTION_READY);
    crowd->requirement.key.pins.count = 1;
    for (size_t i = 1; i < PINS_MAX; i++)
        memcpy(crowd->requirement.key.pins.digests[i], crowd->verdict.leaf_digest, DIGEST_SIZE);
    assert_int_equal(decide_may_send(requirement, &crowd->key, crowd->views, FIXTURE_NOW), REASON_PIN_MISMATCH);
    crowd->requirement.key.pins.count = 2;
    assert_int_equal(decide_may_send(requirement, &crowd->key, crowd->views, FIXTURE_NOW), REASON_NONE);
}

static void a_floor_may_be_a_single_version(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_of(LEVEL_ENCRYPT, CONNECTION_READY);
    struct handshake_facts handshake = { .is_full_handshake = true, .is_captured = true, .is_suite_allowed = true,
        .tls_version = TLS_VERSION_1_3 };
    struct requirement_key *fields = &crowd->requirement.key;
    fields->tls_min = fields->tls_max = TLS_VERSION_1_3;
    crowd->key = fixture_key_of(&crowd->requirement);
    assert_int_equal(decide_for(crowd).decision, DECISION_REUSE);
    assert_int_equal(decide_publish(fields, &crowd->key, &handshake, &crowd->verdict, FIXTURE_NOW), REASON_NONE);
    /* No floor at all lets nothing through. */
    static const enum tls_version unknown[] = { TLS_VERSION_UNSET, TLS_VERSION_COUNT };
    fields->tls_min = 0;
    fields->tls_max = 255;
    crowd->key = fixture_key_of(&crowd->requirement);
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
        handshake.tls_version = unknown[i];
        assert_int_equal(decide_publish(fields, &crowd->key, &handshake, &crowd->verdict, FIXTURE_NOW),
            REASON_TLS_FLOOR);
    }
}

/* INV-37, INV-40 */
static void with_an_expired_certificate_of_ours_nothing_is_sent(void **state)
{
    (void)state;
    struct policy_credential credential = fixture_credential("ours", 1);
    struct crowd *crowd = crowd_of(LEVEL_ENCRYPT, CONNECTION_READY);
    crowd->requirement.terms.credential = &credential;
    credential.not_after = FIXTURE_NOW + 1;
    assert_int_equal(decide_for(crowd).decision, DECISION_REUSE);
    credential.not_after = FIXTURE_NOW;
    struct decision_result result = decide_for(crowd);
    assert_int_equal(result.decision, DECISION_REJECT);
    assert_int_equal(result.reason, REASON_UNKNOWN_CERTIFICATE);
}

static void the_deadline_is_the_earliest_end(void **state)
{
    (void)state;
    struct policy_credential credential = fixture_credential("ours", 1);
    const int64_t opened_at = FIXTURE_NOW;
    struct requirement requirement = fixture_requirement(LEVEL_DOMAIN);
    struct verdict verdict = fixture_verdict(&requirement.key);
    verdict.chain_not_after = opened_at + 1000;
    credential.not_after = opened_at + 500;
    assert_int_equal(decide_deadline(&requirement, &verdict, opened_at, 10), opened_at + 990);
    requirement.terms.credential = &credential;
    assert_int_equal(decide_deadline(&requirement, &verdict, opened_at, 10), opened_at + 490);
    requirement.terms.max_age_s = 100;
    assert_int_equal(decide_deadline(&requirement, &verdict, opened_at, 10), opened_at + 100);
    requirement.terms.max_age_s = UINT32_MAX;
    assert_int_equal(decide_deadline(&requirement, &verdict, opened_at, 0), opened_at + 500);
    /* What is not proven has no time at all. */
    verdict.result = VERDICT_NOT_TAKEN;
    assert_true(decide_deadline(&requirement, &verdict, opened_at, 0) == INT64_MIN);
    assert_true(decide_deadline(&requirement, NULL, opened_at, 0) == INT64_MIN);
    verdict.result = VERDICT_PROVEN;
    verdict.chain_not_after = INT64_MIN + 5;
    assert_true(decide_deadline(&requirement, &verdict, opened_at, 10) == INT64_MIN);
    /* An unverified peer's dates say nothing; our own do. */
    requirement = fixture_requirement(LEVEL_ENCRYPT);
    assert_true(decide_deadline(&requirement, &verdict, opened_at, 0) == INT64_MAX);
    requirement.terms.credential = &credential;
    assert_int_equal(decide_deadline(&requirement, NULL, opened_at, 0), opened_at + 500);
    requirement = fixture_requirement(LEVEL_NONE);
    assert_true(decide_deadline(&requirement, NULL, opened_at, 0) == INT64_MAX);
    requirement.terms.max_age_s = 7;
    assert_int_equal(decide_deadline(&requirement, NULL, opened_at, 0), opened_at + 7);
    assert_true(decide_deadline(&requirement, NULL, INT64_MAX - 3, 0) == INT64_MAX);
}

/* By the same computation, and the same margin. */
static void the_deadline_of_who_connected(void **state)
{
    (void)state;
    const int64_t now = FIXTURE_NOW;
    struct requirement requirement = fixture_requirement(LEVEL_DOMAIN);
    struct verdict verdict = fixture_verdict(&requirement.key);
    verdict.chain_not_after = now + 1000;
    assert_true(decide_deadline_accepted(0, INT64_MAX, NULL, now, 10) == INT64_MAX);
    assert_int_equal(decide_deadline_accepted(0, INT64_MAX, &verdict, now, 10), now + 990);
    assert_int_equal(decide_deadline_accepted(0, now + 500, &verdict, now, 10), now + 490);
    assert_int_equal(decide_deadline_accepted(0, now + 500, NULL, now, 10), now + 490);
    assert_int_equal(decide_deadline_accepted(100, now + 500, &verdict, now, 10), now + 100);
    /* What he showed beside that, and did not prove, says nothing. */
    verdict.result = VERDICT_REFUSED;
    assert_int_equal(decide_deadline_accepted(0, now + 5000, &verdict, now, 10), now + 4990);
    assert_true(decide_deadline_accepted(0, INT64_MIN + 5, NULL, now, 10) == INT64_MIN);
    assert_true(decide_deadline_accepted(100, INT64_MAX, NULL, INT64_MAX - 3, 10) == INT64_MAX);
}

static const char *take(struct buffer *buffer)
{
    static char text[4096];
    assert_true(slice_to_string(buffer_slice(buffer), text, sizeof(text)));
    buffer_free(buffer);
    return text;
}

static void rows_are_explained(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    struct outbound_policy row = fixture_outbound(17, "biloxi.example");
    row.name = "biloxi";
    explain_row(&row, &out);
    assert_string_equal(take(&out), "row: 17 biloxi (domain biloxi.example, priority 100, level encrypt)\n");
    row.match = MATCH_SUFFIX;
    row.unusable = "its trust set is broken";
    row.unusable_reason = REASON_POLICY_UNUSABLE;
    explain_row(&row, &out);
    assert_string_equal(take(&out), "row: 17 biloxi (domain *.biloxi.example, priority 100, level encrypt)\n"
                                    "unusable: policy-unusable: its trust set is broken\n");
    row.unusable = NULL;
    row.match = MATCH_ADDRESS;
    row.match_prefix = fixture_prefix("192.0.2.0/24");
    row.level = LEVEL_DOMAIN;
    explain_row(&row, &out);
    assert_string_equal(take(&out), "row: 17 biloxi (address 192.0.2.0/24, priority 100, level domain)\n");
    row.match = MATCH_DEFAULT;
    row.name = row.match_name = NULL;
    explain_row(&row, &out);
    assert_string_equal(take(&out), "row: 17 ? (default, priority 100, level domain)\n");
    explain_row(NULL, &out);
    assert_string_equal(take(&out), "row: none\n");
}

static void requirements_are_explained(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    struct requirement requirement = fixture_requirement(LEVEL_ENCRYPT);
    struct policy_credential credential = fixture_credential("ours", 1);
    struct outbound_policy row = fixture_outbound(17, "biloxi.example");
    requirement.terms.max_age_s = 60;
    requirement.terms.upgrade = UPGRADE_IDLE;
    requirement.terms.row_id = 17;
    requirement.terms.row = &row;
    requirement.terms.generation = 7;
    requirement.terms.credential = &credential;
    explain_requirement(&requirement, &out);
    assert_string_equal(take(&out),
        "requirement: role=out transport=tls destination=192.0.2.1:5061 sni=biloxi.example level=encrypt "
        "eku-mode=tls-role crl=off ocsp=off tls-min=1.2 tls-max=1.3\n"
        "terms: max-age=60s upgrade=idle may-reuse=yes may-connect=yes may-upgrade=no crl-skipped=no ocsp-skipped=no "
        "row=17 generation=7 row-name=biloxi.example certificate-name=ours\n");
}

static void decisions_are_explained(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    struct connection_key key = { .hash = 0xabc, .length = 99 };
    struct decision_result result = { .decision = DECISION_REUSE, .handle = { 1, 2, 3 },
        .upgrade = UPGRADE_NOT_REACHED };
    explain_decision(&result, &key, &out);
    assert_string_equal(take(&out), "key: 0000000000000abc, 99 bytes\nupgrade: not-reached\ndecision: reuse 1.2.3\n");
    result = (struct decision_result){ .decision = DECISION_REJECT, .reason = REASON_BACKOFF,
        .upgrade = UPGRADE_NOT_SUPPORTED, .upgrade_candidate = { 0, 5, 9 } };
    explain_decision(&result, &key, &out);
    const char *text = take(&out);
    assert_non_null(strstr(text, "upgrade: not-supported 0.5.9\n"));
    assert_non_null(strstr(text, "decision: reject\nrefused: 500 backoff: this next hop failed"));
    struct why why = { "the text" };
    explain_refusal(REASON_NO_POLICY, &why, &out);
    assert_string_equal(take(&out), "refused: 403 no-policy: no policy row allows this next hop (the text)\n");
}

static void every_code_has_a_word(void **state)
{
    (void)state;
    for (int i = 1; i < DECISION_COUNT; i++)
        assert_string_not_equal(decision_name((enum decision)i), "unset");
    for (int i = 1; i < CONNECTION_STATE_COUNT; i++)
        assert_string_not_equal(connection_state_name((enum connection_state)i), "unset");
    for (int i = 1; i < UPGRADE_OBSTACLE_COUNT; i++)
        assert_string_not_equal(upgrade_obstacle_name((enum upgrade_obstacle)i), "unset");
    assert_string_equal(decision_name(DECISION_UNSET), "unset");
    assert_string_equal(decision_name(DECISION_COUNT), "unset");
    assert_string_equal(connection_state_name(CONNECTION_UNSET), "unset");
    assert_string_equal(connection_state_name(CONNECTION_STATE_COUNT), "unset");
    assert_string_equal(upgrade_obstacle_name(UPGRADE_OBSTACLE_COUNT), "unset");
    assert_string_equal(upgrade_obstacle_name(UPGRADE_OBSTACLE_UNSET), "unset");
    assert_string_equal(transport_name(TRANSPORT_UDP), "udp");
    assert_string_equal(transport_name((enum transport)77), "unset");
    for (int i = 0; i < REASON_COUNT; i++) {
        unsigned status = reason_status((enum reason)i);
        assert_true(i == REASON_NONE ? status == 0 : status >= 400 && status < 700);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(reason_word((enum reason)i), reason_word((enum reason)j));
    }
    assert_string_equal(reason_word(REASON_COUNT), "unknown");
    assert_int_equal(reason_status(REASON_COUNT), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_busy_connection_is_reused),
        cmocka_unit_test(the_least_crowded_handshake_is_joined),
        cmocka_unit_test(the_upgrade_that_comes_furthest_is_told),
        cmocka_unit_test(an_incomplete_requirement_gets_no_connection),
        cmocka_unit_test(udp_is_a_datagram_at_level_none_only),
        cmocka_unit_test(the_check_before_a_write_knows_no_other_kinds),
        cmocka_unit_test(a_floor_may_be_a_single_version),
        cmocka_unit_test(with_an_expired_certificate_of_ours_nothing_is_sent),
        cmocka_unit_test(the_deadline_is_the_earliest_end),
        cmocka_unit_test(the_deadline_of_who_connected),
        cmocka_unit_test(rows_are_explained),
        cmocka_unit_test(requirements_are_explained),
        cmocka_unit_test(decisions_are_explained),
        cmocka_unit_test(every_code_has_a_word),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
