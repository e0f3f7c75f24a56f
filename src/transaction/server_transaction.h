/* SPDX-License-Identifier: GPL-2.0-or-later */
/* server_transaction.h - one request from upstream: repetitions absorbed, responses repeated, RFC 3261 17.2.
 * In:    the request and its repetitions, ACK, CANCEL, by transaction_layer_request(); responses by
 *        server_transaction_reply() or from a response context.
 * Out:   send_response() of the edge (layer.h).
 * A pointer is good within the call that gave it, and until server_closed(); whoever waits keeps the handle.
 */
#ifndef TRELAY_TRANSACTION_SERVER_TRANSACTION_H
#define TRELAY_TRANSACTION_SERVER_TRANSACTION_H

#include "base/attributes.h"
#include "base/slice.h"
#include "sip/message.h"
#include "transaction/handle.h"
#include "transaction/step.h"

#include <stdbool.h>

struct server_transaction;
struct response_context;
struct transaction_layer;

struct transaction_handle server_transaction_handle(const struct server_transaction *server);
struct server_transaction *server_transaction_find(struct transaction_layer *layer, struct transaction_handle handle);

/* The edge's own: where responses go. NULL until set; given back by server_closed(). */
void server_transaction_set_user(struct server_transaction *server, void *user);
void *server_transaction_user(const struct server_transaction *server);

/* The request; NULL once a final response was sent. */
struct sip_message *server_transaction_request(const struct server_transaction *server);
enum transaction_state server_transaction_state(const struct server_transaction *server);
bool server_transaction_is_invite(const struct server_transaction *server);
/* A CANCEL came. A context started later answers 487 at once; the edge may stop working on the request. */
bool server_transaction_is_cancelled(const struct server_transaction *server);
/* The context that answers it; NULL: none (any more). */
struct response_context *server_transaction_context(const struct server_transaction *server);

/* No 100 of our own, at any time (flag no-100). */
void server_transaction_set_no_100(struct transaction_layer *layer, struct server_transaction *server);

struct local_reply {
    unsigned status;     /* 100..699; to a non-INVITE no 1xx but 100 and no 408 (RFC 4320): ERROR_STATE */
    struct slice phrase; /* absent: the usual one */
    struct slice lines;  /* whole header lines to add; or empty */
};

/* A response of our own, where no context answers; a context's request is replied to by response_context_reply().
 * The To tag is the same in all responses of our own to one request (8.2.6.2). 0, ERROR_MEMORY (try again or drop),
 * ERROR_SYNTAX (lines), ERROR_STATE: answered already, or the context's to answer; ERROR_NOT_FOUND: gone. */
int server_transaction_reply(struct transaction_layer *layer, struct transaction_handle server,
    const struct local_reply *reply) MUST_CHECK;

/* The request gets no final response: its caller is gone, or there is no memory to answer. Does nothing once a final
 * was sent. A non-INVITE ends so by itself after 64*T1 (RFC 4320 4.2). */
void server_transaction_drop(struct transaction_layer *layer, struct transaction_handle server);

/* A response could not be sent. An INVITE stays (RFC 6026 8.8): a repeated request gets it again. */
void server_transaction_send_failed(struct transaction_layer *layer, struct transaction_handle server);

#endif
