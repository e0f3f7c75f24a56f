/* SPDX-License-Identifier: GPL-2.0-or-later */
/* short_memory.c - for a trelayd that finds no memory when a test wants it: t/trelayd-short.
 * In:    a file that TRELAY_SHORTAGE names: four numbers of 64 bits, shared with the test.
 * Out:   the first number counts down with each allocation of a worker; at 0 that one is refused, and no other, or,
 *        when the fourth number is not 0, it and all that follow. The second counts the refused, the third all of them.
 * Never: touches what other threads ask for, or anything while the first number is below 0.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct shortage {
    _Atomic int64_t left;
    _Atomic int64_t refused;
    _Atomic int64_t asked;
    _Atomic int64_t lasts;
};

static struct shortage *shortage;

__attribute__((constructor)) static void open_shortage(void)
{
    const char *path = getenv("TRELAY_SHORTAGE");
    int file = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *memory = mmap(NULL, sizeof(*shortage), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory != MAP_FAILED)
        shortage = memory;
}

/* Asked once a thread: it has its name before it does anything. */
static bool is_worker(void)
{
    static _Thread_local enum { UNKNOWN, YES, NO } answer;
    char name[16] = "";
    if (answer == UNKNOWN && pthread_getname_np(pthread_self(), name, sizeof(name)) == 0)
        answer = strcmp(name, "worker") == 0 ? YES : NO;
    return answer == YES;
}

static bool is_refused(void)
{
    int64_t left = shortage != NULL && is_worker() ? atomic_load(&shortage->left) : -1;
    if (left < 0)
        return false;
    atomic_fetch_add(&shortage->asked, 1);
    if (left == 0 && atomic_load(&shortage->lasts) != 0) {
        atomic_fetch_add(&shortage->refused, 1);
        return true;
    }
    while (left >= 0 && !atomic_compare_exchange_weak(&shortage->left, &left, left - 1))
        ;
    if (left != 0)
        return false;
    atomic_fetch_add(&shortage->refused, 1);
    return true;
}

#include "refused_memory.h"
