/* SPDX-License-Identifier: GPL-2.0-or-later */
/* live.c - requests that wait for the database to say that the policy is its own; see live.h.
 * A question that is under way may have been answered in the database ahead of what comes now: that waits for the next.
 */
#include "relay/live.h"

enum { ANSWERED_EACH_TURN = 64, ACKS_MAX = 1024 };

struct live_wait {
    struct list_node node;     /* in a list of worker->live */
    struct exchange *exchange; /* counted */
    struct upstream *kept;     /* points back; NULL: none */
    live_done_fn *done;
    struct loop_timer timer;
};

/* What a silent name server may cost a request, a silent database may. */
static uint64_t bound_ms(const struct relay_settings *settings)
{
    return (uint64_t)settings->dns_timeout_ms * settings->dns_tries;
}

/* The exchange is the caller's. */
static struct exchange *wait_free(struct live_wait *wait)
{
    struct exchange *exchange = wait->exchange;
    list_remove(&wait->node);
    loop_timer_stop(exchange->worker->loop, &wait->timer);
    if (wait->kept != NULL)
        wait->kept->wait = NULL;
    else
        exchange->worker->live.ack_count--;
    slab_give(&exchange->worker->memory, wait, sizeof(*wait));
    return exchange;
}

static void finish(struct live_wait *wait, enum reason reason, const char *why)
{
    live_done_fn *done = wait->done;
    struct exchange *exchange = wait_free(wait);
    done(exchange, reason, why);
    exchange_unref(exchange);
}

static void on_timer(void *arg)
{
    finish(arg, REASON_POLICY_STALE, "the database did not answer in time");
}

static void ask(struct worker *worker)
{
    struct live *live = &worker->live;
    struct relay *relay = worker->relay;
    if (live->is_asking || list_is_empty(&live->waiting))
        return;
    while (!list_is_empty(&live->waiting))
        list_append(&live->asked, list_take_first(&live->waiting));
    live->is_asking = true;
    live->question.relay = relay;
    live->question.worker = worker->index;
    if (relay->ask != NULL && !worker->is_stopping)
        relay->ask(relay->ask_arg, &live->question);
    else
        relay_answer(&live->question, false, "there is no database to ask");
}

/* Many may have waited: each turn some of them go on. */
void live_deliver_answer(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct live *live = &worker->live;
    enum reason reason = live->question.is_current ? REASON_NONE : REASON_POLICY_STALE;
    struct list_node *node;
    while ((node = list_take_first(&live->asked)) != NULL) {
        loop_timer_stop(worker->loop, &CONTAINER_OF(node, struct live_wait, node)->timer);
        list_append(&live->answered, node);
    }
    for (unsigned i = 0; i < ANSWERED_EACH_TURN && !list_is_empty(&live->answered) && !worker->is_stopping; i++)
        finish(CONTAINER_OF(live->answered.head.next, struct live_wait, node), reason, live->question.why.text);
    if (!list_is_empty(&live->answered) && !worker->is_stopping) {
        mail_post(worker->mailbox, mail, live_deliver_answer);
        return;
    }
    live->is_asking = false;
    if (!worker->is_stopping)
        ask(worker);
}

bool live_start(struct exchange *exchange, struct upstream *kept, live_done_fn *done)
{
    struct worker *worker = exchange->worker;
    if (kept == NULL && worker->live.ack_count >= ACKS_MAX)
        return false;
    struct live_wait *wait = slab_take_zeroed(&worker->memory, sizeof(*wait));
    if (wait == NULL)
        return false;
    worker->live.ack_count += kept == NULL;
    wait->exchange = exchange_ref(exchange);
    wait->kept = kept;
    wait->done = done;
    if (kept != NULL)
        kept->wait = wait;
    loop_timer_init(&wait->timer, on_timer, wait);
    loop_timer_start(worker->loop, &wait->timer, bound_ms(worker->relay->settings));
    list_append(&worker->live.waiting, &wait->node);
    ask(worker);
    return true;
}

void live_end(struct upstream *kept, enum reason reason)
{
    if (kept != NULL && kept->wait != NULL)
        finish(kept->wait, reason, NULL);
}

void live_init(struct worker *worker)
{
    list_init(&worker->live.waiting);
    list_init(&worker->live.asked);
    list_init(&worker->live.answered);
}

void live_fini(struct worker *worker)
{
    struct list *const lists[] = { &worker->live.waiting, &worker->live.asked, &worker->live.answered };
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        while (!list_is_empty(lists[i]))
            exchange_unref(wait_free(CONTAINER_OF(lists[i]->head.next, struct live_wait, node)));
}
