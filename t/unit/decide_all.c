/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_all.c - every set of the 21 flags, with every level and permission of a row: what it comes to is the wish that
 * the statement below makes of it, or the first refusal that holds, and nothing else: two sets with the same wish have
 * the same requirement, whatever else is in them. Then every wish with connections of every class in every state: the
 * decision is what the rules below say. The statement knows words and columns, and nothing of keys and how they are
 * compared. The flags no-dns-failover, no-auto-477, no-100 and lookup beside a row do not occur in it. */
#include "decide_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A run of all of it is too long for a sanitizer's build: that takes every so many. */
enum { STRIDE_WATCHED = 5 };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STRIDE = STRIDE_WATCHED };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
enum { STRIDE = STRIDE_WATCHED };
#else
enum { STRIDE = 1 };
#endif
#else
enum { STRIDE = 1 };
#endif

/* In the order of their bits in the manual page. */
enum {
    TLS, VERIFY_CHAIN, VERIFY_DOMAIN, NO_VERIFY, CERT, NO_CERT, SNI, NO_SNI, TRUST, CRL, OCSP, OCSP_HARD,
    NO_CONN_REUSE, NO_CONNECT, NO_UPGRADE, INITIAL_ONLY, MAX_AGE, LOOKUP, NO_DNS_FAILOVER, NO_AUTO_477, NO_100,
    FLAG_COUNT
};
enum { SETS = 1 << FLAG_COUNT };

/* The values that a flag can have here; the first of each stands for all where the others are not crossed. */
static const struct {
    const char *word;
    const char *values[4]; /* NULL: it has none */
    unsigned value_count;
} flags[FLAG_COUNT] = {
    [TLS] = { "tls", { NULL }, 1 },
    [VERIFY_CHAIN] = { "verify-chain", { NULL }, 1 },
    [VERIFY_DOMAIN] = { "verify-domain", { NULL, "flag.example", "row.example" }, 3 },
    [NO_VERIFY] = { "no-verify", { NULL }, 1 },
    [CERT] = { "cert", { "ours", "missing" }, 2 },
    [NO_CERT] = { "no-cert", { NULL }, 1 },
    [SNI] = { "sni", { "sni.example" }, 1 },
    [NO_SNI] = { "no-sni", { NULL }, 1 },
    [TRUST] = { "trust", { "anchors", "others", "missing" }, 3 },
    [CRL] = { "crl", { NULL }, 1 },
    [OCSP] = { "ocsp", { NULL }, 1 },
    [OCSP_HARD] = { "ocsp-hard", { NULL }, 1 },
    [NO_CONN_REUSE] = { "no-conn-reuse", { NULL }, 1 },
    [NO_CONNECT] = { "no-connect", { NULL }, 1 },
    [NO_UPGRADE] = { "no-upgrade", { NULL }, 1 },
    [INITIAL_ONLY] = { "initial-only", { NULL }, 1 },
    [MAX_AGE] = { "max-age", { "60", "7200" }, 2 },
    [LOOKUP] = { "lookup", { "dst+default", "addr+live", "none" }, 3 },
    [NO_DNS_FAILOVER] = { "no-dns-failover", { NULL }, 1 },
    [NO_AUTO_477] = { "no-auto-477", { NULL }, 1 },
    [NO_100] = { "no-100", { NULL }, 1 },
};

/* The only pairs that contradict each other within one source. */
static const unsigned char contradictions[][2] = { { NO_VERIFY, VERIFY_CHAIN }, { NO_VERIFY, VERIFY_DOMAIN },
    { NO_VERIFY, TRUST }, { NO_VERIFY, OCSP_HARD }, { CERT, NO_CERT }, { SNI, NO_SNI },
    { NO_CONNECT, NO_CONN_REUSE } };

/* What a dialog began with. */
struct origin {
    const char *name;
    enum level level;
    bool is_initial_only; /* began with the flag */
};
static const struct origin origins[] = { { "chain", LEVEL_CHAIN, false }, { "domain", LEVEL_DOMAIN, false },
    { "chain, initial-only", LEVEL_CHAIN, true }, { "domain, initial-only", LEVEL_DOMAIN, true } };

struct situation {
    unsigned set;                /* one bit for each flag */
    unsigned char value[FLAG_COUNT];
    const struct outbound_policy *row;
    const struct outbound_policy *usable; /* the row, or what stands for it where there is none */
    const struct origin *origin; /* NULL: no dialog rules */
    enum transport transport;
    bool is_capable;             /* of CRLs and OCSP */
};

static bool has(const struct situation *situation, unsigned flag)
{
    return (situation->set & 1u << flag) != 0;
}

static const char *value_of(const struct situation *situation, unsigned flag)
{
    const char *value = has(situation, flag) ? flags[flag].values[situation->value[flag]] : NULL;
    return value != NULL ? value : "";
}

static bool says(const struct situation *situation, unsigned flag, const char *value)
{
    return has(situation, flag) && strcmp(value_of(situation, flag), value) == 0;
}

/* --- The statement: levels --- */

/* What stands for a row where lookup=none may: at least encrypt, any trust set may be named, nothing may be lowered. */
static const struct outbound_policy nobodys_row = { .level = LEVEL_ENCRYPT, .weaken = PERMISSION_REFUSED,
    .trust_flag = PERMISSION_ALLOWED, .upgrade = UPGRADE_IDLE, .reuse = true, .crl = REVOCATION_OFF,
    .ocsp = REVOCATION_OFF };

static bool may_weaken(const struct situation *situation)
{
    return situation->usable->weaken == PERMISSION_ALLOWED;
}

/* Of row and flags, before anything lowers it. */
static enum level raised(const struct situation *situation)
{
    enum level level = situation->usable->level;
    enum level asked = has(situation, VERIFY_DOMAIN)                                  ? LEVEL_DOMAIN
        : has(situation, VERIFY_CHAIN) || has(situation, TRUST)                        ? LEVEL_CHAIN
        : has(situation, TLS)                                                          ? LEVEL_ENCRYPT
                                                                                       : LEVEL_NONE;
    return asked > level ? asked : level;
}

static bool begins_only(const struct situation *situation)
{
    return situation->usable->initial_only ||
        (may_weaken(situation) && (has(situation, INITIAL_ONLY) || situation->origin->is_initial_only));
}

/* no-verify where the row permits it; then the floor that a dialog has, of which the domain may have been for its first
 * request alone. */
static enum level level_of(const struct situation *situation)
{
    enum level level = raised(situation);
    if (has(situation, NO_VERIFY) && level > LEVEL_ENCRYPT)
        level = LEVEL_ENCRYPT;
    if (situation->origin == NULL)
        return level;
    if (level < situation->origin->level)
        level = situation->origin->level;
    return level == LEVEL_DOMAIN && !has(situation, VERIFY_DOMAIN) && begins_only(situation) ? LEVEL_CHAIN : level;
}

static bool is_proven(const struct situation *situation)
{
    return level_of(situation) >= LEVEL_CHAIN;
}

/* --- The statement: refusals, in the order in which they are told --- */

static bool has_no_row(const struct situation *situation)
{
    return situation->row == NULL && !says(situation, LOOKUP, "none");
}

static bool contradicts(const struct situation *situation)
{
    for (size_t i = 0; i < ARRAY_SIZE(contradictions); i++)
        if (has(situation, contradictions[i][0]) && has(situation, contradictions[i][1]))
            return true;
    return false;
}

static bool weakens(const struct situation *situation)
{
    return has(situation, NO_VERIFY) && !may_weaken(situation) &&
        (situation->origin != NULL || raised(situation) > LEVEL_ENCRYPT);
}

static bool proves_nothing_alone(const struct situation *situation)
{
    return situation->row == NULL && !is_proven(situation);
}

static bool lacks_tls(const struct situation *situation)
{
    bool shows = has(situation, CERT) || has(situation, SNI) || has(situation, OCSP_HARD);
    return situation->transport != TRANSPORT_TLS && (level_of(situation) > LEVEL_NONE || shows);
}

static bool is_plain(const struct situation *situation)
{
    return situation->transport != TRANSPORT_TLS;
}

static bool renames(const struct situation *situation)
{
    const char *by_row = situation->usable->expected_domain, *by_flag = value_of(situation, VERIFY_DOMAIN);
    return !is_plain(situation) && level_of(situation) == LEVEL_DOMAIN && by_row != NULL && by_flag[0] != '\0' &&
        strcmp(by_flag, by_row) != 0 && !may_weaken(situation);
}

static bool swaps_trust(const struct situation *situation)
{
    const char *own = situation->usable->trust_set_name;
    return !is_plain(situation) && has(situation, TRUST) && (own == NULL || !says(situation, TRUST, own)) &&
        situation->usable->trust_flag != PERMISSION_ALLOWED;
}

static bool trusts_nobody(const struct situation *situation)
{
    return !is_plain(situation) && (says(situation, TRUST, "missing") ||
        (is_proven(situation) && !has(situation, TRUST) && situation->usable->trust_set_name == NULL));
}

static bool shows_what_is_not_there(const struct situation *situation)
{
    return says(situation, CERT, "missing");
}

static bool asks_for_nobody(const struct situation *situation)
{
    return has(situation, OCSP_HARD) && !is_proven(situation);
}

static bool asks_too_much(const struct situation *situation)
{
    return !is_plain(situation) && is_proven(situation) && !situation->is_capable &&
        (has(situation, OCSP_HARD) || situation->usable->ocsp == REVOCATION_HARD);
}

static const struct refusal {
    const char *name;
    enum reason reason;
    bool (*holds)(const struct situation *situation);
} refusals[] = {
    { "no row, and nobody said that there need be none", REASON_NO_POLICY, has_no_row },
    { "flags contradict each other", REASON_FLAG_CONFLICT, contradicts },
    { "the row does not permit weakening", REASON_WEAKEN_REFUSED, weakens },
    { "flags alone have to ask for proof", REASON_NO_POLICY, proves_nothing_alone },
    { "a plain transport shows nothing", REASON_PLAIN_TRANSPORT, lacks_tls },
    { "the row names somebody else", REASON_FLAG_CONFLICT, renames },
    { "the row does not permit another trust set", REASON_TRUST_FLAG_REFUSED, swaps_trust },
    { "there is no such trust set", REASON_UNKNOWN_TRUST_SET, trusts_nobody },
    { "there is no such certificate", REASON_UNKNOWN_CERTIFICATE, shows_what_is_not_there },
    { "nobody is judged whose status could be asked for", REASON_FLAG_CONFLICT, asks_for_nobody },
    { "there are no means to ask for the status", REASON_UNSUPPORTED_FEATURE, asks_too_much },
};
static unsigned long refusal_uses[ARRAY_SIZE(refusals)], built_count;

static enum reason refusal_of(const struct situation *situation)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (refusals[i].holds(situation)) {
            refusal_uses[i]++;
            return refusals[i].reason;
        }
    return REASON_NONE;
}

/* --- The statement: what is wanted --- */

enum { NOBODY, HOP_DOMAIN, ROW_DOMAIN, FLAG_DOMAIN, ORIGIN_DOMAIN, SNI_DOMAIN, NAME_COUNT };
static const char *const names[NAME_COUNT] = { "", "hop.example", "row.example", "flag.example", "origin.example",
    "sni.example" };
static const unsigned ages[] = { 60, 600, 3600 };

/* Numbers, each below its limit in limits[]. The first eight are the class of a connection, the others the use. */
enum { TRANSPORT, LEVEL, DOMAIN, TRUSTED, SHOWN, SERVER_NAME, CRLS, STATUS, CLASS_PARTS };
enum { SHARES = CLASS_PARTS, CONNECTS, UPGRADES, AGE, WISH_PARTS };
static const unsigned char limits[WISH_PARTS] = { 3, 4, NAME_COUNT, 3, 3, NAME_COUNT, 2, 3, 2, 2, 2, 3 };
enum { WISH_LIMIT = 3 * 4 * NAME_COUNT * 3 * 3 * NAME_COUNT * 2 * 3 * 2 * 2 * 2 * 3 };
struct wish {
    unsigned char part[WISH_PARTS];
};

static unsigned char domain_of(const struct situation *situation)
{
    bool is_by_row = situation->usable->expected_domain != NULL;
    const char *by_flag = value_of(situation, VERIFY_DOMAIN);
    return by_flag[0] != '\0' ? (strcmp(by_flag, "flag.example") == 0 ? FLAG_DOMAIN : ROW_DOMAIN)
        : is_by_row            ? ROW_DOMAIN
        : situation->origin    ? ORIGIN_DOMAIN
                               : HOP_DOMAIN;
}

/* A flag's, else whom the peer has to be, else whom it would have to be for the row. */
static unsigned char server_name_of(const struct situation *situation)
{
    return has(situation, NO_SNI)                              ? NOBODY
        : has(situation, SNI)                                   ? SNI_DOMAIN
        : level_of(situation) == LEVEL_DOMAIN                   ? domain_of(situation)
        : situation->usable->expected_domain != NULL            ? ROW_DOMAIN
        : situation->origin != NULL                             ? ORIGIN_DOMAIN
                                                                : HOP_DOMAIN;
}

/* Contents of the fixtures. */
static unsigned char shown_of(const struct situation *situation)
{
    return has(situation, NO_CERT)                              ? 0
        : has(situation, CERT)                                  ? 1
        : situation->usable->certificate_name != NULL           ? 2
                                                                : 0;
}

static unsigned char status_of(const struct situation *situation)
{
    enum revocation row = situation->usable->ocsp;
    return has(situation, OCSP_HARD) || row == REVOCATION_HARD ? 2 : has(situation, OCSP) || row == REVOCATION_SOFT;
}

static unsigned char age_of(const struct situation *situation)
{
    return says(situation, MAX_AGE, "60") ? 0 : situation->usable->max_age_s == 600 ? 1 : 2;
}

static struct wish wish_of(const struct situation *situation)
{
    struct wish wish = { .part = { 0 } };
    unsigned char *part = wish.part;
    const struct outbound_policy *row = situation->usable;
    enum level level = level_of(situation);
    bool is_tls = !is_plain(situation);
    part[TRANSPORT] = (unsigned char)(situation->transport - TRANSPORT_UDP);
    part[LEVEL] = (unsigned char)((is_tls && level == LEVEL_NONE ? LEVEL_ENCRYPT : level) - LEVEL_NONE);
    part[SHARES] = row->reuse && !has(situation, NO_CONN_REUSE);
    part[CONNECTS] = !has(situation, NO_CONNECT);
    part[AGE] = age_of(situation);
    if (!is_tls)
        return wish;
    part[SHOWN] = shown_of(situation);
    part[SERVER_NAME] = server_name_of(situation);
    if (!is_proven(situation))
        return wish;
    part[DOMAIN] = level == LEVEL_DOMAIN ? domain_of(situation) : NOBODY;
    part[TRUSTED] = says(situation, TRUST, "others") ? 2 : 1;
    part[CRLS] = has(situation, CRL) || row->crl == REVOCATION_SOFT;
    part[STATUS] = status_of(situation);
    part[UPGRADES] = row->upgrade == UPGRADE_IDLE && !has(situation, NO_UPGRADE);
    return wish;
}

static unsigned number_of(const struct wish *wish)
{
    unsigned number = 0;
    for (unsigned i = 0; i < WISH_PARTS; i++)
        number = number * limits[i] + wish->part[i];
    return number;
}

/* --- From flags to requirements --- */

struct request {
    struct wish wish;
    struct requirement requirement;
    struct connection_key key;
};

/* Columns that the flags meet: all combinations of these. */
enum { ROW_KINDS = 4 * 2 * 2 * 2 };
/* The others, that are gone through in turn. */
enum { ROW_VARIANTS = 11, ROWS = ROW_KINDS * ROW_VARIANTS };

static struct policy_snapshot *snapshot;
static const struct outbound_policy *rows[ROWS];
static struct request **requests; /* by the number of their wish; NULL: nobody wished so */
static struct request **known;    /* those there are */
static size_t known_count;

static void append_flag(struct buffer *text, const char *word, const char *value)
{
    buffer_append_format(text, "%s%s%s%s", text->length > 0 ? "," : "", word, value != NULL ? "=" : "",
        value != NULL ? value : "");
}

static void describe_and_fail(const struct situation *situation, const char *what, const char *got,
    const char *expected)
{
    struct buffer text = BUFFER_EMPTY;
    const struct outbound_policy *row = situation->usable;
    for (unsigned flag = 0; flag < FLAG_COUNT; flag++)
        if (has(situation, flag))
            append_flag(&text, flags[flag].word, flags[flag].values[situation->value[flag]]);
    fail_msg("%s is %s, not %s: row %s level %s weaken %s trust_flag %s expected %s, %s, origin %s, flags %.*s", what,
        got, expected, situation->row != NULL ? row->name : "-", level_name(row->level), permission_name(row->weaken),
        permission_name(row->trust_flag), row->expected_domain != NULL ? row->expected_domain : "-",
        transport_name(situation->transport), situation->origin != NULL ? situation->origin->name : "-",
        SLICE_PRINT(buffer_slice(&text)));
}

static void expect_number(const struct situation *situation, const char *what, unsigned long got,
    unsigned long expected)
{
    char a[32], b[32];
    if (got == expected)
        return;
    snprintf(a, sizeof(a), "%lu", got);
    snprintf(b, sizeof(b), "%lu", expected);
    describe_and_fail(situation, what, a, b);
}

static void expect_text(const struct situation *situation, const char *what, const char *got, const char *expected)
{
    if (strcmp(got, expected) != 0)
        describe_and_fail(situation, what, got, expected);
}

static unsigned content_of(const struct optional_digest *digest)
{
    return digest->is_set ? digest->bytes[DIGEST_SIZE - 1] : 0;
}

static void check_key(const struct situation *situation, const struct wish *wish, const struct requirement_key *key)
{
    const unsigned char *part = wish->part;
    unsigned off = is_plain(situation) ? REVOCATION_UNSET : REVOCATION_OFF;
    expect_number(situation, "transport", key->transport, situation->transport);
    expect_number(situation, "level", key->level, LEVEL_NONE + part[LEVEL]);
    expect_text(situation, "expected domain", key->expected_domain, names[part[DOMAIN]]);
    expect_text(situation, "server name", key->sni, names[part[SERVER_NAME]]);
    expect_number(situation, "trust", content_of(&key->trust), part[TRUSTED]);
    expect_number(situation, "certificate", content_of(&key->credential_chain),
        part[SHOWN] != 0 ? 0x10u + part[SHOWN] : 0);
    expect_number(situation, "its key", content_of(&key->credential_key), part[SHOWN] != 0 ? 0x20u + part[SHOWN] : 0);
    expect_number(situation, "crl", key->crl, off + part[CRLS]);
    expect_number(situation, "ocsp", key->ocsp, off + part[STATUS]);
}

static void check_terms(const struct situation *situation, const struct wish *wish,
    const struct requirement_terms *terms)
{
    const struct outbound_policy *row = situation->row;
    bool may_check = situation->is_capable;
    expect_number(situation, "may reuse", terms->may_reuse, wish->part[SHARES]);
    expect_number(situation, "may connect", terms->may_connect, wish->part[CONNECTS]);
    expect_number(situation, "may upgrade", terms->may_upgrade, wish->part[UPGRADES]);
    expect_number(situation, "max age", terms->max_age_s, ages[wish->part[AGE]]);
    expect_number(situation, "crl skipped", terms->is_crl_skipped, wish->part[CRLS] == 1 && !may_check);
    expect_number(situation, "ocsp skipped", terms->is_ocsp_skipped, wish->part[STATUS] == 1 && !may_check);
    expect_number(situation, "row", (unsigned long)terms->row_id, row != NULL ? (unsigned long)row->id : 0);
    expect_number(situation, "idle timeout", terms->idle_timeout_s, 300);
    expect_number(situation, "revalidation", terms->revalidate_every_s, 0);
    expect_number(situation, "keepalive", terms->keepalive_s, 0);
}

/* One wish, one key: whatever row and flags it came from. */
static void keep(const struct situation *situation, const struct wish *wish, const struct requirement *requirement)
{
    struct request **place = &requests[number_of(wish)];
    if (*place != NULL) {
        if (!requirement_key_equal(&(*place)->requirement.key, &requirement->key, PART_ALL))
            check_key(situation, wish, &requirement->key);
        expect_number(situation, "the key of the same wish",
            requirement_key_equal(&(*place)->requirement.key, &requirement->key, PART_ALL), true);
        return;
    }
    check_key(situation, wish, &requirement->key);
    *place = calloc(1, sizeof(**place));
    assert_non_null(*place);
    **place = (struct request){ .wish = *wish, .requirement = *requirement,
        .key = fixture_key_of(requirement) };
    known[known_count++] = *place;
}

static void check(struct situation *situation, const struct flag_set *set)
{
    static const struct requirement_defaults defaults = { .max_age_s = 3600, .idle_timeout_s = 300 };
    struct dialog_part part;
    struct requirement_target target = { .transport = situation->transport, .next_hop_domain = "hop.example",
        .endpoint = { address_v4((const uint8_t[4]){ 192, 0, 2, 1 }), 5061 } };
    struct requirement requirement;
    struct capabilities capabilities = { .crl = situation->is_capable, .ocsp = situation->is_capable };
    if (situation->origin != NULL) {
        part = (struct dialog_part){ .level = situation->origin->level, .domain = "origin.example",
            .flags = { .bits = situation->origin->is_initial_only ? T_RELAY_INITIAL_ONLY : 0 } };
        target.pin = &part;
    }
    situation->usable = situation->row != NULL ? situation->row : &nobodys_row;
    enum reason expected = refusal_of(situation);
    enum reason reason = requirement_build(snapshot, situation->row, set, &target, &capabilities, &defaults,
        &requirement, NULL);
    if (reason != expected)
        describe_and_fail(situation, "what comes of it", reason_word(reason), reason_word(expected));
    if (reason != REASON_NONE)
        return;
    built_count++;
    struct wish wish = wish_of(situation);
    check_terms(situation, &wish, &requirement.terms);
    keep(situation, &wish, &requirement);
}

/* Bit by bit, as by a caller that asks no parser. */
static void set_flags(const struct situation *situation, struct flag_set *set_r)
{
    *set_r = (struct flag_set){ .bits = situation->set };
    snprintf(set_r->verify_domain, sizeof(set_r->verify_domain), "%s", value_of(situation, VERIFY_DOMAIN));
    snprintf(set_r->sni, sizeof(set_r->sni), "%s", value_of(situation, SNI));
    snprintf(set_r->cert, sizeof(set_r->cert), "%s", value_of(situation, CERT));
    snprintf(set_r->trust, sizeof(set_r->trust), "%s", value_of(situation, TRUST));
    if (has(situation, MAX_AGE))
        set_r->max_age_s = says(situation, MAX_AGE, "60") ? 60 : 7200;
    if (has(situation, LOOKUP))
        assert_int_equal(policy_lookup_order_parse(slice_of_string(value_of(situation, LOOKUP)), &set_r->lookup, NULL),
            0);
}

/* The parser takes exactly what does not contradict itself, and says what was meant. */
static void check_text(const struct situation *situation, const struct flag_set *set)
{
    static struct buffer text;
    struct flag_set parsed;
    buffer_clear(&text);
    for (unsigned flag = FLAG_COUNT; flag-- > 0;)
        if (has(situation, flag))
            append_flag(&text, flags[flag].word, flags[flag].values[situation->value[flag]]);
    int rc = flags_parse(buffer_slice(&text), &parsed, NULL);
    expect_number(situation, "parsed", rc == 0, !contradicts(situation));
    if (rc != 0)
        expect_number(situation, "conflict", rc == ERROR_CONFLICT, true);
    else
        expect_number(situation, "what it says", parsed.bits == set->bits &&
            strcmp(parsed.verify_domain, set->verify_domain) == 0 && strcmp(parsed.sni, set->sni) == 0 &&
            strcmp(parsed.cert, set->cert) == 0 && strcmp(parsed.trust, set->trust) == 0 &&
            parsed.max_age_s == set->max_age_s && parsed.lookup.is_none == set->lookup.is_none &&
            parsed.lookup.is_live == set->lookup.is_live && parsed.lookup.count == set->lookup.count &&
            memcmp(parsed.lookup.steps, set->lookup.steps, set->lookup.count * sizeof(set->lookup.steps[0])) == 0,
            true);
}

/* Each step another one of COUNT, so that no two that are gone through beside each other keep step. */
static unsigned turn(unsigned count)
{
    static unsigned long long state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 11) % count);
}

static void set_turns(struct situation *situation)
{
    for (unsigned flag = 0; flag < FLAG_COUNT; flag++)
        situation->value[flag] = (unsigned char)(flags[flag].value_count > 1 ? turn(flags[flag].value_count) : 0);
    situation->is_capable = turn(2) != 0;
}

/* With one row: over TLS, over a plain transport, within a dialog. */
static void check_row(struct situation *situation, const struct flag_set *set, const struct outbound_policy *row)
{
    situation->row = row;
    situation->origin = NULL;
    situation->transport = TRANSPORT_TLS;
    check(situation, set);
    situation->transport = turn(2) != 0 ? TRANSPORT_UDP : TRANSPORT_TCP;
    check(situation, set);
    if (row == NULL)
        return;
    situation->transport = TRANSPORT_TLS;
    situation->origin = &origins[turn(ARRAY_SIZE(origins))];
    check(situation, set);
}

/* Where flags contradict each other that is all there is to say, whatever the row: one of them each. */
static void every_set_with_every_row(void **state)
{
    unsigned long count = 0;
    (void)state;
    for (unsigned number = 0; number < SETS; number += STRIDE) {
        struct situation situation = { .set = number };
        struct flag_set set;
        set_turns(&situation);
        set_flags(&situation, &set);
        check_text(&situation, &set);
        assert_int_equal(flags_check(&set, NULL), contradicts(&situation) ? ERROR_CONFLICT : 0);
        unsigned step = contradicts(&situation) ? ROW_KINDS : 1;
        for (unsigned kind = turn(step); kind < ROW_KINDS; kind += step, count++)
            check_row(&situation, &set, rows[kind + ROW_KINDS * turn(ROW_VARIANTS)]);
        check_row(&situation, &set, NULL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (refusal_uses[i] < 100)
            fail_msg("hardly ever: %s", refusals[i].name);
    assert_true(built_count > 100000);
    print_message("# %lu sets and rows, %lu requirements of %zu kinds\n", count, built_count, known_count);
}

/* All values of all flags, with rows in turn. */
static void every_value_in_every_set(void **state)
{
    unsigned long count = 0;
    (void)state;
    for (unsigned number = 0; number < SETS; number += STRIDE) {
        struct situation situation = { .set = number };
        if (contradicts(&situation))
            continue;
        bool is_more = true;
        while (is_more) {
            struct flag_set set;
            situation.is_capable = turn(2) != 0;
            set_flags(&situation, &set);
            check_row(&situation, &set, turn(64) != 0 ? rows[turn(ROWS)] : NULL);
            count++;
            is_more = false;
            for (unsigned flag = 0; flag < FLAG_COUNT && !is_more; flag++) {
                if (!has(&situation, flag))
                    continue;
                situation.value[flag]++;
                is_more = situation.value[flag] < flags[flag].value_count;
                if (!is_more)
                    situation.value[flag] = 0;
            }
        }
    }
    print_message("# %lu sets with values, %zu kinds\n", count, known_count);
}

/* --- The decision --- */

enum promise { AS_PROMISED, MISSING, REFUSED, PROMISE_COUNT };

struct spot {
    const struct request *made; /* what a connection of its class was opened for */
    enum connection_state state;
    enum promise promise;
    bool is_late, is_old, is_owned, is_busy;
    unsigned waiters;
};

enum { WAITERS_MAX = 4, OWN_GENERATION = 10 };
struct world {
    const struct request *request;
    struct spot spot;
    bool is_offered_to_rise; /* or as one of the same kind */
    bool has_failed_just_now, has_room, is_expired;
};

static bool is_its_own_kind(const struct spot *spot, const struct wish *wish)
{
    return memcmp(spot->made->wish.part, wish->part, CLASS_PARTS) == 0;
}

static bool keeps_its_promise(const struct spot *spot)
{
    return spot->made->wish.part[TRANSPORT] != TRANSPORT_TLS - TRANSPORT_UDP || spot->promise == AS_PROMISED;
}

static bool is_alive(const struct spot *spot, const struct wish *wish)
{
    return spot->state == CONNECTION_READY && !spot->is_late && !(spot->is_old && wish->part[AGE] == 0);
}

static bool serves(const struct world *world)
{
    const struct spot *spot = &world->spot;
    const struct wish *wish = &world->request->wish;
    return !world->is_offered_to_rise && wish->part[SHARES] && !spot->is_owned && is_its_own_kind(spot, wish) &&
        is_alive(spot, wish) && keeps_its_promise(spot);
}

static bool comes_to_serve(const struct world *world)
{
    const struct spot *spot = &world->spot;
    const struct wish *wish = &world->request->wish;
    return !world->is_offered_to_rise && wish->part[SHARES] && wish->part[CONNECTS] && !spot->is_owned &&
        is_its_own_kind(spot, wish) && (spot->state == CONNECTION_DIALING ||
            spot->state == CONNECTION_HANDSHAKING || spot->state == CONNECTION_VERIFYING);
}

/* Encrypted and not proven, idle, with the same certificate and server name. */
static bool may_rise(const struct world *world)
{
    const struct spot *spot = &world->spot;
    const unsigned char *wanted = world->request->wish.part, *there = spot->made->wish.part;
    return world->is_offered_to_rise && wanted[SHARES] && wanted[UPGRADES] && !spot->is_owned &&
        there[TRANSPORT] == TRANSPORT_TLS - TRANSPORT_UDP && there[LEVEL] == LEVEL_ENCRYPT - LEVEL_NONE &&
        there[SHOWN] == wanted[SHOWN] && there[SERVER_NAME] == wanted[SERVER_NAME] &&
        is_alive(spot, &world->request->wish) && spot->promise == AS_PROMISED && spot->waiters == 0 && !spot->is_busy;
}

struct outcome {
    enum decision decision;
    enum reason reason;
    bool is_that_one;
};

static struct outcome rejected(enum reason reason)
{
    return (struct outcome){ DECISION_REJECT, reason, false };
}

static struct outcome outcome_of(const struct world *world)
{
    const struct wish *wish = &world->request->wish;
    if (world->is_expired && wish->part[SHOWN] != 0)
        return rejected(REASON_UNKNOWN_CERTIFICATE);
    if (wish->part[TRANSPORT] == 0)
        return (struct outcome){ DECISION_DATAGRAM, REASON_NONE, false };
    if (serves(world))
        return (struct outcome){ DECISION_REUSE, REASON_NONE, true };
    if (comes_to_serve(world) && world->spot.waiters >= WAITERS_MAX)
        return rejected(REASON_LIMIT);
    if (comes_to_serve(world))
        return (struct outcome){ DECISION_JOIN, REASON_NONE, true };
    if (may_rise(world))
        return (struct outcome){ DECISION_UPGRADE, REASON_NONE, true };
    return !wish->part[CONNECTS]           ? rejected(REASON_NO_CONNECTION)
        : world->has_failed_just_now       ? rejected(REASON_BACKOFF)
        : !world->has_room                 ? rejected(REASON_LIMIT)
                                           : (struct outcome){ DECISION_OPEN, REASON_NONE, false };
}

static struct connection_view view_of(const struct spot *spot, const struct verdict *verdict)
{
    bool has_verdict = spot->made->wish.part[TRANSPORT] == TRANSPORT_TLS - TRANSPORT_UDP && spot->promise != MISSING;
    struct connection_view view = fixture_connection(OWN_GENERATION, &spot->made->key, has_verdict ? verdict : NULL);
    view.state = spot->state;
    view.deadline = spot->is_late ? FIXTURE_NOW : FIXTURE_NOW + 1;
    view.opened_at = spot->is_old ? FIXTURE_NOW - 60 : FIXTURE_NOW - 59;
    view.is_exclusive = spot->is_owned;
    view.waiters = spot->waiters;
    view.in_flight = spot->is_busy;
    return view;
}

static unsigned long world_count, decisions[DECISION_COUNT];

static void check_world(const struct world *world)
{
    static const struct capabilities capabilities = { .upgrade = true };
    static struct requirement aged;
    struct policy_credential expired;
    const struct requirement *requirement = &world->request->requirement;
    struct verdict verdict = fixture_verdict(&world->spot.made->requirement.key);
    verdict.ocsp_checked = verdict.crl_checked = true;
    if (world->spot.promise == REFUSED)
        verdict.result = VERDICT_REFUSED;
    if (world->is_expired && requirement->terms.credential != NULL) {
        aged = *requirement;
        expired = *requirement->terms.credential;
        expired.not_after = FIXTURE_NOW;
        aged.terms.credential = &expired;
        requirement = &aged;
    }
    struct connection_view view = view_of(&world->spot, &verdict);
    struct pool_view pool = { .waiters_max = WAITERS_MAX, .has_room = world->has_room,
        .equal = &view, .equal_count = !world->is_offered_to_rise,
        .unverified = &view, .unverified_count = world->is_offered_to_rise,
        .backoff_until = world->has_failed_just_now ? FIXTURE_NOW + 1 : 0 };
    struct decision_result result = decide(requirement, &world->request->key, &pool, &capabilities, FIXTURE_NOW);
    struct outcome outcome = outcome_of(world);
    world_count++;
    decisions[outcome.decision]++;
    if (result.decision == outcome.decision && result.reason == outcome.reason &&
        result.handle.generation == (outcome.is_that_one ? OWN_GENERATION : 0))
        return;
    char text[WISH_PARTS * 8 + 1];
    for (unsigned i = 0, length = 0; i < WISH_PARTS; i++)
        length += (unsigned)snprintf(text + length, sizeof(text) - length, " %u/%u", world->request->wish.part[i],
            world->spot.made->wish.part[i]);
    fail_msg("%s %s, the rules say %s %s: wished/there%s; %s late %d old %d owned %d busy %d waiters %u promise %d,"
        " %s, failed %d room %d expired %d", decision_name(result.decision), reason_word(result.reason),
        decision_name(outcome.decision), reason_word(outcome.reason), text, connection_state_name(world->spot.state),
        world->spot.is_late, world->spot.is_old, world->spot.is_owned, world->spot.is_busy, world->spot.waiters,
        world->spot.promise, world->is_offered_to_rise ? "to rise" : "equal", world->has_failed_just_now,
        world->has_room, world->is_expired);
}

static unsigned digit(unsigned *number, unsigned base)
{
    unsigned value = *number % base;
    *number /= base;
    return value;
}

/* Everything that a connection and its pool can be but for the class. */
enum { STATE_COUNT = 6, STATES_AND_PROMISES = 2 * STATE_COUNT * PROMISE_COUNT };
enum { CONDITIONS = STATES_AND_PROMISES * 2 * 2 * 2 * 2 * 3 * 5 };

static void set_conditions(struct world *world, unsigned number)
{
    struct spot *spot = &world->spot;
    world->is_offered_to_rise = digit(&number, 2) != 0;
    spot->state = CONNECTION_UNSET + 1 + digit(&number, STATE_COUNT);
    spot->promise = digit(&number, PROMISE_COUNT);
    spot->is_late = digit(&number, 2) != 0;
    spot->is_old = digit(&number, 2) != 0;
    spot->is_owned = digit(&number, 2) != 0;
    spot->is_busy = digit(&number, 2) != 0;
    spot->waiters = (unsigned[]){ 0, WAITERS_MAX - 1, WAITERS_MAX }[digit(&number, 3)];
    unsigned pool = digit(&number, 5);
    world->has_failed_just_now = pool == 1 || pool == 4;
    world->has_room = pool != 2 && pool != 4;
    world->is_expired = pool == 3;
}

/* One request of each class, which comes first among them. */
static size_t find_classes(const struct request **classes)
{
    size_t count = 0;
    for (size_t i = 0; i < known_count; i++) {
        size_t j = 0;
        while (j < count && memcmp(classes[j]->wish.part, known[i]->wish.part, CLASS_PARTS) != 0)
            j++;
        if (j == count)
            classes[count++] = known[i];
    }
    return count;
}

/* May one be taken for the other: they differ in one thing, or the connection is one that rises where it may? */
static bool is_near(const struct wish *wish, const struct wish *there)
{
    unsigned differences = 0;
    for (unsigned i = 0; i < CLASS_PARTS; i++)
        differences += wish->part[i] != there->part[i];
    bool is_unproven = there->part[LEVEL] == LEVEL_ENCRYPT - LEVEL_NONE;
    return differences < 2 || (is_unproven && there->part[SHOWN] == wish->part[SHOWN]);
}

/* A connection of its own class in every condition; one of another class as if it were one of its own and as if it were
 * to rise, in every state with every verdict where the two are near, and in everything else in turn. */
static void check_conditions(struct world *world)
{
    const struct wish *wish = &world->request->wish, *there = &world->spot.made->wish;
    if (is_its_own_kind(&world->spot, wish)) {
        for (unsigned number = 0; number < CONDITIONS; number++) {
            set_conditions(world, number);
            check_world(world);
        }
        return;
    }
    unsigned count = is_near(wish, there) ? STATES_AND_PROMISES : 3;
    for (unsigned i = 0; i < count; i++) {
        unsigned first = count == STATES_AND_PROMISES ? i : turn(STATES_AND_PROMISES);
        set_conditions(world, first + STATES_AND_PROMISES * turn(CONDITIONS / STATES_AND_PROMISES));
        check_world(world);
    }
}

static void every_wish_with_every_connection(void **state)
{
    (void)state;
    const struct request **classes = calloc(known_count, sizeof(*classes));
    assert_non_null(classes);
    size_t class_count = find_classes(classes);
    for (size_t i = 0; i < known_count; i++)
        for (size_t j = i % STRIDE; j < class_count; j += STRIDE) {
            struct world world = { .request = known[i], .spot = { .made = classes[j] } };
            check_conditions(&world);
            for (unsigned to_rise = 0; to_rise < 2; to_rise++) {
                set_conditions(&world, to_rise + 2 * (CONNECTION_READY - 1));
                check_world(&world);
            }
        }
    free(classes);
    static const enum decision all[] = { DECISION_REUSE, DECISION_JOIN, DECISION_UPGRADE, DECISION_OPEN,
        DECISION_REJECT, DECISION_DATAGRAM };
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (decisions[all[i]] < 1000 / STRIDE)
            fail_msg("hardly ever: %s", decision_name(all[i]));
    print_message("# %zu wishes, %zu classes, %lu worlds\n", known_count, class_count, world_count);
}

/* --- The rows --- */

static void add_row(struct policy_builder *builder, unsigned number)
{
    unsigned rest = number, variant = number / ROW_KINDS;
    char name[32];
    snprintf(name, sizeof(name), "r%u.example", number);
    struct outbound_policy row = fixture_outbound((int64_t)number + 1, name);
    row.level = (enum level)(LEVEL_NONE + digit(&rest, 4));
    row.weaken = digit(&rest, 2) == 0 ? PERMISSION_REFUSED : PERMISSION_ALLOWED;
    row.trust_flag = digit(&rest, 2) == 0 ? PERMISSION_REFUSED : PERMISSION_ALLOWED;
    row.upgrade = digit(&rest, 2) == 0 ? UPGRADE_NEVER : UPGRADE_IDLE;
    row.trust_set_name = variant != 9 || row.level >= LEVEL_CHAIN ? "anchors" : NULL;
    row.expected_domain = variant % 2 != 0 ? "row.example" : NULL;
    row.certificate_name = variant % 3 == 1 ? "theirs" : NULL;
    row.initial_only = variant == 4 || variant == 7;
    row.reuse = variant != 5 && variant != 8;
    row.crl = variant == 2 || variant == 7 ? REVOCATION_SOFT : REVOCATION_OFF;
    row.ocsp = variant == 6 ? REVOCATION_SOFT
        : variant == 3 && row.level >= LEVEL_CHAIN ? REVOCATION_HARD : REVOCATION_OFF;
    row.max_age_s = variant == 10 || variant == 1 ? 600 : 0;
    assert_int_equal(policy_builder_outbound(builder, &row), 0);
}

static const struct outbound_policy *find_row(unsigned number)
{
    char name[32];
    struct policy_lookup_order order = policy_lookup_order_default();
    struct policy_query query = { .next_hop_domain = name };
    const struct outbound_policy *row = NULL;
    enum reason reason;
    snprintf(name, sizeof(name), "r%u.example", number);
    assert_int_equal(policy_lookup(snapshot, &query, &order, &row, &reason), LOOKUP_RESULT_HIT);
    return row;
}

static int build_rows(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    for (unsigned number = 0; number < ROWS; number++)
        add_row(builder, number);
    snapshot = fixture_finish(builder);
    for (unsigned number = 0; number < ROWS; number++)
        rows[number] = find_row(number);
    requests = calloc(WISH_LIMIT, sizeof(*requests));
    known = calloc(WISH_LIMIT, sizeof(*known));
    return requests != NULL && known != NULL ? 0 : -1;
}

static int free_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < known_count; i++)
        free(known[i]);
    free(known);
    free(requests);
    policy_snapshot_unref(snapshot);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_with_every_row),
        cmocka_unit_test(every_value_in_every_set),
        cmocka_unit_test(every_wish_with_every_connection),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, build_rows, free_rows);
}
