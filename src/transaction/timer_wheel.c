/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer_wheel.c - a hierarchical wheel of 64-slot levels at one millisecond; see timer_wheel.h.
 * A node stands at the level of the highest six bits in which its deadline differs from the time, in the slot
 * those bits name. It is ahead of the time, so its slot is ahead of the level's hand: no slot wraps, the lowest
 * bit of the lowest level that is occupied is the next thing to do, and that stays true while the time moves
 * on below it.
 */
#include "transaction/timer_wheel.h"

#include "base/attributes.h"

#include <assert.h>
#include <stddef.h>

static const uint64_t reach = UINT64_C(1) << (TIMER_WHEEL_BITS * TIMER_WHEEL_LEVELS);

struct position {
    unsigned level, slot;
};

/* DEADLINE is ahead of NOW. */
static struct position position_of(uint64_t deadline, uint64_t now)
{
    unsigned level = (63U - (unsigned)__builtin_clzll(deadline ^ now)) / TIMER_WHEEL_BITS;
    unsigned slot = (unsigned)(deadline >> (level * TIMER_WHEEL_BITS)) & (TIMER_WHEEL_SLOTS - 1U);
    return (struct position){ level, slot };
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms)
{
    assert(now_ms < reach / 2);
    *wheel = (struct timer_wheel){ .now_ms = now_ms };
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < TIMER_WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    list_init(&wheel->firing);
}

static void put(struct timer_wheel *wheel, struct timer_node *node)
{
    struct position at = position_of(node->deadline_ms, wheel->now_ms);
    list_append(&wheel->slots[at.level][at.slot], &node->link);
    wheel->occupied[at.level] |= UINT64_C(1) << at.slot;
}

void timer_wheel_start(struct timer_wheel *wheel, struct timer_node *node, uint64_t deadline_ms, timer_fire_fn *fire)
{
    timer_wheel_stop(wheel, node);
    if (deadline_ms <= wheel->now_ms)
        deadline_ms = wheel->now_ms + 1;
    if (deadline_ms >= reach)
        deadline_ms = reach - 1;
    node->deadline_ms = deadline_ms;
    node->fire = fire;
    put(wheel, node);
}

void timer_wheel_stop(struct timer_wheel *wheel, struct timer_node *node)
{
    if (!list_holds(&node->link))
        return;
    list_remove(&node->link);
    if (node->deadline_ms <= wheel->now_ms)
        return; /* it stood among those that fire now */
    struct position at = position_of(node->deadline_ms, wheel->now_ms);
    if (list_is_empty(&wheel->slots[at.level][at.slot]))
        wheel->occupied[at.level] &= ~(UINT64_C(1) << at.slot);
}

/* The lowest level that holds anything, or TIMER_WHEEL_LEVELS. */
static unsigned lowest_level(const struct timer_wheel *wheel)
{
    unsigned level = 0;
    while (level < TIMER_WHEEL_LEVELS && wheel->occupied[level] == 0)
        level++;
    return level;
}

/* The time at which the hand of LEVEL reaches SLOT. */
static uint64_t time_of(const struct timer_wheel *wheel, unsigned level, unsigned slot)
{
    unsigned shift = level * TIMER_WHEEL_BITS;
    uint64_t above = wheel->now_ms >> (shift + TIMER_WHEEL_BITS);
    return ((above << TIMER_WHEEL_BITS) | slot) << shift;
}

uint64_t timer_wheel_next_ms(const struct timer_wheel *wheel)
{
    if (!list_is_empty(&wheel->firing))
        return wheel->now_ms;
    unsigned level = lowest_level(wheel);
    if (level == TIMER_WHEEL_LEVELS)
        return UINT64_MAX;
    return time_of(wheel, level, (unsigned)__builtin_ctzll(wheel->occupied[level]));
}

/* Moves the time to the next slot that holds anything, and its nodes down, or to those that fire. */
static void turn(struct timer_wheel *wheel)
{
    unsigned level = lowest_level(wheel);
    unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
    struct list *list = &wheel->slots[level][slot];
    wheel->now_ms = time_of(wheel, level, slot);
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    struct list_node *link;
    while ((link = list_take_first(list)) != NULL) {
        struct timer_node *node = CONTAINER_OF(link, struct timer_node, link);
        if (node->deadline_ms <= wheel->now_ms)
            list_append(&wheel->firing, link);
        else
            put(wheel, node);
    }
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms, void *arg)
{
    if (now_ms >= reach)
        now_ms = reach - 1;
    while (timer_wheel_next_ms(wheel) <= now_ms) {
        turn(wheel);
        struct list_node *link;
        while ((link = list_take_first(&wheel->firing)) != NULL) {
            struct timer_node *node = CONTAINER_OF(link, struct timer_node, link);
            node->fire(arg, node);
        }
    }
    if (now_ms > wheel->now_ms)
        wheel->now_ms = now_ms;
}
