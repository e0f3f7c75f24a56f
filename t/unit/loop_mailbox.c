/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_mailbox.c - nothing posted is lost, doubled or overtakes what the same sender posted before. */
#include "loop_fixture.h"

#include "base/attributes.h"
#include "loop/mailbox.h"
#include "loop/thread.h"

#include <stdlib.h>

enum { SENDERS = 4, MESSAGES = 20000 };

struct message {
    struct mailbox_node node;
    unsigned sender, number;
};

struct sender {
    struct mailbox *mailbox;
    struct message *messages;
    unsigned number;
};

struct receiver {
    struct loop *loop;
    unsigned next[SENDERS];
    unsigned count;
};

static void post_all(void *arg)
{
    struct sender *sender = arg;
    for (unsigned i = 0; i < MESSAGES; i++) {
        sender->messages[i] = (struct message){ .sender = sender->number, .number = i };
        mailbox_post(sender->mailbox, &sender->messages[i].node);
    }
}

static void on_message(void *arg, struct mailbox_node *node)
{
    struct receiver *receiver = arg;
    struct message *message = CONTAINER_OF(node, struct message, node);
    assert_int_equal(message->number, receiver->next[message->sender]);
    receiver->next[message->sender]++;
    receiver->count++;
    message->number = UINT32_MAX; /* it is the receiver's: the sender's thread must not see this as a race */
}

static void senders_keep_their_order(void **state)
{
    (void)state;
    struct receiver receiver = { .loop = fixture_loop() };
    struct sender senders[SENDERS];
    struct thread *threads[SENDERS];
    struct mailbox *mailbox;
    struct why why = WHY_NONE;
    assert_int_equal(mailbox_new(receiver.loop, on_message, &receiver, &mailbox), 0);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .mailbox = mailbox, .number = i };
        senders[i].messages = calloc(MESSAGES, sizeof(struct message));
        assert_non_null(senders[i].messages);
        assert_int_equal(thread_start("sender", post_all, &senders[i], &threads[i], &why), 0);
    }
    fixture_until_count(receiver.loop, &receiver.count, SENDERS * MESSAGES);
    for (unsigned i = 0; i < SENDERS; i++) {
        thread_join(threads[i]);
        assert_int_equal(receiver.next[i], MESSAGES);
        free(senders[i].messages);
    }
    mailbox_free(mailbox);
    loop_free(receiver.loop);
}

/* Two loops on two threads hand one message to and fro. */
struct player {
    struct loop *loop;
    struct mailbox *mailbox;
    struct player *other;
    unsigned hits;
};

enum { HITS = 2000 };

static void on_ball(void *arg, struct mailbox_node *node)
{
    struct player *player = arg;
    player->hits++;
    mailbox_post(player->other->mailbox, node);
    if (player->hits == HITS)
        loop_stop(player->loop);
}

static void play(void *arg)
{
    loop_run(((struct player *)arg)->loop);
}

static void loops_wake_each_other(void **state)
{
    (void)state;
    struct player players[2];
    struct mailbox_node ball;
    struct thread *thread;
    struct why why = WHY_NONE;
    for (int i = 0; i < 2; i++) {
        players[i] = (struct player){ .loop = fixture_loop(), .other = &players[1 - i] };
        assert_int_equal(mailbox_new(players[i].loop, on_ball, &players[i], &players[i].mailbox), 0);
    }
    mailbox_post(players[0].mailbox, &ball);
    assert_int_equal(thread_start("player", play, &players[1], &thread, &why), 0);
    loop_run(players[0].loop);
    thread_join(thread);
    assert_int_equal(players[0].hits, HITS);
    assert_int_equal(players[1].hits, HITS);
    for (int i = 0; i < 2; i++)
        players[i].other = &players[i]; /* the ball lies in one of them, and shall stay there */
    for (int i = 0; i < 2; i++)
        mailbox_drain(players[i].mailbox);
    assert_int_equal(players[0].hits + players[1].hits, 2 * HITS + 1);
    for (int i = 0; i < 2; i++) {
        mailbox_free(players[i].mailbox);
        loop_free(players[i].loop);
    }
}

static void on_kept(void *arg, struct mailbox_node *node)
{
    struct message *message = CONTAINER_OF(node, struct message, node);
    ((unsigned *)arg)[message->number]++;
}

static void what_is_left_is_delivered_at_the_end(void **state)
{
    (void)state;
    struct loop *loop = fixture_loop();
    struct mailbox *mailbox;
    struct message messages[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
    unsigned seen[3] = { 0 };
    assert_int_equal(mailbox_new(loop, on_kept, seen, &mailbox), 0);
    mailbox_post(mailbox, &messages[0].node);
    mailbox_drain(mailbox);
    assert_int_equal(seen[0], 1);
    mailbox_post(mailbox, &messages[1].node);
    mailbox_post(mailbox, &messages[2].node);
    mailbox_free(mailbox);
    assert_int_equal(seen[1], 1);
    assert_int_equal(seen[2], 1);
    loop_free(loop);
    assert_int_equal(seen[0] + seen[1] + seen[2], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_keep_their_order),
        cmocka_unit_test(loops_wake_each_other),
        cmocka_unit_test(what_is_left_is_delivered_at_the_end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
