/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status.h - status codes and the reason phrases that go with them. */
#ifndef TRELAY_SIP_STATUS_H
#define TRELAY_SIP_STATUS_H

#include "base/slice.h"

#include <stdbool.h>

/* The usual phrase; one that fits the class for codes that have none. */
struct slice sip_status_phrase(unsigned status);

static inline bool sip_status_is_provisional(unsigned status)
{
    return status >= 100 && status < 200;
}

static inline bool sip_status_is_success(unsigned status)
{
    return status >= 200 && status < 300;
}

#endif
