/* SPDX-License-Identifier: GPL-2.0-or-later */
/* siphash.h - SipHash-2-4: a short keyed check that cannot be made without the key.
 * For names that come back from the network; tables use hash_bytes(), which is faster and only hard to guess.
 */
#ifndef TRELAY_BASE_SIPHASH_H
#define TRELAY_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

enum { SIPHASH_KEY_SIZE = 16 };

uint64_t siphash(const void *data, size_t length, const uint8_t key[SIPHASH_KEY_SIZE]);

#endif
