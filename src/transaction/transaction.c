/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction.c - drives all four machines: looks the step up, sets the state, runs the timers.
 * The one function that assigns a state. What a step sends or passes is in server_transaction.c and
 * client_transaction.c. A timer of no duration fires as soon as its step is done.
 */
#include "transaction/transaction_private.h"

static const struct {
    uint32_t action;
    uint8_t event;
    bool repeats; /* the node: repeat, else timeout */
} starts[] = {
    { ACTION_START_A, EVENT_TIMER_A, true },
    { ACTION_START_B, EVENT_TIMER_B, false },
    { ACTION_START_D, EVENT_TIMER_D, false },
    { ACTION_START_E, EVENT_TIMER_E, true },
    { ACTION_START_F, EVENT_TIMER_F, false },
    { ACTION_START_G, EVENT_TIMER_G, true },
    { ACTION_START_H, EVENT_TIMER_H, false },
    { ACTION_START_I, EVENT_TIMER_I, false },
    { ACTION_START_J, EVENT_TIMER_J, false },
    { ACTION_START_K, EVENT_TIMER_K, false },
    { ACTION_START_L, EVENT_TIMER_L, false },
    { ACTION_START_M, EVENT_TIMER_M, false },
    { ACTION_START_100, EVENT_TIMER_100, true },
};

enum {
    WIRE_ACTIONS = ACTION_PASS | ACTION_SEND | ACTION_SEND_100 | ACTION_SEND_ACK | ACTION_RESEND,
    TELL_ACTIONS = ACTION_TELL_TIMEOUT | ACTION_TELL_ERROR,
};

void transaction_start(struct transaction_layer *layer, struct transaction *transaction, enum machine machine,
    bool is_reliable)
{
    transaction->machine = (uint8_t)machine;
    transaction->state = STATE_INITIAL;
    transaction->is_reliable = is_reliable;
    transaction->is_server = machine == MACHINE_INVITE_SERVER || machine == MACHINE_OTHER_SERVER;
    list_append(&layer->transactions, &transaction->link);
    *(transaction->is_server ? &layer->counts.servers : &layer->counts.clients) += 1;
}

static struct server_transaction *server_of(struct transaction *transaction)
{
    return CONTAINER_OF(transaction, struct server_transaction, base);
}

static struct client_transaction *client_of(struct transaction *transaction)
{
    return CONTAINER_OF(transaction, struct client_transaction, base);
}

void transaction_end(struct transaction_layer *layer, struct transaction *transaction)
{
    transaction->state = STATE_TERMINATED;
    timer_wheel_stop(&layer->wheel, &transaction->repeat);
    timer_wheel_stop(&layer->wheel, &transaction->timeout);
    list_remove(&transaction->link);
    list_append(&layer->ended_transactions, &transaction->link);
    if (transaction->is_server)
        server_transaction_ended(layer, server_of(transaction));
    else
        client_transaction_ended(layer, client_of(transaction));
}

static void fire_repeat(void *arg, struct timer_node *node)
{
    struct transaction *transaction = CONTAINER_OF(node, struct transaction, repeat);
    transaction_event(arg, transaction, transaction->repeat_event, &(struct event_input){ 0 });
}

static void fire_timeout(void *arg, struct timer_node *node)
{
    struct transaction *transaction = CONTAINER_OF(node, struct transaction, timeout);
    transaction_event(arg, transaction, transaction->timeout_event, &(struct event_input){ 0 });
}

/* The interval after the one that ran: doubled, but for A never above T2 (17.1.1.2, 17.1.2.2, 17.2.1). */
static uint32_t next_interval_ms(const struct transaction_layer *layer, const struct transaction *transaction)
{
    uint32_t t2_ms = layer->settings.timers.t2_ms;
    uint32_t doubled = transaction->repeat_ms * 2;
    if (transaction->repeat_event == EVENT_TIMER_A)
        return doubled;
    if (transaction->repeat_event == EVENT_TIMER_E && transaction->state == STATE_PROCEEDING)
        return t2_ms;
    return doubled < t2_ms ? doubled : t2_ms;
}

static void start_repeat(struct transaction_layer *layer, struct transaction *transaction,
    enum transaction_event timer, enum transaction_event event, uint32_t duration_ms)
{
    if (event != timer) {
        transaction->repeat_event = (uint8_t)timer;
        transaction->repeat_ms = duration_ms;
    } else {
        transaction->repeat_ms = next_interval_ms(layer, transaction);
    }
    timer_wheel_start(&layer->wheel, &transaction->repeat, layer->now_ms + transaction->repeat_ms, fire_repeat);
}

/* Returns the timer that fires at once, or NONE. */
static enum transaction_event start_timers(struct transaction_layer *layer, struct transaction *transaction,
    uint32_t actions, enum transaction_event event)
{
    bool is_invite = transaction->machine == MACHINE_INVITE_SERVER || transaction->machine == MACHINE_INVITE_CLIENT;
    enum transaction_event due = EVENT_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        if ((actions & starts[i].action) == 0)
            continue;
        enum transaction_event timer = starts[i].event;
        uint32_t duration_ms = timer_duration_ms(&layer->settings.timers, timer, transaction->is_reliable, is_invite);
        if (duration_ms == TIMER_OFF)
            continue;
        if (duration_ms == 0) {
            due = timer;
        } else if (starts[i].repeats) {
            start_repeat(layer, transaction, timer, event, duration_ms);
        } else {
            transaction->timeout_event = (uint8_t)timer;
            timer_wheel_start(&layer->wheel, &transaction->timeout, layer->now_ms + duration_ms, fire_timeout);
        }
    }
    return due;
}

static void perform(struct transaction_layer *layer, struct transaction *transaction, uint32_t actions,
    const struct event_input *input)
{
    if (actions == 0)
        return;
    if (transaction->is_server)
        server_transaction_perform(layer, server_of(transaction), actions, input);
    else
        client_transaction_perform(layer, client_of(transaction), actions, input);
}

void transaction_event(struct transaction_layer *layer, struct transaction *transaction, enum transaction_event event,
    const struct event_input *input)
{
    enum transaction_state state = transaction->state;
    if (state == STATE_TERMINATED)
        return; /* it ended further up the stack */
    struct step step = machine_step(transaction->machine, state, event);
    layer->ops->trace(layer->arg, transaction->machine, transaction->handle, state, event, step.next);
    if (step.next == STATE_NONE) {
        layer->counts.illegal_events++;
        return;
    }
    transaction->state = step.next;
    if ((step.actions & ACTION_STOP_REPEAT) != 0)
        timer_wheel_stop(&layer->wheel, &transaction->repeat);
    if ((step.actions & ACTION_STOP_TIMEOUT) != 0)
        timer_wheel_stop(&layer->wheel, &transaction->timeout);
    perform(layer, transaction, step.actions & WIRE_ACTIONS, input);

    /* What was performed may have come back with an event of its own, say that the send failed. */
    enum transaction_event due = EVENT_NONE;
    if (transaction->state == step.next && step.next != STATE_TERMINATED)
        due = start_timers(layer, transaction, step.actions, event);
    perform(layer, transaction, step.actions & TELL_ACTIONS, input);
    if (transaction->state == STATE_TERMINATED && step.next == STATE_TERMINATED)
        transaction_end(layer, transaction);
    else if (due != EVENT_NONE)
        transaction_event(layer, transaction, due, &(struct event_input){ 0 });
}
