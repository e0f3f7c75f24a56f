/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_pool.c - a pool with a real loop and sockets on loopback, level none: opened, joined, reused, kept apart, ended.
 * The peer is a plain socket of the test that accepts, or not. */
#include "decide_fixture.h"
#include "flow/flow_pool.h"
#include "loop_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUTCOMES_MAX = 16 };

struct outcome {
    enum decision decision;
    enum reason reason;
    struct connection_handle handle;
};

struct bench {
    struct loop *loop;
    struct net_scratch *scratch;
    struct tls_context_cache *contexts;
    struct flow_pool *pool;
    struct policy_snapshot *snapshot;
    struct outcome outcomes[OUTCOMES_MAX];
    unsigned done, closed, messages;
    bool is_under_way; /* requests stay so */
    struct connection_handle sender; /* of the last message */
    struct connection_facts *sender_facts; /* counted */
    int listener;
    uint16_t port;
};

static void on_message(void *arg, struct connection_facts *facts, const char *listener, struct sip_message *message)
{
    struct bench *bench = arg;
    (void)listener;
    (void)message;
    bench->messages++;
    bench->sender = facts->handle;
    bench->sender_facts = connection_facts_ref(facts);
    connection_facts_begin(facts);
}

static void on_defect(void *arg, struct connection_facts *facts, const char *listener, struct slice bytes,
    const struct sip_defect *defect)
{
    (void)arg;
    (void)facts;
    (void)listener;
    (void)bytes;
    (void)defect;
}

static void on_closed(void *arg, struct connection_handle handle, enum reason reason,
    void *farewell UNUSED)
{
    struct bench *bench = arg;
    (void)handle;
    (void)reason;
    bench->closed++;
}

static const struct flow_pool_ops ops = { .message = on_message, .defect = on_defect, .closed = on_closed };

static uint16_t listen_here(int *fd_r)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof(here);
    *fd_r = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(*fd_r >= 0);
    assert_int_equal(bind(*fd_r, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(listen(*fd_r, 16), 0);
    assert_int_equal(getsockname(*fd_r, (struct sockaddr *)&here, &size), 0);
    return ntohs(here.sin_port);
}

static void bench_init(struct bench *bench, uint32_t max_waiters, bool is_under_way)
{
    *bench = (struct bench){ .loop = fixture_loop() };
    const struct log_scope scope = LOG_SCOPE_NONE;
    struct flow_pool_settings settings = { .hash_seed = FIXTURE_SEED, .limits = SIP_LIMITS_DEFAULT,
        .max_each = 64, .max_waiters = max_waiters, .connect_timeout_ms = 10000,
        .handshake_timeout_ms = 10000, .message_timeout_ms = 10000, .idle_timeout_s = 3600,
        .drain_timeout_ms = 3600000, .backoff_ms = 3600000 };
    bench->is_under_way = is_under_way;
    for (size_t i = 0; i < FLOW_CLASS_COUNT; i++)
        settings.max[i] = 64;
    assert_int_equal(net_scratch_new(&bench->scratch), 0);
    assert_int_equal(tls_context_cache_new(FIXTURE_SEED, 4, &bench->contexts), 0);
    assert_int_equal(policy_snapshot_empty(&bench->snapshot), 0);
    assert_int_equal(flow_pool_new(&settings, bench->loop, bench->scratch, &scope, bench->contexts, &ops, bench,
        &bench->pool), 0);
    bench->port = listen_here(&bench->listener);
}

static void bench_fini(struct bench *bench)
{
    flow_pool_free(bench->pool);
    policy_snapshot_unref(bench->snapshot);
    tls_context_cache_free(bench->contexts);
    loop_free(bench->loop);
    net_scratch_free(bench->scratch);
    assert_int_equal(close(bench->listener), 0);
}

static void on_done(void *arg, struct placement *placement)
{
    struct bench *bench = arg;
    assert_in_range(bench->done, 0, OUTCOMES_MAX - 1);
    struct outcome *outcome = &bench->outcomes[bench->done++];
    *outcome = (struct outcome){ .decision = placement->decision, .reason = placement->reason };
    if (placement->facts != NULL)
        outcome->handle = placement->facts->handle;
    placement_free(placement);
}

/* Plain TCP to PORT of this host; CHANGE spoils the requirement. */
static struct placement *place(struct bench *bench, uint16_t port, void (*change)(struct requirement *requirement))
{
    struct placement *placement = placement_new(NULL, bench->snapshot);
    assert_non_null(placement);
    placement->requirement = fixture_requirement(LEVEL_NONE);
    placement->requirement.key.destination = (struct endpoint){ fixture_address("127.0.0.1"), port };
    placement->requirement.terms.idle_timeout_s = 3600;
    if (change != NULL)
        change(&placement->requirement);
    placement->key = fixture_key_of(&placement->requirement);
    buffer_append_string(&placement->message, "x");
    placement->client.generation = bench->is_under_way ? 1 : 0;
    placement->done = on_done;
    placement->arg = bench;
    flow_pool_place(bench->pool, placement);
    return placement;
}

static void expect(const struct bench *bench, unsigned index, enum decision decision, enum reason reason)
{
    assert_true(index < bench->done);
    assert_string_equal(decision_name(bench->outcomes[index].decision), decision_name(decision));
    assert_int_equal(bench->outcomes[index].reason, reason);
}

static bool is_same(const struct bench *bench, unsigned a, unsigned b)
{
    return connection_handle_equal(bench->outcomes[a].handle, bench->outcomes[b].handle);
}

static void fresh(struct requirement *requirement)
{
    requirement->terms.may_reuse = false;
}

static void ends_soon(struct requirement *requirement)
{
    requirement->terms.idle_timeout_s = 0;
}

static void equal_keys_share_a_connection(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 8, false);
    (void)place(&bench, bench.port, NULL);
    (void)place(&bench, bench.port, NULL);
    fixture_until_count(bench.loop, &bench.done, 2);
    (void)place(&bench, bench.port, NULL);
    expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    expect(&bench, 1, DECISION_JOIN, REASON_NONE);
    expect(&bench, 2, DECISION_REUSE, REASON_NONE);
    assert_true(is_same(&bench, 0, 1) && is_same(&bench, 0, 2));
    assert_int_equal(flow_pool_counts(bench.pool).connections, 1);
    bench_fini(&bench);
}

static void an_exclusive_connection_is_nobody_elses(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 8, true);
    (void)place(&bench, bench.port, fresh);
    (void)place(&bench, bench.port, NULL);
    (void)place(&bench, bench.port, fresh);
    fixture_until_count(bench.loop, &bench.done, 3);
    for (unsigned i = 0; i < 3; i++)
        expect(&bench, i, DECISION_OPEN, REASON_NONE);
    assert_false(is_same(&bench, 0, 1) || is_same(&bench, 1, 2) || is_same(&bench, 0, 2));
    bench_fini(&bench);
}

static void a_refused_connection_holds_back_its_own_key(void **state)
{
    (void)state;
    struct bench bench;
    int unused;
    bench_init(&bench, 8, false);
    uint16_t refusing = listen_here(&unused);
    assert_int_equal(close(unused), 0);
    (void)place(&bench, refusing, NULL);
    (void)place(&bench, refusing, NULL);
    fixture_until_count(bench.loop, &bench.done, 2);
    expect(&bench, 0, DECISION_OPEN, REASON_CONNECT_FAILED);
    expect(&bench, 1, DECISION_JOIN, REASON_CONNECT_FAILED);
    (void)place(&bench, refusing, NULL);
    expect(&bench, 2, DECISION_REJECT, REASON_BACKOFF);
    (void)place(&bench, bench.port, NULL);
    fixture_until_count(bench.loop, &bench.done, 4);
    expect(&bench, 3, DECISION_OPEN, REASON_NONE);
    assert_int_equal(bench.closed, 0);
    bench_fini(&bench);
}

static void only_so_many_wait(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 2, false);
    for (unsigned i = 0; i < 3; i++)
        (void)place(&bench, bench.port, NULL);
    assert_int_equal(bench.done, 1);
    expect(&bench, 0, DECISION_REJECT, REASON_LIMIT);
    fixture_until_count(bench.loop, &bench.done, 3);
    expect(&bench, 1, DECISION_OPEN, REASON_NONE);
    expect(&bench, 2, DECISION_JOIN, REASON_NONE);
    bench_fini(&bench);
}

static void a_withdrawn_request_is_not_sent(void **state)
{
    (void)state;
    struct bench bench;
    char got[8];
    bench_init(&bench, 8, false);
    struct placement *first = place(&bench, bench.port, NULL);
    (void)place(&bench, bench.port, NULL);
    assert_true(placement_withdraw(first));
    fixture_until_count(bench.loop, &bench.done, 2);
    expect(&bench, 0, DECISION_OPEN, REASON_CANCELLED);
    expect(&bench, 1, DECISION_JOIN, REASON_NONE);
    int peer = accept(bench.listener, NULL, NULL);
    assert_true(peer >= 0);
    bench_fini(&bench);
    assert_int_equal(recv(peer, got, sizeof(got), MSG_WAITALL), 1);
    assert_int_equal(close(peer), 0);
}

static void an_idle_connection_ends(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 8, false);
    (void)place(&bench, bench.port, ends_soon);
    fixture_until_count(bench.loop, &bench.closed, 1);
    expect(&bench, 0, DECISION_OPEN, REASON_NONE);
    assert_int_equal(flow_pool_counts(bench.pool).connections, 0);
    bench_fini(&bench);
}

/* Both are idle for as long as they may; on one of them an answer is waited for. */
static void idle_is_what_waits_for_nothing(void **state)
{
    (void)state;
    struct bench bench;
    int hall;
    bench_init(&bench, 8, true);
    (void)place(&bench, bench.port, ends_soon);
    fixture_until_count(bench.loop, &bench.done, 1);
    bench.is_under_way = false;
    (void)place(&bench, listen_here(&hall), ends_soon);
    fixture_until_count(bench.loop, &bench.closed, 1);
    assert_int_equal(flow_pool_counts(bench.pool).connections, 1);
    assert_int_equal(flow_pool_send(bench.pool, bench.outcomes[0].handle, NULL, SLICE_LITERAL("y")), 0);
    bench_fini(&bench);
    assert_int_equal(close(hall), 0);
}

static void a_draining_pool_takes_nothing_new(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 8, false);
    (void)place(&bench, bench.port, NULL);
    fixture_until_count(bench.loop, &bench.done, 1);
    flow_pool_drain(bench.pool);
    (void)place(&bench, bench.port, NULL);
    expect(&bench, 1, DECISION_REJECT, REASON_LIMIT);
    assert_int_equal(flow_pool_send(bench.pool, bench.outcomes[0].handle, NULL, SLICE_LITERAL("y")), 0);
    fixture_until_count(bench.loop, &bench.closed, 1);
    assert_int_equal(flow_pool_send(bench.pool, bench.outcomes[0].handle, NULL, SLICE_LITERAL("y")), ERROR_NOT_FOUND);
    bench_fini(&bench);
}

/* Connects to the pool; the peer's end. */
static int connect_to_pool(struct bench *bench)
{
    struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(bench->port),
        .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct endpoint peer = { fixture_address("127.0.0.1"), 1 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&there, sizeof(there)), 0);
    int accepted = accept(bench->listener, NULL, NULL);
    assert_int_equal(fcntl(accepted, F_SETFL, O_NONBLOCK), 0);
    flow_pool_accept(bench->pool, accepted, &peer, "tcp", false);
    return fd;
}

/* Both drain; the one that owes nobody an answer goes, the other with its answer. */
static void a_request_under_way_keeps_its_connection(void **state)
{
    (void)state;
    static const char request[] = "OPTIONS sip:a.test SIP/2.0\r\nVia: SIP/2.0/TCP b.test;branch=z9hG4bK1\r\n"
                                  "From: <sip:b.test>;tag=1\r\nTo: <sip:a.test>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
                                  "Content-Length: 0\r\n\r\n";
    struct bench bench;
    bench_init(&bench, 8, true);
    int busy = connect_to_pool(&bench), silent = connect_to_pool(&bench);
    assert_int_equal(send(busy, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    fixture_until_count(bench.loop, &bench.messages, 1);
    flow_pool_drain(bench.pool);
    fixture_until_count(bench.loop, &bench.closed, 1);
    assert_int_equal(bench.closed, 1);
    assert_int_equal(flow_pool_send(bench.pool, bench.sender, NULL, SLICE_LITERAL("y")), 0);
    connection_facts_end(bench.sender_facts);
    connection_facts_unref(bench.sender_facts);
    fixture_until_count(bench.loop, &bench.closed, 2);
    bench_fini(&bench);
    assert_int_equal(close(busy), 0);
    assert_int_equal(close(silent), 0);
}

static void a_freed_pool_gives_its_waiters_back(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 8, false);
    (void)place(&bench, bench.port, NULL);
    (void)place(&bench, bench.port, NULL);
    assert_int_equal(bench.done, 0);
    bench_fini(&bench);
    assert_int_equal(bench.done, 2);
    expect(&bench, 0, DECISION_OPEN, REASON_SHUTDOWN);
    expect(&bench, 1, DECISION_JOIN, REASON_SHUTDOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_share_a_connection),
        cmocka_unit_test(an_exclusive_connection_is_nobody_elses),
        cmocka_unit_test(a_refused_connection_holds_back_its_own_key),
        cmocka_unit_test(only_so_many_wait),
        cmocka_unit_test(a_withdrawn_request_is_not_sent),
        cmocka_unit_test(an_idle_connection_ends),
        { "A18: no connection with a request under way is idle", idle_is_what_waits_for_nothing, NULL, NULL, NULL },
        cmocka_unit_test(a_draining_pool_takes_nothing_new),
        { "A18: a request under way keeps its connection", a_request_under_way_keeps_its_connection, NULL, NULL, NULL },
        cmocka_unit_test(a_freed_pool_gives_its_waiters_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
