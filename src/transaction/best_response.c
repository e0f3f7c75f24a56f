/* SPDX-License-Identifier: GPL-2.0-or-later */
/* best_response.c - the rank of a final response; see best_response.h. */
#include "transaction/best_response.h"

#include "base/attributes.h"

#include <stddef.h>

enum { RANK_2XX = 0, RANK_6XX = 1, RANK_CANCELLED = 2, RANK_PREFERRED = 10, RANK_OTHER = 40, RANK_503 = 80 };

unsigned best_response_rank(unsigned status, bool is_local, bool is_cancelled)
{
    static const unsigned preferred[] = { 401, 407, 415, 420, 484 };
    unsigned class = status / 100;
    if (class <= 2)
        return RANK_2XX;
    if (class >= 6)
        return RANK_6XX;
    if (is_cancelled && status == 487)
        return RANK_CANCELLED + is_local;
    unsigned within = RANK_OTHER + is_local;
    if (status == 503 && !is_local)
        within = RANK_503;
    for (size_t i = 0; i < ARRAY_SIZE(preferred); i++)
        if (status == preferred[i])
            within = RANK_PREFERRED + 2 * (unsigned)i + is_local;
    return class * 100 + within;
}
