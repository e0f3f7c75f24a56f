/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_explain.c - which row, which key, which decision, and why, for a request that is not sent (INV-50).
 * In:    {"command":"explain","destination":"sip:bob@biloxi.example","source":...,"flags":...,"address":...};
 *        "probe" instead of "explain": then a handshake is made, instead of a decision.
 * The same functions decide here as in the relay step, with today's snapshot.
 */
#include "base/error.h"
#include "control/control_private.h"
#include "net/locate.h"
#include "pkix/digest.h"
#include "policy/name.h"
#include "relay/next_hop.h"
#include "sip/uri.h"

#include <stdlib.h>
#include <string.h>

struct explanation {
    struct control_client *client;
    struct policy_snapshot *snapshot;
    char uri_text[1024];
    struct sip_uri uri;
    char next_hop_domain[DOMAIN_NAME_SIZE], source_domain[DOMAIN_NAME_SIZE], peer[ROW_NAME_SIZE];
    struct flag_set flags;
    struct policy_lookup_order order;
    const struct outbound_policy *row;
    struct requirement requirement;
    bool is_probe;
    json_t *answer;
};

static void finish(struct explanation *explanation)
{
    control_answer(explanation->client, explanation->answer);
    policy_snapshot_unref(explanation->snapshot);
    free(explanation);
}

static void say(struct explanation *explanation, const char *name, const char *text)
{
    (void)json_object_set_new(explanation->answer, name,
        text != NULL && text[0] != '\0' ? json_string(text) : json_null());
}

static void refuse(struct explanation *explanation, enum reason reason, const char *detail)
{
    say(explanation, "decision", decision_name(DECISION_REJECT));
    say(explanation, "reason", reason_word(reason));
    say(explanation, "detail", detail != NULL && detail[0] != '\0' ? detail : reason_text(reason));
    (void)json_object_set_new(explanation->answer, "status", json_integer((json_int_t)reason_status(reason)));
    finish(explanation);
}

/* Why an unverified connection would, or would not, become the one that is wanted. */
static void say_upgrade(struct explanation *explanation, const struct decision_result *result)
{
    bool is_refused = result->upgrade_refusal != REASON_NONE;
    say(explanation, "upgrade",
        is_refused ? reason_word(result->upgrade_refusal) : upgrade_obstacle_name(result->upgrade));
}

static void on_decided(void *arg, const struct decision_result *result)
{
    struct explanation *explanation = arg;
    char id[CONNECTION_ID_SIZE];
    say_upgrade(explanation, result);
    if (result->decision == DECISION_REJECT) {
        refuse(explanation, result->reason, NULL);
        return;
    }
    say(explanation, "decision", decision_name(result->decision));
    say(explanation, "reason", reason_word(REASON_NONE));
    say(explanation, "connection",
        result->handle.generation != 0 ? connection_id_print(result->handle, id) : NULL);
    finish(explanation);
}

static void on_probed(void *arg, const struct relay_probe_result *result)
{
    struct explanation *explanation = arg;
    (void)json_object_set_new(explanation->answer, "probe", control_probe_json(result));
    finish(explanation);
}

static void say_key(struct explanation *explanation)
{
    const struct control_environment *environment = control_client_environment(explanation->client);
    struct connection_key key;
    struct buffer text = BUFFER_EMPTY;
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    relay_encode_key(environment->relay, &explanation->requirement.key, &key);
    struct slice bytes = slice_of((const char *)key.bytes, key.length);
    if (digest_sha256(&bytes, 1, digest) == 0)
        say(explanation, "key_digest", digest_hex(digest, hex));
    requirement_key_print(&explanation->requirement.key, &text);
    (void)json_object_set_new(explanation->answer, "key", json_stringn(buffer_slice(&text).data, text.length));
    buffer_free(&text);
}

/* The request is of the scheme that the destination has. */
static struct next_hop next_hop_of(const struct explanation *explanation, const struct outbound_policy *row)
{
    return (struct next_hop){ .uri = &explanation->uri, .domain = explanation->next_hop_domain,
        .is_sips_request = explanation->uri.scheme == SIP_URI_SIPS, .row = row, .flags = &explanation->flags,
        .families = control_client_environment(explanation->client)->settings->dns_families };
}

static void explain_target(struct explanation *explanation, const struct locate_target *target)
{
    const struct control_environment *environment = control_client_environment(explanation->client);
    struct why why = WHY_NONE;
    char text[ADDRESS_TEXT_SIZE];
    enum reason reason = REASON_NO_POLICY;
    say(explanation, "target", endpoint_print(&target->endpoint, text));
    say(explanation, "transport", transport_name(target->transport));
    if (explanation->row == NULL) {
        struct policy_query query = { .address = &target->endpoint.address,
            .next_hop_domain = explanation->next_hop_domain[0] != '\0' ? explanation->next_hop_domain : NULL,
            .source_domain = explanation->source_domain[0] != '\0' ? explanation->source_domain : NULL,
            .peer = explanation->peer[0] != '\0' ? explanation->peer : NULL };
        if (policy_lookup(explanation->snapshot, &query, &explanation->order, &explanation->row, &reason) !=
            LOOKUP_RESULT_HIT) {
            refuse(explanation, reason, NULL);
            return;
        }
        say(explanation, "policy", explanation->row->name);
        const struct next_hop hop = next_hop_of(explanation, explanation->row);
        reason = next_hop_check_scheme(&hop, &why);
        if (reason != REASON_NONE) {
            refuse(explanation, reason, why.text);
            return;
        }
    }
    struct requirement_target wanted = { .transport = target->transport, .endpoint = target->endpoint,
        .next_hop_domain = explanation->next_hop_domain[0] != '\0' ? explanation->next_hop_domain : NULL };
    struct requirement_defaults defaults = { .max_age_s = environment->settings->max_age_s,
        .idle_timeout_s = environment->settings->idle_timeout_s };
    reason = requirement_build(explanation->snapshot, explanation->row, &explanation->flags, &wanted,
        relay_capabilities(environment->relay), &defaults, &explanation->requirement, &why);
    if (reason != REASON_NONE) {
        refuse(explanation, reason, why.text);
        return;
    }
    const struct requirement *requirement = &explanation->requirement;
    say(explanation, "level", level_name((enum level)requirement->key.level));
    say(explanation, "expected_domain", requirement->key.expected_domain);
    say(explanation, "certificate", requirement->terms.credential != NULL ? requirement->terms.credential->name : NULL);
    say(explanation, "sni", requirement->key.sni);
    say(explanation, "trust_set", requirement->terms.trust_set != NULL ? requirement->terms.trust_set->name : NULL);
    say_key(explanation);
    if (explanation->is_probe && requirement->key.transport != TRANSPORT_TLS) {
        refuse(explanation, REASON_PLAIN_TRANSPORT, "the next hop is not reached by TLS: there is no handshake");
        return;
    }
    int rc = explanation->is_probe ? relay_probe(environment->relay, requirement, explanation->snapshot,
                                         environment->mailbox, on_probed, explanation)
                                   : relay_consider(environment->relay, requirement, explanation->snapshot,
                                         environment->mailbox, on_decided, explanation);
    if (rc != 0)
        refuse(explanation, REASON_NO_MEMORY, NULL);
}

static void on_located(void *arg, const struct locate_result *result)
{
    struct explanation *explanation = arg;
    if (result->reason != REASON_NONE || result->count == 0)
        refuse(explanation, result->reason != REASON_NONE ? result->reason : REASON_NO_ADDRESS, result->why.text);
    else
        explain_target(explanation, &result->targets[0]);
}

static void locate(struct explanation *explanation)
{
    const struct control_environment *environment = control_client_environment(explanation->client);
    const struct next_hop hop = next_hop_of(explanation, explanation->row);
    struct why why = WHY_NONE;
    struct locate_target *targets = NULL;
    struct locate_question question;
    struct locate *handle;
    size_t count = 0;
    enum reason reason = next_hop_check_scheme(&hop, &why);
    if (reason == REASON_NONE)
        reason = next_hop_targets(&hop, &targets, &count, &question);
    if (reason != REASON_NONE)
        refuse(explanation, reason, why.text);
    else if (count > 0)
        explain_target(explanation, &targets[0]);
    else if (locate_start(environment->resolver, &question, on_located, explanation, &handle) != 0)
        refuse(explanation, REASON_NO_MEMORY, NULL);
    free(targets);
}

static const char *field(json_t *question, const char *name)
{
    const char *text = json_string_value(json_object_get(question, name));
    return text != NULL ? text : "";
}

/* Reads the question; false: WHY says what is wrong with it. */
static bool read_question(struct explanation *explanation, json_t *question, struct why *why)
{
    const struct control_environment *environment = control_client_environment(explanation->client);
    const char *destination = field(question, "destination"), *source = field(question, "source");
    bool has_scheme = strncmp(destination, "sip:", 4) == 0 || strncmp(destination, "sips:", 5) == 0;
    struct buffer text = { explanation->uri_text, 0, sizeof(explanation->uri_text), false };
    if (strlen(destination) > 900)
        return why_fail(why, 0, "the destination is too long") != 0;
    buffer_append_string(&text, has_scheme ? "" : "sip:");
    buffer_append_string(&text, destination);
    if (sip_uri_parse(buffer_slice(&text), &explanation->uri) != 0 || !sip_uri_is_sip(&explanation->uri))
        return why_fail(why, 0, "destination \"%s\" is no SIP URI, domain or address", destination) != 0;
    if (explanation->uri.host.kind == SIP_HOST_NAME &&
        name_normalise(explanation->uri.host.text, explanation->next_hop_domain) != 0)
        return why_fail(why, 0, "destination \"%s\" has no valid domain name", destination) != 0;
    if (source[0] != '\0' && name_normalise(slice_of_string(source), explanation->source_domain) != 0)
        return why_fail(why, 0, "source \"%s\" is no domain name", source) != 0;
    if (!slice_to_string(slice_of_string(field(question, "peer")), explanation->peer, sizeof(explanation->peer)))
        return why_fail(why, 0, "the peer's name is too long") != 0;
    if (flags_parse(slice_of_string(field(question, "flags")), &explanation->flags, why) != 0)
        return false;
    explanation->order = flags_have(&explanation->flags, T_RELAY_LOOKUP) ? explanation->flags.lookup
                                                                         : environment->settings->lookup;
    return true;
}

static void explain(struct control_client *client, json_t *question, bool is_probe)
{
    const struct control_environment *environment = control_client_environment(client);
    struct explanation *explanation = calloc(1, sizeof(*explanation));
    struct why why = WHY_NONE;
    enum reason reason = REASON_NO_POLICY;
    if (explanation == NULL) {
        control_answer_error(client, "out of memory");
        return;
    }
    explanation->client = client;
    explanation->is_probe = is_probe;
    if (!read_question(explanation, question, &why)) {
        free(explanation);
        control_answer_error(client, why.text);
        return;
    }
    explanation->snapshot = environment->snapshot(environment->arg);
    explanation->answer = json_object();
    const struct address *address = explanation->uri.host.kind == SIP_HOST_NAME ? NULL : &explanation->uri.host.address;
    struct policy_query query = { .address = address,
        .next_hop_domain = explanation->next_hop_domain[0] != '\0' ? explanation->next_hop_domain : NULL,
        .source_domain = explanation->source_domain[0] != '\0' ? explanation->source_domain : NULL,
        .peer = explanation->peer[0] != '\0' ? explanation->peer : NULL };
    query.request_domain = query.next_hop_domain;
    say(explanation, "destination", explanation->uri_text);
    switch (policy_lookup(explanation->snapshot, &query, &explanation->order, &explanation->row, &reason)) {
    case LOOKUP_RESULT_NONE:
    case LOOKUP_RESULT_REFUSED:
        say(explanation, "policy", explanation->row != NULL ? explanation->row->name : NULL);
        refuse(explanation, reason, explanation->row != NULL ? explanation->row->unusable : NULL);
        return;
    case LOOKUP_RESULT_HIT:
        say(explanation, "policy", explanation->row->name);
        break;
    case LOOKUP_RESULT_NEEDS_ADDRESS:
        explanation->row = NULL;
        break;
    }
    locate(explanation);
}

void control_explain(struct control_client *client, json_t *question)
{
    explain(client, question, false);
}

void control_probe(struct control_client *client, json_t *question)
{
    explain(client, question, true);
}
