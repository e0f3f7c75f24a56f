/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hop_table.h - which tries are under way on a connection: so that its end is told to them at once (A17). */
#ifndef TRELAY_RELAY_HOP_TABLE_H
#define TRELAY_RELAY_HOP_TABLE_H

#include "base/attributes.h"
#include "base/list.h"
#include "decide/decide.h"

struct hop;

struct hop_table {
    struct list *slots; /* by the hash of the connection's handle */
    uint64_t seed;
};

int hop_table_init(struct hop_table *hops, uint64_t seed) MUST_CHECK;
void hop_table_fini(struct hop_table *hops);
/* Under hop->handle, which must name a connection. */
void hop_table_insert(struct hop_table *hops, struct hop *hop);
/* Allowed for a hop that is in no table; also for one that was taken. */
void hop_table_remove(struct hop *hop);
/* Moves those of that connection to the end of TAKEN, in the order in which they came. */
void hop_table_take(struct hop_table *hops, struct connection_handle handle, struct list *taken);

#endif
