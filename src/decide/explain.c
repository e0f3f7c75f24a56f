/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain.c - decisions as text; see explain.h. */
#include "decide/explain.h"

#include <inttypes.h>

static void append_text(struct buffer *out, const char *text)
{
    buffer_append_string(out, text != NULL ? text : "?");
}

static void append_match(const struct outbound_policy *row, struct buffer *out)
{
    char text[ADDRESS_TEXT_SIZE];
    switch (row->match) {
    case MATCH_DOMAIN:
        buffer_append_string(out, "domain ");
        break;
    case MATCH_SUFFIX:
        buffer_append_string(out, "domain *.");
        break;
    case MATCH_SOURCE:
        buffer_append_string(out, "source domain ");
        break;
    case MATCH_PEER:
        buffer_append_string(out, "peer ");
        break;
    case MATCH_ADDRESS:
        buffer_append_format(out, "address %s/%u", address_print(&row->match_prefix.address, text),
            (unsigned)row->match_prefix.length);
        return;
    case MATCH_DEFAULT:
        buffer_append_string(out, "default");
        return;
    case MATCH_UNSET:
        buffer_append_string(out, "no match");
        return;
    }
    append_text(out, row->match_name);
}

void explain_row(const struct outbound_policy *row, struct buffer *out)
{
    if (row == NULL) {
        buffer_append_string(out, "row: none\n");
        return;
    }
    buffer_append_format(out, "row: %" PRId64 " ", row->id);
    append_text(out, row->name);
    buffer_append_string(out, " (");
    append_match(row, out);
    buffer_append_format(out, ", priority %" PRId32 ", level %s)\n", row->priority, level_name(row->level));
    if (row->unusable != NULL)
        buffer_append_format(out, "unusable: %s: %s\n", reason_word(row->unusable_reason), row->unusable);
}

void explain_refusal(enum reason reason, const struct why *why, struct buffer *out)
{
    buffer_append_format(out, "refused: %u %s: %s", reason_status(reason), reason_word(reason), reason_text(reason));
    if (why != NULL && why->text[0] != '\0')
        buffer_append_format(out, " (%s)", why->text);
    buffer_append_byte(out, '\n');
}

/* The printers separate words from what the buffer holds, so each prints into one of its own. */
static void append_line(struct buffer *line, const char *word, struct buffer *out)
{
    buffer_append_format(out, "%s: %.*s\n", word, (int)line->length, line->data);
    out->has_failed |= line->has_failed;
    buffer_clear(line);
}

void explain_requirement(const struct requirement *requirement, struct buffer *out)
{
    struct buffer line = BUFFER_EMPTY;
    requirement_key_print(&requirement->key, &line);
    append_line(&line, "requirement", out);
    requirement_terms_print(&requirement->terms, &line);
    append_line(&line, "terms", out);
    buffer_free(&line);
}

static void append_handle(struct connection_handle handle, struct buffer *out)
{
    buffer_append_format(out, " %" PRIu32 ".%" PRIu32 ".%" PRIu64, handle.worker, handle.slot, handle.generation);
}

void explain_decision(const struct decision_result *result, const struct connection_key *key, struct buffer *out)
{
    buffer_append_format(out, "key: %016" PRIx64 ", %u bytes\n", key->hash, (unsigned)key->length);
    buffer_append_format(out, "upgrade: %s", upgrade_obstacle_name(result->upgrade));
    if (result->upgrade_candidate.generation != 0)
        append_handle(result->upgrade_candidate, out);
    buffer_append_format(out, "\ndecision: %s", decision_name(result->decision));
    if (result->handle.generation != 0)
        append_handle(result->handle, out);
    buffer_append_byte(out, '\n');
    if (result->decision == DECISION_REJECT || result->decision == DECISION_UNSET)
        explain_refusal(result->reason, NULL, out);
}
