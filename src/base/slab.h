/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slab.h - memory for the many small objects of one thread: taken and given back in constant time, found again warm.
 * In:    sizes. Out: memory cut from large pieces, whose pages are asked for all at once.
 * Never: locks: one thread uses a slab; gives a piece back before slab_fini(): what once was in use stays ready.
 * Objects of one size class share pages, so that what lives for half a minute lies close together and what is gone at
 * once is the next one's. Larger ones than SLAB_OBJECT_MAX, and all with SLAB NULL, are malloc's; so is everything
 * under the address sanitizer, which watches each by itself.
 */
#ifndef TRELAY_BASE_SLAB_H
#define TRELAY_BASE_SLAB_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stddef.h>

enum { SLAB_STEP = 64, SLAB_OBJECT_MAX = 4096, SLAB_CLASSES = SLAB_OBJECT_MAX / SLAB_STEP };

struct slab_object;
struct slab_piece;

struct slab {
    struct slab_object *free[SLAB_CLASSES];
    struct slab_piece *pieces;
    char *next;         /* of the newest piece */
    size_t left;        /* behind NEXT */
    size_t piece_size;  /* of the next piece */
    size_t total;       /* bytes of all pieces */
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
