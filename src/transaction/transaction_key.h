/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_key.h - which server transaction a request belongs to, RFC 3261 17.2.3 and 9.2.
 * In:    a request and its origin. Out: canonical bytes (tagged by form, each field with its length, INV-2)
 *        that are equal for the request, its repetitions, its ACK (non-2xx) and its CANCEL.
 * With the magic cookie: branch and sent-by, host and port. Without: Request-URI, From tag, Call-ID, CSeq number
 * and the top Via; tags of To are compared apart, because an ACK carries the response's.
 * The origin (the authenticated peer, else the source address) is part of the key: nobody hits another's
 * transaction, whatever branch it writes.
 */
#ifndef TRELAY_TRANSACTION_TRANSACTION_KEY_H
#define TRELAY_TRANSACTION_TRANSACTION_KEY_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "sip/message.h"

#include <stdbool.h>
#include <stdint.h>

struct transaction_key {
    struct slice bytes; /* in the caller's buffer */
    uint64_t hash;
    bool is_2543; /* matched without a unique branch */
};

/* Replaces what is in SCRATCH, which KEY_R then points into. 0, ERROR_MEMORY, or ERROR_SYNTAX: the request
 * lacks a field that is needed to match it (From, Call-ID, CSeq, top Via). */
int transaction_key_of(const struct sip_message *request, struct slice origin, uint64_t hash_seed,
    struct buffer *scratch, struct transaction_key *key_r) MUST_CHECK;

#endif
