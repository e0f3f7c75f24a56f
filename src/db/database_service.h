/* SPDX-License-Identifier: GPL-2.0-or-later */
/* database_service.h - all that a node does with PostgreSQL, put together: policy, records, connections, commands.
 * In:    a conninfo. Out: snapshots, commands; rows in the tables. Two sessions: one reads the policy and listens (a
 *        standby will do), one writes (the primary).
 * Never: anything of it is needed to relay by the policy in force; without PostgreSQL records wait in their store.
 */
#ifndef TRELAY_DB_DATABASE_SERVICE_H
#define TRELAY_DB_DATABASE_SERVICE_H

#include "base/attributes.h"
#include "base/why.h"
#include "db/connection_store.h"
#include "db/node_report.h"
#include "db/policy_load.h"
#include "db/record_store.h"
#include "log/log.h"
#include "loop/loop.h"

#include <stdint.h>

struct database_service;

/* Zero means the default of the part that has it. */
struct database_service_settings {
    const char *conninfo;
    const char *node, *version, *host;
    uint32_t poll_every_ms, debounce_ms, heartbeat_ms;
    uint32_t reconnect_min_ms, reconnect_max_ms;
    uint64_t hash_seed;
    struct record_store_settings records; /* sql: of trelay.transaction_record */
};

/* Called from the loop; none may free the service. */
struct database_service_events {
    void (*loaded)(void *arg, struct policy_snapshot *snapshot); /* the callee's reference */
    void (*confirmed)(void *arg, int64_t at_s);                  /* the policy in force was the database's then */
    void (*failed)(void *arg, const struct why *why);
    void (*count)(void *arg, struct node_numbers *numbers_r);
    void (*command)(void *arg, const struct node_command *command); /* answer by database_service_answer() */
    void (*resync)(void *arg); /* put every live connection into database_service_connections() again */
};

int database_service_new(struct loop *loop, const struct database_service_settings *settings,
    const struct database_service_events *events, void *arg, const struct log_scope *scope,
    struct database_service **service_r, struct why *why) MUST_CHECK;
void database_service_start(struct database_service *service);
void database_service_free(struct database_service *service); /* NULL is allowed */

struct record_store *database_service_records(struct database_service *service);
struct connection_store *database_service_connections(struct database_service *service);

/* As policy_loader_reload(), policy_loader_confirm() and node_report_answer(). */
int database_service_reload(struct database_service *service, policy_reload_fn *done, void *arg) MUST_CHECK;
int database_service_confirm(struct database_service *service, policy_reload_fn *done, void *arg) MUST_CHECK;
int database_service_answer(struct database_service *service, int64_t id, bool is_success, const char *text) MUST_CHECK;

/* Seconds since 1970; 0: never. */
int64_t database_service_confirmed_at(const struct database_service *service);
/* Of the session that writes. */
bool database_service_is_connected(const struct database_service *service);

#endif
