/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uri.h - SIP, SIPS and tel URIs, RFC 3261 19.1 and RFC 3966; other schemes as opaque text.
 * In:    the bytes of one URI, no white space and no <> around it.
 * Out:   slices into them, escapes untouched: nothing is ever unescaped here (%00, %2e stay text).
 * Never: two answers to one question: a parameter that stands twice is an error (19.1.1).
 */
#ifndef TRELAY_SIP_URI_H
#define TRELAY_SIP_URI_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "sip/host.h"
#include "sip/parameter.h"
#include "sip/transport.h"

#include <stdbool.h>
#include <stdint.h>

/* More are an error: names are compared with one another. */
enum { SIP_URI_PARAMETERS_MAX = 64 };

enum sip_uri_scheme {
    SIP_URI_NONE = 0,
    SIP_URI_SIP,
    SIP_URI_SIPS,
    SIP_URI_TEL,
    SIP_URI_OTHER /* user, host and parameters are not set; see text */
};

struct sip_uri {
    enum sip_uri_scheme scheme;
    struct slice text;       /* the whole URI */
    struct slice scheme_text;
    struct slice user;       /* absent: none; of tel: the number */
    struct slice password;   /* absent: none */
    struct slice host_port;  /* as written, with brackets and port */
    struct sip_host host;
    uint16_t port;           /* 0: none given */
    struct slice parameters; /* from the first ";" on, or "" */
    struct slice headers;    /* behind "?"; absent: none */
    /* parameters that mean something to a proxy; absent: not there */
    enum sip_transport transport;
    struct slice transport_text;
    struct slice maddr;
    struct slice method;
    struct slice user_type; /* user=phone */
    struct slice ttl;
    bool has_lr;
};

/* 0 or ERROR_SYNTAX; *URI_R points into TEXT. */
int sip_uri_parse(struct slice text, struct sip_uri *uri_r) MUST_CHECK;

/* As sip_parameter_next and _find, for the parameters of a URI: no white space, no quoted strings. */
enum sip_next sip_uri_parameter_next(struct slice *rest, struct sip_parameter *parameter_r);
bool sip_uri_parameter_find(const struct sip_uri *uri, struct slice name, struct sip_parameter *parameter_r);

/* sip or sips. */
static inline bool sip_uri_is_sip(const struct sip_uri *uri)
{
    return uri->scheme == SIP_URI_SIP || uri->scheme == SIP_URI_SIPS;
}

/* Same resource by RFC 3261 19.1.4, but that escapes are compared as text (so never equal by mistake). */
bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b);

/* What may stand in a Request-URI (RFC 3261 16.6(2)): the URI without headers and method parameter. */
void sip_uri_append_request_uri(struct buffer *out, const struct sip_uri *uri);

/* The URI without the parameters named (and without headers); for maddr, port and transport that are ours
 * (16.4) and for flags that must not leave. WITHOUT_PORT drops ":port" too. */
void sip_uri_append_without(struct buffer *out, const struct sip_uri *uri, const struct slice *names, size_t count,
    bool without_port);

#endif
