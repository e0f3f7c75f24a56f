/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_memory.c - every allocation of src/log, src/loop and src/net refused once: an error each time, no leak, nothing
 * weaker, and it works again afterwards. Linked with --wrap for malloc, calloc and realloc.
 */
#include "loop_fixture.h"

#include "base/error.h"
#include "loop/mailbox.h"
#include "net/listener.h"
#include "net/locate.h"
#include "net/socket_address.h"
#include "net/stream.h"
#include "net/udp.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Allocations until one is refused; below 0: none is. */
static long until_refusal = -1;
static bool was_refused;

static bool is_refused(void)
{
    if (until_refusal < 0)
        return false;
    if (until_refusal-- > 0)
        return false;
    was_refused = true;
    return true;
}

#include "refused_memory.h"

static const struct log_scope silent = { .logger = NULL };

struct scene {
    struct loop *loop;
    struct net_scratch *scratch;
    bool is_located, has_ended, is_connected, has_received;
    enum reason reason;
    enum stream_end end;
    int accepted;
    struct stream *stream;
};

static const struct endpoint loopback = { .address = { .family = ADDRESS_V4, .bytes = { 127, 0, 0, 1 } } };

static int open_scene(struct scene *scene)
{
    *scene = (struct scene){ .accepted = -1 };
    int rc = loop_new(&scene->loop, NULL);
    return rc != 0 ? rc : net_scratch_new(&scene->scratch);
}

static void close_scene(struct scene *scene)
{
    if (scene->accepted >= 0)
        close(scene->accepted);
    loop_free(scene->loop);
    net_scratch_free(scene->scratch);
}

static void on_located(void *arg, const struct locate_result *result)
{
    struct scene *scene = arg;
    scene->is_located = true;
    scene->reason = result->reason;
    if (result->reason != REASON_NONE)
        assert_int_equal(result->count, 0);
}

/* 0 or ERROR_MEMORY. */
static int locate_one(struct scene *scene, struct resolver *resolver, const char *host, enum reason expected)
{
    const struct locate_question question = { .host = slice_of_string(host), .is_sips = true,
        .allowed = TRANSPORT_BITS_ALL };
    struct locate *locate;
    scene->is_located = false;
    int rc = locate_start(resolver, &question, on_located, scene, &locate);
    if (rc != 0)
        return rc;
    fixture_until(scene->loop, &scene->is_located);
    if (scene->reason == REASON_NO_MEMORY)
        return ERROR_MEMORY;
    assert_int_equal(scene->reason, expected);
    return 0;
}

static int run_locate(struct scene *scene)
{
    /* Nobody listens there: every question about a name fails. */
    const struct resolver_settings settings = { .servers = "127.0.0.1:1", .timeout_ms = 50, .tries = 1 };
    struct resolver *resolver;
    int rc = resolver_new(scene->loop, &settings, &resolver, NULL);
    if (rc != 0)
        return rc;
    rc = locate_one(scene, resolver, "192.0.2.1", REASON_NONE);
    if (rc == 0)
        rc = locate_one(scene, resolver, "biloxi.example", REASON_DNS_FAILED);
    resolver_free(resolver);
    return rc;
}

static void on_connected(void *arg)
{
    ((struct scene *)arg)->is_connected = true;
}

static void on_received(void *arg, struct slice bytes)
{
    (void)bytes;
    ((struct scene *)arg)->has_received = true;
}

static void on_drained(void *arg)
{
    (void)arg;
}

static void on_ended(void *arg, enum stream_end end, int os_error)
{
    struct scene *scene = arg;
    (void)os_error;
    scene->has_ended = true;
    scene->end = end;
}

static const struct stream_handler stream_handler = { .connected = on_connected, .received = on_received,
    .drained = on_drained, .ended = on_ended };

static void on_accepted(void *arg, int fd, const struct endpoint *peer)
{
    (void)peer;
    ((struct scene *)arg)->accepted = fd;
}

static int run_stream(struct scene *scene)
{
    const struct stream_environment environment = { .loop = scene->loop, .scratch = scene->scratch };
    struct listener *listener;
    static char bytes[8 << 20];
    int fd;
    assert_int_equal(listener_bind(&loopback, 0, &fd, NULL), 0);
    int rc = listener_new(scene->loop, fd, on_accepted, scene, &silent, &listener);
    if (rc != 0)
        return rc;
    rc = stream_connect(&environment, NULL, listener_local(listener), 10000, &stream_handler, scene, &scene->stream);
    if (rc == 0) {
        fixture_until(scene->loop, &scene->is_connected);
        rc = stream_write(scene->stream, slice_of(bytes, sizeof(bytes)));
        if (rc == ERROR_MEMORY) { /* a gap: the stream has ended, and says so */
            fixture_until(scene->loop, &scene->has_ended);
            assert_int_equal(scene->end, STREAM_END_MEMORY);
            assert_int_equal(stream_write(scene->stream, slice_of(bytes, 1)), ERROR_CLOSED);
        }
        stream_free(scene->stream);
    }
    listener_free(listener);
    return rc;
}

static int run_adopt(struct scene *scene)
{
    const struct stream_environment environment = { .loop = scene->loop, .scratch = scene->scratch };
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    int rc = stream_adopt(&environment, ends[0], &stream_handler, scene, &scene->stream);
    if (rc == 0) {
        assert_int_equal(write(ends[1], "x", 1), 1);
        fixture_until(scene->loop, &scene->has_received);
        stream_free(scene->stream);
    } else {
        assert_int_equal(send(ends[1], "x", 1, MSG_NOSIGNAL), -1); /* the descriptor was taken, and closed */
    }
    close(ends[1]);
    return rc;
}

static void on_datagram(void *arg, struct slice datagram, const struct endpoint *source)
{
    (void)datagram;
    (void)source;
    ((struct scene *)arg)->has_received = true;
}

static void on_failed(void *arg, const struct endpoint *destination, int os_error)
{
    (void)arg;
    (void)destination;
    fail_msg("sending failed: %d", os_error);
}

static int run_udp(struct scene *scene)
{
    static const struct udp_handler handler = { .received = on_datagram, .failed = on_failed };
    struct udp *udp;
    int fd;
    assert_int_equal(udp_bind(&loopback, 1, 0, &fd, NULL), 0);
    int rc = udp_new(scene->loop, scene->scratch, fd, &handler, scene, &silent, &udp);
    if (rc != 0)
        return rc;
    assert_int_equal(udp_send(udp, slice_of_string("x"), udp_local(udp)), 0);
    fixture_until(scene->loop, &scene->has_received);
    udp_free(udp);
    return 0;
}

static void on_message(void *arg, struct mailbox_node *node)
{
    (void)node;
    ((struct scene *)arg)->has_received = true;
}

static int run_mailbox(struct scene *scene)
{
    struct mailbox *mailbox;
    struct mailbox_node node;
    int rc = mailbox_new(scene->loop, on_message, scene, &mailbox);
    if (rc != 0)
        return rc;
    mailbox_post(mailbox, &node);
    fixture_until(scene->loop, &scene->has_received);
    mailbox_free(mailbox);
    return 0;
}

static int run_logger(struct scene *scene)
{
    const struct logger_settings settings = { .sink = LOG_SINK_NONE, .level = LOG_LEVEL_DEBUG };
    struct logger *logger;
    (void)scene;
    int rc = logger_new(&settings, &logger, NULL);
    if (rc == 0)
        logger_free(logger);
    return rc;
}

/* Refuses the first allocation, then the second, and so on, until all of RUN passes without a refusal. */
static void refuse_each(int (*run)(struct scene *scene))
{
    for (long n = 0;; n++) {
        struct scene scene;
        until_refusal = n;
        was_refused = false;
        int rc = open_scene(&scene);
        if (rc == 0)
            rc = run(&scene);
        until_refusal = -1;
        close_scene(&scene);
        if (!was_refused) {
            assert_int_equal(rc, 0);
            assert_true(n > 2);
            return;
        }
        assert_true(rc == ERROR_MEMORY || rc == 0);
        assert_true(n < 200);
    }
}

static void locating(void **state)
{
    (void)state;
    refuse_each(run_locate);
}

static void connecting_and_writing(void **state)
{
    (void)state;
    refuse_each(run_stream);
}

static void adopting(void **state)
{
    (void)state;
    refuse_each(run_adopt);
}

static void datagrams(void **state)
{
    (void)state;
    refuse_each(run_udp);
}

static void mailboxes(void **state)
{
    (void)state;
    refuse_each(run_mailbox);
}

static void loggers(void **state)
{
    (void)state;
    refuse_each(run_logger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locating),
        cmocka_unit_test(connecting_and_writing),
        cmocka_unit_test(adopting),
        cmocka_unit_test(datagrams),
        cmocka_unit_test(mailboxes),
        cmocka_unit_test(loggers),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
