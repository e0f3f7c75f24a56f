/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer_settings.h - T1, T2, T4 and Timer C, and the duration of every timer that follows from them.
 * In:    what the configuration says. Out: durations in milliseconds, by transport.
 */
#ifndef TRELAY_TRANSACTION_TIMER_SETTINGS_H
#define TRELAY_TRANSACTION_TIMER_SETTINGS_H

#include "base/attributes.h"
#include "base/why.h"
#include "transaction/step.h"

#include <stdbool.h>
#include <stdint.h>

struct timer_settings {
    uint32_t t1_ms; /* round trip time estimate */
    uint32_t t2_ms; /* longest interval between repetitions */
    uint32_t t4_ms; /* longest time a message stays in the network */
    uint32_t c_ms;  /* Timer C: INVITE without a final response, RFC 3261 16.6(11) */
    bool is_test;   /* allows a short Timer C and T1; never on a network */
};

#define TIMER_SETTINGS_DEFAULT ((struct timer_settings){ 500, 4000, 5000, 185000, false })

/* 0, or ERROR_LIMIT with the reason: each value must be above 0, T1 <= T2, nothing above a day, and Timer C above
 * three minutes unless is_test. */
int timer_settings_check(const struct timer_settings *settings, struct why *why) MUST_CHECK;

/* A text to be logged once at start, or NULL: T1 below 500 ms is not recommended (RFC 3261 17.1.1.2). */
const char *timer_settings_warning(const struct timer_settings *settings);

/* The timer is not started on this transport. */
#define TIMER_OFF UINT32_MAX

/* Of EVENT_TIMER_A .. EVENT_TIMER_100; of A, E, G the first interval. 0: it fires at once; TIMER_OFF for A, E, G on
 * reliable transports and for what is no timer. TIMER_100 is for INVITE when IS_INVITE, else RFC 4320's. */
uint32_t timer_duration_ms(const struct timer_settings *settings, enum transaction_event timer, bool is_reliable,
    bool is_invite);

/* 64*T1: Timers B, F, H; how long late 2xx are forwarded; how long a cancelled branch is waited for. */
uint32_t timer_64_t1_ms(const struct timer_settings *settings);

#endif
