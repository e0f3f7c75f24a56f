/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_watch.h - everything between PostgreSQL and this process: policy in; state and records out; orders in.
 * In:    the database. Out: snapshots to the relay; this node's rows of trelay.node, .connection, .node_problem;
 *        orders of psql (trelay.command) carried out and answered.
 */
#ifndef TRELAY_DAEMON_POLICY_WATCH_H
#define TRELAY_DAEMON_POLICY_WATCH_H

#include "control/control.h"
#include "daemon/options.h"
#include "db/database.h"
#include "db/policy_load.h"
#include "db/record_store.h"
#include "loop/mailbox.h"
#include "policy/snapshot.h"
#include "relay/relay.h"

struct policy_watch;

struct policy_watch_environment {
    struct loop *loop;
    struct mailbox *mailbox;
    const struct options *options;
    struct relay *relay;
    const struct log_scope *scope;
    void (*on_snapshot)(void *arg, struct policy_snapshot *snapshot); /* borrowed for the call */
    /* As ordered from psql: see policy_watch_reload(). */
    int (*reload)(void *arg, enum reload_mode mode, policy_reload_fn *done, void *done_arg);
    /* What would become of a request; likewise. See control_explain_text(). */
    void (*explain)(void *arg, struct slice members, control_answered_fn *done, void *done_arg);
    void *arg;
};

int policy_watch_new(const struct policy_watch_environment *environment, struct policy_watch **watch_r,
    struct why *why) MUST_CHECK;
void policy_watch_free(struct policy_watch *watch);
void policy_watch_start(struct policy_watch *watch);

/* Reads all rows and files again, now; while there is no session, when there is one. DONE is called once, after
 * on_snapshot() if anything is new. ERROR_MEMORY: it is not called. */
int policy_watch_reload(struct policy_watch *watch, policy_reload_fn *done, void *arg) MUST_CHECK;

/* Whether the policy in force is the database's now, behind on_snapshot() if it was not: policy_loader_confirm(). */
int policy_watch_confirm(struct policy_watch *watch, policy_reload_fn *done, void *arg) MUST_CHECK;
/* Nobody waits for either any more, nor will: they are told that it failed. NULL is allowed. */
void policy_watch_stop(struct policy_watch *watch);

/* Borrowed. Never NULL: before the first load, one that refuses everything. */
struct policy_snapshot *policy_watch_snapshot(const struct policy_watch *watch);
/* Where accounting rows go; its column list is account/record_row.h's. */
struct record_store *policy_watch_records(const struct policy_watch *watch);
/* Accounting records that no table has, or will have: no room, no memory, or refused for their content. While there is
 * a relay. */
uint64_t policy_watch_records_lost(const struct policy_watch *watch);
struct database *policy_watch_database(const struct policy_watch *watch);

#endif
