/* SPDX-License-Identifier: GPL-2.0-or-later */
/* node_report.h - what this node tells the database about itself, and what it is told to do.
 * In:    a heartbeat's numbers, problems and certificates of the policy in use, results of commands.
 * Out:   the rows of trelay.node, node_problem and loaded_certificate; commands of trelay.command, each once;
 *        the partitions of trelay.transaction_record, a day ahead.
 */
#ifndef TRELAY_DB_NODE_REPORT_H
#define TRELAY_DB_NODE_REPORT_H

#include "base/attributes.h"
#include "base/slice.h"
#include "db/database.h"
#include "log/log.h"
#include "loop/loop.h"
#include "policy/snapshot.h"

#include <stdint.h>

struct node_report;

struct node_numbers {
    uint32_t connections;
    uint64_t transactions;
    uint64_t records_lost;
};

struct node_command {
    int64_t id;
    struct slice word;       /* "tls-reload", "close-connection", "explain" */
    struct slice mode;       /* of tls-reload: "drop", "drain", "revalidate" */
    struct slice connection; /* of close-connection */
    struct slice arguments;  /* all of them, a JSON object */
};

struct node_report_events {
    void (*count)(void *arg, struct node_numbers *numbers_r);       /* before each heartbeat */
    void (*command)(void *arg, const struct node_command *command); /* answer by node_report_answer() */
    void (*registered)(void *arg); /* the node's row is there and ours: after each connect, and after displaced() */
    void (*displaced)(void *arg);  /* another process has the node's row; may be called again before registered() */
};

struct node_report_settings {
    const char *node, *version, *host;
    uint32_t heartbeat_ms; /* (5 s) */
};

int node_report_new(struct loop *loop, struct database *database, const struct node_report_settings *settings,
    const struct node_report_events *events, void *arg, const struct log_scope *scope, struct node_report **report_r)
    MUST_CHECK;

/* After database_free(). NULL is allowed. */
void node_report_free(struct node_report *report);

/* The owner of the database tells: a session is ready; somebody notified on "trelay_command". */
void node_report_resume(struct node_report *report);
void node_report_look_for_commands(struct node_report *report);

/* The policy in use. CERTIFICATES: JSON as the loader makes it (policy_load.h). Told again after each connect. */
int node_report_policy(struct node_report *report, struct policy_snapshot *snapshot, int64_t policy_version,
    struct slice certificates) MUST_CHECK;
/* The policy was read again at that time, without a change. */
void node_report_policy_confirmed(struct node_report *report, int64_t policy_version, int64_t at_s);

/* Kept until the database has it. ERROR_MEMORY: the command will look as if it had not been done. */
int node_report_answer(struct node_report *report, int64_t id, bool is_success, const char *text) MUST_CHECK;

#endif
