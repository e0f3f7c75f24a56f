/* SPDX-License-Identifier: GPL-2.0-or-later */
/* endpoint.c - sockets of the load programs; see endpoint.h. */
#include "endpoint.h"

#include "base/attributes.h"
#include "base/list.h"
#include "program.h"
#include "sip_text.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, DATAGRAM_SIZE = 8192, STREAM_SIZE = 131072, SOCKET_BUFFER = 8 << 20, EVENTS = 256 };

/* Datagrams on their way, in or out. */
struct batch {
    unsigned count;
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in addresses[BATCH];
    char bytes[BATCH][DATAGRAM_SIZE];
};

struct link {
    struct endpoint *endpoint;
    int fd;
    SSL *ssl; /* NULL: UDP, or the listening socket */
    bool is_established;
    bool waits_for_room;   /* EPOLLOUT is armed */
    struct list_node all;   /* in endpoint->links */
    struct list_node dirty; /* in endpoint->dirty while there is something to send */
    size_t sent; /* bytes of the write BIO that went out */
    size_t length;
    char *bytes; /* STREAM_SIZE, what was received and is not yet a message */
};

struct endpoint {
    struct endpoint_settings settings;
    int epoll;
    SSL_CTX *tls;
    struct link *udp;
    struct list links, dirty;
    unsigned long connection_count;
    struct batch in, out;
};

static void batch_prepare(struct batch *batch)
{
    for (unsigned i = 0; i < BATCH; i++) {
        batch->vectors[i] = (struct iovec){ .iov_base = batch->bytes[i], .iov_len = DATAGRAM_SIZE };
        batch->headers[i].msg_hdr = (struct msghdr){ .msg_name = &batch->addresses[i],
            .msg_namelen = sizeof(batch->addresses[i]), .msg_iov = &batch->vectors[i], .msg_iovlen = 1 };
    }
}

static struct link *link_new(struct endpoint *endpoint, int fd)
{
    struct link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        program_fail("out of memory");
    link->endpoint = endpoint;
    link->fd = fd;
    list_append(&endpoint->links, &link->all);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };
    if (epoll_ctl(endpoint->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        program_fail("epoll_ctl: %s", strerror(errno));
    return link;
}

static void link_arm(struct link *link, bool waits_for_room)
{
    if (link->waits_for_room == waits_for_room)
        return;
    link->waits_for_room = waits_for_room;
    struct epoll_event event = { .events = EPOLLIN | (waits_for_room ? (uint32_t)EPOLLOUT : 0), .data.ptr = link };
    epoll_ctl(link->endpoint->epoll, EPOLL_CTL_MOD, link->fd, &event);
}

static void link_free(struct link *link)
{
    if (list_holds(&link->dirty))
        list_remove(&link->dirty);
    list_remove(&link->all);
    close(link->fd);
    SSL_free(link->ssl);
    free(link->bytes);
    free(link);
}

static void link_lost(struct link *link)
{
    if (!link->endpoint->settings.is_server)
        program_fail("a connection was lost");
    ERR_clear_error();
    link_free(link);
}

static int open_socket(const struct endpoint_settings *settings, int type)
{
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1, size = SOCKET_BUFFER;
    if (fd < 0)
        program_fail("socket: %s", strerror(errno));
    if (type == SOCK_DGRAM) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    struct sockaddr_in local = settings->local;
    if (type == SOCK_STREAM && !settings->is_server)
        local.sin_port = 0;
    if (bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
        program_fail("bind: %s", strerror(errno));
    return fd;
}

struct endpoint *endpoint_new(const struct endpoint_settings *settings)
{
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    if (endpoint == NULL)
        program_fail("out of memory");
    endpoint->settings = *settings;
    endpoint->epoll = epoll_create1(EPOLL_CLOEXEC);
    list_init(&endpoint->links);
    list_init(&endpoint->dirty);
    if (settings->is_tls)
        endpoint->tls = tls_peer_context(&settings->tls, settings->is_server, settings->tls_version);
    batch_prepare(&endpoint->in);
    batch_prepare(&endpoint->out);
    if (!settings->is_tls) {
        endpoint->udp = link_new(endpoint, open_socket(settings, SOCK_DGRAM));
        socklen_t length = sizeof(endpoint->settings.local);
        getsockname(endpoint->udp->fd, (struct sockaddr *)&endpoint->settings.local, &length);
    } else if (settings->is_server) {
        int fd = open_socket(settings, SOCK_STREAM);
        if (listen(fd, 1024) != 0)
            program_fail("listen: %s", strerror(errno));
        link_new(endpoint, fd);
    }
    return endpoint;
}

void endpoint_free(struct endpoint *endpoint)
{
    list_for_each_safe(node, &endpoint->links)
    {
        link_free(CONTAINER_OF(node, struct link, all));
    }
    SSL_CTX_free(endpoint->tls);
    close(endpoint->epoll);
    free(endpoint);
}

struct link *endpoint_udp(struct endpoint *endpoint)
{
    return endpoint->udp;
}

struct sockaddr_in endpoint_local(const struct endpoint *endpoint)
{
    return endpoint->settings.local;
}

unsigned long endpoint_connection_count(const struct endpoint *endpoint)
{
    return endpoint->connection_count;
}

/* A TLS link over a connected socket; what it writes gathers in memory. */
static struct link *link_new_tls(struct endpoint *endpoint, int fd)
{
    struct link *link = link_new(endpoint, fd);
    link->bytes = malloc(STREAM_SIZE);
    link->ssl = SSL_new(endpoint->tls);
    BIO *in = BIO_new_socket(fd, BIO_NOCLOSE), *out = BIO_new(BIO_s_mem());
    if (link->bytes == NULL || link->ssl == NULL || in == NULL || out == NULL)
        program_fail("out of memory");
    SSL_set_bio(link->ssl, in, out);
    SSL_set_read_ahead(link->ssl, 1);
    if (endpoint->settings.is_server)
        SSL_set_accept_state(link->ssl);
    else
        SSL_set_connect_state(link->ssl);
    return link;
}

/* False: the connection is gone. */
static bool link_flush(struct link *link)
{
    char *bytes;
    BIO *out = SSL_get_wbio(link->ssl);
    size_t length = (size_t)BIO_get_mem_data(out, &bytes);
    while (link->sent < length) {
        ssize_t count = send(link->fd, bytes + link->sent, length - link->sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) {
            link_arm(link, true);
            return true;
        }
        if (count < 0)
            return false;
        link->sent += (size_t)count;
    }
    link->sent = 0;
    (void)BIO_reset(out);
    link_arm(link, false);
    return true;
}

static void batch_flush(struct endpoint *endpoint)
{
    struct batch *out = &endpoint->out;
    unsigned at = 0;
    while (at < out->count) {
        int count = sendmmsg(endpoint->udp->fd, out->headers + at, out->count - at, 0);
        if (count <= 0)
            break; /* a datagram may be lost */
        at += (unsigned)count;
    }
    out->count = 0;
}

void link_send(struct link *link, const struct sockaddr_in *to, struct slice message)
{
    struct endpoint *endpoint = link->endpoint;
    if (link->ssl != NULL) {
        if (SSL_write(link->ssl, message.data, (int)message.length) <= 0)
            program_fail("SSL_write failed");
        if (!list_holds(&link->dirty))
            list_append(&endpoint->dirty, &link->dirty);
        return;
    }
    if (message.length > DATAGRAM_SIZE)
        program_fail("a message of %zu bytes is too long", message.length);
    struct batch *out = &endpoint->out;
    memcpy(out->bytes[out->count], message.data, message.length);
    out->vectors[out->count].iov_len = message.length;
    out->addresses[out->count] = *to;
    if (++out->count == BATCH)
        batch_flush(endpoint);
}

void endpoint_flush(struct endpoint *endpoint)
{
    if (endpoint->out.count > 0)
        batch_flush(endpoint);
    list_for_each_safe(node, &endpoint->dirty)
    {
        struct link *link = CONTAINER_OF(node, struct link, dirty);
        list_remove(node);
        if (!link_flush(link))
            link_lost(link);
    }
}

static void read_datagrams(struct link *link)
{
    struct endpoint *endpoint = link->endpoint;
    struct batch *in = &endpoint->in;
    int count;
    do {
        count = recvmmsg(link->fd, in->headers, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < count; i++)
            endpoint->settings.received(endpoint->settings.arg, link, &in->addresses[i],
                slice_of(in->bytes[i], in->headers[i].msg_len));
    } while (count == BATCH);
}

static void deliver(struct link *link)
{
    const struct endpoint_settings *settings = &link->endpoint->settings;
    struct slice rest = slice_of(link->bytes, link->length);
    size_t length;
    for (;;) {
        while (rest.length > 0 && (rest.data[0] == '\r' || rest.data[0] == '\n'))
            rest = slice_from(rest, 1);
        length = sip_text_length(rest);
        if (length == 0)
            break;
        settings->received(settings->arg, link, NULL, slice_first(rest, length));
        rest = slice_from(rest, length);
    }
    memmove(link->bytes, rest.data, rest.length);
    link->length = rest.length;
}

/* False: the connection is gone. */
static bool read_stream(struct link *link)
{
    if (!link->is_established) {
        int result = SSL_do_handshake(link->ssl);
        if (!link_flush(link))
            return false;
        if (result != 1) {
            int reason = SSL_get_error(link->ssl, result);
            return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
        }
        link->is_established = true;
        link->endpoint->connection_count++;
    }
    while (link->length < STREAM_SIZE) {
        int count = SSL_read(link->ssl, link->bytes + link->length, (int)(STREAM_SIZE - link->length));
        if (count <= 0) {
            int reason = SSL_get_error(link->ssl, count);
            return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
        }
        link->length += (size_t)count;
        deliver(link);
    }
    return false;
}

static void accept_links(struct link *listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        link_new_tls(listener->endpoint, fd);
    }
}

static void serve(struct link *link, uint32_t events)
{
    bool is_alive = true;
    if (link == link->endpoint->udp) {
        read_datagrams(link);
    } else if (link->ssl == NULL) {
        accept_links(link);
    } else {
        if ((events & EPOLLOUT) != 0)
            is_alive = link_flush(link);
        is_alive = is_alive && read_stream(link);
    }
    if (!is_alive)
        link_lost(link);
}

void endpoint_turn(struct endpoint *endpoint, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(endpoint->epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++)
        serve(events[i].data.ptr, events[i].events);
    endpoint_flush(endpoint);
}

struct link *endpoint_connect(struct endpoint *endpoint, const struct sockaddr_in *to)
{
    int fd = open_socket(&endpoint->settings, SOCK_STREAM);
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno != EINPROGRESS)
        program_fail("connect: %s", strerror(errno));
    socklen_t length = sizeof(endpoint->settings.local);
    getsockname(fd, (struct sockaddr *)&endpoint->settings.local, &length);
    struct link *link = link_new_tls(endpoint, fd);
    link_arm(link, true); /* the first room is the connection; the handshake begins with it */
    if (endpoint->settings.server_name != NULL)
        SSL_set_tlsext_host_name(link->ssl, endpoint->settings.server_name);
    for (double deadline = program_now() + 10; !link->is_established;) {
        if (program_now() > deadline)
            program_fail("no TLS handshake within 10 s");
        endpoint_turn(endpoint, 100);
    }
    return link;
}
