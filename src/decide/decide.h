/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide.h - reuse, join, upgrade, open or reject: the decision, for one requirement and what the pool holds.
 * In:    the requirement, its key, the pool's candidates, the time. Out: one decision with its reason.
 * Never: allocates, logs, reads a clock, waits; total: what it does not know it does not allow (INV-47).
 * Order: as in DECISION_LIST.
 */
#ifndef TRELAY_DECIDE_DECIDE_H
#define TRELAY_DECIDE_DECIDE_H

#include "decide/connection_key.h"
#include "decide/requirement.h"

#include <stdbool.h>
#include <stdint.h>

#define DECISION_LIST(X)          \
    X(DECISION_REUSE, "reuse")    \
    X(DECISION_JOIN, "join")      \
    X(DECISION_UPGRADE, "upgrade") \
    X(DECISION_OPEN, "open")      \
    X(DECISION_REJECT, "reject")  \
    X(DECISION_DATAGRAM, "datagram") /* level none over UDP: there is no connection */

enum decision {
    DECISION_UNSET = 0,
#define X(code, word) code,
    DECISION_LIST(X)
#undef X
        DECISION_COUNT
};
const char *decision_name(enum decision decision);

/* Names a connection for good: never a descriptor, pointer or reused number (INV-29). */
struct connection_handle {
    uint32_t worker;
    uint32_t slot;
    uint64_t generation; /* 0: no connection */
};

static inline bool connection_handle_equal(struct connection_handle a, struct connection_handle b)
{
    return a.worker == b.worker && a.slot == b.slot && a.generation == b.generation;
}

#define CONNECTION_STATE_LIST(X)                                                    \
    X(CONNECTION_DIALING, "dialing")         /* TCP connect under way */            \
    X(CONNECTION_HANDSHAKING, "handshaking") /* TLS handshake under way */          \
    X(CONNECTION_VERIFYING, "verifying")     /* the verdict waits for something */  \
    X(CONNECTION_READY, "ready")             /* published: requests may be sent */  \
    X(CONNECTION_DRAINING, "draining")       /* no new requests, responses may come */ \
    X(CONNECTION_DEAD, "dead")

enum connection_state {
    CONNECTION_UNSET = 0,
#define X(code, word) code,
    CONNECTION_STATE_LIST(X)
#undef X
        CONNECTION_STATE_COUNT
};
const char *connection_state_name(enum connection_state state);

/* What the decision may know about one connection. */
struct connection_view {
    struct connection_handle handle;
    enum connection_state state;
    const struct connection_key *key; /* frozen when it was dialled (INV-4) */
    const struct verdict *verdict; /* NULL: none was taken, as on plain TCP and before READY */
    int64_t opened_at; /* seconds since the epoch */
    int64_t deadline;  /* likewise: hard end (INV-37); INT64_MAX: none */
    uint32_t waiters;  /* requests behind its handshake, or queued on it unsent */
    uint32_t in_flight; /* requests sent that have no final response */
    int64_t idle_ms;    /* nothing has gone either way on it for so long, by a clock that nobody sets */
    uint32_t idle_timeout_s; /* the shortest of those who used it */
    bool is_exclusive; /* opened for a no-conn-reuse request: nobody else's */
    bool is_full_handshake;
    bool meets_floor;  /* for the candidate of an upgrade: negotiated version and suite meet the requirement's floor */
};

struct pool_view {
    const struct connection_view *equal; /* of equal hash; compared in full here */
    size_t equal_count;
    const struct connection_view *unverified; /* same destination, for upgrades */
    size_t unverified_count;
    int64_t backoff_until; /* seconds: this full key failed a moment ago; 0: it did not */
    bool has_room;         /* for one more connection of this class (INV-34) */
    uint32_t waiters_max;
};

/* Why no connection was upgraded; of several candidates the reason of the one that came furthest. */
#define UPGRADE_OBSTACLE_LIST(X)                                                                                 \
    X(UPGRADE_NOT_REACHED, "not-reached")     /* an earlier decision held */                                     \
    X(UPGRADE_NOT_WANTED, "not-wanted")       /* level, row or flags: no upgrade for this request */             \
    X(UPGRADE_NO_CANDIDATE, "no-candidate")   /* nothing unverified to this destination */                       \
    X(UPGRADE_NOT_READY, "not-ready")         /* state, deadline, idle for too long, or somebody's own */        \
    X(UPGRADE_NOT_UNVERIFIED, "not-unverified") /* its verdict is not that of level encrypt */                   \
    X(UPGRADE_OTHER_HANDSHAKE, "other-handshake") /* another place, certificate or server name */                \
    X(UPGRADE_RESUMED, "resumed")             /* no full handshake, so no chain of its own */                    \
    X(UPGRADE_BELOW_FLOOR, "below-floor")                                                                        \
    X(UPGRADE_BUSY, "busy")                   /* a request of the weaker class is queued or unanswered */        \
    X(UPGRADE_NOT_SUPPORTED, "not-supported") /* all conditions hold; this version does not upgrade */           \
    X(UPGRADE_POSSIBLE, "possible")

enum upgrade_obstacle {
    UPGRADE_OBSTACLE_UNSET = 0,
#define X(code, word) code,
    UPGRADE_OBSTACLE_LIST(X)
#undef X
        UPGRADE_OBSTACLE_COUNT
};
const char *upgrade_obstacle_name(enum upgrade_obstacle obstacle);

struct decision_result {
    enum decision decision;
    enum reason reason;              /* of REJECT */
    struct connection_handle handle; /* of REUSE, JOIN, UPGRADE */
    enum upgrade_obstacle upgrade;   /* what stood between this request and an upgrade */
    struct connection_handle upgrade_candidate; /* of UPGRADE_NOT_SUPPORTED and UPGRADE_POSSIBLE */
    enum reason upgrade_refusal;     /* why that one, verified anew, did not do, and another decision follows; NONE */
};

/* KEY is the encoding of requirement->key. Of several connections that fit, the least busy, then the first. */
struct decision_result decide(const struct requirement *requirement, const struct connection_key *key,
    const struct pool_view *pool, const struct capabilities *capabilities, int64_t now);

/* Nothing is under way on it, and it has been silent for longer than one of those who used it allows, or whoever asks
 * now: he allows TIMEOUT_S. */
bool decide_is_idle(const struct connection_view *connection, uint32_t timeout_s);

/* Right before the write, by the connection's owner (INV-28): REASON_NONE or why not. */
enum reason decide_may_send(const struct requirement *requirement, const struct connection_key *key,
    const struct connection_view *connection, int64_t now);

/* What a finished handshake showed. */
struct handshake_facts {
    bool is_full_handshake;       /* nothing was resumed (INV-24) */
    enum tls_version tls_version; /* negotiated */
    bool is_suite_allowed;        /* the negotiated suite is one of those offered */
    bool is_captured;             /* the peer's chain was seen in this handshake */
};

/* May a finished outbound handshake, or an upgrade, be published under the key that FIELDS encode to (INV-8, INV-16,
 * INV-22, INV-23)? CURRENT is the key that today's snapshot yields for the request it was dialled for, NULL when it
 * yields none; with the snapshot of the dial it is the key of the dial. For plain TCP HANDSHAKE and VERDICT are NULL.
 * Each waiter is asked again on its own with decide_may_send(). REASON_NONE or why not. */
enum reason decide_publish(const struct requirement_key *fields, const struct connection_key *current,
    const struct handshake_facts *handshake, const struct verdict *verdict, int64_t now);

/* The hard end of a connection opened at OPENED_AT: maximum age, end of the verified chain, end of our certificate;
 * SKEW_S seconds earlier for the latter two (INV-37). INT64_MAX: none. Seconds since the epoch. */
int64_t decide_deadline(const struct requirement *requirement, const struct verdict *verdict, int64_t opened_at,
    uint32_t skew_s);

/* The same of one that was accepted; OWN_NOT_AFTER: end of the certificate that we showed, INT64_MAX: none. Whose peer
 * has proven nothing (VERDICT may be NULL) has no chain that could end. */
int64_t decide_deadline_accepted(uint32_t max_age_s, int64_t own_not_after, const struct verdict *verdict,
    int64_t opened_at, uint32_t skew_s);

#endif
