/* SPDX-License-Identifier: GPL-2.0-or-later */
/* database_service.c - all that a node does with PostgreSQL, put together; see database_service.h. */
#include "db/database_service.h"

#include "base/error.h"

#include <stdlib.h>

struct database_service {
    struct log_scope scope;
    struct database_service_events events;
    void *arg;
    struct policy_loader *loader;
    struct database *writer;
    struct node_report *report;
    struct record_store *records;
    struct connection_store *connections;
};

static void on_loaded(void *arg, const struct policy_loaded *loaded)
{
    struct database_service *service = arg;
    if (node_report_policy(service->report, loaded->snapshot, loaded->version, loaded->certificates) != 0)
        log_event(&service->scope, LOG_LEVEL_WARN, LOG_EVENT_RECORD_DELAYED,
            LOG_STRING("what", "problems of the policy"), LOG_STRING("why", "out of memory"));
    service->events.loaded(service->arg, loaded->snapshot);
}

static void on_confirmed(void *arg, int64_t version, int64_t at_s)
{
    struct database_service *service = arg;
    node_report_policy_confirmed(service->report, version, at_s);
    service->events.confirmed(service->arg, at_s);
}

static void on_failed(void *arg, const struct why *why)
{
    struct database_service *service = arg;
    service->events.failed(service->arg, why);
}

static void on_command_waits(void *arg)
{
    struct database_service *service = arg;
    node_report_look_for_commands(service->report);
}

static void on_connected(void *arg)
{
    struct database_service *service = arg;
    node_report_resume(service->report);
    record_store_resume(service->records);
}

static void on_lost(void *arg UNUSED, const struct why *why UNUSED)
{
    /* Each part knows from its own commands, and goes on when there is a session. */
}

static void on_notified(void *arg UNUSED, const char *channel UNUSED, const char *payload UNUSED)
{
    /* This session listens to nothing. */
}

static void on_count(void *arg, struct node_numbers *numbers_r)
{
    struct database_service *service = arg;
    service->events.count(service->arg, numbers_r);
}

static void on_command(void *arg, const struct node_command *command)
{
    struct database_service *service = arg;
    service->events.command(service->arg, command);
}

/* The rows of connections need that of the node. */
static void on_registered(void *arg)
{
    struct database_service *service = arg;
    connection_store_resume(service->connections);
}

static void on_displaced(void *arg)
{
    struct database_service *service = arg;
    connection_store_hold(service->connections);
}

static void on_resync(void *arg)
{
    struct database_service *service = arg;
    service->events.resync(service->arg);
}

static int make_loader(struct database_service *service, struct loop *loop,
    const struct database_service_settings *settings, struct why *why)
{
    const struct policy_loader_settings loader = { .conninfo = settings->conninfo, .node = settings->node,
        .poll_every_ms = settings->poll_every_ms, .debounce_ms = settings->debounce_ms,
        .reconnect_min_ms = settings->reconnect_min_ms, .reconnect_max_ms = settings->reconnect_max_ms,
        .hash_seed = settings->hash_seed };
    const struct policy_loader_events events = { .loaded = on_loaded, .confirmed = on_confirmed, .failed = on_failed,
        .command = on_command_waits };
    return policy_loader_new(loop, &loader, &events, service, &service->scope, &service->loader, why);
}

static int make_writer(struct database_service *service, struct loop *loop,
    const struct database_service_settings *settings, struct why *why)
{
    const struct database_settings writer = { .conninfo = settings->conninfo, .node = settings->node,
        .needs_writing = true, .reconnect_min_ms = settings->reconnect_min_ms,
        .reconnect_max_ms = settings->reconnect_max_ms };
    const struct database_events events = { .connected = on_connected, .lost = on_lost, .notified = on_notified };
    return database_new(loop, &writer, &events, service, &service->scope, &service->writer, why);
}

static int make_stores(struct database_service *service, struct loop *loop,
    const struct database_service_settings *settings)
{
    const struct node_report_settings report = { .node = settings->node, .version = settings->version,
        .host = settings->host, .heartbeat_ms = settings->heartbeat_ms };
    const struct node_report_events events = { .count = on_count, .command = on_command, .registered = on_registered,
        .displaced = on_displaced };
    int rc = node_report_new(loop, service->writer, &report, &events, service, &service->scope, &service->report);
    if (rc == 0)
        rc = record_store_new(loop, service->writer, &settings->records, &service->scope, &service->records);
    if (rc == 0)
        rc = connection_store_new(loop, service->writer, settings->node, settings->hash_seed, on_resync, service,
            &service->scope, &service->connections);
    return rc;
}

int database_service_new(struct loop *loop, const struct database_service_settings *settings,
    const struct database_service_events *events, void *arg, const struct log_scope *scope,
    struct database_service **service_r, struct why *why)
{
    struct database_service *service = calloc(1, sizeof(*service));
    if (service == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory");
    service->events = *events;
    service->arg = arg;
    log_scope_init_child(&service->scope, scope, NULL, NULL);
    int rc = make_loader(service, loop, settings, why);
    if (rc == 0)
        rc = make_writer(service, loop, settings, why);
    if (rc == 0 && (rc = make_stores(service, loop, settings)) != 0)
        (void)why_fail(why, rc, "no memory");
    if (rc != 0) {
        database_service_free(service);
        return rc;
    }
    *service_r = service;
    return 0;
}

void database_service_start(struct database_service *service)
{
    database_start(service->writer);
    policy_loader_start(service->loader);
}

void database_service_free(struct database_service *service)
{
    if (service == NULL)
        return;
    policy_loader_free(service->loader);
    database_free(service->writer); /* gives back to the stores what is under way */
    connection_store_free(service->connections);
    record_store_free(service->records);
    node_report_free(service->report);
    free(service);
}

struct record_store *database_service_records(struct database_service *service)
{
    return service->records;
}

struct connection_store *database_service_connections(struct database_service *service)
{
    return service->connections;
}

int database_service_reload(struct database_service *service, policy_reload_fn *done, void *arg)
{
    return policy_loader_reload(service->loader, done, arg);
}

int database_service_confirm(struct database_service *service, policy_reload_fn *done, void *arg)
{
    return policy_loader_confirm(service->loader, done, arg);
}

int database_service_answer(struct database_service *service, int64_t id, bool is_success, const char *text)
{
    return node_report_answer(service->report, id, is_success, text);
}

int64_t database_service_confirmed_at(const struct database_service *service)
{
    return policy_loader_confirmed_at(service->loader);
}

bool database_service_is_connected(const struct database_service *service)
{
    return database_is_connected(service->writer);
}
