/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.c - one thread's event loop over libuv; see loop.h.
 * libuv's turn is: its timers, prepare, poll (descriptors, wake-ups), check, closing. Deferred work runs in prepare,
 * for what timers and closing left, and in check, for what descriptors left.
 */
#include "loop/loop.h"

#include "base/error.h"
#include "loop/loop_private.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

/* Deferred work may defer more; whoever defers himself for ever would hang the loop, which this bounds. */
enum { DEFER_ROUNDS = 16 };

static void run_list(struct list *list)
{
    struct list now;
    for (int round = 0; round < DEFER_ROUNDS && !list_is_empty(list); round++) {
        struct list_node *node;
        list_init(&now);
        while ((node = list_take_first(list)) != NULL)
            list_append(&now, node);
        while ((node = list_take_first(&now)) != NULL) {
            struct loop_deferred *deferred = CONTAINER_OF(node, struct loop_deferred, node);
            deferred->run(deferred->arg);
        }
    }
}

static void end_turn(struct loop *loop)
{
    run_list(&loop->deferred);
    run_list(&loop->retired);
}

static void call_hooks(struct list *hooks)
{
    list_for_each_safe(node, hooks) {
        struct loop_hook *hook = CONTAINER_OF(node, struct loop_hook, node);
        hook->call(hook->arg);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    loop->timer_due_ms = UINT64_MAX;
    loop_wheel_advance(&loop->wheel, uv_now(&loop->uv));
}

/* libuv's one timer is moved only when the wheel's next time has changed. */
static void set_timer(struct loop *loop)
{
    uint64_t next = loop_wheel_next_ms(&loop->wheel);
    if (next == loop->timer_due_ms)
        return;
    loop->timer_due_ms = next;
    if (next == UINT64_MAX) {
        uv_timer_stop(&loop->timer);
        return;
    }
    uint64_t now = uv_now(&loop->uv);
    int rc = uv_timer_start(&loop->timer, on_timer, next > now ? next - now : 0, 0);
    assert(rc == 0);
    (void)rc;
}

static bool has_deferred(const struct loop *loop)
{
    return !list_is_empty(&loop->deferred) || !list_is_empty(&loop->retired);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    end_turn(loop);
    call_hooks(&loop->before_wait);
    set_timer(loop);
    if (has_deferred(loop)) {
        /* A hook deferred something: it must not wait for the next event. */
        loop->timer_due_ms = 0;
        int rc = uv_timer_start(&loop->timer, on_timer, 0, 0);
        assert(rc == 0);
        (void)rc;
    }
}

static void on_check(uv_check_t *check)
{
    struct loop *loop = check->data;
    call_hooks(&loop->after_wait);
    end_turn(loop);
}

int loop_new(struct loop **loop_r, struct why *why)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    int rc = uv_loop_init(&loop->uv);
    if (rc != 0) {
        free(loop);
        return why_fail(why, rc == UV_ENOMEM ? ERROR_MEMORY : ERROR_SYSTEM, "event loop: %s", uv_strerror(rc));
    }
    list_init(&loop->deferred);
    list_init(&loop->retired);
    list_init(&loop->before_wait);
    list_init(&loop->after_wait);
    loop_wheel_init(&loop->wheel, uv_now(&loop->uv));
    loop->timer_due_ms = UINT64_MAX;
    loop->timer.data = loop->prepare.data = loop->check.data = loop;
    /* None of these can fail. */
    uv_timer_init(&loop->uv, &loop->timer);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    *loop_r = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    end_turn(loop);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    while (uv_run(&loop->uv, UV_RUN_NOWAIT) != 0)
        ;
    int rc = uv_loop_close(&loop->uv);
    assert(rc == 0);
    (void)rc;
    free(loop);
}

void loop_run(struct loop *loop)
{
    while (!loop->is_stopping)
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop->is_stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
    uv_stop(&loop->uv);
}

void loop_turn(struct loop *loop, bool may_wait)
{
    /* Deferred work is something that happens: it is done before the wait, which would then be in vain. */
    uv_run(&loop->uv, may_wait && !has_deferred(loop) ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    end_turn(loop); /* what timers left, which UV_RUN_ONCE runs last */
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

int64_t loop_wall_s(struct loop *loop)
{
    uint64_t now_ms = uv_now(&loop->uv);
    if (loop->wall_s == 0 || loop->wall_read_ms != now_ms) {
        loop->wall_s = loop_wall_us(loop) / 1000000;
        loop->wall_read_ms = now_ms;
    }
    return loop->wall_s;
}

int64_t loop_wall_us(const struct loop *loop)
{
    (void)loop;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void loop_timer_init(struct loop_timer *timer, loop_timer_fn *expired, void *arg)
{
    *timer = (struct loop_timer){ .expired = expired, .arg = arg };
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    uint64_t now = uv_now(&loop->uv);
    timer->period_ms = 0;
    loop_wheel_insert(&loop->wheel, timer, delay_ms < UINT64_MAX / 2 - now ? now + delay_ms : UINT64_MAX / 2);
}

void loop_timer_start_periodic(struct loop *loop, struct loop_timer *timer, uint32_t period_ms)
{
    timer->period_ms = period_ms > 0 ? period_ms : 1;
    loop_wheel_insert(&loop->wheel, timer, uv_now(&loop->uv) + timer->period_ms);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    loop_wheel_remove(&loop->wheel, timer);
}

bool loop_timer_is_running(const struct loop_timer *timer)
{
    return list_holds(&timer->node);
}

void loop_deferred_init(struct loop_deferred *deferred, loop_deferred_fn *run, void *arg)
{
    *deferred = (struct loop_deferred){ .run = run, .arg = arg };
}

void loop_defer(struct loop *loop, struct loop_deferred *deferred)
{
    if (!list_holds(&deferred->node))
        list_append(&loop->deferred, &deferred->node);
}

void loop_retire(struct loop *loop, struct loop_deferred *deferred)
{
    if (!list_holds(&deferred->node))
        list_append(&loop->retired, &deferred->node);
}

void loop_deferred_cancel(struct loop_deferred *deferred)
{
    list_remove(&deferred->node);
}

void loop_hook_before_wait(struct loop *loop, struct loop_hook *hook, loop_hook_fn *call, void *arg)
{
    *hook = (struct loop_hook){ .call = call, .arg = arg };
    list_append(&loop->before_wait, &hook->node);
}

void loop_hook_after_wait(struct loop *loop, struct loop_hook *hook, loop_hook_fn *call, void *arg)
{
    *hook = (struct loop_hook){ .call = call, .arg = arg };
    list_append(&loop->after_wait, &hook->node);
}

void loop_hook_remove(struct loop_hook *hook)
{
    list_remove(&hook->node);
}
