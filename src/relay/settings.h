/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settings.h - what the configuration file says, as one constant that is handed down.
 * In:    filled once by daemon/options. Out: read by every layer of the relay.
 * Never: changes while the process runs; what changes at run time is policy.
 */
#ifndef TRELAY_RELAY_SETTINGS_H
#define TRELAY_RELAY_SETTINGS_H

#include "base/address.h"
#include "policy/lookup.h"
#include "sip/via.h"
#include "transaction/timer_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SETTINGS_NAME_SIZE = 64, SETTINGS_HOST_SIZE = 256 };

struct listener_settings {
    char name[SETTINGS_NAME_SIZE];
    enum sip_transport transport; /* UDP, TCP or TLS */
    struct endpoint endpoint;
    char advertised_host[SETTINGS_HOST_SIZE]; /* stands in Via and Record-Route */
    uint16_t advertised_port;
};

struct relay_settings {
    char node[SETTINGS_NAME_SIZE];
    uint32_t worker_count;

    struct listener_settings *listeners;
    size_t listener_count;

    char (*aliases)[SETTINGS_HOST_SIZE]; /* further host names that are this relay, for Route */
    size_t alias_count;
    struct prefix *trusted_upstreams; /* may send X-Trelay-Flags and Route-URI flags */
    size_t trusted_upstream_count;

    struct timer_settings timers;
    struct policy_lookup_order lookup; /* of requests whose flags name none */

    uint32_t max_message_bytes;
    uint32_t max_accepted, max_accepted_verified; /* connections of one worker, see FLOW_CLASS_LIST */
    uint32_t max_opened, max_opened_verified;
    uint32_t max_connections_each;  /* accepted from one address, of one worker */
    uint32_t descriptors;           /* file descriptors of the process; 0: not known */
    uint32_t max_transactions;      /* server transactions of one worker, with those that only remember their answer */
    uint32_t max_waiters;           /* requests queued behind one handshake */
    uint32_t connect_timeout_ms;    /* TCP connect */
    uint32_t handshake_timeout_ms;  /* TLS, from the first byte to the verdict */
    uint32_t message_timeout_ms;    /* from the first byte of a message to its last */
    uint32_t idle_timeout_s;        /* of connections whose row names none, and of accepted ones */
    uint32_t max_age_s;             /* of connections whose row names none; 0: none */
    uint32_t backoff_ms;            /* after a verdict or handshake failed, per full key; after a connect, per place */
    uint32_t backoff_max_ms;        /* at most, after many */
    uint32_t pin_age_s;             /* pins of dialogs older than this are not taken; 0: no limit */
    uint32_t stranger_records;      /* of accounting, in a second of one worker; see worker.h */
    uint32_t max_stale_s;           /* policy older than this serves nobody; 0: no limit */

    char dns_servers[SETTINGS_HOST_SIZE]; /* "" means resolv.conf; else c-ares syntax */
    uint32_t dns_timeout_ms;
    uint32_t dns_tries;
    unsigned dns_families; /* LOCATE_V4, LOCATE_V6, LOCATE_V6_FIRST: what next hops may be reached by */
};

void relay_settings_fini(struct relay_settings *settings);

/* The listener for TRANSPORT and FAMILY whose name stands in our Via, or NULL. */
const struct listener_settings *relay_settings_listener(const struct relay_settings *settings,
    enum sip_transport transport, uint8_t family);

#endif
