/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask.h - the asking end of the control socket, for trelayctl.
 * In:    a command and its arguments. Out: the daemon's answer, printed to standard output.
 */
#ifndef TRELAY_CONTROL_ASK_H
#define TRELAY_CONTROL_ASK_H

#include "base/attributes.h"
#include "base/why.h"

#include <stdbool.h>
#include <stddef.h>

/* 0; ERROR_REFUSED: the daemon says no, WHY has its words; ERROR_SYNTAX: the arguments are off; ERROR_SYSTEM: no daemon
 * answers there. Waits up to 30 seconds. */
int ask_daemon(const char *socket_path, char **words, size_t count, bool is_json, struct why *why) MUST_CHECK;

#endif
