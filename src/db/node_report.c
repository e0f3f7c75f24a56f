/* SPDX-License-Identifier: GPL-2.0-or-later */
/* node_report.c - what this node tells the database about itself, and what it is told to do; see node_report.h. */
#include "db/node_report.h"

#include "base/error.h"
#include "base/integer.h"
#include "db/server_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEARTBEAT_MS = 5000, NUMBER_TEXT_SIZE = 24, PARTITION_EVERY_S = 3600 };

/* The result of a command, until the database has it: a command is done once and must not look open for ever. */
struct answer {
    struct list_node node;
    struct node_report *report;
    int64_t id;
    bool is_success, is_under_way;
    char text[]; /* with its NUL */
};

struct node_report {
    struct loop *loop;
    struct database *database;
    struct log_scope scope;
    struct node_report_events events;
    void *arg;
    char *node, *version, *host;
    uint32_t heartbeat_ms;
    int64_t started_at_us;
    struct loop_timer heartbeat;
    bool is_registered;   /* in this session, and no other process since */
    bool is_registering;
    bool must_take_over;  /* a session is new: the row becomes ours whoever has it */
    bool has_row;         /* what the registration under way says */
    bool is_displaced;    /* another process has the row */
    struct list answers;
    bool is_looking;      /* a query for commands is under way */
    bool must_look_again;
    int64_t last_command; /* the newest that was handed out */
    int64_t partitions_made_at_s;

    struct policy_snapshot *snapshot; /* NULL: none yet */
    int64_t policy_version, policy_generation, policy_loaded_at_s;
    struct buffer certificates; /* JSON, terminated */
};

static const char *number_text(int64_t number, char out[NUMBER_TEXT_SIZE])
{
    (void)snprintf(out, NUMBER_TEXT_SIZE, "%" PRId64, number);
    return out;
}

static void complain(struct node_report *report, const char *what, const struct database_error *error)
{
    if (error != NULL && error->code != ERROR_CLOSED)
        log_event(&report->scope, LOG_LEVEL_WARN, LOG_EVENT_RECORD_DELAYED, LOG_STRING("what", what),
            LOG_STRING("sqlstate", error->sqlstate), LOG_WHY(&error->why));
}

static void on_told(void *arg, const struct database_error *error)
{
    complain(arg, "report", error);
}

/* A command whose loss is made good by the next heartbeat or the next session. */
static void tell(struct node_report *report, const char *sql, const char *const *parameters, size_t count)
{
    const struct database_command command = { .sql = sql, .parameters = parameters, .parameter_count = count,
        .done = on_told, .arg = report };
    if (database_is_connected(report->database) && database_query(report->database, &command) != 0)
        log_event(&report->scope, LOG_LEVEL_WARN, LOG_EVENT_RECORD_DELAYED, LOG_STRING("what", "report"),
            LOG_STRING("why", "out of memory"));
}

static void append_problems(const struct policy_snapshot *snapshot, struct buffer *out)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < policy_snapshot_problem_count(snapshot); i++) {
        struct policy_problem problem = policy_snapshot_problem(snapshot, i);
        if (i > 0)
            buffer_append_byte(out, ',');
        struct json_object object = json_object_begin(out);
        json_text(&object, "table_name", slice_of_string(problem.kind));
        json_text(&object, "row_name", slice_of_string(problem.name));
        json_text(&object, "reason", slice_of_string(problem.text));
        json_object_end(&object);
    }
    buffer_append_byte(out, ']');
    buffer_append_byte(out, '\0');
}

static void tell_policy(struct node_report *report)
{
    if (report->snapshot == NULL || !report->is_registered)
        return;
    struct buffer problems = BUFFER_EMPTY;
    append_problems(report->snapshot, &problems);
    if (!problems.has_failed)
        tell(report, "SELECT trelay.report_problems($1, $2)", (const char *const[]){ report->node, problems.data }, 2);
    buffer_free(&problems);
    if (report->certificates.length > 0)
        tell(report, "SELECT trelay.report_certificates($1, $2)",
            (const char *const[]){ report->node, report->certificates.data }, 2);
}

static void register_node(struct node_report *report);

/* Somebody has deleted the row, or another process has taken it. */
static void on_heartbeat_rows(void *arg, const struct database_result *result)
{
    struct node_report *report = arg;
    if (database_row_count(result) > 0)
        return;
    report->is_registered = false;
    register_node(report);
}

/* Nodes of several versions work with one database: columns of others are left alone. */
static void tell_heartbeat(struct node_report *report)
{
    static const char sql[] =
        "UPDATE trelay.node SET seen_at = pg_catalog.clock_timestamp(), connections = $2::integer, "
        "transactions = $3::bigint, policy_version = $4::bigint, policy_generation = $5::bigint, "
        "policy_loaded_at = pg_catalog.to_timestamp($6::bigint), records_lost = $7::bigint "
        "WHERE name = $1 AND process_id = $8::integer AND started_at = $9::timestamptz RETURNING true";
    struct node_numbers numbers = { 0 };
    char connections[NUMBER_TEXT_SIZE], transactions[NUMBER_TEXT_SIZE], version[NUMBER_TEXT_SIZE],
        generation[NUMBER_TEXT_SIZE], loaded_at[NUMBER_TEXT_SIZE], lost[NUMBER_TEXT_SIZE],
        process[NUMBER_TEXT_SIZE], started_at[TIME_TEXT_SIZE];
    if (!time_print_us(report->started_at_us, started_at))
        return;
    report->events.count(report->arg, &numbers);
    bool has_policy = report->snapshot != NULL;
    const char *const parameters[] = { report->node,
        number_text(numbers.connections < INT32_MAX ? (int64_t)numbers.connections : INT32_MAX, connections),
        number_text(numbers.transactions < INT64_MAX ? (int64_t)numbers.transactions : INT64_MAX, transactions),
        has_policy ? number_text(report->policy_version, version) : NULL,
        has_policy ? number_text(report->policy_generation, generation) : NULL,
        has_policy ? number_text(report->policy_loaded_at_s, loaded_at) : NULL,
        number_text(numbers.records_lost < INT64_MAX ? (int64_t)numbers.records_lost : INT64_MAX, lost),
        number_text((int64_t)getpid(), process), started_at };
    const struct database_command command = { .sql = sql, .parameters = parameters,
        .parameter_count = ARRAY_SIZE(parameters), .rows = on_heartbeat_rows, .done = on_told, .arg = report };
    if (database_query(report->database, &command) != 0)
        log_event(&report->scope, LOG_LEVEL_WARN, LOG_EVENT_RECORD_DELAYED, LOG_STRING("what", "heartbeat"));
}

static void make_partitions(struct node_report *report)
{
    int64_t now_s = loop_wall_s(report->loop);
    if (report->partitions_made_at_s != 0 && now_s >= report->partitions_made_at_s &&
        now_s - report->partitions_made_at_s < PARTITION_EVERY_S)
        return;
    report->partitions_made_at_s = now_s;
    tell(report, "SELECT trelay.make_partition((pg_catalog.now() AT TIME ZONE 'UTC')::date + day) "
                 "FROM pg_catalog.generate_series(0, 1) AS day", NULL, 0);
}

static bool read_number(struct slice text, int64_t *number_r)
{
    uint64_t number;
    if (integer_parse(text, INT64_MAX, &number) != 0)
        return false;
    *number_r = (int64_t)number;
    return true;
}

static void on_commands(void *arg, const struct database_result *result)
{
    struct node_report *report = arg;
    for (size_t row = 0; row < database_row_count(result); row++) {
        struct node_command command = { .word = database_cell(result, row, 1), .mode = database_cell(result, row, 2),
            .connection = database_cell(result, row, 3), .arguments = database_cell(result, row, 4) };
        if (!read_number(database_cell(result, row, 0), &command.id) || command.id <= report->last_command)
            continue;
        report->last_command = command.id;
        report->events.command(report->arg, &command);
    }
}

static void on_commands_done(void *arg, const struct database_error *error)
{
    struct node_report *report = arg;
    report->is_looking = false;
    complain(report, "commands", error);
    if (error == NULL && report->must_look_again)
        node_report_look_for_commands(report);
}

void node_report_look_for_commands(struct node_report *report)
{
    static const char sql[] = "SELECT id, command, arguments ->> 'mode', arguments ->> 'id', arguments "
                              "FROM trelay.command "
                              "WHERE node = $1 AND id > $2::bigint AND done_at IS NULL "
                              "AND expires_at > pg_catalog.now() ORDER BY id";
    char last[NUMBER_TEXT_SIZE];
    report->must_look_again = report->is_looking;
    if (!report->is_registered || report->is_looking)
        return;
    const char *const parameters[] = { report->node, number_text(report->last_command, last) };
    const struct database_command command = { .sql = sql, .parameters = parameters, .parameter_count = 2,
        .rows = on_commands, .done = on_commands_done, .arg = report };
    report->is_looking = database_is_connected(report->database) && database_query(report->database, &command) == 0;
}

static void on_answered(void *arg, const struct database_error *error)
{
    struct answer *answer = arg;
    answer->is_under_way = false;
    complain(answer->report, "answer", error);
    if (error != NULL && error->code == ERROR_CLOSED)
        return; /* again in the next session */
    list_remove(&answer->node);
    free(answer);
}

static void send_answers(struct node_report *report)
{
    list_for_each (node, &report->answers) {
        struct answer *answer = CONTAINER_OF(node, struct answer, node);
        char number[NUMBER_TEXT_SIZE];
        const char *const parameters[] = { number_text(answer->id, number), answer->is_success ? "true" : "false",
            answer->text };
        const struct database_command command = { .sql = "SELECT trelay.finish_command($1::bigint, $2::boolean, $3)",
            .parameters = parameters, .parameter_count = 3, .done = on_answered, .arg = answer };
        if (!answer->is_under_way)
            answer->is_under_way =
                database_is_connected(report->database) && database_query(report->database, &command) == 0;
    }
}

int node_report_answer(struct node_report *report, int64_t id, bool is_success, const char *text)
{
    size_t size = strlen(text) + 1;
    struct answer *answer = calloc(1, sizeof(*answer) + size);
    if (answer == NULL)
        return ERROR_MEMORY;
    answer->report = report;
    answer->id = id;
    answer->is_success = is_success;
    memcpy(answer->text, text, size);
    list_append(&report->answers, &answer->node);
    send_answers(report);
    return 0;
}

static void on_heartbeat(void *arg)
{
    struct node_report *report = arg;
    if (!database_is_connected(report->database))
        return;
    if (!report->is_registered) {
        register_node(report);
        return;
    }
    tell_heartbeat(report);
    send_answers(report);
    make_partitions(report);
    node_report_look_for_commands(report);
}

/* Two processes of one name would take the row from each other for ever: who has lost it waits until the other one is
 * silent for as long as makes trelay.problem say that it is not seen. */
static void be_displaced(struct node_report *report)
{
    if (!report->is_displaced)
        log_event(&report->scope, LOG_LEVEL_WARN, LOG_EVENT_RECORD_DELAYED, LOG_STRING("what", "registration"),
            LOG_STRING("why", "another process is registered as this node"));
    report->is_displaced = true;
    report->events.displaced(report->arg);
}

static void on_registered_rows(void *arg, const struct database_result *result)
{
    struct node_report *report = arg;
    report->has_row = database_row_count(result) > 0;
}

static void on_registered(void *arg, const struct database_error *error)
{
    struct node_report *report = arg;
    report->is_registering = false;
    complain(report, "registration", error);
    if (error != NULL)
        return; /* not permitted, or no schema: the next heartbeat tries again */
    if (!report->has_row) {
        be_displaced(report);
        return;
    }
    report->must_take_over = report->is_displaced = false;
    report->is_registered = true;
    report->is_looking = false;
    report->partitions_made_at_s = 0;
    report->events.registered(report->arg);
    tell_policy(report);
    on_heartbeat(report);
}

static void register_node(struct node_report *report)
{
    static const char sql[] =
        "INSERT INTO trelay.node AS n (name, version, host, process_id, started_at, heartbeat_every) "
        "VALUES ($1, $2, $3, $4::integer, $5::timestamptz, $6::integer * interval '1 millisecond') "
        "ON CONFLICT (name) DO UPDATE SET version = EXCLUDED.version, host = EXCLUDED.host, "
        "process_id = EXCLUDED.process_id, "
        "started_at = EXCLUDED.started_at, heartbeat_every = EXCLUDED.heartbeat_every, "
        "seen_at = pg_catalog.clock_timestamp() "
        "WHERE $7::boolean OR n.seen_at < pg_catalog.clock_timestamp() - 4 * n.heartbeat_every "
        "OR (n.process_id = EXCLUDED.process_id AND n.started_at = EXCLUDED.started_at) RETURNING true";
    char process[NUMBER_TEXT_SIZE], started_at[TIME_TEXT_SIZE], heartbeat[NUMBER_TEXT_SIZE];
    if (report->is_registering || !time_print_us(report->started_at_us, started_at))
        return;
    const char *const parameters[] = { report->node, report->version, report->host,
        number_text((int64_t)getpid(), process), started_at, number_text(report->heartbeat_ms, heartbeat),
        report->must_take_over ? "true" : "false" };
    const struct database_command command = { .sql = sql, .parameters = parameters,
        .parameter_count = ARRAY_SIZE(parameters), .rows = on_registered_rows, .done = on_registered, .arg = report };
    report->has_row = false;
    report->is_registering = database_query(report->database, &command) == 0;
}

void node_report_resume(struct node_report *report)
{
    report->is_registered = false;
    report->must_take_over = true;
    register_node(report);
}

int node_report_policy(struct node_report *report, struct policy_snapshot *snapshot, int64_t policy_version,
    struct slice certificates)
{
    struct buffer kept = BUFFER_EMPTY;
    buffer_append_slice(&kept, certificates);
    buffer_append_byte(&kept, '\0');
    if (kept.has_failed) {
        buffer_free(&kept);
        return ERROR_MEMORY;
    }
    buffer_free(&report->certificates);
    report->certificates = kept;
    policy_snapshot_unref(report->snapshot);
    report->snapshot = policy_snapshot_ref(snapshot);
    report->policy_version = policy_version;
    report->policy_generation = (int64_t)policy_snapshot_generation(snapshot);
    report->policy_loaded_at_s = policy_snapshot_loaded_at(snapshot);
    tell_policy(report);
    on_heartbeat(report);
    return 0;
}

void node_report_policy_confirmed(struct node_report *report, int64_t policy_version, int64_t at_s)
{
    bool is_new = policy_version != report->policy_version;
    report->policy_version = policy_version;
    report->policy_loaded_at_s = at_s;
    if (is_new)
        on_heartbeat(report);
}

int node_report_new(struct loop *loop, struct database *database, const struct node_report_settings *settings,
    const struct node_report_events *events, void *arg, const struct log_scope *scope, struct node_report **report_r)
{
    struct node_report *report = calloc(1, sizeof(*report));
    if (report == NULL)
        return ERROR_MEMORY;
    report->loop = loop;
    report->database = database;
    report->events = *events;
    report->arg = arg;
    log_scope_init_child(&report->scope, scope, NULL, NULL);
    list_init(&report->answers);
    report->certificates = BUFFER_EMPTY;
    report->heartbeat_ms = settings->heartbeat_ms != 0 ? settings->heartbeat_ms : HEARTBEAT_MS;
    report->started_at_us = loop_wall_us(loop);
    loop_timer_init(&report->heartbeat, on_heartbeat, report);
    report->node = strdup(settings->node);
    report->version = strdup(settings->version);
    report->host = strdup(settings->host);
    if (report->node == NULL || report->version == NULL || report->host == NULL) {
        node_report_free(report);
        return ERROR_MEMORY;
    }
    loop_timer_start_periodic(loop, &report->heartbeat, report->heartbeat_ms);
    *report_r = report;
    return 0;
}

void node_report_free(struct node_report *report)
{
    if (report == NULL)
        return;
    loop_timer_stop(report->loop, &report->heartbeat);
    struct list_node *node;
    while ((node = list_take_first(&report->answers)) != NULL)
        free(CONTAINER_OF(node, struct answer, node));
    policy_snapshot_unref(report->snapshot);
    buffer_free(&report->certificates);
    free(report->node);
    free(report->version);
    free(report->host);
    free(report);
}
