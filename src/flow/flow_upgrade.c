/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_upgrade.c - an unverified connection becomes a verified one, in place, once and for good (INV-35, INV-36).
 * In:    a quiescent connection that decide() chose, and the request that wants it.
 * Out:   the connection under its new key, the request on it; or a reason, and nothing has changed.
 * Never: believes what was seen before: the captured chain is judged now, by the function that judges handshakes;
 *        remembers a failure (INV-20).
 */
#include "base/error.h"
#include "flow/flow_private.h"

#include <stdlib.h>

/* What the connection will be, whole before it is any of it. */
struct promotion {
    struct verdict verdict;
    struct connection_key *key;
    struct connection_facts *facts;
    int64_t deadline;
};

bool flow_is_quiescent(const struct flow *flow)
{
    bool has_unsent = (flow->stream != NULL && stream_queued(flow->stream) > 0) ||
        (flow->session != NULL && tls_session_output(flow->session).length > 0);
    return flow->waiter_count == 0 && !flow_is_busy(flow) && !has_unsent;
}

/* INV-35, all of it: what was negotiated, what the chain proves now, that both are what the key promises. */
static enum reason check(const struct flow *flow, const struct requirement *requirement,
    const struct connection_key *key, struct promotion *promotion)
{
    struct handshake_facts handshake;
    int64_t now = loop_wall_s(flow->pool->loop);
    if (flow->state != CONNECTION_READY || flow->is_closing || !flow->is_judged || !flow_is_quiescent(flow))
        return REASON_CONNECTION_LOST;
    if (flow_is_idle(flow, requirement->terms.idle_timeout_s))
        return REASON_CONNECTION_LOST;
    enum reason reason = flow_handshake_facts(flow, &requirement->key, &handshake);
    if (reason == REASON_NONE)
        reason = flow_verify(flow, requirement, &promotion->verdict);
    if (reason == REASON_NONE)
        reason = decide_publish(&requirement->key, key, &handshake, &promotion->verdict, now);
    if (reason != REASON_NONE)
        return reason;
    int64_t deadline = decide_deadline(requirement, &promotion->verdict, flow->opened_at, FLOW_CLOCK_SKEW_S);
    promotion->deadline = deadline < flow->deadline ? deadline : flow->deadline;
    return now < promotion->deadline && now < flow_deadline(flow) ? REASON_NONE : REASON_CONNECTION_LOST;
}

static void promotion_free(struct promotion *promotion)
{
    free(promotion->key);
    connection_facts_unref(promotion->facts);
}

static enum reason prepare(const struct flow *flow, const struct requirement *requirement,
    const struct connection_key *key, struct promotion *promotion)
{
    *promotion = (struct promotion){ .deadline = INT64_MIN };
    enum reason reason = check(flow, requirement, key, promotion);
    if (reason != REASON_NONE)
        return reason;
    promotion->key = malloc(sizeof(*promotion->key));
    if (promotion->key == NULL)
        return REASON_NO_MEMORY;
    *promotion->key = *key;
    if (flow_facts_of(flow, requirement, promotion->key, &promotion->verdict, promotion->deadline,
            &promotion->facts) != 0)
        return REASON_NO_MEMORY;
    return REASON_NONE;
}

/* Out of where the weaker class finds it; the new identity; in where the stronger one does. Whoever holds the handle
 * from before has no request on it, and what he would send now names facts that are not the connection's any more. */
static void rekey(struct flow *flow, struct promotion *promotion, const struct requirement *requirement)
{
    struct flow_pool *pool = flow->pool;
    table_remove(&pool->by_key, &flow->by_key);
    table_remove(&pool->unverified, &flow->by_place);
    flow_class_leave(flow);
    connection_facts_unref(flow->facts);
    free(flow->key);
    flow->facts = promotion->facts;
    flow->key = promotion->key;
    *promotion = (struct promotion){ .key = NULL };
    flow->deadline = flow->facts->deadline;
    flow->max_age_s = flow_shorter(flow->max_age_s, requirement->terms.max_age_s);
    flow->idle_timeout_s = requirement->terms.idle_timeout_s;
    flow->proven_ms = pool_now_ms(pool);
    flow_keep_alive(flow, &requirement->terms);
    flow_class_join(flow, flow_class_of(&requirement->key));
    table_insert(&pool->by_key, &flow->by_key, flow->key->hash);
    pool->counts.upgraded++;
}

static void log_outcome(const struct flow *flow, const struct requirement *requirement, enum reason reason,
    const char *detail)
{
    char id[CONNECTION_ID_SIZE];
    log_event(&flow->pool->scope, LOG_LEVEL_INFO,
        reason == REASON_NONE ? LOG_EVENT_CONNECTION_UPGRADED : LOG_EVENT_UPGRADE_REFUSED,
        LOG_STRING("connection", connection_id_print(flow->handle, id)), LOG_ENDPOINT("peer", &flow->peer),
        LOG_STRING("level", level_name((enum level)requirement->key.level)),
        LOG_STRING("expected", requirement->key.expected_domain[0] != '\0' ? requirement->key.expected_domain : NULL),
        LOG_STRING("reason", reason != REASON_NONE ? reason_word(reason) : NULL),
        LOG_STRING("detail", detail != NULL && detail[0] != '\0' ? detail : NULL));
}

enum reason flow_upgrade_would(const struct flow *flow, const struct requirement *requirement,
    const struct connection_key *key)
{
    struct promotion promotion;
    enum reason reason = prepare(flow, requirement, key, &promotion);
    promotion_free(&promotion);
    return reason;
}

enum reason flow_upgrade(struct flow *flow, const struct requirement *requirement, const struct connection_key *key)
{
    struct promotion promotion;
    enum flow_class class = flow_class_of(&requirement->key);
    enum reason reason = prepare(flow, requirement, key, &promotion);
    if (reason == REASON_NONE && !flow_pool_make_room(flow->pool, class))
        reason = REASON_LIMIT;
    /* To make room another one was ended, perhaps, and who heard of it may have used this one. */
    if (reason == REASON_NONE && (flow->state != CONNECTION_READY || flow->is_closing || !flow_is_quiescent(flow)))
        reason = REASON_CONNECTION_LOST;
    log_outcome(flow, requirement, reason, promotion.verdict.detail);
    if (reason == REASON_NONE)
        rekey(flow, &promotion, requirement);
    promotion_free(&promotion);
    return reason;
}
