/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_explain.c - which row, which key, which decision, and why, for a request that is not sent (INV-50).
 * In:    the members of explain_question.h; for a probe a handshake is made instead of a decision.
 * Out:   one JSON object, later: of the address that a request would go to, after those that would fail it at once.
 * The same functions decide here as in the relay step (relay/t_relay.c), with today's snapshot and the pools of now.
 */
#include "base/error.h"
#include "control/control_private.h"
#include "control/explain_question.h"
#include "net/locate.h"
#include "pkix/digest.h"
#include "relay/next_hop.h"

#include <stdlib.h>
#include <string.h>

struct explanation {
    struct control_environment environment; /* a copy: the control may be gone when an answer comes */
    control_explained_fn *done;
    void *arg;
    bool is_probe;
    struct policy_snapshot *snapshot;
    json_t *members; /* counted; what was asked */
    struct explain_question question;
    struct requirement_rule rule; /* its row NULL: the row is that of an address */
    bool is_address_of_row;
    enum level level_floor;       /* the strictest that an address had to meet so far (INV-34) */
    struct locate_target *targets;
    size_t target_count, target_next;
    struct requirement requirement;
    json_t *answer, *passed_over;
};

static void finish(struct explanation *explanation)
{
    if (json_array_size(explanation->passed_over) > 0)
        (void)json_object_set(explanation->answer, "passed_over", explanation->passed_over);
    explanation->done(explanation->arg, explanation->answer);
    json_decref(explanation->passed_over);
    policy_snapshot_unref(explanation->snapshot);
    json_decref(explanation->members);
    free(explanation->targets);
    free(explanation);
}

static void say(struct explanation *explanation, const char *name, const char *text)
{
    (void)json_object_set_new(explanation->answer, name,
        text != NULL && text[0] != '\0' ? json_string(text) : json_null());
}

static void say_buffer(struct explanation *explanation, const char *name, struct buffer *text)
{
    (void)json_object_set_new(explanation->answer, name,
        text->length > 0 && !text->has_failed ? json_stringn(text->data, text->length) : json_null());
    buffer_free(text);
}

static const char *detail_of(enum reason reason, const struct why *why)
{
    return why != NULL && why->text[0] != '\0' ? why->text : reason_text(reason);
}

static void refuse(struct explanation *explanation, enum reason reason, const struct why *why)
{
    say(explanation, "decision", decision_name(DECISION_REJECT));
    say(explanation, "reason", reason_word(reason));
    say(explanation, "detail", detail_of(reason, why));
    (void)json_object_set_new(explanation->answer, "status", json_integer((json_int_t)reason_status(reason)));
    finish(explanation);
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static const struct dialog_part *pin_of(const struct explanation *explanation)
{
    const struct dialog_part *pin = &explanation->question.pin;
    return pin->level != LEVEL_UNSET ? pin : NULL;
}

static struct requirement_question question_of(const struct explanation *explanation)
{
    const struct explain_question *asked = &explanation->question;
    return (struct requirement_question){
        .query = { .next_hop_domain = or_null(asked->next_hop_domain),
            .request_domain = or_null(asked->request_domain), .source_domain = or_null(asked->source_domain),
            .peer = or_null(asked->peer) },
        .order = &asked->order, .usual = asked->has_senders_lookup ? &asked->usual : NULL,
        .flags = &asked->flags, .is_senders_trust = asked->is_senders_trust,
        .is_address_of_row = explanation->is_address_of_row, .pin = pin_of(explanation) };
}

static enum lookup_result look_up(struct explanation *explanation, const struct address *address,
    struct requirement_rule *rule_r)
{
    const struct requirement_question question = question_of(explanation);
    return requirement_look_up(explanation->snapshot, &question, address, rule_r);
}

static struct next_hop next_hop_of(const struct explanation *explanation, const struct requirement_rule *rule)
{
    const struct explain_question *asked = &explanation->question;
    return (struct next_hop){ .uri = &asked->uri, .domain = asked->next_hop_domain,
        .is_sips_request = asked->is_sips_request, .has_sip_contact = asked->has_sip_contact, .row = rule->row,
        .flags = &asked->flags, .is_pinned = rule->is_pinned, .is_row_of_hop = rule->is_row_of_hop,
        .families = explanation->environment.settings->dns_families };
}

static void say_rule(struct explanation *explanation, const struct requirement_rule *rule)
{
    say(explanation, "policy", rule->row != NULL ? rule->row->name : NULL);
    (void)json_object_set_new(explanation->answer, "pinned", json_boolean(rule->is_pinned));
}

static enum reason keep_floor(struct explanation *explanation, const struct requirement_rule *rule, struct why *why)
{
    const struct flag_set *flags = &explanation->question.flags;
    enum level level = rule->is_pinned ? requirement_pinned_level(rule->row, flags, pin_of(explanation))
                                       : requirement_level(rule->row, flags);
    if (level < explanation->level_floor) {
        (void)why_fail(why, ERROR_REFUSED, "an earlier address had to prove level %s, row \"%s\" asks for %s only",
            level_name(explanation->level_floor), rule->row->name, level_name(level));
        return REASON_WEAKEN_REFUSED;
    }
    explanation->level_floor = level;
    return REASON_NONE;
}

static void keep_floor_refused(struct explanation *explanation, const struct address *address)
{
    const struct requirement_question question = question_of(explanation);
    enum level level = requirement_refused_level(explanation->snapshot, &question, address);
    explanation->level_floor = explanation->level_floor > level ? explanation->level_floor : level;
}

/* What is said of one address. */
static const char *const of_address[] = { "target", "transport", "level", "expected_domain", "certificate", "sni",
    "trust_set", "key_digest", "key", "terms", "upgrade", "held" };

static bool has_next(const struct explanation *explanation)
{
    return explanation->target_next < explanation->target_count &&
        !flags_have(&explanation->question.flags, T_RELAY_NO_DNS_FAILOVER);
}

/* The answer speaks of the next address, but for a word on why it is not this one. */
static void pass_over(struct explanation *explanation, enum reason reason, const struct why *why)
{
    json_t *target = json_object_get(explanation->answer, "target");
    (void)json_array_append_new(explanation->passed_over,
        json_pack("{s:O, s:s, s:s}", "target", target, "reason", reason_word(reason), "detail",
            detail_of(reason, why)));
    for (size_t i = 0; i < ARRAY_SIZE(of_address); i++)
        (void)json_object_del(explanation->answer, of_address[i]);
}

static void try_addresses(struct explanation *explanation);

/* Why an unverified connection would, or would not, become the one that is wanted. */
static void say_upgrade(struct explanation *explanation, const struct decision_result *result)
{
    bool is_refused = result->upgrade_refusal != REASON_NONE;
    say(explanation, "upgrade",
        is_refused ? reason_word(result->upgrade_refusal) : upgrade_obstacle_name(result->upgrade));
}

/* Workers spare this address their requests where there is another (relay/held.h). True: all of them, and there is. */
static bool is_spared(struct explanation *explanation, const struct relay_considered *considered, struct why *why)
{
    uint32_t holding = considered->silent > 0 ? considered->silent : considered->unavailable;
    const char *word = considered->silent > 0 ? "silent" : "unavailable";
    if (holding == 0)
        return false;
    (void)json_object_set_new(explanation->answer, "held",
        json_pack("{s:s, s:I, s:I}", "why", word, "workers", (json_int_t)holding, "of",
            (json_int_t)considered->workers));
    (void)why_fail(why, ERROR_REFUSED, considered->silent > 0 ? "it did not answer the last datagrams"
                                                              : "it asked for rest: Retry-After");
    return holding == considered->workers && has_next(explanation);
}

static void on_decided(void *arg, const struct relay_considered *considered)
{
    struct explanation *explanation = arg;
    const struct decision_result *result = &considered->result;
    struct why why = WHY_NONE;
    char id[CONNECTION_ID_SIZE];
    if (result->reason == REASON_SHUTDOWN) { /* there may be no relay to ask any more */
        refuse(explanation, REASON_SHUTDOWN, NULL);
        return;
    }
    if (is_spared(explanation, considered, &why)) {
        pass_over(explanation, REASON_BACKOFF, &why);
        try_addresses(explanation);
        return;
    }
    say_upgrade(explanation, result);
    if (result->decision == DECISION_REJECT && has_next(explanation)) {
        pass_over(explanation, result->reason, NULL);
        try_addresses(explanation);
        return;
    }
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

static void say_requirement(struct explanation *explanation)
{
    const struct requirement *requirement = &explanation->requirement;
    struct connection_key key;
    struct buffer text = BUFFER_EMPTY, terms = BUFFER_EMPTY;
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    say(explanation, "level", level_name((enum level)requirement->key.level));
    say(explanation, "expected_domain", requirement->key.expected_domain);
    say(explanation, "certificate", requirement->terms.credential != NULL ? requirement->terms.credential->name : NULL);
    say(explanation, "sni", requirement->key.sni);
    say(explanation, "trust_set", requirement->terms.trust_set != NULL ? requirement->terms.trust_set->name : NULL);
    relay_encode_key(explanation->environment.relay, &requirement->key, &key);
    struct slice bytes = slice_of((const char *)key.bytes, key.length);
    say(explanation, "key_digest", digest_sha256(&bytes, 1, digest) == 0 ? digest_hex(digest, hex) : NULL);
    requirement_key_print(&requirement->key, &text);
    say_buffer(explanation, "key", &text);
    requirement_terms_print(&requirement->terms, &terms);
    say_buffer(explanation, "terms", &terms);
}

/* The row that rules this address, and the requirement from it. */
static enum reason build(struct explanation *explanation, const struct locate_target *target, struct why *why)
{
    const struct control_environment *environment = &explanation->environment;
    struct requirement_rule rule = explanation->rule;
    if (rule.row == NULL) {
        enum lookup_result found = look_up(explanation, &target->endpoint.address, &rule);
        enum reason floor = rule.row != NULL ? keep_floor(explanation, &rule, why) : REASON_NONE;
        if (found != LOOKUP_RESULT_HIT) {
            keep_floor_refused(explanation, &target->endpoint.address);
            return rule.reason != REASON_NONE ? rule.reason : REASON_NO_POLICY;
        }
        if (floor != REASON_NONE)
            return floor;
    }
    say_rule(explanation, &rule);
    const struct next_hop hop = next_hop_of(explanation, &rule);
    enum reason reason = next_hop_check_scheme(&hop, why);
    if (reason != REASON_NONE)
        return reason;
    const struct requirement_target wanted = { .transport = target->transport, .endpoint = target->endpoint,
        .next_hop_domain = or_null(explanation->question.next_hop_domain),
        .pin = rule.is_pinned ? pin_of(explanation) : NULL };
    const struct requirement_defaults defaults = { .max_age_s = environment->settings->max_age_s,
        .idle_timeout_s = environment->settings->idle_timeout_s };
    return requirement_build(explanation->snapshot, rule.row, &explanation->question.flags, &wanted,
        relay_capabilities(environment->relay), &defaults, &explanation->requirement, why);
}

/* REASON_NONE: somebody is asked, and the answer comes later. */
static enum reason ask(struct explanation *explanation, struct why *why)
{
    const struct control_environment *environment = &explanation->environment;
    const struct requirement *requirement = &explanation->requirement;
    if (explanation->is_probe && requirement->key.transport != TRANSPORT_TLS) {
        (void)why_fail(why, ERROR_REFUSED, "the next hop is not reached by TLS: there is no handshake");
        return REASON_PLAIN_TRANSPORT;
    }
    int rc = explanation->is_probe ? relay_probe(environment->relay, requirement, explanation->snapshot,
                                         environment->mailbox, on_probed, explanation)
                                   : relay_consider(environment->relay, requirement, explanation->snapshot,
                                         has_next(explanation), environment->mailbox, on_decided, explanation);
    return rc == 0 ? REASON_NONE : REASON_NO_MEMORY;
}

/* As the relay step does: what is refused for one address may be allowed for the next, never for less. */
static void try_addresses(struct explanation *explanation)
{
    enum reason reason = REASON_NO_ADDRESS;
    struct why why = WHY_NONE;
    char text[ADDRESS_TEXT_SIZE];
    while (explanation->target_next < explanation->target_count) {
        const struct locate_target *target = &explanation->targets[explanation->target_next++];
        why = WHY_NONE;
        say(explanation, "target", endpoint_print(&target->endpoint, text));
        say(explanation, "transport", transport_name(target->transport));
        reason = build(explanation, target, &why);
        if (reason == REASON_NONE) {
            say_requirement(explanation);
            reason = ask(explanation, &why);
        }
        if (reason == REASON_NONE)
            return;
        if (reason == REASON_NO_MEMORY || !has_next(explanation))
            break;
        pass_over(explanation, reason, &why);
    }
    refuse(explanation, reason, &why);
}

static void on_located(void *arg, const struct locate_result *result)
{
    struct explanation *explanation = arg;
    enum reason reason = result->reason != REASON_NONE ? result->reason : REASON_NO_ADDRESS;
    if (result->reason == REASON_NONE && result->count > 0) {
        explanation->targets = calloc(result->count, sizeof(*explanation->targets));
        reason = explanation->targets != NULL ? REASON_NONE : REASON_NO_MEMORY;
    }
    if (reason != REASON_NONE) {
        refuse(explanation, reason, &result->why);
        return;
    }
    memcpy(explanation->targets, result->targets, result->count * sizeof(*explanation->targets));
    explanation->target_count = result->count;
    try_addresses(explanation);
}

static void locate(struct explanation *explanation)
{
    const struct next_hop hop = next_hop_of(explanation, &explanation->rule);
    struct why why = WHY_NONE;
    struct locate_question question;
    struct locate *handle;
    enum reason reason = next_hop_check_scheme(&hop, &why);
    explanation->is_address_of_row = next_hop_has_addresses(&hop);
    if (reason == REASON_NONE)
        reason = next_hop_targets(&hop, &explanation->targets, &explanation->target_count, &question);
    if (reason != REASON_NONE)
        refuse(explanation, reason, &why);
    else if (explanation->target_count > 0)
        try_addresses(explanation);
    else if (locate_start(explanation->environment.resolver, &question, on_located, explanation, &handle) != 0)
        refuse(explanation, REASON_NO_MEMORY, NULL);
}

/* What is asked ahead of the row (relay/request.c, relay/routing.c). */
static enum reason refused_beforehand(const struct explanation *explanation, struct why *why)
{
    const struct control_environment *environment = &explanation->environment;
    if (explanation->question.conflict.text[0] != '\0') {
        *why = explanation->question.conflict;
        return REASON_FLAG_CONFLICT;
    }
    if (relay_policy_is_stale(environment->relay, explanation->snapshot, loop_wall_s(environment->loop)))
        return REASON_POLICY_STALE;
    if (slice_is_absent(explanation->question.uri.maddr))
        return REASON_NONE;
    (void)why_fail(why, ERROR_REFUSED, "maddr names another host than the domain of the next hop");
    return REASON_NO_POLICY;
}

static void decide_for(struct explanation *explanation)
{
    const struct sip_uri *uri = &explanation->question.uri;
    struct why why = WHY_NONE;
    enum reason reason = refused_beforehand(explanation, &why);
    if (reason != REASON_NONE) {
        refuse(explanation, reason, &why);
        return;
    }
    enum lookup_result found = look_up(explanation, uri->host.kind == SIP_HOST_NAME ? NULL : &uri->host.address,
        &explanation->rule);
    reason = explanation->rule.reason;
    switch (found) {
    case LOOKUP_RESULT_NONE:
    case LOOKUP_RESULT_REFUSED:
        say_rule(explanation, &explanation->rule);
        if (explanation->rule.row != NULL && explanation->rule.row->unusable != NULL)
            (void)why_fail(&why, ERROR_REFUSED, "%s", explanation->rule.row->unusable);
        refuse(explanation, reason, &why);
        return;
    case LOOKUP_RESULT_HIT:
        say_rule(explanation, &explanation->rule);
        (void)keep_floor(explanation, &explanation->rule, NULL); /* the first one: there is none yet */
        break;
    case LOOKUP_RESULT_NEEDS_ADDRESS:
        explanation->rule = (struct requirement_rule){ .row = NULL };
        break;
    }
    locate(explanation);
}

/* What was asked for and changes nothing in this version. */
static void say_without_effect(struct explanation *explanation)
{
    struct flag_set idle = explanation->question.flags;
    struct buffer text = BUFFER_EMPTY;
    idle.bits = flags_without_effect(&idle);
    if (idle.bits == 0)
        return;
    flags_print(&idle, &text);
    say_buffer(explanation, "without_effect", &text);
}

static void say_question(struct explanation *explanation)
{
    const struct explain_question *question = &explanation->question;
    struct buffer flags = BUFFER_EMPTY;
    say(explanation, "node", explanation->environment.settings->node);
    say(explanation, "destination", question->uri_text);
    flags_print(&question->flags, &flags);
    say_buffer(explanation, "flags", &flags);
    say_without_effect(explanation);
    if (question->pin_word != NULL)
        say(explanation, "pin", question->pin_word);
}

static bool read_question(struct explanation *explanation)
{
    struct why why = WHY_NONE;
    if (explain_question_read(&explanation->environment, explanation->snapshot, explanation->members,
            &explanation->question, &why) == 0)
        return true;
    (void)json_object_set_new(explanation->answer, "error", json_string(why.text));
    finish(explanation);
    return false;
}

/* As routing has it: a sender's order does not take live out of the operator's. */
static bool is_live(const struct explain_question *question)
{
    return question->order.is_live || (question->has_senders_lookup && question->usual.is_live);
}

/* By the snapshot of now, which the question's pin is read by, too. */
static void on_confirmed(void *arg, bool is_success, const char *text)
{
    struct explanation *explanation = arg;
    struct why why = WHY_NONE;
    if (!is_success) {
        (void)why_fail(&why, ERROR_REFUSED, "%s", text);
        refuse(explanation, REASON_POLICY_STALE, &why);
        return;
    }
    policy_snapshot_unref(explanation->snapshot);
    explanation->snapshot = explanation->environment.snapshot(explanation->environment.arg);
    if (!read_question(explanation))
        return;
    say_question(explanation);
    decide_for(explanation);
}

void control_explain(const struct control_environment *environment, json_t *members, bool is_probe,
    control_explained_fn *done, void *arg)
{
    struct explanation *explanation = calloc(1, sizeof(*explanation));
    if (explanation == NULL) {
        done(arg, json_pack("{s:s}", "error", "out of memory"));
        return;
    }
    explanation->environment = *environment;
    explanation->done = done;
    explanation->arg = arg;
    explanation->is_probe = is_probe;
    explanation->snapshot = environment->snapshot(environment->arg);
    explanation->members = json_incref(members);
    explanation->answer = json_object();
    explanation->passed_over = json_array();
    if (!read_question(explanation))
        return;
    say_question(explanation);
    if (!is_live(&explanation->question))
        decide_for(explanation);
    else if (environment->confirm(environment->arg, on_confirmed, explanation) != 0)
        refuse(explanation, REASON_NO_MEMORY, NULL);
}
