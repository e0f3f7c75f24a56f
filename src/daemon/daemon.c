/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon.c - the process: see daemon.h. */
#include "daemon/daemon.h"

#include "base/error.h"
#include "control/control.h"
#include "daemon/memory_return.h"
#include "daemon/policy_watch.h"
#include "daemon/service.h"
#include "pkix/self_test.h"
#include "tls/tls_library.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { DRAIN_LOOK_MS = 100, MEMORY_LOOK_MS = 5000, FLUSH_AT_END_MS = 3000 };

struct trelay_daemon {
    const struct options *options;
    struct logger *logger;
    struct log_scope scope;
    struct loop *loop;
    struct mailbox *mailbox;
    struct policy_watch *policy;
    struct record_store *records;
    uint64_t records_lost;
    struct relay *relay;
    struct resolver *resolver;
    struct control *control;
    struct loop_signal *signals[3];
    struct memory_return memory;
    struct loop_timer drain_timer, memory_timer;
    uint64_t drain_until_ms, end_by_ms;
    int64_t started_at;
    bool is_draining, is_last_look, is_ready, is_tls_ready;
};

static void deliver_records(void *receiver, struct mail *mail)
{
    struct trelay_daemon *daemon = receiver;
    struct record_batch *batch = CONTAINER_OF(mail, struct record_batch, mail);
    bool is_kept =
        daemon->records != NULL && record_store_add(daemon->records, buffer_slice(&batch->rows), batch->count) == 0;
    if (!is_kept && daemon->records_lost == 0)
        log_event(&daemon->scope, LOG_LEVEL_ERROR, LOG_EVENT_RECORDS_LOST,
            LOG_STRING("detail", "no room for accounting records: is the database away?"));
    if (!is_kept)
        daemon->records_lost += batch->count;
    record_batch_free(batch);
}

/* On a worker's thread. */
static void on_records(void *arg, struct record_batch *batch)
{
    struct trelay_daemon *daemon = arg;
    mail_post(daemon->mailbox, &batch->mail, deliver_records);
}

static void on_confirmed(void *arg, bool is_success, const char *text)
{
    relay_answer(arg, is_success, text);
}

static void deliver_question(void *receiver, struct mail *mail)
{
    const struct trelay_daemon *daemon = receiver;
    struct relay_question *question = CONTAINER_OF(mail, struct relay_question, mail);
    if (policy_watch_confirm(daemon->policy, on_confirmed, question) != 0)
        relay_answer(question, false, "no memory to ask the database");
}

/* On a worker's thread. */
static void on_question(void *arg, struct relay_question *question)
{
    struct trelay_daemon *daemon = arg;
    mail_post(daemon->mailbox, &question->mail, deliver_question);
}

static void on_snapshot(void *arg, struct policy_snapshot *snapshot)
{
    struct trelay_daemon *daemon = arg;
    relay_set_snapshot(daemon->relay, snapshot);
    if (daemon->is_ready)
        return;
    daemon->is_ready = true;
    log_event(&daemon->scope, LOG_LEVEL_INFO, LOG_EVENT_STARTED,
        LOG_STRING("node", daemon->options->relay.node), LOG_STRING("version", PACKAGE_VERSION),
        LOG_UNSIGNED("workers", relay_worker_count(daemon->relay)));
    service_ready();
}

/* A reload under way, and who waits for it; DONE may be NULL. */
struct reload {
    struct trelay_daemon *daemon;
    enum reload_mode mode;
    policy_reload_fn *done;
    void *arg;
};

/* The connections follow when the new policy rules: one made in between would be of the old one. */
static void on_reloaded(void *arg, bool is_success, const char *text)
{
    struct reload *reload = arg;
    struct trelay_daemon *daemon = reload->daemon;
    log_event(&daemon->scope, is_success ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, LOG_EVENT_RELOAD,
        LOG_STRING("mode", reload_mode_name(reload->mode)), LOG_STRING("result", is_success ? "done" : "failed"),
        LOG_STRING("detail", is_success ? NULL : text));
    if (is_success) {
        resolver_forget(daemon->resolver);
        relay_forget(daemon->relay);
        relay_renew_connections(daemon->relay, reload->mode);
    }
    if (reload->done != NULL)
        reload->done(reload->arg, is_success, text);
    free(reload);
}

static int do_reload(void *arg, enum reload_mode mode, policy_reload_fn *done, void *done_arg)
{
    struct trelay_daemon *daemon = arg;
    struct reload *reload = malloc(sizeof(*reload));
    if (reload == NULL)
        return ERROR_MEMORY;
    *reload = (struct reload){ .daemon = daemon, .mode = mode, .done = done, .arg = done_arg };
    if (policy_watch_reload(daemon->policy, on_reloaded, reload) == 0)
        return 0;
    free(reload);
    return ERROR_MEMORY;
}

static int do_confirm(void *arg, policy_reload_fn *done, void *done_arg)
{
    const struct trelay_daemon *daemon = arg;
    return policy_watch_confirm(daemon->policy, done, done_arg);
}

static void do_explain(void *arg, struct slice members, control_answered_fn *done, void *done_arg)
{
    const struct trelay_daemon *daemon = arg;
    control_explain_text(daemon->control, members, done, done_arg);
}

static struct policy_snapshot *current_snapshot(void *arg)
{
    const struct trelay_daemon *daemon = arg;
    return policy_snapshot_ref(policy_watch_snapshot(daemon->policy));
}

static bool is_connected(void *arg)
{
    const struct trelay_daemon *daemon = arg;
    return database_is_connected(policy_watch_database(daemon->policy));
}

static struct control_records records_of(void *arg)
{
    const struct trelay_daemon *daemon = arg;
    struct record_counts counts = record_store_counts(policy_watch_records(daemon->policy));
    return (struct control_records){ .written = counts.written, .waiting = counts.waiting,
        .lost = policy_watch_records_lost(daemon->policy),
        .withheld = relay_counts(daemon->relay).records_withheld };
}

static void end(struct trelay_daemon *daemon)
{
    loop_timer_stop(daemon->loop, &daemon->drain_timer);
    loop_stop(daemon->loop);
}

/* Transactions end, then the records of the last ones are written, then the process. */
static void on_drain_look(void *arg)
{
    struct trelay_daemon *daemon = arg;
    uint64_t now = loop_now_ms(daemon->loop);
    struct relay_counts counts = relay_counts(daemon->relay);
    if (counts.transactions > 0 && now < daemon->drain_until_ms)
        return;
    record_store_flush(daemon->records);
    if (daemon->end_by_ms == 0)
        daemon->end_by_ms = now + FLUSH_AT_END_MS;
    bool is_written = record_store_counts(daemon->records).waiting_bytes == 0;
    /* A look later than the last transaction: its record is still on its way from the worker in the first one. */
    if ((is_written && daemon->is_last_look) || now >= daemon->end_by_ms)
        end(daemon);
    daemon->is_last_look = true;
}

static void on_memory_look(void *arg)
{
    struct trelay_daemon *daemon = arg;
    (void)memory_return_look(&daemon->memory, relay_counts(daemon->relay).held);
}

static void drain(struct trelay_daemon *daemon)
{
    if (daemon->is_draining) {
        end(daemon); /* asked twice: now */
        return;
    }
    daemon->is_draining = true;
    daemon->drain_until_ms = loop_now_ms(daemon->loop) + (uint64_t)daemon->options->drain_s * 1000;
    service_stopping();
    relay_drain(daemon->relay);
    loop_timer_start_periodic(daemon->loop, &daemon->drain_timer, DRAIN_LOOK_MS);
}

static void on_hangup(struct trelay_daemon *daemon)
{
    if (do_reload(daemon, RELOAD_DROP, NULL, NULL) != 0)
        log_event(&daemon->scope, LOG_LEVEL_WARN, LOG_EVENT_RELOAD, LOG_STRING("result", "failed"),
            LOG_STRING("detail", "out of memory"));
}

static void on_signal(void *arg, int number)
{
    struct trelay_daemon *daemon = arg;
    if (number == SIGHUP)
        on_hangup(daemon);
    else
        drain(daemon);
}

static int make_logger(struct trelay_daemon *daemon, struct why *why)
{
    struct logger_settings settings = { .sink = daemon->options->log_to_syslog ? LOG_SINK_SYSLOG : LOG_SINK_STDERR,
        .level = daemon->options->log_level, .name = "trelayd" };
    int rc = logger_new(&settings, &daemon->logger, why);
    if (rc == 0)
        log_scope_init(&daemon->scope, daemon->logger);
    return rc;
}

/* INV-51: a library that does not behave as we rely on is no library to run with. */
static int check_libraries(struct trelay_daemon *daemon, struct why *why)
{
    int rc = tls_library_init(why);
    if (rc != 0)
        return rc;
    daemon->is_tls_ready = true;
    rc = tls_library_self_check(why);
    return rc != 0 ? rc : pkix_self_test(loop_wall_s(daemon->loop), why);
}

static int make_signals(struct trelay_daemon *daemon, struct why *why)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(numbers); i++)
        rc = loop_signal_new(daemon->loop, numbers[i], on_signal, daemon, &daemon->signals[i], why);
    return rc;
}

static int make_control(struct trelay_daemon *daemon, struct why *why)
{
    const struct options *options = daemon->options;
    struct control_environment environment = { .loop = daemon->loop, .mailbox = daemon->mailbox,
        .relay = daemon->relay, .resolver = daemon->resolver, .settings = &options->relay, .scope = &daemon->scope,
        .snapshot = current_snapshot, .reload = do_reload, .confirm = do_confirm, .is_database_connected = is_connected,
        .records = records_of, .arg = daemon, .started_at = daemon->started_at };
    return control_new(&environment, options->control_socket, options->control_mode, &daemon->control, why);
}

static int make_policy(struct trelay_daemon *daemon, struct why *why)
{
    struct policy_watch_environment environment = { .loop = daemon->loop, .mailbox = daemon->mailbox,
        .options = daemon->options, .relay = daemon->relay, .scope = &daemon->scope, .on_snapshot = on_snapshot,
        .reload = do_reload, .explain = do_explain, .arg = daemon };
    return policy_watch_new(&environment, &daemon->policy, why);
}

static int make(struct trelay_daemon *daemon, struct why *why)
{
    const struct options *options = daemon->options;
    int rc = loop_new(&daemon->loop, why);
    if (rc == 0) {
        daemon->started_at = loop_wall_s(daemon->loop);
        rc = check_libraries(daemon, why);
    }
    if (rc == 0)
        rc = mailbox_new(daemon->loop, mail_deliver, daemon, &daemon->mailbox);
    if (rc == 0)
        rc = make_signals(daemon, why);
    if (rc == 0)
        rc = relay_new(&options->relay, &daemon->scope, on_records, daemon, &daemon->relay, why);
    struct resolver_settings dns = { .servers = options->relay.dns_servers,
        .timeout_ms = options->relay.dns_timeout_ms, .tries = options->relay.dns_tries };
    if (rc == 0)
        rc = resolver_new(daemon->loop, &dns, &daemon->resolver, why);
    if (rc == 0)
        rc = make_policy(daemon, why);
    if (rc == 0)
        daemon->records = policy_watch_records(daemon->policy);
    if (rc == 0)
        rc = make_control(daemon, why);
    if (rc == 0)
        relay_on_question(daemon->relay, on_question, daemon);
    return rc;
}

/* Nobody writes what waits any more. LOST: by workers, who are gone. */
static void tell_lost(const struct trelay_daemon *daemon, uint64_t lost)
{
    struct record_counts counts = { 0 };
    if (daemon->records != NULL)
        counts = record_store_counts(daemon->records);
    lost += counts.turned_away + counts.refused + counts.waiting;
    if (lost > 0)
        log_event(&daemon->scope, LOG_LEVEL_ERROR, LOG_EVENT_RECORDS_LOST, LOG_UNSIGNED("records", lost),
            LOG_UNSIGNED("unwritten", counts.waiting),
            LOG_STRING("detail", "lost since the start, and what was not written by the end"));
}

static void unmake(struct trelay_daemon *daemon)
{
    if (daemon->relay != NULL)
        relay_stop(daemon->relay);
    control_free(daemon->control);
    policy_watch_stop(daemon->policy); /* workers' questions are answered while there are workers */
    if (daemon->mailbox != NULL)
        mailbox_drain(daemon->mailbox);
    uint64_t lost = daemon->relay != NULL ? relay_counts(daemon->relay).records_lost : 0;
    relay_free(daemon->relay);
    if (daemon->mailbox != NULL)
        mailbox_drain(daemon->mailbox);
    tell_lost(daemon, lost);
    daemon->records = NULL;
    if (daemon->resolver != NULL)
        resolver_free(daemon->resolver); /* whoever waits for a name is answered, perhaps by the database */
    policy_watch_free(daemon->policy);
    for (size_t i = 0; i < ARRAY_SIZE(daemon->signals); i++)
        if (daemon->signals[i] != NULL)
            loop_signal_free(daemon->signals[i]);
    mailbox_free(daemon->mailbox);
    loop_free(daemon->loop);
    if (daemon->is_tls_ready)
        tls_library_fini();
}

int daemon_run(const struct options *options, struct why *why)
{
    struct trelay_daemon daemon = { .options = options };
    int rc = make_logger(&daemon, why);
    if (rc != 0)
        return rc;
    loop_timer_init(&daemon.drain_timer, on_drain_look, &daemon);
    loop_timer_init(&daemon.memory_timer, on_memory_look, &daemon);
    rc = make(&daemon, why);
    if (rc == 0) {
        const char *warning = timer_settings_warning(&options->relay.timers);
        if (warning != NULL)
            log_event(&daemon.scope, LOG_LEVEL_WARN, LOG_EVENT_CONFIGURATION, LOG_STRING("detail", warning));
        rc = relay_start(daemon.relay, why);
    }
    if (rc == 0) {
        policy_watch_start(daemon.policy);
        loop_timer_start_periodic(daemon.loop, &daemon.memory_timer, MEMORY_LOOK_MS);
        loop_run(daemon.loop);
        log_event(&daemon.scope, LOG_LEVEL_INFO, LOG_EVENT_STOPPED, LOG_STRING("node", options->relay.node));
    }
    unmake(&daemon);
    logger_free(daemon.logger);
    return rc;
}
