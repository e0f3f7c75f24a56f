/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_wheel.c - hierarchical timing wheel; see loop_wheel.h.
 * Level 0 has a slot per millisecond, each level above a slot per 64 slots of the one below. A timer stands on the
 * lowest level on which its time differs from now in no digit above; when the time reaches its slot on a higher level,
 * the slot's timers are placed again, lower.
 */
#include "loop/loop_wheel.h"

#include "base/attributes.h"

#include <assert.h>

enum { SLOT_MASK = LOOP_WHEEL_SLOTS - 1 };

void loop_wheel_init(struct loop_wheel *wheel, uint64_t now_ms)
{
    wheel->now_ms = wheel->target_ms = now_ms;
    for (size_t level = 0; level < LOOP_WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (size_t slot = 0; slot < LOOP_WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
    list_init(&wheel->due);
}

static unsigned digit(uint64_t time_ms, unsigned level)
{
    return (unsigned)(time_ms >> (level * LOOP_WHEEL_BITS)) & SLOT_MASK;
}

/* The highest digit in which A and B differ; 0 when in none. */
static unsigned level_of_difference(uint64_t a, uint64_t b)
{
    uint64_t difference = (a ^ b) | 1;
    return (unsigned)(63 - __builtin_clzll(difference)) / LOOP_WHEEL_BITS;
}

static void place(struct loop_wheel *wheel, struct loop_timer *timer)
{
    uint64_t at = timer->due_ms > wheel->now_ms ? timer->due_ms : wheel->now_ms + 1;
    unsigned level = level_of_difference(at, wheel->now_ms);
    /* The slots of the top level are a ring: what lies beyond it is placed again when its slot is reached too early. */
    if (level >= LOOP_WHEEL_LEVELS)
        level = LOOP_WHEEL_LEVELS - 1;
    unsigned slot = digit(at, level);
    timer->level = (uint8_t)level;
    timer->slot = (uint8_t)slot;
    list_append(&wheel->slots[level][slot], &timer->node);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void loop_wheel_remove(struct loop_wheel *wheel, struct loop_timer *timer)
{
    if (!list_holds(&timer->node))
        return;
    list_remove(&timer->node);
    if (list_is_empty(&wheel->slots[timer->level][timer->slot]))
        wheel->occupied[timer->level] &= ~(UINT64_C(1) << timer->slot);
}

void loop_wheel_insert(struct loop_wheel *wheel, struct loop_timer *timer, uint64_t due_ms)
{
    loop_wheel_remove(wheel, timer);
    timer->due_ms = due_ms;
    place(wheel, timer);
}

/* How many slots ahead of FROM the next occupied one is, 1 to 64 (FROM itself is reached again after 64); 0: none. */
static unsigned slots_ahead(uint64_t occupied, unsigned from)
{
    if (occupied == 0)
        return 0;
    unsigned turn = (from + 1) & SLOT_MASK;
    uint64_t rotated = turn == 0 ? occupied : occupied >> turn | occupied << (LOOP_WHEEL_SLOTS - turn);
    return (unsigned)__builtin_ctzll(rotated) + 1;
}

/* When the next occupied slot of LEVEL is reached. */
static uint64_t level_next_ms(const struct loop_wheel *wheel, unsigned level)
{
    unsigned ahead = slots_ahead(wheel->occupied[level], digit(wheel->now_ms, level));
    if (ahead == 0)
        return UINT64_MAX;
    unsigned shift = level * LOOP_WHEEL_BITS;
    return ((wheel->now_ms >> shift) + ahead) << shift;
}

uint64_t loop_wheel_next_ms(const struct loop_wheel *wheel)
{
    uint64_t next = UINT64_MAX;
    for (unsigned level = 0; level < LOOP_WHEEL_LEVELS; level++) {
        uint64_t at = level_next_ms(wheel, level);
        if (at < next)
            next = at;
    }
    return next;
}

static void take_slot(struct loop_wheel *wheel, unsigned level, unsigned slot, struct list *taken)
{
    struct list_node *node;
    while ((node = list_take_first(&wheel->slots[level][slot])) != NULL)
        list_append(taken, node);
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
}

/* The time has become AT: slots of higher levels that begin now are spread over the levels below. */
static void cascade(struct loop_wheel *wheel)
{
    struct list taken;
    list_init(&taken);
    for (unsigned level = 1; level < LOOP_WHEEL_LEVELS; level++) {
        if (digit(wheel->now_ms, level - 1) != 0)
            break;
        take_slot(wheel, level, digit(wheel->now_ms, level), &taken);
    }
    struct list_node *node;
    while ((node = list_take_first(&taken)) != NULL) {
        struct loop_timer *timer = CONTAINER_OF(node, struct loop_timer, node);
        if (timer->due_ms <= wheel->now_ms)
            list_append(&wheel->due, node);
        else
            place(wheel, timer);
    }
}

/* A function may remove a timer that is still in the due list: loop_wheel_remove() then looks at a slot that it left,
 * which is harmless. A periodic timer that was late does not make up for it. */
static void fire(struct loop_wheel *wheel)
{
    struct list_node *node;
    while ((node = list_take_first(&wheel->due)) != NULL) {
        struct loop_timer *timer = CONTAINER_OF(node, struct loop_timer, node);
        if (timer->period_ms > 0)
            loop_wheel_insert(wheel, timer, wheel->target_ms + timer->period_ms);
        timer->expired(timer->arg);
    }
}

void loop_wheel_advance(struct loop_wheel *wheel, uint64_t now_ms)
{
    uint64_t next;
    wheel->target_ms = now_ms;
    while ((next = loop_wheel_next_ms(wheel)) <= now_ms) {
        assert(next > wheel->now_ms);
        wheel->now_ms = next;
        cascade(wheel);
        take_slot(wheel, 0, digit(next, 0), &wheel->due);
        fire(wheel);
    }
    if (now_ms > wheel->now_ms)
        wheel->now_ms = now_ms;
}
