/* SPDX-License-Identifier: GPL-2.0-or-later */
/* digest.h - SHA-256, HMAC-SHA-256 and random bytes for the edge.
 * In:    bytes. Out: 32 bytes, or as many random ones as asked.
 * Never: a digest on failure: the output is then untouched, and the caller must not go on with it.
 */
#ifndef TRELAY_PKIX_DIGEST_H
#define TRELAY_PKIX_DIGEST_H

#include "base/attributes.h"
#include "base/slice.h"
#include "policy/verdict.h" /* DIGEST_SIZE */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_HEX_SIZE = 2 * DIGEST_SIZE + 1 };

/* Of the bytes of all parts, one after the other. 0 or ERROR_MEMORY. */
int digest_sha256(const struct slice *parts, size_t part_count, uint8_t digest_r[DIGEST_SIZE]) MUST_CHECK;

/* 0 or ERROR_MEMORY; an empty key is ERROR_SYNTAX, for it would authenticate anybody. */
int digest_hmac_sha256(struct slice key, const struct slice *parts, size_t part_count,
                       uint8_t digest_r[DIGEST_SIZE]) MUST_CHECK;

/* In constant time. */
bool digest_equal(const uint8_t a[DIGEST_SIZE], const uint8_t b[DIGEST_SIZE]);
bool bytes_equal(const void *a, const void *b, size_t length);

/* Lower-case hexadecimal, without colons; returns OUT. */
const char *digest_hex(const uint8_t digest[DIGEST_SIZE], char out[DIGEST_HEX_SIZE]);

/* From the cryptographic generator. 0 or ERROR_SYSTEM. */
int random_bytes(void *out, size_t length) MUST_CHECK;

/* Overwrites LENGTH bytes in a way that the compiler keeps. */
void cleanse_bytes(void *bytes, size_t length);

#endif
