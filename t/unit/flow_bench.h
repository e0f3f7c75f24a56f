/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_bench.h - a pool with a real loop, real sockets on loopback and real TLS peers (OpenSSL), for tests of src/flow.
 * Policy is a snapshot of real rows: each request is looked up and its requirement built as the relay step does it.
 * A failure to set up ends the test.
 */
#ifndef TRELAY_UNIT_FLOW_BENCH_H
#define TRELAY_UNIT_FLOW_BENCH_H

#include "decide_fixture.h"
#include "flow/flow_pool.h"
#include "loop_fixture.h"
#include "pkix/trust_store.h"
#include "tls_peer.h"

enum { BENCH_OUTCOMES_MAX = 64, BENCH_PEERS_MAX = 16, BENCH_LINKS_MAX = 64 };

/* What became of one request. */
struct bench_outcome {
    enum decision decision;
    enum reason reason;
    struct connection_handle handle;
    enum level level;       /* that the connection has proven, or was opened for */
    char identity[64];      /* that it matched */
    struct connection_facts *facts; /* counted; of a request that is under way (bench->is_answered was false) */
};

struct bench;

/* One connection that a peer has accepted. */
struct bench_link {
    struct bench_peer *of;
    int fd;
    struct loop_watch *watch;
    struct peer *tls;     /* NULL: plain */
    bool is_closed;
};

/* A next hop: accepts, shakes hands, keeps what it hears. */
struct bench_peer {
    struct bench *bench;
    int fd;
    uint16_t port;
    struct loop_watch *watch;
    struct peer_options options;
    bool is_plain;
    bool is_mute;         /* accepts and reads nothing, until bench_peer_speak() */
    struct bench_link links[BENCH_LINKS_MAX];
    unsigned accepted, shaken, closed;
};

struct bench {
    struct loop *loop;
    struct net_scratch *scratch;
    struct tls_context_cache *contexts;
    struct flow_pool *pool;
    struct policy_snapshot *snapshot;
    uint64_t generation;
    struct flow_descriptors descriptors;
    struct capabilities capabilities;
    struct requirement_defaults defaults;
    bool is_answered;     /* requests are over as soon as they are sent; else with bench_answer() */
    /* in order of their ends */
    struct bench_outcome outcomes[BENCH_OUTCOMES_MAX];
    unsigned done, closed, messages;
    struct connection_handle sender, ended; /* of the last message, the last closed connection */
    struct bench_peer peers[BENCH_PEERS_MAX];
    unsigned peer_count;
};

/* CHANGE, if not NULL, adapts the settings: 8 connections of each class, 8 waiters, time-outs that do not strike. */
void bench_init(struct bench *bench, void (*change)(struct flow_pool_settings *settings));
void bench_fini(struct bench *bench);

/* A new policy: what ROWS puts into the builder, of the next generation, given to the pool. */
void bench_policy(struct bench *bench, void (*rows)(struct policy_builder *builder));

/* A certificate with its chain, by which a peer or we show ourselves. The issuers stay the caller's. */
struct identity bench_identity(struct pki_certificate *leaf, struct pki_certificate *intermediate);
void bench_identity_fini(struct identity *identity);
/* Who takes part: two authorities; certificates of the first, whose name is that of the domain, but for ours, which is
 * atlanta.example's, and theirs, which is so, too, with another key; alone has signed itself.
 * For the set-up and the end of a group of tests. */
struct bench_cast {
    struct pki_certificate *root, *other_root;
    struct identity biloxi, caller, ours, theirs, alone;
};
extern struct bench_cast cast;
int bench_make_cast(void **state);
int bench_free_cast(void **state);

/* The same as row, named NAME, content by digest; the credential is counted once more for the builder. */
struct policy_credential bench_credential(const char *name, const struct identity *identity);
/* A trust set of one or two anchors. */
struct policy_trust_set bench_trust_set(const char *name, const struct pki_certificate *anchor,
    const struct pki_certificate *other);
const struct policy_release_ops *bench_release_ops(void);

/* A peer on a port of 127.0.0.1. OPTIONS are copied; NULL: plain TCP. */
struct bench_peer *bench_peer(struct bench *bench, const struct peer_options *options, bool is_mute);
#define BENCH_PEER(bench, ...) \
    bench_peer((bench), &(const struct peer_options){ .is_server = true, __VA_ARGS__ }, false)
void bench_peer_speak(struct bench_peer *peer);
/* What link N of the peer has heard. */
struct slice bench_heard(const struct bench_peer *peer, unsigned link);

/* Somebody connects to the pool, on listener "edge" (TLS) where there are OPTIONS, else "inside" (TCP). IS_SILENT: and
 * says nothing. CALLERS, from bench_peer(), holds the connection's other end. */
void bench_call(struct bench_peer *callers, const struct peer_options *options, bool is_silent);

/* A request for DOMAIN to the peer, with FLAGS (NULL: none); TEXT is what goes over the wire. The placement lives until
 * its outcome; NULL when it was refused before it reached the pool: the outcome says why. */
struct placement *bench_ask(struct bench *bench, const struct bench_peer *peer, const char *domain, const char *flags,
    const char *text);
/* A handshake for the same, without a request; its outcome is kept likewise. */
void bench_probe(struct bench *bench, const struct bench_peer *peer, const char *domain,
    struct certificate_chain *chain);
/* What explain() would predict. */
struct decision_result bench_predict(struct bench *bench, const struct bench_peer *peer, const char *domain,
    const char *flags);
/* The response to what outcome INDEX sent is there. */
void bench_answer(struct bench *bench, unsigned index);
void bench_until_done(struct bench *bench, unsigned count);

void bench_expect(const struct bench *bench, unsigned index, enum decision decision, enum reason reason);
bool bench_is_same(const struct bench *bench, unsigned a, unsigned b);

#endif
