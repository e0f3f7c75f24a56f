/* SPDX-License-Identifier: GPL-2.0-or-later */
/* builder_private.h - a snapshot in the making, for builder.c and builder_finish.c. */
#ifndef TRELAY_POLICY_BUILDER_PRIVATE_H
#define TRELAY_POLICY_BUILDER_PRIVATE_H

#include "policy/snapshot_private.h"
#include "policy/text_pool.h"

struct policy_builder {
    struct policy_snapshot *snapshot;
    struct text_pool pool;
    bool has_failed; /* memory ran out: there are rows missing, so there will be no snapshot */
};

#endif
