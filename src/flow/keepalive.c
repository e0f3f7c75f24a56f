/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keepalive.c - pings at random times, and their answers; see keepalive.h. */
#include "flow/keepalive.h"

static void plan(struct keepalive *keepalive, int64_t now_ms, uint64_t random)
{
    uint64_t longest_ms = (uint64_t)keepalive->interval_s * 1000, spread_ms = longest_ms / 5;
    keepalive->ping_at_ms = now_ms + (int64_t)(longest_ms - random % (spread_ms + 1));
}

void keepalive_start(struct keepalive *keepalive, uint32_t interval_s, int64_t now_ms, uint64_t random)
{
    *keepalive = (struct keepalive){ .interval_s = interval_s };
    if (interval_s != 0)
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
