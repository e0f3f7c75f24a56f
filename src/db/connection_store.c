/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_store.c - the table trelay.connection; see connection_store.h. */
#include "db/connection_store.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/table.h"
#include "db/server_text.h"

#include <stdlib.h>
#include <string.h>

enum { FLUSH_MS = 1000, CHANGES_PER_COMMAND = 1000 };

/* What is to be written about one connection. */
struct change {
    struct table_node node;
    struct list_node order;
    struct buffer id;
    struct buffer json; /* empty: the connection is gone */
};

struct connection_store {
    struct loop *loop;
    struct database *database;
    struct log_scope scope;
    char *node;
    uint64_t seed;
    connection_resync_fn *resync;
    void *arg;
    struct table changes;
    struct list order; /* the same, the oldest first */
    bool is_under_way, is_behind; /* is_behind: what the table has of this node is worth nothing */
    bool is_held;
    struct loop_timer flush;
};

static void change_free(struct change *change)
{
    buffer_free(&change->id);
    buffer_free(&change->json);
    free(change);
}

static struct change *take_change(struct connection_store *store)
{
    struct list_node *node = list_take_first(&store->order);
    if (node == NULL)
        return NULL;
    struct change *change = CONTAINER_OF(node, struct change, order);
    table_remove(&store->changes, &change->node);
    return change;
}

static void forget_changes(struct connection_store *store)
{
    struct change *change;
    while ((change = take_change(store)) != NULL)
        change_free(change);
}

static struct change *find_change(struct connection_store *store, struct slice id)
{
    struct table_node *node = table_first(&store->changes, hash_bytes(id.data, id.length, store->seed));
    for (; node != NULL; node = table_next(node)) {
        struct change *change = CONTAINER_OF(node, struct change, node);
        if (slice_equal(buffer_slice(&change->id), id))
            return change;
    }
    return NULL;
}

static struct change *add_change(struct connection_store *store, struct slice id)
{
    struct change *change = calloc(1, sizeof(*change));
    if (change == NULL)
        return NULL;
    change->id = BUFFER_EMPTY;
    change->json = BUFFER_EMPTY;
    buffer_append_slice(&change->id, id);
    if (change->id.has_failed) {
        change_free(change);
        return NULL;
    }
    table_insert(&store->changes, &change->node, hash_bytes(id.data, id.length, store->seed));
    list_append(&store->order, &change->order);
    return change;
}

/* JSON is taken over. */
static int note_change(struct connection_store *store, struct slice id, struct buffer *json)
{
    /* Without a session nothing is kept: when there is one, everything is asked for again. */
    if (!database_is_connected(store->database) || store->is_behind || store->is_held) {
        store->is_behind = true;
        buffer_free(json);
        return 0;
    }
    struct change *change = json->has_failed ? NULL : find_change(store, id);
    if (change == NULL && !json->has_failed)
        change = add_change(store, id);
    if (change == NULL) {
        buffer_free(json);
        return ERROR_MEMORY;
    }
    buffer_free(&change->json);
    change->json = *json;
    if (!loop_timer_is_running(&store->flush))
        loop_timer_start(store->loop, &store->flush, FLUSH_MS);
    return 0;
}

static void put_peer(struct json_object *object, const struct connection_row *row)
{
    json_text(object, "peer_subject", row->peer_subject);
    json_text(object, "peer_issuer", row->peer_issuer);
    json_texts(object, "peer_sans", row->peer_sans, row->peer_san_count);
    json_text(object, "peer_serial", row->peer_serial);
    json_text(object, "peer_sha256", row->peer_sha256);
    json_time_us(object, "peer_not_before", row->peer_not_before_us);
    json_time_us(object, "peer_not_after", row->peer_not_after_us);
}

static void put_endpoint(struct json_object *object, const char *address, const char *port,
    const struct endpoint *endpoint)
{
    json_address(object, address, &endpoint->address);
    if (endpoint->port != 0)
        json_number(object, port, endpoint->port);
}

static void put_times(struct json_object *object, const struct connection_row *row)
{
    json_time_us(object, "opened_at", row->opened_at_us);
    json_time_us(object, "verified_at", row->verified_at_us);
    json_time_us(object, "expires_at", row->expires_at_us);
    json_time_us(object, "last_used_at", row->last_used_at_us);
    json_number(object, "requests", row->requests < INT64_MAX ? (int64_t)row->requests : INT64_MAX);
    json_number(object, "in_flight", row->in_flight < INT32_MAX ? (int64_t)row->in_flight : INT32_MAX);
}

int connection_store_put(struct connection_store *store, const struct connection_row *row)
{
    const struct {
        const char *name;
        struct slice text;
    } texts[] = { { "node", slice_of_string(store->node) }, { "id", row->id }, { "direction", row->direction },
        { "transport", row->transport }, { "state", row->state }, { "class", row->class_name },
        { "level", row->level }, { "expected_domain", row->expected_domain },
        { "verified_domain", row->verified_domain }, { "reason", row->reason }, { "policy", row->policy },
        { "peer", row->peer }, { "key_digest", row->key_digest }, { "certificate", row->certificate },
        { "certificate_sha256", row->certificate_sha256 }, { "sni", row->sni }, { "trust_set", row->trust_set },
        { "tls_version", row->tls_version }, { "cipher", row->cipher } };
    struct buffer json = BUFFER_EMPTY;
    struct json_object object = json_object_begin(&json);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        json_text(&object, texts[i].name, texts[i].text);
    put_endpoint(&object, "local_address", "local_port", &row->local);
    put_endpoint(&object, "remote_address", "remote_port", &row->remote);
    put_peer(&object, row);
    put_times(&object, row);
    json_object_end(&object);
    return note_change(store, row->id, &json);
}

int connection_store_remove(struct connection_store *store, struct slice id)
{
    struct buffer gone = BUFFER_EMPTY;
    return note_change(store, id, &gone);
}

size_t connection_store_waiting(const struct connection_store *store)
{
    return store->changes.count;
}

/* The table begins anew: what is waiting is dropped, because all that lives is put again. */
static void begin_anew(struct connection_store *store)
{
    store->is_behind = false;
    forget_changes(store);
    store->resync(store->arg);
}

static void on_emptied(void *arg, const struct database_error *error)
{
    struct connection_store *store = arg;
    store->is_under_way = false;
    if (error == NULL)
        begin_anew(store);
    else if (error->code != ERROR_CLOSED)
        loop_timer_start(store->loop, &store->flush, FLUSH_MS);
}

static void empty_table(struct connection_store *store)
{
    const char *const parameters[] = { store->node };
    const struct database_command command = { .sql = "DELETE FROM trelay.connection WHERE node = $1",
        .parameters = parameters, .parameter_count = 1, .done = on_emptied, .arg = store };
    store->is_under_way = database_query(store->database, &command) == 0;
}

static void on_synced(void *arg, const struct database_error *error)
{
    struct connection_store *store = arg;
    store->is_under_way = false;
    if (error != NULL) {
        /* What was sent is not kept, so that the whole part of the table is made anew. */
        store->is_behind = true;
        if (error->code == ERROR_CLOSED)
            return;
        log_event(&store->scope, LOG_LEVEL_WARN, LOG_EVENT_RECORD_DELAYED, LOG_STRING("table", "connection"),
            LOG_STRING("sqlstate", error->sqlstate), LOG_WHY(&error->why));
    }
    if ((store->is_behind || store->changes.count > 0) && !loop_timer_is_running(&store->flush))
        loop_timer_start(store->loop, &store->flush, FLUSH_MS);
}

/* Takes up to a command's worth of changes into two parameters. */
static void collect(struct connection_store *store, struct buffer *changed, struct buffer *gone)
{
    struct change *change;
    const char *separator = "";
    struct slice ids[CHANGES_PER_COMMAND];
    struct change *taken[CHANGES_PER_COMMAND];
    size_t gone_count = 0, count = 0;
    buffer_append_byte(changed, '[');
    while (count < CHANGES_PER_COMMAND && (change = take_change(store)) != NULL) {
        taken[count++] = change;
        if (change->json.length == 0) {
            ids[gone_count++] = buffer_slice(&change->id);
            continue;
        }
        buffer_append_string(changed, separator);
        buffer_append_slice(changed, buffer_slice(&change->json));
        separator = ",";
    }
    buffer_append_byte(changed, ']');
    buffer_append_byte(changed, '\0');
    array_append(gone, ids, gone_count);
    buffer_append_byte(gone, '\0');
    for (size_t i = 0; i < count; i++)
        change_free(taken[i]);
}

static void sync_changes(struct connection_store *store)
{
    struct buffer changed = BUFFER_EMPTY, gone = BUFFER_EMPTY;
    collect(store, &changed, &gone);
    const char *const parameters[] = { store->node, changed.data, gone.data };
    const struct database_command command = { .sql = "SELECT trelay.sync_connections($1, $2, $3)",
        .parameters = parameters, .parameter_count = 3, .done = on_synced, .arg = store };
    store->is_under_way =
        !changed.has_failed && !gone.has_failed && database_query(store->database, &command) == 0;
    if (!store->is_under_way) {
        store->is_behind = true;
        loop_timer_start(store->loop, &store->flush, FLUSH_MS);
    }
    buffer_free(&changed);
    buffer_free(&gone);
}

static void on_flush(void *arg)
{
    struct connection_store *store = arg;
    if (store->is_under_way || store->is_held || !database_is_connected(store->database))
        return; /* goes on when the answer is there, or the session */
    if (store->is_behind)
        empty_table(store);
    else if (store->changes.count > 0)
        sync_changes(store);
}

void connection_store_resume(struct connection_store *store)
{
    store->is_behind = true;
    store->is_held = false;
    on_flush(store);
}

void connection_store_hold(struct connection_store *store)
{
    store->is_held = store->is_behind = true;
    forget_changes(store);
}

int connection_store_new(struct loop *loop, struct database *database, const char *node, uint64_t hash_seed,
    connection_resync_fn *resync, void *arg, const struct log_scope *scope, struct connection_store **store_r)
{
    struct connection_store *store = calloc(1, sizeof(*store));
    if (store == NULL || table_init(&store->changes) != 0) {
        free(store);
        return ERROR_MEMORY;
    }
    list_init(&store->order);
    store->loop = loop;
    store->database = database;
    store->seed = hash_seed;
    store->resync = resync;
    store->arg = arg;
    log_scope_init_child(&store->scope, scope, NULL, NULL);
    loop_timer_init(&store->flush, on_flush, store);
    store->node = strdup(node);
    if (store->node == NULL) {
        connection_store_free(store);
        return ERROR_MEMORY;
    }
    *store_r = store;
    return 0;
}

void connection_store_free(struct connection_store *store)
{
    if (store == NULL)
        return;
    loop_timer_stop(store->loop, &store->flush);
    forget_changes(store);
    table_fini(&store->changes);
    free(store->node);
    free(store);
}
