/* SPDX-License-Identifier: GPL-2.0-or-later */
/* database.h - one connection to PostgreSQL that never blocks its loop and comes back by itself.
 * In:    a conninfo, channels to listen on, commands. Out: results and notifications, as calls on the loop's thread.
 * Never: waits inside a turn (but for host names in the conninfo, which libpq looks up itself: give hostaddr or a
 *        socket directory); keeps a command over a lost connection: it is told ERROR_CLOSED, and its owner knows
 *        whether to ask again.
 * Commands run one after the other in the order given. A session has an empty search_path and speaks UTF-8, UTC.
 */
#ifndef TRELAY_DB_DATABASE_H
#define TRELAY_DB_DATABASE_H

#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"
#include "log/log.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;

/* All text is copied. Times of 0 mean the default in parentheses. */
struct database_settings {
    const char *conninfo; /* libpq's: key words or URI, several hosts, target_session_attrs */
    const char *node;     /* application_name is trelayd/NODE */
    const char *const *channels; /* LISTEN; a standby refuses it: then there is polling alone */
    size_t channel_count;
    bool needs_writing;           /* with several hosts: the primary, unless the conninfo says otherwise */
    uint32_t connect_timeout_ms;  /* (10 s) for one attempt over all hosts */
    uint32_t command_timeout_ms;  /* (30 s) without a byte from the server while it owes an answer */
    uint32_t reconnect_min_ms;    /* (0.5 s) first pause after a failure; it doubles */
    uint32_t reconnect_max_ms;    /* (30 s) */
};

/* Called from the loop, never from within a call of this interface. None may free the database. */
struct database_events {
    void (*connected)(void *arg);                    /* the session is ready; commands are taken */
    void (*lost)(void *arg, const struct why *why);  /* it broke, or could not be made; tried again by itself */
    void (*notified)(void *arg, const char *channel, const char *payload);
};

/* 0; ERROR_SYNTAX: libpq cannot read it, WHY has its words; ERROR_MEMORY. */
int database_check_conninfo(const char *conninfo, struct why *why) MUST_CHECK;

int database_new(struct loop *loop, const struct database_settings *settings, const struct database_events *events,
    void *arg, const struct log_scope *scope, struct database **database_r, struct why *why) MUST_CHECK;

/* Begins to connect. */
void database_start(struct database *database);

/* Unfinished commands are told ERROR_CLOSED. Not from within an event or a command's function. NULL is allowed. */
void database_free(struct database *database);

bool database_is_connected(const struct database *database);

/* Rows of an answer; valid during the call that hands them over. */
struct database_result;
size_t database_row_count(const struct database_result *result);
size_t database_column_count(const struct database_result *result);
/* Absent for NULL; terminated by a NUL behind its end; absent, too, beyond the last row or column. */
struct slice database_cell(const struct database_result *result, size_t row, size_t column);

/* How a command failed. */
struct database_error {
    int code;         /* ERROR_DATABASE: the server refused it; ERROR_CLOSED: the connection broke, it may have run;
                         ERROR_MEMORY */
    char sqlstate[6]; /* of ERROR_DATABASE */
    struct why why;
};

/* SQLSTATE class 22 or 23: what was given is at fault, the same again will fail again. */
bool database_error_is_in_data(const struct database_error *error);

typedef void database_rows_fn(void *arg, const struct database_result *result);
typedef void database_done_fn(void *arg, const struct database_error *error); /* NULL: success */

/* SQL must outlive the command; parameters are copied. */
struct database_command {
    const char *sql;
    const char *const *parameters; /* text; NULL is SQL's NULL */
    size_t parameter_count;
    bool is_streamed;       /* rows come one by one and some hundred a turn, not all at the end */
    database_rows_fn *rows; /* NULL: rows are of no interest */
    database_done_fn *done; /* called once, and last; NULL: nobody cares */
    void *arg;
};

enum { DATABASE_PARAMETERS_MAX = 16 };

/* ERROR_STATE while there is no session; ERROR_LIMIT for too many parameters; ERROR_MEMORY. DONE is not called then. */
int database_query(struct database *database, const struct database_command *command) MUST_CHECK;

/* Several in a row, all or none: for transactions. */
int database_query_all(struct database *database, const struct database_command *commands, size_t count) MUST_CHECK;

/* "COPY table (columns) FROM STDIN" with text in PostgreSQL's format (db/server_text.h), which stays the caller's and
 * must not change before DONE. */
int database_copy(struct database *database, const char *sql, struct slice text, database_done_fn *done,
    void *arg) MUST_CHECK;

#endif
