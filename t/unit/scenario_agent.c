/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scenario_agent.c - what agents send: requests, and responses, ACK, CANCEL and requests in a dialog as a user agent
 * makes them of what it has sent and received.
 */
#include "scenario.h"

#include "sip/header_name.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct agent *agent_find(struct world *world, const char *name)
{
    for (size_t i = 0; name != NULL && i < world->agent_count; i++)
        if (strcmp(world->agents[i].name, name) == 0)
            return &world->agents[i];
    return NULL;
}

void messages_add(struct messages *messages, struct sip_message *message)
{
    if (messages->count == SCENARIO_MESSAGES)
        abort();
    messages->list[messages->count++] = sip_message_ref(message);
}

struct sip_message *agent_last_request(const struct messages *messages, enum sip_method method, const char *call_id)
{
    for (size_t i = messages->count; i-- > 0;) {
        struct sip_message *message = messages->list[i];
        enum sip_method its = sip_message_method(message);
        bool is_it = method == SIP_METHOD_OTHER ? its != SIP_METHOD_ACK && its != SIP_METHOD_CANCEL : its == method;
        if (sip_message_is_request(message) && is_it &&
            (call_id == NULL || slice_equal(sip_message_call_id(message), slice_of_string(call_id))))
            return message;
    }
    return NULL;
}

struct sip_message *agent_last_response(const struct messages *messages, unsigned class_from, unsigned class_to)
{
    for (size_t i = messages->count; i-- > 0;) {
        struct sip_message *message = messages->list[i];
        unsigned class = sip_message_status(message) / 100;
        if (!sip_message_is_request(message) && class >= class_from && class <= class_to)
            return message;
    }
    return NULL;
}

/* ---- a message of header lines, of which the statement may replace, take out or add some ---- */

struct draft {
    struct world *world;
    const struct statement *statement;
    struct buffer out;
    bool is_used[SCENARIO_LINES]; /* lines of the statement */
};

/* The line is about header NAME: "Name: value", or "-Name". */
static bool is_about(const char *line, struct slice name)
{
    line += line[0] == '-';
    size_t length = strcspn(line, ": \t");
    return slice_equal_nocase(slice_of(line, length), name);
}

static void put_line(struct draft *draft, const char *line)
{
    if (line[0] != '-' && line[0] != '|') {
        (void)match_replace(draft->world, line, &draft->out);
        buffer_append_string(&draft->out, "\r\n");
    }
}

/* The statement's lines of that header instead of ours. */
static bool is_given(struct draft *draft, struct slice name)
{
    bool is = false;
    for (size_t i = 0; i < draft->statement->line_count; i++) {
        if (!is_about(draft->statement->lines[i], name))
            continue;
        put_line(draft, draft->statement->lines[i]);
        is = draft->is_used[i] = true;
    }
    return is;
}

static void put(struct draft *draft, enum sip_header_id id, const char *format, ...) PRINTF_LIKE(3, 4);
static void put(struct draft *draft, enum sip_header_id id, const char *format, ...)
{
    char value[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    struct slice name = sip_header_name(id);
    if (length < 0 || (size_t)length >= sizeof(value))
        abort();
    if (!is_given(draft, name))
        buffer_append_format(&draft->out, "%.*s: %s\r\n", SLICE_PRINT(name), value);
}

static void put_copy(struct draft *draft, const struct sip_message *message, enum sip_header_id id)
{
    struct sip_header header;
    if (is_given(draft, sip_header_name(id)))
        return;
    for (bool is = sip_header_first(message, id, &header); is; is = sip_header_next(message, &header))
        buffer_append_slice(&draft->out, header.line);
}

/* The lines that stand for nothing else, the length, the body: lines that begin with "|". */
static void put_end(struct draft *draft)
{
    struct buffer body = BUFFER_EMPTY;
    for (size_t i = 0; i < draft->statement->line_count; i++) {
        const char *line = draft->statement->lines[i];
        if (line[0] == '|')
            buffer_append_format(&body, "%s\r\n", line + 1);
        else if (!draft->is_used[i] && !is_about(line, sip_header_name(SIP_HEADER_CONTENT_LENGTH)))
            put_line(draft, line);
    }
    put(draft, SIP_HEADER_CONTENT_LENGTH, "%zu", body.length);
    buffer_append_string(&draft->out, "\r\n");
    buffer_append_slice(&draft->out, buffer_slice(&body));
    buffer_free(&body);
}

static void put_contact(struct draft *draft, const struct agent *agent)
{
    char text[ADDRESS_TEXT_SIZE];
    put(draft, SIP_HEADER_CONTACT, "<sip:%s@%s;transport=%s>", agent->name, endpoint_print(&agent->endpoint, text),
        sip_transport_uri_name(agent->transport));
}

static void put_via(struct draft *draft, struct agent *agent, const char *branch)
{
    char text[ADDRESS_TEXT_SIZE];
    endpoint_print(&agent->endpoint, text);
    if (branch != NULL)
        put(draft, SIP_HEADER_VIA, "SIP/2.0/%s %s;branch=%s", sip_transport_via_name(agent->transport), text, branch);
    else
        put(draft, SIP_HEADER_VIA, "SIP/2.0/%s %s;branch=z9hG4bK-%s-%u", sip_transport_via_name(agent->transport),
            text, agent->name, ++agent->requests_made);
}

static const char *value_or(const struct statement *statement, const char *name, const char *otherwise)
{
    const char *value = statement_value(statement, name);
    return value != NULL ? value : otherwise;
}

/* ---- requests ---- */

static void new_request(struct draft *draft, struct agent *agent, const char *method, const char *uri)
{
    const struct statement *statement = draft->statement;
    const char *to_tag = statement_value(statement, "to-tag");
    buffer_append_format(&draft->out, "%s ", method);
    (void)match_replace(draft->world, uri, &draft->out);
    buffer_append_string(&draft->out, " SIP/2.0\r\n");
    put_via(draft, agent, statement_value(statement, "branch"));
    (void)is_given(draft, sip_header_name(SIP_HEADER_ROUTE));
    put(draft, SIP_HEADER_MAX_FORWARDS, "70");
    put(draft, SIP_HEADER_FROM, "<sip:%s@near.example>;tag=%s", agent->name,
        value_or(statement, "from-tag", agent->name));
    put(draft, SIP_HEADER_TO, "<sip:bob@far.example>%s%s", to_tag != NULL ? ";tag=" : "", to_tag != NULL ? to_tag : "");
    put(draft, SIP_HEADER_CALL_ID, "%s", value_or(statement, "call", "call"));
    put(draft, SIP_HEADER_CSEQ, "%s %s", value_or(statement, "cseq", "1"), method);
    if (strcmp(method, "INVITE") == 0)
        put_contact(draft, agent);
    put_end(draft);
}

/* CANCEL, and ACK of a failure: what RFC 3261 9.1 and 17.1.1.3 take from the INVITE. */
static void request_like(struct draft *draft, const char *method, const struct sip_message *invite,
    const struct sip_message *to_owner)
{
    buffer_append_format(&draft->out, "%s %.*s SIP/2.0\r\n", method, SLICE_PRINT(sip_message_request_uri(invite)));
    put(draft, SIP_HEADER_VIA, "%.*s", SLICE_PRINT(sip_message_top_via(invite)->text));
    put_copy(draft, invite, SIP_HEADER_ROUTE);
    put(draft, SIP_HEADER_MAX_FORWARDS, "70");
    put_copy(draft, invite, SIP_HEADER_FROM);
    put_copy(draft, to_owner, SIP_HEADER_TO);
    put_copy(draft, invite, SIP_HEADER_CALL_ID);
    put(draft, SIP_HEADER_CSEQ, "%.*s %s", SLICE_PRINT(sip_message_cseq(invite)->number_text), method);
    put_end(draft);
}

/* The route set that a dialog has from MESSAGE: in order for who was called, reversed for the caller (12.1). */
static void put_route_set(struct draft *draft, const struct sip_message *message, bool is_reversed)
{
    struct slice routes[16];
    size_t count = 0;
    struct sip_values values = sip_values_of(message, SIP_HEADER_RECORD_ROUTE);
    struct sip_value value;
    if (is_given(draft, sip_header_name(SIP_HEADER_ROUTE)))
        return;
    while (count < ARRAY_SIZE(routes) && sip_values_next(&values, &value))
        routes[count++] = value.text;
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&draft->out, "Route: %.*s\r\n",
            SLICE_PRINT(routes[is_reversed ? count - 1 - i : i]));
}

/* The URI of Contact, or the one that the request went to. */
static struct slice target_of(const struct sip_message *message, const struct sip_message *request)
{
    struct sip_header header;
    struct sip_name_addr contact;
    if (sip_header_first(message, SIP_HEADER_CONTACT, &header) && sip_name_addr_parse(header.value, &contact) == 0)
        return contact.uri;
    return sip_message_request_uri(request);
}

static void in_dialog_of_caller(struct draft *draft, struct agent *agent, const char *method,
    const struct sip_message *invite, const struct sip_message *ok)
{
    bool is_ack = strcmp(method, "ACK") == 0;
    buffer_append_format(&draft->out, "%s %.*s SIP/2.0\r\n", method, SLICE_PRINT(target_of(ok, invite)));
    put_via(draft, agent, statement_value(draft->statement, "branch"));
    put_route_set(draft, ok, true);
    put(draft, SIP_HEADER_MAX_FORWARDS, "70");
    put_copy(draft, invite, SIP_HEADER_FROM);
    put_copy(draft, ok, SIP_HEADER_TO);
    put_copy(draft, invite, SIP_HEADER_CALL_ID);
    put(draft, SIP_HEADER_CSEQ, "%u %s", sip_message_cseq(invite)->number + (is_ack ? 0 : 1), method);
    put_end(draft);
}

static void put_swapped(struct draft *draft, enum sip_header_id id, const struct sip_message *message,
    enum sip_header_id other, const char *tag)
{
    struct sip_header header;
    if (!sip_header_first(message, other, &header))
        abort();
    put(draft, id, "%.*s%s%s", SLICE_PRINT(header.value), tag != NULL ? ";tag=" : "", tag != NULL ? tag : "");
}

static void in_dialog_of_called(struct draft *draft, struct agent *agent, const char *method,
    const struct sip_message *invite)
{
    buffer_append_format(&draft->out, "%s %.*s SIP/2.0\r\n", method, SLICE_PRINT(target_of(invite, invite)));
    put_via(draft, agent, statement_value(draft->statement, "branch"));
    put_route_set(draft, invite, false);
    put(draft, SIP_HEADER_MAX_FORWARDS, "70");
    put_swapped(draft, SIP_HEADER_FROM, invite, SIP_HEADER_TO, value_or(draft->statement, "tag", agent->name));
    put_swapped(draft, SIP_HEADER_TO, invite, SIP_HEADER_FROM, NULL);
    put_copy(draft, invite, SIP_HEADER_CALL_ID);
    put(draft, SIP_HEADER_CSEQ, "1 %s", method);
    put_end(draft);
}

/* A request without a URI of its own: in the dialog that the agent has, CANCEL or ACK of its INVITE. */
static bool derived_request(struct draft *draft, struct agent *agent, const char *method)
{
    const char *call_id = statement_value(draft->statement, "call");
    struct sip_message *invite = agent_last_request(&agent->sent, SIP_METHOD_INVITE, call_id);
    struct sip_message *final = agent_last_response(&agent->received, 2, 6);
    struct sip_message *ok = agent_last_response(&agent->received, 2, 2);
    struct sip_message *called = agent_last_request(&agent->received, SIP_METHOD_INVITE, call_id);
    if (strcmp(method, "CANCEL") == 0 && invite != NULL)
        request_like(draft, method, invite, invite);
    else if (strcmp(method, "ACK") == 0 && invite != NULL && final != NULL && sip_message_status(final) >= 300)
        request_like(draft, method, invite, final);
    else if (invite != NULL && ok != NULL)
        in_dialog_of_caller(draft, agent, method, invite, ok);
    else if (called != NULL)
        in_dialog_of_called(draft, agent, method, called);
    else
        return scenario_fail(draft->world, "%s has nothing to make %s of", agent->name, method);
    return true;
}

/* ---- responses ---- */

static bool response(struct draft *draft, struct agent *agent, const char *status)
{
    const struct statement *statement = draft->statement;
    const char *of = statement_value(statement, "of");
    enum sip_method method = of != NULL ? sip_method_from_name(slice_of_string(of)) : SIP_METHOD_OTHER;
    const struct sip_message *request =
        agent_last_request(&agent->received, method, statement_value(statement, "call"));
    if (request == NULL)
        return scenario_fail(draft->world, "%s has received no request to answer", agent->name);
    bool has_tag = !slice_is_absent(sip_message_to_tag(request)) || strcmp(status, "100") == 0;
    const char *tag = value_or(statement, "tag", agent->name);
    struct sip_header to;
    buffer_append_format(&draft->out, "SIP/2.0 %s Whatever\r\n", status);
    put_copy(draft, request, SIP_HEADER_VIA);
    if (strcmp(status, "100") != 0 && status[0] <= '2')
        put_copy(draft, request, SIP_HEADER_RECORD_ROUTE);
    put_copy(draft, request, SIP_HEADER_FROM);
    if (!sip_header_first(request, SIP_HEADER_TO, &to))
        abort();
    bool adds_tag = !has_tag && strcmp(tag, "none") != 0;
    put(draft, SIP_HEADER_TO, "%.*s%s%s", SLICE_PRINT(to.value), adds_tag ? ";tag=" : "", adds_tag ? tag : "");
    put_copy(draft, request, SIP_HEADER_CALL_ID);
    put_copy(draft, request, SIP_HEADER_CSEQ);
    if (status[0] == '2' && sip_message_method(request) == SIP_METHOD_INVITE)
        put_contact(draft, agent);
    put_end(draft);
    return true;
}

/* ---- all of them ---- */

static bool compose(struct draft *draft, struct agent *agent)
{
    const struct statement *statement = draft->statement;
    const char *what = statement->words[2];
    bool has_uri = statement->word_count > 3 && strchr(statement->words[3], '=') == NULL;
    if (what[0] >= '0' && what[0] <= '9')
        return response(draft, agent, what);
    if (strchr(statement->rest, ':') != NULL && statement->word_count > 3 && strchr(statement->words[3], ':') != NULL)
        has_uri = true; /* parameters of a URI have "=", too */
    if (!has_uri)
        return derived_request(draft, agent, what);
    new_request(draft, agent, what, statement->words[3]);
    return true;
}

static struct sip_message *parse(struct world *world, struct slice bytes)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_defect defect;
    struct sip_message *message = NULL;
    if (sip_message_parse(bytes, &limits, &message, &defect) != 0)
        (void)scenario_fail(world, "what is to be sent cannot be read: %s", defect.text);
    return message;
}

/* Each line as it is. */
static struct sip_message *compose_raw(struct world *world, const struct statement *statement)
{
    struct buffer out = BUFFER_EMPTY;
    bool is_head = true;
    for (size_t i = 0; i < statement->line_count; i++) {
        const char *line = statement->lines[i];
        if (line[0] == '|' && is_head) {
            buffer_append_string(&out, "\r\n");
            is_head = false;
        }
        (void)match_replace(world, line + (line[0] == '|'), &out);
        buffer_append_string(&out, "\r\n");
    }
    if (is_head)
        buffer_append_string(&out, "\r\n");
    struct sip_message *message = parse(world, buffer_slice(&out));
    buffer_free(&out);
    return message;
}

struct sip_message *agent_compose(struct world *world, struct agent *agent, const struct statement *statement)
{
    const char *what = statement->words[2];
    if (strcmp(what, "again") == 0) {
        struct sip_message *last = agent->sent.count > 0 ? agent->sent.list[agent->sent.count - 1] : NULL;
        const char *of = statement_value(statement, "of");
        if (of != NULL)
            last = agent_last_request(&agent->sent, sip_method_from_name(slice_of_string(of)), NULL);
        if (last == NULL)
            (void)scenario_fail(world, "%s has sent nothing yet", agent->name);
        return last != NULL ? sip_message_ref(last) : NULL;
    }
    if (strcmp(what, "raw") == 0)
        return compose_raw(world, statement);
    struct draft draft = { .world = world, .statement = statement };
    bool is_made = compose(&draft, agent);
    struct sip_message *message = is_made ? parse(world, buffer_slice(&draft.out)) : NULL;
    buffer_free(&draft.out);
    return message;
}
