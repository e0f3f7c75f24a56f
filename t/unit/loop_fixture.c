/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_fixture.c - a loop for tests; see loop_fixture.h. */
#include "loop_fixture.h"

enum { PATIENCE_MS = 20000 };

struct loop *fixture_loop(void)
{
    struct loop *loop;
    struct why why = WHY_NONE;
    if (loop_new(&loop, &why) != 0)
        fail_msg("%s", why.text);
    return loop;
}

static void on_patience(void *arg)
{
    *(bool *)arg = true;
}

void fixture_until_count(struct loop *loop, const unsigned *count, unsigned wanted)
{
    struct loop_timer patience;
    bool is_over = false;
    loop_timer_init(&patience, on_patience, &is_over);
    loop_timer_start(loop, &patience, PATIENCE_MS);
    while (*count < wanted && !is_over)
        loop_turn(loop, true);
    loop_timer_stop(loop, &patience);
    if (*count < wanted)
        fail_msg("waited in vain: %u of %u", *count, wanted);
}

void fixture_until(struct loop *loop, const bool *flag)
{
    struct loop_timer patience;
    bool is_over = false;
    loop_timer_init(&patience, on_patience, &is_over);
    loop_timer_start(loop, &patience, PATIENCE_MS);
    while (!*flag && !is_over)
        loop_turn(loop, true);
    loop_timer_stop(loop, &patience);
    assert_true(*flag);
}

void fixture_settle(struct loop *loop)
{
    for (int i = 0; i < 4; i++)
        loop_turn(loop, false);
}
