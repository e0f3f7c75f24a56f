/* SPDX-License-Identifier: GPL-2.0-or-later */
/* requirement.c - row, flags and target become a requirement; see requirement.h. */
#include "decide/requirement.h"

#include "base/error.h"
#include "base/never.h"
#include "policy/name.h"

#include <stdarg.h>
#include <stdio.h>

/* It permits what the flags name and lowers nothing; whether they may name it, the look-up has asked. */
static const struct outbound_policy flags_alone = { .name = "lookup=none", .level = LEVEL_ENCRYPT,
    .scheme = SCHEME_ANY, .send_sni = true, .eku_mode = EKU_TLS_ROLE, .crl = REVOCATION_OFF, .ocsp = REVOCATION_OFF,
    .tls_min = TLS_VERSION_1_2, .upgrade = UPGRADE_IDLE, .weaken = PERMISSION_REFUSED,
    .trust_flag = PERMISSION_ALLOWED, .reuse = true };

const struct outbound_policy *requirement_flags_alone(void)
{
    return &flags_alone;
}

/* Everything the steps below work on. */
struct work {
    const struct policy_snapshot *snapshot;
    const struct outbound_policy *row;
    const struct flag_set *flags;     /* with those of the pin */
    const struct flag_set *own_flags; /* of the request */
    const struct requirement_target *target;
    const struct capabilities *capabilities;
    const struct requirement_defaults *defaults;
    struct requirement_key *key;
    struct requirement_terms *terms;
    struct why *why;
};

static enum reason refuse(struct work *work, enum reason reason, const char *format, ...) PRINTF_LIKE(3, 4);

static enum reason refuse(struct work *work, enum reason reason, const char *format, ...)
{
    if (work->why == NULL)
        return reason;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(work->why->text, sizeof(work->why->text), format, arguments);
    va_end(arguments);
    why_prefix(work->why, "row \"%s\"", work->row->name != NULL ? work->row->name : "?");
    return reason;
}

static bool row_is_complete(const struct outbound_policy *row)
{
    return row->unusable == NULL && row->level > LEVEL_UNSET && row->level < LEVEL_COUNT &&
        row->eku_mode > EKU_UNSET && row->eku_mode < EKU_COUNT && row->crl > REVOCATION_UNSET &&
        row->crl < REVOCATION_COUNT && row->ocsp > REVOCATION_UNSET && row->ocsp < REVOCATION_COUNT &&
        row->tls_min > TLS_VERSION_UNSET && row->tls_min < TLS_VERSION_COUNT && row->tls_max < TLS_VERSION_COUNT &&
        row->upgrade > UPGRADE_UNSET && row->upgrade < UPGRADE_COUNT && row->weaken > PERMISSION_UNSET &&
        row->weaken < PERMISSION_COUNT && row->trust_flag > PERMISSION_UNSET && row->trust_flag < PERMISSION_COUNT;
}

static bool asks(const struct work *work, uint32_t flags)
{
    return flags_have(work->flags, flags);
}

static enum level raised_level(const struct outbound_policy *row, const struct flag_set *flags)
{
    enum level wanted = LEVEL_NONE;
    if (flags_have(flags, T_RELAY_VERIFY_DOMAIN))
        wanted = LEVEL_DOMAIN;
    else if (flags_have(flags, T_RELAY_VERIFY_CHAIN | T_RELAY_TRUST))
        wanted = LEVEL_CHAIN;
    else if (flags_have(flags, T_RELAY_TLS))
        wanted = LEVEL_ENCRYPT;
    return wanted > row->level ? wanted : row->level;
}

static bool is_lowered(const struct flag_set *flags, enum level level)
{
    return flags_have(flags, T_RELAY_NO_VERIFY) && level > LEVEL_ENCRYPT;
}

static bool is_initial_only(const struct outbound_policy *row, const struct flag_set *flags,
    const struct dialog_part *pin)
{
    bool is_asked = flags_have(flags, T_RELAY_INITIAL_ONLY) || flags_have(&pin->flags, T_RELAY_INITIAL_ONLY);
    return row->initial_only || (is_asked && row->weaken == PERMISSION_ALLOWED);
}

enum level requirement_pinned_level(const struct outbound_policy *row, const struct flag_set *flags,
    const struct dialog_part *pin)
{
    enum level level = requirement_level(row, flags);
    if (level < pin->level)
        level = pin->level;
    bool is_lighter = level == LEVEL_DOMAIN && !flags_have(flags, T_RELAY_VERIFY_DOMAIN) &&
        is_initial_only(row, flags, pin);
    return is_lighter ? LEVEL_CHAIN : level;
}

enum level requirement_level(const struct outbound_policy *row, const struct flag_set *flags)
{
    if (row->level <= LEVEL_UNSET || row->level >= LEVEL_COUNT)
        return LEVEL_DOMAIN;
    enum level level = raised_level(row, flags);
    return is_lowered(flags, level) && row->weaken == PERMISSION_ALLOWED ? LEVEL_ENCRYPT : level;
}

static enum reason set_level(struct work *work)
{
    struct why conflict = WHY_NONE;
    if (flags_check(work->flags, &conflict) != 0)
        return refuse(work, REASON_FLAG_CONFLICT, "%s", conflict.text);
    const struct dialog_part *pin = work->target->pin;
    enum level level = pin != NULL ? requirement_pinned_level(work->row, work->own_flags, pin)
                                   : requirement_level(work->row, work->flags);
    if (is_lowered(work->flags, level))
        return refuse(work, REASON_WEAKEN_REFUSED, "no-verify asks for less than level %s and weaken is refused",
            level_name(level));
    if (work->row == &flags_alone && level < LEVEL_CHAIN)
        return refuse(work, REASON_NO_POLICY, "without a row the flags must ask for validation");
    bool is_tls = work->target->transport == TRANSPORT_TLS;
    if (!is_tls && level != LEVEL_NONE)
        return refuse(work, REASON_PLAIN_TRANSPORT, "level %s needs TLS and the next hop is plain", level_name(level));
    /* Whoever names a certificate or a server name means to show it. */
    if (!is_tls && asks(work, T_RELAY_CERT | T_RELAY_SNI | T_RELAY_OCSP_HARD))
        return refuse(work, REASON_PLAIN_TRANSPORT, "the flags cert, sni and ocsp-hard need TLS");
    /* Level none permits plain transports; over TLS it is an unvalidated session, one class with encrypt (INV-5). */
    if (is_tls && level == LEVEL_NONE)
        level = LEVEL_ENCRYPT;
    work->key->level = (uint8_t)level;
    return REASON_NONE;
}

static bool put(char *out, size_t size, const char *text)
{
    return slice_to_string(slice_of_string(text), out, size);
}

static enum reason set_expected_domain(struct work *work)
{
    if (work->key->level != LEVEL_DOMAIN)
        return REASON_NONE;
    bool is_named = asks(work, T_RELAY_VERIFY_DOMAIN) && work->flags->verify_domain[0] != '\0';
    const char *by_flag = is_named ? work->flags->verify_domain : NULL;
    const char *by_row = work->row->expected_domain;
    /* A row that names the identity means it: another one is a weaker claim, whoever asks. */
    if (by_flag != NULL && by_row != NULL && strcmp(by_flag, by_row) != 0 &&
        work->row->weaken != PERMISSION_ALLOWED)
        return refuse(work, REASON_FLAG_CONFLICT, "verify-domain=%s is not the row's expected domain", by_flag);
    const char *name = by_flag != NULL ? by_flag : by_row != NULL ? by_row : work->target->next_hop_domain;
    if (name == NULL)
        return refuse(work, REASON_NO_EXPECTED_DOMAIN,
            "the next hop is an address, so expected_domain or verify-domain must name the identity");
    if (name_normalise(slice_of_string(name), work->key->expected_domain) != 0)
        return refuse(work, REASON_NO_EXPECTED_DOMAIN, "\"%s\" is no domain name", name);
    return REASON_NONE;
}

static enum reason set_trust(struct work *work)
{
    const struct flag_set *flags = work->flags;
    const struct policy_trust_set *trust_set = work->row->trust_set;
    if (asks(work, T_RELAY_TRUST)) {
        bool is_rows_own = work->row->trust_set_name != NULL && strcmp(work->row->trust_set_name, flags->trust) == 0;
        if (!is_rows_own && work->row->trust_flag != PERMISSION_ALLOWED)
            return refuse(work, REASON_TRUST_FLAG_REFUSED, "trust=%s and trust_flag is refused", flags->trust);
        trust_set = policy_snapshot_trust_set(work->snapshot, flags->trust);
        if (trust_set == NULL || trust_set->unusable != NULL)
            return refuse(work, REASON_UNKNOWN_TRUST_SET, "trust set \"%s\" cannot be used", flags->trust);
    }
    work->key->eku_mode = EKU_TLS_ROLE; /* where nothing is judged, the mode makes no other key */
    if (!level_needs_chain((enum level)work->key->level))
        return REASON_NONE;
    if (trust_set == NULL && work->row->pin_count == 0)
        return refuse(work, REASON_UNKNOWN_TRUST_SET, "validation needs a trust set and the row has none");
    if (trust_set != NULL) {
        work->key->trust.is_set = true;
        memcpy(work->key->trust.bytes, trust_set->digest, DIGEST_SIZE);
    }
    work->terms->trust_set = trust_set;
    work->key->eku_mode = (uint8_t)work->row->eku_mode;
    work->key->cn_fallback = work->key->level == LEVEL_DOMAIN && work->row->cn_fallback;
    work->key->wildcard = work->key->level == LEVEL_DOMAIN && work->row->wildcard;
    return REASON_NONE;
}

/* A set: in one order and each once, so that rows that mean the same share connections. */
static enum reason set_pins(struct work *work)
{
    struct pin_set *pins = &work->key->pins;
    if (work->row->pin_count > PINS_MAX)
        return refuse(work, REASON_POLICY_UNUSABLE, "it has more pins than can be compared");
    if (!level_needs_chain((enum level)work->key->level))
        return REASON_NONE;
    for (size_t i = 0; i < work->row->pin_count; i++) {
        const uint8_t *pin = work->row->pins[i];
        unsigned at = 0;
        int order = -1;
        while (at < pins->count && (order = memcmp(pins->digests[at], pin, DIGEST_SIZE)) < 0)
            at++;
        if (at < pins->count && order == 0)
            continue;
        memmove(pins->digests + at + 1, pins->digests + at, (size_t)(pins->count - at) * DIGEST_SIZE);
        memcpy(pins->digests + at, pin, DIGEST_SIZE);
        pins->count++;
    }
    return REASON_NONE;
}

static enum reason set_credential(struct work *work)
{
    const struct flag_set *flags = work->flags;
    const struct policy_credential *credential = work->row->credential;
    if (asks(work, T_RELAY_NO_CERT))
        credential = NULL;
    if (asks(work, T_RELAY_CERT)) {
        credential = policy_snapshot_credential(work->snapshot, flags->cert);
        if (credential == NULL || credential->unusable != NULL)
            return refuse(work, REASON_UNKNOWN_CERTIFICATE, "certificate \"%s\" cannot be used", flags->cert);
    } else if (credential == NULL && work->row->certificate_name != NULL && !asks(work, T_RELAY_NO_CERT)) {
        return refuse(work, REASON_UNKNOWN_CERTIFICATE, "certificate \"%s\" cannot be used",
            work->row->certificate_name);
    }
    work->terms->credential = credential;
    if (credential == NULL)
        return REASON_NONE;
    work->key->credential_chain.is_set = work->key->credential_key.is_set = true;
    memcpy(work->key->credential_chain.bytes, credential->chain_digest, DIGEST_SIZE);
    memcpy(work->key->credential_key.bytes, credential->key_digest, DIGEST_SIZE);
    return REASON_NONE;
}

static enum reason set_sni(struct work *work)
{
    const struct flag_set *flags = work->flags;
    const char *sni = NULL;
    if (asks(work, T_RELAY_SNI))
        sni = flags->sni;
    else if (asks(work, T_RELAY_NO_SNI) || !work->row->send_sni)
        return REASON_NONE;
    else if (work->row->sni != NULL)
        sni = work->row->sni;
    else if (work->key->expected_domain[0] != '\0') {
        memcpy(work->key->sni, work->key->expected_domain, sizeof(requirement_name)); /* normalised already */
        return REASON_NONE;
    }
    else if (work->row->expected_domain != NULL) /* also below level domain: what an upgrade would ask for */
        sni = work->row->expected_domain;
    else
        sni = work->target->next_hop_domain;
    if (sni != NULL && name_normalise(slice_of_string(sni), work->key->sni) != 0)
        return refuse(work, REASON_POLICY_UNUSABLE, "\"%s\" cannot be sent as server name", sni);
    return REASON_NONE;
}

static enum revocation stricter(enum revocation row, bool is_asked, bool is_hard)
{
    if (is_hard)
        return REVOCATION_HARD;
    return is_asked && row == REVOCATION_OFF ? REVOCATION_SOFT : row;
}

static enum reason set_crl(struct work *work, enum revocation crl)
{
    const struct policy_trust_set *trust_set = work->terms->trust_set;
    bool has_crls = trust_set != NULL && trust_set->has_crls;
    if (crl == REVOCATION_HARD && !work->capabilities->crl)
        return refuse(work, REASON_UNSUPPORTED_FEATURE, "hard CRL checking is asked for and not available");
    if (crl == REVOCATION_HARD && !has_crls)
        return refuse(work, REASON_REVOCATION_UNKNOWN, "hard CRL checking is asked for and the trust set has no CRLs");
    work->key->crl = (uint8_t)crl;
    work->terms->is_crl_skipped = crl == REVOCATION_SOFT && !work->capabilities->crl;
    if (crl != REVOCATION_OFF && has_crls) {
        work->key->crl_set.is_set = true;
        memcpy(work->key->crl_set.bytes, trust_set->crl_digest, DIGEST_SIZE);
    }
    return REASON_NONE;
}

static enum reason set_revocation(struct work *work)
{
    work->key->crl = work->key->ocsp = REVOCATION_OFF;
    if (!level_needs_chain((enum level)work->key->level)) {
        if (asks(work, T_RELAY_OCSP_HARD))
            return refuse(work, REASON_FLAG_CONFLICT, "ocsp-hard needs verify-chain or verify-domain");
        return REASON_NONE;
    }
    enum revocation ocsp = stricter(work->row->ocsp, asks(work, T_RELAY_OCSP), asks(work, T_RELAY_OCSP_HARD));
    if (ocsp == REVOCATION_HARD && !work->capabilities->ocsp)
        return refuse(work, REASON_UNSUPPORTED_FEATURE, "hard OCSP checking is asked for and not available");
    work->key->ocsp = (uint8_t)ocsp;
    work->terms->is_ocsp_skipped = ocsp == REVOCATION_SOFT && !work->capabilities->ocsp;
    return set_crl(work, stricter(work->row->crl, asks(work, T_RELAY_CRL), false));
}

static enum reason set_floor(struct work *work)
{
    work->key->tls_min = (uint8_t)work->row->tls_min;
    bool is_open_ended = work->row->tls_max == TLS_VERSION_UNSET;
    work->key->tls_max = (uint8_t)(is_open_ended ? TLS_VERSION_COUNT - 1 : work->row->tls_max);
    if (work->row->ciphers != NULL && !put(work->key->ciphers, sizeof(work->key->ciphers), work->row->ciphers))
        return refuse(work, REASON_POLICY_UNUSABLE, "its list of ciphers is too long");
    return REASON_NONE;
}

/* One value for each address, whoever made it (INV-11). */
static struct address canonical(const struct address *address)
{
    if (address->family == ADDRESS_V4)
        return address_v4(address->bytes);
    if (address->family == ADDRESS_V6)
        return address_v6(address->bytes, address->scope);
    return (struct address){ .family = ADDRESS_NONE };
}

static enum reason set_destination(struct work *work)
{
    const struct requirement_target *target = work->target;
    struct address address = canonical(&target->endpoint.address);
    work->key->role = ROLE_OUT;
    work->key->transport = (uint8_t)target->transport;
    work->key->destination = (struct endpoint){ .address = address, .port = target->endpoint.port };
    work->key->local = canonical(&target->local);
    if (target->transport <= TRANSPORT_UNSET || target->transport > TRANSPORT_TLS || target->endpoint.port == 0 ||
        address_is_unspecified(&address) || address_is_multicast_or_broadcast(&address))
        return refuse(work, REASON_NO_ADDRESS, "the next hop has no address that can be reached");
    if (work->row->isolation != NULL &&
        !put(work->key->isolation, sizeof(work->key->isolation), work->row->isolation))
        return refuse(work, REASON_POLICY_UNUSABLE, "its isolation tag is too long");
    return REASON_NONE;
}

static enum reason set_tls(struct work *work)
{
    static enum reason (*const steps[])(struct work *) = { set_expected_domain, set_trust, set_pins, set_credential,
        set_sni, set_revocation, set_floor };
    if (work->target->transport != TRANSPORT_TLS)
        return REASON_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        enum reason reason = steps[i](work);
        if (reason != REASON_NONE)
            return reason;
    }
    return REASON_NONE;
}

static uint32_t lower_of(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void set_terms(struct work *work)
{
    const struct outbound_policy *row = work->row;
    struct requirement_terms *terms = work->terms;
    terms->max_age_s = row->max_age_s != 0 ? row->max_age_s : work->defaults->max_age_s;
    if (asks(work, T_RELAY_MAX_AGE))
        terms->max_age_s = lower_of(terms->max_age_s, work->flags->max_age_s);
    terms->revalidate_every_s = row->revalidate_every_s;
    terms->idle_timeout_s = row->idle_timeout_s != 0 ? row->idle_timeout_s : work->defaults->idle_timeout_s;
    terms->keepalive_s = row->keepalive_s;
    terms->upgrade = row->upgrade;
    terms->may_reuse = row->reuse && !asks(work, T_RELAY_NO_CONN_REUSE);
    terms->may_connect = !asks(work, T_RELAY_NO_CONNECT);
    terms->may_upgrade = level_needs_chain((enum level)work->key->level) && row->upgrade == UPGRADE_IDLE &&
        !asks(work, T_RELAY_NO_UPGRADE);
    terms->row_id = row->id;
    terms->row = row != &flags_alone ? row : NULL;
    terms->generation = policy_snapshot_generation(work->snapshot);
}

static enum reason build(struct work *work)
{
    static enum reason (*const steps[])(struct work *) = { set_destination, set_level, set_tls };
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        enum reason reason = steps[i](work);
        if (reason != REASON_NONE)
            return reason;
    }
    set_terms(work);
    return REASON_NONE;
}

/* With the flags that the dialog began with. no-verify lowers what the row asks for and not what the dialog began with,
 * as it lowers nothing beside verify-domain. */
static enum reason build_pinned(const struct work *work)
{
    const struct dialog_part *pin = work->target->pin;
    struct requirement_target target = *work->target;
    struct flag_set merged;
    target.next_hop_domain = pin->domain[0] != '\0' ? pin->domain : NULL;
    /* Those of the request by themselves first: a merge settles what within one source is a contradiction. */
    if (flags_check(work->flags, work->why) != 0 || flags_merge(&pin->flags, work->flags, &merged, work->why) != 0)
        return REASON_FLAG_CONFLICT;
    if (work->row->weaken == PERMISSION_ALLOWED)
        merged.bits &= ~(uint32_t)T_RELAY_NO_VERIFY;
    struct work pinned = *work;
    pinned.flags = &merged;
    pinned.target = &target;
    return build(&pinned);
}

enum reason requirement_build(const struct policy_snapshot *snapshot, const struct outbound_policy *row,
    const struct flag_set *flags, const struct requirement_target *target, const struct capabilities *capabilities,
    const struct requirement_defaults *defaults, struct requirement *requirement_r, struct why *why)
{
    static const struct flag_set no_flags;
    struct requirement requirement;
    memset(&requirement, 0, sizeof(requirement));
    if (flags == NULL)
        flags = &no_flags;
    if (row == NULL) {
        if (!flags_have(flags, T_RELAY_LOOKUP) || !flags->lookup.is_none)
            return (enum reason)why_fail(why, REASON_NO_POLICY, "no policy row");
        row = &flags_alone;
    }
    struct work work = { .snapshot = snapshot, .row = row, .flags = flags, .own_flags = flags, .target = target,
        .capabilities = capabilities, .defaults = defaults, .key = &requirement.key, .terms = &requirement.terms,
        .why = why };
    if (!row_is_complete(row))
        return refuse(&work, row->unusable_reason != REASON_NONE ? row->unusable_reason : REASON_POLICY_UNUSABLE,
            "it cannot be used: %s", row->unusable != NULL ? row->unusable : "a column has no valid value");
    enum reason reason = target->pin != NULL ? build_pinned(&work) : build(&work);
    if (reason == REASON_NONE)
        *requirement_r = requirement;
    return reason;
}

/* Whether a step that found ROW would try this address. */
static bool leads_to(const struct requirement_rule *rule, const struct requirement_question *question,
    const struct endpoint *endpoint)
{
    const struct outbound_policy *row = rule->row;
    if (never(row == NULL)) /* HIT has one: of flags alone, a constant */
        return false;
    if ((rule->is_pinned && !rule->is_row_of_hop) || row->next_hop_count == 0)
        return !question->is_address_of_row;
    for (size_t i = 0; i < row->next_hop_count; i++)
        if (endpoint_equal(&row->next_hops[i], endpoint))
            return true;
    return false;
}

enum reason requirement_derive(const struct policy_snapshot *snapshot, const struct requirement_question *question,
    const struct capabilities *capabilities, const struct requirement_defaults *defaults,
    struct requirement *requirement_r, struct why *why)
{
    struct requirement_rule rule;
    struct requirement_target target = question->target;
    target.endpoint.address = canonical(&target.endpoint.address);
    enum lookup_result result = requirement_look_up(snapshot, question, &target.endpoint.address, &rule);
    if (result != LOOKUP_RESULT_HIT)
        return (enum reason)why_fail(why, (int)rule.reason, "%s", reason_text(rule.reason));
    if (!leads_to(&rule, question, &target.endpoint))
        return (enum reason)why_fail(why, REASON_NO_ADDRESS, "the row does not lead to this address any more");
    target.pin = rule.is_pinned ? question->pin : NULL;
    return requirement_build(snapshot, rule.row, question->flags, &target, capabilities, defaults, requirement_r, why);
}
