/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp.h - datagrams in batches, each source address always on the same worker.
 * In:    datagrams of the kernel; messages to send, copied. Out: one call per datagram; at the end of the turn one
 *        system call for all that is to be sent.
 * Never: waits: when the kernel takes no more and the queue is full, a message is dropped and counted.
 * A socket bound to a wildcard does not learn to which of the host's addresses a datagram came: bind each address.
 */
#ifndef TRELAY_NET_UDP_H
#define TRELAY_NET_UDP_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"
#include "log/log.h"
#include "loop/loop.h"
#include "net/net_scratch.h"

#include <stdint.h>

enum { UDP_WORKERS_MAX = 256, UDP_MESSAGE_MAX = 65507 };

/* Binds WORKER_COUNT sockets to one endpoint, fds_r[i] for worker i. The kernel gives a datagram to the socket of
 * address_worker(source address, WORKER_COUNT). With port 0 all get the same free port. To be closed by the caller
 * unless udp_new() took them. BUFFER_BYTES: of the kernel's receive and send buffers, 0: its default. */
int udp_bind(const struct endpoint *endpoint, uint32_t worker_count, uint32_t buffer_bytes, int *fds_r,
    struct why *why) MUST_CHECK;

struct udp;

/* DATAGRAM is valid during the call. */
typedef void udp_received_fn(void *arg, struct slice datagram, const struct endpoint *source);
/* The kernel refused a message to DESTINATION for good (no route, too long); at the end of a turn. */
typedef void udp_failed_fn(void *arg, const struct endpoint *destination, int os_error);

struct udp_handler {
    udp_received_fn *received;
    udp_failed_fn *failed;
};

/* Takes FD, also when it fails. SCRATCH, SCOPE and HANDLER outlive the socket. */
int udp_new(struct loop *loop, struct net_scratch *scratch, int fd, const struct udp_handler *handler, void *arg,
    const struct log_scope *scope, struct udp **udp_r) MUST_CHECK;

/* What is queued is sent as far as the kernel takes it. Allowed within a callback. */
void udp_free(struct udp *udp);

/* Copies MESSAGE. 0, or ERROR_LIMIT: longer than any datagram, or no room in the queue (counted as dropped);
 * ERROR_UNSUPPORTED: not an address. */
int udp_send(struct udp *udp, struct slice message, const struct endpoint *destination) MUST_CHECK;

/* Where it is bound. */
const struct endpoint *udp_local(const struct udp *udp);

struct udp_counters {
    uint64_t received, sent, dropped, failed;
    uint64_t receive_calls, send_calls;
};
const struct udp_counters *udp_counters(const struct udp *udp);

#endif
