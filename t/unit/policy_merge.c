/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_merge.c - two sources of flags become one set: every flag with every flag, every pair with every pair, and
 * sets of any size, each value once the same and once another; against the rules written down here. */
#include "policy_fixture.h"

#include "policy/flag.h"

#include <stdio.h>
#include <string.h>

/* In the order of their bits. The second value is another one. */
static const struct {
    const char *word;
    const char *values[3];
    unsigned value_count;
} flags[] = {
    { "tls", { "" }, 1 },
    { "verify-chain", { "" }, 1 },
    { "verify-domain", { "", "=a.example", "=b.example" }, 3 },
    { "no-verify", { "" }, 1 },
    { "cert", { "=a", "=b" }, 2 },
    { "no-cert", { "" }, 1 },
    { "sni", { "=a.example", "=b.example" }, 2 },
    { "no-sni", { "" }, 1 },
    { "trust", { "=a", "=b" }, 2 },
    { "crl", { "" }, 1 },
    { "ocsp", { "" }, 1 },
    { "ocsp-hard", { "" }, 1 },
    { "no-conn-reuse", { "" }, 1 },
    { "no-connect", { "" }, 1 },
    { "no-upgrade", { "" }, 1 },
    { "initial-only", { "" }, 1 },
    { "max-age", { "=60s", "=30s" }, 2 },
    { "lookup", { "=dst+default", "=src", "=none" }, 3 },
    { "no-dns-failover", { "" }, 1 },
    { "no-auto-477", { "" }, 1 },
    { "no-100", { "" }, 1 },
};
enum { FLAG_COUNT = 21, ABSENT = -1 };
_Static_assert(ARRAY_SIZE(flags) == FLAG_COUNT, "one line each");

/* Which flags, by their words. */
enum { VERIFY_CHAIN = 1, VERIFY_DOMAIN = 2, NO_VERIFY = 3, CERT = 4, NO_CERT = 5, SNI = 6, NO_SNI = 7, TRUST = 8,
    OCSP_HARD = 11, NO_CONN_REUSE = 12, NO_CONNECT = 13, MAX_AGE = 16 };

/* A source: of each flag the number of its value, or ABSENT. */
struct source {
    signed char value[FLAG_COUNT];
};

static const struct source nothing = { { ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT,
    ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT } };

static bool has(const struct source *source, unsigned flag)
{
    return source->value[flag] != ABSENT;
}

/* --- The rules --- */

/* Within one source. */
static bool is_contradictory(const struct source *source)
{
    bool asks = has(source, VERIFY_CHAIN) || has(source, VERIFY_DOMAIN) || has(source, TRUST) || has(source, OCSP_HARD);
    return (has(source, NO_VERIFY) && asks) || (has(source, CERT) && has(source, NO_CERT)) ||
        (has(source, SNI) && has(source, NO_SNI)) || (has(source, NO_CONN_REUSE) && has(source, NO_CONNECT));
}

/* Two that name an identity name the same one. One without a name does not take a name away. */
static bool merge_identity(signed char earlier, signed char later, signed char *merged_r)
{
    *merged_r = later > 0 || earlier == ABSENT ? later : earlier;
    return earlier <= 0 || later <= 0 || earlier == later;
}

/* Two that name one thing and its opposite: who speaks last has said everything about it. */
static void let_later_say(const struct source *earlier, const struct source *later, unsigned flag, unsigned opposite,
    struct source *merged)
{
    const struct source *speaker = has(later, flag) || has(later, opposite) ? later : earlier;
    merged->value[flag] = speaker->value[flag];
    merged->value[opposite] = speaker->value[opposite];
}

/* False: there is no such set. */
static bool merge(const struct source *earlier, const struct source *later, struct source *merged)
{
    for (unsigned flag = 0; flag < FLAG_COUNT; flag++)
        merged->value[flag] = has(later, flag) ? later->value[flag] : earlier->value[flag];
    bool is_one = merge_identity(earlier->value[VERIFY_DOMAIN], later->value[VERIFY_DOMAIN],
        &merged->value[VERIFY_DOMAIN]);
    let_later_say(earlier, later, CERT, NO_CERT, merged);
    let_later_say(earlier, later, SNI, NO_SNI, merged);
    if (has(earlier, MAX_AGE) && has(later, MAX_AGE)) /* the second one is the younger */
        merged->value[MAX_AGE] = earlier->value[MAX_AGE] > later->value[MAX_AGE] ? earlier->value[MAX_AGE]
                                                                               : later->value[MAX_AGE];
    if (has(merged, VERIFY_CHAIN) || has(merged, VERIFY_DOMAIN) || has(merged, TRUST) || has(merged, OCSP_HARD))
        merged->value[NO_VERIFY] = ABSENT;
    return is_one && !is_contradictory(merged);
}

/* --- Against the code --- */

static void write_source(const struct source *source, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (unsigned flag = 0; flag < FLAG_COUNT; flag++)
        if (has(source, flag))
            length += (size_t)snprintf(text + length, size - length, "%s%s%s", length > 0 ? "," : "", flags[flag].word,
                flags[flag].values[(unsigned char)source->value[flag]]);
}

static void read_source(const struct source *source, struct flag_set *set_r)
{
    char text[512];
    write_source(source, text, sizeof(text));
    assert_int_equal(flags_parse(slice_of_string(text), set_r, NULL), 0);
}

static unsigned long merged_count, refused_count;

static void check(const struct source *earlier, const struct flag_set *earlier_set, const struct source *later,
    const struct flag_set *later_set)
{
    static struct buffer printed;
    struct source merged;
    struct flag_set merged_set = { .bits = 0xdeadbeef };
    char first[512], second[512], expected[512];
    bool is_one = merge(earlier, later, &merged);
    int rc = flags_merge(earlier_set, later_set, &merged_set, NULL);
    is_one ? merged_count++ : refused_count++;
    buffer_clear(&printed);
    if (rc == 0)
        flags_print(&merged_set, &printed);
    write_source(&merged, expected, sizeof(expected));
    bool is_right = is_one ? rc == 0 && slice_equal(buffer_slice(&printed), slice_of_string(expected))
                           : rc == ERROR_CONFLICT && merged_set.bits == 0xdeadbeef;
    if (is_right)
        return;
    write_source(earlier, first, sizeof(first));
    write_source(later, second, sizeof(second));
    fail_msg("[%s] and then [%s] is %d [%.*s], not %s [%s]", first, second, rc, SLICE_PRINT(buffer_slice(&printed)),
        is_one ? "0" : "a contradiction", expected);
}

/* Nothing, every flag alone, every two that do not contradict each other, each with every value. */
enum { FEW_MAX = 1024 };
static struct source few[FEW_MAX];
static struct flag_set few_sets[FEW_MAX];
static size_t few_count;

static void add_few(const struct source *source)
{
    if (is_contradictory(source))
        return;
    assert_true(few_count < FEW_MAX);
    few[few_count] = *source;
    read_source(source, &few_sets[few_count++]);
}

static void add_with(const struct source *source, unsigned from, unsigned more)
{
    for (unsigned flag = from; more > 0 && flag < FLAG_COUNT; flag++)
        for (unsigned value = 0; value < flags[flag].value_count; value++) {
            struct source with = *source;
            with.value[flag] = (signed char)value;
            add_few(&with);
            add_with(&with, flag + 1, more - 1);
        }
}

static void every_two_with_every_two(void **state)
{
    (void)state;
    add_few(&nothing);
    add_with(&nothing, 0, 2);
    assert_true(few_count > 350);
    for (size_t a = 0; a < few_count; a++)
        for (size_t b = 0; b < few_count; b++)
            check(&few[a], &few_sets[a], &few[b], &few_sets[b]);
    assert_true(refused_count > 1000);
    print_message("# %zu sources, %lu merged, %lu refused\n", few_count, merged_count, refused_count);
}

static void any_source(uint32_t *random, unsigned percent, struct source *source_r)
{
    do {
        *source_r = nothing;
        for (unsigned flag = 0; flag < FLAG_COUNT; flag++)
            if (fixture_random(random, 100) < percent)
                source_r->value[flag] = (signed char)fixture_random(random, flags[flag].value_count);
    } while (is_contradictory(source_r));
}

static void any_with_any(void **state)
{
    uint32_t random = 20;
    (void)state;
    merged_count = refused_count = 0;
    for (unsigned number = 0; number < 100000; number++) {
        struct source a, b;
        struct flag_set a_set, b_set;
        any_source(&random, 10 + number % 50, &a);
        any_source(&random, 10 + number % 40, &b);
        read_source(&a, &a_set);
        read_source(&b, &b_set);
        check(&a, &a_set, &b, &b_set);
    }
    assert_true(merged_count > 50000 && refused_count > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_two_with_every_two),
        cmocka_unit_test(any_with_any),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
