/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settings.c - what the configuration file says; see settings.h. */
#include "relay/settings.h"

#include <stdlib.h>

void relay_settings_fini(struct relay_settings *settings)
{
    free(settings->listeners);
    free(settings->aliases);
    free(settings->trusted_upstreams);
    *settings = (struct relay_settings){ 0 };
}

const struct listener_settings *relay_settings_listener(const struct relay_settings *settings,
    enum sip_transport transport, uint8_t family)
{
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        if (listener->transport == transport && listener->endpoint.address.family == family)
            return listener;
    }
    return NULL;
}
