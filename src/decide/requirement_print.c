/* SPDX-License-Identifier: GPL-2.0-or-later */
/* requirement_print.c - requirements as text for people; see requirement.h. */
#include "decide/requirement.h"

#include <inttypes.h>

const char *transport_name(enum transport transport)
{
    switch (transport) {
    case TRANSPORT_UDP:
        return "udp";
    case TRANSPORT_TCP:
        return "tcp";
    case TRANSPORT_TLS:
        return "tls";
    case TRANSPORT_UNSET:
        break;
    }
    return "unset";
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
        return "yes"; /* 0 is left out */
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
#define X(kind, type, member, tag, part, word) print_##kind(tag, word, &fields->member, out);
    REQUIREMENT_LIST(X)
#undef X
}

static void print_SECONDS(const char *word, uint32_t value, struct buffer *out)
{
    if (value == 0)
        return;
    print_word(word, out);
    buffer_append_format(out, "%" PRIu32 "s", value);
}

static void print_YES(const char *word, bool value, struct buffer *out)
{
    print_word(word, out);
    buffer_append_string(out, value ? "yes" : "no");
}

static void print_ID(const char *word, int64_t value, struct buffer *out)
{
    print_word(word, out);
    buffer_append_format(out, "%" PRId64, value);
}

static void print_GENERATION(const char *word, uint64_t value, struct buffer *out)
{
    print_word(word, out);
    buffer_append_format(out, "%" PRIu64, value);
}

static void print_UPGRADE(const char *word, enum upgrade value, struct buffer *out)
{
    print_word(word, out);
    buffer_append_string(out, upgrade_name(value));
}

static void print_name(const char *word, const char *name, struct buffer *out)
{
    print_word(word, out);
    buffer_append_string(out, name != NULL ? name : "?");
}

static void print_ROW(const char *word, const struct outbound_policy *row, struct buffer *out)
{
    if (row != NULL)
        print_name(word, row->name, out);
}

static void print_TRUST_SET(const char *word, const struct policy_trust_set *trust_set, struct buffer *out)
{
    if (trust_set != NULL)
        print_name(word, trust_set->name, out);
}

static void print_CREDENTIAL(const char *word, const struct policy_credential *credential, struct buffer *out)
{
    if (credential != NULL)
        print_name(word, credential->name, out);
}

void requirement_terms_print(const struct requirement_terms *terms, struct buffer *out)
{
#define X(kind, type, member, word) print_##kind(word, terms->member, out);
    REQUIREMENT_TERM_LIST(X)
#undef X
}
