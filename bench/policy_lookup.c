/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_lookup.c - what policy costs at a thousand, a hundred thousand and a million rows, with few and many
 * connections open: building a snapshot, finding the row of a request, making requirement and key, finding the
 * connections of that key as the pool does, deciding. Every second question is for a row that has a connection.
 * Prints seconds, bytes and nanoseconds, one line per point; the best and the median of some rounds, on one core.
 *     make bench/policy_lookup && bench/policy_lookup [ROWS[:CONNECTIONS]]...
 */
#include "base/integer.h"
#include "base/table.h"
#include "decide/decide.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 9, QUESTIONS = 50000, CONNECTIONS_LEAST = 100, SUFFIX_EVERY = 16, ADDRESS_EVERY = 64 };

/* What the pool knows of a connection. */
struct connection {
    struct table_node node;
    struct connection_key key;
    struct verdict verdict;
};

struct bench {
    struct policy_snapshot *snapshot;
    struct table connections; /* by key */
    struct connection *all;
    uint32_t rows, connection_count;
    uint64_t reused;
    uint32_t random;
    uint64_t checksum; /* of what was found, so that it is not optimised away */
};

typedef void (*question_fn)(struct bench *bench, const char *domain);

static void fail(const char *what)
{
    fprintf(stderr, "policy_lookup: %s failed\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time); /* so that others on the machine do not count */
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint32_t next_random(struct bench *bench)
{
    bench->random = bench->random * 1664525u + 1013904223u;
    return bench->random >> 4;
}

static void release_store(struct trust_store *store)
{
    (void)store;
}

static void release_key(struct tls_credential *credential)
{
    (void)credential;
}

static void add_objects(struct policy_builder *builder)
{
    static char object;
    struct policy_trust_set trust_set = { .name = "anchors", .store = (struct trust_store *)(void *)&object };
    struct policy_credential credential = { .name = "ours", .not_after = INT64_MAX,
        .credential = (struct tls_credential *)(void *)&object };
    if (policy_builder_trust_set(builder, &trust_set) != 0 || policy_builder_credential(builder, &credential) != 0)
        fail("trust set or certificate");
}

/* Domains, some of them suffixes, some rows for addresses; every fourth with an expected domain of its own. */
static void add_row(struct policy_builder *builder, uint32_t number)
{
    char name[64], expected[64];
    snprintf(name, sizeof(name), "customer%" PRIu32 ".example", number);
    snprintf(expected, sizeof(expected), "sip.customer%" PRIu32 ".example", number);
    struct outbound_policy row = { .id = number + 1, .name = name, .match = MATCH_DOMAIN, .match_name = name,
        .priority = 100, .level = LEVEL_DOMAIN, .trust_set_name = "anchors", .certificate_name = "ours",
        .expected_domain = number % 4 == 0 ? expected : NULL, .send_sni = true, .eku_mode = EKU_TLS_ROLE,
        .crl = REVOCATION_OFF, .ocsp = REVOCATION_OFF, .tls_min = TLS_VERSION_1_2, .upgrade = UPGRADE_IDLE,
        .weaken = PERMISSION_REFUSED, .trust_flag = PERMISSION_REFUSED, .scheme = SCHEME_ANY, .reuse = true };
    if (number % SUFFIX_EVERY == 0)
        row.match = MATCH_SUFFIX;
    if (number % ADDRESS_EVERY == 1) {
        uint8_t bytes[4] = { 10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number };
        row.match = MATCH_ADDRESS;
        row.match_prefix = (struct prefix){ .address = address_v4(bytes), .length = 32 };
    }
    if (policy_builder_outbound(builder, &row) != 0)
        fail("row");
}

static void build(struct bench *bench)
{
    static const struct policy_release_ops ops = { release_store, release_key };
    struct policy_builder *builder;
    if (policy_builder_new(&ops, 1, &builder) != 0)
        fail("builder");
    add_objects(builder);
    for (uint32_t i = 0; i < bench->rows; i++)
        add_row(builder, i);
    if (policy_builder_finish(builder, 1, 0, &bench->snapshot, NULL) != 0)
        fail("snapshot");
}

static const struct outbound_policy *look_up(struct bench *bench, const char *domain)
{
    const struct policy_lookup_order order = policy_lookup_order_default();
    const uint32_t number = next_random(bench) % bench->rows;
    const uint8_t bytes[4] = { 10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number };
    const struct address address = address_v4(bytes);
    const struct policy_query query = { .next_hop_domain = domain, .address = &address };
    const struct outbound_policy *row;
    enum reason reason;
    bench->checksum += policy_lookup(bench->snapshot, &query, &order, &row, &reason);
    return row;
}

static void ask_row(struct bench *bench, const char *domain)
{
    (void)look_up(bench, domain);
}

static const struct capabilities capabilities;

static void require(struct bench *bench, const struct outbound_policy *row, const char *domain,
    struct requirement *requirement, struct connection_key *key)
{
    static const struct requirement_defaults defaults = { .max_age_s = 3600, .idle_timeout_s = 60 };
    const uint8_t bytes[4] = { 192, 0, 2, 1 };
    const struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = domain,
        .endpoint = { address_v4(bytes), 5061 } };
    if (requirement_build(bench->snapshot, row, NULL, &target, &capabilities, &defaults, requirement, NULL) !=
        REASON_NONE)
        fail("requirement");
    connection_key_encode(&requirement->key, 1, key);
}

static void ask_decision(struct bench *bench, const char *domain)
{
    enum { VIEW_MAX = 16 };
    struct requirement requirement;
    struct connection_key key;
    struct connection_view views[VIEW_MAX];
    struct pool_view pool = { .equal = views, .has_room = true, .waiters_max = 16 };
    const struct outbound_policy *row = look_up(bench, domain);
    if (row == NULL)
        return;
    require(bench, row, domain, &requirement, &key);
    struct table_node *node = table_expected(&bench->connections, key.hash);
    if (node != NULL) {
        const struct connection *expected = CONTAINER_OF(node, struct connection, node);
        connection_key_fetch_ahead(&expected->key, key.length);
        verdict_fetch_ahead(&expected->verdict);
    }
    node = table_first(&bench->connections, key.hash);
    for (; node != NULL && pool.equal_count < VIEW_MAX; node = table_next(node)) {
        const struct connection *connection = CONTAINER_OF(node, struct connection, node);
        connection_key_fetch_ahead(&connection->key, key.length);
        verdict_fetch_ahead(&connection->verdict);
        views[pool.equal_count++] = (struct connection_view){ .handle = { .generation = 1 }, .state = CONNECTION_READY,
            .key = &connection->key, .verdict = &connection->verdict, .deadline = INT64_MAX,
            .idle_ms = 1000, .idle_timeout_s = 60, .is_full_handshake = true };
    }
    struct decision_result result = decide(&requirement, &key, &pool, &capabilities, 1);
    bench->reused += result.decision == DECISION_REUSE;
    bench->checksum += key.hash + (unsigned)result.decision;
}

/* Row NUMBER's name as a request has it. */
static void name_of(uint32_t number, char out[64])
{
    snprintf(out, 64, number % SUFFIX_EVERY == 0 ? "a.b.customer%" PRIu32 ".example" : "customer%" PRIu32 ".example",
        number);
}

/* The connections stand spread over the rows: this is the row of one. Those found by address have none. */
static uint32_t row_of_connection(const struct bench *bench, uint32_t connection)
{
    uint32_t number = (uint32_t)((uint64_t)connection * bench->rows / bench->connection_count);
    return number % ADDRESS_EVERY == 1 ? number - 1 : number;
}

static void open_connections(struct bench *bench)
{
    bench->all = calloc(bench->connection_count, sizeof(*bench->all));
    if (bench->all == NULL || table_init(&bench->connections) != 0)
        fail("connections");
    for (uint32_t i = 0; i < bench->connection_count; i++) {
        struct connection *connection = &bench->all[i];
        char domain[64];
        struct requirement requirement;
        name_of(row_of_connection(bench, i), domain);
        const struct outbound_policy *row = look_up(bench, domain);
        if (row == NULL)
            fail("the row of a connection");
        require(bench, row, domain, &requirement, &connection->key);
        connection->verdict = (struct verdict){ .result = VERDICT_PROVEN, .level = LEVEL_DOMAIN,
            .chain_not_after = INT64_MAX };
        memcpy(connection->verdict.trust_digest, requirement.key.trust.bytes, DIGEST_SIZE);
        snprintf(connection->verdict.expected_domain, sizeof(connection->verdict.expected_domain), "%s",
            requirement.key.expected_domain);
        snprintf(connection->verdict.matched_name, sizeof(connection->verdict.matched_name), "%s",
            requirement.key.expected_domain);
        table_insert(&bench->connections, &connection->node, connection->key.hash);
    }
}

struct figure {
    double best, median; /* nanoseconds for one question */
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Names are made beforehand; what is measured is the question. */
static struct figure measure(struct bench *bench, char (*domains)[64], question_fn ask)
{
    double rounds[ROUNDS];
    for (unsigned round = 0; round < ROUNDS; round++) {
        double start = now();
        for (uint32_t i = 0; i < QUESTIONS; i++)
            ask(bench, domains[i]);
        rounds[round] = (now() - start) / QUESTIONS * 1e9;
    }
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    return (struct figure){ rounds[0], rounds[ROUNDS / 2] };
}

static void run(uint32_t rows, uint32_t connections)
{
    struct bench bench = { .rows = rows, .connection_count = connections, .random = 1 };
    char(*domains)[64] = calloc(QUESTIONS, sizeof(*domains));
    if (domains == NULL)
        fail("memory");
    double start = now();
    build(&bench);
    double built = now() - start;
    open_connections(&bench);
    for (uint32_t i = 0; i < QUESTIONS; i++)
        name_of(i % 2 == 0 ? row_of_connection(&bench, next_random(&bench) % connections)
                           : next_random(&bench) % rows, domains[i]);
    struct figure row = measure(&bench, domains, ask_row), decision = measure(&bench, domains, ask_decision);
    size_t memory = policy_snapshot_memory(bench.snapshot);
    printf("%7" PRIu32 " rows %6" PRIu32 " connections: row %.0f ns, decision %.0f ns (best %.0f), reused %.0f %%; "
           "build %.3f s, %zu bytes a row [%" PRIx64 "]\n",
        rows, connections, row.median, decision.median, decision.best,
        (double)bench.reused * 100 / ROUNDS / QUESTIONS, built, memory / rows, bench.checksum & 0xfff);
    fflush(stdout);
    policy_snapshot_unref(bench.snapshot);
    table_fini(&bench.connections);
    free(bench.all);
    free(domains);
}

static uint32_t number_of(struct slice text)
{
    uint64_t count;
    if (integer_parse(text, 10000000, &count) != 0 || count == 0)
        fail("number of rows or connections");
    return (uint32_t)count;
}

int main(int argc, char **argv)
{
    static const struct {
        uint32_t rows, connections;
    } points[] = { { 1000, 100 }, { 100000, 100 }, { 1000000, 100 }, { 1000000, 100000 } };
    for (size_t i = 0; argc < 2 && i < ARRAY_SIZE(points); i++)
        run(points[i].rows, points[i].connections);
    for (int i = 1; i < argc; i++) {
        struct slice text = slice_of_string(argv[i]);
        size_t colon = slice_find(text, ':', 0);
        run(number_of(slice_first(text, colon)),
            colon < text.length ? number_of(slice_from(text, colon + 1)) : CONNECTIONS_LEAST);
    }
    return 0;
}
