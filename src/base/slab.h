/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slab.h - memory for the many small objects of one thread: taken and given back in constant time, found again warm.
 * In:    sizes. Out: memory cut from chunks of one size class each; chunks that emptied go back to the system, but
 *        for a few that stay ready.
 * Never: locks: one thread uses a slab.
 * Objects of one class share pages, so that what lives for half a minute lies close together, what is gone at once is
 * the next one's, and a peak leaves nothing behind. Larger ones than SLAB_OBJECT_MAX, and all with SLAB NULL, are
 * malloc's; so is everything under the address sanitizer, which watches each by itself.
 */
#ifndef TRELAY_BASE_SLAB_H
#define TRELAY_BASE_SLAB_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

enum { SLAB_STEP = 64, SLAB_OBJECT_MAX = 4096, SLAB_CLASSES = SLAB_OBJECT_MAX / SLAB_STEP };

struct slab_chunk;
struct slab_region;

/* Lists without an end mark: what is all zero is empty. */
struct slab {
    struct slab_chunk *with_room[SLAB_CLASSES];
    uint32_t chunk_count[SLAB_CLASSES];
    struct slab_chunk *empty; /* ready for any class */
    uint32_t empty_count;
    struct slab_region *full_regions; /* every chunk of which is in use or ready */
    struct slab_region *cold_regions; /* some have no pages */
    size_t total;                     /* bytes of all regions */
};

void slab_init(struct slab *slab);
/* Everything taken goes with it. Allowed for one that is all zero. */
void slab_fini(struct slab *slab);

/* NULL when there is no memory; not zeroed. */
void *slab_take(struct slab *slab, size_t size);
void *slab_take_zeroed(struct slab *slab, size_t size);
/* A copy; NULL when there is no memory. */
void *slab_copy(struct slab *slab, struct slice bytes);

/* SIZE as it was taken. NULL is allowed for OBJECT. */
void slab_give(struct slab *slab, void *object, size_t size);

#endif
