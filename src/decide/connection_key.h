/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_key.h - the identity of a connection: a requirement's key fields, canonically encoded.
 * In:    struct requirement_key. Out: bytes: tag, length, value for each field, absent and empty apart (INV-2).
 * Equality is of all bytes; the hash only finds candidates.
 */
#ifndef TRELAY_DECIDE_CONNECTION_KEY_H
#define TRELAY_DECIDE_CONNECTION_KEY_H

#include "base/attributes.h"
#include "decide/requirement.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONNECTION_KEY_MAX = 1280 };

struct connection_key {
    uint16_t length;
    uint64_t hash; /* of the bytes, with the process's seed */
    uint8_t bytes[CONNECTION_KEY_MAX];
};

/* CONNECTION_KEY_MAX is enough for every requirement. */
void connection_key_encode(const struct requirement_key *fields, uint64_t seed, struct connection_key *key_r);

/* False for empty keys, too: they name nothing. */
bool connection_key_equal(const struct connection_key *a, const struct connection_key *b);

/* KEY is about to be compared with one of LENGTH bytes: several waits for main memory pass at one time. */
static inline void connection_key_fetch_ahead(const struct connection_key *key, size_t length)
{
    for (size_t at = 0; at < length + offsetof(struct connection_key, bytes); at += CACHE_LINE)
        FETCH_AHEAD((const char *)key + at);
}

/* The reverse; ERROR_SYNTAX for bytes that encode() cannot have made. */
int connection_key_decode(const struct connection_key *key, struct requirement_key *fields_r) MUST_CHECK;

#endif
