/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_pool.h - the connections of one worker: found by key, opened, joined, reused, aged, closed.
 * In:    placements of its own worker's relay and of others; accepted sockets; bytes.
 * Out:   each placement once, with its outcome; whole SIP messages; the end of connections.
 * Never: puts a message on a connection whose key is not the message's own (INV-4, INV-5, INV-28), or a SIP byte
 *        on the wire, or off it, before the verdict (INV-18).
 */
#ifndef TRELAY_FLOW_FLOW_POOL_H
#define TRELAY_FLOW_FLOW_POOL_H

#include "flow/connection_facts.h"
#include "flow/placement.h"
#include "log/log.h"
#include "loop/loop.h"
#include "net/net_scratch.h"
#include "policy/snapshot.h"
#include "sip/message.h"
#include "tls/tls_context.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct flow_pool;

/* What the pool tells its owner, on the worker's thread. */
struct flow_pool_ops {
    /* A whole message; the receiver takes its own reference if it keeps it. FACTS are the connection's. */
    void (*message)(void *arg, struct connection_facts *facts, const char *listener, struct sip_message *message);
    /* Bytes that are no message: BYTES may be salvaged for an answer (flow_pool_send), then the pool closes. */
    void (*defect)(void *arg, struct connection_facts *facts, const char *listener, struct slice bytes,
        const struct sip_defect *defect);
    /* The connection is gone: responses of its transactions will not come. FAREWELL is prepare()'s, and taken. */
    void (*closed)(void *arg, struct connection_handle handle, enum reason reason, void *farewell);
    /* What closed() needs, made with the connection, for at its end there may be no memory; malloc's, and freed by the
     * pool where closed() is not called. False: no memory, and so no connection. The function NULL: nothing. */
    bool (*prepare)(void *arg, void **farewell_r);
};

/* Each has a budget of its own (INV-34): code, word, whether the peer has proven itself. */
#define FLOW_CLASS_LIST(X)                                                                               \
    X(FLOW_ACCEPTED, "accepted", false)                  /* nothing is proven, or not yet */             \
    X(FLOW_ACCEPTED_VERIFIED, "accepted_verified", true)                                                 \
    X(FLOW_OPENED, "opened", false)                      /* for level none or encrypt */                 \
    X(FLOW_OPENED_VERIFIED, "opened_verified", true)     /* for level chain or domain, from the dial on */

enum flow_class {
#define X(code, word, verified) code,
    FLOW_CLASS_LIST(X)
#undef X
        FLOW_CLASS_COUNT
};
const char *flow_class_name(enum flow_class class);

/* The process has so many file descriptors: what unverified connections of all workers may have of them. */
struct flow_descriptors {
    atomic_uint used;
    uint32_t max;
};

struct flow_pool_settings {
    uint32_t worker;
    uint64_t hash_seed;
    struct sip_limits limits;
    uint32_t max[FLOW_CLASS_COUNT];
    uint32_t max_each;                   /* accepted from one address */
    struct flow_descriptors *unverified; /* shared by all pools; NULL: no limit but those of the classes */
    uint32_t max_waiters;
    uint32_t connect_timeout_ms, handshake_timeout_ms, message_timeout_ms;
    uint32_t idle_timeout_s, max_age_s; /* of accepted connections */
    uint32_t drain_timeout_ms;           /* one that is to end waits for what is under way, at most so long */
    uint32_t backoff_ms, backoff_max_ms; /* after the first failure, and at most */
    struct capabilities capabilities;
};

int flow_pool_new(const struct flow_pool_settings *settings, struct loop *loop, struct net_scratch *scratch,
    const struct log_scope *scope, struct tls_context_cache *contexts, const struct flow_pool_ops *ops, void *arg,
    struct flow_pool **pool_r) MUST_CHECK;
void flow_pool_free(struct flow_pool *pool);

/* The snapshot by which connections are judged and requests placed from now on; counted once more. An earlier one than
 * the pool has is passed over. */
void flow_pool_set_snapshot(struct flow_pool *pool, struct policy_snapshot *snapshot);

/* Decides and acts; placement->done() is called now or later. */
void flow_pool_place(struct flow_pool *pool, struct placement *placement);

/* A connection of its own for PLACEMENT, which has no message, whatever others there are and failed; nobody else is
 * placed on it, and the caller closes it. CHAIN is filled with what the peer presented, also when that was refused. */
void flow_pool_probe(struct flow_pool *pool, struct placement *placement, struct certificate_chain *chain);

/* What flow_pool_place() would decide now, without acting; that an upgrade would succeed is found out, too. HAS_OTHER
 * as of a placement. */
struct decision_result flow_pool_consider(struct flow_pool *pool, const struct requirement *requirement,
    const struct connection_key *key, bool has_other);

/* Takes FD, a connected socket that LISTENER (a name that lives as long as the pool) accepted. */
void flow_pool_accept(struct flow_pool *pool, int fd, const struct endpoint *peer, const char *listener, bool is_tls);

/* For responses, ACK and CANCEL, which go where their request came from or went: ERROR_NOT_FOUND when the connection
 * is gone, and then nothing is sent. FACTS: those that it had when our request was placed on it: likewise when they are
 * not its facts any more (INV-36); NULL for responses, which go to the same peer whatever it has proven since. */
int flow_pool_send(struct flow_pool *pool, struct connection_handle handle, const struct connection_facts *facts,
    struct slice message) MUST_CHECK;

/* Whether a response can still go there. */
bool flow_pool_carries(const struct flow_pool *pool, struct connection_handle handle);

/* ERROR_NOT_FOUND when there is none. Open requests of other connections are untouched. */
int flow_pool_close(struct flow_pool *pool, struct connection_handle handle, enum reason reason) MUST_CHECK;

/* What failed a moment ago may be tried again. */
void flow_pool_forget_failures(struct flow_pool *pool);
/* After a reload, when its policy is the pool's. Dropped are pending handshakes, too; any other value than the three
 * drops. */
void flow_pool_renew(struct flow_pool *pool, enum reload_mode mode);

/* No new requests on any connection: they end when they are silent. */
void flow_pool_drain(struct flow_pool *pool);

struct flow_status {
    enum connection_state state;
    struct connection_facts *facts;   /* NULL while it is not ready; borrowed for the call */
    const struct connection_key *key; /* NULL of accepted ones */
    struct endpoint peer;
    bool is_accepted;
    uint64_t requests;                /* sent and received on it, ACK and CANCEL among them */
    uint32_t in_flight;               /* transactions under way on it, in either direction */
    uint32_t waiters;
    int64_t opened_at, used_at;       /* seconds since the epoch; counted back, so that they may waver by one */
    int64_t proven_at, deadline;      /* likewise; 0: nothing is proven; INT64_MAX: none */
    struct connection_handle handle;
};
void flow_pool_visit(struct flow_pool *pool, void (*visit)(void *arg, const struct flow_status *status), void *arg);

struct flow_pool_counts {
    uint64_t opened, accepted, reused, joined, upgraded, refused, failed, closed;
    uint32_t connections, classes[FLOW_CLASS_COUNT];
};
struct flow_pool_counts flow_pool_counts(const struct flow_pool *pool);

#endif
