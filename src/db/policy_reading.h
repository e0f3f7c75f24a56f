/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_reading.h - one reading of all policy tables: the queries of one transaction, their rows into a builder.
 * In:    a session. Out: a filled builder and the digest of all that went into it, or the reason of the failure.
 */
#ifndef TRELAY_DB_POLICY_READING_H
#define TRELAY_DB_POLICY_READING_H

#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"
#include "db/database.h"
#include "db/policy_material.h"
#include "policy/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/* What tells one state of the tables from another: the counter, and when it moved. */
struct policy_mark {
    int64_t version; /* 0: unknown */
    char changed_at[64];
};

const char *policy_mark_query(void);
void policy_mark_read(const struct database_result *result, size_t row, struct policy_mark *mark_r);
bool policy_mark_equal(const struct policy_mark *a, const struct policy_mark *b);

struct policy_reading;

struct policy_reading_result {
    struct policy_builder *builder; /* the callee's, to be finished or freed */
    struct policy_mark mark;
    int64_t read_at_s;            /* when it began */
    uint8_t content[DIGEST_SIZE]; /* of all rows and of what they name in files */
    struct slice certificates;    /* JSON array; borrowed for the call */
    bool has_defects;             /* a certificate or trust set could not be made: the same rows may do later */
};

/* RESULT is NULL when it failed. The reading is freed afterwards. */
typedef void policy_reading_fn(void *arg, const struct policy_reading_result *result, const struct why *failure);

int policy_reading_begin(struct database *database, struct policy_material *material, uint64_t hash_seed,
    int64_t now_s, policy_reading_fn *done, void *arg, struct policy_reading **reading_r, struct why *why) MUST_CHECK;

#endif
