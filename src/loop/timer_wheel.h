/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer_wheel.h - any number of timers in milliseconds: start, stop and expiry cost the same for one and a million.
 * In:    the time, from the loop. Out: the timers that are due, in order of their time.
 * Never: reads a clock, allocates, or fires early.
 */
#ifndef TRELAY_LOOP_TIMER_WHEEL_H
#define TRELAY_LOOP_TIMER_WHEEL_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

typedef void loop_timer_fn(void *arg);

/* Embedded in its owner; the members are the wheel's. */
struct loop_timer {
    struct list_node node;
    uint64_t due_ms;
    loop_timer_fn *expired;
    void *arg;
    uint32_t period_ms; /* 0: one shot */
    uint8_t level, slot;
};

/* Six levels of 64 slots: 2^36 ms are over two years, later times wait in the last slot and are placed again. */
enum { WHEEL_LEVELS = 6, WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS };

struct timer_wheel {
    uint64_t now_ms;
    uint64_t occupied[WHEEL_LEVELS]; /* a bit per slot that holds timers */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct list due; /* being fired */
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms);

/* A time that has passed is fired by the next timer_wheel_advance(). A running timer is moved. */
void timer_wheel_insert(struct timer_wheel *wheel, struct loop_timer *timer, uint64_t due_ms);
void timer_wheel_remove(struct timer_wheel *wheel, struct loop_timer *timer);

/* No timer is due before this time; UINT64_MAX when there are none. May be early, never late. */
uint64_t timer_wheel_next_ms(const struct timer_wheel *wheel);

/* Moves the time forward (a step back is ignored) and fires what is due. A timer's function may start and stop any
 * timer, itself included; what it starts for now fires in the next call. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms);

#endif
