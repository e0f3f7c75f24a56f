/* SPDX-License-Identifier: GPL-2.0-or-later */
/* backoff.h - what failed a moment ago, and how long nobody tries it: RFC 4321 1.3, INV-20.
 * In:    keys that failed or worked, the time. Out: whether a key may be tried.
 * Two kinds of key stand in books of their own: the whole key of a connection, whose handshake or verdict failed, and
 * a place (transport, address, port, local address), where nobody is. A verdict is never held against another key.
 * The first failure holds for a time, each further one for twice as long, up to a limit. Then one try is made, and
 * until it has ended the key is on probation.
 */
#ifndef TRELAY_FLOW_BACKOFF_H
#define TRELAY_FLOW_BACKOFF_H

#include "base/attributes.h"
#include "base/list.h"
#include "base/table.h"
#include "decide/connection_key.h"

#include <stdint.h>

struct backoff_book {
    struct table entries;
    struct list by_failure; /* the one that failed longest ago is first */
    uint32_t first_ms, longest_ms;
};

/* FIRST_MS 0: nothing is ever held. 0 or ERROR_MEMORY; an empty book after either. */
int backoff_init(struct backoff_book *book, uint32_t first_ms, uint32_t longest_ms) MUST_CHECK;
void backoff_fini(struct backoff_book *book);

/* What a key and a place have in common with all others to the same endpoint from the same address. */
void backoff_place(const struct requirement_key *fields, uint64_t seed, struct connection_key *place_r);

/* Without memory it is as if nothing had failed. */
void backoff_failed(struct backoff_book *book, const struct connection_key *key, int64_t now_ms);
/* It is held for HOLD_MS, and no longer than the longest that failures are held. */
void backoff_hold(struct backoff_book *book, const struct connection_key *key, int64_t now_ms, uint64_t hold_ms);
void backoff_worked(struct backoff_book *book, const struct connection_key *key);

enum backoff_state {
    BACKOFF_NONE = 0,  /* it did not fail lately */
    BACKOFF_HELD,      /* nobody tries */
    BACKOFF_PROBATION, /* it failed, and may be tried again by one */
};
enum backoff_state backoff_state(const struct backoff_book *book, const struct connection_key *key, int64_t now_ms);

/* Forgets what failed long ago; or everything. */
void backoff_expire(struct backoff_book *book, int64_t now_ms);
void backoff_clear(struct backoff_book *book);

#endif
