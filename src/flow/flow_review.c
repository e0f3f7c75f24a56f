/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_review.c - connections that are ready, held against the policy of today.
 * In:    a new snapshot; a reload that wants every peer proven anew; the time for it that a row has set.
 * Out:   connections that are what they were, or that take no new request and end after the last one: what proved the
 *        peer is no authority any more (INV-38), our certificate is another one (INV-40), the captured chain does not
 *        pass. A revoked peer's end at once (INV-39).
 * Never: makes a connection more than it was; takes more than a few verdicts in one turn of the loop.
 */
#include "flow/flow_private.h"

#include <string.h>

/* What one tick spends: looking for a digest costs one, a verdict, with its signatures, as much as many of these. */
enum { TICK_BUDGET = 1000, VERDICT_COST = 100, LOOK_COST = 1 };

static bool is_reviewed(const struct flow *flow)
{
    return flow->is_tls && flow->state == CONNECTION_READY && !flow->is_closing;
}

static void enlist(struct flow *flow)
{
    if (!list_holds(&flow->review))
        list_append(&flow->pool->review, &flow->review);
}

void flow_review_all(struct flow_pool *pool, bool is_doubted)
{
    list_for_each (node, &pool->all) {
        struct flow *flow = CONTAINER_OF(node, struct flow, all);
        if (!is_reviewed(flow))
            continue;
        flow->is_doubted = flow->is_doubted || is_doubted;
        enlist(flow);
    }
}

void flow_doubt(struct flow *flow)
{
    if (!is_reviewed(flow))
        return;
    flow->is_doubted = true;
    enlist(flow);
}

uint32_t flow_shorter(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

bool flow_is_due(const struct flow *flow, const struct requirement_terms *terms, int64_t now_ms)
{
    uint32_t every_s = flow_shorter(flow->revalidate_every_s, terms != NULL ? terms->revalidate_every_s : 0);
    return every_s != 0 && is_reviewed(flow) && now_ms - flow->proven_ms >= (int64_t)every_s * 1000;
}

void flow_note_terms(struct flow *flow, const struct requirement_terms *terms)
{
    flow->revalidate_every_s = flow_shorter(flow->revalidate_every_s, terms->revalidate_every_s);
    if (terms->idle_timeout_s < flow->idle_timeout_s)
        flow->idle_timeout_s = terms->idle_timeout_s;
}

/* The path that holds today may end sooner than that of the handshake. */
static void lower_deadline(struct flow *flow, int64_t deadline)
{
    if (deadline < flow->deadline)
        flow->deadline = deadline;
}

/* The key has all that a verdict goes by; the store is that of the policy of today. */
static enum reason review_opened(struct flow *flow, bool is_doubted, struct verdict *verdict_r)
{
    const struct policy_snapshot *snapshot = flow->pool->snapshot;
    struct requirement requirement = { .terms = { .max_age_s = 0 } };
    const struct requirement_key *key = &requirement.key;
    if (connection_key_decode(flow->key, &requirement.key) != 0)
        return REASON_VERDICT_STALE;
    if (key->credential_chain.is_set &&
        policy_snapshot_credential_of(snapshot, key->credential_chain.bytes, key->credential_key.bytes) == NULL)
        return REASON_UNKNOWN_CERTIFICATE;
    if (!level_needs_chain((enum level)key->level))
        return REASON_NONE;
    if (key->trust.is_set)
        requirement.terms.trust_set = policy_snapshot_trust_of(snapshot, key->trust.bytes);
    if (key->trust.is_set ? requirement.terms.trust_set == NULL : key->pins.count == 0)
        return REASON_UNKNOWN_TRUST_SET; /* pins may stand for anchors, nothing else may */
    if (!is_doubted)
        return REASON_NONE;
    enum reason reason = flow_verify(flow, &requirement, verdict_r);
    if (reason == REASON_NONE)
        lower_deadline(flow, decide_deadline(&requirement, verdict_r, flow->opened_at, FLOW_CLOCK_SKEW_S));
    return reason;
}

/* Who has proven nothing has nothing to lose. */
static enum reason review_accepted(struct flow *flow, bool is_doubted, struct verdict *verdict_r)
{
    const struct verdict *verdict = &flow->facts->verdict;
    if (verdict->result != VERDICT_PROVEN)
        return REASON_NONE;
    if (policy_snapshot_trust_of(flow->pool->snapshot, verdict->trust_digest) == NULL)
        return REASON_UNKNOWN_TRUST_SET;
    if (!is_doubted)
        return REASON_NONE;
    const struct server_profile *profile = flow_profile_of(flow);
    if (profile == NULL || profile->unusable != NULL)
        return REASON_POLICY_UNUSABLE;
    enum reason reason = flow_verify_accepted(flow, profile, verdict_r);
    if (reason == REASON_NONE && memcmp(verdict_r->trust_digest, verdict->trust_digest, DIGEST_SIZE) != 0)
        reason = REASON_VERDICT_STALE; /* proven, by other authorities than its facts say */
    if (reason == REASON_NONE)
        lower_deadline(flow, flow_accepted_deadline(flow, verdict_r));
    return reason;
}

static void log_outcome(const struct flow *flow, enum reason reason, const char *detail)
{
    char id[CONNECTION_ID_SIZE];
    bool is_kept = reason == REASON_NONE;
    log_event(&flow->pool->scope, LOG_LEVEL_INFO,
        is_kept ? LOG_EVENT_CONNECTION_REVALIDATED : LOG_EVENT_CONNECTION_RETIRED,
        LOG_STRING("connection", connection_id_print(flow->handle, id)), LOG_ENDPOINT("peer", &flow->peer),
        LOG_STRING("reason", is_kept ? NULL : reason_word(reason)),
        LOG_STRING("detail", detail[0] != '\0' ? detail : NULL));
}

enum reason flow_review(struct flow *flow, bool is_doubted)
{
    struct verdict verdict = { .result = VERDICT_UNSET };
    flow->is_doubted = false;
    list_remove(&flow->review);
    if (!is_reviewed(flow))
        return REASON_CONNECTION_LOST;
    enum reason reason = flow->is_accepted ? review_accepted(flow, is_doubted, &verdict)
                                           : review_opened(flow, is_doubted, &verdict);
    if (reason == REASON_NO_MEMORY) {
        flow->is_doubted = is_doubted; /* nothing is known: again, when there is memory */
        enlist(flow);
        return reason;
    }
    if (reason != REASON_NONE || verdict.result == VERDICT_PROVEN)
        log_outcome(flow, reason, verdict.detail);
    if (reason == REASON_NONE && is_doubted)
        flow->proven_ms = pool_now_ms(flow->pool);
    if (reason != REASON_NONE && reason != REASON_UNKNOWN_CERTIFICATE) /* that is ours, and says nothing of the peer */
        connection_facts_withdraw(flow->facts);
    if (reason == REASON_REVOKED)
        flow_end(flow, reason, NULL);
    else if (reason != REASON_NONE)
        flow_drain(flow);
    return reason;
}

void flow_review_tick(struct flow_pool *pool)
{
    struct list_node *node;
    struct list batch;
    list_init(&batch);
    for (unsigned spent = 0; spent < TICK_BUDGET && (node = list_take_first(&pool->review)) != NULL;) {
        struct flow *flow = CONTAINER_OF(node, struct flow, review);
        spent += flow->is_doubted ? VERDICT_COST : LOOK_COST;
        list_append(&batch, node);
    }
    /* A review may end a connection and enlist others: not those of this batch a second time. */
    while ((node = list_take_first(&batch)) != NULL) {
        struct flow *flow = CONTAINER_OF(node, struct flow, review);
        (void)flow_review(flow, flow->is_doubted);
    }
}
