/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.h - the event loop of one thread: timers, descriptors, work at the end of a turn, signals.
 * In:    functions to call. Out: their calls, all on the thread that runs the loop.
 * Never: used from another thread (that is what loop/mailbox.h is for), or calls a function from within the call
 *        that registers it.
 * A turn: due timers, ready descriptors and mailboxes; then what was deferred; then what was retired.
 */
#ifndef TRELAY_LOOP_LOOP_H
#define TRELAY_LOOP_LOOP_H

#include "base/attributes.h"
#include "base/list.h"
#include "base/why.h"
#include "loop/loop_wheel.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* May be made on one thread and run on another, as long as only one uses it at a time. */
int loop_new(struct loop **loop_r, struct why *why) MUST_CHECK;

/* Runs what is deferred and retired, then frees. All watches, signals and mailboxes are freed before it. */
void loop_free(struct loop *loop);

/* Until loop_stop(); a loop without anything to wait for waits. */
void loop_run(struct loop *loop);
/* Ends loop_run() after this turn; called on the loop's own thread. Before loop_run(): that returns at once. */
void loop_stop(struct loop *loop);
/* One turn; MAY_WAIT: until something happens. For tests and for orderly ends. */
void loop_turn(struct loop *loop, bool may_wait);

/* Monotonic, read once per turn. */
uint64_t loop_now_ms(const struct loop *loop);
/* Since 1970; steps when the administrator sets the clock. Seconds are read once per turn: what a decision takes to be
 * young enough is so until it is carried out. */
int64_t loop_wall_s(struct loop *loop);
int64_t loop_wall_us(const struct loop *loop);

/* Timers: embedded, without allocation, and cheap enough for one per transaction. */
void loop_timer_init(struct loop_timer *timer, loop_timer_fn *expired, void *arg);
/* Fires once, DELAY_MS after the time of this turn at the earliest and never within this call. A running timer is
 * moved. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);
/* Fires every PERIOD_MS (at least 1) until stopped. */
void loop_timer_start_periodic(struct loop *loop, struct loop_timer *timer, uint32_t period_ms);
/* Allowed for a timer that is not running. It does not fire afterwards. */
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);
bool loop_timer_is_running(const struct loop_timer *timer);

/* Descriptors: one watch per descriptor. */
enum { LOOP_READABLE = 1, LOOP_WRITABLE = 2 };
/* An error or hang-up counts as every event that was wanted: the next read or write tells it. */
typedef void loop_watch_fn(void *arg, unsigned events);
struct loop_watch;
int loop_watch_new(struct loop *loop, int fd, loop_watch_fn *ready, void *arg, struct loop_watch **watch_r) MUST_CHECK;
/* EVENTS replaces what was wanted before; 0: nothing. Level triggered. */
int loop_watch_want(struct loop_watch *watch, unsigned events) MUST_CHECK;
/* Before the descriptor is closed. No call comes afterwards. */
void loop_watch_free(struct loop_watch *watch);

/* Work for the end of this turn, each at most once: sending what the turn collected. Embedded in its owner. What is
 * deferred meanwhile is run in the same turn. */
typedef void loop_deferred_fn(void *arg);
struct loop_deferred {
    struct list_node node;
    loop_deferred_fn *run;
    void *arg;
};
void loop_deferred_init(struct loop_deferred *deferred, loop_deferred_fn *run, void *arg);
/* Nothing happens when it is in the list already. */
void loop_defer(struct loop *loop, struct loop_deferred *deferred);
/* The same, but after all deferred work: for freeing what callers on the stack may still hold. */
void loop_retire(struct loop *loop, struct loop_deferred *deferred);
/* Allowed for one that is not in a list. */
void loop_deferred_cancel(struct loop_deferred *deferred);

/* Called in every turn: just before the loop may wait (after all deferred work), and just after. A hook may remove
 * itself, but no other. */
typedef void loop_hook_fn(void *arg);
struct loop_hook {
    struct list_node node;
    loop_hook_fn *call;
    void *arg;
};
void loop_hook_before_wait(struct loop *loop, struct loop_hook *hook, loop_hook_fn *call, void *arg);
void loop_hook_after_wait(struct loop *loop, struct loop_hook *hook, loop_hook_fn *call, void *arg);
void loop_hook_remove(struct loop_hook *hook);

/* Signals of the process, as calls on this loop. Threads of loop/thread.h receive none themselves. */
typedef void loop_signal_fn(void *arg, int number);
struct loop_signal;
int loop_signal_new(struct loop *loop, int number, loop_signal_fn *received, void *arg,
    struct loop_signal **signal_r, struct why *why) MUST_CHECK;
void loop_signal_free(struct loop_signal *signal);

#endif
