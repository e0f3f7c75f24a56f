/* SPDX-License-Identifier: GPL-2.0-or-later */
/* database_private.h - the inside of a database connection: database.c has commands, database_session.c how it is made.
 * The watch is freed before every call of libpq that may close or replace the descriptor.
 */
#ifndef TRELAY_DB_DATABASE_PRIVATE_H
#define TRELAY_DB_DATABASE_PRIVATE_H

#include "base/list.h"
#include "db/database.h"

#include <libpq-fe.h>

enum session_state {
    SESSION_NONE = 0,   /* not started */
    SESSION_PAUSED,     /* between two attempts */
    SESSION_CONNECTING, /* libpq's own steps */
    SESSION_PREPARING,  /* our first commands */
    SESSION_READY,
};

struct command {
    struct list_node node;
    const char *sql;
    char *parameters[DATABASE_PARAMETERS_MAX];
    size_t parameter_count;
    bool is_copy, is_streamed;
    struct slice copy_text; /* borrowed until it is done */
    size_t copy_sent;
    bool is_copying, is_copy_ended; /* the server takes lines; the last one was handed over */
    bool has_failed;
    struct database_error error;
    database_rows_fn *rows;
    database_done_fn *done;
    void *arg;
};

struct database {
    struct loop *loop;
    struct log_scope scope;
    struct database_events events;
    void *arg;

    char *conninfo, *application_name;
    char **channels;
    size_t channel_count;
    bool needs_writing;
    uint32_t connect_timeout_ms, command_timeout_ms, reconnect_min_ms, reconnect_max_ms;

    enum session_state state;
    PGconn *connection;
    struct loop_watch *watch;
    struct loop_timer pause;    /* until the next attempt */
    struct loop_timer patience; /* for connecting, and for an answer */
    struct loop_timer go_on;    /* the rest of a long answer, in the next turn */
    uint32_t pause_ms;
    unsigned host_offset;       /* an attempt begins with this host of the conninfo: the ones ahead did not answer */
    size_t unlistened;          /* channels whose LISTEN has not been answered yet, in PREPARING */
    struct why last_failure;    /* as logged, so that the same is not logged at every attempt */

    struct list commands;    /* waiting */
    struct command *current; /* sent */
};

/* database_session.c */
void session_start(struct database *database);
/* Ends the session, tells its commands and the owner, tries again after a pause. */
void session_lose(struct database *database, const char *text);
void session_close(struct database *database);
/* (Re)makes the watch for the connection's present descriptor. False when that is not possible. */
bool session_watch(struct database *database, unsigned events);

/* database.c */
int command_add(struct database *database, const struct database_command *command, struct slice copy_text);
void command_fail_all(struct database *database, const char *text);
/* Sends what waits, takes what has come. */
void command_work(struct database *database);
void command_on_ready(void *arg, unsigned events);

/* The first line of libpq's message, without "ERROR: " and the end of line. */
void first_line(const char *message, struct why *why_r);

#endif
