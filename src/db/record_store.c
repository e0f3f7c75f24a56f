/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record_store.c - rows on their way into one table; see record_store.h.
 * Batches stand in a queue, one at a time is under way. A batch keeps its text until the server has it.
 */
#include "db/record_store.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

enum {
    FLUSH_MS = 200,
    RETRY_MS = 2000,
    BATCH_BYTES = 256 * 1024,
    BACKLOG_BYTES = 64 * 1024 * 1024,
};

struct batch {
    struct list_node node;
    struct buffer text;
    size_t rows;
};

struct record_store {
    struct loop *loop;
    struct database *database;
    struct log_scope scope;
    const char *sql;
    uint32_t flush_ms;
    size_t batch_bytes, backlog_bytes;
    struct list queue;      /* the last one is being filled, the others are full */
    struct batch *under_way;
    struct batch *spare;    /* an empty one with its memory, so that the next needs none; NULL: none */
    struct loop_timer flush, retry;
    struct record_counts counts;
};

static void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    buffer_free(&batch->text);
    free(batch);
}

static struct batch *batch_new(struct slice text)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return NULL;
    batch->text = BUFFER_EMPTY;
    buffer_append_slice(&batch->text, text);
    for (size_t at = 0; at < text.length; at++)
        batch->rows += text.data[at] == '\n';
    if (!batch->text.has_failed)
        return batch;
    batch_free(batch);
    return NULL;
}

/* It has been written. */
static void batch_done(struct record_store *store, struct batch *batch)
{
    if (store->spare != NULL || batch->text.capacity > store->batch_bytes) {
        batch_free(batch);
        return;
    }
    buffer_clear(&batch->text);
    batch->rows = 0;
    store->spare = batch;
}

static void put_first(struct record_store *store, struct batch *batch)
{
    struct list_node *first = &store->queue.head;
    batch->node.previous = first;
    batch->node.next = first->next;
    first->next->previous = &batch->node;
    first->next = &batch->node;
}

static void send_next(struct record_store *store);

/* The batch again, in two; a single row that is at fault is told and dropped. */
static void split(struct record_store *store, struct batch *batch, const struct database_error *error)
{
    struct slice text = buffer_slice(&batch->text);
    if (batch->rows <= 1) {
        store->counts.refused += batch->rows;
        store->counts.waiting -= batch->rows;
        store->counts.waiting_bytes -= text.length;
        log_event(&store->scope, LOG_LEVEL_ERROR, LOG_EVENT_RECORD_REFUSED, LOG_STRING("sqlstate", error->sqlstate),
            LOG_WHY(&error->why));
        batch_free(batch);
        return;
    }
    size_t middle = 0;
    for (size_t rows = 0; rows < batch->rows / 2; middle++)
        rows += text.data[middle] == '\n';
    struct batch *head = batch_new(slice_first(text, middle)), *tail = batch_new(slice_from(text, middle));
    if (head == NULL || tail == NULL) {
        batch_free(head);
        batch_free(tail);
        put_first(store, batch); /* whole, and later */
        loop_timer_start(store->loop, &store->retry, RETRY_MS);
        return;
    }
    put_first(store, tail);
    put_first(store, head);
    batch_free(batch);
}

static void on_written(void *arg, const struct database_error *error)
{
    struct record_store *store = arg;
    struct batch *batch = store->under_way;
    store->under_way = NULL;
    if (error == NULL) {
        store->counts.written += batch->rows;
        store->counts.waiting -= batch->rows;
        store->counts.waiting_bytes -= batch->text.length;
        batch_done(store, batch);
    } else if (database_error_is_in_data(error)) {
        split(store, batch, error);
    } else {
        put_first(store, batch);
        if (error->code == ERROR_CLOSED)
            return; /* record_store_resume() goes on */
        log_event(&store->scope, LOG_LEVEL_WARN, LOG_EVENT_RECORD_DELAYED, LOG_STRING("sqlstate", error->sqlstate),
            LOG_WHY(&error->why), LOG_UNSIGNED("waiting_bytes", store->counts.waiting_bytes));
        loop_timer_start(store->loop, &store->retry, RETRY_MS);
        return;
    }
    send_next(store);
}

static void send_next(struct record_store *store)
{
    if (store->under_way != NULL || !database_is_connected(store->database) || loop_timer_is_running(&store->retry))
        return;
    struct list_node *node = list_take_first(&store->queue);
    if (node == NULL)
        return;
    struct batch *batch = CONTAINER_OF(node, struct batch, node);
    if (database_copy(store->database, store->sql, buffer_slice(&batch->text), on_written, store) != 0) {
        put_first(store, batch);
        loop_timer_start(store->loop, &store->retry, RETRY_MS);
        return;
    }
    store->under_way = batch;
}

static void on_flush(void *arg)
{
    send_next(arg);
}

void record_store_flush(struct record_store *store)
{
    loop_timer_stop(store->loop, &store->flush);
    send_next(store);
}

void record_store_resume(struct record_store *store)
{
    loop_timer_stop(store->loop, &store->retry);
    send_next(store);
}

/* The batch being filled, with room for LENGTH bytes; a new one when there is none. */
static struct batch *batch_to_fill(struct record_store *store, size_t length)
{
    struct list_node *last = store->queue.head.previous;
    if (!list_is_empty(&store->queue)) {
        struct batch *batch = CONTAINER_OF(last, struct batch, node);
        if (batch->text.length + length <= store->batch_bytes)
            return batch;
    }
    struct batch *batch = store->spare != NULL ? store->spare : batch_new(slice_of("", 0));
    store->spare = NULL;
    if (batch != NULL)
        list_append(&store->queue, &batch->node);
    return batch;
}

int record_store_add(struct record_store *store, struct slice lines, size_t count)
{
    if (lines.length > store->backlog_bytes - store->counts.waiting_bytes) {
        store->counts.turned_away += count;
        return ERROR_LIMIT;
    }
    struct batch *batch = batch_to_fill(store, lines.length);
    if (batch == NULL || !buffer_reserve(&batch->text, lines.length)) {
        if (batch != NULL)
            batch->text.has_failed = false; /* what it holds is whole */
        store->counts.turned_away += count;
        return ERROR_MEMORY;
    }
    buffer_append_slice(&batch->text, lines);
    batch->rows += count;
    store->counts.waiting += count;
    store->counts.waiting_bytes += lines.length;
    if (batch->text.length >= store->batch_bytes || batch->node.previous != &store->queue.head)
        record_store_flush(store);
    else if (!loop_timer_is_running(&store->flush))
        loop_timer_start(store->loop, &store->flush, store->flush_ms);
    return 0;
}

struct record_counts record_store_counts(const struct record_store *store)
{
    return store->counts;
}

static void on_retry(void *arg)
{
    send_next(arg);
}

int record_store_new(struct loop *loop, struct database *database, const struct record_store_settings *settings,
    const struct log_scope *scope, struct record_store **store_r)
{
    struct record_store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return ERROR_MEMORY;
    store->loop = loop;
    store->database = database;
    log_scope_init_child(&store->scope, scope, NULL, NULL);
    store->sql = settings->sql;
    store->flush_ms = settings->flush_ms != 0 ? settings->flush_ms : FLUSH_MS;
    store->batch_bytes = settings->batch_bytes != 0 ? settings->batch_bytes : BATCH_BYTES;
    store->backlog_bytes = settings->backlog_bytes != 0 ? settings->backlog_bytes : BACKLOG_BYTES;
    list_init(&store->queue);
    loop_timer_init(&store->flush, on_flush, store);
    loop_timer_init(&store->retry, on_retry, store);
    *store_r = store;
    return 0;
}

void record_store_free(struct record_store *store)
{
    if (store == NULL)
        return;
    loop_timer_stop(store->loop, &store->flush);
    loop_timer_stop(store->loop, &store->retry);
    struct list_node *node;
    while ((node = list_take_first(&store->queue)) != NULL)
        batch_free(CONTAINER_OF(node, struct batch, node));
    batch_free(store->under_way);
    batch_free(store->spare);
    free(store);
}
