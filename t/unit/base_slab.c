/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base_slab.c - objects of a slab are aligned, apart from each other, used again, and go back to the system
 * after a peak; what is refused harms nothing.
 * Linked with --wrap for aligned_alloc. Under the address sanitizer each object is malloc's, and only what holds for
 * both is asserted.
 */
#include "base/attributes.h"
#include "base/integer.h"
#include "base/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_refusing;
static unsigned pieces;

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    if (is_refusing)
        return NULL;
    pieces++;
    return __real_aligned_alloc(alignment, size);
}

enum { OBJECTS = 5000 };

static size_t size_of(size_t number)
{
    return (number * 37) % (SLAB_OBJECT_MAX + 200);
}

static bool is_filled(const uint8_t *object, size_t size, uint8_t value)
{
    for (size_t i = 0; i < size; i++)
        if (object[i] != value)
            return false;
    return true;
}

/* Each object keeps what was written into it, whatever happens to the others. */
static void objects_do_not_touch(void **state)
{
    (void)state;
    static uint8_t *objects[OBJECTS];
    struct slab slab;
    slab_init(&slab);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < OBJECTS; i++) {
            if (round > 0 && i % 3 == round)
                continue;
            if (round > 0) {
                assert_true(is_filled(objects[i], size_of(i), (uint8_t)i));
                slab_give(&slab, objects[i], size_of(i));
            }
            objects[i] = i % 2 == 0 ? slab_take(&slab, size_of(i)) : slab_take_zeroed(&slab, size_of(i));
            assert_non_null(objects[i]);
            assert_int_equal((uintptr_t)objects[i] % 16, 0);
            assert_true(i % 2 == 0 || is_filled(objects[i], size_of(i), 0));
            memset(objects[i], (uint8_t)i, size_of(i));
        }
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        assert_true(is_filled(objects[i], size_of(i), (uint8_t)i));
        slab_give(&slab, objects[i], size_of(i));
    }
    slab_fini(&slab);
}

/* What was given back is the next one's of that class: no further memory. */
static void memory_is_used_again(void **state)
{
    (void)state;
    struct slab slab;
    slab_init(&slab);
    void *first = slab_take(&slab, 300);
    size_t total = slab.total;
    for (unsigned i = 0; i < 100000; i++) {
        slab_give(&slab, first, 300);
        first = slab_take(&slab, 257 + i % 64); /* all one class */
        assert_non_null(first);
    }
    assert_int_equal(slab.total, total);
    slab_give(&slab, first, 300);
    slab_fini(&slab);
    assert_int_equal(slab.total, 0);
}

static size_t resident_kib(void)
{
    char text[128];
    uint64_t pages;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    struct slice line = slice_of(text, fread(text, 1, sizeof(text), file));
    fclose(file);
    struct slice second = slice_from(line, slice_find(line, ' ', 0) + 1);
    assert_int_equal(integer_parse(slice_first(second, slice_find(second, ' ', 0)), UINT64_MAX, &pages), 0);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* A peak of one class leaves nothing, even when a few objects stay; what stays is untouched. */
static void a_peak_goes_back(void **state)
{
    (void)state;
    enum { COUNT = 100000, SIZE = 700, EACH = 2000 };
    uint8_t **objects = malloc(COUNT * sizeof(*objects));
    assert_non_null(objects);
    memset(objects, 0, COUNT * sizeof(*objects));
    struct slab slab;
    slab_init(&slab);
    size_t before = resident_kib();
    for (size_t i = 0; i < COUNT; i++) {
        objects[i] = slab_take(&slab, SIZE);
        assert_non_null(objects[i]);
        memset(objects[i], (uint8_t)i, SIZE);
    }
    bool is_ours = slab.total > 0; /* else the address sanitizer's, which keeps what is freed */
    size_t peak = resident_kib();
    assert_true(peak - before > 60000);
    for (size_t i = 0; i < COUNT; i++)
        if (i % EACH != 0)
            slab_give(&slab, objects[i], SIZE);
    /* 50 are left, in 50 chunks of 64 KiB; 16 more are ready. */
    if (is_ours)
        assert_true(resident_kib() < before + 8000);
    for (size_t i = 0; i < COUNT; i += EACH) {
        assert_true(is_filled(objects[i], SIZE, (uint8_t)i));
        slab_give(&slab, objects[i], SIZE);
    }
    assert_true(slab.total <= 16 * 1024 * 1024);
    for (size_t i = 0; i < COUNT; i++) {
        objects[i] = slab_take(&slab, SIZE);
        assert_non_null(objects[i]);
        memset(objects[i], (uint8_t)i, SIZE);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(is_filled(objects[i], SIZE, (uint8_t)i));
        slab_give(&slab, objects[i], SIZE);
    }
    slab_fini(&slab);
    free(objects);
}

static void without_memory_there_is_nothing(void **state)
{
    (void)state;
    struct slab slab;
    slab_init(&slab);
    is_refusing = true;
    void *object = slab_take_zeroed(&slab, 100);
    bool is_plain = object != NULL;
    slab_give(&slab, object, 100);
    if (!is_plain) {
        assert_int_equal(slab.total, 0);
        assert_null(slab_copy(&slab, SLICE_LITERAL("abc")));
    }
    is_refusing = false;
    object = slab_copy(&slab, SLICE_LITERAL("abc"));
    assert_non_null(object);
    assert_memory_equal(object, "abc", 3);
    slab_give(&slab, object, 3);
    slab_give(&slab, NULL, 3);
    slab_fini(&slab);
}

/* No slab, and sizes no slab has: malloc's, by the same calls. */
static void plain_memory_works_alike(void **state)
{
    (void)state;
    struct slab slab;
    slab_init(&slab);
    pieces = 0;
    uint8_t *objects[] = { slab_take_zeroed(NULL, 10), slab_take(&slab, 0),
        slab_take_zeroed(&slab, SLAB_OBJECT_MAX + 1), slab_copy(NULL, SLICE_LITERAL("")) };
    assert_int_equal(pieces, 0);
    assert_true(is_filled(objects[0], 10, 0));
    assert_true(is_filled(objects[2], SLAB_OBJECT_MAX + 1, 0));
    slab_give(NULL, objects[0], 10);
    slab_give(&slab, objects[1], 0);
    slab_give(&slab, objects[2], SLAB_OBJECT_MAX + 1);
    slab_give(NULL, objects[3], 0);
    slab_fini(&slab);
    struct slab none = { .total = 0 };
    slab_fini(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_do_not_touch),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(a_peak_goes_back),
        cmocka_unit_test(without_memory_there_is_nothing),
        cmocka_unit_test(plain_memory_works_alike),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
