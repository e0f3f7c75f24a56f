/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_watch.c - everything between PostgreSQL and this process; see policy_watch.h. */
#include "daemon/policy_watch.h"

#include "account/record_row.h"
#include "base/error.h"
#include "daemon/connection_row.h"
#include "db/connection_store.h"
#include "db/node_report.h"
#include "pkix/digest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTIONS_EVERY_MS = 1000 };

struct policy_watch {
    struct policy_watch_environment environment;
    struct database *database; /* for writing; the loader has one of its own */
    struct policy_loader *loader;
    struct node_report *report;
    struct record_store *records;
    struct connection_store *connections;
    struct connection_mirror *mirror;
    struct policy_snapshot *snapshot;
    struct loop_timer timer;
    uint64_t hash_seed;
    uint32_t connection_count;
    bool is_asking, is_ending;
};

static void on_loaded(void *arg, const struct policy_loaded *loaded)
{
    struct policy_watch *watch = arg;
    const struct policy_watch_environment *environment = &watch->environment;
    policy_snapshot_unref(watch->snapshot);
    watch->snapshot = loaded->snapshot;
    relay_confirm_policy(environment->relay, loop_wall_s(environment->loop));
    environment->on_snapshot(environment->arg, watch->snapshot);
    if (node_report_policy(watch->report, watch->snapshot, loaded->version, loaded->certificates) != 0)
        log_event(environment->scope, LOG_LEVEL_WARN, LOG_EVENT_POLICY_PROBLEM,
            LOG_STRING("detail", "no memory to report the policy's problems to the database"));
}

static void on_confirmed(void *arg, int64_t version, int64_t at_s)
{
    struct policy_watch *watch = arg;
    relay_confirm_policy(watch->environment.relay, at_s);
    node_report_policy_confirmed(watch->report, version, at_s);
}

static void on_load_failed(void *arg, const struct why *why)
{
    (void)arg;
    (void)why; /* the loader logs it */
}

static void on_command_hint(void *arg)
{
    struct policy_watch *watch = arg;
    node_report_look_for_commands(watch->report);
}

static const struct policy_loader_events loader_events = { .loaded = on_loaded, .confirmed = on_confirmed,
    .failed = on_load_failed, .command = on_command_hint };

static void on_connected(void *arg)
{
    struct policy_watch *watch = arg;
    node_report_resume(watch->report);
    record_store_resume(watch->records);
}

static void on_lost(void *arg, const struct why *why)
{
    (void)arg;
    (void)why; /* the database door logs it */
}

static void on_notified(void *arg, const char *channel, const char *payload)
{
    (void)arg;
    (void)channel;
    (void)payload;
}

static const struct database_events database_events = { .connected = on_connected, .lost = on_lost,
    .notified = on_notified };

static void on_count(void *arg, struct node_numbers *numbers_r)
{
    const struct policy_watch *watch = arg;
    numbers_r->connections = watch->connection_count;
    numbers_r->transactions = relay_counts(watch->environment.relay).transactions;
    numbers_r->records_lost = policy_watch_records_lost(watch);
}

static void answer(struct policy_watch *watch, int64_t command, bool is_success, const char *text)
{
    if (node_report_answer(watch->report, command, is_success, text) != 0)
        log_event(watch->environment.scope, LOG_LEVEL_WARN, LOG_EVENT_RECORD_DELAYED,
            LOG_STRING("detail", "the result of a command could not be reported"));
}

/* What somebody at psql waits for. */
struct order {
    struct policy_watch *watch;
    int64_t command;
};

static struct order *order_new(struct policy_watch *watch, const struct node_command *command)
{
    struct order *order = malloc(sizeof(*order));
    if (order != NULL)
        *order = (struct order){ .watch = watch, .command = command->id };
    else
        answer(watch, command->id, false, "out of memory");
    return order;
}

static void on_explained(void *arg, bool is_success, const char *text)
{
    struct order *order = arg;
    answer(order->watch, order->command, is_success, text);
    free(order);
}

static void on_reloaded(void *arg, bool is_success, const char *text)
{
    struct order *order = arg;
    answer(order->watch, order->command, is_success, is_success ? "reloaded" : text);
    free(order);
}

static void order_reload(struct policy_watch *watch, const struct node_command *command)
{
    const struct policy_watch_environment *environment = &watch->environment;
    enum reload_mode mode = reload_mode_from_name(command->mode);
    if (mode == RELOAD_MODE_UNSET) {
        answer(watch, command->id, false, "this node does not know that mode");
        return;
    }
    struct order *order = order_new(watch, command);
    if (order == NULL || environment->reload(environment->arg, mode, on_reloaded, order) == 0)
        return;
    free(order);
    answer(watch, command->id, false, "out of memory");
}

static void order_explanation(struct policy_watch *watch, const struct node_command *command)
{
    struct order *order = order_new(watch, command);
    if (order != NULL)
        watch->environment.explain(watch->environment.arg, command->arguments, on_explained, order);
}

static void on_closed(void *arg, bool was_there)
{
    struct order *order = arg;
    answer(order->watch, order->command, was_there, was_there ? "closed" : "no such connection");
    free(order);
}

static void order_close(struct policy_watch *watch, const struct node_command *command)
{
    const struct policy_watch_environment *environment = &watch->environment;
    struct connection_handle handle;
    if (!connection_id_parse(command->connection, &handle)) {
        answer(watch, command->id, false, "no such connection");
        return;
    }
    struct order *order = order_new(watch, command);
    if (order == NULL)
        return;
    int rc = relay_close_connection(environment->relay, handle, environment->mailbox, on_closed, order);
    if (rc == 0)
        return;
    free(order);
    answer(watch, command->id, false, rc == ERROR_NOT_FOUND ? "no such connection" : "out of memory");
}

static void on_command(void *arg, const struct node_command *command)
{
    struct policy_watch *watch = arg;
    if (slice_equal(command->word, SLICE_LITERAL("tls-reload"))) {
        order_reload(watch, command);
    } else if (slice_equal(command->word, SLICE_LITERAL("explain"))) {
        order_explanation(watch, command);
    } else if (slice_equal(command->word, SLICE_LITERAL("close-connection"))) {
        order_close(watch, command);
    } else {
        answer(watch, command->id, false, "this node does not know that command");
    }
}

static void on_registered(void *arg)
{
    struct policy_watch *watch = arg;
    connection_store_resume(watch->connections);
}

static void on_displaced(void *arg)
{
    struct policy_watch *watch = arg;
    connection_store_hold(watch->connections);
}

static const struct node_report_events report_events = { .count = on_count, .command = on_command,
    .registered = on_registered, .displaced = on_displaced };

static void on_resync(void *arg)
{
    struct policy_watch *watch = arg;
    connection_mirror_forget(watch->mirror);
}

static void on_connections(void *arg, const struct relay_connection *connections, size_t count)
{
    struct policy_watch *watch = arg;
    watch->is_asking = false;
    watch->connection_count = (uint32_t)count;
    if (!watch->is_ending)
        connection_mirror_show(watch->mirror, watch->snapshot, loop_wall_s(watch->environment.loop), connections,
            count);
}

static void on_timer(void *arg)
{
    struct policy_watch *watch = arg;
    if (watch->is_asking)
        return;
    watch->is_asking = relay_list_connections(watch->environment.relay, watch->environment.mailbox, on_connections,
                           watch) == 0;
}

static int make_database(struct policy_watch *watch, struct why *why)
{
    const struct options *options = watch->environment.options;
    struct database_settings settings = { .conninfo = options->database, .node = options->relay.node,
        .needs_writing = true };
    return database_new(watch->environment.loop, &settings, &database_events, watch, watch->environment.scope,
        &watch->database, why);
}

static int make_stores(struct policy_watch *watch)
{
    const struct policy_watch_environment *environment = &watch->environment;
    const struct options *options = environment->options;
    char host[256] = "";
    (void)gethostname(host, sizeof(host) - 1);
    struct node_report_settings report = { .node = options->relay.node, .version = PACKAGE_VERSION, .host = host };
    struct record_store_settings records = { .sql = record_copy_command(), .flush_ms = options->record_flush_ms,
        .backlog_bytes = (size_t)options->record_backlog_kib * 1024 };
    int rc = node_report_new(environment->loop, watch->database, &report, &report_events, watch, environment->scope,
        &watch->report);
    if (rc == 0)
        rc = record_store_new(environment->loop, watch->database, &records, environment->scope, &watch->records);
    if (rc == 0)
        rc = connection_store_new(environment->loop, watch->database, options->relay.node, watch->hash_seed, on_resync,
            watch, environment->scope, &watch->connections);
    if (rc == 0)
        rc = connection_mirror_new(watch->connections, watch->hash_seed, &watch->mirror);
    return rc;
}

static int make_loader(struct policy_watch *watch, struct why *why)
{
    const struct options *options = watch->environment.options;
    struct policy_loader_settings settings = { .conninfo = options->database, .node = options->relay.node,
        .poll_every_ms = options->poll_s * 1000, .hash_seed = watch->hash_seed };
    return policy_loader_new(watch->environment.loop, &settings, &loader_events, watch, watch->environment.scope,
        &watch->loader, why);
}

int policy_watch_new(const struct policy_watch_environment *environment, struct policy_watch **watch_r,
    struct why *why)
{
    struct policy_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory for the policy");
    watch->environment = *environment;
    loop_timer_init(&watch->timer, on_timer, watch);
    int rc = random_bytes(&watch->hash_seed, sizeof(watch->hash_seed));
    if (rc == 0)
        rc = policy_snapshot_empty(&watch->snapshot);
    if (rc == 0)
        rc = make_database(watch, why);
    if (rc == 0)
        rc = make_stores(watch);
    if (rc == 0)
        rc = make_loader(watch, why);
    if (rc != 0) {
        policy_watch_free(watch);
        return rc;
    }
    *watch_r = watch;
    return 0;
}

void policy_watch_free(struct policy_watch *watch)
{
    if (watch == NULL)
        return;
    watch->is_ending = true;
    loop_timer_stop(watch->environment.loop, &watch->timer);
    policy_loader_free(watch->loader);
    database_free(watch->database);
    connection_mirror_free(watch->mirror);
    connection_store_free(watch->connections);
    record_store_free(watch->records);
    node_report_free(watch->report);
    policy_snapshot_unref(watch->snapshot);
    free(watch);
}

void policy_watch_start(struct policy_watch *watch)
{
    database_start(watch->database);
    policy_loader_start(watch->loader);
    loop_timer_start_periodic(watch->environment.loop, &watch->timer, CONNECTIONS_EVERY_MS);
}

int policy_watch_reload(struct policy_watch *watch, policy_reload_fn *done, void *arg)
{
    return policy_loader_reload(watch->loader, done, arg);
}

int policy_watch_confirm(struct policy_watch *watch, policy_reload_fn *done, void *arg)
{
    return policy_loader_confirm(watch->loader, done, arg);
}

void policy_watch_stop(struct policy_watch *watch)
{
    if (watch != NULL)
        policy_loader_stop(watch->loader);
}

struct policy_snapshot *policy_watch_snapshot(const struct policy_watch *watch)
{
    return watch->snapshot;
}

uint64_t policy_watch_records_lost(const struct policy_watch *watch)
{
    struct record_counts counts = record_store_counts(watch->records);
    return relay_counts(watch->environment.relay).records_lost + counts.turned_away + counts.refused;
}

struct record_store *policy_watch_records(const struct policy_watch *watch)
{
    return watch->records;
}

struct database *policy_watch_database(const struct policy_watch *watch)
{
    return watch->database;
}
