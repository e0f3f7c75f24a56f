/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_key.c - canonical encoding of a requirement's key fields; see connection_key.h.
 * Each field is tag (1 byte), length (2 bytes), value; an absent field is length 0xffff (INV-2).
 */
#include "decide/connection_key.h"

#include "base/error.h"
#include "base/hash.h"

#include <stddef.h>

enum { FIELD_HEADER = 3, ABSENT = 0xffff };

/* A member added by hand, outside the list, makes the two structs differ in size (INV-3). */
struct requirement_key_mirror {
#define X(kind, type, member, tag, part, word) type member;
    REQUIREMENT_LIST(X)
#undef X
};
_Static_assert(sizeof(struct requirement_key) == sizeof(struct requirement_key_mirror),
    "every member of struct requirement_key comes from REQUIREMENT_LIST");

#define FIELD_SIZE_BYTE(type) 1
#define FIELD_SIZE_ENDPOINT(type) 23
#define FIELD_SIZE_ADDRESS(type) 21
#define FIELD_SIZE_DIGEST(type) DIGEST_SIZE
#define FIELD_SIZE_PINS(type) (PINS_MAX * DIGEST_SIZE)
#define FIELD_SIZE_TEXT(type) sizeof(type)
#define X(kind, type, member, tag, part, word) +FIELD_HEADER + FIELD_SIZE_##kind(type)
_Static_assert((0 REQUIREMENT_LIST(X)) <= CONNECTION_KEY_MAX, "CONNECTION_KEY_MAX is too small");
#undef X

static uint8_t *put_header(uint8_t *at, uint8_t tag, size_t length)
{
    at[0] = tag;
    at[1] = (uint8_t)(length >> 8);
    at[2] = (uint8_t)length;
    return at + FIELD_HEADER;
}

static uint8_t *put_bytes(uint8_t *at, uint8_t tag, const void *bytes, size_t length)
{
    at = put_header(at, tag, length);
    if (length > 0)
        memcpy(at, bytes, length);
    return at + length;
}

static void address_bytes(const struct address *address, uint8_t out[21])
{
    out[0] = address->family;
    memcpy(out + 1, address->bytes, 16);
    for (unsigned i = 0; i < 4; i++)
        out[17 + i] = (uint8_t)(address->scope >> (24 - 8 * i));
}

static uint8_t *put_BYTE(uint8_t *at, uint8_t tag, const uint8_t *value)
{
    return put_bytes(at, tag, value, 1);
}

static uint8_t *put_ADDRESS(uint8_t *at, uint8_t tag, const struct address *value)
{
    uint8_t bytes[21];
    if (value->family == ADDRESS_NONE)
        return put_header(at, tag, ABSENT);
    address_bytes(value, bytes);
    return put_bytes(at, tag, bytes, sizeof(bytes));
}

static uint8_t *put_ENDPOINT(uint8_t *at, uint8_t tag, const struct endpoint *value)
{
    uint8_t bytes[23];
    address_bytes(&value->address, bytes);
    bytes[21] = (uint8_t)(value->port >> 8);
    bytes[22] = (uint8_t)value->port;
    return put_bytes(at, tag, bytes, sizeof(bytes));
}

static uint8_t *put_DIGEST(uint8_t *at, uint8_t tag, const struct optional_digest *value)
{
    return value->is_set ? put_bytes(at, tag, value->bytes, DIGEST_SIZE) : put_header(at, tag, ABSENT);
}

static uint8_t *put_PINS(uint8_t *at, uint8_t tag, const struct pin_set *value)
{
    size_t count = value->count <= PINS_MAX ? value->count : PINS_MAX;
    return put_bytes(at, tag, value->digests, count * DIGEST_SIZE);
}

/* The pointer is to an array of whatever size the member has. */
static uint8_t *put_TEXT(uint8_t *at, uint8_t tag, const void *value)
{
    const char *text = value;
    return text[0] != '\0' ? put_bytes(at, tag, text, strlen(text)) : put_header(at, tag, ABSENT);
}

void connection_key_encode(const struct requirement_key *fields, uint64_t seed, struct connection_key *key_r)
{
    uint8_t *at = key_r->bytes;
#define X(kind, type, member, tag, part, word) at = put_##kind(at, tag, &fields->member);
    REQUIREMENT_LIST(X)
#undef X
    key_r->length = (uint16_t)(at - key_r->bytes);
    key_r->hash = hash_bytes(key_r->bytes, key_r->length, seed);
}

bool connection_key_equal(const struct connection_key *a, const struct connection_key *b)
{
    return a->length > 0 && a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* Cuts the next field off; false when it is not that tag or goes beyond the end. */
static bool take_field(struct slice *rest, uint8_t tag, struct slice *value_r)
{
    if (rest->length < FIELD_HEADER || (uint8_t)rest->data[0] != tag)
        return false;
    size_t length = (size_t)(uint8_t)rest->data[1] << 8 | (uint8_t)rest->data[2];
    *rest = slice_from(*rest, FIELD_HEADER);
    if (length == ABSENT) {
        *value_r = SLICE_ABSENT;
        return true;
    }
    if (length > rest->length)
        return false;
    *value_r = slice_of(rest->data, length);
    *rest = slice_of(rest->data + length, rest->length - length);
    return true;
}

static bool get_BYTE(struct slice value, uint8_t *out, size_t size)
{
    (void)size;
    if (value.length != 1)
        return false;
    *out = (uint8_t)value.data[0];
    return true;
}

static void get_address_bytes(const uint8_t *bytes, struct address *out)
{
    out->family = bytes[0];
    memcpy(out->bytes, bytes + 1, 16);
    out->scope = 0;
    for (unsigned i = 0; i < 4; i++)
        out->scope = out->scope << 8 | bytes[17 + i];
}

static bool get_ADDRESS(struct slice value, struct address *out, size_t size)
{
    (void)size;
    uint8_t bytes[21];
    *out = (struct address){ .family = ADDRESS_NONE };
    if (slice_is_absent(value))
        return true;
    if (value.length != sizeof(bytes) || value.data[0] == ADDRESS_NONE)
        return false;
    memcpy(bytes, value.data, sizeof(bytes));
    get_address_bytes(bytes, out);
    return true;
}

static bool get_ENDPOINT(struct slice value, struct endpoint *out, size_t size)
{
    (void)size;
    uint8_t bytes[23];
    if (value.length != sizeof(bytes))
        return false;
    memcpy(bytes, value.data, sizeof(bytes));
    out->port = (uint16_t)(bytes[21] << 8 | bytes[22]);
    get_address_bytes(bytes, &out->address);
    return true;
}

static bool get_DIGEST(struct slice value, struct optional_digest *out, size_t size)
{
    (void)size;
    *out = (struct optional_digest){ .is_set = !slice_is_absent(value) };
    if (!out->is_set)
        return true;
    if (value.length != DIGEST_SIZE)
        return false;
    memcpy(out->bytes, value.data, DIGEST_SIZE);
    return true;
}

static bool get_PINS(struct slice value, struct pin_set *out, size_t size)
{
    (void)size;
    *out = (struct pin_set){ 0 };
    if (slice_is_absent(value) || value.length % DIGEST_SIZE != 0 || value.length > sizeof(out->digests))
        return false;
    out->count = (uint8_t)(value.length / DIGEST_SIZE);
    memcpy(out->digests, value.data, value.length);
    return true;
}

static bool get_TEXT(struct slice value, void *out, size_t size)
{
    memset(out, 0, size);
    return slice_is_absent(value) || (value.length > 0 && slice_to_string(value, out, size));
}

int connection_key_decode(const struct connection_key *key, struct requirement_key *fields_r)
{
    struct requirement_key fields = { 0 };
    struct slice rest = slice_of((const char *)key->bytes, key->length), value;
#define X(kind, type, member, tag, part, word)                                                                   \
    if (!take_field(&rest, tag, &value) || !get_##kind(value, &fields.member, sizeof(fields.member)))      \
        return ERROR_SYNTAX;
    REQUIREMENT_LIST(X)
#undef X
    if (rest.length > 0)
        return ERROR_SYNTAX;
    *fields_r = fields;
    return 0;
}

static bool equal_BYTE(const uint8_t *a, const uint8_t *b)
{
    return *a == *b;
}

static bool equal_ENDPOINT(const struct endpoint *a, const struct endpoint *b)
{
    return endpoint_equal(a, b);
}

static bool equal_ADDRESS(const struct address *a, const struct address *b)
{
    return address_equal(a, b);
}

static bool equal_DIGEST(const struct optional_digest *a, const struct optional_digest *b)
{
    return a->is_set == b->is_set && (!a->is_set || memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0);
}

static bool equal_PINS(const struct pin_set *a, const struct pin_set *b)
{
    return a->count == b->count && a->count <= PINS_MAX && memcmp(a->digests, b->digests, a->count * DIGEST_SIZE) == 0;
}

static bool equal_TEXT(const void *a, const void *b)
{
    return strcmp(a, b) == 0;
}

bool requirement_key_equal(const struct requirement_key *a, const struct requirement_key *b, unsigned parts)
{
#define X(kind, type, member, tag, part, word)                                          \
    if ((parts & PART_##part) != 0 && !equal_##kind(&a->member, &b->member))            \
        return false;
    REQUIREMENT_LIST(X)
#undef X
    return true;
}
