/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flag.c - parsing, merging and printing relay flags; see flag.h. */
#include "policy/flag.h"

#include "base/error.h"
#include "base/integer.h"

#include <stdio.h>

static const struct flag_row {
    const char *word;
    enum flag_value_kind kind;
    uint32_t bit;
    unsigned number;
    const char *meaning;
} rows[] = {
#define X(code, bit_, word_, kind_, meaning_) \
    { .word = word_, .kind = kind_, .bit = T_RELAY_##code, .number = bit_, .meaning = meaning_ },
    FLAG_LIST(X)
#undef X
};

/* Pairs that no one source may hold together. */
static const struct {
    uint32_t a, b;
} conflicts[] = {
    { T_RELAY_NO_VERIFY, T_RELAY_VERIFY_CHAIN },
    { T_RELAY_NO_VERIFY, T_RELAY_VERIFY_DOMAIN },
    { T_RELAY_NO_VERIFY, T_RELAY_TRUST },
    { T_RELAY_NO_VERIFY, T_RELAY_OCSP_HARD },
    { T_RELAY_CERT, T_RELAY_NO_CERT },
    { T_RELAY_SNI, T_RELAY_NO_SNI },
    { T_RELAY_NO_CONNECT, T_RELAY_NO_CONN_REUSE },
};

/* Of two sources, what the later one says takes the place of the earlier one's opposite. */
static const struct {
    uint32_t later, drops;
} overrides[] = {
    { T_RELAY_CERT, T_RELAY_NO_CERT },
    { T_RELAY_NO_CERT, T_RELAY_CERT },
    { T_RELAY_SNI, T_RELAY_NO_SNI },
    { T_RELAY_NO_SNI, T_RELAY_SNI },
};

/* Any of these keeps no-verify out. */
enum { ASKS_FOR_PROOF = T_RELAY_VERIFY_CHAIN | T_RELAY_VERIFY_DOMAIN | T_RELAY_TRUST | T_RELAY_OCSP_HARD };

enum { WITHOUT_EFFECT = T_RELAY_CRL | T_RELAY_OCSP };

static const char *word_of(uint32_t bit)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].bit == bit)
            return rows[i].word;
    return "?";
}

int flags_check(const struct flag_set *set, struct why *why)
{
    for (size_t i = 0; i < ARRAY_SIZE(conflicts); i++)
        if (flags_have(set, conflicts[i].a) && flags_have(set, conflicts[i].b))
            return why_fail(why, ERROR_CONFLICT, "the flags %s and %s contradict each other", word_of(conflicts[i].a),
                word_of(conflicts[i].b));
    return 0;
}

static int parse_duration(struct slice text, uint32_t *seconds_r)
{
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    uint64_t factor = 1, value;
    if (text.length == 0)
        return ERROR_SYNTAX;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (text.data[text.length - 1] == units[i].unit) {
            factor = units[i].seconds;
            text.length--;
            break;
        }
    int rc = integer_parse(text, UINT32_MAX / factor, &value);
    if (rc != 0 || value == 0)
        return ERROR_SYNTAX;
    *seconds_r = (uint32_t)(value * factor);
    return 0;
}

static char *domain_member(struct flag_set *set, uint32_t bit)
{
    return bit == T_RELAY_SNI ? set->sni : set->verify_domain;
}

static char *name_member(struct flag_set *set, uint32_t bit)
{
    return bit == T_RELAY_CERT ? set->cert : set->trust;
}

static int set_value(struct flag_set *set, const struct flag_row *row, struct slice value, struct why *why)
{
    struct why reason = WHY_NONE;
    switch (row->kind) {
    case FLAG_VALUE_NONE:
        if (!slice_is_absent(value))
            return why_fail(why, ERROR_SYNTAX, "the flag %s takes no value", row->word);
        return 0;
    case FLAG_VALUE_OPTIONAL_DOMAIN:
        if (slice_is_absent(value))
            return 0;
        /* fall through */
    case FLAG_VALUE_DOMAIN:
        if (slice_is_absent(value) || name_normalise(value, domain_member(set, row->bit)) != 0)
            return why_fail(why, ERROR_SYNTAX, "the flag %s takes a domain name, not \"%.*s\"", row->word,
                SLICE_PRINT(value));
        return 0;
    case FLAG_VALUE_ROW_NAME:
        if (slice_is_absent(value) || !name_is_row_name(value) ||
            !slice_to_string(value, name_member(set, row->bit), ROW_NAME_SIZE))
            return why_fail(why, ERROR_SYNTAX, "the flag %s takes the name of a row, not \"%.*s\"", row->word,
                SLICE_PRINT(value));
        return 0;
    case FLAG_VALUE_DURATION:
        if (slice_is_absent(value) || parse_duration(value, &set->max_age_s) != 0)
            return why_fail(why, ERROR_SYNTAX, "the flag %s takes a duration such as 30s, 10m, 1h, not \"%.*s\"",
                row->word, SLICE_PRINT(value));
        return 0;
    case FLAG_VALUE_LOOKUP:
        if (slice_is_absent(value))
            return why_fail(why, ERROR_SYNTAX, "the flag %s takes look-ups such as dst+default", row->word);
        if (policy_lookup_order_parse(value, &set->lookup, &reason) != 0)
            return why_fail(why, ERROR_SYNTAX, "the flag %s: %s", row->word, reason.text);
        return 0;
    }
    return why_fail(why, ERROR_UNKNOWN_NAME, "the flag %s is of no known kind", row->word);
}

static int fail_unknown(struct slice word, struct why *why)
{
    char known[WHY_SIZE];
    size_t length = 0;
    known[0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int n = snprintf(known + length, sizeof(known) - length, "%s%s", i > 0 ? ", " : "", rows[i].word);
        if (n < 0 || (size_t)n >= sizeof(known) - length)
            break;
        length += (size_t)n;
    }
    return why_fail(why, ERROR_UNKNOWN_NAME, "unknown relay flag \"%.*s\"; there are: %s",
        word.length < 64 ? (int)word.length : 64, word.data != NULL ? word.data : "", known);
}

static int add_flag(struct flag_set *set, struct slice word, struct slice value, struct why *why)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!slice_equal(word, slice_of_string(rows[i].word)))
            continue;
        if (flags_have(set, rows[i].bit))
            return why_fail(why, ERROR_CONFLICT, "the flag %s stands twice", rows[i].word);
        int rc = set_value(set, &rows[i], value, why);
        if (rc == 0)
            set->bits |= rows[i].bit;
        return rc;
    }
    return fail_unknown(word, why);
}

/* Cuts "word=value" in two; the value is absent without '='. */
static struct slice cut_value(struct slice item, struct slice *value_r)
{
    size_t equals = slice_find(item, '=', 0);
    *value_r = equals < item.length ? slice_trim(slice_from(item, equals + 1)) : SLICE_ABSENT;
    return slice_trim(slice_first(item, equals));
}

int flags_parse(struct slice text, struct flag_set *set_r, struct why *why)
{
    struct flag_set set = FLAG_SET_EMPTY;
    text = slice_trim(text);
    for (size_t at = 0; text.length > 0 && at <= text.length;) {
        size_t end = slice_find(text, ',', at);
        struct slice value, word = cut_value(slice_trim(slice_of(text.data + at, end - at)), &value);
        if (word.length == 0)
            return why_fail(why, ERROR_SYNTAX, "an empty flag between two commas");
        int rc = add_flag(&set, word, value, why);
        if (rc != 0)
            return rc;
        at = end + 1;
    }
    int rc = flags_check(&set, why);
    if (rc == 0)
        *set_r = set;
    return rc;
}

/* Parameters of the Route URI that are flags under another name. */
static const struct {
    const char *parameter, *value; /* value NULL: it is handed on */
    const char *flag;              /* NULL: nothing to add */
} route_parameters[] = {
    { "level", "none", NULL },
    { "level", "encrypt", "tls" },
    { "level", "chain", "verify-chain" },
    { "level", "domain", "verify-domain" },
    { "expect", NULL, "verify-domain" },
    { "cert", NULL, "cert" },
    { "trust", NULL, "trust" },
    { "sni", NULL, "sni" },
    { "conn", "fresh", "no-conn-reuse" },
    { "conn", "reuse-only", "no-connect" },
    { "max-age", NULL, "max-age" },
};

/* What stood already, by the first row of route_parameters[]: none of ours may stand twice. */
struct route_parse {
    struct flag_set set;
    uint32_t seen;
    struct why *why;
};

/* level=domain;expect=x says one thing in two words: the one does not double the other. */
static int add_expected_domain(struct route_parse *parse, struct slice value)
{
    struct flag_set *set = &parse->set;
    if (flags_have(set, T_RELAY_VERIFY_DOMAIN)) {
        if (slice_is_absent(value))
            return 0;
        if (set->verify_domain[0] == '\0')
            set->bits &= ~(uint32_t)T_RELAY_VERIFY_DOMAIN;
    }
    return add_flag(set, SLICE_LITERAL("verify-domain"), value, parse->why);
}

/* A parameter that is a flag of its own name. */
static int add_plain_parameter(struct route_parse *parse, struct slice name, struct slice value)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct slice word = slice_of_string(rows[i].word);
        if (!slice_equal_nocase(name, word))
            continue;
        if (rows[i].kind == FLAG_VALUE_LOOKUP)
            return why_fail(parse->why, ERROR_SYNTAX, "%s cannot stand in a Route URI", rows[i].word);
        if (rows[i].kind == FLAG_VALUE_OPTIONAL_DOMAIN)
            return add_expected_domain(parse, value);
        return add_flag(&parse->set, word, value, parse->why);
    }
    return 0;
}

static int add_route_parameter(struct route_parse *parse, struct slice name, struct slice value)
{
    bool is_ours = false;
    for (size_t i = 0; i < ARRAY_SIZE(route_parameters); i++) {
        if (!slice_equal_nocase(name, slice_of_string(route_parameters[i].parameter)))
            continue;
        if (!is_ours && (parse->seen & 1u << i) != 0)
            return why_fail(parse->why, ERROR_CONFLICT, "the Route parameter %.*s stands twice", SLICE_PRINT(name));
        parse->seen |= is_ours ? 0 : 1u << i;
        is_ours = true;
        const char *wanted = route_parameters[i].value;
        if (slice_is_empty(value) || (wanted != NULL && !slice_equal_nocase(value, slice_of_string(wanted))))
            continue;
        const char *flag = route_parameters[i].flag;
        struct slice flag_value = wanted != NULL ? SLICE_ABSENT : value;
        if (flag == NULL)
            return 0;
        return strcmp(flag, "verify-domain") == 0
            ? add_expected_domain(parse, flag_value)
            : add_flag(&parse->set, slice_of_string(flag), flag_value, parse->why);
    }
    if (is_ours)
        return why_fail(parse->why, ERROR_SYNTAX, "the Route parameter %.*s cannot be \"%.*s\"", SLICE_PRINT(name),
            SLICE_PRINT(value));
    return add_plain_parameter(parse, name, value);
}

int flags_parse_route_parameters(struct slice parameters, struct flag_set *set_r, struct why *why)
{
    struct route_parse parse = { .set = FLAG_SET_EMPTY, .why = why };
    for (size_t at = 0; at < parameters.length;) {
        size_t end = slice_find(parameters, ';', at);
        struct slice value, name = cut_value(slice_of(parameters.data + at, end - at), &value);
        int rc = name.length > 0 ? add_route_parameter(&parse, name, value) : 0;
        if (rc != 0)
            return rc;
        at = end + 1;
    }
    int rc = flags_check(&parse.set, why);
    if (rc == 0)
        *set_r = parse.set;
    return rc;
}

static void take_values(struct flag_set *set, const struct flag_set *from)
{
    if (from->verify_domain[0] != '\0')
        memcpy(set->verify_domain, from->verify_domain, sizeof(set->verify_domain));
    if (flags_have(from, T_RELAY_SNI))
        memcpy(set->sni, from->sni, sizeof(set->sni));
    if (flags_have(from, T_RELAY_CERT))
        memcpy(set->cert, from->cert, sizeof(set->cert));
    if (flags_have(from, T_RELAY_TRUST))
        memcpy(set->trust, from->trust, sizeof(set->trust));
    if (flags_have(from, T_RELAY_LOOKUP))
        set->lookup = from->lookup;
    if (flags_have(from, T_RELAY_MAX_AGE) && (set->max_age_s == 0 || from->max_age_s < set->max_age_s))
        set->max_age_s = from->max_age_s;
}

/* Whom to expect is not for one source to say in place of another. */
static bool name_one_domain(const struct flag_set *a, const struct flag_set *b)
{
    return a->verify_domain[0] == '\0' || b->verify_domain[0] == '\0' ||
        strcmp(a->verify_domain, b->verify_domain) == 0;
}

int flags_merge(const struct flag_set *earlier, const struct flag_set *later, struct flag_set *set_r, struct why *why)
{
    struct flag_set set = *earlier;
    if (!name_one_domain(earlier, later))
        return why_fail(why, ERROR_CONFLICT, "verify-domain=%s and verify-domain=%s contradict each other",
            earlier->verify_domain, later->verify_domain);
    for (size_t i = 0; i < ARRAY_SIZE(overrides); i++)
        if (flags_have(later, overrides[i].later))
            set.bits &= ~overrides[i].drops;
    if (!flags_have(&set, T_RELAY_SNI))
        set.sni[0] = '\0';
    if (!flags_have(&set, T_RELAY_CERT))
        set.cert[0] = '\0';
    set.bits |= later->bits;
    take_values(&set, later);
    /* The stricter of the two holds: lowering never comes from a mixture. */
    if (flags_have(&set, ASKS_FOR_PROOF))
        set.bits &= ~(uint32_t)T_RELAY_NO_VERIFY;
    int rc = flags_check(&set, why);
    if (rc == 0)
        *set_r = set;
    return rc;
}

static void print_value(const struct flag_set *set, const struct flag_row *row, struct buffer *out)
{
    switch (row->kind) {
    case FLAG_VALUE_NONE:
        return;
    case FLAG_VALUE_OPTIONAL_DOMAIN:
        if (set->verify_domain[0] != '\0')
            buffer_append_format(out, "=%s", set->verify_domain);
        return;
    case FLAG_VALUE_DOMAIN:
        buffer_append_format(out, "=%s", set->sni);
        return;
    case FLAG_VALUE_ROW_NAME:
        buffer_append_format(out, "=%s", row->bit == T_RELAY_CERT ? set->cert : set->trust);
        return;
    case FLAG_VALUE_DURATION:
        buffer_append_format(out, "=%us", (unsigned)set->max_age_s);
        return;
    case FLAG_VALUE_LOOKUP:
        buffer_append_byte(out, '=');
        policy_lookup_order_print(&set->lookup, out);
        return;
    }
}

void flags_print(const struct flag_set *set, struct buffer *out)
{
    const char *separator = "";
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!flags_have(set, rows[i].bit))
            continue;
        buffer_append_string(out, separator);
        buffer_append_string(out, rows[i].word);
        print_value(set, &rows[i], out);
        separator = ",";
    }
}

uint32_t flags_without_effect(const struct flag_set *set)
{
    return set->bits & WITHOUT_EFFECT;
}

bool flag_describe(unsigned index, struct flag_description *description_r)
{
    if (index >= ARRAY_SIZE(rows))
        return false;
    *description_r = (struct flag_description){ .word = rows[index].word, .bit = rows[index].number,
        .kind = rows[index].kind, .meaning = rows[index].meaning };
    return true;
}
