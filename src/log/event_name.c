/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event_name.c - words and texts of the events; see event_name.h. */
#include "log/event_name.h"

#include "base/attributes.h"

#include <stddef.h>

static const struct {
    const char *word;
    const char *text;
} events[LOG_EVENT_COUNT] = {
#define X(code, word_, text_) [code] = { .word = word_, .text = text_ },
    LOG_EVENT_LIST(X)
#undef X
};

const char *event_name_word(enum log_event_name event)
{
    return (unsigned)event < LOG_EVENT_COUNT && events[event].word != NULL ? events[event].word : "unknown";
}

const char *event_name_text(enum log_event_name event)
{
    return (unsigned)event < LOG_EVENT_COUNT && events[event].text != NULL ? events[event].text : "unknown";
}
