/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_support.c - what the tests of src/sip have in common. */
#include "sip_support.h"

#include "sip/limits.h"

void assert_bytes(struct slice got, struct slice expected)
{
    if (!slice_equal(got, expected))
        print_error("# got      \"%.*s\"\n# expected \"%.*s\"\n", SLICE_PRINT(got), SLICE_PRINT(expected));
    assert_true(slice_equal(got, expected));
}

void assert_slice(struct slice got, const char *expected)
{
    assert_bytes(got, slice_of_string(expected));
}

struct sip_message *parse_whole(struct slice bytes)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_message *message = NULL;
    struct sip_defect defect = { .text = "" };
    int rc = sip_message_parse(bytes, &limits, &message, &defect);
    if (rc != 0)
        print_error("# %s in:\n%.*s\n", defect.text, SLICE_PRINT(bytes));
    assert_int_equal(rc, 0);
    return message;
}

struct endpoint endpoint_of(const char *address, uint16_t port)
{
    struct endpoint endpoint = { .port = port };
    assert_int_equal(address_parse(slice_of_string(address), &endpoint.address), 0);
    return endpoint;
}

/* splitmix64 */
uint32_t random_below(struct random *random, uint32_t limit)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) >> 32) % limit;
}
