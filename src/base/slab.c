/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slab.c - see slab.h. */
#include "base/slab.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096, PIECE_FIRST = 16 * 1024, PIECE_LARGEST = 1024 * 1024 };

struct slab_object {
    struct slab_object *next;
};

/* Stands at the start of its memory. */
struct slab_piece {
    struct slab_piece *next;
};

#if defined(__SANITIZE_ADDRESS__)
#define EACH_BY_ITSELF true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EACH_BY_ITSELF true
#endif
#endif
#ifndef EACH_BY_ITSELF
#define EACH_BY_ITSELF false
#endif

void slab_init(struct slab *slab)
{
    *slab = (struct slab){ .piece_size = PIECE_FIRST };
}

void slab_fini(struct slab *slab)
{
    struct slab_piece *next;
    for (struct slab_piece *piece = slab->pieces; piece != NULL; piece = next) {
        next = piece->next;
        free(piece);
    }
    *slab = (struct slab){ .piece_size = PIECE_FIRST };
}

static bool is_plain(const struct slab *slab, size_t size)
{
    return EACH_BY_ITSELF || slab == NULL || size == 0 || size > SLAB_OBJECT_MAX;
}

static size_t class_of(size_t size)
{
    return (size - 1) / SLAB_STEP;
}

/* Pages made one by one, when they are first written to, cost ten times as much. A kernel that cannot make them at
 * once makes them then. What was left of the last piece is no loss worth keeping. */
static bool add_piece(struct slab *slab)
{
    size_t size = slab->piece_size;
    struct slab_piece *piece = aligned_alloc(PAGE, size);
    if (piece == NULL)
        return false;
#ifdef MADV_POPULATE_WRITE
    (void)madvise(piece, size, MADV_POPULATE_WRITE);
#endif
    piece->next = slab->pieces;
    slab->pieces = piece;
    slab->next = (char *)piece + SLAB_STEP;
    slab->left = size - SLAB_STEP;
    slab->total += size;
    if (slab->piece_size < PIECE_LARGEST)
        slab->piece_size *= 2;
    return true;
}

void *slab_take(struct slab *slab, size_t size)
{
    if (is_plain(slab, size))
        return malloc(size > 0 ? size : 1);
    size_t class = class_of(size), rounded = (class + 1) * SLAB_STEP;
    struct slab_object *object = slab->free[class];
    if (object != NULL) {
        slab->free[class] = object->next;
        return object;
    }
    if (slab->left < rounded && !add_piece(slab))
        return NULL;
    object = (struct slab_object *)(void *)slab->next;
    slab->next += rounded;
    slab->left -= rounded;
    return object;
}

void *slab_take_zeroed(struct slab *slab, size_t size)
{
    void *object = slab_take(slab, size);
    if (object != NULL)
        memset(object, 0, size);
    return object;
}

void *slab_copy(struct slab *slab, struct slice bytes)
{
    void *copy = slab_take(slab, bytes.length);
    if (copy != NULL && bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    return copy;
}

void slab_give(struct slab *slab, void *object, size_t size)
{
    if (object == NULL)
        return;
    if (is_plain(slab, size)) {
        free(object);
        return;
    }
    struct slab_object *given = object;
    given->next = slab->free[class_of(size)];
    slab->free[class_of(size)] = given;
}
