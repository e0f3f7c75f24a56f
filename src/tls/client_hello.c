/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client_hello.c - records to handshake message to struct client_hello; see client_hello.h.
 * Every length is checked against what is really there before a byte behind it is read.
 */
#include "tls/client_hello.h"

#include "base/error.h"
#include "tls/tls_settings.h"

#include <string.h>

enum {
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_HEADER = 5,
    RECORD_LIMIT = 16384,
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_HEADER = 4,
    VERSION_TLS_1_2 = 0x0303,
    VERSION_TLS_1_3 = 0x0304,
};

enum extension {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_TRUSTED_CA_KEYS = 3,
    EXTENSION_STATUS_REQUEST = 5,
    EXTENSION_SUPPORTED_GROUPS = 10,
    EXTENSION_SIGNATURE_ALGORITHMS = 13,
    EXTENSION_ALPN = 16,
    EXTENSION_SUPPORTED_VERSIONS = 43,
    EXTENSION_CERTIFICATE_AUTHORITIES = 47,
    EXTENSION_SIGNATURE_ALGORITHMS_CERT = 50,
};

/* Cuts LENGTH bytes off the front of *REST. */
static bool cut(struct slice *rest, size_t length, struct slice *taken_r)
{
    if (rest->length < length)
        return false;
    *taken_r = slice_first(*rest, length);
    *rest = slice_from(*rest, length);
    return true;
}

/* Cuts a big-endian number of WIDTH bytes. */
static bool cut_number(struct slice *rest, size_t width, size_t *number_r)
{
    struct slice bytes;
    if (!cut(rest, width, &bytes))
        return false;
    size_t number = 0;
    for (size_t i = 0; i < width; i++)
        number = number << 8 | (uint8_t)bytes.data[i];
    *number_r = number;
    return true;
}

/* Cuts a vector behind a length field of WIDTH bytes. */
static bool cut_vector(struct slice *rest, size_t width, struct slice *vector_r)
{
    size_t length;
    return cut_number(rest, width, &length) && cut(rest, length, vector_r);
}

/* BODY is exactly one vector. */
static bool whole_vector(struct slice body, size_t width, struct slice *vector_r)
{
    return cut_vector(&body, width, vector_r) && slice_is_empty(body);
}

/* BODY is exactly one vector of two-byte numbers, at least one. */
static bool whole_numbers(struct slice body, size_t width, struct slice *numbers_r)
{
    return whole_vector(body, width, numbers_r) && numbers_r->length >= 2 && numbers_r->length % 2 == 0;
}

static bool numbers_hold(struct slice numbers, unsigned wanted)
{
    size_t number;
    while (cut_number(&numbers, 2, &number))
        if (number == wanted)
            return true;
    return false;
}

static bool read_server_name(struct slice body, struct client_hello *hello)
{
    struct slice list, name;
    size_t type;
    if (!whole_vector(body, 2, &list) || slice_is_empty(list))
        return false;
    while (!slice_is_empty(list)) {
        if (!cut_number(&list, 1, &type) || !cut_vector(&list, 2, &name) || slice_is_empty(name))
            return false;
        if (type != 0)
            continue;
        if (!slice_is_absent(hello->server_name))
            return false; /* one name of each type, RFC 6066 section 3 */
        hello->server_name = name;
    }
    return true;
}

static bool read_protocols(struct slice body, struct client_hello *hello)
{
    struct slice list, name;
    if (!whole_vector(body, 2, &list) || slice_is_empty(list))
        return false;
    hello->application_protocols = list;
    while (!slice_is_empty(list))
        if (!cut_vector(&list, 1, &name) || slice_is_empty(name))
            return false;
    return true;
}

bool client_hello_next_authority(struct slice *rest, struct trusted_authority *authority_r)
{
    struct trusted_authority authority = { TRUSTED_AUTHORITY_PRE_AGREED, SLICE_ABSENT };
    size_t type;
    if (!cut_number(rest, 1, &type))
        return false;
    switch (type) {
    case TRUSTED_AUTHORITY_PRE_AGREED:
        break;
    case TRUSTED_AUTHORITY_KEY_SHA1:
    case TRUSTED_AUTHORITY_CERTIFICATE_SHA1:
        if (!cut(rest, 20, &authority.identifier))
            return false;
        break;
    case TRUSTED_AUTHORITY_NAME:
        if (!cut_vector(rest, 2, &authority.identifier) || slice_is_empty(authority.identifier))
            return false;
        break;
    default:
        return false;
    }
    authority.type = (enum trusted_authority_type)type;
    *authority_r = authority;
    return true;
}

static bool read_trusted_authorities(struct slice body, struct client_hello *hello)
{
    struct slice list;
    struct trusted_authority authority;
    if (!whole_vector(body, 2, &list))
        return false;
    hello->trusted_authorities = list;
    while (!slice_is_empty(list))
        if (!client_hello_next_authority(&list, &authority))
            return false;
    return true;
}

bool client_hello_next_name(struct slice *rest, struct slice *name_r)
{
    return cut_vector(rest, 2, name_r);
}

static bool read_certificate_authorities(struct slice body, struct client_hello *hello)
{
    struct slice list, name;
    if (!whole_vector(body, 2, &list) || slice_is_empty(list))
        return false;
    hello->certificate_authorities = list;
    while (!slice_is_empty(list))
        if (!client_hello_next_name(&list, &name) || slice_is_empty(name))
            return false;
    return true;
}

static bool read_status_request(struct slice body, struct client_hello *hello)
{
    struct slice responders, extensions;
    size_t type;
    if (!cut_number(&body, 1, &type))
        return false;
    if (type != 1)
        return true; /* another kind of status: not ours to read */
    hello->requests_status = true;
    return cut_vector(&body, 2, &responders) && cut_vector(&body, 2, &extensions) && slice_is_empty(body);
}

static bool read_extension(size_t type, struct slice body, struct client_hello *hello)
{
    switch (type) {
    case EXTENSION_SERVER_NAME:
        return read_server_name(body, hello);
    case EXTENSION_TRUSTED_CA_KEYS:
        return read_trusted_authorities(body, hello);
    case EXTENSION_STATUS_REQUEST:
        return read_status_request(body, hello);
    case EXTENSION_SUPPORTED_GROUPS:
        return whole_numbers(body, 2, &hello->supported_groups);
    case EXTENSION_SIGNATURE_ALGORITHMS:
        return whole_numbers(body, 2, &hello->signature_algorithms);
    case EXTENSION_SIGNATURE_ALGORITHMS_CERT:
        return whole_numbers(body, 2, &hello->signature_algorithms_cert);
    case EXTENSION_ALPN:
        return read_protocols(body, hello);
    case EXTENSION_SUPPORTED_VERSIONS:
        return whole_numbers(body, 1, &hello->supported_versions);
    case EXTENSION_CERTIFICATE_AUTHORITIES:
        return read_certificate_authorities(body, hello);
    default:
        return true;
    }
}

/* ALERT_R: what the failure is, decode_error but for duplicates. */
static bool read_extensions(struct slice list, struct client_hello *hello, enum tls_alert *alert_r)
{
    uint8_t seen[65536 / 8] = { 0 };
    while (!slice_is_empty(list)) {
        size_t type;
        struct slice body;
        if (!cut_number(&list, 2, &type) || !cut_vector(&list, 2, &body))
            return false;
        if (seen[type / 8] & 1U << type % 8) {
            *alert_r = TLS_ALERT_ILLEGAL_PARAMETER; /* RFC 8446 section 4.2 */
            return false;
        }
        seen[type / 8] = (uint8_t)(seen[type / 8] | 1U << type % 8);
        if (!read_extension(type, body, hello))
            return false;
    }
    return true;
}

/* BODY: the message without its header. */
static bool read_body(struct slice body, struct client_hello *hello, enum tls_alert *alert_r)
{
    struct slice skipped, compressions, extensions;
    size_t version;
    if (!cut_number(&body, 2, &version) || !cut(&body, 32, &skipped) || !cut_vector(&body, 1, &skipped) ||
        skipped.length > 32)
        return false;
    hello->legacy_version = (uint16_t)version;
    if (!cut_vector(&body, 2, &hello->cipher_suites) || hello->cipher_suites.length < 2 ||
        hello->cipher_suites.length % 2 != 0)
        return false;
    if (!cut_vector(&body, 1, &compressions))
        return false;
    if (slice_find(compressions, 0, 0) == compressions.length) {
        *alert_r = TLS_ALERT_ILLEGAL_PARAMETER; /* null compression is not offered */
        return false;
    }
    if (slice_is_empty(body))
        return true; /* no extensions at all: TLS 1.2 allows it */
    return whole_vector(body, 2, &extensions) && read_extensions(extensions, hello, alert_r);
}

static enum client_hello_state refuse(struct client_hello_reader *reader, enum tls_alert alert, struct why *why,
                                      const char *text)
{
    why_fail(why, ERROR_SYNTAX, "%s", text);
    reader->alert = alert;
    reader->hello = (struct client_hello){ 0 };
    return reader->state = CLIENT_HELLO_REFUSED;
}

/* MESSAGE: the handshake bytes so far. */
static enum client_hello_state read_message(struct client_hello_reader *reader, struct slice message, struct why *why)
{
    struct slice rest = message, body;
    size_t type, length;
    if (!cut_number(&rest, 1, &type))
        return reader->state;
    if (type != MESSAGE_CLIENT_HELLO)
        return refuse(reader, TLS_ALERT_UNEXPECTED_MESSAGE, why, "the first handshake message is no ClientHello");
    if (!cut_number(&rest, 3, &length))
        return reader->state;
    if (length > CLIENT_HELLO_LIMIT)
        return refuse(reader, TLS_ALERT_HANDSHAKE_FAILURE, why, "the ClientHello is too long");
    if (!cut(&rest, length, &body))
        return reader->state;
    if (!slice_is_empty(rest))
        return refuse(reader, TLS_ALERT_UNEXPECTED_MESSAGE, why, "handshake bytes follow the ClientHello");
    enum tls_alert alert = TLS_ALERT_DECODE_ERROR;
    struct client_hello hello = { 0 };
    if (!read_body(body, &hello, &alert))
        return refuse(reader, alert, why, "the ClientHello is malformed");
    reader->hello = hello;
    return reader->state = CLIENT_HELLO_COMPLETE;
}

/* Looks at a record's header as soon as it can; false: not the beginning of TLS. */
static bool looks_like_tls(struct slice record)
{
    return (record.length < 1 || record.data[0] == RECORD_HANDSHAKE) && (record.length < 2 || record.data[1] == 3);
}

static enum client_hello_state read_record(struct client_hello_reader *reader, struct slice payload, struct why *why)
{
    if (slice_is_empty(payload) || payload.length > RECORD_LIMIT)
        return refuse(reader, payload.length > 0 ? TLS_ALERT_RECORD_OVERFLOW : TLS_ALERT_UNEXPECTED_MESSAGE, why,
                      "a record of impossible length");
    if (reader->message.length == 0) {
        enum client_hello_state state = read_message(reader, payload, why);
        if (state != CLIENT_HELLO_INCOMPLETE)
            return state; /* the usual case: one record, read in place */
    }
    buffer_append_slice(&reader->message, payload);
    if (reader->message.has_failed)
        return refuse(reader, TLS_ALERT_INTERNAL_ERROR, why, "out of memory");
    return read_message(reader, buffer_slice(&reader->message), why);
}

void client_hello_reader_init(struct client_hello_reader *reader)
{
    *reader = (struct client_hello_reader){ .state = CLIENT_HELLO_INCOMPLETE, .alert = TLS_ALERT_ABSENT };
}

void client_hello_reader_fini(struct client_hello_reader *reader)
{
    buffer_free(&reader->raw);
    buffer_free(&reader->message);
    *reader = (struct client_hello_reader){ .state = CLIENT_HELLO_NONE, .alert = TLS_ALERT_ABSENT };
}

enum client_hello_state client_hello_reader_feed(struct client_hello_reader *reader, struct slice input,
                                                 struct why *why)
{
    if (reader->state != CLIENT_HELLO_INCOMPLETE)
        return reader->state;
    if (input.length > CLIENT_HELLO_RAW_LIMIT - reader->raw.length)
        return refuse(reader, TLS_ALERT_HANDSHAKE_FAILURE, why, "too many bytes before the ClientHello is complete");
    buffer_append_slice(&reader->raw, input);
    if (reader->raw.has_failed)
        return refuse(reader, TLS_ALERT_INTERNAL_ERROR, why, "out of memory");
    while (reader->state == CLIENT_HELLO_INCOMPLETE) {
        struct slice rest = slice_from(buffer_slice(&reader->raw), reader->parsed), header, payload;
        if (!looks_like_tls(rest))
            return refuse(reader, TLS_ALERT_ABSENT, why, "this is not TLS");
        if (!cut(&rest, RECORD_HEADER, &header))
            break;
        size_t length = (size_t)(uint8_t)header.data[3] << 8 | (uint8_t)header.data[4];
        if (length > RECORD_LIMIT)
            return refuse(reader, TLS_ALERT_RECORD_OVERFLOW, why, "a record of impossible length");
        if (!cut(&rest, length, &payload))
            break;
        reader->parsed += RECORD_HEADER + length;
        read_record(reader, payload, why);
    }
    return reader->state;
}

enum tls_version client_hello_version(const struct client_hello *hello, enum tls_version minimum,
                                      enum tls_version maximum)
{
    bool has_1_2 = hello->legacy_version >= VERSION_TLS_1_2, has_1_3 = false;
    if (!slice_is_absent(hello->supported_versions)) {
        has_1_2 = numbers_hold(hello->supported_versions, VERSION_TLS_1_2);
        has_1_3 = numbers_hold(hello->supported_versions, VERSION_TLS_1_3);
    }
    if (has_1_3 && maximum == TLS_VERSION_1_3)
        return TLS_VERSION_1_3;
    if (has_1_2 && minimum == TLS_VERSION_1_2)
        return TLS_VERSION_1_2;
    return TLS_VERSION_UNSET;
}

/* What each kind of key needs of a client: signature schemes in TLS 1.2 (0-terminated), the one of 1.3, its group. */
static const struct key_need {
    uint16_t schemes_1_2[7];
    uint16_t schemes_1_3[4];
    uint16_t group;
    bool is_rsa;
} key_needs[] = {
    [TLS_KEY_RSA] = { { 0x0401, 0x0501, 0x0601, 0x0804, 0x0805, 0x0806 }, { 0x0804, 0x0805, 0x0806 }, 0, true },
    [TLS_KEY_EC_P256] = { { 0x0403, 0x0503, 0x0603 }, { 0x0403 }, 23, false },
    [TLS_KEY_EC_P384] = { { 0x0403, 0x0503, 0x0603 }, { 0x0503 }, 24, false },
    [TLS_KEY_EC_P521] = { { 0x0403, 0x0503, 0x0603 }, { 0x0603 }, 25, false },
    [TLS_KEY_ED25519] = { { 0x0807 }, { 0x0807 }, 0, false },
};

/* One of the known TLS 1.2 suites for that kind of signature is offered. */
static bool offers_suite_1_2(const struct client_hello *hello, bool is_rsa)
{
    struct slice rest = hello->cipher_suites;
    size_t suite;
    while (cut_number(&rest, 2, &suite)) {
        const char *name = tls_suite_name((unsigned)suite);
        if (strncmp(name, is_rsa ? "TLS_ECDHE_RSA_" : "TLS_ECDHE_ECDSA_", is_rsa ? 14 : 16) == 0)
            return true;
    }
    return false;
}

bool client_hello_takes_key(const struct client_hello *hello, enum tls_key_kind kind, enum tls_version version)
{
    if (kind <= TLS_KEY_NONE || (size_t)kind >= ARRAY_SIZE(key_needs))
        return false;
    const struct key_need *need = &key_needs[kind];
    const uint16_t *schemes = version == TLS_VERSION_1_3 ? need->schemes_1_3 : need->schemes_1_2;
    if (version == TLS_VERSION_1_2) {
        if (!offers_suite_1_2(hello, need->is_rsa))
            return false;
        if (need->group != 0 && !slice_is_absent(hello->supported_groups) &&
            !numbers_hold(hello->supported_groups, need->group))
            return false; /* RFC 8422 section 5.1: the groups bind the certificate's key, too */
    } else if (version != TLS_VERSION_1_3) {
        return false;
    }
    for (; *schemes != 0; schemes++)
        if (numbers_hold(hello->signature_algorithms, *schemes))
            return true;
    return false; /* without the extension: only SHA-1 in 1.2, nothing in 1.3 */
}

bool client_hello_offers_protocol(const struct client_hello *hello, struct slice protocol)
{
    struct slice rest = hello->application_protocols, name;
    while (cut_vector(&rest, 1, &name))
        if (slice_equal(name, protocol))
            return true;
    return false;
}
