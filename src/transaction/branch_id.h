/* SPDX-License-Identifier: GPL-2.0-or-later */
/* branch_id.h - the branch parameter of our own Via: the name of the client transaction, readable by us alone.
 * In:    a handle and the loop detection hash. Out: "z9hG4bK" and 48 letters and digits of one case.
 * A response is brought to its worker and its transaction without any table, and a branch that we did not
 * make is told apart by a keyed check. Branches differ between processes by that key (RFC 3261 8.1.1.7).
 */
#ifndef TRELAY_TRANSACTION_BRANCH_ID_H
#define TRELAY_TRANSACTION_BRANCH_ID_H

#include "base/attributes.h"
#include "base/slice.h"
#include "transaction/handle.h"

#include <stdbool.h>
#include <stdint.h>

enum { BRANCH_ID_LENGTH = 7 + 48, BRANCH_ID_SIZE = BRANCH_ID_LENGTH + 1 };

/* Random, drawn once per process, the same for all its workers, never shown. */
struct transaction_secret {
    uint8_t bytes[16];
};

struct branch_id {
    struct transaction_handle client; /* worker below 65536 */
    uint64_t loop_hash; /* RFC 5393 4.2.1: over all that routing looked at */
};

/* NUL-terminated. */
void branch_id_print(const struct branch_id *id, const struct transaction_secret *secret, char out[BRANCH_ID_SIZE]);

/* False: not made by this process, or changed on the way. The case of letters does not matter (RFC 3261 7.3.1). */
bool branch_id_parse(struct slice branch, const struct transaction_secret *secret, struct branch_id *id_r);

#endif
