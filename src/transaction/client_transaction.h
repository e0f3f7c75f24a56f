/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client_transaction.h - one request on its way to one address: repeated, timed, acknowledged, RFC 3261 17.1.
 * In:    made by branch_try() (response_context.h); placed or failed by the edge; responses by
 *        transaction_layer_response().
 * Out:   send_request() of the edge (layer.h) for repetitions, ACK and CANCEL; events to the branch.
 * A pointer is good within the call that gave it, and until client_closed(); whoever waits keeps the handle.
 */
#ifndef TRELAY_TRANSACTION_CLIENT_TRANSACTION_H
#define TRELAY_TRANSACTION_CLIENT_TRANSACTION_H

#include "base/attributes.h"
#include "base/slice.h"
#include "policy/reason.h"
#include "transaction/branch_id.h"
#include "transaction/handle.h"
#include "transaction/step.h"

#include <stdbool.h>

struct client_transaction;
struct branch;
struct transaction_layer;

struct transaction_handle client_transaction_handle(const struct client_transaction *client);
struct client_transaction *client_transaction_find(struct transaction_layer *layer, struct transaction_handle handle);

/* The edge's own: the hop that ACK and CANCEL follow. Set by branch_try(); given back by client_closed(). */
void *client_transaction_user(const struct client_transaction *client);
enum transaction_state client_transaction_state(const struct client_transaction *client);
/* NULL once the branch has gone on to another address or is over. */
struct branch *client_transaction_branch(const struct client_transaction *client);
/* Writes the value of our Via's branch parameter, NUL-terminated. */
void client_transaction_branch_id(const struct transaction_layer *layer, const struct client_transaction *client,
    char out[BRANCH_ID_SIZE]);

/* Who alone may answer became known later than branch_try(): ORIGIN has the length of the one given there; another one
 * changes nothing. */
void client_transaction_set_origin(struct transaction_layer *layer, struct transaction_handle client,
    struct slice origin);

/* The request, as composed with the branch id, was handed to the transport: to a connection, to the queue behind a
 * handshake, or to a socket. From now on run Timers A and B, or E and F, and C (RFC 3261 17.1.1.2: time to connect
 * counts). REQUEST is copied where it may be needed again (INVITE; unreliable transport).
 * 0; ERROR_MEMORY: nothing happened, do not send, and say client_transaction_failed(); ERROR_STATE: placed already;
 * ERROR_NOT_FOUND: gone, do not send. */
int client_transaction_placed(struct transaction_layer *layer, struct transaction_handle client, struct slice request)
    MUST_CHECK;

/* The transport failed: connect, handshake, verdict or write, or the connection closed. At any time, placed or not;
 * the branch then asks next_address(), unless a response was seen. An INVITE that got a provisional response lives
 * on: its response may come by another connection (RFC 3261 18.1.1). */
void client_transaction_failed(struct transaction_layer *layer, struct transaction_handle client, enum reason reason);

#endif
