/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hash.c - XXH3 behind one function; see hash.h. */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *data, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, length, seed);
}
