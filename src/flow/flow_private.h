/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_private.h - the inside of the pool, shared by the files of this directory. */
#ifndef TRELAY_FLOW_FLOW_PRIVATE_H
#define TRELAY_FLOW_FLOW_PRIVATE_H

#include "base/list.h"
#include "base/table.h"
#include "flow/backoff.h"
#include "flow/flow_pool.h"
#include "flow/keepalive.h"
#include "log/log_limiter.h"
#include "net/stream.h"
#include "pkix/certificate.h"
#include "sip/framing.h"
#include "tls/client_hello.h"
#include "tls/tls_session.h"

struct flow {
    struct table_node by_key;       /* outbound ones, while requests may find them */
    struct table_node by_place;     /* unverified ones, while they may be upgraded */
    struct list_node all;
    struct list_node pending;       /* in order of age, for the time-outs of connect and handshake */
    struct list_node dirty;         /* has TLS output to be flushed at the end of the turn */
    struct list_node by_use;        /* among those of its class, silent longest first */
    struct list_node review;        /* is to be held against today's policy */
    enum flow_class class;
    struct flow_origin *origin;     /* accepted: what its address has */
    struct flow_pool *pool;
    struct connection_handle handle;
    enum connection_state state;
    struct stream *stream;
    struct endpoint peer;
    bool is_accepted, is_tls, is_exclusive, is_closing;
    bool is_broken;                 /* the TLS session is of no use any more: it ends at the end of the turn */
    bool is_probe;                  /* nobody's: it is looked at and ended */
    bool is_doubted;                /* its peer is to be proven anew when it is reviewed */

    struct placement *opener;       /* outbound, until ready: whose requirement opens it (INV-1) */
    struct connection_key *key;     /* outbound: frozen when dialled (INV-4) */
    const char *listener;           /* accepted */
    int64_t own_not_after;          /* accepted: of the certificate that we showed; INT64_MAX: none */
    struct list waiters;            /* of placements, the opener first */
    uint32_t waiter_count;

    struct client_hello_reader *hello; /* accepted TLS, until the certificate is chosen */
    struct tls_session *session;
    bool is_judged;                 /* the verdict is in */
    uint64_t judged_by;             /* generation of the policy that it was taken by */
    struct verdict *verdict;        /* while facts are not made */
    struct certificate_chain chain; /* as captured: for upgrades and re-validation */
    struct connection_facts *facts;
    void *farewell;                 /* for ops->closed() */

    struct sip_framing framing;
    struct buffer input;            /* plain text that is no whole message yet */

    int64_t pending_since_ms, message_since_ms;
    int64_t drained_ms;             /* since when it is draining */
    uint32_t revalidate_every_s;    /* the least that anyone who uses it asks for; 0: nobody does */
    int64_t proven_ms;              /* the last verdict on its peer, by the loop's clock */
    struct keepalive keepalive;     /* outbound */
    uint64_t requests;
    /* What each decision reads of it, together. */
    int64_t opened_at, deadline;    /* seconds since the epoch */
    int64_t opened_ms;              /* the same by the loop's clock, which nobody sets */
    int64_t used_ms;                /* something went either way; it became ready */
    uint32_t idle_timeout_s;        /* the least that anyone who uses it asks for */
    uint32_t max_age_s;             /* of the requirement that it was opened or upgraded for; 0: any */
};

struct flow_class_state {
    uint32_t count;
    struct list by_use;
};

struct flow_slot {
    struct flow *flow; /* NULL: free */
    uint32_t next_free;
};

struct flow_pool {
    struct flow_pool_settings settings;
    struct loop *loop;
    struct stream_environment streams;
    struct log_scope scope;
    struct log_scope strangers;     /* for connections of whom nothing is proven */
    struct log_limiter limiter;     /* of strangers */
    struct tls_context_cache *contexts;
    const struct flow_pool_ops *ops;
    void *arg;
    struct policy_snapshot *snapshot;
    struct table by_key;
    struct backoff_book failed_keys, failed_places; /* handshakes and verdicts; connects */
    struct table unverified;        /* by destination */
    struct list all, pending, dirty, dead, review;
    struct flow_class_state classes[FLOW_CLASS_COUNT];
    struct table origins;
    struct flow_slot *slots;
    uint32_t slot_count, free_slot;
    uint64_t next_generation;
    struct flow_pool_counts counts;
    struct loop_timer timer;
    struct loop_deferred flush, retire;
    struct buffer plain;            /* scratch of one read */
    int64_t swept_at;               /* seconds: the last look for idle and old connections */
    int64_t full_logged_at;
    bool is_draining;
};

static inline int64_t pool_now_ms(const struct flow_pool *pool)
{
    return (int64_t)loop_now_ms(pool->loop);
}

enum { NO_SLOT = UINT32_MAX };
/* The clock of a certificate's maker and ours may differ a little. */
enum { FLOW_CLOCK_SKEW_S = 5 };

/* flow.c */
int flow_new(struct flow_pool *pool, enum flow_class class, struct flow **flow_r) MUST_CHECK;
void flow_free(struct flow *flow);
/* Sends, or keeps for the end of the turn, what the TLS session has. */
void flow_mark_dirty(struct flow *flow);
int flow_flush(struct flow *flow) MUST_CHECK;
/* Plain text out; the caller has checked that it may. */
int flow_write(struct flow *flow, struct slice message) MUST_CHECK;
/* Takes it out of the tables and gives back its waiters with REASON; freed at the end of the turn. */
void flow_end(struct flow *flow, enum reason reason, const struct why *why);
/* The connection is what its key promises: published, waiters sent. */
void flow_ready(struct flow *flow);
/* Its stream ended. */
void flow_stream_ended(struct flow *flow, enum stream_end end, int os_error);

/* Its age, and its silence, count from now, when it is proven, however long the handshake took. */
void flow_begin_life(struct flow *flow, uint32_t max_age_s);
/* When it was opened, by the clock that shows it to be older: the wall's may have been set back, and that of the loop
 * stands still while the machine sleeps (INV-37). Its hard end, likewise. Seconds since the epoch. */
int64_t flow_opened_at(const struct flow *flow);
int64_t flow_deadline(const struct flow *flow);

/* Requests are under way on it, in either direction. */
bool flow_is_busy(const struct flow *flow);
/* It is not, and has been silent for too long, by who used it and by who would: see decide_is_idle(). */
int64_t flow_idle_ms(const struct flow *flow);
bool flow_is_idle(const struct flow *flow, uint32_t timeout_s);

/* A request under these terms is on it: pings as they say (RFC 5626). */
void flow_keep_alive(struct flow *flow, const struct requirement_terms *terms);
/* At each tick of a ready connection; false: its peer is gone. */
bool flow_is_kept_alive(struct flow *flow, int64_t now_ms, uint32_t tick_ms) MUST_CHECK;

/* flow_limit.c */
enum flow_class flow_class_of(const struct requirement_key *key);
/* A flow is in one class from its making to its end. */
void flow_class_join(struct flow *flow, enum flow_class class);
void flow_class_leave(struct flow *flow);
void flow_note_use(struct flow *flow);
/* For one more of CLASS; the second one ends the connection of that class that is needed least, if it must. */
bool flow_pool_has_room(const struct flow_pool *pool, enum flow_class class);
bool flow_pool_make_room(struct flow_pool *pool, enum flow_class class);
void flow_pool_note_full(struct flow_pool *pool, enum flow_class class, const struct endpoint *peer);
/* The address has as many accepted connections as one may have. */
bool flow_origin_is_full(const struct flow_pool *pool, const struct address *address);
int flow_origin_join(struct flow *flow) MUST_CHECK;
void flow_origin_leave(struct flow *flow);

/* flow_probe.c: what the peer presented, to whom waits for that alone. */
void flow_show(const struct flow *flow, struct placement *placement);

/* flow_open.c */
void flow_open(struct flow_pool *pool, struct placement *placement);
void flow_out_bytes(struct flow *flow, struct slice bytes);
/* What was negotiated, held against what KEY allows (INV-8). NONE, or why that cannot be known. */
enum reason flow_handshake_facts(const struct flow *flow, const struct requirement_key *key,
    struct handshake_facts *handshake_r);

/* flow_accept.c */
/* Its hard end, should its peer have proven what VERDICT says (NULL: nothing). */
int64_t flow_accepted_deadline(const struct flow *flow, const struct verdict *verdict);
/* By today's policy, for that listener and the name that the peer asked for; NULL: none any more. */
const struct server_profile *flow_profile_of(const struct flow *flow);
void flow_in_bytes(struct flow *flow, struct slice bytes);

/* flow_verdict.c: 0, or an error: the session is refused then and WHY says what for. May be called again. */
int flow_judge(struct flow *flow, const struct requirement *requirement, const struct server_profile *profile,
    struct why *why) MUST_CHECK;
/* The verdict on the captured chain by that requirement, now; nothing but *VERDICT_R changes. NONE, or why it fails. */
enum reason flow_verify(const struct flow *flow, const struct requirement *requirement, struct verdict *verdict_r);
enum reason flow_verify_accepted(const struct flow *flow, const struct server_profile *profile,
    struct verdict *verdict_r);
/* Facts of a connection whose handshake is complete. */
int flow_make_facts(struct flow *flow, struct why *why) MUST_CHECK;
/* Those that an outbound connection would have under KEY with that verdict. 0 or ERROR_MEMORY. */
int flow_facts_of(const struct flow *flow, const struct requirement *requirement, const struct connection_key *key,
    const struct verdict *verdict, int64_t deadline, struct connection_facts **facts_r) MUST_CHECK;

/* flow_upgrade.c */
/* Nothing is queued, unsent or unanswered on it. */
bool flow_is_quiescent(const struct flow *flow);
/* NONE: the connection is KEY's now. Else nothing has changed. */
enum reason flow_upgrade(struct flow *flow, const struct requirement *requirement, const struct connection_key *key);
/* What flow_upgrade() would find, without doing it. */
enum reason flow_upgrade_would(const struct flow *flow, const struct requirement *requirement,
    const struct connection_key *key);

/* flow_review.c */
/* Of two lengths the one that ends sooner; 0 is "never". */
uint32_t flow_shorter(uint32_t a, uint32_t b);
/* Every TLS connection that is ready, a few in each tick. IS_DOUBTED: their peers are proven anew. */
void flow_review_all(struct flow_pool *pool, bool is_doubted);
void flow_review_tick(struct flow_pool *pool);
/* Is it time to prove its peer anew, for TERMS (NULL: none) or for whoever used it before? */
bool flow_is_due(const struct flow *flow, const struct requirement_terms *terms, int64_t now_ms);
/* The peer is to be proven anew, soon. */
void flow_doubt(struct flow *flow);
/* A request under these terms is on it. */
void flow_note_terms(struct flow *flow, const struct requirement_terms *terms);
/* At once. NONE, or why no request may be placed on it any more; it drains then, or has ended. */
enum reason flow_review(struct flow *flow, bool is_doubted);

/* flow_input.c: plain text in. False: the flow was ended. */
bool flow_plain_bytes(struct flow *flow, struct slice plain);
bool flow_read_tls(struct flow *flow, struct slice bytes);

/* Today's policy gives PLACEMENT the same key still: NONE, and its requirement is today's; or VERDICT_STALE. */
enum reason flow_renew(struct flow_pool *pool, struct placement *placement);

/* flow_pool.c */
struct flow *flow_find(const struct flow_pool *pool, struct connection_handle handle);
/* It takes no new request and ends after the last one. DRAINING never becomes READY again (INV-30). */
void flow_drain(struct flow *flow);
/* It did not become what its key promises: the key waits (INV-20), or, while it was dialled, the place. */
void flow_failed(struct flow *flow);
/* Somebody is at the place. */
void flow_connected(struct flow *flow);
/* A connection of level encrypt that is ready: requests that need more may come to want it. */
void flow_pool_offer_unverified(struct flow *flow);
void flow_finish(struct placement *placement, enum decision decision, enum reason reason, const struct why *why);
void flow_place_on(struct flow *flow, struct placement *placement, enum decision decision);

#endif
