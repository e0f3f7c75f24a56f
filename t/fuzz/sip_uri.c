/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_uri.c - any bytes as a URI: its parts lie inside, it equals itself, and what is written of it is read. */
#include "must.h"

#include "sip/uri.h"

static void check_parts(const struct sip_uri *uri, struct slice input)
{
    const struct slice parts[] = { uri->text, uri->scheme_text, uri->user, uri->password, uri->host_port,
        uri->host.text, uri->headers, uri->transport_text, uri->maddr, uri->method, uri->user_type, uri->ttl };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        MUST(is_within(parts[i], input));
    MUST(uri->scheme != SIP_URI_NONE);
    MUST(sip_uri_is_sip(uri) == (uri->host.kind != SIP_HOST_NONE));
    MUST((uri->host.kind == SIP_HOST_V4 || uri->host.kind == SIP_HOST_V6) ==
        (uri->host.address.family != ADDRESS_NONE));
    for (size_t i = 0; i < input.length; i++)
        MUST((uint8_t)input.data[i] > ' ' && (uint8_t)input.data[i] < 0x7f && input.data[i] != '<' &&
            input.data[i] != '>' && input.data[i] != '"');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct slice input = slice_of((const char *)bytes, length);
    struct sip_uri uri;
    struct sip_uri again;
    struct buffer out = BUFFER_EMPTY;
    if (sip_uri_parse(input, &uri) != 0)
        return 0;
    check_parts(&uri, input);
    MUST(sip_uri_equal(&uri, &uri));
    sip_uri_append_without(&out, &uri, NULL, 0, false);
    size_t headers = slice_is_absent(uri.headers) ? 0 : uri.headers.length + 1;
    MUST(slice_equal(buffer_slice(&out), slice_first(input, length - headers)));
    buffer_clear(&out);
    sip_uri_append_request_uri(&out, &uri);
    MUST(sip_uri_parse(buffer_slice(&out), &again) == 0);
    MUST(slice_is_absent(again.headers) && (slice_is_absent(again.method) || again.scheme == SIP_URI_OTHER));
    MUST(again.port == uri.port && again.scheme == uri.scheme);
    buffer_clear(&out);
    sip_uri_append_without(&out, &uri, NULL, 0, true);
    MUST(sip_uri_parse(buffer_slice(&out), &again) == 0);
    MUST(again.port == 0);
    buffer_free(&out);
    return 0;
}
