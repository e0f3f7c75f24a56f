/* SPDX-License-Identifier: GPL-2.0-or-later */
/* identity.h - the SIP domain identities of a certificate (RFC 5922 section 7), and whether one is expected.
 * In:    facts of a certificate. Out: its identities; the one that equals a domain.
 * Order: sip: URIs; DNS names only if there is no sip: URI; the common name only if there is no
 *        subjectAltName at all and the row allows it. Addresses never.
 * Never: suffixes, or wildcards unless the row allows them; a name that does not normalise never matches.
 */
#ifndef TRELAY_PKIX_IDENTITY_H
#define TRELAY_PKIX_IDENTITY_H

#include "base/attributes.h"
#include "pkix/certificate.h"
#include "policy/verdict.h" /* DOMAIN_NAME_SIZE */

#include <stdbool.h>
#include <stddef.h>

enum identity_kind {
    IDENTITY_NONE = 0,
    IDENTITY_SIP_URI,
    IDENTITY_DNS,
    IDENTITY_COMMON_NAME,
};

struct identity {
    enum identity_kind kind;
    bool is_wildcard;            /* name is what follows "*." */
    char name[DOMAIN_NAME_SIZE]; /* normalised A-label */
    const char *text;            /* as the certificate has it, escaped; lives as long as the facts */
};

/* What the row allows beyond RFC 5922; both false by default. */
struct identity_rule {
    bool cn_fallback;
    bool wildcard; /* "*.example.com" for sip.example.com, of DNS names only */
};

/* Where a walk stands; zero-initialised it is at the start. */
struct identity_walk {
    enum identity_kind kind;
    size_t index;
};

/* The identities that count under RULE, one by one; false at the end. Wildcards are among them only if RULE
 * allows. Names that do not normalise are left out. */
bool identity_next(struct identity_walk *walk, const struct certificate_facts *facts,
                   const struct identity_rule *rule, struct identity *identity_r);

/* Is DOMAIN (normalised here) one of them? The one that matched goes to *identity_r, if not NULL.
 * False when DOMAIN does not normalise or is an address. */
bool identity_matches(const struct certificate_facts *facts, const struct identity_rule *rule, const char *domain,
                      struct identity *identity_r);

enum identity_uri {
    SIP_URI_NOT = 0,   /* another scheme */
    SIP_URI_DOMAIN,    /* no userinfo: it stands for a domain, or would if its host were one */
    SIP_URI_OF_USER,
    SIP_URI_SECURE,    /* sips: never an identity */
};

/* What a subjectAltName URI is, and the host part of a sip: or sips: one (may be empty or malformed). */
enum identity_uri identity_sip_uri(struct slice uri, struct slice *host_r);

/* "uri", "dns", "cn". */
const char *identity_kind_word(enum identity_kind kind);

#endif
