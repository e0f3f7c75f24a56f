/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hash.h - hash of bytes for look-up tables, keyed so that a peer cannot choose collisions.
 * A hash finds candidates; identity is always the full comparison of bytes (INV-2).
 */
#ifndef TRELAY_BASE_HASH_H
#define TRELAY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SEED is drawn at random once per process by the edge and handed down. */
uint64_t hash_bytes(const void *data, size_t length, uint64_t seed);

#endif
