/* SPDX-License-Identifier: GPL-2.0-or-later */
/* command.c - the commands of the control socket, one row each. */
#include "base/error.h"
#include "control/control_private.h"
#include "pkix/digest.h"

#include <stdlib.h>
#include <string.h>

static json_t *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *records_json(const struct control_environment *environment)
{
    struct control_records records = environment->records(environment->arg);
    return json_pack("{s:I, s:I, s:I, s:I}", "written", (json_int_t)records.written, "waiting",
        (json_int_t)records.waiting, "lost", (json_int_t)records.lost, "withheld", (json_int_t)records.withheld);
}

static void do_status(struct control_client *client, json_t *question)
{
    (void)question;
    const struct control_environment *environment = control_client_environment(client);
    struct policy_snapshot *snapshot = environment->snapshot(environment->arg);
    struct policy_counts counts = policy_snapshot_counts(snapshot);
    struct relay_counts relay = relay_counts(environment->relay);
    json_t *policy = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "generation",
        (json_int_t)policy_snapshot_generation(snapshot), "loaded_at",
        (json_int_t)policy_snapshot_loaded_at(snapshot), "outbound", (json_int_t)counts.outbound, "peers",
        (json_int_t)counts.peers, "routes", (json_int_t)counts.routes, "server_profiles",
        (json_int_t)counts.server_profiles, "unusable", (json_int_t)counts.unusable, "problems",
        (json_int_t)policy_snapshot_problem_count(snapshot));
    policy_snapshot_unref(snapshot);
    control_answer(client,
        json_pack("{s:s, s:s, s:I, s:i, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "node",
            environment->settings->node, "version", PACKAGE_VERSION, "started_at",
            (json_int_t)environment->started_at, "workers", (int)relay_worker_count(environment->relay), "database",
            (int)environment->is_database_connected(environment->arg), "policy", policy, "records",
            records_json(environment), "requests",
            (json_int_t)relay.requests, "responses", (json_int_t)relay.responses, "refused",
            (json_int_t)relay.refused, "dropped", (json_int_t)relay.dropped, "transactions",
            (json_int_t)relay.transactions, "pins_refused", (json_int_t)relay.pins_refused));
}

/* Seconds since the epoch; 0 and INT64_MAX: none. */
static json_t *moment_or_null(int64_t moment)
{
    return moment != 0 && moment != INT64_MAX ? json_integer((json_int_t)moment) : json_null();
}

static void add_tls(json_t *json, const struct connection_facts *facts)
{
    (void)json_object_set_new(json, "tls", json_string(tls_version_name(facts->tls_version)));
    (void)json_object_set_new(json, "suite", text_or_null(facts->suite));
    (void)json_object_set_new(json, "sni", text_or_null(facts->server_name));
    (void)json_object_set_new(json, "certificate", text_or_null(facts->credential));
    (void)json_object_set_new(json, "level", json_string(level_name(facts->verdict.level)));
    (void)json_object_set_new(json, "class",
        json_string(facts->verdict.result == VERDICT_PROVEN ? "verified" : "unverified"));
    (void)json_object_set_new(json, "expected_domain", text_or_null(facts->verdict.expected_domain));
    (void)json_object_set_new(json, "identity", text_or_null(facts->verdict.matched_name));
    (void)json_object_set_new(json, "trust_set", text_or_null(facts->trust_set));
    (void)json_object_set_new(json, "peer_subject",
        text_or_null(facts->certificate != NULL ? facts->certificate->subject : NULL));
}

static json_t *connection_json(const struct relay_connection *connection, const struct policy_snapshot *snapshot,
    int64_t now_s)
{
    char id[CONNECTION_ID_SIZE], address[ADDRESS_TEXT_SIZE], digest[DIGEST_HEX_SIZE] = "";
    const struct connection_facts *facts = connection->facts;
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "id",
        connection_id_print(connection->handle, id), "direction", connection->is_accepted ? "inbound" : "outbound",
        "state", connection_state_name(connection->state), "peer", endpoint_print(&connection->peer, address),
        "requests", (json_int_t)connection->requests, "in_flight", (json_int_t)connection->in_flight, "waiters",
        (json_int_t)connection->waiters, "opened_at", (json_int_t)connection->opened_at, "used_at",
        (json_int_t)connection->used_at);
    (void)json_object_set_new(json, "key", text_or_null(connection->key));
    if (facts == NULL)
        return json;
    const struct peer_rule *peer = connection->is_accepted ? relay_peer_of(snapshot, facts, now_s) : NULL;
    if (facts->has_key_digest)
        (void)digest_hex(facts->key_digest, digest);
    (void)json_object_set_new(json, "transport", json_string(transport_name(facts->transport)));
    (void)json_object_set_new(json, "local", text_or_null(endpoint_print(&facts->local, address)));
    (void)json_object_set_new(json, "policy", text_or_null(facts->policy));
    (void)json_object_set_new(json, "peer_row", text_or_null(peer != NULL ? peer->name : NULL));
    (void)json_object_set_new(json, "key_digest", text_or_null(digest));
    (void)json_object_set_new(json, "verified_at", moment_or_null(connection->proven_at));
    (void)json_object_set_new(json, "deadline", moment_or_null(connection->deadline));
    if (facts->transport == TRANSPORT_TLS)
        add_tls(json, facts);
    return json;
}

static void answer_connections(void *arg, const struct relay_connection *connections, size_t count)
{
    struct control_client *client = arg;
    const struct control_environment *environment = control_client_environment(client);
    if (environment == NULL) {
        control_answer(client, NULL);
        return;
    }
    struct policy_snapshot *snapshot = environment->snapshot(environment->arg);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(array,
            connection_json(&connections[i], snapshot, loop_wall_s(environment->loop)));
    policy_snapshot_unref(snapshot);
    control_answer(client, json_pack("{s:o}", "connections", array));
}

static void do_connections(struct control_client *client, json_t *question)
{
    (void)question;
    const struct control_environment *environment = control_client_environment(client);
    if (relay_list_connections(environment->relay, environment->mailbox, answer_connections, client) != 0)
        control_answer_error(client, "out of memory");
}

static void answer_reload(void *arg, bool is_success, const char *text)
{
    if (is_success)
        control_answer(arg, json_pack("{s:s}", "reload", "done"));
    else
        control_answer_error(arg, text);
}

static void do_reload(struct control_client *client, json_t *question)
{
    const struct control_environment *environment = control_client_environment(client);
    const json_t *asked = json_object_get(question, "mode");
    const char *word = asked != NULL ? json_string_value(asked) : reload_mode_name(RELOAD_DROP);
    enum reload_mode mode = word != NULL ? reload_mode_from_name(slice_of_string(word)) : RELOAD_MODE_UNSET;
    if (mode == RELOAD_MODE_UNSET)
        control_answer_error(client, "unknown mode; there are drop, drain and revalidate");
    else if (!environment->is_database_connected(environment->arg))
        control_answer_error(client, "no session with the database: nothing is reloaded, the policy in force stays");
    else if (environment->reload(environment->arg, mode, answer_reload, client) != 0)
        control_answer_error(client, "out of memory");
}

struct close_order {
    struct control_client *client;
    struct connection_handle handle;
};

static void answer_no_connection(struct control_client *client)
{
    control_answer_error(client, "no such connection: \"id\" is as in trelayctl connections, e.g. 0.3.17");
}

static void answer_close(void *arg, bool was_there)
{
    char id[CONNECTION_ID_SIZE];
    struct close_order *order = arg;
    if (was_there)
        control_answer(order->client, json_pack("{s:s}", "closed", connection_id_print(order->handle, id)));
    else
        answer_no_connection(order->client);
    free(order);
}

static void do_close(struct control_client *client, json_t *question)
{
    const struct control_environment *environment = control_client_environment(client);
    const char *id = json_string_value(json_object_get(question, "id"));
    struct connection_handle handle;
    if (id == NULL || !connection_id_parse(slice_of_string(id), &handle)) {
        answer_no_connection(client);
        return;
    }
    struct close_order *order = malloc(sizeof(*order));
    int rc = ERROR_MEMORY;
    if (order != NULL) {
        *order = (struct close_order){ .client = client, .handle = handle };
        rc = relay_close_connection(environment->relay, handle, environment->mailbox, answer_close, order);
    }
    if (rc == 0)
        return;
    free(order);
    if (rc == ERROR_NOT_FOUND)
        answer_no_connection(client);
    else
        control_answer_error(client, "out of memory");
}

static void answer_explained(void *arg, json_t *answer)
{
    control_answer(arg, answer);
}

static void do_explain(struct control_client *client, json_t *question)
{
    control_explain(control_client_environment(client), question, false, answer_explained, client);
}

static void do_probe(struct control_client *client, json_t *question)
{
    control_explain(control_client_environment(client), question, true, answer_explained, client);
}

/* Somebody who asks in text. */
struct text_question {
    control_answered_fn *done;
    void *arg;
};

static void answer_in_text(void *arg, json_t *answer)
{
    struct text_question *question = arg;
    const char *refusal = json_string_value(json_object_get(answer, "error"));
    char *text = refusal == NULL && answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;
    question->done(question->arg, text != NULL, text != NULL ? text : refusal != NULL ? refusal : "out of memory");
    free(text);
    json_decref(answer);
    free(question);
}

void control_explain_text(const struct control *control, struct slice members, control_answered_fn *done, void *arg)
{
    struct text_question *question = malloc(sizeof(*question));
    json_t *read = json_loadb(members.data, members.length, JSON_REJECT_DUPLICATES, NULL);
    if (question == NULL || !json_is_object(read)) {
        done(arg, false, question == NULL ? "out of memory" : "the question must be one JSON object");
        free(question);
    } else {
        *question = (struct text_question){ .done = done, .arg = arg };
        control_explain(control_environment_of(control), read, false, answer_in_text, question);
    }
    json_decref(read);
}

static const struct {
    const char *name;
    void (*run)(struct control_client *client, json_t *question);
} commands[] = {
    { "status", do_status },
    { "connections", do_connections },
    { "explain", do_explain },
    { "probe", do_probe },
    { "reload", do_reload },
    { "close", do_close },
};

void control_command(struct control_client *client, json_t *question)
{
    const char *name = json_string_value(json_object_get(question, "command"));
    for (size_t i = 0; name != NULL && i < ARRAY_SIZE(commands); i++)
        if (strcmp(name, commands[i].name) == 0) {
            commands[i].run(client, question);
            return;
        }
    control_answer_error(client, "unknown command; there are status, connections, explain, probe, reload, close");
}
