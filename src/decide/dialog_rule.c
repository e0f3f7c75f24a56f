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

/* Of a dialog that began by lookup=none. */
static bool is_without_row(const struct dialog_part *pin)
{
    return pin->row_id == 0 && pin->level != LEVEL_ENCRYPT;
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

static enum level pin_level(const struct policy_snapshot *snapshot, const struct dialog_part *pin,
    const struct flag_set *flags)
{
    const struct outbound_policy *row = row_of_pin(snapshot, pin);
    return row != NULL ? requirement_pinned_level(row, flags, pin) : pin->level;
}

static enum lookup_result refuse(enum reason reason, struct requirement_rule *rule_r)
{
    *rule_r = (struct requirement_rule){ .reason = reason };
    return LOOKUP_RESULT_REFUSED;
}

/* lookup=none. What began by it has no row, and an address as the next hop of a dialog has the domain of then. */
static enum lookup_result flags_alone(const struct policy_snapshot *snapshot,
    const struct requirement_question *question, const struct dialog_part *pin, struct requirement_rule *rule_r)
{
    const struct flag_set *flags = question->flags != NULL ? question->flags : &no_flags;
    *rule_r = (struct requirement_rule){ .row = requirement_flags_alone(), .is_row_of_hop = true };
    if (pin == NULL)
        return LOOKUP_RESULT_HIT;
    bool is_less = requirement_level(rule_r->row, flags) < pin_level(snapshot, pin, flags);
    rule_r->is_pinned = is_without_row(pin) && (is_less || question->query.next_hop_domain == NULL);
    return is_less && !rule_r->is_pinned ? refuse(REASON_WEAKEN_REFUSED, rule_r) : LOOKUP_RESULT_HIT;
}

static bool is_ordinary(const struct outbound_policy *ordinary, const struct outbound_policy *pinned,
    const struct requirement_question *question, const struct flag_set *flags)
{
    if (speaks_for_itself(ordinary, pinned, question, flags))
        return true;
    return ordinary != pinned && is_more(ordinary, pinned, flags, question->pin);
}

static enum lookup_result look_up(const struct policy_snapshot *snapshot, const struct requirement_question *question,
    const struct policy_lookup_order *order, const struct dialog_part *pin, const struct address *address,
    struct requirement_rule *rule_r)
{
    struct policy_query query = question->query;
    const struct flag_set *flags = question->flags != NULL ? question->flags : &no_flags;
    if (order->is_none)
        return flags_alone(snapshot, question, pin, rule_r);
    query.address = address;
    *rule_r = (struct requirement_rule){ .row = NULL };
    enum lookup_result result = policy_lookup(snapshot, &query, order, &rule_r->row, &rule_r->reason);
    bool is_open = result == LOOKUP_RESULT_HIT || result == LOOKUP_RESULT_NONE;
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

/* Without a row that rules: does the usual one, NULL where none is to be asked, let the flags name the trust set? */
static bool may_trust(const struct requirement_question *question, const struct outbound_policy *usual)
{
    if (question->flags == NULL || !flags_have(question->flags, T_RELAY_TRUST))
        return true; /* and then there is none */
    if (usual == NULL || usual == requirement_flags_alone())
        return !question->is_senders_trust;
    return usual->trust_flag == PERMISSION_ALLOWED ||
        (usual->trust_set_name != NULL && strcmp(usual->trust_set_name, question->flags->trust) == 0);
}

/* USUAL: the usual row; NULL: the order is the operator's. */
static enum lookup_result check_trust(const struct requirement_question *question,
    const struct outbound_policy *usual, struct requirement_rule *rule_r)
{
    if (rule_r->row != requirement_flags_alone() || may_trust(question, usual))
        return LOOKUP_RESULT_HIT;
    return refuse(REASON_TRUST_FLAG_REFUSED, rule_r);
}

enum lookup_result requirement_look_up(const struct policy_snapshot *snapshot,
    const struct requirement_question *question, const struct address *address, struct requirement_rule *rule_r)
{
    struct requirement_rule usual;
    const struct dialog_part *pin = question->pin;
    enum lookup_result result = look_up(snapshot, question, question->order, pin, address, rule_r);
    bool is_refusal = result != LOOKUP_RESULT_HIT && result != LOOKUP_RESULT_NEEDS_ADDRESS;
    if (is_refusal || (question->usual == NULL && result != LOOKUP_RESULT_HIT))
        return result;
    if (question->usual == NULL)
        return check_trust(question, NULL, rule_r);
    /* The usual row is asked for its permission, not to rule instead of what began without one. */
    bool is_none_again = question->order->is_none && pin != NULL && is_without_row(pin);
    enum lookup_result usual_result =
        look_up(snapshot, question, question->usual, is_none_again ? NULL : pin, address, &usual);
    if (result == LOOKUP_RESULT_NEEDS_ADDRESS || usual_result == LOOKUP_RESULT_NEEDS_ADDRESS) {
        *rule_r = (struct requirement_rule){ .row = NULL };
        return LOOKUP_RESULT_NEEDS_ADDRESS;
    }
    if (usual_result != LOOKUP_RESULT_HIT)
        return refuse(usual.reason, rule_r);
    if (usual.row != rule_r->row && usual.row->weaken != PERMISSION_ALLOWED)
        return refuse(REASON_WEAKEN_REFUSED, rule_r);
    return check_trust(question, usual.row, rule_r);
}

static enum level highest_level(const struct policy_snapshot *snapshot, const struct requirement_question *question,
    const struct policy_lookup_order *order)
{
    static const enum permission permissions[] = { PERMISSION_REFUSED, PERMISSION_ALLOWED };
    const struct flag_set *flags = question->flags != NULL ? question->flags : &no_flags;
    struct policy_lookup_order named = *order;
    enum level highest = question->pin != NULL ? pin_level(snapshot, question->pin, flags) : LEVEL_UNSET;
    const struct outbound_policy *rows[1 + ARRAY_SIZE(permissions)] = { NULL };
    enum reason reason;
    named.count = 0;
    for (unsigned i = 0; i < order->count; i++)
        if (order->steps[i] != LOOKUP_ADDR)
            named.steps[named.count++] = order->steps[i];
    if (order->is_none)
        rows[0] = requirement_flags_alone();
    else
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

static enum level level_of(const struct requirement_rule *rule, const struct requirement_question *question)
{
    const struct flag_set *flags = question->flags != NULL ? question->flags : &no_flags;
    if (rule->row == NULL)
        return LEVEL_UNSET;
    return rule->is_pinned ? requirement_pinned_level(rule->row, flags, question->pin)
                           : requirement_level(rule->row, flags);
}

enum level requirement_refused_level(const struct policy_snapshot *snapshot,
    const struct requirement_question *question, const struct address *address)
{
    const struct flag_set *flags = question->flags != NULL ? question->flags : &no_flags;
    const struct policy_lookup_order *const orders[] = { question->order, question->usual };
    enum level highest = question->pin != NULL ? pin_level(snapshot, question->pin, flags) : LEVEL_UNSET;
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        struct requirement_rule rule;
        if (orders[i] == NULL)
            continue;
        bool is_known = look_up(snapshot, question, orders[i], question->pin, address, &rule) !=
            LOOKUP_RESULT_NEEDS_ADDRESS;
        enum level level = is_known ? level_of(&rule, question) : highest_level(snapshot, question, orders[i]);
        highest = highest > level ? highest : level;
    }
    return highest;
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

/* There is no row to ask tomorrow, so it is what was proven, and not what was asked. */
static void pin_without_row(const struct requirement_key *key, struct dialog_part *part)
{
    if (key->level != LEVEL_DOMAIN)
        return;
    part->flags.bits = T_RELAY_VERIFY_DOMAIN;
    memcpy(part->flags.verify_domain, key->expected_domain, sizeof(part->flags.verify_domain));
}

void requirement_pin(const struct requirement *requirement, const struct flag_set *flags, const char *next_hop_domain,
    struct dialog_part *part_r)
{
    const struct outbound_policy *row = requirement->terms.row;
    enum level level = (enum level)requirement->key.level;
    *part_r = (struct dialog_part){ .row_id = 0 };
    if (row != NULL && !level_needs_chain(level)) {
        /* Not the key's: over TLS it says encrypt of level none, too. */
        if (requirement_level(row, flags) != LEVEL_NONE)
            part_r->level = LEVEL_ENCRYPT;
        return;
    }
    part_r->level = level;
    if (row != NULL) {
        part_r->row_id = row->id;
        copy_flags(flags, &part_r->flags);
    } else {
        pin_without_row(&requirement->key, part_r);
    }
    bool is_said = row != NULL ? row->expected_domain != NULL : level == LEVEL_DOMAIN;
    if (!is_said && next_hop_domain != NULL)
        (void)slice_to_string(slice_of_string(next_hop_domain), part_r->domain, sizeof(part_r->domain));
}
