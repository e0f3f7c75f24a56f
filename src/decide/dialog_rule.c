/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dialog_rule.c - which row rules a request of a dialog: that of its pin, or ordinary policy; see requirement.h.
 * In:    a question with or without a pin. Out: one row, or why there is none; what of it the dialog keeps.
 * Never: a row that asks for less than the pin and than the row of this very hop (INV-33).
 */
#include "decide/requirement.h"

#include <string.h>

static const struct flag_set no_flags;

/* The row that the pin names, if it still rules something and can be used. A floor names none. */
static const struct outbound_policy *row_of_pin(const struct policy_snapshot *snapshot, const struct dialog_part *pin)
{
    if (pin->level == LEVEL_ENCRYPT)
        return NULL;
    const struct outbound_policy *row = policy_snapshot_outbound(snapshot, pin->row_id);
    return row != NULL && row->unusable == NULL ? row : NULL;
}

/* Whether a row is about the next hop, and not about who asks, or about all others. */
static bool is_about_hop(const struct outbound_policy *row)
{
    return row->match == MATCH_DOMAIN || row->match == MATCH_SUFFIX || row->match == MATCH_ADDRESS;
}

/* What ordinary policy has to ask for to be ahead of the pin: more than the pin does now. That initial_only makes it
 * less is said in the row of the pin, and only a row of this very hop knows better. */
static bool is_more(const struct outbound_policy *ordinary, const struct outbound_policy *pinned,
    const struct flag_set *flags, const struct dialog_part *pin)
{
    enum level level = requirement_level(pinned, flags), now = requirement_pinned_level(pinned, flags, pin);
    if (level < pin->level)
        level = pin->level;
    return requirement_level(ordinary, flags) > (is_about_hop(ordinary) ? now : level);
}

/* A next hop that has a name, and a row that asks for as much: it is to prove that name. Of the pin's own row it is
 * another name that the pin would ask for. */
static bool speaks_for_itself(const struct outbound_policy *ordinary, const struct outbound_policy *pinned,
    const struct requirement_question *question, const struct flag_set *flags)
{
    const struct dialog_part *pin = question->pin;
    const char *name = question->query.next_hop_domain;
    enum level level = requirement_pinned_level(pinned, flags, pin);
    if (name == NULL || requirement_level(ordinary, flags) < level)
        return false;
    return ordinary != pinned ||
        (level == LEVEL_DOMAIN && pin->domain[0] != '\0' && strcmp(pin->domain, name) != 0);
}

static bool is_ordinary(const struct outbound_policy *ordinary, const struct outbound_policy *pinned,
    const struct requirement_question *question, const struct flag_set *flags)
{
    if (speaks_for_itself(ordinary, pinned, question, flags))
        return true;
    return ordinary != pinned && is_more(ordinary, pinned, flags, question->pin);
}

static enum lookup_result look_up(const struct policy_snapshot *snapshot, const struct requirement_question *question,
    const struct policy_lookup_order *order, const struct address *address, struct requirement_rule *rule_r)
{
    struct policy_query query = question->query;
    const struct dialog_part *pin = question->pin;
    const struct flag_set *flags = question->flags != NULL ? question->flags : &no_flags;
    query.address = address;
    *rule_r = (struct requirement_rule){ .row = NULL };
    enum lookup_result result = policy_lookup(snapshot, &query, order, &rule_r->row, &rule_r->reason);
    bool is_open = result == LOOKUP_RESULT_HIT || (result == LOOKUP_RESULT_NONE && !order->is_none);
    rule_r->is_row_of_hop = result == LOOKUP_RESULT_HIT;
    if (pin == NULL || !is_open)
        return result;
    const struct outbound_policy *ordinary = rule_r->row, *pinned = row_of_pin(snapshot, pin);
    if (pinned == NULL && ordinary != NULL && requirement_level(ordinary, flags) < pin->level) {
        rule_r->reason = REASON_WEAKEN_REFUSED;
        return LOOKUP_RESULT_REFUSED;
    }
    if (pinned == NULL || (ordinary != NULL && is_ordinary(ordinary, pinned, question, flags)))
        return result;
    *rule_r = (struct requirement_rule){ .row = pinned, .is_pinned = true, .is_row_of_hop = ordinary == pinned };
    return LOOKUP_RESULT_HIT;
}

enum lookup_result requirement_look_up(const struct policy_snapshot *snapshot,
    const struct requirement_question *question, const struct address *address, struct requirement_rule *rule_r)
{
    struct requirement_rule usual;
    enum lookup_result result = look_up(snapshot, question, question->order, address, rule_r);
    bool is_refusal = result != LOOKUP_RESULT_HIT && result != LOOKUP_RESULT_NEEDS_ADDRESS;
    if (question->usual == NULL || is_refusal)
        return result;
    enum lookup_result usual_result = look_up(snapshot, question, question->usual, address, &usual);
    if (result == LOOKUP_RESULT_NEEDS_ADDRESS || usual_result == LOOKUP_RESULT_NEEDS_ADDRESS) {
        *rule_r = (struct requirement_rule){ .row = NULL };
        return LOOKUP_RESULT_NEEDS_ADDRESS;
    }
    bool is_hit = usual_result == LOOKUP_RESULT_HIT;
    bool is_permitted = is_hit && (usual.row == rule_r->row || usual.row->weaken == PERMISSION_ALLOWED);
    if (is_permitted)
        return result;
    *rule_r = (struct requirement_rule){ .reason = is_hit ? REASON_WEAKEN_REFUSED : usual.reason };
    return LOOKUP_RESULT_REFUSED;
}

static enum level pin_level(const struct policy_snapshot *snapshot, const struct requirement_question *question,
    const struct flag_set *flags)
{
    const struct outbound_policy *row = row_of_pin(snapshot, question->pin);
    return row != NULL ? requirement_pinned_level(row, flags, question->pin) : question->pin->level;
}

static enum level highest_level(const struct policy_snapshot *snapshot, const struct requirement_question *question,
    const struct policy_lookup_order *order)
{
    static const enum permission permissions[] = { PERMISSION_REFUSED, PERMISSION_ALLOWED };
    const struct flag_set *flags = question->flags != NULL ? question->flags : &no_flags;
    struct policy_lookup_order named = *order;
    enum level highest = question->pin != NULL ? pin_level(snapshot, question, flags) : LEVEL_UNSET;
    const struct outbound_policy *rows[1 + ARRAY_SIZE(permissions)] = { NULL };
    enum reason reason;
    named.count = 0;
    for (unsigned i = 0; i < order->count; i++)
        if (order->steps[i] != LOOKUP_ADDR)
            named.steps[named.count++] = order->steps[i];
    (void)policy_lookup(snapshot, &question->query, &named, &rows[0], &reason);
    for (unsigned i = 0; named.count < order->count && i < ARRAY_SIZE(permissions); i++)
        rows[1 + i] = policy_snapshot_strictest_by_address(snapshot, permissions[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i] != NULL && requirement_level(rows[i], flags) > highest)
            highest = requirement_level(rows[i], flags);
    return highest;
}

enum level requirement_highest_level(const struct policy_snapshot *snapshot,
    const struct requirement_question *question)
{
    enum level asked = highest_level(snapshot, question, question->order),
        usual = question->usual != NULL ? highest_level(snapshot, question, question->usual) : LEVEL_UNSET;
    return asked > usual ? asked : usual;
}

uint32_t requirement_floor_flags(const struct dialog_part *pin)
{
    return pin != NULL && pin->level == LEVEL_ENCRYPT ? T_RELAY_TLS : 0;
}

static void copy_flags(const struct flag_set *from, struct flag_set *to)
{
    *to = FLAG_SET_EMPTY;
    to->bits = from->bits & DIALOG_PIN_FLAGS;
    if (from->verify_domain[0] == '\0')
        to->bits &= ~(uint32_t)T_RELAY_VERIFY_DOMAIN; /* the level says it */
    if (flags_have(to, T_RELAY_VERIFY_DOMAIN))
        memcpy(to->verify_domain, from->verify_domain, sizeof(to->verify_domain));
    if (flags_have(to, T_RELAY_CERT))
        memcpy(to->cert, from->cert, sizeof(to->cert));
    if (flags_have(to, T_RELAY_SNI))
        memcpy(to->sni, from->sni, sizeof(to->sni));
    if (flags_have(to, T_RELAY_TRUST))
        memcpy(to->trust, from->trust, sizeof(to->trust));
}

void requirement_pin(const struct requirement *requirement, const struct flag_set *flags, const char *next_hop_domain,
    struct dialog_part *part_r)
{
    const struct outbound_policy *row = requirement->terms.row;
    *part_r = (struct dialog_part){ .row_id = 0 };
    if (row == NULL)
        return;
    if (!level_needs_chain((enum level)requirement->key.level)) {
        /* Not the key's: over TLS it says encrypt of level none, too. */
        if (requirement_level(row, flags) != LEVEL_NONE)
            part_r->level = LEVEL_ENCRYPT;
        return;
    }
    part_r->level = (enum level)requirement->key.level;
    part_r->row_id = row->id;
    copy_flags(flags, &part_r->flags);
    if (row->expected_domain == NULL && next_hop_domain != NULL)
        (void)slice_to_string(slice_of_string(next_hop_domain), part_r->domain, sizeof(part_r->domain));
}
