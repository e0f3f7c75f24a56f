/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp.c - datagrams in batches; see udp.h. */
#include "net/udp.h"

#include "base/error.h"
#include "net/socket_address.h"
#include "net/udp_steering.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    QUEUE_MESSAGES = 128,
    QUEUE_BYTES = 256 * 1024,
    RECEIVE_ROUNDS = 4, /* batches taken from one socket in one turn */
};

struct udp_message {
    struct sockaddr_storage destination;
    socklen_t destination_size;
    uint32_t start, length; /* in queue_bytes */
};

struct udp {
    struct loop *loop;
    struct net_scratch *scratch;
    const struct udp_handler *handler;
    void *arg;
    const struct log_scope *scope;
    struct loop_watch *watch;
    struct loop_deferred flush; /* also: free, once is_freed */
    int fd;
    bool is_blocked; /* the kernel takes no more: waiting for LOOP_WRITABLE */
    bool is_freed;
    struct endpoint local;
    struct udp_counters counters;
    uint32_t first, count; /* messages from first on; a linear queue, emptied before it starts anew */
    uint32_t used;         /* of queue_bytes */
    struct udp_message queue[QUEUE_MESSAGES];
    char queue_bytes[QUEUE_BYTES];
};

static int bind_one(const struct endpoint *endpoint, bool is_shared, uint32_t buffer_bytes, int *fd_r, struct why *why)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address_from_endpoint(endpoint, &address);
    char text[ADDRESS_TEXT_SIZE];
    const int yes = 1, bytes = (int)buffer_bytes;
    if (size == 0)
        return why_fail(why, ERROR_UNSUPPORTED, "no address to bind to");
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return why_fail(why, ERROR_SYSTEM, "socket: %m");
    if ((address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) != 0) ||
        (is_shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) != 0) ||
        (bytes > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) != 0) ||
        (bytes > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) != 0) ||
        bind(fd, (struct sockaddr *)&address, size) != 0) {
        int rc = why_fail(why, ERROR_SYSTEM, "udp %s: %m", endpoint_print(endpoint, text));
        close(fd);
        return rc;
    }
    *fd_r = fd;
    return 0;
}

/* Sockets that share a port do so with whoever of this user shares it too, another trelayd among them. One that does
 * not share finds out whether it is taken. */
static int check_free(const struct endpoint *endpoint, struct why *why)
{
    int fd;
    int rc = bind_one(endpoint, false, 0, &fd, why);
    if (rc == 0)
        close(fd);
    return rc;
}

/* Socket i of the group is that of worker i: the order of binding is the number by which the kernel chooses. */
static int bind_group(const struct endpoint *endpoint, uint32_t worker_count, uint32_t buffer_bytes, int *fds,
    uint32_t *bound_r, struct why *why)
{
    struct endpoint at = *endpoint;
    for (*bound_r = 0; *bound_r < worker_count; ++*bound_r) {
        int rc = bind_one(&at, worker_count > 1, buffer_bytes, &fds[*bound_r], why);
        if (rc != 0)
            return rc;
        if (*bound_r == 0 && socket_local_endpoint(fds[0], &at) != 0)
            at = *endpoint; /* cannot happen; a second free port would then be refused below */
    }
    if (worker_count > 1 && udp_steering_attach(fds[0], at.address.family, worker_count) != 0)
        return why_fail(why, ERROR_SYSTEM, "SO_ATTACH_REUSEPORT_CBPF: %m");
    return 0;
}

int udp_bind(const struct endpoint *endpoint, uint32_t worker_count, uint32_t buffer_bytes, int *fds_r,
    struct why *why)
{
    int fds[UDP_WORKERS_MAX];
    uint32_t bound;
    if (worker_count == 0 || worker_count > UDP_WORKERS_MAX || buffer_bytes > INT32_MAX)
        return why_fail(why, ERROR_LIMIT, "udp: %u workers, buffers of %u bytes", worker_count, buffer_bytes);
    if (worker_count > 1 && endpoint->port != 0) {
        int rc = check_free(endpoint, why);
        if (rc != 0)
            return rc;
    }
    int rc = bind_group(endpoint, worker_count, buffer_bytes, fds, &bound, why);
    if (rc != 0) {
        while (bound > 0)
            close(fds[--bound]);
        return rc;
    }
    memcpy(fds_r, fds, worker_count * sizeof(*fds));
    return 0;
}

static void watch_events(struct udp *udp)
{
    unsigned events = LOOP_READABLE | (udp->is_blocked ? LOOP_WRITABLE : 0u);
    if (!udp->is_freed && loop_watch_want(udp->watch, events) != 0)
        log_event(udp->scope, LOG_LEVEL_ERROR, LOG_EVENT_MESSAGE_DROPPED, LOG_ENDPOINT("local", &udp->local),
            LOG_STRING("why", "the socket cannot be watched"));
}

/* Drops the first COUNT messages, and reclaims their room once all are gone. */
static void forget_first(struct udp *udp, uint32_t count)
{
    udp->first += count;
    udp->count -= count;
    if (udp->count == 0)
        udp->first = udp->used = 0;
}

static int send_batch(struct udp *udp)
{
    struct mmsghdr headers[QUEUE_MESSAGES];
    struct iovec pieces[QUEUE_MESSAGES];
    for (uint32_t i = 0; i < udp->count; i++) {
        struct udp_message *message = &udp->queue[udp->first + i];
        pieces[i] = (struct iovec){ .iov_base = udp->queue_bytes + message->start, .iov_len = message->length };
        headers[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &message->destination,
            .msg_namelen = message->destination_size, .msg_iov = &pieces[i], .msg_iovlen = 1 } };
    }
    udp->counters.send_calls++;
    return sendmmsg(udp->fd, headers, udp->count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The first message was refused with OS_ERROR: drops it and says so. */
static void fail_first(struct udp *udp, int os_error)
{
    struct endpoint destination;
    const struct udp_message *message = &udp->queue[udp->first];
    int rc = socket_address_to_endpoint((const struct sockaddr *)&message->destination, message->destination_size,
        &destination);
    forget_first(udp, 1);
    if (os_error == ENOBUFS) {
        udp->counters.dropped++; /* as if lost on the way: retransmission is the transaction's */
        return;
    }
    udp->counters.failed++;
    if (rc == 0 && !udp->is_freed)
        udp->handler->failed(udp->arg, &destination, os_error);
}

/* Sends until the queue is empty or the kernel takes no more. MAY_TELL: failures are told now; else they stay first
 * in the queue until the end of the turn. */
static void flush(struct udp *udp, bool may_tell)
{
    while (udp->count > 0) {
        int sent = send_batch(udp);
        if (sent > 0) {
            udp->counters.sent += (uint32_t)sent;
            forget_first(udp, (uint32_t)sent);
        } else if (sent < 0 && errno == EINTR) {
            continue;
        } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            udp->is_blocked = true;
            watch_events(udp);
            return;
        } else if (may_tell) {
            fail_first(udp, errno);
        } else {
            return;
        }
    }
}

static void on_end_of_turn(void *arg)
{
    struct udp *udp = arg;
    if (!udp->is_blocked)
        flush(udp, true);
}

static void read_batches(struct udp *udp)
{
    struct mmsghdr headers[NET_SCRATCH_DATAGRAMS];
    struct iovec pieces[NET_SCRATCH_DATAGRAMS];
    struct sockaddr_storage sources[NET_SCRATCH_DATAGRAMS];
    for (int round = 0; round < RECEIVE_ROUNDS; round++) {
        for (size_t i = 0; i < NET_SCRATCH_DATAGRAMS; i++) {
            pieces[i] = (struct iovec){ .iov_base = net_scratch_datagram(udp->scratch, i),
                .iov_len = NET_SCRATCH_DATAGRAM_SIZE };
            headers[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &sources[i], .msg_namelen = sizeof(sources[i]),
                .msg_iov = &pieces[i], .msg_iovlen = 1 } };
        }
        int count = recvmmsg(udp->fd, headers, NET_SCRATCH_DATAGRAMS, MSG_DONTWAIT, NULL);
        udp->counters.receive_calls++;
        for (int i = 0; i < count; i++) {
            struct endpoint source;
            if (headers[i].msg_len == 0 || socket_address_to_endpoint((struct sockaddr *)&sources[i],
                    headers[i].msg_hdr.msg_namelen, &source) != 0)
                continue;
            udp->counters.received++;
            udp->handler->received(udp->arg,
                slice_of(net_scratch_datagram(udp->scratch, (size_t)i), headers[i].msg_len), &source);
            if (udp->is_freed)
                return;
        }
        if (count < NET_SCRATCH_DATAGRAMS)
            return; /* errors too: what a socket reports here is an old ICMP answer, and reading it clears it */
    }
}

static void on_ready(void *arg, unsigned events)
{
    struct udp *udp = arg;
    if ((events & LOOP_WRITABLE) != 0 && udp->is_blocked) {
        udp->is_blocked = false;
        loop_defer(udp->loop, &udp->flush);
        watch_events(udp);
    }
    if ((events & LOOP_READABLE) != 0)
        read_batches(udp);
}

int udp_new(struct loop *loop, struct net_scratch *scratch, int fd, const struct udp_handler *handler, void *arg,
    const struct log_scope *scope, struct udp **udp_r)
{
    struct udp *udp = malloc(sizeof(*udp));
    int rc = ERROR_MEMORY;
    if (udp == NULL)
        goto out;
    /* The queue's memory is not touched before it is used. */
    memset(udp, 0, offsetof(struct udp, queue));
    udp->loop = loop;
    udp->scratch = scratch;
    udp->handler = handler;
    udp->arg = arg;
    udp->scope = scope;
    udp->fd = fd;
    loop_deferred_init(&udp->flush, on_end_of_turn, udp);
    rc = socket_local_endpoint(fd, &udp->local);
    if (rc == 0)
        rc = loop_watch_new(loop, fd, on_ready, udp, &udp->watch);
    if (rc == 0)
        rc = loop_watch_want(udp->watch, LOOP_READABLE);
out:
    if (rc != 0) {
        if (udp != NULL)
            loop_watch_free(udp->watch);
        free(udp);
        close(fd);
        return rc;
    }
    *udp_r = udp;
    return 0;
}

static void free_now(void *arg)
{
    free(arg);
}

void udp_free(struct udp *udp)
{
    if (udp == NULL || udp->is_freed)
        return;
    udp->is_freed = true;
    if (!udp->is_blocked)
        flush(udp, true);
    loop_watch_free(udp->watch);
    close(udp->fd);
    udp->fd = -1;
    udp->count = 0;
    /* A callback of ours may be on the stack. */
    loop_deferred_cancel(&udp->flush);
    loop_deferred_init(&udp->flush, free_now, udp);
    loop_retire(udp->loop, &udp->flush);
}

/* Moves what waits to the start of its memory. */
static void compact(struct udp *udp)
{
    if (udp->first == 0)
        return;
    uint32_t start = udp->queue[udp->first].start;
    udp->used -= start;
    memmove(udp->queue_bytes, udp->queue_bytes + start, udp->used);
    memmove(udp->queue, udp->queue + udp->first, udp->count * sizeof(*udp->queue));
    udp->first = 0;
    for (uint32_t i = 0; i < udp->count; i++)
        udp->queue[i].start -= start;
}

static bool has_room(const struct udp *udp, size_t length)
{
    return udp->first + udp->count < QUEUE_MESSAGES && QUEUE_BYTES - udp->used >= length;
}

int udp_send(struct udp *udp, struct slice message, const struct endpoint *destination)
{
    if (message.length > UDP_MESSAGE_MAX || udp->is_freed) {
        udp->counters.dropped++;
        return ERROR_LIMIT;
    }
    if (!has_room(udp, message.length) && !udp->is_blocked)
        flush(udp, false);
    if (!has_room(udp, message.length))
        compact(udp);
    if (!has_room(udp, message.length)) {
        udp->counters.dropped++;
        return ERROR_LIMIT;
    }
    struct udp_message *entry = &udp->queue[udp->first + udp->count];
    entry->destination_size = socket_address_from_endpoint(destination, &entry->destination);
    if (entry->destination_size == 0)
        return ERROR_UNSUPPORTED;
    entry->start = udp->used;
    entry->length = (uint32_t)message.length;
    memcpy(udp->queue_bytes + udp->used, message.data, message.length);
    udp->used += entry->length;
    udp->count++;
    if (!udp->is_blocked)
        loop_defer(udp->loop, &udp->flush);
    return 0;
}

const struct endpoint *udp_local(const struct udp *udp)
{
    return &udp->local;
}

const struct udp_counters *udp_counters(const struct udp *udp)
{
    return &udp->counters;
}
