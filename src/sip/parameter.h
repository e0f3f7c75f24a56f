/* SPDX-License-Identifier: GPL-2.0-or-later */
/* parameter.h - parameters of header values: *( SEMI name [ EQUAL value ] ), RFC 3261 25.1.
 * White space and folded lines may stand around ";" and "="; a value is a token, a host or a quoted
 * string. URIs have a grammar of their own (sip/uri.h).
 */
#ifndef TRELAY_SIP_PARAMETER_H
#define TRELAY_SIP_PARAMETER_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stdbool.h>

struct sip_parameter {
    struct slice text;  /* name to end of value, for splicing */
    struct slice name;
    struct slice value; /* absent: none was given; a quoted string keeps its quotes */
};

enum sip_next {
    SIP_NEXT_END = 0,  /* nothing is left but white space */
    SIP_NEXT_ONE,      /* one was read */
    SIP_NEXT_MALFORMED /* the rest cannot be read */
};

/* Reads one off the front of *REST, which starts at its ";" (or white space before it) and is advanced. */
enum sip_next sip_parameter_next(struct slice *rest, struct sip_parameter *parameter_r);

/* The first parameter of that name, case-insensitive. */
bool sip_parameter_find(struct slice parameters, struct slice name, struct sip_parameter *parameter_r);

#endif
