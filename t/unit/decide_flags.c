/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_flags.c - every combination of the flags that shape a requirement, with every level and permission of a row:
 * the statements below hold for each. And for every flag that is added to a combination: it makes nothing weaker, and
 * changes nothing but what it is about. */
#include "decide_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The flags in groups whose members exclude each other; "" is none of them. */
#define NONE_OF_THEM ""
static const char *const groups[][7] = {
    { NONE_OF_THEM, "tls", NULL },
    { NONE_OF_THEM, "verify-chain", "verify-domain", "verify-domain=flag.example", "verify-chain,verify-domain",
        "verify-chain,verify-domain=flag.example", NULL },
    { NONE_OF_THEM, "no-verify", NULL },
    { NONE_OF_THEM, "cert=ours", "cert=missing", "no-cert", NULL },
    { NONE_OF_THEM, "sni=flag-sni.example", "no-sni", NULL },
    { NONE_OF_THEM, "trust=anchors", "trust=others", "trust=missing", NULL },
    { NONE_OF_THEM, "crl", NULL },
    { NONE_OF_THEM, "ocsp", NULL },
    { NONE_OF_THEM, "ocsp-hard", NULL },
};
enum { TLS, PROOF, NO_VERIFY, CERT, SNI, TRUST, CRL, OCSP, OCSP_HARD, GROUPS };
_Static_assert(ARRAY_SIZE(groups) == GROUPS, "one name each");

/* The others say how a connection is used. */
static const char *const use_flags[] = { "no-conn-reuse", "no-connect", "no-upgrade", "initial-only", "max-age=60",
    "lookup=dst+default", "no-dns-failover", "no-auto-477", "no-100" };
enum { ALONE, STAYS, NO_UPGRADE, INITIAL_ONLY, MAX_AGE, USE_SETS = 1u << 9 };
_Static_assert(1u << ARRAY_SIZE(use_flags) == USE_SETS, "one bit each");

struct situation {
    unsigned chosen[GROUPS]; /* of each group */
    const struct outbound_policy *row;
    enum transport transport;
    bool is_capable;         /* of CRLs and OCSP */
};

static struct policy_snapshot *snapshot;
static const struct outbound_policy **rows;
static size_t row_count;

static const char *text_of(const struct situation *situation, unsigned group)
{
    return groups[group][situation->chosen[group]];
}

static bool says(const struct situation *situation, unsigned group, const char *word)
{
    return strstr(text_of(situation, group), word) != NULL;
}

/* --- What may be refused, and why: a requirement is made exactly if nothing here holds --- */

static enum level asked_level(const struct situation *situation)
{
    return says(situation, PROOF, "verify-domain")                                         ? LEVEL_DOMAIN
        : says(situation, PROOF, "verify-chain") || situation->chosen[TRUST] != 0           ? LEVEL_CHAIN
        : situation->chosen[TLS] != 0                                                       ? LEVEL_ENCRYPT
                                                                                            : LEVEL_NONE;
}

/* Of row and flags, before no-verify. */
static enum level full_level(const struct situation *situation)
{
    enum level asked = asked_level(situation);
    return asked > situation->row->level ? asked : situation->row->level;
}

static enum level level_of(const struct situation *situation)
{
    enum level level = full_level(situation);
    return situation->chosen[NO_VERIFY] != 0 && level > LEVEL_ENCRYPT ? LEVEL_ENCRYPT : level;
}

static bool is_proven(const struct situation *situation)
{
    return level_of(situation) >= LEVEL_CHAIN;
}

static bool contradicts(const struct situation *situation)
{
    return situation->chosen[NO_VERIFY] != 0 && (situation->chosen[PROOF] != 0 || situation->chosen[TRUST] != 0 ||
        situation->chosen[OCSP_HARD] != 0);
}

static bool weakens(const struct situation *situation)
{
    return situation->chosen[NO_VERIFY] != 0 && full_level(situation) > LEVEL_ENCRYPT &&
        situation->row->weaken != PERMISSION_ALLOWED;
}

static bool lacks_tls(const struct situation *situation)
{
    bool shows = says(situation, CERT, "cert=") || says(situation, SNI, "sni=") || situation->chosen[OCSP_HARD] != 0;
    return situation->transport != TRANSPORT_TLS && (level_of(situation) > LEVEL_NONE || shows);
}

static bool swaps_trust(const struct situation *situation)
{
    const char *own = situation->row->trust_set_name;
    const char *text = text_of(situation, TRUST);
    bool is_own = own != NULL && text[0] != '\0' && strcmp(text + strlen("trust="), own) == 0;
    return situation->chosen[TRUST] != 0 && !is_own && situation->row->trust_flag != PERMISSION_ALLOWED;
}

static bool trusts_nobody(const struct situation *situation)
{
    return says(situation, TRUST, "missing") ||
        (is_proven(situation) && situation->row->trust_set_name == NULL && situation->chosen[TRUST] == 0);
}

static bool shows_what_is_not_there(const struct situation *situation)
{
    return says(situation, CERT, "missing");
}

static bool renames(const struct situation *situation)
{
    return level_of(situation) == LEVEL_DOMAIN && says(situation, PROOF, "=flag.example") &&
        situation->row->expected_domain != NULL && situation->row->weaken != PERMISSION_ALLOWED;
}

static bool asks_for_nobody(const struct situation *situation)
{
    return situation->chosen[OCSP_HARD] != 0 && !is_proven(situation);
}

static bool asks_too_much(const struct situation *situation)
{
    return situation->chosen[OCSP_HARD] != 0 && is_proven(situation) && !situation->is_capable;
}

static const struct refusal {
    enum reason reason;
    bool (*holds)(const struct situation *situation);
} refusals[] = {
    { REASON_FLAG_CONFLICT, contradicts },          { REASON_WEAKEN_REFUSED, weakens },
    { REASON_PLAIN_TRANSPORT, lacks_tls },          { REASON_TRUST_FLAG_REFUSED, swaps_trust },
    { REASON_UNKNOWN_TRUST_SET, trusts_nobody },    { REASON_UNKNOWN_CERTIFICATE, shows_what_is_not_there },
    { REASON_FLAG_CONFLICT, renames },              { REASON_FLAG_CONFLICT, asks_for_nobody },
    { REASON_UNSUPPORTED_FEATURE, asks_too_much },
};
static unsigned long refusal_uses[ARRAY_SIZE(refusals)], built_count;

/* --- What a requirement is: each field has a statement --- */

static const char *expected_domain(const struct situation *situation)
{
    if (level_of(situation) != LEVEL_DOMAIN)
        return "";
    return says(situation, PROOF, "=flag.example")      ? "flag.example"
        : situation->row->expected_domain != NULL        ? situation->row->expected_domain
                                                         : "hop.example";
}

static const char *server_name(const struct situation *situation)
{
    const char *expected = expected_domain(situation);
    return says(situation, SNI, "no-sni")               ? ""
        : says(situation, SNI, "sni=")                   ? "flag-sni.example"
        : expected[0] != '\0'                            ? expected
        : situation->row->expected_domain != NULL        ? situation->row->expected_domain
                                                         : "hop.example";
}

/* Content of the digests in the fixtures; 0: none. */
static unsigned trust_content(const struct situation *situation)
{
    bool is_by_row = situation->row->trust_set_name != NULL && situation->chosen[TRUST] == 0;
    if (!is_proven(situation))
        return 0;
    return says(situation, TRUST, "others") ? 2 : is_by_row || situation->chosen[TRUST] != 0;
}

static unsigned certificate_content(const struct situation *situation)
{
    return says(situation, CERT, "no-cert") ? 0
        : says(situation, CERT, "cert=ours") ? 1
        : situation->row->certificate_name != NULL ? 2 : 0;
}

static enum revocation revocation_of(const struct situation *situation, unsigned soft, unsigned hard)
{
    if (!is_proven(situation))
        return REVOCATION_OFF;
    return hard < GROUPS && situation->chosen[hard] != 0 ? REVOCATION_HARD
        : situation->chosen[soft] != 0                    ? REVOCATION_SOFT
                                                          : REVOCATION_OFF;
}

static void describe(const struct situation *situation, char *text, size_t size)
{
    const struct outbound_policy *row = situation->row;
    int length = snprintf(text, size, "row %s weaken %s trust_flag %s trust %s expected %s certificate %s, %s, flags",
        level_name(row->level), permission_name(row->weaken), permission_name(row->trust_flag),
        row->trust_set_name != NULL ? row->trust_set_name : "-",
        row->expected_domain != NULL ? row->expected_domain : "-",
        row->certificate_name != NULL ? row->certificate_name : "-", transport_name(situation->transport));
    for (unsigned group = 0; group < GROUPS; group++)
        length += snprintf(text + length, size - (size_t)length, " %s", text_of(situation, group));
}

static void expect_number(const struct situation *situation, const char *what, unsigned got, unsigned expected)
{
    char text[512];
    if (got == expected)
        return;
    describe(situation, text, sizeof(text));
    fail_msg("%s is %u, not %u: %s", what, got, expected, text);
}

static void expect_text(const struct situation *situation, const char *what, const char *got, const char *expected)
{
    char text[512];
    if (strcmp(got, expected) == 0)
        return;
    describe(situation, text, sizeof(text));
    fail_msg("%s is \"%s\", not \"%s\": %s", what, got, expected, text);
}

static unsigned content_of(const struct optional_digest *digest)
{
    return digest->is_set ? digest->bytes[DIGEST_SIZE - 1] : 0;
}

static void check_key(const struct situation *situation, const struct requirement_key *key)
{
    bool is_tls = situation->transport == TRANSPORT_TLS;
    unsigned certificate = is_tls ? certificate_content(situation) : 0;
    enum level level = is_tls && level_of(situation) == LEVEL_NONE ? LEVEL_ENCRYPT : level_of(situation);
    expect_number(situation, "transport", key->transport, situation->transport);
    expect_number(situation, "level", key->level, level);
    expect_number(situation, "trust", content_of(&key->trust), is_tls ? trust_content(situation) : 0);
    expect_number(situation, "certificate", content_of(&key->credential_chain), certificate ? 0x10 + certificate : 0);
    expect_number(situation, "key", content_of(&key->credential_key), certificate ? 0x20 + certificate : 0);
    expect_number(situation, "crl", key->crl,
        is_tls ? revocation_of(situation, CRL, GROUPS) : REVOCATION_UNSET);
    expect_number(situation, "ocsp", key->ocsp,
        is_tls ? revocation_of(situation, OCSP, OCSP_HARD) : REVOCATION_UNSET);
    expect_text(situation, "expected domain", key->expected_domain, is_tls ? expected_domain(situation) : "");
    expect_text(situation, "server name", key->sni, is_tls ? server_name(situation) : "");
}

/* --- All of them --- */

static void append_flags(const struct situation *situation, unsigned use_set, struct buffer *text)
{
    buffer_clear(text);
    for (unsigned group = 0; group < GROUPS; group++)
        if (situation->chosen[group] != 0)
            buffer_append_format(text, "%s%s", text->length > 0 ? "," : "", text_of(situation, group));
    for (unsigned i = 0; i < ARRAY_SIZE(use_flags); i++)
        if ((use_set & 1u << i) != 0)
            buffer_append_format(text, "%s%s", text->length > 0 ? "," : "", use_flags[i]);
}

/* A set that no parser would let pass is built bit by bit, as by a caller that did not ask it. */
static void flags_of(const struct situation *situation, unsigned use_set, struct flag_set *set_r)
{
    static struct buffer text;
    struct situation without = *situation;
    append_flags(situation, use_set, &text);
    int rc = flags_parse(buffer_slice(&text), set_r, NULL);
    assert_int_equal(rc, contradicts(situation) ? ERROR_CONFLICT : 0);
    if (rc != 0) {
        without.chosen[NO_VERIFY] = 0;
        append_flags(&without, use_set, &text);
        assert_int_equal(flags_parse(buffer_slice(&text), set_r, NULL), 0);
        set_r->bits |= T_RELAY_NO_VERIFY;
    }
    buffer_free(&text);
}

static enum reason build(const struct situation *situation, const struct flag_set *set,
    struct requirement *requirement_r)
{
    static const struct requirement_defaults defaults = { .max_age_s = 3600, .idle_timeout_s = 300 };
    struct capabilities capabilities = { .crl = situation->is_capable, .ocsp = situation->is_capable };
    struct requirement_target target = { .transport = situation->transport, .next_hop_domain = "hop.example",
        .endpoint = { address_v4((const uint8_t[4]){ 192, 0, 2, 1 }), 5061 } };
    return requirement_build(snapshot, situation->row, set, &target, &capabilities, &defaults, requirement_r, NULL);
}

static void check(const struct situation *situation, const struct flag_set *set)
{
    struct requirement requirement;
    enum reason reason = build(situation, set, &requirement);
    bool is_refused = false, is_for_that = false;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        bool holds = refusals[i].holds(situation);
        is_refused = is_refused || holds;
        is_for_that = is_for_that || (holds && refusals[i].reason == reason);
        refusal_uses[i] += holds;
    }
    if (is_refused) {
        expect_number(situation, "refusal for a reason that holds", is_for_that, true);
        return;
    }
    expect_number(situation, "reason", reason, REASON_NONE);
    built_count++;
    check_key(situation, &requirement.key);
    assert_true(requirement_level(situation->row, set) == level_of(situation));
}

/* The next combination of the groups; false after the last. */
static bool advance(struct situation *situation)
{
    for (unsigned group = GROUPS; group-- > 0;) {
        if (groups[group][++situation->chosen[group]] != NULL)
            return true;
        situation->chosen[group] = 0;
    }
    return false;
}

static const enum transport transports[] = { TRANSPORT_TLS, TRANSPORT_TCP, TRANSPORT_UDP };

static void every_flag_with_every_row(void **state)
{
    struct situation situation = { { 0 }, NULL, TRANSPORT_TLS, false };
    unsigned long count = 0;
    (void)state;
    do {
        struct flag_set set;
        flags_of(&situation, 0, &set);
        for (size_t row = 0; row < row_count; row++)
            for (size_t i = 0; i < 2 * ARRAY_SIZE(transports); i++) {
                situation.row = rows[row];
                situation.transport = transports[i / 2];
                situation.is_capable = i % 2 != 0;
                check(&situation, &set);
                count++;
            }
    } while (advance(&situation));
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        assert_true(refusal_uses[i] > 1000);
    assert_true(built_count > 100000);
    print_message("# %lu combinations, %lu requirements\n", count, built_count);
}

/* What one more flag of a group may change: nothing but its own fields, and those only to the stricter. */
static void check_more(const struct situation *before, const struct requirement *weak, unsigned group)
{
    for (unsigned i = 1; before->chosen[group] == 0 && groups[group][i] != NULL; i++) {
        struct situation after = *before;
        struct requirement strict;
        struct flag_set set;
        after.chosen[group] = i;
        flags_of(&after, 0, &set);
        if (build(&after, &set, &strict) != REASON_NONE)
            continue;
        const struct requirement_key *a = &weak->key, *b = &strict.key;
        bool raises = group == TLS || group == PROOF || group == TRUST;
        bool is_lowered = group == NO_VERIFY && after.row->weaken == PERMISSION_ALLOWED;
        expect_number(&after, "level not below", b->level >= a->level || is_lowered, true);
        expect_number(&after, "crl not below", b->crl >= a->crl || is_lowered, true);
        expect_number(&after, "ocsp not below", b->ocsp >= a->ocsp || is_lowered, true);
        struct requirement_key same = *b;
        if (group == CERT) {
            same.credential_chain = a->credential_chain;
            same.credential_key = a->credential_key;
        } else if (group == SNI) {
            memcpy(same.sni, a->sni, sizeof(same.sni));
        } else if (group == CRL) {
            same.crl = a->crl;
        } else if (group == OCSP || group == OCSP_HARD) {
            same.ocsp = a->ocsp;
        }
        if (!raises && !is_lowered)
            expect_number(&after, "nothing else changed", requirement_key_equal(a, &same, PART_ALL), true);
    }
}

static void one_more_flag_makes_nothing_weaker(void **state)
{
    struct situation situation = { { 0 }, NULL, TRANSPORT_TLS, true };
    (void)state;
    do {
        struct flag_set set;
        flags_of(&situation, 0, &set);
        for (size_t row = 0; row < row_count; row += 7) {
            struct requirement requirement;
            situation.row = rows[row];
            if (build(&situation, &set, &requirement) != REASON_NONE)
                continue;
            for (unsigned group = 0; group < GROUPS; group++)
                check_more(&situation, &requirement, group);
        }
    } while (advance(&situation));
}

/* The key is the same under every set of them; the terms are theirs. */
static void flags_of_use_make_no_other_key(void **state)
{
    struct situation situation = { { 0 }, NULL, TRANSPORT_TLS, true };
    unsigned number = 0, count = 0;
    (void)state;
    do {
        struct requirement plain, used;
        struct flag_set set;
        situation.row = rows[number++ % row_count];
        flags_of(&situation, 0, &set);
        if (build(&situation, &set, &plain) != REASON_NONE)
            continue;
        /* All sets for some, a few for each. */
        for (unsigned use = number % 16 == 0 ? 0 : number % 31; use < USE_SETS; use += number % 16 == 0 ? 1 : 31) {
            bool is_alone = (use & 1u << ALONE) != 0, stays = (use & 1u << STAYS) != 0;
            if (is_alone && stays)
                continue;
            flags_of(&situation, use, &set);
            assert_int_equal(build(&situation, &set, &used), REASON_NONE);
            expect_number(&situation, "key", requirement_key_equal(&plain.key, &used.key, PART_ALL), true);
            expect_number(&situation, "may reuse", used.terms.may_reuse, !is_alone);
            expect_number(&situation, "may connect", used.terms.may_connect, !stays);
            expect_number(&situation, "may upgrade", used.terms.may_upgrade,
                (use & 1u << NO_UPGRADE) == 0 && is_proven(&situation));
            expect_number(&situation, "max age", used.terms.max_age_s, (use & 1u << MAX_AGE) != 0 ? 60 : 3600);
            count++;
        }
    } while (advance(&situation));
    assert_true(count > 10000);
}

/* Pairs that contradict each other, by bit number as in the manual page; nothing else does. */
static void only_these_flags_contradict_each_other(void **state)
{
    static const unsigned char pairs[][2] = { { 3, 1 }, { 3, 2 }, { 3, 8 }, { 3, 11 }, { 4, 5 }, { 6, 7 },
        { 13, 12 } };
    (void)state;
    for (uint32_t bits = 0; bits < 1u << 21; bits++) {
        struct flag_set set = { .bits = bits };
        bool is_contradictory = false;
        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
            is_contradictory = is_contradictory || ((bits >> pairs[i][0] & 1) != 0 && (bits >> pairs[i][1] & 1) != 0);
        assert_int_equal(flags_check(&set, NULL), is_contradictory ? ERROR_CONFLICT : 0);
    }
}

/* --- Two sources --- */

/* How strict a set of flags is, as far as it says. */
static enum level strictness(const struct flag_set *set)
{
    return flags_have(set, T_RELAY_VERIFY_DOMAIN)                           ? LEVEL_DOMAIN
        : flags_have(set, T_RELAY_VERIFY_CHAIN | T_RELAY_TRUST)              ? LEVEL_CHAIN
        : flags_have(set, T_RELAY_TLS)                                       ? LEVEL_ENCRYPT
                                                                             : LEVEL_NONE;
}

enum { TAKES_EACH_OTHERS_PLACE = T_RELAY_CERT | T_RELAY_NO_CERT | T_RELAY_SNI | T_RELAY_NO_SNI };

static void check_merged(const struct flag_set *first, const struct flag_set *second, const struct flag_set *merged)
{
    uint32_t both = first->bits | second->bits, proof = T_RELAY_VERIFY_CHAIN | T_RELAY_VERIFY_DOMAIN | T_RELAY_TRUST |
        T_RELAY_OCSP_HARD;
    uint32_t expected = both & ~(uint32_t)TAKES_EACH_OTHERS_PLACE;
    if ((both & proof) != 0)
        expected &= ~(uint32_t)T_RELAY_NO_VERIFY;
    assert_int_equal(merged->bits & ~(uint32_t)TAKES_EACH_OTHERS_PLACE, expected);
    assert_true(strictness(merged) >= strictness(first) && strictness(merged) >= strictness(second));
    for (unsigned i = 0; i < 2; i++) {
        uint32_t pair = i == 0 ? T_RELAY_CERT | T_RELAY_NO_CERT : T_RELAY_SNI | T_RELAY_NO_SNI;
        uint32_t last = (second->bits & pair) != 0 ? second->bits & pair : first->bits & pair;
        assert_int_equal(merged->bits & pair, last);
    }
    const struct flag_set *namer = second->verify_domain[0] != '\0' ? second : first;
    assert_string_equal(merged->verify_domain, namer->verify_domain);
    assert_string_equal(merged->cert,
        flags_have(merged, T_RELAY_CERT) ? (flags_have(second, T_RELAY_CERT) ? second : first)->cert : "");
    assert_string_equal(merged->sni,
        flags_have(merged, T_RELAY_SNI) ? (flags_have(second, T_RELAY_SNI) ? second : first)->sni : "");
    assert_string_equal(merged->trust, (flags_have(second, T_RELAY_TRUST) ? second : first)->trust);
}

static void two_sources_are_never_weaker_than_one(void **state)
{
    static const char *const texts[] = { "tls", "verify-chain", "verify-domain", "verify-domain=a.example",
        "verify-domain=b.example", "no-verify", "cert=ours", "cert=theirs", "no-cert", "sni=a.example", "sni=b.example",
        "no-sni", "trust=anchors", "trust=others", "crl", "ocsp", "ocsp-hard", "no-conn-reuse", "no-connect",
        "no-upgrade", "initial-only", "max-age=60", "max-age=30" };
    struct flag_set sets[ARRAY_SIZE(texts) * ARRAY_SIZE(texts)];
    size_t count = 0;
    char text[96];
    (void)state;
    for (size_t a = 0; a < ARRAY_SIZE(texts); a++)
        for (size_t b = a; b < ARRAY_SIZE(texts); b++) {
            snprintf(text, sizeof(text), "%s%s%s", texts[a], a != b ? "," : "", a != b ? texts[b] : "");
            count += flags_parse(slice_of_string(text), &sets[count], NULL) == 0;
        }
    assert_true(count > 150);
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++) {
            struct flag_set merged;
            uint32_t both = sets[a].bits | sets[b].bits;
            bool is_contradictory = (both & T_RELAY_NO_CONNECT) != 0 && (both & T_RELAY_NO_CONN_REUSE) != 0;
            const char *name = sets[a].verify_domain, *other = sets[b].verify_domain;
            is_contradictory |= name[0] != '\0' && other[0] != '\0' && strcmp(name, other) != 0;
            int rc = flags_merge(&sets[a], &sets[b], &merged, NULL);
            assert_int_equal(rc, is_contradictory ? ERROR_CONFLICT : 0);
            if (rc == 0)
                check_merged(&sets[a], &sets[b], &merged);
        }
}

/* --- The rows --- */

static const struct outbound_policy *find_row(size_t number)
{
    char name[32];
    struct policy_lookup_order order = policy_lookup_order_default();
    struct policy_query query = { .next_hop_domain = name };
    const struct outbound_policy *row = NULL;
    enum reason reason;
    snprintf(name, sizeof(name), "row%zu.example", number);
    assert_int_equal(policy_lookup(snapshot, &query, &order, &row, &reason), LOOKUP_RESULT_HIT);
    return row;
}

static int build_rows(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    for (unsigned number = 0; number < 4 * 32; number++) {
        char name[32];
        enum level level = (enum level)(LEVEL_NONE + number / 32);
        bool has_trust = (number & 4) == 0;
        if (level >= LEVEL_CHAIN && !has_trust)
            continue;
        snprintf(name, sizeof(name), "row%zu.example", row_count);
        struct outbound_policy row = fixture_outbound((int64_t)row_count + 1, name);
        row.level = level;
        row.weaken = (number & 1) == 0 ? PERMISSION_REFUSED : PERMISSION_ALLOWED;
        row.trust_flag = (number & 2) == 0 ? PERMISSION_REFUSED : PERMISSION_ALLOWED;
        row.trust_set_name = has_trust ? "anchors" : NULL;
        row.expected_domain = (number & 8) == 0 ? NULL : "row-expects.example";
        row.certificate_name = (number & 16) == 0 ? NULL : "theirs";
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
        row_count++;
    }
    snapshot = fixture_finish(builder);
    rows = calloc(row_count, sizeof(const struct outbound_policy *));
    assert_non_null(rows);
    for (size_t i = 0; i < row_count; i++)
        rows[i] = find_row(i);
    return 0;
}

static int free_rows(void **state)
{
    (void)state;
    policy_snapshot_unref(snapshot);
    free(rows);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flag_with_every_row),
        cmocka_unit_test(one_more_flag_makes_nothing_weaker),
        cmocka_unit_test(flags_of_use_make_no_other_key),
        cmocka_unit_test(only_these_flags_contradict_each_other),
        cmocka_unit_test(two_sources_are_never_weaker_than_one),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, build_rows, free_rows);
}
