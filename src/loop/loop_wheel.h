/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_wheel.h - any number of timers in milliseconds: start, stop and expiry cost the same for one and a million.
 * In:    the time, from the loop. Out: the timers that are due, in order of their time.
 * Never: reads a clock, allocates, or fires early.
 */
#ifndef TRELAY_LOOP_LOOP_WHEEL_H
#define TRELAY_LOOP_LOOP_WHEEL_H

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

/* Six levels of 64 slots: 2^36 ms are over two years; later times are placed again when these are over. */
enum { LOOP_WHEEL_LEVELS = 6, LOOP_WHEEL_BITS = 6, LOOP_WHEEL_SLOTS = 1 << LOOP_WHEEL_BITS };

struct loop_wheel {
    uint64_t now_ms;
    uint64_t target_ms; /* where loop_wheel_advance() goes */
    uint64_t occupied[LOOP_WHEEL_LEVELS]; /* a bit per slot that holds timers */
    struct list slots[LOOP_WHEEL_LEVELS][LOOP_WHEEL_SLOTS];
    struct list due; /* being fired */
};

void loop_wheel_init(struct loop_wheel *wheel, uint64_t now_ms);

/* A time that has passed is fired by the next loop_wheel_advance(). A running timer is moved. */
void loop_wheel_insert(struct loop_wheel *wheel, struct loop_timer *timer, uint64_t due_ms);
void loop_wheel_remove(struct loop_wheel *wheel, struct loop_timer *timer);

/* No timer is due before this time; UINT64_MAX when there are none. May be early, never late. */
uint64_t loop_wheel_next_ms(const struct loop_wheel *wheel);

/* Moves the time forward (a step back is ignored) and fires what is due. A timer's function may start and stop any
 * timer, itself included; what it starts for NOW_MS or earlier fires at the latest in the next call. */
void loop_wheel_advance(struct loop_wheel *wheel, uint64_t now_ms);

#endif
