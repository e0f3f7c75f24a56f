/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_odd.c - what nobody should hand to the decision, and what is seldom asked of it: refused, or said in words. */
#include "decide_fixture.h"

#include "decide/explain.h"

#include <stdio.h>
#include <string.h>

/* --- Keys that encode() cannot have made --- */

/* The bytes of a field of KEY, found by its tag. */
static size_t field_at(const struct connection_key *key, uint8_t tag)
{
    size_t at = 0;
    while (key->bytes[at] != tag) {
        size_t length = (size_t)key->bytes[at + 1] << 8 | key->bytes[at + 2];
        at += 3 + (length == 0xffff ? 0 : length);
        assert_true(at < key->length);
    }
    return at;
}

enum { PINS_TAG = 20 };

static void pins_are_a_few_digests_or_nothing(void **state)
{
    (void)state;
    struct requirement requirement = fixture_requirement(LEVEL_CHAIN);
    struct requirement_key fields;
    struct connection_key key = fixture_key_of(&requirement), odd = key;
    size_t at = field_at(&key, PINS_TAG), rest = key.length - at - 3;
    assert_int_equal(connection_key_decode(&key, &fields), 0);
    odd.bytes[at + 1] = odd.bytes[at + 2] = 0xff; /* absent: no such thing as an unsaid number of pins */
    assert_int_equal(connection_key_decode(&odd, &fields), ERROR_SYNTAX);
    static const uint16_t lengths[] = { 1, DIGEST_SIZE - 1, (PINS_MAX + 1) * DIGEST_SIZE };
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        odd = key;
        odd.bytes[at + 1] = (uint8_t)(lengths[i] >> 8);
        odd.bytes[at + 2] = (uint8_t)lengths[i];
        memset(odd.bytes + at + 3, 7, lengths[i]);
        memcpy(odd.bytes + at + 3 + lengths[i], key.bytes + at + 3, rest);
        odd.length = (uint16_t)(key.length + lengths[i]);
        assert_int_equal(connection_key_decode(&odd, &fields), ERROR_SYNTAX);
    }
}

static void more_pins_than_there_may_be_equal_nothing(void **state)
{
    (void)state;
    struct requirement requirement = fixture_requirement(LEVEL_CHAIN);
    requirement.key.pins.count = PINS_MAX;
    memset(requirement.key.pins.digests, 3, sizeof(requirement.key.pins.digests));
    assert_true(requirement_key_equal(&requirement.key, &requirement.key, PART_ALL));
    requirement.key.pins.count = PINS_MAX + 1;
    assert_false(requirement_key_equal(&requirement.key, &requirement.key, PART_ALL));
    struct verdict verdict = fixture_verdict(&requirement.key);
    struct connection_key key = fixture_key_of(&requirement);
    struct connection_view connection = fixture_connection(1, &key, &verdict);
    assert_int_equal(decide_may_send(&requirement, &key, &connection, FIXTURE_NOW), REASON_PIN_MISMATCH);
}

static void parts_are_compared_alone(void **state)
{
    (void)state;
    struct requirement a = fixture_requirement(LEVEL_DOMAIN), b = a;
    b.key.destination.port++;
    memcpy(b.key.isolation, "t", 2);
    assert_true(requirement_key_equal(&a.key, &b.key, PART_HANDSHAKE | PART_FLOOR | PART_JUDGEMENT));
    assert_false(requirement_key_equal(&a.key, &b.key, PART_PLACE));
    assert_true(requirement_key_equal(&a.key, &b.key, 0));
    b = a;
    b.key.level = LEVEL_CHAIN;
    assert_true(requirement_key_equal(&a.key, &b.key, PART_PLACE | PART_HANDSHAKE | PART_FLOOR));
    assert_false(requirement_key_equal(&a.key, &b.key, PART_JUDGEMENT));
}

/* --- Requirements that no row makes --- */

static enum reason may_send(const struct requirement *requirement, int64_t opened_at)
{
    struct verdict verdict = fixture_verdict(&requirement->key);
    struct connection_key key = fixture_key_of(requirement);
    struct connection_view connection = fixture_connection(1, &key, &verdict);
    connection.opened_at = opened_at;
    return decide_may_send(requirement, &key, &connection, FIXTURE_NOW);
}

static void a_plain_connection_proves_nothing(void **state)
{
    (void)state;
    struct requirement requirement = fixture_requirement(LEVEL_NONE);
    assert_int_equal(may_send(&requirement, FIXTURE_NOW), REASON_NONE);
    for (uint8_t level = LEVEL_ENCRYPT; level < LEVEL_COUNT; level++) {
        requirement.key.level = level;
        assert_int_equal(may_send(&requirement, FIXTURE_NOW), REASON_PLAIN_TRANSPORT);
    }
}

/* A clock that was set back makes nothing old; its deadline still holds. */
static void an_age_counts_forwards(void **state)
{
    (void)state;
    struct requirement requirement = fixture_requirement(LEVEL_ENCRYPT);
    requirement.terms.max_age_s = 60;
    assert_int_equal(may_send(&requirement, FIXTURE_NOW - 59), REASON_NONE);
    assert_int_equal(may_send(&requirement, FIXTURE_NOW - 60), REASON_CONNECTION_LOST);
    assert_int_equal(may_send(&requirement, FIXTURE_NOW + 3600), REASON_NONE);
    assert_int_equal(may_send(&requirement, INT64_MIN), REASON_CONNECTION_LOST);
}

static void pins_alone_may_be_the_proof(void **state)
{
    (void)state;
    static const struct capabilities none;
    struct requirement requirement = fixture_requirement(LEVEL_CHAIN);
    struct pool_view pool = { .has_room = true };
    requirement.key.trust.is_set = false;
    requirement.key.pins.count = 1;
    struct connection_key key = fixture_key_of(&requirement);
    assert_int_equal(decide(&requirement, &key, &pool, &none, FIXTURE_NOW).decision, DECISION_OPEN);
    requirement.key.pins.count = 0;
    assert_int_equal(decide(&requirement, &key, &pool, &none, FIXTURE_NOW).reason, REASON_UNKNOWN_TRUST_SET);
}

/* --- Rows that no builder has seen --- */

static enum reason build(const struct policy_snapshot *snapshot, const struct outbound_policy *row, const char *flags,
    uint32_t default_age_s, struct requirement *requirement_r, struct why *why)
{
    static const struct capabilities none;
    struct requirement_defaults defaults = { .max_age_s = default_age_s };
    struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = "a.example",
        .endpoint = { fixture_address("192.0.2.1"), 5061 } };
    struct flag_set set;
    assert_int_equal(flags_parse(slice_of_string(flags), &set, NULL), 0);
    return requirement_build(snapshot, row, &set, &target, &none, &defaults, requirement_r, why);
}

static void rows_are_not_trusted_to_be_whole(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    struct policy_trust_set broken = fixture_trust_set("broken", 9);
    broken.unusable = "no anchor can be read";
    assert_int_equal(policy_builder_trust_set(builder, &broken), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    const struct policy_trust_set *anchors = policy_snapshot_trust_set(snapshot, "anchors");
    struct requirement requirement;
    struct why why = WHY_NONE;
    struct outbound_policy row = fixture_outbound(1, "a.example");
    row.level = LEVEL_DOMAIN;
    row.trust_set = anchors;
    row.trust_set_name = "anchors";
    row.trust_flag = PERMISSION_ALLOWED;
    row.expected_domain = "not a name";
    assert_int_equal(build(snapshot, &row, "", 0, &requirement, &why), REASON_NO_EXPECTED_DOMAIN);
    row.expected_domain = "b.example";
    assert_int_equal(build(snapshot, &row, "verify-domain=b.example", 0, &requirement, &why), REASON_NONE);
    assert_string_equal(requirement.key.expected_domain, "b.example");
    assert_int_equal(build(snapshot, &row, "trust=broken", 0, &requirement, &why), REASON_UNKNOWN_TRUST_SET);
    row.name = NULL;
    assert_int_equal(build(snapshot, &row, "no-verify", 0, &requirement, &why), REASON_WEAKEN_REFUSED);
    assert_non_null(strstr(why.text, "row \"?\""));
    policy_snapshot_unref(snapshot);
}

static void a_row_without_a_level_asks_for_the_most(void **state)
{
    (void)state;
    static const struct flag_set no_flags, lowering = { .bits = T_RELAY_NO_VERIFY };
    struct outbound_policy row = fixture_outbound(1, "a.example");
    row.weaken = PERMISSION_ALLOWED;
    static const enum level beyond[] = { LEVEL_UNSET, LEVEL_COUNT };
    for (size_t i = 0; i < ARRAY_SIZE(beyond); i++) {
        row.level = beyond[i];
        assert_int_equal(requirement_level(&row, &no_flags), LEVEL_DOMAIN);
        assert_int_equal(requirement_level(&row, &lowering), LEVEL_DOMAIN);
    }
    row.level = LEVEL_DOMAIN;
    assert_int_equal(requirement_level(&row, &lowering), LEVEL_ENCRYPT);
}

/* Of two ages the lower one; none is none. */
static void an_age_is_lowered_and_never_raised(void **state)
{
    (void)state;
    struct policy_snapshot *snapshot = fixture_finish(fixture_builder());
    struct outbound_policy row = fixture_outbound(1, "a.example");
    static const struct {
        uint32_t row, node;
        const char *flags;
        uint32_t age;
    } cases[] = { { 0, 0, "", 0 }, { 0, 0, "max-age=60", 60 }, { 0, 30, "max-age=60", 30 },
        { 90, 30, "max-age=60", 60 }, { 90, 30, "", 90 } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct requirement requirement;
        row.max_age_s = cases[i].row;
        assert_int_equal(build(snapshot, &row, cases[i].flags, cases[i].node, &requirement, NULL), REASON_NONE);
        assert_int_equal(requirement.terms.max_age_s, cases[i].age);
    }
    policy_snapshot_unref(snapshot);
}

/* --- In words --- */

static const char *take(struct buffer *buffer)
{
    static char text[4096];
    assert_true(slice_to_string(buffer_slice(buffer), text, sizeof(text)));
    buffer_free(buffer);
    return text;
}

static void every_match_has_words(void **state)
{
    (void)state;
    static const char *const words[] = { [MATCH_UNSET] = "(no match", [MATCH_DOMAIN] = "(domain a.example",
        [MATCH_SUFFIX] = "(domain *.a.example", [MATCH_ADDRESS] = "(address 192.0.2.0/24",
        [MATCH_SOURCE] = "(source domain a.example", [MATCH_PEER] = "(peer a.example", [MATCH_DEFAULT] = "(default" };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        struct buffer out = BUFFER_EMPTY;
        struct outbound_policy row = fixture_outbound(1, "a.example");
        row.match = (enum policy_match)i;
        row.match_prefix = fixture_prefix("192.0.2.0/24");
        explain_row(&row, &out);
        if (strstr(take(&out), words[i]) == NULL)
            fail_msg("not \"%s\"", words[i]);
    }
    struct buffer out = BUFFER_EMPTY;
    struct outbound_policy row = fixture_outbound(1, "a.example");
    row.match = (enum policy_match)(MATCH_DEFAULT + 1);
    explain_row(&row, &out);
    assert_string_equal(take(&out), "row: 1 a.example (a.example, priority 100, level encrypt)\n");
}

static void a_refusal_needs_no_more_than_its_reason(void **state)
{
    (void)state;
    struct why empty = WHY_NONE;
    struct buffer out = BUFFER_EMPTY;
    explain_refusal(REASON_LIMIT, &empty, &out);
    assert_string_equal(take(&out), "refused: 503 limit: a connection or queue limit is reached\n");
    explain_refusal(REASON_LIMIT, NULL, &out);
    assert_string_equal(take(&out), "refused: 503 limit: a connection or queue limit is reached\n");
}

static const char *key_words(const struct requirement_key *key)
{
    struct buffer out = BUFFER_EMPTY;
    requirement_key_print(key, &out);
    return take(&out);
}

static void every_field_has_words(void **state)
{
    (void)state;
    struct requirement_key key = { .role = ROLE_IN_ALIAS, .transport = TRANSPORT_UDP, .cn_fallback = 1,
        .destination = { fixture_address("fe80::1"), 5060 }, .local = fixture_address("2001:db8::1") };
    key.destination.address.scope = 3;
    assert_string_equal(key_words(&key), "role=in-alias transport=udp destination=[fe80::1]:5060%3 "
        "local-address=2001:db8::1 cn-fallback=yes");
    assert_string_equal(transport_name(TRANSPORT_UNSET), "unset");
    key = (struct requirement_key){ .role = ROLE_IN_ALIAS + 1, .transport = TRANSPORT_TLS + 1,
        .destination = { fixture_address("192.0.2.1"), 1 }, .pins = { .count = 1 } };
    assert_string_equal(key_words(&key), "role=unset transport=unset destination=192.0.2.1:1 "
        "pins=0000000000000000000000000000000000000000000000000000000000000000");
}

static void terms_name_what_has_a_name(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    struct policy_trust_set trust_set = fixture_trust_set("anchors", 1);
    struct policy_credential credential = fixture_credential(NULL, 1);
    struct requirement_terms terms = { .max_age_s = 5, .upgrade = UPGRADE_NEVER, .trust_set = &trust_set,
        .credential = &credential };
    requirement_terms_print(&terms, &out);
    assert_string_equal(take(&out), "max-age=5s upgrade=never may-reuse=no may-connect=no may-upgrade=no "
        "crl-skipped=no ocsp-skipped=no row=0 generation=0 trust-set=anchors certificate-name=?");
    terms = (struct requirement_terms){ .upgrade = UPGRADE_NEVER };
    requirement_terms_print(&terms, &out);
    assert_null(strstr(take(&out), "trust-set"));
}

static void handles_differ_in_each_part(void **state)
{
    (void)state;
    const struct connection_handle handle = { 1, 2, 3 };
    assert_true(connection_handle_equal(handle, (struct connection_handle){ 1, 2, 3 }));
    assert_false(connection_handle_equal(handle, (struct connection_handle){ 9, 2, 3 }));
    assert_false(connection_handle_equal(handle, (struct connection_handle){ 1, 9, 3 }));
    assert_false(connection_handle_equal(handle, (struct connection_handle){ 1, 2, 9 }));
}

static void transports_have_names(void **state)
{
    (void)state;
    assert_string_equal(transport_name(TRANSPORT_UDP), "udp");
    assert_string_equal(transport_name(TRANSPORT_TCP), "tcp");
    assert_string_equal(transport_name(TRANSPORT_TLS), "tls");
    assert_string_equal(transport_name(TRANSPORT_UNSET), "unset");
    assert_string_equal(transport_name((enum transport)99), "unset");
}

/* What was never decided is explained as a refusal. */
static void no_decision_is_a_refusal(void **state)
{
    (void)state;
    struct requirement requirement = fixture_requirement(LEVEL_CHAIN);
    struct connection_key key = fixture_key_of(&requirement);
    static const struct {
        enum decision decision;
        bool has_reason;
    } cases[] = { { DECISION_UNSET, true }, { DECISION_REJECT, true }, { DECISION_OPEN, false },
        { DECISION_REUSE, false } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct decision_result result = { .decision = cases[i].decision, .reason = REASON_NO_CONNECTION };
        struct buffer out = BUFFER_EMPTY;
        explain_decision(&result, &key, &out);
        buffer_append_byte(&out, '\0');
        assert_int_equal(strstr(out.data, reason_word(REASON_NO_CONNECTION)) != NULL, cases[i].has_reason);
        buffer_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pins_are_a_few_digests_or_nothing),
        cmocka_unit_test(more_pins_than_there_may_be_equal_nothing),
        cmocka_unit_test(parts_are_compared_alone),
        cmocka_unit_test(a_plain_connection_proves_nothing),
        cmocka_unit_test(an_age_counts_forwards),
        cmocka_unit_test(pins_alone_may_be_the_proof),
        cmocka_unit_test(rows_are_not_trusted_to_be_whole),
        cmocka_unit_test(a_row_without_a_level_asks_for_the_most),
        cmocka_unit_test(an_age_is_lowered_and_never_raised),
        cmocka_unit_test(every_match_has_words),
        cmocka_unit_test(a_refusal_needs_no_more_than_its_reason),
        cmocka_unit_test(every_field_has_words),
        cmocka_unit_test(terms_name_what_has_a_name),
        cmocka_unit_test(handles_differ_in_each_part),
        cmocka_unit_test(transports_have_names),
        cmocka_unit_test(no_decision_is_a_refusal),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
