/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base_slab.c - objects of a slab are aligned, apart from each other, and used again; what is refused harms nothing.
 * Linked with --wrap for aligned_alloc. Under the address sanitizer each object is malloc's, and only what holds for
 * both is asserted.
 */
#include "base/attributes.h"
#include "base/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

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
    struct slab none = { .pieces = NULL };
    slab_fini(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_do_not_touch),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(without_memory_there_is_nothing),
        cmocka_unit_test(plain_memory_works_alike),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
