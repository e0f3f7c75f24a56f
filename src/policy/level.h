/* SPDX-License-Identifier: GPL-2.0-or-later */
/* level.h - the ordered levels of proof and the other closed sets of a policy row, with their names.
 * The names are those of the PostgreSQL enums (sql/migrate); a test compares the two.
 * Value 0 of every set is UNSET: nothing may be allowed on it (INV-47).
 */
#ifndef TRELAY_POLICY_LEVEL_H
#define TRELAY_POLICY_LEVEL_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stdbool.h>

/* Stricter is greater. */
#define LEVEL_LIST(X)                                                       \
    X(LEVEL_NONE, "none")       /* plain transports allowed */              \
    X(LEVEL_ENCRYPT, "encrypt") /* TLS, the peer is not validated */        \
    X(LEVEL_CHAIN, "chain")     /* the chain leads to the row's trust set */ \
    X(LEVEL_DOMAIN, "domain")   /* chain, and the identity is the expected domain (RFC 5922) */
#define REVOCATION_LIST(X)      \
    X(REVOCATION_OFF, "off")    \
    X(REVOCATION_SOFT, "soft")  /* no answer is no objection */ \
    X(REVOCATION_HARD, "hard")  /* no answer is a refusal */
#define EKU_MODE_LIST(X)               \
    X(EKU_TLS_ROLE, "tls-role")        /* server: serverAuth; client: clientAuth; sipDomain, any, none also */ \
    X(EKU_EITHER, "either")            /* tls-role; serverAuth serves for a client as well, never the reverse */ \
    X(EKU_SIP5924, "sip5924")          /* RFC 5924 section 5 */
#define TLS_VERSION_LIST(X) \
    X(TLS_VERSION_1_2, "1.2") \
    X(TLS_VERSION_1_3, "1.3")
#define UPGRADE_LIST(X)         \
    X(UPGRADE_NEVER, "never")   \
    X(UPGRADE_IDLE, "idle")
/* SIP and SIPS Request-URIs, RFC 5630. */
#define SCHEME_LIST(X)                                                                      \
    X(SCHEME_ANY, "any")                                                                    \
    X(SCHEME_CONSISTENT, "consistent") /* any, but a SIPS request has a Contact of SIPS */  \
    X(SCHEME_SIP, "sip")               /* no SIPS requests */                               \
    X(SCHEME_SIPS, "sips")             /* no others, and a Contact of SIPS */
#define PERMISSION_LIST(X)                \
    X(PERMISSION_REFUSED, "refused")      \
    X(PERMISSION_ALLOWED, "allowed")
#define CLIENT_AUTH_LIST(X)          \
    X(CLIENT_AUTH_NONE, "none")      \
    X(CLIENT_AUTH_REQUEST, "request") \
    X(CLIENT_AUTH_REQUIRE, "require")
#define PEER_ACTION_LIST(X)        \
    X(PEER_ACCEPT, "accept")       \
    X(PEER_REJECT, "reject")
/* What a reload does with the TLS connections there are. */
#define RELOAD_MODE_LIST(X)                                                                 \
    X(RELOAD_DROP, "drop")             /* end now; their requests are told */               \
    X(RELOAD_DRAIN, "drain")           /* take no new request, end after the last one */    \
    X(RELOAD_REVALIDATE, "revalidate") /* whose peer proves itself anew stays, the others drain */

#define X(code, word) code,
enum level { LEVEL_UNSET = 0, LEVEL_LIST(X) LEVEL_COUNT };
enum revocation { REVOCATION_UNSET = 0, REVOCATION_LIST(X) REVOCATION_COUNT };
enum eku_mode { EKU_UNSET = 0, EKU_MODE_LIST(X) EKU_COUNT };
enum tls_version { TLS_VERSION_UNSET = 0, TLS_VERSION_LIST(X) TLS_VERSION_COUNT };
enum upgrade { UPGRADE_UNSET = 0, UPGRADE_LIST(X) UPGRADE_COUNT };
enum scheme { SCHEME_UNSET = 0, SCHEME_LIST(X) SCHEME_COUNT };
enum permission { PERMISSION_UNSET = 0, PERMISSION_LIST(X) PERMISSION_COUNT };
enum client_auth { CLIENT_AUTH_UNSET = 0, CLIENT_AUTH_LIST(X) CLIENT_AUTH_COUNT };
enum peer_action { PEER_ACTION_UNSET = 0, PEER_ACTION_LIST(X) PEER_ACTION_COUNT };
enum reload_mode { RELOAD_MODE_UNSET = 0, RELOAD_MODE_LIST(X) RELOAD_MODE_COUNT };
#undef X

/* The word of a value, "unset" for 0 and unknown values. */
const char *level_name(enum level level);
const char *revocation_name(enum revocation revocation);
const char *eku_mode_name(enum eku_mode mode);
const char *tls_version_name(enum tls_version version);
const char *upgrade_name(enum upgrade upgrade);
const char *scheme_name(enum scheme scheme);
const char *permission_name(enum permission permission);
const char *client_auth_name(enum client_auth client_auth);
const char *peer_action_name(enum peer_action action);
const char *reload_mode_name(enum reload_mode mode);

/* From exactly that word; 0 (UNSET) for anything else. */
enum level level_from_name(struct slice name);
enum revocation revocation_from_name(struct slice name);
enum eku_mode eku_mode_from_name(struct slice name);
enum tls_version tls_version_from_name(struct slice name);
enum upgrade upgrade_from_name(struct slice name);
enum scheme scheme_from_name(struct slice name);
enum permission permission_from_name(struct slice name);
enum client_auth client_auth_from_name(struct slice name);
enum peer_action peer_action_from_name(struct slice name);
enum reload_mode reload_mode_from_name(struct slice name);

static inline bool level_needs_tls(enum level level)
{
    return level != LEVEL_NONE; /* UNSET too: it never means plain */
}

static inline bool level_needs_chain(enum level level)
{
    return level != LEVEL_NONE && level != LEVEL_ENCRYPT;
}

static inline bool level_needs_domain(enum level level)
{
    return level != LEVEL_NONE && level != LEVEL_ENCRYPT && level != LEVEL_CHAIN;
}

#endif
