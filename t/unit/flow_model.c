/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_model.c - rule: whatever happens, in whatever order, a request is sent only where its policy lets it go. Layer A
 * of the model-based test (model.h): two real pools in a made-up world, each step drawn by a seed.
 *
 *   t/495-flow-model-sends-only-where-it-may.t [--seed N] [--steps N] [--calm N]
 *
 * Without options there are a million steps (events: model_schedule.c) from one seed on, and calm runs by which M1 to
 * M5 are seen (INV-4, INV-5, and what model_oracle.c names). What fails is run again with fewer steps, and its
 * operations are printed.
 */
#include "model.h"

#include "base/integer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_DEFAULT = 1000000, CALM_DEFAULT = 60, CALM_STEPS = 60 };

static bool skipped[MODEL_STEPS];
static unsigned tests, failed;

static void report(bool is_good, const char *name)
{
    printf("%sok %u - %s\n", is_good ? "" : "not ", ++tests, name);
    failed += !is_good;
    (void)fflush(stdout);
}

/* How the last run failed, and with how little. */
static void show_failure(const struct model_settings *settings)
{
    const struct model_result *result = model_result();
    uint64_t seed = result->seed;
    uint32_t steps = (uint32_t)result->step + 1;
    printf("# %s\n", result->why);
    if (settings->is_calm)
        printf("# again: --seed %llu --steps 0 --calm 1\n", (unsigned long long)seed);
    else
        printf("# again: --seed %llu --steps %u --calm 0\n", (unsigned long long)seed, steps);
    uint32_t left = model_shrink(seed, steps, settings, skipped);
    model_show(seed, steps, settings, skipped);
    printf("# %u steps of them are enough: %s\n", left, result->why);
}

/* --- Metamorphic --- */

static bool observe(uint64_t seed, const struct model_settings *settings,
    struct model_observation observations[MODEL_LABELS])
{
    if (!model_try(seed, CALM_STEPS, settings, NULL)) {
        show_failure(settings);
        return false;
    }
    memcpy(observations, model_result()->observations, sizeof(model_result()->observations));
    return true;
}

/* Two runs of one seed, that differ in what must make no difference. */
static bool is_the_same(uint64_t seed, const struct model_settings *settings)
{
    static const struct model_settings plain = { .is_calm = true };
    static struct model_observation before[MODEL_LABELS], after[MODEL_LABELS];
    if (!observe(seed, &plain, before) || !observe(seed, settings, after))
        return false;
    for (unsigned i = 2; i < MODEL_LABELS; i++) {
        if (memcmp(&before[i], &after[i], sizeof(before[i])) == 0)
            continue;
        printf("# seed %llu: request %u is %s, and else %s; certificate %u, %u; level %u, %u\n",
            (unsigned long long)seed, i, before[i].is_sent ? "sent" : "refused", after[i].is_sent ? "sent" : "refused",
            before[i].shown, after[i].shown, before[i].class.level, after[i].class.level);
        return false;
    }
    return true;
}

static void compare(uint64_t seed, uint64_t count, const struct model_settings *settings, const char *name)
{
    bool is_good = true;
    for (uint64_t i = 0; is_good && i < count; i++)
        is_good = is_the_same(seed + i, settings);
    report(is_good, name);
}

/* --- */

static uint64_t number_of(const char *text)
{
    uint64_t number;
    if (integer_parse(slice_of_string(text), UINT64_MAX, &number) != 0) {
        (void)fprintf(stderr, "\"%s\" is no number\n", text);
        exit(2);
    }
    return number;
}

static void run_wild(uint64_t seed, uint64_t steps)
{
    static const struct model_settings wild;
    bool is_good = model_try(seed, steps, &wild, NULL);
    struct model_totals totals = model_result()->totals;
    if (!is_good)
        show_failure(&wild);
#define X(member) printf("# %s: %llu\n", #member, (unsigned long long)totals.member);
    MODEL_TOTALS(X)
#undef X
    report(is_good, "S1 to S5, L1 to L3: each request is sent where its policy lets it go, or refused, once");
    if (steps < STEPS_DEFAULT || !is_good)
        return;
#define X(member) is_good = is_good && totals.member > 0;
    MODEL_TOTALS(X)
#undef X
    report(is_good, "all that a pool does has been done");
}

int main(int argc, char **argv)
{
    static const struct model_settings no_reuse = { .is_calm = true, .has_no_reuse = true },
        reversed = { .is_calm = true, .is_reversed = true }, noise = { .is_calm = true, .has_noise = true },
        renamed = { .is_calm = true, .is_renamed = true }, respelled = { .is_calm = true, .is_respelled = true };
    uint64_t seed = 1, steps = STEPS_DEFAULT, calm = CALM_DEFAULT;
    for (int i = 1; i < argc; i += 2) {
        uint64_t *option = strcmp(argv[i], "--seed") == 0 ? &seed
            : strcmp(argv[i], "--steps") == 0             ? &steps
            : strcmp(argv[i], "--calm") == 0              ? &calm
                                                          : NULL;
        if (option == NULL || i + 1 == argc) {
            (void)fprintf(stderr, "usage: %s [--seed N] [--steps N] [--calm N]\n", argv[0]);
            return 2;
        }
        *option = number_of(argv[i + 1]);
    }
    run_wild(seed, steps);
    compare(seed, calm, &no_reuse, "M1: without reuse of connections the outcomes and identities are the same");
    compare(seed, calm, &reversed, "M2: requests in another order have the same verdicts");
    compare(seed, calm, &renamed, "M3: under other names and numbers of rows, sets and certificates, too");
    compare(seed, calm, &noise, "M4: unverified requests beside them change nothing");
    compare(seed, calm, &respelled, "M5: capitals and a dot at the end of a domain change nothing");
    printf("1..%u\n", tests);
    return failed > 0;
}
