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

bool reason_is_of_sending(enum reason reason)
{
    static const enum reason of_sending[] = { REASON_NO_ADDRESS, REASON_DNS_FAILED, REASON_CONNECT_FAILED,
        REASON_CONNECT_TIMEOUT, REASON_CONNECTION_LOST, REASON_TLS_FAILED, REASON_TLS_TIMEOUT, REASON_BACKOFF };
    for (size_t i = 0; i < ARRAY_SIZE(of_sending); i++)
        if (of_sending[i] == reason)
            return true;
    return false;
}
