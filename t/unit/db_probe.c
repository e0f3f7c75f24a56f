/* SPDX-License-Identifier: GPL-2.0-or-later */
/* db_probe.c - all of src/db in a process of its own, driven by lines: for script tests with a real PostgreSQL.
 *   t/db-probe CONNINFO NODE [POLL_MS [BACKLOG_BYTES]]
 * In:    commands, one a line (see commands[]). Out: one line for each event and each answer.
 */
#include "base/error.h"
#include "base/integer.h"
#include "db/database_service.h"
#include "db/server_text.h"
#include "decide/requirement.h"
#include "log/log.h"
#include "loop/loop.h"
#include "pkix/digest.h"
#include "policy/lookup.h"
#include "policy/name.h"
#include "tls/tls_library.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_LENGTH = 4096, FIELDS_MAX = 8 };

/* Every n-th allocation of ours finds no memory (the linker wraps them); 0: none. Shared libraries have their own. */
static unsigned refuse_every, allocations;

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

static bool is_refused(void)
{
    return refuse_every != 0 && ++allocations % refuse_every == 0;
}

#include "refused_memory.h"

char *__wrap_strdup(const char *text)
{
    return is_refused() ? NULL : __real_strdup(text);
}

/* Without memory for a key the TLS library reads through NULL (doc/internals/tls.md): here it has some. */
int __real_wolfSSL_CTX_use_PrivateKey_buffer(void *context, const unsigned char *key, long size, int format);
int __wrap_wolfSSL_CTX_use_PrivateKey_buffer(void *context, const unsigned char *key, long size, int format);

int __wrap_wolfSSL_CTX_use_PrivateKey_buffer(void *context, const unsigned char *key, long size, int format)
{
    unsigned every = refuse_every;
    refuse_every = 0;
    int result = __real_wolfSSL_CTX_use_PrivateKey_buffer(context, key, size, format);
    refuse_every = every;
    return result;
}

struct probe {
    struct loop *loop;
    struct database_service *service;
    struct policy_snapshot *snapshot;
    struct loop_watch *input;
    char line[LINE_MAX_LENGTH];
    size_t length;
    unsigned resync_rows; /* connections put at each resync */
};

static void on_loaded(void *arg, struct policy_snapshot *snapshot)
{
    struct probe *probe = arg;
    struct policy_counts counts = policy_snapshot_counts(snapshot);
    policy_snapshot_unref(probe->snapshot);
    probe->snapshot = snapshot;
    for (size_t i = 0; i < policy_snapshot_problem_count(snapshot); i++) {
        struct policy_problem problem = policy_snapshot_problem(snapshot, i);
        printf("problem %s %s: %s\n", problem.kind, problem.name, problem.text);
    }
    printf("loaded generation=%" PRIu64 " outbound=%zu peers=%zu routes=%zu profiles=%zu certificates=%zu "
           "trust_sets=%zu unusable=%zu\n",
        policy_snapshot_generation(snapshot), counts.outbound, counts.peers, counts.routes, counts.server_profiles,
        counts.credentials, counts.trust_sets, counts.unusable);
}

static void on_confirmed(void *arg, int64_t at_s)
{
    (void)arg;
    printf("confirmed %s\n", at_s > 0 ? "now" : "never");
}

static void on_failed(void *arg, const struct why *why)
{
    (void)arg;
    printf("failed %s\n", why->text);
}

static void on_count(void *arg, struct node_numbers *numbers_r)
{
    (void)arg;
    *numbers_r = (struct node_numbers){ .connections = 7, .transactions = 4711 };
}

static void on_command(void *arg, const struct node_command *command)
{
    (void)arg;
    printf("command %" PRId64 " %.*s %.*s%.*s\n", command->id, SLICE_PRINT(command->word), SLICE_PRINT(command->mode),
        SLICE_PRINT(command->connection));
}

static void put(struct probe *probe, const char *id, const char *state)
{
    const struct slice sans[] = { SLICE_LITERAL("uri:sip:biloxi.example"), SLICE_LITERAL("dns:a\"b\\c") };
    struct connection_row row = { .id = slice_of_string(id), .direction = SLICE_LITERAL("outbound"),
        .transport = SLICE_LITERAL("tls"), .state = slice_of_string(state), .class_name = SLICE_LITERAL("verified"),
        .level = SLICE_LITERAL("domain"), .peer_subject = SLICE_LITERAL("CN=biloxi \x01\xff"), .peer_sans = sans,
        .peer_san_count = ARRAY_SIZE(sans), .peer_not_before_us = INT64_MIN,
        .peer_not_after_us = INT64_C(1893456000000000), .opened_at_us = loop_wall_us(probe->loop),
        .verified_at_us = INT64_MIN, .expires_at_us = INT64_MIN,
        .last_used_at_us = INT64_MIN, .requests = 3, .in_flight = 1 };
    row.remote.port = 5061;
    if (address_parse(SLICE_LITERAL("2001:db8::1"), &row.remote.address) != 0 ||
        connection_store_put(database_service_connections(probe->service), &row) != 0)
        printf("put failed\n");
}

static void on_resync(void *arg)
{
    struct probe *probe = arg;
    char id[32];
    for (unsigned i = 0; i < probe->resync_rows; i++) {
        (void)snprintf(id, sizeof(id), "live-%u", i);
        put(probe, id, "ready");
    }
    printf("resync\n");
}

static void do_put(struct probe *probe, char **fields)
{
    put(probe, fields[1], fields[2]);
}

static void do_remove(struct probe *probe, char **fields)
{
    if (connection_store_remove(database_service_connections(probe->service), slice_of_string(fields[1])) != 0)
        printf("remove failed\n");
}

static void do_live(struct probe *probe, char **fields)
{
    probe->resync_rows = (unsigned)strlen(fields[1]);
}

/* record|CALL-ID|STATUS: STATUS goes into a number's column as it is, so that it can be wrong. */
static void do_record(struct probe *probe, char **fields)
{
    struct buffer text = BUFFER_EMPTY;
    struct copy_line line = copy_line_begin(&text);
    copy_time_us(&line, loop_wall_us(probe->loop));
    copy_text(&line, SLICE_LITERAL("probe"));
    copy_text(&line, slice_of_string(fields[1]));
    copy_text(&line, slice_of_string(fields[2]));
    copy_line_end(&line);
    int rc = text.has_failed ? ERROR_MEMORY
                             : record_store_add(database_service_records(probe->service), buffer_slice(&text), 1);
    if (rc != 0)
        printf("record refused: %s\n", error_text(rc));
    buffer_free(&text);
}

static void do_records(struct probe *probe, char **fields)
{
    struct record_counts counts = record_store_counts(database_service_records(probe->service));
    (void)fields;
    printf("records written=%" PRIu64 " refused=%" PRIu64 " turned_away=%" PRIu64 " waiting=%zu\n", counts.written,
        counts.refused, counts.turned_away, counts.waiting_bytes);
}

static void on_reloaded(void *arg, bool is_success, const char *text)
{
    (void)arg;
    printf("reloaded %s%s\n", is_success ? "true" : "false: ", text);
}

static void do_reload(struct probe *probe, char **fields)
{
    (void)fields;
    if (database_service_reload(probe->service, on_reloaded, probe) != 0)
        printf("reload failed\n");
}

static void on_answered(void *arg, bool is_success, const char *text)
{
    (void)arg;
    printf("asked %s%s\n", is_success ? "true" : "false: ", text);
}

static void do_ask(struct probe *probe, char **fields)
{
    (void)fields;
    if (database_service_confirm(probe->service, on_answered, probe) != 0)
        printf("asked nobody\n");
}

static void do_answer(struct probe *probe, char **fields)
{
    uint64_t id;
    if (integer_parse(slice_of_string(fields[1]), INT64_MAX, &id) != 0 ||
        database_service_answer(probe->service, (int64_t)id, strcmp(fields[2], "true") == 0, fields[3]) != 0)
        printf("answer failed\n");
}

/* Whether two names lead to one object, now and in an earlier snapshot, is seen by its address. */
static void do_objects(struct probe *probe, char **fields)
{
    const struct policy_credential *credential = policy_snapshot_credential(probe->snapshot, fields[1]);
    const struct policy_trust_set *trust_set = policy_snapshot_trust_set(probe->snapshot, fields[2]);
    char chain[DIGEST_HEX_SIZE] = "-", leaf[DIGEST_HEX_SIZE] = "-";
    if (credential != NULL && credential->credential != NULL) {
        (void)digest_hex(credential->chain_digest, chain);
        (void)digest_hex(credential->leaf_digest, leaf);
    }
    printf("objects credential=%p chain=%s leaf=%s trust=%p\n",
        credential != NULL ? (void *)credential->credential : NULL, chain, leaf,
        trust_set != NULL ? (void *)trust_set->store : NULL);
}

static void do_connected(struct probe *probe, char **fields)
{
    (void)fields;
    printf("connected %s\n", database_service_is_connected(probe->service) ? "yes" : "no");
}

static void do_name(struct probe *probe, char **fields)
{
    char name[DOMAIN_NAME_SIZE];
    (void)probe;
    int rc = strcmp(fields[0], "pattern") == 0 ? name_normalise_pattern(slice_of_string(fields[1]), name)
                                               : name_normalise(slice_of_string(fields[1]), name);
    printf("name %s\n", rc == 0 ? name : "refused");
}

static void do_flags(struct probe *probe, char **fields)
{
    struct flag_set set;
    struct buffer text = BUFFER_EMPTY;
    (void)probe;
    if (flags_parse(slice_of_string(fields[1]), &set, NULL) == 0) {
        flags_print(&set, &text);
        printf("flags %.*s\n", SLICE_PRINT(buffer_slice(&text)));
    } else {
        printf("flags refused\n");
    }
    buffer_free(&text);
}

static const char *or_nothing(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void print_requirement(const struct requirement *requirement, const struct outbound_policy *row,
    const char *flags)
{
    const struct requirement_key *key = &requirement->key;
    bool is_tls = key->transport == TRANSPORT_TLS;
    printf("explain allow|none|%s|%s|%s|%s|%s|%s|{", row != NULL ? row->name : "",
        level_name((enum level)key->level), key->expected_domain,
        requirement->terms.credential != NULL ? requirement->terms.credential->name : "", key->sni,
        is_tls && requirement->terms.trust_set != NULL ? requirement->terms.trust_set->name : "");
    for (unsigned i = 0; i < key->pins.count; i++) {
        char hex[DIGEST_HEX_SIZE];
        printf("%s%s", i > 0 ? "," : "", digest_hex(key->pins.digests[i], hex));
    }
    printf("}|%s|%s|%s\n", key->crl != 0 ? revocation_name((enum revocation)key->crl) : "",
        key->ocsp != 0 ? revocation_name((enum revocation)key->ocsp) : "", flags);
}

/* explain|DOMAIN|SOURCE|FLAGS|ADDRESS|PEER|REQUEST DOMAIN|TRANSPORT; a destination is a domain or an address. */
static void explain(const struct policy_snapshot *snapshot, char **fields, const struct flag_set *flags,
    const char *flags_text)
{
    struct policy_query query = { .next_hop_domain = or_nothing(fields[1]), .source_domain = or_nothing(fields[2]),
        .peer = or_nothing(fields[5]), .request_domain = or_nothing(fields[6]) };
    struct requirement_target target = { .transport = strcmp(fields[7], "tls") == 0 ? TRANSPORT_TLS :
            strcmp(fields[7], "tcp") == 0 ? TRANSPORT_TCP : TRANSPORT_UDP,
        .endpoint = { .port = 5061 }, .next_hop_domain = query.next_hop_domain };
    struct policy_lookup_order order =
        flags_have(flags, T_RELAY_LOOKUP) ? flags->lookup : policy_lookup_order_default();
    static const struct capabilities capabilities = { .upgrade = true }; /* what trelay.explain() knows of, too */
    static const struct requirement_defaults defaults = { .max_age_s = 3600 };
    struct requirement requirement;
    if (fields[4][0] != '\0' && address_parse(slice_of_string(fields[4]), &target.endpoint.address) == 0)
        query.address = &target.endpoint.address;
    const struct requirement_question question = { .query = query, .order = &order, .flags = flags };
    struct requirement_rule rule;
    enum lookup_result result = requirement_look_up(snapshot, &question, query.address, &rule);
    const struct outbound_policy *row = rule.row;
    enum reason reason = rule.reason;
    if (query.address == NULL && address_parse(SLICE_LITERAL("192.0.2.99"), &target.endpoint.address) != 0)
        return;
    if (result == LOOKUP_RESULT_NEEDS_ADDRESS) {
        printf("explain needs-address|none|\n");
        return;
    }
    if (result == LOOKUP_RESULT_HIT)
        reason = requirement_build(snapshot, row, flags, &target, &capabilities, &defaults, &requirement, NULL);
    if (reason != REASON_NONE)
        printf("explain reject|%s|%s\n", reason_word(reason), row != NULL ? row->name : "");
    else
        print_requirement(&requirement, row, flags_text);
}

static void do_explain(struct probe *probe, char **fields)
{
    struct flag_set flags;
    struct buffer text = BUFFER_EMPTY;
    struct why why = WHY_NONE;
    if (flags_parse(slice_of_string(fields[3]), &flags, &why) != 0) {
        printf("explain flags: %s\n", why.text);
        return;
    }
    flags_print(&flags, &text);
    buffer_append_byte(&text, '\0');
    explain(probe->snapshot, fields, &flags, text.has_failed ? "" : text.data);
    buffer_free(&text);
}

static void do_memory(struct probe *probe, char **fields)
{
    uint64_t every = 0;
    (void)probe;
    refuse_every = integer_parse(slice_of_string(fields[1]), UINT32_MAX, &every) == 0 ? (unsigned)every : 0;
    printf("memory %u\n", refuse_every);
}

static void do_quit(struct probe *probe, char **fields)
{
    (void)fields;
    loop_stop(probe->loop);
}

static const struct {
    const char *word;
    unsigned arguments;
    void (*run)(struct probe *probe, char **fields);
} commands[] = {
    { "answer", 3, do_answer }, { "ask", 0, do_ask }, { "connected", 0, do_connected }, { "explain", 7, do_explain },
    { "flags", 1, do_flags }, { "live", 1, do_live }, { "memory", 1, do_memory },
    { "name", 1, do_name }, { "objects", 2, do_objects },
    { "pattern", 1, do_name },
    { "put", 2, do_put }, { "quit", 0, do_quit }, { "record", 2, do_record }, { "records", 0, do_records },
    { "reload", 0, do_reload }, { "remove", 1, do_remove },
};

static void run(struct probe *probe, char *line)
{
    char *fields[FIELDS_MAX];
    unsigned count = 0;
    for (char *at = line; at != NULL && count < FIELDS_MAX; count++) {
        char *bar = strchr(at, '|');
        fields[count] = at;
        if (bar != NULL)
            *bar++ = '\0';
        at = bar;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].word, fields[0]) == 0 && commands[i].arguments + 1 == count) {
            commands[i].run(probe, fields);
            return;
        }
    printf("no such command\n");
}

static void on_input(void *arg, unsigned events)
{
    struct probe *probe = arg;
    (void)events;
    ssize_t count = read(STDIN_FILENO, probe->line + probe->length, sizeof(probe->line) - probe->length);
    if (count <= 0) {
        loop_stop(probe->loop);
        return;
    }
    probe->length += (size_t)count;
    char *end;
    while ((end = memchr(probe->line, '\n', probe->length)) != NULL) {
        size_t used = (size_t)(end - probe->line) + 1;
        char line[LINE_MAX_LENGTH];
        memcpy(line, probe->line, used);
        line[used - 1] = '\0';
        probe->length -= used;
        memmove(probe->line, probe->line + used, probe->length);
        run(probe, line);
    }
}

static uint64_t number(const char *text)
{
    uint64_t value;
    return integer_parse(slice_of_string(text), UINT32_MAX, &value) == 0 ? value : 0;
}

static int start(struct probe *probe, int count, char **arguments, const struct log_scope *scope)
{
    static const struct database_service_events events = { .loaded = on_loaded, .confirmed = on_confirmed,
        .failed = on_failed, .count = on_count, .command = on_command, .resync = on_resync };
    const struct database_service_settings settings = { .conninfo = arguments[1], .node = arguments[2], .version = "0",
        .host = "localhost", .heartbeat_ms = 200, .debounce_ms = 10, .reconnect_min_ms = 50, .reconnect_max_ms = 200,
        .poll_every_ms = count > 3 ? (uint32_t)number(arguments[3]) : 0, .hash_seed = 1,
        .records = { .sql = "COPY trelay.transaction_record (recorded_at, node, call_id, status) FROM STDIN",
            .flush_ms = 10, .batch_bytes = 1024,
            .backlog_bytes = count > 4 ? (size_t)number(arguments[4]) : 0 } };
    struct why why = WHY_NONE;
    int rc = database_service_new(probe->loop, &settings, &events, probe, scope, &probe->service, &why);
    if (rc != 0)
        fprintf(stderr, "%s\n", why.text);
    return rc;
}

int main(int count, char **arguments)
{
    struct probe probe = { .loop = NULL };
    struct why why = WHY_NONE;
    struct logger *logger = NULL;
    struct log_scope scope;
    const struct logger_settings log = { .sink = LOG_SINK_STDERR, .level = LOG_LEVEL_INFO, .name = "db-probe" };
    if (count < 3 || setvbuf(stdout, NULL, _IOLBF, 0) != 0 || fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0)
        return 2;
    if (tls_library_init(&why) != 0 || logger_new(&log, &logger, &why) != 0 || loop_new(&probe.loop, &why) != 0 ||
        policy_snapshot_empty(&probe.snapshot) != 0) {
        fprintf(stderr, "%s\n", why.text);
        return 2;
    }
    log_scope_init(&scope, logger);
    if (start(&probe, count, arguments, &scope) != 0 ||
        loop_watch_new(probe.loop, STDIN_FILENO, on_input, &probe, &probe.input) != 0 ||
        loop_watch_want(probe.input, LOOP_READABLE) != 0)
        return 2;
    database_service_start(probe.service);
    loop_run(probe.loop);
    loop_watch_free(probe.input);
    database_service_free(probe.service);
    policy_snapshot_unref(probe.snapshot);
    loop_free(probe.loop);
    logger_free(logger);
    tls_library_fini();
    return 0;
}
