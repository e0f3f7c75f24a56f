/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_private.h - the parts of a loop, for the files of src/loop. */
#ifndef TRELAY_LOOP_LOOP_PRIVATE_H
#define TRELAY_LOOP_LOOP_PRIVATE_H

#include "loop/loop.h"

#include <uv.h>

struct loop {
    uv_loop_t uv;
    uv_timer_t timer; /* set to when the wheel's next timer is due */
    uv_prepare_t prepare;
    uv_check_t check;
    struct loop_wheel wheel;
    uint64_t timer_due_ms; /* for which TIMER is set; UINT64_MAX: not set */
    struct list deferred, retired;
    uint64_t wall_read_ms; /* the turn in which wall_s was read; 0 in both: never */
    int64_t wall_s;
    struct list before_wait, after_wait;
    bool is_stopping;
};

#endif
