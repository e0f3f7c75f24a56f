/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - scopes, levels and the making of a line; see log.h. */
#include "log/log.h"

#include "base/error.h"
#include "log/log_limiter.h"
#include "log/log_line.h"
#include "log/log_sink.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* How a line begins. */
enum log_prefix {
    LOG_PREFIX_NONE = 0,
    LOG_PREFIX_TIME,     /* time=... */
    LOG_PREFIX_PRIORITY, /* <6>: journald has the time */
    LOG_PREFIX_SYSLOG,   /* <30>name[pid]: */
};

enum { FACILITY_DAEMON = 3 << 3, PREFIX_SIZE = 96 };

struct logger {
    struct log_sink_file sink;
    enum log_prefix prefix;
    const char *name;
    atomic_uint level;
    atomic_ulong dropped, told;
};

static const struct {
    const char *name;
    unsigned severity;
} levels[LOG_LEVEL_COUNT] = {
#define X(code, word, severity_) [code] = { .name = word, .severity = severity_ },
    LOG_LEVEL_LIST(X)
#undef X
};

const char *log_level_name(enum log_level level)
{
    return (unsigned)level < LOG_LEVEL_COUNT && levels[level].name != NULL ? levels[level].name : "unset";
}

enum log_level log_level_from_name(struct slice name)
{
    for (unsigned i = 1; i < LOG_LEVEL_COUNT; i++)
        if (slice_equal(name, slice_of_string(levels[i].name)))
            return (enum log_level)i;
    return LOG_LEVEL_UNSET;
}

static int open_sink(struct logger *logger, const struct logger_settings *settings, struct why *why)
{
    switch (settings->sink) {
    case LOG_SINK_NONE:
        return 0;
    case LOG_SINK_STDERR: {
        int fd = settings->fd > 0 ? settings->fd : STDERR_FILENO;
        log_sink_open_fd(&logger->sink, fd);
        logger->prefix = log_sink_is_journal(fd) ? LOG_PREFIX_PRIORITY : LOG_PREFIX_TIME;
        return 0;
    }
    case LOG_SINK_SYSLOG:
        logger->prefix = LOG_PREFIX_SYSLOG;
        return log_sink_open_syslog(&logger->sink, settings->syslog_path, why);
    }
    return why_fail(why, ERROR_UNKNOWN_NAME, "unknown log sink");
}

int logger_new(const struct logger_settings *settings, struct logger **logger_r, struct why *why)
{
    struct logger *logger = calloc(1, sizeof(*logger));
    if (logger == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    logger->name = settings->name != NULL ? settings->name : "trelay";
    atomic_init(&logger->level, settings->level);
    int rc = open_sink(logger, settings, why);
    if (rc != 0) {
        free(logger);
        return rc;
    }
    *logger_r = logger;
    return 0;
}

void logger_free(struct logger *logger)
{
    if (logger == NULL)
        return;
    log_sink_close(&logger->sink);
    free(logger);
}

void logger_set_level(struct logger *logger, enum log_level level)
{
    atomic_store_explicit(&logger->level, level, memory_order_relaxed);
}

enum log_level logger_level(const struct logger *logger)
{
    return (enum log_level)atomic_load_explicit(&logger->level, memory_order_relaxed);
}

uint64_t logger_dropped_count(const struct logger *logger)
{
    return atomic_load_explicit(&logger->dropped, memory_order_relaxed);
}

void log_scope_init(struct log_scope *scope, struct logger *logger)
{
    *scope = (struct log_scope){ .logger = logger };
}

void log_scope_init_child(struct log_scope *scope, const struct log_scope *parent, log_describe_fn *describe,
    const void *owner)
{
    *scope = (struct log_scope){ .logger = parent->logger, .parent = parent, .describe = describe, .owner = owner };
}

bool log_is_on(const struct log_scope *scope, enum log_level level)
{
    if (scope->logger == NULL || level == LOG_LEVEL_UNSET)
        return false;
    if (level <= logger_level(scope->logger))
        return true;
    for (; scope != NULL; scope = scope->parent)
        if (level <= scope->level)
            return true;
    return false;
}

/* "2026-01-31T12:00:00.123Z". */
static void print_time(char *out, size_t size)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    snprintf(out, size, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", (tm.tm_year + 1900) % 10000, tm.tm_mon + 1,
        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
}

static void start_line(const struct logger *logger, enum log_level level, enum log_event_name event,
    struct log_line *line)
{
    char prefix[PREFIX_SIZE] = "", start[2 * PREFIX_SIZE];
    switch (logger->prefix) {
    case LOG_PREFIX_NONE:
        break;
    case LOG_PREFIX_TIME:
        print_time(prefix, sizeof(prefix));
        break;
    case LOG_PREFIX_PRIORITY:
        snprintf(prefix, sizeof(prefix), "<%u>", levels[level].severity);
        break;
    case LOG_PREFIX_SYSLOG:
        snprintf(prefix, sizeof(prefix), "<%u>%.48s[%ld]: ", FACILITY_DAEMON | levels[level].severity, logger->name,
            (long)getpid());
        break;
    }
    snprintf(start, sizeof(start), "%slevel=%s event=%s", prefix, log_level_name(level), event_name_word(event));
    log_line_start(line, start);
}

static void describe(const struct log_scope *scope, struct log_line *line)
{
    if (scope->parent != NULL)
        describe(scope->parent, line);
    if (scope->describe != NULL)
        scope->describe(scope->owner, line);
}

static bool write_line(struct logger *logger, struct log_line *line)
{
    if (log_sink_write(&logger->sink, log_line_finish(line)))
        return true;
    atomic_fetch_add_explicit(&logger->dropped, 1, memory_order_relaxed);
    return false;
}

/* Once lines can be written again, says how many were not. The line LINE is used up before. */
static void tell_dropped(struct logger *logger, struct log_line *line)
{
    unsigned long dropped = atomic_load_explicit(&logger->dropped, memory_order_relaxed);
    unsigned long told = atomic_load_explicit(&logger->told, memory_order_relaxed);
    if (dropped == told || !atomic_compare_exchange_strong(&logger->told, &told, dropped))
        return;
    start_line(logger, LOG_LEVEL_WARN, LOG_EVENT_LOG_DROPPED, line);
    log_line_add(line, LOG_UNSIGNED("lines", dropped - told));
    if (!log_sink_write(&logger->sink, log_line_finish(line)))
        atomic_fetch_sub_explicit(&logger->told, dropped - told, memory_order_relaxed);
}

void log_write(const struct log_scope *scope, enum log_level level, enum log_event_name event,
    const struct log_field *fields, size_t count)
{
    if (scope->logger == NULL || level == LOG_LEVEL_UNSET || (unsigned)level >= LOG_LEVEL_COUNT)
        return;
    if (scope->limiter != NULL && !log_limiter_admits(scope->limiter, event))
        return;
    struct log_line line;
    start_line(scope->logger, level, event, &line);
    describe(scope, &line);
    for (size_t i = 0; i < count; i++)
        log_line_add(&line, fields[i]);
    if (write_line(scope->logger, &line))
        tell_dropped(scope->logger, &line);
}
