/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uri_form.c - comparing URIs, and writing them with parts left out; see uri.h. */
#include "sip/character.h"
#include "sip/uri.h"

static bool equal_or_both_absent(struct slice a, struct slice b)
{
    return a.data == NULL || b.data == NULL ? a.data == b.data : slice_equal(a, b);
}

static bool equal_host(const struct sip_host *a, const struct sip_host *b)
{
    if (a->kind == SIP_HOST_NAME || b->kind == SIP_HOST_NAME)
        return a->kind == b->kind && slice_equal_nocase(a->text, b->text);
    return address_equal(&a->address, &b->address);
}

/* 19.1.4: these must stand in both URIs or in none; other parameters must agree where both have them. */
static bool must_be_in_both(struct slice name)
{
    static const struct slice names[] = { SLICE_LITERAL("user"), SLICE_LITERAL("ttl"), SLICE_LITERAL("method"),
        SLICE_LITERAL("maddr"), SLICE_LITERAL("transport") };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (slice_equal_nocase(name, names[i]))
            return true;
    return false;
}

/* Every parameter of A agrees with B's. */
static bool agree(const struct sip_uri *a, const struct sip_uri *b)
{
    struct slice rest = a->parameters;
    struct sip_parameter ours;
    struct sip_parameter theirs;
    while (sip_uri_parameter_next(&rest, &ours) == SIP_NEXT_ONE) {
        if (sip_uri_parameter_find(b, ours.name, &theirs)) {
            if (slice_is_absent(ours.value) != slice_is_absent(theirs.value) ||
                (!slice_is_absent(ours.value) && !slice_equal_nocase(ours.value, theirs.value)))
                return false;
        } else if (must_be_in_both(ours.name))
            return false;
    }
    return true;
}

bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    if (a->scheme != b->scheme)
        return false;
    if (a->scheme == SIP_URI_OTHER || a->scheme == SIP_URI_NONE)
        return slice_equal(a->text, b->text);
    return equal_or_both_absent(a->user, b->user) && equal_or_both_absent(a->password, b->password) &&
        (a->scheme == SIP_URI_TEL || equal_host(&a->host, &b->host)) && a->port == b->port &&
        equal_or_both_absent(a->headers, b->headers) && agree(a, b) && agree(b, a);
}

static bool is_among(struct slice name, const struct slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal_nocase(name, names[i]))
            return true;
    return false;
}

void sip_uri_append_without(struct buffer *out, const struct sip_uri *uri, const struct slice *names, size_t count,
    bool without_port)
{
    if (uri->scheme == SIP_URI_OTHER || uri->scheme == SIP_URI_NONE) {
        buffer_append_slice(out, uri->text);
        return;
    }
    const char *host = sip_uri_is_sip(uri) ? uri->host_port.data : uri->parameters.data;
    buffer_append_slice(out, sip_slice_between(uri->text.data, host));
    if (sip_uri_is_sip(uri)) {
        size_t bracket = slice_find(uri->host_port, ']', 0);
        size_t colon = slice_find(uri->host_port, ':', bracket < uri->host_port.length ? bracket : 0);
        buffer_append_slice(out, without_port ? slice_first(uri->host_port, colon) : uri->host_port);
    }
    struct slice rest = uri->parameters;
    struct sip_parameter parameter;
    while (sip_uri_parameter_next(&rest, &parameter) == SIP_NEXT_ONE) {
        if (is_among(parameter.name, names, count))
            continue;
        buffer_append_byte(out, ';');
        buffer_append_slice(out, parameter.text);
    }
}

void sip_uri_append_request_uri(struct buffer *out, const struct sip_uri *uri)
{
    static const struct slice method = SLICE_LITERAL("method");
    sip_uri_append_without(out, uri, &method, 1, false);
}
