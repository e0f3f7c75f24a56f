/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mailbox.c - many senders, one loop; see mailbox.h.
 * Senders push on a stack with one compare-and-swap; the loop takes the whole stack with one exchange and turns it
 * over, which restores the order. Only the sender that found the stack empty wakes the loop. Nodes are taken all at
 * once and never singly, so that a node that comes back (ABA) does no harm.
 */
#include "loop/mailbox.h"

#include "base/error.h"
#include "loop/loop_private.h"

#include <stdatomic.h>
#include <stdlib.h>

struct mailbox {
    _Atomic(struct mailbox_node *) newest;
    uv_async_t wake;
    mailbox_fn *deliver;
    void *arg;
};

void mailbox_drain(struct mailbox *mailbox)
{
    struct mailbox_node *node = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct mailbox_node *oldest = NULL;
    while (node != NULL) {
        struct mailbox_node *older = node->next;
        node->next = oldest;
        oldest = node;
        node = older;
    }
    while (oldest != NULL) {
        struct mailbox_node *next = oldest->next;
        oldest->next = NULL;
        mailbox->deliver(mailbox->arg, oldest); /* it belongs to the handler from here on */
        oldest = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    mailbox_drain(wake->data);
}

int mailbox_new(struct loop *loop, mailbox_fn *deliver, void *arg, struct mailbox **mailbox_r)
{
    struct mailbox *mailbox = malloc(sizeof(*mailbox));
    if (mailbox == NULL)
        return ERROR_MEMORY;
    *mailbox = (struct mailbox){ .deliver = deliver, .arg = arg };
    atomic_init(&mailbox->newest, NULL);
    if (uv_async_init(&loop->uv, &mailbox->wake, on_wake) != 0) {
        free(mailbox);
        return ERROR_SYSTEM;
    }
    mailbox->wake.data = mailbox;
    *mailbox_r = mailbox;
    return 0;
}

void mailbox_post(struct mailbox *mailbox, struct mailbox_node *node)
{
    struct mailbox_node *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do
        node->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, node, memory_order_release,
        memory_order_relaxed));
    /* NODE may be gone already; NEWEST is only compared. */
    if (newest == NULL)
        uv_async_send(&mailbox->wake);
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    mailbox_drain(mailbox);
    uv_close((uv_handle_t *)&mailbox->wake, on_close);
}
