/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_scratch.h - the memory into which one worker receives, shared by all its sockets.
 * What a socket's callback is given lies here and is valid until that callback returns.
 */
#ifndef TRELAY_NET_NET_SCRATCH_H
#define TRELAY_NET_NET_SCRATCH_H

#include "base/attributes.h"

#include <stddef.h>

struct net_scratch;

enum {
    NET_SCRATCH_DATAGRAMS = 32,         /* received by one system call */
    NET_SCRATCH_DATAGRAM_SIZE = 65536,  /* any UDP datagram fits (RFC 3261 18.1.1) */
    NET_SCRATCH_STREAM_SIZE = 65536,    /* read from a stream by one system call */
};

/* One per loop, freed after the loop's sockets. Pages that no datagram fills are never touched. */
int net_scratch_new(struct net_scratch **scratch_r) MUST_CHECK;
void net_scratch_free(struct net_scratch *scratch);

/* INDEX below NET_SCRATCH_DATAGRAMS. Stream reads use the first one. */
char *net_scratch_datagram(struct net_scratch *scratch, size_t index);

#endif
