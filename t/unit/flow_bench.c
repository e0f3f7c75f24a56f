/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_bench.c - a pool and its peers for tests; see flow_bench.h. */
#include "flow_bench.h"

#include "pkix/digest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_message(void *arg, struct connection_facts *facts, const char *listener, struct sip_message *message)
{
    struct bench *bench = arg;
    (void)listener;
    (void)message;
    bench->messages++;
    bench->sender = facts->handle;
}

static void on_defect(void *arg, struct connection_facts *facts, const char *listener, struct slice bytes,
    const struct sip_defect *defect)
{
    (void)arg;
    (void)facts;
    (void)listener;
    (void)bytes;
    (void)defect;
}

static void on_closed(void *arg, struct connection_handle handle, enum reason reason,
    void *farewell UNUSED)
{
    struct bench *bench = arg;
    (void)reason;
    bench->closed++;
    bench->ended = handle;
}

static const struct flow_pool_ops pool_ops = { .message = on_message, .defect = on_defect, .closed = on_closed };

void bench_init(struct bench *bench, void (*change)(struct flow_pool_settings *settings))
{
    *bench = (struct bench){ .loop = fixture_loop(), .descriptors = { .max = UINT32_MAX } };
    const struct log_scope scope = LOG_SCOPE_NONE;
    struct flow_pool_settings settings = { .hash_seed = FIXTURE_SEED, .limits = SIP_LIMITS_DEFAULT, .max_each = 64,
        .unverified = &bench->descriptors, .max_waiters = 8, .connect_timeout_ms = 10000,
        .handshake_timeout_ms = 10000, .message_timeout_ms = 10000, .idle_timeout_s = 3600,
        .drain_timeout_ms = 3600000, .backoff_ms = 3600000 };
    for (size_t i = 0; i < FLOW_CLASS_COUNT; i++)
        settings.max[i] = 8;
    if (change != NULL)
        change(&settings);
    bench->capabilities = settings.capabilities;
    bench->defaults = (struct requirement_defaults){ .idle_timeout_s = settings.idle_timeout_s };
    assert_int_equal(net_scratch_new(&bench->scratch), 0);
    assert_int_equal(tls_context_cache_new(FIXTURE_SEED, 16, &bench->contexts), 0);
    assert_int_equal(policy_snapshot_empty(&bench->snapshot), 0);
    assert_int_equal(flow_pool_new(&settings, bench->loop, bench->scratch, &scope, bench->contexts, &pool_ops, bench,
        &bench->pool), 0);
}

static void link_close(struct bench_link *link)
{
    if (link->is_closed)
        return;
    link->is_closed = true;
    link->of->closed++;
    loop_watch_free(link->watch);
    assert_int_equal(close(link->fd), 0);
}

void bench_fini(struct bench *bench)
{
    for (unsigned i = 0; i < bench->done; i++)
        connection_facts_unref(bench->outcomes[i].facts);
    flow_pool_free(bench->pool);
    for (unsigned i = 0; i < bench->peer_count; i++) {
        struct bench_peer *peer = &bench->peers[i];
        for (unsigned j = 0; j < peer->accepted; j++) {
            link_close(&peer->links[j]);
            if (peer->links[j].tls != NULL)
                peer_free(peer->links[j].tls);
        }
        loop_watch_free(peer->watch);
        assert_int_equal(close(peer->fd), 0);
    }
    policy_snapshot_unref(bench->snapshot);
    tls_context_cache_free(bench->contexts);
    loop_free(bench->loop);
    net_scratch_free(bench->scratch);
}

const struct policy_release_ops *bench_release_ops(void)
{
    static const struct policy_release_ops ops = { .trust_store = trust_store_unref,
        .credential = tls_credential_unref };
    return &ops;
}

void bench_policy(struct bench *bench, void (*rows)(struct policy_builder *builder))
{
    struct policy_builder *builder;
    struct policy_snapshot *snapshot;
    struct why why = WHY_NONE;
    assert_int_equal(policy_builder_new(bench_release_ops(), FIXTURE_SEED, &builder), 0);
    rows(builder);
    if (policy_builder_finish(builder, ++bench->generation, loop_wall_s(bench->loop), &snapshot, &why) != 0)
        fail_msg("%s", why.text);
    for (size_t i = 0; i < policy_snapshot_problem_count(snapshot); i++)
        print_message("# problem: %s\n", policy_snapshot_problem(snapshot, i).text);
    policy_snapshot_unref(bench->snapshot);
    bench->snapshot = snapshot;
    flow_pool_set_snapshot(bench->pool, snapshot);
}

struct identity bench_identity(struct pki_certificate *leaf, struct pki_certificate *intermediate)
{
    struct identity identity = { .all = { leaf, intermediate }, .count = intermediate != NULL ? 2 : 1 };
    uint8_t digest[DIGEST_SIZE];
    struct why why = WHY_NONE;
    for (size_t i = 0; i < identity.count; i++)
        identity.chain[i] = pki_der(identity.all[i]);
    identity.key = key_der(leaf, false);
    assert_int_equal(digest_sha256(identity.chain, identity.count, digest), 0);
    if (tls_credential_new(identity.chain, identity.count, buffer_slice(&identity.key),
            slice_of((const char *)digest, sizeof(digest)), &identity.credential, &why) != 0)
        fail_msg("%s", why.text);
    return identity;
}

void bench_identity_fini(struct identity *identity)
{
    pki_free(identity->all[0]);
    buffer_free(&identity->key);
    tls_credential_unref(identity->credential);
}

struct bench_cast cast;

static struct identity of_root(const char *subject, const char *names)
{
    return bench_identity(PKI_MAKE(.subject = subject, .issuer = cast.root, .names = names), NULL);
}

int bench_make_cast(void **state)
{
    (void)state;
    cast.root = PKI_MAKE(.subject = "CN=root", .is_ca = true);
    cast.other_root = PKI_MAKE(.subject = "CN=other root", .is_ca = true);
    cast.biloxi = of_root("CN=biloxi", "URI:sip:biloxi.example");
    cast.caller = of_root("CN=caller", "URI:sip:caller.example");
    cast.ours = of_root("CN=ours", "URI:sip:atlanta.example");
    cast.theirs = of_root("CN=ours", "URI:sip:atlanta.example");
    cast.alone = bench_identity(PKI_MAKE(.subject = "CN=alone", .names = "URI:sip:alone.example"), NULL);
    return 0;
}

int bench_free_cast(void **state)
{
    (void)state;
    bench_identity_fini(&cast.biloxi);
    bench_identity_fini(&cast.caller);
    bench_identity_fini(&cast.ours);
    bench_identity_fini(&cast.theirs);
    bench_identity_fini(&cast.alone);
    pki_free(cast.root);
    pki_free(cast.other_root);
    return 0;
}

struct policy_credential bench_credential(const char *name, const struct identity *identity)
{
    struct policy_credential row = { .name = name, .not_after = INT64_MAX,
        .credential = tls_credential_ref(identity->credential) };
    assert_int_equal(digest_sha256(identity->chain, identity->count, row.chain_digest), 0);
    assert_int_equal(digest_sha256(identity->chain, 1, row.leaf_digest), 0);
    struct slice key = buffer_slice(&identity->key);
    assert_int_equal(digest_sha256(&key, 1, row.key_digest), 0);
    return row;
}

struct policy_trust_set bench_trust_set(const char *name, const struct pki_certificate *anchor,
    const struct pki_certificate *other)
{
    struct policy_trust_set row = { .name = name };
    struct certificate_chain anchors = { 0 };
    struct why why = WHY_NONE;
    assert_int_equal(certificate_chain_append(&anchors, pki_der(anchor)), 0);
    if (other != NULL)
        assert_int_equal(certificate_chain_append(&anchors, pki_der(other)), 0);
    if (trust_store_new(&anchors, PKI_NOW, &row.store, NULL, &why) != 0)
        fail_msg("%s", why.text);
    memcpy(row.digest, trust_store_digest(row.store), DIGEST_SIZE);
    certificate_chain_fini(&anchors);
    return row;
}

static void link_send(struct bench_link *link)
{
    struct slice output = peer_output(link->tls);
    if (output.length > 0 && send(link->fd, output.data, output.length, MSG_NOSIGNAL) < 0)
        assert_true(errno == EPIPE || errno == ECONNRESET); /* the pool has refused it */
    peer_sent(link->tls);
}

static void on_link_readable(void *arg, unsigned events)
{
    struct bench_link *link = arg;
    char bytes[16384];
    (void)events;
    /* What plain peers hear stays in the socket, for the test to read. */
    ssize_t count = recv(link->fd, bytes, sizeof(bytes), link->tls == NULL ? MSG_PEEK : 0);
    if (count <= 0) {
        link_close(link);
        return;
    }
    if (link->tls == NULL) {
        assert_int_equal(loop_watch_want(link->watch, 0), 0);
        return;
    }
    bool was_done = peer_is_done(link->tls);
    peer_step(link->tls, slice_of(bytes, (size_t)count));
    if (!was_done && peer_is_done(link->tls))
        link->of->shaken++;
    link_send(link);
}

static void on_acceptable(void *arg, unsigned events)
{
    struct bench_peer *peer = arg;
    (void)events;
    int fd = accept4(peer->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_in_range(peer->accepted, 0, BENCH_LINKS_MAX - 1);
    struct bench_link *link = &peer->links[peer->accepted++];
    *link = (struct bench_link){ .of = peer, .fd = fd, .tls = peer->is_plain ? NULL : peer_new(&peer->options) };
    assert_int_equal(loop_watch_new(peer->bench->loop, fd, on_link_readable, link, &link->watch), 0);
    assert_int_equal(loop_watch_want(link->watch, peer->is_mute ? 0 : LOOP_READABLE), 0);
}

void bench_call(struct bench_peer *callers, const struct peer_options *options, bool is_silent)
{
    struct bench *bench = callers->bench;
    struct sockaddr_in there = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof(there);
    int hall = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(hall, (struct sockaddr *)&there, sizeof(there)), 0);
    assert_int_equal(listen(hall, 1), 0);
    assert_int_equal(getsockname(hall, (struct sockaddr *)&there, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&there, sizeof(there)), 0);
    int accepted = accept4(hall, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    assert_int_equal(close(hall), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    struct bench_link *link = &callers->links[callers->accepted++];
    *link = (struct bench_link){ .of = callers, .fd = fd, .tls = options != NULL ? peer_new(options) : NULL };
    assert_int_equal(loop_watch_new(bench->loop, fd, on_link_readable, link, &link->watch), 0);
    assert_int_equal(loop_watch_want(link->watch, LOOP_READABLE), 0);
    struct endpoint peer = { fixture_address("127.0.0.1"), 1 };
    flow_pool_accept(bench->pool, accepted, &peer, options != NULL ? "edge" : "inside", options != NULL);
    if (options == NULL || is_silent)
        return;
    peer_step(link->tls, SLICE_ABSENT);
    link_send(link);
}

struct bench_peer *bench_peer(struct bench *bench, const struct peer_options *options, bool is_mute)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof(here);
    assert_in_range(bench->peer_count, 0, BENCH_PEERS_MAX - 1);
    struct bench_peer *peer = &bench->peers[bench->peer_count++];
    *peer = (struct bench_peer){ .bench = bench, .is_mute = is_mute, .is_plain = options == NULL };
    if (options != NULL)
        peer->options = *options;
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(peer->fd >= 0);
    assert_int_equal(bind(peer->fd, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(listen(peer->fd, 64), 0);
    assert_int_equal(getsockname(peer->fd, (struct sockaddr *)&here, &size), 0);
    peer->port = ntohs(here.sin_port);
    assert_int_equal(loop_watch_new(bench->loop, peer->fd, on_acceptable, peer, &peer->watch), 0);
    assert_int_equal(loop_watch_want(peer->watch, LOOP_READABLE), 0);
    return peer;
}

void bench_peer_speak(struct bench_peer *peer)
{
    peer->is_mute = false;
    for (unsigned i = 0; i < peer->accepted; i++)
        if (!peer->links[i].is_closed)
            assert_int_equal(loop_watch_want(peer->links[i].watch, LOOP_READABLE), 0);
}

struct slice bench_heard(const struct bench_peer *peer, unsigned link)
{
    assert_true(link < peer->accepted);
    return peer->links[link].tls != NULL ? peer_plain(peer->links[link].tls) : SLICE_ABSENT;
}

static void note_outcome(struct bench *bench, enum decision decision, enum reason reason,
    struct connection_facts *facts)
{
    assert_in_range(bench->done, 0, BENCH_OUTCOMES_MAX - 1);
    struct bench_outcome *outcome = &bench->outcomes[bench->done++];
    *outcome = (struct bench_outcome){ .decision = decision, .reason = reason };
    if (facts == NULL)
        return;
    outcome->handle = facts->handle;
    if (reason == REASON_NONE && !bench->is_answered)
        outcome->facts = connection_facts_ref(facts);
    outcome->level = facts->verdict.level;
    (void)slice_to_string(slice_of_string(facts->verdict.matched_name), outcome->identity, sizeof(outcome->identity));
}

void bench_answer(struct bench *bench, unsigned index)
{
    struct bench_outcome *outcome = &bench->outcomes[index];
    assert_true(index < bench->done && outcome->facts != NULL);
    connection_facts_end(outcome->facts);
    connection_facts_unref(outcome->facts);
    outcome->facts = NULL;
}

static void on_done(void *arg, struct placement *placement)
{
    note_outcome(arg, placement->decision, placement->reason, placement->facts);
    placement_free(placement);
}

/* As the relay step does it; the demand is for the placement. */
static enum reason build(struct bench *bench, const struct bench_peer *peer, const char *domain, const char *flags,
    struct requirement *requirement, struct demand **demand_r)
{
    const struct policy_lookup_order order = { .count = 1, .steps = { LOOKUP_DST } };
    struct flag_set set = FLAG_SET_EMPTY;
    struct why why = WHY_NONE;
    if (flags != NULL && flags_parse(slice_of_string(flags), &set, &why) != 0)
        fail_msg("%s", why.text);
    struct requirement_question question = { .query = { .next_hop_domain = domain }, .order = &order, .flags = &set,
        .target = { .transport = peer->is_plain ? TRANSPORT_TCP : TRANSPORT_TLS,
            .endpoint = { fixture_address("127.0.0.1"), peer->port }, .next_hop_domain = domain } };
    *demand_r = demand_new(&question);
    assert_non_null(*demand_r);
    return requirement_derive(bench->snapshot, &question, &bench->capabilities, &bench->defaults, requirement, &why);
}

static struct placement *make_placement(struct bench *bench, const struct bench_peer *peer, const char *domain,
    const char *flags)
{
    struct placement *placement = placement_new(NULL, bench->snapshot);
    assert_non_null(placement);
    enum reason reason = build(bench, peer, domain, flags, &placement->requirement, &placement->demand);
    if (reason != REASON_NONE) {
        note_outcome(bench, DECISION_REJECT, reason, NULL);
        placement_free(placement);
        return NULL;
    }
    placement->key = fixture_key_of(&placement->requirement);
    placement->done = on_done;
    placement->arg = bench;
    return placement;
}

struct placement *bench_ask(struct bench *bench, const struct bench_peer *peer, const char *domain, const char *flags,
    const char *text)
{
    struct placement *placement = make_placement(bench, peer, domain, flags);
    if (placement == NULL)
        return NULL;
    buffer_append_string(&placement->message, text);
    placement->client.generation = bench->is_answered ? 0 : 1;
    flow_pool_place(bench->pool, placement);
    return placement;
}

void bench_probe(struct bench *bench, const struct bench_peer *peer, const char *domain,
    struct certificate_chain *chain)
{
    struct placement *placement = make_placement(bench, peer, domain, NULL);
    assert_non_null(placement);
    flow_pool_probe(bench->pool, placement, chain);
}

struct decision_result bench_predict(struct bench *bench, const struct bench_peer *peer, const char *domain,
    const char *flags)
{
    struct requirement requirement;
    struct demand *demand;
    enum reason reason = build(bench, peer, domain, flags, &requirement, &demand);
    demand_unref(demand);
    if (reason != REASON_NONE)
        return (struct decision_result){ .decision = DECISION_REJECT, .reason = reason };
    struct connection_key key = fixture_key_of(&requirement);
    return flow_pool_consider(bench->pool, &requirement, &key, false);
}

void bench_until_done(struct bench *bench, unsigned count)
{
    fixture_until_count(bench->loop, &bench->done, count);
}

void bench_expect(const struct bench *bench, unsigned index, enum decision decision, enum reason reason)
{
    assert_true(index < bench->done);
    assert_string_equal(decision_name(bench->outcomes[index].decision), decision_name(decision));
    assert_string_equal(reason_word(bench->outcomes[index].reason), reason_word(reason));
}

bool bench_is_same(const struct bench *bench, unsigned a, unsigned b)
{
    return connection_handle_equal(bench->outcomes[a].handle, bench->outcomes[b].handle);
}
