/* SPDX-License-Identifier: GPL-2.0-or-later */
/* database.c - commands of a connection to PostgreSQL and their answers; see database.h. */
#include "db/database.h"

#include "base/error.h"
#include "db/database_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RESULTS_PER_TURN = 64,
    COPY_PIECE = 64 * 1024,
    CONNECT_TIMEOUT_MS = 10000,
    COMMAND_TIMEOUT_MS = 30000,
    RECONNECT_MIN_MS = 500,
    RECONNECT_MAX_MS = 30000,
};

void first_line(const char *message, struct why *why_r)
{
    static const char prefix[] = "ERROR:  ";
    if (message == NULL)
        message = "";
    if (strncmp(message, prefix, sizeof(prefix) - 1) == 0)
        message += sizeof(prefix) - 1;
    size_t length = strcspn(message, "\n");
    (void)why_fail(why_r, 0, "%.*s", length < INT_MAX ? (int)length : INT_MAX, message);
}

size_t database_row_count(const struct database_result *result)
{
    int count = PQntuples((const PGresult *)(const void *)result);
    return count > 0 ? (size_t)count : 0;
}

size_t database_column_count(const struct database_result *result)
{
    int count = PQnfields((const PGresult *)(const void *)result);
    return count > 0 ? (size_t)count : 0;
}

struct slice database_cell(const struct database_result *result, size_t row, size_t column)
{
    const PGresult *cells = (const PGresult *)(const void *)result;
    if (row >= database_row_count(result) || column >= database_column_count(result) ||
        PQgetisnull(cells, (int)row, (int)column) != 0)
        return SLICE_ABSENT;
    return slice_of(PQgetvalue(cells, (int)row, (int)column), (size_t)PQgetlength(cells, (int)row, (int)column));
}

bool database_error_is_in_data(const struct database_error *error)
{
    return error->code == ERROR_DATABASE &&
        (strncmp(error->sqlstate, "22", 2) == 0 || strncmp(error->sqlstate, "23", 2) == 0);
}

static void command_free(struct command *command)
{
    for (size_t i = 0; i < command->parameter_count; i++)
        free(command->parameters[i]);
    free(command);
}

int command_add(struct database *database, const struct database_command *command, struct slice copy_text)
{
    if (command->parameter_count > DATABASE_PARAMETERS_MAX)
        return ERROR_LIMIT;
    struct command *added = calloc(1, sizeof(*added));
    if (added == NULL)
        return ERROR_MEMORY;
    added->sql = command->sql;
    added->is_streamed = command->is_streamed;
    added->rows = command->rows;
    added->done = command->done;
    added->arg = command->arg;
    added->is_copy = !slice_is_absent(copy_text);
    added->copy_text = copy_text;
    added->parameter_count = command->parameter_count;
    for (size_t i = 0; i < command->parameter_count; i++) {
        if (command->parameters[i] == NULL)
            continue;
        added->parameters[i] = strdup(command->parameters[i]);
        if (added->parameters[i] == NULL) {
            command_free(added);
            return ERROR_MEMORY;
        }
    }
    list_append(&database->commands, &added->node);
    return 0;
}

static void command_finish(struct command *command, const struct database_error *error)
{
    if (command->done != NULL)
        command->done(command->arg, error);
    command_free(command);
}

void command_fail_all(struct database *database, const char *text)
{
    struct database_error error = { .code = ERROR_CLOSED };
    (void)why_fail(&error.why, 0, "%s", text);
    /* What a command's end adds is refused: there is no session any more. */
    struct list_node *node;
    struct command *current = database->current;
    database->current = NULL;
    if (current != NULL)
        command_finish(current, &error);
    while ((node = list_take_first(&database->commands)) != NULL)
        command_finish(CONTAINER_OF(node, struct command, node), &error);
}

/* The next command on its way, if there is one. False: the session is lost. */
static bool send_next(struct database *database)
{
    struct list_node *node = database->current == NULL ? list_take_first(&database->commands) : NULL;
    if (node == NULL)
        return true;
    struct command *command = CONTAINER_OF(node, struct command, node);
    database->current = command;
    loop_timer_start(database->loop, &database->patience, database->command_timeout_ms);
    if (PQsendQueryParams(database->connection, command->sql, (int)command->parameter_count, NULL,
            (const char *const *)command->parameters, NULL, NULL, 0) == 0)
        return false;
    return !command->is_streamed || PQsetSingleRowMode(database->connection) != 0;
}

/* Hands over as much as libpq takes now. False: the session is lost. */
static bool feed_copy(struct database *database, struct command *command)
{
    while (command->copy_sent < command->copy_text.length) {
        size_t piece = command->copy_text.length - command->copy_sent;
        if (piece > COPY_PIECE)
            piece = COPY_PIECE;
        int taken =
            PQputCopyData(database->connection, command->copy_text.data + command->copy_sent, (int)piece);
        if (taken <= 0)
            return taken == 0;
        command->copy_sent += piece;
    }
    if (!command->is_copy_ended) {
        int taken = PQputCopyEnd(database->connection, NULL);
        if (taken <= 0)
            return taken == 0;
        command->is_copy_ended = true;
    }
    return true;
}

static void note_error(struct command *command, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    if (command->has_failed)
        return; /* the first one says why */
    command->has_failed = true;
    command->error.code = ERROR_DATABASE;
    (void)snprintf(command->error.sqlstate, sizeof(command->error.sqlstate), "%s", sqlstate != NULL ? sqlstate : "");
    first_line(PQresultErrorMessage(result), &command->error.why);
    if (detail != NULL) {
        struct why primary = command->error.why;
        (void)why_fail(&command->error.why, 0, "%s (%s)", primary.text, detail);
    }
}

static void take_result(struct command *command, const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
        if (command->rows != NULL && !command->has_failed)
            command->rows(command->arg, (const struct database_result *)(const void *)result);
        return;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
    case PGRES_COPY_IN:
        return;
    default:
        note_error(command, result);
    }
}

static void finish_current(struct database *database)
{
    struct command *command = database->current;
    database->current = NULL;
    loop_timer_stop(database->loop, &database->patience);
    command_finish(command, command->has_failed ? &command->error : NULL);
}

/* One step of the current command. False: nothing more to be had now. */
static bool take_step(struct database *database, bool *is_lost_r)
{
    struct command *command = database->current;
    if (PQisBusy(database->connection) != 0)
        return false;
    PGresult *result = PQgetResult(database->connection);
    if (result == NULL) {
        finish_current(database);
        if (database->connection != NULL && !send_next(database))
            *is_lost_r = true;
        return database->connection != NULL && !*is_lost_r;
    }
    bool is_copy_in = PQresultStatus(result) == PGRES_COPY_IN;
    take_result(command, result);
    PQclear(result);
    if (is_copy_in) {
        command->is_copying = true;
        *is_lost_r = !command->is_copy || !feed_copy(database, command);
    }
    /* While the server waits for lines, asking for results gives the same answer again. */
    return !*is_lost_r && (!is_copy_in || command->is_copy_ended);
}

static void take_notifications(struct database *database)
{
    PGnotify *notification;
    while (database->connection != NULL && (notification = PQnotifies(database->connection)) != NULL) {
        if (database->state == SESSION_READY)
            database->events.notified(database->arg, notification->relname, notification->extra);
        PQfreemem(notification);
    }
}

void command_work(struct database *database)
{
    bool is_lost = false;
    unsigned steps = 0;
    if (database->connection == NULL)
        return;
    if (database->current == NULL)
        is_lost = !send_next(database);
    while (!is_lost && database->current != NULL && steps < RESULTS_PER_TURN && take_step(database, &is_lost))
        steps++;
    take_notifications(database);
    if (database->connection == NULL)
        return; /* one of the functions called above lost it */
    int flushed = is_lost ? -1 : PQflush(database->connection);
    if (flushed < 0) {
        session_lose(database, PQerrorMessage(database->connection));
        return;
    }
    bool is_paused = steps == RESULTS_PER_TURN;
    if (is_paused)
        loop_timer_start(database->loop, &database->go_on, 0);
    bool is_feeding = database->current != NULL && database->current->is_copying && !database->current->is_copy_ended;
    /* Not reading while there is a rest keeps the server's answer out of our memory. */
    if (!session_watch(database,
            (is_paused ? 0u : LOOP_READABLE) | (flushed > 0 || is_feeding ? LOOP_WRITABLE : 0u)))
        session_lose(database, "the connection cannot be watched");
}

static void on_go_on(void *arg)
{
    command_work(arg);
}

static void on_pause(void *arg)
{
    session_start(arg);
}

static void on_patience(void *arg)
{
    struct database *database = arg;
    if (database->state == SESSION_CONNECTING)
        database->host_offset++;
    session_lose(database,
        database->state == SESSION_CONNECTING ? "no connection in time" : "the server owes an answer for too long");
}

/* In the next turn, so that commands given one after the other go together. */
static void work_soon(struct database *database)
{
    if (database->current == NULL)
        loop_timer_start(database->loop, &database->go_on, 0);
}

int database_query_all(struct database *database, const struct database_command *commands, size_t count)
{
    if (database->state != SESSION_READY)
        return ERROR_STATE;
    for (size_t i = 0; i < count; i++) {
        int rc = command_add(database, &commands[i], SLICE_ABSENT);
        if (rc == 0)
            continue;
        for (; i > 0; i--) {
            struct list_node *last = database->commands.head.previous;
            list_remove(last);
            command_free(CONTAINER_OF(last, struct command, node));
        }
        return rc;
    }
    work_soon(database);
    return 0;
}

int database_query(struct database *database, const struct database_command *command)
{
    return database_query_all(database, command, 1);
}

int database_copy(struct database *database, const char *sql, struct slice text, database_done_fn *done, void *arg)
{
    struct database_command command = { .sql = sql, .done = done, .arg = arg };
    if (database->state != SESSION_READY)
        return ERROR_STATE;
    int rc = command_add(database, &command, text);
    if (rc == 0)
        work_soon(database);
    return rc;
}

bool database_is_connected(const struct database *database)
{
    return database->state == SESSION_READY;
}

void database_start(struct database *database)
{
    if (database->state == SESSION_NONE)
        loop_timer_start(database->loop, &database->pause, 0);
}

/* HEAD, TEXT and TAIL in one; NULL without memory. */
static char *join(const char *head, const char *text, const char *tail)
{
    char *joined;
    return asprintf(&joined, "%s%s%s", head, text, tail) >= 0 ? joined : NULL;
}

/* Channel names are ours and plain, so that quoting them is enough. */
static bool copy_channels(struct database *database, const struct database_settings *settings)
{
    database->channels = calloc(settings->channel_count + 1, sizeof(*database->channels));
    if (database->channels == NULL)
        return false;
    for (size_t i = 0; i < settings->channel_count; i++) {
        database->channels[i] = join("LISTEN \"", settings->channels[i], "\"");
        if (database->channels[i] == NULL)
            return false;
        database->channel_count++;
    }
    return true;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

int database_check_conninfo(const char *conninfo, struct why *why)
{
    char *problem = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &problem);
    if (options == NULL) {
        int rc = problem == NULL ? ERROR_MEMORY : ERROR_SYNTAX;
        struct why text = WHY_NONE;
        first_line(problem, &text);
        PQfreemem(problem);
        return why_fail(why, rc, "the connection string cannot be used: %s", text.text);
    }
    PQconninfoFree(options);
    return 0;
}

int database_new(struct loop *loop, const struct database_settings *settings, const struct database_events *events,
    void *arg, const struct log_scope *scope, struct database **database_r, struct why *why)
{
    int rc = database_check_conninfo(settings->conninfo, why);
    if (rc != 0)
        return rc;
    struct database *database = calloc(1, sizeof(*database));
    if (database == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory");
    database->loop = loop;
    database->events = *events;
    database->arg = arg;
    log_scope_init_child(&database->scope, scope, NULL, NULL);
    list_init(&database->commands);
    loop_timer_init(&database->pause, on_pause, database);
    loop_timer_init(&database->patience, on_patience, database);
    loop_timer_init(&database->go_on, on_go_on, database);
    database->needs_writing = settings->needs_writing;
    database->connect_timeout_ms = or_default(settings->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    database->command_timeout_ms = or_default(settings->command_timeout_ms, COMMAND_TIMEOUT_MS);
    database->reconnect_min_ms = or_default(settings->reconnect_min_ms, RECONNECT_MIN_MS);
    database->reconnect_max_ms = or_default(settings->reconnect_max_ms, RECONNECT_MAX_MS);
    database->conninfo = strdup(settings->conninfo);
    database->application_name = join("trelayd/", settings->node, "");
    if (database->conninfo == NULL || database->application_name == NULL || !copy_channels(database, settings)) {
        database_free(database);
        return why_fail(why, ERROR_MEMORY, "no memory");
    }
    *database_r = database;
    return 0;
}

void database_free(struct database *database)
{
    if (database == NULL)
        return;
    session_close(database);
    database->state = SESSION_NONE;
    command_fail_all(database, "the database connection is given up");
    for (size_t i = 0; i < database->channel_count; i++)
        free(database->channels[i]);
    free(database->channels);
    free(database->conninfo);
    free(database->application_name);
    free(database);
}
