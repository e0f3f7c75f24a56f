/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_cube.c - every combination of request, candidate and pool gives the decision of the tables in t/data/decide.
 * The tables are read from the top: the first line that fits rules. */
#include "decide_fixture.h"
#include "decision_table.h"

#include <stdio.h>
#include <string.h>

static const char *const yes_no[] = { "yes", "no" };

static bool is_yes(unsigned value)
{
    return strcmp(yes_no[value], "yes") == 0;
}

#define YES_NO { "yes", "no", NULL }

static const enum level levels[] = { LEVEL_NONE, LEVEL_ENCRYPT, LEVEL_CHAIN, LEVEL_DOMAIN };
static const enum connection_state states[] = { CONNECTION_READY, CONNECTION_DIALING, CONNECTION_HANDSHAKING,
    CONNECTION_VERIFYING, CONNECTION_DRAINING, CONNECTION_DEAD, CONNECTION_UNSET };

static void write_result(const struct decision_result *result, char *outcome, size_t outcome_size)
{
    bool has_handle = result->handle.generation != 0;
    bool needs_handle = result->decision == DECISION_REUSE || result->decision == DECISION_JOIN ||
        result->decision == DECISION_UPGRADE;
    assert_true(has_handle == needs_handle);
    assert_true((result->reason != REASON_NONE) == (result->decision == DECISION_REJECT));
    snprintf(outcome, outcome_size, "%s%s%s", decision_name(result->decision),
        result->reason != REASON_NONE ? " " : "", result->reason != REASON_NONE ? reason_word(result->reason) : "");
}

/* decide.table: one connection that may be equal, one that may be upgraded. */

enum { REQUEST, REUSE, CONNECT, STATE, FLAW, WAITERS, UPGRADABLE, BACKOFF, ROOM, DECIDE_COLUMNS };

static const struct table_column decide_columns[DECIDE_COLUMNS] = {
    [REQUEST] = { "REQUEST", { "plain", "encrypt", "chain", "domain" } },
    [REUSE] = { "REUSE", YES_NO },
    [CONNECT] = { "CONNECT", YES_NO },
    [STATE] = { "STATE", { "ready", "dialing", "handshaking", "verifying", "draining", "dead", "unset", "none" } },
    [FLAW] = { "FLAW", { "fine", "key", "handle", "owned", "deadline", "age", "idle", "idle-to-others", "verdict",
                            "missing-verdict", "missing-key" } },
    [WAITERS] = { "WAITERS", { "few", "many" } },
    [UPGRADABLE] = { "UPGRADABLE", YES_NO },
    [BACKOFF] = { "BACKOFF", YES_NO },
    [ROOM] = { "ROOM", YES_NO },
};

static void spoil(struct connection_view *connection, const char *flaw, const struct connection_key *other,
    struct verdict *verdict)
{
    if (strcmp(flaw, "key") == 0)
        connection->key = other;
    else if (strcmp(flaw, "handle") == 0)
        connection->handle.generation = 0;
    else if (strcmp(flaw, "owned") == 0)
        connection->is_exclusive = true;
    else if (strcmp(flaw, "deadline") == 0)
        connection->deadline = FIXTURE_NOW;
    else if (strcmp(flaw, "age") == 0)
        connection->opened_at = FIXTURE_NOW - 100;
    else if (strcmp(flaw, "idle") == 0)
        connection->idle_ms = 50001;
    else if (strcmp(flaw, "idle-to-others") == 0)
        connection->idle_timeout_s = 49;
    else if (strcmp(flaw, "verdict") == 0)
        verdict->result = VERDICT_REFUSED;
    else if (strcmp(flaw, "missing-verdict") == 0)
        connection->verdict = NULL;
    else if (strcmp(flaw, "missing-key") == 0)
        connection->key = NULL;
    else
        assert_string_equal(flaw, "fine");
}

/* As old, and silent for as long, as both the request and who used it before allow at most. */
static void make_last_moment(struct requirement *requirement, struct connection_view *connection)
{
    requirement->terms.max_age_s = 100;
    requirement->terms.idle_timeout_s = 50;
    connection->opened_at = FIXTURE_NOW - 99;
    connection->idle_timeout_s = 60;
    connection->idle_ms = 50000;
}

static void decide_one(const unsigned *values, char *outcome, size_t outcome_size)
{
    struct requirement requirement = fixture_requirement(levels[values[REQUEST]]), other = requirement;
    requirement.terms.may_reuse = is_yes(values[REUSE]);
    requirement.terms.may_connect = is_yes(values[CONNECT]);
    requirement.terms.max_age_s = 100;
    struct connection_key key = fixture_key_of(&requirement);
    /* A key of equal hash and length: what tells them apart is the full comparison. */
    other.key.destination.port++;
    struct connection_key other_key = fixture_key_of(&other);
    other_key.hash = key.hash;
    struct verdict verdict = fixture_verdict(&requirement.key);
    struct connection_view equal = fixture_connection(5, &key, &verdict);
    make_last_moment(&requirement, &equal);
    spoil(&equal, decide_columns[FLAW].values[values[FLAW]], &other_key, &verdict);
    if (values[STATE] < ARRAY_SIZE(states))
        equal.state = states[values[STATE]];
    equal.waiters = values[WAITERS] == 0 ? 3 : 4;

    struct requirement weak = fixture_requirement(LEVEL_ENCRYPT);
    struct connection_key weak_key = fixture_key_of(&weak);
    struct verdict weak_verdict = fixture_verdict(&weak.key);
    struct connection_view unverified = fixture_connection(6, &weak_key, &weak_verdict);
    unverified.in_flight = is_yes(values[UPGRADABLE]) ? 0 : 1;

    struct pool_view pool = { .equal = &equal, .equal_count = values[STATE] < ARRAY_SIZE(states),
        .unverified = &unverified, .unverified_count = 1, .waiters_max = 4, .has_room = is_yes(values[ROOM]),
        .backoff_until = is_yes(values[BACKOFF]) ? FIXTURE_NOW + 1 : FIXTURE_NOW };
    struct capabilities capabilities = { .upgrade = true };
    struct decision_result result = decide(&requirement, &key, &pool, &capabilities, FIXTURE_NOW);
    if (result.handle.generation != 0)
        assert_int_equal(result.handle.generation, result.decision == DECISION_UPGRADE ? 6 : 5);
    write_result(&result, outcome, outcome_size);
}

static void decisions_are_those_of_the_table(void **state)
{
    (void)state;
    decision_table_check("decide.table", decide_columns, DECIDE_COLUMNS, decide_one);
}

/* upgrade.table: one unverified connection to the same place, and what stands in the way. */

enum { UP_REQUEST, UP_REUSE, UP_WANTED, UP_CAPABLE, UP_STATE, UP_FLAW, UP_VERDICT, UP_KEY, UP_FULL, UP_FLOOR, UP_BUSY,
    UPGRADE_COLUMNS };

static const struct table_column upgrade_columns[UPGRADE_COLUMNS] = {
    [UP_REQUEST] = { "REQUEST", { "plain", "encrypt", "chain", "domain" } },
    [UP_REUSE] = { "REUSE", YES_NO },
    [UP_WANTED] = { "WANTED", YES_NO },
    [UP_CAPABLE] = { "CAPABLE", YES_NO },
    [UP_STATE] = { "STATE", { "ready", "dialing", "handshaking", "verifying", "draining", "dead", "unset", "none" } },
    [UP_FLAW] = { "FLAW", { "fine", "handle", "owned", "deadline", "age", "idle", "idle-to-others" } },
    [UP_VERDICT] = { "VERDICT", { "not-taken", "proven", "refused", "unset", "missing", "level" } },
    [UP_KEY] = { "KEY", { "weaker", "port", "transport", "sni", "no-sni", "certificate", "isolation", "local", "floor",
                            "verified", "missing", "garbage" } },
    [UP_FULL] = { "FULL", YES_NO },
    [UP_FLOOR] = { "FLOOR", YES_NO },
    [UP_BUSY] = { "BUSY", { "idle", "in-flight", "waiters" } },
};

static void change_key(struct requirement *requirement, const char *change)
{
    struct requirement_key *key = &requirement->key;
    if (strcmp(change, "port") == 0)
        key->destination.port++;
    else if (strcmp(change, "transport") == 0)
        key->transport = TRANSPORT_TCP;
    else if (strcmp(change, "sni") == 0)
        key->sni[0] = 'c';
    else if (strcmp(change, "no-sni") == 0)
        key->sni[0] = '\0';
    else if (strcmp(change, "certificate") == 0)
        key->credential_chain.is_set = key->credential_key.is_set = true;
    else if (strcmp(change, "isolation") == 0)
        key->isolation[0] = 't';
    else if (strcmp(change, "local") == 0)
        key->local = fixture_address("192.0.2.9");
    else if (strcmp(change, "floor") == 0)
        key->tls_min = TLS_VERSION_1_3;
    else if (strcmp(change, "verified") == 0)
        key->level = LEVEL_CHAIN;
}

static void change_verdict(struct connection_view *connection, struct verdict *verdict, const char *change)
{
    static const enum verdict_result results[] = { VERDICT_NOT_TAKEN, VERDICT_PROVEN, VERDICT_REFUSED, VERDICT_UNSET };
    for (size_t i = 0; i < ARRAY_SIZE(results); i++)
        if (strcmp(change, upgrade_columns[UP_VERDICT].values[i]) == 0)
            verdict->result = results[i];
    if (strcmp(change, "missing") == 0)
        connection->verdict = NULL;
    if (strcmp(change, "level") == 0)
        verdict->level = LEVEL_CHAIN;
}

static void upgrade_one(const unsigned *values, char *outcome, size_t outcome_size)
{
    struct requirement requirement = fixture_requirement(levels[values[UP_REQUEST]]);
    struct requirement weak = fixture_requirement(LEVEL_ENCRYPT);
    const char *change = upgrade_columns[UP_KEY].values[values[UP_KEY]];
    requirement.terms.may_reuse = is_yes(values[UP_REUSE]);
    requirement.terms.may_upgrade = is_yes(values[UP_WANTED]);
    change_key(&weak, change);
    struct connection_key key = fixture_key_of(&requirement), weak_key = fixture_key_of(&weak);
    if (strcmp(change, "garbage") == 0)
        weak_key.length -= 1;
    struct verdict verdict = fixture_verdict(&weak.key);
    verdict.result = VERDICT_NOT_TAKEN;
    verdict.level = LEVEL_ENCRYPT;
    struct connection_view unverified = fixture_connection(6, strcmp(change, "missing") == 0 ? NULL : &weak_key,
        &verdict);
    make_last_moment(&requirement, &unverified);
    spoil(&unverified, upgrade_columns[UP_FLAW].values[values[UP_FLAW]], NULL, NULL);
    change_verdict(&unverified, &verdict, upgrade_columns[UP_VERDICT].values[values[UP_VERDICT]]);
    if (values[UP_STATE] < ARRAY_SIZE(states))
        unverified.state = states[values[UP_STATE]];
    unverified.is_full_handshake = is_yes(values[UP_FULL]);
    unverified.meets_floor = is_yes(values[UP_FLOOR]);
    unverified.in_flight = values[UP_BUSY] == 1;
    unverified.waiters = values[UP_BUSY] == 2;

    struct pool_view pool = { .unverified = &unverified, .unverified_count = values[UP_STATE] < ARRAY_SIZE(states),
        .waiters_max = 4, .has_room = true };
    struct capabilities capabilities = { .upgrade = is_yes(values[UP_CAPABLE]) };
    struct decision_result result = decide(&requirement, &key, &pool, &capabilities, FIXTURE_NOW);
    bool has_candidate = result.upgrade == UPGRADE_NOT_SUPPORTED || result.upgrade == UPGRADE_POSSIBLE;
    assert_int_equal(result.upgrade_candidate.generation, has_candidate ? 6 : 0);
    snprintf(outcome, outcome_size, "%s %s", upgrade_obstacle_name(result.upgrade), decision_name(result.decision));
}

static void upgrades_are_those_of_the_table(void **state)
{
    (void)state;
    decision_table_check("upgrade.table", upgrade_columns, UPGRADE_COLUMNS, upgrade_one);
}

/* may-send.table: the check right before the write. */

enum { SEND_REQUEST, SEND_STATE, SEND_FLAW, SEND_RESULT, SEND_LEVEL, SEND_TRUST, SEND_NAME, SEND_DATES, SEND_PIN,
    SEND_REVOCATION, SEND_COLUMNS };

static const struct table_column send_columns[SEND_COLUMNS] = {
    [SEND_REQUEST] = { "REQUEST", { "plain", "encrypt", "chain", "domain", "pinned" } },
    [SEND_STATE] = { "STATE", { "ready", "dialing", "handshaking", "verifying", "draining", "dead", "unset" } },
    [SEND_FLAW] = { "FLAW", { "fine", "key", "handle", "owned", "deadline", "age", "idle", "idle-to-others",
                                 "missing-verdict", "missing-key" } },
    [SEND_RESULT] = { "RESULT", { "as-asked", "proven", "not-taken", "refused", "refused-unsaid", "unset" } },
    [SEND_LEVEL] = { "LEVEL", { "same", "lower", "higher" } },
    [SEND_TRUST] = { "TRUST", { "same", "other" } },
    [SEND_NAME] = { "NAME", { "same", "other", "unmatched", "unnamed" } },
    [SEND_DATES] = { "DATES", { "valid", "ended" } },
    [SEND_PIN] = { "PIN", { "none", "this", "another" } },
    [SEND_REVOCATION] = { "REVOCATION", { "off", "checked", "crl-unchecked", "ocsp-unchecked", "soft-unchecked" } },
};

static void change_judgement(struct requirement_key *key, struct verdict *verdict, const unsigned *values)
{
    static const enum verdict_result results[] = { VERDICT_UNSET, VERDICT_PROVEN, VERDICT_NOT_TAKEN, VERDICT_REFUSED,
        VERDICT_REFUSED, VERDICT_UNSET };
    if (values[SEND_RESULT] > 0)
        verdict->result = results[values[SEND_RESULT]];
    verdict->reason = values[SEND_RESULT] == 3 ? REASON_REVOKED : REASON_NONE;
    if (values[SEND_LEVEL] == 1)
        verdict->level = (enum level)(verdict->level - 1);
    if (values[SEND_LEVEL] == 2)
        verdict->level = (enum level)(verdict->level + 1);
    if (values[SEND_TRUST] == 1)
        verdict->trust_digest[DIGEST_SIZE - 1] ^= 1;
    if (values[SEND_NAME] == 1)
        verdict->expected_domain[0] = 'c';
    if (values[SEND_NAME] == 2)
        verdict->matched_name[0] = '\0';
    if (values[SEND_NAME] == 3)
        key->expected_domain[0] = verdict->expected_domain[0] = '\0';
    if (values[SEND_DATES] == 1)
        verdict->chain_not_after = FIXTURE_NOW;
    key->pins.count = values[SEND_PIN] > 0 ? 2 : 0;
    memset(key->pins.digests[1], values[SEND_PIN] == 1 ? 9 : 8, DIGEST_SIZE);
    if (values[SEND_REVOCATION] == 0)
        return;
    key->crl = key->ocsp = values[SEND_REVOCATION] == 4 ? REVOCATION_SOFT : REVOCATION_HARD;
    verdict->crl_checked = values[SEND_REVOCATION] == 1 || values[SEND_REVOCATION] == 3;
    verdict->ocsp_checked = values[SEND_REVOCATION] == 1 || values[SEND_REVOCATION] == 2;
}

static void send_one(const unsigned *values, char *outcome, size_t outcome_size)
{
    bool is_pinned = values[SEND_REQUEST] == 4;
    struct requirement requirement = fixture_requirement(is_pinned ? LEVEL_CHAIN : levels[values[SEND_REQUEST]]);
    if (is_pinned)
        requirement.key.trust = (struct optional_digest){ .is_set = false };
    struct verdict verdict = fixture_verdict(&requirement.key);
    change_judgement(&requirement.key, &verdict, values);
    struct requirement other = requirement;
    other.key.destination.port++;
    struct connection_key key = fixture_key_of(&requirement), other_key = fixture_key_of(&other);
    struct connection_view connection = fixture_connection(5, &key, &verdict);
    connection.state = states[values[SEND_STATE]];
    make_last_moment(&requirement, &connection);
    spoil(&connection, send_columns[SEND_FLAW].values[values[SEND_FLAW]], &other_key, NULL);
    enum reason reason = decide_may_send(&requirement, &key, &connection, FIXTURE_NOW);
    snprintf(outcome, outcome_size, "%s", reason == REASON_NONE ? "send" : reason_word(reason));
}

/* INV-28 */
static void writes_are_those_of_the_table(void **state)
{
    (void)state;
    decision_table_check("may-send.table", send_columns, SEND_COLUMNS, send_one);
}

/* publish.table: a handshake is done; may its connection be used? */

enum { PUBLISH_REQUEST, PUBLISH_CURRENT, PUBLISH_HANDSHAKE, PUBLISH_FULL, PUBLISH_CAPTURED, PUBLISH_VERSION,
    PUBLISH_SUITE, PUBLISH_VERDICT, PUBLISH_COLUMNS };

static const struct table_column publish_columns[PUBLISH_COLUMNS] = {
    [PUBLISH_REQUEST] = { "REQUEST", { "plain", "encrypt", "chain", "domain", "udp" } },
    [PUBLISH_CURRENT] = { "CURRENT", { "same", "other", "empty", "none" } },
    [PUBLISH_HANDSHAKE] = { "HANDSHAKE", YES_NO },
    [PUBLISH_FULL] = { "FULL", YES_NO },
    [PUBLISH_CAPTURED] = { "CAPTURED", YES_NO },
    [PUBLISH_VERSION] = { "VERSION", { "lowest", "highest", "below", "above", "unset", "unknown" } },
    [PUBLISH_SUITE] = { "SUITE", YES_NO },
    [PUBLISH_VERDICT] = { "VERDICT", { "as-asked", "none", "unset", "not-taken", "refused", "ended" } },
};

static void publish_one(const unsigned *values, char *outcome, size_t outcome_size)
{
    static const enum tls_version versions[] = { TLS_VERSION_1_2, TLS_VERSION_1_3, TLS_VERSION_1_2, TLS_VERSION_1_3,
        TLS_VERSION_UNSET, TLS_VERSION_COUNT };
    bool is_udp = values[PUBLISH_REQUEST] == 4;
    struct requirement requirement = fixture_requirement(is_udp ? LEVEL_NONE : levels[values[PUBLISH_REQUEST]]);
    const char *version = publish_columns[PUBLISH_VERSION].values[values[PUBLISH_VERSION]];
    if (is_udp)
        requirement.key.transport = TRANSPORT_UDP;
    if (strcmp(version, "below") == 0)
        requirement.key.tls_min = TLS_VERSION_1_3;
    if (strcmp(version, "above") == 0)
        requirement.key.tls_max = TLS_VERSION_1_2;
    struct requirement other = requirement;
    other.key.destination.address.bytes[3]++;
    struct connection_key current = fixture_key_of(values[PUBLISH_CURRENT] == 1 ? &other : &requirement);
    if (values[PUBLISH_CURRENT] == 2)
        current.length = 0;
    struct handshake_facts handshake = { .is_full_handshake = is_yes(values[PUBLISH_FULL]),
        .tls_version = versions[values[PUBLISH_VERSION]], .is_suite_allowed = is_yes(values[PUBLISH_SUITE]),
        .is_captured = is_yes(values[PUBLISH_CAPTURED]) };
    struct verdict verdict = fixture_verdict(&requirement.key);
    static const enum verdict_result results[] = { VERDICT_UNSET, VERDICT_UNSET, VERDICT_UNSET, VERDICT_NOT_TAKEN,
        VERDICT_REFUSED, VERDICT_UNSET };
    if (values[PUBLISH_VERDICT] >= 2 && values[PUBLISH_VERDICT] <= 4)
        verdict.result = results[values[PUBLISH_VERDICT]];
    if (values[PUBLISH_VERDICT] == 5)
        verdict.chain_not_after = FIXTURE_NOW;
    enum reason reason = decide_publish(&requirement.key, values[PUBLISH_CURRENT] == 3 ? NULL : &current,
        is_yes(values[PUBLISH_HANDSHAKE]) ? &handshake : NULL, values[PUBLISH_VERDICT] == 1 ? NULL : &verdict,
        FIXTURE_NOW);
    snprintf(outcome, outcome_size, "%s", reason == REASON_NONE ? "publish" : reason_word(reason));
}

/* INV-16 */
static void publications_are_those_of_the_table(void **state)
{
    (void)state;
    decision_table_check("publish.table", publish_columns, PUBLISH_COLUMNS, publish_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_are_those_of_the_table),
        cmocka_unit_test(upgrades_are_those_of_the_table),
        cmocka_unit_test(writes_are_those_of_the_table),
        cmocka_unit_test(publications_are_those_of_the_table),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
