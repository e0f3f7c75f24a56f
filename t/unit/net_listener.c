/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_listener.c - connections are accepted, refused in an orderly way when descriptors run out, and accepted again. */
#include "loop_fixture.h"

#include "base/error.h"
#include "net/listener.h"
#include "net/socket_address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct log_scope silent = { .logger = NULL };

struct door {
    struct loop *loop;
    struct listener *listener;
    unsigned accepted;
    int fds[256];
    struct endpoint peer;
    bool pauses, frees;
};

static void on_accepted(void *arg, int fd, const struct endpoint *peer)
{
    struct door *door = arg;
    assert_true(door->accepted < ARRAY_SIZE(door->fds));
    door->fds[door->accepted++] = fd;
    door->peer = *peer;
    if (door->pauses)
        listener_pause(door->listener);
    if (door->frees)
        listener_free(door->listener);
}

static struct endpoint endpoint_of(const char *text, uint16_t port)
{
    struct endpoint endpoint = { .port = port };
    assert_int_equal(address_parse(slice_of_string(text), &endpoint.address), 0);
    return endpoint;
}

static void door_open(struct door *door, const char *address)
{
    struct why why = WHY_NONE;
    struct endpoint at = endpoint_of(address, 0);
    int fd;
    *door = (struct door){ .loop = fixture_loop() };
    if (listener_bind(&at, 0, &fd, &why) != 0)
        fail_msg("%s", why.text);
    assert_int_equal(listener_new(door->loop, fd, on_accepted, door, &silent, &door->listener), 0);
    assert_int_not_equal(listener_local(door->listener)->port, 0);
}

static void door_close(struct door *door)
{
    for (unsigned i = 0; i < door->accepted; i++)
        close(door->fds[i]);
    if (!door->frees)
        listener_free(door->listener);
    fixture_settle(door->loop);
    loop_free(door->loop);
}

static int knock(const struct endpoint *at)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address_from_endpoint(at, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);
    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

static void accepted_sockets_are_set_up(void **state)
{
    (void)state;
    struct door door;
    struct endpoint client;
    door_open(&door, "127.0.0.1");
    int fd = knock(listener_local(door.listener));
    fixture_until_count(door.loop, &door.accepted, 1);
    assert_int_equal(socket_local_endpoint(fd, &client), 0);
    assert_true(endpoint_equal(&client, &door.peer));
    assert_int_equal(option(door.fds[0], IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(door.fds[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(door.fds[0], IPPROTO_TCP, TCP_KEEPIDLE), 120);
    assert_int_not_equal(fcntl(door.fds[0], F_GETFL) & O_NONBLOCK, 0);
    assert_int_not_equal(fcntl(door.fds[0], F_GETFD) & FD_CLOEXEC, 0);
    close(fd);
    door_close(&door);
}

/* Both families on one port: the IPv6 socket leaves IPv4 to the other. */
static void families_do_not_share_a_socket(void **state)
{
    (void)state;
    struct why why = WHY_NONE;
    struct endpoint v6 = endpoint_of("::", 0), v4 = endpoint_of("0.0.0.0", 0);
    int first, second;
    if (listener_bind(&v6, 0, &first, &why) != 0)
        skip(); /* no IPv6 here */
    assert_int_equal(option(first, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    assert_int_equal(socket_local_endpoint(first, &v6), 0);
    v4.port = v6.port;
    assert_int_equal(listener_bind(&v4, 0, &second, &why), 0);
    close(first);
    int third;
    assert_int_equal(listener_bind(&v4, 0, &third, &why), ERROR_SYSTEM);
    assert_non_null(strstr(why.text, "in use"));
    close(second);
    struct endpoint none = { .port = 5061 };
    assert_int_equal(listener_bind(&none, 0, &third, &why), ERROR_UNSUPPORTED);
}

static void a_paused_listener_leaves_them_waiting(void **state)
{
    (void)state;
    struct door door;
    int clients[3];
    door_open(&door, "127.0.0.1");
    door.pauses = true;
    for (int i = 0; i < 3; i++)
        clients[i] = knock(listener_local(door.listener));
    fixture_until_count(door.loop, &door.accepted, 1);
    fixture_settle(door.loop);
    assert_int_equal(door.accepted, 1);
    door.pauses = false;
    listener_resume(door.listener);
    fixture_until_count(door.loop, &door.accepted, 3);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    door_close(&door);
}

static void it_may_be_freed_within_the_call(void **state)
{
    (void)state;
    struct door door;
    int clients[3];
    door_open(&door, "127.0.0.1");
    door.frees = true;
    for (int i = 0; i < 3; i++)
        clients[i] = knock(listener_local(door.listener));
    fixture_until_count(door.loop, &door.accepted, 1);
    fixture_settle(door.loop);
    assert_int_equal(door.accepted, 1);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    door_close(&door);
}

static void without_descriptors_connections_are_refused(void **state)
{
    (void)state;
    enum { CLIENTS = 5, FILLERS = 2000 };
    struct door door;
    int clients[CLIENTS], fillers[FILLERS], filled = 0;
    char byte;
    struct rlimit before, few;
    door_open(&door, "127.0.0.1");
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = knock(listener_local(door.listener));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 128;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (filled < FILLERS && (fillers[filled] = dup(clients[0])) >= 0)
        filled++;
    assert_int_equal(errno, EMFILE);
    for (int i = 0; i < 50 && listener_refused_count(door.listener) < CLIENTS; i++)
        loop_turn(door.loop, true);
    assert_int_equal(listener_refused_count(door.listener), CLIENTS);
    assert_int_equal(door.accepted, 0);
    for (int i = 0; i < filled; i++)
        close(fillers[i]);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(read(clients[i], &byte, 1) <= 0); /* they learn it */
        close(clients[i]);
    }
    int fd = knock(listener_local(door.listener));
    fixture_until_count(door.loop, &door.accepted, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(fd);
    door_close(&door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_sockets_are_set_up),
        cmocka_unit_test(families_do_not_share_a_socket),
        cmocka_unit_test(a_paused_listener_leaves_them_waiting),
        cmocka_unit_test(it_may_be_freed_within_the_call),
        cmocka_unit_test(without_descriptors_connections_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
