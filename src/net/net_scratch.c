/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_scratch.c - one worker's receive memory; see net_scratch.h. */
#include "net/net_scratch.h"

#include "base/error.h"

#include <stdlib.h>

struct net_scratch {
    char datagrams[NET_SCRATCH_DATAGRAMS][NET_SCRATCH_DATAGRAM_SIZE];
};

int net_scratch_new(struct net_scratch **scratch_r)
{
    struct net_scratch *scratch = malloc(sizeof(*scratch));
    if (scratch == NULL)
        return ERROR_MEMORY;
    *scratch_r = scratch;
    return 0;
}

void net_scratch_free(struct net_scratch *scratch)
{
    free(scratch);
}

char *net_scratch_datagram(struct net_scratch *scratch, size_t index)
{
    return scratch->datagrams[index];
}
