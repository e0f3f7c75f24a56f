/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record_row.h - an accounting record as one row of PostgreSQL's COPY text format.
 * In:    a record. Out: values in the order of RECORD_COLUMNS, each escaped, absent ones as \N.
 */
#ifndef TRELAY_ACCOUNT_RECORD_ROW_H
#define TRELAY_ACCOUNT_RECORD_ROW_H

#include "account/record.h"
#include "base/buffer.h"

/* "COPY trelay.transaction_record (...) FROM STDIN" */
const char *record_copy_command(void);

/* Appends one row with its new line; ERROR_MEMORY leaves OUT as it was. */
int record_append_row(const struct account_record *record, const char *node, struct buffer *out) MUST_CHECK;

#endif
