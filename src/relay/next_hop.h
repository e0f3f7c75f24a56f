/* SPDX-License-Identifier: GPL-2.0-or-later */
/* next_hop.h - what may be tried for the URI of a next hop: its own addresses, or the question to the name service.
 * In:    the URI, the row that rules it, flags, whether the request is of SIPS. Out: targets, a question, or why not.
 * The relay step and explain ask here, so that they cannot differ.
 * Never: a plain transport where row, flags or scheme want TLS (RFC 5630 5.3, RFC 3263 4.1).
 */
#ifndef TRELAY_RELAY_NEXT_HOP_H
#define TRELAY_RELAY_NEXT_HOP_H

#include "base/attributes.h"
#include "base/why.h"
#include "net/locate.h"
#include "policy/row.h"
#include "sip/message.h"
#include "sip/uri.h"

#include <stdbool.h>
#include <stddef.h>

struct next_hop {
    const struct sip_uri *uri;
    const char *domain;                /* of the URI, normalised; "" for an address */
    bool is_sips_request;              /* Request-URI of SIPS: TLS on each hop, however it is named (26.2.2) */
    bool has_sip_contact;              /* its Contact is sip */
    const struct outbound_policy *row; /* NULL: known by address only */
    const struct flag_set *flags;
    bool is_pinned;                    /* the row is that of the dialog's pin: chain or domain, whatever its level */
    bool is_row_of_hop;                /* unless it is pinned: yes. The row's addresses are the next hop's */
    unsigned families;                 /* LOCATE_... */
};

bool next_hop_has_sip_contact(const struct sip_message *request);
bool next_hop_needs_tls(const struct next_hop *hop);
/* Whether the row names the addresses of this next hop. */
bool next_hop_has_addresses(const struct next_hop *hop);

/* May a request of this scheme go there under this row? REASON_NONE, REASON_SIPS_NOT_ALLOWED, REASON_SIPS_REQUIRED,
 * REASON_BAD_REQUEST or REASON_POLICY_UNUSABLE. Asked again with the row of each address where the name has none. */
enum reason next_hop_check_scheme(const struct next_hop *hop, struct why *why);

/* REASON_NONE with *COUNT_R targets, allocated for the caller: those of the row, or the address that the URI has. Or
 * with none and *QUESTION_R, for the name. Or a reason. */
enum reason next_hop_targets(const struct next_hop *hop, struct locate_target **targets_r, size_t *count_r,
    struct locate_question *question_r) MUST_CHECK;

#endif
