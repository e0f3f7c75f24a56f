/* SPDX-License-Identifier: GPL-2.0-or-later */
/* why.h - the reason of a failure, as text, on its way up to the edge that logs it once.
 * In:    printf-like text from the place that knows. Out: one line.
 * Never: allocates; a text that is too long is cut.
 */
#ifndef TRELAY_BASE_WHY_H
#define TRELAY_BASE_WHY_H

#include "base/attributes.h"

enum { WHY_SIZE = 320 };

struct why {
    char text[WHY_SIZE]; /* "" while nothing failed */
};

#define WHY_NONE ((struct why){ { 0 } })

/* Sets the reason; a NULL WHY is allowed. Returns CODE, so that a failure is one statement. */
int why_fail(struct why *why, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "CONTEXT: " in front of what is there; what then does not fit is cut at the end. */
void why_prefix(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
