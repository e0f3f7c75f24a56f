/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keepalive.c - pings at random times, and their answers; see keepalive.h. */
#include "flow/keepalive.h"

#include <stdbool.h>

static void plan(struct keepalive *keepalive, int64_t now_ms, uint64_t random)
{
    uint64_t longest_ms = (uint64_t)keepalive->interval_s * 1000, spread_ms = longest_ms / 5;
    keepalive->ping_at_ms = now_ms + (int64_t)(longest_ms - random % (spread_ms + 1));
}

/* 0 is "never": the other one counts. */
static uint32_t shorter(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* A pong that is waited for is waited for all the same, unless there are to be no pings. */
void keepalive_ask(struct keepalive *keepalive, uint32_t interval_s, uint64_t generation, int64_t now_ms,
    uint64_t random)
{
    bool is_of_same_policy = keepalive->generation == generation;
    uint32_t wanted_s = is_of_same_policy ? shorter(keepalive->interval_s, interval_s) : interval_s;
    keepalive->generation = generation;
    if (wanted_s == keepalive->interval_s)
        return;
    keepalive->interval_s = wanted_s;
    if (wanted_s == 0)
        keepalive->pong_by_ms = 0;
    else
        plan(keepalive, now_ms, random);
}

enum keepalive_due keepalive_due(struct keepalive *keepalive, int64_t now_ms, uint32_t tick_ms, uint64_t random)
{
    if (keepalive->interval_s == 0)
        return KEEPALIVE_NOTHING;
    if (keepalive->pong_by_ms != 0)
        return now_ms >= keepalive->pong_by_ms ? KEEPALIVE_DEAD : KEEPALIVE_NOTHING;
    if (now_ms + tick_ms <= keepalive->ping_at_ms)
        return KEEPALIVE_NOTHING;
    keepalive->pong_by_ms = now_ms + KEEPALIVE_PONG_MS;
    plan(keepalive, now_ms, random);
    return KEEPALIVE_PING;
}

void keepalive_answered(struct keepalive *keepalive)
{
    keepalive->pong_by_ms = 0;
}
