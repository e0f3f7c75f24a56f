/* SPDX-License-Identifier: GPL-2.0-or-later */
/* layer.h - all transactions of one worker: the door between the edge and the transaction machines.
 * In:    requests, responses, failures, and the time. Out: calls of struct transaction_ops.
 * Never: waits, sends, logs or reads a clock. One thread. What it is handed by slice it copies when it keeps it.
 *
 * Order of calls. Any function may be called from within an operation, but transaction_layer_advance() and
 * _free(). What follows from a call may happen before it returns or, inside an operation, when the outermost
 * call returns; objects end there too. Handles that are stale do no harm: ERROR_NOT_FOUND or nothing.
 */
#ifndef TRELAY_TRANSACTION_LAYER_H
#define TRELAY_TRANSACTION_LAYER_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slab.h"
#include "base/slice.h"
#include "policy/reason.h"
#include "sip/message.h"
#include "transaction/branch_id.h"
#include "transaction/client_transaction.h"
#include "transaction/response_context.h"
#include "transaction/server_transaction.h"
#include "transaction/step.h"
#include "transaction/timer_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What send_request() is handed. */
enum client_send {
    CLIENT_SEND_NONE = 0,
    CLIENT_SEND_AGAIN, /* the request once more (unreliable transport only) */
    CLIENT_SEND_ACK,   /* for a non-2xx final */
    CLIENT_SEND_CANCEL /* first or repeated */
};

enum exhausted {
    EXHAUSTED_SEND = 0, /* the best response goes upstream */
    EXHAUSTED_WAIT      /* the edge has added targets, or will add, _resume() or _reply() later */
};

/* All are called, none may be NULL. ARG is the layer's. Slices and messages are good within the call. */
struct transaction_ops {
    /* -- the wire -- */

    /* HOP: where the request, repetition or CANCEL came from that this answers on the spot (struct request_arrival);
     * may be newer than what the edge hung on SERVER, which for a CANCEL is nothing. NULL: none arrived just now.
     * A failure is told by server_transaction_send_failed(). */
    void (*send_response)(void *arg, struct server_transaction *server, struct slice bytes, void *hop);
    /* On the hop of the transaction, or to the same address under the same requirement (RFC 5923 8.1); it never
     * resolves anew (RFC 3263 4). False: there was no memory for a CANCEL, and it is worth another try in a while. */
    bool (*send_request)(void *arg, struct client_transaction *client, enum client_send what, struct slice bytes);

    /* -- forwarding -- */

    /* Resolve, decide, and for an address: branch_try(), compose with the branch id, hand to the transport,
     * client_transaction_placed(). Or branch_failed(). At once or later. */
    void (*start_branch)(void *arg, struct branch *branch);
    /* The address failed by REASON, or answered 503 (STATUS; else 0). True: there is another address, and the edge
     * does as in start_branch(). False: the branch ends with this failure. */
    bool (*next_address)(void *arg, struct branch *branch, enum reason reason, unsigned status);
    /* The branch is over before a transaction ran (cancelled): stop resolving. */
    void (*stop_branch)(void *arg, struct branch *branch);
    /* The request waits perhaps in a queue behind a handshake and is cancelled. True: taken out, no byte has left
     * nor will leave. False: it has left, or that cannot be known. */
    bool (*withdraw)(void *arg, struct client_transaction *client);
    /* A response arrived on a branch, before anything is done with it (script, statistics). */
    void (*response_seen)(void *arg, struct branch *branch, struct sip_message *response);
    /* All branches are over without 2xx or 6xx; STATUS would go upstream (0: nothing would). */
    enum exhausted (*exhausted)(void *arg, struct response_context *context, unsigned status, enum reason reason);
    /* A final response of our own is made: append whole header lines (Warning 399, Retry-After) to LINES. BRANCH:
     * whose failure it reports, or NULL. */
    void (*describe)(void *arg, struct response_context *context, unsigned status, enum reason reason,
        struct branch *branch, struct buffer *lines);
    /* The request is answered, or given up. Once for each context. */
    void (*answered)(void *arg, struct response_context *context, const struct response_summary *summary);

    /* -- ends of objects: what the edge hung on them is its own again; USER is never NULL -- */
    void (*server_closed)(void *arg, void *user);
    void (*client_closed)(void *arg, void *user);
    void (*branch_closed)(void *arg, void *user);
    void (*context_closed)(void *arg, void *user);

    /* Every step of every machine; NEXT is NONE when the event was illegal, and nothing happened. */
    void (*trace)(void *arg, enum machine machine, struct transaction_handle handle, enum transaction_state state,
        enum transaction_event event, enum transaction_state next);
};

struct transaction_layer_settings {
    uint32_t worker;                  /* below 65536; stands in branch ids */
    uint32_t max_servers;             /* server transactions at one time; 0: no limit */
    uint64_t hash_seed;               /* random, per process */
    struct transaction_secret secret; /* random, per process, one for all workers */
    struct timer_settings timers;     /* checked */
    struct slab *memory;              /* of this thread, outlives the layer; NULL: malloc's */
};

struct transaction_layer;

/* OPS and ARG must outlive the layer. 0, ERROR_MEMORY, or ERROR_LIMIT (worker). */
int transaction_layer_new(const struct transaction_layer_settings *settings, const struct transaction_ops *ops,
    void *arg, uint64_t now_ms, struct transaction_layer **layer_r) MUST_CHECK;
/* Ends all transactions without sending anything; the _closed operations are called. */
void transaction_layer_free(struct transaction_layer *layer);

/* The time of this turn, in milliseconds of a clock that never runs backwards: runs the timers that are due. Call it
 * first in each turn and when transaction_layer_next_ms() is reached. */
void transaction_layer_advance(struct transaction_layer *layer, uint64_t now_ms);
/* UINT64_MAX: nothing to wait for. */
uint64_t transaction_layer_next_ms(const struct transaction_layer *layer);

struct request_arrival {
    struct sip_message *message;   /* a CANCEL is judged here; a reference is taken when it is kept */
    struct slice origin;           /* authenticated peer, else source address and port (see transaction_key.h) */
    const struct endpoint *source; /* for received and rport of our own responses; NULL: leave the Via as it is */
    void *hop;                     /* handed to send_response() when this is answered on the spot */
    bool is_reliable;
};

#define REQUEST_OUTCOME_LIST(X)                                                                                     \
    X(REQUEST_NEW, "new") /* the caller decides, then response_context_start() or server_transaction_reply() */      \
    X(REQUEST_REPEATED, "repeated")                 /* absorbed; the last response went out again, if any */          \
    X(REQUEST_ACK_ABSORBED, "ack-absorbed")         /* ACK of a non-2xx final */                                      \
    X(REQUEST_ACK_FORWARD, "ack-forward")           /* ACK of a 2xx, or of nothing we know: forward it statelessly */ \
    X(REQUEST_CANCEL_MATCHED, "cancel-matched")     /* answered 200; branches of an INVITE are being cancelled */     \
    X(REQUEST_CANCEL_UNMATCHED, "cancel-unmatched") /* forward it statelessly where policy allows, else 481 */        \
    X(REQUEST_REFUSED, "refused") /* no memory: 503, statelessly; a CANCEL works all the same */                     \
    X(REQUEST_CROWDED, "crowded") /* max_servers, outside of dialogs all but an eighth of it: 503, statelessly */    \
    X(REQUEST_UNREADABLE, "unreadable")             /* a field of the key is missing, or it is a bad CANCEL: 400 */

enum request_outcome {
    REQUEST_OUTCOME_NONE = 0,
#define X(code, name) code,
    REQUEST_OUTCOME_LIST(X)
#undef X
        REQUEST_OUTCOME_COUNT
};
const char *request_outcome_name(enum request_outcome outcome);

/* *SERVER_R is set with NEW, and with REPEATED, ACK_ABSORBED and CANCEL_MATCHED to the transaction that was met (the
 * INVITE's for a CANCEL); else to NULL. An ACK of a 2xx has a branch of its own and so meets no transaction, or, from
 * old clients, meets the INVITE's in state Accepted: both are ACK_FORWARD. */
enum request_outcome transaction_layer_request(struct transaction_layer *layer, const struct request_arrival *arrival,
    struct server_transaction **server_r);

#define RESPONSE_OUTCOME_LIST(X)                                                                          \
    X(RESPONSE_TAKEN, "taken")                /* by its transaction */                                    \
    X(RESPONSE_FOREIGN, "foreign")            /* top Via or branch is not ours: drop (RFC 3261 18.1.2) */ \
    X(RESPONSE_ELSEWHERE, "elsewhere")        /* another worker's: see transaction_layer_worker_of() */   \
    X(RESPONSE_UNMATCHED, "unmatched")        /* its transaction is over: drop (RFC 6026 8.2) */          \
    X(RESPONSE_NO_VIA, "no-via")              /* ours is the only Via: nobody to send it to (16.7(3)) */   \
    X(RESPONSE_WRONG_METHOD, "wrong-method")  /* CSeq names another request: drop (17.1.3) */             \
    X(RESPONSE_WRONG_ORIGIN, "wrong-origin")  /* not from where the request went: drop */

enum response_outcome {
    RESPONSE_OUTCOME_NONE = 0,
#define X(code, name) code,
    RESPONSE_OUTCOME_LIST(X)
#undef X
        RESPONSE_OUTCOME_COUNT
};
const char *response_outcome_name(enum response_outcome outcome);

/* The top Via must be ours, sent-by included (18.1.2). ORIGIN: who sent it, in the form that branch_try() was given. */
enum response_outcome transaction_layer_response(struct transaction_layer *layer, struct sip_message *response,
    struct slice origin);

/* Which worker a response belongs to. False: no branch of ours. SECRET is that of the process. */
bool transaction_layer_worker_of(const struct sip_message *response, const struct transaction_secret *secret,
    uint32_t *worker_r);

/* For metrics and for tests. */
struct transaction_counts {
    size_t servers, clients, contexts, branches;
    uint64_t illegal_events;
};
struct transaction_counts transaction_layer_counts(const struct transaction_layer *layer);

#endif
