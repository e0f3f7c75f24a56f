/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_lookup.c - what policy costs at a thousand, a hundred thousand and a million rows: building a snapshot,
 * finding the row of a request, making requirement and key, deciding.
 * Prints seconds, bytes and nanoseconds, one line per number of rows; the best of some rounds, on one core.
 *     make bench/policy_lookup && bench/policy_lookup [rows]...
 */
#include "base/integer.h"
#include "decide/decide.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5, QUESTIONS = 200000, SUFFIX_EVERY = 16, ADDRESS_EVERY = 64 };

struct bench {
    struct policy_snapshot *snapshot;
    uint32_t rows;
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
    clock_gettime(CLOCK_MONOTONIC, &time);
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
        .weaken = PERMISSION_REFUSED, .trust_flag = PERMISSION_REFUSED, .reuse = true };
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

static void ask_key(struct bench *bench, const char *domain)
{
    static const struct requirement_defaults defaults = { .max_age_s = 3600, .idle_timeout_s = 60 };
    static const struct capabilities capabilities;
    const struct outbound_policy *row = look_up(bench, domain);
    const uint8_t bytes[4] = { 192, 0, 2, 1 };
    const struct requirement_target target = { .transport = TRANSPORT_TLS, .next_hop_domain = domain,
        .endpoint = { address_v4(bytes), 5061 } };
    struct requirement requirement;
    struct connection_key key;
    if (row == NULL)
        return;
    if (requirement_build(bench->snapshot, row, NULL, &target, &capabilities, &defaults, &requirement, NULL) !=
        REASON_NONE)
        fail("requirement");
    connection_key_encode(&requirement.key, 1, &key);
    const struct pool_view pool = { .has_room = true };
    struct decision_result result = decide(&requirement, &key, &pool, &capabilities, 1);
    bench->checksum += key.hash + (unsigned)result.decision;
}

/* Names are made beforehand; what is measured is the question. Nanoseconds for one. */
static double measure(struct bench *bench, char (*domains)[64], question_fn ask)
{
    double best = 1e9;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double start = now();
        for (uint32_t i = 0; i < QUESTIONS; i++)
            ask(bench, domains[i]);
        double each = (now() - start) / QUESTIONS * 1e9;
        best = each < best ? each : best;
    }
    return best;
}

static void run(uint32_t rows)
{
    struct bench bench = { .rows = rows, .random = 1 };
    char(*domains)[64] = calloc(QUESTIONS, sizeof(*domains));
    if (domains == NULL)
        fail("memory");
    double start = now();
    build(&bench);
    double built = now() - start;
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        uint32_t number = next_random(&bench) % rows;
        snprintf(domains[i], sizeof(domains[i]), number % SUFFIX_EVERY == 0 ? "a.b.customer%" PRIu32 ".example"
                                                                            : "customer%" PRIu32 ".example", number);
    }
    double row = measure(&bench, domains, ask_row), key = measure(&bench, domains, ask_key);
    size_t memory = policy_snapshot_memory(bench.snapshot);
    printf("%9" PRIu32 " rows: build %7.3f s, %11zu bytes (%4zu each), row %6.0f ns, ", rows, built, memory,
        memory / rows, row);
    printf("row+requirement+key+decision %6.0f ns [%" PRIx64 "]\n", key, bench.checksum & 0xfff);
    start = now();
    policy_snapshot_unref(bench.snapshot);
    printf("%27s %7.3f s\n", "free", now() - start);
    free(domains);
}

int main(int argc, char **argv)
{
    static const uint32_t rows[] = { 1000, 100000, 1000000 };
    for (size_t i = 0; argc < 2 && i < ARRAY_SIZE(rows); i++)
        run(rows[i]);
    for (int i = 1; i < argc; i++) {
        uint64_t count;
        if (integer_parse(slice_of_string(argv[i]), 10000000, &count) != 0 || count == 0)
            fail("number of rows");
        run((uint32_t)count);
    }
    return 0;
}
