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
};

/* What the row allows beyond RFC 5922; both false by default. */
struct identity_rule {
    bool cn_fallback;
    bool wildcard; /* "*.example.com" for sip.example.com, of DNS names only */
};

/* Walks the identities that count under RULE: start with *position = 0; false at the end. Wildcards are
 * among them only if RULE allows. Names that do not normalise are left out. */
bool identity_next(const struct certificate_facts *facts, const struct identity_rule *rule, size_t *position,
                   struct identity *identity_r);

/* Is DOMAIN (normalised here) one of them? The one that matched goes to *identity_r, if not NULL.
 * False when DOMAIN does not normalise or is an address. */
bool identity_matches(const struct certificate_facts *facts, const struct identity_rule *rule, const char *domain,
                      struct identity *identity_r);

/* Identities as text for people and accounting, "sip:a.example, sip:b.example", cut with "..." when long. */
void identity_list_print(const struct certificate_facts *facts, const struct identity_rule *rule, char *out,
                         size_t out_size);

/* "uri", "dns", "cn". */
const char *identity_kind_word(enum identity_kind kind);

#endif
