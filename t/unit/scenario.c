/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scenario.c - runs every file of t/data/scenario: one test each, named by its title. Those of its folder "failing"
 * test the runner: each must fail, and say what it says of itself.
 * In:    environment top_srcdir; or the files given. Out: TAP.
 */
#include "scenario.h"

#include "base/error.h"
#include "base/integer.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool scenario_fail(struct world *world, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    if (world->error.length > 0)
        return false;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_append_format(&world->error, "%u: %s", world->at->number, text);
    return false;
}

/* ---- what stands at the beginning ---- */

static bool read_number(struct world *world, const char *text, uint64_t limit, uint64_t *number_r)
{
    return (text != NULL && integer_parse(slice_of_string(text), limit, number_r) == 0) ||
        scenario_fail(world, "\"%s\" is no number", text != NULL ? text : "");
}

/* 192.0.2.1:5060, [2001:db8::1]:5060 */
static bool read_endpoint(struct world *world, const char *text, struct endpoint *endpoint_r)
{
    uint64_t port;
    const char *colon = text != NULL ? strrchr(text, ':') : NULL;
    if (colon == NULL || !read_number(world, colon + 1, UINT16_MAX, &port))
        return scenario_fail(world, "no address and port");
    struct slice address = slice_of(text, (size_t)(colon - text));
    if (address.length > 1 && address.data[0] == '[')
        address = slice_of(address.data + 1, address.length - 2);
    endpoint_r->port = (uint16_t)port;
    return address_parse(address, &endpoint_r->address) == 0 || scenario_fail(world, "\"%s\" is no address", text);
}

static bool read_transport(struct world *world, const char *text, enum sip_transport *transport_r)
{
    for (int i = SIP_TRANSPORT_UDP; i <= SIP_TRANSPORT_TLS; i++)
        if (text != NULL && strcmp(sip_transport_uri_name((enum sip_transport)i), text) == 0) {
            *transport_r = (enum sip_transport)i;
            return true;
        }
    return scenario_fail(world, "no such transport");
}

static bool do_timers(struct world *world, const struct statement *statement)
{
    static const char *const names[] = { "t1", "t2", "t4", "c" };
    uint32_t *const fields[] = { &world->settings.timers.t1_ms, &world->settings.timers.t2_ms,
        &world->settings.timers.t4_ms, &world->settings.timers.c_ms };
    world->settings.timers.is_test = true;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *text = statement_value(statement, names[i]);
        uint64_t number;
        if (text != NULL && !read_number(world, text, UINT32_MAX, &number))
            return false;
        if (text != NULL)
            *fields[i] = (uint32_t)number;
    }
    return true;
}

/* listener NAME TRANSPORT ADDRESS:PORT HOST */
static bool do_listener(struct world *world, const struct statement *statement)
{
    if (statement->word_count != 5 || world->settings.listener_count == ARRAY_SIZE(world->listeners))
        return scenario_fail(world, "listener NAME TRANSPORT ADDRESS:PORT HOST");
    struct listener_settings *listener = &world->listeners[world->settings.listener_count++];
    snprintf(listener->name, sizeof(listener->name), "%s", statement->words[1]);
    snprintf(listener->advertised_host, sizeof(listener->advertised_host), "%s", statement->words[4]);
    bool is_read = read_transport(world, statement->words[2], &listener->transport) &&
        read_endpoint(world, statement->words[3], &listener->endpoint);
    listener->advertised_port = listener->endpoint.port;
    return is_read;
}

static bool do_alias(struct world *world, const struct statement *statement)
{
    if (statement->word_count != 2 || world->settings.alias_count == ARRAY_SIZE(world->aliases))
        return scenario_fail(world, "alias HOST");
    snprintf(world->aliases[world->settings.alias_count++], SETTINGS_HOST_SIZE, "%s", statement->words[1]);
    return true;
}

static enum reason reason_of(const char *word)
{
    for (int i = REASON_NONE + 1; word != NULL && i < REASON_COUNT; i++)
        if (strcmp(reason_word((enum reason)i), word) == 0)
            return (enum reason)i;
    return REASON_NONE;
}

/* agent NAME TRANSPORT ADDRESS:PORT LISTENER [trusted] [slow] [unreachable=REASON] [origin=WORD] [tls-param] */
static bool do_agent(struct world *world, const struct statement *statement)
{
    if (statement->word_count < 5 || world->agent_count == ARRAY_SIZE(world->agents))
        return scenario_fail(world, "agent NAME TRANSPORT ADDRESS:PORT LISTENER [...]");
    struct agent *agent = &world->agents[world->agent_count++];
    snprintf(agent->name, sizeof(agent->name), "%s", statement->words[1]);
    for (size_t i = 0; i < world->settings.listener_count; i++)
        if (strcmp(world->listeners[i].name, statement->words[4]) == 0)
            agent->listener = &world->listeners[i];
    const char *unreachable = statement_value(statement, "unreachable"), *origin = statement_value(statement, "origin");
    agent->unreachable = reason_of(unreachable);
    if (agent->listener == NULL || (unreachable != NULL && agent->unreachable == REASON_NONE))
        return scenario_fail(world, "no such listener or reason");
    agent->origin = origin != NULL ? origin : agent->name;
    agent->is_trusted = statement_has(statement, "trusted");
    agent->is_slow = statement_has(statement, "slow");
    agent->connection = agent->lost_below = 1;
    agent->peer = (struct peer_rule){ .id = (int64_t)world->agent_count, .name = agent->name, .action = PEER_ACCEPT,
        .transport_tls_param = statement_has(statement, "tls-param") };
    return read_transport(world, statement->words[2], &agent->transport) &&
        read_endpoint(world, statement->words[3], &agent->endpoint);
}

/* host NAME AGENT... */
static bool do_host(struct world *world, const struct statement *statement)
{
    if (world->host_count == ARRAY_SIZE(world->hosts) || statement->word_count < 3 || statement->word_count > 6)
        return scenario_fail(world, "host NAME AGENT...");
    struct host *host = &world->hosts[world->host_count++];
    host->name = statement->words[1];
    for (size_t i = 2; i < statement->word_count; i++) {
        struct agent *agent = agent_find(world, statement->words[i]);
        if (agent == NULL)
            return scenario_fail(world, "no agent %s", statement->words[i]);
        host->agents[host->agent_count++] = agent;
    }
    return true;
}

static bool optional_number(struct world *world, const struct statement *statement, const char *name,
    uint64_t otherwise, uint64_t *number_r)
{
    const char *text = statement_value(statement, name);
    *number_r = otherwise;
    return text == NULL || read_number(world, text, INT32_MAX, number_r);
}

/* route [domain=] [user=] [method=] [peer=] [next=] [priority=] [weight=] [flags=] [header=NAME value=] [fork] */
static bool do_route(struct world *world, const struct statement *statement)
{
    uint64_t priority, weight;
    struct why why = WHY_NONE;
    if (world->route_count == SCENARIO_ROWS || !optional_number(world, statement, "priority", 100, &priority) ||
        !optional_number(world, statement, "weight", 1, &weight))
        return scenario_fail(world, "one route too many");
    struct route *route = &world->routes[world->route_count];
    struct flag_set *flags = &world->route_flags[world->route_count++];
    const char *text = statement_value(statement, "flags");
    *route = (struct route){ .id = (int64_t)world->route_count, .name = "route", .priority = (int32_t)priority,
        .weight = (uint32_t)weight, .fork = statement_has(statement, "fork"),
        .domain = statement_value(statement, "domain"), .user_prefix = statement_value(statement, "user"),
        .method = statement_value(statement, "method"), .peer = statement_value(statement, "peer"),
        .header_name = statement_value(statement, "header"), .header_value = statement_value(statement, "value"),
        .next_hop = statement_value(statement, "next"), .flags = text != NULL ? flags : NULL };
    return text == NULL || flags_parse(slice_of_string(text), flags, &why) == 0 ||
        scenario_fail(world, "flags: %s", why.text);
}

/* terms HOST [via=HOST] [rr=HOST] [tls-param] */
static bool do_terms(struct world *world, const struct statement *statement)
{
    if (world->terms_count == ARRAY_SIZE(world->terms) || statement->word_count < 3)
        return scenario_fail(world, "terms HOST [via=HOST] [rr=HOST] [tls-param]");
    world->terms[world->terms_count++] = (struct terms){ .host = statement->words[1],
        .via_host = statement_value(statement, "via"), .rr_host = statement_value(statement, "rr"),
        .names_tls = statement_has(statement, "tls-param") };
    return true;
}

static bool do_limit(struct world *world, const struct statement *statement)
{
    uint64_t servers;
    bool is_read = read_number(world, statement_value(statement, "servers"), UINT32_MAX, &servers);
    world->max_servers = is_read ? (uint32_t)servers : 0;
    return is_read;
}

/* ---- what happens ---- */

static struct agent *agent_of(struct world *world, const struct statement *statement)
{
    struct agent *agent = statement->word_count > 1 ? agent_find(world, statement->words[1]) : NULL;
    if (agent == NULL)
        (void)scenario_fail(world, "no such agent");
    return agent;
}

static bool expect_nothing(struct world *world)
{
    for (size_t i = 0; i < world->agent_count; i++) {
        const struct agent *agent = &world->agents[i];
        if (agent->waiting_count > 0)
            return scenario_fail(world, "not expected for %s:\n%.*s", agent->name,
                SLICE_PRINT(sip_message_head(agent->waiting[0].message)));
    }
    return true;
}

static bool do_nothing(struct world *world, const struct statement *statement)
{
    (void)statement;
    return expect_nothing(world);
}

/* from AGENT METHOD URI ... | from AGENT METHOD ... | from AGENT STATUS ... | from AGENT again | from AGENT raw */
static bool do_from(struct world *world, const struct statement *statement)
{
    uint64_t connection;
    struct agent *agent = agent_of(world, statement);
    if (agent == NULL || !expect_nothing(world))
        return false;
    if (statement->word_count < 3 || !optional_number(world, statement, "connection", agent->connection, &connection))
        return scenario_fail(world, "from AGENT WHAT");
    struct sip_message *message = agent_compose(world, agent, statement);
    if (message == NULL)
        return false;
    agent->connection = (unsigned)connection;
    messages_add(&agent->sent, message);
    const char *origin = statement_value(statement, "origin");
    bool is_taken = relay_take(world, agent, agent->connection, origin != NULL ? origin : agent->origin, message);
    sip_message_unref(message);
    return is_taken;
}

static bool do_to(struct world *world, const struct statement *statement)
{
    struct agent *agent = agent_of(world, statement);
    if (agent != NULL && statement->word_count < 3)
        return scenario_fail(world, "to AGENT WHAT");
    return agent != NULL && match_expect(world, agent, statement);
}

static bool do_pass(struct world *world, const struct statement *statement)
{
    uint64_t ms;
    if (!expect_nothing(world) || !read_number(world, statement->rest, UINT32_MAX, &ms))
        return false;
    relay_pass(world, ms);
    return world->error.length == 0;
}

static bool do_connect(struct world *world, const struct statement *statement)
{
    struct agent *agent = agent_of(world, statement);
    if (agent != NULL && expect_nothing(world))
        relay_connect(world, agent, statement->word_count > 2 ? reason_of(statement->words[2]) : REASON_NONE);
    return world->error.length == 0;
}

static bool do_lose(struct world *world, const struct statement *statement)
{
    struct agent *agent = agent_of(world, statement);
    if (agent != NULL && expect_nothing(world))
        relay_lose(world, agent);
    return world->error.length == 0;
}

/* Of the last message that an agent sent: response "unmatched", or request "repeated". */
static bool do_met(struct world *world, const struct statement *statement)
{
    const char *request = request_outcome_name(world->request_outcome);
    const char *got = response_outcome_name(world->response_outcome);
    bool is_it = strcmp(statement->rest, request) == 0 || strcmp(statement->rest, got) == 0;
    return is_it || scenario_fail(world, "the last request met: %s, the last response: %s", request, got);
}

/* record STATUS REASON: of the transaction that was answered last. */
static bool do_record(struct world *world, const struct statement *statement)
{
    char text[80] = "none";
    if (world->is_recorded)
        snprintf(text, sizeof(text), "%u %s", world->recorded_status, reason_word(world->recorded_reason));
    world->is_recorded = false;
    return strcmp(text, statement->rest) == 0 || scenario_fail(world, "the record is: %s", text);
}

/* open [servers=N] [clients=N] [contexts=N] [branches=N]: what there still is. */
static bool do_open(struct world *world, const struct statement *statement)
{
    struct transaction_counts counts = transaction_layer_counts(world->layer);
    const size_t numbers[] = { counts.servers, counts.clients, counts.contexts, counts.branches };
    static const char *const names[] = { "servers", "clients", "contexts", "branches" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        uint64_t wanted;
        if (!optional_number(world, statement, names[i], 0, &wanted))
            return false;
        if (wanted != numbers[i])
            return scenario_fail(world, "%zu %s", numbers[i], names[i]);
    }
    return true;
}

struct verb {
    const char *word;
    bool (*run)(struct world *world, const struct statement *statement);
    bool is_step; /* from the first one on the policy stands */
};

static const struct verb verbs[] = {
    { "timers", do_timers, false },
    { "listener", do_listener, false },
    { "alias", do_alias, false },
    { "agent", do_agent, false },
    { "host", do_host, false },
    { "route", do_route, false },
    { "terms", do_terms, false },
    { "limit", do_limit, false },
    { "from", do_from, true },
    { "to", do_to, true },
    { "nothing", do_nothing, true },
    { "pass", do_pass, true },
    { "connect", do_connect, true },
    { "lose", do_lose, true },
    { "met", do_met, true },
    { "record", do_record, true },
    { "open", do_open, true },
};

static const struct verb *verb_of(const struct statement *statement)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i].word, statement->words[0]) == 0)
            return &verbs[i];
    return NULL;
}

static bool run_statement(struct world *world, const struct statement *statement)
{
    world->at = statement;
    const struct verb *verb = verb_of(statement);
    if (verb == NULL)
        return scenario_fail(world, "\"%s\" is no word of scenarios", statement->words[0]);
    if (verb->is_step != (world->layer != NULL)) {
        if (!verb->is_step)
            return scenario_fail(world, "\"%s\" stands ahead of the first step", verb->word);
        if (!relay_begin(world))
            return false;
    }
    return verb->run(world, statement) && world->error.length == 0;
}

static void world_begin(struct world *world, const struct scenario *scenario)
{
    memset(world, 0, sizeof(*world));
    world->scenario = scenario;
    world->at = &scenario->statements[0];
    world->now_ms = SCENARIO_START_MS;
    world->settings.timers = TIMER_SETTINGS_DEFAULT;
    world->settings.listeners = world->listeners;
    world->settings.aliases = world->aliases;
    list_init(&world->hops);
}

static void forget_messages(struct messages *messages)
{
    for (size_t i = 0; i < messages->count; i++)
        sip_message_unref(messages->list[i]);
}

static void world_end(struct world *world)
{
    relay_end(world);
    for (size_t i = 0; i < world->agent_count; i++) {
        struct agent *agent = &world->agents[i];
        for (size_t k = 0; k < agent->waiting_count; k++)
            sip_message_unref(agent->waiting[k].message);
        forget_messages(&agent->sent);
        forget_messages(&agent->received);
    }
    for (size_t i = 0; i < world->variable_count; i++)
        free(world->variables[i].value);
    buffer_free(&world->error);
}

/* ERROR_R: empty when all was as it should be. */
static void run(const struct scenario *scenario, struct buffer *error_r)
{
    struct world *world = malloc(sizeof(*world));
    if (world == NULL)
        abort();
    world_begin(world, scenario);
    bool is_well = true;
    for (size_t i = 0; is_well && i < scenario->count; i++)
        is_well = run_statement(world, &scenario->statements[i]);
    if (is_well && world->layer == NULL)
        is_well = scenario_fail(world, "nothing happens");
    is_well = is_well && expect_nothing(world);
    buffer_append_slice(error_r, buffer_slice(&world->error));
    world_end(world);
    free(world);
}

/* ---- files ---- */

static unsigned tests, failures;

static void tell(bool is_well, const char *title, const char *path, struct buffer *error)
{
    printf("%sok %u - %s\n", is_well ? "" : "not ", ++tests, title);
    if (is_well)
        return;
    failures++;
    buffer_append_byte(error, '\0');
    printf("# %s:", path);
    for (const char *at = error->data; *at != '\0'; at++)
        printf(*at == '\n' ? "\n#     " : "%c", *at);
    printf("\n");
}

static bool holds(const struct buffer *error, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i + length <= error->length; i++)
        if (memcmp(error->data + i, text, length) == 0)
            return true;
    return false;
}

static void run_file(const char *path)
{
    struct scenario scenario;
    struct buffer error = BUFFER_EMPTY;
    bool is_well = scenario_read(path, &scenario, &error);
    if (is_well) {
        run(&scenario, &error);
        is_well = scenario.fails != NULL ? holds(&error, scenario.fails) : error.length == 0;
        if (!is_well && error.length == 0)
            buffer_append_string(&error, "it holds, and must not");
    } else if (scenario.fails != NULL) {
        is_well = holds(&error, scenario.fails);
    }
    tell(is_well, scenario.title != NULL ? scenario.title : path, path, &error);
    scenario_free(&scenario);
    buffer_free(&error);
}

static int is_scenario(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 9 && strcmp(entry->d_name + length - 9, ".scenario") == 0;
}

static void run_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_scenario, alphasort);
    if (count <= 0)
        tell(false, folder, folder, &(struct buffer){ 0 });
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        run_file(path);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    const char *top = getenv("top_srcdir");
    char folder[2048];
    for (int i = 1; i < argc; i++)
        run_file(argv[i]);
    if (argc == 1) {
        snprintf(folder, sizeof(folder), "%s/t/data/scenario", top != NULL ? top : ".");
        run_folder(folder);
        snprintf(folder, sizeof(folder), "%s/t/data/scenario/failing", top != NULL ? top : ".");
        run_folder(folder);
    }
    printf("1..%u\n", tests);
    return failures == 0 ? 0 : 1;
}
