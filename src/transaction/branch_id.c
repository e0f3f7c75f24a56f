/* SPDX-License-Identifier: GPL-2.0-or-later */
/* branch_id.c - 30 bytes in 48 letters: worker, slot, generation, loop hash, check; see branch_id.h.
 * The check is SipHash over the 22 bytes before it: who does not hold the secret cannot name a transaction
 * that was never told to it.
 */
#include "transaction/branch_id.h"

#include "base/siphash.h"

#include <string.h>

enum { COOKIE_LENGTH = 7, RAW_LENGTH = 30, CHECKED_LENGTH = 22, TEXT_LENGTH = 48 };
static const char cookie[COOKIE_LENGTH + 1] = "z9hG4bK";
static const char letters[] = "0123456789abcdefghijklmnopqrstuv";

_Static_assert(RAW_LENGTH * 8 == TEXT_LENGTH * 5, "no bit is left over");
_Static_assert(COOKIE_LENGTH + TEXT_LENGTH == BRANCH_ID_LENGTH, "cookie and text");

static void put(uint8_t *raw, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        raw[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t get(const uint8_t *raw, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | raw[i];
    return value;
}

void branch_id_print(const struct branch_id *id, const struct transaction_secret *secret, char out[BRANCH_ID_SIZE])
{
    uint8_t raw[RAW_LENGTH];
    put(raw, id->client.worker, 2);
    put(raw + 2, id->client.slot, 4);
    put(raw + 6, id->client.generation, 8);
    put(raw + 14, id->loop_hash, 8);
    put(raw + CHECKED_LENGTH, siphash(raw, CHECKED_LENGTH, secret->bytes), 8);

    memcpy(out, cookie, COOKIE_LENGTH);
    for (size_t i = 0; i < TEXT_LENGTH / 8; i++) {
        uint64_t five = get(raw + 5 * i, 5);
        for (size_t j = 0; j < 8; j++)
            out[COOKIE_LENGTH + 8 * i + j] = letters[five >> (35 - 5 * j) & 31];
    }
    out[BRANCH_ID_LENGTH] = '\0';
}

/* 1..32 for the values 0..31, 0 for any other byte. */
#define LETTER(lower, upper, value) [lower] = (value) + 1, [upper] = (value) + 1
static const uint8_t values[256] = { ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7,
    ['7'] = 8, ['8'] = 9, ['9'] = 10, LETTER('a', 'A', 10), LETTER('b', 'B', 11), LETTER('c', 'C', 12),
    LETTER('d', 'D', 13), LETTER('e', 'E', 14), LETTER('f', 'F', 15), LETTER('g', 'G', 16), LETTER('h', 'H', 17),
    LETTER('i', 'I', 18), LETTER('j', 'J', 19), LETTER('k', 'K', 20), LETTER('l', 'L', 21), LETTER('m', 'M', 22),
    LETTER('n', 'N', 23), LETTER('o', 'O', 24), LETTER('p', 'P', 25), LETTER('q', 'Q', 26), LETTER('r', 'R', 27),
    LETTER('s', 'S', 28), LETTER('t', 'T', 29), LETTER('u', 'U', 30), LETTER('v', 'V', 31) };
#undef LETTER

bool branch_id_parse(struct slice branch, const struct transaction_secret *secret, struct branch_id *id_r)
{
    if (branch.length != BRANCH_ID_LENGTH ||
        !slice_equal_nocase(slice_first(branch, COOKIE_LENGTH), slice_of(cookie, COOKIE_LENGTH)))
        return false;
    uint8_t raw[RAW_LENGTH];
    for (size_t i = 0; i < TEXT_LENGTH / 8; i++) {
        const char *eight = branch.data + COOKIE_LENGTH + 8 * i;
        uint64_t five = 0;
        for (size_t j = 0; j < 8; j++) {
            unsigned value = values[(uint8_t)eight[j]];
            if (value == 0)
                return false;
            five = five << 5 | (value - 1);
        }
        raw[5 * i] = (uint8_t)(five >> 32);
        raw[5 * i + 1] = (uint8_t)(five >> 24);
        raw[5 * i + 2] = (uint8_t)(five >> 16);
        raw[5 * i + 3] = (uint8_t)(five >> 8);
        raw[5 * i + 4] = (uint8_t)five;
    }
    if (get(raw + CHECKED_LENGTH, 8) != siphash(raw, CHECKED_LENGTH, secret->bytes))
        return false;
    *id_r = (struct branch_id){ .client = { (uint32_t)get(raw, 2), (uint32_t)get(raw + 2, 4), get(raw + 6, 8) },
        .loop_hash = get(raw + 14, 8) };
    return true;
}
