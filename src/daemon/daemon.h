/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon.h - the process: the control thread's loop with database, accounting and control socket, and the relay.
 * In:    checked options. Out: it serves until SIGTERM; then open transactions end first.
 */
#ifndef TRELAY_DAEMON_DAEMON_H
#define TRELAY_DAEMON_DAEMON_H

#include "base/why.h"
#include "daemon/options.h"

/* Returns when the process is to end: 0, or an error before it served. */
int daemon_run(const struct options *options, struct why *why) MUST_CHECK;

#endif
