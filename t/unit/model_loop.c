/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_loop.c - the loops and mailboxes of the model: time stands still in a turn, what is deferred runs at its end,
 * and when a turn ends the scheduler says. Takes the place of src/loop.
 */
#include "model.h"

#include "flow/mail.h"

/* --- src/loop --- */

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

int64_t loop_wall_s(struct loop *loop)
{
    return loop->wall_s;
}

void loop_timer_init(struct loop_timer *timer, loop_timer_fn *expired, void *arg)
{
    *timer = (struct loop_timer){ .expired = expired, .arg = arg };
}

void loop_timer_start_periodic(struct loop *loop, struct loop_timer *timer, uint32_t period_ms)
{
    timer->period_ms = period_ms;
    loop->timer = timer; /* a pool has one */
    loop->timer_due_ms = loop->now_ms + period_ms;
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    if (loop->timer == timer)
        loop->timer = NULL;
}

void loop_deferred_init(struct loop_deferred *deferred, loop_deferred_fn *run, void *arg)
{
    *deferred = (struct loop_deferred){ .run = run, .arg = arg };
}

void loop_defer(struct loop *loop, struct loop_deferred *deferred)
{
    if (!list_holds(&deferred->node))
        list_append(&loop->deferred, &deferred->node);
}

void loop_retire(struct loop *loop, struct loop_deferred *deferred)
{
    if (!list_holds(&deferred->node))
        list_append(&loop->retired, &deferred->node);
}

void loop_deferred_cancel(struct loop_deferred *deferred)
{
    list_remove(&deferred->node);
}

void mailbox_post(struct mailbox *mailbox, struct mailbox_node *node)
{
    node->next = NULL;
    *mailbox->last = node;
    mailbox->last = &node->next;
}

/* --- Turns --- */

static void run_all(struct list *list)
{
    struct list_node *node;
    while ((node = list_take_first(list)) != NULL) {
        struct loop_deferred *deferred = CONTAINER_OF(node, struct loop_deferred, node);
        deferred->run(deferred->arg);
    }
}

void model_turn(struct model_worker *worker)
{
    struct loop *loop = &worker->loop;
    model()->at = worker;
    if (loop->is_in_turn)
        return;
    loop->is_in_turn = true;
    loop->now_ms = model()->now_ms;
    loop->wall_s = model_wall_s();
    if (loop->timer == NULL || loop->now_ms < loop->timer_due_ms)
        return;
    /* Nothing may hang on it that the timer is on time (INV-37). */
    if (!model()->is_stable && !model()->settings.is_calm && dice_hits(&model()->dice, 2))
        return;
    loop->timer_due_ms = loop->now_ms + loop->timer->period_ms;
    model()->is_ours = true;
    loop->timer->expired(loop->timer->arg);
    model()->is_ours = false;
}

void model_turn_end(struct model_worker *worker)
{
    model_turn(worker);
    model()->is_ours = true;
    run_all(&worker->loop.deferred);
    run_all(&worker->loop.retired);
    model()->is_ours = false;
    worker->loop.is_in_turn = false;
    oracle_bounded(worker);
}

bool model_mail(struct model_worker *worker)
{
    struct mailbox *mailbox = &worker->mailbox;
    struct mailbox_node *node = mailbox->first;
    if (node == NULL)
        return false;
    mailbox->first = node->next;
    if (mailbox->first == NULL)
        mailbox->last = &mailbox->first;
    model_turn(worker);
    mail_deliver(worker, node);
    return true;
}
