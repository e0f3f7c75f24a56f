/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_fixture.h - a loop for tests, and waiting for what shall happen on it. */
#ifndef TRELAY_UNIT_LOOP_FIXTURE_H
#define TRELAY_UNIT_LOOP_FIXTURE_H

#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct loop *fixture_loop(void);

/* Turns the loop until *FLAG, or *COUNT is at least WANTED; fails the test when that takes 20 seconds. */
void fixture_until(struct loop *loop, const bool *flag);
void fixture_until_count(struct loop *loop, const unsigned *count, unsigned wanted);

/* Everything that is ready now, and the frees that wait for the end of a turn. */
void fixture_settle(struct loop *loop);

#endif
