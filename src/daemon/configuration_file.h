/* SPDX-License-Identifier: GPL-2.0-or-later */
/* configuration_file.h - a file read by a grammar of libconfuse, and where in it each value stands.
 * In:    a path, the grammar. Out: the values, or FILE:LINE: and the reason.
 * Never: takes a file that ends inside a section, a string or a comment for a whole one, or what stands twice and may
 *        stand once for its last; prints.
 */
#ifndef TRELAY_DAEMON_CONFIGURATION_FILE_H
#define TRELAY_DAEMON_CONFIGURATION_FILE_H

#include "base/attributes.h"
#include "base/why.h"

#include <confuse.h>

/* The last section of a grammar's top level: only the end of the file can have it. */
#define CONFIGURATION_FILE_END                                                                                         \
    CFG_SEC("end-of-file", ((cfg_opt_t[]){ CFG_END() }), CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES)

/* Before cfg_init(): options of one level, closed by CFG_END(), will know their lines. */
void configuration_file_note_lines(cfg_opt_t *options);

/* GRAMMAR: from cfg_init(). 0, ERROR_SYNTAX, ERROR_LIMIT, ERROR_SYSTEM or ERROR_MEMORY. */
int configuration_file_parse(const char *path, cfg_t *grammar, struct why *why) MUST_CHECK;

/* CODE, with "FILE:LINE: " ahead of the text: the line of OPTION's value; where the file does not say it, or OPTION is
 * NULL, the one where SECTION ends. */
int configuration_file_fail(struct why *why, int code, cfg_t *section, const char *option, const char *format, ...)
    PRINTF_LIKE(5, 6);

#endif
