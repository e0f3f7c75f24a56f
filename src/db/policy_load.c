/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_load.c - when the policy is read, and what becomes of a reading; see policy_load.h.
 * One reading (policy_reading.c) at a time. Who asks while one is under way gets another one after it. Likewise one
 * question for the mark at a time; it does not stand among the queries of a reading, which would answer of its past.
 */
#include "db/policy_load.h"

#include "base/error.h"
#include "base/list.h"
#include "db/policy_material.h"
#include "db/policy_reading.h"

#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 10000, DEBOUNCE_MS = 50, CHANNEL_COUNT = 2, HEAL_POLLS_MAX = 360 };

/* Somebody who waits for a reading. */
struct waiter {
    struct list_node node;
    policy_reload_fn *done;
    void *arg;
};

/* What fails once fails again at once: whoever waits for a reading does not make the database work for each request. */
enum { SPARED_MS = 1000 };

struct policy_loader {
    struct loop *loop;
    struct database *database;
    struct log_scope scope;
    struct policy_loader_events events;
    void *arg;
    struct policy_material *material;
    struct policy_reading *reading; /* NULL: none under way */
    uint64_t hash_seed, generation;
    uint8_t content[DIGEST_SIZE]; /* of the snapshot in force */
    bool has_content;
    struct policy_mark mark; /* the version in force */
    struct policy_mark seen; /* by the poll under way */
    int64_t confirmed_at_s;
    uint64_t spared_until_ms; /* a reading has failed: no question begins another one until then */
    uint32_t debounce_ms;
    struct loop_timer poll, debounce;
    bool is_wanted; /* another reading, after the one under way or when there is a session */
    bool is_polling;
    bool has_defects;    /* a certificate or trust set cannot be used, and a later reading may find that it can */
    unsigned heal_polls; /* polls without a change between two such readings; it doubles */
    unsigned polls_left; /* until the next one */
    struct list waiting; /* for the next reading */
    struct list served;  /* by the one under way */
    struct list unconfirmed; /* for the next question, or the reading that is ahead of it */
    struct list asked;       /* for the question under way */
    struct policy_mark found; /* by that */
    bool is_asking, is_stopped;
};

static void answer_waiters(struct list *waiters, bool is_success, const char *text)
{
    struct list_node *node;
    while ((node = list_take_first(waiters)) != NULL) {
        struct waiter *waiter = CONTAINER_OF(node, struct waiter, node);
        waiter->done(waiter->arg, is_success, text);
        free(waiter);
    }
}

static void want_reading(struct policy_loader *loader, uint32_t delay_ms)
{
    loader->is_wanted = true;
    if (loader->reading == NULL && database_is_connected(loader->database) &&
        !loop_timer_is_running(&loader->debounce))
        loop_timer_start(loader->loop, &loader->debounce, delay_ms);
}

/* What is in force is still the database's. */
static void confirm(struct policy_loader *loader, const struct policy_mark *mark, int64_t at_s)
{
    loader->mark = *mark;
    loader->confirmed_at_s = at_s;
    loader->events.confirmed(loader->arg, mark->version, loader->confirmed_at_s);
}

static void fail(struct policy_loader *loader, const struct why *why)
{
    log_event(&loader->scope, LOG_LEVEL_WARN, LOG_EVENT_POLICY_STALE, LOG_WHY(why),
        LOG_SIGNED("confirmed_at", loader->confirmed_at_s));
    loader->events.failed(loader->arg, why);
    loader->spared_until_ms = loop_now_ms(loader->loop) + SPARED_MS;
    answer_waiters(&loader->served, false, why->text);
}

static void move_all(struct list *from, struct list *to)
{
    while (!list_is_empty(from))
        list_append(to, list_take_first(from));
}

static void on_found(void *arg, const struct database_result *result)
{
    struct policy_loader *loader = arg;
    policy_mark_read(result, 0, &loader->found);
}

static void on_asked(void *arg, const struct database_error *error);

/* A reading that is wanted or under way comes first: it may be what they wait for. */
static void ask(struct policy_loader *loader)
{
    const struct database_command command = { .sql = policy_mark_query(), .rows = on_found, .done = on_asked,
        .arg = loader };
    if (!database_is_connected(loader->database) || loader->is_stopped) {
        answer_waiters(&loader->unconfirmed, false, "there is no session with the database");
        return;
    }
    if (list_is_empty(&loader->unconfirmed) || loader->is_asking || loader->is_wanted || loader->reading != NULL)
        return;
    move_all(&loader->unconfirmed, &loader->asked);
    loader->found = (struct policy_mark){ .version = 0 };
    loader->is_asking = database_query(loader->database, &command) == 0;
    if (!loader->is_asking)
        answer_waiters(&loader->asked, false, "no memory to ask the database");
}

static void on_asked(void *arg, const struct database_error *error)
{
    struct policy_loader *loader = arg;
    loader->is_asking = false;
    if (error != NULL) {
        answer_waiters(&loader->asked, false, error->why.text);
    } else if (loader->reading != NULL) {
        move_all(&loader->asked, &loader->served); /* it began behind the question */
    } else if (loader->has_content && policy_mark_equal(&loader->found, &loader->mark)) {
        confirm(loader, &loader->found, loop_wall_s(loader->loop));
        answer_waiters(&loader->asked, true, "");
    } else if (loop_now_ms(loader->loop) < loader->spared_until_ms) {
        answer_waiters(&loader->asked, false, "there is a later policy, which could not be read a moment ago");
    } else {
        move_all(&loader->asked, &loader->unconfirmed);
        want_reading(loader, 0);
    }
    ask(loader);
}

static void log_problems(struct policy_loader *loader, const struct policy_snapshot *snapshot)
{
    for (size_t i = 0; i < policy_snapshot_problem_count(snapshot); i++) {
        struct policy_problem problem = policy_snapshot_problem(snapshot, i);
        log_event(&loader->scope, LOG_LEVEL_WARN, LOG_EVENT_POLICY_PROBLEM, LOG_STRING("table", problem.kind),
            LOG_STRING("row", problem.name), LOG_STRING("detail", problem.text));
    }
}

static int publish(struct policy_loader *loader, const struct policy_reading_result *result, struct why *why)
{
    struct policy_snapshot *snapshot;
    int rc = policy_builder_finish(result->builder, loader->generation + 1, result->read_at_s, &snapshot, why);
    if (rc != 0)
        return rc;
    loader->generation++;
    loader->confirmed_at_s = result->read_at_s;
    loader->mark = result->mark;
    memcpy(loader->content, result->content, DIGEST_SIZE);
    loader->has_content = true;
    loader->heal_polls = loader->polls_left = 1;
    struct policy_counts counts = policy_snapshot_counts(snapshot);
    log_event(&loader->scope, LOG_LEVEL_INFO, LOG_EVENT_POLICY_LOADED, LOG_UNSIGNED("generation", loader->generation),
        LOG_SIGNED("version", result->mark.version), LOG_UNSIGNED("outbound", counts.outbound),
        LOG_UNSIGNED("peers", counts.peers), LOG_UNSIGNED("routes", counts.routes),
        LOG_UNSIGNED("profiles", counts.server_profiles), LOG_UNSIGNED("certificates", counts.credentials),
        LOG_UNSIGNED("trust_sets", counts.trust_sets), LOG_UNSIGNED("unusable", counts.unusable));
    log_problems(loader, snapshot);
    const struct policy_loaded loaded = { .snapshot = snapshot, .version = result->mark.version,
        .certificates = result->certificates, .made = policy_material_made(loader->material) };
    loader->events.loaded(loader->arg, &loaded);
    return 0;
}

static void on_read(void *arg, const struct policy_reading_result *result, const struct why *failure)
{
    struct policy_loader *loader = arg;
    struct why why = WHY_NONE;
    bool is_success = result != NULL;
    loader->reading = NULL;
    loader->has_defects = result != NULL ? result->has_defects : loader->has_defects;
    if (result == NULL) {
        fail(loader, failure);
    } else if (loader->has_content && memcmp(loader->content, result->content, DIGEST_SIZE) == 0) {
        policy_builder_free(result->builder);
        confirm(loader, &result->mark, result->read_at_s);
    } else if (publish(loader, result, &why) != 0) {
        fail(loader, &why);
        is_success = false;
    }
    if (is_success) {
        policy_material_end(loader->material);
        answer_waiters(&loader->served, true, "");
    }
    if (loader->is_wanted)
        want_reading(loader, loader->debounce_ms);
    ask(loader);
}

static void begin_reading(struct policy_loader *loader)
{
    struct why why = WHY_NONE;
    if (loader->reading != NULL || !database_is_connected(loader->database))
        return;
    loader->is_wanted = false;
    move_all(&loader->waiting, &loader->served);
    move_all(&loader->unconfirmed, &loader->served);
    policy_material_begin(loader->material);
    if (policy_reading_begin(loader->database, loader->material, loader->hash_seed, loop_wall_s(loader->loop), on_read,
            loader, &loader->reading, &why) != 0)
        fail(loader, &why);
}

static void on_debounce(void *arg)
{
    begin_reading(arg);
}

static void on_mark(void *arg, const struct database_result *result)
{
    struct policy_loader *loader = arg;
    policy_mark_read(result, 0, &loader->seen);
}

/* A file may be there now, or memory: read again, ever more seldom. */
static bool may_have_healed(struct policy_loader *loader)
{
    if (!loader->has_defects || --loader->polls_left > 0)
        return false;
    loader->heal_polls = loader->heal_polls < HEAL_POLLS_MAX / 2 ? loader->heal_polls * 2 : HEAL_POLLS_MAX;
    loader->polls_left = loader->heal_polls;
    return true;
}

static void on_polled(void *arg, const struct database_error *error)
{
    struct policy_loader *loader = arg;
    loader->is_polling = false;
    if (error != NULL) {
        if (error->code != ERROR_CLOSED)
            fail(loader, &error->why);
    } else if (loader->reading == NULL) {
        bool is_current = loader->has_content && policy_mark_equal(&loader->seen, &loader->mark);
        if (is_current && !may_have_healed(loader))
            confirm(loader, &loader->seen, loop_wall_s(loader->loop));
        else
            want_reading(loader, 0);
    }
}

/* Has anything been committed that we were not told of? */
static void on_poll(void *arg)
{
    struct policy_loader *loader = arg;
    const struct database_command command = { .sql = policy_mark_query(), .rows = on_mark, .done = on_polled,
        .arg = loader };
    if (loader->reading != NULL || loader->is_polling || !database_is_connected(loader->database))
        return;
    loader->seen = (struct policy_mark){ .version = 0 };
    loader->is_polling = database_query(loader->database, &command) == 0;
}

static void on_connected(void *arg)
{
    begin_reading(arg);
}

static void on_lost(void *arg, const struct why *why)
{
    struct policy_loader *loader = arg;
    loop_timer_stop(loader->loop, &loader->debounce);
    /* A reading under way has failed with its commands; who waits for the next one waits for the next session, but for
     * those whose request waits. */
    answer_waiters(&loader->unconfirmed, false, why->text);
}

static void on_notified(void *arg, const char *channel, const char *payload UNUSED)
{
    struct policy_loader *loader = arg;
    if (strcmp(channel, "trelay_policy") == 0)
        want_reading(loader, loader->debounce_ms);
    else
        loader->events.command(loader->arg);
}

static int add_waiter(struct list *list, policy_reload_fn *done, void *arg)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    if (waiter == NULL)
        return ERROR_MEMORY;
    waiter->done = done;
    waiter->arg = arg;
    list_append(list, &waiter->node);
    return 0;
}

int policy_loader_reload(struct policy_loader *loader, policy_reload_fn *done, void *arg)
{
    int rc = add_waiter(&loader->waiting, done, arg);
    if (rc == 0)
        want_reading(loader, 0);
    return rc;
}

int policy_loader_confirm(struct policy_loader *loader, policy_reload_fn *done, void *arg)
{
    int rc = add_waiter(&loader->unconfirmed, done, arg);
    if (rc == 0)
        ask(loader);
    return rc;
}

void policy_loader_stop(struct policy_loader *loader)
{
    struct list *const lists[] = { &loader->served, &loader->waiting, &loader->asked, &loader->unconfirmed };
    loader->is_stopped = true;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        answer_waiters(lists[i], false, "the node stops");
}

int64_t policy_loader_confirmed_at(const struct policy_loader *loader)
{
    return loader->confirmed_at_s;
}

void policy_loader_start(struct policy_loader *loader)
{
    database_start(loader->database);
}

static int open_database(struct policy_loader *loader, const struct policy_loader_settings *settings, struct why *why)
{
    static const char *const channels[CHANNEL_COUNT] = { "trelay_policy", "trelay_command" };
    const struct database_settings database = { .conninfo = settings->conninfo, .node = settings->node,
        .channels = channels, .channel_count = CHANNEL_COUNT, .reconnect_min_ms = settings->reconnect_min_ms,
        .reconnect_max_ms = settings->reconnect_max_ms };
    const struct database_events events = { .connected = on_connected, .lost = on_lost, .notified = on_notified };
    return database_new(loader->loop, &database, &events, loader, &loader->scope, &loader->database, why);
}

int policy_loader_new(struct loop *loop, const struct policy_loader_settings *settings,
    const struct policy_loader_events *events, void *arg, const struct log_scope *scope,
    struct policy_loader **loader_r, struct why *why)
{
    struct policy_loader *loader = calloc(1, sizeof(*loader));
    if (loader == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory");
    loader->loop = loop;
    loader->events = *events;
    loader->arg = arg;
    loader->hash_seed = settings->hash_seed;
    loader->debounce_ms = settings->debounce_ms != 0 ? settings->debounce_ms : DEBOUNCE_MS;
    log_scope_init_child(&loader->scope, scope, NULL, NULL);
    list_init(&loader->waiting);
    list_init(&loader->served);
    list_init(&loader->unconfirmed);
    list_init(&loader->asked);
    loop_timer_init(&loader->poll, on_poll, loader);
    loop_timer_init(&loader->debounce, on_debounce, loader);
    int rc = policy_material_new(&loader->material);
    if (rc == 0)
        rc = open_database(loader, settings, why);
    if (rc != 0) {
        policy_loader_free(loader);
        return rc;
    }
    loop_timer_start_periodic(loop, &loader->poll, settings->poll_every_ms != 0 ? settings->poll_every_ms : POLL_MS);
    *loader_r = loader;
    return 0;
}

void policy_loader_free(struct policy_loader *loader)
{
    if (loader == NULL)
        return;
    loop_timer_stop(loader->loop, &loader->poll);
    database_free(loader->database); /* ends the reading under way */
    loop_timer_stop(loader->loop, &loader->debounce);
    policy_loader_stop(loader);
    policy_material_free(loader->material);
    free(loader);
}
