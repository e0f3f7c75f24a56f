/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log_line.h - one line of key=value fields in a fixed piece of memory.
 * In:    keys of ours, values from anywhere. Out: printable ASCII and UTF-8 as it came, in one line.
 * Never: allocates, or lets a value end the line, forge a field or move a terminal's cursor.
 */
#ifndef TRELAY_LOG_LOG_LINE_H
#define TRELAY_LOG_LOG_LINE_H

#include "log/log.h"

#include <stddef.h>

struct log_line {
    size_t length;
    bool is_cut;
    char bytes[LOG_LINE_SIZE];
};

/* START stands first as it is. */
void log_line_start(struct log_line *line, const char *start);

/* Ends it with the mark of a cut line, where it is one, and a new line. */
struct slice log_line_finish(struct log_line *line);

#endif
