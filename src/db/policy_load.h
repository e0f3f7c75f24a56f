/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_load.h - the policy tables become snapshots: at the start, when somebody commits a change, now and then.
 * In:    one REPEATABLE READ transaction a reading (INV-46); NOTIFY is a hint, polling bounds staleness (INV-48).
 * Out:   a snapshot whenever the content differs from the one before (INV-41); a confirmation when it does not.
 * Never: a snapshot of half a reading; what fails leaves the last one in force, and its age tells.
 * Every reading is of all rows; changes are not applied one by one.
 */
#ifndef TRELAY_DB_POLICY_LOAD_H
#define TRELAY_DB_POLICY_LOAD_H

#include "base/attributes.h"
#include "base/slice.h"
#include "base/why.h"
#include "db/database.h"
#include "log/log.h"
#include "loop/loop.h"
#include "policy/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

struct policy_loader;

struct policy_loader_settings {
    const char *conninfo, *node;
    uint32_t poll_every_ms; /* (10 s) */
    uint32_t debounce_ms;   /* (50) changes that follow one another closely are one reading */
    uint32_t reconnect_min_ms, reconnect_max_ms; /* as of struct database_settings */
    uint64_t hash_seed;
};

struct policy_loaded {
    struct policy_snapshot *snapshot; /* the callee's reference */
    int64_t version;                  /* trelay.policy_version */
    struct slice certificates; /* JSON array for node_report_policy(); borrowed for the call */
    size_t made;               /* credentials and trust sets that were made anew, not reused */
};

/* Called from the loop; none may free the loader. */
struct policy_loader_events {
    void (*loaded)(void *arg, const struct policy_loaded *loaded);
    void (*confirmed)(void *arg, int64_t version, int64_t at_s); /* read again, the same */
    void (*failed)(void *arg, const struct why *why);            /* no reading: the last snapshot stays */
    void (*command)(void *arg); /* NOTIFY trelay_command: somebody wants something of the nodes */
};

int policy_loader_new(struct loop *loop, const struct policy_loader_settings *settings,
    const struct policy_loader_events *events, void *arg, const struct log_scope *scope,
    struct policy_loader **loader_r, struct why *why) MUST_CHECK;
void policy_loader_free(struct policy_loader *loader); /* NULL is allowed */

/* Begins to connect; the first reading follows by itself. */
void policy_loader_start(struct policy_loader *loader);

/* Reads rows and files again, changed or not. DONE is called once: true when a reading that began after this call was
 * complete. ERROR_MEMORY: it is not called. */
typedef void policy_reload_fn(void *arg, bool is_success, const char *text);
int policy_loader_reload(struct policy_loader *loader, policy_reload_fn *done, void *arg) MUST_CHECK;

/* Asks whether the policy in force is the database's, and reads it where it is not. DONE is called once, perhaps from
 * within this call: true when what is in force, behind loaded() if it is new, was the database's at a moment after this
 * call; false when that cannot be said, which without a session is at once. All who ask while a question is under way
 * are the next one. ERROR_MEMORY: it is not called. */
int policy_loader_confirm(struct policy_loader *loader, policy_reload_fn *done, void *arg) MUST_CHECK;

/* Whoever waits is told false, now, and whoever asks later as well. */
void policy_loader_stop(struct policy_loader *loader);

/* When the policy in force was last known to be that of the database; seconds since 1970, 0: never. */
int64_t policy_loader_confirmed_at(const struct policy_loader *loader);

#endif
