/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uri.c - SIP, SIPS and tel URIs; see uri.h. */
#include "sip/uri.h"

#include "base/error.h"
#include "sip/character.h"

static enum sip_uri_scheme scheme_of(struct slice text)
{
    if (slice_equal_nocase(text, SLICE_LITERAL("sip")))
        return SIP_URI_SIP;
    if (slice_equal_nocase(text, SLICE_LITERAL("sips")))
        return SIP_URI_SIPS;
    return slice_equal_nocase(text, SLICE_LITERAL("tel")) ? SIP_URI_TEL : SIP_URI_OTHER;
}

enum sip_next sip_uri_parameter_next(struct slice *rest, struct sip_parameter *parameter_r)
{
    struct slice s = *rest;
    if (s.length == 0)
        return SIP_NEXT_END;
    if (s.data[0] != ';')
        return SIP_NEXT_MALFORMED;
    size_t end = 1;
    size_t equals = 0;
    for (; end < s.length && s.data[end] != ';'; end++)
        if (s.data[end] == '=' && equals == 0)
            equals = end;
    struct sip_parameter parameter = {
        .text = slice_of(s.data + 1, end - 1),
        .name = slice_of(s.data + 1, (equals > 0 ? equals : end) - 1),
        .value = equals > 0 ? slice_of(s.data + equals + 1, end - equals - 1) : SLICE_ABSENT,
    };
    if (!sip_is_escaped_text(parameter.name, SIP_IN_PARAMETER) ||
        (equals > 0 && !sip_is_escaped_text(parameter.value, SIP_IN_PARAMETER)))
        return SIP_NEXT_MALFORMED;
    *rest = slice_from(s, end);
    *parameter_r = parameter;
    return SIP_NEXT_ONE;
}

bool sip_uri_parameter_find(const struct sip_uri *uri, struct slice name, struct sip_parameter *parameter_r)
{
    struct slice rest = uri->parameters;
    struct sip_parameter parameter;
    while (sip_uri_parameter_next(&rest, &parameter) == SIP_NEXT_ONE)
        if (slice_equal_nocase(parameter.name, name)) {
            *parameter_r = parameter;
            return true;
        }
    return false;
}

/* Where the value of a parameter that means something is kept; NULL for the others. */
static struct slice *slot_of(struct sip_uri *uri, struct slice name)
{
    static const struct {
        struct slice name;
        size_t offset;
    } slots[] = {
        { SLICE_LITERAL("transport"), offsetof(struct sip_uri, transport_text) },
        { SLICE_LITERAL("maddr"), offsetof(struct sip_uri, maddr) },
        { SLICE_LITERAL("user"), offsetof(struct sip_uri, user_type) },
        { SLICE_LITERAL("method"), offsetof(struct sip_uri, method) },
        { SLICE_LITERAL("ttl"), offsetof(struct sip_uri, ttl) },
    };
    for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
        if (slice_equal_nocase(name, slots[i].name))
            return (struct slice *)(void *)((char *)uri + slots[i].offset);
    return NULL;
}

/* Each of them needs a value but lr, which some write as "lr=on". */
static int keep_parameter(struct sip_uri *uri, const struct sip_parameter *parameter)
{
    struct slice *slot = slot_of(uri, parameter->name);
    if (slot != NULL && slice_is_absent(parameter->value))
        return ERROR_SYNTAX;
    if (slot != NULL)
        *slot = parameter->value;
    else if (slice_equal_nocase(parameter->name, SLICE_LITERAL("lr")))
        uri->has_lr = true;
    return 0;
}

static bool is_known(struct slice name, const struct slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal_nocase(name, names[i]))
            return true;
    return false;
}

/* 19.1.1: no name twice, so that nobody can take the one that we did not. */
static int parse_parameters(struct sip_uri *uri)
{
    struct slice names[SIP_URI_PARAMETERS_MAX];
    size_t count = 0;
    struct slice rest = uri->parameters;
    struct sip_parameter parameter;
    enum sip_next next;
    while ((next = sip_uri_parameter_next(&rest, &parameter)) == SIP_NEXT_ONE) {
        if (count == SIP_URI_PARAMETERS_MAX || is_known(parameter.name, names, count) ||
            keep_parameter(uri, &parameter) != 0)
            return ERROR_SYNTAX;
        names[count++] = parameter.name;
    }
    if (next != SIP_NEXT_END)
        return ERROR_SYNTAX;
    uri->transport = sip_transport_from_name(uri->transport_text);
    return 0;
}

/* user [":" password] of a SIP URI. */
static int parse_userinfo(struct slice userinfo, struct sip_uri *uri)
{
    size_t colon = slice_find(userinfo, ':', 0);
    uri->user = slice_first(userinfo, colon);
    if (!sip_is_escaped_text(uri->user, SIP_IN_USER))
        return ERROR_SYNTAX;
    if (colon == userinfo.length)
        return 0;
    uri->password = slice_from(userinfo, colon + 1);
    return uri->password.length == 0 || sip_is_escaped_text(uri->password, SIP_IN_PASSWORD) ? 0 : ERROR_SYNTAX;
}

/* headers = "?" header *( "&" header ), header = hname "=" hvalue; hvalue may be empty. */
static int check_headers(struct slice headers)
{
    while (true) {
        size_t end = slice_find(headers, '&', 0);
        struct slice header = slice_first(headers, end);
        size_t equals = slice_find(header, '=', 0);
        struct slice value = slice_from(header, equals + 1);
        if (equals == header.length || !sip_is_escaped_text(slice_first(header, equals), SIP_IN_HEADERS) ||
            (value.length > 0 && !sip_is_escaped_text(value, SIP_IN_HEADERS)))
            return ERROR_SYNTAX;
        if (end == headers.length)
            return 0;
        headers = slice_from(headers, end + 1);
    }
}

/* What follows "sip:" or "sips:". "@" stands only behind the userinfo, which may hold ";" and "?" itself. */
static int parse_sip(struct slice s, struct sip_uri *uri)
{
    size_t at = slice_find(s, '@', 0);
    if (at < s.length) {
        if (parse_userinfo(slice_first(s, at), uri) != 0)
            return ERROR_SYNTAX;
        s = slice_from(s, at + 1);
    }
    size_t question = slice_find(s, '?', 0);
    if (question < s.length) {
        uri->headers = slice_from(s, question + 1);
        if (check_headers(uri->headers) != 0)
            return ERROR_SYNTAX;
        s = slice_first(s, question);
    }
    size_t semicolon = slice_find(s, ';', 0);
    uri->host_port = slice_first(s, semicolon);
    uri->parameters = slice_from(s, semicolon);
    if (sip_host_port_parse(uri->host_port, &uri->host, &uri->port) != 0)
        return ERROR_SYNTAX;
    return parse_parameters(uri);
}

/* RFC 3966: digits with visual separators, "+" only in front; local numbers may hold hex digits, "*" and "#". */
static int parse_tel(struct slice s, struct sip_uri *uri)
{
    size_t semicolon = slice_find(s, ';', 0);
    uri->user = slice_first(s, semicolon);
    uri->parameters = slice_from(s, semicolon);
    bool has_digit = false;
    for (size_t i = 0; i < uri->user.length; i++) {
        char c = uri->user.data[i];
        if (sip_is_hex(c) || c == '*' || c == '#')
            has_digit = true;
        else if (c != '-' && c != '.' && c != '(' && c != ')' && !(c == '+' && i == 0))
            return ERROR_SYNTAX;
    }
    return has_digit ? parse_parameters(uri) : ERROR_SYNTAX;
}

int sip_uri_parse(struct slice text, struct sip_uri *uri_r)
{
    size_t colon = sip_scheme_length(text);
    if (colon == 0)
        return ERROR_SYNTAX;
    struct sip_uri uri = { .text = text, .scheme_text = slice_first(text, colon), .parameters = SLICE_LITERAL("") };
    struct slice rest = slice_from(text, colon + 1);
    int rc;
    uri.scheme = scheme_of(uri.scheme_text);
    if (uri.scheme == SIP_URI_OTHER)
        rc = sip_is_escaped_text(rest, SIP_IN_URI) ? 0 : ERROR_SYNTAX;
    else
        rc = uri.scheme == SIP_URI_TEL ? parse_tel(rest, &uri) : parse_sip(rest, &uri);
    if (rc == 0)
        *uri_r = uri;
    return rc;
}
