/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.h - trelayctl's side of the daemon: a Unix socket on which one JSON object is asked and one answered.
 * In:    {"command": "status", ...} and a new line. Out: an object and a new line, then the connection closes.
 * Never: waits: a question that takes time is answered later, one that does not come ends its connection. Who may ask
 *        is the socket's permission bits.
 */
#ifndef TRELAY_CONTROL_CONTROL_H
#define TRELAY_CONTROL_CONTROL_H

#include "base/attributes.h"
#include "base/why.h"
#include "log/log.h"
#include "loop/mailbox.h"
#include "net/resolver.h"
#include "relay/relay.h"

#include <stdint.h>

struct control;

/* The longest question, with its new line: more is answered with an error. */
enum { CONTROL_QUESTION_MAX = 65536 };

typedef void control_reloaded_fn(void *arg, bool is_success, const char *text);

/* Accounting records since the start: LOST are in no table and will be in none; WITHHELD were not made, for there were
 * too many requests of strangers. */
struct control_records {
    uint64_t written, waiting, lost, withheld;
};

/* What the commands work on; everything outlives the control. */
struct control_environment {
    struct loop *loop;
    struct mailbox *mailbox; /* of that loop: workers' answers come there */
    struct relay *relay;
    struct resolver *resolver;
    const struct relay_settings *settings;
    const struct log_scope *scope;
    /* The snapshot in force, counted for the caller. */
    struct policy_snapshot *(*snapshot)(void *arg);
    /* 0: DONE is called once, later; TEXT says why it failed. ERROR_MEMORY: it is not called. */
    int (*reload)(void *arg, enum reload_mode mode, control_reloaded_fn *done, void *done_arg);
    /* Whether the snapshot in force is the database's now; DONE may be called from within. Else as reload. */
    int (*confirm)(void *arg, control_reloaded_fn *done, void *done_arg);
    bool (*is_database_connected)(void *arg);
    struct control_records (*records)(void *arg);
    void *arg;
    int64_t started_at; /* seconds since the epoch */
};

/* 0, or ERROR_LIMIT: no Unix socket can have that path. */
int control_check_path(const char *path, struct why *why) MUST_CHECK;

/* Replaces a socket that is left from a process that is gone; refuses one that is answered. */
int control_new(const struct control_environment *environment, const char *path, unsigned mode,
    struct control **control_r, struct why *why) MUST_CHECK;
void control_free(struct control *control);

/* What trelayctl explain asks, for whoever asks through the database: MEMBERS is the object of explain_question.h as
 * text. DONE is called once, now or later: TEXT is the answer, JSON, or why there is none. */
typedef void control_answered_fn(void *arg, bool is_success, const char *text);
void control_explain_text(const struct control *control, struct slice members, control_answered_fn *done, void *arg);

#endif
