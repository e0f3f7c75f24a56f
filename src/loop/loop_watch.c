/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_watch.c - descriptors of a loop; see loop.h. */
#include "base/error.h"
#include "loop/loop_private.h"

#include <stdlib.h>

struct loop_watch {
    uv_poll_t poll;
    loop_watch_fn *ready;
    void *arg;
    unsigned wanted;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static int start(struct loop_watch *watch)
{
    int events = ((watch->wanted & LOOP_READABLE) != 0 ? UV_READABLE : 0) |
        ((watch->wanted & LOOP_WRITABLE) != 0 ? UV_WRITABLE : 0);
    int rc = events != 0 ? uv_poll_start(&watch->poll, events, on_poll) : uv_poll_stop(&watch->poll);
    return rc == 0 ? 0 : ERROR_SYSTEM;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct loop_watch *watch = poll->data;
    if (status == 0) {
        watch->ready(watch->arg, ((events & UV_READABLE) != 0 ? LOOP_READABLE : 0u) |
            ((events & UV_WRITABLE) != 0 ? LOOP_WRITABLE : 0u));
        return;
    }
    /* libuv stops watching a descriptor in error. Its owner learns the error from the descriptor, and may keep it. */
    watch->ready(watch->arg, watch->wanted);
    if (!uv_is_closing((uv_handle_t *)poll) && !uv_is_active((uv_handle_t *)poll) && start(watch) != 0)
        watch->wanted = 0;
}

int loop_watch_new(struct loop *loop, int fd, loop_watch_fn *ready, void *arg, struct loop_watch **watch_r)
{
    struct loop_watch *watch = malloc(sizeof(*watch));
    if (watch == NULL)
        return ERROR_MEMORY;
    *watch = (struct loop_watch){ .ready = ready, .arg = arg };
    if (uv_poll_init(&loop->uv, &watch->poll, fd) != 0) {
        free(watch);
        return ERROR_SYSTEM;
    }
    watch->poll.data = watch;
    *watch_r = watch;
    return 0;
}

int loop_watch_want(struct loop_watch *watch, unsigned events)
{
    if (events == watch->wanted)
        return 0;
    watch->wanted = events;
    return start(watch);
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_watch_free(struct loop_watch *watch)
{
    if (watch != NULL)
        uv_close((uv_handle_t *)&watch->poll, on_close);
}
