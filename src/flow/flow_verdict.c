/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_verdict.c - the one place where a connection asks for its verdict, outbound and accepted alike.
 * In:    a session that has captured its peer's chain. Out: the verdict, kept with the connection.
 * Never: releases held output before the verdict allows it (INV-16, INV-18).
 */
#include "base/error.h"
#include "flow/flow_private.h"
#include "pkix/digest.h"
#include "pkix/identity.h"
#include "pkix/verdict.h"

#include <stdlib.h>

enum { IDENTITIES_MAX = 64 };

static int take_chain(struct flow *flow, struct why *why)
{
    struct tls_chain chain = { 0 };
    if (flow->is_judged || !tls_session_has_chain(flow->session))
        return 0; /* it was taken before, or there is none */
    int rc = tls_session_take_chain(flow->session, &chain);
    for (size_t i = 0; rc == 0 && i < chain.count; i++)
        rc = certificate_chain_append(&flow->chain, chain.certificates[i]);
    tls_chain_free(&chain);
    return rc != 0 ? why_fail(why, rc, "the peer's certificates cannot be kept: %s", error_text(rc)) : 0;
}

static void fill_pins(const struct requirement_key *key, struct pin pins[PINS_MAX])
{
    for (unsigned i = 0; i < key->pins.count && i < PINS_MAX; i++) {
        pins[i].kind = PIN_CERTIFICATE;
        memcpy(pins[i].digest, key->pins.digests[i], DIGEST_SIZE);
    }
}

static void request_outbound(const struct requirement *requirement, struct pin pins[PINS_MAX],
    struct verdict_request *request)
{
    const struct requirement_key *key = &requirement->key;
    fill_pins(key, pins);
    *request = (struct verdict_request){ .level = (enum level)key->level, .peer_role = PEER_ROLE_SERVER,
        .trust_store = requirement->terms.trust_set != NULL ? requirement->terms.trust_set->store : NULL,
        .expected_domain = key->expected_domain[0] != '\0' ? key->expected_domain : NULL,
        .cn_fallback = key->cn_fallback != 0, .wildcard = key->wildcard != 0,
        .eku_mode = (enum eku_mode)key->eku_mode, .crl = (enum revocation)key->crl,
        .ocsp = (enum revocation)key->ocsp, .pins = pins, .pin_count = key->pins.count };
}

/* Accepted connections are judged against the profile's trust set; who the peer is, peer rows say (RFC 5922 7.4). */
static void request_accepted(const struct flow *flow, const struct server_profile *profile,
    struct verdict_request *request)
{
    bool is_judged = profile->trust_set != NULL && flow->chain.count > 0;
    *request = (struct verdict_request){ .level = is_judged ? LEVEL_CHAIN : LEVEL_ENCRYPT,
        .peer_role = PEER_ROLE_CLIENT, .trust_store = is_judged ? profile->trust_set->store : NULL,
        .eku_mode = profile->eku_mode, .crl = profile->crl, .ocsp = profile->ocsp };
}

static enum tls_alert alert_of(enum reason reason)
{
    switch (reason) {
    case REASON_CERTIFICATE_EXPIRED:
        return TLS_ALERT_CERTIFICATE_EXPIRED;
    case REASON_CHAIN_UNTRUSTED:
        return TLS_ALERT_UNKNOWN_CA;
    case REASON_REVOKED:
        return TLS_ALERT_CERTIFICATE_REVOKED;
    case REASON_NO_CERTIFICATE:
        return TLS_ALERT_CERTIFICATE_REQUIRED;
    default:
        return TLS_ALERT_BAD_CERTIFICATE;
    }
}

static int refuse(struct flow *flow, struct why *why)
{
    tls_session_refuse(flow->session, alert_of(flow->verdict->reason));
    return why_fail(why, ERROR_VERDICT, "%s: %s", reason_word(flow->verdict->reason),
        flow->verdict->detail[0] != '\0' ? flow->verdict->detail : reason_text(flow->verdict->reason));
}

static enum reason verify(const struct flow *flow, const struct verdict_request *request, struct verdict *verdict_r)
{
    if (verdict_take(request, &flow->chain, loop_wall_s(flow->pool->loop), verdict_r) != 0)
        return REASON_NO_MEMORY;
    if (verdict_r->result == VERDICT_PROVEN)
        return REASON_NONE;
    return verdict_r->reason != REASON_NONE ? verdict_r->reason : REASON_CHAIN_UNTRUSTED;
}

enum reason flow_verify(const struct flow *flow, const struct requirement *requirement, struct verdict *verdict_r)
{
    struct pin pins[PINS_MAX];
    struct verdict_request request;
    request_outbound(requirement, pins, &request);
    return verify(flow, &request, verdict_r);
}

enum reason flow_verify_accepted(const struct flow *flow, const struct server_profile *profile,
    struct verdict *verdict_r)
{
    struct verdict_request request;
    request_accepted(flow, profile, &request);
    return verify(flow, &request, verdict_r);
}

int flow_judge(struct flow *flow, const struct requirement *requirement, const struct server_profile *profile,
    struct why *why)
{
    struct pin pins[PINS_MAX];
    struct verdict_request request = { .level = LEVEL_UNSET }; /* which proves nothing */
    int rc = take_chain(flow, why);
    free(flow->verdict);
    flow->verdict = calloc(1, sizeof(*flow->verdict));
    if (rc != 0 || flow->verdict == NULL)
        return rc != 0 ? rc : why_fail(why, ERROR_MEMORY, "no memory for the verdict");
    if (requirement != NULL)
        request_outbound(requirement, pins, &request);
    else if (profile != NULL)
        request_accepted(flow, profile, &request);
    rc = verdict_take(&request, &flow->chain, loop_wall_s(flow->pool->loop), flow->verdict);
    bool is_refused = rc != 0 || flow->verdict->result == VERDICT_REFUSED || flow->verdict->result == VERDICT_UNSET;
    bool is_optional = profile != NULL && profile->client_auth != CLIENT_AUTH_REQUIRE;
    if (profile != NULL && profile->client_auth == CLIENT_AUTH_REQUIRE && flow->verdict->result != VERDICT_PROVEN) {
        is_refused = true;
        if (flow->chain.count == 0)
            flow->verdict->reason = REASON_NO_CERTIFICATE;
        flow->verdict->result = VERDICT_REFUSED;
    }
    if (is_refused && !is_optional)
        return refuse(flow, why);
    rc = tls_session_release(flow->session);
    if (rc != 0)
        return why_fail(why, rc, "the handshake cannot go on: %s", error_text(rc));
    flow->is_judged = true;
    flow->judged_by = policy_snapshot_generation(flow->pool->snapshot);
    return 0;
}

/* Who the peer may claim to be: for peer rules and accounting. */
static int fill_identities(struct connection_facts *facts)
{
    static const struct identity_rule rule;
    struct identity identity;
    struct identity_walk walk = { 0 };
    size_t count = 0, bytes = 0;
    while (count < IDENTITIES_MAX && identity_next(&walk, facts->certificate, &rule, &identity)) {
        count++;
        bytes += strlen(identity.name) + 1;
    }
    if (count == 0)
        return 0;
    facts->identities = malloc(count * sizeof(*facts->identities) + bytes);
    if (facts->identities == NULL)
        return ERROR_MEMORY;
    char *text = (char *)(facts->identities + count);
    walk = (struct identity_walk){ 0 };
    while (facts->identity_count < count && identity_next(&walk, facts->certificate, &rule, &identity)) {
        size_t size = strlen(identity.name) + 1;
        memcpy(text, identity.name, size);
        facts->identities[facts->identity_count++] = text;
        text += size;
    }
    return 0;
}

static int fill_certificates(const struct flow *flow, struct connection_facts *facts)
{
    if (flow->chain.count == 0)
        return 0;
    int rc = certificate_facts_read(certificate_chain_get(&flow->chain, 0), &facts->certificate, NULL);
    /* At level encrypt an unreadable certificate is nobody's identity, and no failure. */
    return rc == 0 ? fill_identities(facts) : rc == ERROR_MEMORY ? rc : 0;
}

static void fill_session(const struct flow *flow, struct connection_facts *facts)
{
    struct tls_session_facts session;
    if (flow->session == NULL || tls_session_facts(flow->session, &session) != 0)
        return;
    facts->tls_version = session.version;
    (void)slice_to_string(slice_of_string(session.suite), facts->suite, sizeof(facts->suite));
}

/* For people: it is the digest of the verdict that counts. */
static void note_trust_set(struct connection_facts *facts, const struct policy_trust_set *set)
{
    bool is_proven = facts->verdict.result == VERDICT_PROVEN && level_needs_chain(facts->verdict.level);
    facts->trust_set[0] = '\0';
    if (is_proven && set != NULL)
        (void)slice_to_string(slice_of_string(set->name), facts->trust_set, sizeof(facts->trust_set));
}

static void fill_outbound(const struct requirement *requirement, const struct connection_key *key,
    struct connection_facts *facts)
{
    const struct policy_credential *credential = requirement->terms.credential;
    memcpy(facts->server_name, requirement->key.sni, sizeof(facts->server_name));
    if (credential != NULL) {
        (void)slice_to_string(slice_of_string(credential->name), facts->credential, sizeof(facts->credential));
        memcpy(facts->credential_digest, credential->leaf_digest, DIGEST_SIZE);
    }
    struct slice bytes = slice_of((const char *)key->bytes, key->length);
    facts->has_key_digest = digest_sha256(&bytes, 1, facts->key_digest) == 0;
    if (requirement->terms.row != NULL)
        (void)slice_to_string(slice_of_string(requirement->terms.row->name), facts->policy, sizeof(facts->policy));
    note_trust_set(facts, requirement->terms.trust_set);
}

static void fill_connection(const struct flow *flow, int64_t deadline, struct connection_facts *facts)
{
    facts->handle = flow->handle;
    facts->is_accepted = flow->is_accepted;
    facts->transport = flow->is_tls ? TRANSPORT_TLS : TRANSPORT_TCP;
    facts->peer = flow->peer;
    if (flow->stream == NULL || stream_local(flow->stream, &facts->local) != 0)
        facts->local = (struct endpoint){ 0 };
    facts->opened_at = flow->opened_at;
    facts->deadline = deadline;
    fill_session(flow, facts);
}

int flow_facts_of(const struct flow *flow, const struct requirement *requirement, const struct connection_key *key,
    const struct verdict *verdict, int64_t deadline, struct connection_facts **facts_r)
{
    struct connection_facts *facts = connection_facts_new();
    if (facts == NULL)
        return ERROR_MEMORY;
    fill_connection(flow, deadline, facts);
    facts->verdict = *verdict;
    fill_outbound(requirement, key, facts);
    if (fill_certificates(flow, facts) != 0) {
        connection_facts_unref(facts);
        return ERROR_MEMORY;
    }
    *facts_r = facts;
    return 0;
}

int flow_make_facts(struct flow *flow, struct why *why)
{
    struct connection_facts *facts = flow->facts != NULL ? flow->facts : connection_facts_new();
    if (facts == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory for the facts of a connection");
    flow->facts = facts;
    fill_connection(flow, flow->deadline, facts);
    if (flow->verdict != NULL) {
        facts->verdict = *flow->verdict;
        free(flow->verdict);
        flow->verdict = NULL;
    }
    const struct server_profile *profile = flow->is_accepted && flow->is_tls ? flow_profile_of(flow) : NULL;
    if (profile != NULL)
        note_trust_set(facts, profile->trust_set);
    if (!flow->is_accepted)
        fill_outbound(&flow->opener->requirement, flow->key, facts);
    int rc = fill_certificates(flow, facts);
    if (rc != 0)
        return why_fail(why, rc, "no memory for the facts of a certificate");
    const struct flow_pool *pool = flow->pool;
    if (flow->farewell == NULL && pool->ops->prepare != NULL && !pool->ops->prepare(pool->arg, &flow->farewell))
        return why_fail(why, ERROR_MEMORY, "no memory for what the end of a connection needs");
    return 0;
}
