/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.h - one line of key=value fields for every event, from any thread.
 * In:    a scope (who speaks), a level, an event of event_name.h, fields. Out: one line to the logger's sink.
 * Never: waits for a slow reader (the line is counted as dropped), holds state per thread, or prints raw
 *        control bytes: values from the wire are escaped. Secrets are never fields.
 * Levels: error = the operator must act; warn = a peer or dependency misbehaves; info = decisions, connections.
 */
#ifndef TRELAY_LOG_LOG_H
#define TRELAY_LOG_LOG_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"
#include "log/event_name.h"

#include <stdbool.h>
#include <stdint.h>

/* code, word, syslog severity */
#define LOG_LEVEL_LIST(X)          \
    X(LOG_LEVEL_ERROR, "error", 3) \
    X(LOG_LEVEL_WARN, "warn", 4)   \
    X(LOG_LEVEL_INFO, "info", 6)   \
    X(LOG_LEVEL_DEBUG, "debug", 7)

/* UNSET logs nothing, and in a scope adds nothing. */
enum log_level {
    LOG_LEVEL_UNSET = 0,
#define X(code, word, severity) code,
    LOG_LEVEL_LIST(X)
#undef X
        LOG_LEVEL_COUNT
};

enum log_sink {
    LOG_SINK_NONE = 0, /* counts lines and drops them */
    LOG_SINK_STDERR,   /* with a time stamp, or with journald's priority prefix when that reads it */
    LOG_SINK_SYSLOG,   /* datagrams to the local syslog socket */
};

/* The longest line, the new line included; what does not fit is cut and marked. Equals PIPE_BUF, so that a line is
 * written whole or not at all. */
enum { LOG_LINE_SIZE = 4096 };

const char *log_level_name(enum log_level level);
enum log_level log_level_from_name(struct slice name); /* LOG_LEVEL_UNSET for anything else */

/* Where lines go. One for the process, made before and freed after all threads; it may be shared by all. */
struct logger;

struct logger_settings {
    enum log_sink sink;
    enum log_level level;
    const char *name;        /* of the program, for syslog; borrowed for the life of the logger */
    const char *syslog_path; /* NULL: /dev/log; borrowed for the call */
    int fd;                  /* for STDERR: the descriptor, borrowed; 0 or less: descriptor 2 */
};

int logger_new(const struct logger_settings *settings, struct logger **logger_r, struct why *why) MUST_CHECK;
void logger_free(struct logger *logger);

/* From any thread, at any time. */
void logger_set_level(struct logger *logger, enum log_level level);
enum log_level logger_level(const struct logger *logger);
uint64_t logger_dropped_count(const struct logger *logger);

/* One field. The macros below make them; text is borrowed for the call. */
enum log_kind {
    LOG_KIND_NONE = 0, /* leaves no trace in the line; so does absent text, and a NULL pointer */
    LOG_KIND_TEXT,
    LOG_KIND_REDACTED,
    LOG_KIND_HEX,
    LOG_KIND_SIGNED,
    LOG_KIND_UNSIGNED,
    LOG_KIND_BOOL,
    LOG_KIND_ADDRESS,
    LOG_KIND_ENDPOINT,
    LOG_KIND_ERRNO,
};

struct log_field {
    const char *key;
    enum log_kind kind;
    union {
        struct slice text;
        int64_t number;
        uint64_t count;
        const struct address *address;
        const struct endpoint *endpoint;
    };
};

#define LOG_STRING(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_TEXT, .text = slice_of_string(value) })
#define LOG_SLICE(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_TEXT, .text = (value) })
/* A user part or telephone number: the first three characters, then as many '*' as follow. */
#define LOG_REDACTED(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_REDACTED, .text = (value) })
#define LOG_HEX(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_HEX, .text = (value) })
#define LOG_SIGNED(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_SIGNED, .number = (value) })
#define LOG_UNSIGNED(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_UNSIGNED, .count = (value) })
#define LOG_BOOL(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_BOOL, .count = (value) })
#define LOG_ADDRESS(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_ADDRESS, .address = (value) })
#define LOG_ENDPOINT(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_ENDPOINT, .endpoint = (value) })
/* The text of an errno value. */
#define LOG_ERRNO(k, value) ((struct log_field){ .key = (k), .kind = LOG_KIND_ERRNO, .number = (value) })
/* why="..."; nothing when WHY is empty. */
#define LOG_WHY(value) \
    ((struct log_field){ .key = "why", .kind = (value)->text[0] != '\0' ? LOG_KIND_TEXT : LOG_KIND_NONE, \
        .text = slice_of_string((value)->text) })

/* A line in the making. */
struct log_line;
void log_line_add(struct log_line *line, struct log_field field);

/* Adds the fields that stand in every line of a scope; called only when a line is really written. */
typedef void log_describe_fn(const void *owner, struct log_line *line);

struct log_limiter;

/* Who speaks: a process, a connection, a transaction. Lines carry the fields of all parents, outermost first.
 * Embedded in its owner; costs nothing until a line is written. Owner and parent outlive it. */
struct log_scope {
    struct logger *logger; /* NULL: says nothing */
    const struct log_scope *parent;
    log_describe_fn *describe; /* NULL: no fields of its own */
    const void *owner;
    enum log_level level; /* talks up to this level even when the logger does not: debug for one peer */
    struct log_limiter *limiter; /* of what strangers can make us say, log/log_limiter.h; NULL: no limit */
};

/* A scope that says nothing, for tests. */
#define LOG_SCOPE_NONE ((struct log_scope){ .logger = NULL })

void log_scope_init(struct log_scope *scope, struct logger *logger);
void log_scope_init_child(struct log_scope *scope, const struct log_scope *parent, log_describe_fn *describe,
    const void *owner);

bool log_is_on(const struct log_scope *scope, enum log_level level);
void log_write(const struct log_scope *scope, enum log_level level, enum log_event_name event,
    const struct log_field *fields, size_t count);

/* log_event(scope, LOG_LEVEL_INFO, LOG_EVENT_DECISION, LOG_UNSIGNED("flow", id), LOG_WHY(&why));
 * The fields are evaluated only when the level is on. */
#define log_event(scope, level, event, ...)                                                                   \
    do {                                                                                                      \
        if (log_is_on((scope), (level))) {                                                                    \
            const struct log_field log_fields_[] = { { .kind = LOG_KIND_NONE }, __VA_ARGS__ };                \
            log_write((scope), (level), (event), log_fields_, sizeof(log_fields_) / sizeof(log_fields_[0]));  \
        }                                                                                                     \
    } while (0)

#endif
