/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reason.c - words, texts and SIP statuses of the reasons; see reason.h. */
#include "policy/reason.h"

#include "base/attributes.h"

static const struct {
    const char *word;
    const char *text;
    unsigned status;
} reasons[] = {
#define X(code, word_, status_, text_) [code] = { .word = word_, .text = text_, .status = status_ },
    REASON_LIST(X)
#undef X
};

static bool is_known(enum reason reason)
{
    return (unsigned)reason < ARRAY_SIZE(reasons);
}

const char *reason_word(enum reason reason)
{
    return is_known(reason) ? reasons[reason].word : "unknown";
}

const char *reason_text(enum reason reason)
{
    return is_known(reason) ? reasons[reason].text : "unknown reason";
}

unsigned reason_status(enum reason reason)
{
    return is_known(reason) ? reasons[reason].status : 500;
}
