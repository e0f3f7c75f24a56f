/* SPDX-License-Identifier: GPL-2.0-or-later */
/* response_context.h - the proxy core of one forwarded request: targets in, one best response out.
 * RFC 3261 16.6 to 16.8 and 16.10 with 4320, 5393 (Max-Breadth) and 6026.
 * In:    a server transaction and its targets in groups; what becomes of the branches.
 * Out:   start_branch(), next_address() and the other operations of layer.h; responses by the server transaction.
 * Where all targets that have something to say are quiet ones that nothing could be sent to, nobody answers: the server
 * transaction absorbs repetitions for 64*T1, or Timer F's time, and ends; until then a CANCEL has its 487.
 * Order: groups one after another, the branches of a group together as far as Max-Breadth allows; the addresses
 *        of one target one after another, each with a client transaction and a branch id of its own.
 */
#ifndef TRELAY_TRANSACTION_RESPONSE_CONTEXT_H
#define TRELAY_TRANSACTION_RESPONSE_CONTEXT_H

#include "base/attributes.h"
#include "base/slice.h"
#include "policy/reason.h"
#include "transaction/client_transaction.h"
#include "transaction/handle.h"
#include "transaction/server_transaction.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct response_context;
struct branch;
struct transaction_layer;

/* Becomes one branch. */
struct target {
    void *user;     /* the edge's; given back by branch_closed() */
    uint32_t group; /* lower ones first, equal ones in parallel; from a q value: 1000 - 1000 * q */
    bool is_quiet;  /* flag no-auto-477: when it cannot be sent there (reason_is_of_sending), it has no answer */
};

enum { MAX_BREADTH_DEFAULT = 60 }; /* RFC 5393 5.3.3 */

struct response_context_options {
    void *user;           /* the edge's; given back by context_closed() */
    uint32_t max_breadth; /* of the request, cut to our own maximum; 0: MAX_BREADTH_DEFAULT */
    bool no_100;          /* flag no-100 */
};

/* Starts the first group: start_branch() may run before this returns. A 100 goes to an INVITE first, unless no_100.
 * An INVITE that was cancelled meanwhile gets its 487, and no branch starts. *CONTEXT_R is set before anything runs
 * and good until context_closed(), which may also come before this returns. 0; ERROR_MEMORY, ERROR_STATE (no target,
 * answered already, has a context), ERROR_NOT_FOUND: nothing happened, targets and user stay the caller's. */
int response_context_start(struct transaction_layer *layer, struct transaction_handle server,
    const struct target *targets, size_t target_count, const struct response_context_options *options,
    struct response_context **context_r) MUST_CHECK;

/* One more target (serial forking by script, failure route). ERROR_STATE: answered or cancelled already, or nobody
 * will answer. */
int response_context_add(struct response_context *context, const struct target *target) MUST_CHECK;

/* After exhausted() said EXHAUSTED_WAIT: no more targets come, the best response goes. */
void response_context_resume(struct response_context *context);

/* Answers with a response of our own instead of the best one; pending branches are cancelled. Errors as
 * server_transaction_reply(). */
int response_context_reply(struct response_context *context, enum reason reason, const struct local_reply *reply)
    MUST_CHECK;

/* As a CANCEL from upstream: also for a caller that is gone or a node that shuts down. */
void response_context_cancel(struct response_context *context, enum reason reason);

void *response_context_user(const struct response_context *context);
/* NULL once the server transaction is gone. */
struct server_transaction *response_context_server(const struct response_context *context);
/* The request being forwarded; NULL once it is answered. */
struct sip_message *response_context_request(const struct response_context *context);

/* ---- branches ---- */

struct transaction_handle branch_handle(const struct branch *branch);
struct branch *branch_find(struct transaction_layer *layer, struct transaction_handle handle);
void *branch_user(const struct branch *branch);
struct response_context *branch_context(const struct branch *branch);
uint32_t branch_number(const struct branch *branch); /* 0, 1, 2 ... in the order given */
uint32_t branch_tries(const struct branch *branch);  /* client transactions made so far */
/* What goes into Max-Breadth of the forwarded request: at least 1, over the running branches never more than came. */
uint32_t branch_max_breadth(const struct branch *branch);
/* Last status received on it, 0: none; and why it failed here, NONE: it did not. */
unsigned branch_status(const struct branch *branch);
enum reason branch_reason(const struct branch *branch);

struct try_request {
    void *user;           /* the edge's: the hop; given back by client_closed() */
    struct slice origin;  /* who alone may answer: compared with what comes with the response; empty: anybody */
    struct slice sent_by; /* host of our Via, without brackets, which responses bring back; empty: not looked at */
    uint16_t sent_by_port;
    uint64_t loop_hash;   /* RFC 5393 4.2.1 */
    bool is_reliable;     /* transport of this address */
};

/* An address of the branch's target was chosen: makes its client transaction, whose branch id goes into our Via
 * (client_transaction_branch_id). Then client_transaction_placed() or _failed(). 0, ERROR_MEMORY, ERROR_LIMIT,
 * ERROR_STATE (the branch is over, cancelled, or has a transaction running), ERROR_NOT_FOUND: nothing was made. */
int branch_try(struct transaction_layer *layer, struct transaction_handle branch, const struct try_request *request,
    struct client_transaction **client_r) MUST_CHECK;

/* The target cannot be reached at all: no policy, no address, refused. At any time before a client transaction runs;
 * while one runs, client_transaction_failed() is for it. Does nothing for a branch that is over. */
void branch_failed(struct transaction_layer *layer, struct transaction_handle branch, enum reason reason);

/* An address was given up ahead of a client transaction, by REASON: a quiet target has an answer when it is no reason
 * of sending, whatever becomes of its other addresses. */
void branch_passed_over(struct transaction_layer *layer, struct transaction_handle branch, enum reason reason);

/* How the request ended, for the record and the log. */
struct response_summary {
    unsigned status;         /* sent upstream; 0: nothing (non-INVITE, RFC 4320; or quiet targets) */
    enum reason reason;      /* NONE: a next hop's answer; else why we answered so */
    bool is_cancelled;       /* by the caller, or by response_context_cancel() */
    struct branch *branch;   /* whose answer or failure it was; NULL: none. Good within the call. */
    uint32_t branch_count;   /* targets in all */
    uint64_t started_ms;     /* by the layer's clock */
    uint64_t ringing_ms;     /* first 101..199 sent upstream; 0: none */
    uint64_t answered_ms;
};

#endif
