/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain_question.h - what a request would bring that is not sent, as far as it decides where the request goes.
 * In:    members of a JSON object: destination, source, peer, request, contact, flags, sender-flags; pin, call-id,
 *        from-tag, to-tag.
 * Out:   the same, read as the relay reads a request; private to src/control.
 * Never: passes over a member that it does not know, or takes one that cannot be read for absent.
 */
#ifndef TRELAY_CONTROL_EXPLAIN_QUESTION_H
#define TRELAY_CONTROL_EXPLAIN_QUESTION_H

#include "control/control.h"
#include "decide/requirement.h"
#include "sip/uri.h"

#include <jansson.h>
#include <stdbool.h>

enum { EXPLAIN_URI_MAX = 1024 };

struct explain_question {
    char uri_text[EXPLAIN_URI_MAX], request_text[EXPLAIN_URI_MAX];
    struct sip_uri uri;                     /* of the next hop */
    char next_hop_domain[DOMAIN_NAME_SIZE]; /* "" for an address; likewise below for none */
    char request_domain[DOMAIN_NAME_SIZE], source_domain[DOMAIN_NAME_SIZE], peer[ROW_NAME_SIZE];
    bool is_sips_request, has_sip_contact;
    struct flag_set flags;                  /* with the sender's */
    struct policy_lookup_order order;
    struct policy_lookup_order usual;       /* without the sender's, which leads elsewhere by permission */
    bool has_senders_lookup, is_senders_trust;
    struct why conflict;                    /* why his flags cannot stand beside the others; "": they can */
    const char *pin_word;                   /* what became of the pin; NULL: none was brought */
    struct dialog_part pin;                 /* level UNSET: nothing is known of that hop */
};

/* 0, or ERROR_SYNTAX with WHY. SNAPSHOT has the secrets of pins. */
int explain_question_read(const struct control_environment *environment, const struct policy_snapshot *snapshot,
    json_t *members, struct explain_question *question_r, struct why *why) MUST_CHECK;

#endif
