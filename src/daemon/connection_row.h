/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_row.h - the live connections as rows of trelay.connection, only those that are new or changed.
 * In:    all connections and the policy in force, once a second. Out: puts and removes to the connection store.
 */
#ifndef TRELAY_DAEMON_CONNECTION_ROW_H
#define TRELAY_DAEMON_CONNECTION_ROW_H

#include "base/attributes.h"
#include "db/connection_store.h"
#include "relay/relay.h"

struct connection_mirror;

int connection_mirror_new(struct connection_store *store, uint64_t hash_seed,
    struct connection_mirror **mirror_r) MUST_CHECK;
void connection_mirror_free(struct connection_mirror *mirror); /* NULL is allowed */

void connection_mirror_show(struct connection_mirror *mirror, const struct policy_snapshot *snapshot, int64_t now_s,
    const struct relay_connection *connections, size_t count);
/* The table is empty: everything is shown anew. */
void connection_mirror_forget(struct connection_mirror *mirror);

#endif
