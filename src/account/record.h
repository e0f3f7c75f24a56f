/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record.h - what is written about one transaction: who asked, where it went, under which proof, and the outcome.
 * In:    filled by the relay when a request is answered. Out: read once, to make its row (account/record_row.h).
 * Everything is borrowed for that call: nothing is copied, counted or allocated for a record.
 */
#ifndef TRELAY_ACCOUNT_RECORD_H
#define TRELAY_ACCOUNT_RECORD_H

#include "flow/connection_facts.h"
#include "policy/snapshot.h"
#include "sip/message.h"

struct account_record {
    const struct sip_message *request;

    int64_t started_us; /* since the epoch */
    uint32_t duration_ms;
    unsigned status;    /* sent upstream; 0: none */
    enum reason reason;

    /* where it came from */
    enum transport in_transport;
    const struct endpoint *in_source;
    const char *listener;
    const struct peer_rule *peer;
    struct connection_facts *in_facts;   /* NULL for datagrams */

    /* where it went; the last try that counted */
    bool has_target;
    enum transport out_transport;
    const struct endpoint *out_target;   /* NULL: none */
    const char *next_hop_domain;         /* NULL or "": none; likewise below */
    const struct outbound_policy *row;
    bool is_pinned;                      /* that row is of the dialog's pin */
    const struct route *route;
    const struct flag_set *flags;        /* in effect; NULL: none */
    enum decision decision;
    enum level level;
    const char *expected_domain;
    struct connection_facts *out_facts;  /* NULL: no connection was made */
};

#endif
