/* SPDX-License-Identifier: GPL-2.0-or-later */
/* placement.c - see placement.h. */
#include "flow/placement.h"

#include <stdlib.h>

struct placement *placement_new(struct policy_snapshot *snapshot)
{
    struct placement *placement = calloc(1, sizeof(*placement));
    if (placement != NULL)
        placement->snapshot = policy_snapshot_ref(snapshot);
    return placement;
}

void placement_free(struct placement *placement)
{
    if (placement == NULL)
        return;
    policy_snapshot_unref(placement->snapshot);
    connection_facts_unref(placement->facts);
    buffer_free(&placement->message);
    free(placement);
}

static bool move_on(struct placement *placement, enum placement_stage stage)
{
    unsigned queued = PLACEMENT_QUEUED;
    return atomic_compare_exchange_strong(&placement->stage, &queued, stage);
}

bool placement_begin_sending(struct placement *placement)
{
    return move_on(placement, PLACEMENT_SENDING);
}

bool placement_withdraw(struct placement *placement)
{
    return move_on(placement, PLACEMENT_WITHDRAWN);
}
