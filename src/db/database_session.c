/* SPDX-License-Identifier: GPL-2.0-or-later */
/* database_session.c - how a connection to PostgreSQL is made, prepared, lost and made again; see database.h. */
#include "base/buffer.h"
#include "base/error.h"
#include "db/database_private.h"

#include <stdlib.h>
#include <string.h>

static void forget_watch(struct database *database)
{
    loop_watch_free(database->watch);
    database->watch = NULL;
}

void session_close(struct database *database)
{
    loop_timer_stop(database->loop, &database->patience);
    loop_timer_stop(database->loop, &database->go_on);
    loop_timer_stop(database->loop, &database->pause);
    forget_watch(database);
    PQfinish(database->connection);
    database->connection = NULL;
}

/* The same failure, attempt after attempt, is one line of the log. */
static void log_failure(struct database *database, const struct why *why)
{
    bool is_new = strcmp(database->last_failure.text, why->text) != 0;
    database->last_failure = *why;
    log_event(&database->scope, is_new ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, LOG_EVENT_DATABASE_LOST, LOG_WHY(why),
        LOG_UNSIGNED("retry_ms", database->pause_ms));
}

void session_lose(struct database *database, const char *text)
{
    struct why why = WHY_NONE;
    first_line(text, &why);
    session_close(database);
    database->state = SESSION_PAUSED;
    if (database->pause_ms == 0)
        database->pause_ms = database->reconnect_min_ms;
    log_failure(database, &why);
    loop_timer_start(database->loop, &database->pause, database->pause_ms);
    database->pause_ms =
        database->pause_ms < database->reconnect_max_ms / 2 ? database->pause_ms * 2 : database->reconnect_max_ms;
    command_fail_all(database, why.text);
    database->events.lost(database->arg, &why);
}

bool session_watch(struct database *database, unsigned events)
{
    if (database->watch == NULL &&
        loop_watch_new(database->loop, PQsocket(database->connection), command_on_ready, database,
            &database->watch) != 0)
        return false;
    return loop_watch_want(database->watch, events) == 0;
}

static void become_ready(struct database *database)
{
    database->state = SESSION_READY;
    database->pause_ms = 0;
    database->host_offset = 0;
    database->last_failure = WHY_NONE;
    log_event(&database->scope, LOG_LEVEL_INFO, LOG_EVENT_DATABASE_CONNECTED,
        LOG_STRING("host", PQhost(database->connection)), LOG_STRING("port", PQport(database->connection)),
        LOG_STRING("database", PQdb(database->connection)), LOG_STRING("role", PQuser(database->connection)));
    database->events.connected(database->arg);
}

static void on_prepared(void *arg, const struct database_error *error)
{
    struct database *database = arg;
    if (error == NULL || error->code == ERROR_CLOSED)
        return;
    session_lose(database, error->why.text);
}

/* A standby takes no LISTEN: polling alone then finds changes. */
static void on_listening(void *arg, const struct database_error *error)
{
    struct database *database = arg;
    if (error != NULL && error->code == ERROR_CLOSED)
        return;
    if (error != NULL)
        log_event(&database->scope, LOG_LEVEL_WARN, LOG_EVENT_DATABASE_CONNECTED,
            LOG_STRING("problem", "no notifications from this server, changes are found by polling alone"),
            LOG_WHY(&error->why));
    if (--database->unlistened == 0)
        become_ready(database);
}

static bool add_listen(struct database *database, const char *sql)
{
    struct database_command command = { .sql = sql, .done = on_listening, .arg = database };
    return command_add(database, &command, SLICE_ABSENT) == 0;
}

static void prepare(struct database *database)
{
    static const char settings[] = "SELECT pg_catalog.set_config('search_path', '', false), "
                                   "pg_catalog.set_config('datestyle', 'ISO', false), "
                                   "pg_catalog.set_config('timezone', 'UTC', false), "
                                   "pg_catalog.set_config('bytea_output', 'hex', false)";
    struct database_command command = { .sql = settings, .done = on_prepared, .arg = database };
    database->state = SESSION_PREPARING;
    /* The last command of the preparation ends it, whether there are channels or not. */
    database->unlistened = database->channel_count + 1;
    bool is_added = command_add(database, &command, SLICE_ABSENT) == 0;
    for (size_t i = 0; is_added && i < database->channel_count; i++)
        is_added = add_listen(database, database->channels[i]);
    if (!is_added || !add_listen(database, "SELECT 1"))
        session_lose(database, "out of memory");
    else
        command_work(database);
}

/* One of libpq's steps: what it waits for next, until the connection stands or has failed. */
static void connect_step(struct database *database)
{
    forget_watch(database); /* the step may close the descriptor and open another one */
    switch (PQconnectPoll(database->connection)) {
    case PGRES_POLLING_READING:
        if (!session_watch(database, LOOP_READABLE))
            session_lose(database, "the connection cannot be watched");
        return;
    case PGRES_POLLING_WRITING:
        if (!session_watch(database, LOOP_WRITABLE))
            session_lose(database, "the connection cannot be watched");
        return;
    case PGRES_POLLING_OK:
        loop_timer_stop(database->loop, &database->patience);
        if (PQsetnonblocking(database->connection, 1) != 0)
            session_lose(database, PQerrorMessage(database->connection));
        else
            prepare(database);
        return;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
        break;
    }
    session_lose(database, PQerrorMessage(database->connection));
}

void command_on_ready(void *arg, unsigned events)
{
    struct database *database = arg;
    if (database->state == SESSION_CONNECTING) {
        connect_step(database);
        return;
    }
    /* libpq may close the descriptor when reading fails; what remains of the watch is freed right after. */
    if ((events & LOOP_READABLE) != 0) {
        if (PQconsumeInput(database->connection) == 0) {
            session_lose(database, PQerrorMessage(database->connection));
            return;
        }
        if (database->current != NULL)
            loop_timer_start(database->loop, &database->patience, database->command_timeout_ms);
    }
    command_work(database);
}

/* What the session should be made with, beyond the conninfo. */
struct attempt {
    char *host, *hostaddr, *port; /* in another order than the conninfo's; NULL: as there */
    bool wants_primary;
};

/* "a,b,c" beginning with its element OFFSET; NULL for lists of one, and without memory (then the old order serves). */
static char *rotate(const char *list, unsigned offset)
{
    size_t count = 1, length = strlen(list);
    for (const char *comma = strchr(list, ','); comma != NULL; comma = strchr(comma + 1, ','))
        count++;
    if (count == 1 || offset % count == 0)
        return NULL;
    const char *start = list;
    for (size_t i = 0; i < offset % count; i++)
        start = strchr(start, ',') + 1;
    struct buffer rotated = BUFFER_EMPTY;
    buffer_append(&rotated, start, length - (size_t)(start - list));
    buffer_append_byte(&rotated, ',');
    buffer_append(&rotated, list, (size_t)(start - list) - 1);
    buffer_append_byte(&rotated, '\0');
    if (!rotated.has_failed)
        return rotated.data;
    buffer_free(&rotated);
    return NULL;
}

static void plan_attempt(const struct database *database, struct attempt *attempt_r)
{
    struct attempt attempt = { .wants_primary = database->needs_writing };
    PQconninfoOption *options = PQconninfoParse(database->conninfo, NULL);
    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
        if (option->val == NULL)
            continue;
        if (strcmp(option->keyword, "host") == 0)
            attempt.host = rotate(option->val, database->host_offset);
        else if (strcmp(option->keyword, "hostaddr") == 0)
            attempt.hostaddr = rotate(option->val, database->host_offset);
        else if (strcmp(option->keyword, "port") == 0)
            attempt.port = rotate(option->val, database->host_offset);
        else if (strcmp(option->keyword, "target_session_attrs") == 0)
            attempt.wants_primary = false;
    }
    PQconninfoFree(options);
    *attempt_r = attempt;
}

/* Our defaults stand ahead of the conninfo, which goes over them; what must hold stands behind it. NULL and "" are
 * passed over by libpq. */
static PGconn *begin_connecting(const struct database *database)
{
    struct attempt attempt;
    plan_attempt(database, &attempt);
    const char *const keywords[] = { "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
        "dbname", "host", "hostaddr", "port", "application_name", "client_encoding", "target_session_attrs", NULL };
    const char *const values[] = { "10", "5", "3", "30000", database->conninfo, attempt.host, attempt.hostaddr,
        attempt.port, database->application_name, "UTF8", attempt.wants_primary ? "read-write" : NULL, NULL };
    PGconn *connection = PQconnectStartParams(keywords, values, 1);
    free(attempt.host);
    free(attempt.hostaddr);
    free(attempt.port);
    return connection;
}

/* Notices are the server's small talk; what fails is an error. */
static void ignore_notice(void *arg UNUSED, const PGresult *result UNUSED)
{
}

/* Made anew for every attempt, so that password and service files are read anew, too. */
void session_start(struct database *database)
{
    database->state = SESSION_CONNECTING;
    database->connection = begin_connecting(database);
    if (database->connection == NULL) {
        session_lose(database, "out of memory");
        return;
    }
    if (PQstatus(database->connection) == CONNECTION_BAD) {
        session_lose(database, PQerrorMessage(database->connection));
        return;
    }
    PQsetNoticeReceiver(database->connection, ignore_notice, NULL);
    loop_timer_start(database->loop, &database->patience, database->connect_timeout_ms);
    /* libpq's word: begin as if PQconnectPoll() had asked to write. */
    if (!session_watch(database, LOOP_WRITABLE))
        session_lose(database, "the connection cannot be watched");
}
