/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bare_pipe.c - the floor under any relay: the same bytes by the same road, and nothing read in them.
 * In:    datagrams on one side, TLS records on the other. Out: each record a datagram, each datagram a record.
 * One thread, one TLS connection, one UDP peer; wolfSSL over memory; sockets read and written in batches.
 * It knows no SIP: it needs peers that write one record for each message, and answer where the message came from.
 */
#include "base/attributes.h"
#include "base/buffer.h"
#include "program.h"

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char usage[] = "usage: bare_pipe out -u LISTEN_IP:PORT -d TLS_IP:PORT TLS\n"
                            "       bare_pipe in -l LISTEN_IP:PORT -u FROM_IP:PORT -d UDP_IP:PORT TLS\n"
                            "TLS:   -c CHAIN.pem -k KEY.pem -a AUTHORITY.pem\n";

enum { BATCH = 64, MESSAGE_SIZE = 8192, CHUNK = 1 << 16 };

struct batch {
    unsigned count;
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in addresses[BATCH];
    char bytes[BATCH][MESSAGE_SIZE];
};

struct pipe {
    bool is_in; /* TLS is accepted; else it is opened */
    struct sockaddr_in listen, datagrams, to;
    const char *certificate, *key, *authority;
    int epoll, udp, stream, listener;
    WOLFSSL_CTX *context;
    WOLFSSL *tls;
    bool is_established;
    struct buffer received, to_send; /* TLS bytes */
    struct batch in, out;
};

static int take_received(WOLFSSL *tls, char *bytes, int size, void *arg)
{
    struct pipe *pipe = arg;
    size_t count = pipe->received.length < (size_t)size ? pipe->received.length : (size_t)size;
    (void)tls;
    if (count == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(bytes, pipe->received.data, count);
    buffer_consume(&pipe->received, count);
    return (int)count;
}

static int add_to_send(WOLFSSL *tls, char *bytes, int size, void *arg)
{
    struct pipe *pipe = arg;
    (void)tls;
    buffer_append(&pipe->to_send, bytes, (size_t)size);
    return size;
}

static void make_context(struct pipe *pipe)
{
    wolfSSL_Init();
    pipe->context = wolfSSL_CTX_new(pipe->is_in ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method());
    if (pipe->context == NULL ||
        wolfSSL_CTX_use_certificate_chain_file(pipe->context, pipe->certificate) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_use_PrivateKey_file(pipe->context, pipe->key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_load_verify_locations(pipe->context, pipe->authority, NULL) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_cipher_list(pipe->context, "TLS13-AES128-GCM-SHA256") != WOLFSSL_SUCCESS)
        program_fail("no TLS context of %s, %s, %s", pipe->certificate, pipe->key, pipe->authority);
    wolfSSL_CTX_set_verify(pipe->context, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    wolfSSL_CTX_SetIORecv(pipe->context, take_received);
    wolfSSL_CTX_SetIOSend(pipe->context, add_to_send);
}

static int open_socket(int type, const struct sockaddr_in *local)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1, size = 8 << 20;
    if (fd < 0)
        program_fail("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (type == SOCK_DGRAM) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    }
    if (bind(fd, (const struct sockaddr *)local, sizeof(*local)) != 0)
        program_fail("bind: %s", strerror(errno));
    return fd;
}

static void watch(const struct pipe *pipe, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (epoll_ctl(pipe->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        program_fail("epoll_ctl: %s", strerror(errno));
}

static void batch_prepare(struct batch *batch)
{
    for (unsigned i = 0; i < BATCH; i++) {
        batch->vectors[i] = (struct iovec){ .iov_base = batch->bytes[i], .iov_len = MESSAGE_SIZE };
        batch->headers[i].msg_hdr = (struct msghdr){ .msg_name = &batch->addresses[i],
            .msg_namelen = sizeof(batch->addresses[i]), .msg_iov = &batch->vectors[i], .msg_iovlen = 1 };
    }
}

static void send_stream(struct pipe *pipe)
{
    while (pipe->to_send.length > 0) {
        ssize_t count = send(pipe->stream, pipe->to_send.data, pipe->to_send.length, MSG_NOSIGNAL);
        if (count <= 0)
            program_fail("the TLS peer is gone");
        buffer_consume(&pipe->to_send, (size_t)count);
    }
}

static void shake_hands(struct pipe *pipe)
{
    int result = pipe->is_in ? wolfSSL_accept(pipe->tls) : wolfSSL_connect(pipe->tls);
    send_stream(pipe);
    if (result == WOLFSSL_SUCCESS) {
        pipe->is_established = true;
        return;
    }
    int reason = wolfSSL_get_error(pipe->tls, result);
    if (reason != WOLFSSL_ERROR_WANT_READ)
        program_fail("TLS handshake: %d", reason);
}

static void use_stream(struct pipe *pipe, int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    pipe->stream = fd;
    pipe->is_established = false;
    pipe->tls = wolfSSL_new(pipe->context);
    if (pipe->tls == NULL)
        program_fail("out of memory");
    wolfSSL_SetIOReadCtx(pipe->tls, pipe);
    wolfSSL_SetIOWriteCtx(pipe->tls, pipe);
    watch(pipe, fd);
    shake_hands(pipe);
}

static void drop_stream(struct pipe *pipe)
{
    close(pipe->stream);
    wolfSSL_free(pipe->tls);
    pipe->tls = NULL;
    pipe->stream = -1;
    buffer_clear(&pipe->received);
    buffer_clear(&pipe->to_send);
    if (!pipe->is_in)
        program_fail("the TLS peer is gone");
}

static void send_datagrams(struct pipe *pipe)
{
    for (unsigned at = 0; at < pipe->out.count;) {
        int count = sendmmsg(pipe->udp, pipe->out.headers + at, pipe->out.count - at, 0);
        if (count <= 0)
            break;
        at += (unsigned)count;
    }
    pipe->out.count = 0;
}

/* Records become datagrams. */
static void from_stream(struct pipe *pipe)
{
    if (!buffer_reserve(&pipe->received, CHUNK))
        program_fail("out of memory");
    ssize_t count = recv(pipe->stream, pipe->received.data + pipe->received.length, CHUNK, 0);
    if (count <= 0) {
        drop_stream(pipe);
        return;
    }
    pipe->received.length += (size_t)count;
    if (!pipe->is_established)
        shake_hands(pipe);
    struct batch *out = &pipe->out;
    int length;
    while (pipe->is_established && (length = wolfSSL_read(pipe->tls, out->bytes[out->count], MESSAGE_SIZE)) > 0) {
        out->vectors[out->count].iov_len = (size_t)length;
        out->addresses[out->count] = pipe->to;
        if (++out->count == BATCH)
            send_datagrams(pipe);
    }
    send_datagrams(pipe);
    send_stream(pipe);
}

/* Datagrams become records. */
static void from_datagrams(struct pipe *pipe)
{
    struct batch *in = &pipe->in;
    int count = recvmmsg(pipe->udp, in->headers, BATCH, MSG_DONTWAIT, NULL);
    if (count <= 0 || pipe->tls == NULL || !pipe->is_established)
        return;
    if (!pipe->is_in)
        pipe->to = in->addresses[count - 1];
    for (int i = 0; i < count; i++)
        if (wolfSSL_write(pipe->tls, in->bytes[i], (int)in->headers[i].msg_len) <= 0)
            program_fail("wolfSSL_write failed");
    send_stream(pipe);
}

static void run(struct pipe *pipe)
{
    struct epoll_event events[8];
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(pipe->epoll, events, 8, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == pipe->udp) {
                from_datagrams(pipe);
            } else if (fd == pipe->listener) {
                if (pipe->tls != NULL)
                    drop_stream(pipe);
                use_stream(pipe, accept(fd, NULL, NULL));
            } else if (fd == pipe->stream) {
                from_stream(pipe);
            }
        }
    }
}

static void open_sides(struct pipe *pipe)
{
    pipe->epoll = epoll_create1(EPOLL_CLOEXEC);
    pipe->udp = open_socket(SOCK_DGRAM, &pipe->datagrams);
    watch(pipe, pipe->udp);
    if (pipe->is_in) {
        pipe->listener = open_socket(SOCK_STREAM, &pipe->listen);
        if (listen(pipe->listener, 16) != 0)
            program_fail("listen: %s", strerror(errno));
        watch(pipe, pipe->listener);
        return;
    }
    struct sockaddr_in local = pipe->datagrams;
    local.sin_port = 0;
    int fd = open_socket(SOCK_STREAM, &local);
    if (connect(fd, (struct sockaddr *)&pipe->to, sizeof(pipe->to)) != 0)
        program_fail("connect: %s", strerror(errno));
    use_stream(pipe, fd);
}

int main(int argc, char **argv)
{
    static struct pipe pipe = { .udp = -1, .stream = -1, .listener = -1 };
    int option;
    while (argc > 1 && (option = getopt(argc - 1, argv + 1, "u:l:d:c:k:a:")) != -1) {
        switch (option) {
        case 'u': pipe.datagrams = program_address(optarg); break;
        case 'l': pipe.listen = program_address(optarg); break;
        case 'd': pipe.to = program_address(optarg); break;
        case 'c': pipe.certificate = optarg; break;
        case 'k': pipe.key = optarg; break;
        case 'a': pipe.authority = optarg; break;
        default: program_fail("%s", usage);
        }
    }
    pipe.is_in = argc > 1 && strcmp(argv[1], "in") == 0;
    if (argc < 2 || pipe.datagrams.sin_family == 0 || pipe.to.sin_family == 0 || pipe.certificate == NULL ||
        pipe.key == NULL || pipe.authority == NULL || (pipe.is_in && pipe.listen.sin_family == 0))
        program_fail("%s", usage);
    batch_prepare(&pipe.in);
    batch_prepare(&pipe.out);
    make_context(&pipe);
    open_sides(&pipe);
    run(&pipe);
}
