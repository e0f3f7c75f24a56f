/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_settings.c - the suites and groups there are, and the checks of what is asked for; see tls_settings.h.
 * Only suites with forward secrecy and authenticated encryption are known at all (RFC 9325 section 4).
 */
#include "tls/tls_settings.h"

#include "base/error.h"
#include "tls/tls_private.h"

#include <string.h>

/* number, version, IANA name, OpenSSL name, the library's name */
#define SUITE_LIST(X)                                                                                               \
    X(0x1301, TLS_VERSION_1_3, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", "TLS13-AES128-GCM-SHA256")      \
    X(0x1302, TLS_VERSION_1_3, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", "TLS13-AES256-GCM-SHA384")      \
    X(0x1303, TLS_VERSION_1_3, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256",                     \
      "TLS13-CHACHA20-POLY1305-SHA256")                                                                            \
    X(0xC02B, TLS_VERSION_1_2, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",         \
      "ECDHE-ECDSA-AES128-GCM-SHA256")                                                                             \
    X(0xC02F, TLS_VERSION_1_2, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256",             \
      "ECDHE-RSA-AES128-GCM-SHA256")                                                                               \
    X(0xC02C, TLS_VERSION_1_2, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384",         \
      "ECDHE-ECDSA-AES256-GCM-SHA384")                                                                             \
    X(0xC030, TLS_VERSION_1_2, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384",             \
      "ECDHE-RSA-AES256-GCM-SHA384")                                                                               \
    X(0xCCA9, TLS_VERSION_1_2, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",   \
      "ECDHE-ECDSA-CHACHA20-POLY1305")                                                                             \
    X(0xCCA8, TLS_VERSION_1_2, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305",       \
      "ECDHE-RSA-CHACHA20-POLY1305")

static const struct suite {
    uint16_t number;
    enum tls_version version;
    const char *iana_name, *openssl_name, *library_name;
} suites[] = {
#define X(number, version, iana, openssl, library) { number, version, iana, openssl, library },
    SUITE_LIST(X)
#undef X
};

static const struct group {
    uint16_t number;
    const char *name, *other_name;
} groups[] = {
    { 29, "X25519", "x25519" },
    { 23, "P-256", "secp256r1" },
    { 24, "P-384", "secp384r1" },
    { 25, "P-521", "secp521r1" },
};

static const uint16_t suites_aes_first[] = {
    0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8,
};
static const uint16_t suites_chacha_first[] = {
    0x1303, 0x1301, 0x1302, 0xCCA9, 0xCCA8, 0xC02B, 0xC02F, 0xC02C, 0xC030,
};
static const uint16_t default_groups[] = { 29, 23, 24 };

static const struct suite *find_suite(unsigned number)
{
    for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
        if (suites[i].number == number)
            return &suites[i];
    return NULL;
}

const char *tls_suite_name(unsigned number)
{
    const struct suite *suite = find_suite(number);
    return suite != NULL ? suite->iana_name : "";
}

const char *tls_suite_library_name(unsigned number)
{
    const struct suite *suite = find_suite(number);
    return suite != NULL ? suite->library_name : "";
}

enum tls_version tls_suite_version(unsigned number)
{
    const struct suite *suite = find_suite(number);
    return suite != NULL ? suite->version : TLS_VERSION_UNSET;
}

const char *tls_group_name(unsigned number)
{
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        if (groups[i].number == number)
            return groups[i].name;
    return "";
}

unsigned tls_group_from_name(struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        if (slice_equal_nocase(name, slice_of_string(groups[i].name)) ||
            slice_equal_nocase(name, slice_of_string(groups[i].other_name)))
            return groups[i].number;
    return 0;
}

static unsigned suite_from_name(struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
        if (slice_equal_nocase(name, slice_of_string(suites[i].iana_name)) ||
            slice_equal_nocase(name, slice_of_string(suites[i].openssl_name)))
            return suites[i].number;
    return 0;
}

static bool numbers_hold(const uint16_t *numbers, unsigned wanted)
{
    for (; *numbers != 0; numbers++)
        if (*numbers == wanted)
            return true;
    return false;
}

bool tls_settings_has_suite(const struct tls_settings *settings, unsigned suite)
{
    return numbers_hold(settings->suites, suite);
}

bool tls_settings_has_group(const struct tls_settings *settings, unsigned group)
{
    return numbers_hold(settings->groups, group);
}

void tls_settings_init(struct tls_settings *settings)
{
    *settings = (struct tls_settings){ .minimum = TLS_VERSION_1_2, .maximum = TLS_VERSION_1_3 };
    memcpy(settings->suites, tls_library_has_fast_aes() ? suites_aes_first : suites_chacha_first,
           sizeof(suites_aes_first));
    memcpy(settings->groups, default_groups, sizeof(default_groups));
}

/* Each version of the range has a suite. */
static int check_suites(const struct tls_settings *settings, struct why *why)
{
    for (int version = (int)settings->minimum; version <= (int)settings->maximum; version++) {
        bool is_served = false;
        for (const uint16_t *suite = settings->suites; *suite != 0; suite++)
            is_served = is_served || (int)tls_suite_version(*suite) == version;
        if (!is_served)
            return why_fail(why, ERROR_CONFLICT, "no cipher suite is left for TLS %s",
                            tls_version_name((enum tls_version)version));
    }
    return 0;
}

int tls_settings_set_versions(struct tls_settings *settings, enum tls_version minimum, enum tls_version maximum,
                              struct why *why)
{
    struct tls_settings changed = *settings;
    if (minimum != TLS_VERSION_UNSET)
        changed.minimum = minimum;
    if (maximum != TLS_VERSION_UNSET)
        changed.maximum = maximum;
    if (changed.minimum > changed.maximum || changed.maximum >= TLS_VERSION_COUNT)
        return why_fail(why, ERROR_CONFLICT, "the highest TLS version (%s) is below the lowest (%s)",
                        tls_version_name(changed.maximum), tls_version_name(changed.minimum));
    int result = check_suites(&changed, why);
    if (result == 0)
        *settings = changed;
    return result;
}

static bool is_separator(char c)
{
    return c == ':' || c == ',' || c == ' ';
}

/* Cuts the next name off *REST; false at the end. */
static bool next_name(struct slice *rest, struct slice *name_r)
{
    size_t start = 0, end;
    while (start < rest->length && is_separator(rest->data[start]))
        start++;
    for (end = start; end < rest->length && !is_separator(rest->data[end]); end++)
        ;
    if (end == start)
        return false;
    *name_r = slice_of(rest->data + start, end - start);
    *rest = slice_from(*rest, end);
    return true;
}

/* Reads NAMES into NUMBERS (room for LIMIT and the final 0); WHAT is for the text. */
static int read_names(struct slice names, unsigned (*from_name)(struct slice), const char *what, size_t limit,
                      uint16_t *numbers, struct why *why)
{
    struct slice name;
    size_t count = 0;
    numbers[0] = 0;
    while (next_name(&names, &name)) {
        unsigned number = from_name(name);
        if (number == 0)
            return why_fail(why, ERROR_UNKNOWN_NAME, "%s \"%.*s\" does not exist or is not allowed", what,
                            SLICE_PRINT(name));
        if (numbers_hold(numbers, number))
            continue;
        if (count == limit)
            return why_fail(why, ERROR_LIMIT, "more than %zu names of a %s", limit, what);
        numbers[count++] = (uint16_t)number;
        numbers[count] = 0;
    }
    return count > 0 ? 0 : why_fail(why, ERROR_SYNTAX, "an empty list of %ss", what);
}

int tls_settings_set_suites(struct tls_settings *settings, struct slice names, struct why *why)
{
    struct tls_settings changed = *settings;
    memset(changed.suites, 0, sizeof(changed.suites));
    int result = read_names(names, suite_from_name, "cipher suite", TLS_SUITES_MAXIMUM, changed.suites, why);
    if (result == 0)
        result = check_suites(&changed, why);
    if (result == 0)
        *settings = changed;
    return result;
}

int tls_settings_set_groups(struct tls_settings *settings, struct slice names, struct why *why)
{
    struct tls_settings changed = *settings;
    memset(changed.groups, 0, sizeof(changed.groups));
    int result = read_names(names, tls_group_from_name, "group", TLS_GROUPS_MAXIMUM, changed.groups, why);
    if (result == 0)
        *settings = changed;
    return result;
}

int tls_settings_set_protocol(struct tls_settings *settings, struct slice protocol, struct why *why)
{
    char text[TLS_PROTOCOL_SIZE];
    /* The library's interface separates names by commas. */
    if (!slice_to_string(protocol, text, sizeof(text)) || strchr(text, ',') != NULL)
        return why_fail(why, ERROR_SYNTAX, "\"%.*s\" cannot be an ALPN protocol", SLICE_PRINT(protocol));
    memset(settings->protocol, 0, sizeof(settings->protocol));
    memcpy(settings->protocol, text, strlen(text));
    return 0;
}

void tls_settings_encode(const struct tls_settings *settings, struct buffer *out)
{
    buffer_append_byte(out, (uint8_t)settings->minimum);
    buffer_append_byte(out, (uint8_t)settings->maximum);
    buffer_append_byte(out, (uint8_t)settings->client_auth);
    for (size_t i = 0; i == 0 || settings->suites[i - 1] != 0; i++)
        buffer_append_u16(out, settings->suites[i]);
    for (size_t i = 0; i == 0 || settings->groups[i - 1] != 0; i++)
        buffer_append_u16(out, settings->groups[i]);
    buffer_append(out, settings->protocol, strlen(settings->protocol) + 1);
}
