/* SPDX-License-Identifier: GPL-2.0-or-later */
/* own_uri.c - is this URI the relay itself?; see own_uri.h. */
#include "relay/own_uri.h"

#include "policy/name.h"

static bool is_alias(const struct relay_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->alias_count; i++)
        if (strcmp(settings->aliases[i], name) == 0)
            return true;
    return false;
}

static bool listener_has_host(const struct listener_settings *listener, const struct sip_host *host, const char *name)
{
    if (host->kind == SIP_HOST_NAME)
        return strcmp(listener->advertised_host, name) == 0;
    struct address advertised;
    if (address_parse(slice_of_string(listener->advertised_host), &advertised) == 0 &&
        address_equal(&advertised, &host->address))
        return true;
    return address_equal(&listener->endpoint.address, &host->address);
}

static bool listener_has_port(const struct listener_settings *listener, const struct sip_uri *uri)
{
    uint16_t port = uri->port;
    bool is_tls = uri->scheme == SIP_URI_SIPS || uri->transport == SIP_TRANSPORT_TLS;
    if (port == 0 && uri->transport == SIP_TRANSPORT_NONE && uri->scheme == SIP_URI_SIP)
        return true;
    if (port == 0)
        port = is_tls ? 5061 : 5060;
    return port == listener->advertised_port || port == listener->endpoint.port;
}

static bool name_of(const struct sip_host *host, char name[DOMAIN_NAME_SIZE])
{
    name[0] = '\0';
    return host->kind != SIP_HOST_NONE && (host->kind != SIP_HOST_NAME || name_normalise(host->text, name) == 0);
}

bool own_uri_is_own(const struct relay_settings *settings, const struct sip_uri *uri)
{
    char name[DOMAIN_NAME_SIZE];
    if (!sip_uri_is_sip(uri) || !name_of(&uri->host, name))
        return false;
    if (uri->host.kind == SIP_HOST_NAME && uri->port == 0 && is_alias(settings, name))
        return true;
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        bool is_host = listener_has_host(listener, &uri->host, name) ||
            (uri->host.kind == SIP_HOST_NAME && is_alias(settings, name));
        if (is_host && listener_has_port(listener, uri))
            return true;
    }
    return false;
}

bool own_uri_has_own_port(const struct relay_settings *settings, const struct sip_uri *uri)
{
    for (size_t i = 0; i < settings->listener_count; i++)
        if (listener_has_port(&settings->listeners[i], uri))
            return true;
    return false;
}

bool own_uri_is_own_host(const struct relay_settings *settings, const struct sip_host *host)
{
    char name[DOMAIN_NAME_SIZE];
    if (!name_of(host, name))
        return false;
    if (host->kind == SIP_HOST_NAME && is_alias(settings, name))
        return true;
    for (size_t i = 0; i < settings->listener_count; i++)
        if (listener_has_host(&settings->listeners[i], host, name))
            return true;
    return false;
}
