/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_rows.h - one row of the policy tables as PostgreSQL gives it becomes one row of the snapshot's builder.
 * In:    an answer to the queries below, one row of it. Out: a call of the builder.
 * Never: leaves a row out or mends it: what cannot be understood becomes a tombstone with the reason (INV-47).
 */
#ifndef TRELAY_DB_POLICY_ROWS_H
#define TRELAY_DB_POLICY_ROWS_H

#include "base/attributes.h"
#include "db/database.h"
#include "policy/snapshot.h"

#include <stddef.h>

/* The queries; the columns are in the order that the functions below expect. */
const char *policy_rows_outbound_query(void);
const char *policy_rows_server_profile_query(void);
const char *policy_rows_peer_query(void);
const char *policy_rows_route_query(void);

/* 0 or ERROR_MEMORY. */
int policy_rows_outbound(struct policy_builder *builder, const struct database_result *result, size_t row) MUST_CHECK;
int policy_rows_server_profile(struct policy_builder *builder, const struct database_result *result, size_t row)
    MUST_CHECK;
int policy_rows_peer(struct policy_builder *builder, const struct database_result *result, size_t row) MUST_CHECK;
int policy_rows_route(struct policy_builder *builder, const struct database_result *result, size_t row) MUST_CHECK;

#endif
