/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_wheel.c - timers fire at their time, in order, whatever the time and however they are moved. */
#include "loop/loop_wheel.h"

#include "base/attributes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct probe {
    struct loop_timer timer;
    struct loop_wheel *wheel;
    uint64_t due_ms, fired_ms;
    unsigned fired_count;
    uint64_t *latest; /* of all probes: the order of firing */
};

static void on_probe(void *arg)
{
    struct probe *probe = arg;
    probe->fired_ms = probe->wheel->now_ms;
    probe->fired_count++;
    if (probe->latest != NULL) {
        assert_true(probe->due_ms >= *probe->latest);
        *probe->latest = probe->due_ms;
    }
}

static void probe_init(struct probe *probe, struct loop_wheel *wheel)
{
    *probe = (struct probe){ .wheel = wheel };
    probe->timer.expired = on_probe;
    probe->timer.arg = probe;
}

/* A generator of its own: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Starting times around every boundary of the wheel, and delays of every size. */
static void every_timer_fires_at_its_time(void **state)
{
    (void)state;
    for (unsigned start_bit = 0; start_bit < 42; start_bit++) {
        for (int before = 0; before < 2; before++) {
            uint64_t start = (UINT64_C(1) << start_bit) - (uint64_t)before;
            for (unsigned bit = 0; bit < 42; bit++) {
                for (uint64_t off = 0; off < 3; off++) {
                    struct loop_wheel wheel;
                    struct probe probe;
                    loop_wheel_init(&wheel, start);
                    probe_init(&probe, &wheel);
                    uint64_t due = start + (UINT64_C(1) << bit) + off - 1;
                    loop_wheel_insert(&wheel, &probe.timer, due);
                    unsigned steps = 0;
                    while (probe.fired_count == 0) {
                        uint64_t next = loop_wheel_next_ms(&wheel);
                        assert_true(next != UINT64_MAX && next > wheel.now_ms);
                        assert_true(next <= (due > start ? due : start + 1));
                        loop_wheel_advance(&wheel, next);
                        assert_true(++steps <= 80);
                    }
                    assert_int_equal(probe.fired_ms, due > start ? due : start + 1);
                    assert_int_equal(loop_wheel_next_ms(&wheel), UINT64_MAX);
                }
            }
        }
    }
}

static void many_timers_fire_in_order(void **state)
{
    (void)state;
    enum { PROBES = 3000, ROUNDS = 400 };
    struct loop_wheel wheel;
    struct probe *probes = calloc(PROBES, sizeof(*probes));
    uint64_t seed = 88172645463325252u, now = 123456789, latest;
    assert_non_null(probes);
    loop_wheel_init(&wheel, now);
    for (size_t i = 0; i < PROBES; i++) {
        probe_init(&probes[i], &wheel);
        probes[i].latest = &latest;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int change = 0; change < 200; change++) {
            struct probe *probe = &probes[next_random(&seed) % PROBES];
            if (next_random(&seed) % 4 == 0) {
                loop_wheel_remove(&wheel, &probe->timer);
            } else {
                probe->due_ms = now + 1 + next_random(&seed) % (UINT64_C(1) << next_random(&seed) % 24);
                loop_wheel_insert(&wheel, &probe->timer, probe->due_ms);
            }
        }
        now += next_random(&seed) % 5000;
        for (size_t i = 0; i < PROBES; i++)
            probes[i].fired_count = list_holds(&probes[i].timer.node) ? 0 : 1000;
        latest = 0;
        loop_wheel_advance(&wheel, now);
        for (size_t i = 0; i < PROBES; i++) {
            if (probes[i].fired_count == 1000)
                continue;
            bool is_due = probes[i].due_ms <= now;
            assert_int_equal(probes[i].fired_count, is_due ? 1 : 0);
            assert_int_equal(list_holds(&probes[i].timer.node), !is_due);
        }
        assert_true(loop_wheel_next_ms(&wheel) > now);
    }
    free(probes);
}

struct pair {
    struct probe first, second;
};

static void on_stop_the_other(void *arg)
{
    struct pair *pair = arg;
    pair->first.fired_count++;
    loop_wheel_remove(pair->first.wheel, &pair->second.timer);
}

static void a_timer_may_stop_one_that_is_due_with_it(void **state)
{
    (void)state;
    struct loop_wheel wheel;
    struct pair pair;
    loop_wheel_init(&wheel, 0);
    probe_init(&pair.first, &wheel);
    probe_init(&pair.second, &wheel);
    pair.first.timer.expired = on_stop_the_other;
    pair.first.timer.arg = &pair;
    loop_wheel_insert(&wheel, &pair.first.timer, 100);
    loop_wheel_insert(&wheel, &pair.second.timer, 100);
    loop_wheel_advance(&wheel, 1000);
    assert_int_equal(pair.first.fired_count, 1);
    assert_int_equal(pair.second.fired_count, 0);
    assert_int_equal(loop_wheel_next_ms(&wheel), UINT64_MAX);
}

static void on_again(void *arg)
{
    struct probe *probe = arg;
    probe->fired_count++;
    loop_wheel_insert(probe->wheel, &probe->timer, probe->wheel->target_ms);
}

static void a_timer_that_starts_itself_ends_the_call(void **state)
{
    (void)state;
    struct loop_wheel wheel;
    struct probe probe;
    loop_wheel_init(&wheel, 0);
    probe_init(&probe, &wheel);
    probe.timer.expired = on_again;
    loop_wheel_insert(&wheel, &probe.timer, 10);
    loop_wheel_advance(&wheel, 50);
    assert_true(probe.fired_count >= 1 && probe.fired_count <= 2);
    unsigned before = probe.fired_count;
    loop_wheel_advance(&wheel, 51);
    assert_int_equal(probe.fired_count, before + 1);
    loop_wheel_remove(&wheel, &probe.timer);
}

static void a_periodic_timer_does_not_catch_up(void **state)
{
    (void)state;
    struct loop_wheel wheel;
    struct probe probe;
    loop_wheel_init(&wheel, 5);
    probe_init(&probe, &wheel);
    probe.timer.period_ms = 10;
    loop_wheel_insert(&wheel, &probe.timer, 15);
    for (uint64_t now = 6; now <= 45; now++)
        loop_wheel_advance(&wheel, now);
    assert_int_equal(probe.fired_count, 4);
    loop_wheel_advance(&wheel, 10000); /* the loop was held up */
    assert_int_equal(probe.fired_count, 5);
    assert_int_equal(probe.timer.due_ms, 10010);
    loop_wheel_advance(&wheel, 10009);
    loop_wheel_advance(&wheel, 3); /* a step back is ignored */
    assert_int_equal(probe.fired_count, 5);
    loop_wheel_advance(&wheel, 10010);
    assert_int_equal(probe.fired_count, 6);
    loop_wheel_remove(&wheel, &probe.timer);
    loop_wheel_remove(&wheel, &probe.timer);
    assert_int_equal(loop_wheel_next_ms(&wheel), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_timer_fires_at_its_time),
        cmocka_unit_test(many_timers_fire_in_order),
        cmocka_unit_test(a_timer_may_stop_one_that_is_due_with_it),
        cmocka_unit_test(a_timer_that_starts_itself_ends_the_call),
        cmocka_unit_test(a_periodic_timer_does_not_catch_up),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
