/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_support.h - what the tests of src/sip have in common. */
#ifndef TRELAY_UNIT_SIP_SUPPORT_H
#define TRELAY_UNIT_SIP_SUPPORT_H

#include "base/address.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "sip/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* After the four headers it needs. */
#include <cmocka.h>

/* Shows both texts when they differ. */
void assert_slice(struct slice got, const char *expected);
void assert_bytes(struct slice got, struct slice expected);

/* A message that must parse; literals may hold NULs. */
struct sip_message *parse_whole(struct slice bytes);
#define PARSED(text) parse_whole(SLICE_LITERAL(text))

struct endpoint endpoint_of(const char *address, uint16_t port);

/* A generator for properties: the same numbers for the same seed, everywhere. */
struct random {
    uint64_t state;
};

uint32_t random_below(struct random *random, uint32_t limit);

#endif
