/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_settings.h - the floor under which no connection is made: versions, suites, groups; and what a server asks for.
 * In:    a policy row's or server profile's words. Out: checked settings, comparable as bytes (INV-8).
 * Never: lets NULL, anonymous, export, RC4, 3DES, static RSA, PSK or plain CBC suites through, whatever was asked for.
 */
#ifndef TRELAY_TLS_TLS_SETTINGS_H
#define TRELAY_TLS_TLS_SETTINGS_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/why.h"
#include "policy/level.h"

#include <stdbool.h>
#include <stdint.h>

enum { TLS_SUITES_MAXIMUM = 16, TLS_GROUPS_MAXIMUM = 8, TLS_PROTOCOL_SIZE = 32 };

/* All arrays are in order of preference and end with 0. Zeroed settings are not usable: tls_settings_init(). */
struct tls_settings {
    enum tls_version minimum, maximum;
    uint16_t suites[TLS_SUITES_MAXIMUM + 1]; /* IANA numbers */
    uint16_t groups[TLS_GROUPS_MAXIMUM + 1]; /* IANA numbers */
    enum client_auth client_auth;            /* servers only; UNSET in a client's */
    char protocol[TLS_PROTOCOL_SIZE];        /* the one ALPN name: clients offer it, servers refuse
                                                clients that offer only others; "": no ALPN */
};

/* The default: 1.2 to 1.3, the suites in the order that is fastest here, X25519, P-256, P-384, no ALPN, no
 * client authentication set. */
void tls_settings_init(struct tls_settings *settings);

/* UNSET leaves what is there. ERROR_CONFLICT when the maximum is below the minimum. */
int tls_settings_set_versions(struct tls_settings *settings, enum tls_version minimum, enum tls_version maximum,
                              struct why *why) MUST_CHECK;

/* NAMES: IANA or OpenSSL names of suites, between ':', ',' or spaces. ERROR_UNKNOWN_NAME for names that do not
 * exist or are not allowed here; ERROR_CONFLICT when no suite is left for a version of the range. */
int tls_settings_set_suites(struct tls_settings *settings, struct slice names, struct why *why) MUST_CHECK;

/* NAMES: of X25519, P-256, P-384, P-521 (or secp256r1 and so on). */
int tls_settings_set_groups(struct tls_settings *settings, struct slice names, struct why *why) MUST_CHECK;

/* "sip/2", or absent for none. */
int tls_settings_set_protocol(struct tls_settings *settings, struct slice protocol, struct why *why) MUST_CHECK;

/* Appends an unambiguous encoding, equal for equal settings, for keys that are compared as bytes. */
void tls_settings_encode(const struct tls_settings *settings, struct buffer *out);

/* Whether the settings contain that suite or group. */
bool tls_settings_has_suite(const struct tls_settings *settings, unsigned suite);
bool tls_settings_has_group(const struct tls_settings *settings, unsigned group);

/* IANA name of a suite that trelay knows ("TLS_AES_128_GCM_SHA256"), "" for others; static. */
const char *tls_suite_name(unsigned suite);
/* Name of a group ("X25519"), "" for others; static. */
const char *tls_group_name(unsigned group);

#endif
