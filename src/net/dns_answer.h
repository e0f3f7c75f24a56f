/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns_answer.h - the records of one DNS response, read with c-ares.
 * In:    the bytes of a response. Out: an array of records in the order of the answer, and the shortest TTL.
 * Never: more than DNS_ANSWER_MAX records; records whose names are too long to be names.
 */
#ifndef TRELAY_NET_DNS_ANSWER_H
#define TRELAY_NET_DNS_ANSWER_H

#include "base/attributes.h"
#include "net/resolver.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond it records are left out as they come, whatever their priority: more than anybody has. */
enum { DNS_ANSWER_MAX = 256 };

struct dns_answer {
    size_t count;
    void *records; /* of the type that was asked for; freed by the caller */
    uint32_t ttl_s;
};

/* Whether it can be one at all: to c-ares a question that comes back is an answer without records. */
bool dns_answer_is_response(const unsigned char *bytes, int length);

/* BYTES are a response. 0, also with no records at all (ERROR_NOT_FOUND is not used: count says it); ERROR_SYNTAX:
 * malformed; or ERROR_MEMORY. */
int dns_answer_read(enum resolver_type type, const unsigned char *bytes, int length, struct dns_answer *answer_r)
    MUST_CHECK;

/* The number of TYPE in DNS. */
int dns_answer_type(enum resolver_type type);

#endif
