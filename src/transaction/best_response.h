/* SPDX-License-Identifier: GPL-2.0-or-later */
/* best_response.h - which of several final responses goes upstream, RFC 3261 16.7(6).
 * In:    status and origin of each. Out: a rank; the lowest is sent, among equals the first.
 * Order: 2xx; 6xx; the lowest class; in it what asks the caller for something it can do (401, 407, 415, 420, 484);
 *        a next hop's response ahead of one of our own; a next hop's 503 last, for it speaks of that hop alone.
 */
#ifndef TRELAY_TRANSACTION_BEST_RESPONSE_H
#define TRELAY_TRANSACTION_BEST_RESPONSE_H

#include <stdbool.h>

/* IS_CANCELLED: the caller gave up, and a 487 is what it waits for, unless there is a 2xx or 6xx. */
unsigned best_response_rank(unsigned status, bool is_local, bool is_cancelled);

#endif
