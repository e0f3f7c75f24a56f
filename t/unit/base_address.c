/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base_address.c - addresses are printed as inet_ntop() does it, whatever their bytes. */
#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>

static void v4_is_printed_as_by_the_library(void **state)
{
    (void)state;
    for (unsigned place = 0; place < 4; place++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[4] = { 10, 0, 99, 100 };
            char printed[ADDRESS_TEXT_SIZE], expected[ADDRESS_TEXT_SIZE];
            bytes[place] = (uint8_t)value;
            struct address address = address_v4(bytes);
            assert_non_null(inet_ntop(AF_INET, bytes, expected, sizeof(expected)));
            assert_string_equal(address_print(&address, printed), expected);
        }
    }
}

static void no_address_is_a_dash(void **state)
{
    (void)state;
    char printed[ADDRESS_TEXT_SIZE];
    const struct address none = { .family = ADDRESS_NONE };
    assert_string_equal(address_print(&none, printed), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v4_is_printed_as_by_the_library),
        cmocka_unit_test(no_address_is_a_dash),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
