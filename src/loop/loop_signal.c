/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_signal.c - signals as calls on a loop; see loop.h. */
#include "base/error.h"
#include "loop/loop_private.h"

#include <stdlib.h>

struct loop_signal {
    uv_signal_t signal;
    loop_signal_fn *received;
    void *arg;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct loop_signal *signal = handle->data;
    signal->received(signal->arg, number);
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

int loop_signal_new(struct loop *loop, int number, loop_signal_fn *received, void *arg,
    struct loop_signal **signal_r, struct why *why)
{
    struct loop_signal *signal = malloc(sizeof(*signal));
    if (signal == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    *signal = (struct loop_signal){ .received = received, .arg = arg };
    int rc = uv_signal_init(&loop->uv, &signal->signal);
    if (rc != 0) {
        free(signal);
        return why_fail(why, ERROR_SYSTEM, "signal %d: %s", number, uv_strerror(rc));
    }
    signal->signal.data = signal;
    rc = uv_signal_start(&signal->signal, on_signal, number);
    if (rc != 0) {
        uv_close((uv_handle_t *)&signal->signal, on_close);
        return why_fail(why, ERROR_SYSTEM, "signal %d: %s", number, uv_strerror(rc));
    }
    *signal_r = signal;
    return 0;
}

void loop_signal_free(struct loop_signal *signal)
{
    if (signal != NULL)
        uv_close((uv_handle_t *)&signal->signal, on_close);
}
