/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log_limiter.h - how many lines of one event strangers can make us write: who floods us does not flood the log, too.
 * In:    the events of the scopes that have it; the time, from its owner. Out: whether a line is written, and for those
 *        that were not one line at the end of each span, with their number.
 * Never: reads a clock, or is used by two threads: each owner has its own.
 */
#ifndef TRELAY_LOG_LOG_LIMITER_H
#define TRELAY_LOG_LOG_LIMITER_H

#include "log/log.h"

/* So many lines of each event in one span. */
enum { LOG_LIMITER_LINES = 50, LOG_LIMITER_SPAN_MS = 10000 };

struct log_limiter {
    uint64_t began_ms; /* the span */
    uint64_t counts[LOG_EVENT_COUNT]; /* of lines that were written in it or left out */
    bool is_exceeded;
};

/* SCOPE speaks like PARENT, through LIMITER, which is zeroed here and outlives it. */
void log_limiter_init(struct log_limiter *limiter, struct log_scope *scope, const struct log_scope *parent);

/* Another line of that event may be written. */
bool log_limiter_admits(struct log_limiter *limiter, enum log_event_name event) MUST_CHECK;

/* At any time, often: when the span of LIMITER is over, says in SCOPE, which is not limited, what was left out. */
void log_limiter_turn(struct log_limiter *limiter, const struct log_scope *scope, uint64_t now_ms);
/* At the end: says it now. */
void log_limiter_tell(struct log_limiter *limiter, const struct log_scope *scope);

#endif
