/* SPDX-License-Identifier: GPL-2.0-or-later */
/* latency.c - counts of answer times; see latency.h. */
#include "latency.h"

static const double SLOTS_PER_SECOND = 1e5;

void latency_add(struct latency *latency, double seconds)
{
    double slot = seconds * SLOTS_PER_SECOND;
    latency->slots[slot < LATENCY_SLOTS - 1 ? (uint32_t)slot : LATENCY_SLOTS - 1]++;
    latency->count++;
    if (seconds > 0.5)
        latency->slow_count++;
    if (seconds > latency->longest_s)
        latency->longest_s = seconds;
}

double latency_percentile_ms(const struct latency *latency, double share)
{
    uint64_t seen = 0;
    for (uint32_t i = 0; i < LATENCY_SLOTS; i++) {
        seen += latency->slots[i];
        if (seen > 0 && (double)seen >= share * (double)latency->count)
            return (double)i * 1000.0 / SLOTS_PER_SECOND;
    }
    return 0;
}
