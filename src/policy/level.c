/* SPDX-License-Identifier: GPL-2.0-or-later */
/* level.c - names of the closed sets; see level.h. */
#include "policy/level.h"

#define X(code, word) [code] = word,
static const char *const level_names[LEVEL_COUNT] = { LEVEL_LIST(X) };
static const char *const revocation_names[REVOCATION_COUNT] = { REVOCATION_LIST(X) };
static const char *const eku_mode_names[EKU_COUNT] = { EKU_MODE_LIST(X) };
static const char *const tls_version_names[TLS_VERSION_COUNT] = { TLS_VERSION_LIST(X) };
static const char *const upgrade_names[UPGRADE_COUNT] = { UPGRADE_LIST(X) };
static const char *const scheme_names[SCHEME_COUNT] = { SCHEME_LIST(X) };
static const char *const permission_names[PERMISSION_COUNT] = { PERMISSION_LIST(X) };
static const char *const client_auth_names[CLIENT_AUTH_COUNT] = { CLIENT_AUTH_LIST(X) };
static const char *const peer_action_names[PEER_ACTION_COUNT] = { PEER_ACTION_LIST(X) };
static const char *const reload_mode_names[RELOAD_MODE_COUNT] = { RELOAD_MODE_LIST(X) };
#undef X

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
    return value > 0 && value < count ? names[value] : "unset";
}

static unsigned from_name(const char *const *names, size_t count, struct slice name)
{
    for (unsigned value = 1; value < count; value++)
        if (slice_equal(name, slice_of_string(names[value])))
            return value;
    return 0;
}

#define SET(type, set, names)                                              \
    const char *set##_name(enum type value)                                \
    {                                                                      \
        return name_of(names, ARRAY_SIZE(names), (unsigned)value);         \
    }                                                                      \
    enum type set##_from_name(struct slice name)                           \
    {                                                                      \
        return (enum type)from_name(names, ARRAY_SIZE(names), name);       \
    }

SET(level, level, level_names)
SET(revocation, revocation, revocation_names)
SET(eku_mode, eku_mode, eku_mode_names)
SET(tls_version, tls_version, tls_version_names)
SET(upgrade, upgrade, upgrade_names)
SET(scheme, scheme, scheme_names)
SET(permission, permission, permission_names)
SET(client_auth, client_auth, client_auth_names)
SET(peer_action, peer_action, peer_action_names)
SET(reload_mode, reload_mode, reload_mode_names)
