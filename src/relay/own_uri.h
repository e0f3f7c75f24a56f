/* SPDX-License-Identifier: GPL-2.0-or-later */
/* own_uri.h - is this URI the relay itself?
 * In:    a URI of Route or Request-URI, the settings. Out: yes or no, by whole host name and port.
 * Never: a suffix or a look-alike: example.com.evil is not example.com.
 */
#ifndef TRELAY_RELAY_OWN_URI_H
#define TRELAY_RELAY_OWN_URI_H

#include "relay/settings.h"
#include "sip/uri.h"

#include <stdbool.h>

/* Host is an alias, or an advertised host or address of a listener whose port is the URI's (default: 5060, or 5061 for
 * sips and transport=tls; a URI without port or transport also means any listener of that host). */
bool own_uri_is_own(const struct relay_settings *settings, const struct sip_uri *uri);

/* HOST alone, whatever the port: for domains that we serve. */
bool own_uri_is_own_host(const struct relay_settings *settings, const struct sip_host *host);

/* The port (and scheme and transport, where they say it) is one that we listen on. */
bool own_uri_has_own_port(const struct relay_settings *settings, const struct sip_uri *uri);

#endif
