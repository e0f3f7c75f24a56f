/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record_batch.c - see record_batch.h. */
#include "account/record_batch.h"

#include "account/record_row.h"

#include <stdlib.h>

/* Below what malloc() asks the kernel for piece by piece, pages and all. */
enum { FULL_BYTES = 96 * 1024, FIRST_BYTES = 16 * 1024 };

struct record_batch *record_batch_new(void)
{
    struct record_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL || buffer_reserve(&batch->rows, FIRST_BYTES))
        return batch;
    free(batch);
    return NULL;
}

void record_batch_free(struct record_batch *batch)
{
    if (batch == NULL)
        return;
    buffer_free(&batch->rows);
    free(batch);
}

int record_batch_add(struct record_batch *batch, const struct account_record *record, struct slice node)
{
    int rc = record_append_row(record, node, &batch->rows);
    if (rc == 0)
        batch->count++;
    return rc;
}

bool record_batch_is_full(const struct record_batch *batch)
{
    return batch->rows.length >= FULL_BYTES;
}
