/* SPDX-License-Identifier: GPL-2.0-or-later */
/* name_addr.h - [display name] <URI> *(;parameter), or a bare URI with parameters: From, To, Route, Contact.
 * The URI's own syntax is sip_uri_parse()'s business; here it only has to look like one: a scheme,
 * no white space, no <>. Without brackets, everything from the first ";" on belongs to the header.
 */
#ifndef TRELAY_SIP_NAME_ADDR_H
#define TRELAY_SIP_NAME_ADDR_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stdbool.h>

struct sip_name_addr {
    struct slice text;       /* the whole value, trimmed */
    struct slice display;    /* as written, quotes kept; absent: none */
    struct slice uri;
    struct slice parameters; /* from the first ";" behind the URI on, or "" */
    struct slice tag;        /* absent: none */
    bool has_brackets;
};

/* 0 or ERROR_SYNTAX; *NAME_ADDR_R points into VALUE. Two tag parameters are an error. */
int sip_name_addr_parse(struct slice value, struct sip_name_addr *name_addr_r) MUST_CHECK;

#endif
