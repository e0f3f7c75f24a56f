/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routing.h - where a request goes: Route processing of RFC 3261 16.4 to 16.6(6), then the route rows.
 * In:    a validated request, the settings, the snapshot, who sent it. Out: next hops and the edits of Route and
 *        Request-URI, or the status to answer with.
 * Never: sends, allocates beyond its own struct, or takes flags from a sender that is not trusted.
 */
#ifndef TRELAY_RELAY_ROUTING_H
#define TRELAY_RELAY_ROUTING_H

#include "base/buffer.h"
#include "base/why.h"
#include "policy/lookup.h"
#include "relay/settings.h"
#include "sip/message.h"

#include <stdbool.h>

enum { ROUTING_TARGETS_MAX = 8 };

struct routing_target {
    struct sip_uri next_hop;   /* into the message, the snapshot, or routing.text */
    struct slice route_push;   /* value to push as top Route; absent: none (into routing.text) */
    const struct route *route; /* the row that chose it; NULL: the message did */
    struct flag_set flags;     /* of peer, row, Route URI and X-Trelay-Flags, merged */
    bool has_senders_lookup;   /* that flag is of X-Trelay-Flags */
    bool has_senders_trust;    /* that flag is of X-Trelay-Flags or Route URI, and no row has it with that value */
    const struct policy_lookup_order *own_lookup; /* that of row, else of peer, in the snapshot; NULL: none */
    uint32_t group;            /* lower ones first, equal ones at one time */
};

/* What 16.4 and 16.6 change in the request, for all its targets alike. */
struct routing_edits {
    struct slice request_uri;  /* absent: unchanged (into the message or text) */
    uint32_t route_remove_first;
    bool route_remove_last;
    struct slice route_append; /* absent: none */
};

struct routing {
    unsigned status;           /* 0: go on; else the answer */
    const char *phrase_detail; /* why, for Warning and the log */
    enum reason reason;
    struct routing_edits edits;
    bool is_live;              /* it is to be decided by what the database has now: lookup=live, in one of the orders */
    struct slice pin;          /* of our own Route that was popped last; absent: none (into the message) */
    size_t target_count;
    struct buffer text, pushes; /* what slices above and below point into when it was composed here */
    struct routing_target targets[ROUTING_TARGETS_MAX]; /* set up to the count */
};

/* 16.6(4): the URI by which the request leaves, or what then stands on top of Route, is a SIPS URI; or the URI was one
 * that a strict router has pushed aside. */
bool routing_is_sips(const struct sip_message *request, const struct routing_edits *edits,
    const struct sip_uri *next_hop);

struct routing_source {
    const struct peer_rule *peer; /* the rule that accepted the sender */
    bool is_trusted;              /* may send flags */
    const struct listener_settings *listener; /* where it came in; NULL: unknown, as where maddr leads */
};

/* Fills *routing_r in every case; free it with routing_fini(). WHY has the text of a refused flag. */
void routing_decide(const struct sip_message *request, const struct relay_settings *settings,
    const struct policy_snapshot *snapshot, const struct routing_source *source, struct routing *routing_r,
    struct why *why);
void routing_fini(struct routing *routing);

#endif
