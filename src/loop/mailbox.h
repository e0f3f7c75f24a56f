/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mailbox.h - messages from any thread into one loop.
 * In:    nodes embedded in messages; posting hands the message over. Out: each node once, to the handler, on the
 *        loop's thread, in the order in which each sender posted.
 * Never: allocates, locks, or wakes a loop that is already woken: one wake-up serves all that is posted before it.
 */
#ifndef TRELAY_LOOP_MAILBOX_H
#define TRELAY_LOOP_MAILBOX_H

#include "base/attributes.h"
#include "loop/loop.h"

struct mailbox;

struct mailbox_node {
    struct mailbox_node *next;
};

/* NODE belongs to the handler; it may post it again, to any mailbox. */
typedef void mailbox_fn(void *arg, struct mailbox_node *node);

/* On the loop's thread, or before that runs. */
int mailbox_new(struct loop *loop, mailbox_fn *deliver, void *arg, struct mailbox **mailbox_r) MUST_CHECK;

/* From any thread. Never fails. */
void mailbox_post(struct mailbox *mailbox, struct mailbox_node *node);

/* Gives the handler what has been posted, now; on the loop's thread. */
void mailbox_drain(struct mailbox *mailbox);

/* On the loop's thread, when no other thread posts any more. What is left is given to the handler first. */
void mailbox_free(struct mailbox *mailbox);

#endif
