/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event_name.h - the stable names of everything that is logged, in one list.
 * Operators search and alert on these words: a name is never reused for something else.
 * Who adds an event adds a line; a line no code uses is removed.
 */
#ifndef TRELAY_LOG_EVENT_NAME_H
#define TRELAY_LOG_EVENT_NAME_H

/* code, word, what happened */
#define LOG_EVENT_LIST(X)                                                                                          \
    /* the process */                                                                                              \
    X(LOG_EVENT_STARTED, "started", "the process is ready to serve")                                               \
    X(LOG_EVENT_STOPPED, "stopped", "the process ends")                                                            \
    X(LOG_EVENT_LOG_DROPPED, "log-dropped", "lines were lost because the log's reader was too slow")               \
    X(LOG_EVENT_LOG_LIMITED, "log-limited", "what anybody can cause came too often: the lines that were left out") \
    X(LOG_EVENT_LISTENER_OPENED, "listener-opened", "a socket accepts connections or datagrams")                   \
    X(LOG_EVENT_ACCEPT_FAILED, "accept-failed", "connections are refused for want of descriptors or memory")       \
    /* policy */                                                                                                   \
    X(LOG_EVENT_POLICY_LOADED, "policy-loaded", "a new policy snapshot is in use")                                 \
    X(LOG_EVENT_POLICY_PROBLEM, "policy-problem", "a policy row cannot be used")                                   \
    X(LOG_EVENT_POLICY_STALE, "policy-stale", "the policy could not be refreshed in time")                         \
    X(LOG_EVENT_DATABASE_LOST, "database-lost", "the connection to PostgreSQL broke")                              \
    X(LOG_EVENT_DATABASE_CONNECTED, "database-connected", "the connection to PostgreSQL is up")                    \
    X(LOG_EVENT_RECORD_DELAYED, "record-delayed", "rows could not be written to PostgreSQL and are tried again")   \
    X(LOG_EVENT_RECORD_REFUSED, "record-refused", "PostgreSQL refused an accounting record for its content")       \
    X(LOG_EVENT_CONFIGURATION, "configuration", "a setting is allowed and not recommended")                        \
    X(LOG_EVENT_RECORDS_WITHHELD, "records-withheld", "requests of strangers are more than have accounting records") \
    X(LOG_EVENT_RECORDS_LOST, "records-lost", "accounting records could not be written or kept")                   \
    X(LOG_EVENT_RELOAD, "reload", "keys, trust and policy were read again, or why not")                            \
    /* connections */                                                                                              \
    X(LOG_EVENT_CONNECTION_OPENED, "connection-opened", "a connection can carry requests")                         \
    X(LOG_EVENT_CONNECTION_UPGRADED, "connection-upgraded",                                                        \
        "an unverified connection was verified, and serves as such from then on")                                  \
    X(LOG_EVENT_UPGRADE_REFUSED, "upgrade-refused",                                                                \
        "an unverified connection could not be verified for a request, and stays unverified")                      \
    X(LOG_EVENT_CONNECTION_REVALIDATED, "connection-revalidated", "the peer of a connection was proven anew")      \
    X(LOG_EVENT_CONNECTION_RETIRED, "connection-retired",                                                          \
        "what proved a connection holds no longer: no new request uses it, it ends after the last one")            \
    X(LOG_EVENT_CONNECTION_FAILED, "connection-failed", "a connection was not made, or its verdict was a refusal") \
    X(LOG_EVENT_CONNECTION_CLOSED, "connection-closed", "a connection ended")                                      \
    X(LOG_EVENT_LOCATE_FAILED, "locate-failed", "the address of a next hop could not be found")                    \
    /* transactions */                                                                                             \
    X(LOG_EVENT_PIN_REFUSED, "pin-refused",                                                                        \
        "a request brought the pin of a dialog that cannot be taken: ordinary policy rules it")                    \
    X(LOG_EVENT_DECISION, "decision", "how one branch of one transaction leaves")                                  \
    X(LOG_EVENT_TRANSACTION_REFUSED, "transaction-refused", "a request was answered with a failure by this node")  \
    X(LOG_EVENT_TRANSACTION_DONE, "transaction-done", "a transaction ended")                                       \
    X(LOG_EVENT_TRANSACTION_STEP, "transaction-step", "a transaction's machine went from one state to another")    \
    X(LOG_EVENT_MESSAGE_DROPPED, "message-dropped", "a message was discarded without an answer")                   \
    X(LOG_EVENT_MESSAGE_UNDELIVERABLE, "message-undeliverable",                                                    \
        "a response, CANCEL or ACK went nowhere: no connection, or not allowed")                                   \
    X(LOG_EVENT_ILLEGAL_EVENT, "illegal-event", "a state machine met an event that its state excludes")

enum log_event_name {
    LOG_EVENT_NONE = 0,
#define X(code, word, text) code,
    LOG_EVENT_LIST(X)
#undef X
        LOG_EVENT_COUNT
};

/* Both total: "unknown" for what is not in the list. */
const char *event_name_word(enum log_event_name event);
const char *event_name_text(enum log_event_name event);

#endif
