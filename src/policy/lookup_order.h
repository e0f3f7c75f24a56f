/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup_order.h - which policy look-ups are made, and in which order: "dst+addr+default". */
#ifndef TRELAY_POLICY_LOOKUP_ORDER_H
#define TRELAY_POLICY_LOOKUP_ORDER_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/why.h"

#include <stdbool.h>
#include <stdint.h>

#define LOOKUP_LIST(X)                                                     \
    X(LOOKUP_DST, "dst")         /* domain of the next hop */              \
    X(LOOKUP_RURI, "ruri")       /* domain of the Request-URI */           \
    X(LOOKUP_SRC, "src")         /* domain of From */                      \
    X(LOOKUP_ADDR, "addr")       /* resolved address */                    \
    X(LOOKUP_PEER, "peer")       /* authenticated inbound peer */          \
    X(LOOKUP_DEFAULT, "default") /* the default row */

enum lookup {
    LOOKUP_UNSET = 0,
#define X(code, word) code,
    LOOKUP_LIST(X)
#undef X
        LOOKUP_COUNT
};

struct policy_lookup_order {
    uint8_t count;
    uint8_t steps[LOOKUP_COUNT]; /* enum lookup, each at most once */
    bool is_live;                /* read the rows from PostgreSQL now */
    bool is_none;                /* no row: flags alone */
};

/* Words joined by '+'. ERROR_UNKNOWN_NAME or ERROR_CONFLICT (doubled word, none with others). */
int policy_lookup_order_parse(struct slice text, struct policy_lookup_order *order_r, struct why *why) MUST_CHECK;
void policy_lookup_order_print(const struct policy_lookup_order *order, struct buffer *out);

/* dst+addr+default */
struct policy_lookup_order policy_lookup_order_default(void);

#endif
