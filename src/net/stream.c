/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream.c - a TCP connection on a loop; see stream.h. */
#include "net/stream.h"

#include "base/buffer.h"
#include "base/error.h"
#include "net/socket_address.h"
#include "net/socket_option.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum stream_state {
    STREAM_NONE = 0,
    STREAM_CONNECTING,
    STREAM_OPEN,
    STREAM_DEAD,  /* ended() was told or is about to be; nothing is sent or read */
    STREAM_FREED, /* the owner is gone */
};

/* Only while there is something to send. */
struct stream_output {
    struct buffer bytes;
    size_t sent; /* of bytes */
};

struct stream {
    const struct stream_environment *environment;
    const struct stream_handler *handler;
    void *arg;
    struct loop_watch *watch;
    struct stream_output *output; /* NULL: nothing is queued */
    int fd;
    uint8_t state; /* enum stream_state */
    uint8_t end;   /* enum stream_end, to be told by the deferred call */
    bool is_paused : 1, has_eof : 1, is_finishing : 1, is_finished : 1, is_congested : 1;
    int end_error;
    struct loop_timer timer; /* of connect */
    struct loop_deferred deferred; /* tells the end, later frees */
};

static const struct {
    const char *name, *text;
} ends[STREAM_END_COUNT] = {
    [STREAM_END_NONE] = { "none", "not ended" },
#define X(code, word, text_) [code] = { .name = word, .text = text_ },
    STREAM_END_LIST(X)
#undef X
};

const char *stream_end_name(enum stream_end end)
{
    return (unsigned)end < STREAM_END_COUNT ? ends[end].name : "unknown";
}

const char *stream_end_text(enum stream_end end)
{
    return (unsigned)end < STREAM_END_COUNT ? ends[end].text : "unknown";
}

static enum stream_end end_of_errno(int os_error)
{
    switch (os_error) {
    case ECONNRESET:
    case EPIPE:
        return STREAM_END_RESET;
    case ECONNREFUSED:
        return STREAM_END_REFUSED;
    case ETIMEDOUT:
        return STREAM_END_TIMEOUT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
    case EACCES:
    case EPERM:
        return STREAM_END_UNREACHABLE;
    case ENOMEM:
    case ENOBUFS:
        return STREAM_END_MEMORY;
    default:
        return STREAM_END_FAILED;
    }
}

static void drop_output(struct stream *stream)
{
    if (stream->output == NULL)
        return;
    buffer_free(&stream->output->bytes);
    free(stream->output);
    stream->output = NULL;
}

static void stop_watching(struct stream *stream)
{
    loop_watch_free(stream->watch);
    stream->watch = NULL;
}

/* Nothing more can come of it. The owner is told at the end of the turn, because he may be on the stack. */
static void die(struct stream *stream, enum stream_end end, int os_error)
{
    if (stream->state >= STREAM_DEAD)
        return;
    stream->state = STREAM_DEAD;
    stream->end = (uint8_t)end;
    stream->end_error = os_error;
    loop_timer_stop(stream->environment->loop, &stream->timer);
    stop_watching(stream);
    drop_output(stream);
    loop_defer(stream->environment->loop, &stream->deferred);
}

static void die_of_errno(struct stream *stream, int os_error)
{
    enum stream_end end = end_of_errno(os_error);
    if (stream->state == STREAM_CONNECTING && end == STREAM_END_TIMEOUT)
        end = STREAM_END_CONNECT_TIMEOUT;
    die(stream, end, os_error);
}

static void watch_events(struct stream *stream)
{
    unsigned events = 0;
    if (stream->state == STREAM_CONNECTING)
        events = LOOP_WRITABLE;
    if (stream->state == STREAM_OPEN)
        events = (!stream->is_paused && !stream->has_eof ? LOOP_READABLE : 0u) |
            (stream->output != NULL ? LOOP_WRITABLE : 0u);
    if (stream->watch != NULL && loop_watch_want(stream->watch, events) != 0)
        die(stream, STREAM_END_FAILED, EBADF);
}

size_t stream_queued(const struct stream *stream)
{
    return stream->output != NULL ? stream->output->bytes.length - stream->output->sent : 0;
}

/* The FIN goes once everything before it has gone. */
static void finish_when_empty(struct stream *stream)
{
    if (!stream->is_finishing || stream->is_finished || stream->output != NULL || stream->state != STREAM_OPEN)
        return;
    stream->is_finished = true;
    if (shutdown(stream->fd, SHUT_WR) != 0 && errno != ENOTCONN)
        die_of_errno(stream, errno);
}

/* The number of bytes the kernel took; 0 also when the stream died of it. */
static size_t send_now(struct stream *stream, struct slice bytes)
{
    size_t taken = 0;
    while (taken < bytes.length) {
        ssize_t sent = send(stream->fd, bytes.data + taken, bytes.length - taken, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            taken += (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            die_of_errno(stream, errno);
            return 0;
        }
    }
    return taken;
}

/* Room is kept for what is still to be sent, without moving bytes at every step. */
static void reclaim(struct stream_output *output)
{
    if (output->sent >= output->bytes.length / 2) {
        buffer_consume(&output->bytes, output->sent);
        output->sent = 0;
    }
}

static void flush(struct stream *stream)
{
    struct stream_output *output = stream->output;
    if (output != NULL) {
        size_t taken = send_now(stream, slice_from(buffer_slice(&output->bytes), output->sent));
        if (stream->state != STREAM_OPEN)
            return;
        output->sent += taken;
        if (output->sent == output->bytes.length)
            drop_output(stream);
        else if (taken > 0)
            reclaim(output);
    }
    finish_when_empty(stream);
    watch_events(stream);
    if (stream->is_congested && stream->state == STREAM_OPEN &&
        stream_queued(stream) <= stream->environment->low_water) {
        stream->is_congested = false;
        stream->handler->drained(stream->arg);
    }
}

static void finish_connecting(struct stream *stream)
{
    int os_error = 0;
    socklen_t size = sizeof(os_error);
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &os_error, &size) != 0)
        os_error = errno;
    if (os_error != 0) {
        die_of_errno(stream, os_error);
        return;
    }
    loop_timer_stop(stream->environment->loop, &stream->timer);
    stream->state = STREAM_OPEN;
    stream->handler->connected(stream->arg);
    if (stream->state == STREAM_OPEN)
        flush(stream);
}

static void on_connect_timeout(void *arg)
{
    struct stream *stream = arg;
    die(stream, STREAM_END_CONNECT_TIMEOUT, ETIMEDOUT);
}

/* What the peer sent before its reset (a TLS alert, a response) can still be read, and often tells why. */
static void read_last(struct stream *stream)
{
    char *bytes = net_scratch_datagram(stream->environment->scratch, 0);
    ssize_t length = 1;
    while (length > 0 && stream->state == STREAM_DEAD) {
        length = recv(stream->fd, bytes, NET_SCRATCH_STREAM_SIZE, MSG_DONTWAIT);
        if (length > 0)
            stream->handler->received(stream->arg, slice_of(bytes, (size_t)length));
    }
}

static void on_tell_end(void *arg)
{
    struct stream *stream = arg;
    if (stream->end == STREAM_END_RESET && !stream->is_paused && !stream->has_eof)
        read_last(stream);
    if (stream->state == STREAM_DEAD)
        stream->handler->ended(stream->arg, (enum stream_end)stream->end, stream->end_error);
}

static void reach_eof(struct stream *stream)
{
    stream->has_eof = true;
    watch_events(stream);
    if (stream->state == STREAM_OPEN)
        stream->handler->ended(stream->arg, STREAM_END_EOF, 0);
}

static void read_some(struct stream *stream)
{
    const struct stream_environment *environment = stream->environment;
    size_t limit = environment->read_limit > 0 ? environment->read_limit : NET_SCRATCH_STREAM_SIZE * 4;
    char *bytes = net_scratch_datagram(environment->scratch, 0);
    for (size_t total = 0; total < limit && stream->state == STREAM_OPEN && !stream->is_paused && !stream->has_eof;) {
        ssize_t length = recv(stream->fd, bytes, NET_SCRATCH_STREAM_SIZE, MSG_DONTWAIT);
        if (length > 0) {
            total += (size_t)length;
            stream->handler->received(stream->arg, slice_of(bytes, (size_t)length));
            if (length < NET_SCRATCH_STREAM_SIZE)
                return; /* that was all; what comes meanwhile wakes us again */
        } else if (length == 0) {
            reach_eof(stream);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR) {
            die_of_errno(stream, errno);
        }
    }
}

static void on_ready(void *arg, unsigned events)
{
    struct stream *stream = arg;
    if (stream->state == STREAM_CONNECTING) {
        finish_connecting(stream);
        return;
    }
    if ((events & LOOP_READABLE) != 0)
        read_some(stream);
    if ((events & LOOP_WRITABLE) != 0 && stream->state == STREAM_OPEN)
        flush(stream);
}

static void free_now(void *arg)
{
    free(arg);
}

/* Takes FD, also when it fails. */
static int new_stream(const struct stream_environment *environment, int fd, const struct stream_handler *handler,
    void *arg, struct stream **stream_r)
{
    struct stream *stream = malloc(sizeof(*stream));
    if (stream == NULL) {
        close(fd);
        return ERROR_MEMORY;
    }
    *stream = (struct stream){ .environment = environment, .handler = handler, .arg = arg, .fd = fd };
    loop_timer_init(&stream->timer, on_connect_timeout, stream);
    loop_deferred_init(&stream->deferred, on_tell_end, stream);
    int rc = loop_watch_new(environment->loop, fd, on_ready, stream, &stream->watch);
    if (rc != 0) {
        free(stream);
        close(fd);
        return rc;
    }
    *stream_r = stream;
    return 0;
}

int stream_adopt(const struct stream_environment *environment, int fd, const struct stream_handler *handler, void *arg,
    struct stream **stream_r)
{
    if (socket_set_stall_timeout(fd, environment->stall_timeout_ms) != 0) {
        close(fd);
        return ERROR_SYSTEM;
    }
    struct stream *stream;
    int rc = new_stream(environment, fd, handler, arg, &stream);
    if (rc != 0)
        return rc;
    stream->state = STREAM_OPEN;
    watch_events(stream);
    *stream_r = stream;
    return 0;
}

/* The port is chosen by connect(), which can use one for many destinations. */
static int bind_local(int fd, const struct endpoint *local)
{
    struct sockaddr_storage address;
    const int yes = 1;
    if (local == NULL || local->address.family == ADDRESS_NONE)
        return 0;
    socklen_t size = socket_address_from_endpoint(local, &address);
    if (local->port == 0)
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    return bind(fd, (struct sockaddr *)&address, size);
}

int stream_connect(const struct stream_environment *environment, const struct endpoint *local,
    const struct endpoint *remote, uint32_t timeout_ms, const struct stream_handler *handler, void *arg,
    struct stream **stream_r)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address_from_endpoint(remote, &address);
    if (size == 0 || remote->port == 0)
        return ERROR_UNSUPPORTED;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERROR_SYSTEM;
    if (socket_set_tcp_options(fd) != 0 || socket_set_stall_timeout(fd, environment->stall_timeout_ms) != 0) {
        close(fd);
        return ERROR_SYSTEM;
    }
    struct stream *stream;
    int rc = new_stream(environment, fd, handler, arg, &stream);
    if (rc != 0)
        return rc;
    stream->state = STREAM_CONNECTING;
    if (bind_local(fd, local) != 0 ||
        (connect(fd, (struct sockaddr *)&address, size) != 0 && errno != EINPROGRESS)) {
        die_of_errno(stream, errno);
    } else {
        loop_timer_start(environment->loop, &stream->timer, timeout_ms);
        watch_events(stream);
    }
    *stream_r = stream;
    return 0;
}

static void free_stream(struct stream *stream)
{
    struct loop *loop = stream->environment->loop;
    stream->state = STREAM_FREED;
    loop_timer_stop(loop, &stream->timer);
    stop_watching(stream);
    drop_output(stream);
    close(stream->fd);
    stream->fd = -1;
    /* A callback of ours may be on the stack. */
    loop_deferred_cancel(&stream->deferred);
    loop_deferred_init(&stream->deferred, free_now, stream);
    loop_retire(loop, &stream->deferred);
}

void stream_free(struct stream *stream)
{
    if (stream != NULL && stream->state != STREAM_FREED)
        free_stream(stream);
}

void stream_abort(struct stream *stream)
{
    if (stream == NULL || stream->state == STREAM_FREED)
        return;
    const struct linger none = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    free_stream(stream);
}

static int queue(struct stream *stream, struct slice bytes)
{
    struct stream_output *output = stream->output;
    if (output == NULL) {
        output = malloc(sizeof(*output));
        if (output == NULL)
            return ERROR_MEMORY;
        *output = (struct stream_output){ .bytes = BUFFER_EMPTY };
        stream->output = output;
    }
    buffer_append_slice(&output->bytes, bytes);
    return output->bytes.has_failed ? ERROR_MEMORY : 0;
}

int stream_write(struct stream *stream, struct slice bytes)
{
    const struct stream_environment *environment = stream->environment;
    if (stream->state != STREAM_OPEN && stream->state != STREAM_CONNECTING)
        return ERROR_CLOSED;
    if (stream->is_finishing)
        return ERROR_STATE;
    if (environment->queue_limit > 0 && bytes.length > environment->queue_limit - stream_queued(stream))
        return ERROR_LIMIT;
    size_t taken = 0;
    if (stream->output == NULL && stream->state == STREAM_OPEN) {
        taken = send_now(stream, bytes);
        if (stream->state != STREAM_OPEN)
            return ERROR_CLOSED;
    }
    if (taken == bytes.length)
        return 0;
    if (queue(stream, slice_from(bytes, taken)) != 0) {
        die(stream, STREAM_END_MEMORY, ENOMEM); /* a gap in the stream cannot be mended */
        return ERROR_MEMORY;
    }
    if (environment->high_water > 0 && stream_queued(stream) >= environment->high_water)
        stream->is_congested = true;
    watch_events(stream);
    return 0;
}

void stream_finish(struct stream *stream)
{
    if (stream->is_finishing)
        return;
    stream->is_finishing = true;
    finish_when_empty(stream);
}

void stream_pause_reading(struct stream *stream)
{
    stream->is_paused = true;
    watch_events(stream);
}

void stream_resume_reading(struct stream *stream)
{
    stream->is_paused = false;
    watch_events(stream);
}

bool stream_is_congested(const struct stream *stream)
{
    return stream->is_congested;
}

bool stream_is_connected(const struct stream *stream)
{
    return stream->state == STREAM_OPEN;
}

int stream_local(const struct stream *stream, struct endpoint *endpoint_r)
{
    return socket_local_endpoint(stream->fd, endpoint_r);
}

int stream_peer(const struct stream *stream, struct endpoint *endpoint_r)
{
    return socket_peer_endpoint(stream->fd, endpoint_r);
}
