/* SPDX-License-Identifier: GPL-2.0-or-later */
/* address.c - IP addresses as values; see address.h. */
#include "base/address.h"

#include "base/error.h"
#include "base/integer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t V4_MAPPED[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct address address_v4(const uint8_t bytes[4])
{
    struct address address = { .family = ADDRESS_V4 };
    memcpy(address.bytes, bytes, 4);
    return address;
}

struct address address_v6(const uint8_t bytes[16], uint32_t scope)
{
    if (memcmp(bytes, V4_MAPPED, sizeof(V4_MAPPED)) == 0)
        return address_v4(bytes + sizeof(V4_MAPPED));
    struct address address = { .family = ADDRESS_V6 };
    memcpy(address.bytes, bytes, 16);
    /* fe80::/10 alone needs a scope; elsewhere it would split one destination in two. */
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80)
        address.scope = scope;
    return address;
}

/* Four numbers of one to three digits without leading zeros, 0 to 255, and nothing else (INV-11). */
static bool parse_v4(struct slice text, uint8_t bytes_r[4])
{
    size_t at = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned value = 0;
        if (i > 0 && (at == text.length || text.data[at++] != '.'))
            return false;
        size_t start = at;
        for (; at < text.length && text.data[at] >= '0' && text.data[at] <= '9' && at - start < 3; at++)
            value = value * 10 + (unsigned)(text.data[at] - '0');
        if (at == start || value > 255 || (text.data[start] == '0' && at - start > 1))
            return false;
        bytes_r[i] = (uint8_t)value;
    }
    return at == text.length;
}

int address_parse(struct slice text, struct address *address_r)
{
    char string[ADDRESS_TEXT_SIZE];
    uint8_t bytes[16];
    if (parse_v4(text, bytes)) {
        *address_r = address_v4(bytes);
        return 0;
    }
    if (!slice_to_string(text, string, sizeof(string)))
        return ERROR_SYNTAX;
    if (inet_pton(AF_INET6, string, bytes) == 1) {
        *address_r = address_v6(bytes, 0);
        return 0;
    }
    return ERROR_SYNTAX;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && a->scope == b->scope && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && address_equal(&a->address, &b->address);
}

bool address_is_unspecified(const struct address *address)
{
    static const uint8_t zero[16];
    return address->family == ADDRESS_NONE || memcmp(address->bytes, zero, sizeof(zero)) == 0;
}

bool address_is_multicast_or_broadcast(const struct address *address)
{
    static const uint8_t broadcast[4] = { 255, 255, 255, 255 };
    if (address->family == ADDRESS_V4)
        return (address->bytes[0] & 0xf0) == 0xe0 || memcmp(address->bytes, broadcast, 4) == 0;
    return address->family == ADDRESS_V6 && address->bytes[0] == 0xff;
}

static uint8_t family_bits(const struct address *address)
{
    return address->family == ADDRESS_V4 ? 32 : 128;
}

/* The bits of byte INDEX that a prefix of LENGTH bits covers. */
static uint8_t covered(uint8_t length, size_t index)
{
    size_t start = index * 8;
    if (length >= start + 8)
        return 0xff;
    if (length <= start)
        return 0;
    return (uint8_t)(0xff << (8 - (length - start)));
}

int prefix_parse(struct slice text, struct prefix *prefix_r)
{
    struct prefix prefix;
    size_t slash = slice_find(text, '/', 0);
    int rc = address_parse(slice_first(text, slash), &prefix.address);
    if (rc != 0)
        return rc;
    prefix.length = family_bits(&prefix.address);
    if (slash < text.length) {
        uint64_t length;
        rc = integer_parse(slice_from(text, slash + 1), prefix.length, &length);
        if (rc != 0)
            return ERROR_SYNTAX;
        prefix.length = (uint8_t)length;
    }
    for (size_t i = 0; i < sizeof(prefix.address.bytes); i++)
        if ((prefix.address.bytes[i] & (uint8_t)~covered(prefix.length, i)) != 0)
            return ERROR_SYNTAX;
    *prefix_r = prefix;
    return 0;
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
    if (prefix->address.family != address->family)
        return false;
    static const uint8_t zero[sizeof(address->bytes)];
    const uint8_t *wanted = prefix->address.bytes;
    size_t whole = prefix->length / 8;
    if (whole >= sizeof(address->bytes))
        return memcmp(address->bytes, wanted, sizeof(address->bytes)) == 0;
    size_t rest = sizeof(address->bytes) - whole - 1;
    return memcmp(address->bytes, wanted, whole) == 0 &&
        (address->bytes[whole] & covered(prefix->length, whole)) == wanted[whole] &&
        memcmp(wanted + whole + 1, zero, rest) == 0;
}

/* As inet_ntop() writes it, at a tenth of the price: each record and each response has some. */
static void print_v4(const uint8_t bytes[4], char *at)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0)
            *at++ = '.';
        if (bytes[i] >= 100)
            *at++ = (char)('0' + bytes[i] / 100);
        if (bytes[i] >= 10)
            *at++ = (char)('0' + bytes[i] / 10 % 10);
        *at++ = (char)('0' + bytes[i] % 10);
    }
    *at = '\0';
}

const char *address_print(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    if (address->family == ADDRESS_V4)
        print_v4(address->bytes, out);
    else if (address->family == ADDRESS_NONE || inet_ntop(AF_INET6, address->bytes, out, ADDRESS_TEXT_SIZE) == NULL)
        snprintf(out, ADDRESS_TEXT_SIZE, "-");
    return out;
}

const char *endpoint_print(const struct endpoint *endpoint, char out[ADDRESS_TEXT_SIZE])
{
    char text[ADDRESS_TEXT_SIZE];
    address_print(&endpoint->address, text);
    snprintf(out, ADDRESS_TEXT_SIZE, endpoint->address.family == ADDRESS_V6 ? "[%.47s]:%u" : "%.47s:%u", text,
        (unsigned)endpoint->port);
    return out;
}

static uint32_t word(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

uint32_t address_worker(const struct address *address, uint32_t count)
{
    if (count <= 1)
        return 0;
    uint32_t mixed = 0;
    size_t words = address->family == ADDRESS_V4 ? 1 : 4;
    for (size_t i = 0; i < words; i++)
        mixed ^= word(address->bytes + 4 * i);
    mixed *= 2654435761u; /* Knuth's multiplier: neighbours in one subnet spread over the workers */
    return (mixed >> 16) % count;
}
