/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record_row.h - an accounting record as one row of PostgreSQL's COPY text format.
 * In:    a record. Out: values in the order of record_copy_command(), each escaped, absent ones as \N.
 * What a connection decides of a row is made once for each connection and kept with its facts.
 */
#ifndef TRELAY_ACCOUNT_RECORD_ROW_H
#define TRELAY_ACCOUNT_RECORD_ROW_H

#include "account/record.h"
#include "base/buffer.h"

/* "COPY trelay.transaction_record (...) FROM STDIN" */
const char *record_copy_command(void);

/* Appends one row with its new line; ERROR_MEMORY leaves OUT as it was. From any thread. */
int record_append_row(const struct account_record *record, struct slice node, struct buffer *out) MUST_CHECK;

#endif
