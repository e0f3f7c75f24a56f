/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listener.h - accepts TCP connections and hands their descriptors on.
 * In:    connections of the kernel's queue. Out: a non-blocking descriptor and the peer's endpoint, to be given to the
 *        worker address_worker(peer address).
 * Never: accepts more than a bounded number in a turn; stops for good when descriptors run out: the connection is
 *        then closed at once, so that the peer learns it and the queue moves.
 */
#ifndef TRELAY_NET_LISTENER_H
#define TRELAY_NET_LISTENER_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/why.h"
#include "log/log.h"
#include "loop/loop.h"

#include <stdint.h>

/* A listening socket. ENDPOINT with port 0: a free one. BACKLOG 0: the system's maximum. */
int listener_bind(const struct endpoint *endpoint, int backlog, int *fd_r, struct why *why) MUST_CHECK;

struct listener;

/* FD (TCP_NODELAY and keep-alive are set) belongs to the callee: stream_adopt() it, or close it. */
typedef void listener_accepted_fn(void *arg, int fd, const struct endpoint *peer);

/* Takes FD, also when it fails. SCOPE outlives the listener. */
int listener_new(struct loop *loop, int fd, listener_accepted_fn *accepted, void *arg, const struct log_scope *scope,
    struct listener **listener_r) MUST_CHECK;

/* Closes the socket: connections that wait in the kernel's queue are reset. Allowed within the callback. */
void listener_free(struct listener *listener);

/* While paused, connections wait in the kernel's queue. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);

const struct endpoint *listener_local(const struct listener *listener);

/* Connections closed at once because descriptors or memory had run out. */
uint64_t listener_refused_count(const struct listener *listener);

#endif
