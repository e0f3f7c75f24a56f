/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listener.c - accepting TCP connections; see listener.h. */
#include "net/listener.h"

#include "base/error.h"
#include "net/socket_address.h"
#include "net/socket_option.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_TURN = 64,
    REST_MS = 100,          /* when accept() fails for want of memory: the queue would call again at once */
    COMPLAINT_MS = 60000,   /* between two log lines about the same want */
};

struct listener {
    struct loop *loop;
    listener_accepted_fn *accepted;
    void *arg;
    const struct log_scope *scope;
    struct loop_watch *watch;
    struct loop_timer rest;
    struct loop_deferred free;
    int fd;
    int reserve; /* given up for a moment when there are no descriptors left; -1: given up for good */
    bool is_paused, is_freed;
    bool has_complained;
    uint64_t complained_ms;
    uint64_t refused_count;
    struct endpoint local;
};

int listener_bind(const struct endpoint *endpoint, int backlog, int *fd_r, struct why *why)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address_from_endpoint(endpoint, &address);
    char text[ADDRESS_TEXT_SIZE];
    const int yes = 1;
    if (size == 0)
        return why_fail(why, ERROR_UNSUPPORTED, "no address to listen on");
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return why_fail(why, ERROR_SYSTEM, "socket: %m");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        (address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) != 0) ||
        socket_set_tcp_options(fd) != 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        listen(fd, backlog > 0 ? backlog : SOMAXCONN) != 0) {
        int rc = why_fail(why, ERROR_SYSTEM, "tcp %s: %m", endpoint_print(endpoint, text));
        close(fd);
        return rc;
    }
    *fd_r = fd;
    return 0;
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void watch_again(struct listener *listener)
{
    bool is_open = !listener->is_paused && !loop_timer_is_running(&listener->rest);
    if (!listener->is_freed && loop_watch_want(listener->watch, is_open ? LOOP_READABLE : 0) != 0)
        log_event(listener->scope, LOG_LEVEL_ERROR, LOG_EVENT_ACCEPT_FAILED, LOG_ENDPOINT("local", &listener->local),
            LOG_STRING("why", "the socket cannot be watched"));
}

static void complain(struct listener *listener, int os_error)
{
    uint64_t now = loop_now_ms(listener->loop);
    if (listener->has_complained && now - listener->complained_ms < COMPLAINT_MS)
        return;
    listener->has_complained = true;
    listener->complained_ms = now;
    log_event(listener->scope, LOG_LEVEL_ERROR, LOG_EVENT_ACCEPT_FAILED, LOG_ENDPOINT("local", &listener->local),
        LOG_ERRNO("why", os_error), LOG_UNSIGNED("refused", listener->refused_count));
}

/* No descriptor is left: takes the first of the queue on the reserved one and closes it. False: that failed too. */
static bool refuse_one(struct listener *listener)
{
    if (listener->reserve < 0)
        listener->reserve = open_reserve();
    if (listener->reserve < 0)
        return false;
    close(listener->reserve);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        listener->refused_count++;
        close(fd);
    }
    listener->reserve = open_reserve();
    return fd >= 0;
}

static bool has_to_rest(struct listener *listener, int os_error)
{
    bool is_refused = (os_error == EMFILE || os_error == ENFILE) && refuse_one(listener);
    complain(listener, os_error);
    return !is_refused;
}

static void rest(struct listener *listener)
{
    loop_timer_start(listener->loop, &listener->rest, REST_MS);
    watch_again(listener);
}

static void on_rested(void *arg)
{
    watch_again(arg);
}

static void on_ready(void *arg, unsigned events)
{
    struct listener *listener = arg;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !listener->is_paused && !listener->is_freed; i++) {
        struct sockaddr_storage address;
        struct endpoint peer;
        socklen_t size = sizeof(address);
        int fd = accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && socket_address_to_endpoint((struct sockaddr *)&address, size, &peer) == 0) {
            listener->accepted(listener->arg, fd, &peer);
        } else if (fd >= 0) {
            close(fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (has_to_rest(listener, errno)) {
                rest(listener);
                return;
            }
        } /* else: that connection died while it waited (accept(2) lists the errors); the next one */
    }
}

int listener_new(struct loop *loop, int fd, listener_accepted_fn *accepted, void *arg, const struct log_scope *scope,
    struct listener **listener_r)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    int rc = ERROR_MEMORY;
    if (listener == NULL)
        goto out;
    *listener = (struct listener){ .loop = loop, .accepted = accepted, .arg = arg, .scope = scope, .fd = fd,
        .reserve = open_reserve() };
    loop_timer_init(&listener->rest, on_rested, listener);
    rc = socket_local_endpoint(fd, &listener->local);
    if (rc == 0)
        rc = loop_watch_new(loop, fd, on_ready, listener, &listener->watch);
    if (rc == 0)
        rc = loop_watch_want(listener->watch, LOOP_READABLE);
out:
    if (rc == 0) {
        *listener_r = listener;
        return 0;
    }
    if (listener != NULL) {
        loop_watch_free(listener->watch);
        if (listener->reserve >= 0)
            close(listener->reserve);
    }
    free(listener);
    close(fd);
    return rc;
}

static void free_now(void *arg)
{
    free(arg);
}

void listener_free(struct listener *listener)
{
    if (listener == NULL || listener->is_freed)
        return;
    listener->is_freed = true;
    loop_timer_stop(listener->loop, &listener->rest);
    loop_watch_free(listener->watch);
    close(listener->fd);
    if (listener->reserve >= 0)
        close(listener->reserve);
    loop_deferred_init(&listener->free, free_now, listener);
    loop_retire(listener->loop, &listener->free);
}

void listener_pause(struct listener *listener)
{
    listener->is_paused = true;
    watch_again(listener);
}

void listener_resume(struct listener *listener)
{
    listener->is_paused = false;
    watch_again(listener);
}

const struct endpoint *listener_local(const struct listener *listener)
{
    return &listener->local;
}

uint64_t listener_refused_count(const struct listener *listener)
{
    return listener->refused_count;
}
