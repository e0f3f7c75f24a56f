/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scenario_match.c - what is expected against what came; and what holds for every message that the relay sends. */
#include "scenario.h"

#include "base/integer.h"
#include "sip/validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- patterns ---- */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
        c == '.';
}

static size_t name_length(const char *text)
{
    size_t length = 0;
    while ((text[length] >= 'a' && text[length] <= 'z') || (text[length] >= '0' && text[length] <= '9'))
        length++;
    return length;
}

static const char *variable(const struct world *world, const char *name, size_t length)
{
    for (size_t i = 0; i < world->variable_count; i++)
        if (strlen(world->variables[i].name) == length && memcmp(world->variables[i].name, name, length) == 0)
            return world->variables[i].value;
    return NULL;
}

static bool bind(struct world *world, const char *name, size_t length, struct slice value)
{
    if (world->variable_count == SCENARIO_VARIABLES || length >= sizeof(world->variables[0].name))
        return false;
    char *copy = malloc(value.length + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, value.data, value.length);
    copy[value.length] = '\0';
    snprintf(world->variables[world->variable_count].name, sizeof(world->variables[0].name), "%.*s", (int)length, name);
    world->variables[world->variable_count++].value = copy;
    return true;
}

bool match_pattern(struct world *world, const char *pattern, struct slice text)
{
    if (pattern[0] == '\0')
        return text.length == 0;
    if (pattern[0] == '*') {
        for (size_t skip = 0; skip <= text.length; skip++)
            if (match_pattern(world, pattern + 1, slice_from(text, skip)))
                return true;
        return false;
    }
    size_t length = pattern[0] == '$' ? name_length(pattern + 1) : 0;
    if (length == 0)
        return text.length > 0 && text.data[0] == pattern[0] &&
            match_pattern(world, pattern + 1, slice_from(text, 1));
    const char *value = variable(world, pattern + 1, length);
    size_t taken = 0;
    if (value != NULL) {
        taken = strlen(value);
        if (!slice_equal(slice_first(text, taken), slice_of_string(value)))
            return false;
    } else {
        while (taken < text.length && is_word(text.data[taken]))
            taken++;
        if (taken == 0 || !bind(world, pattern + 1, length, slice_first(text, taken)))
            return false;
    }
    return match_pattern(world, pattern + 1 + length, slice_from(text, taken));
}

bool match_replace(struct world *world, const char *text, struct buffer *out)
{
    while (*text != '\0') {
        size_t length = text[0] == '$' ? name_length(text + 1) : 0;
        const char *value = length > 0 ? variable(world, text + 1, length) : NULL;
        if (length > 0 && value == NULL)
            return scenario_fail(world, "$%.*s is not known yet", (int)length, text + 1);
        if (value != NULL)
            buffer_append_string(out, value);
        else
            buffer_append_byte(out, (uint8_t)text[0]);
        text += 1 + length;
    }
    return true;
}

/* ---- one message ---- */

struct wanted {
    struct slice name;
    const char *pattern; /* NULL: there must be none */
};

/* "Name: pattern" or "!Name". */
static struct wanted wanted_of(const char *line)
{
    struct wanted wanted = { .name = slice_of(line, strcspn(line, ":")) };
    if (line[0] == '!')
        wanted.name = slice_of_string(line + 1);
    else if (line[wanted.name.length] == ':')
        wanted.pattern = line + wanted.name.length + 1 + strspn(line + wanted.name.length + 1, " \t");
    return wanted;
}

static bool is_named(const struct sip_header *header, struct slice name)
{
    enum sip_header_id id = sip_header_id(name);
    return id != SIP_HEADER_OTHER ? header->id == id : slice_equal_nocase(header->name, name);
}

/* How many lines ahead of this one are about the same header: that is the row it is about. */
static size_t row_wanted(const struct statement *statement, size_t line)
{
    size_t row = 0;
    struct slice name = wanted_of(statement->lines[line]).name;
    for (size_t i = 0; i < line; i++)
        row += slice_equal_nocase(wanted_of(statement->lines[i]).name, name);
    return row;
}

static size_t rows_wanted(const struct statement *statement, struct slice name)
{
    size_t rows = 0;
    for (size_t i = 0; i < statement->line_count; i++)
        rows += statement->lines[i][0] != '|' && statement->lines[i][0] != '!' &&
            slice_equal_nocase(wanted_of(statement->lines[i]).name, name);
    return rows;
}

static bool match_row(struct world *world, const struct statement *statement, size_t line,
    const struct sip_message *message)
{
    struct wanted wanted = wanted_of(statement->lines[line]);
    size_t rows = 0, row = row_wanted(statement, line);
    bool is_equal = false;
    for (uint32_t i = 0; i < sip_message_header_count(message); i++) {
        struct sip_header header = sip_message_header_at(message, i);
        if (!is_named(&header, wanted.name))
            continue;
        if (wanted.pattern != NULL && rows == row)
            is_equal = match_pattern(world, wanted.pattern, header.value);
        rows++;
    }
    if (wanted.pattern == NULL)
        return rows == 0 || scenario_fail(world, "there is %.*s", SLICE_PRINT(wanted.name));
    if (rows != rows_wanted(statement, wanted.name))
        return scenario_fail(world, "%zu rows of %.*s", rows, SLICE_PRINT(wanted.name));
    return is_equal || scenario_fail(world, "not \"%s\"", statement->lines[line]);
}

static bool match_body(struct world *world, const struct statement *statement, const struct sip_message *message)
{
    struct buffer body = BUFFER_EMPTY;
    for (size_t i = 0; i < statement->line_count; i++)
        if (statement->lines[i][0] == '|')
            buffer_append_format(&body, "%s\r\n", statement->lines[i] + 1);
    bool is_equal = body.length == 0 || slice_equal(buffer_slice(&body), sip_message_body(message));
    buffer_free(&body);
    return is_equal || scenario_fail(world, "another body");
}

static bool match_start(struct world *world, const struct statement *statement, const struct sip_message *message)
{
    const char *what = statement->words[2];
    char status[16];
    if (what[0] >= '0' && what[0] <= '9') {
        snprintf(status, sizeof(status), "%u", sip_message_status(message));
        return strcmp(what, status) == 0;
    }
    const char *uri = statement->word_count > 3 && strchr(statement->words[3], ':') != NULL ? statement->words[3] : "*";
    return sip_message_is_request(message) &&
        slice_equal(sip_message_method_text(message), slice_of_string(what)) &&
        match_pattern(world, uri, sip_message_request_uri(message));
}

static bool match_arrival(struct world *world, const struct statement *statement, const struct arrival *arrival)
{
    uint64_t number;
    const char *at = statement_value(statement, "at"), *connection = statement_value(statement, "connection");
    if (!match_start(world, statement, arrival->message))
        return scenario_fail(world, "another message");
    if (at != NULL && (integer_parse(slice_of_string(at), UINT32_MAX, &number) != 0 || number != arrival->at_ms))
        return scenario_fail(world, "at %llu", (unsigned long long)arrival->at_ms);
    if (connection != NULL &&
        (integer_parse(slice_of_string(connection), UINT32_MAX, &number) != 0 || number != arrival->connection))
        return scenario_fail(world, "on connection %u", arrival->connection);
    for (size_t i = 0; i < statement->line_count; i++)
        if (statement->lines[i][0] != '|' && !match_row(world, statement, i, arrival->message))
            return false;
    return match_body(world, statement, arrival->message);
}

bool match_expect(struct world *world, struct agent *agent, const struct statement *statement)
{
    if (agent->waiting_count == 0)
        return scenario_fail(world, "nothing came for %s", agent->name);
    struct arrival arrival = agent->waiting[0];
    bool is_equal = match_arrival(world, statement, &arrival);
    if (!is_equal)
        buffer_append_format(&world->error, "\n%.*s", SLICE_PRINT(sip_message_head(arrival.message)));
    agent->waiting_count--;
    memmove(&agent->waiting[0], &agent->waiting[1], agent->waiting_count * sizeof(agent->waiting[0]));
    sip_message_unref(arrival.message);
    return is_equal;
}

/* ---- what holds for all ---- */

static bool same_rows(const struct sip_message *a, const struct sip_message *b, enum sip_header_id id)
{
    struct sip_values ours = sip_values_of(a, id), theirs = sip_values_of(b, id);
    struct sip_value x, y;
    for (;;) {
        bool has_x = sip_values_next(&ours, &x), has_y = sip_values_next(&theirs, &y);
        if (has_x != has_y)
            return false;
        if (!has_x)
            return true;
        if (!slice_equal(x.text, y.text))
            return false;
    }
}

/* NULL: none of the same branch, as for the ACK of a 2xx. */
static const struct sip_message *invite_of(const struct agent *agent, const struct sip_message *message)
{
    const struct sip_message *invite = NULL;
    for (size_t i = 0; i < agent->received.count; i++)
        if (sip_message_method(agent->received.list[i]) == SIP_METHOD_INVITE &&
            sip_message_is_request(agent->received.list[i]) &&
            slice_equal(sip_message_top_via(agent->received.list[i])->text, sip_message_top_via(message)->text))
            invite = agent->received.list[i];
    return invite;
}

/* 9.1 and 17.1.1.3: of the relay's own making, after the INVITE that it sent there. */
static bool is_like_invite(struct world *world, const struct agent *agent, const struct sip_message *message)
{
    const struct sip_message *invite = invite_of(agent, message);
    if (invite == NULL)
        return scenario_fail(world, "CANCEL of no INVITE that %s has", agent->name);
    bool is_cancel = sip_message_method(message) == SIP_METHOD_CANCEL;
    bool is_alike = sip_message_header_rows(message, SIP_HEADER_VIA) == 1 &&
        slice_equal(sip_message_request_uri(message), sip_message_request_uri(invite)) &&
        sip_message_cseq(message)->number == sip_message_cseq(invite)->number &&
        same_rows(message, invite, SIP_HEADER_FROM) && same_rows(message, invite, SIP_HEADER_CALL_ID) &&
        same_rows(message, invite, SIP_HEADER_ROUTE) && (!is_cancel || same_rows(message, invite, SIP_HEADER_TO)) &&
        sip_message_header_rows(message, SIP_HEADER_REQUIRE) == 0 &&
        sip_message_header_rows(message, SIP_HEADER_PROXY_REQUIRE) == 0;
    return is_alike || scenario_fail(world, "CANCEL or ACK is not like its INVITE");
}

static bool has_new_branch(const struct world *world, const struct sip_message *message)
{
    struct slice branch = sip_message_top_via(message)->branch;
    for (size_t i = 0; i < world->agent_count; i++)
        for (size_t k = 0; k < world->agents[i].received.count; k++) {
            const struct sip_message *earlier = world->agents[i].received.list[k];
            if (sip_message_is_request(earlier) && slice_equal(sip_message_top_via(earlier)->branch, branch) &&
                !slice_equal(sip_message_bytes(earlier), sip_message_bytes(message)))
                return false; /* only a repetition may have it again */
        }
    return true;
}

static bool is_request_in_order(struct world *world, const struct agent *agent, const struct sip_message *message)
{
    struct sip_defect defect;
    uint32_t hops;
    enum sip_method method = sip_message_method(message);
    if (sip_validate_request(message, &defect) != 0)
        return scenario_fail(world, "a request to %s is not in order: %s", agent->name, defect.text);
    if (sip_message_max_forwards(message, &hops) != SIP_MAX_FORWARDS_VALUE)
        return scenario_fail(world, "no Max-Forwards to %s", agent->name);
    if (agent->transport != SIP_TRANSPORT_UDP && !sip_message_has_content_length(message))
        return scenario_fail(world, "no Content-Length to %s", agent->name);
    if (sip_message_header_rows(message, SIP_HEADER_X_TRELAY_FLAGS) != 0)
        return scenario_fail(world, "our own header to %s", agent->name);
    if (method == SIP_METHOD_CANCEL || (method == SIP_METHOD_ACK && invite_of(agent, message) != NULL))
        return is_like_invite(world, agent, message);
    if (sip_message_header_rows(message, SIP_HEADER_MAX_BREADTH) != 1)
        return scenario_fail(world, "not one Max-Breadth to %s", agent->name);
    return has_new_branch(world, message) || scenario_fail(world, "a branch for the second time to %s", agent->name);
}

/* 18.1.2: the top Via is the receiver's own. */
static bool is_response_in_order(struct world *world, const struct agent *agent, const struct sip_message *message)
{
    struct sip_defect defect;
    if (sip_validate_response(message, &defect) != 0)
        return scenario_fail(world, "a response to %s is not in order: %s", agent->name, defect.text);
    const struct sip_via *via = sip_message_top_via(message);
    for (size_t i = 0; i < agent->sent.count; i++) {
        const struct sip_via *sent = sip_message_top_via(agent->sent.list[i]);
        if (sip_message_is_request(agent->sent.list[i]) && sent != NULL && sent->port == via->port &&
            slice_equal(sent->host.text, via->host.text) &&
            (sent->branch.length == 0 ? via->branch.length == 0 : slice_equal(sent->branch, via->branch)))
            return true;
    }
    return scenario_fail(world, "a response to %s, which has sent no such request", agent->name);
}

bool scenario_is_in_order(struct world *world, struct agent *agent, struct sip_message *message)
{
    return sip_message_is_request(message) ? is_request_in_order(world, agent, message)
                                           : is_response_in_order(world, agent, message);
}
