/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base_never.c - rule: never() and always() are their condition; built for a sanitizer, a claim that is wrong ends the
 * process; built for coverage, they are what is claimed, and the condition is not asked.
 * The header is read once for each of the three builds; t/019 sees that the third one counts no branch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#undef NDEBUG /* as in the builds in which claims end the process */
#undef TRELAY_CHECKED
#undef TRELAY_COVERAGE

static unsigned asked;

static bool ask(bool answer)
{
    asked++;
    return answer;
}

#include "base/never.h"

static bool plain_never(bool answer)
{
    return never(ask(answer));
}

static bool plain_always(bool answer)
{
    return always(ask(answer));
}

#undef TRELAY_BASE_NEVER_H
#undef never
#undef always
#define TRELAY_CHECKED
#include "base/never.h"

static bool checked_never(bool answer)
{
    return never(ask(answer));
}

static bool checked_always(bool answer)
{
    return always(ask(answer));
}

#undef TRELAY_BASE_NEVER_H
#undef never
#undef always
#undef TRELAY_CHECKED
#define TRELAY_COVERAGE
#include "base/never.h"

static bool coverage_never(bool answer)
{
    return never(ask(answer));
}

static bool coverage_always(bool answer)
{
    return always(ask(answer));
}

/* The signal that ends a process which makes the claim; 0: none does. */
static int signal_of(bool (*claim)(bool), bool answer)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY); /* what assert() says */
        dup2(null, STDERR_FILENO);
        (void)!claim(answer);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_in_use_it_is_the_condition(void **state)
{
    (void)state;
    asked = 0;
    assert_true(plain_never(true));
    assert_false(plain_never(false));
    assert_true(plain_always(true));
    assert_false(plain_always(false));
    assert_int_equal(asked, 4); /* once each */
}

static void test_under_a_sanitizer_a_wrong_claim_ends_the_process(void **state)
{
    (void)state;
    asked = 0;
    assert_false(checked_never(false));
    assert_true(checked_always(true));
    assert_int_equal(asked, 2);
    assert_int_equal(signal_of(checked_never, false), 0);
    assert_int_equal(signal_of(checked_always, true), 0);
    assert_int_equal(signal_of(checked_never, true), SIGABRT);
    assert_int_equal(signal_of(checked_always, false), SIGABRT);
}

static void test_for_coverage_it_is_the_claim(void **state)
{
    (void)state;
    asked = 0;
    assert_false(coverage_never(true));
    assert_false(coverage_never(false));
    assert_true(coverage_always(true));
    assert_true(coverage_always(false));
    assert_int_equal(asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_use_it_is_the_condition),
        cmocka_unit_test(test_under_a_sanitizer_a_wrong_claim_ends_the_process),
        cmocka_unit_test(test_for_coverage_it_is_the_claim),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
