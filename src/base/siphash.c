/* SPDX-License-Identifier: GPL-2.0-or-later */
/* siphash.c - SipHash-2-4 after Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012). */
#include "base/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

/* Eight bytes, little endian, written so that a compiler sees the one load that it is. */
static uint64_t word(const uint8_t *bytes)
{
    return (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 | (uint64_t)bytes[3] << 24 |
        (uint64_t)bytes[4] << 32 | (uint64_t)bytes[5] << 40 | (uint64_t)bytes[6] << 48 | (uint64_t)bytes[7] << 56;
}

static inline void one_round(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t m)
{
    s->v3 ^= m;
    one_round(s);
    one_round(s);
    s->v0 ^= m;
}

uint64_t siphash(const void *data, size_t length, const uint8_t key[SIPHASH_KEY_SIZE])
{
    const uint8_t *bytes = data;
    uint8_t last[8] = { 0 };
    uint64_t k0 = word(key), k1 = word(key + 8);
    struct state s = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
        k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573) };
    size_t whole = length / 8 * 8;
    for (size_t i = 0; i < whole; i += 8)
        absorb(&s, word(bytes + i));
    for (size_t i = whole; i < length; i++)
        last[i - whole] = bytes[i];
    absorb(&s, (uint64_t)length << 56 | word(last));
    s.v2 ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        one_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
