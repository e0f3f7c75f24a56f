/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_accept.c - a connection that a peer made to us: ClientHello, our certificate, handshake, verdict.
 * In:    an accepted socket. Out: a ready connection whose peer is known as far as it proved itself.
 * Never: a TLS object before the ClientHello is whole; a certificate of a profile that does not fit; a
 *        connection that requires a client certificate without a proven one.
 */
#include "base/error.h"
#include "flow/flow_private.h"
#include "policy/name.h"

#include <stdlib.h>
#include <unistd.h>

static void send_alert(struct flow *flow, enum tls_alert alert)
{
    struct buffer bytes = BUFFER_EMPTY;
    tls_alert_append(&bytes, alert);
    if (bytes.length > 0 && flow->stream != NULL)
        ignore_result(stream_write(flow->stream, buffer_slice(&bytes))); /* a courtesy */
    buffer_free(&bytes);
}

int64_t flow_accepted_deadline(const struct flow *flow, const struct verdict *verdict)
{
    return decide_deadline_accepted(flow->max_age_s, flow->own_not_after, verdict, flow->opened_at, FLOW_CLOCK_SKEW_S);
}

/* A certificate that would end its connection at once is not shown. */
static bool has_time_left(const struct flow *flow, const struct policy_credential *credential)
{
    int64_t now = loop_wall_s(flow->pool->loop);
    return now < decide_deadline_accepted(0, credential->not_after, NULL, now, FLOW_CLOCK_SKEW_S);
}

static const struct policy_credential *choose_credential(const struct flow *flow, const struct server_profile *profile,
    const struct client_hello *hello)
{
    const struct policy_credential *first = NULL;
    enum tls_version version = client_hello_version(hello, profile->tls_min,
        profile->tls_max != TLS_VERSION_UNSET ? profile->tls_max : TLS_VERSION_1_3);
    for (size_t i = 0; i < profile->certificate_count; i++) {
        const struct policy_credential *credential = profile->certificates[i];
        if (!has_time_left(flow, credential))
            continue;
        if (client_hello_takes_key(hello, tls_credential_key_kind(credential->credential), version))
            return credential;
        first = first != NULL ? first : credential;
    }
    return first;
}

static int make_session(struct flow *flow, const struct server_profile *profile,
    const struct policy_credential *credential, struct why *why)
{
    struct tls_settings settings;
    struct tls_context *context = NULL;
    tls_settings_init(&settings);
    settings.client_auth = profile->client_auth;
    int rc = tls_settings_set_versions(&settings, profile->tls_min, profile->tls_max, why);
    if (rc == 0 && profile->ciphers != NULL)
        rc = tls_settings_set_suites(&settings, slice_of_string(profile->ciphers), why);
    if (rc == 0)
        rc = tls_context_cache_get(flow->pool->contexts, TLS_ROLE_SERVER, &settings, credential->credential, &context,
            why);
    struct tls_session_options options = { 0 };
    if (flow->facts->server_name[0] != '\0')
        options.server_name = flow->hello->hello.server_name;
    if (rc == 0)
        rc = tls_session_new(context, &options, &flow->session, why);
    tls_context_unref(context);
    return rc;
}

/* The profile is looked up again at the verdict: the snapshot it came from may be gone by then. */
const struct server_profile *flow_profile_of(const struct flow *flow)
{
    const char *name = flow->facts->server_name[0] != '\0' ? flow->facts->server_name : NULL;
    return policy_server_profile(flow->pool->snapshot, flow->listener, name);
}

static bool start_tls(struct flow *flow, struct why *why)
{
    const struct client_hello *hello = &flow->hello->hello;
    if (!slice_is_absent(hello->server_name) && name_normalise(hello->server_name, flow->facts->server_name) != 0) {
        send_alert(flow, TLS_ALERT_UNRECOGNIZED_NAME);
        (void)why_fail(why, ERROR_SYNTAX, "the server name is no domain name");
        return false;
    }
    const struct server_profile *profile = flow_profile_of(flow);
    const struct policy_credential *credential =
        profile != NULL && profile->unusable == NULL ? choose_credential(flow, profile, hello) : NULL;
    if (credential == NULL) {
        send_alert(flow, TLS_ALERT_UNRECOGNIZED_NAME);
        (void)why_fail(why, ERROR_NOT_FOUND, "no usable server profile or certificate for listener %s and name \"%s\"",
            flow->listener, flow->facts->server_name);
        return false;
    }
    (void)slice_to_string(slice_of_string(credential->name), flow->facts->credential,
        sizeof(flow->facts->credential));
    flow->own_not_after = credential->not_after;
    memcpy(flow->facts->credential_digest, credential->leaf_digest, DIGEST_SIZE);
    if (make_session(flow, profile, credential, why) == 0)
        return true;
    send_alert(flow, TLS_ALERT_INTERNAL_ERROR);
    return false;
}

/* Who has proven itself counts among those that have. */
static bool change_class(struct flow *flow)
{
    if (flow->verdict == NULL || flow->verdict->result != VERDICT_PROVEN)
        return true;
    if (!flow_pool_make_room(flow->pool, FLOW_ACCEPTED_VERIFIED)) {
        flow_pool_note_full(flow->pool, FLOW_ACCEPTED_VERIFIED, &flow->peer);
        return false;
    }
    flow_class_leave(flow);
    flow_class_join(flow, FLOW_ACCEPTED_VERIFIED);
    return true;
}

static void publish(struct flow *flow)
{
    struct why why = WHY_NONE;
    if (!change_class(flow)) {
        flow_end(flow, REASON_LIMIT, NULL);
        return;
    }
    flow_begin_life(flow, flow->pool->settings.max_age_s);
    flow->deadline = flow_accepted_deadline(flow, flow->verdict);
    if (flow->opened_at >= flow->deadline) { /* what a certificate ends at once is not let in */
        flow_end(flow, REASON_CERTIFICATE_EXPIRED, NULL);
        return;
    }
    flow->idle_timeout_s = flow->pool->settings.idle_timeout_s;
    if (flow_make_facts(flow, &why) != 0) {
        flow_end(flow, REASON_NO_MEMORY, &why);
        return;
    }
    flow->pool->counts.accepted++;
    flow_ready(flow);
}

/* When the handshake is done it must be the policy of today that let it pass (INV-23). */
static bool judge(struct flow *flow, bool is_done)
{
    struct why why = WHY_NONE;
    bool is_current = flow->judged_by == policy_snapshot_generation(flow->pool->snapshot);
    bool is_due = flow->is_judged ? is_done && !is_current : is_done || tls_session_has_chain(flow->session);
    if (!is_due)
        return true;
    const struct server_profile *profile = flow_profile_of(flow);
    int rc = profile != NULL && profile->unusable == NULL
        ? flow_judge(flow, NULL, profile, &why)
        : why_fail(&why, ERROR_REFUSED, "the server profile is gone");
    if (rc == 0)
        return true;
    flow_end(flow, flow->verdict != NULL && flow->verdict->reason != REASON_NONE ? flow->verdict->reason
                                                                                  : REASON_TLS_FAILED,
        &why);
    return false;
}

static void handshake(struct flow *flow, struct slice bytes)
{
    struct why why = WHY_NONE;
    enum tls_progress progress = tls_session_handshake(flow->session, bytes, &why);
    if (progress != TLS_FAILED) {
        bool was_judged = flow->is_judged;
        if (!judge(flow, progress == TLS_DONE))
            return;
        if (!was_judged && flow->is_judged && progress == TLS_WANT_INPUT)
            progress = tls_session_handshake(flow->session, SLICE_ABSENT, &why);
    }
    if (progress == TLS_DONE && !judge(flow, true))
        return;
    if (progress == TLS_FAILED) {
        flow_end(flow, REASON_TLS_FAILED, &why);
        return;
    }
    flow_mark_dirty(flow);
    if (progress != TLS_DONE)
        return;
    publish(flow);
    if (!flow->is_closing)
        (void)flow_read_tls(flow, SLICE_ABSENT);
}

static void read_hello(struct flow *flow, struct slice bytes)
{
    struct why why = WHY_NONE;
    switch (client_hello_reader_feed(flow->hello, bytes, &why)) {
    case CLIENT_HELLO_INCOMPLETE:
        return;
    case CLIENT_HELLO_COMPLETE:
        break;
    case CLIENT_HELLO_NONE:
    case CLIENT_HELLO_REFUSED:
        send_alert(flow, flow->hello->alert);
        flow_end(flow, REASON_TLS_FAILED, &why);
        return;
    }
    if (!start_tls(flow, &why)) {
        flow_end(flow, REASON_TLS_FAILED, &why);
        return;
    }
    struct client_hello_reader *hello = flow->hello;
    flow->hello = NULL;
    handshake(flow, buffer_slice(&hello->raw));
    client_hello_reader_fini(hello);
    free(hello);
}

void flow_in_bytes(struct flow *flow, struct slice bytes)
{
    if (flow->state == CONNECTION_READY || flow->state == CONNECTION_DRAINING) {
        if (flow->is_tls)
            (void)flow_read_tls(flow, bytes);
        else
            (void)flow_plain_bytes(flow, bytes);
    } else if (flow->session != NULL) {
        handshake(flow, bytes);
    } else {
        read_hello(flow, bytes);
    }
}

static void on_connected(void *arg)
{
    (void)arg;
}

static void on_received(void *arg, struct slice bytes)
{
    flow_in_bytes(arg, bytes);
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

/* A connection with nothing in it yet, or NULL. */
static struct flow *admit(struct flow_pool *pool, const struct endpoint *peer)
{
    struct flow *flow;
    if (flow_origin_is_full(pool, &peer->address) || !flow_pool_make_room(pool, FLOW_ACCEPTED)) {
        flow_pool_note_full(pool, FLOW_ACCEPTED, peer);
        return NULL;
    }
    if (flow_new(pool, FLOW_ACCEPTED, &flow) != 0)
        return NULL;
    flow->is_accepted = true;
    flow->peer = *peer;
    if (flow_origin_join(flow) == 0)
        return flow;
    flow_end(flow, REASON_NO_MEMORY, NULL);
    return NULL;
}

void flow_pool_accept(struct flow_pool *pool, int fd, const struct endpoint *peer, const char *listener, bool is_tls)
{
    struct why why = WHY_NONE;
    struct flow *flow = admit(pool, peer);
    if (flow == NULL) {
        (void)close(fd);
        return;
    }
    flow->is_tls = is_tls;
    flow->listener = listener;
    flow->own_not_after = INT64_MAX;
    flow->facts = connection_facts_new();
    flow->hello = is_tls ? calloc(1, sizeof(*flow->hello)) : NULL;
    flow->state = CONNECTION_HANDSHAKING;
    if (flow->hello != NULL)
        client_hello_reader_init(flow->hello);
    if (flow->facts == NULL || (is_tls && flow->hello == NULL)) {
        (void)close(fd);
        flow_end(flow, REASON_NO_MEMORY, &why);
        return;
    }
    if (stream_adopt(&pool->streams, fd, &handler, flow, &flow->stream) != 0) {
        flow_end(flow, REASON_CONNECT_FAILED, &why);
        return;
    }
    if (!is_tls)
        publish(flow);
}
