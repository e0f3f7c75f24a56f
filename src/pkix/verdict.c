/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdict.c - the verdict on a captured chain; see verdict.h.
 * In:    the requirement, the presented chain, the time. Out: the record.
 * Order: as in checks[]; the first that objects gives the reason. PROVEN is written in one place only,
 *        after the last of them.
 * Never: a default that allows: the record says REFUSED until then.
 */
#include "pkix/verdict.h"

#include "base/error.h"
#include "pkix/certificate_private.h"
#include "pkix/digest.h"
#include "pkix/identity.h"
#include "pkix/path_private.h"
#include "policy/name.h"

#include <openssl/err.h>

#include <stdio.h>

struct judgement {
    const struct verdict_request *request;
    const struct certificate_chain *presented;
    int64_t now;
    X509 *leaf;
    STACK_OF(X509) *untrusted;
    struct certificate_facts *facts; /* of the leaf */
    bool is_pinned;
    struct path path;
    struct verdict *verdict;
    struct why why;
};

typedef enum reason (*check_fn)(struct judgement *judgement);

static enum reason check_request(struct judgement *judgement)
{
    const struct verdict_request *request = judgement->request;
    bool has_role = request->peer_role == PEER_ROLE_SERVER || request->peer_role == PEER_ROLE_CLIENT;
    bool has_mode = request->eku_mode > EKU_UNSET && request->eku_mode < EKU_COUNT;
    bool has_revocation = request->crl > REVOCATION_UNSET && request->crl < REVOCATION_COUNT &&
                          request->ocsp > REVOCATION_UNSET && request->ocsp < REVOCATION_COUNT;
    if (!has_role || !has_mode || !has_revocation || (request->pins == NULL && request->pin_count > 0))
        return REFUSE(&judgement->why, REASON_POLICY_UNUSABLE, "role, purpose, revocation mode or pins are not set");
    if (request->trust_store == NULL && request->pin_count == 0)
        return REFUSE(&judgement->why, REASON_UNKNOWN_TRUST_SET, "no trust set to judge against");
    if (request->trust_store != NULL)
        memcpy(judgement->verdict->trust_digest, trust_store_digest(request->trust_store), DIGEST_SIZE);
    if (level_needs_domain(request->level) &&
        name_normalise(slice_of_string(request->expected_domain), judgement->verdict->expected_domain) != 0) {
        judgement->verdict->expected_domain[0] = '\0';
        return REFUSE(&judgement->why, REASON_NO_EXPECTED_DOMAIN, "the expected domain is missing or no domain name");
    }
    return REASON_NONE;
}

static enum reason refuse_unreadable(struct judgement *judgement, size_t index)
{
    if (library_failure(ERROR_SYNTAX) == ERROR_MEMORY)
        return REFUSE(&judgement->why, REASON_NO_MEMORY, "out of memory");
    return REFUSE(&judgement->why, REASON_CERTIFICATE_MALFORMED, "presented certificate %zu cannot be read",
                  index + 1);
}

static enum reason read_untrusted(struct judgement *judgement)
{
    judgement->untrusted = sk_X509_new_null();
    if (judgement->untrusted == NULL)
        return REFUSE(&judgement->why, REASON_NO_MEMORY, "out of memory");
    for (size_t i = 1; i < judgement->presented->count; i++) {
        X509 *certificate = certificate_parse(certificate_chain_get(judgement->presented, i));
        if (certificate == NULL)
            return refuse_unreadable(judgement, i);
        if (sk_X509_push(judgement->untrusted, certificate) <= 0) {
            X509_free(certificate);
            return REFUSE(&judgement->why, REASON_NO_MEMORY, "out of memory");
        }
    }
    return REASON_NONE;
}

static enum reason check_presented(struct judgement *judgement)
{
    const struct certificate_chain *presented = judgement->presented;
    if (presented == NULL || presented->count == 0)
        return REFUSE(&judgement->why, REASON_NO_CERTIFICATE, "the peer presented no certificate");
    if (presented->count > VERDICT_PRESENTED_MAX || presented->end[presented->count - 1] > VERDICT_PRESENTED_SIZE_MAX)
        return REFUSE(&judgement->why, REASON_CHAIN_INVALID, "%zu certificates of %u bytes presented, too many",
                      presented->count, presented->end[presented->count - 1]);
    struct slice der = certificate_chain_get(presented, 0);
    judgement->leaf = certificate_parse(der);
    if (judgement->leaf == NULL)
        return refuse_unreadable(judgement, 0);
    int code = certificate_facts_from(judgement->leaf, der, &judgement->facts, &judgement->why);
    if (code != 0)
        return code == ERROR_MEMORY ? REASON_NO_MEMORY : REASON_CERTIFICATE_MALFORMED;
    if (judgement->facts->has_unclean_name)
        return REFUSE(&judgement->why, REASON_CERTIFICATE_MALFORMED, "NUL or control byte in a name of the leaf");
    /* Before the path: libcrypto would only say that it found no issuer for such a leaf. */
    enum reason reason = rule_extensions(judgement->leaf, &judgement->why);
    return reason != REASON_NONE ? reason : read_untrusted(judgement);
}

static enum reason check_pins(struct judgement *judgement)
{
    const struct verdict_request *request = judgement->request;
    const struct certificate_facts *facts = judgement->facts;
    for (size_t i = 0; i < request->pin_count; i++) {
        const struct pin *pin = &request->pins[i];
        if ((pin->kind == PIN_CERTIFICATE && digest_equal(pin->digest, facts->digest)) ||
            (pin->kind == PIN_KEY && digest_equal(pin->digest, facts->key_digest)))
            judgement->is_pinned = true;
    }
    if (request->pin_count > 0 && !judgement->is_pinned)
        return REFUSE(&judgement->why, REASON_PIN_MISMATCH, "the leaf is none of the %zu pinned", request->pin_count);
    return REASON_NONE;
}

static enum reason check_path(struct judgement *judgement)
{
    if (judgement->is_pinned && X509_self_signed(judgement->leaf, 0) == 1)
        return path_of_pinned(judgement->leaf, judgement->facts, judgement->now, &judgement->path, &judgement->why);
    if (judgement->request->trust_store == NULL)
        return REFUSE(&judgement->why, REASON_UNKNOWN_TRUST_SET, "the pinned leaf is not self-signed: no trust set");
    return path_find(judgement->request->trust_store, judgement->leaf, judgement->untrusted, judgement->now,
                     &judgement->path, &judgement->why);
}

static enum reason check_certificates(struct judgement *judgement)
{
    const struct verdict_request *request = judgement->request;
    int count = sk_X509_num(judgement->path.certificates);
    for (int depth = 0; depth < count; depth++) {
        X509 *certificate = sk_X509_value(judgement->path.certificates, depth);
        enum reason reason = rule_extensions(certificate, &judgement->why);
        if (reason == REASON_NONE)
            reason = rule_key(certificate, request->rsa_bits_min, request->ec_bits_min, &judgement->why);
        if (reason == REASON_NONE && depth < count - 1)
            reason = rule_signature(certificate, &judgement->why);
        if (reason != REASON_NONE) {
            why_prefix(&judgement->why, "depth %d", depth);
            return reason;
        }
    }
    return REASON_NONE;
}

static enum reason check_key_usage(struct judgement *judgement)
{
    return rule_key_usage(judgement->leaf, &judgement->why);
}

static enum reason check_purpose(struct judgement *judgement)
{
    return rule_purpose(judgement->path.certificates, judgement->request->eku_mode, judgement->request->peer_role,
                        &judgement->why);
}

static enum reason check_sip_names(struct judgement *judgement)
{
    return rule_sip_names(judgement->path.certificates, judgement->facts, &judgement->why);
}

/* No revocation data can be had yet: hard refuses, soft is told in the detail of the verdict. */
static enum reason check_revocation(struct judgement *judgement)
{
    const struct verdict_request *request = judgement->request;
    if (request->crl == REVOCATION_HARD || request->ocsp == REVOCATION_HARD)
        return REFUSE(&judgement->why, REASON_REVOCATION_UNKNOWN, "no revocation data for this chain");
    return REASON_NONE;
}

static enum reason check_identity(struct judgement *judgement)
{
    const struct verdict_request *request = judgement->request;
    if (!level_needs_domain(request->level))
        return REASON_NONE;
    const struct identity_rule rule = { request->cn_fallback, request->wildcard };
    struct identity identity;
    if (identity_matches(judgement->facts, &rule, judgement->verdict->expected_domain, &identity)) {
        const char *text = strlen(identity.text) < DOMAIN_NAME_SIZE ? identity.text : identity.name;
        snprintf(judgement->verdict->matched_name, DOMAIN_NAME_SIZE, "%s", text);
        return REASON_NONE;
    }
    char names[76]; /* with the expected domain it fits a detail */
    struct identity_walk walk = { 0 };
    bool has_identity = identity_next(&walk, judgement->facts, &rule, &identity);
    certificate_names_print(judgement->facts, names, sizeof(names));
    return REFUSE(&judgement->why, has_identity ? REASON_WRONG_IDENTITY : REASON_NO_IDENTITY,
                  "expected %.50s, presented %s", judgement->verdict->expected_domain,
                  names[0] != '\0' ? names : "no name");
}

/* The earliest end of a certificate of the path, the anchor's among them (INV-37). */
static enum reason check_end(struct judgement *judgement)
{
    int64_t earliest = INT64_MAX;
    int count = sk_X509_num(judgement->path.certificates);
    for (int depth = 0; depth < count; depth++) {
        int64_t not_after;
        if (!certificate_time(X509_get0_notAfter(sk_X509_value(judgement->path.certificates, depth)), &not_after))
            return REFUSE(&judgement->why, REASON_CERTIFICATE_MALFORMED, "the validity at depth %d is broken", depth);
        if (not_after < earliest)
            earliest = not_after;
    }
    if (count < 1 || judgement->now >= earliest)
        return REFUSE(&judgement->why, REASON_CERTIFICATE_EXPIRED, "the path has expired");
    judgement->verdict->chain_not_after = earliest;
    return REASON_NONE;
}

static const struct {
    const char *name;
    check_fn run;
} checks[] = {
    { "request", check_request },       { "presented", check_presented }, { "pins", check_pins },
    { "path", check_path },             { "certificates", check_certificates },
    { "key-usage", check_key_usage },   { "purpose", check_purpose },     { "sip-names", check_sip_names },
    { "revocation", check_revocation }, { "identity", check_identity },   { "end", check_end },
};

static void describe_proof(const struct judgement *judgement, struct verdict *verdict)
{
    const struct verdict_request *request = judgement->request;
    bool is_soft = request->crl == REVOCATION_SOFT || request->ocsp == REVOCATION_SOFT;
    snprintf(verdict->detail, sizeof(verdict->detail), "%s%.100s%s%s", verdict->matched_name[0] != '\0' ? "as " : "",
             verdict->matched_name[0] != '\0' ? verdict->matched_name : "the chain holds",
             judgement->is_pinned ? ", pinned" : "", is_soft ? ", revocation not checked" : "");
}

/* Runs every check; the only place that says PROVEN. */
static void judge(struct judgement *judgement)
{
    struct verdict *verdict = judgement->verdict;
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        verdict->reason = checks[i].run(judgement);
        if (verdict->reason != REASON_NONE) {
            snprintf(verdict->detail, sizeof(verdict->detail), "%s: %.142s", checks[i].name, judgement->why.text);
            verdict->matched_name[0] = '\0';
            verdict->chain_not_after = 0;
            return;
        }
    }
    memcpy(verdict->anchor_digest, judgement->path.anchor_digest, DIGEST_SIZE);
    describe_proof(judgement, verdict);
    verdict->result = VERDICT_PROVEN;
}

static void refuse_without_memory(struct verdict *verdict)
{
    verdict->result = VERDICT_REFUSED;
    verdict->reason = REASON_NO_MEMORY;
    verdict->chain_not_after = 0;
    snprintf(verdict->detail, sizeof(verdict->detail), "out of memory");
}

/* Level encrypt: nothing is claimed; what is seen of the leaf is noted. */
static void note_only(const struct certificate_chain *presented, struct verdict *verdict,
                      struct certificate_facts **facts_r)
{
    verdict->result = VERDICT_NOT_TAKEN;
    verdict->reason = REASON_NONE;
    verdict->chain_not_after = INT64_MAX;
    if (presented == NULL || presented->count == 0)
        return;
    int code = certificate_facts_read(certificate_chain_get(presented, 0), facts_r, NULL);
    if (code == 0)
        verdict->chain_not_after = (*facts_r)->not_after;
    if (code == ERROR_MEMORY)
        refuse_without_memory(verdict); /* rather than without an end (INV-37) */
}

int verdict_take_with_facts(const struct verdict_request *request, const struct certificate_chain *presented,
                            int64_t now, struct verdict *verdict_r, struct certificate_facts **facts_r)
{
    *facts_r = NULL;
    *verdict_r = (struct verdict){
        .result = VERDICT_REFUSED, .reason = REASON_POLICY_UNUSABLE, .level = request->level, .taken_at = now
    };
    if (request->level <= LEVEL_UNSET || request->level >= LEVEL_COUNT) {
        snprintf(verdict_r->detail, sizeof(verdict_r->detail), "request: no level of validation is set");
        return 0;
    }
    ERR_clear_error();
    if (presented != NULL && presented->count > 0) {
        struct slice leaf = certificate_chain_get(presented, 0);
        if (digest_sha256(&leaf, 1, verdict_r->leaf_digest) != 0) {
            refuse_without_memory(verdict_r);
            return ERROR_MEMORY;
        }
    }
    if (level_needs_chain(request->level)) {
        struct judgement judgement = { .request = request, .presented = presented, .now = now, .verdict = verdict_r };
        judge(&judgement);
        path_fini(&judgement.path);
        sk_X509_pop_free(judgement.untrusted, X509_free);
        X509_free(judgement.leaf);
        *facts_r = judgement.facts;
    } else {
        note_only(presented, verdict_r, facts_r);
    }
    ERR_clear_error();
    return verdict_r->reason == REASON_NO_MEMORY ? ERROR_MEMORY : 0;
}

int verdict_take(const struct verdict_request *request, const struct certificate_chain *presented, int64_t now,
                 struct verdict *verdict_r)
{
    struct certificate_facts *facts = NULL;
    int code = verdict_take_with_facts(request, presented, now, verdict_r, &facts);
    certificate_facts_free(facts);
    return code;
}

const char *peer_role_word(enum peer_role role)
{
    switch (role) {
    case PEER_ROLE_SERVER:
        return "server";
    case PEER_ROLE_CLIENT:
        return "client";
    case PEER_ROLE_UNSET:
        break;
    }
    return "unset";
}
