/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_pool.c - the pool of one worker: look-up, decision, time-outs, back-off; see flow_pool.h. */
#include "flow/flow_pool.h"

#include "base/error.h"
#include "base/hash.h"
#include "flow/flow_private.h"

#include <stdlib.h>

enum { VIEW_MAX = 16, TICK_MS = 100, SWEEP_MS = 1000 };
/* Of one connection: bytes queued until it counts as congested, bytes never exceeded, unacknowledged time. */
enum { HIGH_WATER = 256 * 1024, QUEUE_LIMIT = 4 * 1024 * 1024, STALL_MS = 30000 };

static void on_tick(void *arg);
static void on_turn_end(void *arg);
static void free_dead(void *arg);

int flow_pool_new(const struct flow_pool_settings *settings, struct loop *loop, struct net_scratch *scratch,
    const struct log_scope *scope, struct tls_context_cache *contexts, const struct flow_pool_ops *ops, void *arg,
    struct flow_pool **pool_r)
{
    struct flow_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return ERROR_MEMORY;
    pool->settings = *settings;
    pool->loop = loop;
    log_scope_init_child(&pool->scope, scope, NULL, NULL);
    log_limiter_init(&pool->limiter, &pool->strangers, &pool->scope);
    pool->streams = (struct stream_environment){ .loop = loop, .scratch = scratch, .high_water = HIGH_WATER,
        .low_water = HIGH_WATER / 4, .queue_limit = QUEUE_LIMIT, .stall_timeout_ms = STALL_MS };
    pool->contexts = contexts;
    pool->ops = ops;
    pool->arg = arg;
    pool->free_slot = NO_SLOT;
    list_init(&pool->all);
    list_init(&pool->pending);
    list_init(&pool->dirty);
    list_init(&pool->dead);
    list_init(&pool->review);
    for (size_t i = 0; i < FLOW_CLASS_COUNT; i++)
        list_init(&pool->classes[i].by_use);
    int rc = backoff_init(&pool->failed_keys, settings->backoff_ms, settings->backoff_max_ms);
    int places_rc = backoff_init(&pool->failed_places, settings->backoff_ms, settings->backoff_max_ms);
    rc = rc != 0 ? rc : places_rc;
    if (rc == 0)
        rc = table_init(&pool->by_key);
    if (rc == 0)
        rc = table_init(&pool->origins);
    if (rc == 0)
        rc = table_init(&pool->unverified);
    if (rc == 0)
        rc = policy_snapshot_empty(&pool->snapshot);
    loop_timer_init(&pool->timer, on_tick, pool);
    loop_deferred_init(&pool->flush, on_turn_end, pool);
    loop_deferred_init(&pool->retire, free_dead, pool);
    if (rc != 0) {
        flow_pool_free(pool);
        return rc;
    }
    loop_timer_start_periodic(loop, &pool->timer, TICK_MS);
    *pool_r = pool;
    return 0;
}

static void free_dead(void *arg)
{
    struct flow_pool *pool = arg;
    struct list_node *node;
    while ((node = list_take_first(&pool->dead)) != NULL)
        flow_free(CONTAINER_OF(node, struct flow, all));
}

void flow_pool_free(struct flow_pool *pool)
{
    if (pool == NULL)
        return;
    pool->is_draining = true; /* a request that fails over opens nothing any more */
    while (!list_is_empty(&pool->all))
        flow_end(CONTAINER_OF(pool->all.head.next, struct flow, all), REASON_SHUTDOWN, NULL);
    free_dead(pool);
    log_limiter_tell(&pool->limiter, &pool->scope);
    loop_timer_stop(pool->loop, &pool->timer);
    loop_deferred_cancel(&pool->flush);
    loop_deferred_cancel(&pool->retire);
    table_fini(&pool->by_key);
    backoff_fini(&pool->failed_keys);
    backoff_fini(&pool->failed_places);
    table_fini(&pool->origins);
    table_fini(&pool->unverified);
    policy_snapshot_unref(pool->snapshot);
    buffer_free(&pool->plain);
    free(pool->slots);
    free(pool);
}

void flow_pool_set_snapshot(struct flow_pool *pool, struct policy_snapshot *snapshot)
{
    struct policy_snapshot *old = pool->snapshot;
    bool is_new = policy_snapshot_generation(snapshot) > policy_snapshot_generation(old);
    if (policy_snapshot_generation(snapshot) < policy_snapshot_generation(old))
        return;
    pool->snapshot = policy_snapshot_ref(snapshot);
    policy_snapshot_unref(old);
    if (is_new)
        flow_review_all(pool, false);
}

struct flow *flow_find(const struct flow_pool *pool, struct connection_handle handle)
{
    if (handle.generation == 0 || handle.worker != pool->settings.worker || handle.slot >= pool->slot_count)
        return NULL;
    struct flow *flow = pool->slots[handle.slot].flow;
    return flow != NULL && flow->handle.generation == handle.generation ? flow : NULL;
}

static bool place_of(const struct flow *flow, struct connection_key *place_r)
{
    struct requirement_key fields;
    if (flow->is_accepted || flow->key == NULL || connection_key_decode(flow->key, &fields) != 0)
        return false;
    backoff_place(&fields, flow->pool->settings.hash_seed, place_r);
    return true;
}

void flow_failed(struct flow *flow)
{
    struct flow_pool *pool = flow->pool;
    struct connection_key place;
    if (flow->is_probe || !place_of(flow, &place))
        return;
    if (flow->state == CONNECTION_DIALING)
        backoff_failed(&pool->failed_places, &place, pool_now_ms(pool));
    else
        backoff_failed(&pool->failed_keys, flow->key, pool_now_ms(pool));
}

void flow_connected(struct flow *flow)
{
    struct connection_key place;
    if (flow->pool->failed_places.entries.count > 0 && place_of(flow, &place))
        backoff_worked(&flow->pool->failed_places, &place);
}

/* Of the key and of its place, whatever is worse. */
static enum backoff_state backoff_of(const struct flow_pool *pool, const struct requirement *requirement,
    const struct connection_key *key)
{
    int64_t now_ms = pool_now_ms(pool);
    enum backoff_state state = backoff_state(&pool->failed_keys, key, now_ms);
    if (state == BACKOFF_HELD || pool->failed_places.entries.count == 0)
        return state;
    struct connection_key place;
    backoff_place(&requirement->key, pool->settings.hash_seed, &place);
    enum backoff_state state_of_place = backoff_state(&pool->failed_places, &place, now_ms);
    return state_of_place != BACKOFF_NONE ? state_of_place : state;
}

void flow_pool_forget_failures(struct flow_pool *pool)
{
    backoff_clear(&pool->failed_keys);
    backoff_clear(&pool->failed_places);
}

static bool is_pending(const struct flow *flow)
{
    return flow->state != CONNECTION_READY && flow->state != CONNECTION_DRAINING;
}

static struct connection_view view_of(const struct flow *flow)
{
    return (struct connection_view){ .handle = flow->handle, .state = flow->state, .key = flow->key,
        .verdict = flow->facts != NULL ? &flow->facts->verdict : NULL, .opened_at = flow_opened_at(flow),
        .deadline = flow_deadline(flow), .idle_ms = flow_idle_ms(flow), .idle_timeout_s = flow->idle_timeout_s,
        .waiters = flow->waiter_count, .is_exclusive = flow->is_exclusive,
        .in_flight = flow->facts != NULL ? connection_facts_under_way(flow->facts) : 0, .is_full_handshake = true,
        .meets_floor = false };
}

static uint64_t hash_of_place(const struct flow_pool *pool, const struct endpoint *place)
{
    uint8_t bytes[sizeof(place->address.bytes) + 2];
    memcpy(bytes, place->address.bytes, sizeof(place->address.bytes));
    bytes[sizeof(bytes) - 2] = (uint8_t)(place->port >> 8);
    bytes[sizeof(bytes) - 1] = (uint8_t)place->port;
    return hash_bytes(bytes, sizeof(bytes), pool->settings.hash_seed);
}

void flow_pool_offer_unverified(struct flow *flow)
{
    struct flow_pool *pool = flow->pool;
    if (!flow->is_accepted && flow->is_tls && !flow->is_exclusive && flow->class == FLOW_OPENED)
        table_insert(&pool->unverified, &flow->by_place, hash_of_place(pool, &flow->peer));
}

/* One that may be upgraded, as far as that can be seen without judging its chain (INV-35). */
static struct connection_view candidate_of(const struct flow *flow, const struct requirement_key *key)
{
    struct connection_view view = view_of(flow);
    struct handshake_facts handshake;
    view.is_full_handshake = view.meets_floor = false;
    if (flow_handshake_facts(flow, key, &handshake) != REASON_NONE)
        return view;
    view.is_full_handshake = handshake.is_full_handshake && handshake.is_captured;
    view.meets_floor = handshake.is_suite_allowed && (uint8_t)handshake.tls_version >= key->tls_min &&
        (uint8_t)handshake.tls_version <= key->tls_max;
    if (view.in_flight == 0 && !flow_is_quiescent(flow))
        view.in_flight = 1; /* bytes of the weaker class that have not left */
    return view;
}

/* What view_of() reads of the connection that is likely to be found: several waits for main memory pass at one time. */
static void fetch_expected_ahead(const struct flow_pool *pool, uint64_t hash)
{
    const struct table_node *node = table_expected(&pool->by_key, hash);
    if (node == NULL)
        return;
    const struct flow *flow = CONTAINER_OF(node, struct flow, by_key);
    FETCH_AHEAD(&flow->handle);
    FETCH_AHEAD(&flow->key);
    FETCH_AHEAD(&flow->facts);
    FETCH_AHEAD(&flow->opened_at);
    FETCH_AHEAD(&flow->idle_timeout_s);
}

/* IS_PASSED: a connection that is still being tried is not waited for; *IS_TRIED_R tells that there is one. */
static size_t find_equal(const struct flow_pool *pool, const struct connection_key *key, bool is_passed,
    struct connection_view views[VIEW_MAX], bool *is_tried_r)
{
    size_t count = 0;
    fetch_expected_ahead(pool, key->hash);
    struct table_node *node = table_first(&pool->by_key, key->hash);
    *is_tried_r = false;
    for (; node != NULL && count < VIEW_MAX; node = table_next(node)) {
        const struct flow *flow = CONTAINER_OF(node, struct flow, by_key);
        bool is_probe = is_passed && is_pending(flow);
        *is_tried_r = *is_tried_r || is_probe;
        if (flow->is_exclusive || is_probe)
            continue;
        connection_key_fetch_ahead(flow->key, key->length);
        if (flow->facts != NULL)
            verdict_fetch_ahead(&flow->facts->verdict);
        views[count++] = view_of(flow);
    }
    return count;
}

static size_t find_unverified(const struct flow_pool *pool, const struct requirement_key *key,
    struct connection_view views[VIEW_MAX])
{
    size_t count = 0;
    struct table_node *node = table_first(&pool->unverified, hash_of_place(pool, &key->destination));
    for (; node != NULL && count < VIEW_MAX; node = table_next(node))
        views[count++] = candidate_of(CONTAINER_OF(node, struct flow, by_place), key);
    return count;
}

/* HAS_OTHER: there is another address to go on with. MAY_UPGRADE: the unverified connections are looked at, too, where
 * a decision needs them. */
static struct decision_result consider(struct flow_pool *pool, const struct requirement *requirement,
    const struct connection_key *key, bool has_other, bool may_upgrade)
{
    struct connection_view equal[VIEW_MAX], unverified[VIEW_MAX];
    enum backoff_state backoff = backoff_of(pool, requirement, key);
    bool is_tried;
    struct pool_view view = { .equal = equal, .unverified = unverified,
        .equal_count = find_equal(pool, key, backoff == BACKOFF_PROBATION && has_other, equal, &is_tried),
        .has_room = flow_pool_has_room(pool, flow_class_of(&requirement->key)),
        .waiters_max = pool->settings.max_waiters };
    int64_t now = loop_wall_s(pool->loop);
    /* Whether it works again one request finds out; who has another address does not wait for that (RFC 4321 1.3). */
    if (backoff == BACKOFF_HELD || is_tried)
        view.backoff_until = now + 1;
    struct decision_result result = decide(requirement, key, &view, &pool->settings.capabilities, now);
    /* It came as far as to ask for one; the class that it would join must have room. */
    if (!may_upgrade || result.upgrade != UPGRADE_NO_CANDIDATE || !view.has_room)
        return result;
    view.unverified_count = find_unverified(pool, &requirement->key, unverified);
    return view.unverified_count > 0 ? decide(requirement, key, &view, &pool->settings.capabilities, now) : result;
}

/* What follows when the upgrade that was decided fails: nothing has changed, and OPEN or REJECT. */
static struct decision_result without_upgrade(struct flow_pool *pool, const struct requirement *requirement,
    const struct connection_key *key, bool has_other, const struct decision_result *failed, enum reason refusal)
{
    struct decision_result result = consider(pool, requirement, key, has_other, false);
    result.upgrade = failed->upgrade;
    result.upgrade_candidate = failed->upgrade_candidate;
    result.upgrade_refusal = refusal;
    return result;
}

struct decision_result flow_pool_consider(struct flow_pool *pool, const struct requirement *requirement,
    const struct connection_key *key, bool has_other)
{
    struct decision_result result = consider(pool, requirement, key, has_other, true);
    if (result.decision != DECISION_UPGRADE)
        return result;
    const struct flow *flow = flow_find(pool, result.handle);
    enum reason refusal = flow != NULL ? flow_upgrade_would(flow, requirement, key) : REASON_CONNECTION_LOST;
    return refusal == REASON_NONE ? result : without_upgrade(pool, requirement, key, has_other, &result,
                                                   refusal);
}

void flow_finish(struct placement *placement, enum decision decision, enum reason reason, const struct why *why)
{
    placement->decision = decision;
    placement->reason = reason;
    if (why != NULL)
        placement->why = *why;
    placement->done(placement->arg, placement);
}

/* INV-28. A connection that was busy when it was found, and is no more, may be idle by now: decided anew. */
static enum reason may_send(const struct flow *flow, const struct placement *placement)
{
    const struct connection_view view = view_of(flow);
    const struct requirement *requirement = &placement->requirement;
    enum reason reason = decide_may_send(requirement, &placement->key, &view, loop_wall_s(flow->pool->loop));
    bool is_idle = view.state == CONNECTION_READY && decide_is_idle(&view, requirement->terms.idle_timeout_s);
    return reason == REASON_CONNECTION_LOST && is_idle ? REASON_VERDICT_STALE : reason;
}

void flow_place_on(struct flow *flow, struct placement *placement, enum decision decision)
{
    struct flow_pool *pool = flow->pool;
    bool is_due = flow_is_due(flow, &placement->requirement.terms, pool_now_ms(pool));
    enum reason reason = is_due ? flow_review(flow, true) : REASON_NONE;
    if (reason != REASON_NONE && reason != REASON_NO_MEMORY)
        reason = REASON_VERDICT_STALE; /* decided anew: the peer may have another certificate by now */
    if (reason == REASON_NONE)
        reason = may_send(flow, placement);
    if (reason == REASON_NONE && !placement_begin_sending(placement))
        reason = REASON_CANCELLED;
    flow_show(flow, placement);
    if (reason == REASON_NONE && placement->seen == NULL && flow_write(flow, buffer_slice(&placement->message)) != 0)
        reason = REASON_CONNECTION_LOST;
    if (reason != REASON_NONE) {
        flow_finish(placement, decision, reason, NULL);
        return;
    }
    if (placement->seen == NULL)
        flow->requests++;
    flow_note_terms(flow, &placement->requirement.terms);
    flow_keep_alive(flow, &placement->requirement.terms);
    if (placement->client.generation != 0)
        connection_facts_begin(flow->facts); /* until its transaction is over */
    placement->facts = connection_facts_ref(flow->facts);
    flow_finish(placement, decision, REASON_NONE, NULL);
}

enum reason flow_renew(struct flow_pool *pool, struct placement *placement)
{
    const struct requirement_defaults defaults = { .max_age_s = pool->settings.max_age_s,
        .idle_timeout_s = pool->settings.idle_timeout_s };
    return placement_renew(placement, pool->snapshot, &pool->settings.capabilities, &defaults);
}

/* Those of its key that are idle for longer than it allows are not used again: they end at the next look for such. */
static void let_idle_go(struct flow_pool *pool, const struct placement *placement)
{
    const struct requirement_terms *terms = &placement->requirement.terms;
    struct table_node *node = terms->may_reuse ? table_first(&pool->by_key, placement->key.hash) : NULL;
    while (node != NULL) {
        struct flow *flow = CONTAINER_OF(node, struct flow, by_key);
        node = table_next(node); /* before it is taken out of the table */
        if (flow->state == CONNECTION_READY && !flow->is_exclusive && flow_is_idle(flow, terms->idle_timeout_s) &&
            connection_key_equal(flow->key, &placement->key))
            flow_drain(flow);
    }
}

void flow_pool_place(struct flow_pool *pool, struct placement *placement)
{
    flow_pool_set_snapshot(pool, placement->snapshot); /* whoever hears of a policy first tells the others */
    if (flow_renew(pool, placement) != REASON_NONE) {
        pool->counts.refused++;
        flow_finish(placement, DECISION_REJECT, REASON_VERDICT_STALE, NULL);
        return;
    }
    struct decision_result result = consider(pool, &placement->requirement, &placement->key,
        placement->has_other, true);
    struct flow *flow = flow_find(pool, result.handle);
    if (result.decision == DECISION_UPGRADE && flow != NULL) {
        enum reason refusal = flow_upgrade(flow, &placement->requirement, &placement->key);
        if (refusal == REASON_NONE) {
            flow_place_on(flow, placement, DECISION_UPGRADE);
            return;
        }
        result = without_upgrade(pool, &placement->requirement, &placement->key, placement->has_other, &result,
            refusal);
        flow = flow_find(pool, result.handle);
    }
    switch (result.decision) {
    case DECISION_REUSE:
        if (flow == NULL)
            break;
        pool->counts.reused++;
        flow_place_on(flow, placement, DECISION_REUSE);
        return;
    case DECISION_JOIN:
        if (flow == NULL)
            break;
        pool->counts.joined++;
        placement->decision = DECISION_JOIN;
        list_append(&flow->waiters, &placement->waiting);
        flow->waiter_count++;
        return;
    case DECISION_OPEN:
        let_idle_go(pool, placement);
        flow_open(pool, placement);
        return;
    case DECISION_REJECT:
        pool->counts.refused++;
        flow_finish(placement, DECISION_REJECT, result.reason, NULL);
        return;
    case DECISION_UPGRADE: /* of a connection that is gone */
    case DECISION_DATAGRAM: /* the relay sends datagrams itself */
    case DECISION_UNSET:
    case DECISION_COUNT:
        break;
    }
    flow_finish(placement, DECISION_REJECT, REASON_UNSUPPORTED_FEATURE, NULL);
}

bool flow_pool_carries(const struct flow_pool *pool, struct connection_handle handle)
{
    const struct flow *flow = flow_find(pool, handle);
    return flow != NULL && (flow->state == CONNECTION_READY || flow->state == CONNECTION_DRAINING);
}

int flow_pool_send(struct flow_pool *pool, struct connection_handle handle, const struct connection_facts *facts,
    struct slice message)
{
    struct flow *flow = flow_find(pool, handle);
    if (!flow_pool_carries(pool, handle))
        return ERROR_NOT_FOUND;
    if (facts != NULL && facts != flow->facts)
        return ERROR_NOT_FOUND; /* it was upgraded: what belonged on it belongs nowhere now */
    int rc = flow_write(flow, message);
    if (rc == 0 && facts != NULL)
        flow->requests++; /* ACK and CANCEL; responses come without facts */
    return rc;
}

int flow_pool_close(struct flow_pool *pool, struct connection_handle handle, enum reason reason)
{
    struct flow *flow = flow_find(pool, handle);
    if (flow == NULL)
        return ERROR_NOT_FOUND;
    flow_end(flow, reason, NULL);
    return 0;
}

void flow_drain(struct flow *flow)
{
    if (flow->state != CONNECTION_READY)
        return;
    flow->state = CONNECTION_DRAINING;
    flow->drained_ms = pool_now_ms(flow->pool);
    table_remove(&flow->pool->by_key, &flow->by_key);
    table_remove(&flow->pool->unverified, &flow->by_place);
}

void flow_pool_drain(struct flow_pool *pool)
{
    pool->is_draining = true;
    list_for_each_safe (node, &pool->all)
        flow_drain(CONTAINER_OF(node, struct flow, all));
}

/* Ending one connection runs code of the relay that may end others: so those to end are gathered first. */
static void end_all(struct list *doomed, enum reason reason)
{
    struct list_node *node;
    while ((node = list_take_first(doomed)) != NULL) {
        struct flow *flow = CONTAINER_OF(node, struct flow, pending);
        if (reason == REASON_TLS_TIMEOUT)
            flow_failed(flow);
        flow_end(flow, reason, NULL);
    }
}

static void drop(struct flow_pool *pool)
{
    struct list doomed;
    list_init(&doomed);
    list_for_each (node, &pool->all) {
        struct flow *flow = CONTAINER_OF(node, struct flow, all);
        if (!flow->is_tls)
            continue;
        list_remove(&flow->pending);
        list_append(&doomed, &flow->pending);
    }
    end_all(&doomed, REASON_CONNECTION_LOST);
}

void flow_pool_renew(struct flow_pool *pool, enum reload_mode mode)
{
    switch (mode) {
    case RELOAD_DRAIN:
        list_for_each_safe (node, &pool->all) {
            struct flow *flow = CONTAINER_OF(node, struct flow, all);
            if (flow->is_tls)
                flow_drain(flow);
        }
        return;
    case RELOAD_REVALIDATE:
        flow_review_all(pool, true);
        return;
    case RELOAD_DROP:
    case RELOAD_MODE_UNSET:
    case RELOAD_MODE_COUNT:
        break;
    }
    drop(pool);
}

static void check_pending(struct flow_pool *pool, int64_t now_ms)
{
    struct list doomed;
    list_init(&doomed);
    list_for_each_safe (node, &pool->pending) {
        struct flow *flow = CONTAINER_OF(node, struct flow, pending);
        /* The list is in order of age, and dialling has a time-out of its own in the stream. */
        if (now_ms - flow->pending_since_ms < pool->settings.handshake_timeout_ms)
            break;
        if (flow->state == CONNECTION_DIALING)
            continue;
        list_remove(&flow->pending);
        list_append(&doomed, &flow->pending);
    }
    end_all(&doomed, REASON_TLS_TIMEOUT);
}

/* Its peer may go on asking, and would keep it for as long as it likes. */
static bool is_drained(const struct flow *flow, int64_t now_ms)
{
    return flow->state == CONNECTION_DRAINING &&
        now_ms - flow->drained_ms >= (int64_t)flow->pool->settings.drain_timeout_ms;
}

/* A ready connection past its age gets no request of ours any more; true: it is to end now. */
static bool is_over(struct flow *flow, int64_t now_ms, int64_t now_s)
{
    const struct flow_pool *pool = flow->pool;
    if (flow->message_since_ms != 0 && now_ms - flow->message_since_ms > pool->settings.message_timeout_ms)
        return true;
    if (now_s >= flow_deadline(flow))
        flow_drain(flow);
    if (flow_is_due(flow, NULL, now_ms))
        flow_doubt(flow);
    if (flow_is_busy(flow))
        return is_drained(flow, now_ms);
    return flow->state == CONNECTION_DRAINING || flow_is_idle(flow, flow->idle_timeout_s) || flow->is_exclusive;
}

static bool is_usable(const struct flow *flow)
{
    return flow->state == CONNECTION_READY || flow->state == CONNECTION_DRAINING;
}

static void check_ready(struct flow_pool *pool, int64_t now_ms, int64_t now_s)
{
    struct list over, silent;
    struct list_node *dead;
    struct why why = WHY_NONE;
    list_init(&over);
    list_init(&silent);
    list_for_each (node, &pool->all) {
        struct flow *flow = CONTAINER_OF(node, struct flow, all);
        if (!is_usable(flow))
            continue;
        if (is_over(flow, now_ms, now_s))
            list_append(&over, &flow->pending);
        else if (!flow_is_kept_alive(flow, now_ms, SWEEP_MS))
            list_append(&silent, &flow->pending);
    }
    end_all(&over, REASON_NONE);
    (void)why_fail(&why, ERROR_CLOSED, "a keep-alive was not answered");
    while ((dead = list_take_first(&silent)) != NULL)
        flow_end(CONTAINER_OF(dead, struct flow, pending), REASON_CONNECTION_LOST, &why);
}

static void on_tick(void *arg)
{
    struct flow_pool *pool = arg;
    int64_t now_ms = pool_now_ms(pool), now_s = loop_wall_s(pool->loop);
    log_limiter_turn(&pool->limiter, &pool->scope, loop_now_ms(pool->loop));
    check_pending(pool, now_ms);
    flow_review_tick(pool);
    backoff_expire(&pool->failed_keys, now_ms);
    backoff_expire(&pool->failed_places, now_ms);
    if (now_s == pool->swept_at)
        return;
    pool->swept_at = now_s;
    check_ready(pool, now_ms, now_s);
}

static void on_turn_end(void *arg)
{
    struct flow_pool *pool = arg;
    struct list_node *node;
    while ((node = list_take_first(&pool->dirty)) != NULL) {
        struct flow *flow = CONTAINER_OF(node, struct flow, dirty);
        if (flow_flush(flow) != 0 && !flow->is_closing)
            flow_end(flow, REASON_CONNECTION_LOST, NULL);
    }
}

static int64_t proven_at(const struct flow *flow, int64_t now_ms, int64_t now_s)
{
    bool is_proven = flow->is_tls && flow->facts != NULL && flow->facts->verdict.result == VERDICT_PROVEN;
    return is_proven ? now_s - (now_ms - flow->proven_ms) / 1000 : 0;
}

void flow_pool_visit(struct flow_pool *pool, void (*visit)(void *arg, const struct flow_status *status), void *arg)
{
    int64_t now_ms = pool_now_ms(pool), now_s = loop_wall_s(pool->loop);
    list_for_each_safe (node, &pool->all) {
        const struct flow *flow = CONTAINER_OF(node, struct flow, all);
        /* Until it is ready its facts are being written, and another thread reads what is visited. */
        struct flow_status status = { .state = flow->state, .facts = is_usable(flow) ? flow->facts : NULL,
            .key = flow->key, .peer = flow->peer, .is_accepted = flow->is_accepted, .requests = flow->requests,
            .waiters = flow->waiter_count, .opened_at = flow->opened_at,
            .used_at = now_s - (now_ms - flow->used_ms) / 1000, .deadline = INT64_MAX, .handle = flow->handle };
        if (status.facts != NULL) {
            status.in_flight = connection_facts_under_way(flow->facts);
            status.proven_at = proven_at(flow, now_ms, now_s);
            status.deadline = flow_deadline(flow);
        }
        visit(arg, &status);
    }
}

struct flow_pool_counts flow_pool_counts(const struct flow_pool *pool)
{
    struct flow_pool_counts counts = pool->counts;
    for (size_t i = 0; i < FLOW_CLASS_COUNT; i++)
        counts.classes[i] = pool->classes[i].count;
    return counts;
}
