/* SPDX-License-Identifier: GPL-2.0-or-later */
/* relay.h - the workers: each a loop on a thread of its own, with its sockets, connections and transactions.
 * In:    settings, and whoever wants the records. Out: requests relayed; answers to the control thread's questions.
 * Never: shares an object between two workers but what is counted and constant.
 */
#ifndef TRELAY_RELAY_RELAY_H
#define TRELAY_RELAY_RELAY_H

#include "account/record_batch.h"
#include "flow/flow_pool.h"
#include "log/log.h"
#include "relay/settings.h"

#include <stdbool.h>
#include <stdint.h>

struct relay;

/* Called on workers' threads; takes BATCH, and must only hand it on. */
typedef void relay_record_fn(void *arg, struct record_batch *batch);

/* Binds every listener and makes the workers; nothing is served before relay_start(). SETTINGS and SCOPE outlive it. */
int relay_new(const struct relay_settings *settings, const struct log_scope *scope, relay_record_fn *record,
    void *record_arg, struct relay **relay_r, struct why *why) MUST_CHECK;
int relay_start(struct relay *relay, struct why *why) MUST_CHECK;
/* Stops and joins the workers; what they held is closed. */
void relay_stop(struct relay *relay);
void relay_free(struct relay *relay);

/* From any thread: SNAPSHOT rules every request that starts from now on. */
void relay_set_snapshot(struct relay *relay, struct policy_snapshot *snapshot);
/* From any thread: the policy in force was found to be the database's at that time (INV-48). */
void relay_confirm_policy(struct relay *relay, int64_t at_s);
/* From any thread: no new requests are taken (503), connections end when they are silent. */
void relay_drain(struct relay *relay);
/* From any thread, after relay_set_snapshot(): what becomes of the TLS connections that were there before a reload. */
void relay_renew_connections(struct relay *relay, enum reload_mode mode);
/* Forgets what names led to and what failed a moment ago: the operator has mended something. */
void relay_forget(struct relay *relay);
/* Whether there is such a connection is its worker's to know: 0, and DONE is called once on the thread of REPLY_TO's
 * loop, when it has ended, or there was none. ERROR_NOT_FOUND: there is no such worker; ERROR_MEMORY. */
typedef void relay_closed_fn(void *arg, bool was_there);
int relay_close_connection(struct relay *relay, struct connection_handle handle, struct mailbox *reply_to,
    relay_closed_fn *done, void *arg) MUST_CHECK;

/* A request is to be decided by the policy that the database has now (lookup=live): a worker asks whether that is the
 * one in force. One question of each worker at a time; those that come meanwhile are the next one. */
struct relay_question {
    struct mail mail;
    struct relay *relay;
    uint32_t worker;
    bool is_current;
    struct why why;
};
/* Called on workers' threads; must only hand QUESTION on. Ahead of relay_start(); without one all are refused. */
typedef void relay_question_fn(void *arg, struct relay_question *question);
void relay_on_question(struct relay *relay, relay_question_fn *ask, void *arg);
/* Once for each question, on the thread that calls relay_set_snapshot() and behind that if anything is new; while there
 * is a relay. */
void relay_answer(struct relay_question *question, bool is_current, const char *why);

struct relay_counts {
    struct flow_pool_counts flows;
    uint64_t requests, responses, refused, dropped;
    uint64_t pins_refused; /* of dialogs; see LOG_EVENT_PIN_REFUSED */
    uint64_t records_lost; /* of accounting, for want of memory */
    uint64_t records_withheld; /* likewise, of requests of strangers: more than a second has room for */
    uint64_t transactions; /* not answered yet */
    uint64_t held;         /* what memory goes by: transactions that are remembered, and connections as so many */
};
/* Sums of all workers, a moment old. */
struct relay_counts relay_counts(const struct relay *relay);
uint32_t relay_worker_count(const struct relay *relay);

/* One connection as text and numbers of its own, for another thread. */
struct relay_connection {
    struct connection_handle handle;
    enum connection_state state;
    struct connection_facts *facts; /* counted; NULL while it is not ready */
    struct endpoint peer;
    bool is_accepted;
    uint64_t requests;
    uint32_t in_flight, waiters;
    int64_t opened_at, used_at, proven_at, deadline; /* as of struct flow_status */
    char key[512]; /* printed, cut when longer; "" of accepted ones */
};

/* The peer row by which a request that comes on that connection is taken; NULL: none. */
const struct peer_rule *relay_peer_of(const struct policy_snapshot *snapshot, const struct connection_facts *facts,
    int64_t now_s);

/* Asks every worker and calls DONE once on the thread of REPLY_TO's loop; the array is freed behind the call. */
typedef void relay_connections_fn(void *arg, const struct relay_connection *connections, size_t count);
int relay_list_connections(struct relay *relay, struct mailbox *reply_to, relay_connections_fn *done,
    void *arg) MUST_CHECK;

/* What the pool of the owner would decide now for this requirement, where there is another address to go on with or
 * none; and how many workers would not come that far where there is one: each has met the peer itself. DONE as above.
 */
struct relay_considered {
    struct decision_result result;
    uint32_t workers;
    uint32_t silent;      /* of them: the place did not answer their datagrams */
    uint32_t unavailable; /* of them: who answers under this key asked for that, with Retry-After */
};
typedef void relay_consider_fn(void *arg, const struct relay_considered *considered);
int relay_consider(struct relay *relay, const struct requirement *requirement, struct policy_snapshot *snapshot,
    bool has_other, struct mailbox *reply_to, relay_consider_fn *done, void *arg) MUST_CHECK;

/* What a handshake for this requirement comes to, on a connection of its own that carries nothing; DONE as above. */
struct relay_probe_result {
    enum reason reason;                    /* NONE: the connection would have carried requests */
    const char *detail;
    const struct connection_facts *facts;  /* NULL when it did not come that far */
    const struct certificate_chain *chain; /* what the peer presented, leaf first */
};
typedef void relay_probe_fn(void *arg, const struct relay_probe_result *result);
int relay_probe(struct relay *relay, const struct requirement *requirement, struct policy_snapshot *snapshot,
    struct mailbox *reply_to, relay_probe_fn *done, void *arg) MUST_CHECK;

/* The key of a requirement as this process encodes it. */
void relay_encode_key(const struct relay *relay, const struct requirement_key *fields, struct connection_key *key_r);
const struct capabilities *relay_capabilities(const struct relay *relay);

/* There is none yet, or it is older than it may be (INV-48): nothing is forwarded by it. */
bool relay_policy_is_stale(const struct relay *relay, const struct policy_snapshot *snapshot, int64_t now_s);

/* The pin that a request brings, *PIN_R->to_callee being the way that the request goes; BEARER's age is the relay's. */
enum dialog_pin_result relay_read_pin(const struct relay *relay, const struct policy_snapshot *snapshot,
    struct slice text, const struct dialog_pin_bearer *bearer, struct dialog_pin *pin_r) MUST_CHECK;

#endif
