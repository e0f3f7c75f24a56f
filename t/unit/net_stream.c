/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_stream.c - TCP connections: how they begin, carry, stall and end. The peer is a plain socket of the test. */
#include "loop_fixture.h"

#include "base/buffer.h"
#include "base/error.h"
#include "net/socket_address.h"
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMEOUT_MS = 15000 };

/* In which call the owner frees the stream. */
enum freeing { FREE_NOWHERE = 0, FREE_IN_CONNECTED, FREE_IN_RECEIVED, FREE_IN_DRAINED, FREE_IN_ENDED };

struct owner {
    struct stream *stream;
    unsigned connected, drained, ended;
    unsigned received; /* bytes */
    struct buffer bytes;
    enum stream_end ends[2];
    int os_error;
    enum freeing frees;
    bool is_in_call; /* no callback comes from within a call of ours */
    bool pauses;
};

static void free_in(struct owner *owner, enum freeing here)
{
    assert_false(owner->is_in_call);
    if (owner->frees == here) {
        stream_free(owner->stream);
        owner->stream = NULL;
    }
}

static void on_connected(void *arg)
{
    struct owner *owner = arg;
    owner->connected++;
    free_in(owner, FREE_IN_CONNECTED);
}

static void on_received(void *arg, struct slice bytes)
{
    struct owner *owner = arg;
    assert_true(bytes.length > 0);
    owner->received += (unsigned)bytes.length;
    buffer_append_slice(&owner->bytes, bytes);
    if (owner->pauses)
        stream_pause_reading(owner->stream);
    free_in(owner, FREE_IN_RECEIVED);
}

static void on_drained(void *arg)
{
    struct owner *owner = arg;
    owner->drained++;
    assert_false(stream_is_congested(owner->stream));
    free_in(owner, FREE_IN_DRAINED);
}

static void on_ended(void *arg, enum stream_end end, int os_error)
{
    struct owner *owner = arg;
    assert_true(owner->ended < 2);
    owner->ends[owner->ended++] = end;
    owner->os_error = os_error;
    free_in(owner, FREE_IN_ENDED);
}

static const struct stream_handler handler = { .connected = on_connected, .received = on_received,
    .drained = on_drained, .ended = on_ended };

struct bench {
    struct stream_environment environment;
    struct loop *loop;
    struct owner owner;
    int peer;     /* the other side, blocking */
    int listener; /* -1: none */
    struct endpoint at;
};

static struct endpoint loopback(uint16_t port)
{
    return (struct endpoint){ .address = address_v4((const uint8_t[]){ 127, 0, 0, 1 }), .port = port };
}

static int listen_socket(int backlog, struct endpoint *at_r)
{
    struct sockaddr_storage address;
    struct endpoint any = loopback(0);
    socklen_t size = socket_address_from_endpoint(&any, &address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(socket_local_endpoint(fd, at_r), 0);
    return fd;
}

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){ .loop = fixture_loop(), .peer = -1 };
    struct net_scratch *scratch;
    assert_int_equal(net_scratch_new(&scratch), 0);
    bench->environment = (struct stream_environment){ .loop = bench->loop, .scratch = scratch,
        .high_water = 64 * 1024, .low_water = 16 * 1024 };
    bench->listener = listen_socket(8, &bench->at);
}

static void bench_fini(struct bench *bench)
{
    stream_free(bench->owner.stream);
    fixture_settle(bench->loop);
    loop_free(bench->loop);
    net_scratch_free(bench->environment.scratch);
    buffer_free(&bench->owner.bytes);
    if (bench->peer >= 0)
        close(bench->peer);
    close(bench->listener);
}

static int open_stream(struct bench *bench, const struct endpoint *local, const struct endpoint *remote,
    uint32_t timeout_ms)
{
    struct owner *owner = &bench->owner;
    owner->is_in_call = true;
    int rc = stream_connect(&bench->environment, local, remote, timeout_ms, &handler, owner, &owner->stream);
    owner->is_in_call = false;
    return rc;
}

/* A connection on both sides. */
static void bench_connect(struct bench *bench)
{
    assert_int_equal(open_stream(bench, NULL, &bench->at, TIMEOUT_MS), 0);
    fixture_until_count(bench->loop, &bench->owner.connected, 1);
    bench->peer = accept(bench->listener, NULL, NULL);
    assert_true(bench->peer >= 0);
}

static int write_bytes(struct bench *bench, const void *bytes, size_t length)
{
    bench->owner.is_in_call = true;
    int rc = stream_write(bench->owner.stream, slice_of(bytes, length));
    bench->owner.is_in_call = false;
    return rc;
}

static void connects_and_carries_both_ways(void **state)
{
    (void)state;
    struct bench bench;
    char text[16] = "";
    struct endpoint seen, local;
    bench_init(&bench);
    assert_int_equal(open_stream(&bench, NULL, &bench.at, TIMEOUT_MS), 0);
    assert_false(stream_is_connected(bench.owner.stream));
    assert_int_equal(write_bytes(&bench, "early ", 6), 0); /* before it is connected */
    assert_int_equal(stream_queued(bench.owner.stream), 6);
    fixture_until_count(bench.loop, &bench.owner.connected, 1);
    assert_true(stream_is_connected(bench.owner.stream));
    bench.peer = accept(bench.listener, NULL, NULL);
    assert_int_equal(write_bytes(&bench, "late", 4), 0);
    assert_int_equal(recv(bench.peer, text, 10, MSG_WAITALL), 10);
    assert_memory_equal(text, "early late", 10);
    assert_int_equal(stream_queued(bench.owner.stream), 0);
    assert_int_equal(send(bench.peer, "answer", 6, 0), 6);
    fixture_until_count(bench.loop, &bench.owner.received, 6);
    assert_memory_equal(bench.owner.bytes.data, "answer", 6);
    assert_int_equal(socket_peer_endpoint(bench.peer, &seen), 0);
    assert_int_equal(stream_local(bench.owner.stream, &local), 0);
    assert_true(endpoint_equal(&seen, &local));
    assert_int_equal(stream_peer(bench.owner.stream, &seen), 0);
    assert_true(endpoint_equal(&seen, &bench.at));
    assert_int_equal(bench.owner.ended, 0);
    bench_fini(&bench);
}

static void binds_to_the_local_address(void **state)
{
    (void)state;
    struct bench bench;
    struct endpoint seen, local = loopback(0), foreign = loopback(0);
    bench_init(&bench);
    local.address.bytes[3] = 7;
    assert_int_equal(open_stream(&bench, &local, &bench.at, TIMEOUT_MS), 0);
    bench.peer = accept(bench.listener, NULL, NULL);
    assert_int_equal(socket_peer_endpoint(bench.peer, &seen), 0);
    assert_true(address_equal(&seen.address, &local.address));
    stream_free(bench.owner.stream);
    bench.owner = (struct owner){ 0 };
    foreign.address.bytes[0] = 192; /* none of ours */
    assert_int_equal(open_stream(&bench, &foreign, &bench.at, TIMEOUT_MS), 0);
    fixture_until_count(bench.loop, &bench.owner.ended, 1);
    assert_int_equal(bench.owner.ends[0], STREAM_END_UNREACHABLE);
    bench_fini(&bench);
}

static void a_refused_connection_says_so(void **state)
{
    (void)state;
    struct bench bench;
    struct endpoint closed;
    bench_init(&bench);
    int fd = listen_socket(-1, &closed); /* bound, so that nobody else listens there */
    assert_int_equal(open_stream(&bench, NULL, &closed, TIMEOUT_MS), 0);
    fixture_until_count(bench.loop, &bench.owner.ended, 1);
    assert_int_equal(bench.owner.ends[0], STREAM_END_REFUSED);
    assert_int_equal(bench.owner.os_error, ECONNREFUSED);
    assert_int_equal(bench.owner.connected, 0);
    assert_int_equal(write_bytes(&bench, "x", 1), ERROR_CLOSED);
    close(fd);
    bench_fini(&bench);
}

static void a_silent_peer_times_out(void **state)
{
    (void)state;
    enum { FILLERS = 8 };
    struct bench bench;
    struct endpoint full;
    struct sockaddr_storage address;
    int fillers[FILLERS];
    bench_init(&bench);
    /* A queue of one that nobody empties: further SYNs get no answer. */
    int fd = listen_socket(0, &full);
    socklen_t size = socket_address_from_endpoint(&full, &address);
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int rc = connect(fillers[i], (struct sockaddr *)&address, size);
        assert_true(rc == 0 || errno == EINPROGRESS);
    }
    assert_int_equal(open_stream(&bench, NULL, &full, 150), 0);
    fixture_until_count(bench.loop, &bench.owner.ended, 1);
    assert_int_equal(bench.owner.ends[0], STREAM_END_CONNECT_TIMEOUT);
    assert_int_equal(bench.owner.connected, 0);
    for (int i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(fd);
    bench_fini(&bench);
}

static void impossible_destinations_are_errors(void **state)
{
    (void)state;
    struct bench bench;
    struct endpoint none = { .port = 5061 }, no_port = loopback(0);
    bench_init(&bench);
    assert_int_equal(open_stream(&bench, NULL, &none, TIMEOUT_MS), ERROR_UNSUPPORTED);
    assert_int_equal(open_stream(&bench, NULL, &no_port, TIMEOUT_MS), ERROR_UNSUPPORTED);
    struct endpoint broadcast = loopback(5061);
    memset(broadcast.address.bytes, 255, 4);
    assert_int_equal(open_stream(&bench, NULL, &broadcast, TIMEOUT_MS), 0);
    fixture_until_count(bench.loop, &bench.owner.ended, 1);
    assert_int_equal(bench.owner.ends[0], STREAM_END_UNREACHABLE);
    bench_fini(&bench);
}

static void half_closed_streams_still_write(void **state)
{
    (void)state;
    struct bench bench;
    char text[16];
    bench_init(&bench);
    bench_connect(&bench);
    assert_int_equal(send(bench.peer, "last", 4, 0), 4);
    shutdown(bench.peer, SHUT_WR);
    fixture_until_count(bench.loop, &bench.owner.ended, 1);
    assert_int_equal(bench.owner.ends[0], STREAM_END_EOF);
    assert_int_equal(bench.owner.received, 4);
    assert_int_equal(write_bytes(&bench, "response", 8), 0);
    assert_int_equal(recv(bench.peer, text, 8, MSG_WAITALL), 8);
    fixture_settle(bench.loop);
    assert_int_equal(bench.owner.ended, 1); /* told once */
    stream_finish(bench.owner.stream);
    stream_finish(bench.owner.stream);
    assert_int_equal(write_bytes(&bench, "x", 1), ERROR_STATE);
    assert_int_equal(recv(bench.peer, text, 1, 0), 0);
    bench_fini(&bench);
}

static void reset_peer(struct bench *bench)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };
    assert_int_equal(setsockopt(bench->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(bench->peer);
    bench->peer = -1;
}

static void a_reset_is_told_apart(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    bench_connect(&bench);
    reset_peer(&bench);
    fixture_until_count(bench.loop, &bench.owner.ended, 1);
    assert_int_equal(bench.owner.ends[0], STREAM_END_RESET);
    assert_int_equal(bench.owner.os_error, ECONNRESET);
    bench_fini(&bench);
}

/* A peer that refuses our certificate sends an alert and resets; our write finds the reset first. */
static void what_came_before_a_reset_is_not_lost(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    bench_connect(&bench);
    assert_int_equal(send(bench.peer, "alert", 5, 0), 5);
    reset_peer(&bench);
    assert_int_equal(write_bytes(&bench, "x", 1), ERROR_CLOSED);
    assert_int_equal(bench.owner.received, 0);
    fixture_until_count(bench.loop, &bench.owner.ended, 1);
    assert_int_equal(bench.owner.received, 5);
    assert_int_equal(bench.owner.ends[0], STREAM_END_RESET);
    bench_fini(&bench);
}

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 2654435761u >> 13);
}

static void a_slow_reader_gets_every_byte(void **state)
{
    (void)state;
    enum { TOTAL = 12 << 20, CHUNK = 30011 };
    struct bench bench;
    static uint8_t bytes[CHUNK];
    size_t written = 0, taken = 0;
    unsigned congestions = 0;
    bench_init(&bench);
    bench_connect(&bench);
    fcntl(bench.peer, F_SETFL, O_NONBLOCK);
    while (taken < TOTAL) {
        while (written < TOTAL && !stream_is_congested(bench.owner.stream)) {
            size_t length = TOTAL - written < CHUNK ? TOTAL - written : CHUNK;
            for (size_t i = 0; i < length; i++)
                bytes[i] = pattern(written + i);
            assert_int_equal(write_bytes(&bench, bytes, length), 0);
            written += length;
            if (stream_is_congested(bench.owner.stream)) {
                congestions++;
                assert_true(stream_queued(bench.owner.stream) >= bench.environment.high_water);
            }
        }
        ssize_t length = recv(bench.peer, bytes, 7919, 0);
        for (ssize_t i = 0; i < length; i++)
            assert_int_equal(bytes[i], pattern(taken + (size_t)i));
        taken += length > 0 ? (size_t)length : 0;
        if (length < 7919)
            loop_turn(bench.loop, false);
    }
    assert_true(congestions > 0);
    assert_true(bench.owner.drained >= congestions - 1);
    assert_int_equal(stream_queued(bench.owner.stream), 0);
    bench_fini(&bench);
}

static void a_fin_goes_behind_what_is_queued(void **state)
{
    (void)state;
    enum { TOTAL = 8 << 20 };
    struct bench bench;
    char *bytes = calloc(1, TOTAL), scratch[65536];
    size_t taken = 0;
    assert_non_null(bytes);
    bench_init(&bench);
    bench_connect(&bench);
    assert_int_equal(write_bytes(&bench, bytes, TOTAL), 0);
    assert_true(stream_queued(bench.owner.stream) > 0);
    stream_finish(bench.owner.stream);
    fcntl(bench.peer, F_SETFL, O_NONBLOCK);
    ssize_t length = -1;
    while (length != 0) {
        length = recv(bench.peer, scratch, sizeof(scratch), 0);
        assert_true(length >= 0 || errno == EAGAIN);
        taken += length > 0 ? (size_t)length : 0;
        loop_turn(bench.loop, false);
    }
    assert_int_equal(taken, TOTAL);
    free(bytes);
    bench_fini(&bench);
}

static void the_queue_has_a_limit(void **state)
{
    (void)state;
    struct bench bench;
    static char bytes[100000];
    bench_init(&bench);
    bench.environment.queue_limit = 500000;
    assert_int_equal(open_stream(&bench, NULL, &bench.at, TIMEOUT_MS), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(write_bytes(&bench, bytes, sizeof(bytes)), 0);
    assert_int_equal(write_bytes(&bench, bytes, 1), ERROR_LIMIT);
    assert_int_equal(stream_queued(bench.owner.stream), 500000);
    fixture_until_count(bench.loop, &bench.owner.connected, 1); /* a refused write does no harm */
    assert_int_equal(bench.owner.ended, 0);
    bench_fini(&bench);
}

static void reading_can_be_paused(void **state)
{
    (void)state;
    struct bench bench;
    static char bytes[200000];
    bench_init(&bench);
    bench_connect(&bench);
    bench.owner.pauses = true;
    assert_int_equal(send(bench.peer, bytes, sizeof(bytes), 0), sizeof(bytes));
    fixture_until_count(bench.loop, &bench.owner.received, 1);
    unsigned before = bench.owner.received;
    assert_true(before <= NET_SCRATCH_STREAM_SIZE);
    fixture_settle(bench.loop);
    assert_int_equal(bench.owner.received, before);
    bench.owner.pauses = false;
    stream_resume_reading(bench.owner.stream);
    fixture_until_count(bench.loop, &bench.owner.received, sizeof(bytes));
    bench_fini(&bench);
}

/* One peer that sends much does not keep the others waiting. */
static void a_turn_reads_a_bounded_amount(void **state)
{
    (void)state;
    struct bench bench;
    static char bytes[1 << 20];
    int big = 4 << 20;
    bench_init(&bench);
    bench.environment.read_limit = 100000;
    setsockopt(bench.listener, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
    bench_connect(&bench);
    fcntl(bench.peer, F_SETFL, O_NONBLOCK);
    assert_true(send(bench.peer, bytes, sizeof(bytes), 0) > 300000);
    loop_turn(bench.loop, true);
    assert_true(bench.owner.received > 0 && bench.owner.received <= 100000 + NET_SCRATCH_STREAM_SIZE);
    bench_fini(&bench);
}

static void a_peer_that_takes_nothing_is_given_up(void **state)
{
    (void)state;
    struct bench bench;
    static char bytes[8 << 20];
    bench_init(&bench);
    bench.environment.stall_timeout_ms = 300;
    bench_connect(&bench);
    assert_int_equal(write_bytes(&bench, bytes, sizeof(bytes)), 0);
    fixture_until_count(bench.loop, &bench.owner.ended, 1);
    assert_int_equal(bench.owner.ends[0], STREAM_END_TIMEOUT);
    bench_fini(&bench);
}

static void an_abort_resets(void **state)
{
    (void)state;
    struct bench bench;
    char byte;
    bench_init(&bench);
    bench_connect(&bench);
    stream_abort(bench.owner.stream);
    bench.owner.stream = NULL;
    assert_int_equal(recv(bench.peer, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    bench_fini(&bench);
}

/* In every callback; no callback comes afterwards, though more is waiting. */
static void it_may_be_freed_in_every_call(void **state)
{
    (void)state;
    for (enum freeing here = FREE_IN_CONNECTED; here <= FREE_IN_ENDED; here++) {
        struct bench bench;
        static char bytes[8 << 20];
        bench_init(&bench);
        bench.owner.frees = here;
        assert_int_equal(open_stream(&bench, NULL, &bench.at, TIMEOUT_MS), 0);
        if (here == FREE_IN_DRAINED)
            assert_int_equal(write_bytes(&bench, bytes, sizeof(bytes)), 0);
        bench.peer = accept(bench.listener, NULL, NULL);
        assert_true(send(bench.peer, bytes, 1000, 0) == 1000);
        if (here != FREE_IN_DRAINED)
            shutdown(bench.peer, SHUT_WR);
        fcntl(bench.peer, F_SETFL, O_NONBLOCK);
        while (bench.owner.stream != NULL) {
            loop_turn(bench.loop, false);
            while (here == FREE_IN_DRAINED && recv(bench.peer, bytes, sizeof(bytes), 0) > 0)
                ;
        }
        struct owner after = bench.owner;
        fixture_settle(bench.loop);
        assert_int_equal(after.connected, bench.owner.connected);
        assert_int_equal(after.received, bench.owner.received);
        assert_int_equal(after.drained, bench.owner.drained);
        assert_int_equal(after.ended, bench.owner.ended);
        bench_fini(&bench);
    }
}

static void an_idle_connection_is_small(void **state)
{
    (void)state;
    enum { PAIRS = 100, BYTES = 400 };
    struct bench bench;
    struct owner owners[PAIRS] = { { 0 } };
    int ends[PAIRS][2];
    bench_init(&bench);
    fixture_settle(bench.loop);
    for (int i = 0; i < PAIRS; i++)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends[i]), 0);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < PAIRS; i++)
        assert_int_equal(stream_adopt(&bench.environment, ends[i][0], &handler, &owners[i], &owners[i].stream), 0);
    size_t each = (mallinfo2().uordblks - before) / PAIRS; /* 0 under a sanitizer */
    assert_in_range(each, 0, BYTES);
    print_message("# %zu bytes for an idle connection\n", each);
    for (int i = 0; i < PAIRS; i++)
        assert_int_equal(write(ends[i][1], "x", 1), 1);
    for (int i = 0; i < PAIRS; i++)
        fixture_until_count(bench.loop, &owners[i].received, 1);
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(owners[i].connected, 0);
        stream_free(owners[i].stream);
        close(ends[i][1]);
        buffer_free(&owners[i].bytes);
    }
    bench_fini(&bench);
}

static void ends_have_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STREAM_END_COUNT; i++) {
        assert_non_null(stream_end_name((enum stream_end)i));
        assert_non_null(stream_end_text((enum stream_end)i));
    }
    assert_string_equal(stream_end_name(STREAM_END_COUNT), "unknown");
    assert_string_equal(stream_end_text(STREAM_END_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_and_carries_both_ways),
        cmocka_unit_test(binds_to_the_local_address),
        cmocka_unit_test(a_refused_connection_says_so),
        cmocka_unit_test(a_silent_peer_times_out),
        cmocka_unit_test(impossible_destinations_are_errors),
        cmocka_unit_test(half_closed_streams_still_write),
        cmocka_unit_test(a_reset_is_told_apart),
        cmocka_unit_test(what_came_before_a_reset_is_not_lost),
        cmocka_unit_test(a_slow_reader_gets_every_byte),
        cmocka_unit_test(a_fin_goes_behind_what_is_queued),
        cmocka_unit_test(the_queue_has_a_limit),
        cmocka_unit_test(reading_can_be_paused),
        cmocka_unit_test(a_turn_reads_a_bounded_amount),
        cmocka_unit_test(a_peer_that_takes_nothing_is_given_up),
        cmocka_unit_test(an_abort_resets),
        cmocka_unit_test(it_may_be_freed_in_every_call),
        cmocka_unit_test(an_idle_connection_is_small),
        cmocka_unit_test(ends_have_names),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
