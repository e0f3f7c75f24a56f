/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slab.c - see slab.h. Regions are asked of malloc, and consist of chunks; a chunk serves one class, its address is
 * that of its objects rounded down. A chunk is in use, ready (empty, with its pages) or cold (empty, without).
 */
#include "base/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    CHUNK = 64 * 1024,
    CHUNKS = 16, /* of one region */
    ALL_COLD = (1 << CHUNKS) - 1,
    FETCH_MAX = 512, /* bytes of the next object that are fetched ahead */
    READY_MAX = 16, /* more than that many are made cold, so that a steady load makes none cold */
};

struct slab_object {
    struct slab_object *next;
};

/* At the start of its memory, and so gone once it is cold. */
struct slab_chunk {
    struct slab_chunk *next, *previous; /* with_room of its class, or ready */
    struct slab_region *region;
    struct slab_object *free;
    uint32_t used;  /* objects taken */
    uint32_t fresh; /* offset behind which nothing was cut yet */
    bool has_room;  /* it is in the list */
    bool is_whole;  /* it has all its pages */
};

struct slab_region {
    struct slab_region *next, *previous;
    char *memory;
    uint32_t cold; /* bits of its chunks */
};

_Static_assert(sizeof(struct slab_chunk) <= SLAB_STEP, "objects of a chunk begin behind its head");

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

/* Both kinds of list: first, next and previous. */
#define PUSH(first, node)                                                                             \
    do {                                                                                              \
        (node)->previous = NULL;                                                                      \
        (node)->next = (first);                                                                       \
        if ((first) != NULL)                                                                          \
            (first)->previous = (node);                                                               \
        (first) = (node);                                                                             \
    } while (0)

#define REMOVE(first, node)                                                                           \
    do {                                                                                              \
        if ((node)->next != NULL)                                                                     \
            (node)->next->previous = (node)->previous;                                                \
        if ((node)->previous != NULL)                                                                 \
            (node)->previous->next = (node)->next;                                                    \
        else                                                                                          \
            (first) = (node)->next;                                                                   \
    } while (0)

void slab_init(struct slab *slab)
{
    *slab = (struct slab){ .total = 0 };
}

static void free_regions(struct slab_region *region)
{
    struct slab_region *next;
    for (; region != NULL; region = next) {
        next = region->next;
        free(region->memory);
        free(region);
    }
}

void slab_fini(struct slab *slab)
{
    free_regions(slab->full_regions);
    free_regions(slab->cold_regions);
    slab_init(slab);
}

static bool is_plain(const struct slab *slab, size_t size)
{
    return EACH_BY_ITSELF || slab == NULL || size == 0 || size > SLAB_OBJECT_MAX;
}

static size_t class_of(size_t size)
{
    return (size - 1) / SLAB_STEP;
}

static size_t size_of_class(size_t class)
{
    return (class + 1) * SLAB_STEP;
}

static bool add_region(struct slab *slab)
{
    struct slab_region *region = malloc(sizeof(*region));
    char *memory = region != NULL ? aligned_alloc(CHUNK, CHUNK * CHUNKS) : NULL;
    if (memory == NULL) {
        free(region);
        return false;
    }
    *region = (struct slab_region){ .memory = memory, .cold = ALL_COLD };
    PUSH(slab->cold_regions, region);
    slab->total += CHUNK * CHUNKS;
    return true;
}

/* Pages made one by one, when they are first written to, cost ten times as much. A kernel that cannot make them at once
 * makes them then. */
static void make_pages(struct slab_chunk *chunk)
{
#ifdef MADV_POPULATE_WRITE
    (void)madvise(chunk, CHUNK, MADV_POPULATE_WRITE);
#endif
    chunk->is_whole = true;
}

static struct slab_chunk *warm_up(struct slab *slab)
{
    if (slab->cold_regions == NULL && !add_region(slab))
        return NULL;
    struct slab_region *region = slab->cold_regions;
    uint32_t index = 0;
    while ((region->cold >> index & 1) == 0)
        index++;
    region->cold &= ~(1U << index);
    if (region->cold == 0) {
        REMOVE(slab->cold_regions, region);
        PUSH(slab->full_regions, region);
    }
    struct slab_chunk *chunk = (struct slab_chunk *)(void *)(region->memory + (size_t)index * CHUNK);
    *chunk = (struct slab_chunk){ .region = region };
    return chunk;
}

/* The pages go back to the system; so does the region when none of its chunks has any. */
static void cool_down(struct slab *slab, struct slab_chunk *chunk)
{
    struct slab_region *region = chunk->region;
    size_t index = (size_t)((char *)chunk - region->memory) / CHUNK;
    (void)madvise(chunk, CHUNK, MADV_DONTNEED);
    if (region->cold == 0) {
        REMOVE(slab->full_regions, region);
        PUSH(slab->cold_regions, region);
    }
    region->cold |= 1U << index;
    if (region->cold != ALL_COLD)
        return;
    REMOVE(slab->cold_regions, region);
    slab->total -= CHUNK * CHUNKS;
    region->next = NULL;
    free_regions(region);
}

static bool add_chunk(struct slab *slab, size_t class)
{
    struct slab_chunk *chunk = slab->empty;
    if (chunk != NULL) {
        REMOVE(slab->empty, chunk);
        slab->empty_count--;
    } else if ((chunk = warm_up(slab)) == NULL) {
        return false;
    }
    /* A class that has no chunk yet may never need all of it; one that others used before has only what they needed. */
    if (!chunk->is_whole && slab->chunk_count[class] > 0)
        make_pages(chunk);
    *chunk = (struct slab_chunk){ .region = chunk->region, .fresh = SLAB_STEP, .has_room = true,
        .is_whole = chunk->is_whole };
    PUSH(slab->with_room[class], chunk);
    slab->chunk_count[class]++;
    return true;
}

/* What is cut next was never written to, or long ago: its lines come from main memory until then. */
static void fetch_next(const struct slab_chunk *chunk, size_t size)
{
    size_t lines = size < FETCH_MAX ? size : FETCH_MAX;
    for (size_t at = 0; at < lines; at += CACHE_LINE)
        FETCH_AHEAD_TO_WRITE((const char *)chunk + chunk->fresh + at);
}

void *slab_take(struct slab *slab, size_t size)
{
    if (is_plain(slab, size))
        return malloc(size > 0 ? size : 1);
    size_t class = class_of(size), rounded = size_of_class(class);
    if (slab->with_room[class] == NULL && !add_chunk(slab, class))
        return NULL;
    struct slab_chunk *chunk = slab->with_room[class];
    struct slab_object *object = chunk->free;
    if (object != NULL) {
        chunk->free = object->next;
    } else {
        object = (struct slab_object *)(void *)((char *)chunk + chunk->fresh);
        chunk->fresh += (uint32_t)rounded;
        fetch_next(chunk, rounded);
    }
    chunk->used++;
    if (chunk->free == NULL && chunk->fresh + rounded > CHUNK) {
        REMOVE(slab->with_room[class], chunk);
        chunk->has_room = false;
    }
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

static void is_empty_now(struct slab *slab, struct slab_chunk *chunk, size_t class)
{
    REMOVE(slab->with_room[class], chunk);
    slab->chunk_count[class]--;
    if (slab->empty_count >= READY_MAX) {
        cool_down(slab, chunk);
        return;
    }
    PUSH(slab->empty, chunk);
    slab->empty_count++;
}

void slab_give(struct slab *slab, void *object, size_t size)
{
    if (object == NULL)
        return;
    if (is_plain(slab, size)) {
        free(object);
        return;
    }
    size_t class = class_of(size);
    struct slab_object *given = object;
    struct slab_chunk *chunk = (struct slab_chunk *)(void *)((char *)object - (uintptr_t)object % CHUNK);
    given->next = chunk->free;
    chunk->free = given;
    if (!chunk->has_room) {
        PUSH(slab->with_room[class], chunk);
        chunk->has_room = true;
    }
    if (--chunk->used == 0)
        is_empty_now(slab, chunk, class);
}
