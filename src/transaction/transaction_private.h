/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_private.h - the objects of this directory, for its own files.
 * Lifetimes: an object that ends leaves every table and timer at once, and is freed when the outermost call into
 * the layer returns (transaction_leave), so that whoever is still using it up the stack finds it there.
 * Contexts never act while events run: they are marked and act on leaving, one after the other.
 */
#ifndef TRELAY_TRANSACTION_TRANSACTION_PRIVATE_H
#define TRELAY_TRANSACTION_TRANSACTION_PRIVATE_H

#include "base/buffer.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/table.h"
#include "sip/limits.h"
#include "transaction/handle.h"
#include "transaction/layer.h"
#include "transaction/timer_wheel.h"
#include "transaction/transaction_key.h"

/* What server and client transactions have in common. */
struct transaction {
    struct list_node link; /* in the layer's list of its kind; when ended, in ended_transactions */
    struct transaction_handle handle;
    struct timer_node repeat;  /* A, E, G or 100 */
    struct timer_node timeout; /* B, D, F, H, I, J, K, L or M */
    uint32_t repeat_ms;        /* the interval that runs */
    uint8_t machine;           /* enum machine */
    uint8_t state;             /* enum transaction_state */
    uint8_t repeat_event;      /* enum transaction_event of each timer */
    uint8_t timeout_event;
    bool is_reliable;
    bool is_server;
};

struct server_transaction {
    struct transaction base;
    struct table_node by_key;
    struct response_context *context; /* NULL: none, or it has let go */
    struct sip_message *request;      /* NULL after the final response */
    void *user;
    char *last; /* the response that a repeated request gets, from the slab; NULL: none */
    uint32_t last_length;
    uint64_t arrived_ms;
    struct endpoint source;
    bool has_source;
    bool is_cancelled;
    bool is_2543;
    uint8_t method; /* enum sip_method */
    /* behind the object: key, then method as text, then the To tag of a request without a unique branch */
    uint32_t key_length, method_length, to_tag_length;
    char texts[];
};

struct client_transaction {
    struct transaction base;
    struct branch *branch;             /* NULL: on its own */
    struct client_transaction *cancel; /* of an INVITE: its CANCEL */
    struct client_transaction *invite; /* of a CANCEL: its INVITE */
    void *user;
    char *request; /* as sent, from the slab; NULL: not needed again */
    uint32_t request_length;
    uint8_t method; /* enum sip_method */
    uint16_t sent_by_port;
    uint64_t loop_hash;
    /* behind the object: origin, then the host of sent-by */
    uint32_t origin_length, sent_by_length;
    char texts[];
};

enum branch_state {
    BRANCH_NONE = 0,
    BRANCH_WAITING,    /* its group's turn has not come, or there is no breadth */
    BRANCH_STARTING,   /* the edge looks for an address */
    BRANCH_TRYING,     /* placed, no response */
    BRANCH_PROCEEDING, /* a provisional response came */
    BRANCH_FINISHED
};

struct branch {
    struct list_node link; /* context->branches */
    struct transaction_handle handle;
    struct response_context *context;
    struct client_transaction *client; /* running, or Accepted */
    void *user;
    struct sip_message *response; /* the final that stands for it; NULL: none, or our own */
    struct timer_node timer;      /* Timer C; after CANCEL the wait for its effect */
    uint32_t group, number, tries, breadth;
    uint16_t state;      /* enum branch_state */
    uint16_t seen;       /* last status received */
    uint16_t final;      /* status that stands for it in the choice; 0: none */
    uint8_t cancel_attempts;
    bool wants_cancel;
    bool cancel_sent;
    bool is_quiet; /* no response came, and whatever failed so far is no reason to answer */
    enum reason reason;
};

struct response_context {
    struct list_node link;  /* layer->contexts; when ended, layer->ended_contexts */
    struct list_node marked; /* layer->marked */
    struct transaction_layer *layer;
    struct server_transaction *server; /* NULL: gone */
    struct sip_message *request;       /* NULL after the answer */
    void *user;
    struct list branches;
    struct timer_node timer; /* last call of a non-INVITE; another attempt after memory ran out; an INVITE's silence */
    struct branch *unsent;   /* nobody answers, for this one could not be sent; NULL: somebody may */
    struct buffer cancel_lines; /* header lines that go into CANCELs */
    uint64_t deadline_ms;    /* of a non-INVITE: its server transaction ends then */
    uint64_t started_ms, ringing_ms;
    uint32_t branch_count, max_breadth, breadth_used, attempts;
    enum reason cancel_reason;
    enum reason lost_reason; /* why the server transaction went */
    bool is_invite;
    bool is_cancelled;
    bool is_stopped;  /* no further branch starts: 2xx, 6xx, cancelled, answered, nobody answers */
    bool is_waiting;  /* exhausted() said so */
    bool is_resumed;  /* exhausted() is not asked again */
    bool is_answered;
    bool is_ended;    /* answered, and no branch has a client any more */
};

struct transaction_layer {
    struct transaction_layer_settings settings;
    const struct transaction_ops *ops;
    void *arg;
    uint64_t now_ms;
    unsigned depth; /* calls from outside on the stack */
    struct timer_wheel wheel;
    struct handle_table handles;
    struct table servers; /* by key */
    struct list transactions, contexts;
    struct list marked; /* contexts with something to do */
    struct list ended_transactions, ended_contexts;
    struct slab *memory;   /* of all objects here; NULL: malloc's */
    struct buffer scratch; /* the key being matched */
    struct buffer output;  /* of transaction_output_take() */
    struct transaction_counts counts;
};

/* For messages of our own making, whose parts were judged when they came in. */
static const struct sip_limits transaction_no_limits = { SIP_MESSAGE_BYTES_MAX, SIP_MESSAGE_BYTES_MAX,
    SIP_MESSAGE_BYTES_MAX, SIP_MESSAGE_BYTES_MAX };

/* Around every call from outside. */
static inline void transaction_enter(struct transaction_layer *layer)
{
    layer->depth++;
}
void transaction_leave(struct transaction_layer *layer); /* layer.c */

/* An empty buffer to compose in, with the memory of the last one. Whoever takes one while another is out gets one
 * without: what is sent may lead to something else being sent. */
static inline struct buffer transaction_output_take(struct transaction_layer *layer)
{
    struct buffer taken = layer->output;
    layer->output = BUFFER_EMPTY;
    buffer_clear(&taken);
    return taken;
}
static inline void transaction_output_give(struct transaction_layer *layer, struct buffer *taken)
{
    buffer_free(&layer->output);
    layer->output = *taken;
    *taken = BUFFER_EMPTY;
}

/* ---- transaction.c: the driver of the machines ---- */

/* What comes along with an event. */
struct event_input {
    struct sip_message *response; /* client: of RESPONSE_* */
    struct slice bytes;           /* server: of USER_* */
    void *hop;                    /* server: of REQUEST */
    enum reason reason;           /* of TRANSPORT_ERROR */
};

void transaction_event(struct transaction_layer *layer, struct transaction *transaction, enum transaction_event event,
    const struct event_input *input);
void transaction_start(struct transaction_layer *layer, struct transaction *transaction, enum machine machine,
    bool is_reliable);
/* Out of tables and timers, and on the list of what is freed on leaving. */
void transaction_end(struct transaction_layer *layer, struct transaction *transaction);

static inline enum transaction_event response_event(unsigned status)
{
    return status < 200 ? EVENT_RESPONSE_1XX : status < 300 ? EVENT_RESPONSE_2XX : EVENT_RESPONSE_FAILURE;
}

/* ---- server_transaction.c ---- */

/* ERROR_MEMORY or 0. The request is in state INITIAL. */
int server_transaction_new(struct transaction_layer *layer, const struct request_arrival *arrival,
    const struct transaction_key *key, struct server_transaction **server_r) MUST_CHECK;
void server_transaction_free(struct transaction_layer *layer, struct server_transaction *server);
void server_transaction_perform(struct transaction_layer *layer, struct server_transaction *server,
    uint32_t actions, const struct event_input *input);
void server_transaction_ended(struct transaction_layer *layer, struct server_transaction *server);

/* The one that REQUEST repeats, or, for an ACK, acknowledges; NULL: none. */
struct server_transaction *server_transaction_match(struct transaction_layer *layer,
    const struct transaction_key *key, const struct sip_message *request);
/* The one that a CANCEL is about. */
struct server_transaction *server_transaction_match_cancelled(struct transaction_layer *layer,
    const struct transaction_key *key, const struct sip_message *cancel);

/* Sends a response that was composed, and copies it where it may be sent again. ERROR_STATE: the state does not allow
 * it. ERROR_MEMORY: nothing was sent. */
int server_transaction_send(struct transaction_layer *layer, struct server_transaction *server, unsigned status,
    struct slice bytes, void *hop) MUST_CHECK;
/* Composes and sends one of our own; errors as server_transaction_reply(). */
int server_transaction_answer(struct transaction_layer *layer, struct server_transaction *server,
    const struct local_reply *reply, void *hop) MUST_CHECK;
/* The 100, unless a response went or none is wanted. */
void server_transaction_send_100(struct transaction_layer *layer, struct server_transaction *server);

/* ---- client_transaction.c ---- */

int client_transaction_new(struct transaction_layer *layer, struct branch *branch, enum sip_method method,
    const struct try_request *request, struct client_transaction **client_r) MUST_CHECK;
void client_transaction_free(struct transaction_layer *layer, struct client_transaction *client);
void client_transaction_perform(struct transaction_layer *layer, struct client_transaction *client,
    uint32_t actions, const struct event_input *input);
void client_transaction_ended(struct transaction_layer *layer, struct client_transaction *client);

/* Composes and sends the CANCEL of an INVITE that is in Proceeding. ERROR_MEMORY, ERROR_SYNTAX or ERROR_STATE:
 * nothing was sent. */
int client_transaction_cancel(struct transaction_layer *layer, struct client_transaction *client, struct slice lines)
    MUST_CHECK;
/* Ends it without a word. */
void client_transaction_drop(struct transaction_layer *layer, struct client_transaction *client);

/* ---- response_context.c: what the transactions tell it ---- */

/* Does what is to be done after events; called on leaving. */
void response_context_act(struct response_context *context);
void response_context_free(struct response_context *context);
void response_context_mark(struct response_context *context);
/* No further branch starts, and those that run are cancelled: 2xx, 6xx, or the caller has gone. */
void response_context_stop(struct response_context *context);
/* The server transaction goes, and why. */
void response_context_lose_server(struct response_context *context, enum reason reason);
/* A CANCEL came: LINES go along with ours. */
void response_context_upstream_cancel(struct response_context *context, const struct sip_message *cancel);

/* ---- branch.c ---- */

int branch_new(struct response_context *context, const struct target *target, struct branch **branch_r) MUST_CHECK;
/* Takes it out of the context; calls branch_closed() unless the user is NULL. */
void branch_free(struct branch *branch);
void branch_start(struct branch *branch, uint32_t breadth);
/* The branch shall end, for somebody else has answered or the caller has gone. */
void branch_cancel(struct branch *branch);
void branch_placed(struct branch *branch);
void branch_response(struct branch *branch, struct client_transaction *client, struct sip_message *response);
/* Its client transaction ended without a final response. */
void branch_try_over(struct branch *branch, enum reason reason);
/* Its client transaction has ended after Accepted. */
void branch_client_gone(struct branch *branch);

/* ---- response_context_send.c: what goes upstream ---- */

/* A provisional response, or a further 2xx; a lack of memory loses it. */
void response_context_forward(struct response_context *context, struct sip_message *response);
/* No memory for the answer: again in a while. (response_context.c) */
void response_context_try_later(struct response_context *context);
/* Nobody answers, until the server transaction ends or the caller cancels. (response_context.c) */
void response_context_stay_silent(struct response_context *context, struct branch *unsent);
/* The best response there is, or one of our own; the context is answered then, or tries again later. */
void response_context_conclude(struct response_context *context);
/* The context has its answer: STATUS went upstream (0: nothing). */
void response_context_answered(struct response_context *context, unsigned status, enum reason reason,
    struct branch *branch);
/* No answer at all. */
void response_context_give_up(struct response_context *context, enum reason reason);

#endif
