/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer_wheel.h - timers of one worker: start and stop in constant time, whatever their number.
 * In:    nodes that live in the caller's objects, and the time, which only the caller knows.
 * Out:   each node's function called once, at its millisecond or later, in order of deadlines.
 * Never: allocates, reads a clock, or fires a node that was stopped.
 */
#ifndef TRELAY_TRANSACTION_TIMER_WHEEL_H
#define TRELAY_TRANSACTION_TIMER_WHEEL_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct timer_node;
/* The node is stopped when this is called; it may be started again, and its object may be freed. */
typedef void timer_fire_fn(void *arg, struct timer_node *node);

/* All zero: a node that is not started. */
struct timer_node {
    struct list_node link;
    uint64_t deadline_ms;
    timer_fire_fn *fire;
};

enum { TIMER_WHEEL_BITS = 6, TIMER_WHEEL_SLOTS = 1 << TIMER_WHEEL_BITS, TIMER_WHEEL_LEVELS = 8 };

/* Deadlines reach 2^48 ms ahead. */
struct timer_wheel {
    uint64_t now_ms;
    uint64_t occupied[TIMER_WHEEL_LEVELS]; /* a bit per slot that is not empty */
    struct list slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS];
    struct list firing; /* due now, not yet called */
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms);

/* Starts NODE, or moves it. A deadline that is not ahead of the wheel's time fires with the next advance. */
void timer_wheel_start(struct timer_wheel *wheel, struct timer_node *node, uint64_t deadline_ms, timer_fire_fn *fire);

/* Allowed for a node that is not started. */
void timer_wheel_stop(struct timer_wheel *wheel, struct timer_node *node);

static inline bool timer_node_is_started(const struct timer_node *node)
{
    return list_holds(&node->link);
}

/* Calls what is due up to and including NOW_MS, with ARG. A time that lies behind is taken for no progress. Must not
 * be called from a timer's function. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms, void *arg);

/* When to call advance next: not later than the earliest deadline, seldom earlier; UINT64_MAX: nothing is started. */
uint64_t timer_wheel_next_ms(const struct timer_wheel *wheel);

#endif
