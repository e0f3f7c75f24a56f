/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base_table.c - rule: of a hash exactly those entries are found that were put in and not taken out, whatever others
 * share its slot, half of its bits or all of them; and what is expected is never less than what is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/table.h"

#include <stdbool.h>

enum { ENTRIES = 600, STEPS = 200000 };

struct entry {
    struct table_node node;
    uint64_t hash;
    bool is_in;
    unsigned seen; /* in the look-up that is under way */
};

static struct entry entries[ENTRIES];

static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

/* Few values, so that slots are shared: by entries with one upper half and another lower one, and the reverse. */
static uint64_t draw_hash(uint64_t *state)
{
    static const uint64_t uppers[] = { 0, 1, UINT32_MAX, 77 };
    uint64_t lower = draw(state, 4) == 0 ? draw(state, 3) : draw(state, 2000);
    return uppers[draw(state, ARRAY_SIZE(uppers))] << 32 | lower;
}

static size_t found_of(const struct table *table, uint64_t hash)
{
    size_t found = 0;
    for (struct table_node *node = table_first(table, hash); node != NULL; node = table_next(node)) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        assert_true(entry->is_in && entry->hash == hash);
        assert_int_equal(entry->seen++, 0);
        found++;
    }
    return found;
}

static void check(const struct table *table, uint64_t hash)
{
    size_t wanted = 0;
    for (size_t i = 0; i < ENTRIES; i++) {
        entries[i].seen = 0;
        wanted += entries[i].is_in && entries[i].hash == hash;
    }
    assert_int_equal(found_of(table, hash), wanted);
    if (wanted > 0)
        assert_non_null(table_expected(table, hash));
}

static void test_entries_come_and_go(void **state)
{
    (void)state;
    struct table table;
    uint64_t seed = 1;
    size_t count = 0;
    assert_int_equal(table_init(&table), 0);
    for (unsigned step = 0; step < STEPS; step++) {
        /* Now mostly filled, now mostly emptied. */
        bool fills = step / (STEPS / 8) % 2 == 0 ? draw(&seed, 3) != 0 : draw(&seed, 3) == 0;
        struct entry *entry = &entries[draw(&seed, ENTRIES)];
        if (fills && !entry->is_in) {
            entry->hash = draw_hash(&seed);
            table_insert(&table, &entry->node, entry->hash);
            entry->is_in = true;
            count++;
        } else if (!fills) {
            count -= entry->is_in;
            table_remove(&table, &entry->node); /* of what is not in it, too */
            entry->is_in = false;
        }
        assert_int_equal(table.count, count);
        if (step % 16 == 0) {
            check(&table, entry->hash);
            check(&table, draw_hash(&seed));
        }
    }
    size_t walked = 0;
    for (struct table_node *node = NULL; (node = table_walk(&table, node)) != NULL; walked++)
        assert_true(CONTAINER_OF(node, struct entry, node)->is_in);
    assert_int_equal(walked, count);
    assert_true(count > 0);
    table_fini(&table);
}

/* One entry in a slot that another hash leads to as well: nothing is expected of that, and nothing is waited for. */
static void test_a_stranger_in_the_slot_is_not_looked_at(void **state)
{
    (void)state;
    struct table table;
    struct table_node node = { .next = NULL }, other = { .next = NULL };
    const uint64_t hash = UINT64_C(5) << 32 | 9, stranger = UINT64_C(6) << 32 | 9;
    assert_int_equal(table_init(&table), 0);
    assert_null(table_expected(&table, hash));
    table_insert(&table, &node, hash);
    assert_ptr_equal(table_expected(&table, hash), &node);
    assert_null(table_expected(&table, stranger));
    assert_null(table_first(&table, stranger));
    table_insert(&table, &other, stranger);
    assert_ptr_equal(table_first(&table, hash), &node);
    assert_ptr_equal(table_first(&table, stranger), &other);
    table_remove(&table, &other);
    assert_null(table_expected(&table, stranger));
    assert_ptr_equal(table_first(&table, hash), &node);
    table_remove(&table, &node);
    assert_null(table_expected(&table, hash));
    table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_come_and_go),
        cmocka_unit_test(test_a_stranger_in_the_slot_is_not_looked_at),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
