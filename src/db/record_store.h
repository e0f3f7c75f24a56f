/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record_store.h - rows on their way into one table, in batches by COPY.
 * In:    lines made with db/server_text.h. Out: rows of the table, each at least once: a batch whose end was not
 *        heard because the connection broke is sent again.
 * Never: loses a row for another row's sake: a batch that the server refuses for its content is halved until the one
 *        bad row is alone; that one is told and dropped. Grows beyond its limit: then lines are refused, and the
 *        caller keeps them.
 */
#ifndef TRELAY_DB_RECORD_STORE_H
#define TRELAY_DB_RECORD_STORE_H

#include "base/attributes.h"
#include "base/slice.h"
#include "db/database.h"
#include "log/log.h"
#include "loop/loop.h"

#include <stddef.h>
#include <stdint.h>

struct record_store;

struct record_store_settings {
    const char *sql;        /* "COPY table (columns) FROM STDIN"; static */
    uint32_t flush_ms;      /* a line waits no longer than this (200) */
    size_t batch_bytes;     /* a batch is sent at once when it is this long (256 KiB) */
    size_t backlog_bytes;   /* more is not taken (64 MiB) */
};

int record_store_new(struct loop *loop, struct database *database, const struct record_store_settings *settings,
    const struct log_scope *scope, struct record_store **store_r) MUST_CHECK;

/* What is not written is lost. After database_free(), which gives back what is under way. NULL is allowed. */
void record_store_free(struct record_store *store);

/* COUNT whole lines; copied. ERROR_LIMIT: the backlog is full. ERROR_MEMORY. None is taken then. */
int record_store_add(struct record_store *store, struct slice lines, size_t count) MUST_CHECK;

/* The owner of the database tells that a session is ready. */
void record_store_resume(struct record_store *store);

/* Sends what waits, now. */
void record_store_flush(struct record_store *store);

struct record_counts {
    uint64_t written, refused; /* rows; refused: by the server, for their content */
    uint64_t turned_away;      /* lines that were not taken */
    uint64_t waiting;          /* rows not yet written, those under way included */
    size_t waiting_bytes;      /* of those */
};
struct record_counts record_store_counts(const struct record_store *store);

#endif
