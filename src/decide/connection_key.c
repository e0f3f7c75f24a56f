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
#define X(kind, type, member, tag, word) type member;
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
#define X(kind, type, member, tag, word) +FIELD_HEADER + FIELD_SIZE_##kind(type)
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
    return put_bytes(at, tag, value->digests, (size_t)value->count * DIGEST_SIZE);
}

static uint8_t *put_text(uint8_t *at, uint8_t tag, const char *value)
{
    return value[0] != '\0' ? put_bytes(at, tag, value, strlen(value)) : put_header(at, tag, ABSENT);
}

static uint8_t *put_TEXT(uint8_t *at, uint8_t tag, const void *value)
{
    return put_text(at, tag, value);
}

void connection_key_encode(const struct requirement_key *fields, uint64_t seed, struct connection_key *key_r)
{
    uint8_t *at = key_r->bytes;
#define X(kind, type, member, tag, word) at = put_##kind(at, tag, &fields->member);
    REQUIREMENT_LIST(X)
#undef X
    key_r->length = (uint16_t)(at - key_r->bytes);
    key_r->hash = hash_bytes(key_r->bytes, key_r->length, seed);
}

bool connection_key_equal(const struct connection_key *a, const struct connection_key *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
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
    *value_r = slice_first(*rest, length);
    *rest = slice_from(*rest, length);
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

static bool get_address_bytes(const uint8_t *bytes, struct address *out)
{
    out->family = bytes[0];
    memcpy(out->bytes, bytes + 1, 16);
    out->scope = 0;
    for (unsigned i = 0; i < 4; i++)
        out->scope = out->scope << 8 | bytes[17 + i];
    return true;
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
    return get_address_bytes(bytes, out);
}

static bool get_ENDPOINT(struct slice value, struct endpoint *out, size_t size)
{
    (void)size;
    uint8_t bytes[23];
    if (value.length != sizeof(bytes))
        return false;
    memcpy(bytes, value.data, sizeof(bytes));
    out->port = (uint16_t)(bytes[21] << 8 | bytes[22]);
    return get_address_bytes(bytes, &out->address);
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
#define X(kind, type, member, tag, word)                                                                   \
    if (!take_field(&rest, tag, &value) || !get_##kind(value, &fields.member, sizeof(fields.member)))      \
        return ERROR_SYNTAX;
    REQUIREMENT_LIST(X)
#undef X
    if (rest.length > 0)
        return ERROR_SYNTAX;
    *fields_r = fields;
    return 0;
}

static void print_hex(const uint8_t *bytes, size_t length, struct buffer *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        buffer_append_byte(out, (uint8_t)digits[bytes[i] >> 4]);
        buffer_append_byte(out, (uint8_t)digits[bytes[i] & 15]);
    }
}

static void print_word(const char *word, struct buffer *out)
{
    if (out->length > 0)
        buffer_append_byte(out, ' ');
    buffer_append_string(out, word);
    buffer_append_byte(out, '=');
}

static const char *byte_name(uint8_t tag, uint8_t value)
{
    switch (tag) {
    case 1:
        return value == ROLE_OUT ? "out" : value == ROLE_IN_ALIAS ? "in-alias" : "unset";
    case 2:
        return transport_name((enum transport)value);
    case 8:
        return level_name((enum level)value);
    case 13:
        return eku_mode_name((enum eku_mode)value);
    case 14:
    case 15:
        return revocation_name((enum revocation)value);
    case 17:
    case 18:
        return tls_version_name((enum tls_version)value);
    default:
        return value != 0 ? "yes" : "no";
    }
}

static void print_BYTE(uint8_t tag, const char *word, const uint8_t *value, struct buffer *out)
{
    if (*value == 0)
        return;
    print_word(word, out);
    buffer_append_string(out, byte_name(tag, *value));
}

static void print_ADDRESS(uint8_t tag, const char *word, const struct address *value, struct buffer *out)
{
    (void)tag;
    char text[ADDRESS_TEXT_SIZE];
    if (value->family == ADDRESS_NONE)
        return;
    print_word(word, out);
    buffer_append_string(out, address_print(value, text));
}

static void print_ENDPOINT(uint8_t tag, const char *word, const struct endpoint *value, struct buffer *out)
{
    (void)tag;
    char text[ADDRESS_TEXT_SIZE];
    print_word(word, out);
    buffer_append_string(out, endpoint_print(value, text));
    if (value->address.scope != 0)
        buffer_append_format(out, "%%%u", (unsigned)value->address.scope);
}

static void print_DIGEST(uint8_t tag, const char *word, const struct optional_digest *value, struct buffer *out)
{
    (void)tag;
    if (!value->is_set)
        return;
    print_word(word, out);
    print_hex(value->bytes, DIGEST_SIZE, out);
}

static void print_PINS(uint8_t tag, const char *word, const struct pin_set *value, struct buffer *out)
{
    (void)tag;
    for (unsigned i = 0; i < value->count; i++) {
        print_word(word, out);
        print_hex(value->digests[i], DIGEST_SIZE, out);
    }
}

static void print_TEXT(uint8_t tag, const char *word, const void *value, struct buffer *out)
{
    (void)tag;
    const char *text = value;
    if (text[0] == '\0')
        return;
    print_word(word, out);
    buffer_append_string(out, text);
}

void requirement_key_print(const struct requirement_key *fields, struct buffer *out)
{
#define X(kind, type, member, tag, word) print_##kind(tag, word, &fields->member, out);
    REQUIREMENT_LIST(X)
#undef X
}
