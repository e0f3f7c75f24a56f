/* SPDX-License-Identifier: GPL-2.0-or-later */
/* name_addr.c - name-addr and addr-spec; see name_addr.h. */
#include "sip/name_addr.h"

#include "base/error.h"
#include "sip/character.h"
#include "sip/parameter.h"

/* A scheme, and no byte that ends or hides a URI. */
static bool looks_like_uri(struct slice uri)
{
    size_t scheme = sip_scheme_length(uri);
    if (scheme == 0 || scheme + 1 >= uri.length)
        return false;
    for (size_t i = scheme + 1; (i += sip_run(uri, i, SIP_IN_URI)) < uri.length; i++) {
        uint8_t c = (uint8_t)uri.data[i];
        if (c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"')
            return false;
    }
    return true;
}

/* display-name = *(token LWS) / quoted-string; between it and "<" white space may be missing (RFC 4475 3.1.1.6). */
static int parse_display(struct slice s, size_t *at, struct slice *display)
{
    size_t end;
    if (s.data[0] == '"') {
        end = sip_quoted_length(s, 0);
        if (end == 0)
            return ERROR_SYNTAX;
        *at = sip_skip_space(s, end);
    } else {
        end = 0;
        *at = 0;
        for (size_t run; (run = sip_run(s, *at, SIP_IN_TOKEN)) > 0; *at = sip_skip_space(s, end))
            end = *at + run;
    }
    if (end > 0)
        *display = slice_first(s, end);
    return *at < s.length && s.data[*at] == '<' ? 0 : ERROR_SYNTAX;
}

static int read_tag(struct sip_name_addr *name_addr)
{
    struct slice rest = name_addr->parameters;
    struct sip_parameter parameter;
    enum sip_next next;
    while ((next = sip_parameter_next(&rest, &parameter)) == SIP_NEXT_ONE) {
        if (!slice_equal_nocase(parameter.name, SLICE_LITERAL("tag")))
            continue;
        if (parameter.value.length == 0 || parameter.value.data[0] == '"' || !slice_is_absent(name_addr->tag))
            return ERROR_SYNTAX;
        name_addr->tag = parameter.value;
    }
    return next == SIP_NEXT_END ? 0 : ERROR_SYNTAX;
}

/* The URI inside <>. A comma, "?" or ";" there is the URI's own. */
static int parse_bracketed(struct slice s, size_t at, struct sip_name_addr *name_addr)
{
    size_t close = slice_find(s, '>', at);
    if (close == s.length)
        return ERROR_SYNTAX;
    name_addr->uri = slice_of(s.data + at + 1, close - at - 1);
    name_addr->has_brackets = true;
    name_addr->parameters = slice_from(s, close + 1);
    return 0;
}

/* RFC 3261 20.10: without <>, a URI holds no comma, question mark or semicolon. */
static int parse_bare(struct slice s, struct sip_name_addr *name_addr)
{
    size_t end = 0;
    while (end < s.length && s.data[end] != ';' && !sip_is_space(s.data[end])) {
        if (s.data[end] == ',' || s.data[end] == '?')
            return ERROR_SYNTAX;
        end++;
    }
    name_addr->uri = slice_first(s, end);
    name_addr->parameters = slice_from(s, end);
    return 0;
}

int sip_name_addr_parse(struct slice value, struct sip_name_addr *name_addr_r)
{
    struct slice s = sip_trim(value);
    struct sip_name_addr name_addr = { .text = s };
    size_t at = 0;
    int rc = ERROR_SYNTAX;
    if (s.length == 0)
        return ERROR_SYNTAX;
    if (sip_scheme_length(s) > 0)
        rc = parse_bare(s, &name_addr);
    else if (parse_display(s, &at, &name_addr.display) == 0)
        rc = parse_bracketed(s, at, &name_addr);
    if (rc != 0 || !looks_like_uri(name_addr.uri))
        return ERROR_SYNTAX;
    rc = read_tag(&name_addr);
    if (rc == 0)
        *name_addr_r = name_addr;
    return rc;
}
