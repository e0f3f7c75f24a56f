/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base_siphash.c - rule: siphash() is SipHash-2-4, by the example worked out in appendix A of its paper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/siphash.h"

static const uint8_t key[SIPHASH_KEY_SIZE] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void test_example_of_the_paper(void **state)
{
    (void)state;
    const uint8_t message[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
    assert_true(siphash(message, sizeof(message), key) == UINT64_C(0xa129ca6149be45e5));
}

/* Every byte, and the length, and every byte of the key change the result. */
static void test_everything_counts(void **state)
{
    (void)state;
    uint8_t message[40] = { 0 };
    for (size_t length = 0; length < sizeof(message); length++) {
        uint64_t plain = siphash(message, length, key);
        assert_true(plain != siphash(message, length + 1, key));
        for (size_t i = 0; i < length; i++) {
            message[i] = 1;
            assert_true(plain != siphash(message, length, key));
            message[i] = 0;
        }
        for (size_t i = 0; i < SIPHASH_KEY_SIZE; i++) {
            uint8_t other[SIPHASH_KEY_SIZE];
            for (size_t j = 0; j < SIPHASH_KEY_SIZE; j++)
                other[j] = j == i ? (uint8_t)(key[j] ^ 0x80) : key[j];
            assert_true(plain != siphash(message, length, other));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_of_the_paper),
        cmocka_unit_test(test_everything_counts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
