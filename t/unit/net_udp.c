/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_udp.c - datagrams reach the worker that owns their source, in batches, and are never sent twice. */
#include "loop_fixture.h"

#include "base/error.h"
#include "net/net_scratch.h"
#include "net/socket_address.h"
#include "net/udp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* How many more messages sendmmsg() takes; below 0: as many as the real one does. Loopback never says EAGAIN. */
static int kernel_takes = -1;

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (kernel_takes < 0)
        return __real_sendmmsg(fd, messages, count, flags);
    if (kernel_takes == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (count > (unsigned)kernel_takes)
        count = (unsigned)kernel_takes;
    int sent = __real_sendmmsg(fd, messages, count, flags);
    kernel_takes -= sent > 0 ? sent : 0;
    return sent;
}

static const struct log_scope silent = { .logger = NULL };

static struct endpoint endpoint_of(const char *text, uint16_t port)
{
    struct endpoint endpoint = { .port = port };
    assert_int_equal(address_parse(slice_of_string(text), &endpoint.address), 0);
    return endpoint;
}

static int plain_socket(const char *text, struct endpoint *local_r)
{
    struct sockaddr_storage address;
    struct endpoint endpoint = endpoint_of(text, 0);
    socklen_t size = socket_address_from_endpoint(&endpoint, &address);
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0) {
        close(fd);
        return -1;
    }
    if (local_r != NULL)
        assert_int_equal(socket_local_endpoint(fd, local_r), 0);
    return fd;
}

static void send_from(int fd, const struct endpoint *to, const char *bytes, size_t length)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address_from_endpoint(to, &address);
    assert_int_equal(sendto(fd, bytes, length, 0, (struct sockaddr *)&address, size), (ssize_t)length);
}

/* Which of the sockets holds a datagram; it is taken out. */
static uint32_t arrived_at(const int *fds, uint32_t count)
{
    struct pollfd polls[UDP_WORKERS_MAX];
    char byte;
    for (uint32_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
    assert_int_equal(poll(polls, count, 10000), 1);
    for (uint32_t i = 0; i < count; i++)
        if (polls[i].revents != 0) {
            assert_int_equal(recv(fds[i], &byte, 1, 0), 1);
            return i;
        }
    return UINT32_MAX;
}

static void check_steering(const char *server, uint32_t count, const char *client)
{
    int fds[UDP_WORKERS_MAX];
    struct why why = WHY_NONE;
    struct endpoint bound, from, at = endpoint_of(server, 0);
    if (udp_bind(&at, count, 0, fds, &why) != 0)
        fail_msg("%s", why.text);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(socket_local_endpoint(fds[i], &bound), 0);
        if (i == 0)
            at = bound;
        assert_true(endpoint_equal(&at, &bound));
    }
    for (int i = 0; i < 2; i++) { /* the port does not matter */
        int fd = plain_socket(client, &from);
        assert_true(fd >= 0);
        send_from(fd, &at, "x", 1);
        assert_int_equal(arrived_at(fds, count), address_worker(&from.address, count));
        close(fd);
    }
    for (uint32_t i = 0; i < count; i++)
        close(fds[i]);
}

static void the_kernel_and_address_worker_agree(void **state)
{
    (void)state;
    static const uint32_t counts[] = { 1, 2, 3, 4, 7, 16, 61 };
    bool has_v6 = false;
    int fd = plain_socket("::1", NULL);
    if (fd >= 0) {
        has_v6 = true;
        close(fd);
    }
    for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
        char client[32];
        for (unsigned i = 1; i < 40; i++) {
            snprintf(client, sizeof(client), "127.%u.%u.%u", i % 3, i * 7 % 256, i * 31 % 254 + 1);
            check_steering("127.0.0.1", counts[c], client);
        }
        if (has_v6)
            check_steering("::1", counts[c], "::1");
    }
}

static void a_busy_endpoint_is_refused(void **state)
{
    (void)state;
    int fds[4], more[4];
    struct why why = WHY_NONE;
    struct endpoint at = endpoint_of("127.0.0.1", 0);
    assert_int_equal(udp_bind(&at, 1, 0, fds, &why), 0);
    assert_int_equal(socket_local_endpoint(fds[0], &at), 0);
    assert_int_equal(udp_bind(&at, 4, 0, more, &why), ERROR_SYSTEM);
    assert_non_null(strstr(why.text, "in use"));
    assert_int_equal(udp_bind(&at, 0, 0, more, &why), ERROR_LIMIT);
    assert_int_equal(udp_bind(&at, UDP_WORKERS_MAX + 1, 0, more, &why), ERROR_LIMIT);
    close(fds[0]);
}

struct station {
    struct udp *udp;
    unsigned received, failed, sent;
    unsigned next; /* the number that the next datagram carries */
    int os_error;
    struct endpoint source, failed_at;
    size_t last_length;
    bool frees, echoes;
};

static void on_received(void *arg, struct slice datagram, const struct endpoint *source)
{
    struct station *station = arg;
    station->received++;
    station->source = *source;
    station->last_length = datagram.length;
    if (datagram.length >= sizeof(unsigned)) {
        unsigned number;
        memcpy(&number, datagram.data, sizeof(number));
        assert_int_equal(number, station->next);
        station->next++;
    }
    if (station->echoes)
        assert_int_equal(udp_send(station->udp, datagram, source), 0);
    if (station->frees)
        udp_free(station->udp);
}

static void on_failed(void *arg, const struct endpoint *destination, int os_error)
{
    struct station *station = arg;
    station->failed++;
    station->failed_at = *destination;
    station->os_error = os_error;
}

static const struct udp_handler handler = { .received = on_received, .failed = on_failed };

struct bench {
    struct loop *loop;
    struct net_scratch *scratch;
};

static struct bench bench_new(void)
{
    struct bench bench = { .loop = fixture_loop() };
    assert_int_equal(net_scratch_new(&bench.scratch), 0);
    return bench;
}

static void bench_free(struct bench *bench)
{
    fixture_settle(bench->loop);
    loop_free(bench->loop);
    net_scratch_free(bench->scratch);
}

static void station_open(struct bench *bench, struct station *station, uint32_t buffer_bytes)
{
    struct why why = WHY_NONE;
    struct endpoint at = endpoint_of("127.0.0.1", 0);
    int fd;
    *station = (struct station){ 0 };
    assert_int_equal(udp_bind(&at, 1, buffer_bytes, &fd, &why), 0);
    assert_int_equal(udp_new(bench->loop, bench->scratch, fd, &handler, station, &silent, &station->udp), 0);
}

static int send_number(struct station *from, const struct station *to, size_t length)
{
    char bytes[4096] = { 0 };
    unsigned number = from->sent;
    memcpy(bytes, &number, sizeof(number));
    int rc = udp_send(from->udp, slice_of(bytes, length), udp_local(to->udp));
    from->sent += rc == 0;
    return rc;
}

static void a_turn_sends_and_receives_in_batches(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    struct bench bench = bench_new();
    struct station alice, bob;
    station_open(&bench, &alice, 1 << 20);
    station_open(&bench, &bob, 1 << 20);
    bob.echoes = true;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(send_number(&alice, &bob, 200), 0);
    assert_int_equal(udp_counters(alice.udp)->send_calls, 0); /* at the end of the turn */
    fixture_until_count(bench.loop, &alice.received, COUNT);
    assert_int_equal(udp_counters(alice.udp)->sent, COUNT);
    assert_int_equal(udp_counters(alice.udp)->send_calls, 1);
    assert_true(endpoint_equal(&bob.source, udp_local(alice.udp)));
    assert_int_equal(bob.last_length, 200);
    assert_int_equal(udp_counters(bob.udp)->received, COUNT);
    assert_true(udp_counters(bob.udp)->receive_calls <= COUNT / NET_SCRATCH_DATAGRAMS + 2);
    assert_int_equal(udp_counters(bob.udp)->sent, COUNT);
    udp_free(alice.udp);
    udp_free(bob.udp);
    bench_free(&bench);
}

static void the_largest_datagram_passes(void **state)
{
    (void)state;
    struct bench bench = bench_new();
    struct station alice, bob;
    static char bytes[UDP_MESSAGE_MAX + 1];
    station_open(&bench, &alice, 1 << 20);
    station_open(&bench, &bob, 1 << 20);
    assert_int_equal(udp_send(alice.udp, slice_of(bytes, UDP_MESSAGE_MAX), udp_local(bob.udp)), 0);
    assert_int_equal(udp_send(alice.udp, slice_of(bytes, UDP_MESSAGE_MAX + 1), udp_local(bob.udp)), ERROR_LIMIT);
    assert_int_equal(udp_counters(alice.udp)->dropped, 1);
    fixture_until_count(bench.loop, &bob.received, 1);
    assert_int_equal(bob.last_length, UDP_MESSAGE_MAX);
    udp_free(alice.udp);
    udp_free(bob.udp);
    bench_free(&bench);
}

/* The kernel takes a few messages now and then: the queue fills, is emptied in part, and moves up. What was accepted
 * arrives, once and in order. */
static void what_was_accepted_arrives_once(void **state)
{
    (void)state;
    struct bench bench = bench_new();
    struct station alice, bob;
    station_open(&bench, &alice, 0);
    station_open(&bench, &bob, 4 << 20);
    for (int round = 0; round < 60; round++) {
        kernel_takes = round % 7 * 3; /* none at all, too */
        uint64_t dropped = udp_counters(alice.udp)->dropped;
        for (unsigned i = 0; i < 400 && udp_counters(alice.udp)->dropped == dropped; i++) {
            int rc = send_number(&alice, &bob, round % 2 == 0 ? 100 : 3000);
            assert_true(rc == 0 || rc == ERROR_LIMIT);
            if (i % 10 == 9)
                loop_turn(bench.loop, false);
        }
        assert_int_not_equal(udp_counters(alice.udp)->dropped, dropped);
        fixture_settle(bench.loop);
    }
    assert_true(bob.received < alice.sent);
    assert_int_equal(udp_counters(alice.udp)->sent, bob.received);
    kernel_takes = -1;
    fixture_until_count(bench.loop, &bob.received, alice.sent);
    fixture_settle(bench.loop);
    assert_int_equal(bob.received, alice.sent);
    assert_int_equal(udp_counters(alice.udp)->sent, alice.sent);
    assert_int_equal(alice.failed, 0);
    udp_free(alice.udp);
    udp_free(bob.udp);
    bench_free(&bench);
}

static void a_refused_message_is_told_and_the_rest_goes(void **state)
{
    (void)state;
    struct bench bench = bench_new();
    struct station alice, bob;
    struct endpoint broadcast = endpoint_of("255.255.255.255", 5060), nowhere = { .port = 5060 };
    station_open(&bench, &alice, 0);
    station_open(&bench, &bob, 0);
    assert_int_equal(send_number(&alice, &bob, 100), 0);
    assert_int_equal(udp_send(alice.udp, slice_of_string("x"), &broadcast), 0);
    assert_int_equal(send_number(&alice, &bob, 100), 0);
    assert_int_equal(alice.failed, 0);
    assert_int_equal(udp_send(alice.udp, slice_of_string("x"), &nowhere), ERROR_UNSUPPORTED);
    fixture_until_count(bench.loop, &bob.received, 2);
    assert_int_equal(alice.failed, 1);
    assert_int_equal(alice.os_error, EACCES);
    assert_true(endpoint_equal(&alice.failed_at, &broadcast));
    udp_free(alice.udp);
    udp_free(bob.udp);
    bench_free(&bench);
}

static void freeing_within_a_call_is_allowed(void **state)
{
    (void)state;
    struct bench bench = bench_new();
    struct station alice, bob;
    station_open(&bench, &alice, 0);
    station_open(&bench, &bob, 0);
    bob.frees = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(send_number(&alice, &bob, 100), 0);
    udp_free(alice.udp); /* what is queued is sent all the same */
    fixture_until_count(bench.loop, &bob.received, 1);
    fixture_settle(bench.loop);
    assert_int_equal(bob.received, 1);
    bench_free(&bench);
}

static void addresses_go_to_the_kernel_and_back(void **state)
{
    (void)state;
    static const char *const texts[] = { "192.0.2.1", "2001:db8::1", "::1", "0.0.0.0", "255.255.255.255" };
    struct sockaddr_storage address;
    struct endpoint back, none = { .port = 1 };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct endpoint endpoint = endpoint_of(texts[i], (uint16_t)(5060 + i));
        socklen_t size = socket_address_from_endpoint(&endpoint, &address);
        assert_int_equal(socket_address_to_endpoint((struct sockaddr *)&address, size, &back), 0);
        assert_true(endpoint_equal(&endpoint, &back));
        assert_int_equal(socket_address_to_endpoint((struct sockaddr *)&address, size - 1, &back), ERROR_UNSUPPORTED);
    }
    assert_int_equal(socket_address_from_endpoint(&none, &address), 0);
    address.ss_family = AF_UNIX;
    assert_int_equal(socket_address_to_endpoint((struct sockaddr *)&address, sizeof(address), &back),
        ERROR_UNSUPPORTED);
    assert_int_equal(socket_local_endpoint(-1, &back), ERROR_SYSTEM);
    assert_int_equal(socket_peer_endpoint(-1, &back), ERROR_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_and_address_worker_agree),
        cmocka_unit_test(a_busy_endpoint_is_refused),
        cmocka_unit_test(a_turn_sends_and_receives_in_batches),
        cmocka_unit_test(the_largest_datagram_passes),
        cmocka_unit_test(what_was_accepted_arrives_once),
        cmocka_unit_test(a_refused_message_is_told_and_the_rest_goes),
        cmocka_unit_test(freeing_within_a_call_is_allowed),
        cmocka_unit_test(addresses_go_to_the_kernel_and_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
