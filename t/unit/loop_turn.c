/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_turn.c - timers, descriptors, deferred work, hooks and signals of a loop, and their order. */
#include "loop_fixture.h"

#include "base/attributes.h"
#include "loop/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct journal {
    struct loop *loop;
    char text[64];
    struct loop_deferred defer, retire, more;
    struct loop_hook before, after;
    struct loop_timer timer, other;
    bool is_done;
};

static void note(struct journal *journal, char c)
{
    size_t length = strlen(journal->text);
    assert_true(length + 1 < sizeof(journal->text));
    journal->text[length] = c;
}

static void on_more(void *arg)
{
    note(arg, 'm');
}

static void on_defer(void *arg)
{
    struct journal *journal = arg;
    note(journal, 'd');
    loop_defer(journal->loop, &journal->more);
}

static void on_retire(void *arg)
{
    struct journal *journal = arg;
    note(journal, 'r');
    journal->is_done = true;
}

static void on_before(void *arg)
{
    note(arg, 'b');
}

static void on_after(void *arg)
{
    note(arg, 'a');
}

static void on_timer(void *arg)
{
    struct journal *journal = arg;
    note(journal, 't');
    loop_retire(journal->loop, &journal->retire);
    loop_defer(journal->loop, &journal->defer);
    loop_defer(journal->loop, &journal->defer); /* once all the same */
    note(journal, 'T');
}

static void journal_init(struct journal *journal)
{
    *journal = (struct journal){ .loop = fixture_loop() };
    loop_deferred_init(&journal->defer, on_defer, journal);
    loop_deferred_init(&journal->retire, on_retire, journal);
    loop_deferred_init(&journal->more, on_more, journal);
    loop_timer_init(&journal->timer, on_timer, journal);
}

static void deferred_then_retired_then_waiting(void **state)
{
    (void)state;
    struct journal journal;
    journal_init(&journal);
    loop_timer_start(journal.loop, &journal.timer, 5);
    assert_true(loop_timer_is_running(&journal.timer));
    fixture_until(journal.loop, &journal.is_done);
    assert_string_equal(journal.text, "tTdmr");
    assert_false(loop_timer_is_running(&journal.timer));
    loop_free(journal.loop);
}

static void hooks_stand_around_the_wait(void **state)
{
    (void)state;
    struct journal journal;
    journal_init(&journal);
    loop_hook_before_wait(journal.loop, &journal.before, on_before, &journal);
    loop_hook_after_wait(journal.loop, &journal.after, on_after, &journal);
    loop_turn(journal.loop, false);
    loop_turn(journal.loop, false);
    assert_string_equal(journal.text, "baba");
    loop_hook_remove(&journal.before);
    loop_turn(journal.loop, false);
    assert_string_equal(journal.text, "babaa");
    loop_hook_remove(&journal.after);
    loop_turn(journal.loop, false);
    assert_string_equal(journal.text, "babaa");
    loop_free(journal.loop);
}

/* Deferring just before the wait must not wait for the next event, which may never come. */
static void on_before_defer(void *arg)
{
    struct journal *journal = arg;
    if (!journal->is_done)
        loop_retire(journal->loop, &journal->retire);
}

static void deferred_in_a_hook_does_not_wait(void **state)
{
    (void)state;
    struct journal journal;
    journal_init(&journal);
    loop_hook_before_wait(journal.loop, &journal.before, on_before_defer, &journal);
    for (int i = 0; i < 3 && !journal.is_done; i++)
        loop_turn(journal.loop, true);
    assert_true(journal.is_done);
    loop_free(journal.loop);
}

static void cancelled_work_is_not_done(void **state)
{
    (void)state;
    struct journal journal;
    journal_init(&journal);
    loop_defer(journal.loop, &journal.defer);
    loop_deferred_cancel(&journal.defer);
    loop_deferred_cancel(&journal.defer);
    loop_timer_start(journal.loop, &journal.timer, 1);
    loop_timer_stop(journal.loop, &journal.timer);
    loop_timer_stop(journal.loop, &journal.timer);
    fixture_settle(journal.loop);
    assert_string_equal(journal.text, "");
    loop_retire(journal.loop, &journal.retire);
    loop_free(journal.loop); /* runs what is left */
    assert_string_equal(journal.text, "r");
}

static void on_stop(void *arg)
{
    struct journal *journal = arg;
    note(journal, 's');
    loop_stop(journal->loop);
}

static void on_tick(void *arg)
{
    struct journal *journal = arg;
    note(journal, '.');
    if (strlen(journal->text) == 3) {
        loop_timer_stop(journal->loop, &journal->timer);
        loop_timer_start(journal->loop, &journal->other, 1);
    }
}

static void runs_until_stopped(void **state)
{
    (void)state;
    struct journal journal;
    journal_init(&journal);
    loop_timer_init(&journal.timer, on_tick, &journal);
    loop_timer_init(&journal.other, on_stop, &journal);
    uint64_t before = loop_now_ms(journal.loop);
    loop_timer_start_periodic(journal.loop, &journal.timer, 2);
    loop_run(journal.loop);
    assert_string_equal(journal.text, "...s");
    assert_true(loop_now_ms(journal.loop) - before >= 7);
    loop_stop(journal.loop);
    loop_run(journal.loop); /* stopped before it ran: returns */
    loop_free(journal.loop);
}

/* A timer that is started, moved or stopped somewhere in a turn. */
struct change {
    struct loop *loop;
    struct loop_hook hook;
    struct loop_deferred deferred;
    struct loop_timer trigger, timer, guard;
    struct loop_watch *watch;
    enum { START = 0, BRING_FORWARD, PUT_OFF, STOP, KIND_COUNT } kind;
    bool is_begun, is_early, is_late;
    uint64_t changed_ms, fired_ms;
};

enum { SOON_MS = 3, LATER_MS = 40, NEVER_MS = 3600000, GUARD_MS = 20000, TRIES_MAX = 100 };

static void make_change(void *arg)
{
    struct change *change = arg;
    if (change->is_begun)
        return;
    change->is_begun = true;
    change->changed_ms = loop_now_ms(change->loop);
    if (change->kind == STOP)
        loop_timer_stop(change->loop, &change->timer);
    else
        loop_timer_start(change->loop, &change->timer, change->kind == PUT_OFF ? LATER_MS : SOON_MS);
}

static void on_change_due(void *arg)
{
    struct change *change = arg;
    change->fired_ms = loop_now_ms(change->loop);
    change->is_early = !change->is_begun;
    loop_stop(change->loop);
}

static void on_guard(void *arg)
{
    struct change *change = arg;
    change->is_late = true;
    loop_stop(change->loop);
}

static void defer_change(void *arg)
{
    struct change *change = arg;
    loop_defer(change->loop, &change->deferred);
}

static void on_change_ready(void *arg, unsigned events)
{
    (void)events;
    make_change(arg);
    assert_int_equal(loop_watch_want(((struct change *)arg)->watch, 0), 0);
}

static void in_before_wait(struct change *change)
{
    loop_hook_before_wait(change->loop, &change->hook, make_change, change);
}

static void in_after_wait(struct change *change)
{
    loop_hook_after_wait(change->loop, &change->hook, make_change, change);
    loop_timer_start(change->loop, &change->trigger, 1); /* so that the wait ends */
}

static void in_a_timer(struct change *change)
{
    change->trigger.expired = make_change;
    loop_timer_start(change->loop, &change->trigger, 1);
}

static void in_deferred_work(struct change *change)
{
    change->trigger.expired = defer_change;
    loop_timer_start(change->loop, &change->trigger, 1);
}

static void in_deferred_work_of_a_hook(struct change *change)
{
    loop_hook_before_wait(change->loop, &change->hook, defer_change, change);
}

static void at_a_descriptor(struct change *change)
{
    assert_int_equal(loop_watch_want(change->watch, LOOP_READABLE), 0);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* All other things of the loop are over: nothing but the timer itself can wake it, or the guard when it does not. */
static void run_change(struct change *change, void (*begin)(struct change *change), int fd)
{
    loop_timer_init(&change->trigger, nothing, change);
    loop_timer_init(&change->timer, on_change_due, change);
    loop_timer_init(&change->guard, on_guard, change);
    loop_deferred_init(&change->deferred, make_change, change);
    assert_int_equal(loop_watch_new(change->loop, fd, on_change_ready, change, &change->watch), 0);
    if (change->kind != START)
        loop_timer_start(change->loop, &change->timer, change->kind == BRING_FORWARD ? NEVER_MS : SOON_MS * 3);
    loop_timer_start(change->loop, &change->guard, change->kind == STOP ? LATER_MS : GUARD_MS);
    begin(change);
    loop_run(change->loop);
    loop_timer_stop(change->loop, &change->guard);
    loop_timer_stop(change->loop, &change->trigger);
    loop_hook_remove(&change->hook);
    loop_watch_free(change->watch);
}

static void a_timer_may_be_changed_anywhere_in_a_turn(void **state)
{
    (void)state;
    static void (*const places[])(struct change *change) = { in_before_wait, in_after_wait, in_a_timer,
        in_deferred_work, in_deferred_work_of_a_hook, at_a_descriptor };
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        for (unsigned kind = START; kind < KIND_COUNT; kind++) {
            struct change change;
            /* On a machine that stood still the timer may be due ahead of its change: that says nothing. */
            for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
                change = (struct change){ .loop = fixture_loop(), .kind = kind };
                run_change(&change, places[i], ends[0]);
                if (!change.is_early)
                    break;
                loop_free(change.loop);
            }
            assert_true(change.is_begun && !change.is_early);
            assert_int_equal(change.is_late, kind == STOP);
            if (kind != STOP)
                assert_true(change.fired_ms >= change.changed_ms + (kind == PUT_OFF ? LATER_MS : SOON_MS));
            else
                assert_int_equal(change.fired_ms, 0);
            loop_free(change.loop);
        }
    close(ends[0]);
    close(ends[1]);
}

static void the_second_is_that_of_the_turn(void **state)
{
    (void)state;
    const struct timespec a_second = { .tv_sec = 1 };
    struct loop *loop = fixture_loop();
    loop_turn(loop, false);
    int64_t first = loop_wall_s(loop);
    assert_in_range(first, loop_wall_us(loop) / 1000000 - 1, loop_wall_us(loop) / 1000000);
    nanosleep(&a_second, NULL);
    assert_true(loop_wall_us(loop) / 1000000 > first);
    assert_int_equal(loop_wall_s(loop), first);
    loop_turn(loop, false);
    assert_true(loop_wall_s(loop) > first);
    loop_free(loop);
}

struct reader {
    struct loop_watch *watch;
    int fd;
    unsigned calls, events;
    bool closes;
};

static void on_ready(void *arg, unsigned events)
{
    struct reader *reader = arg;
    reader->calls++;
    reader->events = events;
    if (reader->closes) {
        loop_watch_free(reader->watch);
        close(reader->fd);
    }
}

static void descriptors_tell_what_was_wanted(void **state)
{
    (void)state;
    int ends[2];
    struct reader reader = { 0 };
    struct loop *loop = fixture_loop();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    reader.fd = ends[0];
    assert_int_equal(loop_watch_new(loop, ends[0], on_ready, &reader, &reader.watch), 0);
    fixture_settle(loop);
    assert_int_equal(reader.calls, 0);
    assert_int_equal(loop_watch_want(reader.watch, LOOP_READABLE | LOOP_WRITABLE), 0);
    loop_turn(loop, true);
    assert_int_equal(reader.events, LOOP_WRITABLE);
    assert_int_equal(loop_watch_want(reader.watch, LOOP_READABLE), 0);
    reader.calls = 0;
    loop_turn(loop, false);
    assert_int_equal(reader.calls, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    loop_turn(loop, true);
    assert_int_equal(reader.events, LOOP_READABLE);
    loop_turn(loop, true); /* level triggered: it was not read */
    assert_int_equal(reader.calls, 2);
    assert_int_equal(loop_watch_want(reader.watch, 0), 0);
    fixture_settle(loop);
    assert_int_equal(reader.calls, 2);
    assert_int_equal(loop_watch_want(reader.watch, LOOP_READABLE), 0);
    reader.closes = true; /* within the call */
    loop_turn(loop, true);
    assert_int_equal(reader.calls, 3);
    fixture_settle(loop);
    close(ends[1]);
    loop_free(loop);
}

static void on_error(void *arg, unsigned events)
{
    struct reader *reader = arg;
    int os_error = 0;
    socklen_t size = sizeof(os_error);
    reader->calls++;
    reader->events = events;
    assert_int_equal(getsockopt(reader->fd, SOL_SOCKET, SO_ERROR, &os_error, &size), 0);
    char byte;
    if (os_error == 0 && recv(reader->fd, &byte, 1, MSG_DONTWAIT) == 1)
        reader->closes = true; /* here: data has come */
}

/* An error on a descriptor is told as readiness and does not end the watch: UDP sockets live on after one. */
static void errors_do_not_end_a_watch(void **state)
{
    (void)state;
    struct loop *loop = fixture_loop();
    struct reader reader = { 0 };
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    int peer = socket(AF_INET, SOCK_DGRAM, 0), fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    memset(&address, 0, sizeof(address));
    address.ss_family = AF_INET;
    ((uint8_t *)&address)[4] = 127; /* 127.0.0.1 */
    ((uint8_t *)&address)[7] = 1;
    assert_int_equal(bind(peer, (struct sockaddr *)&address, 16), 0);
    assert_int_equal(getsockname(peer, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    struct sockaddr_storage own;
    socklen_t own_size = sizeof(own);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &own_size), 0);
    close(peer);
    reader.fd = fd;
    assert_int_equal(loop_watch_new(loop, fd, on_error, &reader, &reader.watch), 0);
    assert_int_equal(loop_watch_want(reader.watch, LOOP_READABLE), 0);
    assert_int_equal(send(fd, "x", 1, 0), 1); /* answered with ICMP: nobody listens */
    fixture_until_count(loop, &reader.calls, 1);
    assert_int_equal(reader.events, LOOP_READABLE);
    peer = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(peer, (struct sockaddr *)&address, size), 0);
    assert_int_equal(sendto(peer, "y", 1, 0, (struct sockaddr *)&own, own_size), 1);
    fixture_until(loop, &reader.closes);
    loop_watch_free(reader.watch);
    close(fd);
    close(peer);
    loop_free(loop);
}

static void on_signal(void *arg, int number)
{
    *(int *)arg = number;
}

struct mask {
    sigset_t set;
    char name[16];
};

static void read_mask(void *arg)
{
    struct mask *mask = arg;
    pthread_sigmask(SIG_SETMASK, NULL, &mask->set);
    assert_int_equal(pthread_getname_np(pthread_self(), mask->name, sizeof(mask->name)), 0);
}

static void signals_are_calls(void **state)
{
    (void)state;
    struct loop *loop = fixture_loop();
    struct loop_signal *signal;
    struct why why = WHY_NONE;
    struct mask mask;
    struct thread *thread;
    int number = 0;
    assert_int_equal(loop_signal_new(loop, SIGUSR1, on_signal, &number, &signal, &why), 0);
    assert_int_equal(thread_start("a-name-that-is-too-long", read_mask, &mask, &thread, &why), 0);
    thread_join(thread);
    assert_int_equal(sigismember(&mask.set, SIGUSR1), 1);
    assert_string_equal(mask.name, "a-name-that-is-");
    kill(getpid(), SIGUSR1);
    while (number == 0)
        loop_turn(loop, true);
    assert_int_equal(number, SIGUSR1);
    loop_signal_free(signal);
    assert_int_not_equal(loop_signal_new(loop, SIGKILL, on_signal, &number, &signal, &why), 0);
    assert_string_not_equal(why.text, "");
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deferred_then_retired_then_waiting),
        cmocka_unit_test(hooks_stand_around_the_wait),
        cmocka_unit_test(deferred_in_a_hook_does_not_wait),
        cmocka_unit_test(cancelled_work_is_not_done),
        cmocka_unit_test(runs_until_stopped),
        cmocka_unit_test(a_timer_may_be_changed_anywhere_in_a_turn),
        cmocka_unit_test(the_second_is_that_of_the_turn),
        cmocka_unit_test(descriptors_tell_what_was_wanted),
        cmocka_unit_test(errors_do_not_end_a_watch),
        cmocka_unit_test(signals_are_calls),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
