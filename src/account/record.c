/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record.c - see record.h. */
#include "account/record.h"

#include <stdlib.h>

struct account_record *account_record_new(void)
{
    return calloc(1, sizeof(struct account_record));
}

void account_record_free(struct account_record *record)
{
    if (record == NULL)
        return;
    sip_message_unref(record->request);
    policy_snapshot_unref(record->snapshot);
    connection_facts_unref(record->in_facts);
    connection_facts_unref(record->out_facts);
    free(record);
}
