/* SPDX-License-Identifier: GPL-2.0-or-later */
/* thread.c - threads; see thread.h. */
#include "loop/thread.h"

#include "base/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct thread {
    pthread_t id;
    thread_fn *run;
    void *arg;
    char name[16];
};

static void *start(void *arg)
{
    struct thread *thread = arg;
    pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread->arg);
    return NULL;
}

int thread_start(const char *name, thread_fn *run, void *arg, struct thread **thread_r, struct why *why)
{
    struct thread *thread = malloc(sizeof(*thread));
    if (thread == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    *thread = (struct thread){ .run = run, .arg = arg };
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    /* The new thread inherits the mask. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread->id, NULL, start, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(thread);
        return why_fail(why, ERROR_SYSTEM, "thread %s: %s", name, strerrordesc_np(rc));
    }
    *thread_r = thread;
    return 0;
}

void thread_join(struct thread *thread)
{
    if (thread == NULL)
        return;
    pthread_join(thread->id, NULL);
    free(thread);
}
