/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record.h - what is written about one transaction: who asked, where it went, under which proof, and the outcome.
 * In:    filled by the relay when a request is answered. Out: handed to the record writer of the control thread.
 * It holds counted objects instead of texts, so that a relay thread copies next to nothing.
 */
#ifndef TRELAY_ACCOUNT_RECORD_H
#define TRELAY_ACCOUNT_RECORD_H

#include "flow/connection_facts.h"
#include "flow/mail.h"
#include "policy/snapshot.h"
#include "sip/message.h"

struct account_record {
    struct mail mail;
    struct account_record *next;      /* of the same batch */
    struct sip_message *request;
    struct policy_snapshot *snapshot; /* keeps the rows below alive */

    int64_t started_us; /* since the epoch */
    uint32_t duration_ms;
    unsigned status;    /* sent upstream; 0: none */
    enum reason reason;

    /* where it came from */
    enum transport in_transport;
    struct endpoint in_source;
    const char *listener;                /* lives as long as the process */
    const struct peer_rule *peer;
    struct connection_facts *in_facts;   /* NULL for datagrams */

    /* where it went; the last try that counted */
    bool has_target;
    enum transport out_transport;
    struct endpoint out_target;
    char next_hop_domain[DOMAIN_NAME_SIZE];
    const struct outbound_policy *row;
    const struct route *route;
    enum decision decision;
    enum level level;
    char expected_domain[DOMAIN_NAME_SIZE];
    struct connection_facts *out_facts;  /* NULL: no connection was made */
    char detail[WHY_SIZE];               /* of a refusal */
};

/* Zeroed; NULL when there is no memory. Takes one reference of each object it is given. */
struct account_record *account_record_new(void);
void account_record_free(struct account_record *record);

#endif
