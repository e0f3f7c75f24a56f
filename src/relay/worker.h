/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker.h - one worker: a loop, its sockets, connections, transactions; private to src/relay. */
#ifndef TRELAY_RELAY_WORKER_H
#define TRELAY_RELAY_WORKER_H

#include "account/record_batch.h"
#include "base/slab.h"
#include "flow/backoff.h"
#include "flow/flow_pool.h"
#include "log/log_limiter.h"
#include "loop/thread.h"
#include "net/listener.h"
#include "net/locate.h"
#include "net/udp.h"
#include "relay/hop_table.h"
#include "relay/relay.h"
#include "relay/routing.h"
#include "transaction/layer.h"

#include <pthread.h>
#include <stdatomic.h>

struct worker;
struct live_wait;

struct relay {
    const struct relay_settings *settings;
    struct log_scope scope;
    relay_record_fn *record;
    void *record_arg;
    relay_question_fn *ask; /* NULL: there is nobody to ask */
    void *ask_arg;
    uint64_t hash_seed;
    struct transaction_secret secret;
    struct capabilities capabilities;
    struct tls_context_cache *contexts;
    struct flow_descriptors unverified;
    atomic_int_least64_t policy_confirmed_at; /* seconds since the epoch */
    pthread_mutex_t lock;   /* of snapshot */
    struct policy_snapshot *snapshot; /* counted; what workers are to take */
    struct worker *workers; /* settings->worker_count of them */
    uint32_t worker_count;  /* made so far */
};

struct worker_counts {
    atomic_uint_fast64_t requests, responses, refused, dropped, transactions, held, records_lost, records_withheld,
        pins_refused;
};

/* Requests that wait for the database to say that the policy is its own; see live.h. */
struct live {
    struct relay_question question;
    struct list waiting;  /* for the next question */
    struct list asked;    /* for the one under way */
    struct list answered; /* as that says, in one of the next turns */
    uint32_t ack_count;   /* of those that wait: no limit of transactions counts them */
    bool is_asking;       /* until all answered ones have gone on */
};

struct worker {
    struct relay *relay;
    uint32_t index;
    struct thread *thread;
    struct loop *loop;
    struct mailbox *mailbox;
    struct net_scratch *scratch;
    struct slab memory;          /* of what belongs to one transaction */
    struct log_scope scope;
    struct log_scope strangers;  /* for what who is not accepted, or means no good, can make us say */
    struct log_limiter limiter;  /* of strangers */
    struct udp_port *udps; /* one for each listener of settings; udp NULL where it is a stream */
    struct accept_port *accepts; /* of worker 0, which accepts for all */
    struct flow_pool *pool;
    struct transaction_layer *layer;
    struct resolver *resolver;
    struct policy_snapshot *snapshot;
    struct loop_timer timer;     /* the layer's next time */
    uint64_t timer_set_for;
    struct loop_hook before, after;
    struct record_batch *records; /* not handed over yet: a wake-up for each would be dear; NULL: none */
    struct loop_timer record_timer;
    struct {
        int64_t second;          /* since the epoch */
        uint32_t records;        /* made in it of requests of strangers: who floods us does not flood the table, too */
    } stranger_share;
    struct live live;
    struct hop_table hops;       /* tries under way, by connection */
    struct backoff_book silent;  /* places that datagrams went to and nothing came back from */
    struct backoff_book unavailable; /* keys under which a 503 with Retry-After came */
    struct buffer text, message; /* scratch of one composition */
    struct worker_counts counts;
    struct sip_limits limits;
    uint64_t next_stateless;
    struct list stateless;       /* relay steps without a transaction */
    struct mail attention;       /* posted while orders are there */
    atomic_uint orders;
    bool is_draining, is_stopping;
};

/* Who alone may answer a request, as the transaction layer compares it: of datagrams the address; of connections the
 * key, by its digest (INV-2), of which FACTS tells. FACTS NULL: nobody yet. */
enum { RESPONSE_ORIGIN_SIZE = 1 + DIGEST_SIZE };
struct slice response_origin(enum transport transport, const struct connection_facts *facts,
    const struct endpoint *peer, uint8_t out[RESPONSE_ORIGIN_SIZE]);

struct udp_port {
    struct worker *worker;
    const struct listener_settings *listener;
    struct udp *udp;
};

struct accept_port {
    struct worker *worker;
    struct listener *accepting; /* NULL where it is UDP */
    const struct listener_settings *listener;
};

/* Where a request came from, and so where its responses go. */
struct upstream {
    const struct listener_settings *listener;
    enum transport transport;
    struct endpoint source;
    struct endpoint reply_to;         /* of datagrams: RFC 3261 18.2.2 with RFC 3581 */
    struct connection_handle handle;  /* of streams */
    struct connection_facts *facts;   /* of streams; borrowed or counted, as the holder says */
    struct live_wait *wait;           /* of a kept one: its request waits for the policy; NULL: it does not */
};

/* One request on its way through the relay, until it is answered. Counted by the transaction layer's objects, on one
 * thread. What outlives it for repetitions is upstream_keep()'s alone. */
struct exchange {
    unsigned references;
    struct worker *worker;
    struct upstream upstream;          /* facts counted */
    struct policy_snapshot *snapshot;  /* counted: one snapshot rules the whole request (INV-46) */
    struct sip_message *request;       /* counted */
    const struct peer_rule *peer;      /* in the snapshot */
    struct transaction_handle server;
    int64_t started_us;
    char source_domain[DOMAIN_NAME_SIZE], request_domain[DOMAIN_NAME_SIZE]; /* "" when there is none */
    bool is_current;                   /* the snapshot is known to be younger than the request */
    enum level level_floor;            /* the strictest that a target had to meet so far */
    enum level group_floor;            /* likewise, of the groups before this one */
    uint32_t group;                    /* the one whose targets are being tried */
    struct routing_edits edits;
    struct dialog_pin *pin;            /* that it brought, valid, to_callee being the way it goes; NULL: none */
    uint64_t loop_hash;                /* RFC 5393 4.2.1 */
    uint32_t max_breadth;              /* likewise 5.3.3 */
    struct buffer text, pushes;        /* what the edits and next hops point into */
};

/* One target of an exchange: the relay step, t_relay. */
struct relay_step {
    struct list_node node;             /* without a transaction: in the worker's list */
    struct exchange *exchange;         /* counted */
    struct transaction_handle branch;
    struct sip_uri next_hop;           /* in the exchange's message, snapshot or text */
    char next_hop_domain[DOMAIN_NAME_SIZE]; /* "" for an address */
    struct slice route_push;
    const struct route *route;
    uint32_t group;
    enum level level_floor;            /* the strictest that one of its addresses had to meet so far */
    struct flag_set *flags;            /* NULL: none */
    const struct policy_lookup_order *usual_lookup; /* what that of the sender's flags stands for; NULL: he has none */
    bool is_senders_trust;             /* trust in the flags is his */
    struct policy_snapshot *snapshot;  /* counted: a later one than the exchange's, by which it is decided; or NULL */
    struct demand *demand;             /* counted; NULL until a connection is asked for */
    uint8_t renewals;                  /* how often it was decided anew */
    bool is_address_of_row;            /* the row names the addresses */
    struct requirement_rule rule;      /* its row NULL: known by address only */
    struct locate *locating;
    struct locate_target *targets;     /* addresses */
    size_t target_count, target_next;
    bool is_last;                      /* no other target of the request comes behind it */
    bool is_heard;                     /* the last try got a response */
    uint64_t key_hash;                 /* of its connection key */
    /* the last try, for the record */
    struct locate_target target;
    const struct outbound_policy *used_row;
    bool is_pinned;                    /* that is the row of the dialog's pin */
    enum decision decision;
    enum level level;
    char expected_domain[DOMAIN_NAME_SIZE];
    struct connection_facts *facts;    /* counted */
    struct why why;
};

/* One try: where the client transaction's messages go. */
struct hop {
    struct list_node by_connection;
    struct worker *worker;
    struct transaction_handle client, branch;
    enum transport transport;
    struct endpoint target;
    struct udp *udp;                   /* of datagrams */
    struct connection_handle handle;   /* generation 0 until it is placed */
    struct connection_facts *facts;    /* counted, of that connection, on which this request is under way */
    struct placement *placement;       /* under way; it comes back by placement->done() */
};

/* hop.c */
struct hop *hop_new(const struct relay_step *step); /* NULL when there is no memory */
/* It is under way on that connection, whose count of requests has it, and on no other any more. From now on the end of
 * that connection is the end of this try, and connections of its key may answer: one that has no digest of it is one of
 * accepted ones, or found no memory, and answers nothing. */
void hop_is_on(struct hop *hop, struct connection_facts *facts);
void hop_free(struct hop *hop);

/* exchange.c */
struct exchange *exchange_new(struct worker *worker, const struct upstream *upstream, struct sip_message *request);
struct exchange *exchange_ref(struct exchange *exchange);
/* A copy for the server transaction, with its reference of the facts; NULL when there is no memory. */
struct upstream *upstream_keep(struct worker *worker, const struct upstream *upstream);
/* The peer is there on another connection. */
void upstream_follow(struct upstream *kept, const struct upstream *now);
void upstream_let_go(struct worker *worker, struct upstream *kept);
void exchange_unref(struct exchange *exchange);
void relay_step_free(struct relay_step *step);
/* Hands the records that wait to whoever wants them. */
void worker_flush_records(struct worker *worker);
/* Writes the record of an answered request. STEP: the one that counted, or NULL. */
void exchange_account(struct exchange *exchange, const struct relay_step *step, unsigned status, enum reason reason,
    const char *detail);

/* receive.c: everything that comes in */
void worker_receive(struct worker *worker, const struct upstream *upstream, struct sip_message *message);
void worker_receive_defect(struct worker *worker, const struct upstream *upstream, struct slice bytes,
    const struct sip_defect *defect);
void worker_receive_datagram(void *arg, struct slice datagram, const struct endpoint *source);
void upstream_of_connection(struct worker *worker, struct connection_facts *facts, const char *listener,
    struct upstream *upstream_r);

/* request.c */
void worker_new_request(struct worker *worker, const struct upstream *upstream, struct sip_message *request,
    struct server_transaction *server);
void worker_forward_ack(struct worker *worker, const struct upstream *upstream, struct sip_message *ack);
/* A response of our own without a transaction. */
void worker_reply_stateless(struct worker *worker, const struct upstream *upstream, struct sip_message *request,
    unsigned status, enum reason reason, const char *detail);
/* Whether MESSAGE is the ACK of such a response: nobody else waits for it (8.2.7). */
bool worker_answered_stateless(const struct worker *worker, const struct sip_message *message);
/* A chain that has expired meanwhile proves nothing: its connection may have a moment left (INV-37). */
bool upstream_is_proven(const struct worker *worker, const struct upstream *upstream);
/* Whether a peer row accepts that sender. */
bool worker_admits(const struct worker *worker, const struct upstream *upstream);
/* "Warning: 399 node \"word: detail\"" */
void append_warning(const struct worker *worker, enum reason reason, const char *detail, struct buffer *lines);

/* t_relay.c */
void t_relay_start(struct relay_step *step);
/* REASON: why the last one failed. */
bool t_relay_next_address(struct relay_step *step, enum reason reason);
/* Outside a transaction: the ACK of a 2xx. Frees STEP when done. */
void t_relay_stateless(struct relay_step *step);
/* CANCEL or ACK, whose connection is gone: to the same address, under the same requirement (RFC 5923 8.1). False: it
 * goes nowhere. */
bool t_relay_send_again(struct relay_step *step, const struct hop *hop, struct slice bytes);
/* The worker's part of placement->done(). */
void t_relay_placed(struct worker *worker, struct placement *placement);

/* transmit.c */
void transmit_to_upstream(struct worker *worker, const struct upstream *upstream, struct slice bytes, bool *is_sent_r);
/* ERROR_NOT_FOUND: its connection is gone (when that turns out later: worker_send_again()). ERROR_MEMORY: there is none
 * to hand it to the worker of its connection, which may well stand. */
int transmit_on_hop(struct worker *worker, const struct hop *hop, struct transaction_handle client,
    enum client_send what, struct slice bytes);
/* operations.c: what belonged on a connection that is gone, on another one of the same key, or it is undeliverable. */
void worker_send_again(struct worker *worker, struct transaction_handle client, enum client_send what,
    struct slice bytes);
/* WHAT went nowhere; TARGET may be NULL. */
void transmit_undeliverable(struct worker *worker, const char *what, struct slice call_id,
    const struct endpoint *target);
/* The socket for a datagram to TARGET, and the listener that stands for it; NULL: there is none. */
struct udp_port *transmit_udp(struct worker *worker, const struct endpoint *target);
/* UDP may be NULL. False: it cannot be sent at all. */
bool transmit_datagram(struct worker *worker, struct udp *udp, struct slice bytes, const struct endpoint *target);

/* operations.c: what the transaction layer asks for */
const struct transaction_ops *worker_operations(void);

#endif
