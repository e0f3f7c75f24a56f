/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer_settings.c - the table of RFC 3261 appendix A, with RFC 6026 and RFC 4320; see timer_settings.h. */
#include "transaction/timer_settings.h"

#include "base/error.h"

#include <stddef.h>

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    THREE_MINUTES_MS = 180000,
    T1_RECOMMENDED_MS = 500,
    D_LEAST_MS = 32000,
    /* RFC 3261 17.2.1 allows 200 ms; the rest is for the way to the caller. */
    TRYING_INVITE_MS = 150,
};

int timer_settings_check(const struct timer_settings *settings, struct why *why)
{
    if (settings->t1_ms == 0 || settings->t2_ms == 0 || settings->t4_ms == 0 || settings->c_ms == 0)
        return why_fail(why, ERROR_LIMIT, "timers T1, T2, T4 and C must be above 0");
    if (settings->t1_ms > DAY_MS / 64 || settings->t2_ms > DAY_MS || settings->t4_ms > DAY_MS ||
        settings->c_ms > DAY_MS)
        return why_fail(why, ERROR_LIMIT, "64 * T1, T2, T4 and C must not exceed a day");
    if (settings->t1_ms > settings->t2_ms)
        return why_fail(why, ERROR_LIMIT, "T1 (%u ms) must not exceed T2 (%u ms)", settings->t1_ms, settings->t2_ms);
    if (settings->c_ms <= THREE_MINUTES_MS && !settings->is_test)
        return why_fail(why, ERROR_LIMIT, "Timer C (%u ms) must be longer than three minutes (RFC 3261 16.6)",
            settings->c_ms);
    return 0;
}

const char *timer_settings_warning(const struct timer_settings *settings)
{
    if (settings->t1_ms < T1_RECOMMENDED_MS && !settings->is_test)
        return "T1 below 500 ms is not recommended outside private networks (RFC 3261 17.1.1.2)";
    return NULL;
}

uint32_t timer_64_t1_ms(const struct timer_settings *settings)
{
    return 64 * settings->t1_ms;
}

/* When Timer E, doubling from T1, reaches T2 (RFC 4320 4.1); the same on every transport. */
static uint32_t trying_other_ms(const struct timer_settings *settings)
{
    uint32_t elapsed = 0;
    for (uint32_t interval = settings->t1_ms; interval < settings->t2_ms; interval *= 2)
        elapsed += interval;
    return elapsed != 0 ? elapsed : settings->t1_ms;
}

/* At least 32 s (17.1.1.2): the peer's Timer H follows the peer's T1. Tests scale it. */
static uint32_t d_ms(const struct timer_settings *settings)
{
    uint32_t scaled = timer_64_t1_ms(settings);
    return settings->is_test || scaled > D_LEAST_MS ? scaled : D_LEAST_MS;
}

uint32_t timer_duration_ms(const struct timer_settings *settings, enum transaction_event timer, bool is_reliable,
    bool is_invite)
{
    switch ((int)timer) {
    case EVENT_TIMER_A:
    case EVENT_TIMER_E:
    case EVENT_TIMER_G:
        return is_reliable ? TIMER_OFF : settings->t1_ms;
    case EVENT_TIMER_B:
    case EVENT_TIMER_F:
    case EVENT_TIMER_H:
    case EVENT_TIMER_L:
    case EVENT_TIMER_M:
        return timer_64_t1_ms(settings);
    case EVENT_TIMER_D:
        return is_reliable ? 0 : d_ms(settings);
    case EVENT_TIMER_J:
        return is_reliable ? 0 : timer_64_t1_ms(settings);
    case EVENT_TIMER_I:
    case EVENT_TIMER_K:
        return is_reliable ? 0 : settings->t4_ms;
    case EVENT_TIMER_100:
        return is_invite ? TRYING_INVITE_MS : trying_other_ms(settings);
    default:
        return TIMER_OFF;
    }
}
