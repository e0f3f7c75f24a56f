/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_client_hello.c - tests of tls/client_hello: extensions, fragmentation, limits, refusals. */
#include "tls/client_hello.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Wraps what follows START in a length field of WIDTH bytes. */
static void wrap(struct buffer *out, size_t start, size_t width)
{
    size_t length = out->length - start;
    char field[3] = { (char)(length >> 16), (char)(length >> 8), (char)length };
    buffer_append(out, field, width);
    memmove(out->data + start + width, out->data + start, length);
    memcpy(out->data + start, field + 3 - width, width);
}

/* One extension; BODY as it goes over the wire. */
static void extension(struct buffer *out, uint16_t type, struct slice body)
{
    buffer_append_u16(out, type);
    buffer_append_u16(out, (uint16_t)body.length);
    buffer_append_slice(out, body);
}

#define BYTES(literal) SLICE_LITERAL(literal)

/* A handshake message around EXTENSIONS (absent: none at all). */
static struct buffer message_of(struct slice suites, struct slice extensions)
{
    struct buffer out = BUFFER_EMPTY;
    buffer_append_u16(&out, 0x0303);
    for (int i = 0; i < 32; i++)
        buffer_append_byte(&out, (uint8_t)i);
    buffer_append_byte(&out, 0);
    buffer_append_u16(&out, (uint16_t)suites.length);
    buffer_append_slice(&out, suites);
    buffer_append_slice(&out, BYTES("\x01\x00"));
    if (!slice_is_absent(extensions)) {
        size_t start = out.length;
        buffer_append_slice(&out, extensions);
        wrap(&out, start, 2);
    }
    wrap(&out, 0, 3);
    buffer_append_byte(&out, 1);
    memmove(out.data + 1, out.data, out.length - 1);
    out.data[0] = 1;
    return out;
}

/* MESSAGE cut into records of at most FRAGMENT bytes. */
static struct buffer records_of(struct slice message, size_t fragment)
{
    struct buffer out = BUFFER_EMPTY;
    while (!slice_is_empty(message)) {
        struct slice part = slice_first(message, fragment);
        buffer_append_slice(&out, BYTES("\x16\x03\x01"));
        buffer_append_u16(&out, (uint16_t)part.length);
        buffer_append_slice(&out, part);
        message = slice_from(message, part.length);
    }
    return out;
}

#define SUITES BYTES("\x13\x01\xC0\x2B\xC0\x2F")

static struct buffer hello_bytes(struct slice suites, struct slice extensions, size_t fragment)
{
    struct buffer message = message_of(suites, extensions);
    struct buffer records = records_of(buffer_slice(&message), fragment);
    buffer_free(&message);
    return records;
}


static void append_everything(struct buffer *out)
{
    extension(out, 0, BYTES("\x00\x0D\x00\x00\x0A" "a.example."));
    extension(out, 3, BYTES("\x00\x20\x00\x02\x00\x02\x30\x00\x01" "aaaaaaaaaaaaaaaaaaaa" "\x02\x00\x02\x30\x00"));
    extension(out, 5, BYTES("\x01\x00\x00\x00\x00"));
    extension(out, 10, BYTES("\x00\x04\x00\x1D\x00\x17"));
    extension(out, 13, BYTES("\x00\x04\x04\x03\x08\x04"));
    extension(out, 16, BYTES("\x00\x0D\x05sip/2\x06" "foobar"));
    extension(out, 43, BYTES("\x04\x03\x04\x03\x03"));
    extension(out, 47, BYTES("\x00\x08\x00\x02\x30\x00\x00\x02\x30\x00"));
    extension(out, 50, BYTES("\x00\x02\x04\x01"));
    extension(out, 0x6A6A, SLICE_ABSENT);
}

static void check_everything(const struct client_hello *hello)
{
    struct slice rest;
    struct trusted_authority authority;
    struct slice name;
    assert_int_equal(hello->legacy_version, 0x0303);
    assert_true(slice_equal(hello->server_name, BYTES("a.example.")));
    assert_true(slice_equal(hello->cipher_suites, SUITES));
    assert_true(slice_equal(hello->supported_versions, BYTES("\x03\x04\x03\x03")));
    assert_true(slice_equal(hello->supported_groups, BYTES("\x00\x1D\x00\x17")));
    assert_true(slice_equal(hello->signature_algorithms, BYTES("\x04\x03\x08\x04")));
    assert_true(slice_equal(hello->signature_algorithms_cert, BYTES("\x04\x01")));
    assert_true(hello->requests_status);
    assert_true(client_hello_offers_protocol(hello, BYTES("sip/2")));
    assert_true(client_hello_offers_protocol(hello, BYTES("foobar")));
    assert_false(client_hello_offers_protocol(hello, BYTES("foo")));
    rest = hello->trusted_authorities;
    assert_true(client_hello_next_authority(&rest, &authority));
    assert_int_equal(authority.type, TRUSTED_AUTHORITY_PRE_AGREED);
    assert_true(client_hello_next_authority(&rest, &authority));
    assert_int_equal(authority.type, TRUSTED_AUTHORITY_NAME);
    assert_true(slice_equal(authority.identifier, BYTES("\x30\x00")));
    assert_true(client_hello_next_authority(&rest, &authority));
    assert_int_equal(authority.type, TRUSTED_AUTHORITY_KEY_SHA1);
    assert_int_equal(authority.identifier.length, 20);
    assert_true(client_hello_next_authority(&rest, &authority));
    assert_false(client_hello_next_authority(&rest, &authority));
    rest = hello->certificate_authorities;
    assert_true(client_hello_next_name(&rest, &name));
    assert_true(slice_equal(name, BYTES("\x30\x00")));
    assert_true(client_hello_next_name(&rest, &name));
    assert_false(client_hello_next_name(&rest, &name));
}

/* Whole, and byte by byte, in one record and in many. */
static void everything_is_found_in_any_pieces(void **state)
{
    static const size_t fragments[] = { 16384, 100, 7, 1 };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fragments); i++)
        for (size_t step = 1; step < 100000; step += 99998) {
            struct buffer extensions = BUFFER_EMPTY;
            append_everything(&extensions);
            struct buffer bytes = hello_bytes(SUITES, buffer_slice(&extensions), fragments[i]);
            struct client_hello_reader reader;
            client_hello_reader_init(&reader);
            struct slice rest = buffer_slice(&bytes);
            while (!slice_is_empty(rest)) {
                assert_int_equal(reader.state, CLIENT_HELLO_INCOMPLETE);
                client_hello_reader_feed(&reader, slice_first(rest, step), NULL);
                rest = slice_from(rest, step);
            }
            assert_int_equal(reader.state, CLIENT_HELLO_COMPLETE);
            assert_true(slice_equal(buffer_slice(&reader.raw), buffer_slice(&bytes)));
            check_everything(&reader.hello);
            client_hello_reader_fini(&reader);
            buffer_free(&bytes);
            buffer_free(&extensions);
        }
}

/* The state after BYTES in one piece; the alert of a refusal. */
static enum client_hello_state state_of(struct slice bytes, enum tls_alert *alert_r)
{
    struct client_hello_reader reader;
    struct why why = WHY_NONE;
    client_hello_reader_init(&reader);
    enum client_hello_state state = client_hello_reader_feed(&reader, bytes, &why);
    assert_int_equal(state == CLIENT_HELLO_REFUSED, why.text[0] != '\0');
    *alert_r = reader.alert;
    assert_true(slice_is_absent(reader.hello.server_name) || state == CLIENT_HELLO_COMPLETE);
    client_hello_reader_fini(&reader);
    return state;
}

static void what_is_not_tls_is_refused_at_its_first_bytes(void **state)
{
    static const struct {
        struct slice bytes;
        enum client_hello_state state;
        enum tls_alert alert;
    } cases[] = {
        { SLICE_LITERAL("O"), CLIENT_HELLO_REFUSED, TLS_ALERT_ABSENT }, /* OPTIONS sip:... */
        { SLICE_LITERAL("\r\n\r\n"), CLIENT_HELLO_REFUSED, TLS_ALERT_ABSENT },
        { SLICE_LITERAL("\x80\x2E\x01"), CLIENT_HELLO_REFUSED, TLS_ALERT_ABSENT }, /* SSL 2 */
        { SLICE_LITERAL("\x15\x03\x01\x00\x02\x02\x28"), CLIENT_HELLO_REFUSED, TLS_ALERT_ABSENT },
        { SLICE_LITERAL("\x16"), CLIENT_HELLO_INCOMPLETE, TLS_ALERT_ABSENT },
        { SLICE_LITERAL("\x16\x02"), CLIENT_HELLO_REFUSED, TLS_ALERT_ABSENT },
        { SLICE_LITERAL("\x16\x03\x01"), CLIENT_HELLO_INCOMPLETE, TLS_ALERT_ABSENT },
        { SLICE_LITERAL("\x16\x03\x01\x00\x00"), CLIENT_HELLO_REFUSED, TLS_ALERT_UNEXPECTED_MESSAGE },
        { SLICE_LITERAL("\x16\x03\x01\x40\x01"), CLIENT_HELLO_REFUSED, TLS_ALERT_RECORD_OVERFLOW },
        { SLICE_LITERAL("\x16\x03\x01\x00\x01\x02"), CLIENT_HELLO_REFUSED, TLS_ALERT_UNEXPECTED_MESSAGE },
        { SLICE_LITERAL("\x16\x03\x01\x00\x04\x01\x00\x40\x01"), CLIENT_HELLO_REFUSED, TLS_ALERT_HANDSHAKE_FAILURE },
        { SLICE_LITERAL("\x16\x03\x01\x00\x04\x01\x00\x40\x00"), CLIENT_HELLO_INCOMPLETE, TLS_ALERT_ABSENT },
        { SLICE_LITERAL("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), CLIENT_HELLO_REFUSED, TLS_ALERT_DECODE_ERROR },
        { SLICE_LITERAL("\x16\x03\x01\x00\x01\x01\x14\x03\x01"), CLIENT_HELLO_REFUSED, TLS_ALERT_ABSENT },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum tls_alert alert;
        assert_int_equal(state_of(cases[i].bytes, &alert), cases[i].state);
        assert_int_equal(alert, cases[i].alert);
    }
}

static void malformed_extensions_are_refused(void **state)
{
    static const struct {
        uint16_t type;
        struct slice body;
    } cases[] = {
        { 0, { "", 0 } },                                                      /* empty, as a server answers */
        { 0, SLICE_LITERAL("\x00\x00") },                                      /* no name */
        { 0, SLICE_LITERAL("\x00\x03\x00\x00\x00") },                          /* empty name */
        { 0, SLICE_LITERAL("\x00\x04\x00\x00\x02" "a") },                      /* name longer than the list */
        { 0, SLICE_LITERAL("\x00\x04\x00\x00\x01" "ab") },                     /* bytes behind the list */
        { 0, SLICE_LITERAL("\x00\x08\x00\x00\x01" "a\x00\x00\x01" "b") },      /* two host names */
        { 3, SLICE_LITERAL("\x00\x01\x04") },                                  /* unknown kind of authority */
        { 3, SLICE_LITERAL("\x00\x03\x01" "ab") },                             /* short digest */
        { 3, SLICE_LITERAL("\x00\x03\x02\x00\x00") },                          /* empty name */
        { 5, SLICE_LITERAL("\x01\x00\x00") },                                  /* cut short */
        { 10, SLICE_LITERAL("\x00\x03\x00\x1D\x00") },                         /* odd length */
        { 13, SLICE_LITERAL("\x00\x00") },                                     /* empty list */
        { 16, SLICE_LITERAL("\x00\x02\x05s") },                                /* name longer than the list */
        { 16, SLICE_LITERAL("\x00\x03\x01s\xFF") },                            /* the last name longer than the list */
        { 16, SLICE_LITERAL("\x00\x01\x00") },                                 /* empty name */
        { 43, SLICE_LITERAL("\x03\x03\x04\x03") },                             /* odd length */
        { 43, SLICE_LITERAL("\x04\x03\x04") },                                 /* cut short */
        { 47, SLICE_LITERAL("\x00\x04\x00\x03\x30\x00") },                     /* name longer than the list */
        { 47, SLICE_LITERAL("\x00\x00") },                                     /* empty list */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buffer extensions = BUFFER_EMPTY;
        extension(&extensions, cases[i].type, cases[i].body);
        struct buffer bytes = hello_bytes(SUITES, buffer_slice(&extensions), 16384);
        enum tls_alert alert;
        assert_int_equal(state_of(buffer_slice(&bytes), &alert), CLIENT_HELLO_REFUSED);
        assert_int_equal(alert, TLS_ALERT_DECODE_ERROR);
        buffer_free(&bytes);
        buffer_free(&extensions);
    }
}

static void an_extension_given_twice_is_refused(void **state)
{
    (void)state;
    struct buffer extensions = BUFFER_EMPTY;
    extension(&extensions, 0xFFFF, SLICE_ABSENT);
    extension(&extensions, 0xFFFF, SLICE_ABSENT);
    struct buffer bytes = hello_bytes(SUITES, buffer_slice(&extensions), 16384);
    enum tls_alert alert;
    assert_int_equal(state_of(buffer_slice(&bytes), &alert), CLIENT_HELLO_REFUSED);
    assert_int_equal(alert, TLS_ALERT_ILLEGAL_PARAMETER);
    buffer_free(&bytes);
    buffer_free(&extensions);
}

/* Every prefix is incomplete, and the message cut short inside an honest record is refused. */
static void truncation_is_never_taken_for_the_whole(void **state)
{
    (void)state;
    struct buffer extensions = BUFFER_EMPTY;
    append_everything(&extensions);
    struct buffer message = message_of(SUITES, buffer_slice(&extensions));
    struct buffer records = records_of(buffer_slice(&message), 16384);
    enum tls_alert alert;
    for (size_t length = 0; length < records.length; length++)
        assert_int_equal(state_of(slice_first(buffer_slice(&records), length), &alert), CLIENT_HELLO_INCOMPLETE);
    for (size_t length = 4; length < message.length; length++) {
        struct buffer cut = BUFFER_EMPTY;
        buffer_append_slice(&cut, slice_first(buffer_slice(&message), length));
        size_t body = length - 4;
        cut.data[1] = 0;
        cut.data[2] = (char)(body >> 8);
        cut.data[3] = (char)body;
        struct buffer bytes = records_of(buffer_slice(&cut), 16384);
        /* Without the extensions' length field, it is a ClientHello without extensions. */
        enum client_hello_state wanted =
            length == message.length - extensions.length - 2 ? CLIENT_HELLO_COMPLETE : CLIENT_HELLO_REFUSED;
        assert_int_equal(state_of(buffer_slice(&bytes), &alert), wanted);
        buffer_free(&bytes);
        buffer_free(&cut);
    }
    buffer_free(&records);
    buffer_free(&message);
    buffer_free(&extensions);
}

static void the_reader_holds_no_more_than_its_limit(void **state)
{
    (void)state;
    struct client_hello_reader reader;
    client_hello_reader_init(&reader);
    /* A message of the greatest length, in one-byte records: the records are too many long before its end. */
    static const char header[] = "\x16\x03\x01\x00\x04\x01\x00\x40\x00";
    client_hello_reader_feed(&reader, slice_of(header, sizeof(header) - 1), NULL);
    size_t fed = 0;
    while (reader.state == CLIENT_HELLO_INCOMPLETE && fed < 3 * CLIENT_HELLO_RAW_LIMIT) {
        client_hello_reader_feed(&reader, SLICE_LITERAL("\x16\x03\x01\x00\x01\x00"), NULL);
        fed += 6;
    }
    assert_int_equal(reader.state, CLIENT_HELLO_REFUSED);
    assert_int_equal(reader.alert, TLS_ALERT_HANDSHAKE_FAILURE);
    assert_true(reader.raw.length <= CLIENT_HELLO_RAW_LIMIT);
    /* And nothing changes that any more. */
    assert_int_equal(client_hello_reader_feed(&reader, SLICE_LITERAL("x"), NULL), CLIENT_HELLO_REFUSED);
    client_hello_reader_fini(&reader);
}

static void the_version_is_that_which_a_server_negotiates(void **state)
{
    (void)state;
    struct client_hello both = { .legacy_version = 0x0303, .supported_versions = BYTES("\x03\x04\x03\x03") };
    struct client_hello only_1_3 = { .legacy_version = 0x0303, .supported_versions = BYTES("\x03\x04") };
    struct client_hello old = { .legacy_version = 0x0303 };
    struct client_hello older = { .legacy_version = 0x0302 };
    struct client_hello newer_legacy = { .legacy_version = 0x0304 };
    assert_int_equal(client_hello_version(&both, TLS_VERSION_1_2, TLS_VERSION_1_3), TLS_VERSION_1_3);
    assert_int_equal(client_hello_version(&both, TLS_VERSION_1_2, TLS_VERSION_1_2), TLS_VERSION_1_2);
    assert_int_equal(client_hello_version(&only_1_3, TLS_VERSION_1_2, TLS_VERSION_1_2), TLS_VERSION_UNSET);
    assert_int_equal(client_hello_version(&old, TLS_VERSION_1_2, TLS_VERSION_1_3), TLS_VERSION_1_2);
    assert_int_equal(client_hello_version(&old, TLS_VERSION_1_3, TLS_VERSION_1_3), TLS_VERSION_UNSET);
    assert_int_equal(client_hello_version(&older, TLS_VERSION_1_2, TLS_VERSION_1_3), TLS_VERSION_UNSET);
    assert_int_equal(client_hello_version(&newer_legacy, TLS_VERSION_1_2, TLS_VERSION_1_3), TLS_VERSION_1_2);
    assert_int_equal(client_hello_version(&both, TLS_VERSION_UNSET, TLS_VERSION_UNSET), TLS_VERSION_UNSET);
}

static void keys_are_taken_that_the_client_can_verify(void **state)
{
    (void)state;
    struct client_hello hello = { .cipher_suites = BYTES("\x13\x01\xC0\x2B"),
                                  .signature_algorithms = BYTES("\x04\x03\x05\x03\x08\x04"),
                                  .supported_groups = BYTES("\x00\x1D\x00\x17") };
    assert_true(client_hello_takes_key(&hello, TLS_KEY_EC_P256, TLS_VERSION_1_3));
    assert_true(client_hello_takes_key(&hello, TLS_KEY_EC_P384, TLS_VERSION_1_3));
    assert_true(client_hello_takes_key(&hello, TLS_KEY_RSA, TLS_VERSION_1_3));
    assert_false(client_hello_takes_key(&hello, TLS_KEY_EC_P521, TLS_VERSION_1_3));
    assert_false(client_hello_takes_key(&hello, TLS_KEY_ED25519, TLS_VERSION_1_3));
    /* In 1.2 the suite decides: ECDHE_ECDSA only; and the groups bind the key's curve. */
    assert_true(client_hello_takes_key(&hello, TLS_KEY_EC_P256, TLS_VERSION_1_2));
    assert_false(client_hello_takes_key(&hello, TLS_KEY_EC_P384, TLS_VERSION_1_2));
    assert_false(client_hello_takes_key(&hello, TLS_KEY_RSA, TLS_VERSION_1_2));
    hello.cipher_suites = BYTES("\xC0\x2F\x00\x2F");
    assert_true(client_hello_takes_key(&hello, TLS_KEY_RSA, TLS_VERSION_1_2));
    hello.cipher_suites = BYTES("\x00\x2F"); /* static RSA is none */
    assert_false(client_hello_takes_key(&hello, TLS_KEY_RSA, TLS_VERSION_1_2));
    hello = (struct client_hello){ .cipher_suites = SUITES };
    assert_false(client_hello_takes_key(&hello, TLS_KEY_RSA, TLS_VERSION_1_2));
    assert_false(client_hello_takes_key(&hello, TLS_KEY_RSA, TLS_VERSION_1_3));
    assert_false(client_hello_takes_key(&hello, TLS_KEY_NONE, TLS_VERSION_1_3));
    assert_false(client_hello_takes_key(&hello, TLS_KEY_RSA, TLS_VERSION_UNSET));
}

static void an_alert_is_seven_bytes(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    tls_alert_append(&out, TLS_ALERT_ABSENT);
    assert_int_equal(out.length, 0);
    tls_alert_append(&out, TLS_ALERT_UNRECOGNIZED_NAME);
    assert_true(slice_equal(buffer_slice(&out), SLICE_LITERAL("\x15\x03\x03\x00\x02\x02\x70")));
    assert_string_equal(tls_alert_name(112), "unrecognized_name");
    assert_string_equal(tls_alert_name(0), "close_notify");
    assert_string_equal(tls_alert_name(255), "unknown_alert");
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_found_in_any_pieces),
        cmocka_unit_test(what_is_not_tls_is_refused_at_its_first_bytes),
        cmocka_unit_test(malformed_extensions_are_refused),
        cmocka_unit_test(an_extension_given_twice_is_refused),
        cmocka_unit_test(truncation_is_never_taken_for_the_whole),
        cmocka_unit_test(the_reader_holds_no_more_than_its_limit),
        cmocka_unit_test(the_version_is_that_which_a_server_negotiates),
        cmocka_unit_test(keys_are_taken_that_the_client_can_verify),
        cmocka_unit_test(an_alert_is_seven_bytes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
