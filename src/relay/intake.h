/* SPDX-License-Identifier: GPL-2.0-or-later */
/* intake.h - what becomes of a new request whose sender may send: refused by the rules, or routed.
 * In:    a validated request, settings, policy, who sent it. Out: a status with its reason, or targets and edits.
 * Never: sends, waits or logs.
 */
#ifndef TRELAY_RELAY_INTAKE_H
#define TRELAY_RELAY_INTAKE_H

#include "base/buffer.h"
#include "base/why.h"
#include "relay/routing.h"
#include "transaction/branch_id.h"

#include <stdint.h>

struct intake_terms {
    const struct relay_settings *settings;
    const struct policy_snapshot *snapshot;
    const struct transaction_secret *secret;
    struct routing_source source;
    bool came_by_tls;
    uint64_t hash_seed;
};

struct intake {
    unsigned status;     /* 0: go on; else the answer */
    enum reason reason;
    const char *detail;  /* for Warning and the log; lives as long as WHY; NULL: the reason's own text */
    struct buffer lines; /* header lines that the answer needs */
    uint32_t max_breadth;
    uint64_t loop_hash;
    struct routing routing; /* last, for it is large and not cleared as a whole */
};

/* Fills *INTAKE_R in every case; free it with intake_fini(). An ACK that gets a status is dropped by the caller: it is
 * never answered (17.1.1.3). */
void intake_decide(const struct sip_message *request, const struct intake_terms *terms, struct intake *intake_r,
    struct why *why);
void intake_fini(struct intake *intake);

#endif
