/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.h - the configuration file: trelay.conf(5).
 * In:    a path. Out: struct options, complete and checked, or a reason with file and line.
 * Never: a default that allows something: what is left out is refused or off.
 */
#ifndef TRELAY_DAEMON_OPTIONS_H
#define TRELAY_DAEMON_OPTIONS_H

#include "base/why.h"
#include "log/log.h"
#include "relay/settings.h"

#include <stdint.h>

struct options {
    struct relay_settings relay;
    char *database;         /* libpq connection string */
    uint32_t poll_s;        /* policy is looked for at least this often */
    uint32_t record_flush_ms;
    uint32_t record_backlog_kib; /* accounting kept while the database is away */
    char *control_socket;   /* path of trelayctl's socket */
    unsigned control_mode;  /* its permission bits */
    enum log_level log_level;
    bool log_to_syslog;
    uint32_t drain_s;       /* SIGTERM waits this long for open transactions */
};

/* ERROR_SYNTAX, ERROR_UNKNOWN_NAME, ERROR_LIMIT, ERROR_SYSTEM or ERROR_MEMORY, with why. */
int options_load(const char *path, struct options *options_r, struct why *why) MUST_CHECK;
void options_fini(struct options *options);

/* One line per option for trelayd --help-options: name, default, meaning. */
void options_print_help(void);

#endif
