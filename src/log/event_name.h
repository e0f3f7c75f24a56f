/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event_name.h - the stable names of everything that is logged, in one list.
 * Operators search and alert on these words: a name is never reused for something else.
 * Who adds an event adds a line; a line no code uses is removed.
 */
#ifndef TRELAY_LOG_EVENT_NAME_H
#define TRELAY_LOG_EVENT_NAME_H

/* code, word, what happened */
#define EVENT_LIST(X)                                                                                         \
    /* the process */                                                                                         \
    X(EVENT_STARTED, "started", "the process is ready to serve")                                              \
    X(EVENT_STOPPED, "stopped", "the process ends")                                                           \
    X(EVENT_LOG_DROPPED, "log-dropped", "lines were lost because the log's reader was too slow")              \
    X(EVENT_LISTENER_OPENED, "listener-opened", "a socket accepts connections or datagrams")                  \
    X(EVENT_ACCEPT_FAILED, "accept-failed", "connections are refused for want of descriptors or memory")      \
    /* policy */                                                                                              \
    X(EVENT_POLICY_LOADED, "policy-loaded", "a new policy snapshot is in use")                                \
    X(EVENT_POLICY_PROBLEM, "policy-problem", "a policy row cannot be used")                                  \
    X(EVENT_POLICY_STALE, "policy-stale", "the policy could not be refreshed in time")                        \
    X(EVENT_DATABASE_LOST, "database-lost", "the connection to PostgreSQL broke")                             \
    X(EVENT_DATABASE_CONNECTED, "database-connected", "the connection to PostgreSQL is up")                   \
    X(EVENT_RELOAD, "reload", "keys, trust and policy are read again")                                        \
    /* connections */                                                                                         \
    X(EVENT_CONNECTION_OPENED, "connection-opened", "a connection can carry requests")                        \
    X(EVENT_CONNECTION_UPGRADED, "connection-upgraded", "an unverified connection was proven for a domain")   \
    X(EVENT_CONNECTION_FAILED, "connection-failed", "a connection was not made, or its verdict was a refusal") \
    X(EVENT_CONNECTION_CLOSED, "connection-closed", "a connection ended")                                     \
    X(EVENT_PEER_REFUSED, "peer-refused", "an inbound peer was refused")                                      \
    X(EVENT_LOCATE_FAILED, "locate-failed", "a next hop could not be located")                                \
    /* transactions */                                                                                        \
    X(EVENT_DECISION, "decision", "how one branch of one transaction leaves")                                 \
    X(EVENT_TRANSACTION_REFUSED, "transaction-refused", "a request was answered with a failure by this node") \
    X(EVENT_TRANSACTION_DONE, "transaction-done", "a transaction ended")                                      \
    X(EVENT_MESSAGE_DROPPED, "message-dropped", "a message was discarded without an answer")                  \
    X(EVENT_ILLEGAL_EVENT, "illegal-event", "a state machine met an event that its state excludes")

enum event_name {
    EVENT_NONE = 0,
#define X(code, word, text) code,
    EVENT_LIST(X)
#undef X
        EVENT_COUNT
};

/* Both total: "unknown" for what is not in the list. */
const char *event_name_word(enum event_name event);
const char *event_name_text(enum event_name event);

#endif
