/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_names.c - rule: a handle or branch id names one transaction for ever: stale, foreign and altered ones
 * name nothing (INV-29), and no two branches of any process are alike (RFC 3261 8.1.1.7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/error.h"
#include "transaction/branch_id.h"
#include "transaction/handle.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct transaction_secret secret = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

/* ---- handles ---- */

static void test_handle_finds_its_object_alone(void **state)
{
    (void)state;
    struct handle_table table;
    struct transaction_handle a, b;
    int first, second;
    handle_table_init(&table, 3);
    assert_int_equal(handle_table_add(&table, HANDLE_SERVER, &first, &a), 0);
    assert_int_equal(handle_table_add(&table, HANDLE_CLIENT, &second, &b), 0);
    assert_int_equal(a.worker, 3);
    assert_ptr_equal(handle_table_find(&table, HANDLE_SERVER, a), &first);
    assert_ptr_equal(handle_table_find(&table, HANDLE_CLIENT, b), &second);
    assert_null(handle_table_find(&table, HANDLE_CLIENT, a));
    assert_null(handle_table_find(&table, HANDLE_BRANCH, a));
    assert_null(handle_table_find(&table, HANDLE_FREE, a));
    assert_null(handle_table_find(&table, HANDLE_SERVER, (struct transaction_handle){ 0, 0, 0 }));
    assert_null(handle_table_find(&table, HANDLE_SERVER, (struct transaction_handle){ 2, a.slot, a.generation }));
    assert_null(handle_table_find(&table, HANDLE_SERVER, (struct transaction_handle){ 3, 77, a.generation }));
    assert_null(handle_table_find(&table, HANDLE_SERVER, (struct transaction_handle){ 3, a.slot, b.generation }));
    assert_true(transaction_handle_equal(a, a));
    assert_false(transaction_handle_equal(a, b));
    handle_table_fini(&table);
}

static void test_handle_slot_is_used_again_not_its_name(void **state)
{
    (void)state;
    struct handle_table table;
    struct transaction_handle old, new;
    int object;
    handle_table_init(&table, 0);
    assert_int_equal(handle_table_add(&table, HANDLE_CLIENT, &object, &old), 0);
    for (int i = 0; i < 1000; i++) {
        handle_table_remove(&table, old);
        handle_table_remove(&table, old); /* twice does no harm */
        assert_null(handle_table_find(&table, HANDLE_CLIENT, old));
        assert_int_equal(handle_table_add(&table, HANDLE_CLIENT, &object, &new), 0);
        assert_int_equal(new.slot, old.slot);
        assert_true(new.generation > old.generation);
        assert_null(handle_table_find(&table, HANDLE_CLIENT, old));
        handle_table_remove(&table, old); /* stale: the new tenant stays */
        assert_ptr_equal(handle_table_find(&table, HANDLE_CLIENT, new), &object);
        old = new;
    }
    handle_table_fini(&table);
}

static void test_handles_in_numbers(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static struct transaction_handle handles[COUNT];
    static int objects[COUNT];
    struct handle_table table;
    handle_table_init(&table, 1);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(handle_table_add(&table, HANDLE_BRANCH, &objects[i], &handles[i]), 0);
    for (int i = 0; i < COUNT; i += 2)
        handle_table_remove(&table, handles[i]);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(handle_table_find(&table, HANDLE_BRANCH, handles[i]), i % 2 != 0 ? &objects[i] : NULL);
    for (int i = 0; i < COUNT; i += 2)
        assert_int_equal(handle_table_add(&table, HANDLE_BRANCH, &objects[i], &handles[i]), 0);
    assert_int_equal(table.used, COUNT); /* the slots were filled again */
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(handle_table_find(&table, HANDLE_BRANCH, handles[i]), &objects[i]);
    handle_table_fini(&table);
}

/* 2^31 slots are not doubled: their number would be 0. */
static void test_handles_have_a_limit(void **state)
{
    (void)state;
    int object;
    struct transaction_handle handle = { 9, 9, 9 };
    struct handle_table full = { .slots = NULL, .slot_count = UINT32_C(1) << 31, .used = UINT32_C(1) << 31 };
    assert_int_equal(handle_table_add(&full, HANDLE_SERVER, &object, &handle), ERROR_LIMIT);
    assert_true(transaction_handle_equal(handle, (struct transaction_handle){ 9, 9, 9 }));
}

/* ---- branch ids ---- */

static void check_round(struct branch_id id)
{
    char text[BRANCH_ID_SIZE];
    struct branch_id read = { 0 };
    branch_id_print(&id, &secret, text);
    assert_int_equal(strlen(text), BRANCH_ID_LENGTH);
    assert_memory_equal(text, "z9hG4bK", 7);
    for (const char *c = text + 7; *c != '\0'; c++)
        assert_true((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'v'));
    assert_true(branch_id_parse(slice_of_string(text), &secret, &read));
    assert_true(transaction_handle_equal(read.client, id.client));
    assert_true(read.loop_hash == id.loop_hash);
}

static void test_branch_reads_back(void **state)
{
    (void)state;
    check_round((struct branch_id){ { 0, 0, 1 }, 0 });
    check_round((struct branch_id){ { 65535, UINT32_MAX, UINT64_MAX }, UINT64_MAX });
    check_round((struct branch_id){ { 0x1234, 0x89abcdef, UINT64_C(0x0123456789abcdef) },
        UINT64_C(0xfedcba9876543210) });
}

/* Each of the 55 letters, changed to each other one, is noticed; so are a lost and an added one. */
static void test_altered_branch_is_not_ours(void **state)
{
    (void)state;
    struct branch_id id = { { 2, 40, 99 }, 7 }, read;
    char text[BRANCH_ID_SIZE], altered[BRANCH_ID_SIZE + 1];
    branch_id_print(&id, &secret, text);
    for (size_t at = 0; at < BRANCH_ID_LENGTH; at++) {
        for (int c = 0; c < 256; c++) {
            if (tolower(c) == tolower((unsigned char)text[at]))
                continue;
            memcpy(altered, text, sizeof(text));
            altered[at] = (char)c;
            assert_false(branch_id_parse(slice_of(altered, BRANCH_ID_LENGTH), &secret, &read));
        }
    }
    for (size_t length = 0; length < BRANCH_ID_LENGTH; length++)
        assert_false(branch_id_parse(slice_of(text, length), &secret, &read));
    memcpy(altered, text, sizeof(text));
    altered[BRANCH_ID_LENGTH] = '0';
    assert_false(branch_id_parse(slice_of(altered, BRANCH_ID_LENGTH + 1), &secret, &read));
    assert_false(branch_id_parse(SLICE_ABSENT, &secret, &read));
}

static void test_branch_of_another_process_is_not_ours(void **state)
{
    (void)state;
    struct branch_id id = { { 2, 40, 99 }, 7 }, read;
    char ours[BRANCH_ID_SIZE], theirs[BRANCH_ID_SIZE];
    branch_id_print(&id, &secret, ours);
    for (size_t bit = 0; bit < 128; bit++) {
        struct transaction_secret other = secret;
        other.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        branch_id_print(&id, &other, theirs);
        assert_string_not_equal(ours, theirs); /* after a restart, the same slot and generation */
        assert_false(branch_id_parse(slice_of_string(theirs), &secret, &read));
        assert_false(branch_id_parse(slice_of_string(ours), &other, &read));
    }
}

enum { BRANCHES = 100000 };
static char branches[2 * BRANCHES][BRANCH_ID_SIZE];

static int compare_branches(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The names that a process gives to one transaction after another, in a slot that is soon used again, then those of
 * the next process, which begins anew: 8.1.1.7 wants each once for all time. */
static void test_no_branch_comes_twice(void **state)
{
    (void)state;
    size_t count = 0;
    for (unsigned process = 0; process < 2; process++) {
        struct handle_table table;
        struct transaction_secret own = secret;
        int object;
        own.bytes[0] ^= (uint8_t)process;
        handle_table_init(&table, 0);
        for (unsigned i = 0; i < BRANCHES; i++) {
            struct branch_id id = { .loop_hash = 7 };
            assert_int_equal(handle_table_add(&table, HANDLE_CLIENT, &object, &id.client), 0);
            branch_id_print(&id, &own, branches[count++]);
            if (i % 16 != 0)
                handle_table_remove(&table, id.client);
        }
        handle_table_fini(&table);
    }
    qsort(branches, count, BRANCH_ID_SIZE, compare_branches);
    for (size_t i = 1; i < count; i++)
        assert_string_not_equal(branches[i - 1], branches[i]);
}

/* RFC 3261 7.3.1: tokens are alike in any case, and some elements change it. */
static void test_case_does_not_matter(void **state)
{
    (void)state;
    struct branch_id id = { { 5, 6, UINT64_C(0xdeadbeefcafe) }, UINT64_C(0x1122334455667788) }, read;
    char text[BRANCH_ID_SIZE];
    branch_id_print(&id, &secret, text);
    for (size_t i = 0; i < BRANCH_ID_LENGTH; i++)
        text[i] = (char)toupper((unsigned char)text[i]);
    assert_true(branch_id_parse(slice_of_string(text), &secret, &read));
    assert_true(transaction_handle_equal(read.client, id.client));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handle_finds_its_object_alone),
        cmocka_unit_test(test_handle_slot_is_used_again_not_its_name),
        cmocka_unit_test(test_handles_in_numbers),
        cmocka_unit_test(test_handles_have_a_limit),
        cmocka_unit_test(test_branch_reads_back),
        cmocka_unit_test(test_altered_branch_is_not_ours),
        { "B25: a branch of another process is not ours", test_branch_of_another_process_is_not_ours, NULL, NULL,
            NULL },
        { "B25: no branch comes twice, in 100000 and behind a restart", test_no_branch_comes_twice, NULL, NULL, NULL },
        cmocka_unit_test(test_case_does_not_matter),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
