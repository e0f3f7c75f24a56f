/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client_hello.c - fuzz target of tls/client_hello: any bytes, whole and in pieces.
 * Holds: pieces change nothing; every slice lies within the reader's bytes; lists end.
 */
#include "tls/client_hello.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void need(bool condition)
{
    if (!condition)
        abort();
}

static bool lies_within(struct slice s, const struct client_hello_reader *reader)
{
    struct slice whole = reader->message.length > 0 ? buffer_slice(&reader->message) : buffer_slice(&reader->raw);
    return slice_is_absent(s) || (s.data >= whole.data && s.data + s.length <= whole.data + whole.length);
}

static void check(const struct client_hello_reader *reader)
{
    const struct client_hello *hello = &reader->hello;
    const struct slice all[] = { hello->server_name, hello->cipher_suites, hello->supported_versions,
                                 hello->supported_groups, hello->signature_algorithms,
                                 hello->signature_algorithms_cert, hello->application_protocols,
                                 hello->trusted_authorities, hello->certificate_authorities };
    struct trusted_authority authority;
    struct slice rest, name;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        need(lies_within(all[i], reader));
    rest = hello->trusted_authorities;
    while (client_hello_next_authority(&rest, &authority))
        need(lies_within(authority.identifier, reader));
    need(slice_is_empty(rest));
    rest = hello->certificate_authorities;
    while (client_hello_next_name(&rest, &name))
        need(lies_within(name, reader));
    need(slice_is_empty(rest));
    enum tls_version version = client_hello_version(hello, TLS_VERSION_1_2, TLS_VERSION_1_3);
    for (enum tls_key_kind kind = TLS_KEY_NONE; kind <= TLS_KEY_ED25519; kind++)
        client_hello_takes_key(hello, kind, version);
    client_hello_offers_protocol(hello, SLICE_LITERAL("sip/2"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct client_hello_reader whole, pieces;
    struct slice rest = slice_of((const char *)bytes, size);
    size_t step = size > 0 ? 1U + bytes[size - 1] % 64U : 1;
    client_hello_reader_init(&whole);
    client_hello_reader_init(&pieces);
    client_hello_reader_feed(&whole, rest, NULL);
    while (!slice_is_empty(rest) && pieces.state == CLIENT_HELLO_INCOMPLETE) {
        client_hello_reader_feed(&pieces, slice_first(rest, step), NULL);
        rest = slice_from(rest, step);
    }
    /* Only the limit on all bytes may tell the two apart: it counts what comes after the ClientHello, too. */
    need(whole.state == pieces.state || size > CLIENT_HELLO_RAW_LIMIT);
    if (whole.state == pieces.state)
        need(slice_equal(whole.hello.server_name, pieces.hello.server_name) &&
             slice_equal(whole.hello.cipher_suites, pieces.hello.cipher_suites));
    if (whole.state == CLIENT_HELLO_COMPLETE)
        check(&whole);
    if (pieces.state == CLIENT_HELLO_COMPLETE)
        check(&pieces);
    client_hello_reader_fini(&whole);
    client_hello_reader_fini(&pieces);
    return 0;
}
