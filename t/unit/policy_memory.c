/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_memory.c - whichever allocation fails, a snapshot with every row comes to be or none does, nothing leaks, and
 * nothing of the edge is lost. The allocator is wrapped by the linker (t/unit/policy.mk). */
#include "policy_fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* Allocations until one fails; negative: none does. */
static long countdown = -1;
static long taken;

static bool is_refused(void)
{
    taken++;
    return countdown >= 0 && countdown-- == 0;
}

#include "refused_memory.h"

enum { OUTBOUND_ROWS = 700, OTHER_ROWS = 20 };

static int add_objects(struct policy_builder *builder)
{
    struct policy_trust_set trust_set = fixture_trust_set("anchors", 1);
    struct policy_credential credential = fixture_credential("ours", 1);
    int rc = policy_builder_trust_set(builder, &trust_set);
    int other = policy_builder_credential(builder, &credential); /* taken in any case */
    return rc != 0 ? rc : other;
}

static int add_outbound(struct policy_builder *builder)
{
    int rc = 0;
    for (int64_t i = 0; rc == 0 && i < OUTBOUND_ROWS; i++) {
        char name[32], expected[64];
        snprintf(name, sizeof(name), "d%d.example", (int)(i / 2)); /* each twice: ambiguous */
        snprintf(expected, sizeof(expected), "expected%d.example", (int)i % 100);
        struct outbound_policy row = fixture_outbound(i, name);
        row.expected_domain = expected;
        row.trust_set_name = i % 3 == 0 ? "missing" : "anchors";
        row.certificate_name = "ours";
        rc = policy_builder_outbound(builder, &row);
    }
    return rc;
}

static int add_others(struct policy_builder *builder)
{
    int rc = policy_builder_problem(builder, "crl", "x", "cannot be read");
    for (int64_t i = 0; rc == 0 && i < OTHER_ROWS; i++) {
        struct flag_set flags = { .bits = T_RELAY_TLS, .max_age_s = (uint32_t)i };
        struct server_profile profile = fixture_profile("profile", "tls", i > 0 ? "a.example" : NULL);
        struct peer_rule peer = fixture_peer(i, "peer");
        struct route route = fixture_route(i, "*.example");
        peer.san = "a.example";
        peer.flags = route.flags = &flags;
        route.user_prefix = "+1";
        rc = policy_builder_server_profile(builder, &profile);
        rc = rc == 0 ? policy_builder_peer(builder, &peer) : rc;
        rc = rc == 0 ? policy_builder_route(builder, &route) : rc;
    }
    return rc;
}

static int build(struct policy_snapshot **snapshot_r, struct why *why)
{
    struct policy_builder *builder = NULL;
    int rc = policy_builder_new(fixture_release_ops(), FIXTURE_SEED, &builder);
    if (rc != 0)
        return rc;
    /* Every failure is remembered: a caller that overlooks them all still gets no snapshot. */
    (void)!add_objects(builder);
    (void)!add_outbound(builder);
    (void)!add_others(builder);
    return policy_builder_finish(builder, 1, FIXTURE_LOADED_AT, snapshot_r, why);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct policy_snapshot *snapshot = NULL;
    struct why why = WHY_NONE;
    taken = 0;
    assert_int_equal(build(&snapshot, &why), 0);
    long total = taken;
    assert_true(total > 30);
    struct policy_counts whole = policy_snapshot_counts(snapshot);
    assert_int_equal(whole.outbound, OUTBOUND_ROWS);
    assert_int_equal(whole.unusable, OUTBOUND_ROWS + OTHER_ROWS - 1);
    policy_snapshot_unref(snapshot);
    for (long i = 0; i < total; i++) {
        snapshot = NULL;
        fixture_forget_releases();
        countdown = i;
        int rc = build(&snapshot, &why);
        countdown = -1;
        assert_int_equal(rc, ERROR_MEMORY);
        assert_null(snapshot);
        bool has_builder = i >= 2;
        assert_int_equal(fixture_released().trust_stores, has_builder);
        assert_int_equal(fixture_released().credentials, has_builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
