/* SPDX-License-Identifier: GPL-2.0-or-later */
/* latency.h - how long answers took: counts per hundredth of a millisecond, up to two seconds. */
#ifndef TRELAY_BENCH_LATENCY_H
#define TRELAY_BENCH_LATENCY_H

#include <stdint.h>

enum { LATENCY_SLOTS = 200000 };

struct latency {
    uint32_t slots[LATENCY_SLOTS];
    uint64_t count;
    uint64_t slow_count; /* over half a second */
    double longest_s;
};

void latency_add(struct latency *latency, double seconds);

/* The milliseconds within which SHARE (0 to 1) of the answers came; 0 when there are none. */
double latency_percentile_ms(const struct latency *latency, double share);

#endif
