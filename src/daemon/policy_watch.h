/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_watch.h - everything between PostgreSQL and this process: policy in; state and records out; orders in.
 * In:    the database. Out: snapshots to the relay; this node's rows of trelay.node, .connection, .node_problem;
 *        orders of psql (trelay.command) carried out and answered.
 */
#ifndef TRELAY_DAEMON_POLICY_WATCH_H
#define TRELAY_DAEMON_POLICY_WATCH_H

#include "daemon/options.h"
#include "db/database.h"
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
    int (*reload)(void *arg, const char *mode, struct why *why);      /* as ordered from psql */
    void *arg;
};

int policy_watch_new(const struct policy_watch_environment *environment, struct policy_watch **watch_r,
    struct why *why) MUST_CHECK;
void policy_watch_free(struct policy_watch *watch);
void policy_watch_start(struct policy_watch *watch);

/* Reads all rows and files again, now. */
void policy_watch_reload(struct policy_watch *watch);

/* Borrowed. Never NULL: before the first load, one that refuses everything. */
struct policy_snapshot *policy_watch_snapshot(const struct policy_watch *watch);
/* Where accounting rows go; its column list is account/record_row.h's. */
struct record_store *policy_watch_records(const struct policy_watch *watch);
struct database *policy_watch_database(const struct policy_watch *watch);

#endif
