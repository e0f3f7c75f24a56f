/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_key.c - fuzz target of decide/connection_key: any bytes as a key, any bytes as its fields.
 * Holds: what decodes encodes to the same bytes; fields that a key can hold come back from it.
 */
#include "decide/connection_key.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void need(bool condition)
{
    if (!condition)
        abort();
}

static void check_bytes(const uint8_t *bytes, size_t size)
{
    struct connection_key key = { .length = (uint16_t)size }, again;
    struct requirement_key fields;
    memcpy(key.bytes, bytes, size);
    if (connection_key_decode(&key, &fields) != 0)
        return;
    connection_key_encode(&fields, 1, &again);
    need(connection_key_equal(&key, &again));
    struct buffer text = BUFFER_EMPTY;
    requirement_key_print(&fields, &text);
    need(text.has_failed || text.length > 0);
    buffer_free(&text);
}

/* The bytes as members one after the other: texts end somewhere, flags are 0 or 1, pins fit. */
static void check_fields(const uint8_t *bytes, size_t size)
{
    struct requirement_key fields, back;
    struct connection_key key;
    memset(&fields, 0, sizeof(fields));
#define TAKE(pointer, count)                                     \
    do {                                                         \
        size_t part = (count) < size ? (count) : size;           \
        memcpy((pointer), bytes, part);                          \
        bytes += part;                                           \
        size -= part;                                            \
    } while (0)
#define TAKE_BYTE(member) TAKE(&fields.member, 1)
#define TAKE_ENDPOINT(member)                                    \
    TAKE(fields.member.address.bytes, 16);                       \
    TAKE(&fields.member.port, 2)
#define TAKE_ADDRESS(member)                                     \
    fields.member.family = ADDRESS_V6;                           \
    TAKE(fields.member.bytes, 16)
#define TAKE_DIGEST(member)                                      \
    fields.member.is_set = size % 2 == 0;                        \
    if (fields.member.is_set)                                    \
    TAKE(fields.member.bytes, DIGEST_SIZE)
#define TAKE_PINS(member)                                        \
    fields.member.count = (uint8_t)(size % (PINS_MAX + 1));      \
    TAKE(fields.member.digests, (size_t)fields.member.count * DIGEST_SIZE)
#define TAKE_TEXT(member) TAKE(fields.member, size % sizeof(fields.member))
#define X(kind, type, member, tag, part, word) TAKE_##kind(member);
    REQUIREMENT_LIST(X)
#undef X
    connection_key_encode(&fields, 1, &key);
    need(key.length <= CONNECTION_KEY_MAX);
    need(connection_key_decode(&key, &back) == 0);
    need(requirement_key_equal(&fields, &back, PART_ALL));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size <= CONNECTION_KEY_MAX)
        check_bytes(bytes, size);
    check_fields(bytes, size);
    return 0;
}
