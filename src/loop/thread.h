/* SPDX-License-Identifier: GPL-2.0-or-later */
/* thread.h - start a thread and wait for its end.
 * Never: a thread that receives signals; they stay with the thread that has the process's loop_signal.
 */
#ifndef TRELAY_LOOP_THREAD_H
#define TRELAY_LOOP_THREAD_H

#include "base/attributes.h"
#include "base/why.h"

struct thread;

typedef void thread_fn(void *arg);

/* NAME is shown by ps and debuggers, at most 15 bytes of it. */
int thread_start(const char *name, thread_fn *run, void *arg, struct thread **thread_r, struct why *why) MUST_CHECK;

/* Waits until its function has returned, and frees it. NULL is allowed. */
void thread_join(struct thread *thread);

#endif
