/* SPDX-License-Identifier: GPL-2.0-or-later */
/* address.h - IP addresses, prefixes and endpoints as values.
 * In:    text by a strict parser (no octal, no short forms, no names). Out: canonical values.
 * An IPv4 address and its ::ffff: form are one value (INV-11).
 */
#ifndef TRELAY_BASE_ADDRESS_H
#define TRELAY_BASE_ADDRESS_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum address_family { ADDRESS_NONE = 0, ADDRESS_V4 = 4, ADDRESS_V6 = 6 };

struct address {
    uint8_t family;    /* enum address_family */
    uint8_t bytes[16]; /* V4 uses the first four, the rest is zero */
    uint32_t scope;    /* interface of a link-local address, else 0 */
};

struct endpoint {
    struct address address;
    uint16_t port; /* host order */
};

struct prefix {
    struct address address; /* host bits are zero */
    uint8_t length;         /* bits; at most 32 for V4, 128 for V6 */
};

/* Long enough for any address_print() or endpoint_print() result. */
enum { ADDRESS_TEXT_SIZE = 64 };

/* "192.0.2.1", "2001:db8::1"; brackets and zone ids are the caller's to remove. 0 or ERROR_SYNTAX. */
int address_parse(struct slice text, struct address *address_r) MUST_CHECK;

/* From the raw bytes of a packet or socket address; folds ::ffff:a.b.c.d to V4. */
struct address address_v4(const uint8_t bytes[4]);
struct address address_v6(const uint8_t bytes[16], uint32_t scope);

bool address_equal(const struct address *a, const struct address *b);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* 0.0.0.0, ::, multicast, 255.255.255.255: never a destination. */
bool address_is_unspecified(const struct address *address);
bool address_is_multicast_or_broadcast(const struct address *address);

/* "192.0.2.0/24"; host bits set are an error, as PostgreSQL's cidr has it. */
int prefix_parse(struct slice text, struct prefix *prefix_r) MUST_CHECK;
bool prefix_contains(const struct prefix *prefix, const struct address *address);

/* Writes text without brackets to OUT and returns OUT. */
const char *address_print(const struct address *address, char out[ADDRESS_TEXT_SIZE]);
/* "192.0.2.1:5061", "[2001:db8::1]:5061". */
const char *endpoint_print(const struct endpoint *endpoint, char out[ADDRESS_TEXT_SIZE]);

/* Which of COUNT workers owns the connections of an address. All keys of one destination live on
 * one worker; the kernel steers UDP by the same function (net/listener), so keep the two alike. */
uint32_t address_worker(const struct address *address, uint32_t count);

#endif
