/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keepalive.h - when a connection that we opened is pinged, and when its peer counts as gone (RFC 5626 4.4.1, 5.4).
 * In:    the interval of the policy row, the time, a random number. Out: what is due.
 * Never: sends, or reads a clock.
 */
#ifndef TRELAY_FLOW_KEEPALIVE_H
#define TRELAY_FLOW_KEEPALIVE_H

#include <stdint.h>

enum { KEEPALIVE_PONG_MS = 10000 };

/* Zeroed: off. */
struct keepalive {
    uint32_t interval_s;
    uint64_t generation; /* of the policy that the interval is from */
    int64_t ping_at_ms;
    int64_t pong_by_ms; /* 0: none is waited for */
};

enum keepalive_due {
    KEEPALIVE_NOTHING = 0,
    KEEPALIVE_PING, /* send it now */
    KEEPALIVE_DEAD  /* the last one had no answer in time */
};

/* A request of a row is on the connection, by the policy of that GENERATION. INTERVAL_S is the longest that passes
 * between two pings, the shortest is four fifths of it; 0: the row asks for none. Several rows may lead to one
 * connection: among those of one policy the shortest interval counts, in whichever order their requests come; a later
 * policy begins anew. */
void keepalive_ask(struct keepalive *keepalive, uint32_t interval_s, uint64_t generation, int64_t now_ms,
    uint64_t random);
/* To be called each TICK_MS: what would be due ahead of the next call is due now. */
enum keepalive_due keepalive_due(struct keepalive *keepalive, int64_t now_ms, uint32_t tick_ms, uint64_t random);
void keepalive_answered(struct keepalive *keepalive);

#endif
