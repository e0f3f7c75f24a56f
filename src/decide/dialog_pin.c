/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dialog_pin.c - see dialog_pin.h. */
#include "decide/dialog_pin.h"

#include <string.h>

enum { FORMAT = 1, TO_CALLEE = 1, TO_CALLER = 2, HEAD_SIZE = 6 };
enum { CONTENT_LEVEL = 0x0f, CONTENT_DOMAIN = 0x10, CONTENT_FLAGS = 0x20 };
enum { TEXT_MAX = 255, FUTURE_MAX_S = 300 };
enum { FLAGS_TEXT_MAX = 2 * DOMAIN_NAME_SIZE + 2 * ROW_NAME_SIZE + 256 }; /* of DIALOG_PIN_FLAGS; all words fit */

/* Levels as they stand in the text, which outlives this process: not the numbers of enum level. */
enum { LEVEL_CODE_CHAIN = 1, LEVEL_CODE_DOMAIN = 2, LEVEL_CODE_ENCRYPT = 3 };

static bool is_kept(enum level level)
{
    return level == LEVEL_ENCRYPT || level == LEVEL_CHAIN || level == LEVEL_DOMAIN;
}

/* Bytes being written; a cut one is of no use. */
struct writer {
    uint8_t bytes[DIALOG_PIN_BYTES_MAX];
    size_t length;
    bool is_full;
};

static void put(struct writer *writer, const void *bytes, size_t length)
{
    writer->is_full = writer->is_full || length > sizeof(writer->bytes) - DIALOG_PIN_MAC_SIZE - writer->length;
    if (writer->is_full)
        return;
    memcpy(writer->bytes + writer->length, bytes, length);
    writer->length += length;
}

static void put_byte(struct writer *writer, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    put(writer, &byte, 1);
}

static void put_u32(struct writer *writer, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        put_byte(writer, value >> shift & 0xff);
}

static void put_varint(struct writer *writer, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        put_byte(writer, 0x80 | (value & 0x7f));
    put_byte(writer, (unsigned)value);
}

static void put_text(struct writer *writer, struct slice text)
{
    if (text.length > TEXT_MAX) {
        writer->is_full = true;
        return;
    }
    put_byte(writer, (unsigned)text.length);
    put(writer, text.data, text.length);
}

static void put_part(struct writer *writer, const struct dialog_part *part)
{
    if (!is_kept(part->level))
        return;
    if (part->level == LEVEL_ENCRYPT) {
        put_byte(writer, LEVEL_CODE_ENCRYPT);
        return;
    }
    unsigned contents = part->level == LEVEL_DOMAIN ? LEVEL_CODE_DOMAIN : LEVEL_CODE_CHAIN;
    contents |= part->domain[0] != '\0' ? CONTENT_DOMAIN : 0;
    contents |= part->flags.bits != 0 ? CONTENT_FLAGS : 0;
    put_byte(writer, contents);
    put_varint(writer, (uint64_t)part->row_id);
    if (part->domain[0] != '\0')
        put_text(writer, slice_of_string(part->domain));
    if (part->flags.bits == 0)
        return;
    char room[FLAGS_TEXT_MAX];
    struct buffer flags = { room, 0, sizeof(room), false };
    flags_print(&part->flags, &flags);
    put_text(writer, buffer_slice(&flags));
}

/* BODY and what it is bound to, each with its length ahead (INV-2). */
static int compute_mac(struct slice body, struct slice call_id, struct slice tag, const struct dialog_secret *secret,
    const struct dialog_pin_crypto *crypto, uint8_t mac_r[DIGEST_SIZE])
{
    const uint32_t lengths[] = { (uint32_t)call_id.length, (uint32_t)tag.length };
    struct writer prefix = { .length = 0 };
    put_u32(&prefix, lengths[0]);
    put_u32(&prefix, lengths[1]);
    const struct slice parts[] = { SLICE_LITERAL("trelay dialog pin"),
        slice_of((const char *)prefix.bytes, prefix.length), call_id, tag, body };
    return crypto->hmac_sha256(slice_of((const char *)secret->bytes, secret->length), parts, ARRAY_SIZE(parts), mac_r);
}

size_t dialog_pin_print(const struct dialog_pin *pin, struct slice call_id, struct slice from_tag,
    const struct dialog_secret *secret, const struct dialog_pin_crypto *crypto, char out[DIALOG_PIN_TEXT_MAX])
{
    struct writer writer = { .length = 0 };
    uint8_t mac[DIGEST_SIZE];
    unsigned parts = is_kept(pin->to_callee.level) ? TO_CALLEE : 0;
    parts |= is_kept(pin->to_caller.level) ? TO_CALLER : 0;
    if (parts == 0 || slice_is_empty(call_id) || slice_is_empty(from_tag) || pin->issued_at < 0 ||
        pin->issued_at > UINT32_MAX)
        return 0;
    put_byte(&writer, FORMAT);
    put_u32(&writer, (uint32_t)pin->issued_at);
    put_byte(&writer, parts);
    put_part(&writer, &pin->to_callee);
    put_part(&writer, &pin->to_caller);
    struct slice body = slice_of((const char *)writer.bytes, writer.length);
    if (writer.is_full || compute_mac(body, call_id, from_tag, secret, crypto, mac) != 0)
        return 0;
    memcpy(writer.bytes + writer.length, mac, DIALOG_PIN_MAC_SIZE);
    return base64url_print(writer.bytes, writer.length + DIALOG_PIN_MAC_SIZE, out);
}

/* Takes COUNT bytes off REST; absent: there are not as many. */
static struct slice take(struct slice *rest, size_t count)
{
    struct slice taken = slice_first(*rest, count);
    if (taken.length != count)
        return SLICE_ABSENT;
    *rest = slice_from(*rest, count);
    return taken;
}

static bool take_byte(struct slice *rest, unsigned *value_r)
{
    struct slice byte = take(rest, 1);
    if (slice_is_absent(byte))
        return false;
    *value_r = (uint8_t)byte.data[0];
    return true;
}

/* Of an id: 63 bits. */
static bool take_id(struct slice *rest, int64_t *id_r)
{
    uint64_t value = 0;
    unsigned byte = 0x80;
    for (unsigned shift = 0; (byte & 0x80) != 0; shift += 7) {
        if (shift > 56 || !take_byte(rest, &byte))
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
    }
    *id_r = (int64_t)value;
    return true;
}

static bool take_text(struct slice *rest, struct slice *text_r)
{
    unsigned length;
    if (!take_byte(rest, &length))
        return false;
    *text_r = take(rest, length);
    return !slice_is_absent(*text_r);
}

static bool take_part(struct slice *rest, struct dialog_part *part)
{
    unsigned contents;
    struct slice text;
    if (!take_byte(rest, &contents))
        return false;
    if (contents == LEVEL_CODE_ENCRYPT) {
        part->level = LEVEL_ENCRYPT;
        return true;
    }
    if (!take_id(rest, &part->row_id))
        return false;
    unsigned code = contents & CONTENT_LEVEL;
    if ((contents & ~(unsigned)(CONTENT_LEVEL | CONTENT_DOMAIN | CONTENT_FLAGS)) != 0 ||
        (code != LEVEL_CODE_CHAIN && code != LEVEL_CODE_DOMAIN))
        return false;
    part->level = code == LEVEL_CODE_DOMAIN ? LEVEL_DOMAIN : LEVEL_CHAIN;
    if ((contents & CONTENT_DOMAIN) != 0 && (!take_text(rest, &text) || name_normalise(text, part->domain) != 0))
        return false;
    if ((contents & CONTENT_FLAGS) == 0)
        return true;
    return take_text(rest, &text) && flags_parse(text, &part->flags, NULL) == 0 &&
        (part->flags.bits & ~(uint32_t)DIALOG_PIN_FLAGS) == 0;
}

/* BODY is authentic; a later version of ours may still have made it. */
static bool parse_body(struct slice body, struct dialog_pin *pin_r)
{
    struct slice head = take(&body, HEAD_SIZE);
    const uint8_t *bytes = (const uint8_t *)head.data;
    *pin_r = (struct dialog_pin){ .issued_at = 0 };
    if (slice_is_absent(head) || bytes[0] != FORMAT || bytes[5] == 0 || bytes[5] > (TO_CALLEE | TO_CALLER))
        return false;
    for (size_t i = 1; i < 5; i++)
        pin_r->issued_at = pin_r->issued_at << 8 | bytes[i];
    return ((bytes[5] & TO_CALLEE) == 0 || take_part(&body, &pin_r->to_callee)) &&
        ((bytes[5] & TO_CALLER) == 0 || take_part(&body, &pin_r->to_caller)) && slice_is_empty(body);
}

/* Whether one of the secrets made the MAC for that tag. */
static enum dialog_pin_result check_mac(struct slice body, const uint8_t *mac, struct slice call_id, struct slice tag,
    const struct dialog_secrets *secrets, const struct dialog_pin_crypto *crypto)
{
    uint8_t expected[DIGEST_SIZE];
    if (slice_is_empty(tag))
        return DIALOG_PIN_FORGED;
    for (size_t i = 0; i < secrets->count; i++) {
        if (compute_mac(body, call_id, tag, &secrets->secrets[i], crypto, expected) != 0)
            return DIALOG_PIN_NO_MEMORY;
        if (crypto->is_equal(expected, mac, DIALOG_PIN_MAC_SIZE))
            return DIALOG_PIN_VALID;
    }
    return DIALOG_PIN_FORGED;
}

static bool is_of_age(int64_t issued_at, const struct dialog_pin_bearer *bearer)
{
    if (issued_at > bearer->now)
        return issued_at - bearer->now <= FUTURE_MAX_S; /* another node's clock */
    return bearer->max_age_s == 0 || bearer->now - issued_at <= (int64_t)bearer->max_age_s;
}

enum dialog_pin_result dialog_pin_read(struct slice text, const struct dialog_pin_bearer *bearer,
    const struct dialog_secrets *secrets, const struct dialog_pin_crypto *crypto, struct dialog_pin *pin_r,
    bool *is_from_caller_r)
{
    uint8_t bytes[DIALOG_PIN_BYTES_MAX];
    size_t length;
    struct dialog_pin pin;
    if (base64url_parse(text, bytes, sizeof(bytes), &length) != 0 || length <= DIALOG_PIN_MAC_SIZE)
        return DIALOG_PIN_MALFORMED;
    struct slice body = slice_of((const char *)bytes, length - DIALOG_PIN_MAC_SIZE);
    const uint8_t *mac = bytes + body.length;
    /* Who took the other's tag for his own could bear the pin of the other direction. */
    if (!slice_is_absent(bearer->to_tag) && slice_equal(bearer->from_tag, bearer->to_tag))
        return DIALOG_PIN_FORGED;
    enum dialog_pin_result result = check_mac(body, mac, bearer->call_id, bearer->from_tag, secrets, crypto);
    bool is_from_caller = result == DIALOG_PIN_VALID;
    if (result == DIALOG_PIN_FORGED)
        result = check_mac(body, mac, bearer->call_id, bearer->to_tag, secrets, crypto);
    if (result != DIALOG_PIN_VALID)
        return result;
    if (!parse_body(body, &pin))
        return DIALOG_PIN_MALFORMED;
    if (!is_of_age(pin.issued_at, bearer))
        return DIALOG_PIN_TOO_OLD;
    *pin_r = pin;
    *is_from_caller_r = is_from_caller;
    return DIALOG_PIN_VALID;
}

const char *dialog_pin_result_word(enum dialog_pin_result result)
{
    static const char *const words[] = {
#define X(code, word) [code] = word,
        DIALOG_PIN_RESULT_LIST(X)
#undef X
    };
    return (unsigned)result < ARRAY_SIZE(words) ? words[result] : "unknown";
}
