/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log_sink.h - where lines go: a descriptor that is written without waiting.
 * In:    whole lines. Out: written, or not.
 * Never: waits, or writes half a line to a pipe.
 */
#ifndef TRELAY_LOG_LOG_SINK_H
#define TRELAY_LOG_LOG_SINK_H

#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"

#include <stdbool.h>
#include <sys/un.h>

enum log_sink_kind {
    LOG_SINK_KIND_NONE = 0,
    LOG_SINK_KIND_FILE,     /* write(2); the descriptor does not block, or is a file */
    LOG_SINK_KIND_STREAM,   /* send(2) on a stream socket (journald) */
    LOG_SINK_KIND_DATAGRAM, /* send(2) on a datagram socket (syslog) */
};

struct log_sink_file {
    enum log_sink_kind kind;
    int fd;
    bool is_owned;
    struct sockaddr_un address; /* of DATAGRAM */
};

/* FD stays the caller's. */
void log_sink_open_fd(struct log_sink_file *sink, int fd);
int log_sink_open_syslog(struct log_sink_file *sink, const char *path, struct why *why) MUST_CHECK;
void log_sink_close(struct log_sink_file *sink);

/* Whether journald reads FD and so knows the time of a line. */
bool log_sink_is_journal(int fd);

/* False: LINE is lost. From any thread. */
bool log_sink_write(const struct log_sink_file *sink, struct slice line);

#endif
