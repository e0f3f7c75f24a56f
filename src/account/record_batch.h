/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record_batch.h - rows of one worker on their way to the writer: made on the worker's thread, handed over whole.
 * In:    records. Out: lines of PostgreSQL's COPY text format, each whole.
 * A hand-over wakes the writer's thread, so it is made for many rows; and what a row is made of stays where it is.
 */
#ifndef TRELAY_ACCOUNT_RECORD_BATCH_H
#define TRELAY_ACCOUNT_RECORD_BATCH_H

#include "account/record.h"
#include "base/buffer.h"
#include "flow/mail.h"

struct record_batch {
    struct mail mail;
    struct buffer rows;
    size_t count; /* of rows */
};

/* NULL when there is no memory. */
struct record_batch *record_batch_new(void);
void record_batch_free(struct record_batch *batch); /* NULL is allowed */

/* ERROR_MEMORY leaves BATCH as it was. */
int record_batch_add(struct record_batch *batch, const struct account_record *record, struct slice node) MUST_CHECK;

/* It is time to hand it over. */
bool record_batch_is_full(const struct record_batch *batch);

#endif
