/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_store.h - the table trelay.connection, kept some seconds behind the live connections of this node.
 * In:    connections that are new or changed, and the end of others. Out: changes, once a second, in one command.
 * Several changes of one connection become one; what failed to be written is written with the next.
 */
#ifndef TRELAY_DB_CONNECTION_STORE_H
#define TRELAY_DB_CONNECTION_STORE_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/slice.h"
#include "db/database.h"
#include "log/log.h"
#include "loop/loop.h"

#include <stddef.h>
#include <stdint.h>

/* The columns; absent text, INT64_MIN and addresses of no family are NULL. Borrowed for the call. */
struct connection_row {
    struct slice id, direction, transport, state, class_name, level;
    struct endpoint local, remote;
    struct slice expected_domain, verified_domain, reason, policy, peer, key_digest;
    struct slice certificate, certificate_sha256, sni, trust_set, tls_version, cipher;
    struct slice peer_subject, peer_issuer, peer_serial, peer_sha256;
    const struct slice *peer_sans;
    size_t peer_san_count;
    int64_t peer_not_before_us, peer_not_after_us;
    int64_t opened_at_us, verified_at_us, expires_at_us, last_used_at_us; /* since 1970 */
    uint64_t requests;
    uint32_t in_flight;
};

struct connection_store;

/* RESYNC is called when the table knows nothing of this node any more: put every live connection again. */
typedef void connection_resync_fn(void *arg);

int connection_store_new(struct loop *loop, struct database *database, const char *node, uint64_t hash_seed,
    connection_resync_fn *resync, void *arg, const struct log_scope *scope, struct connection_store **store_r)
    MUST_CHECK;

/* After database_free(). NULL is allowed. */
void connection_store_free(struct connection_store *store);

/* ERROR_MEMORY: the table will be behind until the next change of that connection. */
int connection_store_put(struct connection_store *store, const struct connection_row *row) MUST_CHECK;
int connection_store_remove(struct connection_store *store, struct slice id) MUST_CHECK;

/* A session is ready and the node's row is there: empties the node's part of the table and asks for all. */
void connection_store_resume(struct connection_store *store);

/* Another process writes the node's part: nothing is written until connection_store_resume(). */
void connection_store_hold(struct connection_store *store);

size_t connection_store_waiting(const struct connection_store *store);

#endif
