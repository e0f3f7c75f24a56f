/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log_limiter.c - a budget of lines for each event; see log_limiter.h. */
#include "log/log_limiter.h"

#include <string.h>

void log_limiter_init(struct log_limiter *limiter, struct log_scope *scope, const struct log_scope *parent)
{
    *limiter = (struct log_limiter){ .began_ms = 0 };
    log_scope_init_child(scope, parent, NULL, NULL);
    scope->limiter = limiter;
}

bool log_limiter_admits(struct log_limiter *limiter, enum log_event_name event)
{
    if ((unsigned)event >= LOG_EVENT_COUNT)
        return false;
    if (++limiter->counts[event] <= LOG_LIMITER_LINES)
        return true;
    limiter->is_exceeded = true;
    return false;
}

void log_limiter_tell(struct log_limiter *limiter, const struct log_scope *scope)
{
    for (unsigned i = 0; limiter->is_exceeded && i < LOG_EVENT_COUNT; i++)
        if (limiter->counts[i] > LOG_LIMITER_LINES)
            log_event(scope, LOG_LEVEL_WARN, LOG_EVENT_LOG_LIMITED,
                LOG_STRING("what", event_name_word((enum log_event_name)i)),
                LOG_UNSIGNED("lines", limiter->counts[i] - LOG_LIMITER_LINES));
    memset(limiter->counts, 0, sizeof(limiter->counts));
    limiter->is_exceeded = false;
}

void log_limiter_turn(struct log_limiter *limiter, const struct log_scope *scope, uint64_t now_ms)
{
    if (now_ms - limiter->began_ms < LOG_LIMITER_SPAN_MS)
        return;
    limiter->began_ms = now_ms;
    log_limiter_tell(limiter, scope);
}
