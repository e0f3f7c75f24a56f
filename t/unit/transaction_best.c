/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_best.c - rule: of several finals the one of RFC 3261 16.7(6) goes upstream.
 * Each row: what there is, "503L" being a response of our own, and which is sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "transaction/best_response.h"

#include <stdio.h>
#include <string.h>

enum { FINALS = 6 };

struct final {
    unsigned status;
    bool is_local;
};

#define L(status) { status, true }
#define R(status) { status, false }

static const struct {
    struct final finals[FINALS];
    unsigned best; /* position in finals */
    bool is_cancelled;
} cases[] = {
    /* one stands for itself */
    { { R(404) }, 0, false },
    { { L(502) }, 0, false },
    /* C07 */
    { { R(503), R(407), R(501), R(404) }, 1, false },
    /* 2xx ahead of all, 6xx ahead of the rest, else the lowest class */
    { { R(603), R(200), R(404) }, 1, false },
    { { R(302), R(404), R(603) }, 2, false },
    { { R(500), R(486), R(302) }, 2, false },
    { { R(500), R(486) }, 1, false },
    { { R(600), R(603), R(699) }, 0, false },
    /* within 4xx: what the caller can mend */
    { { R(404), R(401) }, 1, false },
    { { R(404), R(407) }, 1, false },
    { { R(404), R(415) }, 1, false },
    { { R(404), R(420) }, 1, false },
    { { R(404), R(484) }, 1, false },
    { { R(400), R(499), R(484), R(401) }, 3, false },
    { { R(404), R(486) }, 0, false },
    { { R(486), R(404) }, 0, false },
    /* a next hop's word ahead of ours, within a class */
    { { L(408), R(486) }, 1, false },
    { { L(500), R(504) }, 1, false },
    { { L(408), R(500) }, 0, false },
    { { L(500), R(404) }, 1, false },
    { { L(403), L(500) }, 0, false },
    /* a next hop's 503 is the last of the 5xx, ours is not */
    { { R(503), R(500) }, 1, false },
    { { R(503), L(502) }, 1, false },
    { { L(503), R(503) }, 0, false },
    { { R(503), R(486) }, 1, false },
    /* the caller gave up */
    { { R(404), R(487) }, 0, false },
    { { R(404), R(487) }, 1, true },
    { { R(404), L(487) }, 1, true },
    { { L(487), R(487) }, 1, true },
    { { R(302), R(401), R(487) }, 2, true },
    { { R(200), R(487) }, 0, true },
    { { R(487), R(603) }, 1, true },
};

static unsigned best_of(const struct final *finals, bool is_cancelled)
{
    unsigned best = 0;
    for (unsigned i = 1; i < FINALS && finals[i].status != 0; i++)
        if (best_response_rank(finals[i].status, finals[i].is_local, is_cancelled) <
            best_response_rank(finals[best].status, finals[best].is_local, is_cancelled))
            best = i;
    return best;
}

static void test_matrix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (best_of(cases[i].finals, cases[i].is_cancelled) != cases[i].best)
            fail_msg("row %zu", i);
}

/* Whatever the pair: 2xx, then 6xx, then the class; the order of arrival decides nothing between classes. */
static void test_classes(void **state)
{
    (void)state;
    static const unsigned order[] = { 2, 6, 3, 4, 5 };
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        for (size_t j = i + 1; j < ARRAY_SIZE(order); j++)
            for (unsigned a = 0; a < 100; a++)
                for (unsigned b = 0; b < 100; b++)
                    for (int local = 0; local < 4; local++)
                        assert_true(best_response_rank(order[i] * 100 + a, local % 2 != 0, false) <
                            best_response_rank(order[j] * 100 + b, local / 2 != 0, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "C07: each response against each other", test_matrix, NULL, NULL, NULL },
        cmocka_unit_test(test_classes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
