/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_direct.c - parts of the pool asked directly, and given more than the pool would give them: where one rule
 * guards another, each has to hold alone.
 */
#include "model.h"

#include "flow/flow_private.h"

enum { VIEWS = MODEL_LINKS };

static const struct flow *flow_of(const struct stream *link)
{
    return link->arg;
}

/* --- decide(), shown all connections of a worker as if each might do --- */

static struct connection_view view_of(const struct stream *link, const struct model_want *want)
{
    const struct flow *flow = flow_of(link);
    return (struct connection_view){ .handle = flow->handle, .state = flow->state, .key = flow->key,
        .verdict = flow->facts != NULL ? &flow->facts->verdict : NULL, .opened_at = flow_opened_at(flow),
        .deadline = flow_deadline(flow), .idle_ms = flow_idle_ms(flow), .idle_timeout_s = flow->idle_timeout_s,
        .waiters = flow->waiter_count, .is_exclusive = flow->is_exclusive,
        .in_flight = flow->facts != NULL ? connection_facts_under_way(flow->facts) : 0,
        .is_full_handshake = link->is_published && !link->was_resumed,
        .meets_floor = link->is_tls && model_meets_floor(link, &want->class) };
}

/* What both have to be that stand: the request's own kind, or one that may become it. */
static bool is_at_hand(const struct stream *link, const struct model_want *want, const struct loop *loop)
{
    return link->is_published && flow_of(link)->state == CONNECTION_READY && !flow_of(link)->is_exclusive &&
        model_was_made_for(link, &want->class) && !model_is_too_old(link, want, loop) &&
        !model_is_idle(link, want, loop) && !flow_is_idle(flow_of(link), want->idle_timeout_s) &&
        loop->wall_s < flow_deadline(flow_of(link));
}

static bool may_be_reused(const struct stream *link, const struct model_want *want, const struct loop *loop)
{
    return want->may_reuse && is_at_hand(link, want, loop) && model_is_same(&link->class, &want->class);
}

static bool may_be_joined(const struct stream *link, const struct model_want *want)
{
    enum connection_state state = flow_of(link)->state;
    bool is_pending = state == CONNECTION_DIALING || state == CONNECTION_HANDSHAKING || state == CONNECTION_VERIFYING;
    return want->may_reuse && want->may_connect && is_pending && !link->is_accepted &&
        !flow_of(link)->is_exclusive && model_is_same(&link->class, &want->class);
}

static bool may_be_upgraded(const struct stream *link, const struct model_want *want, const struct loop *loop)
{
    return want->may_upgrade && want->may_reuse && is_at_hand(link, want, loop) &&
        link->class.level == LEVEL_ENCRYPT && want->class.level >= LEVEL_CHAIN && link->under_way == 0 &&
        flow_of(link)->waiter_count == 0 && !link->was_resumed && model_meets_floor(link, &want->class);
}

/* Bytes of the weaker class have not left. */
static bool has_unsent(const struct stream *link)
{
    const struct flow *flow = flow_of(link);
    return stream_queued(link) > 0 || (flow->session != NULL && tls_session_output(flow->session).length > 0);
}

bool model_expects_upgrade(const struct model_worker *worker, const struct model_request *request)
{
    struct model_want want = model_want(model_policy(worker->pool_generation), request);
    int64_t now = worker->loop.wall_s;
    bool is_expected = false;
    for (size_t i = 0; i < MODEL_LINKS && want.is_allowed; i++) {
        const struct stream *link = &model()->links[i];
        const struct model_certificate *shown = &model()->certificates[link->shown];
        if (link->phase == LINK_FREE || link->worker != worker->number || has_unsent(link) ||
            !may_be_upgraded(link, &want, &worker->loop))
            continue;
        if (!model_proves(shown, &want.class, now) || now >= shown->not_after - MODEL_SKEW_S)
            return false;
        is_expected = true;
    }
    return is_expected;
}

static const struct stream *link_of(const struct decision_result *result)
{
    for (size_t i = 0; i < MODEL_LINKS; i++) {
        const struct stream *link = &model()->links[i];
        if (link->phase != LINK_FREE && connection_handle_equal(flow_of(link)->handle, result->handle))
            return link;
    }
    return NULL;
}

/* Somebody to reuse is passed over: he asks for no more than is there. */
static void check_none(const struct model_request *request, const struct model_worker *worker,
    const struct model_want *want, const char *instead)
{
    for (size_t i = 0; i < MODEL_LINKS; i++) {
        const struct stream *link = &model()->links[i];
        if (link->phase != LINK_FREE && link->worker == worker->number && may_be_reused(link, want, &worker->loop))
            model_fail(request, link, "L1: decide() says %s, although this one may be reused", instead);
    }
}

static void check_none_becomes(const struct model_request *request, const struct model_worker *worker,
    const struct model_want *want)
{
    for (size_t i = 0; i < MODEL_LINKS; i++) {
        const struct stream *link = &model()->links[i];
        if (link->phase != LINK_FREE && link->worker == worker->number && may_be_upgraded(link, want, &worker->loop))
            model_fail(request, link, "L1: decide() says open, although this one may be upgraded");
    }
}

static void check(const struct model_request *request, const struct model_worker *worker,
    const struct model_want *want, const struct decision_result *result)
{
    const struct stream *link = link_of(result);
    const char *name = decision_name(result->decision);
    int8_t own = want->class.credential;
    bool is_good = false;
    switch (result->decision) {
    case DECISION_REUSE:
        is_good = link != NULL && may_be_reused(link, want, &worker->loop);
        break;
    case DECISION_JOIN:
        is_good = link != NULL && may_be_joined(link, want);
        check_none(request, worker, want, name);
        break;
    case DECISION_UPGRADE:
        is_good = link != NULL && may_be_upgraded(link, want, &worker->loop);
        check_none(request, worker, want, name);
        break;
    case DECISION_OPEN:
        is_good = want->may_connect;
        check_none(request, worker, want, name);
        check_none_becomes(request, worker, want);
        break;
    case DECISION_REJECT:
        is_good = true;
        if (own < 0 || model()->credential_ends[own] > worker->loop.wall_s)
            check_none(request, worker, want, name);
        break;
    default:
        break;
    }
    if (!is_good)
        model_fail(request, link, "S2: decide() says %s of a connection that is not this request's", name);
    model()->totals.consulted++;
}

static void consult(const struct model_request *request, struct model_worker *worker, struct placement *placement)
{
    static const struct capabilities capabilities = { .upgrade = true, .crl = true };
    struct connection_view views[VIEWS];
    struct model_want want = model_want(model_policy(policy_snapshot_generation(placement->snapshot)), request);
    struct pool_view view = { .equal = views, .unverified = views, .has_room = true,
        .waiters_max = MODEL_WAITERS_MAX };
    for (size_t i = 0; i < MODEL_LINKS; i++) {
        const struct stream *link = &model()->links[i];
        if (link->phase == LINK_FREE || link->worker != worker->number)
            continue;
        views[view.equal_count++] = view_of(link, &want);
        model()->totals.idle += link->is_published && model_is_idle(link, &want, &worker->loop);
    }
    view.unverified_count = view.equal_count;
    connection_key_encode(&placement->requirement.key, 1, &placement->key);
    struct decision_result result = decide(&placement->requirement, &placement->key, &view, &capabilities,
        worker->loop.wall_s);
    check(request, worker, &want, &result);
}

void model_consult(void)
{
    struct model_request request = { .number = 0 };
    model_request_draw(&request);
    struct model_worker *worker = &model()->workers[request.peer % MODEL_WORKERS];
    model_turn(worker);
    struct placement *placement = placement_new(NULL, model()->snapshot);
    enum reason reason = model_request_ask(&request, model()->snapshot, placement);
    oracle_derived(&request, model_policy(model()->generation), reason);
    if (reason == REASON_NONE)
        consult(&request, worker, placement);
    placement_free(placement);
}

/* --- The check right before the write (INV-28) --- */

bool model_lose(struct model_worker *worker, struct model_request *request)
{
    struct placement *placement = request->placement;
    uint32_t first = dice_roll(&model()->dice, MODEL_LINKS);
    for (uint32_t i = 0; i < MODEL_LINKS; i++) {
        struct stream *link = &model()->links[(first + i) % MODEL_LINKS];
        /* Whose own a connection is, the look-up alone has to know. */
        if (link->phase == LINK_FREE || link->worker != worker->number || flow_of(link)->is_exclusive ||
            !placement->requirement.terms.may_reuse)
            continue;
        flow_pool_set_snapshot(worker->pool, placement->snapshot);
        if (flow_renew(worker->pool, placement) != REASON_NONE) {
            flow_finish(placement, DECISION_REJECT, REASON_VERDICT_STALE, NULL);
            return true;
        }
        model_note(request, link, "is put there by mistake");
        model()->totals.lost++;
        flow_place_on(link->arg, placement, DECISION_REUSE);
        return true;
    }
    return false;
}
