/* SPDX-License-Identifier: GPL-2.0-or-later */
/* identity.c - SIP domain identities of a certificate, RFC 5922 sections 7.1 and 7.2; see identity.h.
 * In:    facts, whose names are escaped: a name with odd bytes holds a backslash and never normalises.
 * Never: touches the certificate itself: there is one parse of it, and everybody reads that (INV-16).
 */
#include "pkix/identity.h"

#include "policy/name.h"

/* A presented name: as the normaliser has it, but a trailing dot, which that strips, is refused. */
static bool normalise_presented(struct slice name, char out[DOMAIN_NAME_SIZE])
{
    if (name.length == 0 || name.data[name.length - 1] == '.')
        return false;
    return name_normalise(name, out) == 0;
}

enum identity_uri identity_sip_uri(struct slice uri, struct slice *host_r)
{
    enum identity_uri kind = SIP_URI_DOMAIN;
    struct slice rest;
    if (slice_starts_with_nocase(uri, SLICE_LITERAL("sip:"))) {
        rest = slice_from(uri, 4);
    } else if (slice_starts_with_nocase(uri, SLICE_LITERAL("sips:"))) {
        kind = SIP_URI_SECURE;
        rest = slice_from(uri, 5);
    } else {
        return SIP_URI_NOT;
    }
    size_t at = slice_find(rest, '@', 0);
    if (at < rest.length) {
        if (kind == SIP_URI_DOMAIN)
            kind = SIP_URI_OF_USER;
        rest = slice_from(rest, at + 1);
    }
    size_t end = 0;
    while (end < rest.length && strchr(":;?", rest.data[end]) == NULL)
        end++;
    *host_r = slice_first(rest, end);
    return kind;
}

/* After the host: nothing, ":port", and parameters or headers behind them. */
static bool has_valid_rest(struct slice uri, struct slice host)
{
    struct slice rest = slice_from(uri, (size_t)(host.data - uri.data) + host.length);
    if (rest.length == 0 || rest.data[0] != ':')
        return true;
    size_t digits = 1;
    while (digits < rest.length && rest.data[digits] >= '0' && rest.data[digits] <= '9')
        digits++;
    if (digits == 1 || digits > 6)
        return false;
    return digits == rest.length || rest.data[digits] == ';' || rest.data[digits] == '?';
}

static bool from_sip_uri(struct slice uri, struct identity *identity)
{
    struct slice host;
    return identity_sip_uri(uri, &host) == SIP_URI_DOMAIN && has_valid_rest(uri, host) &&
           normalise_presented(host, identity->name);
}

/* "*." ahead of at least two labels, where the row allows it. */
static bool from_dns(struct slice name, const struct identity_rule *rule, struct identity *identity)
{
    if (!slice_starts_with_nocase(name, SLICE_LITERAL("*.")))
        return normalise_presented(name, identity->name);
    if (!rule->wildcard || !normalise_presented(slice_from(name, 2), identity->name))
        return false;
    identity->is_wildcard = true;
    return strchr(identity->name, '.') != NULL;
}

/* Which kind of name counts for this certificate: RFC 5922 7.1 looks at DNS names only if it found no SIP
 * domain among the URIs, and at the common name only if there is no subjectAltName. A sip: URI without
 * userinfo counts as found even when its host is unusable. */
static enum identity_kind kind_that_counts(const struct certificate_facts *facts, const struct identity_rule *rule)
{
    if (!facts->has_names)
        return rule->cn_fallback ? IDENTITY_COMMON_NAME : IDENTITY_NONE;
    for (size_t i = 0; i < facts->name_count; i++) {
        struct slice host;
        if (facts->names[i].type == CERTIFICATE_NAME_URI &&
            identity_sip_uri(slice_of_string(facts->names[i].text), &host) == SIP_URI_DOMAIN)
            return IDENTITY_SIP_URI;
    }
    return IDENTITY_DNS;
}

static bool next_name(struct identity_walk *walk, const struct certificate_facts *facts,
                      const struct identity_rule *rule, struct identity *identity)
{
    while (walk->index < facts->name_count) {
        const struct certificate_name *name = &facts->names[walk->index++];
        struct slice text = slice_of_string(name->text);
        bool counts = false;
        *identity = (struct identity){ .kind = walk->kind, .text = name->text };
        if (walk->kind == IDENTITY_SIP_URI)
            counts = name->type == CERTIFICATE_NAME_URI && from_sip_uri(text, identity);
        else if (walk->kind == IDENTITY_DNS)
            counts = name->type == CERTIFICATE_NAME_DNS && from_dns(text, rule, identity);
        if (counts)
            return true;
    }
    return false;
}

bool identity_next(struct identity_walk *walk, const struct certificate_facts *facts,
                   const struct identity_rule *rule, struct identity *identity_r)
{
    struct identity identity;
    if (walk->kind == IDENTITY_NONE)
        walk->kind = kind_that_counts(facts, rule);
    if (walk->kind == IDENTITY_COMMON_NAME) {
        identity = (struct identity){ .kind = IDENTITY_COMMON_NAME, .text = facts->common_name };
        if (walk->index++ > 0 || facts->common_name == NULL ||
            !normalise_presented(slice_of_string(facts->common_name), identity.name))
            return false;
    } else if (walk->kind == IDENTITY_NONE || !next_name(walk, facts, rule, &identity)) {
        return false;
    }
    *identity_r = identity;
    return true;
}

/* Both normalised. A wildcard stands for exactly one label (RFC 9525 6.3). */
static bool equals(const struct identity *identity, const char *domain)
{
    if (!identity->is_wildcard)
        return strcmp(identity->name, domain) == 0;
    const char *dot = strchr(domain, '.');
    return dot != NULL && strcmp(identity->name, dot + 1) == 0;
}

bool identity_matches(const struct certificate_facts *facts, const struct identity_rule *rule, const char *domain,
                      struct identity *identity_r)
{
    char expected[DOMAIN_NAME_SIZE];
    if (name_normalise(slice_of_string(domain), expected) != 0)
        return false;
    struct identity_walk walk = { 0 };
    struct identity identity;
    while (identity_next(&walk, facts, rule, &identity)) {
        if (!equals(&identity, expected))
            continue;
        if (identity_r != NULL)
            *identity_r = identity;
        return true;
    }
    return false;
}

const char *identity_kind_word(enum identity_kind kind)
{
    static const char *const words[] = { "none", "uri", "dns", "cn" };
    return (size_t)kind < ARRAY_SIZE(words) ? words[kind] : words[0];
}
