/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_edge.h - an edge for the tests of src/transaction: a clock, an upstream and destinations made up.
 * In:    what a test lets happen. Out: a log of what the layer asks for, one line each (see below).
 * Checked on the way: nothing is sent for what was closed or to an address too early or too late, everything is
 * closed once, finals do not change, RFC 4320 is kept.
 */
#ifndef TRELAY_UNIT_TRANSACTION_EDGE_H
#define TRELAY_UNIT_TRANSACTION_EDGE_H

#include "base/buffer.h"
#include "transaction/layer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The lines of the log:
 *     U 180              a response went upstream (status)
 *     start a            start_branch() of destination a; it is placed at once unless it is told otherwise
 *     a.1 INVITE         the request went to the first address of a (a.2: second try ...)
 *     a.1 again | ack | cancel          further requests of that transaction
 *     next a timeout | next a 503       next_address()
 *     stop a | withdraw a.1
 *     exhausted 404 none                status and reason
 *     answered 404 none a               status, reason, destination (-: none)
 */

enum { TRIES = 40, DESTINATIONS = 12, EDGE_START_MS = 1000000 };

struct destination;

/* One client transaction. */
struct attempt {
    struct destination *to;
    struct transaction_handle handle;
    struct buffer bytes; /* as sent; empty: not placed */
    unsigned number;
    bool is_open;
    bool has_provisional; /* was answered so */
    bool has_failure;
    bool was_cancelled;
    char branch[BRANCH_ID_SIZE];
};

/* One target. */
struct destination {
    const char *name;
    uint32_t group;
    unsigned addresses;     /* 0 means 1 */
    bool is_slow;           /* start_branch() and next_address() leave the placing to edge_place() */
    bool is_unreliable;
    bool is_quiet;
    bool can_withdraw;
    enum reason fails;      /* not NONE: start_branch() says branch_failed() */
    const char *origin;     /* of its responses, compared; NULL: anybody */
    /* what became of it */
    struct edge *edge;
    struct transaction_handle branch;
    struct attempt attempts[TRIES];
    unsigned attempt_count;
    unsigned address;       /* the one in use, from 1 */
    uint32_t max_breadth;
    bool was_given, is_closed;
};

/* One request from upstream. */
struct call {
    struct edge *edge;
    struct transaction_handle server;
    struct response_context *context;
    struct sip_message *request;
    struct response_summary summary;
    unsigned answers; /* calls of answered() */
    unsigned finals;  /* final responses sent, but 2xx to an INVITE */
    bool has_2xx;     /* one was sent */
    uint64_t arrived_ms;
    struct buffer final; /* the first final sent */
    bool server_is_open, context_is_open;
    bool is_invite;
};

struct edge {
    struct transaction_layer *layer;
    struct timer_settings timers;
    uint64_t now_ms;
    bool is_unreliable; /* upstream */
    bool is_silent;     /* no log */
    bool logs_time;     /* "[500] U 100": milliseconds since the start */
    bool logs_steps;    /* "step invite-server proceeding user-2xx accepted" */
    struct buffer log;
    struct sip_message *up;   /* last response sent upstream */
    struct sip_message *down; /* last request sent by send_request() */
    void *hop;                /* of the last send_response() */
    struct transaction_handle answering; /* likewise */
    const char *lines;        /* describe() appends them; NULL: none */
    enum exhausted exhausted; /* what exhausted() returns */
    struct destination *added; /* exhausted() adds it, once; NULL: none */
    void (*meddle)(struct edge *edge); /* called within each operation; NULL: nothing is */
    bool send_fails;          /* every send_response() is told to have failed, within the call */
    unsigned cancels_fail;    /* so many CANCELs find no memory */
    uint32_t worker;
    uint32_t max_servers;
    uint64_t hash_seed;       /* 0: as good as any */
    struct buffer calls, destinations; /* pointers to all that took part, for edge_stop() */
};

void edge_start(struct edge *edge);
/* Ends the layer and checks that everything was closed. Calls and destinations must live until then. */
void edge_stop(struct edge *edge);

/* What is left out (NULL) is as in an ordinary request from upstream. */
struct request_text {
    const char *method;  /* INVITE */
    const char *branch;  /* z9hG4bK-up */
    const char *sent_by; /* up.example */
    const char *uri;     /* sip:bob@example.com */
    const char *from_tag; /* caller */
    const char *to_tag;  /* "" */
    const char *call_id; /* call@up.example */
    const char *lines;   /* "" */
    const char *origin;  /* peer-up */
    unsigned cseq;       /* 1 */
    void *hop;
};
struct sip_message *edge_message(const char *text);
struct sip_message *edge_request(const struct request_text *text);
/* Hands the request in; CALL takes a new one (and is set up anew), NULL: none is expected. */
enum request_outcome edge_arrive(struct edge *edge, const struct request_text *text, struct call *call);
/* Forwards to destinations, those of a lower group first. */
int edge_forward(struct edge *edge, struct call *call, struct destination *to, size_t count,
    const struct response_context_options *options);
int edge_forward_list(struct edge *edge, struct call *call, struct destination **to, size_t count,
    const struct response_context_options *options);

/* One more destination for a call that is being forwarded. */
int edge_add(struct edge *edge, struct call *call, struct destination *to);

/* For slow destinations: makes the client transaction of the next try, composes and places. 0 or an error. */
int edge_place(struct destination *to);
/* The same in two steps. */
int edge_try(struct destination *to);
int edge_hand_over(struct destination *to);

/* A response to the last attempt of a destination. TO_TAG may be NULL, LINES too. */
enum response_outcome edge_respond(struct destination *to, unsigned status, const char *to_tag, const char *lines);
enum response_outcome edge_respond_attempt(struct attempt *attempt, unsigned status, const char *to_tag,
    const char *lines, const char *origin);
/* A 200 to the CANCEL of that attempt. */
enum response_outcome edge_respond_cancel(struct attempt *attempt);
void edge_fail(struct destination *to, enum reason reason);

/* Lets time pass, timer by timer. */
void edge_pass(struct edge *edge, uint64_t ms);

/* The log is exactly this; it is empty afterwards. */
#define edge_expect(edge, text) edge_expect_at(edge, text, __FILE__, __LINE__)
void edge_expect_at(struct edge *edge, const char *text, const char *file, int line);
void edge_forget(struct edge *edge);

#endif
