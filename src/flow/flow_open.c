/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_open.c - a connection is opened for one requirement: connect, handshake, verdict, publication.
 * In:    the placement that needs it. Out: a ready connection under its key, or its waiters with the reason.
 * Never: tried again with less: a failure is this key's alone (INV-20, INV-34).
 */
#include "base/error.h"
#include "flow/flow_private.h"

#include <stdlib.h>

static void fail(struct flow *flow, enum reason reason, const struct why *why)
{
    if (reason != REASON_NO_MEMORY)
        flow_failed(flow);
    flow_end(flow, reason, why);
}

static enum reason reason_of_failure(const struct flow *flow, int error)
{
    if (error == ERROR_VERDICT && flow->verdict != NULL && flow->verdict->reason != REASON_NONE)
        return flow->verdict->reason;
    return error == ERROR_MEMORY ? REASON_NO_MEMORY : REASON_TLS_FAILED;
}

static int make_settings(const struct requirement_key *key, struct tls_settings *settings, struct why *why)
{
    tls_settings_init(settings);
    int rc = tls_settings_set_versions(settings, (enum tls_version)key->tls_min, (enum tls_version)key->tls_max, why);
    if (rc == 0 && key->ciphers[0] != '\0')
        rc = tls_settings_set_suites(settings, slice_of_string(key->ciphers), why);
    return rc;
}

static int start_tls(struct flow *flow, struct why *why)
{
    const struct requirement *requirement = &flow->opener->requirement;
    const struct policy_credential *credential = requirement->terms.credential;
    struct tls_settings settings;
    struct tls_context *context = NULL;
    int rc = make_settings(&requirement->key, &settings, why);
    if (rc == 0)
        rc = tls_context_cache_get(flow->pool->contexts, TLS_ROLE_CLIENT, &settings,
            credential != NULL ? credential->credential : NULL, &context, why);
    struct tls_session_options options = { 0 };
    if (requirement->key.sni[0] != '\0')
        options.server_name = slice_of_string(requirement->key.sni);
    if (rc == 0)
        rc = tls_session_new(context, &options, &flow->session, why);
    tls_context_unref(context);
    return rc;
}

/* INV-22, INV-23: the policy of today is asked anew for each that waits. Those that it gives another key, or none, go
 * to STALE; the first of the others leads. If the leader, or who waits behind it, is to have a connection of its own by
 * now, they do not share this one. */
static void renew_waiters(struct flow *flow, struct list *stale)
{
    struct placement *leader = NULL;
    list_for_each_safe (node, &flow->waiters) {
        struct placement *placement = CONTAINER_OF(node, struct placement, waiting);
        const struct requirement_terms *terms = &placement->requirement.terms;
        if (flow_renew(flow->pool, placement) == REASON_NONE &&
            (leader == NULL || (terms->may_reuse && leader->requirement.terms.may_reuse))) {
            leader = leader != NULL ? leader : placement;
            continue;
        }
        list_remove(node);
        list_append(stale, node);
        flow->waiter_count--;
    }
    flow->opener = leader;
    if (leader != NULL && !leader->requirement.terms.may_reuse)
        flow->is_exclusive = true;
}

enum reason flow_handshake_facts(const struct flow *flow, const struct requirement_key *key,
    struct handshake_facts *handshake_r)
{
    struct tls_session_facts session;
    struct tls_settings settings;
    if (flow->session == NULL || tls_session_facts(flow->session, &session) != 0)
        return REASON_TLS_FAILED;
    if (make_settings(key, &settings, NULL) != 0)
        return REASON_TLS_FLOOR;
    *handshake_r = (struct handshake_facts){ .is_full_handshake = !session.was_resumed,
        .tls_version = session.version, .is_suite_allowed = tls_settings_has_suite(&settings, session.suite_number),
        .is_captured = flow->chain.count > 0 };
    return REASON_NONE;
}

static enum reason may_publish(struct flow *flow)
{
    const struct requirement_key *key = &flow->opener->requirement.key;
    struct handshake_facts handshake;
    int64_t now = loop_wall_s(flow->pool->loop);
    if (!flow->is_tls)
        return decide_publish(key, flow->key, NULL, NULL, now);
    if (!flow->is_judged)
        return REASON_TLS_FAILED;
    enum reason reason = flow_handshake_facts(flow, key, &handshake);
    if (reason != REASON_NONE)
        return reason;
    return decide_publish(key, flow->key, &handshake, flow->verdict, now);
}

/* What a certificate ends at once is not opened. */
static enum reason begin_life(struct flow *flow)
{
    flow_begin_life(flow, flow->opener->requirement.terms.max_age_s);
    flow->deadline =
        decide_deadline(&flow->opener->requirement, flow->verdict, flow->opened_at, FLOW_CLOCK_SKEW_S);
    return flow->opened_at < flow->deadline ? REASON_NONE : REASON_CERTIFICATE_EXPIRED;
}

static void publish_for_leader(struct flow *flow)
{
    struct why why = WHY_NONE;
    enum reason reason = may_publish(flow);
    if (reason == REASON_NONE)
        reason = begin_life(flow);
    if (reason != REASON_NONE) {
        (void)why_fail(&why, ERROR_VERDICT, "%s", reason_text(reason));
        fail(flow, reason, &why);
        return;
    }
    flow->idle_timeout_s = flow->opener->requirement.terms.idle_timeout_s;
    flow_keep_alive(flow, &flow->opener->requirement.terms);
    if (flow_make_facts(flow, &why) != 0) {
        flow_end(flow, REASON_NO_MEMORY, &why);
        return;
    }
    flow_ready(flow);
}

static void publish(struct flow *flow)
{
    struct list stale;
    struct list_node *node;
    list_init(&stale);
    renew_waiters(flow, &stale);
    if (flow->opener != NULL)
        publish_for_leader(flow);
    else
        flow_end(flow, REASON_VERDICT_STALE, NULL); /* the peer has not failed: nothing backs off */
    while ((node = list_take_first(&stale)) != NULL) {
        struct placement *placement = CONTAINER_OF(node, struct placement, waiting);
        flow_finish(placement, placement->decision, REASON_VERDICT_STALE, NULL);
    }
}

/* Judges as soon as the chain is there; false: the flow was ended. */
static bool judge(struct flow *flow)
{
    struct why why = WHY_NONE;
    if (flow->is_judged || !tls_session_has_chain(flow->session))
        return true;
    flow->state = CONNECTION_VERIFYING;
    int rc = flow_judge(flow, &flow->opener->requirement, NULL, &why);
    if (rc == 0) {
        flow->state = CONNECTION_HANDSHAKING;
        return true;
    }
    enum reason reason = reason_of_failure(flow, rc);
    if (rc == ERROR_VERDICT)
        ignore_result(flow_make_facts(flow, NULL)); /* for accounting, as far as there is memory */
    fail(flow, reason, &why);
    return false;
}

static void handshake(struct flow *flow, struct slice bytes)
{
    struct why why = WHY_NONE;
    enum tls_progress progress = tls_session_handshake(flow->session, bytes, &why);
    if (progress != TLS_FAILED) {
        bool was_judged = flow->is_judged;
        if (!judge(flow))
            return;
        if (!was_judged && flow->is_judged && progress == TLS_WANT_INPUT)
            progress = tls_session_handshake(flow->session, SLICE_ABSENT, &why);
    }
    if (progress == TLS_FAILED) {
        fail(flow, tls_session_lacks_memory(flow->session) ? REASON_NO_MEMORY : REASON_TLS_FAILED, &why);
        return;
    }
    flow_mark_dirty(flow);
    if (progress != TLS_DONE)
        return;
    publish(flow);
    if (!flow->is_closing)
        (void)flow_read_tls(flow, SLICE_ABSENT);
}

void flow_out_bytes(struct flow *flow, struct slice bytes)
{
    if (flow->state == CONNECTION_READY || flow->state == CONNECTION_DRAINING) {
        if (flow->is_tls)
            (void)flow_read_tls(flow, bytes);
        else
            (void)flow_plain_bytes(flow, bytes);
        return;
    }
    if (flow->is_tls && flow->session != NULL) {
        handshake(flow, bytes);
        return;
    }
    struct why why;
    (void)why_fail(&why, ERROR_STATE, "bytes before the connection was ready");
    fail(flow, REASON_TLS_FAILED, &why);
}

static void on_connected(void *arg)
{
    struct flow *flow = arg;
    struct why why = WHY_NONE;
    flow_connected(flow);
    flow->pending_since_ms = pool_now_ms(flow->pool);
    list_remove(&flow->pending);
    list_append(&flow->pool->pending, &flow->pending);
    if (!flow->is_tls) {
        publish(flow);
        return;
    }
    flow->state = CONNECTION_HANDSHAKING;
    int rc = start_tls(flow, &why);
    if (rc != 0) {
        fail(flow, reason_of_failure(flow, rc), &why);
        return;
    }
    handshake(flow, SLICE_ABSENT);
}

static void on_received(void *arg, struct slice bytes)
{
    flow_out_bytes(arg, bytes);
}

static void on_drained(void *arg)
{
    (void)arg;
}

static void on_ended(void *arg, enum stream_end end, int os_error)
{
    flow_stream_ended(arg, end, os_error);
}

static const struct stream_handler handler = { .connected = on_connected, .received = on_received,
    .drained = on_drained, .ended = on_ended };

void flow_open(struct flow_pool *pool, struct placement *placement)
{
    struct flow *flow;
    enum flow_class class = flow_class_of(&placement->requirement.key);
    if (!flow_pool_make_room(pool, class)) {
        flow_pool_note_full(pool, class, &placement->requirement.key.destination);
        flow_finish(placement, DECISION_REJECT, REASON_LIMIT, NULL);
        return;
    }
    struct connection_key *key = malloc(sizeof(*key));
    if (key == NULL || flow_new(pool, class, &flow) != 0) {
        free(key);
        flow_finish(placement, DECISION_OPEN, REASON_NO_MEMORY, NULL);
        return;
    }
    *key = placement->key;
    flow->key = key;
    flow->peer = placement->requirement.key.destination;
    flow->is_tls = placement->requirement.key.transport == TRANSPORT_TLS;
    flow->is_probe = placement->seen != NULL;
    flow->is_exclusive = flow->is_probe || !placement->requirement.terms.may_reuse;
    flow->opener = placement;
    flow->state = CONNECTION_DIALING;
    placement->decision = DECISION_OPEN;
    list_append(&flow->waiters, &placement->waiting);
    flow->waiter_count = 1;
    if (!flow->is_probe)
        table_insert(&pool->by_key, &flow->by_key, key->hash);
    pool->counts.opened++;
    struct why why = WHY_NONE;
    struct endpoint local = { .address = placement->requirement.key.local };
    int rc = stream_connect(&pool->streams, &local, &flow->peer, pool->settings.connect_timeout_ms, &handler, flow,
        &flow->stream);
    if (rc != 0) {
        (void)why_fail(&why, rc, "no connection could be begun: %s", error_text(rc));
        fail(flow, rc == ERROR_MEMORY ? REASON_NO_MEMORY : REASON_CONNECT_FAILED, &why);
    }
}
