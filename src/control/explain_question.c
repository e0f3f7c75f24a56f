/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain_question.c - see explain_question.h. */
#include "control/explain_question.h"

#include "base/error.h"
#include "policy/name.h"
#include "sip/name_addr.h"

#include <string.h>

static const char *const known[] = { "command", "destination", "source", "peer", "request", "contact", "flags",
    "sender-flags", "pin", "call-id", "from-tag", "to-tag" };

static int check_members(json_t *members, struct why *why)
{
    const char *name;
    json_t *value;
    json_object_foreach (members, name, value) {
        size_t i = 0;
        while (i < ARRAY_SIZE(known) && strcmp(known[i], name) != 0)
            i++;
        if (i == ARRAY_SIZE(known))
            return why_fail(why, ERROR_SYNTAX,
                "\"%s\" means nothing here; there are source, peer, request, contact, flags, sender-flags, pin, "
                "call-id, from-tag and to-tag",
                name);
        if (!json_is_string(value) && !json_is_null(value))
            return why_fail(why, ERROR_SYNTAX, "%s must be text", name);
    }
    return 0;
}

/* Absent: it is not there, or empty. */
static struct slice member(json_t *members, const char *name)
{
    const char *text = json_string_value(json_object_get(members, name));
    return text != NULL && text[0] != '\0' ? slice_of_string(text) : SLICE_ABSENT;
}

static bool has_scheme(struct slice text)
{
    return slice_starts_with_nocase(text, SLICE_LITERAL("sip:")) ||
        slice_starts_with_nocase(text, SLICE_LITERAL("sips:"));
}

/* A SIP URI; NAME "destination" may be a domain or an address instead. */
static int read_uri(const char *name, struct slice text, char room[EXPLAIN_URI_MAX], struct sip_uri *uri_r,
    struct why *why)
{
    struct buffer out = { room, 0, EXPLAIN_URI_MAX, false };
    if (text.length > EXPLAIN_URI_MAX - sizeof("sip:"))
        return why_fail(why, ERROR_SYNTAX, "%s is too long", name);
    buffer_append_string(&out, has_scheme(text) ? "" : "sip:");
    buffer_append_slice(&out, text);
    buffer_append_byte(&out, '\0');
    if (sip_uri_parse(slice_of_string(room), uri_r) != 0 || !sip_uri_is_sip(uri_r))
        return why_fail(why, ERROR_SYNTAX, "%s \"%.*s\" is no SIP URI, domain or address", name, SLICE_PRINT(text));
    return 0;
}

/* As a request is read: who has no name has none. */
static void name_of(const struct sip_uri *uri, char out[DOMAIN_NAME_SIZE])
{
    if (uri->host.kind != SIP_HOST_NAME || name_normalise(uri->host.text, out) != 0)
        out[0] = '\0';
}

static int read_places(json_t *members, struct explain_question *question, struct why *why)
{
    struct slice destination = member(members, "destination"), request = member(members, "request"),
                 source = member(members, "source");
    struct sip_uri request_uri;
    if (slice_is_absent(destination))
        return why_fail(why, ERROR_SYNTAX, "a destination is needed: a SIP URI, domain or address");
    int rc = read_uri("destination", destination, question->uri_text, &question->uri, why);
    if (rc == 0)
        rc = read_uri("request", slice_is_absent(request) ? destination : request, question->request_text,
            &request_uri, why);
    if (rc != 0)
        return rc;
    name_of(&question->uri, question->next_hop_domain);
    name_of(&request_uri, question->request_domain);
    question->is_sips_request = request_uri.scheme == SIP_URI_SIPS;
    question->has_sip_contact =
        question->is_sips_request && slice_starts_with_nocase(member(members, "contact"), SLICE_LITERAL("sip:"));
    if (question->uri.host.kind == SIP_HOST_NAME && question->next_hop_domain[0] == '\0')
        return why_fail(why, ERROR_SYNTAX, "destination \"%.*s\" has no valid domain name", SLICE_PRINT(destination));
    if (!slice_is_absent(source) && name_normalise(source, question->source_domain) != 0)
        return why_fail(why, ERROR_SYNTAX, "source \"%.*s\" is no domain name", SLICE_PRINT(source));
    return 0;
}

static void set_order(const struct flag_set *flags, const struct control_environment *environment,
    struct policy_lookup_order *order_r)
{
    *order_r = flags_have(flags, T_RELAY_LOOKUP) ? flags->lookup : environment->settings->lookup;
}

/* Those of the operator, in the peer's row and the route's, and then those of X-Trelay-Flags. */
static int read_flags(const struct control_environment *environment, json_t *members,
    struct explain_question *question, struct why *why)
{
    struct slice flags = member(members, "flags"), senders = member(members, "sender-flags");
    struct flag_set own, sent;
    if (flags_parse(slice_is_absent(flags) ? SLICE_LITERAL("") : flags, &own, why) != 0 ||
        flags_parse(slice_is_absent(senders) ? SLICE_LITERAL("") : senders, &sent, why) != 0)
        return ERROR_SYNTAX;
    if (flags_merge(&own, &sent, &question->flags, &question->conflict) != 0)
        question->flags = own;
    question->has_senders_lookup = flags_have(&sent, T_RELAY_LOOKUP);
    question->is_senders_trust = flags_have(&question->flags, T_RELAY_TRUST) &&
        (!flags_have(&own, T_RELAY_TRUST) || strcmp(question->flags.trust, own.trust) != 0);
    set_order(&own, environment, &question->usual);
    set_order(&question->flags, environment, &question->order);
    return 0;
}

static int read_terms(const struct control_environment *environment, json_t *members,
    struct explain_question *question, struct why *why)
{
    struct slice peer = member(members, "peer");
    if (!slice_is_absent(peer) && !slice_to_string(peer, question->peer, sizeof(question->peer)))
        return why_fail(why, ERROR_SYNTAX, "the peer's name is too long");
    return read_flags(environment, members, question, why);
}

/* The value of the parameter, which may come with its name, in our Route URI, or in a whole Route value. */
static int find_pin(struct slice text, struct slice *pin_r, struct why *why)
{
    struct sip_name_addr name_addr;
    struct sip_uri uri;
    struct sip_parameter pin;
    *pin_r = text;
    if (slice_starts_with_nocase(text, SLICE_LITERAL("pin="))) {
        *pin_r = slice_from(text, sizeof("pin=") - 1);
        return 0;
    }
    if (slice_find(text, ':', 0) == text.length)
        return 0;
    /* Without brackets all parameters would be the header's. */
    struct slice inner = has_scheme(text) ? text : SLICE_ABSENT;
    if (slice_is_absent(inner) && sip_name_addr_parse(text, &name_addr) == 0)
        inner = name_addr.uri;
    if (slice_is_absent(inner) || sip_uri_parse(inner, &uri) != 0)
        return why_fail(why, ERROR_SYNTAX, "pin \"%.*s\" is neither one nor a Route that has one", SLICE_PRINT(text));
    if (!sip_uri_parameter_find(&uri, SLICE_LITERAL("pin"), &pin) || slice_is_absent(pin.value))
        return why_fail(why, ERROR_SYNTAX, "the Route \"%.*s\" has no pin", SLICE_PRINT(text));
    *pin_r = pin.value;
    return 0;
}

/* The same reading as of a request's Route: where there is none, or no secret, nothing is read. */
static int read_pin(const struct control_environment *environment, const struct policy_snapshot *snapshot,
    json_t *members, struct explain_question *question, struct why *why)
{
    const struct dialog_pin_bearer bearer = { .call_id = member(members, "call-id"),
        .from_tag = member(members, "from-tag"), .to_tag = member(members, "to-tag"),
        .now = loop_wall_s(environment->loop) };
    struct slice given = member(members, "pin"), text;
    struct dialog_pin pin;
    question->pin = (struct dialog_part){ .level = LEVEL_UNSET };
    question->pin_word = NULL;
    if (slice_is_absent(given))
        return 0;
    int rc = find_pin(given, &text, why);
    if (rc != 0)
        return rc;
    if (slice_is_absent(bearer.call_id) || slice_is_absent(bearer.from_tag) || slice_is_absent(bearer.to_tag))
        return why_fail(why, ERROR_SYNTAX, "a pin is of one dialog: call-id, from-tag and to-tag are needed with it");
    if (policy_snapshot_dialog_secrets(snapshot)->count == 0) {
        question->pin_word = "no-secret";
        return 0;
    }
    enum dialog_pin_result result = relay_read_pin(environment->relay, snapshot, text, &bearer, &pin);
    question->pin_word = dialog_pin_result_word(result);
    if (result == DIALOG_PIN_VALID)
        question->pin = pin.to_callee;
    question->flags.bits |= requirement_floor_flags(&question->pin);
    return 0;
}

int explain_question_read(const struct control_environment *environment, const struct policy_snapshot *snapshot,
    json_t *members, struct explain_question *question_r, struct why *why)
{
    int rc = check_members(members, why);
    if (rc == 0)
        rc = read_places(members, question_r, why);
    if (rc == 0)
        rc = read_terms(environment, members, question_r, why);
    return rc == 0 ? read_pin(environment, snapshot, members, question_r, why) : rc;
}
