/* SPDX-License-Identifier: GPL-2.0-or-later */
/* placement.c - see placement.h. */
#include "flow/placement.h"

struct placement *placement_new(struct slab *memory, struct policy_snapshot *snapshot)
{
    struct placement *placement = slab_take(memory, sizeof(*placement));
    if (placement == NULL)
        return NULL;
    memset(placement, 0, offsetof(struct placement, requirement));
    placement->memory = memory;
    placement->snapshot = policy_snapshot_ref(snapshot);
    return placement;
}

void placement_free(struct placement *placement)
{
    if (placement == NULL)
        return;
    policy_snapshot_unref(placement->snapshot);
    demand_unref(placement->demand);
    connection_facts_unref(placement->facts);
    buffer_free(&placement->message);
    slab_give(placement->memory, placement, sizeof(*placement));
}

/* Which requests a row takes is no part of the key. NULL: flags alone, which take all. */
static enum scheme scheme_of(const struct requirement *requirement)
{
    const struct outbound_policy *row = requirement->terms.row;
    return row != NULL ? row->scheme : SCHEME_ANY;
}

enum reason placement_renew(struct placement *placement, struct policy_snapshot *snapshot,
    const struct capabilities *capabilities, const struct requirement_defaults *defaults)
{
    struct requirement requirement;
    if (policy_snapshot_generation(snapshot) <= policy_snapshot_generation(placement->snapshot))
        return REASON_NONE;
    struct connection_key key = { .length = 0 };
    if (placement->demand != NULL &&
        demand_ask(placement->demand, snapshot, &placement->requirement.key, capabilities, defaults, &requirement,
            NULL) == REASON_NONE)
        connection_key_encode(&requirement.key, 0, &key);
    bool is_same = connection_key_equal(&key, &placement->key) &&
        scheme_of(&requirement) == scheme_of(&placement->requirement);
    if (is_same) {
        placement->requirement = requirement;
    } else {
        struct requirement_terms *terms = &placement->requirement.terms;
        terms->row = NULL; /* they go with their snapshot */
        terms->trust_set = NULL;
        terms->credential = NULL;
    }
    struct policy_snapshot *old = placement->snapshot;
    placement->snapshot = policy_snapshot_ref(snapshot);
    policy_snapshot_unref(old);
    return is_same ? REASON_NONE : REASON_VERDICT_STALE;
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
