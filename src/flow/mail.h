/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mail.h - what workers hand each other: an object that says itself what the receiver does with it.
 * Embedded in the object that travels; ownership travels with it.
 */
#ifndef TRELAY_FLOW_MAIL_H
#define TRELAY_FLOW_MAIL_H

#include "loop/mailbox.h"

struct mail;
/* RECEIVER: the mailbox's owner. */
typedef void mail_deliver_fn(void *receiver, struct mail *mail);

struct mail {
    struct mailbox_node node;
    mail_deliver_fn *deliver;
};

/* From any thread. */
static inline void mail_post(struct mailbox *mailbox, struct mail *mail, mail_deliver_fn *deliver)
{
    mail->deliver = deliver;
    mailbox_post(mailbox, &mail->node);
}

/* The handler of a mailbox that carries mail: for mailbox_new(), with the receiver as argument. */
static inline void mail_deliver(void *receiver, struct mailbox_node *node)
{
    struct mail *mail = (struct mail *)(void *)node;
    mail->deliver(receiver, mail);
}

#endif
