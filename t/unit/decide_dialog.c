/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_dialog.c - which row rules a request of a dialog, and what it needs: every pin against every row of the next
 * hop, held against INV-33 as it is written here; then single cases by name.
 */
#include "decide_fixture.h"

#include <stdio.h>
#include <string.h>

static const struct capabilities nothing;
static const struct requirement_defaults defaults = { .max_age_s = 60 };
static const enum level levels[] = { LEVEL_NONE, LEVEL_ENCRYPT, LEVEL_CHAIN, LEVEL_DOMAIN };

enum { PINNED_ID = 17, HOP_ID = 4 };
enum hop_kind { HOP_ADDRESS, HOP_SAME_NAME, HOP_OTHER_NAME, HOP_KINDS };
enum pinned_state { PINNED_GONE, PINNED_UNUSABLE, PINNED_BEHIND, PINNED_THERE, PINNED_STATES };

/* One combination. */
struct world {
    enum hop_kind hop;
    enum policy_match ordinary; /* UNSET: no row; the pinned row itself: is_same */
    bool is_same;
    enum level ordinary_level;
    enum pinned_state pinned;
    enum level pinned_level;
    bool initial_only, may_weaken;
    enum level pin_level;
    bool pin_asks_initial;
    const char *flags;
};

static struct outbound_policy row_of_level(int64_t id, const char *name, enum level level)
{
    struct outbound_policy row = fixture_outbound(id, name);
    row.level = level;
    row.trust_set_name = "anchors";
    row.certificate_name = "ours";
    return row;
}

static const char *name_of(enum hop_kind hop)
{
    return hop == HOP_ADDRESS ? NULL : hop == HOP_SAME_NAME ? "biloxi.example" : "gateway.example";
}

/* The row for the next hop, or for who asks, or for all. */
static void add_ordinary(struct policy_builder *builder, const struct world *world)
{
    struct outbound_policy row = row_of_level(HOP_ID, "ordinary", world->ordinary_level);
    row.match = world->ordinary;
    row.match_name = world->ordinary == MATCH_SOURCE ? "atlanta.example"
        : world->ordinary == MATCH_SUFFIX            ? "example"
                                                     : name_of(world->hop);
    row.match_prefix = fixture_prefix("192.0.2.0/24");
    row.expected_domain = "ordinary.example";
    row.weaken = world->may_weaken ? PERMISSION_ALLOWED : PERMISSION_REFUSED;
    if (world->ordinary != MATCH_UNSET && !world->is_same)
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
}

static void add_pinned(struct policy_builder *builder, const struct world *world)
{
    struct outbound_policy row = row_of_level(PINNED_ID, "pinned", world->pinned_level);
    row.match_name = world->is_same && name_of(world->hop) != NULL ? name_of(world->hop) : "called.example";
    if (world->is_same && name_of(world->hop) == NULL) {
        row.match = MATCH_ADDRESS;
        row.match_prefix = fixture_prefix("192.0.2.0/24");
    }
    row.initial_only = world->initial_only;
    row.weaken = world->may_weaken ? PERMISSION_ALLOWED : PERMISSION_REFUSED;
    row.unusable = world->pinned == PINNED_UNUSABLE ? "a test says so" : NULL;
    if (world->pinned == PINNED_GONE)
        return;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    row = row_of_level(PINNED_ID + 1, "ahead", LEVEL_DOMAIN);
    row.match_name = "called.example";
    row.priority = 1;
    if (world->pinned == PINNED_BEHIND)
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
}

static struct policy_snapshot *snapshot_of(const struct world *world)
{
    struct policy_builder *builder = fixture_builder();
    add_ordinary(builder, world);
    add_pinned(builder, world);
    return fixture_finish(builder);
}

static struct dialog_part pin_of(const struct world *world)
{
    struct dialog_part pin = { .row_id = PINNED_ID, .level = world->pin_level, .domain = "biloxi.example" };
    pin.flags.bits = world->pin_asks_initial ? T_RELAY_INITIAL_ONLY : 0;
    return pin;
}

static const struct policy_lookup_order order = { .count = 4,
    .steps = { LOOKUP_SRC, LOOKUP_DST, LOOKUP_ADDR, LOOKUP_DEFAULT } };

static struct requirement_question question_of(const struct world *world, const struct flag_set *flags,
    const struct dialog_part *pin)
{
    return (struct requirement_question){ .order = &order, .flags = flags, .pin = pin,
        .query = { .next_hop_domain = name_of(world->hop), .source_domain = "atlanta.example" },
        .target = { .transport = TRANSPORT_TLS, .endpoint = { fixture_address("192.0.2.1"), 5061 },
            .next_hop_domain = name_of(world->hop) } };
}

#define HOLDS(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition))                                                                                             \
            fail_msg("%s\n  hop %d, row %d%s level %s; pinned row %d level %s initial_only %d weaken %d; "            \
                "pin %s initial-only %d; flags \"%s\"", #condition, world->hop, world->ordinary,                      \
                world->is_same ? " (the pinned one)" : "", level_name(world->ordinary_level), world->pinned,          \
                level_name(world->pinned_level), world->initial_only, world->may_weaken,                              \
                level_name(world->pin_level), world->pin_asks_initial, world->flags);                                 \
    } while (0)

/* INV-33 and what a pin promises, in other words than the code has. */
static void check_world(const struct world *world)
{
    struct policy_snapshot *snapshot = snapshot_of(world);
    struct flag_set flags;
    const struct dialog_part pin = pin_of(world);
    struct requirement requirement;
    struct requirement_rule rule, alone;
    assert_int_equal(flags_parse(slice_of_string(world->flags), &flags, NULL), 0);
    struct requirement_question with = question_of(world, &flags, &pin), without = question_of(world, &flags, NULL);
    struct requirement_target target = with.target;
    enum lookup_result ordinary = requirement_look_up(snapshot, &without, &target.endpoint.address, &alone);
    enum lookup_result found = requirement_look_up(snapshot, &with, &target.endpoint.address, &rule);
    bool is_usable = world->pinned == PINNED_THERE || (world->is_same && world->pinned == PINNED_BEHIND);
    HOLDS(!alone.is_pinned);
    HOLDS(!rule.is_pinned || (found == LOOKUP_RESULT_HIT && rule.row->id == PINNED_ID));
    HOLDS(rule.is_pinned || rule.row == alone.row);
    HOLDS(!is_usable || ordinary != LOOKUP_RESULT_NONE || rule.is_pinned);
    HOLDS(is_usable || !rule.is_pinned);
    enum reason reason = requirement_derive(snapshot, &with, &nothing, &defaults, &requirement, NULL);
    if (found != LOOKUP_RESULT_HIT) {
        HOLDS(reason != REASON_NONE && reason == rule.reason);
        policy_snapshot_unref(snapshot);
        return;
    }
    target.pin = rule.is_pinned ? &pin : NULL;
    struct requirement built;
    HOLDS(requirement_build(snapshot, rule.row, &flags, &target, &nothing, &defaults, &built, NULL) == reason);
    if (reason == REASON_NONE) {
        enum level level = (enum level)requirement.key.level;
        bool is_asked = world->pin_asks_initial || flags_have(&flags, T_RELAY_INITIAL_ONLY);
        bool is_lighter = is_usable && (world->initial_only || (is_asked && world->may_weaken)) &&
            !flags_have(&flags, T_RELAY_VERIFY_DOMAIN);
        bool is_row_of_hop = ordinary == LOOKUP_RESULT_HIT && !world->is_same &&
            (world->ordinary == MATCH_DOMAIN || world->ordinary == MATCH_SUFFIX || world->ordinary == MATCH_ADDRESS);
        HOLDS(memcmp(&requirement, &built, sizeof(built)) == 0);
        HOLDS(level >= (is_lighter ? LEVEL_CHAIN : world->pin_level));
        HOLDS(!is_row_of_hop || level >= requirement_level(alone.row, &flags));
        HOLDS(!rule.is_pinned || level != LEVEL_DOMAIN ||
            strcmp(requirement.key.expected_domain, "biloxi.example") == 0);
        HOLDS(!rule.is_pinned || (requirement.key.trust.is_set && requirement.key.credential_chain.is_set));
        HOLDS(!rule.is_pinned || strcmp(requirement.key.sni, "biloxi.example") == 0);
    }
    policy_snapshot_unref(snapshot);
}

static const char *const flag_sets[] = { "", "verify-domain", "verify-chain", "no-verify", "initial-only" };

static void check_rows(struct world world)
{
    static const enum policy_match matches[] = { MATCH_UNSET, MATCH_DOMAIN, MATCH_SUFFIX, MATCH_ADDRESS, MATCH_SOURCE,
        MATCH_DEFAULT };
    for (size_t i = 0; i < ARRAY_SIZE(matches); i++)
        for (size_t j = 0; j < ARRAY_SIZE(levels); j++) {
            world.ordinary = matches[i];
            world.ordinary_level = levels[j];
            bool is_of_name = matches[i] == MATCH_DOMAIN || matches[i] == MATCH_SUFFIX;
            if (!is_of_name || world.hop != HOP_ADDRESS)
                check_world(&world);
        }
    world.ordinary = MATCH_DOMAIN;
    world.is_same = true;
    check_world(&world);
}

static void a_pin_never_asks_for_less(void **state)
{
    (void)state;
    struct world world = { .hop = HOP_ADDRESS };
    for (unsigned hop = 0; hop < HOP_KINDS; hop++)
        for (unsigned pinned = 0; pinned < PINNED_STATES; pinned++)
            for (unsigned bits = 0; bits < 16; bits++)
                for (size_t level = 0; level < ARRAY_SIZE(levels); level++)
                    for (size_t i = 0; i < ARRAY_SIZE(flag_sets); i++) {
                        world = (struct world){ .hop = (enum hop_kind)hop, .pinned = (enum pinned_state)pinned,
                            .pinned_level = levels[level], .initial_only = (bits & 1) != 0,
                            .may_weaken = (bits & 2) != 0, .pin_level = (bits & 4) != 0 ? LEVEL_DOMAIN : LEVEL_CHAIN,
                            .pin_asks_initial = (bits & 8) != 0, .flags = flag_sets[i] };
                        check_rows(world);
                    }
}

/* A world, the row that rules in it ("": none), and what comes of it. */
struct named_case {
    const char *name;
    struct world world;
    const char *row;
    enum level level; /* UNSET: refused */
    enum reason reason;
};

#define PIN(level_) .pinned = PINNED_THERE, .pinned_level = LEVEL_DOMAIN, .pin_level = level_, .flags = ""

static const struct named_case named_cases[] = {
    { "an address without a row", { .hop = HOP_ADDRESS, PIN(LEVEL_DOMAIN) }, "pinned", LEVEL_DOMAIN, REASON_NONE },
    { "an address whose row asks for less",
        { .hop = HOP_ADDRESS, .ordinary = MATCH_ADDRESS, .ordinary_level = LEVEL_ENCRYPT, PIN(LEVEL_DOMAIN) }, "pinned",
        LEVEL_DOMAIN, REASON_NONE },
    { "or for as much",
        { .hop = HOP_ADDRESS, .ordinary = MATCH_ADDRESS, .ordinary_level = LEVEL_DOMAIN, PIN(LEVEL_DOMAIN) }, "pinned",
        LEVEL_DOMAIN, REASON_NONE },
    { "a name whose row asks for as much",
        { .hop = HOP_OTHER_NAME, .ordinary = MATCH_DOMAIN, .ordinary_level = LEVEL_DOMAIN, PIN(LEVEL_DOMAIN) },
        "ordinary", LEVEL_DOMAIN, REASON_NONE },
    { "a name whose row asks for less",
        { .hop = HOP_OTHER_NAME, .ordinary = MATCH_DOMAIN, .ordinary_level = LEVEL_CHAIN, PIN(LEVEL_DOMAIN) }, "pinned",
        LEVEL_DOMAIN, REASON_NONE },
    { "the name that was called",
        { .hop = HOP_SAME_NAME, .ordinary = MATCH_DOMAIN, .is_same = true, PIN(LEVEL_DOMAIN) }, "pinned", LEVEL_DOMAIN,
        REASON_NONE },
    { "initial_only",
        { .hop = HOP_ADDRESS, .initial_only = true, PIN(LEVEL_DOMAIN) }, "pinned", LEVEL_CHAIN, REASON_NONE },
    { "initial_only, and a default row for whoever has none",
        { .hop = HOP_ADDRESS, .ordinary = MATCH_DEFAULT, .ordinary_level = LEVEL_DOMAIN, .initial_only = true,
            PIN(LEVEL_DOMAIN) }, "pinned", LEVEL_CHAIN, REASON_NONE },
    { "initial_only, and a row of this very address",
        { .hop = HOP_ADDRESS, .ordinary = MATCH_ADDRESS, .ordinary_level = LEVEL_DOMAIN, .initial_only = true,
            PIN(LEVEL_DOMAIN) }, "ordinary", LEVEL_DOMAIN, REASON_NONE },
    { "the row asks for less today",
        { .hop = HOP_ADDRESS, .pinned = PINNED_THERE, .pinned_level = LEVEL_NONE, .pin_level = LEVEL_CHAIN,
            .flags = "" }, "pinned", LEVEL_CHAIN, REASON_NONE },
    { "the row asks for more today", { .hop = HOP_ADDRESS, PIN(LEVEL_CHAIN) }, "pinned", LEVEL_DOMAIN, REASON_NONE },
    { "the row is gone",
        { .hop = HOP_ADDRESS, .ordinary = MATCH_ADDRESS, .ordinary_level = LEVEL_ENCRYPT, .pinned = PINNED_GONE,
            .pin_level = LEVEL_CHAIN, .flags = "" }, "ordinary", LEVEL_UNSET, REASON_WEAKEN_REFUSED },
    { "the row is gone, and another asks for as much",
        { .hop = HOP_ADDRESS, .ordinary = MATCH_DEFAULT, .ordinary_level = LEVEL_CHAIN, .pinned = PINNED_GONE,
            .pin_level = LEVEL_CHAIN, .flags = "" }, "ordinary", LEVEL_CHAIN, REASON_NONE },
    { "the row cannot be used",
        { .hop = HOP_ADDRESS, .pinned = PINNED_UNUSABLE, .pin_level = LEVEL_CHAIN, .flags = "" }, "", LEVEL_UNSET,
        REASON_NO_POLICY },
    { "another row is ahead of it",
        { .hop = HOP_ADDRESS, .pinned = PINNED_BEHIND, .pinned_level = LEVEL_DOMAIN, .pin_level = LEVEL_CHAIN,
            .flags = "" }, "", LEVEL_UNSET, REASON_NO_POLICY },
};

static void named_worlds_come_out_as_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(named_cases); i++) {
        const struct named_case *named = &named_cases[i];
        struct policy_snapshot *snapshot = snapshot_of(&named->world);
        const struct dialog_part pin = pin_of(&named->world);
        struct requirement_question question = question_of(&named->world, NULL, &pin);
        struct requirement requirement;
        struct requirement_rule rule;
        (void)requirement_look_up(snapshot, &question, &question.target.endpoint.address, &rule);
        enum reason reason = requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL);
        const char *row = rule.row != NULL ? rule.row->name : "";
        if (strcmp(row, named->row) != 0 || reason != named->reason ||
            (reason == REASON_NONE && requirement.key.level != named->level))
            fail_msg("%s: row \"%s\", level %s, %s", named->name, row,
                reason == REASON_NONE ? level_name((enum level)requirement.key.level) : "-", reason_word(reason));
        policy_snapshot_unref(snapshot);
    }
}

/* The address comes later, look-ups that ask for no row, and a row of the hop that cannot be used: a pin is no way
 * around any of them. */
static void a_pin_is_no_way_around(void **state)
{
    (void)state;
    struct world world = { .hop = HOP_OTHER_NAME, PIN(LEVEL_DOMAIN) };
    const struct dialog_part pin = pin_of(&world);
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy row = row_of_level(1, "192.0.2.0/24", LEVEL_CHAIN);
    row.match = MATCH_ADDRESS;
    row.match_prefix = fixture_prefix("192.0.2.0/24");
    row.unusable = "a test says so";
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    add_pinned(builder, &world);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    struct requirement_question question = question_of(&world, NULL, &pin);
    struct requirement requirement;
    struct requirement_rule rule;
    assert_int_equal(requirement_look_up(snapshot, &question, NULL, &rule), LOOKUP_RESULT_NEEDS_ADDRESS);
    assert_null(rule.row);
    assert_int_equal(requirement_look_up(snapshot, &question, &question.target.endpoint.address, &rule),
        LOOKUP_RESULT_REFUSED);
    assert_int_equal(rule.reason, REASON_POLICY_UNUSABLE);
    static const struct policy_lookup_order none = { .is_none = true };
    question.order = &none;
    assert_int_equal(requirement_look_up(snapshot, &question, &question.target.endpoint.address, &rule),
        LOOKUP_RESULT_REFUSED);
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL),
        REASON_WEAKEN_REFUSED);
    policy_snapshot_unref(snapshot);
}

/* The addresses of the pinned row are those of the domain that was called, not of this next hop. */
static void a_pinned_row_leads_nowhere(void **state)
{
    (void)state;
    struct world world = { .hop = HOP_ADDRESS, PIN(LEVEL_DOMAIN) };
    const struct dialog_part pin = pin_of(&world);
    const struct endpoint elsewhere = { fixture_address("203.0.113.1"), 5061 };
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy row = row_of_level(PINNED_ID, "called.example", LEVEL_DOMAIN);
    row.next_hops = &elsewhere;
    row.next_hop_count = 1;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    struct requirement_question question = question_of(&world, NULL, &pin);
    struct requirement requirement;
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL), REASON_NONE);
    assert_true(endpoint_equal(&requirement.key.destination, &question.target.endpoint));
    question.is_address_of_row = true;
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL),
        REASON_NO_ADDRESS);
    question = question_of(&(struct world){ .hop = HOP_OTHER_NAME }, NULL, NULL);
    question.query.next_hop_domain = question.target.next_hop_domain = "called.example";
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL),
        REASON_NO_ADDRESS);
    policy_snapshot_unref(snapshot);
}

/* Of its own row another name is another identity, unless the row says which one it expects. */
static void a_name_of_the_pinned_row(void **state)
{
    (void)state;
    static const struct {
        const char *row_expects, *pin_has, *expected;
        bool is_pinned;
    } cases[] = { { NULL, "biloxi.example", "gateway.example", false },
        { NULL, "gateway.example", "gateway.example", true }, { "biloxi.example", "", "biloxi.example", true } };
    struct world world = { .hop = HOP_OTHER_NAME, PIN(LEVEL_DOMAIN) };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct policy_builder *builder = fixture_builder();
        struct outbound_policy row = row_of_level(PINNED_ID, "gateway.example", LEVEL_DOMAIN);
        row.expected_domain = cases[i].row_expects;
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
        struct policy_snapshot *snapshot = fixture_finish(builder);
        struct dialog_part pin = pin_of(&world);
        snprintf(pin.domain, sizeof(pin.domain), "%s", cases[i].pin_has);
        struct requirement_question question = question_of(&world, NULL, &pin);
        struct requirement requirement;
        struct requirement_rule rule;
        assert_int_equal(requirement_look_up(snapshot, &question, &question.target.endpoint.address, &rule),
            LOOKUP_RESULT_HIT);
        assert_int_equal(rule.is_pinned, cases[i].is_pinned);
        assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL), REASON_NONE);
        assert_string_equal(requirement.key.expected_domain, cases[i].expected);
        policy_snapshot_unref(snapshot);
    }
}

static void what_the_flags_of_the_invite_chose_stays(void **state)
{
    (void)state;
    struct world world = { .hop = HOP_ADDRESS, PIN(LEVEL_DOMAIN) };
    struct policy_snapshot *snapshot = snapshot_of(&world);
    struct dialog_part pin = pin_of(&world);
    struct requirement_question question = question_of(&world, NULL, &pin);
    struct requirement requirement;
    struct flag_set flags;
    assert_int_equal(flags_parse(SLICE_LITERAL("cert=theirs,sni=sni.example,verify-domain=v.example"), &pin.flags,
        NULL), 0);
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL), REASON_NONE);
    assert_string_equal(requirement.terms.credential->name, "theirs");
    assert_string_equal(requirement.key.sni, "sni.example");
    assert_string_equal(requirement.key.expected_domain, "v.example");
    question.flags = &flags; /* those of the request come later */
    assert_int_equal(flags_parse(SLICE_LITERAL("verify-domain=other.example"), &flags, NULL), 0);
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL),
        REASON_FLAG_CONFLICT);
    assert_int_equal(flags_parse(SLICE_LITERAL("verify-domain"), &flags, NULL), 0);
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL), REASON_NONE);
    assert_string_equal(requirement.key.expected_domain, "v.example");
    assert_int_equal(flags_parse(SLICE_LITERAL("no-cert,sni=other.example"), &flags, NULL), 0);
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL), REASON_NONE);
    assert_null(requirement.terms.credential);
    assert_string_equal(requirement.key.sni, "other.example");
    assert_int_equal(flags_parse(SLICE_LITERAL("no-verify"), &flags, NULL), 0);
    /* Beside verify-domain it never survives; of a row that is not to be weakened it is refused as ever. */
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL), REASON_NONE);
    assert_int_equal(requirement.key.level, LEVEL_DOMAIN);
    pin = pin_of(&world);
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL),
        REASON_WEAKEN_REFUSED);
    pin.flags.bits |= T_RELAY_NO_CONNECT; /* which no pin has */
    assert_int_equal(flags_parse(SLICE_LITERAL("no-conn-reuse"), &flags, NULL), 0);
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL),
        REASON_FLAG_CONFLICT);
    /* Without a domain there is none to expect. */
    pin = pin_of(&world);
    pin.domain[0] = '\0';
    question.flags = NULL;
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL),
        REASON_NO_EXPECTED_DOMAIN);
    policy_snapshot_unref(snapshot);
}

static struct outbound_policy of_place(int64_t id, enum policy_match match, const char *prefix, enum level level,
    bool may_weaken)
{
    struct outbound_policy row = row_of_level(id, "placed", level);
    row.match = match;
    row.match_name = NULL;
    row.match_prefix = fixture_prefix(prefix);
    row.weaken = may_weaken ? PERMISSION_ALLOWED : PERMISSION_REFUSED;
    return row;
}

/* What is feared of an address that is not known is the most that one of them turns out to ask for, and the pin. */
static void what_is_feared_is_the_most_that_an_address_asks(void **state)
{
    (void)state;
    static const enum level choices[] = { LEVEL_UNSET, LEVEL_NONE, LEVEL_ENCRYPT, LEVEL_CHAIN, LEVEL_DOMAIN };
    static const char *const flag_texts[] = { "", "tls", "verify-chain", "no-verify" };
    static const struct policy_lookup_order asking = { .count = 3,
        .steps = { LOOKUP_DST, LOOKUP_ADDR, LOOKUP_DEFAULT } };
    static const struct policy_lookup_order blind = { .count = 1, .steps = { LOOKUP_DEFAULT } };
    for (unsigned world = 0; world < 5 * 5 * 5 * 4 * 4 * 3; world++) {
        unsigned rest = world;
        enum level of_one = choices[rest % 5], of_two = choices[(rest /= 5) % 5], of_all = choices[(rest /= 5) % 5];
        struct flag_set flags;
        assert_int_equal(flags_parse(slice_of_string(flag_texts[(rest /= 5) % 4]), &flags, NULL), 0);
        bool one_weakens = (rest /= 4) % 2 != 0, two_weakens = rest / 2 % 2 != 0;
        unsigned pin_level = rest / 4; /* none, chain, domain */
        struct policy_builder *builder = fixture_builder();
        const struct outbound_policy one = of_place(1, MATCH_ADDRESS, "192.0.2.0/24", of_one, one_weakens),
            two = of_place(2, MATCH_ADDRESS, "2001:db8::/32", of_two, two_weakens),
            all = of_place(3, MATCH_DEFAULT, "0.0.0.0/0", of_all, one_weakens);
        if (of_one != LEVEL_UNSET)
            assert_int_equal(policy_builder_outbound(builder, &one), 0);
        if (of_two != LEVEL_UNSET)
            assert_int_equal(policy_builder_outbound(builder, &two), 0);
        if (of_all != LEVEL_UNSET)
            assert_int_equal(policy_builder_outbound(builder, &all), 0);
        struct policy_snapshot *snapshot = fixture_finish(builder);
        struct dialog_part pin = { .row_id = 77, .level = pin_level == 1 ? LEVEL_CHAIN : LEVEL_DOMAIN };
        struct requirement_question question = { .query = { .next_hop_domain = "lost.example" }, .order = &asking,
            .flags = &flags, .pin = pin_level > 0 ? &pin : NULL };
        enum level feared = requirement_highest_level(snapshot, &question),
            found = pin_level > 0 ? pin.level : LEVEL_UNSET;
        static const char *const addresses[] = { "192.0.2.1", "2001:db8::1", "198.51.100.1" };
        for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
            struct address address = fixture_address(addresses[i]);
            struct requirement_rule rule;
            (void)requirement_look_up(snapshot, &question, &address, &rule);
            if (rule.row != NULL && requirement_level(rule.row, &flags) > found)
                found = requirement_level(rule.row, &flags);
        }
        assert_int_equal(feared, found);
        question.order = &blind; /* which never asks for the address */
        question.pin = NULL;
        assert_int_equal(requirement_highest_level(snapshot, &question),
            of_all != LEVEL_UNSET ? requirement_level(policy_snapshot_outbound(snapshot, 3), &flags) : LEVEL_UNSET);
        policy_snapshot_unref(snapshot);
    }
}

/* Without flags, and with a pin whose row is still there: it counts with what that row asks for today. */
static void what_is_feared_counts_the_row_of_the_pin(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    const struct outbound_policy row = row_of_level(5, "biloxi.example", LEVEL_CHAIN);
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    static const struct policy_lookup_order by_name = { .count = 1, .steps = { LOOKUP_DST } };
    struct dialog_part pin = { .row_id = 5, .level = LEVEL_UNSET };
    struct requirement_question question = { .query = { .next_hop_domain = "lost.example" }, .order = &by_name };
    assert_int_equal(requirement_highest_level(snapshot, &question), LEVEL_UNSET);
    question.pin = &pin;
    assert_int_equal(requirement_highest_level(snapshot, &question), LEVEL_CHAIN);
    pin.level = LEVEL_DOMAIN;
    assert_int_equal(requirement_highest_level(snapshot, &question), LEVEL_DOMAIN);
    policy_snapshot_unref(snapshot);
}

/* INV-33: rows by name, by source and for all, each of which may permit weakening; a sender's order and the usual. */
static void a_senders_order_needs_permission(void **state)
{
    (void)state;
    enum { BY_NAME = 1, BY_SOURCE, FOR_ALL, NOBODY = 0 };
    static const struct {
        const char *sender, *usual;
        int permits, rules; /* 0: refused */
        enum reason reason;
    } cases[] = {
        { "dst", "dst+default", NOBODY, BY_NAME, REASON_NONE },
        { "default", "dst+default", NOBODY, 0, REASON_WEAKEN_REFUSED },
        { "default", "dst+default", FOR_ALL, 0, REASON_WEAKEN_REFUSED },
        { "default", "dst+default", BY_NAME, FOR_ALL, REASON_NONE },
        { "src+dst", "dst", NOBODY, 0, REASON_WEAKEN_REFUSED },
        { "src+dst", "dst", BY_NAME, BY_SOURCE, REASON_NONE },
        { "src", "peer", BY_NAME, 0, REASON_NO_POLICY },
        { "peer", "dst", BY_NAME, 0, REASON_NO_POLICY },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct policy_builder *builder = fixture_builder();
        struct outbound_policy rows[] = { row_of_level(BY_NAME, "biloxi.example", LEVEL_DOMAIN),
            row_of_level(BY_SOURCE, "source", LEVEL_ENCRYPT), row_of_level(FOR_ALL, "all", LEVEL_DOMAIN) };
        rows[1].match = MATCH_SOURCE;
        rows[1].match_name = "atlanta.example";
        rows[2].match = MATCH_DEFAULT;
        rows[2].match_name = NULL;
        for (size_t j = 0; j < ARRAY_SIZE(rows); j++) {
            rows[j].weaken = rows[j].id == cases[i].permits ? PERMISSION_ALLOWED : PERMISSION_REFUSED;
            assert_int_equal(policy_builder_outbound(builder, &rows[j]), 0);
        }
        struct policy_snapshot *snapshot = fixture_finish(builder);
        struct policy_lookup_order asked, usual, by_address = { .count = 1, .steps = { LOOKUP_ADDR } };
        assert_int_equal(policy_lookup_order_parse(slice_of_string(cases[i].sender), &asked, NULL), 0);
        assert_int_equal(policy_lookup_order_parse(slice_of_string(cases[i].usual), &usual, NULL), 0);
        struct requirement_question question = { .query = { .next_hop_domain = "biloxi.example",
            .source_domain = "atlanta.example" }, .order = &asked, .usual = &usual };
        struct requirement_rule rule;
        enum lookup_result result = requirement_look_up(snapshot, &question, NULL, &rule);
        if ((rule.row != NULL ? rule.row->id : 0) != cases[i].rules || rule.reason != cases[i].reason ||
            (result == LOOKUP_RESULT_HIT) != (cases[i].rules != 0))
            fail_msg("%s for %s, %d permits", cases[i].sender, cases[i].usual, cases[i].permits);
        /* And what it leaves behind when it is refused. */
        bool is_of_source = i == ARRAY_SIZE(cases) - 2;
        assert_int_equal(requirement_refused_level(snapshot, &question, NULL),
            is_of_source ? LEVEL_ENCRYPT : LEVEL_DOMAIN);
        /* The address may not be known yet, for either of them; who has no row anyway does not wait for it. */
        question.usual = NULL;
        bool is_hit = requirement_look_up(snapshot, &question, NULL, &rule) == LOOKUP_RESULT_HIT;
        question.usual = &by_address;
        assert_int_equal(requirement_look_up(snapshot, &question, NULL, &rule),
            is_hit ? LOOKUP_RESULT_NEEDS_ADDRESS : LOOKUP_RESULT_NONE);
        assert_null(rule.row);
        question.order = &by_address;
        question.usual = &usual;
        assert_int_equal(requirement_look_up(snapshot, &question, NULL, &rule), LOOKUP_RESULT_NEEDS_ADDRESS);
        policy_snapshot_unref(snapshot);
    }
}

/* lookup=none: of the operator, and of a sender where the usual row permits it; and whose the trust set is. */
static void flags_alone_need_permission(void **state)
{
    (void)state;
    static const struct {
        const char *usual; /* NULL: the order is the operator's */
        const char *flags;
        bool is_senders_trust, may_weaken, may_trust;
        enum reason reason;
    } cases[] = {
        { NULL, "verify-chain,trust=anchors", false, false, false, REASON_NONE },
        { NULL, "verify-domain,trust=anchors", false, false, false, REASON_NONE },
        { NULL, "trust=anchors", true, true, true, REASON_TRUST_FLAG_REFUSED },
        { NULL, "verify-chain", false, true, true, REASON_UNKNOWN_TRUST_SET },
        { NULL, "tls", false, true, true, REASON_NO_POLICY },
        { "dst", "verify-chain,trust=others", true, false, false, REASON_WEAKEN_REFUSED },
        { "dst", "verify-chain,trust=others", true, false, true, REASON_WEAKEN_REFUSED },
        { "dst", "verify-chain,trust=others", true, true, false, REASON_TRUST_FLAG_REFUSED },
        { "dst", "verify-chain,trust=others", false, true, false, REASON_TRUST_FLAG_REFUSED },
        { "dst", "verify-chain,trust=others", true, true, true, REASON_NONE },
        { "dst", "verify-chain,trust=anchors", true, true, false, REASON_NONE }, /* it is the row's own */
        { "dst", "verify-chain", false, true, true, REASON_UNKNOWN_TRUST_SET },
        { "dst", "no-verify", false, true, true, REASON_NO_POLICY },
        { "dst", "tls", false, true, true, REASON_NO_POLICY },
        { "src", "verify-chain,trust=anchors", true, true, true, REASON_NO_POLICY }, /* there is no usual row */
        { "none", "verify-chain,trust=anchors", false, false, false, REASON_NONE },
        { "none", "verify-chain,trust=anchors", true, true, true, REASON_TRUST_FLAG_REFUSED },
    };
    static const struct policy_lookup_order none = { .is_none = true };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct policy_builder *builder = fixture_builder();
        struct outbound_policy row = row_of_level(1, "biloxi.example", LEVEL_DOMAIN);
        row.weaken = cases[i].may_weaken ? PERMISSION_ALLOWED : PERMISSION_REFUSED;
        row.trust_flag = cases[i].may_trust ? PERMISSION_ALLOWED : PERMISSION_REFUSED;
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
        struct policy_snapshot *snapshot = fixture_finish(builder);
        const struct world world = { .hop = HOP_SAME_NAME };
        struct flag_set flags;
        struct policy_lookup_order usual;
        assert_int_equal(flags_parse(slice_of_string(cases[i].flags), &flags, NULL), 0);
        struct requirement_question question = question_of(&world, &flags, NULL);
        question.order = &none;
        question.is_senders_trust = cases[i].is_senders_trust;
        if (cases[i].usual != NULL) {
            assert_int_equal(policy_lookup_order_parse(slice_of_string(cases[i].usual), &usual, NULL), 0);
            question.usual = &usual;
        }
        struct requirement requirement;
        enum reason reason = requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL);
        if (reason != cases[i].reason)
            fail_msg("%s beside %s, case %zu: %s", cases[i].flags, cases[i].usual != NULL ? cases[i].usual : "nothing",
                i, reason_word(reason));
        if (reason == REASON_NONE)
            assert_true(requirement.key.level >= LEVEL_CHAIN && requirement.key.trust.is_set &&
                requirement.terms.row == NULL);
        assert_true(requirement_highest_level(snapshot, &question) >= LEVEL_ENCRYPT);
        policy_snapshot_unref(snapshot);
    }
}

/* Where the operator's order is none, a sender's own leads nowhere else. */
static void what_the_operator_leaves_to_flags_no_sender_looks_up(void **state)
{
    (void)state;
    static const struct policy_lookup_order none = { .is_none = true },
                                            by_name = { .count = 1, .steps = { LOOKUP_DST } };
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy row = row_of_level(1, "biloxi.example", LEVEL_DOMAIN);
    row.weaken = PERMISSION_ALLOWED;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    struct requirement_question question = question_of(&(struct world){ .hop = HOP_SAME_NAME }, NULL, NULL);
    struct requirement requirement;
    question.order = &by_name;
    question.usual = &none;
    assert_int_equal(requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL),
        REASON_WEAKEN_REFUSED);
    policy_snapshot_unref(snapshot);
}

/* A call that began by lookup=none: its requests have the flags again, or a row that asks for as much. */
static void a_dialog_without_a_row(void **state)
{
    (void)state;
    static const struct policy_lookup_order none = { .is_none = true };
    static const struct {
        const char *name;
        enum hop_kind hop;
        const char *flags; /* with lookup=none; NULL: without */
        bool is_sender, may_weaken;
        enum level ordinary, pin_level; /* ordinary UNSET: no row */
        enum reason reason;
        enum level level;
        const char *expected;
    } cases[] = {
        { "the flags again, by address", HOP_ADDRESS, "verify-domain,trust=anchors", false, false, LEVEL_UNSET,
            LEVEL_DOMAIN, REASON_NONE, LEVEL_DOMAIN, "v.example" },
        { "less of them", HOP_ADDRESS, "trust=anchors", false, false, LEVEL_NONE, LEVEL_DOMAIN, REASON_NONE,
            LEVEL_DOMAIN, "v.example" },
        { "another name in them", HOP_ADDRESS, "verify-domain=w.example,trust=anchors", false, false, LEVEL_NONE,
            LEVEL_DOMAIN, REASON_FLAG_CONFLICT, LEVEL_UNSET, "" },
        { "no trust set", HOP_ADDRESS, "verify-domain", false, false, LEVEL_NONE, LEVEL_DOMAIN,
            REASON_UNKNOWN_TRUST_SET, LEVEL_UNSET, "" },
        { "a name that speaks for itself", HOP_OTHER_NAME, "verify-domain,trust=anchors", false, false, LEVEL_UNSET,
            LEVEL_DOMAIN, REASON_NONE, LEVEL_DOMAIN, "gateway.example" },
        { "a name with less", HOP_OTHER_NAME, "trust=anchors", false, false, LEVEL_UNSET, LEVEL_DOMAIN, REASON_NONE,
            LEVEL_DOMAIN, "v.example" },
        { "chain", HOP_ADDRESS, "trust=anchors", false, false, LEVEL_NONE, LEVEL_CHAIN, REASON_NONE, LEVEL_CHAIN, "" },
        { "the sender's, permitted", HOP_ADDRESS, "trust=anchors", true, true, LEVEL_NONE, LEVEL_CHAIN, REASON_NONE,
            LEVEL_CHAIN, "" },
        { "the sender's, of a call that began with TLS alone", HOP_ADDRESS, "trust=anchors", true, true, LEVEL_NONE,
            LEVEL_ENCRYPT, REASON_NONE, LEVEL_CHAIN, "" },
        { "the sender's, not permitted", HOP_ADDRESS, "trust=anchors", true, false, LEVEL_DOMAIN, LEVEL_CHAIN,
            REASON_WEAKEN_REFUSED, LEVEL_UNSET, "" },
        { "the sender's, and no usual row", HOP_ADDRESS, "trust=anchors", true, true, LEVEL_UNSET, LEVEL_CHAIN,
            REASON_NO_POLICY, LEVEL_UNSET, "" },
        { "no flags, and no row", HOP_ADDRESS, NULL, false, false, LEVEL_UNSET, LEVEL_CHAIN, REASON_NO_POLICY,
            LEVEL_UNSET, "" },
        { "no flags, and a row that asks for less", HOP_ADDRESS, NULL, false, true, LEVEL_ENCRYPT, LEVEL_CHAIN,
            REASON_WEAKEN_REFUSED, LEVEL_UNSET, "" },
        { "no flags, and a row that asks for as much", HOP_ADDRESS, NULL, false, false, LEVEL_CHAIN, LEVEL_CHAIN,
            REASON_NONE, LEVEL_CHAIN, "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct world world = { .hop = cases[i].hop, .pinned = PINNED_GONE, .pin_level = cases[i].pin_level,
            .ordinary = cases[i].ordinary != LEVEL_UNSET ? MATCH_ADDRESS : MATCH_UNSET,
            .ordinary_level = cases[i].ordinary, .may_weaken = cases[i].may_weaken };
        struct policy_snapshot *snapshot = snapshot_of(&world);
        struct flag_set flags = FLAG_SET_EMPTY;
        struct dialog_part pin = { .level = cases[i].pin_level, .domain = "biloxi.example" };
        if (pin.level == LEVEL_DOMAIN)
            assert_int_equal(flags_parse(SLICE_LITERAL("verify-domain=v.example"), &pin.flags, NULL), 0);
        if (cases[i].flags != NULL)
            assert_int_equal(flags_parse(slice_of_string(cases[i].flags), &flags, NULL), 0);
        struct requirement_question question = question_of(&world, &flags, &pin);
        question.order = cases[i].flags != NULL ? &none : &order;
        question.usual = cases[i].is_sender ? &order : NULL;
        question.is_senders_trust = cases[i].is_sender;
        struct requirement requirement;
        enum reason reason = requirement_derive(snapshot, &question, &nothing, &defaults, &requirement, NULL);
        bool is_right = reason == cases[i].reason && (reason != REASON_NONE ||
            (requirement.key.level == cases[i].level &&
                strcmp(requirement.key.expected_domain, cases[i].expected) == 0));
        if (!is_right)
            fail_msg("%s: %s", cases[i].name, reason_word(reason));
        policy_snapshot_unref(snapshot);
    }
}

/* What stands behind a target that was not found is the higher of the two. */
static void what_is_feared_counts_the_usual_row(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy rows[] = { row_of_level(1, "biloxi.example", LEVEL_DOMAIN),
        row_of_level(2, "all", LEVEL_ENCRYPT) };
    rows[1].match = MATCH_DEFAULT;
    rows[1].match_name = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(policy_builder_outbound(builder, &rows[i]), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    static const struct policy_lookup_order by_name = { .count = 1, .steps = { LOOKUP_DST } },
                                            for_all = { .count = 1, .steps = { LOOKUP_DEFAULT } };
    struct requirement_question question = { .query = { .next_hop_domain = "biloxi.example" }, .order = &for_all };
    assert_int_equal(requirement_highest_level(snapshot, &question), LEVEL_ENCRYPT);
    question.usual = &by_name;
    assert_int_equal(requirement_highest_level(snapshot, &question), LEVEL_DOMAIN);
    question.order = &by_name;
    question.usual = &for_all;
    assert_int_equal(requirement_highest_level(snapshot, &question), LEVEL_DOMAIN);
    policy_snapshot_unref(snapshot);
}

static void what_is_kept_is_what_is_proven(void **state)
{
    (void)state;
    struct outbound_policy row = row_of_level(5, "biloxi.example", LEVEL_DOMAIN);
    struct requirement requirement = { .terms = { .row = &row } };
    struct flag_set flags;
    struct dialog_part part;
    assert_int_equal(flags_parse(SLICE_LITERAL("no-conn-reuse,verify-domain=v.example,cert=c,sni=s.example,trust=t,"
        "crl,max-age=9,no-100"), &flags, NULL), 0);
    static const enum level proofs[] = { LEVEL_CHAIN, LEVEL_DOMAIN };
    for (size_t i = 0; i < ARRAY_SIZE(proofs); i++) {
        requirement.key.level = (uint8_t)proofs[i];
        requirement_pin(&requirement, &flags, "hop.example", &part);
        assert_int_equal(part.level, proofs[i]);
        assert_int_equal(part.row_id, 5);
    }
    assert_int_equal(part.flags.bits,
        T_RELAY_VERIFY_DOMAIN | T_RELAY_CERT | T_RELAY_SNI | T_RELAY_TRUST | T_RELAY_CRL);
    assert_string_equal(part.flags.verify_domain, "v.example");
    assert_string_equal(part.flags.cert, "c");
    assert_string_equal(part.flags.sni, "s.example");
    assert_string_equal(part.flags.trust, "t");
    assert_string_equal(part.domain, "hop.example");
    assert_int_equal(flags_parse(SLICE_LITERAL("verify-domain,no-cert"), &flags, NULL), 0);
    requirement_pin(&requirement, &flags, NULL, &part);
    assert_int_equal(part.flags.bits, T_RELAY_NO_CERT);
    assert_string_equal(part.domain, "");
    row.expected_domain = "x.example"; /* the row says it, also tomorrow */
    requirement_pin(&requirement, &flags, "hop.example", &part);
    assert_string_equal(part.domain, "");
    requirement.terms.row = NULL; /* flags alone: who was proven, and no row */
    snprintf(requirement.key.expected_domain, sizeof(requirement.key.expected_domain), "proven.example");
    requirement_pin(&requirement, &flags, "hop.example", &part);
    assert_int_equal(part.level, LEVEL_DOMAIN);
    assert_int_equal(part.row_id, 0);
    assert_int_equal(part.flags.bits, T_RELAY_VERIFY_DOMAIN);
    assert_string_equal(part.flags.verify_domain, "proven.example");
    assert_string_equal(part.domain, ""); /* once is enough */
    requirement.key.level = LEVEL_CHAIN;
    requirement_pin(&requirement, &flags, "hop.example", &part);
    assert_string_equal(part.domain, "hop.example");
    requirement_pin(&requirement, &flags, NULL, &part);
    assert_int_equal(part.level, LEVEL_CHAIN);
    assert_int_equal(part.flags.bits, 0);
}

/* Below chain it is a floor that names neither row nor domain; of a row of level none it is nothing, even over TLS,
 * where the key of such a row says encrypt. */
static void what_is_kept_without_proof_is_a_floor(void **state)
{
    (void)state;
    static const struct {
        enum level row, key;
        const char *flags;
        enum level kept;
    } cases[] = { { LEVEL_NONE, LEVEL_NONE, "", LEVEL_UNSET }, { LEVEL_NONE, LEVEL_ENCRYPT, "", LEVEL_UNSET },
        { LEVEL_NONE, LEVEL_ENCRYPT, "cert=ours,sni=s.example", LEVEL_UNSET },
        { LEVEL_NONE, LEVEL_ENCRYPT, "tls", LEVEL_ENCRYPT }, { LEVEL_ENCRYPT, LEVEL_ENCRYPT, "", LEVEL_ENCRYPT },
        { LEVEL_ENCRYPT, LEVEL_ENCRYPT, "cert=ours,sni=s.example", LEVEL_ENCRYPT },
        { LEVEL_DOMAIN, LEVEL_ENCRYPT, "no-verify", LEVEL_ENCRYPT } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct outbound_policy row = row_of_level(5, "biloxi.example", cases[i].row);
        struct requirement requirement = { .key = { .level = (uint8_t)cases[i].key }, .terms = { .row = &row } };
        struct flag_set flags;
        struct dialog_part part;
        row.weaken = PERMISSION_ALLOWED;
        assert_int_equal(flags_parse(slice_of_string(cases[i].flags), &flags, NULL), 0);
        requirement_pin(&requirement, &flags, "hop.example", &part);
        assert_int_equal(part.level, cases[i].kept);
        assert_int_equal(part.row_id, 0);
        assert_int_equal(part.flags.bits, 0);
        assert_string_equal(part.domain, "");
        assert_int_equal(requirement_floor_flags(&part), cases[i].kept == LEVEL_ENCRYPT ? T_RELAY_TLS : 0);
    }
    assert_int_equal(requirement_floor_flags(NULL), 0);
}

/* Of one ordinary row, or none: the floor changes neither row nor key, and nothing goes in clear, whoever forgot to add
 * its flags. */
static void check_floor(const struct world *world, enum transport transport)
{
    struct policy_snapshot *snapshot = snapshot_of(world);
    const struct dialog_part pin = pin_of(world);
    struct flag_set flags, raised;
    struct requirement with_floor, without_floor;
    struct requirement_rule rule, alone;
    assert_int_equal(flags_parse(slice_of_string(world->flags), &flags, NULL), 0);
    raised = flags;
    raised.bits |= requirement_floor_flags(&pin);
    struct requirement_question with = question_of(world, &raised, &pin), without = question_of(world, &flags, NULL),
                                forgotten = question_of(world, &flags, &pin);
    with.target.transport = without.target.transport = forgotten.target.transport = transport;
    const struct address *address = &with.target.endpoint.address;
    enum lookup_result found = requirement_look_up(snapshot, &with, address, &rule);
    HOLDS(found == requirement_look_up(snapshot, &without, address, &alone));
    HOLDS(rule.row == alone.row && rule.reason == alone.reason && !rule.is_pinned);
    HOLDS(rule.is_row_of_hop == alone.is_row_of_hop);
    enum reason reason = requirement_derive(snapshot, &with, &nothing, &defaults, &with_floor, NULL),
                ordinary = requirement_derive(snapshot, &without, &nothing, &defaults, &without_floor, NULL);
    if (transport == TRANSPORT_TLS) {
        HOLDS(reason == ordinary);
        HOLDS(reason != REASON_NONE || memcmp(&with_floor, &without_floor, sizeof(with_floor)) == 0);
    } else {
        HOLDS(reason != REASON_NONE);
        HOLDS(ordinary != REASON_NONE || reason == REASON_PLAIN_TRANSPORT);
        HOLDS(requirement_derive(snapshot, &forgotten, &nothing, &defaults, &with_floor, NULL) != REASON_NONE);
    }
    if (rule.row != NULL)
        HOLDS(requirement_level(rule.row, &raised) >= LEVEL_ENCRYPT);
    HOLDS(requirement_highest_level(snapshot, &with) >= LEVEL_ENCRYPT);
    policy_snapshot_unref(snapshot);
}

static void a_floor_keeps_the_row_and_leaves_the_clear(void **state)
{
    (void)state;
    static const enum policy_match matches[] = { MATCH_UNSET, MATCH_DOMAIN, MATCH_SUFFIX, MATCH_ADDRESS, MATCH_SOURCE,
        MATCH_DEFAULT };
    static const enum transport transports[] = { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS };
    for (unsigned world = 0; world < HOP_KINDS * 6 * 4 * 2 * 5 * 3; world++) {
        unsigned rest = world;
        struct world one = { .pinned = PINNED_THERE, .pinned_level = LEVEL_DOMAIN, .pin_level = LEVEL_ENCRYPT };
        one.hop = (enum hop_kind)(rest % HOP_KINDS);
        one.ordinary = matches[(rest /= HOP_KINDS) % 6];
        one.ordinary_level = levels[(rest /= 6) % 4];
        one.may_weaken = (rest /= 4) % 2 != 0;
        one.flags = flag_sets[(rest /= 2) % 5];
        bool is_of_name = one.ordinary == MATCH_DOMAIN || one.ordinary == MATCH_SUFFIX;
        if (!is_of_name || one.hop != HOP_ADDRESS)
            check_floor(&one, transports[rest / 5]);
    }
}

/* A row without a trust set of its own has none that a sender may name. */
static void a_row_without_a_trust_set_lends_none(void **state)
{
    (void)state;
    static const struct policy_lookup_order none = { .is_none = true };
    const struct world world = { .hop = HOP_SAME_NAME };
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy row = row_of_level(1, "biloxi.example", LEVEL_ENCRYPT);
    struct flag_set flags;
    struct requirement_rule rule;
    row.trust_set_name = NULL;
    row.weaken = PERMISSION_ALLOWED;
    row.trust_flag = PERMISSION_REFUSED;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    assert_int_equal(flags_parse(SLICE_LITERAL("verify-chain,trust=anchors"), &flags, NULL), 0);
    struct requirement_question question = question_of(&world, &flags, NULL);
    question.order = &none;
    question.usual = &order;
    question.is_senders_trust = true;
    assert_int_equal(requirement_look_up(snapshot, &question, NULL, &rule), LOOKUP_RESULT_REFUSED);
    assert_int_equal(rule.reason, REASON_TRUST_FLAG_REFUSED);
    policy_snapshot_unref(snapshot);
}

/* What nobody gets to know counts as the strictest that it could be, and so does the pin. */
static void what_is_refused_leaves_its_level(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    struct outbound_policy rows[] = { row_of_level(1, "biloxi.example", LEVEL_ENCRYPT),
        row_of_level(2, "address", LEVEL_DOMAIN) };
    rows[1].match = MATCH_ADDRESS;
    rows[1].match_name = NULL;
    rows[1].match_prefix = (struct prefix){ fixture_address("192.0.2.0"), 24 };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(policy_builder_outbound(builder, &rows[i]), 0);
    struct policy_snapshot *snapshot = fixture_finish(builder);
    const struct policy_lookup_order by_name = { .count = 1, .steps = { LOOKUP_DST } },
                                     by_address = { .count = 1, .steps = { LOOKUP_ADDR } };
    const struct dialog_part pin = { .row_id = 1, .level = LEVEL_CHAIN };
    const struct flag_set raised = { .bits = T_RELAY_VERIFY_DOMAIN };
    const struct address address = fixture_address("192.0.2.7"), elsewhere = fixture_address("198.51.100.7");
    struct requirement_question question = { .query = { .next_hop_domain = "biloxi.example" }, .order = &by_name };
    assert_int_equal(requirement_refused_level(snapshot, &question, NULL), LEVEL_ENCRYPT);
    question.usual = &by_address;
    assert_int_equal(requirement_refused_level(snapshot, &question, NULL), LEVEL_DOMAIN);
    assert_int_equal(requirement_refused_level(snapshot, &question, &address), LEVEL_DOMAIN);
    assert_int_equal(requirement_refused_level(snapshot, &question, &elsewhere), LEVEL_ENCRYPT);
    question.pin = &pin;
    assert_int_equal(requirement_refused_level(snapshot, &question, &elsewhere), LEVEL_CHAIN);
    question.flags = &raised;
    assert_int_equal(requirement_refused_level(snapshot, &question, &elsewhere), LEVEL_DOMAIN);
    question.flags = NULL;
    question.query.next_hop_domain = "nobody.example";
    question.usual = NULL;
    assert_int_equal(requirement_refused_level(snapshot, &question, NULL), LEVEL_CHAIN);
    question.pin = NULL;
    assert_int_equal(requirement_refused_level(snapshot, &question, NULL), LEVEL_UNSET);
    policy_snapshot_unref(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused_leaves_its_level),
        cmocka_unit_test(a_row_without_a_trust_set_lends_none),
        cmocka_unit_test(a_pin_never_asks_for_less),
        cmocka_unit_test(named_worlds_come_out_as_said),
        cmocka_unit_test(a_pin_is_no_way_around),
        cmocka_unit_test(a_pinned_row_leads_nowhere),
        cmocka_unit_test(a_name_of_the_pinned_row),
        cmocka_unit_test(what_the_flags_of_the_invite_chose_stays),
        cmocka_unit_test(what_is_feared_is_the_most_that_an_address_asks),
        cmocka_unit_test(what_is_feared_counts_the_row_of_the_pin),
        cmocka_unit_test(a_senders_order_needs_permission),
        cmocka_unit_test(flags_alone_need_permission),
        cmocka_unit_test(what_the_operator_leaves_to_flags_no_sender_looks_up),
        cmocka_unit_test(a_dialog_without_a_row),
        cmocka_unit_test(what_is_feared_counts_the_usual_row),
        cmocka_unit_test(what_is_kept_is_what_is_proven),
        cmocka_unit_test(what_is_kept_without_proof_is_a_floor),
        cmocka_unit_test(a_floor_keeps_the_row_and_leaves_the_clear),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
